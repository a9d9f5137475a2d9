//! The API in the test's own process, its clock in the test's hands.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use consign_core::{
    Consign, Parts, Settings,
    file::{FileName, MediaType},
    intake::{Content, Intake, IntakeError, Refusal},
    time::{ManualClock, Timestamp},
};
use consign_http::{
    Api, BoxError,
    testing::{self, DOCX, Described, Form},
};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

pub const PASSWORD: &str = "correct horse battery";

/// Half a second into a second, so that rounding shows.
pub const START: Timestamp = Timestamp::from_millis(1_700_000_000_500);

/// An API over stores in memory.
pub struct Room {
    pub api: Api,
    pub consign: Consign,
    pub clock: Arc<ManualClock>,
}

/// What stands for a request's id, the one thing that tells each answer from any other.
const NO_ID: &str = "0000000000000000";

/// An answer, read whole, without the id of its request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Room {
    pub fn new() -> Self {
        Self::of(testing::parts(), Settings::default())
    }

    pub fn of(parts: Parts, settings: Settings) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let consign = Consign::new(
            Parts {
                clock: clock.clone(),
                ..parts
            },
            settings,
        );
        let public_url = "https://files.example".parse().unwrap();
        Self {
            api: Api::new(consign.clone(), public_url),
            consign,
            clock,
        }
    }

    pub async fn call<B>(&self, request: Request<B>) -> Answer
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (method, target) = (request.method().clone(), request.uri().to_string());
        let (mut head, body) = self.api.handle(request).await.into_parts();
        let length = body.len();
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(body.len() as u64, length);
        let told = |name: &str| {
            let value = head.headers.get(name)?.to_str().expect("it is ASCII");
            Some(value.to_owned())
        };
        let status = head.status.as_u16();
        Described::usual().allows(method.as_str(), &target, status, told, &body);
        let id = head.headers.remove("x-request-id").expect("each has one");
        let member = format!(",\"request_id\":\"{}\"", id.to_str().unwrap());
        let problem = head.headers.get(header::CONTENT_TYPE);
        let problem = problem.is_some_and(|kind| kind == "application/problem+json");
        let body = match problem && !body.is_empty() {
            true => {
                let text = String::from_utf8(body.into()).unwrap();
                assert!(text.contains(&member), "{text} tells whose it is: {id:?}");
                text.replace(id.to_str().unwrap(), NO_ID).into()
            }
            false => body,
        };
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    pub async fn get(&self, target: &str, token: &str) -> Answer {
        self.call(request(Method::GET, target, token, Bytes::new()))
            .await
    }

    pub async fn post_json(&self, target: &str, token: &str, value: Value) -> Answer {
        let mut request = request(Method::POST, target, token, value.to_string());
        let json = "application/json".parse().unwrap();
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        self.call(request).await
    }

    /// Registers someone and signs them in.
    pub async fn sign_up(&self, name: &str, operations: bool) -> String {
        let fields = json!({
            "username": name,
            "email": format!("{name}@example.org"),
            "password": PASSWORD,
            "is_operation_user": operations,
        });
        let answer = self.post_json("/register", "", fields).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        self.login(name).await
    }

    pub async fn login(&self, name: &str) -> String {
        let fields = json!({"username": name, "password": PASSWORD});
        let answer = self.post_json("/login", "", fields).await;
        text(&answer.json()["access_token"])
    }

    pub async fn upload(&self, token: &str, name: &str, content: &[u8]) -> Answer {
        self.call(upload(
            token,
            Full::<Bytes>::from(Form::of_file(name, content).finish().1),
        ))
        .await
    }

    /// The path of a link to a file.
    pub async fn link(&self, token: &str, file: &str) -> String {
        let answer = self
            .get(&format!("/generate_download_url/{file}"), token)
            .await;
        let link = text(&answer.json()["download_url"]);
        link.strip_prefix("https://files.example")
            .unwrap()
            .to_owned()
    }

    pub async fn names(&self, token: &str) -> Vec<String> {
        let answer = self.get("/files", token).await.json();
        let files = answer["files"].as_array().unwrap();
        files.iter().map(|file| text(&file["filename"])).collect()
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?} is JSON"))
    }

    pub fn msg(&self) -> String {
        text(&self.json()["msg"])
    }
}

pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is a text"))
        .to_owned()
}

pub fn request(
    method: Method,
    target: &str,
    token: &str,
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(target);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Full::new(body.into())).unwrap()
}

/// An upload of a form's body, which is in `testing`'s boundary.
pub fn upload<B>(token: &str, body: B) -> Request<B> {
    Request::post("/upload")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, Form::content_type())
        .body(body)
        .unwrap()
}

/// A room with an operations user.
pub async fn room_of(parts: Parts, settings: Settings) -> (Room, String) {
    let room = Room::of(parts, settings);
    let olga = room.sign_up("olga", true).await;
    (room, olga)
}

/// A room with an operations user, a client, and a file called `a.docx`.
pub async fn room_with_a_file(content: &[u8]) -> (Room, String, String) {
    let (room, olga) = room_of(testing::parts(), Settings::default()).await;
    let carl = room.sign_up("carl", false).await;
    let answer = room.upload(&olga, "a.docx", content).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (room, olga, carl)
}

/// A small document.
pub fn document() -> Vec<u8> {
    DOCX.document("x")
}

/// Runs on one thread, so that nothing happens beside a test unless it lets it.
pub fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A body of frames, which counts what is taken from it.
pub struct Source<I> {
    frames: I,
    pub meter: Meter,
}

/// What became of a [`Source`].
#[derive(Clone, Debug, Default)]
pub struct Meter {
    taken: Arc<AtomicU64>,
    dropped: Arc<AtomicBool>,
}

impl Meter {
    /// Bytes.
    pub fn taken(&self) -> u64 {
        self.taken.load(SeqCst)
    }

    pub fn is_dropped(&self) -> bool {
        self.dropped.load(SeqCst)
    }
}

impl<I: Iterator<Item = Bytes> + Unpin> Source<I> {
    pub fn new(frames: I) -> (Self, Meter) {
        let meter = Meter::default();
        (
            Self {
                frames,
                meter: meter.clone(),
            },
            meter,
        )
    }
}

impl<I: Iterator<Item = Bytes> + Unpin> Body for Source<I> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frames.next();
        let len = frame.as_ref().map_or(0, Bytes::len);
        self.meter.taken.fetch_add(len as u64, SeqCst);
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }
}

impl<I> Drop for Source<I> {
    fn drop(&mut self) {
        self.meter.dropped.store(true, SeqCst);
    }
}

/// Accepts everything, unless it is told to panic.
#[derive(Debug, Default)]
pub struct Lenient {
    pub panics_at: Option<&'static str>,
}

impl Lenient {
    fn at(&self, place: &'static str) {
        assert_ne!(self.panics_at, Some(place), "a panic that was asked for");
    }
}

impl Intake for Lenient {
    fn accepts(&self) -> std::borrow::Cow<'static, str> {
        "all".into()
    }

    fn check_name(&self, _: &FileName) -> Result<(), Refusal> {
        self.at("name");
        Ok(())
    }

    fn check_head(&self, _: &FileName, _: &[u8]) -> Result<(), Refusal> {
        self.at("head");
        Ok(())
    }

    fn inspect(&self, _: &FileName, _: &mut dyn Content) -> Result<MediaType, IntakeError> {
        self.at("content");
        Ok(MediaType::from_static("application/octet-stream"))
    }
}
