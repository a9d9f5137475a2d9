//! `/removed-files` and what is below it: files that were removed and can be had back.

use consign_core::{
    Actor, ErrorKind, event::Author, id::FileId, policy::Action, removal::RemovedFile, user::User,
};
use http::{Method, Response, StatusCode, request};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::Inner,
    body::Body,
    files::{FileObject, OneFile, rfc3339},
    json,
    openapi::Time,
    paging::page,
    problem::Failure,
    route::id_of,
};

/// A removed file as the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = RemovedFile)]
pub(crate) struct RemovedObject<'f> {
    #[serde(flatten)]
    file: FileObject<'f>,
    #[schema(value_type = Time)]
    removed_at: String,
    #[schema(pattern = "^(removed|expired|retention)$")]
    reason: String,
    /// The name of the user who asked for it; null where nobody did, or who is no more.
    #[schema(required)]
    removed_by: Option<String>,
    /// From when on it cannot be had back.
    #[schema(value_type = Time)]
    gone_at: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RemovedFiles<'f> {
    files: Vec<RemovedObject<'f>>,
    /// The `cursor` of the next page; null where this is the last.
    #[schema(required)]
    next: Option<String>,
}

impl Inner {
    pub(crate) async fn removed_files(
        &self,
        head: &request::Parts,
        query: &str,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.permitted(&head.headers, Action::Delete).await?;
        let (before, limit) = page(query, |cursor| cursor.parse().ok())?;
        let page = self.consign.removed_files(&actor, before, limit).await?;
        let mut files = Vec::with_capacity(page.items.len());
        for removed in &page.items {
            files.push(self.removed_object(&actor, removed).await?);
        }
        let next = page.next.map(|seq| seq.to_string());
        let answer = RemovedFiles { files, next };
        Ok(json::response(StatusCode::OK, &answer))
    }

    /// `DELETE /removed-files/{file}` and `POST /removed-files/{file}/restore`.
    pub(crate) async fn removed_file(
        &self,
        head: &request::Parts,
        segment: &str,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.permitted(&head.headers, Action::Delete).await?;
        let id: FileId = id_of(segment).ok_or(ErrorKind::FileNotFound)?;
        let removed = self.consign.removed_file(&actor, id).await?;
        // What is shown is looked up first, so that what was done is not told as a failure.
        let object = self.file_object(&actor, &removed.file).await?;
        let (msg, object) = match head.method {
            Method::POST => {
                let file = self.consign.restore(&actor, id).await?;
                let object = object.expiring_at(file.entry.expires_at);
                ("File restored", object)
            }
            _ => {
                self.consign.purge(&actor, id).await?;
                ("File removed for good", object)
            }
        };
        Ok(json::response(StatusCode::OK, &OneFile::of(msg, object)))
    }

    async fn removed_object<'f>(
        &self,
        actor: &Actor,
        removed: &'f RemovedFile,
    ) -> Result<RemovedObject<'f>, Failure> {
        Ok(RemovedObject {
            file: self.file_object(actor, &removed.file).await?,
            removed_at: rfc3339(removed.removed_at),
            reason: removed.why.to_string(),
            removed_by: self
                .remover(actor, removed)
                .await?
                .map(|user| user.username.to_string()),
            gone_at: rfc3339(removed.kept_until),
        })
    }

    async fn remover(&self, actor: &Actor, removed: &RemovedFile) -> Result<Option<User>, Failure> {
        let Author::User(id) = removed.removed_by else {
            return Ok(None);
        };
        match self.consign.user(actor, id).await {
            Ok(user) => Ok(Some(user)),
            Err(error) if error.kind() == ErrorKind::UserNotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
