//! Services over the same stores, each with a clock of its own, as the nodes of one installation are.

use std::{collections::BTreeSet, num::NonZeroU32, sync::OnceLock};

use async_trait::async_trait;
use futures_util::future;

use super::*;
use crate::{
    LinkProof, LinkRequest, NewLink,
    error::ErrorKind::*,
    limit::{Failures, LimitKey, Rate},
    link::ManagedLink,
    memory::MemoryLimits,
    store::{AttemptEnd, Attempted, DownloadsOf, LimitStore, StoreError},
    testing::rig,
    time::{Clock, MAX_SKEW},
    user::Status,
};

struct Nodes {
    world: World,
    consign: [Consign; 2],
    clocks: [Arc<ManualClock>; 2],
}

impl Nodes {
    fn new() -> Self {
        Self::of(World::new(), Arc::new(MemoryLimits::new()))
    }

    fn of(world: World, limits: Arc<dyn LimitStore>) -> Self {
        let clocks = [(); 2].map(|()| Arc::new(ManualClock::new(START)));
        let consign = [0, 1].map(|node: usize| {
            world.other(|parts, _| {
                parts.limits = Some(Arc::clone(&limits));
                parts.clock = Arc::clone(&clocks[node]) as _;
            })
        });
        Self {
            world,
            consign,
            clocks,
        }
    }

    fn advance(&self, time: Duration) {
        for clock in self.clocks.iter().chain([&self.world.clock]) {
            clock.advance(time);
        }
    }

    async fn login(&self, node: usize, pass: &str) -> Result<Session, Error> {
        self.consign[node].login("ann", password(pass)).await
    }

    async fn fail(&self, times: usize) {
        for n in 0..times {
            let failed = self.login(n % 2, "wrong horse").await;
            assert_eq!(refusal(failed), InvalidCredentials, "attempt {n}");
        }
    }

    /// A file of an operations user's, and a managed link to it.
    async fn link(&self, request: LinkRequest) -> (Actor, File, NewLink) {
        let op = self.world.newcomer("op", Role::Operations).await;
        let file = self.world.upload(&op, "a.docx", b"bytes").await.unwrap();
        let request = LinkRequest {
            files: vec!["a.docx".to_owned()],
            ..request
        };
        let link = self.consign[0].make_link(&op, request).await.unwrap();
        (op, file, link)
    }
}

/// A store of limits that answers as often as it is told.
#[derive(Debug)]
struct Failing {
    limits: MemoryLimits,
    answers: AtomicU64,
    /// While it forgets, a day passes on this, and somebody comes.
    busy: OnceLock<Arc<ManualClock>>,
}

impl Failing {
    fn after(answers: u64) -> Arc<Self> {
        Arc::new(Self {
            limits: MemoryLimits::new(),
            answers: answers.into(),
            busy: OnceLock::new(),
        })
    }

    fn asked(&self) -> Result<(), StoreError> {
        let left = self
            .answers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        left.map(drop).map_err(|_| rig::unavailable())
    }
}

#[async_trait]
impl LimitStore for Failing {
    async fn take(
        &self,
        key: LimitKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        self.asked()?;
        self.limits.take(key, rate, now).await
    }

    async fn give_back(&self, key: LimitKey, rate: Rate) -> Result<(), StoreError> {
        self.asked()?;
        self.limits.give_back(key, rate).await
    }

    async fn begin_attempt(&self, key: LimitKey, now: Timestamp) -> Result<Attempted, StoreError> {
        self.asked()?;
        self.limits.begin_attempt(key, now).await
    }

    async fn end_attempt(&self, key: LimitKey, end: AttemptEnd) -> Result<(), StoreError> {
        self.asked()?;
        self.limits.end_attempt(key, end).await
    }

    async fn forget(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.asked()?;
        if let Some(clock) = self.busy.get() {
            let key = LimitKey::of(&[&clock.now().as_millis().to_le_bytes()]);
            let rate = Rate::new(NonZeroU32::MIN, Duration::from_secs(1));
            self.limits.take(key, rate, clock.now()).await?;
            clock.advance(DAY);
        }
        self.limits.forget(now).await
    }
}

#[tokio::test]
async fn failed_attempts_count_together() {
    let nodes = Nodes::new();
    nodes.world.user("ann", Role::Client).await;
    nodes.fail(99).await;
    nodes.login(0, PASSWORD).await.unwrap();
    nodes.fail(100).await;
    for node in [0, 1] {
        let wait = TooManyAttempts {
            retry_after: Failures::FIRST_DELAY,
        };
        assert_eq!(refusal(nodes.login(node, PASSWORD).await), wait);
    }
    nodes.advance(Failures::FIRST_DELAY);
    nodes.login(1, PASSWORD).await.unwrap();
    nodes.fail(100).await;
}

#[tokio::test]
async fn who_counts_alone_counts_for_itself() {
    let nodes = Nodes::new();
    nodes.world.user("ann", Role::Client).await;
    nodes.fail(100).await;
    let alone = nodes.world.other(|parts, _| parts.limits = None);
    alone.login("ann", password(PASSWORD)).await.unwrap();
    assert!(!alone.shares_limits() && nodes.consign[0].shares_limits());
    let rate = Rate::new(NonZeroU32::MIN, DAY);
    for _ in 0..3 {
        assert_eq!(alone.take(LimitKey::of(&[]), rate).await.unwrap(), None);
    }
    assert_eq!(alone.administration().forget_limits().await.unwrap(), 0);
}

#[tokio::test]
async fn limits_that_do_not_answer_let_nobody_in() {
    let failing = Failing::after(0);
    let nodes = Nodes::of(World::new(), failing.clone());
    nodes.world.user("ann", Role::Client).await;
    for pass in [PASSWORD, "wrong horse"] {
        assert_eq!(refusal(nodes.login(0, pass).await), Unavailable);
    }
    // The attempt is begun, and its end is not told: it counts as failed.
    for _ in 0..Failures::FREE {
        failing.answers.store(1, Ordering::SeqCst);
        assert_eq!(refusal(nodes.login(0, PASSWORD).await), Unavailable);
    }
    failing.answers.store(2, Ordering::SeqCst);
    let refused = refusal(nodes.login(1, PASSWORD).await);
    assert!(matches!(refused, TooManyAttempts { .. }), "{refused:?}");
    failing.answers.store(0, Ordering::SeqCst);
    let rate = Rate::new(NonZeroU32::MIN, DAY);
    let taken = nodes.consign[0].take(LimitKey::of(&[]), rate).await;
    assert_eq!(refusal(taken), Unavailable);
    let administration = nodes.consign[0].administration();
    assert_eq!(refusal(administration.forget_limits().await), Unavailable);
}

/// Asks for codes by new links until one is refused: how many were sent.
async fn codes_until_refused(nodes: &Nodes, to: &str) -> usize {
    let op = nodes.world.actor("op").await;
    for sent in 0..20 {
        let request = LinkRequest {
            files: vec!["a.docx".to_owned()],
            recipient: to.parse().ok(),
            ..LinkRequest::default()
        };
        let node = &nodes.consign[sent % 2];
        let link = node.make_link(&op, request).await.unwrap();
        let secret = link.secret.expose();
        let asked = node.open_link(&secret, LinkProof::default()).await;
        match refusal(asked) {
            CodeSent => {}
            TooManyCodes { .. } => return sent,
            other => panic!("{other}"),
        }
    }
    panic!("there is no end to codes");
}

#[tokio::test]
async fn codes_to_one_address_count_together() {
    let nodes = Nodes::new();
    nodes.link(LinkRequest::default()).await;
    assert_eq!(codes_until_refused(&nodes, "rita@example.net").await, 7);
    assert_eq!(codes_until_refused(&nodes, "Rita@Example.net").await, 0);
    assert_eq!(codes_until_refused(&nodes, "rolf@example.net").await, 7);
}

#[tokio::test]
async fn no_code_is_sent_that_cannot_be_counted() {
    let failing = Failing::after(0);
    let nodes = Nodes::of(World::new(), failing.clone());
    let recipient = "rita@example.net".parse().ok();
    let request = LinkRequest {
        recipient,
        ..LinkRequest::default()
    };
    let (.., link) = nodes.link(request).await;
    let secret = link.secret.expose();
    let ask = async |answers| {
        failing.answers.store(answers, Ordering::SeqCst);
        let asked = nodes.consign[0].open_link(&secret, LinkProof::default());
        refusal(asked.await)
    };
    let mails = async || nodes.world.store.mails(9).await.unwrap().len();
    assert_eq!((ask(0).await, mails().await), (Unavailable, 0));
    assert_eq!((ask(1).await, mails().await), (CodeSent, 1));
    // What cannot be given back counts.
    for _ in 0..6 {
        assert_eq!((ask(1).await, mails().await), (CodeSent, 1));
    }
    let refused = ask(1).await;
    assert!(matches!(refused, TooManyCodes { .. }), "{refused:?}");
}

#[tokio::test]
async fn what_is_taken_is_taken_of_all_and_forgotten_once_it_is_quiet() {
    let nodes = Nodes::new();
    let rate = Rate::new(NonZeroU32::new(3).unwrap(), Duration::from_secs(10));
    let key = LimitKey::of(&[b"thing", b"name", b"ann"]);
    let mut waits = Vec::new();
    for n in 0..4 {
        waits.push(nodes.consign[n % 2].take(key, rate).await.unwrap());
    }
    let wait = Some(Duration::from_secs(10));
    assert_eq!(waits, [None, None, None, wait]);
    let administration = nodes.consign[1].administration();
    assert_eq!(administration.forget_limits().await.unwrap(), 0);
    nodes.advance(Duration::from_secs(30));
    assert_eq!(administration.forget_limits().await.unwrap(), 1);
}

#[tokio::test]
async fn forgetting_ends_although_others_come_meanwhile() {
    let failing = Failing::after(20);
    let nodes = Nodes::of(World::new(), failing.clone());
    let rate = Rate::new(NonZeroU32::MIN, Duration::from_secs(1));
    let key = LimitKey::of(&[b"thing", b"name", b"ann"]);
    assert_eq!(nodes.consign[0].take(key, rate).await.unwrap(), None);
    nodes.advance(DAY);
    failing.busy.set(Arc::clone(&nodes.clocks[0])).unwrap();
    let administration = nodes.consign[0].administration();
    assert_eq!(administration.forget_limits().await.unwrap(), 1);
    assert_eq!(administration.forget_limits().await.unwrap(), 2);
}

#[tokio::test]
async fn what_ends_at_one_has_ended_at_the_other() {
    let nodes = Nodes::new();
    let (op, _, link) = nodes.link(LinkRequest::default()).await;
    nodes.world.user("ann", Role::Client).await;
    let [one, two] = &nodes.consign;
    let administration = one.administration();
    let (ann, secret) = (username("ann"), link.secret.expose());
    for end in 0..5 {
        let session = nodes.login(1, PASSWORD).await.unwrap();
        let actor = two.authenticate(&session.token).await.unwrap();
        let signed = two.link(&actor, "a.docx").await.unwrap();
        two.open(&signed.token).await.unwrap();
        match end {
            0 => one.log_out_everywhere(&actor).await.unwrap(),
            1 => drop(administration.end_sessions(&ann).await.unwrap()),
            2 => drop(
                administration
                    .set_status(&ann, Status::Disabled)
                    .await
                    .unwrap(),
            ),
            3 => drop(
                administration
                    .set_role(&ann, Role::Operations)
                    .await
                    .unwrap(),
            ),
            _ => {
                let changed =
                    one.change_password(&actor, password(PASSWORD), password("another horse"));
                changed.await.unwrap();
            }
        }
        let refused = two.authenticate(&session.token).await;
        assert_eq!(refusal(refused), InvalidToken, "{end}");
        assert_eq!(
            refusal(two.open(&signed.token).await),
            InvalidToken,
            "{end}"
        );
        administration
            .set_status(&ann, Status::Active)
            .await
            .unwrap();
        administration.set_role(&ann, Role::Client).await.unwrap();
    }
    let lease = two.open_link(&secret, LinkProof::default()).await.unwrap();
    two.open_all(&lease.token).await.unwrap();
    one.revoke_link(&op, link.link.id).await.unwrap();
    assert_eq!(refusal(two.open_all(&lease.token).await), InvalidToken);
    let opened = two.open_link(&secret, LinkProof::default()).await;
    assert_eq!(refusal(opened), LinkNotAvailable);
}

#[tokio::test]
async fn what_a_clock_that_is_ahead_has_signed_is_good_everywhere() {
    for (ahead, is_good) in [
        (Duration::from_secs(1), true),
        (MAX_SKEW, true),
        (MAX_SKEW + Duration::from_secs(1), false),
    ] {
        let nodes = Nodes::new();
        let (_, _, link) = nodes.link(LinkRequest::default()).await;
        nodes.world.user("ann", Role::Client).await;
        let [one, two] = &nodes.consign;
        nodes.clocks[0].advance(ahead);
        let session = nodes.login(0, PASSWORD).await.unwrap();
        let actor = one.authenticate(&session.token).await.unwrap();
        let signed = one.link(&actor, "a.docx").await.unwrap();
        let secret = link.secret.expose();
        let lease = one.open_link(&secret, LinkProof::default()).await.unwrap();
        let believed = [
            two.authenticate(&session.token).await.map(drop),
            two.open(&signed.token).await.map(drop),
            two.open_all(&lease.token).await.map(drop),
        ];
        for believed in believed {
            match is_good {
                true => believed.unwrap(),
                false => assert_eq!(refusal(believed), InvalidToken),
            }
        }
        // It ends by the clock of whoever is asked.
        nodes.clocks[1].set(session.expires_at - Duration::from_millis(1));
        two.authenticate(&session.token).await.unwrap();
        nodes.clocks[1].set(session.expires_at);
        let expired = two.authenticate(&session.token).await;
        assert_eq!(refusal(expired), InvalidToken);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_budget_is_one_for_all_nodes() {
    const BUDGET: u32 = 7;
    let nodes = Nodes::new();
    let request = LinkRequest {
        max_downloads: NonZeroU32::new(BUDGET),
        ..LinkRequest::default()
    };
    let (_, _, link) = nodes.link(request).await;
    let openings = (0..64).map(|n| {
        let (consign, secret) = (nodes.consign[n % 2].clone(), link.secret.expose());
        tokio::spawn(async move { consign.open_link(&secret, LinkProof::default()).await })
    });
    let mut leases = 0;
    for opening in future::join_all(openings).await {
        match opening.unwrap() {
            Ok(_) => leases += 1,
            Err(error) => assert_eq!(error.kind(), LinkNotAvailable),
        }
    }
    assert_eq!(leases, BUDGET);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_may_come_twice_is_done_once_wherever_it_comes() {
    let nodes = Nodes::new();
    let (op, _, _) = nodes.link(LinkRequest::default()).await;
    let makings = (0..32).map(|n| {
        let (consign, op) = (nodes.consign[n % 2].clone(), op.clone());
        let request = LinkRequest {
            files: vec!["a.docx".to_owned()],
            key: "k".repeat(16).parse().ok(),
            ..LinkRequest::default()
        };
        tokio::spawn(async move { consign.make_link(&op, request).await })
    });
    let made = future::join_all(makings).await;
    let made: BTreeSet<_> = made
        .into_iter()
        .map(|made| made.unwrap().unwrap().link.id)
        .collect();
    assert_eq!(made.len(), 1);
    let administration = nodes.consign[1].administration();
    let links: Vec<ManagedLink> = administration
        .links(&username("op"), None, 10)
        .await
        .unwrap()
        .items;
    assert_eq!(links.len(), 2, "that one, and the one it was made beside");
}

#[tokio::test]
async fn a_sweep_leaves_the_other_nodes_running_upload_within_the_grace() {
    let nodes = Nodes::new();
    let op = nodes.world.newcomer("op", Role::Operations).await;
    let [one, two] = &nodes.consign;
    let hour = Duration::from_secs(60 * 60);
    let body = stream::iter(0..6).then(|_| async {
        tokio::task::yield_now().await;
        nodes.advance(hour - MAX_SKEW);
        // As soon as the other's clock would be hardest on it.
        nodes.clocks[1].advance(MAX_SKEW);
        two.administration().sweep(hour, |_| ()).await.unwrap();
        nodes.clocks[1].set(nodes.clocks[1].now() - MAX_SKEW);
        Ok(Bytes::from(vec![b' '; 256 * 1024]))
    });
    let permit = one.permit_upload(&op).unwrap();
    one.upload(permit, file_name("a.docx"), Box::pin(body))
        .await
        .unwrap();
    two.administration().sweep(hour, |_| ()).await.unwrap();
    assert_eq!(nodes.world.kept().await, [0, 1, 1]);
    assert_eq!(two.list(&op, None, 10).await.unwrap().items.len(), 1);
}

/// Whoever is to send a mail has claimed it before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mail_is_carried_once() {
    const MAILS: usize = 48;
    let nodes = Nodes::new();
    let (op, _, _) = nodes.link(LinkRequest::default()).await;
    for n in 0..MAILS {
        let request = LinkRequest {
            files: vec!["a.docx".to_owned()],
            recipient: format!("rita{n}@example.net").parse().ok(),
            ..LinkRequest::default()
        };
        let consign = &nodes.consign[n % 2];
        let link = consign.make_link(&op, request).await.unwrap();
        let secret = link.secret.expose();
        let asked = consign.open_link(&secret, LinkProof::default()).await;
        assert_eq!(refusal(asked), CodeSent);
    }
    let carriers = (0..4).map(|n| {
        let administration = nodes.consign[n % 2].administration();
        tokio::spawn(async move { administration.deliver_mail().await })
    });
    let mut delivered = 0;
    for report in future::join_all(carriers).await {
        delivered += report.unwrap().unwrap().delivered;
    }
    assert_eq!(delivered, MAILS as u64);
    assert_eq!(nodes.world.courier.attempts(), MAILS);
}

#[tokio::test]
async fn lifetimes_are_ended_once() {
    let nodes = Nodes::new();
    let op = nodes.world.newcomer("op", Role::Operations).await;
    let hour = Duration::from_secs(60 * 60);
    for n in 0..20 {
        let permit = nodes.consign[n % 2].permit_upload(&op).unwrap();
        let permit = permit.expiring_in(hour).unwrap();
        let name = file_name(&format!("{n}.docx"));
        let body = crate::store::body("bytes");
        nodes.consign[n % 2]
            .upload(permit, name, body)
            .await
            .unwrap();
    }
    nodes.advance(hour);
    let [one, two] = nodes.consign.each_ref().map(|node| node.administration());
    let (one, two) = tokio::join!(one.end_lifetimes(), two.end_lifetimes());
    let ended = one.unwrap().removed() + two.unwrap().removed();
    assert_eq!(ended, 20);
    let events = nodes.world.events().await;
    let removed = events
        .iter()
        .filter(|(_, kind)| matches!(kind, EventKind::FileRemoved { .. }));
    assert_eq!(removed.count(), 20);
    assert_eq!(nodes.world.kept().await, [0, 0, 0]);
}

#[tokio::test]
async fn what_one_node_has_not_told_yet_the_other_cannot_know() {
    let nodes = Nodes::new();
    let (op, file, link) = nodes.link(LinkRequest::default()).await;
    let [one, two] = &nodes.consign;
    let secret = link.secret.expose();
    let lease = one.open_link(&secret, LinkProof::default());
    let token = lease.await.unwrap().token;
    let opened = one.open(&token).await.unwrap();
    let stream = opened.read(0..u64::MAX).await.unwrap();
    stream.try_collect::<Vec<Bytes>>().await.unwrap();
    let of = DownloadsOf::File(file.entry.id);
    let seen = async |node: &Consign| {
        let downloads = node.downloads_of_file(&op, file.entry.id, None, 10).await;
        downloads.unwrap().sum.completed
    };
    assert_eq!(
        seen(two).await,
        0,
        "it is told within `Settings::event_delay`"
    );
    assert_eq!(
        seen(one).await,
        1,
        "the node that handed it out tells it at once"
    );
    assert_eq!(seen(two).await, 1);
    let position = nodes
        .world
        .store
        .downloads(of, None, 1)
        .await
        .unwrap()
        .items[0]
        .seq;
    let receipt = two.receipt(&op, position, "https://consign.example").await;
    assert!(receipt.is_ok(), "any node certifies what is in the trail");
}

#[tokio::test]
async fn an_entry_has_one_checkpoint_whoever_makes_it() {
    let nodes = Nodes::new();
    nodes.world.user("ann", Role::Client).await;
    let [one, two] = nodes.consign.each_ref().map(|node| node.administration());
    let (one, two) = tokio::join!(one.checkpoint(), two.checkpoint());
    assert_eq!(one.unwrap().len() + two.unwrap().len(), 1);
}
