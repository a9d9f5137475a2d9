//! The data folder: the database, the files, the keys and the socket of one installation.

use std::{
    error::Error,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use consign_core::{
    Consign, Parts, Settings,
    evidence::Ed25519Signer,
    mail::Courier,
    store::Leadership,
    token::{JwtSigner, KeySource},
};
use consign_storage_fs::{FsBlobs, FsEvidenceKeys, FsKeys};
use consign_storage_redb::{OpenError, RedbStore};
use tokio::{sync::Mutex, task};

/// Whom tokens and links say they are from.
const ISSUER: &str = "consign";

/// An installation, held by this process alone.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    pub(crate) consign: Consign,
    pub(crate) keys: FsKeys,
    pub(crate) signer: JwtSigner,
    pub(crate) rotating: Arc<Mutex<()>>,
    /// Who does what one node at a time does; without it the stores are this process's alone.
    pub(crate) leadership: Option<Arc<dyn Leadership>>,
}

/// Why there is no installation.
#[derive(Debug)]
pub(crate) enum Unopened {
    /// Another process holds it.
    InUse,
    /// Something is wrong with it.
    Failed(Box<dyn Error + Send + Sync>),
}

impl Installation {
    /// Opens the installation in `folder`, and makes what is missing of it. Without a courier it has no
    /// mail.
    pub(crate) async fn open(
        folder: &Path,
        settings: Settings,
        courier: Option<Arc<dyn Courier>>,
    ) -> Result<Self, Unopened> {
        let paths = Paths::of(folder);
        let opened = task::spawn_blocking(move || -> Result<_, Unopened> {
            create_folder(&paths.folder)
                .map_err(|error| failed(format!("{}: {error}", paths.folder.display())))?;
            // First of all: whoever has the database has the folder.
            let store = match RedbStore::open(&paths.database, Default::default()) {
                Err(OpenError::InUse) => return Err(Unopened::InUse),
                store => store.map_err(failed)?,
            };
            let blobs = FsBlobs::open(&paths.files).map_err(failed)?;
            Ok((store, blobs, FsKeys::new(paths.keys)))
        });
        let (store, blobs, keys) = opened.await.map_err(failed)??;
        let ring = keys.load().await.map_err(failed)?;
        let signer = JwtSigner::new(&ring, ISSUER);
        let evidence = FsEvidenceKeys::new(Paths::of(folder).evidence);
        let evidence = Ed25519Signer::new(&evidence.load().await.map_err(failed)?);
        let parts = Parts {
            courier,
            evidence: Some(Arc::new(evidence)),
            ..Parts::new(store.clone(), store, blobs, signer.clone())
        };
        Ok(Self {
            consign: Consign::new(parts, settings),
            keys,
            signer,
            rotating: Arc::default(),
            leadership: None,
        })
    }
}

/// Where things are in a data folder.
pub(crate) struct Paths {
    pub(crate) folder: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) database: PathBuf,
    pub(crate) files: PathBuf,
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
            keys: folder.join("keys.json"),
            evidence: folder.join("evidence-key.json"),
        }
    }
}

impl std::fmt::Display for Unopened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse => f.write_str("another process is using the data folder"),
            Self::Failed(_) => f.write_str("the data folder cannot be used"),
        }
    }
}

impl Error for Unopened {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InUse => None,
            Self::Failed(error) => Some(&**error),
        }
    }
}

fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Unopened {
    Unopened::Failed(error.into())
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
