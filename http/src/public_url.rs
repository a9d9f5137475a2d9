use std::{fmt, str::FromStr};

use http::Uri;

/// Where the world reaches the API: `https://files.example.org`, or with the prefix it is mounted
/// under, `https://example.org/files`. Download links begin with it; it is never taken from a
/// request, whose `Host` anyone can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The address of `path`, which begins with a slash.
    pub(crate) fn join(&self, path: &str, segment: &str) -> String {
        format!("{}{path}{segment}", self.0)
    }

    /// What browsers say of a page that is from there (RFC 6454, section 6.2), unless it ends with its
    /// scheme's own port.
    pub(crate) fn origin(&self) -> &str {
        let host = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[host..]
            .find('/')
            .map_or(self.0.len(), |at| host + at);
        &self.0[..end]
    }

    /// What stands after the host: nothing, or a path that does not end with a slash.
    pub(crate) fn path(&self) -> &str {
        &self.0[self.origin().len()..]
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidPublicUrl)?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.host().is_some_and(|host| !host.is_empty());
        let plain = !text.contains(['?', '#', '@']);
        if known && host && plain {
            Ok(Self(text.trim_end_matches('/').to_owned()))
        } else {
            Err(InvalidPublicUrl)
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not an address that links can begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPublicUrl;

impl fmt::Display for InvalidPublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an http or https URL without user, query and fragment")
    }
}

impl std::error::Error for InvalidPublicUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, joined) in [
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/x/y"),
            (
                "https://files.example.org/",
                "https://files.example.org/x/y",
            ),
            (
                "https://example.org/files/",
                "https://example.org/files/x/y",
            ),
            ("http://[::1]:5000", "http://[::1]:5000/x/y"),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!(url.join("/x/", "y"), joined);
            let origin = joined.trim_end_matches("/x/y").trim_end_matches("/files");
            assert_eq!(url.origin(), origin);
            let prefix = joined.contains("/files/x").then_some("/files");
            assert_eq!(url.path(), prefix.unwrap_or_default());
        }
        for text in [
            "",
            "example.org",
            "/files",
            "ftp://example.org",
            "https://u@example.org",
            "https://example.org?q",
            "https://example.org/#f",
            "http://",
            "http:// x",
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text:?}");
        }
    }
}
