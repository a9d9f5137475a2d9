//! A large installation, written straight through the store.

use std::{fs, path::Path};

use consign_core::{
    audience::Audience,
    file::{FileEntry, FileName, MediaType, Sha256},
    id::{BlobKey, FileId, UserId},
    password::{Password, PasswordHasher, ScryptHasher},
    random::OsEntropy,
    store::{Change, FileStore, Insert, InsertGuard, Outcome, UserStore},
    time::Timestamp,
    user::{Role, Status, User},
};
use consign_storage_redb::{Options, RedbStore};
use tokio::task::JoinSet;

use crate::BoxError;

/// Changes at once: as many as the store lets wait, so that its transactions are full.
const AT_ONCE: usize = 1024;

/// Bytes of the database's cache: enough for all that is written, as ids are random and so lead
/// everywhere.
const CACHE: usize = 1 << 30;

/// How many of the files' ids are told, evenly spread.
const TOLD: u64 = 1000;

/// Fills `folder`, which must not hold an installation yet. The files have no bytes: what is asked
/// of them here are their rows.
pub(crate) async fn fill(folder: &Path, files: u64, users: u64) -> Result<(), BoxError> {
    fs::create_dir(folder)?;
    let options = Options {
        cache_size: CACHE,
        ..Options::default()
    };
    let store = RedbStore::open(folder.join("consign.redb"), options)?;
    // Nobody signs in by it; one for all, because each takes a third of a second.
    let hash = ScryptHasher::default();
    let hash = hash.hash(Password::new("no one's password".into())).await?;
    let owners: Vec<UserId> = (0..users.max(1))
        .map(|_| UserId::random(&OsEntropy))
        .collect();

    let mut running = JoinSet::new();
    for (n, &id) in owners.iter().enumerate() {
        let user = User {
            id,
            username: format!("user-{n:07}").parse()?,
            email: format!("user-{n:07}@example.org").parse()?,
            role: Role::Client,
            status: Status::Active,
            password: hash.clone(),
            session_epoch: 0,
            created_at: Timestamp::from_secs(1_700_000_000),
            confined: false,
            address_proved: false,
            owner: None,
        };
        let store = store.clone();
        admit(&mut running).await?;
        running.spawn(async move {
            let inserted = store.insert(user, InsertGuard::None, Vec::new()).await?;
            done(inserted == Insert::Done)
        });
    }
    for n in 0..files {
        let entry = entry(n, owners[(n % owners.len() as u64) as usize])?;
        if n % (files / TOLD).max(1) == 0 {
            println!("{}", entry.id);
        }
        let store = store.clone();
        admit(&mut running).await?;
        running.spawn(async move {
            let outcome = store.apply(Change::add(entry)).await?;
            done(matches!(outcome, Outcome::Added(_)))
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

/// Waits until there is room for one more.
async fn admit(running: &mut JoinSet<Result<(), BoxError>>) -> Result<(), BoxError> {
    while running.len() >= AT_ONCE {
        if let Some(ended) = running.join_next().await {
            ended??;
        }
    }
    Ok(())
}

fn done(done: bool) -> Result<(), BoxError> {
    done.then_some(())
        .ok_or_else(|| "the store refused a row".into())
}

fn entry(n: u64, owner: UserId) -> Result<FileEntry, BoxError> {
    Ok(FileEntry {
        id: FileId::random(&OsEntropy),
        blob: BlobKey::random(&OsEntropy),
        name: FileName::from_upload(&format!("report-{n:07}.docx"))?,
        size: 102_400,
        media_type: MediaType::from_static(
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        sha256: Sha256([7; 32]),
        crc32: None,
        uploaded_at: Timestamp::from_secs(1_700_000_000 + n),
        uploaded_by: owner,
        uploader: format!("user-{n:07}").into(),
        audience: Audience::everybody(),
        expires_at: None,
        restored_at: None,
    })
}
