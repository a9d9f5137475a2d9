//! Who may do what, and with which files: pure functions.

use crate::{
    audience::{Audience, Scope},
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
/// this one.
pub fn allows(user: &User, action: Action) -> bool {
    let by_role = match user.role {
        Role::Operations => matches!(
            action,
            Action::RegisterOperations
                | Action::Upload
                | Action::List
                | Action::Delete
                | Action::Share
                | Action::ManageGroups
                | Action::ManageLinks
                | Action::ReadAudit
        ),
        Role::Client => matches!(
            action,
            Action::List | Action::Link | Action::Open | Action::ManageLinks
        ),
    };
    by_role && user.status == Status::Active
}

/// Which files `user`, who is in these groups, sees. What someone does not see is not there for them.
pub fn scope(user: &User, groups: impl IntoIterator<Item = GroupId>) -> Scope {
    match user.role {
        Role::Operations => Scope::All,
        Role::Client => Scope::of_client(user.id, groups),
    }
}

/// Whether `user`, who is in these groups, may do `action` with a file for this audience.
pub fn may(
    user: &User,
    groups: impl IntoIterator<Item = GroupId>,
    action: Action,
    audience: &Audience,
) -> bool {
    let sees = match user.role {
        Role::Operations => true,
        Role::Client => audience.is_for(user.id, groups),
    };
    allows(user, action) && sees
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        audience::Principal, file::FileEntry, id::UserId, password::PasswordHash,
        testing::sample_entry, time::Timestamp,
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
        fn a_client_has_what_is_for_them_and_operations_have_all(
            role in prop::sample::select(vec![Role::Operations, Role::Client]),
            status in prop::sample::select(vec![Status::Active, Status::Disabled]),
            groups in prop::collection::btree_set(0..4_u8, 0..4),
            audience in prop::collection::vec(any_principal(), 0..5),
        ) {
            let user = user(role, status);
            let file = FileEntry {
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
                    Role::Operations => allows(&user, action),
                    Role::Client => allows(&user, action) && is_for_them,
                };
                prop_assert_eq!(may(&user, groups(), action, &file.audience), expected, "{:?}", action);
                let sees = scope(&user, groups()).has(&file);
                prop_assert_eq!(allows(&user, action) && sees, expected, "{:?}", action);
            }
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
        }
    }
}
