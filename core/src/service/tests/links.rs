use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::{
    audience::Audience,
    error::ErrorKind::*,
    id::FileId,
    policy::{self, Action},
    user::Status,
};

#[tokio::test]
async fn a_file_removed_between_opening_and_reading_is_a_dead_link() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    let file = world.upload(&op, "a.docx", b"bytes").await.unwrap();
    let link = world.link(&ann, "a.docx").await;
    let opened = world.consign.open(&link.token).await.unwrap();
    assert_eq!(opened.read_all(5).await.unwrap(), "bytes");
    assert_eq!(
        opened.read_all(4).await.unwrap_err().kind(),
        TooLarge { limit: 4 }
    );
    world.consign.delete(&op, file.entry.id).await.unwrap();
    let error = opened.read(0..5).await.err().unwrap();
    assert_eq!(error.kind(), InvalidToken);
}

#[tokio::test]
async fn a_host_with_its_own_sign_in_acts_as_its_users() {
    let world = World::new();
    world.user("op", Role::Operations).await;
    let administration = world.consign.administration();
    let name: Username = "op".parse().unwrap();
    let op = administration.act_as(&name).await.unwrap();
    world.upload(&op, "a.docx", b"bytes").await.unwrap();
    administration
        .set_status(&name, Status::Disabled)
        .await
        .unwrap();
    let error = administration.act_as(&name).await.err().unwrap();
    assert_eq!(error.kind(), UserNotFound);
}

#[tokio::test]
async fn a_link_opens_the_version_it_was_made_for() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    let first = world.upload(&op, "a.docx", b"first").await.unwrap();
    let to_first = world.link(&ann, "a.docx").await;
    let second = world.upload(&op, "a.docx", b"second").await.unwrap();
    world.upload(&op, "A.docx", b"another name").await.unwrap();
    let to_second = world.link(&ann, "a.docx").await;
    let by_id = world.link(&ann, &first.entry.id.to_string()).await;
    assert_eq!(
        (&to_first.file, &to_second.file, &by_id.file),
        (&first, &second, &first)
    );
    for (link, content) in [
        (&to_first, "first"),
        (&to_second, "second"),
        (&by_id, "first"),
    ] {
        assert_eq!(
            world.download(&link.token).await.unwrap(),
            content.as_bytes()
        );
        assert_eq!(
            world.consign.open(&link.token).await.unwrap().file(),
            &link.file
        );
    }
    world.consign.delete(&op, second.entry.id).await.unwrap();
    assert_eq!(
        refusal(world.consign.open(&to_second.token).await),
        InvalidToken
    );
    assert_eq!(world.download(&to_first.token).await.unwrap(), b"first");
    assert_eq!(
        world.link(&ann, "a.docx").await.file,
        first,
        "the name means the newest that is left"
    );
}

#[tokio::test]
async fn an_id_goes_before_a_name_that_looks_like_one() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    let file = world.upload(&op, "a.docx", b"the file").await.unwrap();
    let id = file.entry.id.to_string();
    let namesake = world.upload(&op, &id, b"its namesake").await.unwrap();
    assert_eq!(world.link(&ann, &id).await.file, file);
    world.consign.delete(&op, file.entry.id).await.unwrap();
    assert_eq!(
        world.link(&ann, &id).await.file,
        namesake,
        "no file has the id any more"
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    let file = world.upload(&op, "a.docx", b"a").await.unwrap();
    let id = file.entry.id.to_string();
    let blob = file.entry.blob.to_string();
    let long = "a".repeat(10_000);
    for target in [
        "",
        "b.docx",
        "A.docx",
        "a.docx ",
        "../a.docx",
        "/a.docx",
        "a\0.docx",
        &id[1..],
        &id.to_uppercase(),
        &blob,
        &long,
    ] {
        let expected = if target == id { continue } else { FileNotFound };
        assert_eq!(
            refusal(world.consign.link(&ann, target).await),
            expected,
            "{target:?}"
        );
    }
    assert_eq!(
        refusal(world.consign.delete(&op, FileId::from_bytes([9; 16])).await),
        FileNotFound
    );
}

/// Whoever may not do a thing at all does not learn by it what is there.
#[tokio::test]
async fn forbidden_comes_before_not_found() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    let file = world.upload(&op, "a.docx", b"a").await.unwrap();
    for target in ["a.docx", "none.docx", "", &file.entry.id.to_string()] {
        assert_eq!(
            refusal(world.consign.link(&op, target).await),
            Forbidden(Action::Link)
        );
    }
    for id in [file.entry.id, FileId::from_bytes([9; 16])] {
        assert_eq!(
            refusal(world.consign.delete(&ann, id).await),
            Forbidden(Action::Delete)
        );
    }
    assert_eq!(world.kept().await, [0, 1, 1]);
}

/// Each of the service's operations asks [`policy::allows`], for each kind of user.
#[tokio::test]
async fn every_operation_asks_the_policy() {
    for role in [Role::Operations, Role::Client] {
        for status in [Status::Active, Status::Disabled] {
            for action in Action::ALL {
                let world = World::new();
                let op = world.newcomer("op", Role::Operations).await;
                let file = world.upload(&op, "a.docx", b"a").await.unwrap();
                let ann = world.newcomer("ann", Role::Client).await;
                let link = world.link(&ann, "a.docx").await;
                let actor = Actor::unproved(User {
                    role,
                    status,
                    ..ann.user().clone()
                });
                let consign = &world.consign;
                let done = match action {
                    Action::RegisterOperations => {
                        // Asked again of who they are once the password is hashed.
                        if (role, status) == (Role::Operations, Status::Active) {
                            world.rig.rewrite_users(|user| user.role = Role::Operations);
                        }
                        let new = registration("new", Role::Operations);
                        consign.register(new, Some(&actor)).await.map(drop)
                    }
                    Action::Upload => consign.permit_upload(&actor).map(drop),
                    Action::List => consign.list(&actor, None, 1).await.map(drop),
                    Action::Link => consign.link(&actor, "a.docx").await.map(drop),
                    Action::Open => {
                        let rewrite: fn(&mut User) = match (role, status) {
                            (Role::Operations, Status::Active) => {
                                |user| user.role = Role::Operations
                            }
                            (Role::Client, Status::Active) => |_| (),
                            (_, Status::Disabled) => |user| user.status = Status::Disabled,
                        };
                        world.rig.rewrite_users(rewrite);
                        consign.open(&link.token).await.map(drop)
                    }
                    Action::Delete => consign.delete(&actor, file.entry.id).await.map(drop),
                    Action::Share => {
                        let audience = Audience::everybody();
                        let shared = consign.share(&actor, file.entry.id, audience);
                        shared.await.map(drop)
                    }
                    Action::ManageGroups => consign.groups(&actor, None, 1).await.map(drop),
                    Action::ManageLinks => consign.links(&actor, None, 1).await.map(drop),
                    Action::ReadAudit => consign.audit(&actor, None, 1).await.map(drop),
                };
                let refused_with = match action {
                    Action::Open => InvalidToken,
                    action => Forbidden(action),
                };
                let case = format!("{action:?} by {status} {role}");
                if policy::allows(actor.user(), action) {
                    done.expect(&case);
                } else {
                    assert_eq!(done.expect_err(&case).kind(), refused_with, "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_link_lasts_to_the_second_and_seven_days_at_most() {
    let days = |days| DAY * days;
    for (wanted, lasts) in [
        (Duration::from_secs(900), Duration::from_secs(900)),
        (days(7), days(7)),
        (days(7) + Duration::from_secs(1), days(7)),
        (Duration::MAX, days(7)),
    ] {
        let world = World::with(Settings {
            link_lifetime: wanted,
            ..Settings::default()
        });
        assert_eq!(world.consign.settings().link_lifetime, lasts);
        let op = world.newcomer("op", Role::Operations).await;
        let ann = world.newcomer("ann", Role::Client).await;
        world.upload(&op, "a.docx", b"a").await.unwrap();
        let link = world.link(&ann, "a.docx").await;
        assert_eq!(link.expires_at, START + lasts);
        world
            .clock
            .set(Timestamp::from_millis(link.expires_at.as_millis() - 1));
        world.consign.open(&link.token).await.unwrap();
        world.clock.set(link.expires_at);
        assert_eq!(refusal(world.consign.open(&link.token).await), InvalidToken);
    }
}

#[tokio::test]
async fn a_link_dies_with_its_file_and_not_with_its_uploader() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    let files = [
        world.upload(&op, "a.docx", b"a").await.unwrap(),
        world.upload(&op, "b.docx", b"b").await.unwrap(),
    ];
    let links = [
        world.link(&ann, "a.docx").await,
        world.link(&ann, "b.docx").await,
    ];
    let administration = world.consign.administration();
    administration
        .set_status(&username("op"), Status::Disabled)
        .await
        .unwrap();
    for link in &links {
        world
            .consign
            .open(&link.token)
            .await
            .expect("who uploaded it is nobody's business");
    }
    let other = world.newcomer("other", Role::Operations).await;
    world
        .consign
        .delete(&other, files[0].entry.id)
        .await
        .unwrap();
    administration.remove_file(files[1].entry.id).await.unwrap();
    for link in &links {
        assert_eq!(refusal(world.consign.open(&link.token).await), InvalidToken);
    }
    world.upload(&other, "a.docx", b"again").await.unwrap();
    assert_eq!(
        refusal(world.consign.open(&links[0].token).await),
        InvalidToken,
        "nor comes it back"
    );
}

#[tokio::test]
async fn making_and_opening_a_link_writes_nothing() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    world.upload(&op, "a.docx", b"a").await.unwrap();
    world.rig.disarm();
    let link = world.link(&ann, "a.docx").await;
    let again = world.link(&ann, "a.docx").await;
    assert_ne!(link.token, again.token);
    for _ in 0..3 {
        assert_eq!(world.download(&link.token).await.unwrap(), b"a");
    }
    let writes = ["apply", "update", "insert", "begin", "publish", "delete"];
    let steps = world.rig.steps();
    assert!(
        steps.iter().all(|step| !writes.contains(&step.as_str())),
        "{steps:?}"
    );
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_no_missing_file() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    world.upload(&op, "a.docx", b"a").await.unwrap();
    let link = world.link(&ann, "a.docx").await;
    world.rig.fail_at("newest");
    assert_eq!(
        refusal(world.consign.link(&ann, "a.docx").await),
        Unavailable
    );
    world.rig.fail_at("file");
    assert_eq!(refusal(world.consign.open(&link.token).await), Unavailable);
    world.rig.fail_at("open");
    assert_eq!(refusal(world.download(&link.token).await), Unavailable);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever range is asked for, what comes is what of it there is, and never an error.
    #[test]
    fn a_range_is_cut_to_the_file(
        content in prop::collection::vec(any::<u8>(), 0..300),
        ranges in prop::collection::vec((edge(), edge()), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let op = world.newcomer("op", Role::Operations).await;
            let ann = world.newcomer("ann", Role::Client).await;
            world.upload(&op, "a.docx", &content).await.unwrap();
            let link = world.link(&ann, "a.docx").await;
            let file = world.consign.open(&link.token).await.unwrap();
            for (start, end) in ranges {
                let read = file.read(Range { start, end }).await.unwrap();
                let read = read.try_collect::<Vec<Bytes>>().await.unwrap().concat();
                let within = |at: u64| at.min(content.len() as u64) as usize;
                let expected = content.get(within(start)..within(end)).unwrap_or_default();
                prop_assert_eq!(read, expected);
            }
            Ok(())
        })?;
    }
}

fn edge() -> impl Strategy<Value = u64> {
    prop_oneof![0..310_u64, Just(u64::MAX), Just(u64::MAX - 1), any::<u64>()]
}
