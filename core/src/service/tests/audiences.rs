//! Files that are not for everybody, and the groups that they are for.

use super::*;
use crate::{
    audience::{Audience, Principal},
    error::ErrorKind::*,
    group::{Group, GroupName},
    id::{FileId, GroupId, UserId},
    policy::Action,
};

fn group_name(text: &str) -> GroupName {
    GroupName::parse(text).unwrap()
}

fn only(principals: impl IntoIterator<Item = Principal>) -> Audience {
    Audience::of(principals).unwrap()
}

/// What a client can do with a file: see it, ask for it by id, and have a link to it by id and by name.
async fn reach(world: &World, who: &Actor, file: &File) -> [bool; 4] {
    let consign = &world.consign;
    let id = file.entry.id;
    let listed = consign.list(who, None, 100).await.unwrap().items;
    let asked = consign.file(who, id).await;
    let by_id = consign.link(who, &id.to_string()).await;
    let by_name = consign.link(who, file.entry.name.as_str()).await;
    for refused in [
        asked.as_ref().err(),
        by_id.as_ref().err(),
        by_name.as_ref().err(),
    ] {
        let not_there = refused.is_none_or(|error| error.kind() == FileNotFound);
        assert!(not_there, "{refused:?}");
    }
    [
        listed.iter().any(|listed| listed.entry.id == id),
        asked.is_ok(),
        by_id.is_ok(),
        by_name.is_ok_and(|link| link.file.entry.id == id),
    ]
}

struct Cast {
    world: World,
    op: Actor,
    ann: Actor,
    bob: Actor,
    group: Group,
    file: File,
}

/// A file for nobody, and a group in which Bob is.
async fn cast() -> Cast {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    let bob = world.newcomer("bob", Role::Client).await;
    let consign = &world.consign;
    let group = consign
        .add_group(&op, group_name("Müller"), None, None)
        .await
        .unwrap();
    let member = consign.add_member(&op, group.id, &bob.user().username);
    assert_eq!(member.await.unwrap(), *bob.user());
    let permit = consign.permit_upload(&op).unwrap().sharing_with(only([]));
    let body = crate::store::body("for some");
    let file = consign.upload(permit, file_name("a.docx"), body);
    let file = file.await.unwrap();
    Cast {
        world,
        op,
        ann,
        bob,
        group,
        file,
    }
}

#[tokio::test]
async fn a_file_is_there_for_its_audience_and_for_operations_alone() {
    let Cast {
        world,
        op,
        ann,
        bob,
        group,
        file,
    } = cast().await;
    let consign = &world.consign;
    let ann_alone = Principal::User(ann.user().id);
    let in_group = Principal::Group(group.id);
    for (audience, ann_has, bob_has) in [
        (only([]), false, false),
        (only([ann_alone]), true, false),
        (only([in_group]), false, true),
        (only([in_group, ann_alone]), true, true),
        (Audience::everybody(), true, true),
    ] {
        let shared = consign.share(&op, file.entry.id, audience.clone()).await;
        assert_eq!(shared.unwrap().entry.audience, audience);
        assert_eq!(
            reach(&world, &ann, &file).await,
            [ann_has; 4],
            "{audience:?}"
        );
        assert_eq!(
            reach(&world, &bob, &file).await,
            [bob_has; 4],
            "{audience:?}"
        );
        let listed = consign.list(&op, None, 9).await.unwrap().items;
        assert_eq!(listed[0].entry.audience, audience, "operations see all");
        consign.file(&op, file.entry.id).await.unwrap();
    }
}

#[tokio::test]
async fn what_narrows_an_audience_ends_links_at_once() {
    let Cast {
        world,
        op,
        ann,
        bob,
        group,
        file,
    } = cast().await;
    let consign = &world.consign;
    let audience = only([Principal::Group(group.id), Principal::User(ann.user().id)]);
    consign.share(&op, file.entry.id, audience).await.unwrap();
    let (anns, bobs) = (
        world.link(&ann, "a.docx").await,
        world.link(&bob, "a.docx").await,
    );
    for link in [&anns, &bobs] {
        assert_eq!(world.download(&link.token).await.unwrap(), b"for some");
    }
    // Out of the group, and in again.
    let (group, user) = (group.id, bob.user().id);
    consign.remove_member(&op, group, user).await.unwrap();
    assert_eq!(refusal(world.download(&bobs.token).await), InvalidToken);
    assert_eq!(world.download(&anns.token).await.unwrap(), b"for some");
    let username = &bob.user().username;
    consign.add_member(&op, group, username).await.unwrap();
    assert_eq!(world.download(&bobs.token).await.unwrap(), b"for some");
    // The group is gone.
    consign.remove_group(&op, group).await.unwrap();
    assert_eq!(refusal(world.download(&bobs.token).await), InvalidToken);
    // The file is for nobody.
    consign.share(&op, file.entry.id, only([])).await.unwrap();
    assert_eq!(refusal(world.download(&anns.token).await), InvalidToken);
}

#[tokio::test]
async fn a_name_means_the_newest_that_one_sees() {
    let Cast {
        world,
        op,
        ann,
        bob,
        group,
        file,
    } = cast().await;
    let consign = &world.consign;
    let audience = only([Principal::User(ann.user().id)]);
    consign.share(&op, file.entry.id, audience).await.unwrap();
    let permit = consign.permit_upload(&op).unwrap();
    let permit = permit.sharing_with(only([Principal::Group(group.id)]));
    let body = crate::store::body("for others");
    let newer = consign.upload(permit, file_name("a.docx"), body);
    newer.await.unwrap();
    for (who, bytes) in [(&ann, b"for some".as_slice()), (&bob, b"for others")] {
        let link = world.link(who, "a.docx").await;
        assert_eq!(world.download(&link.token).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_file_is_for_whom_the_settings_say_unless_its_uploader_does() {
    let world = World::with(Settings {
        audience: only([]),
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    let file = world.upload(&op, "a.docx", b"a").await.unwrap();
    assert_eq!(file.entry.audience, only([]));
    let permit = world.consign.permit_upload(&op).unwrap();
    let permit = permit.sharing_with(Audience::everybody());
    let body = crate::store::body("b");
    let file = world.consign.upload(permit, file_name("b.docx"), body);
    assert_eq!(file.await.unwrap().entry.audience, Audience::everybody());
    let other = World::new();
    let op = other.newcomer("op", Role::Operations).await;
    let file = other.upload(&op, "a.docx", b"a").await.unwrap();
    assert_eq!(
        file.entry.audience,
        Audience::everybody(),
        "as it always was"
    );
}

#[tokio::test]
async fn nobody_is_named_whom_there_is_not() {
    let Cast {
        world, op, file, ..
    } = cast().await;
    let consign = &world.consign;
    let events = world.events().await;
    let id = [9; 16];
    for (nobody, kind) in [
        (Principal::User(UserId::from_bytes(id)), UserNotFound),
        (Principal::User(op.user().id), UserNotFound),
        (Principal::Group(GroupId::from_bytes(id)), GroupNotFound),
    ] {
        let shared = consign.share(&op, file.entry.id, only([nobody])).await;
        assert_eq!(refusal(shared), kind);
        let permit = consign.permit_upload(&op).unwrap();
        let permit = permit.sharing_with(only([nobody]));
        world.rig.disarm();
        let body = world.rig.body(vec![Bytes::from_static(b"x")]);
        let uploaded = consign.upload(permit, file_name("x.docx"), body).await;
        assert_eq!(refusal(uploaded), kind);
        let steps = world.rig.steps();
        assert!(
            !steps.iter().any(|step| step == "body"),
            "before a byte of it"
        );
    }
    let gone = FileId::from_bytes(id);
    let shared = consign.share(&op, gone, Audience::everybody()).await;
    assert_eq!(refusal(shared), FileNotFound);
    assert_eq!(refusal(consign.file(&op, gone).await), FileNotFound);
    world.settle().await;
    assert_eq!(
        world.kept().await,
        [0, 1, 1],
        "a refused upload leaves nothing"
    );
    assert_eq!(world.events().await, events);
}

#[tokio::test]
async fn who_may_share_may_look_users_up() {
    let Cast { world, op, ann, .. } = cast().await;
    let consign = &world.consign;
    for user in [ann.user(), op.user()] {
        assert_eq!(consign.user(&op, user.id).await.unwrap(), *user);
        let named = consign.user_named(&op, &user.username).await;
        assert_eq!(named.unwrap(), *user);
        let refused = consign.user(&ann, user.id).await;
        assert_eq!(refusal(refused), Forbidden(Action::Share));
        let refused = consign.user_named(&ann, &user.username).await;
        assert_eq!(refusal(refused), Forbidden(Action::Share));
    }
    let nobody = UserId::from_bytes([9; 16]);
    assert_eq!(refusal(consign.user(&op, nobody).await), UserNotFound);
    let nobody = "Ann".parse().unwrap();
    assert_eq!(
        refusal(consign.user_named(&op, &nobody).await),
        UserNotFound
    );
}

#[tokio::test]
async fn groups_are_managed_by_operations() {
    let Cast {
        world,
        op,
        ann,
        bob,
        group,
        ..
    } = cast().await;
    let consign = &world.consign;
    let names = |page: crate::store::Page<Group, GroupName>| -> Vec<String> {
        let groups = page.items.into_iter();
        groups.map(|group| group.name.to_string()).collect()
    };
    let other = consign
        .add_group(&op, group_name("Abt"), None, None)
        .await
        .unwrap();
    assert_eq!(other.created_by, op.user().id);
    assert_eq!(
        names(consign.groups(&op, None, 9).await.unwrap()),
        ["Abt", "Müller"]
    );
    let after = consign.groups(&op, Some(&other.name), 9).await.unwrap();
    assert_eq!(names(after), ["Müller"]);
    let taken = consign
        .add_group(&op, group_name("Müller"), None, None)
        .await;
    assert_eq!(refusal(taken), GroupNameTaken);
    let taken = consign.rename_group(&op, other.id, group_name("Müller"));
    assert_eq!(refusal(taken.await), GroupNameTaken);
    let renamed = consign.rename_group(&op, other.id, group_name("Abt & Co"));
    assert_eq!(renamed.await.unwrap().name.as_str(), "Abt & Co");

    let members = async || {
        let members = consign.members(&op, group.id, None, 9).await.unwrap().items;
        members.into_iter().map(|user| user.id).collect::<Vec<_>>()
    };
    assert_eq!(members().await, [bob.user().id]);
    let name = |text: &str| text.parse::<Username>().unwrap();
    // Once more is no error, and no event.
    let events = world.events().await.len();
    let again = consign.add_member(&op, group.id, &name("bob")).await;
    assert_eq!(again.unwrap().id, bob.user().id);
    assert_eq!(world.events().await.len(), events);
    for nobody in ["op", "nobody"] {
        let added = consign.add_member(&op, group.id, &name(nobody)).await;
        assert_eq!(refusal(added), UserNotFound, "{nobody} is no client");
    }
    let removed = consign.remove_member(&op, group.id, ann.user().id).await;
    assert_eq!(refusal(removed), UserNotFound, "Ann is not in it");
    consign
        .add_member(&op, group.id, &name("ann"))
        .await
        .unwrap();
    assert_eq!(members().await.len(), 2);
    let removed = consign.remove_member(&op, group.id, bob.user().id);
    removed.await.unwrap();
    assert_eq!(members().await, [ann.user().id]);

    assert_eq!(
        consign.remove_group(&op, group.id).await.unwrap().id,
        group.id
    );
    let id = group.id;
    let ann_name = &ann.user().username;
    for refused in [
        consign.group(&op, id).await.map(drop),
        consign.remove_group(&op, id).await.map(drop),
        consign
            .rename_group(&op, id, group_name("x"))
            .await
            .map(drop),
        consign.members(&op, id, None, 9).await.map(drop),
        consign.add_member(&op, id, ann_name).await.map(drop),
        consign.remove_member(&op, id, ann.user().id).await,
    ] {
        assert_eq!(refusal(refused), GroupNotFound);
    }
    for refused in [
        consign
            .add_group(&ann, group_name("x"), None, None)
            .await
            .map(drop),
        consign.group(&ann, id).await.map(drop),
        consign.groups(&ann, None, 9).await.map(drop),
        consign
            .rename_group(&ann, id, group_name("x"))
            .await
            .map(drop),
        consign.remove_group(&ann, id).await.map(drop),
        consign.members(&ann, id, None, 9).await.map(drop),
        consign.add_member(&ann, id, ann_name).await.map(drop),
        consign.remove_member(&ann, id, ann.user().id).await,
    ] {
        assert_eq!(refusal(refused), Forbidden(Action::ManageGroups));
    }
}

/// A client is taken out of a group, and only then is a file for it: they never see it, though they
/// asked before.
#[tokio::test]
async fn a_list_is_of_one_moment() {
    let Cast {
        world,
        op,
        bob,
        group,
        file,
        ..
    } = cast().await;
    let other = world.other(|_, _| {});
    world.rig.hold_at("files");
    let mut list = Box::pin(world.consign.list(&bob, None, 9));
    world.rig.reached_by(&mut list).await;
    world.rig.disarm();
    let left = other.remove_member(&op, group.id, bob.user().id);
    left.await.unwrap();
    let for_group = only([Principal::Group(group.id)]);
    other.share(&op, file.entry.id, for_group).await.unwrap();
    world.rig.release();
    assert_eq!(list.await.unwrap().items, []);
}

/// A file is no more for a group, and only then a client comes into it.
#[tokio::test]
async fn a_link_is_opened_at_one_moment() {
    let Cast {
        world,
        op,
        ann,
        bob,
        group,
        file,
    } = cast().await;
    let other = world.other(|_, _| {});
    let (id, for_group) = (file.entry.id, only([Principal::Group(group.id)]));
    other.share(&op, id, Audience::everybody()).await.unwrap();
    let link = world.link(&ann, "a.docx").await;
    for (then, kind) in [
        (only([]), Some(InvalidToken)),
        (Audience::everybody(), None),
    ] {
        other.share(&op, id, for_group.clone()).await.unwrap();
        world.rig.hold_at("groups of");
        let mut opening = Box::pin(world.consign.open(&link.token));
        world.rig.reached_by(&mut opening).await;
        world.rig.disarm();
        other.share(&op, id, then).await.unwrap();
        let username = &ann.user().username;
        other.add_member(&op, group.id, username).await.unwrap();
        world.rig.release();
        assert_eq!(opening.await.err().map(|error| error.kind()), kind);
        let left = other.remove_member(&op, group.id, ann.user().id);
        left.await.unwrap();
    }
    // Gone meanwhile, it is for nobody.
    other.share(&op, id, for_group).await.unwrap();
    let bobs = world.link(&bob, "a.docx").await;
    world.rig.hold_at("groups of");
    let mut opening = Box::pin(world.consign.open(&bobs.token));
    world.rig.reached_by(&mut opening).await;
    world.rig.disarm();
    other.delete(&op, id).await.unwrap();
    world.rig.release();
    assert_eq!(
        opening.await.err().map(|error| error.kind()),
        Some(InvalidToken)
    );
}
