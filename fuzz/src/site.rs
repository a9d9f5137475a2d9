//! The whole API over stores in memory, the same each time it is made.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use consign_core::{
    Actor, Consign, Parts, Settings,
    audience::Scope,
    file::FileName,
    id::{BlobKey, UserId},
    memory::{MemoryBlobs, MemoryStore},
    password::{PasswordHash, ScryptHasher, ScryptParams},
    store::{BlobStore, FileStore, InsertGuard, UserStore, body},
    testing::{AnyContent, SeededEntropy},
    time::ManualClock,
    token::{Claims, Purpose, TokenId, TokenSigner},
    user::{Role, Status, User},
};
use consign_http::{Api, BoxError};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::runtime::{Builder, Runtime};

use crate::token_verify::{NOW, SIGNER};

pub const PUBLIC_URL: &str = "https://files.example";

/// Of the password `correct horse battery`.
const STORED: &str =
    "$scrypt$ln=4,r=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$nd5aVtw0KCQVTjA/uX78SviBgTEUzBdfkl2DFC+upyo";

pub const FILE: &[u8] =
    b"0123456789 the file that is there, in some eighty bytes of text, to cut ranges from";

/// Olga has the operations role, Carl is a client.
pub struct Site {
    pub api: Api,
    pub consign: Consign,
    pub clock: Arc<ManualClock>,
    pub blobs: MemoryBlobs,
    pub store: MemoryStore,
}

/// An answer, read whole.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Site {
    pub async fn new(max_upload: u64) -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let blobs = MemoryBlobs::with(clock.clone(), Arc::new(SeededEntropy::new(1)));
        let store = MemoryStore::new();
        for (id, name, role) in [(1, "olga", Role::Operations), (2, "carl", Role::Client)] {
            let user = user(id, name, role);
            let inserted = store.insert(user, InsertGuard::None, vec![]).await;
            inserted.expect("memory takes it");
        }
        let parts = Parts {
            hasher: Arc::new(ScryptHasher::with_bounds(ScryptParams::WEAK, 1, 1)),
            intake: Arc::new(AnyContent),
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(2)),
            ..Parts::new(store.clone(), store.clone(), blobs.clone(), SIGNER.clone())
        };
        let settings = Settings {
            max_upload,
            // What is removed is gone, and its bytes with it.
            removal_grace: Duration::ZERO,
            ..Settings::default()
        };
        let consign = Consign::new(parts, settings);
        let url = PUBLIC_URL.parse().expect("a public URL");
        Self {
            api: Api::new(consign.clone(), url),
            consign,
            clock,
            blobs,
            store,
        }
    }

    /// One that has a file, `a.docx`.
    pub async fn with_file(max_upload: u64) -> Self {
        let site = Self::new(max_upload).await;
        let olga = site.actor("olga").await;
        let permit = site.consign.permit_upload(&olga).expect("Olga may upload");
        let name = FileName::parse("a.docx").expect("a name");
        let added = site.consign.upload(permit, name, body(FILE)).await;
        added.expect("the file is taken");
        site
    }

    pub async fn actor(&self, name: &str) -> Actor {
        let name = name.parse().expect("a username");
        let administration = self.consign.administration();
        administration.act_as(&name).await.expect("they are there")
    }

    /// Asks, and holds the answer against what every answer promises.
    pub async fn ask(&self, head: http::request::Parts, frames: Vec<Bytes>) -> Answer {
        let asked_for_head = head.method == http::Method::HEAD;
        // A frame is not always there when it is asked for.
        let frames = stream::iter(frames).then(|frame| async {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Frame::data(frame))
        });
        let request = Request::from_parts(head, StreamBody::new(frames));
        let (head, body) = self.api.handle(request).await.into_parts();
        let announced = body.len();
        let body = BodyExt::collect(body).await.map_err(BoxError::from);
        let body = body.expect("the body comes whole").to_bytes();
        assert_eq!(body.len() as u64, announced);
        let mut answer = Answer {
            status: head.status,
            headers: head.headers,
            body,
        };
        answer.check(asked_for_head);
        answer.forget_its_request();
        answer
    }

    /// Nothing is kept but the bytes of the files that the catalogue has.
    pub async fn is_tidy(&self) {
        let stages = self.blobs.stages(None, 1).await.expect("memory answers");
        assert_eq!(stages.items, [], "an upload left a stage behind");
        let files = FileStore::list(
            &self.store,
            &Scope::All,
            consign_core::time::Timestamp::default(),
            None,
            1000,
        )
        .await;
        let mut files: Vec<(BlobKey, u64)> = files
            .expect("memory answers")
            .items
            .iter()
            .map(|file| (file.entry.blob, file.entry.size))
            .collect();
        files.sort_unstable();
        let blobs = self.blobs.keys(None, 1000).await.expect("memory answers");
        let blobs: Vec<_> = blobs
            .items
            .iter()
            .map(|blob| (blob.key, blob.size))
            .collect();
        assert_eq!(blobs, files, "what is stored is not what is listed");
    }
}

impl Answer {
    /// Takes the request's id out, in which alone answers to equal requests differ.
    fn forget_its_request(&mut self) {
        let id = self.headers.remove("x-request-id");
        let id = id.expect("each answer has one");
        let id = id.to_str().expect("an id is ASCII");
        if let Ok(text) = str::from_utf8(&self.body) {
            self.body = text.replace(id, "").into();
        }
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the answer is JSON")
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.unwrap_or(Ok("")).expect("visible ASCII")
    }

    fn check(&self, asked_for_head: bool) {
        let status = self.status.as_u16();
        assert!(status < 500, "{self:?}");
        let length = self.header("content-length");
        assert!(
            asked_for_head || status == 304 || length == self.body.len().to_string(),
            "{self:?}"
        );
        assert!(!asked_for_head || self.body.is_empty());
        assert!(status == 304 || self.header("x-content-type-options") == "nosniff");
        if status < 400 {
            return;
        }
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("www-authenticate") == "Bearer", status == 401);
        assert_eq!(self.headers.contains_key("allow"), status == 405);
        if !asked_for_head {
            let problem = self.json();
            assert_eq!(problem["status"], status);
            assert_eq!(problem["type"], "about:blank");
            assert_eq!(
                problem["title"],
                self.status.canonical_reason().unwrap_or("")
            );
            assert!(problem["msg"].as_str().is_some_and(|msg| !msg.is_empty()));
        }
    }
}

/// A token of one of the two, good for an hour.
pub fn access_token(id: u8) -> String {
    SIGNER
        .sign(Purpose::Access, &claims(id, None))
        .expect("it can be signed")
}

pub fn link_token(id: u8, file: consign_core::id::FileId) -> String {
    SIGNER
        .sign(Purpose::Download, &claims(id, Some(file)))
        .expect("it can be signed")
}

fn claims(id: u8, file: Option<consign_core::id::FileId>) -> Claims {
    Claims {
        subject: UserId::from_bytes([id; 16]),
        epoch: 0,
        file,
        issued_at: NOW.as_secs(),
        not_before: NOW.as_secs(),
        expires_at: (NOW + Duration::from_secs(3600)).as_secs(),
        id: TokenId([id; 16]),
    }
}

fn user(id: u8, name: &str, role: Role) -> User {
    User {
        id: UserId::from_bytes([id; 16]),
        username: name.parse().expect("a username"),
        email: format!("{name}@example.org").parse().expect("an address"),
        role,
        status: Status::Active,
        password: PasswordHash::new(STORED.to_owned()),
        session_epoch: 0,
        created_at: NOW,
        confined: false,
        address_proved: false,
        owner: None,
    }
}

/// Runs on one thread, and goes on until what was begun beside the answer has had its turn.
pub fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(2)
            .build()
            .expect("a runtime can be built");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
