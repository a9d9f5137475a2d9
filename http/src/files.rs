//! `/files`, `/files/{file}` and `GET /generate_download_url/{file}`.

use std::fmt::Display;

use consign_core::{
    Actor, ErrorKind, File, FileChanges,
    file::{FileName, Sha256},
    id::FileId,
    policy::Action,
    time::Timestamp,
};
use http::{Method, Response, StatusCode, request};
use percent_encoding::percent_decode_str;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    api::Inner,
    audience::{AudienceObject, Names, sees_audiences},
    body::Body,
    json,
    lifetimes::WantedChanges,
    openapi::{Digest, Id, Time},
    paging::page,
    problem::Failure,
    rendered::Listing,
    request::RequestBody,
    route::id_of,
};

/// A file as the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = File)]
pub(crate) struct FileObject<'f> {
    #[serde(serialize_with = "text")]
    #[schema(value_type = Id)]
    id: FileId,
    filename: &'f str,
    /// Bytes.
    size: u64,
    content_type: &'f str,
    #[serde(serialize_with = "text")]
    #[schema(value_type = Digest)]
    sha256: Sha256,
    #[schema(value_type = Time)]
    uploaded_at: String,
    uploaded_by: &'f str,
    /// From when on it is not there for anybody; null where it has no end.
    #[schema(value_type = Option<Time>, required)]
    expires_at: Option<String>,
    /// Whom it is for: told to operations users alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    audience: Option<AudienceObject>,
}

/// A page of files.
#[derive(ToSchema)]
#[schema(as = Files)]
#[expect(dead_code, reason = "it is written piece by piece")]
pub(crate) struct FileList<'f> {
    files: Vec<FileObject<'f>>,
    /// The `cursor` of the next page; null where this is the last.
    #[schema(required)]
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct OneFile<'f> {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    msg: Option<&'static str>,
    file: FileObject<'f>,
}

impl<'f> OneFile<'f> {
    pub(crate) fn of(msg: &'static str, file: FileObject<'f>) -> Self {
        let msg = Some(msg);
        Self { msg, file }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DownloadUrl {
    /// Whoever has it has the file, until it ends.
    #[schema(format = "uri")]
    download_url: String,
    #[schema(pattern = "^Success$")]
    message: &'static str,
    #[schema(value_type = Time)]
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
            expires_at: entry.expires_at.map(rfc3339),
            audience: None,
        }
    }

    pub(crate) fn with_audience(self, audience: AudienceObject) -> Self {
        let audience = Some(audience);
        Self { audience, ..self }
    }

    pub(crate) fn expiring_at(self, end: Option<Timestamp>) -> Self {
        let expires_at = end.map(rfc3339);
        Self { expires_at, ..self }
    }
}

pub(crate) fn text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl Inner {
    pub(crate) async fn files(
        &self,
        head: &request::Parts,
        query: &str,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.actor(&head.headers).await?;
        let (before, limit) = page(query, |cursor| cursor.parse().ok())?;
        let page = match searched(query)? {
            Some(text) => self.consign.search(&actor, &text, before, limit).await?,
            None => self.consign.list(&actor, before, limit).await?,
        };
        let mut listing = Listing::new(page.items.len());
        if sees_audiences(&actor) {
            Box::pin(self.list_all(&actor, &page.items, &mut listing)).await?;
        } else {
            for file in &page.items {
                listing.push(&self.rendered.object(file), None);
            }
        }
        Ok(json::written(StatusCode::OK, listing.end(page.next)))
    }

    /// `GET`, `PATCH` and `DELETE /files/{file}`.
    pub(crate) async fn file(
        &self,
        head: &request::Parts,
        segment: &str,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let action = match head.method {
            Method::PATCH => Action::Share,
            Method::DELETE => Action::Delete,
            _ => Action::List,
        };
        let actor = self.permitted(&head.headers, action).await?;
        let wanted = match action {
            Action::Share => Some(WantedChanges::read(head, body).await?),
            _ => None,
        };
        let id: FileId = id_of(segment).ok_or(ErrorKind::FileNotFound)?;
        let mut file = self.consign.file(&actor, id).await?;
        let mut changes = FileChanges::default();
        if let Some(wanted) = wanted {
            changes = self.changes(&actor, wanted).await?;
            file.entry.audience = changes.audience.clone().or(file.entry.audience);
        }
        // What is shown is looked up first, so that what was done is not told as a failure.
        let mut object = self.file_object(&actor, &file).await?;
        let msg = match action {
            Action::Share => {
                let file = self.consign.edit_file(&actor, id, changes).await?;
                object = object.expiring_at(file.entry.expires_at);
                Some("File updated")
            }
            Action::Delete => {
                self.consign.delete(&actor, id).await?;
                Some("File removed")
            }
            _ => None,
        };
        let answer = OneFile { msg, file: object };
        Ok(json::response(StatusCode::OK, &answer))
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

    /// Lists files with whom each is for.
    async fn list_all(
        &self,
        actor: &Actor,
        files: &[File],
        listing: &mut Listing,
    ) -> Result<(), Failure> {
        let mut names = Names::default();
        for file in files {
            let audience = &file.entry.audience;
            let audience = self.audience_object(actor, audience, &mut names).await?;
            listing.push(&self.rendered.object(file), Some(&audience));
        }
        Ok(())
    }
}

/// What a name has to contain, if the query says that.
fn searched(query: &str) -> Result<Option<String>, Failure> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.find(|(name, _)| *name == "search") else {
        return Ok(None);
    };
    // As forms have it, where a space is a plus.
    let text = text.replace('+', " ");
    match percent_decode_str(&text).decode_utf8() {
        Ok(text) if text.len() <= FileName::MAX_LEN => {
            Ok(Some(text.into_owned()).filter(|text| !text.is_empty()))
        }
        _ => Err(Failure::bad_request("Invalid search")),
    }
}

/// RFC 3339, in UTC, to the second.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    let secs = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(secs).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
