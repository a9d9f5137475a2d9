//! `GET /files` and `GET /generate_download_url/{file}`.

use std::fmt::Display;

use consign_core::{
    File,
    file::{Seq, Sha256},
    id::FileId,
    time::Timestamp,
};
use http::{Response, StatusCode, request};
use percent_encoding::percent_decode_str;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{api::Inner, body::Body, json, problem::Failure};

/// Files on a page, unless fewer are asked for: also the most that can be.
const PAGE: usize = 1000;

#[derive(Serialize)]
struct Listing<'f> {
    files: Vec<&'f RawValue>,
    next: Option<String>,
}

/// A file as the API shows it.
#[derive(Serialize)]
pub(crate) struct FileObject<'f> {
    #[serde(serialize_with = "text")]
    id: FileId,
    filename: &'f str,
    /// Bytes.
    size: u64,
    content_type: &'f str,
    /// Lower-case hexadecimal.
    #[serde(serialize_with = "text")]
    sha256: Sha256,
    /// RFC 3339, in UTC.
    uploaded_at: String,
    uploaded_by: &'f str,
}

#[derive(Serialize)]
struct DownloadUrl {
    download_url: String,
    message: &'static str,
    expires_at: String,
}

impl<'f> FileObject<'f> {
    pub(crate) fn of(file: &'f File) -> Self {
        let entry = &file.entry;
        Self {
            id: entry.id,
            filename: entry.name.as_str(),
            size: entry.size,
            content_type: entry.media_type.as_str(),
            sha256: entry.sha256,
            uploaded_at: rfc3339(entry.uploaded_at),
            uploaded_by: &entry.uploader,
        }
    }
}

fn text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl Inner {
    pub(crate) async fn files(
        &self,
        head: &request::Parts,
        query: &str,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.actor(&head.headers).await?;
        let (before, limit) = page(query)?;
        let page = self.consign.list(&actor, before, limit).await?;
        let files = page.items.iter().map(|file| self.rendered.object(file));
        let files: Vec<_> = files.collect();
        let listing = Listing {
            files: files.iter().map(AsRef::as_ref).collect(),
            next: page.next.map(|seq| seq.to_string()),
        };
        Ok(json::response(StatusCode::OK, &listing))
    }

    pub(crate) async fn link(
        &self,
        head: &request::Parts,
        segment: &str,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.actor(&head.headers).await?;
        // A name that is not UTF-8 is no file's, which is told after what comes before it.
        let decoded = percent_decode_str(segment).decode_utf8();
        let target = decoded.as_deref().unwrap_or_default();
        let link = self.consign.link(&actor, target).await?;
        let answer = DownloadUrl {
            download_url: self.public_url.join("/download_file/", &link.token),
            message: "Success",
            expires_at: rfc3339(link.expires_at),
        };
        Ok(json::response(StatusCode::OK, &answer))
    }
}

fn page(query: &str) -> Result<(Option<Seq>, usize), Failure> {
    let (mut before, mut limit) = (None, PAGE);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "cursor" => {
                let cursor = value
                    .parse()
                    .map_err(|_| Failure::bad_request("Invalid cursor"))?;
                before = Some(cursor);
            }
            "limit" => {
                limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=PAGE).contains(limit))
                    .ok_or_else(|| Failure::bad_request("limit must be between 1 and 1000"))?;
            }
            _ => {}
        }
    }
    Ok((before, limit))
}

/// RFC 3339, in UTC, to the second.
fn rfc3339(time: Timestamp) -> String {
    let secs = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(secs).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
