//! Why the service did not do what it was asked.

use std::{borrow::Cow, fmt, time::Duration};

use crate::{
    intake::Refusal, password::HashError, policy::Action, store::BoxError, store::StoreError,
    token::TokenError,
};

/// An error of the service.
///
/// [`kind`](Error::kind) and [`detail`](Error::detail) may be told to a caller, as in
/// `error.detail().unwrap_or("it did not work")`; the error's own text and its sources are for the
/// operator's log.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    detail: Option<Cow<'static, str>>,
    source: Option<BoxError>,
}

impl Error {
    /// An error with its cause.
    pub fn new(kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        Self {
            kind,
            detail: None,
            source: Some(source.into()),
        }
    }

    /// The error with words for the caller that say more than its kind.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// What kind of error it is: all that a front end decides by.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// More words for the caller, if there are any.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The username is not one.
    #[error("invalid username")]
    InvalidUsername,
    /// The e-mail address is not one.
    #[error("invalid e-mail address")]
    InvalidEmail,
    /// The password has fewer characters than are asked for.
    #[error("the password has fewer than {min} characters")]
    PasswordTooShort {
        /// Code points that it needs at least.
        min: usize,
    },
    /// The password has more characters than are taken.
    #[error("the password has more than {max} characters")]
    PasswordTooLong {
        /// Code points that it has at most.
        max: usize,
    },
    /// The password is one of those that are guessed first.
    #[error("the password is too common")]
    PasswordTooCommon,
    /// Another user has the username.
    #[error("the username is taken")]
    UsernameTaken,
    /// Another user has the e-mail address.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// Nobody may register themselves here.
    #[error("registration is closed")]
    RegistrationClosed,
    /// The username, the password or both are wrong, or the user is disabled.
    #[error("wrong username or password")]
    InvalidCredentials,
    /// Logins to this account have failed too often in a row.
    #[error("too many failed logins in a row")]
    TooManyAttempts {
        /// When the next is taken.
        retry_after: Duration,
    },
    /// The token or the link is not good: forged, expired, revoked, or for something else.
    #[error("invalid or expired token")]
    InvalidToken,
    /// The user may not do this.
    #[error("not allowed: {0:?}")]
    Forbidden(Action),
    /// The file has a name that files must not have.
    #[error("invalid file name")]
    InvalidFileName,
    /// The file is not of a kind that is taken.
    #[error("file type not taken")]
    UnsupportedType,
    /// The file cannot end then; the error's detail says why.
    #[error("not an end that a file can have")]
    InvalidExpiry,
    /// There is no such file.
    #[error("no such file")]
    FileNotFound,
    /// There is no such user.
    #[error("no such user")]
    UserNotFound,
    /// There is no such group.
    #[error("no such group")]
    GroupNotFound,
    /// Another group has the name.
    #[error("the group's name is taken")]
    GroupNameTaken,
    /// The managed link cannot be as it is asked to be; the error's detail says why.
    #[error("not a link that can be")]
    InvalidLink,
    /// There is no such managed link of the user's.
    #[error("no such link")]
    LinkNotFound,
    /// The managed link opens nothing, whatever the reason.
    #[error("the link is not available")]
    LinkNotAvailable,
    /// The managed link opens with a password alone.
    #[error("the link asks for a password")]
    LinkPasswordNeeded,
    /// It is not the managed link's password.
    #[error("wrong password for the link")]
    WrongLinkPassword,
    /// The managed link is for one recipient, who has to prove that it is they by signing in.
    #[error("the link asks for its recipient")]
    RecipientNeeded,
    /// The managed link is for one recipient, who was sent a code.
    #[error("a code was sent to the recipient")]
    CodeSent,
    /// So many codes were sent to the managed link's recipient that there is to be none now.
    #[error("too many codes were sent")]
    TooManyCodes {
        /// When there can be one again.
        retry_after: Duration,
    },
    /// It is not the code that was sent last, or it was used, or is at its end.
    #[error("wrong code for the link")]
    WrongCode,
    /// There is no such download that was completed, or not for whoever asks.
    #[error("no such download")]
    DownloadNotFound,
    /// Nothing is signed here.
    #[error("there is no key to sign evidence with")]
    NoEvidence,
    /// The user is in as many groups as anybody can be.
    #[error("the user is in too many groups")]
    TooManyGroups,
    /// Another request came with the same idempotency key before.
    #[error("the idempotency key was used for another request")]
    OtherRequest,
    /// No operations user would remain.
    #[error("the last operations user stays one")]
    LastOperationsUser,
    /// The body is larger than is taken.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// Bytes that are taken at most.
        limit: u64,
    },
    /// The body ended before its end.
    #[error("the body is incomplete")]
    Incomplete,
    /// Too much is waiting; it can be tried again later.
    #[error("busy")]
    Busy,
    /// With it the uploader would have more than their quota.
    #[error("beyond the uploader's quota")]
    OverQuota,
    /// There is no room left.
    #[error("no room left")]
    Full,
    /// A store does not answer.
    #[error("a store is unavailable")]
    Unavailable,
    /// Something is wrong that the caller can do nothing about.
    #[error("internal error")]
    Internal,
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self {
            kind,
            detail: None,
            source: None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Full(_) => ErrorKind::Full,
            StoreError::Busy => ErrorKind::Busy,
            StoreError::Unavailable(_) => ErrorKind::Unavailable,
            StoreError::Damaged(_)
            | StoreError::Offset { .. }
            | StoreError::Exists
            | StoreError::Missing => ErrorKind::Internal,
        };
        Self::new(kind, error)
    }
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        let kind = match error {
            TokenError::Signing => ErrorKind::Internal,
            TokenError::Invalid | TokenError::Expired | TokenError::NotYet => {
                ErrorKind::InvalidToken
            }
        };
        Self::new(kind, error)
    }
}

impl From<HashError> for Error {
    fn from(error: HashError) -> Self {
        let kind = match error {
            HashError::Busy => ErrorKind::Busy,
            HashError::Unusable(_) | HashError::Failed(_) => ErrorKind::Internal,
        };
        Self::new(kind, error)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::from(ErrorKind::UnsupportedType).with_detail(refusal.reason().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, io};

    use super::*;

    const SECRET: &str = "/var/lib/secret-place";

    fn cause() -> BoxError {
        SECRET.into()
    }

    #[test]
    fn each_cause_has_its_kind() {
        use ErrorKind::*;
        let cases: Vec<(Error, ErrorKind)> = vec![
            (StoreError::Full(cause()).into(), Full),
            (StoreError::Busy.into(), Busy),
            (StoreError::Unavailable(cause()).into(), Unavailable),
            (StoreError::Damaged(SECRET.to_owned()).into(), Internal),
            (StoreError::Offset { expected: 7 }.into(), Internal),
            (StoreError::Exists.into(), Internal),
            (StoreError::Missing.into(), Internal),
            (TokenError::Invalid.into(), InvalidToken),
            (TokenError::Expired.into(), InvalidToken),
            (TokenError::NotYet.into(), InvalidToken),
            (TokenError::Signing.into(), Internal),
            (HashError::Busy.into(), Busy),
            (HashError::Unusable(SECRET).into(), Internal),
            (HashError::Failed(SECRET.to_owned()).into(), Internal),
        ];
        for (error, kind) in cases {
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(error.source().is_some(), "the operator's log has the cause");
            assert_eq!(error.detail(), None, "the caller is told nothing of it");
            assert_eq!(error.to_string(), kind.to_string());
            assert!(!error.to_string().contains(SECRET));
            let twice = error.source().map(ToString::to_string);
            assert_ne!(
                Some(error.to_string()),
                twice,
                "a chain does not say a thing twice"
            );
        }
    }

    #[test]
    fn a_refusal_is_told_to_the_caller() {
        let error = Error::from(Refusal::new("it holds macros"));
        assert_eq!(
            (error.kind(), error.detail()),
            (ErrorKind::UnsupportedType, Some("it holds macros"))
        );
        assert_eq!(error.to_string(), "file type not taken");
        assert!(error.source().is_none());
    }

    #[test]
    fn words_for_the_caller_are_no_part_of_the_text() {
        let error = Error::new(ErrorKind::Internal, SECRET).with_detail("try again");
        assert_eq!(error.to_string(), "internal error");
        assert_eq!(error.detail(), Some("try again"));
        assert_eq!(error.source().unwrap().to_string(), SECRET);
        let plain = Error::from(ErrorKind::Busy);
        assert!(plain.source().is_none() && plain.detail().is_none());
    }

    #[test]
    fn io_errors_are_told_apart_by_what_can_be_done() {
        use io::ErrorKind as Io;
        for (io, kind) in [
            (Io::StorageFull, ErrorKind::Full),
            (Io::QuotaExceeded, ErrorKind::Full),
            (Io::FileTooLarge, ErrorKind::Full),
            (Io::PermissionDenied, ErrorKind::Unavailable),
            (Io::Other, ErrorKind::Unavailable),
            (Io::UnexpectedEof, ErrorKind::Unavailable),
            (Io::NotFound, ErrorKind::Internal),
        ] {
            let error = Error::from(StoreError::from_io(io::Error::new(io, SECRET)));
            assert_eq!(error.kind(), kind, "{io:?}");
            assert!(!error.to_string().contains(SECRET));
        }
    }
}
