//! Which mail server, how it is reached, and as whom.

use std::{fmt, net::IpAddr, str::FromStr};

use percent_encoding::percent_decode_str;
use url::{Host, Url};
use zeroize::Zeroizing;

/// The server that takes the mail: `smtp://host` for one on this machine, `smtp+starttls://host` with
/// STARTTLS (RFC 3207), `smtps://host` with TLS from the first byte (RFC 8314, section 3.3).
///
/// `user:password@` before the host signs in; characters of them that a URL gives a meaning to are
/// percent-encoded (RFC 3986, section 2.1). Without TLS that is refused, except to a host that is this
/// machine. The port is 25, 587 or 465 unless `:port` says otherwise. What is secret is never shown.
#[derive(Clone)]
pub struct Relay {
    pub(crate) security: Security,
    /// A name, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) login: Option<Login>,
}

/// How the connection is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    Plain,
    StartTls,
    Tls,
}

#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Zeroizing<String>,
}

impl Relay {
    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.security != Security::Plain
    }

    /// Whether it is signed in to, so that its URL holds a password.
    pub fn signs_in(&self) -> bool {
        self.login.is_some()
    }
}

impl FromStr for Relay {
    type Err = InvalidRelay;

    fn from_str(text: &str) -> Result<Self, InvalidRelay> {
        // The parser leaves line breaks and tabs out, and what is around a URL.
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(InvalidRelay(
                "there is a space or a control character in it",
            ));
        }
        let Some((scheme, _)) = text.split_once("://") else {
            return Err(InvalidRelay::SCHEME);
        };
        let (security, port) = match scheme {
            "smtp" => (Security::Plain, 25),
            "smtp+starttls" => (Security::StartTls, 587),
            "smtps" => (Security::Tls, 465),
            _ => return Err(InvalidRelay::SCHEME),
        };
        let url = Url::parse(text).map_err(|_| InvalidRelay::SHAPE)?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidRelay(
                "something follows the host; / ? # and @ in a password are written %2F %3F %23 %40",
            ));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) if is_name(name) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(InvalidRelay("its host is not a name or an address")),
        };
        let port = url.port().unwrap_or(port);
        if port == 0 {
            return Err(InvalidRelay("its port is not between 1 and 65535"));
        }
        let login = login(&url)?;
        if login.is_some() && security == Security::Plain && !is_loopback(&host) {
            return Err(InvalidRelay(
                "a password would go unencrypted to another machine: use smtps or smtp+starttls",
            ));
        }
        Ok(Self {
            security,
            host,
            port,
            login,
        })
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("security", &self.security)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("login", &self.login.as_ref().map(|_| "…"))
            .finish()
    }
}

/// The text does not name a mail server. It is not repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the URL of a mail server: {0}")]
pub struct InvalidRelay(&'static str);

impl InvalidRelay {
    const SCHEME: Self = Self("it begins with none of smtp://, smtp+starttls:// and smtps://");
    const SHAPE: Self = Self("it is not like smtps://user:password@mail.example.org:465");
}

fn login(url: &Url) -> Result<Option<Login>, InvalidRelay> {
    let decode = |text| -> Result<String, InvalidRelay> {
        let text = percent_decode_str(text).decode_utf8();
        let text = text.map_err(|_| InvalidRelay("its user or password is not UTF-8"))?;
        // RFC 4616, section 2: NUL ends them; RFC 8265, section 4: none of the others is in them.
        if text.chars().any(char::is_control) {
            return Err(InvalidRelay("its user or password has a control character"));
        }
        Ok(text.into_owned())
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err(InvalidRelay("it has a password and no user")),
        (_, None | Some("")) => Err(InvalidRelay("it has a user and no password")),
        (user, Some(password)) => Ok(Some(Login {
            user: decode(user)?,
            password: Zeroizing::new(decode(password)?),
        })),
    }
}

/// Letters, digits, hyphens and dots (RFC 1123, section 2.1), and underscores, as names within a
/// cluster have them.
fn is_name(text: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !text.is_empty() && text.chars().all(is_known)
}

/// RFC 6761, section 6.3: `localhost` is always this machine.
fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| {
        address.to_canonical().is_loopback()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Security, String, u16, Option<(String, String)>) {
        let relay: Relay = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        let login = relay.login;
        let login = login.map(|login| (login.user, login.password.to_string()));
        (relay.security, relay.host, relay.port, login)
    }

    #[test]
    fn relays() {
        let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for (text, security, host, port, login) in [
            ("smtp://localhost", Security::Plain, "localhost", 25, None),
            (
                "smtp://relay.lan:2525/",
                Security::Plain,
                "relay.lan",
                2525,
                None,
            ),
            ("smtp://[::1]", Security::Plain, "::1", 25, None),
            (
                "smtp://a:b@[::1]",
                Security::Plain,
                "::1",
                25,
                login("a", "b"),
            ),
            (
                "smtp://a:b@127.0.0.9",
                Security::Plain,
                "127.0.0.9",
                25,
                login("a", "b"),
            ),
            (
                "smtp://a:b@LOCALHOST",
                Security::Plain,
                "LOCALHOST",
                25,
                login("a", "b"),
            ),
            (
                "smtp+starttls://mail.example.org",
                Security::StartTls,
                "mail.example.org",
                587,
                None,
            ),
            (
                "smtps://ann%40example.org:p%3A%2F%25@mail.example.org:25",
                Security::Tls,
                "mail.example.org",
                25,
                login("ann@example.org", "p:/%"),
            ),
            (
                "smtps://ann:a:b@mail.example.org",
                Security::Tls,
                "mail.example.org",
                465,
                login("ann", "a:b"),
            ),
            (
                "smtps://ann:p%C3%A4ss@192.0.2.1",
                Security::Tls,
                "192.0.2.1",
                465,
                login("ann", "päss"),
            ),
        ] {
            assert_eq!(
                parts(text),
                (security, host.to_owned(), port, login),
                "{text}"
            );
        }
    }

    #[test]
    fn bad_ones_are_refused_without_a_word_of_them() {
        for text in [
            "",
            "secret",
            "mail.example.org",
            "smtp:secret",
            "http://a:secret@localhost",
            "SMTP://a:secret@localhost",
            "smtps://",
            "smtps://:secret@localhost",
            "smtps://secret@localhost",
            "smtps://secret:@localhost",
            "smtps://a:secret@",
            "smtps://a:secret@localhost:0",
            "smtps://a:secret@localhost:65536",
            "smtps://a:secret@localhost:secret",
            "smtps://a:secret@local host",
            "smtps://a:secret@local%20host",
            "smtps://a:secret@[::1",
            "smtps://a:secret@[secret]",
            "smtps://a:secret@exämple.org",
            "smtps://a:secret/x@localhost",
            "smtps://a:secret#x@localhost",
            "smtps://a:12?secret@localhost",
            "smtps://a:12#secret@localhost",
            "smtps://a:12/secret@localhost",
            "smtps://a:secret%00@localhost",
            "smtps://a:secret%0d%0aQUIT@localhost",
            "smtps://a:secret%ff@localhost",
            "smtps://a:secret\n@localhost",
            "smtps://a:secret@localhost\r\n",
            "smtps://a:secret@localhost/secret",
            "smtps://a:secret@localhost?secret",
            "smtp://a:secret@mail.example.org",
            "smtp://a:secret@10.0.0.1",
            "smtp://a:secret@localhost.example.org",
            "smtp://a:secret@[2001:db8::1]",
        ] {
            let error = text.parse::<Relay>().unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(
                !told.contains("secret") && !told.contains('\n'),
                "{text:?}: {told}"
            );
        }
    }

    #[test]
    fn a_login_is_not_shown() {
        let relay: Relay = "smtps://ann:secret@mail.example.org".parse().unwrap();
        let shown = format!("{relay:?}");
        assert!(shown.contains("mail.example.org"), "{shown}");
        assert!(
            !shown.contains("ann") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
