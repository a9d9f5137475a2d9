//! The service: everything Consign does, over the stores it is given.

mod accounts;
mod administration;
mod archive;
mod attempts;
mod audiences;
mod audit;
mod coverage;
mod downloads;
mod files;
mod lifetimes;
mod limits;
mod links;
mod mail;
mod managed;
mod metered;
mod meters;
mod once;
mod opening;
mod recorder;
mod removal;
mod room;
mod search;
#[cfg(test)]
#[cfg(all(feature = "jwt", feature = "scrypt", feature = "evidence"))]
mod tests;
mod upkeep;

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::{Notify, Semaphore};

pub use self::{
    accounts::{Actor, Authenticated, Registration, Session},
    administration::{Administration, SweepReport},
    archive::AuthorizedArchive,
    audit::{TrailItem, TrailReader},
    downloads::Downloads,
    files::UploadPermit,
    lifetimes::FileChanges,
    links::{AuthorizedFile, Link, OpenedBy},
    mail::MailReport,
    managed::{LinkChanges, LinkRequest, NewLink},
    opening::{Described, LinkProof, NewLease},
    removal::LifetimesReport,
};
use crate::{
    audience::Audience,
    error::Error,
    evidence::EvidenceSigner,
    intake::Intake,
    mail::Courier,
    memory::MemoryLimits,
    password::PasswordHasher,
    quota::Quota,
    random::Entropy,
    store::{BlobStore, FileStore, Held, Leadership, LimitStore, UserStore},
    time::{Clock, Timestamp},
    token::TokenSigner,
};

/// Inspections at once at most, however many cores there are: each keeps a blocking thread that waits
/// for others of the same pool.
const MAX_INSPECTIONS: usize = 16;

/// Searches at once.
const SEARCHES: usize = 2;

/// Hands files to people safely.
///
/// Cheap to clone; clones are one service. Its methods ask for the value that proves the caller may
/// use them: [`Actor`] from [`authenticate`](Consign::authenticate), [`UploadPermit`] from
/// [`permit_upload`](Consign::permit_upload), [`AuthorizedFile`] from [`open`](Consign::open).
/// Their futures need a tokio runtime with timers.
#[derive(Clone, Debug)]
pub struct Consign(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    settings: Settings,
    inspecting: Arc<Semaphore>,
    /// Turns of searches, which go through many files each: what else is read is not kept waiting by them.
    searching: Semaphore,
    held: Held,
    promises: room::Promises,
    /// Those of all nodes, or of this service alone, which forgets with a restart.
    limits: Arc<dyn LimitStore>,
    attempts: attempts::Attempts,
    counter: Arc<metered::Counter>,
    /// The latest time that the clock has shown: milliseconds.
    latest: AtomicU64,
    mail_queued: Notify,
    meters: Arc<meters::Meters>,
}

impl Consign {
    /// The longest life of a download link: nothing about a link is stored, so none can be taken
    /// back one by one.
    pub const MAX_LINK_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// The longest life of a file that has an end: a hundred years.
    pub const MAX_FILE_LIFETIME: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

    /// Characters that a password has at most. Hashing takes any number; reading them costs.
    pub const MAX_PASSWORD: usize = 1024;

    /// A service made of these parts. A link's life of more than
    /// [`MAX_LINK_LIFETIME`](Consign::MAX_LINK_LIFETIME) is cut to it. Its figures go to the recorder that
    /// the `metrics` crate has by then.
    pub fn new(parts: Parts, mut settings: Settings) -> Self {
        settings.link_lifetime = settings.link_lifetime.min(Self::MAX_LINK_LIFETIME);
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let inspections = cores.min(MAX_INSPECTIONS);
        let (files, clock) = (Arc::clone(&parts.files), Arc::clone(&parts.clock));
        let recorder = recorder::Recorder::new(files, clock, settings.event_delay);
        let limits = parts.limits.clone();
        let limits = limits.unwrap_or_else(|| Arc::new(MemoryLimits::new()));
        let attempts = attempts::Attempts::new(Arc::clone(&limits));
        let meters = Arc::new(meters::Meters::new());
        let counter = metered::Counter {
            meters: Arc::clone(&meters),
            recorder: Arc::new(recorder),
            coverage: Arc::default(),
        };
        Self(Arc::new(Inner {
            parts,
            settings,
            inspecting: Arc::new(Semaphore::new(inspections)),
            searching: Semaphore::new(SEARCHES),
            held: Held::default(),
            promises: room::Promises::default(),
            limits,
            attempts,
            counter: Arc::new(counter),
            latest: AtomicU64::default(),
            mail_queued: Notify::default(),
            meters,
        }))
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What the machine's operator may do, without any permission check.
    pub fn administration(&self) -> Administration {
        Administration::of(self.clone())
    }

    /// Whether all stores answer.
    pub async fn check(&self) -> Result<(), Error> {
        let parts = self.parts();
        parts.users.check().await?;
        parts.files.check().await?;
        parts.blobs.check().await?;
        Ok(())
    }

    /// The present, as tokens and links have it: it never goes back while the service lives, so that
    /// nothing which has ended begins anew when somebody sets the clock.
    fn now(&self) -> Timestamp {
        let shown = self.parts().clock.now().as_millis();
        let latest = self.0.latest.fetch_max(shown, Ordering::Relaxed);
        Timestamp::from_millis(latest.max(shown))
    }

    fn parts(&self) -> &Parts {
        &self.0.parts
    }
}

/// What a service is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where users are kept.
    pub users: Arc<dyn UserStore>,
    /// Where the catalogue is kept.
    pub files: Arc<dyn FileStore>,
    /// Where bytes are kept.
    pub blobs: Arc<dyn BlobStore>,
    /// Signs tokens and links.
    pub signer: Arc<dyn TokenSigner>,
    /// Hashes passwords.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Decides what may be stored.
    pub intake: Arc<dyn Intake>,
    /// Carries mail; without it the recipients of links prove who they are by signing in alone.
    pub courier: Option<Arc<dyn Courier>>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Signs checkpoints and receipts; without one there are none.
    pub evidence: Option<Arc<dyn EvidenceSigner>>,
    /// Counts, for all nodes together, what may not be asked for too often; without it each service counts in memory,
    /// for itself.
    pub limits: Option<Arc<dyn LimitStore>>,
    /// Decides, of several nodes, which does what [one at a time does](crate::store::Duty); without it this one does all.
    pub leadership: Option<Arc<dyn Leadership>>,
}

#[cfg(all(feature = "scrypt", feature = "intake"))]
impl Parts {
    /// Stores and a signer of the caller's (`users` and `files` may be clones of one store); the rest as usual: [scrypt], [Office documents], the
    /// machine's clock and randomness, no mail and no signer of evidence. Others can be put in their place:
    /// `Parts { intake, ..Parts::new(users, files, blobs, signer) }`.
    ///
    /// [scrypt]: crate::password::ScryptHasher
    /// [Office documents]: crate::intake::OfficeIntake
    pub fn new(
        users: impl UserStore,
        files: impl FileStore,
        blobs: impl BlobStore,
        signer: impl TokenSigner,
    ) -> Self {
        let (users, files) = (Arc::new(users), Arc::new(files));
        Self::of(users, files, Arc::new(blobs), Arc::new(signer))
    }

    /// As [`Parts::new`], of stores whose types are not known before.
    pub fn of(
        users: Arc<dyn UserStore>,
        files: Arc<dyn FileStore>,
        blobs: Arc<dyn BlobStore>,
        signer: Arc<dyn TokenSigner>,
    ) -> Self {
        Self {
            users,
            files,
            blobs,
            signer,
            hasher: Arc::new(crate::password::ScryptHasher::default()),
            intake: Arc::new(crate::intake::OfficeIntake::default()),
            courier: None,
            clock: Arc::new(crate::time::SystemClock),
            entropy: Arc::new(crate::random::OsEntropy),
            evidence: None,
            limits: None,
            leadership: None,
        }
    }
}

/// What can be set about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes that a file has at most.
    pub max_upload: u64,
    /// What the files of each user may take.
    pub quota: Quota,
    /// Whom a file is for unless its uploader says otherwise.
    pub audience: Audience,
    /// How long a file is there unless its uploader says otherwise; `None` is for ever.
    pub file_lifetime: Option<Duration>,
    /// How long a file that was removed can be had back; nothing removes it for good at once.
    pub removal_grace: Duration,
    /// Bytes that the blob store keeps free, if it can tell how many there are: an upload that would
    /// leave fewer is refused. 0 asks it nothing.
    pub min_free: u64,
    /// How long a login lasts.
    pub access_lifetime: Duration,
    /// How long a download link lasts.
    pub link_lifetime: Duration,
    /// How long a managed link can last.
    pub managed_link_lifetime: Duration,
    /// How long a lease of a managed link lasts, if its link lasts as long.
    pub lease_lifetime: Duration,
    /// Characters that a password has at least, counted in code points.
    pub min_password: usize,
    /// Whether a password that [is guessed first](crate::password::Password::is_common) is refused.
    pub refuse_common_passwords: bool,
    /// Who may register an operations user.
    pub operations_registration: OperationsRegistration,
    /// Who may register a client.
    pub client_registration: ClientRegistration,
    /// How long sign-ins and downloads wait to be recorded, so that many are one event: a crash takes so
    /// much of them, and of nothing else.
    pub event_delay: Duration,
}

impl Default for Settings {
    /// 5 GiB, no quota, files for everybody and without an end, a week to have
    /// removed ones back, 64 MiB kept free; an hour for a login, 15 minutes for a
    /// link, 90 days for a managed one and a day for a lease of it; 8 characters; the first operations
    /// user and any client register freely; a second for events.
    fn default() -> Self {
        Self {
            max_upload: 5 << 30,
            quota: Quota::NONE,
            audience: Audience::everybody(),
            file_lifetime: None,
            removal_grace: Duration::from_secs(7 * 24 * 60 * 60),
            min_free: 64 << 20,
            access_lifetime: Duration::from_secs(60 * 60),
            link_lifetime: Duration::from_secs(15 * 60),
            managed_link_lifetime: Duration::from_secs(90 * 24 * 60 * 60),
            lease_lifetime: Duration::from_secs(24 * 60 * 60),
            min_password: 8,
            refuse_common_passwords: false,
            operations_registration: OperationsRegistration::First,
            client_registration: ClientRegistration::Open,
            event_delay: Duration::from_secs(1),
        }
    }
}

/// Who may register an operations user: `first`, `open` or `closed`. An operations user always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationsRegistration {
    /// Anyone, while there is no operations user.
    First,
    /// Anyone.
    Open,
    /// Nobody else.
    Closed,
}

/// Who may register a client: `open` or `closed`. An operations user always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientRegistration {
    /// Anyone.
    Open,
    /// Nobody else.
    Closed,
}

impl fmt::Display for OperationsRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Open => "open",
            Self::Closed => "closed",
        })
    }
}

impl FromStr for OperationsRegistration {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "first" => Ok(Self::First),
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            _ => Err(UnknownPolicy),
        }
    }
}

impl fmt::Display for ClientRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Closed => "closed",
        })
    }
}

impl FromStr for ClientRegistration {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            _ => Err(UnknownPolicy),
        }
    }
}

/// The text names no rule of who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a rule of who may register")]
pub struct UnknownPolicy;
