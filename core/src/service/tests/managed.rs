//! Managed links.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::{
    Described, LinkChanges, LinkProof, LinkRequest, NewLease, NewLink, OpenedBy,
    audience::{Audience, Principal},
    error::ErrorKind::*,
    id::LinkId,
    link::{Edit, LinkSecret, ManagedLink},
    random::OsEntropy,
    time::Clock,
    user::Status,
};

struct Cast {
    world: World,
    op: Actor,
    ann: Actor,
    file: File,
}

/// A file for everybody.
async fn cast() -> Cast {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    let file = world.upload(&op, "a.docx", b"bytes").await.unwrap();
    Cast {
        world,
        op,
        ann,
        file,
    }
}

fn to(files: &[&str]) -> LinkRequest {
    LinkRequest {
        files: files.iter().map(|file| (*file).to_owned()).collect(),
        ..LinkRequest::default()
    }
}

impl World {
    async fn managed(&self, by: &Actor, request: LinkRequest) -> NewLink {
        self.consign.make_link(by, request).await.unwrap()
    }

    async fn describe(&self, link: &NewLink) -> Result<Described, Error> {
        self.consign.describe_link(&link.secret.expose()).await
    }

    async fn lease(&self, link: &NewLink) -> Result<NewLease, Error> {
        self.lease_with(link, LinkProof::default()).await
    }

    async fn lease_with(&self, link: &NewLink, proof: LinkProof<'_>) -> Result<NewLease, Error> {
        self.consign.open_link(&link.secret.expose(), proof).await
    }

    /// The link opens nothing, and neither does the lease.
    async fn is_dead(&self, link: &NewLink, lease: &NewLease, why: &str) {
        let described = self.describe(link).await;
        assert_eq!(refusal(described), LinkNotAvailable, "{why}");
        assert_eq!(refusal(self.lease(link).await), LinkNotAvailable, "{why}");
        let opened = self.consign.open_all(&lease.token).await;
        assert_eq!(refusal(opened), InvalidToken, "{why}");
    }

    async fn is_alive(&self, link: &NewLink, lease: &NewLease, why: &str) {
        assert!(self.describe(link).await.is_ok(), "{why}");
        assert!(self.lease(link).await.is_ok(), "{why}");
        let opened = self.consign.open_all(&lease.token).await;
        assert!(opened.is_ok(), "{why}");
    }
}

fn locked(text: &str) -> LinkProof<'static> {
    LinkProof {
        password: Some(password(text)),
        ..LinkProof::default()
    }
}

fn from(actor: &Actor) -> LinkProof<'_> {
    LinkProof {
        actor: Some(actor),
        ..LinkProof::default()
    }
}

#[tokio::test]
async fn whoever_holds_a_link_gets_its_file() {
    let cast = cast().await;
    let id = cast.file.entry.id.to_string();
    for (maker, target) in [(&cast.op, "a.docx"), (&cast.ann, "a.docx"), (&cast.op, &id)] {
        let world = &cast.world;
        let new = world.managed(maker, to(&[target])).await;
        assert_eq!(*new.link.files, [cast.file.entry.id]);
        assert_eq!(new.link.expires_at, START + DAY * 7);
        let described = world.describe(&new).await.unwrap();
        assert_eq!(described.files, Some(vec![cast.file.clone()]));
        assert!(!described.needs_password && !described.needs_recipient);
        let lease = world.lease(&new).await.unwrap();
        assert_eq!(lease.lease.expires_at, START + DAY);
        assert_eq!(world.download(&lease.token).await.unwrap(), b"bytes");
        let opened = world.consign.open(&lease.token).await.unwrap();
        assert_eq!(*opened.opened_by(), OpenedBy::Lease(lease.lease));
        let link = world.consign.managed_link(maker, new.link.id).await;
        assert_eq!(link.unwrap().downloads, 1, "looking at it counts nothing");
    }
}

#[tokio::test]
async fn a_link_is_its_makers_alone() {
    let Cast { world, op, ann, .. } = cast().await;
    let consign = &world.consign;
    let links = [
        world.managed(&op, to(&["a.docx"])).await.link,
        world.managed(&ann, to(&["a.docx"])).await.link,
    ];
    for (actor, own, other) in [(&op, 0, 1), (&ann, 1, 0)] {
        let listed = consign.links(actor, None, 9).await.unwrap().items;
        assert_eq!(listed, [links[own].clone()]);
        let found = consign.managed_link(actor, links[own].id).await.unwrap();
        assert_eq!(found, links[own]);
        for id in [links[other].id, LinkId::from_bytes([9; 16])] {
            let changes = LinkChanges::default();
            for refused in [
                refusal(consign.managed_link(actor, id).await),
                refusal(consign.edit_link(actor, id, changes).await),
                refusal(consign.revoke_link(actor, id).await),
            ] {
                assert_eq!(refused, LinkNotFound);
            }
        }
    }
}

#[tokio::test]
async fn a_link_that_cannot_be_is_refused_and_says_why() {
    let Cast { world, op, ann, .. } = cast().await;
    let consign = &world.consign;
    let audience = Audience::of([]).unwrap();
    let permit = consign.permit_upload(&op).unwrap().sharing_with(audience);
    let body = crate::store::body("for nobody");
    let hidden = consign.upload(permit, file_name("hidden.docx"), body).await;
    let hidden = hidden.unwrap().entry.id.to_string();
    let many = vec!["a.docx"; ManagedLink::MAX_FILES + 1];
    let lasting = |secs| LinkRequest {
        expires_in: Some(Duration::from_secs(secs)),
        ..to(&["a.docx"])
    };
    let longest = 90 * 24 * 60 * 60;
    for (request, kind, detail) in [
        (to(&[]), InvalidLink, "files: 1 to 100 are needed"),
        (to(&many), InvalidLink, "files: 1 to 100 are needed"),
        (
            to(&["a.docx", "a.docx"]),
            InvalidLink,
            "files: \"a.docx\" is there twice",
        ),
        (
            to(&["a.docx", "b.docx"]),
            FileNotFound,
            "files: there is no \"b.docx\"",
        ),
        (
            to(&["hidden.docx"]),
            FileNotFound,
            "files: there is no \"hidden.docx\"",
        ),
        (
            to(&[&hidden]),
            FileNotFound,
            &format!("files: there is no {hidden:?}"),
        ),
        (
            lasting(0),
            InvalidLink,
            "expires_in: 1 to 7776000 seconds are taken",
        ),
        (
            lasting(longest + 1),
            InvalidLink,
            "expires_in: 1 to 7776000 seconds are taken",
        ),
    ] {
        let error = consign.make_link(&ann, request).await.unwrap_err();
        assert_eq!((error.kind(), error.detail()), (kind, Some(detail)));
    }
    let short = LinkRequest {
        password: Some(password("short")),
        ..to(&["a.docx"])
    };
    let refused = refusal(consign.make_link(&ann, short).await);
    assert_eq!(refused, PasswordTooShort { min: 8 });
    assert_eq!(consign.links(&ann, None, 9).await.unwrap().items, []);
    consign.make_link(&ann, lasting(longest)).await.unwrap();
}

/// Whatever is wrong, one answer tells it.
#[tokio::test]
async fn what_is_not_available_looks_alike() {
    let Cast {
        world, op, file, ..
    } = cast().await;
    let spent = LinkRequest {
        max_downloads: NonZeroU32::new(1),
        ..to(&["a.docx"])
    };
    let spent = world.managed(&op, spent).await;
    let lease = world.lease(&spent).await.unwrap();
    assert_eq!(refusal(world.describe(&spent).await), LinkNotAvailable);
    assert_eq!(refusal(world.lease(&spent).await), LinkNotAvailable);
    // Whoever has a lease goes on with it.
    for _ in 0..3 {
        assert_eq!(world.download(&lease.token).await.unwrap(), b"bytes");
    }
    let revoked = world.managed(&op, to(&["a.docx"])).await;
    let lease = world.lease(&revoked).await.unwrap();
    let consign = &world.consign;
    for _ in ["revoked", "revoked before"] {
        let link = consign.revoke_link(&op, revoked.link.id).await.unwrap();
        assert!(link.revoked_at.is_some());
        world.is_dead(&revoked, &lease, "it is revoked").await;
    }
    let expired = world.managed(&op, to(&["a.docx"])).await;
    let lease = world.lease(&expired).await.unwrap();
    world.clock.set(expired.link.expires_at);
    world.is_dead(&expired, &lease, "it is at its end").await;
    world.clock.set(START);
    world
        .is_dead(&expired, &lease, "a clock that is set back revives nothing")
        .await;

    let gone = world.managed(&op, to(&["a.docx"])).await;
    let lease = world.lease(&gone).await.unwrap();
    world.is_alive(&gone, &lease, "nothing is wrong").await;
    consign.delete(&op, file.entry.id).await.unwrap();
    world.is_dead(&gone, &lease, "its file is gone").await;

    let unknown = LinkSecret::random(&OsEntropy).expose();
    for secret in [unknown.as_str(), "", "x", &unknown.to_uppercase()] {
        assert_eq!(
            refusal(consign.describe_link(secret).await),
            LinkNotAvailable
        );
        let opened = consign.open_link(secret, locked("a password")).await;
        assert_eq!(refusal(opened), LinkNotAvailable);
    }
}

#[tokio::test]
async fn a_link_is_good_for_as_long_as_its_maker_may_have_the_file() {
    let Cast {
        world,
        op,
        ann,
        file,
        ..
    } = cast().await;
    let consign = &world.consign;
    let administration = consign.administration();
    let by_ann = world.managed(&ann, to(&["a.docx"])).await;
    let by_op = world.managed(&op, to(&["a.docx"])).await;
    let leases = [
        world.lease(&by_ann).await.unwrap(),
        world.lease(&by_op).await.unwrap(),
    ];
    let nobody = Audience::of([]).unwrap();
    consign.share(&op, file.entry.id, nobody).await.unwrap();
    world.is_dead(&by_ann, &leases[0], "it is for nobody").await;
    world
        .is_alive(&by_op, &leases[1], "operations have all")
        .await;
    let for_ann = Audience::of([Principal::User(ann.user().id)]).unwrap();
    consign.share(&op, file.entry.id, for_ann).await.unwrap();
    world
        .is_alive(&by_ann, &leases[0], "it is for her again")
        .await;
    for (name, link, lease) in [("ann", &by_ann, &leases[0]), ("op", &by_op, &leases[1])] {
        let name = username(name);
        let set = |status| administration.set_status(&name, status);
        set(Status::Disabled).await.unwrap();
        world.is_dead(link, lease, "its maker is disabled").await;
        set(Status::Active).await.unwrap();
        administration.end_sessions(&name).await.unwrap();
        let why = "it outlives the sessions of its maker";
        world.is_alive(link, lease, why).await;
    }
}

#[tokio::test]
async fn a_password_is_asked_for_before_anything_is_told() {
    let Cast { world, op, .. } = cast().await;
    let request = LinkRequest {
        password: Some(password("open sesame")),
        max_downloads: NonZeroU32::new(2),
        ..to(&["a.docx"])
    };
    let link = world.managed(&op, request).await;
    let described = world.describe(&link).await.unwrap();
    assert!(described.needs_password && !described.needs_recipient);
    assert_eq!(described.files, None);
    assert_eq!(refusal(world.lease(&link).await), LinkPasswordNeeded);
    let wrong = world.lease_with(&link, locked("open barley")).await;
    assert_eq!(refusal(wrong), WrongLinkPassword);
    let lease = world
        .lease_with(&link, locked("open sesame"))
        .await
        .unwrap();
    assert_eq!(world.download(&lease.token).await.unwrap(), b"bytes");
    let found = world.consign.managed_link(&op, link.link.id).await.unwrap();
    assert_eq!(found.downloads, 1, "what is refused is not counted");
    // As with logins, a guesser is slowed down; and so is nobody else.
    for _ in 0..100 {
        let wrong = world.lease_with(&link, locked("open barley")).await;
        assert_eq!(refusal(wrong), WrongLinkPassword);
    }
    let slowed = world.lease_with(&link, locked("open sesame")).await;
    assert!(matches!(refusal(slowed), TooManyAttempts { .. }));
    world.session("op").await;
    world.clock.advance(Duration::from_secs(2));
    world
        .lease_with(&link, locked("open sesame"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_link_for_a_recipient_is_for_nobody_else() {
    let Cast { world, op, ann, .. } = cast().await;
    let bob = world.newcomer("bob", Role::Client).await;
    let consign = &world.consign;
    let request = LinkRequest {
        recipient: "Ann@Example.org".parse().ok(),
        ..to(&["a.docx"])
    };
    let link = world.managed(&op, request).await;
    let described = world.describe(&link).await.unwrap();
    assert!(described.needs_recipient && described.files.is_none());
    assert_eq!(refusal(world.lease(&link).await), CodeSent);
    let other = world.lease_with(&link, from(&bob)).await;
    assert_eq!(refusal(other), LinkNotAvailable);
    let lease = world.lease_with(&link, from(&ann)).await.unwrap();
    assert_eq!(lease.lease.recipient, link.link.recipient);
    assert_eq!(world.download(&lease.token).await.unwrap(), b"bytes");
    let (by, _) = world.events().await.pop().unwrap();
    assert_eq!(by, Author::User(ann.user().id));

    let set = |status| {
        let administration = consign.administration();
        async move { administration.set_status(&username("ann"), status).await }
    };
    set(Status::Disabled).await.unwrap();
    world
        .is_dead(&link, &lease, "its recipient is disabled")
        .await;
    set(Status::Active).await.unwrap();
    assert!(consign.open(&lease.token).await.is_ok());

    // A lease is its recipient's: not another's, and not anybody's.
    for (recipient, good) in [
        ("bob@example.org".parse().ok(), false),
        (None, false),
        ("Ann@Example.org".parse().ok(), true),
        ("ann@example.org".parse().ok(), true),
    ] {
        let changes = LinkChanges {
            recipient: Edit::Set(recipient),
            ..LinkChanges::default()
        };
        consign.edit_link(&op, link.link.id, changes).await.unwrap();
        assert_eq!(consign.open(&lease.token).await.is_ok(), good);
    }
}

#[tokio::test]
async fn edits_take_effect_at_the_next_request() {
    let Cast { world, op, .. } = cast().await;
    let consign = &world.consign;
    let link = world.managed(&op, to(&["a.docx"])).await;
    let lease = world.lease(&link).await.unwrap();
    let edit = async |changes| consign.edit_link(&op, link.link.id, changes).await;
    let edited = edit(LinkChanges {
        expires_in: Edit::Set(Duration::from_secs(60)),
        max_downloads: Edit::Set(NonZeroU32::new(1)),
        note: Edit::Set(String::from("sent on Monday").try_into().ok()),
        ..LinkChanges::default()
    });
    let edited = edited.await.unwrap();
    assert_eq!(edited.expires_at, START + Duration::from_secs(60));
    assert_eq!(edited.note.unwrap().as_str(), "sent on Monday");
    assert_eq!(refusal(world.lease(&link).await), LinkNotAvailable, "spent");
    assert!(consign.open(&lease.token).await.is_ok());
    world.clock.advance(Duration::from_secs(60));
    world
        .is_dead(&link, &lease, "no lease outlives its link")
        .await;
    let edited = edit(LinkChanges {
        expires_in: Edit::Set(DAY),
        max_downloads: Edit::Set(None),
        password: Edit::Set(Some(password("open sesame"))),
        ..LinkChanges::default()
    });
    edited.await.unwrap();
    assert!(consign.open(&lease.token).await.is_ok());
    assert_eq!(refusal(world.lease(&link).await), LinkPasswordNeeded);
    for (changes, kind) in [
        (
            LinkChanges {
                expires_in: Edit::Set(Duration::MAX),
                ..LinkChanges::default()
            },
            InvalidLink,
        ),
        (
            LinkChanges {
                password: Edit::Set(Some(password("short"))),
                ..LinkChanges::default()
            },
            PasswordTooShort { min: 8 },
        ),
    ] {
        assert_eq!(refusal(edit(changes).await), kind);
    }
    let removed = LinkChanges {
        password: Edit::Set(None),
        ..LinkChanges::default()
    };
    assert_eq!(edit(removed).await.unwrap().password, None);
    assert!(world.lease(&link).await.is_ok());
}

#[tokio::test]
async fn a_lease_ends_with_its_time_or_its_link() {
    let Cast { world, op, .. } = cast().await;
    for (lasts, lease_ends) in [
        (DAY * 3, DAY),
        (Duration::from_secs(600), Duration::from_secs(600)),
    ] {
        let now = world.clock.now();
        let request = LinkRequest {
            expires_in: Some(lasts),
            ..to(&["a.docx"])
        };
        let link = world.managed(&op, request).await;
        let lease = world.lease(&link).await.unwrap();
        assert_eq!(lease.lease.expires_at, now + lease_ends);
        world
            .clock
            .set(Timestamp::from_millis((now + lease_ends).as_millis() - 1));
        assert!(world.consign.open(&lease.token).await.is_ok());
        world.clock.set(now + lease_ends);
        let opened = world.consign.open(&lease.token).await;
        assert_eq!(refusal(opened), InvalidToken);
    }
}

#[tokio::test]
async fn of_several_files_those_are_handed_over_that_there_are() {
    let Cast {
        world, op, file, ..
    } = cast().await;
    let other = world.upload(&op, "b.docx", b"other").await.unwrap();
    let link = world.managed(&op, to(&["b.docx", "a.docx"])).await;
    let lease = world.lease(&link).await.unwrap();
    let consign = &world.consign;
    let names = async || {
        let files = consign.open_all(&lease.token).await?;
        let names = files.iter().map(|file| file.file().entry.name.to_string());
        Ok::<_, Error>(names.collect::<Vec<_>>())
    };
    assert_eq!(names().await.unwrap(), ["b.docx", "a.docx"]);
    assert_eq!(refusal(consign.open(&lease.token).await), InvalidToken);
    consign.delete(&op, other.entry.id).await.unwrap();
    assert_eq!(names().await.unwrap(), ["a.docx"]);
    assert!(consign.open(&lease.token).await.is_ok());
    let described = world.describe(&link).await.unwrap();
    assert_eq!(described.files, Some(vec![file.clone()]));
    consign.delete(&op, file.entry.id).await.unwrap();
    world.is_dead(&link, &lease, "all files are gone").await;
}

#[tokio::test]
async fn tokens_are_good_for_what_they_are_for() {
    let Cast { world, op, ann, .. } = cast().await;
    let link = world.managed(&op, to(&["a.docx"])).await;
    let lease = world.lease(&link).await.unwrap();
    let consign = &world.consign;
    assert_eq!(
        refusal(consign.authenticate(&lease.token).await),
        InvalidToken
    );
    let session = world.session("ann").await;
    assert_eq!(
        refusal(consign.open_all(&session.token).await),
        InvalidToken
    );
    let signed = world.link(&ann, "a.docx").await;
    assert_eq!(
        refusal(consign.describe_link(&signed.token).await),
        LinkNotAvailable
    );
    let other = world.other(|parts, _| {
        let ring = KeyRing::generate(&OsEntropy, START);
        parts.signer = Arc::new(JwtSigner::new(&ring, "consign"));
    });
    assert_eq!(refusal(other.open_all(&lease.token).await), InvalidToken);
    let shown = format!("{link:?} {lease:?} {:?}", world.events().await);
    let signature = lease.token.rsplit('.').next().unwrap();
    for secret in [&link.secret.expose(), signature] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// A link that is edited while its password is looked at is judged anew.
#[tokio::test]
async fn a_lease_is_opened_of_the_link_that_was_judged() {
    let Cast { world, op, .. } = cast().await;
    let request = LinkRequest {
        password: Some(password("open sesame")),
        ..to(&["a.docx"])
    };
    let link = world.managed(&op, request).await;
    for (new, expected) in [
        ("another password", Some(WrongLinkPassword)),
        ("open sesame", None),
    ] {
        world.rig.hold_at("apply");
        let secret = link.secret.expose();
        let held = world.consign.open_link(&secret, locked("open sesame"));
        let mut held = std::pin::pin!(held);
        world.rig.reached_by(&mut held).await;
        world.rig.disarm();
        let other = world.other(|parts, _| parts.files = Arc::new(world.store.clone()));
        let changes = LinkChanges {
            password: Edit::Set(Some(password(new))),
            ..LinkChanges::default()
        };
        other.edit_link(&op, link.link.id, changes).await.unwrap();
        world.rig.release();
        assert_eq!(held.await.err().map(|error| error.kind()), expected);
        // As it was for the next.
        let changes = LinkChanges {
            password: Edit::Set(Some(password("open sesame"))),
            ..LinkChanges::default()
        };
        other.edit_link(&op, link.link.id, changes).await.unwrap();
    }
}

#[tokio::test]
async fn leases_are_forgotten_some_time_after_their_end() {
    let Cast { world, op, .. } = cast().await;
    let link = world.managed(&op, to(&["a.docx"])).await;
    for _ in 0..3 {
        world.lease(&link).await.unwrap();
    }
    let administration = world.consign.administration();
    let grace = Duration::from_secs(60);
    for (after, forgotten) in [(DAY + grace, 0), (Duration::from_millis(1), 3), (DAY, 0)] {
        world.clock.advance(after);
        let report = administration.sweep(grace, |_| ()).await.unwrap();
        assert_eq!(report.forgotten, forgotten);
    }
    let found = world.consign.managed_link(&op, link.link.id).await.unwrap();
    assert_eq!(found.downloads, 3, "what was counted stays so");
}

#[tokio::test]
async fn whoever_has_the_machine_revokes_any_link() {
    let Cast { world, ann, .. } = cast().await;
    let link = world.managed(&ann, to(&["a.docx"])).await;
    let lease = world.lease(&link).await.unwrap();
    let administration = world.consign.administration();
    let name = username("ann");
    let listed = administration.links(&name, None, 9).await.unwrap().items;
    assert_eq!(listed.len(), 1);
    for _ in ["revoked", "revoked before"] {
        administration.revoke_link(link.link.id).await.unwrap();
        world.is_dead(&link, &lease, "it is revoked").await;
    }
    let revoked = EventKind::LinkRevoked { link: link.link.id };
    assert_eq!(
        world.events().await.pop().unwrap(),
        (Author::Administrator, revoked)
    );
    let unknown = LinkId::from_bytes([9; 16]);
    assert_eq!(
        refusal(administration.revoke_link(unknown).await),
        LinkNotFound
    );
    let nobody = administration.links(&username("nobody"), None, 9).await;
    assert_eq!(refusal(nobody), UserNotFound);
}

/// Nothing is half-made: a store that fails in the middle leaves no link, and no lease that is not
/// counted.
#[tokio::test]
async fn a_store_that_fails_is_told_and_counts_nothing() {
    let Cast { world, op, .. } = cast().await;
    let link = world.managed(&op, to(&["a.docx"])).await;
    for step in ["link of", "user", "file", "apply"] {
        world.rig.fail_at(step);
        assert_eq!(refusal(world.lease(&link).await), Unavailable, "{step}");
        world.rig.disarm();
        let found = world.consign.managed_link(&op, link.link.id).await.unwrap();
        assert_eq!(found.downloads, 0, "{step}");
    }
    let lease = world.lease(&link).await.unwrap();
    for step in ["lease", "link", "user", "file"] {
        world.rig.fail_at(step);
        let opened = world.consign.open_all(&lease.token).await;
        assert_eq!(refusal(opened), Unavailable, "{step}");
        world.rig.disarm();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// A thousand racers for a budget, in tasks on several threads.
    #[test]
    fn racers_never_overshoot_a_budget(budget in 1..=100_u32) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()
            .unwrap();
        let (opened, counted) = runtime.block_on(async {
            let Cast { world, op, .. } = cast().await;
            let request = LinkRequest {
                max_downloads: NonZeroU32::new(budget),
                ..to(&["a.docx"])
            };
            let link = world.managed(&op, request).await;
            let racers = (0..1000).map(|_| {
                let (consign, secret) = (world.consign.clone(), link.secret.expose());
                tokio::spawn(async move {
                    consign.open_link(&secret, LinkProof::default()).await
                })
            });
            let mut opened = 0;
            for racer in racers.collect::<Vec<_>>() {
                match racer.await.unwrap() {
                    Ok(_) => opened += 1,
                    Err(error) => assert_eq!(error.kind(), LinkNotAvailable),
                }
            }
            let found = world.consign.managed_link(&op, link.link.id).await.unwrap();
            (opened, found.downloads)
        });
        prop_assert_eq!((opened, counted), (budget, budget));
    }
}
