//! The metadata store, the bucket, and the keys.

use super::{Findings, folder};
use crate::{
    data::Paths,
    options::{Config, Metadata},
};

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
        Metadata::Postgres(_) => {}
    }
}
