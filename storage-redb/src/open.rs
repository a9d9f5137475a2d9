use std::{
    any::Any,
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use consign_core::store::BoxError;
use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError, backends::FileBackend};

use crate::{
    disk::{Disk, Watch},
    schema,
};

/// How a [`RedbStore`](crate::RedbStore) is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of memory for the database's cache; 64 MiB by default.
    pub cache_size: usize,
    /// Whether the whole file is read and verified each time it is opened, also when it was closed
    /// well; not so by default, for it takes 20 s of a million files. One that was not closed well,
    /// or of which something could not be read, is always verified: beside it lies a file that says so.
    ///
    /// Without it damage that came from outside, such as a disk's, may be answered as if it were
    /// true; it may be built upon, where it is in what says which pages are free; or it may end the
    /// process when it is met, and then the next opening finds it.
    pub verify: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_size: 64 << 20,
            verify: false,
        }
    }
}

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is open already, in another process or in this one.
    #[error("another process has the database open")]
    InUse,
    /// It was written by a program that keeps its data in another way.
    #[error("the database has schema version {found}, this program knows version {supported}")]
    Schema {
        /// The database's version.
        found: u64,
        /// The version that this program reads and writes.
        supported: u64,
    },
    /// Its file cannot be made, read or written.
    #[error("the database cannot be read and written")]
    Io(#[from] io::Error),
    /// What the file holds cannot be right.
    #[error("the database is damaged, or the file is no database of consign")]
    Damaged(#[source] BoxError),
}

impl From<DatabaseError> for OpenError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Self::InUse,
            DatabaseError::Storage(error) => error.into(),
            error => Self::Damaged(error.into()),
        }
    }
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        match error {
            // This is how redb says that a file is none of its own, or is cut short.
            StorageError::Io(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidData | ErrorKind::UnexpectedEof
                ) =>
            {
                Self::Damaged(error.into())
            }
            StorageError::Io(error) => Self::Io(error),
            error => Self::Damaged(error.into()),
        }
    }
}

/// What a look at a database finds that changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Look {
    /// It opens, and is of this program's schema.
    Good,
    /// It is of an older schema: opening it brings it up to the present.
    Older,
    /// It was not closed well, or was cut short: opening it repairs and verifies it, or says that it cannot.
    NotClosed,
    /// It is a copy that is not complete: see [`RowStore::copying`](consign_core::store::RowStore::copying).
    Incomplete,
}

/// Looks at the database at `path` without changing anything of it. This blocks.
///
/// # Errors
/// See [`OpenError`]; [`InUse`](OpenError::InUse) while it is open elsewhere.
pub(crate) fn look(path: &Path) -> Result<Look, OpenError> {
    guard(|| {
        let mut builder = Builder::new();
        builder.set_cache_size(1 << 20);
        let database = match builder.open_read_only(path) {
            Err(DatabaseError::RepairAborted) => return Ok(Look::NotClosed),
            database => database?,
        };
        let mut marker = OsString::from(path);
        marker.push(IN_USE);
        Ok(match schema::version(&database)? {
            _ if Path::new(&marker).exists() => Look::NotClosed,
            Some(schema::VERSION) if schema::is_copied_to(&database)? => Look::Incomplete,
            Some(schema::VERSION) => Look::Good,
            Some(1..schema::VERSION) => Look::Older,
            Some(found) => {
                let supported = schema::VERSION;
                return Err(OpenError::Schema { found, supported });
            }
            None => return Err(OpenError::Damaged("it has no schema version".into())),
        })
    })
}

/// How the file is called, after the database, that says it is open.
const IN_USE: &str = ".in-use";

/// Where a database is, so that it can be found again.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    options: Options,
    watch: Arc<Watch>,
    identity: Option<Identity>,
}

impl Place {
    /// Opens the database at `path`, which is made if it does not exist.
    pub(crate) fn open(
        path: &Path,
        options: Options,
        watch: Arc<Watch>,
    ) -> Result<(Self, Database), OpenError> {
        let mut place = Self {
            path: std::path::absolute(path)?,
            options,
            watch,
            identity: None,
        };
        place.options.verify |= place.in_use().exists();
        let database = match place.open_existing(true) {
            Err(OpenError::Io(error)) if error.kind() == ErrorKind::NotFound => {
                match place.create() {
                    // Another process was quicker: it has the database open.
                    Err(OpenError::Io(error)) if error.kind() == ErrorKind::AlreadyExists => {
                        place.open_existing(true)
                    }
                    created => created,
                }
            }
            opened => opened,
        }?;
        if let Err(error) = private().create(true).truncate(false).open(place.in_use()) {
            tracing::warn!(%error, "after a crash the database may not be verified");
        }
        sync_parent(&place.path)?;
        place.identity = Some(identify(&fs::metadata(&place.path)?));
        Ok((place, database))
    }

    /// Opens the same database once more, after it has been closed.
    pub(crate) fn reopen(&self) -> Result<Database, OpenError> {
        self.open_existing(false)
    }

    /// The database was closed, and nothing was amiss with it.
    pub(crate) fn closed_well(&self) {
        if let Err(error) = fs::remove_file(self.in_use()) {
            tracing::warn!(%error, "the database will be verified when it is opened next");
        }
    }

    /// There while the database is open, and after that unless it was closed well: redb alone takes
    /// one that nothing was written to for whole.
    fn in_use(&self) -> PathBuf {
        self.beside(IN_USE)
    }

    fn open_existing(&self, may_be_empty: bool) -> Result<Database, OpenError> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        let replaced = self.identity.is_some_and(|identity| {
            file.metadata().ok().map(|data| identify(&data)) != Some(identity)
        });
        if replaced {
            return Err(OpenError::Damaged("the file was replaced".into()));
        }
        // A database that is opened again is repaired, which verifies it too.
        let first = self.identity.is_none();
        let verify = self.options.verify && first;
        if first {
            forget_cached(&file)?;
        }
        let database = self.build(file, verify)?;
        guard(|| schema::check(&database, may_be_empty))?;
        // The other name of a database that was made just before a crash.
        let _ = fs::remove_file(self.unfinished());
        Ok(database)
    }

    /// A database gets its name once it is complete: redb cannot open one whose making was cut short.
    fn create(&self) -> Result<Database, OpenError> {
        let unfinished = self.unfinished();
        let file = private().create(true).truncate(false).open(&unfinished)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // What a crash left of an earlier attempt. The lock stays while the file is open.
        file.set_len(0)?;
        let database = self.build(file, false)?;
        schema::check(&database, true)?;
        match fs::hard_link(&unfinished, &self.path) {
            // Not every file system has links. A rename is second best: it replaces what another
            // process makes at the same moment.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Unsupported | ErrorKind::PermissionDenied
                ) && !self.path.exists() =>
            {
                fs::rename(&unfinished, &self.path)?;
            }
            Err(error) => return Err(error.into()),
            Ok(()) => fs::remove_file(&unfinished)?,
        }
        Ok(database)
    }

    fn build(&self, file: File, verify: bool) -> Result<Database, OpenError> {
        let options = Options {
            verify,
            ..self.options
        };
        build(FileBackend::new(file)?, options, &self.watch)
    }

    fn unfinished(&self) -> PathBuf {
        self.beside(".unfinished")
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut path = OsString::from(&self.path);
        path.push(ending);
        path.into()
    }
}

/// Opens the database on `storage`, which may be empty, for the first time or once more.
pub(crate) fn open_on(
    storage: impl StorageBackend,
    options: Options,
    watch: &Arc<Watch>,
    first: bool,
) -> Result<Database, OpenError> {
    let verify = options.verify && first;
    let database = build(storage, Options { verify, ..options }, watch)?;
    guard(|| schema::check(&database, first))?;
    Ok(database)
}

fn build(
    storage: impl StorageBackend,
    options: Options,
    watch: &Arc<Watch>,
) -> Result<Database, OpenError> {
    let disk = Disk::new(storage, Arc::clone(watch));
    guard(|| {
        let mut builder = Builder::new();
        builder.set_cache_size(options.cache_size);
        builder.set_check_integrity_on_open(options.verify);
        Ok(builder.create_with_backend(disk)?)
    })
}

/// redb panics on some damage.
fn guard<T>(work: impl FnOnce() -> Result<T, OpenError>) -> Result<T, OpenError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(OpenError::Damaged(panic_text(&*panic).into())))
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words").to_owned()
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A new name survives a power cut only once its folder is synced.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        #[cfg(unix)]
        Some(parent) => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// Sees that the file is read from the disk. After a failed sync Linux still shows what it did not
/// write: a process that was restarted would build on it, and after the next power cut nothing of
/// the database could be read.
fn forget_cached(file: &File) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        // Only what is written can be forgotten.
        file.sync_data()?;
        rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    let _ = file;
    Ok(())
}

/// What tells a file from one that took its name.
type Identity = (u64, u64);

#[cfg(unix)]
fn identify(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identify(_: &fs::Metadata) -> Identity {
    (0, 0)
}
