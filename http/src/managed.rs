//! `/links` and what is below it: managed links, as their makers see them.

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use consign_core::{
    Actor, ErrorKind, LinkChanges, LinkRequest,
    file::FileName,
    id::{FileId, LinkId},
    link::{Edit, ManagedLink, Note},
    password::Password,
    policy::Action,
    user::Email,
};
use http::{HeaderMap, Method, Response, StatusCode, request};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    api::Inner,
    body::Body,
    files::{rfc3339, text},
    json,
    openapi::{Id, Time},
    paging::page,
    problem::{Failure, Problem},
    request::RequestBody,
    route::id_of,
};

/// Where a link's secret stands behind in its URL.
pub(crate) const OPEN: &str = "/l/";

/// A link as its maker sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Link)]
pub(crate) struct LinkObject {
    #[serde(serialize_with = "text")]
    #[schema(value_type = Id)]
    id: LinkId,
    /// Told once, for only a digest of it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uri", required = false)]
    url: Option<String>,
    files: Vec<LinkedFile>,
    #[schema(value_type = Time)]
    made_at: String,
    #[schema(value_type = Time)]
    expires_at: String,
    /// How many leases can be opened; null for any number.
    #[schema(value_type = Option<u32>, minimum = 1, required)]
    max_downloads: Option<NonZeroU32>,
    /// How many were.
    downloads: u32,
    has_password: bool,
    /// The address of whom it is for; null for anybody.
    #[schema(required)]
    recipient: Option<String>,
    /// For the maker alone.
    #[schema(required)]
    note: Option<String>,
    revoked: bool,
}

/// What a link hands over; `filename` is null where that is gone, or not for its maker any more.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkedFile {
    #[serde(serialize_with = "text")]
    #[schema(value_type = Id)]
    id: FileId,
    #[schema(value_type = Option<String>, required)]
    filename: Option<FileName>,
}

/// What was looked up for one answer.
type Names = HashMap<FileId, Option<FileName>>;

#[derive(Serialize, ToSchema)]
pub(crate) struct Links {
    links: Vec<LinkObject>,
    /// The `cursor` of the next page; null where this is the last.
    #[schema(required)]
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct OneLink {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    msg: Option<&'static str>,
    link: LinkObject,
}

impl Inner {
    /// `GET` and `POST /links`.
    pub(crate) async fn links(
        &self,
        head: &request::Parts,
        query: &str,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.permitted(&head.headers, Action::ManageLinks).await?;
        if head.method == Method::POST {
            let key = json::idempotency_key(&head.headers)?;
            let request = Properties::read(&head.headers, body).await?.request()?;
            let request = LinkRequest { key, ..request };
            let new = self.consign.make_link(&actor, request).await?;
            let mut names = Names::new();
            let mut link = self.link_object(&actor, &new.link, &mut names).await?;
            link.url = Some(self.public_url.join(OPEN, &new.secret.expose()));
            let msg = Some("Link created");
            return Ok(json::response(StatusCode::CREATED, &OneLink { msg, link }));
        }
        let (before, limit) = page(query, |cursor| cursor.parse().ok())?;
        let page = self.consign.links(&actor, before, limit).await?;
        let mut links = Vec::with_capacity(page.items.len());
        let mut names = Names::new();
        for link in &page.items {
            links.push(self.link_object(&actor, link, &mut names).await?);
            // Each can be of a hundred files, which are looked up where this runs.
            tokio::task::yield_now().await;
        }
        let next = page.next.map(|id| id.to_string());
        Ok(json::response(StatusCode::OK, &Links { links, next }))
    }

    /// `GET`, `PATCH` and `DELETE /links/{link}`.
    pub(crate) async fn managed_link(
        &self,
        head: &request::Parts,
        segment: &str,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.permitted(&head.headers, Action::ManageLinks).await?;
        let id = || id_of(segment).ok_or(ErrorKind::LinkNotFound);
        let (msg, link) = match head.method {
            Method::PATCH => {
                let changes = Properties::read(&head.headers, body).await?.changes()?;
                let link = self.consign.edit_link(&actor, id()?, changes).await?;
                (Some("Link updated"), link)
            }
            Method::DELETE => {
                let link = self.consign.revoke_link(&actor, id()?).await?;
                (Some("Link revoked"), link)
            }
            _ => (None, self.consign.managed_link(&actor, id()?).await?),
        };
        let link = self.link_object(&actor, &link, &mut Names::new()).await?;
        Ok(json::response(StatusCode::OK, &OneLink { msg, link }))
    }

    async fn link_object(
        &self,
        actor: &Actor,
        link: &ManagedLink,
        names: &mut Names,
    ) -> Result<LinkObject, Failure> {
        let mut files = Vec::with_capacity(link.files.len());
        for id in &*link.files {
            let filename = match names.get(id) {
                Some(known) => known.clone(),
                None => {
                    let name = match self.consign.file(actor, *id).await {
                        Ok(file) => Some(file.entry.name),
                        Err(error) if error.kind() == ErrorKind::FileNotFound => None,
                        Err(error) => return Err(error.into()),
                    };
                    names.insert(*id, name.clone());
                    name
                }
            };
            files.push(LinkedFile { id: *id, filename });
        }
        Ok(LinkObject {
            id: link.id,
            url: None,
            files,
            made_at: rfc3339(link.made_at),
            expires_at: rfc3339(link.expires_at),
            max_downloads: link.max_downloads,
            downloads: link.downloads,
            has_password: link.password.is_some(),
            recipient: link.recipient.as_ref().map(ToString::to_string),
            note: link.note.as_ref().map(|note| note.as_str().to_owned()),
            revoked: link.revoked_at.is_some(),
        })
    }
}

/// What a new link is to be.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "it is taken apart by hand, so that what is wrong is named"
)]
pub(crate) struct NewLink {
    /// Ids, or names, of which the newest file counts that its maker sees; each once.
    #[schema(min_items = 1, max_items = 100)]
    files: Vec<String>,
    /// Seconds from now on; a week, or the most where that is less, unless given.
    #[schema(value_type = u64, required = false, minimum = 1)]
    expires_in: Option<u64>,
    /// How many leases can be opened; null for any number.
    #[schema(minimum = 1, maximum = 4294967295u32)]
    max_downloads: Option<u32>,
    /// Asked for before anything is told; null for none.
    #[schema(format = Password, max_length = 1024)]
    password: Option<String>,
    /// The address of whom it is for; null for anybody.
    #[schema(format = Email, max_length = 254)]
    recipient: Option<String>,
    /// For the maker alone. No control characters but line feeds.
    #[schema(max_length = 1000, pattern = "a note")]
    note: Option<String>,
}

/// What can be changed of a link: what is not given stays.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
pub(crate) struct LinkEdits {
    /// Seconds from now on.
    #[schema(value_type = u64, required = false, minimum = 1)]
    expires_in: Option<u64>,
    /// How many leases can be opened; null for any number.
    #[schema(minimum = 1, maximum = 4294967295u32)]
    max_downloads: Option<u32>,
    /// Asked for before anything is told; null for none.
    #[schema(format = Password, max_length = 1024)]
    password: Option<String>,
    /// The address of whom it is for; null for anybody.
    #[schema(format = Email, max_length = 254)]
    recipient: Option<String>,
    /// For the maker alone. No control characters but line feeds.
    #[schema(max_length = 1000, pattern = "a note")]
    note: Option<String>,
}

/// What a request says of a link, taken out property by property, so that what is wrong is named. One that
/// nobody asks for is refused: a misspelt bound would be none.
struct Properties(Map<String, Value>);

impl Properties {
    async fn read(headers: &HeaderMap, body: &mut RequestBody) -> Result<Self, Failure> {
        Ok(Self(json::read(headers, body).await?))
    }

    fn request(mut self) -> Result<LinkRequest, Failure> {
        let files = match self.0.remove("files") {
            None | Some(Value::Null) => {
                let missing = "Missing required parameters: files is required.";
                return Err(Failure::bad_request(missing));
            }
            Some(Value::Array(files)) => files.into_iter().map(a_text).collect(),
            Some(_) => None,
        };
        let files: Option<Vec<_>> = files;
        let request = LinkRequest {
            files: files.ok_or_else(|| wrong("files: a list of ids or names is taken"))?,
            expires_in: self.lifetime()?.map(Some).or(None),
            max_downloads: self.budget()?.or(None),
            password: self.password()?.or(None),
            recipient: self.recipient()?.or(None),
            note: self.note()?.or(None),
            key: None,
        };
        self.nothing_else(request)
    }

    fn changes(mut self) -> Result<LinkChanges, Failure> {
        let changes = LinkChanges {
            expires_in: self.lifetime()?,
            max_downloads: self.budget()?,
            password: self.password()?,
            recipient: self.recipient()?,
            note: self.note()?,
        };
        if self.0.contains_key("files") {
            return Err(wrong("files: what a link hands over stays as it is"));
        }
        self.nothing_else(changes)
    }

    fn nothing_else<T>(self, value: T) -> Result<T, Failure> {
        match self.0.keys().next() {
            Some(name) => {
                let name: String = name.chars().take(100).collect();
                Err(wrong(&format!("{name:?}: a link has no such property")))
            }
            None => Ok(value),
        }
    }

    fn lifetime(&mut self) -> Result<Edit<Duration>, Failure> {
        match self.0.remove("expires_in") {
            None => Ok(Edit::Keep),
            Some(value) => match json::whole(&value) {
                Some(secs) => Ok(Edit::Set(Duration::from_secs(secs))),
                None => Err(wrong("expires_in: a number of whole seconds is taken")),
            },
        }
    }

    fn budget(&mut self) -> Result<Edit<Option<NonZeroU32>>, Failure> {
        let budget = |value: Value| {
            let number = json::whole(&value).and_then(|number| u32::try_from(number).ok());
            number.and_then(NonZeroU32::new)
        };
        let what = "a number from 1 to 4294967295, or null for any number of downloads, is taken";
        self.nullable("max_downloads", budget, what)
    }

    fn password(&mut self) -> Result<Edit<Option<Password>>, Failure> {
        let password = |value| a_text(value).map(Password::new);
        self.nullable("password", password, "a text, or null for none, is taken")
    }

    fn recipient(&mut self) -> Result<Edit<Option<Email>>, Failure> {
        let email = |value| Email::try_from(a_text(value)?).ok();
        let what = "an e-mail address, or null for anybody, is taken";
        self.nullable("recipient", email, what)
    }

    fn note(&mut self) -> Result<Edit<Option<Note>>, Failure> {
        let note = |value| Note::try_from(a_text(value)?).ok();
        let what = "a text of at most 1000 characters, or null for none, is taken";
        self.nullable("note", note, what)
    }

    /// A property that can be null, if it is there.
    fn nullable<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Option<T>,
        what: &str,
    ) -> Result<Edit<Option<T>>, Failure> {
        match self.0.remove(name) {
            None => Ok(Edit::Keep),
            Some(Value::Null) => Ok(Edit::Set(None)),
            Some(value) => match read(value) {
                Some(read) => Ok(Edit::Set(Some(read))),
                None => Err(wrong(&format!("{name}: {what}"))),
            },
        }
    }
}

fn a_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn wrong(detail: &str) -> Failure {
    let problem = Problem::new(StatusCode::BAD_REQUEST, "Invalid link");
    problem.with_detail(detail).into()
}
