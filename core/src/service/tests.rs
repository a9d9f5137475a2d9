//! The service over stores in memory, with time, faults and delays of the tests' making.

mod accounts;
mod archives;
mod audiences;
mod codes;
mod confined;
mod events;
mod faults;
mod files;
mod intake;
mod interleaved;
mod lifetimes;
mod links;
mod logins;
mod managed;
mod once;
mod quotas;
mod receipts;
mod removal;
mod search;
mod sessions;
mod several_nodes;
mod sweep;
mod upkeep;
mod uploads;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use self::intake::StubIntake;
use crate::{
    Actor, Consign, Error, ErrorKind, File, Link, Parts, Registration, Session, Settings, User,
    audience::Scope,
    event::{Author, EventKind},
    evidence::{Ed25519Signer, EvidenceKeys},
    file::{FileName, Seq},
    memory::{MemoryBlobs, MemoryCourier, MemoryStore},
    password::{Password, ScryptHasher, ScryptParams},
    random::Entropy,
    store::{BlobStore, BodyError, FileStore},
    testing::rig::Rig,
    time::{ManualClock, Timestamp},
    token::{JwtSigner, KeyRing},
    user::{Role, Username},
};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const PASSWORD: &str = "correct horse";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A service, and what it stands on.
struct World {
    consign: Consign,
    rig: Arc<Rig>,
    /// Behind the rig: looking here is no step of it.
    store: MemoryStore,
    memory: MemoryBlobs,
    blobs: Arc<dyn BlobStore>,
    clock: Arc<ManualClock>,
    courier: MemoryCourier,
}

impl World {
    /// What is removed is gone at once.
    fn new() -> Self {
        Self::with(Settings {
            removal_grace: Duration::ZERO,
            ..Settings::default()
        })
    }

    /// Events wait until a test has them recorded.
    fn with(settings: Settings) -> Self {
        let courier = MemoryCourier::new();
        let settings = Settings {
            event_delay: DAY,
            ..settings
        };
        let (rig, clock) = (Arc::<Rig>::default(), Arc::new(ManualClock::new(START)));
        let entropy: Arc<dyn Entropy> = Arc::<Counter>::default();
        let store = MemoryStore::new();
        let memory = MemoryBlobs::with(Arc::clone(&clock) as _, Arc::clone(&entropy));
        let signer = JwtSigner::new(&KeyRing::generate(&*entropy, START), "consign");
        let parts = rig.around_all(Parts {
            users: Arc::new(store.clone()),
            files: Arc::new(store.clone()),
            blobs: Arc::new(memory.clone()),
            signer: Arc::new(signer),
            hasher: Arc::new(ScryptHasher::with_bounds(ScryptParams::WEAK, 2, 64)),
            intake: Arc::new(StubIntake),
            courier: Some(Arc::new(courier.clone())),
            clock: Arc::clone(&clock) as _,
            evidence: Some(Arc::new(Ed25519Signer::new(&EvidenceKeys::generate(
                &*entropy, START,
            )))),
            limits: None,
            leadership: None,
            entropy,
        });
        let blobs = Arc::clone(&parts.blobs);
        Self {
            consign: Consign::new(parts, settings),
            courier,
            rig,
            store,
            memory,
            blobs,
            clock,
        }
    }

    /// Another service over the same stores.
    fn other(&self, change: impl FnOnce(&mut Parts, &mut Settings)) -> Consign {
        let mut parts = self.consign.parts().clone();
        let mut settings = self.consign.settings().clone();
        change(&mut parts, &mut settings);
        Consign::new(parts, settings)
    }

    async fn user(&self, name: &str, role: Role) -> User {
        let administration = self.consign.administration();
        administration
            .add_user(registration(name, role))
            .await
            .unwrap()
    }

    async fn session(&self, name: &str) -> Session {
        self.consign.login(name, password(PASSWORD)).await.unwrap()
    }

    async fn actor(&self, name: &str) -> Actor {
        let session = self.session(name).await;
        self.consign.authenticate(&session.token).await.unwrap()
    }

    /// A new user who has signed in.
    async fn newcomer(&self, name: &str, role: Role) -> Actor {
        self.user(name, role).await;
        self.actor(name).await
    }

    async fn upload(&self, by: &Actor, name: &str, bytes: &[u8]) -> Result<File, Error> {
        let permit = self.consign.permit_upload(by)?;
        let body = stream::iter([Ok(Bytes::copy_from_slice(bytes))]);
        self.consign.upload(permit, file_name(name), body).await
    }

    async fn link(&self, by: &Actor, file: &str) -> Link {
        self.consign.link(by, file).await.unwrap()
    }

    async fn download(&self, token: &str) -> Result<Vec<u8>, Error> {
        let file = self.consign.open(token).await?;
        let stream = file.read(0..u64::MAX).await?;
        Ok(stream.try_collect::<Vec<Bytes>>().await.unwrap().concat())
    }

    /// How many stages, blobs and files there are.
    async fn kept(&self) -> [usize; 3] {
        let stages = self.memory.stages(None, 1000).await.unwrap().items.len();
        let blobs = self.memory.keys(None, 1000).await.unwrap().items.len();
        [stages, blobs, self.files().await.len()]
    }

    async fn files(&self) -> Vec<File> {
        FileStore::list(&self.store, &Scope::All, Timestamp::default(), None, 1000)
            .await
            .unwrap()
            .items
    }

    async fn events(&self) -> Vec<(Author, EventKind)> {
        let page = self.store.events(None, 1000).await.unwrap();
        page.items
            .into_iter()
            .map(|recorded| (recorded.event.by, recorded.event.kind))
            .collect()
    }

    /// Waits until nothing that the service has spawned runs any more: whatever runs holds the
    /// service or its blob store. Then no room is promised to anybody.
    async fn settle(&self) {
        for _ in 0..5_000_000 {
            if Arc::strong_count(&self.consign.0) == 1 && Arc::strong_count(&self.blobs) == 2 {
                let promises = &self.consign.0.promises;
                assert!(promises.are_kept(), "{promises:?}");
                return;
            }
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
        panic!("something that was spawned does not end");
    }
}

impl Drop for World {
    /// What halts on a thread that may block would keep a failed test's runtime from ending.
    fn drop(&mut self) {
        self.rig.disarm();
        self.rig.release();
    }
}

/// Bytes that differ from all that it gave before.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        bytes.fill(0xA5);
        let len = bytes.len().min(8);
        bytes[..len].copy_from_slice(&count.to_le_bytes()[..len]);
    }
}

fn registration(name: &str, role: Role) -> Registration {
    Registration {
        username: name.to_owned(),
        email: format!("{name}@example.org"),
        password: password(PASSWORD),
        role,
    }
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

fn username(text: &str) -> Username {
    text.parse().unwrap()
}

fn file_name(text: &str) -> FileName {
    FileName::parse(text).unwrap()
}

/// What a call was refused with.
#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.expect_err("it must be refused").kind()
}

/// Asserts that nothing is kept of an upload; what is spawned has run before: [`World::settle`].
#[track_caller]
fn assert_nothing(kept: [usize; 3], why: &str) {
    assert_eq!(kept, [0, 0, 0], "stages, blobs and files after: {why}");
}

#[tokio::test]
async fn clones_are_one_service() {
    let world = World::new();
    let clone = world.consign.clone();
    world.user("ann", Role::Operations).await;
    let session = clone.login("ann", password(PASSWORD)).await.unwrap();
    let actor = world.consign.authenticate(&session.token).await.unwrap();
    world.upload(&actor, "a.docx", b"a").await.unwrap();
    assert_eq!(clone.list(&actor, None, 10).await.unwrap().items.len(), 1);
    clone.log_out_everywhere(&actor).await.unwrap();
    assert_eq!(
        refusal(world.consign.authenticate(&session.token).await),
        ErrorKind::InvalidToken
    );
    clone.check().await.unwrap();
}

#[tokio::test]
async fn a_store_that_does_not_answer_fails_the_check() {
    for store in ["check users", "check files", "check blobs"] {
        let world = World::new();
        world.rig.fail_at(store);
        assert_eq!(
            refusal(world.consign.check().await),
            ErrorKind::Unavailable,
            "{store}"
        );
    }
}

#[tokio::test]
async fn the_service_shows_no_secret() {
    let world = World::new();
    let actor = world.newcomer("ann", Role::Operations).await;
    let session = world.session("ann").await;
    let file = world
        .upload(&actor, "a.docx", b"the content")
        .await
        .unwrap();
    let client = world.newcomer("bob", Role::Client).await;
    let link = world.link(&client, "a.docx").await;
    let opened = world.consign.open(&link.token).await.unwrap();
    let registration = registration("cid", Role::Client);
    let permit = world.consign.permit_upload(&actor).unwrap();
    let shown = format!(
        "{:?} {session:?} {session:#?} {link:?} {link:#?} {actor:?} {registration:?} {permit:?} {opened:?} {file:?} {:?}",
        world.consign,
        world.events().await,
    );
    let hash = actor.user().password.expose();
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    for secret in [
        PASSWORD,
        hash,
        "$scrypt$",
        &signature(&session.token),
        &signature(&link.token),
        "the content",
        "eyJ",
    ] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

/// Never called: that it compiles is the test.
#[expect(dead_code, reason = "its types are what is checked")]
fn futures_are_send(consign: &Consign, actor: &Actor, registration: Registration) {
    fn send<T>(_: impl Future<Output = T> + Send) {}
    fn send_and_sync<T: Send + Sync + Clone + 'static>(_: &T) {}

    send_and_sync(consign);
    send_and_sync(actor);
    let administration = &consign.administration();
    send_and_sync(administration);
    let body = stream::empty::<Result<Bytes, BodyError>>().boxed();
    let permit = consign.permit_upload(actor).unwrap();
    let ann = username("ann");
    let id = crate::id::FileId::from_bytes([0; 16]);
    send(consign.check());
    send(consign.check_registration(Role::Client, Some(actor)));
    send(consign.register(registration.clone(), Some(actor)));
    send(consign.login("ann", password("")));
    send(consign.authenticate(""));
    send(consign.change_password(actor, password(""), password("")));
    send(consign.log_out_everywhere(actor));
    send(consign.upload(permit, file_name("a.docx"), body));
    send(consign.list(actor, None::<Seq>, 1));
    send(consign.delete(actor, id));
    send(consign.link(actor, ""));
    send(consign.open(""));
    send(async { consign.open("").await.unwrap().read(0..1).await });
    send(administration.add_user(registration));
    send(administration.users(None, 1));
    send(administration.set_status(&ann, crate::user::Status::Active));
    send(administration.set_role(&ann, Role::Client));
    send(administration.set_password(&ann, password("")));
    send(administration.end_sessions(&ann));
    send(administration.files(None, 1));
    send(administration.remove_file(id));
    send(administration.restore_file(id));
    send(administration.end_lifetimes());
    send(consign.restore(actor, id));
    send(administration.events(None, 1));
    send(administration.deliver_mail());
    send(administration.mail_queued());
    send(consign.make_link(actor, crate::LinkRequest::default()));
    send(consign.open_link("", crate::LinkProof::default()));
    send(consign.describe_link(""));
    send(consign.open_all(""));
    send(administration.sweep(DAY, |_| ()));
    send(administration.checkpoint());
    send(administration.keep_swept(DAY, DAY));
    send(administration.keep_lifetimes(DAY));
    send(administration.keep_checkpoints(DAY));
    send(administration.keep_mail());
    send(async { administration.read_trail().await.next().await });
    send(consign.flush_events());
    send(consign.audit(actor, None, 1));
    send(consign.downloads_of_file(actor, id, None, 1));
    send(consign.receipt(actor, 1, ""));
}
