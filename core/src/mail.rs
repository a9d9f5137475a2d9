//! Mail to people, and who carries it: the [`Courier`] trait.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{file::is_misleading, user::Email};
pub use crate::{id::MailId, store::BoxError};

/// A mail of plain text to one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Names the mail. Each delivery of it says the same one, so that a receiver can tell that it
    /// comes again.
    pub id: MailId,
    /// Whom it is for.
    pub to: Email,
    /// What it is about.
    pub subject: Subject,
    /// What it says.
    pub text: Text,
}

/// What a mail is about: 1 to 200 characters, none of them a control character, one that ends a line
/// or one that overrides the direction of writing, with no white space at its ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(Arc<str>);

impl Subject {
    /// Characters that a subject has at most.
    pub const MAX_CHARS: usize = 200;

    /// The subject's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Subject {
    type Error = InvalidSubject;

    fn try_from(text: String) -> Result<Self, InvalidSubject> {
        let fits = (1..=Self::MAX_CHARS).contains(&text.chars().count());
        if fits && text.trim() == text && !text.chars().any(is_misleading) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidSubject)
        }
    }
}

impl std::str::FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        Self::try_from(text.to_owned())
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.as_str().to_owned()
    }
}

/// The text is not the subject of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a subject: 1 to 200 characters, none of them a control character")]
pub struct InvalidSubject;

/// What a mail says: any text, in which secrets may be. Wiped from memory when dropped, never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Text(Zeroizing<String>);

impl Text {
    /// Takes the text as it is. A line ends with `\n`, `\r\n` or `\r`; which of them it was does not
    /// survive a delivery.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.expose().to_owned()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(…)")
    }
}

/// Carries mail.
#[async_trait]
pub trait Courier: fmt::Debug + Send + Sync + 'static {
    /// Hands the mail over to whoever brings it on its way.
    ///
    /// `Ok` says that it was taken, not that it was read. A mail that is delivered again, because an
    /// answer got lost or the future was dropped, may come twice; after an error, too, it may have been
    /// taken.
    ///
    /// It ends within a time that the courier bounds. How many deliveries run at once is bounded by
    /// the caller.
    async fn deliver(&self, mail: &Mail) -> Result<(), DeliveryError>;
}

/// Why a mail was not delivered. It never repeats what the mail says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// It can be tried again later: whatever is in the way lies with the carrier or the network.
    #[error("the mail cannot be delivered now")]
    Temporary(#[source] BoxError),
    /// It will never be taken: whatever is in the way lies with the recipient or the mail.
    #[error("the mail cannot be delivered")]
    Permanent(#[source] BoxError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects() {
        for text in ["Your link", "Größe: 5 €", "=?utf-8?q?x?=", &"é".repeat(200)] {
            assert_eq!(text.parse::<Subject>().unwrap().as_str(), text);
        }
        for text in [
            "",
            " ",
            " a",
            "a ",
            "a\nb",
            "a\rb",
            "a\r\nBcc: eve@example.org",
            "a\0",
            "a\tb",
            "a\u{85}b",
            "a\u{2028}b",
            "a\u{202E}b",
            &"é".repeat(201),
        ] {
            assert!(text.parse::<Subject>().is_err(), "{text:?}");
            let json = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<Subject>(&json).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_text_is_not_shown() {
        let mail = Mail {
            id: MailId::from_bytes([1; 16]),
            to: "ann@example.org".parse().unwrap(),
            subject: "Your code".parse().unwrap(),
            text: Text::new("It is 123456.".to_owned()),
        };
        let shown = format!("{mail:?}");
        assert!(shown.contains("Your code"), "{shown}");
        assert!(!shown.contains("123456"), "{shown}");
    }
}
