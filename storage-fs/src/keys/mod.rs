//! Signing keys in a file.

mod format;

use std::{
    fs::Metadata,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use consign_core::{
    random::{Entropy, OsEntropy},
    time::{Clock, SystemClock},
    token::{KeyError, KeyRing, KeySource},
};
use tokio::task;
use zeroize::Zeroizing;

use crate::{
    disk::{Disk, OpenFile},
    layout::{beside, folder_of, is_beside},
};

/// Bytes that a key file has at most; 16 keys take a tenth of it.
const MAX_LEN: usize = 32 * 1024;

/// Files that are begun, when one after the other is taken for a leftover.
const ATTEMPTS: usize = 16;

/// The signing keys in one file, which only its owner can read.
///
/// The file is JSON: a `version`, and under `keys` each key's `id`, its `secret` (32 bytes in
/// base64url without padding), when it was made (`created_at`), and, once it signs no more, until
/// when it still verifies (`good_until`); times are milliseconds since the Unix epoch. Exactly one
/// key has no `good_until`: the one that signs.
///
/// [`load`](KeySource::load) makes the file, with one new key, when it is missing; its folder must
/// be there. Of several processes that do so at once, one makes it and all load the same keys.
/// [`save`](KeySource::save) puts a new file in the old one's place, with the old one's owner, at
/// once and durably: after a crash one of the two is there, whole. Two that save at once are not
/// told of each other: rotate keys in one place. What a crash left of a new file is removed by the
/// next `load`.
///
/// A file that others than its owner can read or write, that is damaged, or that holds a weak
/// secret is refused.
#[derive(Clone, Debug)]
pub struct FsKeys {
    path: Arc<Path>,
    disk: Disk,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl FsKeys {
    /// The keys of the file at `path`. Nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::with(path, Arc::new(SystemClock), Arc::new(OsEntropy))
    }

    /// The keys of the file at `path`; a first key is made by this clock and this randomness.
    pub fn with(
        path: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            path: path.into().into(),
            disk: Disk::default(),
            clock,
            entropy,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(test)]
    pub(crate) fn on(mut self, disk: Disk) -> Self {
        self.disk = disk;
        self
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, KeyError> + Send + 'static,
    ) -> Result<T, KeyError> {
        let keys = self.clone();
        task::spawn_blocking(move || work(&keys))
            .await
            .map_err(|failure| KeyError::Unavailable(failure.into()))?
    }
}

#[async_trait]
impl KeySource for FsKeys {
    async fn load(&self) -> Result<KeyRing, KeyError> {
        self.run(|keys| {
            keys.remove_leftovers();
            match keys.read()? {
                Some(ring) => Ok(ring),
                None => keys.create(),
            }
        })
        .await
    }

    async fn save(&self, ring: &KeyRing) -> Result<(), KeyError> {
        let ring = ring.clone();
        self.run(move |keys| keys.replace(&ring).map_err(|error| keys.failed(error)))
            .await
    }
}

impl FsKeys {
    /// The keys of the file; `None` when it is missing.
    fn read(&self) -> Result<Option<KeyRing>, KeyError> {
        // A symbolic link is followed: secrets are often mounted so.
        let file = match self.disk.open_linked(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| self.failed(error))?,
        };
        let metadata = self
            .disk
            .metadata(&file)
            .map_err(|error| self.failed(error))?;
        if !metadata.is_file() {
            return Err(self.refused("is no regular file".into()));
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = self.path.display();
            return Err(self.refused(format!(
                "can be read or written by others (its mode is {mode:04o}); run `chmod 600 {path}`, \
                 and replace the keys if somebody else may have seen them"
            )));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_LEN + 1));
        let mut part = (&*file).take(MAX_LEN as u64 + 1);
        part.read_to_end(&mut text)
            .map_err(|error| self.failed(error))?;
        if text.len() > MAX_LEN {
            return Err(self.refused("is too long to hold keys".into()));
        }
        let ring = format::parse(&text);
        ring.map(Some)
            .map_err(|reason| self.refused(format!("is damaged: {reason}")))
    }

    fn create(&self) -> Result<KeyRing, KeyError> {
        let ring = KeyRing::generate(&*self.entropy, self.clock.now());
        match self.write(&ring, None, |new| self.disk.rename(new, &self.path)) {
            Ok(()) => {
                tracing::info!(path = %self.path.display(), "new signing keys were made");
                Ok(ring)
            }
            // Somebody else was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let theirs = self.read()?.ok_or_else(|| self.failed(error))?;
                let synced = self.disk.sync_folder(folder_of(&self.path));
                synced.map(|()| theirs).map_err(|error| self.failed(error))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn replace(&self, ring: &KeyRing) -> io::Result<()> {
        let present = match self.disk.metadata_at(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            present => Some(present?),
        };
        self.write(ring, present.as_ref(), |new| {
            self.disk.replace(new, &self.path)
        })
    }

    /// Writes a new file beside the present one, which `place` then gives its name.
    fn write(
        &self,
        ring: &KeyRing,
        present: Option<&Metadata>,
        place: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let text = format::print(ring);
        let (new, file) = self.begin()?;
        let fill = || {
            if let Some(present) = present {
                // What root rotates stays readable to the server, which runs as another user.
                self.disk.chown_like(&file, present)?;
            }
            self.disk.write(&file, 0, &text)?;
            self.disk.sync_file(&file)?;
            place(&new)
        };
        if let Err(error) = fill() {
            self.discard(&new);
            return Err(error);
        }
        self.disk.sync_folder(folder_of(&self.path))
    }

    /// A new file, claimed so that nobody takes it for a leftover.
    fn begin(&self) -> io::Result<(PathBuf, OpenFile)> {
        for _ in 0..ATTEMPTS {
            let new = beside(&self.path);
            let file = self.disk.create(&new)?;
            match self.claim(&file) {
                Ok(true) => return Ok((new, file)),
                // Somebody was quicker, and removes it.
                Ok(false) => {}
                Err(error) => {
                    self.discard(&new);
                    return Err(error);
                }
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Claims a file; `false` when somebody else has, or had and removed it.
    fn claim(&self, file: &OpenFile) -> io::Result<bool> {
        Ok(self.disk.claim(file)? && self.disk.metadata(file)?.nlink() > 0)
    }

    /// Removes what is left of writers who were ended half-way. It holds keys that were never used;
    /// who is still writing has a claim on theirs.
    fn remove_leftovers(&self) {
        let folder = folder_of(&self.path);
        let mut left = Vec::new();
        let listed = self.disk.list(folder, |name, is_file| {
            if is_file && is_beside(&self.path, name) {
                left.push(folder.join(name));
            }
        });
        if let Err(error) = listed {
            tracing::debug!(%error, "nobody could look for what is left of unused keys");
        }
        for path in left {
            let file = self.disk.open_to_write(&path);
            match file.and_then(|file| Ok((self.claim(&file)?, file))) {
                Ok((true, _claimed)) => self.discard(&path),
                Ok((false, _)) => {}
                Err(error) => {
                    tracing::debug!(path = %path.display(), %error, "unused keys may be left");
                }
            }
        }
    }

    fn discard(&self, new: &Path) {
        match self.disk.remove(new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let path = new.display();
                tracing::warn!(%path, %error, "a file with unused keys is left; remove it");
            }
            _ => {}
        }
    }

    fn refused(&self, why: String) -> KeyError {
        KeyError::Refused(format!("the key file {} {why}", self.path.display()))
    }

    fn failed(&self, source: io::Error) -> KeyError {
        let path = self.path.to_path_buf();
        KeyError::Unavailable(AtPath { path, source }.into())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{} failed", path.display())]
struct AtPath {
    path: PathBuf,
    source: io::Error,
}

/// See [`fuzzing`](crate::fuzzing).
pub(crate) fn rewritten(text: &[u8]) -> Option<[Vec<u8>; 2]> {
    let written = format::print(&format::parse(text).ok()?).to_vec();
    let again = format::print(&format::parse(&written).ok()?).to_vec();
    Some([written, again])
}
