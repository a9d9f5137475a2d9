//! `GET` and `HEAD /download_file/{token}`: the file, whole or in part (RFC 9110, sections 13 and 14).

use std::{ops::Range, sync::Arc, time::SystemTime};

use base64::{Engine, engine::general_purpose::STANDARD};
use consign_core::{AuthorizedFile, File, OpenedBy, store::ByteStream};
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

impl Inner {
    pub(crate) async fn download(
        &self,
        head: &request::Parts,
        token: &str,
    ) -> Result<Response<Body>, Failure> {
        let counted = self.limiter.as_ref().map(|limiter| &limiter.redemption);
        if let Some(counted) = counted {
            counted.count_address(&head.extensions)?;
        }
        let file = self.consign.open(token).await?;
        if let Some(counted) = counted {
            match file.opened_by() {
                OpenedBy::Link(maker) => counted.count_user(*maker)?,
                OpenedBy::Lease(lease) => counted.count_lease(lease.id)?,
            }
        }
        let validators = validators(file.file());
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
                self.send(&head.method, file, line, &validators).await?
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
        file: AuthorizedFile,
        range: Option<&HeaderValue>,
        validators: &Validators,
    ) -> Result<Response<Body>, Failure> {
        let size = file.file().entry.size;
        let mut headers = self.rendered.headers(file.file());
        let mut status = StatusCode::PARTIAL_CONTENT;
        let body = match range::select(range, size) {
            Selection::Whole => {
                status = StatusCode::OK;
                headers.insert(header::CONTENT_LENGTH, size.into());
                if *method == Method::HEAD {
                    Body::empty()
                } else {
                    Body::stream(file.read(0..size).await?, size)
                }
            }
            Selection::One(range) => {
                let length = range.end - range.start;
                let content_range = range::content_range(&range, size);
                headers.insert(header::CONTENT_RANGE, value(&content_range));
                headers.insert(header::CONTENT_LENGTH, length.into());
                Body::stream(file.read(range).await?, length)
            }
            Selection::Several(ranges) => {
                // Fixed for a file's ranges, so that a request made twice is answered alike; nobody
                // can know it before the file's digest is.
                let mut boundary = [0; 16];
                boundary.copy_from_slice(&file.file().entry.sha256.0[..16]);
                let media_type = value(file.file().entry.media_type.as_str());
                let framing = ByteRanges::new(boundary, &media_type, size, ranges);
                headers.insert(header::CONTENT_TYPE, framing.content_type.clone());
                headers.insert(header::CONTENT_LENGTH, framing.content_length.into());
                let length = framing.content_length;
                Body::stream(several(file, framing), length)
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

/// A version's bytes never change, so its digest is a strong validator and its time one too.
fn validators(file: &File) -> Validators {
    let entry = &file.entry;
    let secs = entry.uploaded_at.as_secs().min(MAX_HTTP_DATE);
    Validators {
        etag: format!("\"{}\"", entry.sha256),
        last_modified: SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(secs),
    }
}

/// What is said of a file with every part of it. Nothing in it may run in the API's origin, and no
/// page that it opens may learn the link.
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
    describe(&mut headers, &validators(file));
    headers
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
fn several(file: AuthorizedFile, framing: ByteRanges) -> ByteStream {
    let file = Arc::new(file);
    let trailer = stream::once(async { Ok(framing.trailer) });
    let parts = stream::iter(framing.parts).then(move |(head, range)| {
        let file = Arc::clone(&file);
        async move {
            let body = read(&file, range).await?;
            Ok::<_, std::io::Error>(stream::once(async { Ok(head) }).chain(body))
        }
    });
    Box::pin(parts.try_flatten().chain(trailer))
}

async fn read(file: &AuthorizedFile, range: Range<u64>) -> std::io::Result<ByteStream> {
    file.read(range).await.map_err(std::io::Error::other)
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text)
        .expect("our digests, dates, numbers and media types are visible ASCII")
}
