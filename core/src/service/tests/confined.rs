//! Operations users who are confined to what is their own.

use super::*;
use crate::{
    LinkRequest,
    audience::{Audience, Principal},
    error::ErrorKind::*,
    group::{Group, GroupName},
    policy::Action,
};

struct Cast {
    world: World,
    /// Sees all.
    op: Actor,
    /// Is confined; Carl is his client, and Dora is nobody's.
    con: Actor,
    carl: User,
    dora: User,
    /// Of each.
    files: [File; 2],
    groups: [Group; 2],
}

async fn cast() -> Cast {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.user("con", Role::Operations).await;
    let dora = world.user("dora", Role::Client).await;
    let consign = &world.consign;
    let administration = consign.administration();
    let name = username("con");
    administration.set_confined(&name, true).await.unwrap();
    let con = world.actor("con").await;
    let registered = consign.register(registration("carl", Role::Client), Some(&con));
    let carl = registered.await.unwrap();
    assert_eq!(carl.owner, Some(con.user().id));
    let files = [
        world.upload(&op, "a.docx", b"all").await.unwrap(),
        world.upload(&con, "a.docx", b"own").await.unwrap(),
    ];
    let group = async |by: &Actor, name: &str| {
        let name = GroupName::parse(name).unwrap();
        consign.add_group(by, name, None, None).await.unwrap()
    };
    let groups = [group(&op, "all").await, group(&con, "own").await];
    Cast {
        op,
        con,
        carl,
        dora,
        files,
        groups,
        world,
    }
}

fn to(file: &str) -> LinkRequest {
    LinkRequest {
        files: vec![file.to_owned()],
        ..LinkRequest::default()
    }
}

#[tokio::test]
async fn they_see_the_files_that_they_have_uploaded_alone() {
    let Cast {
        world,
        op,
        con,
        files: [others, own],
        ..
    } = cast().await;
    let consign = &world.consign;
    let listed = consign.list(&con, None, 9).await.unwrap().items;
    assert_eq!(listed, std::slice::from_ref(&own));
    assert_eq!(consign.list(&op, None, 9).await.unwrap().items.len(), 2);
    assert_eq!(consign.file(&con, own.entry.id).await.unwrap(), own);
    let id = others.entry.id;
    let nobody = Audience::nobody();
    for refused in [
        refusal(consign.file(&con, id).await),
        refusal(consign.share(&con, id, nobody).await),
        refusal(consign.delete(&con, id).await),
        refusal(consign.make_link(&con, to(&id.to_string())).await),
        refusal(consign.downloads_of_file(&con, id, None, 9).await),
    ] {
        assert_eq!(refused, FileNotFound);
    }
    // Nor those that were removed.
    let gone = world.upload(&op, "gone.docx", b"gone").await.unwrap();
    consign.delete(&op, gone.entry.id).await.unwrap();
    for limit in [1, 9] {
        let removed = consign.removed_files(&con, None, limit).await.unwrap();
        assert_eq!((removed.items, removed.next), (vec![], None));
    }
    let restored = consign.restore(&con, gone.entry.id).await;
    assert_eq!(refusal(restored), FileNotFound);
    // A name is the newest of those that they see.
    world.upload(&op, "a.docx", b"newer").await.unwrap();
    let link = consign.make_link(&con, to("a.docx")).await.unwrap();
    assert_eq!(*link.link.files, [own.entry.id]);
    let downloads = consign.downloads_of_file(&con, own.entry.id, None, 9);
    downloads.await.unwrap();
}

#[tokio::test]
async fn they_share_with_their_own_clients_and_groups_alone() {
    let Cast {
        world,
        op,
        con,
        carl,
        dora,
        files: [_, own],
        groups: [others, group],
    } = cast().await;
    let consign = &world.consign;
    let id = own.entry.id;
    assert_eq!(own.entry.audience, Audience::nobody(), "unless they say so");
    let of = |principal| Audience::of([principal]).unwrap();
    let share = async |principal| consign.share(&con, id, of(principal)).await;
    share(Principal::User(carl.id)).await.unwrap();
    share(Principal::Group(group.id)).await.unwrap();
    let everybody = share(Principal::Everybody).await;
    assert_eq!(refusal(everybody), Forbidden(Action::Share));
    assert_eq!(refusal(share(Principal::User(dora.id)).await), UserNotFound);
    let others_group = share(Principal::Group(others.id)).await;
    assert_eq!(refusal(others_group), GroupNotFound);
    for audience in [Audience::everybody(), of(Principal::User(dora.id))] {
        let permit = consign.permit_upload(&con).unwrap();
        let body = crate::store::body("for others");
        let permit = permit.sharing_with(audience);
        let refused = consign.upload(permit, file_name("b.docx"), body).await;
        assert!(matches!(
            refusal(refused),
            Forbidden(Action::Share) | UserNotFound
        ));
    }
    assert_eq!(world.kept().await[2], 2, "what was refused is not there");

    assert_eq!(consign.user(&con, carl.id).await.unwrap(), carl);
    assert_eq!(refusal(consign.user(&con, dora.id).await), UserNotFound);
    let named = consign.user_named(&con, &dora.username).await;
    assert_eq!(refusal(named), UserNotFound);
    let joined = consign.add_member(&con, group.id, &carl.username).await;
    joined.unwrap();
    let refused = consign.add_member(&con, group.id, &dora.username).await;
    assert_eq!(refusal(refused), UserNotFound);
    // Whom somebody else took into it they see there, and can take out.
    consign
        .add_member(&op, group.id, &dora.username)
        .await
        .unwrap();
    let members = consign.members(&con, group.id, None, 9).await.unwrap();
    assert_eq!(members.items.len(), 2);
    consign
        .remove_member(&con, group.id, dora.id)
        .await
        .unwrap();
}

#[tokio::test]
async fn they_manage_the_groups_that_they_have_made_alone() {
    let Cast {
        world,
        op,
        con,
        carl,
        groups: [others, own],
        ..
    } = cast().await;
    let consign = &world.consign;
    for n in 0..5 {
        let name = GroupName::parse(&format!("one of others {n}")).unwrap();
        consign.add_group(&op, name, None, None).await.unwrap();
    }
    for limit in [1, 3, 100] {
        let page = consign.groups(&con, None, limit).await.unwrap();
        assert_eq!(
            (page.items, page.next),
            (vec![own.clone()], None),
            "{limit}"
        );
    }
    let id = others.id;
    let name = GroupName::parse("another").unwrap();
    for refused in [
        refusal(consign.group(&con, id).await),
        refusal(consign.rename_group(&con, id, name.clone()).await),
        refusal(consign.remove_group(&con, id).await),
        refusal(consign.members(&con, id, None, 9).await),
        refusal(consign.add_member(&con, id, &carl.username).await),
        refusal(consign.remove_member(&con, id, carl.id).await),
    ] {
        assert_eq!(refused, GroupNotFound);
    }
    consign.rename_group(&con, own.id, name).await.unwrap();
    consign.remove_group(&con, own.id).await.unwrap();
}

#[tokio::test]
async fn they_register_clients_of_their_own_and_nobody_else() {
    let Cast { world, op, con, .. } = cast().await;
    let closed = world.other(|_, settings| {
        settings.client_registration = crate::ClientRegistration::Closed;
    });
    let client = closed.register(registration("eve", Role::Client), Some(&con));
    assert_eq!(client.await.unwrap().owner, Some(con.user().id));
    let operations = registration("olaf", Role::Operations);
    let refused = closed.register(operations.clone(), Some(&con)).await;
    assert_eq!(refusal(refused), Forbidden(Action::RegisterOperations));
    let other = closed.register(operations, Some(&op)).await.unwrap();
    assert_eq!((other.owner, other.confined), (None, false));
    let own = world
        .consign
        .register(registration("fay", Role::Client), None);
    assert_eq!(own.await.unwrap().owner, None);
}

#[tokio::test]
async fn confinement_takes_effect_at_the_next_request() {
    let Cast {
        world,
        con,
        dora,
        files: [others, own],
        ..
    } = cast().await;
    let consign = &world.consign;
    let administration = consign.administration();
    // A link that was made while they saw all.
    administration
        .set_confined(&username("con"), false)
        .await
        .unwrap();
    let free = world.actor("con").await;
    let link = consign.make_link(&free, to(&others.entry.id.to_string()));
    let secret = link.await.unwrap().secret.expose();
    consign.describe_link(&secret).await.unwrap();
    administration
        .set_confined(&username("con"), true)
        .await
        .unwrap();
    let described = consign.describe_link(&secret).await;
    assert_eq!(refusal(described), LinkNotAvailable);
    let con_now = world.actor("con").await;
    assert_eq!(consign.list(&con_now, None, 9).await.unwrap().items, [own]);

    let (con_name, dora_name) = (username("con"), username("dora"));
    administration
        .set_owner(&dora_name, Some(&con_name))
        .await
        .unwrap();
    assert_eq!(consign.user(&con, dora.id).await.unwrap().id, dora.id);
    administration.set_owner(&dora_name, None).await.unwrap();
    assert_eq!(refusal(consign.user(&con, dora.id).await), UserNotFound);
    for (client, owner) in [
        ("con", "con"),
        ("dora", "dora"),
        ("dora", "x"),
        ("x", "con"),
    ] {
        let (client, owner) = (username(client), username(owner));
        let set = administration.set_owner(&client, Some(&owner)).await;
        assert_eq!(refusal(set), UserNotFound);
    }
    let told = world.events().await;
    let told = |kind: EventKind| told.contains(&(Author::Administrator, kind));
    let (user, confined) = (con.user().id, true);
    assert!(told(EventKind::ConfinedChanged { user, confined }));
    let (user, owner) = (dora.id, Some(con.user().id));
    assert!(told(EventKind::OwnerChanged { user, owner }));
}
