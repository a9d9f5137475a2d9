use std::sync::Arc;

use proptest::{prelude::*, sample::select};

use super::{
    super::{
        ANSWERS, run,
        samples::{email, sample_event, sample_hash, sample_user, username},
        walk,
    },
    LENGTH, agree, check_sequences,
};
use crate::{
    id::UserId,
    memory::MemoryStore,
    store::{Insert, InsertGuard, Update, UserStore},
    user::{Email, Role, Status, User, UserChange, Username},
};

const NAMES: [&str; 6] = ["ann", "Ann", "bob", "zoë", "名", "a"];
const ADDRESSES: [&str; 7] = [
    "ann@example.org",
    "Ann@Example.org",
    "bob@example.org",
    "BOB@example.org",
    "c@example.org",
    "d@example.org",
    "e@example.org",
];

/// Holds a store of users against the one in memory.
pub fn users<G>(make: impl AsyncFn() -> (G, Arc<dyn UserStore>)) {
    check_sequences(UserOp::any(), |ops| {
        run(async {
            let (_guard, store) = make().await;
            let oracle = MemoryStore::default();
            for (n, op) in (0..).zip(&ops) {
                agree(op, op.apply(&*store, n).await, op.apply(&oracle, n).await)?;
            }
            let everything = UserOp::everything();
            agree(
                &everything,
                everything.apply(&*store, 0).await,
                everything.apply(&oracle, 0).await,
            )
        })
    });
}

#[derive(Clone, Debug)]
pub(super) enum UserOp {
    Insert {
        username: Username,
        email: Email,
        role: Role,
        status: Status,
        guard: InsertGuard,
    },
    Update {
        id: UserId,
        change: UserChange,
    },
    ById(UserId),
    ByUsername(Username),
    ByEmail(Email),
    HasOperationsUser,
    List {
        after: Option<Username>,
        limit: usize,
    },
}

impl UserOp {
    /// All that there is to see.
    pub(super) fn everything() -> Self {
        Self::List {
            after: None,
            limit: 3,
        }
    }

    /// Every read of all that operations can be about.
    pub(super) fn every_read() -> Vec<Self> {
        let ids = (0..LENGTH as u32).map(|n| Self::ById(sample_user(n, Role::Client).id));
        let names = NAMES.map(|name| Self::ByUsername(username(name)));
        let addresses = ADDRESSES.map(|address| Self::ByEmail(email(address)));
        let reads = ids.chain(names).chain(addresses);
        reads
            .chain([Self::HasOperationsUser, Self::everything()])
            .collect()
    }

    pub(super) fn any() -> impl Strategy<Value = Self> {
        let guard = select(vec![InsertGuard::None, InsertGuard::NoOperationsUser]);
        prop_oneof![
            4 => (any_username(), any_email(), any_role(), any_status(), guard).prop_map(
                |(username, email, role, status, guard)| Self::Insert { username, email, role, status, guard }
            ),
            4 => (any_id(), any_change()).prop_map(|(id, change)| Self::Update { id, change }),
            1 => any_id().prop_map(Self::ById),
            1 => any_username().prop_map(Self::ByUsername),
            1 => (prop::option::of(any_username()), 1..4_usize)
                .prop_map(|(after, limit)| Self::List { after, limit }),
        ]
    }

    /// A user's id is the number of the operation that inserts them: the contract leaves open what
    /// becomes of a second user of one id.
    pub(super) async fn apply(&self, store: &dyn UserStore, n: u32) -> Seen {
        match self.clone() {
            Self::Insert {
                username,
                email,
                role,
                status,
                guard,
            } => {
                let user = User {
                    username,
                    email,
                    status,
                    password: sample_hash(n % 3),
                    ..sample_user(n, role)
                };
                Seen::Insert(
                    store
                        .insert(user, guard, vec![sample_event(n)])
                        .await
                        .expect(ANSWERS),
                )
            }
            Self::Update { id, change } => Seen::Update(
                store
                    .update(id, change, vec![sample_event(n)])
                    .await
                    .expect(ANSWERS),
            ),
            Self::ById(id) => Seen::User(store.by_id(id).await.expect(ANSWERS)),
            Self::ByUsername(name) => Seen::User(store.by_username(&name).await.expect(ANSWERS)),
            Self::ByEmail(email) => Seen::User(store.by_email(&email).await.expect(ANSWERS)),
            Self::HasOperationsUser => {
                Seen::HasOperationsUser(store.has_operations_user().await.expect(ANSWERS))
            }
            Self::List { after, limit } => {
                let pages = walk(limit, after, async |after: Option<Username>| {
                    store.list(after.as_ref(), limit).await
                });
                Seen::Users(pages.await)
            }
        }
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    Insert(Insert),
    Update(Update),
    User(Option<User>),
    HasOperationsUser(bool),
    Users(Vec<User>),
}

fn any_id() -> impl Strategy<Value = UserId> {
    (0..12_u32).prop_map(|n| sample_user(n, Role::Client).id)
}

fn any_username() -> impl Strategy<Value = Username> {
    select(NAMES.to_vec()).prop_map(username)
}

fn any_email() -> impl Strategy<Value = Email> {
    select(ADDRESSES.to_vec()).prop_map(email)
}

fn any_role() -> impl Strategy<Value = Role> {
    select(vec![Role::Operations, Role::Client])
}

fn any_status() -> impl Strategy<Value = Status> {
    select(vec![Status::Active, Status::Active, Status::Disabled])
}

fn any_change() -> impl Strategy<Value = UserChange> {
    let hash = || (0..3_u32).prop_map(sample_hash);
    prop_oneof![
        3 => any_role().prop_map(UserChange::Role),
        1 => any_status().prop_map(UserChange::Status),
        1 => hash().prop_map(UserChange::Password),
        2 => (hash(), hash()).prop_map(|(from, to)| UserChange::UpgradeHash { from, to }),
        1 => Just(UserChange::EndSessions),
    ]
}
