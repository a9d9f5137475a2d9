use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::{
    super::{
        ANSWERS, promise_eq,
        rows::{Whole, rows as all_rows},
        run,
    },
    agree, check_sequences,
    files::{FileOp, Side},
    users::UserOp,
};
use crate::{memory::MemoryStore, store::Row};

/// Copies a store that was worked on into an empty one, goes on there, and copies it back: each then is as the one in
/// memory, in which all was done.
pub fn rows<G>(make: impl AsyncFn() -> (G, Arc<dyn Whole>)) {
    check_sequences(Op::any(), |ops| {
        run(async {
            let ((_one, one), (_other, other)) = (make().await, make().await);
            let mut pair = Pair::new(one.clone());
            let (first, then) = ops.split_at(ops.len() / 2);
            pair.work(first).await?;
            copy(&*one, &*other).await;
            pair.turn_to(other.clone());
            pair.look().await?;
            pair.work(then).await?;
            copy(&*other, &*one).await;
            pair.turn_to(one);
            pair.look().await
        })
    });
}

async fn copy(from: &dyn Whole, to: &dyn Whole) {
    let rows = all_rows(from).await;
    let keys = BTreeSet::from_iter(rows.iter().map(Row::key));
    let there = all_rows(to).await;
    let gone = there.iter().map(Row::key).filter(|key| !keys.contains(key));
    to.replace(rows.clone(), gone.collect())
        .await
        .expect(ANSWERS);
    promise_eq!(
        all_rows(to).await,
        rows,
        "replace: what was put is what there is"
    );
}

#[derive(Clone, Debug)]
enum Op {
    User(UserOp),
    File(FileOp),
}

impl Op {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            1 => UserOp::any().prop_map(Self::User),
            3 => FileOp::any().prop_map(Self::File),
        ]
    }
}

/// A store, and the one in memory.
struct Pair {
    store: Arc<dyn Whole>,
    files: Side,
    oracle: MemoryStore,
    expected: Side,
    /// How many operations on users there were.
    number: u32,
}

impl Pair {
    fn new(store: Arc<dyn Whole>) -> Self {
        let oracle = MemoryStore::new();
        Self {
            files: Side::new(store.clone()),
            store,
            expected: Side::new(Arc::new(oracle.clone())),
            oracle,
            number: 0,
        }
    }

    fn turn_to(&mut self, store: Arc<dyn Whole>) {
        self.files.turn_to(store.clone());
        self.store = store;
    }

    async fn work(&mut self, ops: &[Op]) -> Result<(), TestCaseError> {
        for op in ops {
            self.make(op).await?;
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<(), TestCaseError> {
        let users = UserOp::every_read().into_iter().map(Op::User);
        let files = FileOp::every_read().into_iter().map(Op::File);
        for op in users.chain(files) {
            self.make(&op).await?;
        }
        Ok(())
    }

    async fn make(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match op {
            Op::User(op) => {
                let found = op.apply(&*self.store, self.number).await;
                let expected = op.apply(&self.oracle, self.number).await;
                self.number += 1;
                agree(op, found, expected)
            }
            Op::File(op) => {
                let found = self.files.apply(op).await;
                agree(op, found, self.expected.apply(op).await)
            }
        }
    }
}
