//! Who may do what, and with which files: pure functions.

use crate::{
    audience::Scope,
    file::FileEntry,
    group::Group,
    id::GroupId,
    user::{Role, Status, User},
};

/// Something a user may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Register an operations user.
    RegisterOperations,
    /// Upload a file.
    Upload,
    /// See which files there are.
    List,
    /// Make a download link.
    Link,
    /// Open a download link: asked of the one who made it.
    Open,
    /// Remove a file.
    Delete,
    /// Have a file be for others.
    Share,
    /// See and change groups, and who is in them.
    ManageGroups,
    /// Make managed links, see one's own, and change and revoke them: asked of their maker also whenever
    /// one is used.
    ManageLinks,
    /// See what happened, and who downloaded what.
    ReadAudit,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::RegisterOperations,
        Self::Upload,
        Self::List,
        Self::Link,
        Self::Open,
        Self::Delete,
        Self::Share,
        Self::ManageGroups,
        Self::ManageLinks,
        Self::ReadAudit,
    ];
}

/// Whether `user` may do `action` at all. Where it is done with a file, [`may`] says whether with
/// this one; where with a group or a client, [`may_manage`] and [`may_name`].
pub fn allows(user: &User, action: Action) -> bool {
    let by_role = match user.role {
        Role::Operations => matches!(
            action,
            Action::Upload
                | Action::List
                | Action::Delete
                | Action::Share
                | Action::ManageGroups
                | Action::ManageLinks
        ),
        Role::Client => matches!(
            action,
            Action::List | Action::Link | Action::Open | Action::ManageLinks
        ),
    };
    let by_reach =
        reaches_all(user) && matches!(action, Action::RegisterOperations | Action::ReadAudit);
    (by_role || by_reach) && user.status == Status::Active
}

/// Whether nothing is kept from `user`.
fn reaches_all(user: &User) -> bool {
    user.role == Role::Operations && !user.confined
}

/// Which files `user`, who is in these groups, sees. What someone does not see is not there for them.
pub fn scope(user: &User, groups: impl IntoIterator<Item = GroupId>) -> Scope {
    match user.role {
        Role::Operations if user.confined => Scope::By(user.id),
        Role::Operations => Scope::All,
        Role::Client => Scope::of_client(user.id, groups),
    }
}

/// Whether `user`, who is in these groups, may do `action` with a file.
pub fn may(
    user: &User,
    groups: impl IntoIterator<Item = GroupId>,
    action: Action,
    file: &FileEntry,
) -> bool {
    let sees = match user.role {
        Role::Operations => reaches_all(user) || file.uploaded_by == user.id,
        Role::Client => file.audience.is_for(user.id, groups),
    };
    allows(user, action) && sees
}

/// Whether `user` may see and change a group, and have files be for it.
pub fn may_manage(user: &User, group: &Group) -> bool {
    let theirs = reaches_all(user) || group.created_by == user.id;
    allows(user, Action::ManageGroups) && theirs
}

/// Whether `user` may know of another, take them into groups, and have files be for them.
pub fn may_name(user: &User, other: &User) -> bool {
    let theirs = reaches_all(user) || other.owner == Some(user.id);
    allows(user, Action::Share) && theirs
}

/// Whether `user` may have a file be for everybody, who are others' clients too.
pub fn may_share_with_all(user: &User) -> bool {
    reaches_all(user) && allows(user, Action::Share)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        audience::{Audience, Principal},
        group::GroupName,
        id::UserId,
        password::PasswordHash,
        testing::sample_entry,
        time::Timestamp,
    };

    /// The whole matrix, written out: a change of it is meant or is a mistake.
    #[test]
    fn each_role_may_do_this_and_nothing_else() {
        use Action::*;
        let allowed = |role, status| -> Vec<Action> {
            let user = user(role, status);
            Action::ALL
                .into_iter()
                .filter(|action| allows(&user, *action))
                .collect()
        };
        let operations = [
            RegisterOperations,
            Upload,
            List,
            Delete,
            Share,
            ManageGroups,
            ManageLinks,
            ReadAudit,
        ];
        assert_eq!(allowed(Role::Operations, Status::Active), operations);
        assert_eq!(
            allowed(Role::Client, Status::Active),
            [List, Link, Open, ManageLinks]
        );
        let confined = User {
            confined: true,
            ..user(Role::Operations, Status::Active)
        };
        let allowed_to_confined = Action::ALL.into_iter();
        let allowed_to_confined = allowed_to_confined.filter(|action| allows(&confined, *action));
        assert_eq!(
            allowed_to_confined.collect::<Vec<_>>(),
            [Upload, List, Delete, Share, ManageGroups, ManageLinks]
        );
        assert_eq!(allowed(Role::Operations, Status::Disabled), []);
        assert_eq!(allowed(Role::Client, Status::Disabled), []);
    }

    #[test]
    fn all_actions_are_in_the_list_once() {
        // A new action does not compile until it is counted here.
        let count = |action| match action {
            Action::RegisterOperations
            | Action::Upload
            | Action::List
            | Action::Link
            | Action::Open
            | Action::Delete
            | Action::Share
            | Action::ManageGroups
            | Action::ManageLinks
            | Action::ReadAudit => 10,
        };
        let distinct: std::collections::HashSet<_> = Action::ALL.into_iter().collect();
        assert_eq!(distinct.len(), count(Action::Upload));
    }

    fn group(n: u8) -> GroupId {
        GroupId::from_bytes([n; 16])
    }

    fn any_principal() -> impl Strategy<Value = Principal> {
        prop_oneof![
            1 => Just(Principal::Everybody),
            4 => (0..4_u8).prop_map(|n| Principal::User(UserId::from_bytes([n; 16]))),
            4 => (0..4_u8).prop_map(|n| Principal::Group(group(n))),
        ]
    }

    proptest! {
        /// Every actor, action and audience; said once more in other words.
        #[test]
        fn a_client_has_what_is_for_them_and_operations_have_all_or_their_own(
            role in prop::sample::select(vec![Role::Operations, Role::Client]),
            status in prop::sample::select(vec![Status::Active, Status::Disabled]),
            (confined, uploader, owner) in (any::<bool>(), 0..3_u8, 0..3_u8),
            groups in prop::collection::btree_set(0..4_u8, 0..4),
            audience in prop::collection::vec(any_principal(), 0..5),
        ) {
            let user = User { confined, ..user(role, status) };
            let made_by = UserId::from_bytes([uploader; 16]);
            let own = made_by == user.id;
            let file = FileEntry {
                uploaded_by: made_by,
                audience: Audience::of(audience.iter().copied()).unwrap(),
                ..sample_entry(7)
            };
            let is_for_them = audience.iter().any(|principal| match principal {
                Principal::Everybody => true,
                Principal::User(id) => *id == user.id,
                Principal::Group(id) => groups.iter().any(|n| group(*n) == *id),
            });
            let groups = || groups.iter().map(|n| group(*n));
            for action in Action::ALL {
                let expected = match role {
                    Role::Operations => allows(&user, action) && (!confined || own),
                    Role::Client => allows(&user, action) && is_for_them,
                };
                prop_assert_eq!(may(&user, groups(), action, &file), expected, "{:?}", action);
                let sees = scope(&user, groups()).has(&file);
                prop_assert_eq!(allows(&user, action) && sees, expected, "{:?}", action);
            }
            // Groups and clients: all, or their own, and no client's business.
            let operates = role == Role::Operations && status == Status::Active;
            let made = Group {
                id: group(0),
                name: GroupName::parse("one").unwrap(),
                created_by: made_by,
                created_at: Timestamp::from_secs(0),
                retention: None,
            };
            prop_assert_eq!(may_manage(&user, &made), operates && (!confined || own));
            let owner = UserId::from_bytes([owner; 16]);
            let client = User {
                id: UserId::from_bytes([9; 16]),
                owner: (owner.as_bytes()[0] > 0).then_some(owner),
                ..self::user(Role::Client, Status::Active)
            };
            let theirs = client.owner == Some(user.id);
            prop_assert_eq!(may_name(&user, &client), operates && (!confined || theirs));
            prop_assert_eq!(may_share_with_all(&user), operates && !confined);
        }
    }

    fn user(role: Role, status: Status) -> User {
        User {
            id: UserId::from_bytes([1; 16]),
            username: "ann".parse().unwrap(),
            email: "ann@example.org".parse().unwrap(),
            role,
            status,
            password: PasswordHash::new(String::new()),
            session_epoch: 0,
            created_at: Timestamp::from_secs(0),
            confined: false,
            address_proved: false,
            owner: None,
        }
    }
}
