//! The client, and how it is set up.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use reqwest::{Certificate, redirect};
use url::{Host, Url};

use crate::{Backoff, Error, Token};

/// A client of one server. Clones share its connections and its token.
#[derive(Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    /// Its path ends with a slash.
    base: Url,
    token: Arc<RwLock<Option<Token>>>,
    pub(crate) idle: Duration,
    pub(crate) backoff: Backoff,
    insecure_http: bool,
}

impl Client {
    /// A client of the server at this URL, which trusts whom the system trusts.
    pub fn new(base: Url) -> Result<Self, Error> {
        Self::builder(base).build()
    }

    /// A client of the server at this URL that is to be set up.
    pub fn builder(base: Url) -> ClientBuilder {
        ClientBuilder {
            base,
            token: None,
            certificates: Vec::new(),
            user_agent: concat!("consign-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect: Duration::from_secs(15),
            idle: Duration::from_secs(60),
            backoff: Backoff::default(),
            insecure_http: false,
        }
    }

    /// Where the server is. The path ends with a slash.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The token that goes with each call.
    pub fn token(&self) -> Option<Token> {
        self.token
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Has this token go with each call from now on, or none.
    pub fn set_token(&self, token: Option<Token>) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// The URL below the server's of these segments, which are encoded.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Checks that what is sent there is not for everybody on the way.
    pub(crate) fn is_safe(&self, url: &Url) -> Result<(), Error> {
        let server = || url.origin().ascii_serialization();
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.insecure_http || is_loopback(url) => Ok(()),
            "http" => Err(Error::Insecure { server: server() }),
            _ => Err(Error::Url),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut client = f.debug_struct("Client");
        client.field("base", &self.base.as_str());
        client.field("token", &self.token()).finish_non_exhaustive()
    }
}

/// How a [`Client`] is set up.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    base: Url,
    token: Option<Token>,
    certificates: Vec<Certificate>,
    user_agent: String,
    connect: Duration,
    idle: Duration,
    backoff: Backoff,
    insecure_http: bool,
}

impl ClientBuilder {
    /// The token that goes with each call.
    pub fn token(mut self, token: Option<Token>) -> Self {
        self.token = token;
        self
    }

    /// Trusts these certificates (PEM) as well as those that the system trusts.
    pub fn certificates(mut self, pem: &[u8]) -> Result<Self, Error> {
        let certificates =
            Certificate::from_pem_bundle(pem).map_err(|error| Error::Certificate(error.into()))?;
        if certificates.is_empty() {
            return Err(Error::Certificate("there is none in the file".into()));
        }
        self.certificates.extend(certificates);
        Ok(self)
    }

    /// What the client calls itself.
    pub fn user_agent(mut self, text: impl Into<String>) -> Self {
        self.user_agent = text.into();
        self
    }

    /// How long a connection may take. Unless set, 15 seconds.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect = time;
        self
    }

    /// How long there may be no byte in either direction. Unless set, a minute.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// When requests are sent again.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Takes plain `http` to other machines as well: whoever is on the way can read all of it.
    pub fn insecure_http(mut self, taken: bool) -> Self {
        self.insecure_http = taken;
        self
    }

    /// The client.
    pub fn build(self) -> Result<Client, Error> {
        let mut base = self.base;
        if base.cannot_be_a_base() || !base.has_host() {
            return Err(Error::Url);
        }
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let http = || {
            reqwest::Client::builder()
                .user_agent(&self.user_agent)
                .connect_timeout(self.connect)
                .redirect(redirect::Policy::none())
                .referer(false)
        };
        let merged = http().tls_certs_merge(self.certificates.clone()).build();
        // A system that trusts nobody still reaches itself.
        let http = merged.or_else(|error| match base.scheme() {
            "http" => http().tls_certs_only(self.certificates).build(),
            _ => Err(error),
        });
        let http = http.map_err(|error| Error::Certificate(error.without_url().into()))?;
        let client = Client {
            http,
            base,
            token: Arc::new(RwLock::new(self.token)),
            idle: self.idle,
            backoff: self.backoff,
            insecure_http: self.insecure_http,
        };
        client.is_safe(&client.base)?;
        Ok(client)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // RFC 6761, section 6.3.
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(base: &str) -> Result<Client, Error> {
        Client::new(base.parse().unwrap())
    }

    #[test]
    fn plain_http_stays_on_the_machine() {
        for base in [
            "http://127.0.0.1:5000",
            "http://[::1]",
            "http://localhost:1",
            "https://a.example",
        ] {
            client(base).unwrap();
        }
        for base in [
            "http://a.example",
            "http://192.168.0.1:5000",
            "http://127.0.0.1.a.example",
        ] {
            let refused = client(base).unwrap_err();
            assert!(
                matches!(refused, Error::Insecure { .. }),
                "{base}: {refused}"
            );
            let builder = Client::builder(base.parse().unwrap());
            builder.insecure_http(true).build().unwrap();
        }
        for base in ["ftp://a.example", "data:,x", "file:///etc"] {
            assert!(matches!(client(base), Err(Error::Url)), "{base}");
        }
    }

    #[test]
    fn urls_are_below_the_base() {
        let client = client("https://a.example/files?x#y").unwrap();
        assert_eq!(client.base().as_str(), "https://a.example/files/");
        let url = client.url(&["generate_download_url", "a/b ?.docx"]);
        let expected = "https://a.example/files/generate_download_url/a%2Fb%20%3F.docx";
        assert_eq!(url.as_str(), expected);
    }

    #[test]
    fn a_token_is_not_shown() {
        let client = Client::builder("https://a.example".parse().unwrap());
        let client = client.token(Some(Token::new("secret")));
        assert!(!format!("{client:?}").contains("secret"));
        assert!(!format!("{:?}", client.build().unwrap()).contains("secret"));
    }
}
