//! Users: who they are, what they may be changed to.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{file::is_misleading, id::UserId, password::PasswordHash, time::Timestamp};

/// A registered person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Names the user for ever.
    pub id: UserId,
    /// What they sign in with; unique.
    pub username: Username,
    /// Where they are reached; unique.
    pub email: Email,
    /// What they may do.
    pub role: Role,
    /// Whether they may do anything.
    pub status: Status,
    /// Proves their password.
    pub password: PasswordHash,
    /// Raised whenever their tokens and links must die: a token of another epoch is void.
    pub session_epoch: u32,
    /// When they registered.
    pub created_at: Timestamp,
    /// Whether they are confined to what is their own, as an operations user: files that they have
    /// uploaded, groups that they have made, clients whose [`owner`](Self::owner) they are.
    pub confined: bool,
    /// Whether the e-mail address is known to be theirs: by who registered them for them, or by a code that
    /// they were mailed.
    pub address_proved: bool,
    /// The operations user whose client they are: the one who registered them, unless that was changed.
    pub owner: Option<UserId>,
}

impl User {
    /// The user after `change`; `None` when the change's precondition does not hold.
    ///
    /// Pure: every store calls it, so that all agree on what a change means.
    pub fn changed(&self, change: &UserChange) -> Option<Self> {
        let mut user = self.clone();
        match change {
            UserChange::Status(status) => user.status = *status,
            UserChange::Role(role) => user.role = *role,
            UserChange::Password(hash) => user.password = hash.clone(),
            UserChange::UpgradeHash { from, to } => {
                if user.password != *from {
                    return None;
                }
                user.password = to.clone();
            }
            UserChange::EndSessions => {}
            UserChange::Confined(confined) => user.confined = *confined,
            UserChange::Owner(owner) => user.owner = *owner,
            UserChange::AddressProved => user.address_proved = true,
        }
        if change.ends_sessions() {
            user.session_epoch = user.session_epoch.wrapping_add(1);
        }
        Some(user)
    }
}

/// What can be changed about a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserChange {
    /// Disable or enable them.
    Status(Status),
    /// Give them another role.
    Role(Role),
    /// Give them another password.
    Password(PasswordHash),
    /// Store the same password under better parameters, if it is still that one.
    UpgradeHash {
        /// The hash that was verified.
        from: PasswordHash,
        /// The same password's new hash.
        to: PasswordHash,
    },
    /// Log them out everywhere.
    EndSessions,
    /// Confine them to what is their own, or no more.
    Confined(bool),
    /// Have them be this operations user's client, or nobody's.
    Owner(Option<UserId>),
    /// Take their address to be theirs.
    AddressProved,
}

impl UserChange {
    /// Whether every token and link of the user dies with it.
    pub fn ends_sessions(&self) -> bool {
        !matches!(
            self,
            Self::UpgradeHash { .. } | Self::Confined(_) | Self::Owner(_) | Self::AddressProved
        )
    }
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Uploads files.
    Operations,
    /// Receives them.
    Client,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Operations => "operations",
            Self::Client => "client",
        })
    }
}

/// Whether a user may do anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// They may.
    Active,
    /// They may not: no login, no token, no link of theirs works.
    Disabled,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        })
    }
}

/// The name a user signs in with: 1 to 150 characters, none of them a control character or one that
/// overrides the direction of writing, not only white space. Upper and lower case differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Username(Arc<str>);

impl Username {
    /// Characters that a username has at most.
    pub const MAX_CHARS: usize = 150;

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Username {
    type Error = InvalidUsername;

    fn try_from(text: String) -> Result<Self, InvalidUsername> {
        let fits = text.chars().count() <= Self::MAX_CHARS;
        if fits && !text.trim().is_empty() && !text.chars().any(is_misleading) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidUsername)
        }
    }
}

impl std::str::FromStr for Username {
    type Err = InvalidUsername;

    fn from_str(text: &str) -> Result<Self, InvalidUsername> {
        Self::try_from(text.to_owned())
    }
}

impl From<Username> for String {
    fn from(name: Username) -> Self {
        name.as_str().to_owned()
    }
}

/// The text is not a username.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a username: 1 to 150 characters, none of them a control character")]
pub struct InvalidUsername;

/// An e-mail address (RFC 5321, section 4.1.2), of 254 bytes at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(Arc<str>);

impl Email {
    /// Bytes that an address has at most (RFC 5321, section 4.5.3.1.3, less its brackets).
    pub const MAX_LEN: usize = 254;

    /// The address as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What makes an address unique: letters' case makes no difference, as no mail provider in
    /// use gives two people addresses that differ in it alone.
    pub fn unique_key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Email {
    type Error = InvalidEmail;

    fn try_from(text: String) -> Result<Self, InvalidEmail> {
        let options = email_address::Options::default().without_display_text();
        let parsed = email_address::EmailAddress::parse_with_options(&text, options);
        if text.len() <= Self::MAX_LEN && !text.chars().any(char::is_control) && parsed.is_ok() {
            Ok(Self(text.into()))
        } else {
            Err(InvalidEmail)
        }
    }
}

impl std::str::FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        Self::try_from(text.to_owned())
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.as_str().to_owned()
    }
}

/// The text is not an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct InvalidEmail;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames() {
        for text in ["ann", "Ann Example", "名前", &"é".repeat(150)] {
            assert!(text.parse::<Username>().is_ok(), "{text:?}");
        }
        for text in [
            "",
            "  ",
            "a\0b",
            "a\nb",
            "\u{85}",
            "nna\u{202E}",
            "\u{FEFF}ann",
            &"a".repeat(151),
        ] {
            assert!(text.parse::<Username>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn emails() {
        for text in [
            "ann@example.org",
            "a.b+c@sub.example.org",
            "Ann@Example.org",
        ] {
            assert!(text.parse::<Email>().is_ok(), "{text:?}");
        }
        let long = format!("{}@example.org", "a".repeat(250));
        for text in [
            "",
            "ann",
            "@example.org",
            "ann@",
            "a b@example.org",
            "Ann <ann@example.org>",
            "ann@example.org\n",
            "a@b@example.org",
            &long,
        ] {
            assert!(text.parse::<Email>().is_err(), "{text:?}");
        }
        let (one, other): (Email, Email) = (
            "Ann@Example.org".parse().unwrap(),
            "ann@example.org".parse().unwrap(),
        );
        assert_eq!(one.unique_key(), other.unique_key());
    }
}
