//! The keys of an installation: in files of its data folder or, where several nodes share a database, in it.

mod seal;
mod sealed;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use consign_core::{
    evidence::{Ed25519Signer, EvidenceKeys, EvidenceSigner},
    random::OsEntropy,
    time::{Clock, SystemClock},
    token::{JwtSigner, KeyError, KeyRing, KeySource},
};
use consign_storage_fs::{FsEvidenceKeys, FsKeys};
use tokio::{
    sync::Mutex,
    time::{self, Duration, MissedTickBehavior},
};

pub(crate) use self::sealed::{NotSealed, SealedKeys, Vault};

/// Whom tokens and links say they are from.
const ISSUER: &str = "consign";

/// How often a node looks whether another has changed the keys.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a key is announced before it signs, in looks: a node's next look may begin so much later, and
/// take so long.
const SETTLED: u32 = 3;

/// How long, in looks, another's rotation may be on its way before it is taken to have been cut off.
const CUT_OFF: u32 = 15;

/// Where keys are.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// In the data folder.
    Folder(FsKeys, FsEvidenceKeys),
    /// In the database.
    Sealed(SealedKeys),
}

impl Source {
    /// What is there, made where there is none.
    async fn load(&self) -> Result<(KeyRing, EvidenceKeys), KeyError> {
        Ok(match self {
            Self::Folder(keys, evidence) => (keys.load().await?, evidence.load().await?),
            Self::Sealed(keys) => (keys.load().await?, keys.evidence().await?),
        })
    }
}

/// The keys in force.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    source: Source,
    pub(crate) signer: JwtSigner,
    pub(crate) evidence: EvidenceKeys,
    every: Duration,
    /// One rotation at a time: a key that another adds meanwhile would be lost.
    rotating: Arc<Mutex<()>>,
}

impl Keys {
    /// The keys that there are, made where there are none. Of several nodes each looks for changes `every`
    /// so long.
    pub(crate) async fn load(source: Source, every: Duration) -> Result<Self, KeyError> {
        let (ring, evidence) = source.load().await?;
        Ok(Self {
            signer: JwtSigner::new(&ring, ISSUER),
            source,
            evidence,
            every,
            rotating: Arc::default(),
        })
    }

    /// Whether a folder has keys of another installation.
    pub(crate) async fn are_others(&self, target: &Source) -> Result<bool, KeyError> {
        let Source::Folder(keys, kept) = target else {
            return Ok(false);
        };
        let (ring, evidence) = self.source.load().await?;
        // It tells installations apart: signing keys are rotated.
        if kept.path().exists() {
            let [ours, theirs] = [&evidence, &kept.load().await?].map(Ed25519Signer::new);
            let known = ours.keys();
            return Ok(!theirs.keys().iter().any(|key| known.contains(key)));
        }
        if keys.path().exists() {
            let theirs = keys.load().await?.current().id;
            return Ok(!ring.keys().any(|(key, _)| key.id == theirs));
        }
        Ok(false)
    }

    /// Has the keys be those of another place too, unless it is the same.
    pub(crate) async fn copy_to(&self, target: &Source) -> Result<(), KeyError> {
        let (ring, evidence) = self.source.load().await?;
        match (&self.source, target) {
            (Source::Folder(here, _), Source::Folder(there, _)) if is_same(here, there) => Ok(()),
            (_, Source::Folder(keys, kept)) => {
                kept.save(&evidence).await?;
                keys.save(&ring).await
            }
            (_, Source::Sealed(keys)) => {
                keys.save_evidence(&evidence).await?;
                keys.save(&ring).await
            }
        }
    }

    /// Has a new key sign from now on; those before it verify for `overlap` longer. The keys after that.
    ///
    /// In a shared database the new key is announced first, and signs when every node has had the time to
    /// look: no node signs with a key that another does not know.
    pub(crate) async fn rotate(&self, overlap: Duration) -> Result<KeyRing, KeyError> {
        let _alone = self.rotating.lock().await;
        match &self.source {
            Source::Folder(keys, _) => {
                let before = keys.load().await?;
                let after = before.rotated(&OsEntropy, SystemClock.now(), overlap);
                keys.save(&after).await?;
                self.signer.replace(&after);
                Ok(after)
            }
            Source::Sealed(keys) => {
                let announced = self.announce(keys).await?;
                time::sleep(self.every * SETTLED).await;
                loop {
                    let (at, ring) = keys.ring().await?;
                    if ring.next().map(|key| key.id) != Some(announced) {
                        let why =
                            "another rotation has taken the place of this one: see that it is done";
                        return Err(KeyError::Refused(why.into()));
                    }
                    let after = ring.advanced(SystemClock.now(), overlap);
                    let after = after.unwrap_or(ring);
                    if keys.replace(Some(at), &after, &self.signer).await? {
                        return Ok(after);
                    }
                }
            }
        }
    }

    /// Announces a new key. While another is announced it waits for that to sign.
    async fn announce(&self, keys: &SealedKeys) -> Result<consign_core::token::KeyId, KeyError> {
        let mut waited_for = None;
        let mut looks = 0;
        loop {
            let (at, ring) = keys.ring().await?;
            let other = ring.next().map(|key| key.id);
            if other.is_some() && other == waited_for {
                looks += 1;
            } else {
                (waited_for, looks) = (other, 0);
            }
            if other.is_some() && looks < CUT_OFF {
                time::sleep(self.every).await;
                continue;
            }
            let after = ring.announcing(&OsEntropy, SystemClock.now());
            if keys.replace(Some(at), &after, &self.signer).await?
                && let Some(next) = after.next()
            {
                return Ok(next.id);
            }
        }
    }

    /// Takes on the keys that other nodes make, for ever. A node that cannot read them keeps those it has.
    pub(crate) async fn keep(&self) {
        let Source::Sealed(keys) = &self.source else {
            return std::future::pending().await;
        };
        let mut ticks = time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unread = false;
        loop {
            ticks.tick().await;
            let looked = time::timeout(self.every, keys.look(&self.signer)).await;
            let failure = match looked {
                Ok(Ok(changed)) => {
                    if changed {
                        tracing::info!("took on the keys that another node has made");
                    }
                    None
                }
                Ok(Err(error)) => Some(crate::chain(&error)),
                Err(_) => Some("the database does not answer in time".to_owned()),
            };
            match failure {
                Some(error) if !unread => {
                    tracing::warn!(%error, "the shared keys cannot be read: those that were read last go on");
                    unread = true;
                }
                None if unread => {
                    tracing::info!("the shared keys can be read again");
                    unread = false;
                }
                _ => {}
            }
        }
    }
}

/// Whether both are one file.
fn is_same(one: &FsKeys, other: &FsKeys) -> bool {
    let [one, other] = [one, other].map(|keys| keys.path().canonicalize().ok());
    one.is_some() && one == other
}
