//! What goes wrong.

use std::{error, fmt, io, path::PathBuf, time::Duration};

use serde::Deserialize;

type BoxError = Box<dyn error::Error + Send + Sync>;

/// Why a call was not done. No text of it holds a token, a password or the path of a link.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered that it did not.
    #[error("{0}")]
    Problem(Problem),
    /// There is no connection.
    #[error("cannot reach {server}")]
    Unreachable {
        /// The server's origin.
        server: String,
        /// What the connection said.
        source: BoxError,
    },
    /// Nobody who is trusted vouches for the server.
    #[error("{server} is not trusted")]
    Untrusted {
        /// The server's origin.
        server: String,
        /// What is wrong with its certificate.
        source: BoxError,
    },
    /// The connection broke, and what the server did is not known.
    #[error("the connection to {server} broke")]
    Broken {
        /// The server's origin.
        server: String,
        /// What the connection said.
        source: BoxError,
    },
    /// No byte came or went for too long.
    #[error("{server} was silent for {} s", .wait.as_secs())]
    Silent {
        /// The server's origin.
        server: String,
        /// How long it was waited for.
        wait: Duration,
    },
    /// Something else than Consign answered.
    #[error("{server} does not answer as Consign does: {what}")]
    Foreign {
        /// The server's origin.
        server: String,
        /// What is wrong with the answer.
        what: String,
    },
    /// The bytes are not those that they should be.
    #[error("the bytes are not those of the file: SHA-256 {found}, not {expected}")]
    Mismatch {
        /// What was promised.
        expected: String,
        /// What came.
        found: String,
    },
    /// The file changed while it was sent in parts to where nothing can be taken back.
    #[error("the file is another one now")]
    Changed,
    /// The target is there already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// Another download writes to the same place.
    #[error("{} is being written by another download", .0.display())]
    Taken(PathBuf),
    /// Plain `http` to another machine.
    #[error("{server} is not reached over https, so what is sent can be read on the way")]
    Insecure {
        /// The server's origin.
        server: String,
    },
    /// A URL that nothing can be asked at.
    #[error("not a URL of http or https")]
    Url,
    /// A certificate that is none.
    #[error("the certificates cannot be used")]
    Certificate(#[source] BoxError),
    /// A file of one's own.
    #[error("{}", .path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Where a download is written to.
    #[error("cannot write")]
    Output(#[source] io::Error),
}

/// What can be done about an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Sign in, or prove to be who may: 401.
    SignIn,
    /// It is not there: 404, 410.
    NotFound,
    /// The request has to be another: the other 4xx, 507, and plain http.
    Refused,
    /// Later it may do: no connection, 429, 502, 503, 504.
    Unavailable,
    /// The bytes were changed on the way.
    Mismatch,
    /// None of these.
    Other,
}

impl Error {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Problem(problem) => match problem.status {
                401 => ErrorKind::SignIn,
                404 | 410 => ErrorKind::NotFound,
                429 | 502..=504 => ErrorKind::Unavailable,
                400..=499 | 507 => ErrorKind::Refused,
                _ => ErrorKind::Other,
            },
            Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::Broken { .. }
            | Self::Silent { .. } => ErrorKind::Unavailable,
            Self::Mismatch { .. } => ErrorKind::Mismatch,
            Self::Insecure { .. } => ErrorKind::Refused,
            _ => ErrorKind::Other,
        }
    }

    /// What the server said, where it did.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the server said this.
    pub fn says(&self, status: u16, msg: &str) -> bool {
        self.problem()
            .is_some_and(|problem| problem.status == status && problem.msg == msg)
    }
}

impl From<url::ParseError> for Error {
    fn from(_: url::ParseError) -> Self {
        Self::Url
    }
}

/// A problem document (RFC 9457) of the server's.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// The status code.
    #[serde(skip)]
    pub status: u16,
    /// One of the sentences that the API documents.
    pub msg: String,
    /// More of it, for people.
    pub detail: Option<String>,
    /// How long the server asks to wait.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}
