//! A file that is not whole yet, beside where it is to be.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, process::geteuid};
use sha2::{Digest, Sha256 as Hasher};
use tokio::{
    io::{AsyncSeekExt, AsyncWriteExt, BufWriter},
    task::spawn_blocking,
};

use crate::{Error, Sha256, download::Sink};

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

/// An entity tag is no longer.
const TAG: u64 = 4 << 10;

/// How often others may put something else in the part's place while it is opened.
const TRIES: u32 = 8;

/// `NAME.part`, with the entity tag of what it is a part of in `NAME.part-etag`.
pub(crate) struct Part {
    file: BufWriter<tokio::fs::File>,
    path: PathBuf,
    tag: PathBuf,
    target: PathBuf,
}

/// What an earlier download has left.
pub(crate) struct Left {
    pub(crate) len: u64,
    pub(crate) etag: Option<String>,
    pub(crate) hasher: Hasher,
}

impl Part {
    /// The part of this target, which nobody else writes to meanwhile, and what is in it.
    pub(crate) async fn open(target: &Path) -> Result<(Self, Left), Error> {
        let target = target.to_owned();
        let opened = spawn_blocking(move || Self::open_blocking(&target));
        opened
            .await
            .unwrap_or_else(|error| Err(Error::Output(io::Error::other(error))))
    }

    fn open_blocking(target: &Path) -> Result<(Self, Left), Error> {
        let path = beside(target, ".part");
        let tag = beside(target, ".part-etag");
        let at = |source| Error::File {
            path: path.clone(),
            source,
        };
        let mut tries = 0;
        let mut file = loop {
            let file = opened(&path).map_err(at)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => return Err(Error::Taken(target.to_owned())),
                Err(fs::TryLockError::Error(error)) => return Err(at(error)),
            }
            if is_alone(&file, &path).map_err(at)? {
                break file;
            }
            tries += 1;
            if tries == TRIES {
                return Err(at(io::Error::other("others change it")));
            }
        };
        let etag = read_tag(&tag).ok();
        let mut hasher = Hasher::new();
        let mut len = 0;
        if etag.is_some() {
            len = io::copy(&mut file, &mut Hashing(&mut hasher)).map_err(at)?;
        } else {
            file.set_len(0).map_err(at)?;
        }
        let part = Self {
            file: BufWriter::with_capacity(BUFFER, tokio::fs::File::from_std(file)),
            path: path.clone(),
            tag,
            target: target.to_owned(),
        };
        Ok((part, Left { len, etag, hasher }))
    }

    /// Has the file be there whole, under its name.
    pub(crate) async fn finish(mut self, overwrite: bool) -> Result<(), Error> {
        let path = self.path.clone();
        let at = |source| Error::File {
            path: path.clone(),
            source,
        };
        self.file.flush().await.map_err(at)?;
        self.file.get_ref().sync_all().await.map_err(at)?;
        let _ = fs::remove_file(&self.tag);
        if overwrite {
            return fs::rename(&self.path, &self.target).map_err(at);
        }
        // Unlike a rename, a link takes nothing's place.
        match fs::hard_link(&self.path, &self.target) {
            Ok(()) => fs::remove_file(&self.path).map_err(at),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::Exists(self.target))
            }
            // Where the file system has none.
            Err(_) if !self.target.exists() => fs::rename(&self.path, &self.target).map_err(at),
            Err(_) => Err(Error::Exists(self.target)),
        }
    }

    /// Leaves nothing.
    pub(crate) fn discard(self) {
        let _ = fs::remove_file(&self.tag);
        let _ = fs::remove_file(&self.path);
    }

    /// Keeps what there is for the next time.
    pub(crate) async fn keep(mut self) {
        let _ = self.file.flush().await;
    }

    fn failed(&self) -> impl Fn(io::Error) -> Error + use<> {
        let path = self.path.clone();
        move |source| Error::File {
            path: path.clone(),
            source,
        }
    }
}

impl Sink for Part {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).await.map_err(self.failed())
    }

    async fn restart(&mut self) -> Result<(), Error> {
        let _ = fs::remove_file(&self.tag);
        self.file.flush().await.map_err(self.failed())?;
        self.file
            .get_ref()
            .set_len(0)
            .await
            .map_err(self.failed())?;
        self.file.rewind().await.map_err(self.failed())?;
        Ok(())
    }

    async fn tagged(&mut self, etag: Option<&str>) -> Result<(), Error> {
        match etag {
            Some(etag) => write_tag(&self.tag, etag).map_err(self.failed()),
            None => Ok(()),
        }
    }
}

/// What a file is, if it is there.
pub(crate) async fn digest_of(path: &Path) -> Option<(u64, Sha256)> {
    let path = path.to_owned();
    let read = spawn_blocking(move || {
        let mut hasher = Hasher::new();
        let len = io::copy(&mut fs::File::open(path)?, &mut Hashing(&mut hasher))?;
        io::Result::Ok((len, Sha256::new(hasher.finalize().into())))
    });
    read.await.ok()?.ok()
}

/// The part, new or one's own. A link that somebody else has put there leads elsewhere.
fn opened(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).custom_flags(unfollowed());
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        opened => return opened,
    }
    let file = match options.open(path) {
        // It has gone meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            options.create_new(true).open(path)?
        }
        opened => opened?,
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if about.uid() != geteuid().as_raw() {
        return Err(io::Error::other("it is another user's"));
    }
    Ok(file)
}

/// Whether an opened file is the one of this name, and of no other. Other names lose this one.
fn is_alone(file: &fs::File, path: &Path) -> io::Result<bool> {
    let (about, there) = (file.metadata()?, path.symlink_metadata());
    let same = there.is_ok_and(|there| (there.dev(), there.ino()) == (about.dev(), about.ino()));
    if same && about.nlink() != 1 {
        fs::remove_file(path)?;
        return Ok(false);
    }
    Ok(same)
}

/// The tag, if it is one's own.
fn read_tag(path: &Path) -> io::Result<String> {
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).custom_flags(unfollowed()).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || about.uid() != geteuid().as_raw() || about.nlink() != 1 {
        return Err(io::Error::other("it is not one's own"));
    }
    let mut tag = String::new();
    file.take(TAG).read_to_string(&mut tag)?;
    Ok(tag)
}

/// Writes a new file, whatever was there.
fn write_tag(path: &Path, tag: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path)?.write_all(tag.as_bytes())
}

/// No link is followed, and no pipe waited for.
fn unfollowed() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

fn beside(target: &Path, extension: &str) -> PathBuf {
    let mut name: OsString = target.as_os_str().to_owned();
    name.push(extension);
    name.into()
}

struct Hashing<'h>(&'h mut Hasher);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    async fn left(target: &Path) -> Result<(u64, Option<String>), Error> {
        let (mut part, left) = Part::open(target).await?;
        part.tagged(Some("\"1\"")).await?;
        part.write(b"hello").await?;
        part.keep().await;
        Ok((left.len, left.etag))
    }

    #[tokio::test]
    async fn links_of_others_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, mine) = (folder.path().join("a"), folder.path().join("mine"));
        let (path, tag) = (beside(&target, ".part"), beside(&target, ".part-etag"));
        fs::write(&mine, "mine").unwrap();
        symlink(&mine, &tag).unwrap();
        assert_eq!(left(&target).await.unwrap(), (0, None));
        assert_eq!(fs::read(&mine).unwrap(), b"mine");
        let about = tag.symlink_metadata().unwrap();
        assert!(about.is_file() && about.permissions().mode() & 0o777 == 0o600);
        assert_eq!(left(&target).await.unwrap(), (5, Some("\"1\"".to_owned())));

        // Neither is a file that has other names.
        fs::remove_file(&tag).unwrap();
        fs::hard_link(&mine, &tag).unwrap();
        fs::remove_file(&path).unwrap();
        fs::hard_link(&mine, &path).unwrap();
        assert_eq!(left(&target).await.unwrap(), (0, None));
        assert_eq!(fs::read(&mine).unwrap(), b"mine");
        assert_eq!(fs::read(&path).unwrap(), b"hello");

        fs::remove_file(&path).unwrap();
        symlink(&mine, &path).unwrap();
        assert!(matches!(left(&target).await, Err(Error::File { .. })));
        assert_eq!(fs::read(&mine).unwrap(), b"mine");
    }

    #[tokio::test]
    async fn a_part_of_another_user_is_refused() {
        // Only root can make one.
        if !geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a");
        let path = beside(&target, ".part");
        fs::write(&path, "theirs").unwrap();
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        let Err(Error::File { source, .. }) = Part::open(&target).await.map(drop) else {
            panic!("it is taken")
        };
        assert_eq!(source.to_string(), "it is another user's");
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
    }
}
