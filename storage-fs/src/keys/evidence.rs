use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use consign_core::{
    evidence::{EvidenceKeys, PublicKey},
    random::{Entropy, OsEntropy},
    time::{Clock, SystemClock, Timestamp},
    token::KeyError,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    file::{KeyFile, MAX_LEN},
    format::{place, reason, secret},
};

const VERSION: u32 = 1;

/// The key that evidence is signed with, in a file like that of [`FsKeys`](crate::FsKeys), which only its
/// owner can read.
///
/// The file is JSON: a `version`, the `seed` of the key (32 bytes in base64url without padding), when it
/// was made (`created_at`, milliseconds since the Unix epoch), and under `retired` the public keys that
/// signed before. What they signed stays good; to have a new key, replace the seed, and write the old
/// public key there.
#[derive(Clone, Debug)]
pub struct FsEvidenceKeys {
    file: KeyFile,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl FsEvidenceKeys {
    /// The keys of the file at `path`. Nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            file: KeyFile::new(path.into()),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The present keys; the file is made, durably, when it is missing.
    ///
    /// # Errors
    /// As [`FsKeys`](crate::FsKeys).
    pub async fn load(&self) -> Result<EvidenceKeys, KeyError> {
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        self.file
            .run(move |file| {
                let make = || EvidenceKeys::generate(&*entropy, clock.now());
                file.load(parse, make, print)
            })
            .await
    }

    /// Replaces the keys, durably.
    ///
    /// # Errors
    /// As [`FsKeys`](crate::FsKeys).
    pub async fn save(&self, keys: &EvidenceKeys) -> Result<(), KeyError> {
        let text = print(keys);
        self.file.run(move |file| file.replace(&text)).await
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    version: u32,
    seed: &'a str,
    created_at: Timestamp,
    retired: Vec<PublicKey>,
}

/// Read before the rest, which may be of another form in another version.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The keys as text.
pub(super) fn print(keys: &EvidenceKeys) -> Zeroizing<Vec<u8>> {
    let seed = Zeroizing::new(URL_SAFE_NO_PAD.encode(keys.seed.expose()));
    let document = Document {
        version: VERSION,
        seed: &seed,
        created_at: keys.created_at,
        retired: keys.retired.clone(),
    };
    // All the room at once: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_LEN));
    serde_json::to_writer_pretty(&mut *text, &document)
        .expect("a vector takes all that is written");
    text.push(b'\n');
    text
}

/// The keys, or what is wrong with the text.
pub(super) fn parse(text: &[u8]) -> Result<EvidenceKeys, String> {
    let Version { version } = serde_json::from_slice(text).map_err(|error| place(&error))?;
    if version != VERSION {
        return Err(format!(
            "it has version {version}, and this program knows only {VERSION}"
        ));
    }
    let document: Document<'_> = serde_json::from_slice(text).map_err(|error| place(&error))?;
    Ok(EvidenceKeys {
        seed: secret(document.seed).map_err(reason)?,
        created_at: document.created_at,
        retired: document.retired,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_parsed() {
        let mut keys = EvidenceKeys::generate(&OsEntropy, Timestamp::from_millis(7));
        keys.retired = vec![PublicKey([9; 32]), PublicKey([8; 32])];
        let parsed = parse(&print(&keys)).unwrap();
        assert_eq!(parsed.seed.expose(), keys.seed.expose());
        assert_eq!(parsed.created_at, keys.created_at);
        assert_eq!(parsed.retired, keys.retired);
    }

    #[test]
    fn damage_is_told_without_a_secret() {
        let keys = EvidenceKeys::generate(&OsEntropy, Timestamp::from_millis(7));
        let good = String::from_utf8(print(&keys).to_vec()).unwrap();
        let seed = URL_SAFE_NO_PAD.encode(keys.seed.expose());
        for (text, expected) in [
            (good[..good.len() / 2].to_owned(), "line"),
            (
                good.replace("\"version\": 1", "\"version\": 2"),
                "version 2",
            ),
            (good.replace("\"seed\"", "\"key\""), "line"),
            (good.replace(&seed, &seed[1..]), "32 bytes"),
            (
                good.replace(&seed, &URL_SAFE_NO_PAD.encode([7; 32])),
                "not random",
            ),
        ] {
            let reason = parse(text.as_bytes()).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
            assert!(!reason.contains(&seed[..8]), "{reason}");
        }
    }

    #[tokio::test]
    async fn the_file_is_made_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let keys = FsEvidenceKeys::new(folder.path().join("evidence-key.json"));
        let made = keys.load().await.unwrap();
        let again = keys.load().await.unwrap();
        assert_eq!(made.seed.expose(), again.seed.expose());
        let other = EvidenceKeys::generate(&OsEntropy, Timestamp::from_millis(7));
        keys.save(&other).await.unwrap();
        let saved = keys.load().await.unwrap();
        assert_eq!(saved.seed.expose(), other.seed.expose());
        let mode = std::fs::metadata(keys.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(keys.path(), PermissionsExt::from_mode(0o644)).unwrap();
        assert!(matches!(keys.load().await, Err(KeyError::Refused(_))));
    }
}
