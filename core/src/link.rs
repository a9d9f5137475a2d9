//! Managed links: kept, counted and revocable, for one file or several.

use std::{fmt, num::NonZeroU32, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::{
    file::is_misleading,
    id::{FileId, LeaseId, LinkId, UserId, parse_hex, write_hex},
    password::PasswordHash,
    random::Entropy,
    time::Timestamp,
    user::Email,
};

/// A managed link. Whoever holds its secret can open a [`Lease`] of it, if they also have what it asks
/// for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedLink {
    /// Names it, and no other.
    pub id: LinkId,
    /// The digest of its secret, which is kept nowhere.
    pub secret: SecretHash,
    /// What it hands over, in this order: 1 to [`MAX_FILES`](Self::MAX_FILES), each once.
    pub files: Arc<[FileId]>,
    /// Whose it is.
    pub made_by: UserId,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// How many leases there can be of it; any number where it is `None`.
    pub max_downloads: Option<NonZeroU32>,
    /// How many leases were opened.
    pub downloads: u32,
    /// What is asked for before anything is told of it.
    pub password: Option<PasswordHash>,
    /// Whom it is for, who proves that by a code that is mailed there, or by having signed in.
    pub recipient: Option<Email>,
    /// What its maker wrote down for themselves.
    pub note: Option<Note>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// How often it was edited or revoked.
    pub revision: u32,
}

impl ManagedLink {
    /// Files that a link hands over at most.
    pub const MAX_FILES: usize = 100;

    /// Whether a lease of it may be opened at this time, as far as the link itself tells.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let spent = self
            .max_downloads
            .is_some_and(|max| self.downloads >= max.get());
        self.is_good(at) && !spent
    }

    /// Whether leases of it are good at this time, as far as the link itself tells.
    pub fn is_good(&self, at: Timestamp) -> bool {
        self.revoked_at.is_none() && at < self.expires_at
    }

    /// The link after one more lease was opened; `None` when none can be.
    pub fn leased(&self, at: Timestamp) -> Option<Self> {
        let downloads = self.downloads.checked_add(1)?;
        self.is_open(at).then(|| Self {
            downloads,
            ..self.clone()
        })
    }

    /// The link revoked; `None` when it was before.
    pub fn revoked(&self, at: Timestamp) -> Option<Self> {
        self.revoked_at.is_none().then(|| Self {
            revoked_at: Some(at),
            revision: self.revision.wrapping_add(1),
            ..self.clone()
        })
    }

    /// The link after an edit.
    #[must_use]
    pub fn edited(&self, edit: &LinkEdit) -> Self {
        let (link, edit) = (self.clone(), edit.clone());
        Self {
            expires_at: edit.expires_at.or(link.expires_at),
            max_downloads: edit.max_downloads.or(link.max_downloads),
            password: edit.password.or(link.password),
            recipient: edit.recipient.or(link.recipient),
            note: edit.note.or(link.note),
            revision: link.revision.wrapping_add(1),
            ..link
        }
    }
}

/// What becomes of one property of a link, or of something else that is edited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Edit<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is this from now on.
    Set(T),
}

impl<T> Edit<T> {
    /// What it becomes where it was `before`.
    pub fn or(self, before: T) -> T {
        match self {
            Self::Keep => before,
            Self::Set(new) => new,
        }
    }

    /// With what it is set to turned into something else.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Edit<U> {
        match self {
            Self::Keep => Edit::Keep,
            Self::Set(value) => Edit::Set(map(value)),
        }
    }
}

/// A change of a link by its maker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkEdit {
    /// When it ends.
    pub expires_at: Edit<Timestamp>,
    /// How many leases there can be of it. A number that is not more than there were ends it.
    pub max_downloads: Edit<Option<NonZeroU32>>,
    /// What is asked for before anything is told of it.
    pub password: Edit<Option<PasswordHash>>,
    /// Whom it is for.
    pub recipient: Edit<Option<Email>>,
    /// What its maker wrote down for themselves.
    pub note: Edit<Option<Note>>,
}

/// Leave to download what a link hands over, as often as it takes, until it ends: what a link's budget
/// counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Names it, and no other.
    pub id: LeaseId,
    /// The link that it was opened by.
    pub link: LinkId,
    /// When.
    pub opened_at: Timestamp,
    /// When it ends: not after its link.
    pub expires_at: Timestamp,
    /// The recipient, who has proved that they are.
    pub recipient: Option<Email>,
}

/// The secret of a link: 160 random bits, written as 40 lower-case hexadecimal digits. Wiped from memory
/// when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkSecret([u8; 20]);

impl LinkSecret {
    /// A new one.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 20];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// The one of these bytes, which nobody can guess.
    pub(crate) fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The secret itself, for a URL.
    pub fn expose(&self) -> String {
        struct Hex<'b>(&'b [u8]);
        impl fmt::Display for Hex<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, self.0)
            }
        }
        Hex(&self.0).to_string()
    }

    /// What is kept of it. It has more bits than anybody can try, so a plain digest hides it.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0).into())
    }
}

impl FromStr for LinkSecret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        parse_hex(text).map(Self).ok_or(InvalidSecret)
    }
}

impl Drop for LinkSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(…)")
    }
}

/// The text is no secret of a link. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a link's secret")]
pub struct InvalidSecret;

/// The SHA-256 digest of a link's secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretHash(pub [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// A note of at most 1,000 code points, without control characters but line feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(Arc<str>);

impl Note {
    /// Code points that a note has at most.
    pub const MAX_LEN: usize = 1000;

    /// The note's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Note {
    type Error = InvalidNote;

    fn try_from(text: String) -> Result<Self, InvalidNote> {
        let misleading = text.contains(|c| c != '\n' && is_misleading(c));
        match misleading || text.chars().count() > Self::MAX_LEN {
            true => Err(InvalidNote),
            false => Ok(Self(text.into())),
        }
    }
}

/// The text is no [`Note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a note has at most {} characters, none of them a control character but line feeds",
    Note::MAX_LEN
)]
pub struct InvalidNote;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{random::OsEntropy, testing::sample_link};

    #[test]
    fn a_secret_has_one_text_and_is_never_shown() {
        let secret = LinkSecret::random(&OsEntropy);
        let text = secret.expose();
        assert_eq!(text.len(), 40);
        assert_eq!(text.parse(), Ok(secret.clone()));
        assert_ne!(secret.hash(), LinkSecret::random(&OsEntropy).hash());
        for other in ["", "0", &text[1..], &format!("{text}0"), &"A".repeat(40)] {
            assert_eq!(other.parse::<LinkSecret>(), Err(InvalidSecret), "{other:?}");
        }
        let shown = format!("{secret:?} {:?} {InvalidSecret}", secret.hash());
        assert_eq!(shown, "LinkSecret(…) SecretHash(…) not a link's secret");
    }

    #[test]
    fn a_link_is_open_until_it_is_spent_ended_or_revoked() {
        let link = ManagedLink {
            expires_at: Timestamp::from_millis(10),
            max_downloads: NonZeroU32::new(2),
            downloads: 1,
            ..sample_link(1)
        };
        let (before, end) = (Timestamp::from_millis(9), Timestamp::from_millis(10));
        assert!(link.is_open(before) && link.is_good(before));
        assert!(!link.is_open(end) && !link.is_good(end));
        let spent = ManagedLink {
            downloads: 2,
            ..link.clone()
        };
        assert!(!spent.is_open(before), "no more leases");
        assert!(spent.is_good(before), "and those there are stay good");
        let unlimited = ManagedLink {
            max_downloads: None,
            downloads: u32::MAX,
            ..link.clone()
        };
        assert!(unlimited.is_open(before));
        assert_eq!(unlimited.leased(before), None, "no more can be counted");
        assert_eq!(link.leased(before).unwrap(), spent);
        assert_eq!((spent.leased(before), link.leased(end)), (None, None));
        let revoked = link.revoked(before).unwrap();
        assert_eq!(revoked.revoked(end), None, "once");
        assert_ne!(revoked.revision, link.revision);
        assert!(!revoked.is_open(before) && !revoked.is_good(before));
    }

    #[test]
    fn an_edit_changes_what_it_names() {
        let link = sample_link(1);
        let nothing = link.edited(&LinkEdit::default());
        let revision = link.revision + 1;
        assert_eq!(
            nothing,
            ManagedLink {
                revision,
                ..link.clone()
            }
        );
        let edit = LinkEdit {
            max_downloads: Edit::Set(None),
            note: Edit::Set(Note::try_from("for Carl".to_owned()).ok()),
            ..LinkEdit::default()
        };
        let edited = link.edited(&edit);
        assert_eq!(edited.max_downloads, None);
        assert_eq!(edited.note.unwrap().as_str(), "for Carl");
        assert_eq!(edited.expires_at, link.expires_at);
    }

    #[test]
    fn notes_are_bounded() {
        for text in ["", "two\nlines", &"é".repeat(1000)] {
            assert!(Note::try_from(text.to_owned()).is_ok(), "{text:?}");
        }
        for text in ["a\tb", "a\u{202E}b", &"é".repeat(1001)] {
            let refused = Note::try_from(text.to_owned());
            assert_eq!(refused, Err(InvalidNote), "{text:?}");
        }
    }
}
