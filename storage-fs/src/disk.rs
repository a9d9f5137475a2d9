//! Every operation on files, each in one place where a test can watch it and make it fail.

use std::{
    ffi::OsStr,
    fmt,
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io,
    ops::Deref,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use rustix::{fs::OFlags, io::Errno};
use tokio::runtime::Handle;

/// The file system. All of it blocks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    probe: Option<Arc<dyn Probe>>,
    /// The file system cannot read without blocking: it is not asked again.
    only_blocks: Arc<AtomicBool>,
}

/// Where in a file writing past the cache begins. What comes before is likely to be all of it, and
/// to be read soon.
const PAST_CACHE_FROM: u64 = 8 << 20;

/// Bytes that the cache is passed for at least.
const PAST_CACHE_LEN: usize = 64 * 1024;

/// What a disk asks for of bytes that pass the cache: where they are in memory and in the file, and
/// how many they are, is a multiple of this.
const PAST_CACHE_ALIGN: u64 = 4096;

/// Sees each operation, and may make it fail.
pub(crate) trait Probe: fmt::Debug + Send + Sync {
    /// An error takes the operation's place: it is not done.
    fn before(&self, op: Op, path: Option<&Path>) -> io::Result<()>;

    /// An error takes the place of the operation's success: it is done.
    fn after(&self, op: Op) -> io::Result<()>;

    /// Writes; a part alone, where it is to fail half-way.
    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }
}

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Create,
    Open,
    Lock,
    Inspect,
    Read,
    Write,
    Truncate,
    Touch,
    Chown,
    SyncFile,
    Rename,
    Replace,
    Link,
    Remove,
    SyncFolder,
    List,
}

impl Disk {
    #[cfg(test)]
    pub(crate) fn probed(probe: Arc<dyn Probe>) -> Self {
        Self {
            probe: Some(probe),
            ..Self::default()
        }
    }

    /// Makes a file that was not there, readable and writable to its owner alone.
    pub(crate) fn create(&self, path: &Path) -> io::Result<OpenFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        self.run(Op::Create, Some(path), || options.open(path))
            .map(|file| OpenFile(Some(file)))
    }

    /// Opens a file to read it. A symbolic link is not followed.
    pub(crate) fn open(&self, path: &Path) -> io::Result<OpenFile> {
        self.open_with(path, OFlags::NOFOLLOW, OpenOptions::new().read(true))
    }

    /// Opens a file to read it, as [`open`](Self::open) does, if that can be done without blocking:
    /// the kernel knows all names on the way to it. `None` where that cannot be told, or not be done.
    pub(crate) fn open_at_once(&self, path: &Path) -> io::Result<Option<OpenFile>> {
        let opened = self.run(Op::Open, Some(path), || open_cached(path));
        Ok(at_once(opened)?.map(|file| OpenFile(Some(file))))
    }

    /// Opens a file to go on with it. A symbolic link is not followed.
    pub(crate) fn open_to_write(&self, path: &Path) -> io::Result<OpenFile> {
        let mut options = OpenOptions::new();
        self.open_with(path, OFlags::NOFOLLOW, options.read(true).write(true))
    }

    /// Opens what may be a symbolic link to a file, to read it; if it is no file, without waiting.
    pub(crate) fn open_linked(&self, path: &Path) -> io::Result<OpenFile> {
        self.open_with(path, OFlags::NONBLOCK, OpenOptions::new().read(true))
    }

    fn open_with(
        &self,
        path: &Path,
        flags: OFlags,
        options: &mut OpenOptions,
    ) -> io::Result<OpenFile> {
        options.custom_flags(flags.bits().cast_signed());
        self.run(Op::Open, Some(path), || options.open(path))
            .map(|file| OpenFile(Some(file)))
    }

    /// Claims the file; `false` when another handle has. The claim ends with the handle. A file
    /// system that knows no locks grants every claim.
    pub(crate) fn claim(&self, file: &File) -> io::Result<bool> {
        self.run(Op::Lock, None, || match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) if is_unsupported(&error) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    pub(crate) fn metadata(&self, file: &File) -> io::Result<Metadata> {
        self.run(Op::Inspect, None, || file.metadata())
    }

    pub(crate) fn metadata_at(&self, path: &Path) -> io::Result<Metadata> {
        self.run(Op::Inspect, Some(path), || fs::symlink_metadata(path))
    }

    /// Reads `len` bytes at `offset`; fewer only where the file ends.
    pub(crate) fn read(&self, file: &File, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; len];
        let read = self.read_into(file, offset, &mut buffer)?;
        buffer.truncate(read);
        Ok(buffer.into())
    }

    /// Reads at `offset` into `buffer`, and gives how much; less than all only where the file ends.
    pub(crate) fn read_into(
        &self,
        file: &File,
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        self.run(Op::Read, None, || {
            if is_beyond_all_files(offset, buffer.len()) {
                return Ok(0);
            }
            let mut filled = 0;
            while filled < buffer.len() {
                match file.read_at(&mut buffer[filled..], offset + filled as u64) {
                    Ok(0) => break,
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(filled)
        })
    }

    /// Reads at `offset` into `buffer` what the kernel has in memory, and gives how much: 0 only where
    /// the file ends. `None` where it has nothing, or would block to tell.
    pub(crate) fn read_at_once(
        &self,
        file: &File,
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<Option<usize>> {
        if self.only_blocks.load(Ordering::Relaxed) || is_beyond_all_files(offset, buffer.len()) {
            return Ok(None);
        }
        let read = self.run(Op::Read, None, || read_cached(file, offset, buffer));
        if read.as_ref().is_err_and(is_unsupported) {
            self.only_blocks.store(true, Ordering::Relaxed);
        }
        at_once(read)
    }

    pub(crate) fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.run(Op::Write, None, || match &self.probe {
            Some(probe) => probe.write(file, offset, bytes),
            None => self.write_through(file, offset, bytes),
        })
    }

    /// Writes all of a file that is not read back: past the cache, for copying there costs more than
    /// writing, and whoever reads the file first can wait for the disk.
    pub(crate) fn write_whole(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.run(Op::Write, None, || match &self.probe {
            Some(probe) => probe.write(file, 0, bytes),
            None => {
                let pages = bytes.len() - bytes.len() % PAST_CACHE_ALIGN as usize;
                let (pages, rest) = bytes.split_at(pages);
                write_past_cache(file, 0, pages)?;
                file.write_all_at(rest, pages.len() as u64)
            }
        })
    }

    /// What a large file goes on with is written past the cache: it would be copied there, and push
    /// out what is read.
    fn write_through(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match offset >= PAST_CACHE_FROM && bytes.len() >= PAST_CACHE_LEN {
            true => write_past_cache(file, offset, bytes),
            false => file.write_all_at(bytes, offset),
        }
    }

    pub(crate) fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
        self.run(Op::Truncate, None, || file.set_len(len))
    }

    /// Sets the file's modified time to now.
    pub(crate) fn touch(&self, file: &File) -> io::Result<()> {
        self.run(Op::Touch, None, || file.set_modified(SystemTime::now()))
    }

    /// Gives the file to the owner and group of `model`, if they are others.
    pub(crate) fn chown_like(&self, file: &File, model: &Metadata) -> io::Result<()> {
        self.run(Op::Chown, None, || {
            let own = file.metadata()?;
            if (own.uid(), own.gid()) == (model.uid(), model.gid()) {
                return Ok(());
            }
            std::os::unix::fs::fchown(file, Some(model.uid()), Some(model.gid()))
        })
    }

    pub(crate) fn sync_file(&self, file: &File) -> io::Result<()> {
        self.run(Op::SyncFile, None, || file.sync_all())
    }

    /// Gives a file another name, never taking one that is in use.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.run(Op::Rename, Some(to), || rename_no_replace(from, to)) {
            Err(error) if is_unsupported(&error) => {
                self.run(Op::Link, Some(to), || fs::hard_link(from, to))?;
                self.remove(from)
            }
            done => done,
        }
    }

    /// Gives a file another name, taking it from the file that has it.
    pub(crate) fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Op::Replace, Some(to), || fs::rename(from, to))
    }

    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.run(Op::Remove, Some(path), || fs::remove_file(path))
    }

    /// Makes the names in a folder durable.
    pub(crate) fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.run(Op::SyncFolder, Some(path), || File::open(path)?.sync_all())
    }

    /// Bytes free on the file system of a folder, for those who are not root.
    pub(crate) fn free(&self, path: &Path) -> io::Result<u64> {
        self.run(Op::Inspect, Some(path), || {
            let system = rustix::fs::statvfs(path)?;
            Ok(system.f_bavail.saturating_mul(system.f_frsize))
        })
    }

    /// Whether the file system of a folder is known to tell what is free from memory, without blocking.
    pub(crate) fn tells_free_at_once(&self, path: &Path) -> bool {
        self.probe.is_none() && tells_free_at_once(path)
    }

    /// Gives `each` the name of every entry, and whether it is a regular file.
    pub(crate) fn list(&self, path: &Path, mut each: impl FnMut(&OsStr, bool)) -> io::Result<()> {
        self.run(Op::List, Some(path), || {
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
                each(&entry.file_name(), is_file);
            }
            Ok(())
        })
    }

    fn run<T>(
        &self,
        op: Op,
        path: Option<&Path>,
        work: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(probe) = &self.probe else {
            return work();
        };
        probe.before(op, path)?;
        let done = work()?;
        probe.after(op)?;
        Ok(done)
    }
}

/// An open file, closed without holding up the reactor.
#[derive(Debug)]
pub(crate) struct OpenFile(Option<File>);

impl Deref for OpenFile {
    type Target = File;

    fn deref(&self) -> &File {
        self.0.as_ref().expect("only drop takes it")
    }
}

impl Drop for OpenFile {
    /// The last handle of a removed file frees its blocks, which takes long for a large one.
    fn drop(&mut self) {
        let Some(file) = self.0.take() else { return };
        let removed = file.metadata().is_ok_and(|metadata| metadata.nlink() == 0);
        if removed && let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || drop(file));
        }
    }
}

/// `None` for what is to be done again where it may block: there the error, if it is one, shows too.
fn at_once<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if is_unsupported(&error) => Ok(None),
        // A sandbox may not know the call, and then forbids it.
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::AGAIN | Errno::INTR | Errno::PERM) => Ok(None),
            _ => Err(error),
        },
    }
}

#[cfg(target_os = "linux")]
fn open_cached(path: &Path) -> io::Result<File> {
    use rustix::fs::{CWD, Mode, ResolveFlags, openat2};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED)?.into())
}

#[cfg(target_os = "linux")]
fn read_cached(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let buffers = &mut [io::IoSliceMut::new(buffer)];
    Ok(preadv2(file, buffers, offset, ReadWriteFlags::NOWAIT)?)
}

/// Writes past the cache where that can be. Nobody else may use the handle meanwhile.
fn write_past_cache(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let are_aligned = [offset, bytes.len() as u64, bytes.as_ptr().addr() as u64]
        .iter()
        .all(|aligned| aligned.is_multiple_of(PAST_CACHE_ALIGN));
    if are_aligned && !bytes.is_empty() {
        match write_directly(file, offset, bytes) {
            // Of what a short write left, too, a disk may not take the rest.
            Err(error) if is_unsupported(&error) => {}
            written => return written,
        }
    }
    file.write_all_at(bytes, offset)
}

#[cfg(target_os = "linux")]
fn write_directly(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    use rustix::fs::{fcntl_getfl, fcntl_setfl};
    let flags = fcntl_getfl(file)?;
    fcntl_setfl(file, flags | OFlags::DIRECT)?;
    let written = file.write_all_at(bytes, offset);
    fcntl_setfl(file, flags)?;
    written
}

#[cfg(not(target_os = "linux"))]
fn write_directly(_: &File, _: u64, _: &[u8]) -> io::Result<()> {
    Err(Errno::NOSYS.into())
}

#[cfg(target_os = "linux")]
fn tells_free_at_once(path: &Path) -> bool {
    const EXT: u64 = 0xEF53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683E;
    const TMPFS: u64 = 0x0102_1994;
    rustix::fs::statfs(path)
        .is_ok_and(|system| [EXT, XFS, BTRFS, TMPFS].contains(&(system.f_type as u64)))
}

#[cfg(not(target_os = "linux"))]
fn tells_free_at_once(_: &Path) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn open_cached(_: &Path) -> io::Result<File> {
    Err(Errno::NOSYS.into())
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: u64, _: &mut [u8]) -> io::Result<usize> {
    Err(Errno::NOSYS.into())
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_no_replace(_: &Path, _: &Path) -> io::Result<()> {
    Err(Errno::NOSYS.into())
}

/// Whether no file has bytes there; asked all the same, the kernel calls it invalid.
fn is_beyond_all_files(offset: u64, len: usize) -> bool {
    let end = offset.checked_add(len as u64);
    end.is_none_or(|end| i64::try_from(end).is_err())
}

/// Whether the file system or the kernel does not know the operation.
fn is_unsupported(error: &io::Error) -> bool {
    // The last two are one and the same on Linux.
    let unsupported = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP, Errno::OPNOTSUPP];
    Errno::from_io_error(error).is_some_and(|errno| unsupported.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_never_takes_a_name_that_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        let error = Disk::default().rename(&from, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&from).unwrap(), b"new");
        assert_eq!(fs::read(&to).unwrap(), b"old");
    }

    #[test]
    fn a_claim_ends_with_its_handle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let disk = Disk::default();
        let first = disk.create(&path).unwrap();
        assert!(disk.claim(&first).unwrap());
        let second = disk.open_to_write(&path).unwrap();
        assert!(!disk.claim(&second).unwrap());
        drop(first);
        assert!(disk.claim(&second).unwrap());
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "elsewhere").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(Disk::default().open(&link).is_err());
        assert!(Disk::default().open_to_write(&link).is_err());
    }

    /// However many bytes, and wherever they begin in memory.
    #[test]
    fn a_whole_file_is_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..100_000).map(|at| (at % 251) as u8).collect();
        let aligned = bytes.as_ptr().align_offset(PAST_CACHE_ALIGN as usize);
        for start in [aligned, aligned + 1] {
            for len in [0, 1, 4095, 4096, 4097, 8192, 90_000] {
                let bytes = &bytes[start..start + len];
                let file = Disk::default().create(&path).unwrap();
                Disk::default().write_whole(&file, bytes).unwrap();
                assert!(fs::read(&path).unwrap() == bytes, "{len} from {start}");
                fs::remove_file(&path).unwrap();
            }
        }
    }

    /// Where the file system has a way past the cache; some have none, as those in memory.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_whole_file_is_not_left_in_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let memory = vec![7; 16 * 1024];
        let aligned = memory.as_ptr().align_offset(PAST_CACHE_ALIGN as usize);
        let bytes = &memory[aligned..][..8192];
        let is_cached = |file: &File| {
            disk.read_at_once(file, 0, &mut [0; 4096])
                .unwrap()
                .is_some()
        };
        let direct = disk.create(&folder.path().join("direct")).unwrap();
        if write_directly(&direct, 0, bytes).is_err() || is_cached(&direct) {
            println!("skipped: the file system of temporary files has no way past its cache");
            return;
        }
        let whole = disk.create(&folder.path().join("whole")).unwrap();
        disk.write_whole(&whole, bytes).unwrap();
        assert!(!is_cached(&whole));
        let appended = disk.create(&folder.path().join("appended")).unwrap();
        disk.write(&appended, 0, bytes).unwrap();
        assert!(is_cached(&appended), "what is read back soon stays there");
    }

    #[test]
    fn a_read_is_short_only_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "0123456789").unwrap();
        let disk = Disk::default();
        let file = disk.open(&path).unwrap();
        assert_eq!(disk.read(&file, 2, 3).unwrap(), "234");
        assert_eq!(disk.read(&file, 8, 5).unwrap(), "89");
        assert_eq!(disk.read(&file, 10, 5).unwrap(), "");
    }
}
