use std::{num::NonZeroU32, sync::Arc, time::Duration};

use proptest::{prelude::*, sample::select};

use super::{
    super::{ANSWERS, run},
    agree, check_sequences,
};
use crate::{
    limit::{Failures, LimitKey, Rate},
    memory::MemoryLimits,
    store::{AttemptEnd, Attempted, LimitStore},
    time::Timestamp,
};

/// Holds a store of limits against the one in memory.
pub fn limits<G>(make: impl AsyncFn() -> (G, Arc<dyn LimitStore>)) {
    check_sequences(LimitOp::any(), |ops| {
        run(async {
            let (_guard, store) = make().await;
            let oracle = MemoryLimits::new();
            let (mut found, mut expected) = (Side::new(&*store), Side::new(&oracle));
            for op in &ops {
                agree(op, found.apply(op).await, expected.apply(op).await)?;
            }
            for key in 0..KEYS {
                let look = LimitOp::Begin { key };
                agree(&look, found.apply(&look).await, expected.apply(&look).await)?;
            }
            Ok(())
        })
    });
}

const KEYS: u8 = 3;

#[derive(Clone, Debug)]
enum LimitOp {
    /// Moves the clock.
    Forwards(Duration),
    Back(Duration),
    Take {
        key: u8,
        rate: Rate,
    },
    GiveBack {
        key: u8,
        rate: Rate,
    },
    /// A whole row of failures.
    Fail {
        key: u8,
        times: u32,
    },
    Begin {
        key: u8,
    },
    /// Ends one of the attempts that were begun, if there are any.
    End {
        which: usize,
        succeeded: bool,
    },
    Forget,
}

impl LimitOp {
    fn any() -> impl Strategy<Value = Self> {
        let forwards = [1, 999, 1000, 5_000, 900_000, 24 * 60 * 60 * 1000];
        let back = [1, 1000, 61_000, 120_000, 24 * 60 * 60 * 1000];
        let step = |of: &[u64]| select(of.to_vec()).prop_map(Duration::from_millis);
        prop_oneof![
            4 => step(&forwards).prop_map(Self::Forwards),
            1 => step(&back).prop_map(Self::Back),
            6 => (0..KEYS, any_rate()).prop_map(|(key, rate)| Self::Take { key, rate }),
            2 => (0..KEYS, any_rate()).prop_map(|(key, rate)| Self::GiveBack { key, rate }),
            2 => (0..KEYS, 90..110_u32).prop_map(|(key, times)| Self::Fail { key, times }),
            4 => (0..KEYS).prop_map(|key| Self::Begin { key }),
            4 => (any::<usize>(), any::<bool>())
                .prop_map(|(which, succeeded)| Self::End { which, succeeded }),
            1 => Just(Self::Forget),
        ]
    }
}

fn any_rate() -> impl Strategy<Value = Rate> {
    let bursts = select(vec![1, 2, 3]).prop_map(|burst| NonZeroU32::new(burst).expect("not 0"));
    let periods = select(vec![1, 1_500, 500_000, 1_000_000]).prop_map(Duration::from_micros);
    (bursts, periods).prop_map(|(burst, period)| Rate::new(burst, period))
}

/// A store, the clock, and the attempts that were begun and not ended.
struct Side<'s> {
    store: &'s dyn LimitStore,
    now: Timestamp,
    begun: Vec<(LimitKey, Option<Failures>)>,
}

#[derive(Debug, PartialEq)]
enum Seen {
    Nothing,
    Taken(Option<Duration>),
    Begun(Attempted),
    Forgotten(usize),
}

impl<'s> Side<'s> {
    fn new(store: &'s dyn LimitStore) -> Self {
        Self {
            store,
            now: Timestamp::from_secs(1_800_000_000),
            begun: Vec::new(),
        }
    }

    async fn apply(&mut self, op: &LimitOp) -> Seen {
        let (store, now) = (self.store, self.now);
        match *op {
            LimitOp::Forwards(by) => self.now = now + by,
            LimitOp::Back(by) => self.now = now - by,
            LimitOp::Take { key, rate } => {
                let taken = store.take(LimitKey([key; 16]), rate, now).await;
                return Seen::Taken(taken.expect(ANSWERS));
            }
            LimitOp::GiveBack { key, rate } => {
                let given = store.give_back(LimitKey([key; 16]), rate).await;
                given.expect(ANSWERS);
            }
            LimitOp::Fail { key, times } => {
                let mut last = Seen::Nothing;
                for _ in 0..times {
                    last = Seen::Begun(self.begin(key).await);
                }
                return last;
            }
            LimitOp::Begin { key } => return Seen::Begun(self.begin(key).await),
            LimitOp::End { which, succeeded } => {
                if let Some(which) = which.checked_rem(self.begun.len()) {
                    let (key, before) = self.begun.swap_remove(which);
                    let end = match succeeded {
                        true => AttemptEnd::Succeeded,
                        false => AttemptEnd::Undone { before },
                    };
                    store.end_attempt(key, end).await.expect(ANSWERS);
                }
            }
            LimitOp::Forget => {
                let mut all = 0;
                loop {
                    let forgotten = store.forget(now).await.expect(ANSWERS);
                    all += forgotten;
                    if forgotten == 0 {
                        return Seen::Forgotten(all);
                    }
                }
            }
        }
        Seen::Nothing
    }

    async fn begin(&mut self, key: u8) -> Attempted {
        let key = LimitKey([key; 16]);
        let attempted = self
            .store
            .begin_attempt(key, self.now)
            .await
            .expect(ANSWERS);
        if let Attempted::Begun { before } = attempted {
            self.begun.push((key, before));
        }
        attempted
    }
}
