//! An installation: its stores and its keys, and the folder of what is nowhere else.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use consign_core::{
    Consign, Parts, evidence::Ed25519Signer, mail::Courier, store::KeyedLimits, token::KeyError,
};
use consign_storage_fs::{FsEvidenceKeys, FsKeys, FsSecret};
use tokio::task;

use crate::{
    BoxError,
    keys::{self, Keys, NotSealed, SealedKeys, Source, Vault},
    options::{Config, StoreConfig},
    stores::{Catalogue, Stores, Unopened},
};

/// An installation, held by this process alone unless its database is shared.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    pub(crate) consign: Consign,
    pub(crate) keys: Keys,
    pub(crate) stores: Stores,
    pub(crate) config: StoreConfig,
}

impl Installation {
    /// Opens the installation of these settings, and makes what is missing of it. Without a courier it has
    /// no mail.
    pub(crate) async fn open(
        config: &Config,
        courier: Option<Arc<dyn Courier>>,
    ) -> Result<Self, Unopened> {
        let paths = Paths::of(&config.data);
        make_folder_durably(&paths.folder).await?;
        let stores = Stores::open(&config.stores.metadata, &config.stores.blobs).await?;
        let Stores { catalogue, blobs } = stores.clone();
        see_that_it_is_whole(&catalogue, &config.stores).await?;
        let sealed = match catalogue.vault() {
            Some(vault) => Some(sealed_keys(vault, &config.stores).await?),
            None => None,
        };
        let secret = sealed.as_ref().map(SealedKeys::limits_secret);
        let limits = catalogue.limits().zip(secret);
        let limits =
            limits.map(|(limits, secret)| Arc::new(KeyedLimits::new(limits, *secret)) as _);
        let source = sealed.map_or_else(|| paths.keys(), Source::Sealed);
        let loaded = Keys::load(source, keys::LOOK_EVERY).await;
        let keys = loaded.map_err(|error| match error {
            error if !config.stores.is_shared() => failed(error),
            KeyError::Unavailable(error) => config.stores.metadata.failed(error),
            error => Unopened::Named(config.stores.cluster_key.written.clone(), error.into()),
        })?;
        let evidence = Ed25519Signer::new(&keys.evidence);
        let (users, files) = (catalogue.users(), catalogue.files());
        let parts = Parts {
            courier,
            evidence: Some(Arc::new(evidence)),
            limits,
            leadership: catalogue.leadership(),
            ..Parts::of(users, files, blobs, Arc::new(keys.signer.clone()))
        };
        Ok(Self {
            consign: Consign::new(parts, config.settings.clone()),
            keys,
            stores,
            config: config.stores.clone(),
        })
    }
}

/// Refuses what a copy left that is not complete: it may lack files, users, revocations.
async fn see_that_it_is_whole(catalogue: &Catalogue, stores: &StoreConfig) -> Result<(), Unopened> {
    let copying = catalogue.rows().copying().await;
    match copying.map_err(|error| stores.metadata.failed(error))? {
        None => Ok(()),
        Some(_) => Err(Unopened::Incomplete(stores.metadata.is.to_string())),
    }
}

/// Holds the data folder for one server, until the value is dropped. The database is no hold on it: it may be elsewhere, and
/// shared.
pub(crate) fn hold(config: &Config) -> Result<fs::File, Unopened> {
    let paths = Paths::of(&config.data);
    let shown = |error: io::Error| failed(format!("{}: {error}", paths.held.display()));
    create_folder(&paths.folder)
        .map_err(|error| failed(format!("{}: {error}", paths.folder.display())))?;
    let mut options = fs::File::options();
    let file = options.create(true).truncate(false).write(true).mode(0o600);
    let file = file.open(&paths.held).map_err(shown)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Unopened::InUse),
        Err(fs::TryLockError::Error(error)) => Err(shown(error)),
    }
}

/// The keys in a shared database.
pub(crate) async fn sealed_keys(
    vault: Arc<dyn Vault>,
    stores: &StoreConfig,
) -> Result<SealedKeys, Unopened> {
    let file = FsSecret::new(&stores.cluster_key.is);
    let opened = SealedKeys::open(vault, file).await;
    opened.map_err(|error| match error {
        NotSealed::ClusterKey(error) => {
            Unopened::Named(stores.cluster_key.written.clone(), error.into())
        }
        NotSealed::Unavailable(error) => stores.metadata.failed(error),
    })
}

/// Where things are in a data folder.
pub(crate) struct Paths {
    pub(crate) folder: PathBuf,
    pub(crate) socket: PathBuf,
    /// The database, unless it is elsewhere.
    pub(crate) database: PathBuf,
    /// The files, unless they are elsewhere.
    pub(crate) files: PathBuf,
    pub(crate) cluster_key: PathBuf,
    held: PathBuf,
    pub(crate) keys: PathBuf,
    pub(crate) evidence: PathBuf,
}

impl Paths {
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            socket: folder.join("admin.sock"),
            database: folder.join("consign.redb"),
            files: folder.join("files"),
            cluster_key: folder.join("cluster-key"),
            held: folder.join("server.lock"),
            keys: folder.join("keys.json"),
            evidence: folder.join("evidence-key.json"),
        }
    }

    /// The keys in the folder.
    pub(crate) fn keys(&self) -> Source {
        Source::Folder(FsKeys::new(&self.keys), FsEvidenceKeys::new(&self.evidence))
    }
}

fn failed(error: impl Into<BoxError>) -> Unopened {
    Unopened::Failed(error.into())
}

/// Makes a data folder if it is missing.
pub(crate) async fn make_folder_durably(folder: &Path) -> Result<(), Unopened> {
    let folder = folder.to_owned();
    let made = task::spawn_blocking(move || {
        create_folder(&folder).map_err(|error| format!("{}: {error}", folder.display()))
    });
    made.await.map_err(failed)?.map_err(failed)
}

/// Makes the folder if it is missing, and its name durable: without it a power cut can take the
/// folder with everything in it. The name may be another process's, made a moment before it died.
fn create_folder(folder: &Path) -> io::Result<()> {
    make_folder(folder)?;
    let folder = folder.canonicalize()?;
    match folder.parent() {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::metadata(folder)?.is_dir() {
                return Ok(());
            }
            Err(io::Error::other("is not a folder"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(io::Error::new(
            error.kind(),
            "the folder above it does not exist",
        )),
        made => made,
    }
}
