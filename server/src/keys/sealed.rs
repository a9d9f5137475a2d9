//! Keys in a shared database, sealed by a key that each node has in a file.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use consign_core::{
    evidence::EvidenceKeys,
    random::OsEntropy,
    store::StoreError,
    time::{Clock, SystemClock},
    token::{JwtSigner, KeyError, KeyRing, KeySource, Secret},
};
use consign_storage_fs::{FsSecret, key_text};
use consign_storage_postgres::PgStore;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::seal;

/// A shared place for a few bytes under a name.
#[async_trait]
pub(crate) trait Vault: fmt::Debug + Send + Sync + 'static {
    /// What is there, with its version: 1 at first, then always one more.
    async fn sealed(&self, name: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError>;

    /// Puts these bytes in the place of what has the version `before`, where it still has; `None` is
    /// "there is nothing".
    async fn set_sealed(
        &self,
        name: &str,
        before: Option<u64>,
        bytes: &[u8],
    ) -> Result<bool, StoreError>;
}

/// The keys of all nodes.
#[derive(Clone, Debug)]
pub(crate) struct SealedKeys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    vault: Arc<dyn Vault>,
    file: FsSecret,
    key: Secret,
    /// What the signer has, as it is sealed. Held while it is read or replaced, so that what was read
    /// earlier is never taken on later.
    taken_on: Mutex<Option<(u64, Vec<u8>)>>,
}

/// Why there are no sealed keys.
#[derive(Debug)]
pub(crate) enum NotSealed {
    /// The cluster key is not the one that it should be.
    ClusterKey(KeyError),
    /// The database does not answer.
    Unavailable(StoreError),
}

/// One of the texts that are kept.
struct Kept<T> {
    name: &'static str,
    parse: fn(&[u8]) -> Result<T, KeyError>,
    print: fn(&T) -> Zeroizing<Vec<u8>>,
}

const RING: Kept<KeyRing> = Kept {
    name: "token-keys",
    parse: key_text::parse_ring,
    print: key_text::print_ring,
};

const EVIDENCE: Kept<EvidenceKeys> = Kept {
    name: "evidence-keys",
    parse: key_text::parse_evidence,
    print: key_text::print_evidence,
};

impl SealedKeys {
    /// The keys that the file's key seals. The file is made where nothing is sealed yet.
    pub(crate) async fn open(vault: Arc<dyn Vault>, file: FsSecret) -> Result<Self, NotSealed> {
        let sealed = vault.sealed(RING.name).await;
        let sealed = sealed.map_err(NotSealed::Unavailable)?;
        let key = match sealed {
            // One that is made now opens nothing.
            Some(_) => match file.read().await.map_err(NotSealed::ClusterKey)? {
                Some(key) => key,
                None => return Err(NotSealed::ClusterKey(missing(&file))),
            },
            None => file.load().await.map_err(NotSealed::ClusterKey)?,
        };
        let keys = Self(Arc::new(Inner {
            vault,
            file,
            key,
            taken_on: Mutex::default(),
        }));
        if let Some((version, sealed)) = sealed {
            let opened = keys.opened(&RING, version, &sealed);
            opened.map_err(NotSealed::ClusterKey)?;
        }
        Ok(keys)
    }

    /// Whether the file's key opens what is sealed, of which there may be nothing yet: `false`. Nothing is
    /// made.
    pub(crate) async fn probe(vault: Arc<dyn Vault>, file: FsSecret) -> Result<bool, NotSealed> {
        let sealed = vault.sealed(RING.name).await;
        if sealed.map_err(NotSealed::Unavailable)?.is_some() {
            return Self::open(vault, file).await.map(|_| true);
        }
        file.read().await.map_err(NotSealed::ClusterKey)?;
        Ok(false)
    }

    /// The keys that sign evidence; made when there are none.
    pub(crate) async fn evidence(&self) -> Result<EvidenceKeys, KeyError> {
        let make = || EvidenceKeys::generate(&OsEntropy, SystemClock.now());
        Ok(self.load_or(&EVIDENCE, make).await?.1)
    }

    /// What the nodes have, and the database has not, to count by: see
    /// [`KeyedLimits`](consign_core::store::KeyedLimits).
    pub(crate) fn limits_secret(&self) -> Zeroizing<[u8; 32]> {
        seal::derived(&self.0.key, b"consign limits 1")
    }

    /// Has the keys that sign evidence be these, whatever is there.
    pub(super) async fn save_evidence(&self, keys: &EvidenceKeys) -> Result<(), KeyError> {
        self.put(&EVIDENCE, keys).await
    }

    /// The keys that sign tokens, with their version; made when there are none.
    pub(super) async fn ring(&self) -> Result<(u64, KeyRing), KeyError> {
        let make = || KeyRing::generate(&OsEntropy, SystemClock.now());
        self.load_or(&RING, make).await
    }

    /// Puts a ring in the place of the one of this version, where it is still there, and has the signer
    /// take it on.
    pub(super) async fn replace(
        &self,
        before: Option<u64>,
        ring: &KeyRing,
        signer: &JwtSigner,
    ) -> Result<bool, KeyError> {
        let mut taken_on = self.0.taken_on.lock().await;
        let Some(sealed) = self.set(&RING, before, ring).await? else {
            return Ok(false);
        };
        signer.replace(ring);
        *taken_on = Some(sealed);
        Ok(true)
    }

    /// Has the signer take on the ring that is there, if it is another.
    pub(super) async fn look(&self, signer: &JwtSigner) -> Result<bool, KeyError> {
        let mut taken_on = self.0.taken_on.lock().await;
        let there = self.0.vault.sealed(RING.name).await.map_err(unavailable)?;
        let Some((version, sealed)) = there else {
            return Err(KeyError::Refused("there are none in the database".into()));
        };
        let is_taken_on = |(at, bytes): &(u64, Vec<u8>)| *at == version && *bytes == sealed;
        if taken_on.as_ref().is_some_and(is_taken_on) {
            return Ok(false);
        }
        let first = taken_on.is_none();
        signer.replace(&self.opened(&RING, version, &sealed)?);
        *taken_on = Some((version, sealed));
        // The ring of the start is looked at once more.
        Ok(!first)
    }

    async fn load_or<T>(&self, kept: &Kept<T>, make: impl Fn() -> T) -> Result<(u64, T), KeyError> {
        loop {
            let there = self.0.vault.sealed(kept.name).await.map_err(unavailable)?;
            if let Some((version, sealed)) = there {
                return Ok((version, self.opened(kept, version, &sealed)?));
            }
            let made = make();
            if let Some((version, _)) = self.set(kept, None, &made).await? {
                tracing::info!(name = kept.name, "new keys were made in the database");
                return Ok((version, made));
            }
            // Another node was quicker.
        }
    }

    async fn put<T>(&self, kept: &Kept<T>, value: &T) -> Result<(), KeyError> {
        loop {
            let there = self.0.vault.sealed(kept.name).await.map_err(unavailable)?;
            let before = there.map(|(version, _)| version);
            if self.set(kept, before, value).await?.is_some() {
                return Ok(());
            }
        }
    }

    async fn set<T>(
        &self,
        kept: &Kept<T>,
        before: Option<u64>,
        value: &T,
    ) -> Result<Option<(u64, Vec<u8>)>, KeyError> {
        let version = before.map_or(1, |before| before + 1);
        let text = (kept.print)(value);
        let sealed = seal::seal(&self.0.key, kept.name, version, &text);
        let sealed = sealed.ok_or(KeyError::Invalid("they cannot be sealed"))?;
        let set = self.0.vault.set_sealed(kept.name, before, &sealed).await;
        Ok(set.map_err(unavailable)?.then_some((version, sealed)))
    }

    fn opened<T>(&self, kept: &Kept<T>, version: u64, sealed: &[u8]) -> Result<T, KeyError> {
        let opened = seal::open(&self.0.key, kept.name, version, sealed);
        (kept.parse)(&opened.ok_or_else(|| another(&self.0.file))?)
    }
}

#[async_trait]
impl Vault for PgStore {
    async fn sealed(&self, name: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let sealed = PgStore::sealed(self, name).await?;
        Ok(sealed.map(|sealed| (sealed.version, sealed.bytes)))
    }

    async fn set_sealed(
        &self,
        name: &str,
        before: Option<u64>,
        bytes: &[u8],
    ) -> Result<bool, StoreError> {
        PgStore::set_sealed(self, name, before, bytes).await
    }
}

#[async_trait]
impl KeySource for SealedKeys {
    async fn load(&self) -> Result<KeyRing, KeyError> {
        Ok(self.ring().await?.1)
    }

    /// Whatever is there; rotations go by versions.
    async fn save(&self, ring: &KeyRing) -> Result<(), KeyError> {
        self.put(&RING, ring).await
    }
}

fn missing(file: &FsSecret) -> KeyError {
    let path = file.path().display();
    KeyError::Refused(format!(
        "{path} is not there, and the keys in the database are sealed by it: copy it here from another node \
         of this database, where it is cluster-key in the data folder unless it is set, and chmod 600 it"
    ))
}

fn another(file: &FsSecret) -> KeyError {
    let path = file.path().display();
    KeyError::Refused(format!(
        "{path} does not open the keys in the database, which another node has sealed: copy that node's file \
         here, which is cluster-key in its data folder unless it is set"
    ))
}

fn unavailable(error: StoreError) -> KeyError {
    KeyError::Unavailable(error.into())
}
