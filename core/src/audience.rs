//! Whom a file is for, and which files someone sees.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize};

use crate::{
    file::FileEntry,
    id::{GroupId, UserId},
};

/// Whom a file can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Principal {
    /// Every client, also those who register later.
    Everybody,
    /// One client.
    User(UserId),
    /// The members of a group, as they are when somebody looks.
    Group(GroupId),
}

/// Whom a file is for: everybody, or some clients and groups, or nobody yet.
///
/// Clones are cheap. Two that are for the same are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Principal>", into = "Vec<Principal>")]
pub struct Audience(Arc<[Principal]>);

impl Audience {
    /// Clients and groups that a file is for at most.
    pub const MAX: usize = 100;

    /// Every client.
    pub fn everybody() -> Self {
        static EVERYBODY: LazyLock<Audience> =
            LazyLock::new(|| Audience([Principal::Everybody].into()));
        EVERYBODY.clone()
    }

    /// No client yet.
    pub fn nobody() -> Self {
        Self([].into())
    }

    /// These, in any order; with [`Principal::Everybody`] among them it is everybody, and with none
    /// nobody.
    ///
    /// # Errors
    /// When they are more than [`MAX`](Self::MAX).
    pub fn of(principals: impl IntoIterator<Item = Principal>) -> Result<Self, AudienceTooLarge> {
        let mut distinct = BTreeSet::new();
        for principal in principals {
            if principal == Principal::Everybody {
                return Ok(Self::everybody());
            }
            distinct.insert(principal);
            if distinct.len() > Self::MAX {
                return Err(AudienceTooLarge);
            }
        }
        Ok(Self(distinct.into_iter().collect()))
    }

    /// Whom it is made of, in order.
    pub fn principals(&self) -> &[Principal] {
        &self.0
    }

    /// The groups in it.
    pub fn groups(&self) -> impl Iterator<Item = GroupId> {
        let principals = self.0.iter();
        principals.filter_map(|principal| match principal {
            Principal::Group(id) => Some(*id),
            Principal::Everybody | Principal::User(_) => None,
        })
    }

    /// The clients who are named in it.
    pub fn users(&self) -> impl Iterator<Item = UserId> {
        let principals = self.0.iter();
        principals.filter_map(|principal| match principal {
            Principal::User(id) => Some(*id),
            Principal::Everybody | Principal::Group(_) => None,
        })
    }

    /// Whether a client is in it who is in these groups.
    pub fn is_for(&self, client: UserId, groups: impl IntoIterator<Item = GroupId>) -> bool {
        let mut principals = [Principal::Everybody, Principal::User(client)]
            .into_iter()
            .chain(groups.into_iter().map(Principal::Group));
        principals.any(|principal| self.has(principal))
    }

    fn has(&self, principal: Principal) -> bool {
        self.0.binary_search(&principal).is_ok()
    }
}

impl TryFrom<Vec<Principal>> for Audience {
    type Error = AudienceTooLarge;

    fn try_from(principals: Vec<Principal>) -> Result<Self, Self::Error> {
        Self::of(principals)
    }
}

impl From<Audience> for Vec<Principal> {
    fn from(audience: Audience) -> Self {
        audience.principals().to_vec()
    }
}

/// An audience has more than [`Audience::MAX`] clients and groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file is for {} clients and groups at most", Audience::MAX)]
pub struct AudienceTooLarge;

/// Which files someone sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those that are for one of these. In order, each once.
    For(Arc<[Principal]>),
    /// Those that this user has uploaded.
    By(UserId),
}

impl Scope {
    /// What a client sees who is in these groups.
    pub fn of_client(id: UserId, groups: impl IntoIterator<Item = GroupId>) -> Self {
        let own = [Principal::Everybody, Principal::User(id)];
        let groups = groups.into_iter().map(Principal::Group);
        let distinct: BTreeSet<_> = own.into_iter().chain(groups).collect();
        Self::For(distinct.into_iter().collect())
    }

    /// Whether the file is among them.
    pub fn has(&self, file: &FileEntry) -> bool {
        match self {
            Self::All => true,
            Self::For(principals) => principals.iter().any(|one| file.audience.has(*one)),
            Self::By(uploader) => file.uploaded_by == *uploader,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(count: usize) -> impl Iterator<Item = Principal> {
        (0..count as u128).map(|n| Principal::User(UserId::from_bytes(n.to_be_bytes())))
    }

    #[test]
    fn two_for_the_same_are_equal() {
        let backwards = users(3).collect::<Vec<_>>().into_iter().rev();
        let audience = Audience::of(users(3)).unwrap();
        assert_eq!(Audience::of(backwards.chain(users(2))).unwrap(), audience);
        assert!(audience.principals().is_sorted());
        let everybody = users(3).chain([Principal::Everybody]);
        assert_eq!(Audience::of(everybody).unwrap(), Audience::everybody());
        assert_eq!(Audience::of([]).unwrap(), Audience::nobody());
        assert_eq!(Audience::nobody().principals(), []);
    }

    #[test]
    fn an_audience_has_a_bound() {
        let most = users(Audience::MAX);
        let audience = Audience::of(most.chain(users(9))).unwrap();
        assert_eq!(audience.users().count(), Audience::MAX, "each counts once");
        assert_eq!(
            Audience::of(users(Audience::MAX + 1)),
            Err(AudienceTooLarge)
        );
        let text = AudienceTooLarge.to_string();
        assert_eq!(text, "a file is for 100 clients and groups at most");
    }

    #[test]
    fn what_was_written_down_is_checked_when_it_is_read() {
        // As serde has it read and written.
        let audience = Audience::of(users(3)).unwrap();
        let written = Vec::from(audience.clone());
        assert_eq!(Audience::try_from(written), Ok(audience));
        let many: Vec<_> = users(Audience::MAX + 1).collect();
        assert_eq!(Audience::try_from(many), Err(AudienceTooLarge));
    }
}
