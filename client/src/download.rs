//! Files on their way back: resumed, and checked before they get their names.

use std::path::Path;

use percent_encoding::percent_decode_str;
use reqwest::{Method, Response, StatusCode, header};
use sha2::{Digest, Sha256 as Hasher};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::sleep,
};
use url::Url;

use crate::{
    Client, Error, Progress, Sha256,
    part::{Left, Part, digest_of},
    transport::{Activity, Repeat, origin},
};

/// Where a file is fetched, and what it is to be.
#[derive(Clone)]
pub struct Source {
    /// A download link, which is a secret.
    pub url: Url,
    /// Bytes, where it is known.
    pub size: Option<u64>,
    /// What its bytes are, where it is known. What the answer says of that has to agree.
    pub sha256: Option<Sha256>,
}

/// What a download link leads to.
#[derive(Clone, Debug)]
pub struct Head {
    /// What the server calls it: no name for a path, before [`safe_name`](crate::safe_name) has seen it.
    pub filename: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// What its bytes are.
    pub sha256: Option<Sha256>,
}

/// A download that is whole.
#[derive(Clone, Debug)]
pub struct Saved {
    /// Bytes.
    pub size: u64,
    /// What they are.
    pub sha256: Sha256,
    /// Whether somebody had said what they are. Of archives nobody does.
    pub verified: bool,
    /// How many of them an earlier download had left.
    pub resumed: u64,
    /// Whether the same file was there before, so that nothing was fetched.
    pub already: bool,
}

/// Where bytes go.
pub(crate) trait Sink: Send {
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Error>> + Send;

    /// Takes back what was written.
    fn restart(&mut self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Says what the bytes are a part of.
    fn tagged(&mut self, etag: Option<&str>) -> impl Future<Output = Result<(), Error>> + Send;
}

/// How far a download is.
struct State {
    at: u64,
    hasher: Hasher,
    etag: Option<String>,
    told: Option<Sha256>,
}

impl Client {
    /// What a download link leads to. It counts as no download.
    pub async fn head(&self, url: &Url) -> Result<Head, Error> {
        let request = || self.http.request(Method::HEAD, url.clone());
        let attempt = || async { self.send(request(), &Activity::default()).await };
        let response = self.again(Repeat::Always, &(), attempt).await?;
        let field = |name| response.headers().get(name)?.to_str().ok();
        Ok(Head {
            filename: field(header::CONTENT_DISPOSITION).and_then(filename),
            size: field(header::CONTENT_LENGTH).and_then(|len| len.parse().ok()),
            sha256: repr_digest(&response),
        })
    }

    /// Fetches a file to this path. Until it is whole and right it is at `NAME.part`, where the next
    /// attempt goes on. What is at the path is overwritten only if that is said; where it is the same
    /// file, all is done.
    pub async fn save(
        &self,
        source: &Source,
        to: &Path,
        overwrite: bool,
        progress: &impl Progress,
    ) -> Result<Saved, Error> {
        if to.symlink_metadata().is_ok() && !overwrite {
            return match (digest_of(to).await, source.sha256) {
                (Some((size, sha256)), Some(expected)) if sha256 == expected => Ok(Saved {
                    size,
                    sha256,
                    verified: true,
                    resumed: 0,
                    already: true,
                }),
                _ => Err(Error::Exists(to.to_owned())),
            };
        }
        let (mut part, Left { len, etag, hasher }) = Part::open(to).await?;
        let mut resumed = len;
        let mut state = State {
            at: len,
            hasher,
            etag,
            told: None,
        };
        loop {
            if let Err(error) = self.transfer(source, &mut part, &mut state, progress).await {
                match error {
                    Error::Mismatch { .. } => part.discard(),
                    _ if state.at == 0 => part.discard(),
                    _ => part.keep().await,
                }
                return Err(error);
            }
            match state.verdict(source) {
                Ok((sha256, verified)) => {
                    let size = state.at;
                    part.finish(overwrite).await?;
                    return Ok(Saved {
                        size,
                        sha256,
                        verified,
                        resumed,
                        already: false,
                    });
                }
                // What was left may have been something else's.
                Err(_) if resumed > 0 => {
                    resumed = 0;
                    state.reset();
                    part.restart().await?;
                }
                Err(error) => {
                    part.discard();
                    return Err(error);
                }
            }
        }
    }

    /// Fetches a file to where nothing can be taken back. The bytes are there before they are judged.
    pub async fn copy(
        &self,
        source: &Source,
        to: &mut (impl AsyncWrite + Unpin + Send),
        progress: &impl Progress,
    ) -> Result<Saved, Error> {
        let mut state = State {
            at: 0,
            hasher: Hasher::new(),
            etag: None,
            told: None,
        };
        self.transfer(source, &mut Flow(to), &mut state, progress)
            .await?;
        to.flush().await.map_err(Error::Output)?;
        let (sha256, verified) = state.verdict(source)?;
        Ok(Saved {
            size: state.at,
            sha256,
            verified,
            resumed: 0,
            already: false,
        })
    }

    /// Fetches what is missing, however often the connection breaks, as long as some of it comes.
    async fn transfer(
        &self,
        source: &Source,
        sink: &mut impl Sink,
        state: &mut State,
        progress: &impl Progress,
    ) -> Result<(), Error> {
        let mut failures = 0;
        loop {
            let before = state.at;
            let Err(error) = self.stretch(source, sink, state, progress).await else {
                return Ok(());
            };
            failures = if state.at > before { 1 } else { failures + 1 };
            let Some(wait) = self.wait_after(&error, Repeat::Always, failures) else {
                return Err(error);
            };
            progress.waiting(wait, &error);
            sleep(wait).await;
        }
    }

    /// Fetches what one connection gives.
    async fn stretch(
        &self,
        source: &Source,
        sink: &mut impl Sink,
        state: &mut State,
        progress: &impl Progress,
    ) -> Result<(), Error> {
        if state.at > 0 && state.etag.is_none() {
            state.reset();
            sink.restart().await?;
        }
        progress.position(state.at);
        let mut request = self.http.get(source.url.clone());
        if let (1.., Some(etag)) = (state.at, &state.etag) {
            request = request
                .header(header::RANGE, format!("bytes={}-", state.at))
                .header(header::IF_RANGE, etag);
        }
        let mut response = match self.send(request, &Activity::default()).await {
            // Either all is there already, or nothing of it belongs to this file.
            Err(Error::Problem(problem)) if problem.status == 416 && state.at > 0 => {
                if source.size == Some(state.at) {
                    return Ok(());
                }
                state.etag = None;
                return Box::pin(self.stretch(source, sink, state, progress)).await;
            }
            response => response?,
        };
        let foreign = |what: &str| Error::Foreign {
            server: origin(&source.url),
            what: what.to_owned(),
        };
        let total = if response.status() == StatusCode::PARTIAL_CONTENT {
            let range = response.headers().get(header::CONTENT_RANGE);
            let range = range
                .and_then(|range| range.to_str().ok())
                .and_then(content_range);
            match range {
                Some((first, total)) if first == state.at => total,
                _ => return Err(foreign("another range came than was asked for")),
            }
        } else {
            if state.at > 0 {
                state.reset();
                sink.restart().await?;
                progress.position(0);
            }
            let length = response.headers().get(header::CONTENT_LENGTH);
            length.and_then(|length| length.to_str().ok()?.parse().ok())
        };
        if let Some(total) = total.or(source.size) {
            progress.length(total);
        }
        if state.at == 0 {
            state.etag = response.headers().get(header::ETAG).and_then(strong);
            sink.tagged(state.etag.as_deref()).await?;
        }
        state.told = repr_digest(&response).or(state.told);
        while let Some(chunk) = self.chunk(&mut response).await? {
            sink.write(&chunk).await?;
            state.hasher.update(&chunk);
            state.at += chunk.len() as u64;
            progress.position(state.at);
            // Nobody is made to take more than they were told of.
            if source.size.or(total).is_some_and(|most| state.at > most) {
                return state
                    .verdict(source)
                    .and(Err(foreign("the answer is too long")));
            }
        }
        match total {
            Some(total) if state.at < total => Err(Error::Broken {
                server: origin(&source.url),
                source: "the answer ended early".into(),
            }),
            _ => Ok(()),
        }
    }
}

impl State {
    fn reset(&mut self) {
        self.at = 0;
        self.hasher = Hasher::new();
        self.etag = None;
    }

    /// What the bytes are, and whether that was promised.
    fn verdict(&self, source: &Source) -> Result<(Sha256, bool), Error> {
        let found = Sha256::new(self.hasher.clone().finalize().into());
        for expected in [source.sha256, self.told].into_iter().flatten() {
            if found != expected {
                return Err(Error::Mismatch {
                    expected: expected.to_string(),
                    found: found.to_string(),
                });
            }
        }
        Ok((found, source.sha256.or(self.told).is_some()))
    }
}

/// Where bytes flow on to.
struct Flow<'w, W>(&'w mut W);

impl<W: AsyncWrite + Unpin + Send> Sink for Flow<'_, W> {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.0.write_all(bytes).await.map_err(Error::Output)
    }

    async fn restart(&mut self) -> Result<(), Error> {
        Err(Error::Changed)
    }

    async fn tagged(&mut self, _: Option<&str>) -> Result<(), Error> {
        Ok(())
    }
}

fn repr_digest(response: &Response) -> Option<Sha256> {
    let field = response.headers().get("repr-digest")?;
    Sha256::of_field(field.to_str().ok()?)
}

/// RFC 9110, section 13.1.5: a weak tag says nothing about ranges.
fn strong(etag: &header::HeaderValue) -> Option<String> {
    let etag = etag.to_str().ok()?;
    etag.starts_with('"').then(|| etag.to_owned())
}

/// The first byte and, where it is told, the number of all: `bytes 5-9/10`.
fn content_range(field: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = field.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, total.parse().ok()))
}

/// The name in `Content-Disposition` (RFC 6266), the extended one before the plain one.
fn filename(field: &str) -> Option<String> {
    let parameters = || field.split(';').map(str::trim);
    let extended = parameters().find_map(|parameter| {
        let value = parameter.strip_prefix("filename*=UTF-8''")?;
        let name = percent_decode_str(value).decode_utf8().ok()?;
        Some(name.into_owned())
    });
    extended.or_else(|| {
        let (_, rest) = field.split_once("filename=\"")?;
        let mut name = String::new();
        let mut escaped = false;
        for c in rest.chars() {
            match c {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => return Some(name),
                c => {
                    name.push(c);
                    escaped = false;
                }
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        for (field, name) in [
            ("attachment; filename=\"report.docx\"", Some("report.docx")),
            (
                "attachment; filename=\"a\\\"b; c.docx\"",
                Some("a\"b; c.docx"),
            ),
            (
                "attachment; filename=\"_.docx\"; filename*=UTF-8''%C3%A4.docx",
                Some("ä.docx"),
            ),
            (
                "attachment; filename=\"x.docx\"; filename*=UTF-8''%FF",
                Some("x.docx"),
            ),
            ("attachment", None),
            ("attachment; filename=\"open", None),
        ] {
            assert_eq!(filename(field).as_deref(), name, "{field}");
        }
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for field in ["bytes */10", "5-9/10", "bytes x-9/10", "bytes 5"] {
            assert_eq!(content_range(field), None, "{field}");
        }
    }
}
