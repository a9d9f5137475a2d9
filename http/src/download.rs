//! `GET` and `HEAD /download_file/{token}`: a file, or several as an archive, whole or in part (RFC 9110,
//! sections 13 and 14).

use std::{ops::Range, sync::Arc, time::SystemTime};

use base64::{Engine, engine::general_purpose::STANDARD};
use consign_core::{
    AuthorizedArchive, AuthorizedFile, Error, ErrorKind, File, OpenedBy, file::Sha256, id::FileId,
    store::ByteStream, time::Timestamp,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request};

use crate::{
    api::Inner,
    body::Body,
    conditional::{self, Precondition, Validators},
    disposition,
    problem::{Failure, Problem},
    range::{self, ByteRanges, Selection},
};

/// RFC 9530, section 3.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The last second that a date in a header can tell: the end of the year 9999.
const MAX_HTTP_DATE: u64 = 253_402_300_799;

/// What a token opens: it has the same bytes whenever it is asked for, as long as its validators are the
/// same.
enum Opened {
    File(AuthorizedFile),
    Archive(AuthorizedArchive),
}

impl Inner {
    pub(crate) async fn download(
        &self,
        head: &request::Parts,
        token: &str,
        query: &str,
    ) -> Result<Response<Body>, Failure> {
        let limited = self.limits.redemption();
        limited.count_address(&head.extensions).await?;
        let files = self.consign.open_all(token).await?;
        if let Some(file) = files.first() {
            match file.opened_by() {
                OpenedBy::Link(maker) => limited.count_user(*maker).await?,
                OpenedBy::Lease(lease) => limited.count_lease(lease.id).await?,
            }
        }
        let opened = Opened::of(files, query).await?;
        let validators = opened.validators();
        let mut response = match conditional::evaluate(&head.method, &head.headers, &validators) {
            Precondition::Failed => {
                let msg = "The file is not the one that was asked for";
                return Err(Problem::new(StatusCode::PRECONDITION_FAILED, msg).into());
            }
            Precondition::NotModified => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                response
            }
            Precondition::Proceed { use_range } => {
                let range = head.headers.get_all(header::RANGE);
                let mut lines = range.iter();
                let line = lines.next().filter(|_| use_range && lines.next().is_none());
                self.send(&head.method, opened, line, &validators).await?
            }
        };
        if response.status() == StatusCode::NOT_MODIFIED {
            describe(response.headers_mut(), &validators);
        }
        Ok(response)
    }

    async fn send(
        &self,
        method: &Method,
        opened: Opened,
        range: Option<&HeaderValue>,
        validators: &Validators,
    ) -> Result<Response<Body>, Failure> {
        let size = opened.size();
        let mut headers = match &opened {
            Opened::File(file) => self.rendered.headers(file.file()),
            Opened::Archive(_) => headers_of_archive(validators),
        };
        let mut status = StatusCode::PARTIAL_CONTENT;
        let body = match range::select(range, size) {
            Selection::Whole => {
                status = StatusCode::OK;
                headers.insert(header::CONTENT_LENGTH, size.into());
                if *method == Method::HEAD {
                    Body::empty()
                } else {
                    Body::stream(opened.read(0..size).await?, size)
                }
            }
            Selection::One(range) => {
                let length = range.end - range.start;
                let content_range = range::content_range(&range, size);
                headers.insert(header::CONTENT_RANGE, value(&content_range));
                headers.insert(header::CONTENT_LENGTH, length.into());
                Body::stream(opened.read(range).await?, length)
            }
            Selection::Several(ranges) => {
                // Fixed for the bytes and their ranges, so that a request made twice is answered alike;
                // nobody can know it before their digest is.
                let media_type = &headers[header::CONTENT_TYPE];
                let framing = ByteRanges::new(opened.boundary(), media_type, size, ranges);
                headers.insert(header::CONTENT_TYPE, framing.content_type.clone());
                headers.insert(header::CONTENT_LENGTH, framing.content_length.into());
                let length = framing.content_length;
                Body::stream(several(opened, framing), length)
            }
            Selection::Unsatisfiable => {
                let msg = "The file has none of the bytes that were asked for";
                let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, msg)
                    .with_header(header::CONTENT_RANGE, value(&format!("bytes */{size}")))
                    .with_header(header::ETAG, value(&validators.etag));
                return Err(problem.into());
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

impl Opened {
    /// One file as it is, several as an archive; of several the one that the query names.
    async fn of(mut files: Vec<AuthorizedFile>, query: &str) -> Result<Self, Failure> {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let named = pairs.rfind(|(name, _)| *name == "file");
        if let Some((_, id)) = named {
            let id: Option<FileId> = id.parse().ok();
            files.retain(|file| Some(file.file().entry.id) == id);
        }
        match files.len() {
            0 => Err(ErrorKind::FileNotFound.into()),
            1 => Ok(Self::File(files.remove(0))),
            _ => Ok(Self::Archive(AuthorizedArchive::of(files).await?)),
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::File(file) => file.file().entry.size,
            Self::Archive(archive) => archive.size(),
        }
    }

    fn validators(&self) -> Validators {
        match self {
            Self::File(file) => validators(file.file()),
            Self::Archive(archive) => Validators {
                etag: format!("\"{}\"", Sha256(archive.fingerprint())),
                last_modified: modified(archive.modified()),
            },
        }
    }

    fn boundary(&self) -> [u8; 16] {
        let digest = match self {
            Self::File(file) => file.file().entry.sha256.0,
            Self::Archive(archive) => archive.fingerprint(),
        };
        let mut boundary = [0; 16];
        boundary.copy_from_slice(&digest[..16]);
        boundary
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream, Error> {
        match self {
            Self::File(file) => file.read(range).await,
            Self::Archive(archive) => Ok(archive.read(range)),
        }
    }
}

/// A version's bytes never change, so its digest is a strong validator and its time one too.
fn validators(file: &File) -> Validators {
    let entry = &file.entry;
    Validators {
        etag: format!("\"{}\"", entry.sha256),
        last_modified: modified(entry.uploaded_at),
    }
}

/// In whole seconds, as far as a header can tell it.
fn modified(time: Timestamp) -> SystemTime {
    let secs = time.as_secs().min(MAX_HTTP_DATE);
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(secs)
}

/// What is said of a file with every part of it.
pub(crate) fn headers_of(file: &File) -> HeaderMap {
    let entry = &file.entry;
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::CONTENT_TYPE, value(entry.media_type.as_str()));
    headers.insert(
        header::CONTENT_DISPOSITION,
        disposition::attachment(entry.name.as_str()),
    );
    let digest = format!("sha-256=:{}:", STANDARD.encode(entry.sha256.0));
    headers.insert(REPR_DIGEST, value(&digest));
    guard(&mut headers);
    describe(&mut headers, &validators(file));
    headers
}

fn headers_of_archive(validators: &Validators) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    let media_type = HeaderValue::from_static("application/zip");
    headers.insert(header::CONTENT_TYPE, media_type);
    let disposition = disposition::attachment("files.zip");
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    guard(&mut headers);
    describe(&mut headers, validators);
    headers
}

/// Nothing in it may run in the API's origin, and no page that it opens may learn the link.
fn guard(headers: &mut HeaderMap) {
    for (name, text) in [
        (header::ACCEPT_RANGES, "bytes"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(text));
    }
}

/// What is said of a file also where none of its bytes are sent (RFC 9110, section 15.4.5).
fn describe(headers: &mut HeaderMap, validators: &Validators) {
    headers.insert(header::ETAG, value(&validators.etag));
    let modified = httpdate::fmt_http_date(validators.last_modified);
    headers.insert(header::LAST_MODIFIED, value(&modified));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    );
}

/// The parts of a multipart/byteranges body, each read when its turn comes.
fn several(opened: Opened, framing: ByteRanges) -> ByteStream {
    let opened = Arc::new(opened);
    let trailer = stream::once(async { Ok(framing.trailer) });
    let parts = stream::iter(framing.parts).then(move |(head, range)| {
        let opened = Arc::clone(&opened);
        async move {
            let body = opened.read(range).await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(stream::once(async { Ok(head) }).chain(body))
        }
    });
    Box::pin(parts.try_flatten().chain(trailer))
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text)
        .expect("our digests, dates, numbers and media types are visible ASCII")
}
