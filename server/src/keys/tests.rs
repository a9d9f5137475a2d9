//! What is asked of keys that several nodes share: the time is the tests' own.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use consign_core::{
    id::UserId,
    store::StoreError,
    token::{Claims, Purpose, TokenId, TokenSigner},
};
use consign_storage_fs::FsSecret;
use tokio::task::JoinHandle;

use super::*;

const EVERY: Duration = Duration::from_secs(2);
const HOUR: Duration = Duration::from_secs(3600);

/// What a database does of it.
#[derive(Debug, Default)]
struct MemoryVault {
    kept: Mutex<HashMap<String, (u64, Vec<u8>)>>,
    away: AtomicBool,
}

impl MemoryVault {
    fn there(&self) -> Result<(), StoreError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("it is away".into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Vault for MemoryVault {
    async fn sealed(&self, name: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        self.there()?;
        Ok(self.kept.lock().unwrap().get(name).cloned())
    }

    async fn set_sealed(
        &self,
        name: &str,
        before: Option<u64>,
        bytes: &[u8],
    ) -> Result<bool, StoreError> {
        self.there()?;
        let mut kept = self.kept.lock().unwrap();
        if kept.get(name).map(|(version, _)| *version) != before {
            return Ok(false);
        }
        let version = before.map_or(1, |before| before + 1);
        kept.insert(name.to_owned(), (version, bytes.to_vec()));
        Ok(true)
    }
}

async fn sealed(vault: &Arc<MemoryVault>, file: &Path) -> Result<SealedKeys, NotSealed> {
    let vault: Arc<dyn Vault> = Arc::clone(vault) as _;
    SealedKeys::open(vault, FsSecret::new(file)).await
}

async fn node(vault: &Arc<MemoryVault>, file: &Path) -> Keys {
    let keys = sealed(vault, file).await.unwrap();
    Keys::load(Source::Sealed(keys), EVERY).await.unwrap()
}

fn keeping(keys: &Keys) -> JoinHandle<()> {
    let keys = keys.clone();
    tokio::spawn(async move { keys.keep().await })
}

fn token(keys: &Keys) -> String {
    let now = SystemClock.now().as_secs();
    let claims = Claims {
        subject: UserId::from_bytes([7; 16]),
        epoch: 1,
        file: None,
        issued_at: now,
        not_before: now - 5,
        expires_at: now + 600,
        id: TokenId([9; 16]),
    };
    keys.signer.sign(Purpose::Access, &claims).unwrap()
}

fn believes(keys: &Keys, token: &str) -> bool {
    let now = SystemClock.now();
    keys.signer.verify(Purpose::Access, token, now).is_ok()
}

fn refusal(result: Result<SealedKeys, NotSealed>) -> String {
    match result {
        Err(NotSealed::ClusterKey(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nodes_of_one_key_have_the_same_keys() {
    let (folder, vault) = (tempfile::tempdir().unwrap(), Arc::default());
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let first = node(&vault, &one).await;
    std::fs::copy(&one, &other).unwrap();
    let second = node(&vault, &other).await;
    assert!(believes(&first, &token(&second)) && believes(&second, &token(&first)));
    assert_eq!(first.evidence.seed.expose(), second.evidence.seed.expose());
    for (_, bytes) in vault.kept.lock().unwrap().values() {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("secret") && !text.contains("seed"), "{text}");
    }
}

#[tokio::test]
async fn of_nodes_that_start_at_once_one_makes_the_keys() {
    let (folder, vault) = (tempfile::tempdir().unwrap(), Arc::default());
    let file = folder.path().join("key");
    let started = (0..8).map(|_| node(&vault, &file));
    let nodes = futures_util::future::join_all(started).await;
    for (one, other) in nodes.iter().zip(&nodes[1..]) {
        assert!(believes(one, &token(other)));
        assert_eq!(one.evidence.seed.expose(), other.evidence.seed.expose());
    }
    let kept = vault.kept.lock().unwrap();
    assert!(kept.values().all(|(version, _)| *version == 1), "{kept:?}");
}

#[tokio::test]
async fn a_node_without_the_key_is_refused_and_makes_none() {
    let (folder, vault) = (tempfile::tempdir().unwrap(), Arc::default());
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    node(&vault, &one).await;
    let told = refusal(sealed(&vault, &other).await);
    assert!(told.contains("copy it here from another node"), "{told}");
    assert!(!other.exists());

    // It was made by a node that has started at the same time and was slower.
    FsSecret::new(&other).load().await.unwrap();
    let told = refusal(sealed(&vault, &other).await);
    assert!(told.contains("copy that node's file"), "{told}");
}

#[tokio::test]
async fn what_is_exchanged_or_damaged_does_not_open() {
    let (folder, vault) = (tempfile::tempdir().unwrap(), Arc::<MemoryVault>::default());
    let file = folder.path().join("key");
    let keys = node(&vault, &file).await;
    let evidence = vault.kept.lock().unwrap()["evidence-keys"].clone();
    let ring = vault.kept.lock().unwrap()["token-keys"].clone();
    for there in [evidence, (ring.0 + 1, ring.1.clone())] {
        let name = "token-keys".to_owned();
        vault.kept.lock().unwrap().insert(name, there);
        assert!(refusal(sealed(&vault, &file).await).contains("does not open"));
    }
    assert!(believes(&keys, &token(&keys)), "who has them goes on");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_ends_no_token_anywhere() {
    let (folder, vault) = (tempfile::tempdir().unwrap(), Arc::default());
    let file = folder.path().join("key");
    let nodes = [
        node(&vault, &file).await,
        node(&vault, &file).await,
        node(&vault, &file).await,
    ];
    let kept = nodes.each_ref().map(keeping);
    let first = token(&nodes[0]);
    let rotation = tokio::spawn({
        let keys = nodes[1].clone();
        async move { keys.rotate(HOUR).await.unwrap() }
    });
    let mut all = vec![first];
    while !rotation.is_finished() || all.len() < 100 {
        all.push(token(&nodes[all.len() % nodes.len()]));
        for (at, token) in all.iter().enumerate() {
            let good = nodes.each_ref().map(|node| believes(node, token));
            assert_eq!(good, [true; 3], "token {at} of {}", all.len());
        }
        time::sleep(EVERY / 10).await;
    }
    let ring = rotation.await.unwrap();
    let id = ring.current().id.to_string();
    for node in &nodes {
        // Its header is base64url of what names the key.
        let (header, _) = all[0].split_once('.').unwrap();
        assert_ne!(token(node).split('.').next().unwrap(), header, "{id}");
    }
    kept.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn no_overlap_ends_tokens_everywhere_within_a_look() {
    let (folder, vault) = (tempfile::tempdir().unwrap(), Arc::default());
    let file = folder.path().join("key");
    let nodes = [node(&vault, &file).await, node(&vault, &file).await];
    let kept = nodes.each_ref().map(keeping);
    let before = nodes.each_ref().map(token);
    nodes[0].rotate(Duration::ZERO).await.unwrap();
    time::sleep(EVERY * 2).await;
    for node in &nodes {
        assert!(before.iter().all(|token| !believes(node, token)));
        assert!(nodes.iter().all(|other| believes(node, &token(other))));
    }
    kept.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn rotations_at_once_are_done_one_after_another() {
    let (folder, vault) = (tempfile::tempdir().unwrap(), Arc::<MemoryVault>::default());
    let file = folder.path().join("key");
    let nodes = [node(&vault, &file).await, node(&vault, &file).await];
    let kept = nodes.each_ref().map(keeping);
    let (one, other) = tokio::join!(nodes[0].rotate(HOUR), nodes[1].rotate(HOUR));
    let ids = [one.unwrap(), other.unwrap()].map(|ring| ring.current().id);
    let (_, ring) = sealed(&vault, &file).await.unwrap().ring().await.unwrap();
    assert_eq!(
        ring.retired().len(),
        2,
        "the first key, and that of the first rotation"
    );
    assert!(ids.contains(&ring.current().id) && ids.contains(&ring.retired()[0].0.id));
    assert!(ring.next().is_none());
    kept.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_was_cut_off_holds_up_none_for_ever_and_its_key_never_signs() {
    let (folder, vault) = (tempfile::tempdir().unwrap(), Arc::<MemoryVault>::default());
    let file = folder.path().join("key");
    let keys = node(&vault, &file).await;
    let cut = tokio::spawn({
        let keys = keys.clone();
        async move { keys.rotate(HOUR).await }
    });
    time::sleep(EVERY).await;
    cut.abort();
    assert!(cut.await.unwrap_err().is_cancelled());
    let source = sealed(&vault, &file).await.unwrap();
    let left = source.ring().await.unwrap().1.next().unwrap().id;
    let ring = keys.rotate(HOUR).await.unwrap();
    assert_ne!(ring.current().id, left);
    assert!(ring.keys().all(|(key, _)| key.id != left));
}

#[tokio::test(start_paused = true)]
async fn who_cannot_read_keeps_what_it_has() {
    let (folder, vault) = (tempfile::tempdir().unwrap(), Arc::<MemoryVault>::default());
    let file = folder.path().join("key");
    let keys = node(&vault, &file).await;
    let kept = keeping(&keys);
    let before = token(&keys);
    vault.away.store(true, Ordering::SeqCst);
    time::sleep(EVERY * 5).await;
    assert!(believes(&keys, &before));
    assert!(keys.rotate(HOUR).await.is_err());
    vault.away.store(false, Ordering::SeqCst);
    node(&vault, &file)
        .await
        .rotate(Duration::ZERO)
        .await
        .unwrap();
    time::sleep(EVERY * 2).await;
    assert!(!believes(&keys, &before), "it goes on looking");
    kept.abort();
}
