use std::{io::ErrorKind, sync::Arc};

use futures_util::StreamExt;
use proptest::prelude::*;

use super::{
    super::{
        ANSWERS, promise, run,
        samples::{sample_bytes, sample_key},
        walk,
    },
    agree, check_sequences,
};
use crate::{
    id::StageId,
    memory::MemoryBlobs,
    store::{BlobStore, ReadGrant, Stage, StoreError},
};

/// Stages that one sequence has at most, and keys.
const STAGES: usize = 4;
const KEYS: u32 = 4;

/// Holds a store of blobs against the one in memory.
pub fn blobs<G>(make: impl AsyncFn() -> (G, Arc<dyn BlobStore>)) {
    check_sequences(BlobOp::any(), |ops| {
        run(async {
            let (_guard, store) = make().await;
            let mut store = Side::new(store);
            let mut oracle = Side::new(Arc::new(MemoryBlobs::default()));
            for op in &ops {
                agree(op, store.apply(op).await, oracle.apply(op).await)?;
            }
            for op in BlobOp::everything() {
                agree(&op, store.apply(&op).await, oracle.apply(&op).await)?;
            }
            Ok(())
        })
    });
}

/// A stage is named by its place among those begun: each store gives ids as it likes.
#[derive(Clone, Debug)]
enum BlobOp {
    Begin,
    /// Appends `len` bytes, `shift` bytes from where the stage ends.
    Append {
        stage: usize,
        shift: i64,
        seed: u64,
        len: usize,
    },
    ReadAt {
        stage: usize,
        offset: u64,
        len: usize,
    },
    Publish {
        stage: usize,
        key: u32,
    },
    Put {
        key: u32,
        seed: u64,
        len: usize,
    },
    Abort {
        stage: usize,
    },
    Resume {
        stage: usize,
    },
    Open {
        key: u32,
        start: u64,
        end: u64,
    },
    Delete {
        key: u32,
    },
    Keys {
        after: Option<u32>,
        limit: usize,
    },
    Stages {
        limit: usize,
    },
}

impl BlobOp {
    fn any() -> impl Strategy<Value = Self> {
        let stage = || 0..STAGES;
        let len = || prop_oneof![4 => 0..50_usize, 1 => 0..100_000_usize];
        let position = || prop_oneof![4 => 0..100_u64, 1 => 0..150_000_u64];
        let shift = prop_oneof![6 => Just(0), 1 => -20..20_i64];
        prop_oneof![
            3 => Just(Self::Begin),
            8 => (stage(), shift, any::<u64>(), len())
                .prop_map(|(stage, shift, seed, len)| Self::Append { stage, shift, seed, len }),
            2 => (stage(), position(), len()).prop_map(|(stage, offset, len)| Self::ReadAt { stage, offset, len }),
            4 => (stage(), 0..KEYS).prop_map(|(stage, key)| Self::Publish { stage, key }),
            2 => (0..KEYS, any::<u64>(), len()).prop_map(|(key, seed, len)| Self::Put { key, seed, len }),
            1 => stage().prop_map(|stage| Self::Abort { stage }),
            2 => stage().prop_map(|stage| Self::Resume { stage }),
            4 => (0..KEYS, position(), position()).prop_map(|(key, start, end)| Self::Open { key, start, end }),
            1 => (0..KEYS).prop_map(|key| Self::Delete { key }),
            1 => (prop::option::of(0..KEYS), 1..4_usize).prop_map(|(after, limit)| Self::Keys { after, limit }),
            1 => (1..4_usize).prop_map(|limit| Self::Stages { limit }),
        ]
    }

    /// What together reads all that a store holds.
    fn everything() -> Vec<Self> {
        let mut ops = vec![
            Self::Keys {
                after: None,
                limit: 3,
            },
            Self::Stages { limit: 3 },
        ];
        for stage in 0..STAGES {
            ops.extend([
                Self::Resume { stage },
                Self::ReadAt {
                    stage,
                    offset: 0,
                    len: 1 << 22,
                },
            ]);
        }
        ops.extend((0..KEYS).map(|key| Self::Open {
            key,
            start: 0,
            end: 1 << 22,
        }));
        ops
    }
}

/// A store, and the stages begun in it so far.
struct Side {
    store: Arc<dyn BlobStore>,
    stages: Vec<Begun>,
}

/// A stage, and what was appended to it: `None` when it is no more.
struct Begun {
    id: StageId,
    stage: Option<Box<dyn Stage>>,
    appended: Option<Vec<u8>>,
}

impl Side {
    fn new(store: Arc<dyn BlobStore>) -> Self {
        Self {
            store,
            stages: Vec::new(),
        }
    }

    async fn apply(&mut self, op: &BlobOp) -> Seen {
        match *op {
            BlobOp::Begin => self.begin().await,
            BlobOp::Append {
                stage,
                shift,
                seed,
                len,
            } => {
                let Some(Begun {
                    stage: Some(stage),
                    appended: Some(appended),
                    ..
                }) = self.stages.get_mut(stage)
                else {
                    return Seen::Nothing;
                };
                let offset = stage.size().saturating_add_signed(shift);
                let bytes = sample_bytes(seed, len);
                let refused = refusal(stage.append(offset, bytes.clone()).await);
                if refused.is_none() {
                    appended.extend_from_slice(&bytes);
                }
                Seen::Stage(refused, stage.size())
            }
            BlobOp::ReadAt { stage, offset, len } => match self.stage(stage) {
                Some(stage) => Seen::Bytes(
                    stage.read_at(offset, len).await.expect(ANSWERS).into(),
                    None,
                ),
                None => Seen::Nothing,
            },
            BlobOp::Publish { stage: n, key } => {
                let Some(stage) = self.stage(n) else {
                    return Seen::Nothing;
                };
                let refused = refusal(stage.publish(sample_key(key)).await);
                let size = stage.size();
                if refused.is_none() {
                    self.stages[n].stage = None;
                    self.stages[n].appended = None;
                }
                Seen::Stage(refused, size)
            }
            BlobOp::Put { key, seed, len } => {
                let put = self.store.put(sample_key(key), sample_bytes(seed, len));
                Seen::Put(refusal(put.await))
            }
            BlobOp::Abort { stage } => {
                let Some(begun) = self.stages.get_mut(stage) else {
                    return Seen::Nothing;
                };
                (begun.stage, begun.appended) = (None, None);
                self.store.abort(begun.id).await.expect(ANSWERS);
                Seen::Nothing
            }
            BlobOp::Resume { stage } => match self.stages.get_mut(stage) {
                Some(begun) => begun.resume(&*self.store).await,
                None => Seen::Nothing,
            },
            BlobOp::Open { key, start, end } => self.open(key, start, end).await,
            BlobOp::Delete { key } => {
                self.store.delete(sample_key(key)).await.expect(ANSWERS);
                Seen::Nothing
            }
            BlobOp::Keys { after, limit } => {
                let after = after.map(sample_key);
                let blobs = walk(limit, after, async |after| {
                    self.store.keys(after, limit).await
                })
                .await;
                Seen::Keys(
                    blobs
                        .into_iter()
                        .map(|blob| (blob.key, blob.size))
                        .collect(),
                )
            }
            BlobOp::Stages { limit } => self.list_stages(limit).await,
        }
    }

    fn stage(&mut self, n: usize) -> Option<&mut dyn Stage> {
        self.stages.get_mut(n)?.stage.as_deref_mut()
    }

    async fn begin(&mut self) -> Seen {
        if self.stages.len() < STAGES {
            let stage = self.store.begin().await.expect(ANSWERS);
            self.stages.push(Begun {
                id: stage.id(),
                stage: Some(stage),
                appended: Some(Vec::new()),
            });
        }
        Seen::Nothing
    }

    /// What comes before the error of a range beyond the end is each store's own affair.
    async fn open(&self, key: u32, start: u64, end: u64) -> Seen {
        let mut stream = match self
            .store
            .open(&ReadGrant::for_testing(sample_key(key)), start..end)
            .await
        {
            Ok(stream) => stream,
            Err(StoreError::Missing) => return Seen::Missing,
            Err(error) => panic!("open: {ANSWERS}: {error:?}"),
        };
        let mut bytes = Vec::new();
        while let Some(item) = stream.next().await {
            match item {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(error) => return Seen::Bytes(Vec::new(), Some(error.kind())),
            }
        }
        Seen::Bytes(bytes, None)
    }

    async fn list_stages(&self, limit: usize) -> Seen {
        let stages = walk(limit, None, async |after| {
            self.store.stages(after, limit).await
        })
        .await;
        promise!(
            stages.windows(2).all(|pair| pair[0].id < pair[1].id),
            "stages: ordered by id"
        );
        for stage in stages {
            let begun = self.stages.iter().find(|begun| begun.id == stage.id);
            promise!(
                begun.is_some_and(|begun| begun.appended.is_some()),
                "stages: only those that were begun, and are still there"
            );
        }
        Seen::Nothing
    }
}

impl Begun {
    /// Goes on with it, or with another when nothing was kept: what is missing is appended, so that
    /// stores which keep less than all come to the same.
    async fn resume(&mut self, store: &dyn BlobStore) -> Seen {
        self.stage = None;
        let resumed = store.resume(self.id).await.expect(ANSWERS);
        let Some(appended) = &self.appended else {
            return Seen::Resumed(resumed.map(|stage| stage.size()));
        };
        let mut stage = match resumed {
            Some(stage) => stage,
            None => store.begin().await.expect(ANSWERS),
        };
        self.id = stage.id();
        let size = stage.size() as usize;
        promise!(
            size <= appended.len(),
            "resume: finds no more bytes than were appended"
        );
        let found = stage.read_at(0, size).await.expect(ANSWERS);
        promise!(
            found == appended[..size],
            "resume: finds the first bytes that were appended"
        );
        let rest = appended[size..].to_vec().into();
        stage.append(stage.size(), rest).await.expect(ANSWERS);
        let size = stage.size();
        self.stage = Some(stage);
        Seen::Resumed(Some(size))
    }
}

#[derive(Debug, PartialEq)]
enum Seen {
    Nothing,
    Missing,
    /// Why it was refused, and the stage's size since.
    Stage(Option<Refusal>, u64),
    /// Why it was refused.
    Put(Option<Refusal>),
    /// The size of a stage that is there, once what was not kept is appended again.
    Resumed(Option<u64>),
    Bytes(Vec<u8>, Option<ErrorKind>),
    Keys(Vec<(crate::id::BlobKey, u64)>),
}

#[derive(Debug, PartialEq)]
enum Refusal {
    Offset(u64),
    Exists,
}

fn refusal(result: Result<(), StoreError>) -> Option<Refusal> {
    match result {
        Ok(()) => None,
        Err(StoreError::Offset { expected }) => Some(Refusal::Offset(expected)),
        Err(StoreError::Exists) => Some(Refusal::Exists),
        Err(error) => panic!("{ANSWERS}: {error:?}"),
    }
}
