//! Signing keys in a file.

mod evidence;
mod file;
mod format;
mod secret;
pub mod text;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use consign_core::{
    random::{Entropy, OsEntropy},
    time::{Clock, SystemClock},
    token::{KeyError, KeyRing, KeySource},
};

#[cfg(test)]
use crate::disk::Disk;

use self::file::KeyFile;
pub use self::{evidence::FsEvidenceKeys, secret::FsSecret};

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
    file: KeyFile,
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
            file: KeyFile::new(path.into()),
            clock,
            entropy,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    #[cfg(test)]
    pub(crate) fn on(mut self, disk: Disk) -> Self {
        self.file.disk = disk;
        self
    }
}

#[async_trait]
impl KeySource for FsKeys {
    async fn load(&self) -> Result<KeyRing, KeyError> {
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        self.file
            .run(move |file| {
                let make = || KeyRing::generate(&*entropy, clock.now());
                file.load(format::parse, make, format::print)
            })
            .await
    }

    async fn save(&self, ring: &KeyRing) -> Result<(), KeyError> {
        let text = format::print(ring);
        self.file.run(move |file| file.replace(&text)).await
    }
}

/// See [`fuzzing`](crate::fuzzing).
pub(crate) fn rewritten(text: &[u8]) -> Option<[Vec<u8>; 2]> {
    let written = format::print(&format::parse(text).ok()?).to_vec();
    let again = format::print(&format::parse(&written).ok()?).to_vec();
    Some([written, again])
}
