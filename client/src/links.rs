//! Managed links, as their makers see them.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    Client, Downloads, Error, IdempotencyKey, LinkedFile, Page,
    transport::{Repeat, keyed},
};

/// A managed link.
#[derive(Clone, Deserialize, Serialize)]
pub struct Link {
    /// Its id, which is not its secret.
    pub id: String,
    /// What to hand on; told when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it hands over.
    pub files: Vec<LinkedFile>,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// How often it opens.
    pub max_downloads: Option<u32>,
    /// How often it was opened.
    pub downloads: u32,
    /// Whether it asks for a password.
    pub has_password: bool,
    /// Whom it is for.
    pub recipient: Option<String>,
    /// For its maker alone.
    pub note: Option<String>,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// A link that is to be.
#[derive(Clone, Serialize)]
pub struct NewLink {
    /// Ids or names.
    pub files: Vec<String>,
    /// When it ends; the server's usual time where it is not said.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secs")]
    pub expires_in: Option<Duration>,
    /// How often it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<u32>,
    /// What it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// For its maker alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Has it be one link however often it is asked for.
    #[serde(skip)]
    pub key: IdempotencyKey,
}

/// What is to be another of a link. `None` stays as it is, `Some(None)` goes.
#[derive(Clone, Default, Serialize)]
pub struct LinkChanges {
    /// When it ends, from now on.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secs")]
    pub expires_in: Option<Duration>,
    /// How often it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<Option<u32>>,
    /// What it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Option<String>>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Option<String>>,
    /// For its maker alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Option<String>>,
}

#[derive(Deserialize)]
struct Links {
    links: Vec<Link>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct OneLink {
    link: Link,
}

impl NewLink {
    /// A link to these files, by their ids or names.
    pub fn to(files: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            files: files.into_iter().map(Into::into).collect(),
            expires_in: None,
            max_downloads: None,
            password: None,
            recipient: None,
            note: None,
            key: IdempotencyKey::random(),
        }
    }
}

impl Client {
    /// Makes a link.
    pub async fn make_link(&self, link: &NewLink) -> Result<Link, Error> {
        let url = self.url(&["links"]);
        let request = || keyed(self.request(Method::POST, url.clone()), &link.key).json(link);
        let one: OneLink = self.ask(Repeat::Always, request).await?;
        Ok(one.link)
    }

    /// One's own links, newest first.
    pub async fn links(&self, cursor: Option<&str>) -> Result<Page<Link>, Error> {
        let Links { links, next } = self.page(self.url(&["links"]), cursor).await?;
        Ok(Page { items: links, next })
    }

    /// A link of one's own.
    pub async fn link(&self, id: &str) -> Result<Link, Error> {
        let url = self.url(&["links", id]);
        let one: OneLink = self
            .ask(Repeat::Always, || self.request(Method::GET, url.clone()))
            .await?;
        Ok(one.link)
    }

    /// Changes a link of one's own, from the next request on.
    pub async fn edit_link(&self, id: &str, changes: &LinkChanges) -> Result<Link, Error> {
        let url = self.url(&["links", id]);
        let request = || self.request(Method::PATCH, url.clone()).json(changes);
        let one: OneLink = self.ask(Repeat::Always, request).await?;
        Ok(one.link)
    }

    /// Takes a link back, for ever, with the downloads by it.
    pub async fn revoke_link(&self, id: &str) -> Result<Link, Error> {
        let url = self.url(&["links", id]);
        // A link that was revoked before is revoked.
        let request = || self.request(Method::DELETE, url.clone());
        let one: OneLink = self.ask(Repeat::Always, request).await?;
        Ok(one.link)
    }

    /// Who downloaded by a link.
    pub async fn link_downloads(&self, id: &str, cursor: Option<&str>) -> Result<Downloads, Error> {
        self.page(self.url(&["links", id, "downloads"]), cursor)
            .await
    }
}

fn secs<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs()).serialize(serializer)
}
