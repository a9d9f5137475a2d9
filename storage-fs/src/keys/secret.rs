use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use consign_core::{
    random::{Entropy, OsEntropy},
    time::Timestamp,
    token::{KeyError, Secret, SigningKey},
};
use zeroize::Zeroizing;

use super::{file::KeyFile, format::reason};

/// A key of 32 bytes, in a file of just these, with the care of [`FsKeys`](crate::FsKeys).
#[derive(Clone, Debug)]
pub struct FsSecret {
    file: KeyFile,
    entropy: Arc<dyn Entropy>,
}

impl FsSecret {
    /// The key in the file at `path`. Nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            file: KeyFile::new(path.into()),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The key; `None` where there is no file.
    ///
    /// # Errors
    /// As [`FsKeys`](crate::FsKeys).
    pub async fn read(&self) -> Result<Option<Secret>, KeyError> {
        self.file.run(|file| file.read(parse)).await
    }

    /// The key; the file is made, durably, when it is missing.
    ///
    /// # Errors
    /// As [`FsKeys`](crate::FsKeys).
    pub async fn load(&self) -> Result<Secret, KeyError> {
        let entropy = Arc::clone(&self.entropy);
        self.file
            .run(move |file| {
                let make = || SigningKey::generate(&*entropy, Timestamp::from_millis(0)).secret;
                file.load(parse, make, print)
            })
            .await
    }
}

fn print(secret: &Secret) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(secret.expose().to_vec())
}

fn parse(bytes: &[u8]) -> Result<Secret, String> {
    let exact = <[u8; 32]>::try_from(bytes).map(Zeroizing::new);
    let exact = exact.map_err(|_| format!("it has {} bytes, and not 32", bytes.len()))?;
    Secret::new(*exact).map_err(reason)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt},
    };

    use super::*;

    #[tokio::test]
    async fn the_file_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let secret = FsSecret::new(folder.path().join("key"));
        assert!(secret.read().await.unwrap().is_none());
        assert!(!secret.path().exists(), "reading makes nothing");
        let made = secret.load().await.unwrap();
        for again in [
            secret.load().await.unwrap(),
            secret.read().await.unwrap().unwrap(),
        ] {
            assert_eq!(made.expose(), again.expose());
        }
        let metadata = fs::metadata(secret.path()).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.len()), (0o600, 32));
        fs::set_permissions(secret.path(), PermissionsExt::from_mode(0o640)).unwrap();
        let refused = secret.read().await.unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
    }

    #[tokio::test]
    async fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let secret = FsSecret::new(folder.path().join("key"));
        for (bytes, expected) in [
            (&b""[..], "0 bytes"),
            (&[1; 31], "31 bytes"),
            (b"a key, and the end of its line..\n", "33 bytes"),
            (&[7; 32], "not random"),
        ] {
            fs::write(secret.path(), bytes).unwrap();
            fs::set_permissions(secret.path(), PermissionsExt::from_mode(0o600)).unwrap();
            for refused in [secret.read().await.err(), secret.load().await.err()] {
                let refused = refused.unwrap().to_string();
                assert!(refused.contains(expected), "{refused}");
            }
        }
    }
}
