//! Managed links, for whoever holds them.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use reqwest::{Method, RequestBuilder, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256 as Hasher};
use url::Url;

use crate::{
    Client, Error, IdempotencyKey, Sha256,
    transport::{Repeat, keyed},
};

/// The URL of a managed link, which is a secret.
#[derive(Clone, Eq, PartialEq)]
pub struct LinkUrl {
    url: Url,
    server: Url,
}

/// A text that is no managed link.
#[derive(Debug, thiserror::Error)]
#[error("not a link: https://…/l/… is one")]
pub struct NotALink;

/// What a link tells before it is opened.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Described {
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it asks for a password.
    pub password_required: bool,
    /// Whether it asks who one is.
    pub recipient_required: bool,
    /// What it hands over, where nothing is asked for.
    pub files: Option<Vec<Shared>>,
}

/// A file as it is handed over.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Shared {
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
}

/// What shows that one may open a link.
#[derive(Clone, Default, Serialize)]
pub struct Proof {
    /// What the link asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// What was mailed to the recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whether the token is shown: it is the recipient's.
    #[serde(skip)]
    pub token: bool,
}

/// A link that was opened: what it hands over can be fetched as often as it takes until it ends.
#[derive(Clone, Deserialize, Serialize)]
pub struct Lease {
    /// Whoever has it has the files.
    pub download_url: Url,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it opens.
    pub files: Vec<Shared>,
}

impl LinkUrl {
    /// The server that the link is of.
    pub fn server(&self) -> &Url {
        &self.server
    }

    /// Names the link without telling it.
    pub fn digest(&self) -> Sha256 {
        Sha256::new(Hasher::digest(self.url.as_str()).into())
    }

    /// The link itself.
    pub fn reveal(&self) -> &Url {
        &self.url
    }
}

impl FromStr for LinkUrl {
    type Err = NotALink;

    fn from_str(text: &str) -> Result<Self, NotALink> {
        let mut url: Url = text.trim().parse().map_err(|_| NotALink)?;
        url.set_fragment(None);
        url.set_query(None);
        let mut server = url.clone();
        let (rest, secret) = url.path().rsplit_once('/').ok_or(NotALink)?;
        let base = rest.strip_suffix("/l").ok_or(NotALink)?;
        let web = matches!(url.scheme(), "http" | "https");
        if secret.is_empty() || !web || !url.has_host() {
            return Err(NotALink);
        }
        server.set_path(&format!("{base}/"));
        Ok(Self { url, server })
    }
}

impl fmt::Debug for LinkUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkUrl({}l/…)", self.server)
    }
}

impl Lease {
    /// Where one of its files is fetched.
    pub fn url_of(&self, file: &Shared) -> Url {
        let mut url = self.download_url.clone();
        if self.files.len() > 1 {
            url.query_pairs_mut().append_pair("file", &file.id);
        }
        url
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lease = f.debug_struct("Lease");
        lease.field("expires_at", &self.expires_at);
        lease.field("files", &self.files).finish_non_exhaustive()
    }
}

impl Client {
    /// What a link is. Nothing is counted.
    pub async fn describe(&self, link: &LinkUrl) -> Result<Described, Error> {
        let request = || self.anonymous(Method::GET, link);
        self.ask(Repeat::Always, request).await
    }

    /// Opens a link, which counts as one download, and as none more by the same key.
    pub async fn open(
        &self,
        link: &LinkUrl,
        proof: &Proof,
        key: &IdempotencyKey,
    ) -> Result<Lease, Error> {
        let request = || {
            let request = if proof.token {
                self.request(Method::POST, link.reveal().clone())
            } else {
                self.anonymous(Method::POST, link)
            };
            keyed(request, key).json(proof)
        };
        self.ask(Repeat::Always, request).await
    }

    fn anonymous(&self, method: Method, link: &LinkUrl) -> RequestBuilder {
        let request = self.http.request(method, link.reveal().clone());
        request.header(header::ACCEPT, "application/json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_name_their_server() {
        for (text, server) in [
            ("https://a.example/l/secret", "https://a.example/"),
            (
                " http://a.example:5000/files/l/secret#x\n",
                "http://a.example:5000/files/",
            ),
        ] {
            let link: LinkUrl = text.parse().unwrap();
            assert_eq!(link.server().as_str(), server);
            assert!(link.reveal().as_str().ends_with("/l/secret"));
            assert!(!format!("{link:?}").contains("secret"));
        }
    }

    #[test]
    fn what_is_no_link_is_refused() {
        for text in [
            "",
            "report.docx",
            "https://a.example/",
            "https://a.example/l/",
            "https://a.example/xl/secret",
            "https://a.example/download_file/secret",
            "file:///l/secret",
            "ftp://a.example/l/secret",
        ] {
            assert!(text.parse::<LinkUrl>().is_err(), "{text}");
        }
    }
}
