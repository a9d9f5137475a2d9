//! Files, whom they are for, and who downloaded them.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};
use url::Url;

use crate::{Client, Error, Sha256, accounts::Done, transport::Repeat};

/// A file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct File {
    /// Its id.
    pub id: String,
    /// Its name.
    pub filename: String,
    /// Bytes.
    pub size: u64,
    /// Its media type.
    pub content_type: String,
    /// What its bytes are.
    pub sha256: Sha256,
    /// When it came.
    pub uploaded_at: Timestamp,
    /// Who uploaded it.
    pub uploaded_by: String,
    /// From when on it is not there any more.
    pub expires_at: Option<Timestamp>,
    /// Whom it is for; operations users alone are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
}

/// Whom a file is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Audience {
    /// Every client.
    Everybody,
    /// Nobody yet.
    Nobody,
    /// Some of them.
    These {
        /// Usernames.
        users: Vec<String>,
        /// Groups' ids.
        groups: Vec<String>,
    },
}

#[derive(Deserialize, Serialize)]
struct These {
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
}

/// What is to be another of a file.
#[derive(Clone, Debug, Default)]
pub struct FileChanges {
    /// Whom it is for.
    pub audience: Option<Audience>,
    /// When it ends, from now on; `Some(None)` is never.
    pub expires_in: Option<Option<Duration>>,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it; it can be little or nothing though there is more.
    pub items: Vec<T>,
    /// Where the list goes on.
    pub next: Option<String>,
}

/// A link of a client's to a file, which is signed, and soon at its end.
#[derive(Clone, Deserialize)]
pub struct FileUrl {
    /// Whoever has it has the file.
    pub download_url: Url,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A group of clients.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Who downloaded a file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Downloads {
    /// What each had at a time, oldest first.
    pub downloads: Vec<Download>,
    /// Whether anybody had all of it.
    pub completed: bool,
    /// Of all, whatever is on the page.
    pub total: Total,
    /// Where the list goes on.
    pub next: Option<String>,
}

/// What one credential had within about a second.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Download {
    /// Its id, by which there is a receipt.
    pub id: u64,
    /// When it began.
    pub at: Timestamp,
    /// Of what.
    pub file: DownloadedFile,
    /// Whose download link it was.
    pub username: Option<String>,
    /// Which managed link it was.
    pub link: Option<String>,
    /// Which opening of the link.
    pub lease: Option<String>,
    /// Who had proved to be the recipient.
    pub recipient: Option<String>,
    /// How often it began.
    pub started: u64,
    /// How often all of it was handed out.
    pub completed: u64,
    /// What was handed out.
    pub bytes: u64,
}

/// A file as it was downloaded.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct DownloadedFile {
    /// Its id.
    pub id: String,
    /// Its name.
    pub filename: String,
    /// Bytes.
    pub size: u64,
    /// What its bytes are.
    pub sha256: Sha256,
}

/// Sums of downloads.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Total {
    /// How often one began.
    pub started: u64,
    /// How often one came to its end.
    pub completed: u64,
    /// What was handed out.
    pub bytes: u64,
}

/// A file that a link hands over.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct LinkedFile {
    /// Its id.
    pub id: String,
    /// Its name; `None` where it is gone.
    pub filename: Option<String>,
}

#[derive(Deserialize)]
struct Files {
    files: Vec<File>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
    next: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct OneFile {
    pub(crate) file: File,
}

impl Client {
    /// The files that are there, newest first: those whose name contains `search`, or all.
    pub async fn files(
        &self,
        search: Option<&str>,
        cursor: Option<&str>,
    ) -> Result<Page<File>, Error> {
        let mut url = self.url(&["files"]);
        if let Some(search) = search {
            url.query_pairs_mut().append_pair("search", search);
        }
        let Files { files, next } = self.page(url, cursor).await?;
        Ok(Page { items: files, next })
    }

    /// A file, by its id.
    pub async fn file(&self, id: &str) -> Result<File, Error> {
        let url = self.url(&["files", id]);
        let one: OneFile = self
            .ask(Repeat::Always, || self.request(Method::GET, url.clone()))
            .await?;
        Ok(one.file)
    }

    /// A file, by its id, or the newest of a name.
    pub async fn find(&self, id_or_name: &str) -> Result<File, Error> {
        let missing = match self.file(id_or_name).await {
            Err(error) if error.problem().is_some_and(|problem| problem.status == 404) => error,
            found => return found,
        };
        let mut cursor = None;
        loop {
            let page = self.files(Some(id_or_name), cursor.as_deref()).await?;
            let mut files = page.items.into_iter();
            if let Some(file) = files.find(|file| file.filename == id_or_name) {
                return Ok(file);
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Err(missing),
            }
        }
    }

    /// Changes whom a file is for, or when it ends.
    pub async fn edit_file(&self, id: &str, changes: &FileChanges) -> Result<File, Error> {
        let url = self.url(&["files", id]);
        let mut fields = Map::new();
        if let Some(audience) = &changes.audience {
            fields.insert(
                "audience".to_owned(),
                serde_json::to_value(audience).unwrap_or_default(),
            );
        }
        if let Some(expires_in) = changes.expires_in {
            let secs = expires_in.map_or(Value::Null, |time| time.as_secs().into());
            fields.insert("expires_in".to_owned(), secs);
        }
        let request = || self.request(Method::PATCH, url.clone()).json(&fields);
        let one: OneFile = self.ask(Repeat::Always, request).await?;
        Ok(one.file)
    }

    /// Removes a file, by its id. For a while it can be had back.
    pub async fn remove_file(&self, id: &str) -> Result<File, Error> {
        let url = self.url(&["files", id]);
        let request = || self.request(Method::DELETE, url.clone());
        let one: OneFile = self.ask(Repeat::Undone, request).await?;
        Ok(one.file)
    }

    /// A link to a file, by its id or name, for the client who is signed in.
    pub async fn file_url(&self, id_or_name: &str) -> Result<FileUrl, Error> {
        let url = self.url(&["generate_download_url", id_or_name]);
        self.ask(Repeat::Always, || self.request(Method::GET, url.clone()))
            .await
    }

    /// Who downloaded a file, by its id.
    pub async fn file_downloads(&self, id: &str, cursor: Option<&str>) -> Result<Downloads, Error> {
        self.page(self.url(&["files", id, "downloads"]), cursor)
            .await
    }

    /// The groups, in the order of their names.
    pub async fn groups(&self, cursor: Option<&str>) -> Result<Page<Group>, Error> {
        let Groups { groups, next } = self.page(self.url(&["groups"]), cursor).await?;
        Ok(Page {
            items: groups,
            next,
        })
    }

    /// Whether the server serves.
    pub async fn check(&self) -> Result<(), Error> {
        let url = self.url(&["healthz"]);
        let Done {} = self
            .ask(Repeat::Always, || self.request(Method::GET, url.clone()))
            .await?;
        Ok(())
    }

    pub(crate) async fn page<T: de::DeserializeOwned>(
        &self,
        mut url: Url,
        cursor: Option<&str>,
    ) -> Result<T, Error> {
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        self.ask(Repeat::Always, || self.request(Method::GET, url.clone()))
            .await
    }
}

impl Audience {
    /// As it is said in a query.
    pub(crate) fn tags(&self) -> Vec<String> {
        match self {
            Self::Everybody => vec!["everybody".to_owned()],
            Self::Nobody => vec!["nobody".to_owned()],
            Self::These { users, groups } => {
                let users = users.iter().map(|user| format!("user:{user}"));
                users
                    .chain(groups.iter().map(|group| format!("group:{group}")))
                    .collect()
            }
        }
    }
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Everybody => serializer.serialize_str("everybody"),
            Self::Nobody => serializer.serialize_str("nobody"),
            Self::These { users, groups } => {
                let (users, groups) = (users.clone(), groups.clone());
                These { users, groups }.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Shape {
            Word(String),
            These(These),
        }
        match Shape::deserialize(deserializer)? {
            Shape::Word(word) if word == "everybody" => Ok(Self::Everybody),
            Shape::Word(word) if word == "nobody" => Ok(Self::Nobody),
            Shape::Word(_) => Err(de::Error::custom("an unknown audience")),
            Shape::These(These { users, groups }) => Ok(Self::These { users, groups }),
        }
    }
}
