//! Groups of clients, for whom files can be.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    file::is_misleading,
    id::{GroupId, UserId},
    link::Edit,
    time::Timestamp,
};

/// A group of clients. Who is in it is asked of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Names it, and no other.
    pub id: GroupId,
    /// What people call it; no two groups have the same.
    pub name: GroupName,
    /// The operations user who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// How long files are there that are for it; `None` is for ever.
    pub retention: Option<Retention>,
}

impl Group {
    /// What it is after an edit.
    #[must_use]
    pub fn edited(&self, edit: &GroupEdit) -> Self {
        Self {
            name: edit.name.clone().or(self.name.clone()),
            retention: edit.retention.clone().or(self.retention),
            ..self.clone()
        }
    }
}

/// A change of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupEdit {
    /// What people call it.
    pub name: Edit<GroupName>,
    /// How long files are there that are for it.
    pub retention: Edit<Option<Retention>>,
}

impl GroupEdit {
    /// Gives it another name.
    pub fn named(name: GroupName) -> Self {
        Self {
            name: Edit::Set(name),
            ..Self::default()
        }
    }

    /// Gives it another retention.
    pub fn retaining(retention: Option<Retention>) -> Self {
        Self {
            retention: Edit::Set(retention),
            ..Self::default()
        }
    }
}

/// How long files are there that are for a group: whole days, 1 to 36500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Retention(u32);

impl Retention {
    /// Days at most: a hundred years.
    pub const MAX_DAYS: u32 = 36_500;

    /// So many days.
    ///
    /// # Errors
    /// When they are none, or more than [`MAX_DAYS`](Self::MAX_DAYS).
    pub const fn of_days(days: u32) -> Result<Self, InvalidRetention> {
        match days {
            1..=Self::MAX_DAYS => Ok(Self(days)),
            _ => Err(InvalidRetention),
        }
    }

    /// The days.
    pub const fn days(self) -> u32 {
        self.0
    }

    /// Their length.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64 * 24 * 60 * 60)
    }
}

impl TryFrom<u32> for Retention {
    type Error = InvalidRetention;

    fn try_from(days: u32) -> Result<Self, InvalidRetention> {
        Self::of_days(days)
    }
}

impl From<Retention> for u32 {
    fn from(retention: Retention) -> Self {
        retention.days()
    }
}

/// The number is no [`Retention`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a group keeps files for 1 to {} days", Retention::MAX_DAYS)]
pub struct InvalidRetention;

/// The name of a group: 1 to 100 code points without control characters, and without white space at
/// either end. Letters are kept as they were typed; those that differ in case alone are other names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// Code points that a name has at most.
    pub const MAX_LEN: usize = 100;

    /// A name as it was typed; white space around it is no part of it.
    ///
    /// # Errors
    /// When what remains is not a valid name.
    pub fn parse(text: &str) -> Result<Self, InvalidGroupName> {
        let text = text.trim();
        let len = text.chars().count();
        match (1..=Self::MAX_LEN).contains(&len) && !text.contains(is_misleading) {
            true => Ok(Self(text.into())),
            false => Err(InvalidGroupName),
        }
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for GroupName {
    type Error = InvalidGroupName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let name = Self::parse(&text)?;
        match name.as_str() == text {
            true => Ok(name),
            false => Err(InvalidGroupName),
        }
    }
}

impl From<GroupName> for String {
    fn from(name: GroupName) -> Self {
        name.as_str().to_owned()
    }
}

/// The text is no [`GroupName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a group's name has 1 to {} characters, none of them a control character",
    GroupName::MAX_LEN
)]
pub struct InvalidGroupName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_is_of_whole_days() {
        for days in [1, 30, Retention::MAX_DAYS] {
            assert_eq!(Retention::of_days(days).unwrap().days(), days);
        }
        assert_eq!(
            Retention::of_days(2).unwrap().duration(),
            Duration::from_secs(172_800)
        );
        for days in [0, Retention::MAX_DAYS + 1, u32::MAX] {
            assert_eq!(Retention::of_days(days), Err(InvalidRetention));
        }
    }

    #[test]
    fn names_are_trimmed_and_bounded() {
        for (typed, name) in [(" Müller & Co. ", "Müller & Co."), ("a", "a")] {
            assert_eq!(GroupName::parse(typed).unwrap().as_str(), name);
        }
        assert!(GroupName::parse(&"é".repeat(100)).is_ok());
        for typed in ["", "  ", "a\nb", "a\u{202E}b", &"é".repeat(101)] {
            assert!(GroupName::parse(typed).is_err(), "{typed:?}");
        }
        assert!(GroupName::try_from(" a".to_owned()).is_err());
    }
}
