use std::sync::Arc;

use consign_core::token::{KeyError, KeyRing, KeySource};
use rustix::io::Errno;

use super::script::{Script, When};
use crate::{
    FsKeys,
    disk::{Disk, Op},
};

#[tokio::test]
async fn whichever_operation_fails_keys_are_whole() {
    for when in [When::Before, When::After] {
        for nth in 0.. {
            let scratch = tempfile::tempdir().unwrap();
            let probe = Arc::<Script>::default();
            let path = scratch.path().join("keys.json");
            let keys = FsKeys::new(&path).on(Disk::probed(Arc::clone(&probe) as _));
            probe.fail(nth, Errno::IO, when);
            let made = keys.load().await;
            if probe.failed().is_none() {
                made.unwrap();
                break;
            }
            match probe.failed() {
                // What a crash left can be looked for another time.
                Some(Op::List) => drop(made.unwrap()),
                _ => assert!(matches!(made, Err(KeyError::Unavailable(_))), "{made:?}"),
            }
            let ring = keys.load().await.unwrap();
            assert_eq!(id(&keys.load().await.unwrap()), id(&ring));
            assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1);
        }
    }
}

#[tokio::test]
async fn keys_are_synced_renamed_and_their_folder_synced() {
    let scratch = tempfile::tempdir().unwrap();
    let probe = Arc::<Script>::default();
    let path = scratch.path().join("keys.json");
    let keys = FsKeys::new(&path).on(Disk::probed(Arc::clone(&probe) as _));
    let ring = keys.load().await.unwrap();
    let durable = |placed| {
        let end = [
            (Op::Write, None),
            (Op::SyncFile, None),
            (placed, Some(path.clone())),
            (Op::SyncFolder, Some(scratch.path().to_owned())),
        ];
        let seen = probe.seen();
        assert_eq!(seen[seen.len() - end.len()..], end);
        probe.clear();
    };
    durable(Op::Rename);
    keys.save(&ring).await.unwrap();
    durable(Op::Replace);
}

fn id(ring: &KeyRing) -> String {
    ring.current().id.to_string()
}
