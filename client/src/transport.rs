//! Requests that go out, once or again, and answers that are read.

use std::{
    error::Error as _,
    future::Future,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::{Client, Error, IdempotencyKey, Problem, Progress};

/// Bytes that an answer in JSON has at most.
const MAX_JSON: usize = 64 << 20;

/// Bytes of a problem document that are read.
const MAX_PROBLEM: usize = 64 << 10;

/// Whether a request can come twice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Repeat {
    /// It only looks, says what is to be, or has a key.
    Always,
    /// It is sent again only if it was not done for sure.
    Undone,
}

/// Counts what moves, so that a pause can be told from a slow connection.
#[derive(Debug, Default)]
pub(crate) struct Activity(AtomicU64);

impl Activity {
    pub(crate) fn moved(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Client {
    /// A request, with the token where it goes to the server that the token is for.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let own = url.origin() == self.base().origin();
        let request = self.http.request(method, url);
        let request = request.header(header::ACCEPT, "application/json");
        match self.token() {
            Some(token) if own => request.bearer_auth(token.reveal()),
            _ => request,
        }
    }

    /// Sends a request, again where that helps, and reads the answer.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        repeat: Repeat,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, Error> {
        self.again(repeat, &(), || async {
            let response = self.send(request(), &Activity::default()).await?;
            self.read(response).await
        })
        .await
    }

    /// Does something until it is done, or there is no use in doing it again.
    pub(crate) async fn again<T, F: Future<Output = Result<T, Error>>>(
        &self,
        repeat: Repeat,
        progress: &impl Progress,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let mut attempts = 0;
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            attempts += 1;
            match self.wait_after(&error, repeat, attempts) {
                Some(wait) => {
                    progress.waiting(wait, &error);
                    sleep(wait).await;
                }
                None => return Err(error),
            }
        }
    }

    /// How long to wait before another attempt, if there is to be one.
    pub(crate) fn wait_after(
        &self,
        error: &Error,
        repeat: Repeat,
        attempts: u32,
    ) -> Option<Duration> {
        let again = match error {
            Error::Unreachable { .. } => true,
            Error::Broken { .. } | Error::Silent { .. } => repeat == Repeat::Always,
            Error::Problem(problem) => match problem.status {
                429 | 503 => true,
                502 | 504 => repeat == Repeat::Always,
                _ => false,
            },
            _ => false,
        };
        if !again {
            return None;
        }
        let asked = error.problem().and_then(|problem| problem.retry_after);
        self.backoff.wait(attempts, asked)
    }

    /// Sends a request once, and gives the answer if it is not an error.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        activity: &Activity,
    ) -> Result<Response, Error> {
        let request = request.build().map_err(|_| Error::Url)?;
        let url = request.url().clone();
        self.is_safe(&url)?;
        let sent = self
            .watched(&url, activity, self.http.execute(request))
            .await?;
        let response = sent.map_err(|error| broken(&url, error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        if response.status().is_redirection() {
            let to = response.headers().get(header::LOCATION);
            let to = to.and_then(|to| url.join(to.to_str().ok()?).ok());
            let to = to.map_or_else(|| "elsewhere".to_owned(), |to| origin(&to));
            let what = format!("it redirects to {to}");
            return Err(Error::Foreign {
                server: origin(&url),
                what,
            });
        }
        Err(self.problem(response).await)
    }

    /// Reads an answer in JSON.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        mut response: Response,
    ) -> Result<T, Error> {
        let server = origin(response.url());
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_JSON {
                let what = "the answer is too long".to_owned();
                return Err(Error::Foreign { server, what });
            }
        }
        // What serde says may repeat a secret of the answer.
        serde_json::from_slice(&bytes).map_err(|error| Error::Foreign {
            server,
            what: format!(
                "unknown JSON at line {}, column {}",
                error.line(),
                error.column()
            ),
        })
    }

    /// The next bytes of an answer.
    pub(crate) async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Error> {
        let url = response.url().clone();
        match timeout(self.idle, response.chunk()).await {
            Ok(chunk) => chunk.map_err(|error| broken(&url, error)),
            Err(_) => Err(self.silent(&url)),
        }
    }

    /// What the server said in an answer that is an error.
    async fn problem(&self, mut response: Response) -> Error {
        let status = response.status();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|secs| secs.to_str().ok()?.trim().parse().ok());
        let mut bytes = Vec::new();
        while bytes.len() < MAX_PROBLEM {
            match self.chunk(&mut response).await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                _ => break,
            }
        }
        let told = serde_json::from_slice(&bytes);
        let told = told.unwrap_or_else(|_| Problem {
            status: 0,
            msg: reason(status),
            detail: None,
            retry_after: None,
        });
        Error::Problem(Problem {
            status: status.as_u16(),
            retry_after: retry_after.map(Duration::from_secs),
            ..told
        })
    }

    /// Waits for as long as something moves.
    async fn watched<T>(
        &self,
        url: &Url,
        activity: &Activity,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let mut work = pin!(work);
        let mut seen = activity.0.load(Relaxed);
        loop {
            if let Ok(done) = timeout(self.idle, &mut work).await {
                return Ok(done);
            }
            let now = activity.0.load(Relaxed);
            if now == seen {
                return Err(self.silent(url));
            }
            seen = now;
        }
    }

    fn silent(&self, url: &Url) -> Error {
        Error::Silent {
            server: origin(url),
            wait: self.idle,
        }
    }
}

/// The request with a key, so that it can come twice.
pub(crate) fn keyed(request: RequestBuilder, key: &IdempotencyKey) -> RequestBuilder {
    request.header("idempotency-key", key.reveal())
}

/// A server, without what is asked of it: paths hold secrets.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn broken(url: &Url, error: reqwest::Error) -> Error {
    let server = origin(url);
    let connecting = error.is_connect();
    let error = error.without_url();
    let mut cause = error.source();
    let mut source = error.to_string();
    // The innermost says it: refused, reset, no such host, which certificate.
    while let Some(inner) = cause {
        source = inner.to_string();
        cause = inner.source();
    }
    let untrusted = source.starts_with("invalid peer certificate");
    let source = source.into();
    if connecting && untrusted {
        Error::Untrusted { server, source }
    } else if connecting {
        Error::Unreachable { server, source }
    } else {
        Error::Broken { server, source }
    }
}

fn reason(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}
