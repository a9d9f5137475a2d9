//! A file of secrets, which is written whole or not at all.

use std::{
    fs::Metadata,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use consign_core::token::KeyError;
use tokio::task;
use zeroize::Zeroizing;

use crate::{
    disk::{Disk, OpenFile},
    layout::{beside, folder_of, is_beside},
};

/// Bytes that a key file has at most; 16 keys take a tenth of it.
pub(super) const MAX_LEN: usize = 32 * 1024;

/// Files that are begun, when one after the other is taken for a leftover.
const ATTEMPTS: usize = 16;

/// Where a file of secrets is.
#[derive(Clone, Debug)]
pub(super) struct KeyFile {
    pub(super) path: Arc<Path>,
    pub(super) disk: Disk,
}

impl KeyFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path: path.into(),
            disk: Disk::default(),
        }
    }

    /// Does blocking work with it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, KeyError> + Send + 'static,
    ) -> Result<T, KeyError> {
        let file = self.clone();
        task::spawn_blocking(move || work(&file))
            .await
            .map_err(|failure| KeyError::Unavailable(failure.into()))?
    }

    /// What it holds; made, by `print`, when it is missing.
    pub(super) fn load<T>(
        &self,
        parse: impl Fn(&[u8]) -> Result<T, String>,
        make: impl FnOnce() -> T,
        print: impl FnOnce(&T) -> Zeroizing<Vec<u8>>,
    ) -> Result<T, KeyError> {
        self.remove_leftovers();
        if let Some(held) = self.read(&parse)? {
            return Ok(held);
        }
        let new = make();
        match self.write(&print(&new), None, |file| {
            self.disk.rename(file, &self.path)
        }) {
            Ok(()) => {
                tracing::info!(path = %self.path.display(), "new keys were made");
                Ok(new)
            }
            // Somebody else was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let theirs = self.read(&parse)?.ok_or_else(|| self.failed(error))?;
                let synced = self.disk.sync_folder(folder_of(&self.path));
                synced.map(|()| theirs).map_err(|error| self.failed(error))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Puts a new file in its place.
    pub(super) fn replace(&self, text: &[u8]) -> Result<(), KeyError> {
        let replaced = || {
            let present = match self.disk.metadata_at(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                present => Some(present?),
            };
            self.write(text, present.as_ref(), |new| {
                self.disk.replace(new, &self.path)
            })
        };
        replaced().map_err(|error| self.failed(error))
    }

    /// What it holds; `None` when it is missing.
    pub(super) fn read<T>(
        &self,
        parse: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<Option<T>, KeyError> {
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
        let held = parse(&text);
        held.map(Some)
            .map_err(|reason| self.refused(format!("is damaged: {reason}")))
    }

    /// Writes a new file beside the present one, which `place` then gives its name.
    fn write(
        &self,
        text: &[u8],
        present: Option<&Metadata>,
        place: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let (new, file) = self.begin()?;
        let fill = || {
            if let Some(present) = present {
                // What root rotates stays readable to the server, which runs as another user.
                self.disk.chown_like(&file, present)?;
            }
            self.disk.write(&file, 0, text)?;
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
