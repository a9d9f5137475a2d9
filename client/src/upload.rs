//! Files on their way to the server.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Body, Method, header};
use sha2::Digest;
use tokio::{fs, io::AsyncReadExt};

use crate::{
    Audience, Client, Error, File, IdempotencyKey, Progress, Sha256,
    files::OneFile,
    transport::{Activity, Repeat, keyed},
};

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// RFC 8187, section 3.2.1: what an extended value holds as it is.
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A file that is to be uploaded, once, however often that is tried.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Where it is.
    pub path: PathBuf,
    /// What it is to be called.
    pub name: String,
    /// Whom it is for; the server's usual audience where it is not said.
    pub audience: Option<Audience>,
    /// When it ends; the server's usual time where it is not said.
    pub expires_in: Option<Duration>,
    /// Has it be one file however often it is sent.
    pub key: IdempotencyKey,
}

/// What became of a body that was sent.
#[derive(Default)]
struct Sent {
    activity: Activity,
    outcome: Mutex<Option<Result<Sha256, io::Error>>>,
}

impl Upload {
    /// An upload of this file under its own name.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .map(str::to_owned);
        let Some(name) = name else {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it has no name in UTF-8");
            return Err(Error::File { path, source });
        };
        Ok(Self {
            path,
            name,
            audience: None,
            expires_in: None,
            key: IdempotencyKey::random(),
        })
    }
}

impl Client {
    /// Uploads a file, and checks that the server has the bytes that were read.
    pub async fn upload<P>(&self, upload: &Upload, progress: &P) -> Result<File, Error>
    where
        P: Progress + Clone + 'static,
    {
        let mut url = self.url(&["upload"]);
        for tag in upload.audience.iter().flat_map(Audience::tags) {
            url.query_pairs_mut().append_pair("audience", &tag);
        }
        if let Some(time) = upload.expires_in {
            let secs = time.as_secs().to_string();
            url.query_pairs_mut().append_pair("expires_in", &secs);
        }
        self.again(Repeat::Always, progress, || async {
            let (file, size) = opened(&upload.path).await?;
            progress.length(size);
            progress.position(0);
            let form = Form::new(&upload.name);
            let sent = Arc::new(Sent::default());
            let body = form.around(pieces(file, size, Arc::clone(&sent), progress.clone()));
            let request = keyed(self.request(Method::POST, url.clone()), &upload.key)
                .header(header::CONTENT_TYPE, form.media_type())
                .header(header::CONTENT_LENGTH, form.length(size))
                .body(Body::wrap_stream(body));
            let response = self.send(request, &sent.activity).await;
            let outcome = sent
                .outcome
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            // What could not be read breaks the connection too.
            let read = match outcome {
                Some(Err(source)) => {
                    let path = upload.path.clone();
                    return Err(Error::File { path, source });
                }
                Some(Ok(digest)) => Some(digest),
                None => None,
            };
            let OneFile { file } = self.read(response?).await?;
            match read {
                Some(read) if read != file.sha256 => Err(Error::Mismatch {
                    expected: read.to_string(),
                    found: file.sha256.to_string(),
                }),
                _ => Ok(file),
            }
        })
        .await
    }
}

/// What is around a file in multipart/form-data (RFC 7578).
struct Form {
    boundary: String,
    head: String,
}

impl Form {
    fn new(name: &str) -> Self {
        let boundary = IdempotencyKey::random().reveal().to_owned();
        let name = utf8_percent_encode(name, ATTR_CHAR);
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; \
             filename*=UTF-8''{name}\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        Self { boundary, head }
    }

    fn tail(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }

    fn media_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    fn length(&self, size: u64) -> u64 {
        (self.head.len() + self.tail().len()) as u64 + size
    }

    fn around(
        &self,
        pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let one = |text: String| stream::iter([Ok(Bytes::from(text))]);
        one(self.head.clone()).chain(pieces).chain(one(self.tail()))
    }
}

async fn opened(path: &Path) -> Result<(fs::File, u64), Error> {
    let open = async {
        let file = fs::File::open(path).await?;
        let about = file.metadata().await?;
        if about.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "it is a folder",
            ));
        }
        if !about.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is no regular file",
            ));
        }
        Ok((file, about.len()))
    };
    open.await.map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

/// The file's bytes, as many as it had when it was opened.
fn pieces<P: Progress + 'static>(
    file: fs::File,
    size: u64,
    sent: Arc<Sent>,
    progress: P,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let state = Some((file, sha2::Sha256::new(), 0));
    stream::unfold(
        (state, sent, progress),
        move |(state, sent, progress)| async move {
            let (mut file, mut hasher, at) = state?;
            sent.activity.moved();
            progress.position(at);
            let conclude = |outcome| {
                *sent.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            };
            if at == size {
                conclude(Ok(Sha256::new(hasher.finalize().into())));
                return None;
            }
            let len = PIECE.min(usize::try_from(size - at).unwrap_or(PIECE));
            let mut piece = BytesMut::with_capacity(len);
            let read = (&mut file).take(len as u64).read_buf(&mut piece).await;
            let error = match read {
                Ok(0) => io::Error::new(io::ErrorKind::UnexpectedEof, "it got shorter meanwhile"),
                Ok(read) => {
                    hasher.update(&piece);
                    let state = Some((file, hasher, at + read as u64));
                    return Some((Ok(piece.freeze()), (state, sent, progress)));
                }
                Err(error) => error,
            };
            let told = io::Error::new(error.kind(), error.to_string());
            conclude(Err(error));
            Some((Err(told), (None, sent, progress)))
        },
    )
}
