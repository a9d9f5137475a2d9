//! What goes wrong, as problem documents (RFC 9457): the one place where errors get a status and words.

use std::{borrow::Cow, time::Duration};

use consign_core::{Error, ErrorKind, policy::Action};
use http::{
    HeaderValue, Response, StatusCode,
    header::{self, HeaderName},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{BoxError, body::Body, json, observe::RequestId};

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The service did not do it.
    Service(Error),
    /// The request was not understood.
    Request(Problem),
}

impl Failure {
    pub(crate) fn bad_request(msg: &'static str) -> Self {
        Self::Request(Problem::new(StatusCode::BAD_REQUEST, msg))
    }

    pub(crate) fn too_large(msg: &'static str) -> Self {
        Self::Request(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, msg))
    }

    pub(crate) fn incomplete(cause: BoxError) -> Self {
        Self::Service(Error::new(ErrorKind::Incomplete, cause))
    }

    /// The failure as it is told to the caller; what only the operator may know goes to the log.
    pub(crate) fn into_problem(self, accepted_types: &str) -> Problem {
        match self {
            Self::Request(problem) => problem,
            Self::Service(error) => {
                let problem = of_error(&error, accepted_types);
                log(&error, problem.status);
                problem
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Service(error)
    }
}

impl From<ErrorKind> for Failure {
    fn from(kind: ErrorKind) -> Self {
        Self::Service(kind.into())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Request(problem)
    }
}

/// A problem document.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    msg: Cow<'static, str>,
    detail: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'p> {
    #[serde(rename = "type")]
    #[schema(pattern = "^about:blank$")]
    kind: &'static str,
    /// What the status is called.
    title: &'p str,
    /// As the answer's.
    status: u16,
    /// One of the sentences that are told of the call: it does not change.
    msg: &'p str,
    /// Says more, and may change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<&'p str>,
    /// As the answer's `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, pattern = "^[0-9a-f]{16}$", required = false)]
    request_id: Option<&'p str>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, msg: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            msg: msg.into(),
            detail: None,
            headers: Vec::new(),
        }
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn msg(&self) -> &str {
        &self.msg
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.headers.iter().cloned()
    }

    /// 401, which has to say how to do better (RFC 9110, section 15.5.2).
    pub(crate) fn unauthorized(msg: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, msg)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 429, with the whole seconds to wait (RFC 6585, section 4).
    pub(crate) fn too_many(msg: &'static str, wait: Duration) -> Self {
        let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(StatusCode::TOO_MANY_REQUESTS, msg)
            .with_header(header::RETRY_AFTER, secs.max(1).into())
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let id = RequestId::current();
        let document = Document {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            msg: &self.msg,
            detail: self.detail.as_deref(),
            request_id: id.as_ref().map(RequestId::as_str),
        };
        let mut response = json::response(self.status, &document);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.extend(self.headers);
        response
    }
}

/// Every kind of error, with its status and its words for the caller.
fn of_error(error: &Error, accepted_types: &str) -> Problem {
    use StatusCode as S;
    let soon = HeaderValue::from_static("2");
    let problem = match error.kind() {
        ErrorKind::InvalidUsername => Problem::new(S::BAD_REQUEST, "Invalid username"),
        ErrorKind::InvalidEmail => Problem::new(S::BAD_REQUEST, "Invalid email address"),
        ErrorKind::PasswordTooShort { min } => Problem::new(
            S::BAD_REQUEST,
            format!("Password must be at least {min} characters long"),
        ),
        ErrorKind::PasswordTooLong { max } => Problem::new(
            S::BAD_REQUEST,
            format!("Password must be at most {max} characters long"),
        ),
        ErrorKind::PasswordTooCommon => Problem::new(S::BAD_REQUEST, "Password is too common"),
        ErrorKind::UsernameTaken => Problem::new(S::BAD_REQUEST, "Username already exists"),
        ErrorKind::EmailTaken => Problem::new(S::BAD_REQUEST, "Email already exists"),
        ErrorKind::RegistrationClosed => Problem::new(S::FORBIDDEN, "Registration is closed"),
        ErrorKind::InvalidCredentials => Problem::unauthorized("Invalid username or password"),
        ErrorKind::TooManyAttempts { retry_after } => {
            let msg = "Too many failed attempts, try again later";
            Problem::too_many(msg, retry_after)
        }
        ErrorKind::InvalidToken => Problem::unauthorized("Invalid or expired token"),
        ErrorKind::Forbidden(action) => Problem::new(S::FORBIDDEN, forbidden(action)),
        ErrorKind::InvalidFileName => Problem::new(S::BAD_REQUEST, "Invalid file name"),
        ErrorKind::UnsupportedType => Problem::new(
            S::BAD_REQUEST,
            format!("Invalid file type. Only {accepted_types} are allowed."),
        ),
        ErrorKind::InvalidExpiry => Problem::new(S::BAD_REQUEST, "Invalid expiry"),
        ErrorKind::FileNotFound => Problem::new(S::NOT_FOUND, "File not found"),
        ErrorKind::UserNotFound => Problem::new(S::NOT_FOUND, "User not found"),
        ErrorKind::GroupNotFound => Problem::new(S::NOT_FOUND, "Group not found"),
        ErrorKind::GroupNameTaken => Problem::new(S::CONFLICT, "Group name already exists"),
        ErrorKind::TooManyGroups => Problem::new(S::CONFLICT, "The user is in too many groups"),
        ErrorKind::InvalidLink => Problem::new(S::BAD_REQUEST, "Invalid link"),
        ErrorKind::LinkNotFound => Problem::new(S::NOT_FOUND, "Link not found"),
        ErrorKind::LinkNotAvailable => Problem::new(S::NOT_FOUND, "Link not available"),
        ErrorKind::LinkPasswordNeeded => Problem::unauthorized("The link needs a password"),
        ErrorKind::WrongLinkPassword => Problem::unauthorized("Wrong password"),
        ErrorKind::RecipientNeeded => {
            Problem::unauthorized("The link is for its recipient, who has to sign in")
        }
        ErrorKind::OtherRequest => Problem::new(
            S::UNPROCESSABLE_ENTITY,
            "The Idempotency-Key was used for another request",
        ),
        ErrorKind::CodeSent => Problem::unauthorized("A code was sent to the recipient"),
        ErrorKind::TooManyCodes { retry_after } => {
            let msg = "Too many codes were sent, try again later";
            Problem::too_many(msg, retry_after)
        }
        ErrorKind::WrongCode => Problem::unauthorized("Wrong code"),
        ErrorKind::DownloadNotFound => Problem::new(S::NOT_FOUND, "Download not found"),
        ErrorKind::NoEvidence => Problem::new(S::NOT_FOUND, "Nothing is signed here"),
        ErrorKind::LastOperationsUser => {
            Problem::new(S::CONFLICT, "The last operation user must stay one")
        }
        ErrorKind::TooLarge { limit } => Problem::new(
            S::PAYLOAD_TOO_LARGE,
            format!("The file is too large. At most {limit} bytes are allowed."),
        ),
        ErrorKind::Incomplete => Problem::new(
            S::BAD_REQUEST,
            "The request body is incomplete or malformed",
        ),
        ErrorKind::Busy => Problem::new(
            S::SERVICE_UNAVAILABLE,
            "The server is busy, try again later",
        )
        .with_header(header::RETRY_AFTER, soon),
        ErrorKind::OverQuota => Problem::new(
            S::PAYLOAD_TOO_LARGE,
            "Your quota has no room left for this file",
        ),
        ErrorKind::Full => Problem::new(S::INSUFFICIENT_STORAGE, "The server has no room left"),
        ErrorKind::Unavailable => Problem::new(
            S::SERVICE_UNAVAILABLE,
            "The server cannot reach its storage, try again later",
        )
        .with_header(header::RETRY_AFTER, soon),
        _ => Problem::new(S::INTERNAL_SERVER_ERROR, "Internal server error"),
    };
    match error.detail() {
        Some(detail) => problem.with_detail(detail),
        None => problem,
    }
}

fn forbidden(action: Action) -> &'static str {
    match action {
        Action::RegisterOperations => "Only an operation user can register operation users",
        Action::Upload => {
            "You are not authorized to upload files. Only operation users can upload."
        }
        Action::Link => "only client user can download the file",
        _ => "You are not authorized to do this",
    }
}

fn log(error: &Error, status: StatusCode) {
    let chain = Chain(error);
    if status.is_server_error() && error.kind() != ErrorKind::Busy {
        tracing::error!(status = status.as_u16(), "{chain}");
    } else {
        tracing::debug!(status = status.as_u16(), "{chain}");
    }
}

/// An error and its sources, in one line.
struct Chain<'e>(&'e Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = std::error::Error::source(self.0);
        while let Some(error) = source {
            // Escaped, for it may hold what a client sent.
            write!(f, ": {}", error.to_string().escape_debug())?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_writes_no_lines_into_the_log() {
        let sent = "a\r\nb\u{1b}[31m\u{85}\u{9b}\u{202e}\0";
        let error = Error::new(ErrorKind::Incomplete, sent);
        let logged = Chain(&error).to_string();
        assert!(!logged.contains(char::is_control), "{logged:?}");
        assert!(!logged.contains('\u{202e}'), "{logged:?}");
        assert!(logged.contains("\\r\\nb\\u{1b}[31m"), "{logged:?}");
    }
}
