//! How each request is sent: within a time, again where that may help, counted, and with its answer
//! in memory whole. The `object_store` crate's own retries are off.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use consign_core::random::{Entropy, OsEntropy};
use futures_util::TryStreamExt;
use http::StatusCode;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService, ReqwestConnector,
    },
};

use crate::{
    errors::Failure,
    meters::{Meters, Operation, Outcome},
    xml,
};

/// Bytes that an answer may have: no read asks for more than 1 MiB, and no list has more than 1000 names.
const LONGEST: usize = 16 << 20;

/// Putting an upload together may take the store minutes.
const SLOW: u32 = 10;

/// How requests are bounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) request_timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) retry_for: Duration,
}

/// Connects the `object_store` crate by ourselves.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) host: String,
    pub(crate) bounds: Bounds,
    pub(crate) meters: Arc<Meters>,
    /// How often the beginning of an upload was sent again: each may have left one that nobody knows.
    pub(crate) begun_again: Arc<AtomicU64>,
    /// What the store was connected by last: its objects, after the sources of credentials.
    pub(crate) last: Arc<Mutex<Option<HttpClient>>>,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = HttpClient::new(Transport {
            inner: ReqwestConnector::default().connect(options)?,
            host: self.host.clone(),
            bounds: self.bounds,
            meters: Arc::clone(&self.meters),
            begun_again: Arc::clone(&self.begun_again),
        });
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(client.clone());
        Ok(client)
    }
}

struct Transport {
    inner: HttpClient,
    host: String,
    bounds: Bounds,
    meters: Arc<Meters>,
    begun_again: Arc<AtomicU64>,
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if request.uri().host() != Some(&*self.host) {
            return self.elsewhere(request).await;
        }
        let operation = Operation::of(&request);
        let begun = Instant::now();
        let mut tries = 0;
        loop {
            match self.once(operation, request.clone()).await {
                Ok(response) => return Ok(response),
                Err(failure)
                    if failure.is_passing()
                        && tries < self.bounds.retries
                        && begun.elapsed() < self.bounds.retry_for =>
                {
                    tracing::debug!(?operation, %failure, "a request is sent again");
                    if operation == Operation::CreateUpload {
                        self.begun_again.fetch_add(1, Ordering::Relaxed);
                    }
                    tokio::time::sleep(pause(tries)).await;
                    tries += 1;
                }
                Err(failure) => return Err(HttpError::new(HttpErrorKind::Unknown, failure)),
            }
        }
    }
}

impl Transport {
    /// Asks for credentials, whose sources have statuses of their own.
    async fn elsewhere(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let limit = self.bounds.request_timeout;
        let mut tries = 0;
        loop {
            let sent = self.inner.execute(request.clone());
            let answer = tokio::time::timeout(limit, sent).await;
            let is_last = tries >= self.bounds.retries;
            match answer {
                Ok(Ok(answer)) if is_last || !answer.status().is_server_error() => {
                    return Ok(answer);
                }
                Ok(Err(error)) if is_last => return Err(error),
                Err(_) => {
                    let late = Failure::TimedOut(limit);
                    return Err(HttpError::new(HttpErrorKind::Unknown, late));
                }
                Ok(_) => tokio::time::sleep(pause(tries)).await,
            }
            tries += 1;
        }
    }

    async fn once(
        &self,
        operation: Operation,
        request: HttpRequest,
    ) -> Result<HttpResponse, Failure> {
        let begun = Instant::now();
        let limit = match operation {
            Operation::CompleteUpload => self.bounds.request_timeout * SLOW,
            _ => self.bounds.request_timeout,
        };
        let answered = tokio::time::timeout(limit, self.answer(request)).await;
        let answer = answered.unwrap_or(Err(Failure::TimedOut(limit)));
        let outcome = answer
            .as_ref()
            .map_or_else(Failure::outcome, |_| Outcome::Ok);
        self.meters.ended(operation, outcome, begun.elapsed());
        answer
    }

    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let sent = self.inner.execute(request).await;
        let (parts, body) = sent.map_err(|error| unanswered(&error))?.into_parts();
        let body = whole(body).await;
        if parts.status.is_success() {
            return Ok(HttpResponse::from_parts(parts, body?.into()));
        }
        Err(refusal(parts.status, &body.unwrap_or_default()))
    }
}

/// Shows no header.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("host", &self.host)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

/// Before it is sent for the next time: longer each time, and not at the same moment as others.
fn pause(tries: u32) -> Duration {
    let longest = Duration::from_millis(100) * 2_u32.pow(tries.min(5));
    let mut part = [0];
    OsEntropy.fill(&mut part);
    longest / 2 + longest * u32::from(part[0]) / 512
}

async fn whole(body: HttpResponseBody) -> Result<Bytes, Failure> {
    let broken = |error| Failure::Broken(deepest(&error));
    let mut stream = body.bytes_stream();
    let Some(first) = stream.try_next().await.map_err(broken)? else {
        return Ok(Bytes::new());
    };
    let Some(mut next) = stream.try_next().await.map_err(broken)? else {
        return Ok(first);
    };
    let mut bytes = BytesMut::from(&*first);
    loop {
        bytes.extend_from_slice(&next);
        if bytes.len() > LONGEST {
            return Err(Failure::Nonsense("it is too long".into()));
        }
        match stream.try_next().await.map_err(broken)? {
            Some(more) => next = more,
            None => return Ok(bytes.freeze()),
        }
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    let code = xml::error_code(body).unwrap_or_default();
    Failure::Status { status, code }
}

fn unanswered(error: &HttpError) -> Failure {
    match error.kind() {
        HttpErrorKind::Connect => Failure::Unreachable(deepest(error)),
        _ => Failure::Broken(deepest(error)),
    }
}

/// The last cause alone: those above it say the same in other words, or show an address.
fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        for tries in 0..40 {
            let longest = Duration::from_millis(100) * 2_u32.pow(tries.min(5));
            let pause = pause(tries);
            assert!(pause >= longest / 2 && pause <= longest);
        }
    }

    #[test]
    fn of_a_refusal_only_the_code_is_kept() {
        let body =
            b"<Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>";
        let failure = refusal(StatusCode::FORBIDDEN, body);
        assert_eq!(
            failure.to_string(),
            "the object store answered 403 Forbidden InvalidAccessKeyId"
        );
        let failure = refusal(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(
            failure.to_string(),
            "the object store answered 502 Bad Gateway"
        );
    }
}
