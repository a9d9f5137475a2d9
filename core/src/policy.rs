//! Who may do what: one pure function.

use crate::user::{Role, Status, User};

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
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::RegisterOperations,
        Self::Upload,
        Self::List,
        Self::Link,
        Self::Open,
        Self::Delete,
    ];
}

/// Whether `user` may do `action`.
pub fn allows(user: &User, action: Action) -> bool {
    let by_role = match user.role {
        Role::Operations => matches!(
            action,
            Action::RegisterOperations | Action::Upload | Action::List | Action::Delete
        ),
        Role::Client => matches!(action, Action::List | Action::Link | Action::Open),
    };
    by_role && user.status == Status::Active
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::UserId, password::PasswordHash, time::Timestamp};

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
        let operations = [RegisterOperations, Upload, List, Delete];
        assert_eq!(allowed(Role::Operations, Status::Active), operations);
        assert_eq!(allowed(Role::Client, Status::Active), [List, Link, Open]);
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
            | Action::Delete => 6,
        };
        let distinct: std::collections::HashSet<_> = Action::ALL.into_iter().collect();
        assert_eq!(distinct.len(), count(Action::Upload));
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
