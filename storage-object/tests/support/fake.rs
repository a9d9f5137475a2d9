//! A small store in memory that speaks S3, and fails as it is told.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};
use consign_storage_object::{ObjectBlobs, OpenError, Options};
use futures_util::{StreamExt, future, stream};
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::{net::TcpListener, task::JoinHandle};
use url::Url;

use super::sign;

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

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    requests: Vec<String>,
    chooser: Option<Chooser>,
    count: usize,
    keeps: bool,
    ignores_conditions: bool,
}

#[derive(Clone, Default)]
struct Upload {
    name: String,
    writer: Option<String>,
    parts: BTreeMap<usize, (String, Bytes)>,
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
    let done = || {
        let request = Request::from_parts(parts.clone(), ());
        state.lock().unwrap().answer(&request, &body)
    };
    let closed = Err(io::ErrorKind::ConnectionReset.into());
    match fault {
        None => Ok(full(done())),
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

impl State {
    fn tag(&mut self) -> String {
        self.count += 1;
        format!("\"{:032x}\"", self.count)
    }

    fn answer(&mut self, request: &Request<()>, body: &Bytes) -> Response<Bytes> {
        if let Err(why) = sign::verify(request, SECRET) {
            return error(
                403,
                if why.is_empty() {
                    ""
                } else {
                    "SignatureDoesNotMatch"
                },
            );
        }
        let path = percent_decode_str(request.uri().path())
            .decode_utf8()
            .unwrap();
        let Some(name) = path
            .strip_prefix("/bucket")
            .map(|name| name.trim_start_matches('/'))
        else {
            return error(404, "NoSuchBucket");
        };
        let name = name.to_owned();
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes())
                .into_owned()
                .collect();
        let upload = query.get("uploadId");
        match (request.method(), upload) {
            (&Method::GET, _) if query.contains_key("list-type") => self.list(&query),
            (&Method::GET, _) if query.contains_key("uploads") => self.list_uploads(&query),
            (&Method::GET | &Method::HEAD, _) => self.get(request, &name),
            (&Method::PUT, Some(upload)) => {
                self.put_part(request, upload, &query["partNumber"], body)
            }
            (&Method::PUT, None) => self.put(request, name, body.clone()),
            (&Method::DELETE, Some(upload)) => match self.uploads.remove(upload) {
                Some(_) => status(204),
                None => error(404, "NoSuchUpload"),
            },
            (&Method::DELETE, None) => {
                self.objects.remove(&name);
                status(204)
            }
            (&Method::POST, Some(upload)) => self.complete(request, upload, name, body),
            (&Method::POST, None) if query.contains_key("uploads") => {
                let upload = self.tag().replace('"', "");
                let writer = writer(request);
                let begun = Upload {
                    name,
                    writer,
                    ..Upload::default()
                };
                self.uploads.insert(upload.clone(), begun);
                xml(format!(
                    "<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            (&Method::POST, None) => {
                let body = String::from_utf8_lossy(body);
                let mut deleted = String::new();
                for key in body.split("<Key>").skip(1) {
                    let key = key.split('<').next().unwrap();
                    self.objects.remove(key);
                    deleted += &format!("<Deleted><Key>{key}</Key></Deleted>");
                }
                xml(format!("<DeleteResult>{deleted}</DeleteResult>"))
            }
            _ => error(405, "MethodNotAllowed"),
        }
    }

    fn put(&mut self, request: &Request<()>, name: String, bytes: Bytes) -> Response<Bytes> {
        let sum = digest::digest(&digest::SHA256, &bytes);
        if header(request, "x-amz-content-sha256") != sign::hex(sum.as_ref()) {
            return error(400, "XAmzContentSHA256Mismatch");
        }
        assert!(request.headers().contains_key("x-amz-checksum-sha256"));
        if self.refuses(request, &name) {
            return error(412, "PreconditionFailed");
        }
        let tag = self.tag();
        let answer = tagged(&tag, Bytes::new());
        let object = Object {
            bytes: self.kept(bytes),
            tag,
            writer: writer(request),
        };
        self.objects.insert(name, object);
        answer
    }

    fn refuses(&self, request: &Request<()>, name: &str) -> bool {
        let is_conditional = header(request, "if-none-match") == "*" && !self.ignores_conditions;
        is_conditional && self.objects.contains_key(name)
    }

    /// As many bytes, which take no memory of their own.
    fn kept(&self, bytes: Bytes) -> Bytes {
        static ZEROS: [u8; 16 << 20] = [0; 16 << 20];
        match self.keeps {
            true => Bytes::copy_from_slice(&bytes),
            false => Bytes::from_static(&ZEROS[..bytes.len()]),
        }
    }

    fn put_part(
        &mut self,
        request: &Request<()>,
        upload: &str,
        number: &str,
        body: &Bytes,
    ) -> Response<Bytes> {
        let source = percent_decode_str(header(request, "x-amz-copy-source"))
            .decode_utf8()
            .unwrap();
        let is_copy = !source.is_empty();
        let bytes = match is_copy {
            false => body.clone(),
            true => {
                let Some(object) = source
                    .strip_prefix("bucket/")
                    .and_then(|name| self.objects.get(name))
                else {
                    return error(404, "NoSuchKey");
                };
                let wanted = header(request, "x-amz-copy-source-if-match");
                if !wanted.is_empty() && wanted != object.tag {
                    return error(412, "PreconditionFailed");
                }
                object.bytes.clone()
            }
        };
        let tag = self.tag();
        let Some(upload) = self.uploads.get_mut(upload) else {
            return error(404, "NoSuchUpload");
        };
        upload
            .parts
            .insert(number.parse().unwrap(), (tag.clone(), bytes));
        match is_copy {
            false => tagged(&tag, Bytes::new()),
            true => xml(format!(
                "<CopyPartResult><ETag>{tag}</ETag></CopyPartResult>"
            )),
        }
    }

    fn complete(
        &mut self,
        request: &Request<()>,
        id: &str,
        name: String,
        body: &[u8],
    ) -> Response<Bytes> {
        let Some(upload) = self.uploads.get(id).cloned() else {
            return error(404, "NoSuchUpload");
        };
        if self.refuses(request, &name) {
            return error(412, "PreconditionFailed");
        }
        let body = String::from_utf8_lossy(body);
        let mut whole = BytesMut::new();
        let told: Vec<_> = body.split("<Part>").skip(1).collect();
        for (n, (part, (number, (tag, bytes)))) in told.iter().zip(&upload.parts).enumerate() {
            let is_told = part.contains(&format!("<PartNumber>{number}</PartNumber>"))
                && part
                    .replace("&quot;", "\"")
                    .contains(&format!("<ETag>{tag}</ETag>"));
            if !is_told {
                return error(400, "InvalidPart");
            }
            if bytes.len() < 5 << 20 && n + 1 < told.len() {
                return error(400, "EntityTooSmall");
            }
            if self.keeps {
                whole.extend_from_slice(bytes);
            }
        }
        self.uploads.remove(id);
        let tag = self.tag();
        let object = Object {
            bytes: whole.freeze(),
            tag: tag.clone(),
            writer: upload.writer,
        };
        self.objects.insert(name, object);
        xml(format!(
            "<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
        ))
    }

    fn get(&self, request: &Request<()>, name: &str) -> Response<Bytes> {
        let Some(object) = self.objects.get(name) else {
            return error(404, "NoSuchKey");
        };
        let wanted = header(request, "if-match");
        if !wanted.is_empty() && wanted != object.tag {
            return error(412, "PreconditionFailed");
        }
        let size = object.bytes.len();
        let mut answer = tagged(&object.tag, object.bytes.clone());
        if let Some(range) = header(request, "range").strip_prefix("bytes=") {
            let (start, end) = range.split_once('-').unwrap();
            let (start, end): (usize, u64) = (start.parse().unwrap(), end.parse().unwrap());
            if start >= size {
                return error(416, "InvalidRange");
            }
            let end = (size as u64).min(end.saturating_add(1)) as usize;
            *answer.body_mut() = object.bytes.slice(start..end);
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {start}-{}/{size}", end - 1);
            answer
                .headers_mut()
                .insert("content-range", range.parse().unwrap());
        }
        if let Some(writer) = &object.writer {
            answer
                .headers_mut()
                .insert("x-amz-meta-consign-writer", writer.parse().unwrap());
        }
        let len = answer.body().len();
        answer.headers_mut().insert("content-length", len.into());
        if request.method() == Method::HEAD {
            *answer.body_mut() = Bytes::new();
        }
        answer
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Response<Bytes> {
        let given = |name| query.get(name).map_or("", String::as_str);
        let most: usize = given("max-keys").parse().unwrap_or(1000).min(1000);
        let mut found = (self.objects.iter()).filter(|(name, _)| {
            name.starts_with(given("prefix")) && &***name > given("start-after")
        });
        let mut listed = String::new();
        for (name, object) in found.by_ref().take(most) {
            let (size, tag) = (object.bytes.len(), &object.tag);
            listed += &format!(
                "<Contents><Key>{name}</Key><Size>{size}</Size><ETag>{tag}</ETag>\
                <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            );
        }
        if found.next().is_some() {
            listed += "<IsTruncated>true</IsTruncated><NextContinuationToken>more</NextContinuationToken>";
        }
        xml(format!("<ListBucketResult>{listed}</ListBucketResult>"))
    }

    fn list_uploads(&self, query: &BTreeMap<String, String>) -> Response<Bytes> {
        let found =
            (self.uploads.iter()).filter(|(_, upload)| upload.name.starts_with(&query["prefix"]));
        let listed: String = found
            .map(|(id, upload)| {
                format!(
                    "<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>",
                    upload.name
                )
            })
            .collect();
        xml(format!(
            "<ListMultipartUploadsResult>{listed}<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
        ))
    }
}

fn header<'a>(request: &'a Request<()>, name: &str) -> &'a str {
    request
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

fn writer(request: &Request<()>) -> Option<String> {
    let writer = header(request, "x-amz-meta-consign-writer");
    (!writer.is_empty()).then(|| writer.to_owned())
}

fn status(status: u16) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .body(Bytes::new())
        .unwrap()
}

fn tagged(tag: &str, body: Bytes) -> Response<Bytes> {
    Response::builder()
        .header("etag", tag)
        .header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        .body(body)
        .unwrap()
}

fn xml(text: String) -> Response<Bytes> {
    Response::new(text.into())
}

/// As S3 does, it repeats what the request was signed with.
fn error(status: u16, code: &str) -> Response<Bytes> {
    let body =
        format!("<Error><Code>{code}</Code><AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId></Error>");
    Response::builder()
        .status(status)
        .body(body.into())
        .unwrap()
}
