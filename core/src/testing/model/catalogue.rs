use std::{fmt::Debug, sync::Arc};

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{
    super::run,
    LENGTH,
    files::{FileOp, Side},
    users::UserOp,
};
use crate::{
    memory::MemoryStore,
    store::{FileStore, UserStore},
};

/// Makes the sequence of operations that `choices` stand for, and holds a store of users and
/// files, which share a trail, against the one in memory. `open` opens the store, which is closed
/// and opened again in between.
///
/// # Panics
/// When they differ.
pub fn catalogue<S: UserStore + FileStore + Clone>(choices: &[u8], mut open: impl FnMut() -> S) {
    run(async {
        let mut store = open();
        let oracle = MemoryStore::new();
        let mut files = Side::new(Arc::new(store.clone()));
        let mut expected = Side::new(Arc::new(oracle.clone()));
        let mut number = 0;
        for op in sequence(choices) {
            match op {
                Op::User(op) => {
                    let found = op.apply(&store, number).await;
                    same(&op, found, op.apply(&oracle, number).await);
                    number += 1;
                }
                Op::File(op) => same(&op, files.apply(&op).await, expected.apply(&op).await),
                Op::Reopen => {
                    // The last clone closes the store.
                    files.turn_to(Arc::new(MemoryStore::new()));
                    drop(store);
                    store = open();
                    files.turn_to(Arc::new(store.clone()));
                }
            }
        }
    });
}

#[derive(Clone, Debug)]
enum Op {
    User(UserOp),
    File(FileOp),
    Reopen,
}

impl Op {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            8 => UserOp::any().prop_map(Self::User),
            8 => FileOp::any().prop_map(Self::File),
            1 => Just(Self::Reopen),
        ]
    }
}

/// An operation for every two bytes of `choices`, and a look at everything.
fn sequence(choices: &[u8]) -> Vec<Op> {
    let any = Op::any();
    let (pairs, _) = choices.as_chunks::<2>();
    let made = pairs.iter().take(LENGTH).map(|pair| {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(pair);
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let op = any.new_tree(&mut runner);
        op.expect("no operation is filtered out").current()
    });
    let mut ops: Vec<_> = made.collect();
    ops.extend([Op::Reopen, Op::User(UserOp::everything())]);
    ops.extend(FileOp::everything().map(Op::File));
    ops
}

fn same<Seen: Debug + PartialEq>(op: &impl Debug, found: Seen, expected: Seen) {
    assert!(
        found == expected,
        "after {op:?}\nexpected: {expected:#?}\n   found: {found:#?}"
    );
}
