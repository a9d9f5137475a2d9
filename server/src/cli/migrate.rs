use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::{
    BoxError,
    admin::{self, Request},
    migrate::{Order, Pair, Verify},
    options::{Folder, Veiled, origin::Origin},
};

/// What its flags can be in the environment.
pub(crate) const VARIABLES: [&str; 3] = ["CONSIGN_FROM", "CONSIGN_TO", "CONSIGN_TO_DATA"];

#[derive(Args, Debug)]
pub(crate) struct Migrate {
    #[command(flatten)]
    folder: Folder,

    /// Where to: redb:PATH or postgres://USER:PASSWORD@HOST/DATABASE, and fs:PATH or s3://BUCKET/PREFIX, with a comma
    /// between them. A password is told to the environment, for a flag is seen by others
    /// [default: consign.redb and files in the folder of --to-data]
    #[arg(
        long,
        env = "CONSIGN_TO",
        hide_env_values = true,
        value_name = "STORE,STORE"
    )]
    to: Option<Veiled>,

    /// Where from, in the same way [default: the stores of the data folder]
    #[arg(
        long,
        env = "CONSIGN_FROM",
        hide_env_values = true,
        value_name = "STORE,STORE"
    )]
    from: Option<Veiled>,

    /// The data folder from then on: keys that are no part of a database are copied there [default: the
    /// present one]
    #[arg(long, env = "CONSIGN_TO_DATA", value_name = "DIR")]
    to_data: Option<PathBuf>,

    /// Copy nothing: compare all rows, and of each file's bytes their number, or all of them. Exits with 1
    /// if anything differs
    #[arg(
        long,
        value_name = "WHAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "sizes"
    )]
    verify: Option<Which>,

    /// Copy over another installation, which is gone then
    #[arg(long, conflicts_with = "verify")]
    replace: bool,

    /// Read the bytes of every file in the target, not only of those that are new there, and copy again what is
    /// missing or damaged
    #[arg(long, conflicts_with = "verify")]
    all_blobs: bool,

    /// Tell the outcome as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    Sizes,
    Bytes,
}

impl Migrate {
    pub(crate) async fn run(self) -> Result<(), BoxError> {
        let from = match &self.from {
            Some(from) => from.told("from")?,
            None => Pair::default(),
        };
        let folder = self.folder.instead(&from.metadata, &from.blobs);
        let config = folder.clone().resolve()?;
        let to = match &self.to {
            Some(to) => to.told("to")?,
            None if self.to_data.is_some() => Pair::default(),
            None => return Err("it has to be said where to: by --to, or by --to-data".into()),
        };
        let half = |half: Option<String>, scheme: &str, name: &str, what: &str| match (
            half,
            &self.to_data,
        ) {
            (Some(half), _) => absolute(&half),
            (None, Some(folder)) => absolute(&format!("{scheme}:{}", folder.join(name).display())),
            (None, None) => {
                Err(format!("--to does not say where {what} go: both stores are named").into())
            }
        };
        let metadata = half(
            to.metadata,
            "redb",
            "consign.redb",
            "users and the catalogue",
        )?;
        let blobs = half(to.blobs, "fs", "files", "the files")?;
        let stores = &config.stores;
        let cluster_key = match (&self.to_data, &stores.cluster_key.written.origin) {
            (Some(folder), Origin::Default) => folder.join("cluster-key"),
            _ => stores.cluster_key.is.clone(),
        };
        let order = Order {
            from_metadata: absolute(&stores.metadata.is.to_string())?,
            from_blobs: absolute(&stores.blobs.is.to_string())?,
            to: Pair {
                metadata: Some(metadata),
                blobs: Some(blobs),
            },
            data: std::path::absolute(self.to_data.as_deref().unwrap_or(&config.data))?,
            cluster_key: std::path::absolute(cluster_key)?,
            verify: self.verify.map(|which| match which {
                Which::Sizes => Verify::Sizes,
                Which::Bytes => Verify::Bytes,
            }),
            replace: self.replace,
            all_blobs: self.all_blobs,
            json: self.json,
        };
        admin::run(folder, Request::Migrate(Box::new(order))).await
    }
}

impl Veiled {
    fn told(&self, flag: &str) -> Result<Pair, BoxError> {
        let pair = self.text().parse::<Pair>();
        pair.map_err(|error| format!("--{flag}: {error}").into())
    }
}

/// A store's text with its path as it is from everywhere: a server that is asked may run elsewhere.
fn absolute(text: &str) -> Result<String, BoxError> {
    match text.split_once(':') {
        Some((scheme @ ("redb" | "fs"), path)) => {
            let path = std::path::absolute(Path::new(path))?;
            let path = path.to_str().ok_or("a path is not UTF-8")?;
            Ok(format!("{scheme}:{path}"))
        }
        _ => Ok(text.to_owned()),
    }
}
