//! Groups of clients, for whom files can be.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    file::is_misleading,
    id::{GroupId, UserId},
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
}

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
