//! Recipients who prove by a code that it is they, and the mail that brings it.

use super::*;
use crate::{
    LinkChanges, LinkProof, LinkRequest, MailReport, NewLink,
    code::{Code, Codes},
    error::ErrorKind::*,
    link::Edit,
    memory::Fault,
    once::IdempotencyKey,
    store::StoreError,
    testing::rig::{self, At},
};

async fn link_for(world: &World, op: &Actor, recipient: &str) -> NewLink {
    let request = LinkRequest {
        files: vec!["a.docx".to_owned()],
        recipient: recipient.parse().ok(),
        ..LinkRequest::default()
    };
    world.consign.make_link(op, request).await.unwrap()
}

async fn cast() -> (World, Actor, NewLink) {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.upload(&op, "a.docx", b"bytes").await.unwrap();
    let link = link_for(&world, &op, "rita@example.net").await;
    (world, op, link)
}

fn by(code: &str) -> LinkProof<'static> {
    LinkProof {
        code: code.parse().ok(),
        ..LinkProof::default()
    }
}

impl World {
    async fn ask(&self, link: &NewLink) -> ErrorKind {
        let secret = link.secret.expose();
        let asked = self.consign.open_link(&secret, LinkProof::default()).await;
        refusal(asked)
    }

    async fn try_code(&self, link: &NewLink, code: &str) -> Result<crate::NewLease, Error> {
        self.consign
            .open_link(&link.secret.expose(), by(code))
            .await
    }

    async fn carry(&self) -> MailReport {
        let administration = self.consign.administration();
        administration.deliver_mail().await.unwrap()
    }

    /// The code of the mail that came last.
    async fn code(&self) -> String {
        self.carry().await;
        let mail = self.courier.delivered().pop().unwrap();
        let (_, code) = mail.text.expose().split_once("your code: ").unwrap();
        code.lines().next().unwrap().to_owned()
    }
}

#[tokio::test]
async fn the_recipient_opens_a_link_by_the_code_that_they_are_sent() {
    let (world, op, link) = cast().await;
    assert_eq!(world.ask(&link).await, CodeSent);
    assert_eq!(world.ask(&link).await, CodeSent, "and no other");
    let code = world.code().await;
    let mail = world.courier.delivered();
    assert_eq!(mail.len(), 1);
    assert_eq!(mail[0].to.as_str(), "rita@example.net");
    assert!(!format!("{mail:?} {:?}", world.events().await).contains(&code));
    let wrong = if code.starts_with('0') {
        "11111111"
    } else {
        "00000000"
    };
    assert_eq!(refusal(world.try_code(&link, wrong).await), WrongCode);
    let lease = world.try_code(&link, &code).await.unwrap();
    assert_eq!(lease.lease.recipient, link.link.recipient);
    assert_eq!(world.download(&lease.token).await.unwrap(), b"bytes");
    assert_eq!(refusal(world.try_code(&link, &code).await), WrongCode);
    let found = world.consign.managed_link(&op, link.link.id).await.unwrap();
    assert_eq!(found.downloads, 1);
    // Of another link it is none.
    let other = link_for(&world, &op, "rita@example.net").await;
    world.clock.advance(Codes::APART);
    assert_eq!(world.ask(&link).await, CodeSent);
    let code = world.code().await;
    assert_eq!(refusal(world.try_code(&other, &code).await), WrongCode);
    world.try_code(&link, &code).await.unwrap();
}

#[tokio::test]
async fn codes_are_few_and_end() {
    let (world, op, link) = cast().await;
    world.ask(&link).await;
    let code = world.code().await;
    world.clock.advance(Codes::LASTS);
    assert_eq!(refusal(world.try_code(&link, &code).await), WrongCode);
    for _ in 0..4 {
        assert_eq!(world.ask(&link).await, CodeSent);
        world.clock.advance(Codes::APART);
    }
    let TooManyCodes { retry_after } = world.ask(&link).await else {
        panic!("five codes an hour are enough");
    };
    assert_eq!(retry_after, Codes::WITHIN - Codes::LASTS - Codes::APART * 4);
    // Those of another link are not fewer for it.
    let other = link_for(&world, &op, "rita@example.net").await;
    assert_eq!(world.ask(&other).await, CodeSent);
    let code = world.code().await;
    let wrong = if code.starts_with('0') {
        "11111111"
    } else {
        "00000000"
    };
    for _ in 0..5 {
        assert_eq!(refusal(world.try_code(&other, wrong).await), WrongCode);
    }
    assert_eq!(refusal(world.try_code(&other, &code).await), WrongCode);
}

#[tokio::test]
async fn no_code_is_sent_where_none_is_needed() {
    let (world, op, link) = cast().await;
    let rita = world.newcomer("rita", Role::Client).await;
    let signed_in = LinkProof {
        actor: Some(&rita),
        code: "00000000".parse().ok(),
        ..LinkProof::default()
    };
    // She is rita@example.org, and not the recipient: it is the code that counts.
    let secret = link.secret.expose();
    let opened = world.consign.open_link(&secret, signed_in).await;
    assert_eq!(refusal(opened), WrongCode);
    let hers = link_for(&world, &op, "rita@example.org").await;
    let signed_in = LinkProof {
        actor: Some(&rita),
        code: "00000000".parse().ok(),
        ..LinkProof::default()
    };
    let secret = hers.secret.expose();
    world.consign.open_link(&secret, signed_in).await.unwrap();
    world.consign.revoke_link(&op, link.link.id).await.unwrap();
    assert_eq!(world.ask(&link).await, LinkNotAvailable);
    let locked = LinkRequest {
        files: vec!["a.docx".to_owned()],
        recipient: "rita@example.net".parse().ok(),
        password: Some(password("open sesame")),
        ..LinkRequest::default()
    };
    let locked = world.consign.make_link(&op, locked).await.unwrap();
    assert_eq!(world.ask(&locked).await, LinkPasswordNeeded);
    assert_eq!(world.carry().await, MailReport::default());
    let deaf = world.other(|parts, _| parts.courier = None);
    let link = link_for(&world, &op, "rita@example.net").await;
    let secret = link.secret.expose();
    let asked = deaf.open_link(&secret, LinkProof::default()).await;
    assert_eq!(refusal(asked), RecipientNeeded);
}

/// Asks for a code by a link of its own: whether one was sent, or how long to wait.
async fn one_more(world: &World, to: &str) -> Result<(), Duration> {
    let op = world.actor("op").await;
    let link = link_for(world, &op, to).await;
    match world.ask(&link).await {
        CodeSent => Ok(()),
        TooManyCodes { retry_after } => Err(retry_after),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn nobody_is_flooded_whatever_links_are_made() {
    let (world, ..) = cast().await;
    let (mut sent, mut now) = (Vec::new(), Duration::ZERO);
    while now <= Codes::WITHIN * 3 {
        let address = ["rita@example.net", "Rita@Example.net"][sent.len() % 2];
        let asked = one_more(&world, address).await;
        let step = match asked {
            Ok(()) => {
                sent.push(now);
                Duration::ZERO
            }
            Err(retry_after) => retry_after,
        };
        world.clock.advance(step);
        now += step;
    }
    let minutes: Vec<_> = sent.iter().map(|at| at.as_secs() / 60).collect();
    let after = (20..=180).step_by(20);
    let expected: Vec<_> = [0; 7].into_iter().chain(after).collect();
    assert_eq!(
        minutes, expected,
        "ten within the first hour, and fewer later"
    );
    assert_eq!(one_more(&world, "rolf@example.net").await, Ok(()));
}

/// How many codes the address is sent by other links until there are too many.
async fn left_for(world: &World, to: &str) -> usize {
    for sent in 0..10 {
        if one_more(world, to).await.is_err() {
            return sent;
        }
    }
    panic!("there is no end to codes");
}

/// Nor does asking for what is not sent use anything up.
#[tokio::test]
async fn a_code_that_is_not_sent_does_not_count() {
    let (world, _, link) = cast().await;
    for _ in 0..20 {
        assert_eq!(world.ask(&link).await, CodeSent, "one was sent just now");
    }
    assert_eq!(left_for(&world, "rita@example.net").await, 6);

    let (world, _, link) = cast().await;
    for _ in 0..Codes::SENT {
        assert_eq!(world.ask(&link).await, CodeSent);
        world.clock.advance(Codes::APART);
    }
    for _ in 0..20 {
        let asked = world.ask(&link).await;
        assert!(matches!(asked, TooManyCodes { .. }), "of this link");
    }
    assert_eq!(left_for(&world, "rita@example.net").await, 2);

    let (world, _, link) = cast().await;
    for busy in [|| StoreError::Busy, rig::full] {
        world.rig.strike(At::Named("apply"), rig::Fault::Fail(busy));
        for _ in 0..10 {
            let asked = world.ask(&link).await;
            assert!(matches!(asked, Busy | Full), "{asked:?}");
        }
    }
    world.rig.disarm();
    assert_eq!(left_for(&world, "rita@example.net").await, 7);
}

#[tokio::test]
async fn a_code_that_may_be_sent_counts() {
    let (world, _, link) = cast().await;
    world.rig.fail_at("apply");
    for _ in 0..3 {
        assert_eq!(world.ask(&link).await, Unavailable);
    }
    world.rig.disarm();
    assert_eq!(left_for(&world, "rita@example.net").await, 4);
}

#[tokio::test]
async fn who_asks_and_goes_away_uses_nothing_up() {
    let (world, _, link) = cast().await;
    assert_eq!(world.ask(&link).await, CodeSent);
    for _ in 0..10 {
        world.rig.hold_at("apply");
        let mut asking = Box::pin(world.ask(&link));
        world.rig.reached_by(&mut asking).await;
        drop(asking);
        world.rig.disarm();
        world.rig.release();
        world.settle().await;
    }
    assert_eq!(left_for(&world, "rita@example.net").await, 6);
}

/// What a code was sent to somebody for is no other's.
#[tokio::test]
async fn a_code_is_its_recipients() {
    let (world, op, link) = cast().await;
    world.ask(&link).await;
    let code = world.code().await;
    let edit = async |recipient: &str| {
        let changes = LinkChanges {
            recipient: Edit::Set(recipient.parse().ok()),
            ..LinkChanges::default()
        };
        world
            .consign
            .edit_link(&op, link.link.id, changes)
            .await
            .unwrap();
    };
    edit("rolf@example.net").await;
    assert_eq!(refusal(world.try_code(&link, &code).await), WrongCode);
    assert!(
        matches!(world.ask(&link).await, TooManyCodes { .. }),
        "and none went to Rolf"
    );
    world.clock.advance(Codes::APART);
    assert_eq!(world.ask(&link).await, CodeSent);
    let rolfs = world.code().await;
    edit("rita@example.net").await;
    for code in [code, rolfs] {
        assert_eq!(refusal(world.try_code(&link, &code).await), WrongCode);
    }
}

/// Whoever registers types an address, which need not be theirs.
#[tokio::test]
async fn an_address_counts_once_it_is_known_to_be_theirs() {
    let (world, op, link) = cast().await;
    let consign = &world.consign;
    let typed = Registration {
        email: "rita@example.net".to_owned(),
        ..registration("mallory", Role::Client)
    };
    let user = consign.register(typed, None).await.unwrap();
    assert!(!user.address_proved);
    let secret = link.secret.expose();
    let open = async |actor: &Actor, code: Option<&str>| {
        let proof = LinkProof {
            actor: Some(actor),
            code: code.and_then(|code| code.parse().ok()),
            ..LinkProof::default()
        };
        consign.open_link(&secret, proof).await
    };
    let mallory = world.actor("mallory").await;
    assert_eq!(refusal(open(&mallory, None).await), CodeSent);
    let code = world.code().await;
    open(&mallory, Some(&code)).await.unwrap();
    // Whoever reads the mail is at the address, and need not show it again.
    let known = world.actor("mallory").await;
    assert!(known.user().address_proved);
    open(&known, None).await.unwrap();
    let invited = Registration {
        email: "rolf@example.net".to_owned(),
        ..registration("rolf", Role::Client)
    };
    let invited = consign.register(invited, Some(&op)).await.unwrap();
    assert!(invited.address_proved, "whoever invites knows whom");
    let typed = consign.register(registration("nora", Role::Client), None);
    typed.await.unwrap();
    let administration = consign.administration();
    let vouched = administration.prove_address(&username("nora")).await;
    assert!(vouched.unwrap().address_proved);
}

/// Nothing is lost where a mail server, or this one, is down.
#[tokio::test]
async fn mail_is_tried_until_it_is_taken_or_of_no_use() {
    let (world, _, link) = cast().await;
    world.courier.set_fault(Some(Fault::Temporary));
    world.ask(&link).await;
    let mut waited = Duration::ZERO;
    for attempt in 1..=4 {
        let report = world.carry().await;
        assert_eq!((report.failed, report.delivered), (1, 0));
        let again = world.carry().await;
        assert_eq!(
            (again.failed, again.next),
            (0, report.next),
            "not before it is due"
        );
        assert_eq!(world.courier.attempts(), attempt);
        let next = report.next.unwrap();
        waited = next.saturating_since(START);
        world.clock.set(next);
    }
    assert_eq!(waited, Duration::from_secs(10 + 20 + 40 + 80));
    world.courier.set_fault(None);
    // Another process goes on where this one stopped.
    let other = world.other(|_, _| ());
    let report = other.administration().deliver_mail().await.unwrap();
    assert_eq!((report.delivered, report.next), (1, None));
    assert_eq!(world.carry().await, MailReport::default());

    for (fault, attempts) in [(Fault::Permanent, 1), (Fault::Temporary, 6)] {
        world.clock.advance(DAY);
        let op = world.actor("op").await;
        let link = link_for(&world, &op, "rita@example.net").await;
        let before = world.courier.attempts();
        world.courier.set_fault(Some(fault));
        world.ask(&link).await;
        let dropped = loop {
            let report = world.carry().await;
            match report.next {
                Some(next) => world.clock.set(next),
                None => break report.dropped,
            }
        };
        assert_eq!(dropped, 1, "{fault:?}");
        assert_eq!(world.courier.attempts() - before, attempts, "{fault:?}");
    }
}

#[tokio::test]
async fn mail_that_nobody_carries_is_swept_once_it_is_of_no_use() {
    let (world, _, link) = cast().await;
    world.ask(&link).await;
    let deaf = world.other(|parts, _| parts.courier = None);
    let administration = deaf.administration();
    for waits in [1, 0] {
        administration.sweep(Duration::ZERO, |_| ()).await.unwrap();
        assert_eq!(world.store.mails(9).await.unwrap().len(), waits);
        world.clock.advance(Codes::LASTS);
    }
}

#[tokio::test]
async fn a_mail_whose_end_was_lost_comes_twice_rather_than_never() {
    let (world, _, link) = cast().await;
    world.ask(&link).await;
    for _ in 0..2 {
        // The first write is made, and then nothing answers any more.
        world.rig.fail_nth(4);
        let administration = world.consign.administration();
        let failed = administration.deliver_mail().await;
        assert_eq!(refusal(failed), Unavailable, "{:?}", world.rig.steps());
        world.rig.disarm();
        world.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(world.carry().await.delivered, 1);
    let ids: Vec<_> = world
        .courier
        .delivered()
        .into_iter()
        .map(|mail| mail.id)
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(
        ids.iter().all(|id| *id == ids[0]),
        "it says that it is the same"
    );
}

#[tokio::test]
async fn whoever_carries_mail_is_told_when_there_is_some() {
    let (world, _, link) = cast().await;
    let administration = world.consign.administration();
    let told = tokio::spawn(async move { administration.mail_queued().await });
    world.ask(&link).await;
    told.await.unwrap();
    assert_eq!(world.carry().await.delivered, 1);
}

#[tokio::test]
async fn a_lease_by_code_whose_answer_was_lost_is_had_again() {
    let (world, _, link) = cast().await;
    world.ask(&link).await;
    let code: Code = world.code().await.parse().unwrap();
    let key: IdempotencyKey = "k".repeat(16).parse().unwrap();
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let proof = LinkProof {
            code: Some(code.clone()),
            key: Some(key.clone()),
            ..LinkProof::default()
        };
        let secret = link.secret.expose();
        tokens.push(world.consign.open_link(&secret, proof).await.unwrap().token);
    }
    assert_eq!(tokens[0], tokens[1]);
}
