use super::{
    super::{ANSWERS, promise, promise_eq, samples::sample_group, walk},
    Store, events, trail,
};
use crate::{
    event::{Author, Event, EventKind},
    group::{Group, GroupEdit, GroupName},
    id::{GroupId, UserId},
    store::{Change, MAX_GROUPS, Outcome},
    time::Timestamp,
};

const BY: Author = Author::Administrator;
const AT: Timestamp = Timestamp::from_millis(5);

fn name(text: &str) -> GroupName {
    GroupName::parse(text).expect("it is a name")
}

fn user(n: u32) -> UserId {
    UserId::from_bytes(*sample_group(n).as_bytes())
}

pub(super) fn group(n: u32, called: &str) -> Group {
    Group {
        id: sample_group(n),
        name: name(called),
        created_by: user(7),
        created_at: Timestamp::from_millis(u64::from(n)),
        retention: None,
    }
}

async fn apply(store: &Store, change: Change) -> Outcome {
    store.apply(change).await.expect(ANSWERS)
}

pub(super) async fn add_group(store: &Store, n: u32, called: &str) -> Group {
    let group = group(n, called);
    promise_eq!(
        apply(store, Change::AddGroup(group.clone())).await,
        Outcome::GroupSet(group.clone()),
        "AddGroup: adds a group of a new id and a new name"
    );
    group
}

async fn rename(store: &Store, id: GroupId, called: &str) -> Outcome {
    let change = Change::EditGroup {
        id,
        edit: GroupEdit::named(name(called)),
        by: BY,
        at: AT,
    };
    apply(store, change).await
}

pub(super) async fn remove_group(store: &Store, id: GroupId) -> Outcome {
    let (by, at) = (BY, AT);
    apply(store, Change::RemoveGroup { id, by, at }).await
}

async fn join(store: &Store, group: GroupId, user: UserId) -> Outcome {
    let change = Change::AddMember {
        group,
        user,
        by: BY,
        at: AT,
    };
    apply(store, change).await
}

async fn leave(store: &Store, group: GroupId, user: UserId) -> Outcome {
    let change = Change::RemoveMember {
        group,
        user,
        by: BY,
        at: AT,
    };
    apply(store, change).await
}

async fn members(store: &Store, group: GroupId) -> Vec<UserId> {
    walk(2, None, async |after| store.members(group, after, 2).await).await
}

async fn groups(store: &Store) -> Vec<Group> {
    walk(2, None, async |after: Option<GroupName>| {
        store.groups(after.as_ref(), 2).await
    })
    .await
}

async fn groups_of(store: &Store, user: UserId) -> Vec<GroupId> {
    store.groups_of(user).await.expect(ANSWERS)
}

pub async fn groups_are_found_by_id_and_listed_by_name(store: Store) {
    promise_eq!(groups(&store).await, [], "groups: none at first");
    let names = ["b", "a", "B", "é", "a b"];
    for (n, called) in (1..).zip(names) {
        let group = add_group(&store, n, called).await;
        promise_eq!(
            store.group(group.id).await.expect(ANSWERS),
            Some(group),
            "group: the group of this id, as added"
        );
    }
    promise_eq!(
        store.group(sample_group(9)).await.expect(ANSWERS),
        None,
        "group: the group of this id, and no other"
    );
    let listed: Vec<_> = groups(&store).await;
    let listed: Vec<_> = listed.iter().map(|group| group.name.as_str()).collect();
    promise_eq!(
        listed,
        ["B", "a", "a b", "b", "é"],
        "groups: ordered by name, bytewise"
    );
    let page = store.groups(Some(&name("aa")), 9).await.expect(ANSWERS);
    promise_eq!(
        page.items.len(),
        2,
        "groups: after a name that no group need have"
    );
}

pub async fn two_groups_never_have_one_name(store: Store) {
    let one = add_group(&store, 1, "one").await;
    let two = add_group(&store, 2, "two").await;
    promise_eq!(
        apply(&store, Change::AddGroup(group(1, "three"))).await,
        Outcome::Exists,
        "AddGroup: `Exists` when its id is taken"
    );
    promise_eq!(
        apply(&store, Change::AddGroup(group(3, "one"))).await,
        Outcome::NameTaken,
        "AddGroup: `NameTaken` when its name is"
    );
    promise_eq!(
        rename(&store, two.id, "one").await,
        Outcome::NameTaken,
        "EditGroup: `NameTaken` when another has the name"
    );
    promise_eq!(
        rename(&store, sample_group(3), "one").await,
        Outcome::Missing,
        "EditGroup: `Missing` when there is no such group"
    );
    promise_eq!(
        groups(&store).await,
        [one.clone(), two.clone()],
        "a refused change of a group changes nothing"
    );
    for called in ["one", "ONE"] {
        let renamed = Group {
            name: name(called),
            ..one.clone()
        };
        promise_eq!(
            rename(&store, one.id, called).await,
            Outcome::GroupSet(renamed.clone()),
            "EditGroup: gives it the name, its own too"
        );
        promise_eq!(
            store.group(one.id).await.expect(ANSWERS),
            Some(renamed),
            "EditGroup: gives it the name"
        );
    }
    add_group(&store, 4, "one").await;
    promise_eq!(
        groups(&store).await.len(),
        3,
        "EditGroup: the old name is free again"
    );
}

pub async fn remove_group_takes_its_members_out(store: Store) {
    let [one, two] = [
        add_group(&store, 1, "one").await,
        add_group(&store, 2, "two").await,
    ];
    for (group, n) in [(&one, 1), (&one, 2), (&two, 1)] {
        join(&store, group.id, user(n)).await;
    }
    promise_eq!(
        remove_group(&store, one.id).await,
        Outcome::GroupRemoved(one.clone()),
        "RemoveGroup: removes a group that exists"
    );
    promise_eq!(
        remove_group(&store, one.id).await,
        Outcome::Missing,
        "RemoveGroup: `Missing` when there is no such group"
    );
    promise_eq!(
        store.group(one.id).await.expect(ANSWERS),
        None,
        "RemoveGroup: it is gone"
    );
    promise_eq!(
        groups(&store).await,
        std::slice::from_ref(&two),
        "RemoveGroup: it is gone"
    );
    promise_eq!(
        (members(&store, one.id).await, members(&store, two.id).await),
        (vec![], vec![user(1)]),
        "RemoveGroup: nobody is in it, and in others who was"
    );
    promise_eq!(
        (
            groups_of(&store, user(1)).await,
            groups_of(&store, user(2)).await
        ),
        (vec![two.id], vec![]),
        "RemoveGroup: nobody is in it, and in others who was"
    );
    add_group(&store, 1, "one").await;
    promise_eq!(
        members(&store, one.id).await,
        [],
        "AddGroup: nobody is in a new group"
    );
}

pub async fn members_are_listed_by_id(store: Store) {
    let [one, two] = [
        add_group(&store, 1, "one").await,
        add_group(&store, 2, "two").await,
    ];
    for n in [5, 1, 4, 2, 3] {
        join(&store, one.id, user(n)).await;
        join(&store, two.id, user(n + 100)).await;
    }
    promise_eq!(
        members(&store, one.id).await,
        [1, 2, 3, 4, 5].map(user),
        "members: ordered by id, and of this group alone"
    );
    leave(&store, one.id, user(3)).await;
    let page = store
        .members(one.id, Some(user(3)), 9)
        .await
        .expect(ANSWERS);
    promise_eq!(
        page.items,
        [4, 5].map(user),
        "members: after an id that need not be in it"
    );
    promise_eq!(
        members(&store, sample_group(9)).await,
        [],
        "members: none where there is no such group"
    );
}

pub async fn members_come_and_go_once(store: Store) {
    let group = add_group(&store, 1, "one").await;
    let missing = sample_group(9);
    promise_eq!(
        join(&store, missing, user(1)).await,
        Outcome::Missing,
        "AddMember: `Missing` when there is no such group"
    );
    for (expected, statement) in [
        (Outcome::MembersSet, "AddMember: takes a user into a group"),
        (Outcome::Exists, "AddMember: `Exists` when they are in it"),
    ] {
        promise_eq!(
            join(&store, group.id, user(1)).await,
            expected,
            "{statement}"
        );
        promise_eq!(groups_of(&store, user(1)).await, [group.id], "{statement}");
    }
    for (expected, statement) in [
        (
            Outcome::MembersSet,
            "RemoveMember: takes a user out of a group",
        ),
        (
            Outcome::Missing,
            "RemoveMember: `Missing` when they are not in it",
        ),
    ] {
        promise_eq!(
            leave(&store, group.id, user(1)).await,
            expected,
            "{statement}"
        );
        promise_eq!(groups_of(&store, user(1)).await, [], "{statement}");
    }
}

pub async fn a_user_is_in_a_bounded_number_of_groups(store: Store) {
    for n in 0..=MAX_GROUPS as u32 {
        let group = group(n, &format!("group {n}"));
        apply(&store, Change::AddGroup(group.clone())).await;
        let joined = join(&store, group.id, user(1)).await;
        let expected = match n < MAX_GROUPS as u32 {
            true => Outcome::MembersSet,
            false => Outcome::TooManyGroups,
        };
        promise!(
            joined == expected,
            "AddMember: a user is in {MAX_GROUPS} groups at most, and in so many: {n}: {joined:?}"
        );
    }
    let of = groups_of(&store, user(1)).await;
    promise_eq!(of.len(), MAX_GROUPS, "groups_of: all of them");
    promise!(of.is_sorted(), "groups_of: in order");
}

pub async fn changes_of_groups_leave_a_trail(store: Store) {
    let group = add_group(&store, 1, "one").await;
    let id = group.id;
    join(&store, id, user(1)).await;
    join(&store, id, user(1)).await;
    rename(&store, id, "two").await;
    leave(&store, id, user(1)).await;
    leave(&store, id, user(1)).await;
    remove_group(&store, id).await;
    let made = |kind| Event {
        at: AT,
        by: BY,
        kind,
    };
    let user = user(1);
    let expected = [
        Event {
            at: group.created_at,
            by: Author::User(group.created_by),
            kind: EventKind::GroupAdded {
                group: id,
                name: group.name,
            },
        },
        made(EventKind::MemberAdded { group: id, user }),
        made(EventKind::GroupRenamed {
            group: id,
            name: name("two"),
        }),
        made(EventKind::MemberRemoved { group: id, user }),
        made(EventKind::GroupRemoved { group: id }),
    ];
    promise_eq!(
        events(trail(&store).await),
        expected,
        "apply: records the event of a change that was made, and of no other"
    );
}
