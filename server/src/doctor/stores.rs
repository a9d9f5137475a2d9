//! The metadata store, the bucket, and the keys.

use std::{path::Path, sync::Arc};

use consign_core::store::RowStore;
use consign_storage_fs::FsSecret;
use consign_storage_object::ObjectBlobs;
use consign_storage_postgres::{OpenError, PgStore};
use rustix::fs::Access;
use url::Url;

use super::{Findings, folder};
use crate::{
    data::Paths,
    keys::{NotSealed, SealedKeys},
    options::{Blobs, Config, Database, Metadata},
    stores,
};

const DATABASE: &str = "database";
const CLOCK: &str = "clock";
const FILES: &str = "files";
const BUCKET: &str = "bucket";
const CLUSTER: &str = "cluster";

/// Milliseconds that two clocks may be apart: what a clock that is kept by NTP is off by, and the way between.
const APART: u64 = 2000;

pub(super) async fn look(config: &Config, paths: &Paths, runs: bool, findings: &mut Findings) {
    match &config.stores.metadata.is {
        Metadata::Redb(path) => {
            if !runs && paths.folder.is_dir() {
                folder::database(path, findings).await;
            }
            if path.exists() {
                folder::keys(paths, findings);
            }
        }
        Metadata::Postgres(database) => {
            if postgres(config, database, findings).await {
                cluster(config, database, findings).await;
            }
        }
    }
    match &config.stores.blobs.is {
        Blobs::Fs(path) => files(config, paths, path, findings),
        Blobs::S3(url) => bucket(config, url, findings).await,
    }
}

/// Whether the database is one to work with, with its schema.
async fn postgres(config: &Config, database: &Database, findings: &mut Findings) -> bool {
    let written = &config.stores.metadata.written;
    let looked = PgStore::look(database.url(), stores::postgres_options(database)).await;
    let look = match looked {
        Ok(look) => look,
        Err(error) => {
            let advice = match &error {
                OpenError::Unreachable { .. } => {
                    "see that it runs, that host and port are right, and that nothing is in between"
                }
                OpenError::Refused { .. } => {
                    "see that user and password are right, and that the database lets them in from here (pg_hba.conf)"
                }
                OpenError::GaveUp { .. } => {
                    "see what keeps it busy (pg_stat_activity), and try again"
                }
                OpenError::NoDatabase { .. } => "make it (CREATE DATABASE), or name another",
                OpenError::Newer { .. } => "run the version of consign that wrote it",
                OpenError::ReadOnly => "name the primary, not a standby",
                OpenError::NotPermitted { .. } => {
                    "make the user the owner of the database, or of the schema"
                }
                _ => "look at the database, or name another",
            };
            findings.problem(
                DATABASE,
                format!("{written}: {}", crate::chain(&error)),
                advice,
            );
            return false;
        }
    };
    findings.ok(
        DATABASE,
        format!("{database} answers: PostgreSQL {}", look.server),
    );
    if look.clock_apart > APART {
        let found = format!("it is {} ms apart from the database's", look.clock_apart);
        findings.problem(
            CLOCK,
            found,
            "keep both machines' clocks by NTP: links and sessions end by them",
        );
    } else {
        findings.ok(CLOCK, "it agrees with the database's");
    }
    match look.schema {
        Some(found) if found == look.known => {
            findings.ok(
                DATABASE,
                format!("its schema is of version {found}, which is this program's"),
            );
            true
        }
        Some(found) => {
            findings.warning(
                DATABASE,
                format!(
                    "its schema is of version {found}, and this program's is {}",
                    look.known
                ),
                "keep a copy: the first server of this version brings it up when it starts",
            );
            false
        }
        None => {
            findings.warning(
                DATABASE,
                "it has no tables of this program yet",
                "the server makes them when it is started first; if it was started before, see that metadata is right",
            );
            false
        }
    }
}

/// Whether the cluster key opens what is sealed.
async fn cluster(config: &Config, database: &Database, findings: &mut Findings) {
    let key = &config.stores.cluster_key;
    let shown = key.is.display();
    // Its schema is up, so nothing of it is changed.
    let opened = PgStore::open(database.url(), stores::postgres_options(database)).await;
    let probed = match opened {
        Ok(store) => {
            match store.copying().await {
                Ok(None) => {}
                Ok(Some(_)) => findings.problem(DATABASE, folder::INCOMPLETE, folder::FINISH),
                Err(error) => {
                    findings.problem(DATABASE, crate::chain(&error), "look at the database");
                }
            }
            SealedKeys::probe(Arc::new(store), FsSecret::new(&key.is)).await
        }
        Err(error) => {
            return findings.problem(DATABASE, crate::chain(&error), "look at the database");
        }
    };
    match probed {
        Ok(true) => findings.ok(CLUSTER, format!("{shown} opens the keys in the database")),
        Ok(false) => findings.warning(
            CLUSTER,
            "there are no keys in the database yet",
            "the server makes them when it is started first",
        ),
        Err(NotSealed::ClusterKey(error)) => findings.problem(
            CLUSTER,
            format!("{}: {}", key.written, crate::chain(&error)),
            "no server starts here until then",
        ),
        Err(NotSealed::Unavailable(error)) => {
            findings.problem(DATABASE, crate::chain(&error), "look at the database");
        }
    }
}

/// Whether the bucket is there and can be written to.
async fn bucket(config: &Config, url: &Url, findings: &mut Findings) {
    match ObjectBlobs::open(url, Default::default()).await {
        Ok(_) => findings.ok(BUCKET, format!("{url} is there, and can be written to")),
        Err(error) => {
            let written = &config.stores.blobs.written;
            findings.problem(
                BUCKET,
                format!("{written}: {}", crate::chain(&error)),
                "see that the bucket is there, that AWS_ENDPOINT_URL and AWS_REGION are its store's, and who AWS_ACCESS_KEY_ID is",
            );
        }
    }
}

/// Files elsewhere than in the data folder, and files of one machine beside a database of several.
fn files(config: &Config, paths: &Paths, folder: &Path, findings: &mut Findings) {
    let shown = folder.display();
    if config.stores.is_shared() {
        findings.warning(
            FILES,
            format!("they are in {shown}, on this machine, and the database can be shared"),
            "run one node, or set blobs to a bucket",
        );
    }
    if folder == paths.files {
        return;
    }
    match rustix::fs::access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => findings.ok(FILES, format!("{shown} can be written to")),
        Err(rustix::io::Errno::NOENT) => findings.warning(
            FILES,
            format!("{shown} is not there"),
            "the server makes it when it is started first; if it was started before, set blobs",
        ),
        Err(error) => {
            findings.problem(
                FILES,
                format!("{shown}: {error}"),
                "let this user write to it",
            );
        }
    }
}
