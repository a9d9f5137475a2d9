//! A file that is not whole yet, beside where it is to be.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256 as Hasher};
use tokio::{
    io::{AsyncSeekExt, AsyncWriteExt, BufWriter},
    task::spawn_blocking,
};

use crate::{Error, Sha256, download::Sink};

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

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
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // A link that somebody else has put there leads elsewhere.
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let mut file = options.open(&path).map_err(at)?;
        if !file.metadata().map_err(at)?.is_file() {
            return Err(at(io::Error::other("it is no regular file")));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(Error::Taken(target.to_owned())),
            Err(fs::TryLockError::Error(error)) => return Err(at(error)),
        }
        let etag = fs::read_to_string(&tag).ok();
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
            Some(etag) => fs::write(&self.tag, etag).map_err(self.failed()),
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

fn beside(target: &Path, extension: &str) -> PathBuf {
    let mut name: OsString = target.as_os_str().to_owned();
    name.push(extension);
    name.into()
}

struct Hashing<'h>(&'h mut Hasher);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
