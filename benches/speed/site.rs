//! The API in this process, over stores of either kind, and the people who use it.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use consign_core::{
    Consign, Parts, Registration, Settings,
    id::FileId,
    memory::{MemoryBlobs, MemoryStore},
    password::{Password, ScryptHasher, ScryptParams},
    random::OsEntropy,
    store::FileStore,
    time::{Clock, SystemClock},
    token::{JwtSigner, KeyRing},
    user::Role,
};
use consign_http::{Api, BoxError, testing::Form};
use consign_storage_fs::FsBlobs;
use consign_storage_redb::RedbStore;
use http::{Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::document::{Document, Frames};

const ORIGIN: &str = "https://files.example";

/// Where users, the catalogue and the bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stores {
    Memory,
    RedbFs,
}

impl Stores {
    pub const ALL: [Self; 2] = [Self::Memory, Self::RedbFs];

    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::RedbFs => "redb+fs",
        }
    }
}

/// An API and what it stands on, with an operations user and a client.
pub struct Site {
    pub api: Api,
    pub consign: Consign,
    pub files: Arc<dyn FileStore>,
    operations: String,
    client: String,
    /// Removed once all else is closed.
    _folder: Option<TempDir>,
}

impl Site {
    pub async fn open(stores: Stores) -> Arc<Self> {
        let ring = KeyRing::generate(&OsEntropy, SystemClock.now());
        let signer = JwtSigner::new(&ring, "bench");
        let (parts, folder) = match stores {
            Stores::Memory => {
                let store = MemoryStore::new();
                let parts = Parts::new(store.clone(), store, MemoryBlobs::new(), signer);
                (parts, None)
            }
            Stores::RedbFs => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let path = folder.path().join("consign.redb");
                let store = RedbStore::open(path, Default::default()).expect("a new database");
                let blobs = FsBlobs::open(folder.path().join("files")).expect("a new folder");
                (
                    Parts::new(store.clone(), store, blobs, signer),
                    Some(folder),
                )
            }
        };
        let files = Arc::clone(&parts.files);
        let parts = Parts {
            // Nobody signs in while something is measured.
            hasher: Arc::new(ScryptHasher::new(ScryptParams::WEAK)),
            ..parts
        };
        let day = Duration::from_secs(24 * 60 * 60);
        let settings = Settings {
            access_lifetime: day,
            link_lifetime: day,
            ..Settings::default()
        };
        let consign = Consign::new(parts, settings);
        let operations = sign_up(&consign, "olga", Role::Operations).await;
        let client = sign_up(&consign, "carl", Role::Client).await;
        Arc::new(Self {
            api: Api::new(consign.clone(), ORIGIN.parse().expect("a public URL")),
            consign,
            files,
            operations,
            client,
            _folder: folder,
        })
    }

    /// Uploads a form's body and reads the answer, which has to have this status.
    pub async fn upload(&self, form: Frames, status: u16) -> Bytes {
        let request = Request::post("/upload")
            .header(header::AUTHORIZATION, &self.operations)
            .header(header::CONTENT_TYPE, Form::content_type())
            .header(header::CONTENT_LENGTH, form.len())
            .body(form)
            .expect("a request");
        let answer = self.api.handle(request).await;
        assert_eq!(answer.status(), status);
        collect(answer).await
    }

    /// A `GET` by the client.
    pub fn get(&self, target: &str) -> Request<Empty<Bytes>> {
        Request::get(target)
            .header(header::AUTHORIZATION, &self.client)
            .body(Empty::new())
            .expect("a request")
    }

    /// Sends a request and reads the answer to its end, keeping nothing: how many bytes it has.
    pub async fn read<B>(&self, request: Request<B>) -> u64
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let answer = self.api.handle(request).await;
        assert!(answer.status().is_success(), "{}", answer.status());
        let mut body = answer.into_body();
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.expect("the store answers");
            read += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        read
    }

    /// Stores a document, and gives the path of a link to it.
    pub async fn link_to(&self, document: &Document) -> String {
        let file = uploaded(&self.upload(document.form("a.pptx"), 200).await);
        let target = format!("/generate_download_url/{file}");
        let answer = collect(self.api.handle(self.get(&target)).await).await;
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
        let link = answer["download_url"].as_str();
        let path = link.and_then(|link| link.strip_prefix(ORIGIN));
        path.expect("a link").to_owned()
    }
}

async fn sign_up(consign: &Consign, name: &str, role: Role) -> String {
    let password = Password::new("correct horse battery".to_owned());
    let registration = Registration {
        username: name.to_owned(),
        email: format!("{name}@example.org"),
        password: password.clone(),
        role,
    };
    let added = consign.administration().add_user(registration).await;
    added.expect("a user");
    let session = consign.login(name, password).await.expect("a session");
    format!("Bearer {}", session.token)
}

async fn collect(answer: Response<consign_http::Body>) -> Bytes {
    let body = answer.into_body().collect().await;
    body.expect("the store answers").to_bytes()
}

/// The id of the file that an upload's answer tells of.
pub fn uploaded(answer: &[u8]) -> FileId {
    let answer: serde_json::Value = serde_json::from_slice(answer).expect("JSON");
    let id = answer["file"]["id"].as_str().and_then(|id| id.parse().ok());
    id.expect("an id")
}

/// A runtime as the server's.
pub fn runtime() -> Runtime {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime can be built")
}

/// How long `count` of `work` take, one after the other. They are done in a task, as a connection's
/// are: beside the runtime's threads each change of task would cost more.
pub async fn timed<W, F>(count: u64, mut work: W) -> Duration
where
    W: FnMut() -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let task = tokio::spawn(async move {
        let begun = Instant::now();
        for _ in 0..count {
            work().await;
        }
        begun.elapsed()
    });
    task.await.expect("what is measured does not panic")
}
