//! The real stores in a temporary folder, and a service over them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use consign_core::{
    Actor, Consign, Parts, Registration, Settings, User,
    audience::Scope,
    password::{Password, ScryptHasher, ScryptParams},
    random::OsEntropy,
    store::BlobStore,
    testing::AnyContent,
    time::{Clock, ManualClock, SystemClock},
    token::{JwtSigner, KeyRing},
    user::Role,
};
use consign_http::{Api, testing::Form};
use consign_storage_fs::FsBlobs;
use consign_storage_redb::{Options, RedbStore};
use http::{Request, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;

pub const PASSWORD: &str = "correct horse battery";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The stores, and what a service over them is made of.
pub struct Place {
    pub parts: Parts,
    _folder: TempDir,
}

impl Place {
    /// In memory where there is a file system for it: what is asked here is not the disk.
    pub fn quick() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| TempDir::new());
        Self::of(folder.unwrap())
    }

    pub fn on_disk() -> Self {
        Self::of(TempDir::new().unwrap())
    }

    fn of(folder: TempDir) -> Self {
        let store = RedbStore::open(folder.path().join("consign.redb"), Options::default());
        let store = store.unwrap();
        let blobs = FsBlobs::open(folder.path().join("files")).unwrap();
        let signer = JwtSigner::new(&KeyRing::generate(&OsEntropy, SystemClock.now()), "test");
        let parts = Parts {
            hasher: Arc::new(ScryptHasher::with_bounds(ScryptParams::WEAK, 2, 10_000)),
            intake: Arc::new(AnyContent),
            ..Parts::new(store.clone(), store, blobs, signer)
        };
        Self {
            parts,
            _folder: folder,
        }
    }

    pub fn service(&self) -> Consign {
        self.service_with(Settings::default())
    }

    pub fn service_with(&self, settings: Settings) -> Consign {
        Consign::new(self.parts.clone(), settings)
    }

    /// How many stages, blobs and files there are.
    pub async fn kept(&self) -> [usize; 3] {
        let Parts { blobs, files, .. } = &self.parts;
        [
            blobs.stages(None, 100_000).await.unwrap().items.len(),
            blobs.keys(None, 100_000).await.unwrap().items.len(),
            files
                .list(
                    &Scope::All,
                    consign_core::time::Timestamp::default(),
                    None,
                    100_000,
                )
                .await
                .unwrap()
                .items
                .len(),
        ]
    }

    /// Waits until nothing runs that a service has spawned over these stores, or over `blobs`,
    /// which are around them. All such services have been dropped.
    pub async fn settle(blobs: &Arc<dyn BlobStore>) {
        for _ in 0..5_000_000 {
            if Arc::strong_count(blobs) == 1 {
                return;
            }
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
        panic!("something that was spawned does not end");
    }

    /// Sweeps what nothing references, as on a day when all of it is old.
    pub async fn sweep(&self) {
        let clock = ManualClock::new(SystemClock.now() + DAY * 2);
        let parts = Parts {
            clock: Arc::new(clock),
            ..self.parts.clone()
        };
        let consign = Consign::new(parts, Settings::default());
        let report = consign.administration().sweep(DAY, |_| ()).await.unwrap();
        assert_eq!(report.failures, 0);
    }
}

pub async fn add_user(consign: &Consign, name: &str, role: Role) -> User {
    let registration = Registration {
        username: name.to_owned(),
        email: format!("{name}@example.org"),
        password: Password::new(PASSWORD.to_owned()),
        role,
    };
    let added = consign.administration().add_user(registration).await;
    added.unwrap()
}

/// The access token of someone who signs in.
pub async fn log_in(consign: &Consign, name: &str) -> String {
    let session = consign.login(name, Password::new(PASSWORD.to_owned()));
    session.await.unwrap().token
}

pub async fn actor(consign: &Consign, name: &str) -> Actor {
    let name = name.parse().unwrap();
    consign.administration().act_as(&name).await.unwrap()
}

pub fn api(consign: &Consign) -> Api {
    Api::new(consign.clone(), "https://files.example".parse().unwrap())
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub async fn of(response: http::Response<consign_http::Body>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?} is JSON"))
    }
}

/// A request without a body.
pub fn get(target: &str, token: &str) -> Request<http_body_util::Empty<Bytes>> {
    let request = Request::get(target).header(header::AUTHORIZATION, format!("Bearer {token}"));
    request.body(http_body_util::Empty::new()).unwrap()
}

/// An upload of a form's body, which is in `testing`'s boundary.
pub fn upload<B>(token: &str, body: B) -> Request<B> {
    Request::post("/upload")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, Form::content_type())
        .body(body)
        .unwrap()
}

/// How many times to try: as the environment says, or as suits CI.
pub fn times(variable: &str, usually: u32) -> u32 {
    std::env::var(variable).map_or(usually, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number"))
    })
}
