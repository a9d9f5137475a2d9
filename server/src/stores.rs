//! The stores of an installation, of whatever kinds.

use std::{error::Error, fmt, sync::Arc};

use consign_core::{
    copy::Side,
    store::{BlobStore, FileStore, Leadership, LimitStore, RowStore, UserStore},
};
use consign_storage_fs::FsBlobs;
use consign_storage_object::ObjectBlobs;
use consign_storage_postgres::{self as postgres, PgStore};
use consign_storage_redb::{OpenError, RedbStore};
use tokio::task;

use crate::{
    BoxError,
    keys::Vault,
    options::{
        Blobs, Database, Metadata, Place,
        origin::{Origin, Written},
    },
};

/// The stores of an installation.
#[derive(Clone, Debug)]
pub(crate) struct Stores {
    pub(crate) catalogue: Catalogue,
    pub(crate) blobs: Arc<dyn BlobStore>,
}

/// Where users and the catalogue are.
#[derive(Clone, Debug)]
pub(crate) enum Catalogue {
    /// This process's alone.
    Redb(Arc<RedbStore>),
    /// All nodes'.
    Postgres(Arc<PgStore>),
}

/// Why an installation is not opened.
#[derive(Debug)]
pub(crate) enum Unopened {
    /// Another process holds it.
    InUse,
    /// These stores are a copy that is not complete.
    Incomplete(String),
    /// Something is wrong with the data folder.
    Failed(BoxError),
    /// Something is wrong with what a setting names.
    Named(Written, BoxError),
}

impl Stores {
    /// Opens both stores, and makes what is missing of them.
    pub(crate) async fn open(
        metadata: &Place<Metadata>,
        blobs: &Place<Blobs>,
    ) -> Result<Self, Unopened> {
        // First of all: whoever has the database has the folder.
        let catalogue = Catalogue::open(metadata).await?;
        let blobs = open_blobs(blobs).await?;
        Ok(Self { catalogue, blobs })
    }

    /// As they are copied.
    pub(crate) fn side(&self) -> Side {
        Side {
            rows: self.catalogue.rows(),
            files: self.catalogue.files(),
            blobs: Arc::clone(&self.blobs),
        }
    }
}

impl Catalogue {
    async fn open(metadata: &Place<Metadata>) -> Result<Self, Unopened> {
        match &metadata.is {
            Metadata::Redb(path) => {
                let path = path.clone();
                let opened = task::spawn_blocking(|| RedbStore::open(path, Default::default()));
                match opened.await.map_err(|error| metadata.failed(error))? {
                    Err(OpenError::InUse) => Err(Unopened::InUse),
                    store => Ok(Self::Redb(Arc::new(
                        store.map_err(|error| metadata.failed(error))?,
                    ))),
                }
            }
            Metadata::Postgres(database) => {
                let opened = PgStore::open(database.url(), postgres_options(database)).await;
                let store = opened.map_err(|error| metadata.failed(error))?;
                Ok(Self::Postgres(Arc::new(store)))
            }
        }
    }

    pub(crate) fn users(&self) -> Arc<dyn UserStore> {
        match self {
            Self::Redb(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    /// Where keys are shared, where nodes are.
    pub(crate) fn vault(&self) -> Option<Arc<dyn Vault>> {
        match self {
            Self::Redb(_) => None,
            Self::Postgres(store) => Some(Arc::clone(store) as _),
        }
    }

    /// Who does what one node at a time does, where there are several.
    pub(crate) fn leadership(&self) -> Option<Arc<dyn Leadership>> {
        match self {
            Self::Redb(_) => None,
            Self::Postgres(store) => Some(Arc::clone(store) as _),
        }
    }

    /// Where it is counted for all nodes what may not be asked for too often.
    pub(crate) fn limits(&self) -> Option<Arc<dyn LimitStore>> {
        match self {
            Self::Redb(_) => None,
            Self::Postgres(store) => Some(Arc::clone(store) as _),
        }
    }

    pub(crate) fn rows(&self) -> Arc<dyn RowStore> {
        match self {
            Self::Redb(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    pub(crate) fn files(&self) -> Arc<dyn FileStore> {
        match self {
            Self::Redb(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }
}

/// How a database is used.
pub(crate) fn postgres_options(database: &Database) -> postgres::Options {
    let options = postgres::Options::default();
    match &database.schema {
        Some(schema) => options.schema(schema.as_str()),
        None => options,
    }
}

async fn open_blobs(blobs: &Place<Blobs>) -> Result<Arc<dyn BlobStore>, Unopened> {
    match &blobs.is {
        Blobs::Fs(folder) => {
            let folder = folder.clone();
            let opened = task::spawn_blocking(|| FsBlobs::open(folder)).await;
            let opened = opened.map_err(|error| blobs.failed(error))?;
            Ok(Arc::new(opened.map_err(|error| blobs.failed(error))?))
        }
        Blobs::S3(url) => {
            let opened = ObjectBlobs::open(url, Default::default()).await;
            Ok(Arc::new(opened.map_err(|error| blobs.failed(error))?))
        }
    }
}

impl<T> Place<T> {
    /// That it is not what it should be.
    pub(crate) fn failed(&self, error: impl Into<BoxError>) -> Unopened {
        match self.written.origin {
            Origin::Default => Unopened::Failed(error.into()),
            _ => Unopened::Named(self.written.clone(), error.into()),
        }
    }
}

impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("another process is using the data folder"),
            Self::Incomplete(metadata) => write!(
                f,
                "{metadata} is a copy that is not complete: stop the server that it is made from, and run \
                 `consign migrate` to it again"
            ),
            Self::Failed(_) => f.write_str("the data folder cannot be used"),
            Self::Named(written, _) => written.fmt(f),
        }
    }
}

impl Error for Unopened {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InUse | Self::Incomplete(_) => None,
            Self::Failed(error) | Self::Named(_, error) => Some(&**error),
        }
    }
}
