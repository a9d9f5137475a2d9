//! A small store in memory that speaks S3, and fails as it is told.

mod state;

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use consign_storage_object::{ObjectBlobs, OpenError, Options};
use futures_util::{StreamExt, future, stream};
use http::{Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};
use url::Url;

use self::state::{State, error};

pub const SECRET: &str = "the-secret-of-the-fake";
pub const KEY_ID: &str = "THEKEYOFTHEFAKE";

/// What happens to a request instead of an answer.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// This status, with S3's word for it.
    Status(u16, &'static str),
    /// This status with an error in its body, as S3 does when it has begun to answer.
    ErrorIn200,
    /// The connection is closed before the answer.
    Close,
    /// It is done, and the connection is closed before the answer.
    DoAndClose,
    /// It is done, and the answer breaks off in the middle.
    Cut,
    /// The answer has half of its bytes, and says that these are all.
    Half,
    /// A byte of what is sent is another when it arrives.
    Flip,
    /// There is never an answer.
    Never,
}

type Chooser = Box<dyn FnMut(&Parts) -> Option<Fault> + Send>;
type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

#[derive(Clone, Debug)]
pub struct Object {
    pub bytes: Bytes,
    pub tag: String,
    pub writer: Option<String>,
}

/// The store; it ends when this is dropped.
pub struct Fake {
    pub endpoint: Url,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            keeps: true,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| serve(Arc::clone(&state), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(socket), service);
                tokio::spawn(connection);
            }
        });
        Self {
            endpoint: Url::parse(&endpoint).unwrap(),
            state,
            task,
        }
    }

    pub async fn open(&self, options: Options) -> Result<ObjectBlobs, OpenError> {
        let url = Url::parse("s3://bucket/prefix").unwrap();
        let options = options
            .endpoint(self.endpoint.clone())
            .region("us-east-1")
            .credentials(KEY_ID, SECRET);
        ObjectBlobs::open(&url, options).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on, requests have the faults that are chosen.
    pub fn fail(&self, chooser: impl FnMut(&Parts) -> Option<Fault> + Send + 'static) {
        self.state().chooser = Some(Box::new(chooser));
    }

    /// From now on, all is well.
    pub fn heal(&self) {
        self.state().chooser = None;
    }

    /// From now on, bytes of parts are thrown away: only how many there are is known.
    pub fn keep_nothing(&self) {
        self.state().keeps = false;
    }

    /// From now on, conditions of writes are ignored.
    pub fn ignore_conditions(&self) {
        self.state().ignores_conditions = true;
    }

    /// The requests since this was last asked: method and target.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state().requests)
    }

    /// The names of the objects, without the prefix.
    pub fn names(&self) -> Vec<String> {
        let state = self.state();
        let names = state.objects.keys();
        names
            .map(|name| name.strip_prefix("prefix/").unwrap().to_owned())
            .collect()
    }

    pub fn object(&self, name: &str) -> Option<Object> {
        self.state().objects.get(&format!("prefix/{name}")).cloned()
    }

    pub fn insert(&self, name: &str, bytes: Bytes) {
        let mut state = self.state();
        let tag = state.tag();
        let object = Object {
            bytes,
            tag,
            writer: None,
        };
        state.objects.insert(format!("prefix/{name}"), object);
    }

    pub fn remove(&self, name: &str) {
        self.state().objects.remove(&format!("prefix/{name}"));
    }

    /// Uploads that were begun and not ended.
    pub fn uploads(&self) -> usize {
        self.state().uploads.len()
    }
}

async fn serve(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Answer, io::Error> {
    let (parts, body) = request.into_parts();
    let fault = {
        let mut state = state.lock().unwrap();
        let target = parts.uri.path_and_query().unwrap();
        state.requests.push(format!("{} {target}", parts.method));
        state.chooser.as_mut().and_then(|choose| choose(&parts))
    };
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let body = match (fault, body.split_first()) {
        (Some(Fault::Flip), Some((first, rest))) => [&[first ^ 1], rest].concat().into(),
        _ => body,
    };
    let done = || {
        let request = Request::from_parts(parts.clone(), ());
        state.lock().unwrap().answer(&request, &body)
    };
    let closed = Err(io::ErrorKind::ConnectionReset.into());
    match fault {
        None | Some(Fault::Flip) => Ok(full(done())),
        Some(Fault::Status(status, code)) => Ok(full(error(status, code))),
        Some(Fault::ErrorIn200) => {
            let mut answer = error(500, "InternalError");
            *answer.status_mut() = StatusCode::OK;
            Ok(full(answer))
        }
        Some(Fault::Close) => closed,
        Some(Fault::DoAndClose) => {
            done();
            closed
        }
        Some(Fault::Cut) => {
            let (parts, body) = done().into_parts();
            let half = body.slice(..body.len() / 2);
            let frames = [
                Ok(Frame::data(half)),
                Err(io::ErrorKind::ConnectionReset.into()),
            ];
            // Or else the end would overtake the bytes.
            let frames = stream::iter(frames).then(|frame| async {
                tokio::task::yield_now().await;
                frame
            });
            let mut answer = Response::from_parts(parts, StreamBody::new(frames).boxed_unsync());
            answer
                .headers_mut()
                .insert("content-length", body.len().into());
            Ok(answer)
        }
        Some(Fault::Half) => {
            let (mut parts, body) = done().into_parts();
            parts.headers.remove("content-length");
            Ok(full(Response::from_parts(
                parts,
                body.slice(..body.len() / 2),
            )))
        }
        Some(Fault::Never) => future::pending().await,
    }
}

fn full(answer: Response<Bytes>) -> Answer {
    answer.map(|bytes| {
        let frames = stream::iter([Ok::<_, Infallible>(Frame::data(bytes))]);
        StreamBody::new(frames)
            .map_err(|never| match never {})
            .boxed_unsync()
    })
}
