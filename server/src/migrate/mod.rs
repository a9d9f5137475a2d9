//! `consign migrate`: copies the installation to other stores, and compares the two.
//!
//! A running server does it itself, as it alone has its database, and goes on serving; then the copy is of what has changed
//! meanwhile, and cannot be complete: the command is run again once the server is stopped.

mod told;

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, Instant},
};

use consign_core::{
    copy::{self, Compared, CopyError, Depth, How, Side},
    store::{Lead, StoreError},
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use crate::{
    admin::Line,
    data::{self, Installation, Paths},
    duty,
    keys::Source,
    options::{
        Blobs, Metadata, Place, StoreConfig,
        origin::{Origin, Written},
    },
    stores::{Stores, Unopened},
};

/// How often it is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// What begins a store's text.
const SCHEMES: [&str; 5] = ["redb:", "postgres:", "postgresql:", "fs:", "s3:"];

/// What is to be done, with paths that are absolute.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The stores to copy from, as they are shown.
    pub(crate) from_metadata: String,
    pub(crate) from_blobs: String,
    pub(crate) to: Pair,
    /// The data folder of the target.
    pub(crate) data: PathBuf,
    pub(crate) cluster_key: PathBuf,
    /// Compare instead.
    pub(crate) verify: Option<Verify>,
    pub(crate) replace: bool,
    pub(crate) all_blobs: bool,
    pub(crate) json: bool,
}

/// What of each file's bytes is compared.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Verify {
    Sizes,
    Bytes,
}

/// Two stores, or one of them, as texts in which a password may be.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Pair {
    pub(crate) metadata: Option<String>,
    pub(crate) blobs: Option<String>,
}

impl FromStr for Pair {
    type Err = String;

    /// A comma is between two stores where a store follows it.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut pair = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let commas = rest.match_indices(',').map(|(at, _)| at);
            let mut ends = commas.filter(|at| {
                let next = &rest[at + 1..];
                SCHEMES.iter().any(|scheme| next.starts_with(scheme))
            });
            let end = ends.next();
            let store = &rest[..end.unwrap_or(rest.len())];
            rest = end.map_or("", |end| &rest[end + 1..]);
            let half = match store.split_once(':') {
                Some(("redb" | "postgres" | "postgresql", _)) => &mut pair.metadata,
                Some(("fs" | "s3", _)) => &mut pair.blobs,
                _ => return Err("each store begins with redb:, postgres:, fs: or s3:".into()),
            };
            if half.replace(store.to_owned()).is_some() {
                return Err("two stores are named for one kind of data".into());
            }
        }
        Ok(pair)
    }
}

/// Why it was not done, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotMigrated {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Unopened(Unopened),
    #[error("the keys")]
    Keys(#[from] consign_core::token::KeyError),
    #[error("{}", told::cause(.0))]
    Copy(CopyError),
    #[error("the events that wait could not be recorded")]
    Events(#[source] consign_core::Error),
    #[error("interrupted; run it again, and it goes on")]
    Interrupted,
}

/// No source of it: what to do comes after all that there is to say of it.
impl From<CopyError> for NotMigrated {
    fn from(error: CopyError) -> Self {
        Self::Copy(error)
    }
}

/// Carries an order out, and gives a summary. Where the installation is `at_rest` no server of this data folder changes
/// it meanwhile; whether those of others do is seen here.
pub(crate) async fn migrate(
    installation: &Installation,
    order: &Order,
    at_rest: bool,
    lines: &Sender<Line>,
) -> Result<String, NotMigrated> {
    let work = carry_out(installation, order, at_rest, lines);
    // It can be left at any moment, and is when nobody waits for it any more.
    tokio::select! {
        done = work => done,
        () = lines.closed() => Err(NotMigrated::Interrupted),
    }
}

async fn carry_out(
    installation: &Installation,
    order: &Order,
    at_rest: bool,
    lines: &Sender<Line>,
) -> Result<String, NotMigrated> {
    let target = target_of(order).map_err(NotMigrated::Refused)?;
    see_that_they_differ(&installation.config, order, &target)?;
    let events = installation.consign.flush_events().await;
    events.map_err(NotMigrated::Events)?;
    if order.verify.is_none() {
        let made = data::make_folder_durably(&order.data).await;
        made.map_err(NotMigrated::Unopened)?;
    } else if let Some(path) = target.database_file().filter(|path| !path.exists()) {
        let missing = format!("{}: there is no such database", path.display());
        return Err(NotMigrated::Refused(missing));
    }
    let stores = open(&target).await?;
    let (from, to) = (installation.stores.side(), stores.side());
    match order.verify {
        Some(verify) => compare(installation, &from, &to, verify, order, lines).await,
        None => {
            // To the end. Two names of one database are told by what is behind them.
            let Some(_nodes) = alone(&stores).await.map_err(CopyError::Target)? else {
                return Err(in_use(&target));
            };
            let nodes = match at_rest {
                true => alone(&installation.stores)
                    .await
                    .map_err(CopyError::Source)?,
                false => None,
            };
            let at_rest = nodes.is_some();
            copy::check(&from, &to, how(order, at_rest)).await?;
            let keys = keys_of(installation, &stores, &target, order).await?;
            copy::prepare(&from, &to, how(order, at_rest)).await?;
            // Before the copy can be complete: without them it is none.
            installation.keys.copy_to(&keys).await?;
            copy(&from, &to, order, at_rest, lines).await
        }
    }
}

/// Keeps the duties of stores that nodes share, until it is dropped; `None` where a node, or another copying, has any.
async fn alone(stores: &Stores) -> Result<Option<Vec<Lead>>, StoreError> {
    match stores.catalogue.leadership() {
        Some(leadership) => duty::all(&*leadership).await,
        None => Ok(Some(Vec::new())),
    }
}

async fn copy(
    from: &Side,
    to: &Side,
    order: &Order,
    at_rest: bool,
    lines: &Sender<Line>,
) -> Result<String, NotMigrated> {
    let how = how(order, at_rest);
    let mut pace = Pace::new(lines);
    let done = copy::copy(from, to, how, |done| pace.tell(|| told::progress(done))).await?;
    if order.json {
        let _ = lines.send(Line::Out(told::copied_json(&done))).await;
    }
    match (&done.damaged[..], at_rest) {
        ([], false) => Ok(told::live(&done)),
        ([], true) if done.complete => Ok(told::complete(&done, order)),
        ([], true) => Err(NotMigrated::Refused(told::changed(&done))),
        (damaged, _) => Err(NotMigrated::Refused(told::damaged(damaged))),
    }
}

fn how(order: &Order, at_rest: bool) -> How {
    How {
        at_rest,
        replace: order.replace,
        all_blobs: order.all_blobs,
    }
}

async fn compare(
    installation: &Installation,
    from: &Side,
    to: &Side,
    verify: Verify,
    order: &Order,
    lines: &Sender<Line>,
) -> Result<String, NotMigrated> {
    let depth = match verify {
        Verify::Sizes => Depth::Sizes,
        Verify::Bytes => Depth::Bytes,
    };
    let keys = installation.consign.evidence_keys();
    let mut pace = Pace::new(lines);
    let found = copy::compare(from, to, depth, keys.ok(), |found: &Compared| {
        pace.tell(|| format!("{} rows and {} files compared", found.same, found.blobs));
    });
    let found = found.await?;
    if order.json {
        let _ = lines.send(Line::Out(told::compared_json(&found))).await;
    }
    match found.is_same() {
        true => Ok(told::same(&found)),
        false => Err(NotMigrated::Refused(told::different(&found))),
    }
}

/// Where the target's keys are to be, so that sessions and links stay good.
async fn keys_of(
    installation: &Installation,
    stores: &Stores,
    target: &StoreConfig,
    order: &Order,
) -> Result<Source, NotMigrated> {
    let keys = match stores.catalogue.vault() {
        Some(vault) => {
            let sealed = data::sealed_keys(vault, target).await;
            Source::Sealed(sealed.map_err(NotMigrated::Unopened)?)
        }
        None => Paths::of(&order.data).keys(),
    };
    if !order.replace && installation.keys.are_others(&keys).await? {
        return Err(NotMigrated::Refused(format!(
            "{} has the keys of another installation; name another folder, or have them replaced by --replace",
            order.data.display()
        )));
    }
    Ok(keys)
}

/// The stores that an order names.
fn target_of(order: &Order) -> Result<StoreConfig, String> {
    let Pair { metadata, blobs } = &order.to;
    let wrong = |error: String| format!("--to: {error}");
    let metadata: Metadata = metadata
        .as_deref()
        .unwrap_or_default()
        .parse()
        .map_err(wrong)?;
    let blobs: Blobs = blobs
        .as_deref()
        .unwrap_or_default()
        .parse()
        .map_err(wrong)?;
    let written = |shown: String| Written {
        key: "to".to_owned(),
        value: Some(shown),
        origin: Origin::Flag("--to".to_owned()),
    };
    Ok(StoreConfig {
        metadata: Place {
            written: written(metadata.to_string()),
            is: metadata,
        },
        blobs: Place {
            written: written(blobs.to_string()),
            is: blobs,
        },
        cluster_key: Place {
            is: order.cluster_key.clone(),
            written: Written {
                key: "cluster-key".to_owned(),
                value: None,
                origin: Origin::Default,
            },
        },
    })
}

async fn open(target: &StoreConfig) -> Result<Stores, NotMigrated> {
    match Stores::open(&target.metadata, &target.blobs).await {
        Err(Unopened::InUse) => Err(in_use(target)),
        stores => stores.map_err(NotMigrated::Unopened),
    }
}

fn in_use(target: &StoreConfig) -> NotMigrated {
    let metadata = &target.metadata.is;
    let told = format!("{metadata} is in use: stop the server, or the copying, that has it open");
    NotMigrated::Refused(told)
}

/// Refuses to copy stores onto themselves, and from others than those that are held.
fn see_that_they_differ(
    config: &StoreConfig,
    order: &Order,
    target: &StoreConfig,
) -> Result<(), NotMigrated> {
    let held = (&config.metadata.is, &config.blobs.is);
    let same_file = |one: &Path, other: &Path| match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => std::path::absolute(one).ok() == std::path::absolute(other).ok(),
    };
    let is_metadata = |other: &Metadata| match (held.0, other) {
        (Metadata::Redb(one), Metadata::Redb(other)) => same_file(one, other),
        (Metadata::Postgres(one), Metadata::Postgres(other)) => one.is_same(other),
        _ => false,
    };
    let is_blobs = |other: &Blobs| match (held.1, other) {
        (Blobs::Fs(one), Blobs::Fs(other)) => same_file(one, other),
        (one, other) => one.to_string() == other.to_string(),
    };
    let refused = |why: String| Err(NotMigrated::Refused(why));
    let (metadata, blobs) = (&order.from_metadata, &order.from_blobs);
    // A database is shown without its schema.
    let is_held = (metadata.parse().is_ok_and(|from| is_metadata(&from))
        || *metadata == held.0.to_string())
        && blobs.parse().is_ok_and(|from| is_blobs(&from));
    if !is_held {
        return refused(format!(
            "the server that runs on this data folder has {} and {}: stop it to copy from others",
            held.0, held.1
        ));
    }
    if is_metadata(&target.metadata.is) {
        return refused(format!("{} is both source and target", held.0));
    }
    if is_blobs(&target.blobs.is) {
        return refused(format!("{} is both source and target", held.1));
    }
    Ok(())
}

/// Lines of progress, now and then.
struct Pace<'l> {
    lines: &'l Sender<Line>,
    last: Instant,
}

impl<'l> Pace<'l> {
    fn new(lines: &'l Sender<Line>) -> Self {
        let last = Instant::now();
        Self { lines, last }
    }

    fn tell(&mut self, text: impl FnOnce() -> String) {
        if self.last.elapsed() >= TOLD_EVERY {
            self.last = Instant::now();
            // Progress that nobody reads in time is of no use to anybody.
            let _ = self.lines.try_send(Line::Progress(text()));
        }
    }
}
