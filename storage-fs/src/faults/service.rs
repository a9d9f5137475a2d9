//! Whole uploads through the service, and the disk failing or stopping under each of their
//! operations.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use consign_core::{
    Actor, Consign, Error, ErrorKind, File, Parts, Registration, Settings,
    audience::Scope,
    file::FileName,
    memory::MemoryStore,
    password::{Password, ScryptHasher, ScryptParams},
    random::OsEntropy,
    store::{BlobStore, BodyError, FileStore},
    testing::{AnyContent, sample_bytes},
    time::{ManualClock, Timestamp},
    token::{JwtSigner, KeyRing},
    user::Role,
};
use futures_util::{FutureExt, stream};
use rustix::io::Errno;
use tempfile::TempDir;

use super::{
    Way,
    script::{Script, When},
    store,
};
use crate::{FsBlobs, disk::Op};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn whichever_operation_fails_an_upload_is_refused_and_the_next_is_not() {
    let faults = [
        ("EIO", Errno::IO, When::Before),
        ("EIO", Errno::IO, When::After),
        ("ENOSPC", Errno::NOSPC, When::Before),
        ("ENOSPC", Errno::NOSPC, When::HalfWay),
    ];
    for ((name, errno, when), way) in faults
        .into_iter()
        .flat_map(|fault| Way::ALL.map(|way| (fault, way)))
    {
        let mut failed = Vec::new();
        for nth in 0.. {
            let world = World::new(way).await;
            world.probe.clear();
            world.probe.fail(nth, errno, when);
            let uploaded = world.upload("a.docx").await;
            let Some(op) = world.probe.failed() else {
                uploaded.unwrap();
                break;
            };
            failed.push(op);
            let case = format!("{way:?}, {name}, {when:?}, operation {nth}, {op:?}");
            // Beyond the rename nobody can tell whether the file is there.
            let room = [Op::Create, Op::Write, Op::SyncFile, Op::Rename];
            let expected = match errno == Errno::NOSPC && room.contains(&op) {
                true => ErrorKind::Full,
                false => ErrorKind::Unavailable,
            };
            assert_eq!(uploaded.unwrap_err().kind(), expected, "{case}");
            // A stage that was made and whose claim failed is the sweeper's, and so is a blob of
            // which the disk says that it is none.
            let left = match op {
                Op::Lock => [1, 0, 0],
                Op::Create if when == When::After => match way {
                    Way::Staged => [1, 0, 0],
                    Way::Put => [0, 1, 0],
                },
                Op::Rename if when == When::After => [0, 1, 0],
                _ => [0, 0, 0],
            };
            let world = world.settled().await;
            assert_eq!(world.kept().await, left, "{case}");
            world.takes_the_next(&case).await;
        }
        let mut ops = vec![
            Op::Create,
            Op::Inspect,
            Op::Write,
            Op::SyncFile,
            Op::SyncFolder,
        ];
        if matches!(way, Way::Staged) {
            ops.extend([Op::Lock, Op::Read, Op::Touch, Op::Rename]);
        }
        assert!(ops.iter().all(|op| failed.contains(op)), "{failed:?}");
        println!(
            "{way:?} {name} {when:?}: each of {} operations",
            failed.len()
        );
    }
}

/// From the publication on it goes on to its end; before, nothing of it is kept.
#[tokio::test]
async fn an_upload_can_be_dropped_during_any_operation() {
    for way in Way::ALL {
        let mut stopped = Vec::new();
        for nth in 0.. {
            let world = World::new(way).await;
            world.probe.clear();
            let gate = world.probe.hold_nth(nth);
            let mut upload = Box::pin(world.upload("a.docx"));
            let done = loop {
                if world.probe.held().is_some() {
                    break false;
                }
                match (&mut upload).now_or_never() {
                    Some(uploaded) => break uploaded.is_ok(),
                    None => tokio::task::yield_now().await,
                }
            };
            drop(upload);
            drop(gate);
            let world = world.settled().await;
            let Some(op) = world.probe.held() else {
                assert!(done);
                break;
            };
            stopped.push(op);
            let publishing = match way {
                Way::Staged => [Op::Touch, Op::SyncFile, Op::Rename, Op::SyncFolder],
                Way::Put => [Op::Create, Op::Write, Op::SyncFile, Op::SyncFolder],
            };
            let left = match publishing.contains(&op) {
                true => [0, 1, 1],
                false => [0, 0, 0],
            };
            let case = format!("{way:?}, dropped during operation {nth}, {op:?}");
            assert_eq!(world.kept().await, left, "{case}");
            world.takes_the_next(&case).await;
        }
        println!(
            "{way:?}: dropped during each of {} operations",
            stopped.len()
        );
        assert!(stopped.contains(&Op::Create) && stopped.contains(&Op::SyncFolder));
    }
}

/// A service over a probed disk.
struct World {
    consign: Consign,
    olga: Actor,
    catalogue: MemoryStore,
    probe: Arc<Script>,
    blobs: FsBlobs,
    parts: Parts,
    /// Of each of an upload's two chunks.
    chunk: usize,
    _root: TempDir,
}

impl World {
    async fn new(way: Way) -> Self {
        let (probe, blobs, root) = store();
        let catalogue = MemoryStore::new();
        let now = Timestamp::from_secs(1_800_000_000);
        let signer = JwtSigner::new(&KeyRing::generate(&OsEntropy, now), "test");
        let parts = Parts {
            hasher: Arc::new(ScryptHasher::new(ScryptParams::WEAK)),
            intake: Arc::new(AnyContent),
            // All that the disk's own clock dates is old to it.
            clock: Arc::new(ManualClock::new(Timestamp::from_secs(1 << 40))),
            ..Parts::new(catalogue.clone(), catalogue.clone(), blobs.clone(), signer)
        };
        let consign = Consign::new(parts.clone(), Settings::default());
        let administration = consign.administration();
        let olga = Registration {
            username: "olga".to_owned(),
            email: "olga@example.org".to_owned(),
            password: Password::new("correct horse".to_owned()),
            role: Role::Operations,
        };
        let olga = administration.add_user(olga).await.unwrap();
        let olga = administration.act_as(&olga.username).await.unwrap();
        Self {
            consign,
            olga,
            catalogue,
            probe,
            blobs,
            parts,
            chunk: match way {
                Way::Staged => 300_000,
                Way::Put => 3_000,
            },
            _root: root,
        }
    }

    async fn upload(&self, name: &str) -> Result<File, Error> {
        let permit = self.consign.permit_upload(&self.olga)?;
        let chunks = self.chunks().map(Ok::<_, BodyError>);
        let name = FileName::parse(name).unwrap();
        self.consign
            .upload(permit, name, stream::iter(chunks))
            .await
    }

    fn chunks(&self) -> [Bytes; 2] {
        [0, 1].map(|seed| sample_bytes(seed, self.chunk))
    }

    /// How many stages, blobs and files there are.
    async fn kept(&self) -> [usize; 3] {
        [
            self.blobs.stages(None, 9).await.unwrap().items.len(),
            self.blobs.keys(None, 9).await.unwrap().items.len(),
            self.files().await.len(),
        ]
    }

    async fn files(&self) -> Vec<File> {
        self.catalogue
            .list(&Scope::All, Timestamp::default(), None, 9)
            .await
            .unwrap()
            .items
    }

    /// The next upload is whole; a sweep leaves what is listed, and that can be read.
    async fn takes_the_next(&self, case: &str) {
        self.upload("next.docx")
            .await
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        let administration = self.consign.administration();
        administration.sweep(DAY, |_| ()).await.unwrap();
        let files = self.files().await;
        assert_eq!(self.kept().await, [0, files.len(), files.len()], "{case}");
        for file in files {
            let grant = consign_core::store::ReadGrant::for_testing(file.entry.blob);
            let bytes = self.blobs.open(&grant, 0..file.entry.size).await.unwrap();
            let bytes: Vec<Bytes> = futures_util::TryStreamExt::try_collect(bytes)
                .await
                .unwrap();
            assert_eq!(bytes.concat(), self.chunks().concat(), "{case}");
        }
    }

    /// The world with another service, when nothing that the old one has spawned runs any more.
    async fn settled(self) -> Self {
        drop(self.consign);
        for _ in 0..5_000_000 {
            if Arc::strong_count(&self.parts.blobs) == 1 {
                let consign = Consign::new(self.parts.clone(), Settings::default());
                return Self { consign, ..self };
            }
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
        panic!("something that was spawned does not end");
    }
}
