//! `/audit`, what is below `/files/{file}` and `/links/{link}` of downloads, receipts, and the key that
//! signs them.

use std::collections::{BTreeMap, HashMap};

use consign_core::{
    Actor, Downloads, ErrorKind,
    event::{Author, Download, EventKind, Recorded, Transfers},
    evidence::{KeyId, PublicKey},
    file::{FileName, Sha256},
    id::{FileId, UserId},
    policy::Action,
    trail::{EntryHash, Value, WriterId},
    user::Username,
};
use http::{Response, StatusCode, request};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::Inner,
    body::Body,
    files::{rfc3339, text},
    json,
    openapi::{self, Digest, Id, Time},
    paging::page,
    problem::Failure,
    route::id_of,
};

/// An entry of the trail.
#[derive(Serialize, ToSchema)]
#[schema(as = Entry)]
pub(crate) struct EntryObject<'e> {
    /// Where it stands: what a download is called by.
    id: u64,
    #[schema(value_type = u32)]
    writer: WriterId,
    number: u64,
    #[schema(value_type = Time)]
    at: String,
    /// A user's id, `anonymous`, `administrator` or `sweeper`.
    by: String,
    #[schema(value_type = Option<String>, required)]
    username: Option<Username>,
    /// What the user is called of whom `fields` tell.
    #[schema(value_type = Option<String>, required)]
    whom: Option<Username>,
    kind: &'static str,
    /// What there is to tell of an entry of this kind.
    #[schema(value_type = Object)]
    fields: BTreeMap<&'static str, Value>,
    #[schema(value_type = Digest)]
    hash: &'e EntryHash,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Entries<'e> {
    entries: Vec<EntryObject<'e>>,
    /// The `cursor` of the next page; null where this is the last.
    #[schema(required)]
    next: Option<String>,
}

/// What one credential had of a file, in one stretch of time.
#[derive(Serialize, ToSchema)]
#[schema(as = Download)]
pub(crate) struct DownloadObject<'d> {
    id: u64,
    #[schema(value_type = Time)]
    at: String,
    file: DownloadedFile<'d>,
    /// Whose download link it was; null where it was a lease of a managed link.
    #[schema(value_type = Option<String>, required)]
    username: Option<Username>,
    #[schema(value_type = Option<Id>, required)]
    link: Option<String>,
    #[schema(value_type = Option<Id>, required)]
    lease: Option<String>,
    /// Who had proved to be the one that the managed link was for.
    #[schema(required)]
    recipient: Option<String>,
    #[serde(flatten)]
    #[schema(value_type = openapi::Transfers)]
    transfers: &'d Transfers,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DownloadedFile<'d> {
    #[serde(serialize_with = "text")]
    #[schema(value_type = Id)]
    id: FileId,
    #[schema(value_type = String)]
    filename: &'d FileName,
    size: u64,
    #[serde(serialize_with = "text")]
    #[schema(value_type = Digest)]
    sha256: Sha256,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Downloads)]
pub(crate) struct DownloadList<'d> {
    downloads: Vec<DownloadObject<'d>>,
    /// Whether anybody has had all of it.
    completed: bool,
    #[schema(value_type = openapi::Transfers)]
    total: Transfers,
    /// The `cursor` of the next page; null where this is the last.
    #[schema(required)]
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EvidenceKey)]
pub(crate) struct KeyObject {
    #[schema(value_type = String, pattern = "^[0-9a-f]{16}$")]
    id: KeyId,
    #[schema(pattern = "^Ed25519$")]
    algorithm: &'static str,
    /// 32 bytes in base64url.
    #[schema(value_type = String)]
    key: PublicKey,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EvidenceKeys)]
pub(crate) struct Keys {
    #[serde(flatten)]
    current: KeyObject,
    /// Those that signed before.
    retired: Vec<KeyObject>,
}

/// Names of users that were looked up.
type Names = HashMap<UserId, Option<Username>>;

impl Inner {
    /// `GET /audit`.
    pub(crate) async fn audit(
        &self,
        head: &request::Parts,
        query: &str,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.permitted(&head.headers, Action::ReadAudit).await?;
        let (after, limit) = page(query, |cursor| cursor.parse().ok())?;
        let page = self.consign.audit(&actor, after, limit).await?;
        let mut names = Names::new();
        let mut entries = Vec::with_capacity(page.items.len());
        for entry in &page.items {
            let event = &entry.event;
            let fields: BTreeMap<_, _> = event.kind.fields().into_iter().collect();
            let whom = match fields.get("user") {
                Some(Value::Text(id)) => id.parse().ok().map(Author::User),
                _ => None,
            };
            let whom = match whom {
                Some(user) => self.name_of(&actor, user, &mut names).await?,
                None => None,
            };
            entries.push(EntryObject {
                id: entry.seq,
                writer: entry.writer,
                number: entry.number,
                at: rfc3339(event.at),
                by: event.by.to_string(),
                username: self.name_of(&actor, event.by, &mut names).await?,
                whom,
                kind: event.kind.name(),
                fields,
                hash: &entry.hash,
            });
        }
        let next = page.next.map(|position| position.to_string());
        Ok(json::response(StatusCode::OK, &Entries { entries, next }))
    }

    /// `GET /files/{file}/downloads`.
    pub(crate) async fn file_downloads(
        &self,
        head: &request::Parts,
        segment: &str,
        query: &str,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.permitted(&head.headers, Action::List).await?;
        let (after, limit) = page(query, |cursor| cursor.parse().ok())?;
        let file = id_of(segment).ok_or(ErrorKind::FileNotFound)?;
        let found = self.consign.downloads_of_file(&actor, file, after, limit);
        let found = found.await?;
        self.downloads(&actor, &found).await
    }

    /// `GET /links/{link}/downloads`.
    pub(crate) async fn link_downloads(
        &self,
        head: &request::Parts,
        segment: &str,
        query: &str,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.permitted(&head.headers, Action::ManageLinks).await?;
        let (after, limit) = page(query, |cursor| cursor.parse().ok())?;
        let link = id_of(segment).ok_or(ErrorKind::LinkNotFound)?;
        let found = self.consign.downloads_of_link(&actor, link, after, limit);
        let found = found.await?;
        self.downloads(&actor, &found).await
    }

    async fn downloads(&self, actor: &Actor, found: &Downloads) -> Result<Response<Body>, Failure> {
        let mut names = Names::new();
        let mut downloads = Vec::with_capacity(found.page.items.len());
        for entry in &found.page.items {
            if let EventKind::Download(download) = &entry.event.kind {
                let username = self.name_of(actor, entry.event.by, &mut names).await?;
                downloads.push(download_object(entry, download, username));
            }
        }
        let list = DownloadList {
            downloads,
            completed: found.sum.completed > 0,
            total: found.sum,
            next: found.page.next.map(|position| position.to_string()),
        };
        Ok(json::response(StatusCode::OK, &list))
    }

    /// `GET /downloads/{download}/receipt`.
    pub(crate) async fn receipt(
        &self,
        head: &request::Parts,
        segment: &str,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.actor(&head.headers).await?;
        let position = id_of(segment).ok_or(ErrorKind::DownloadNotFound)?;
        let issuer = self.public_url.to_string();
        let receipt = self.consign.receipt(&actor, position, &issuer).await?;
        Ok(json::response(StatusCode::OK, &receipt))
    }

    /// `GET /evidence-key`.
    pub(crate) fn evidence_key(&self) -> Result<Response<Body>, Failure> {
        let keys = self.consign.evidence_keys()?;
        let mut keys = keys.into_iter().map(|key| KeyObject {
            id: key.id(),
            algorithm: "Ed25519",
            key,
        });
        let current = keys.next().ok_or(ErrorKind::NoEvidence)?;
        let retired = keys.collect();
        Ok(json::response(StatusCode::OK, &Keys { current, retired }))
    }

    /// What the user is called who made something happen, if one did, and is still there.
    async fn name_of(
        &self,
        actor: &Actor,
        by: Author,
        names: &mut Names,
    ) -> Result<Option<Username>, Failure> {
        let Author::User(id) = by else {
            return Ok(None);
        };
        if id == actor.user().id {
            return Ok(Some(actor.user().username.clone()));
        }
        if let Some(name) = names.get(&id) {
            return Ok(name.clone());
        }
        let name = match self.consign.user(actor, id).await {
            Ok(user) => Some(user.username),
            Err(error) if error.kind() == ErrorKind::UserNotFound => None,
            Err(error) => return Err(error.into()),
        };
        names.insert(id, name.clone());
        Ok(name)
    }
}

fn download_object<'d>(
    entry: &'d Recorded,
    download: &'d Download,
    username: Option<Username>,
) -> DownloadObject<'d> {
    let by = download.by_lease.as_ref();
    DownloadObject {
        id: entry.seq,
        at: rfc3339(entry.event.at),
        file: DownloadedFile {
            id: download.file,
            filename: &download.name,
            size: download.size,
            sha256: download.sha256,
        },
        username,
        link: by.map(|by| by.link.to_string()),
        lease: by.map(|by| by.lease.to_string()),
        recipient: by.and_then(|by| by.recipient.as_ref().map(ToString::to_string)),
        transfers: &download.transfers,
    }
}
