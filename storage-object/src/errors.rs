//! Why the object store did not do what it was asked.

use std::{error::Error, time::Duration};

use consign_core::store::StoreError;
use http::StatusCode;

use crate::meters::Outcome;

/// Why a request failed. It shows neither an object's key nor anything that a request was signed with.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the object store answered {status}{}{code}", if code.is_empty() { "" } else { " " })]
    Status {
        status: StatusCode,
        /// S3's word for it, which an answer to HEAD has not.
        code: String,
    },
    #[error("the object store did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("the object store cannot be reached: {0}")]
    Unreachable(String),
    #[error("the object store's answer broke off: {0}")]
    Broken(String),
    #[error("the object store's answer is not understood: {0}")]
    Nonsense(String),
    #[error("there are no credentials for the object store")]
    NoCredentials,
    #[error("credentials for the object store did not come within {0:?}")]
    LateCredentials(Duration),
}

impl Failure {
    /// The one that an error of the `object_store` crate was made of.
    pub(crate) fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(failure) = error.downcast_ref() {
                return Some(failure);
            }
            next = error.source();
        }
        None
    }

    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether there is no such object, or no such upload.
    pub(crate) fn is_missing(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND) && self.code() != "NoSuchBucket"
    }

    /// Whether this is what a request is refused with whose condition does not hold.
    pub(crate) fn is_condition(&self) -> bool {
        self.status()
            .is_some_and(|status| matches!(status.as_u16(), 409 | 412))
    }

    fn code(&self) -> &str {
        match self {
            Self::Status { code, .. } => code,
            _ => "",
        }
    }

    /// Whether the same request may do better a little later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                matches!(status.as_u16(), 408 | 409 | 429 | 500 | 502 | 503 | 504)
            }
            Self::TimedOut(_) | Self::Unreachable(_) | Self::Broken(_) => true,
            Self::Nonsense(_) | Self::NoCredentials | Self::LateCredentials(_) => false,
        }
    }

    /// Whether the store does not know the request at all.
    pub(crate) fn is_unknown_request(&self) -> bool {
        let status = self.status().map_or(0, |status| status.as_u16());
        matches!(status, 405 | 501) || matches!(self.code(), "NotImplemented" | "MethodNotAllowed")
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Status { status, .. } if status.is_client_error() => Outcome::Refused,
            Self::TimedOut(_) | Self::Unreachable(_) => Outcome::Unanswered,
            _ => Outcome::Failed,
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let status = failure.status().map_or(0, |status| status.as_u16());
        let code = failure.code();
        match status {
            404 if code != "NoSuchBucket" => Self::Missing,
            507 => Self::Full(failure.into()),
            _ if code.contains("Quota") || code.contains("StorageFull") => {
                Self::Full(failure.into())
            }
            _ => Self::Unavailable(failure.into()),
        }
    }
}

/// What an error of the `object_store` crate is to Consign.
pub(crate) fn store_error(error: object_store::Error) -> StoreError {
    match (Failure::within(&error), &error) {
        (Some(failure), _) => failure.clone().into(),
        (None, object_store::Error::NotFound { .. }) => StoreError::Missing,
        (None, _) => StoreError::Unavailable(error.into()),
    }
}

/// What the failure of a request is that was made on a condition.
pub(crate) fn conditional(failure: Failure) -> StoreError {
    match failure.is_condition() {
        true => StoreError::Exists,
        false => failure.into(),
    }
}

/// The same of an error of the `object_store` crate.
pub(crate) fn conditional_error(error: object_store::Error) -> StoreError {
    match Failure::within(&error) {
        Some(failure) => conditional(failure.clone()),
        None => store_error(error),
    }
}

/// Why a bucket is not used. Each is one line, and shows no credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is none of a bucket.
    #[error("not a URL of a bucket, such as s3://bucket/prefix: {0}")]
    Url(&'static str),
    /// A setting that would be needed is missing, or cannot be what it is.
    #[error("{name}: {why}")]
    Setting {
        /// The variable of the environment.
        name: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There are no credentials.
    #[error(
        "there are no credentials for the object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
    )]
    Credentials,
    /// Nobody answers, or not in time.
    #[error("the object store at {endpoint} does not answer")]
    Unreachable {
        /// Where it should be.
        endpoint: String,
        /// What happened.
        #[source]
        cause: StoreError,
    },
    /// There is no such bucket.
    #[error("there is no bucket {0:?}")]
    NoBucket(String),
    /// The credentials are not accepted, or do not suffice.
    #[error("the object store does not allow to {action} in bucket {bucket:?}")]
    Forbidden {
        /// The bucket.
        bucket: String,
        /// What was tried.
        action: &'static str,
        /// What it answered.
        #[source]
        cause: StoreError,
    },
    /// The bucket is in another region, or requests are signed for another.
    #[error("bucket {0:?} is in another region: set AWS_REGION")]
    Region(String),
    /// The store did not do what was tried, or gave back other bytes.
    #[error("the object store failed to {action} in bucket {bucket:?}")]
    Failed {
        /// The bucket.
        bucket: String,
        /// What was tried.
        action: &'static str,
        /// What it answered.
        #[source]
        cause: StoreError,
    },
}

/// What is needed to tell why a bucket is not used.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) endpoint: &'a str,
}

impl Place<'_> {
    pub(crate) fn error(&self, action: &'static str, error: object_store::Error) -> OpenError {
        let Some(failure) = Failure::within(&error).cloned() else {
            return self.failed(action, StoreError::Unavailable(error.into()));
        };
        self.failure(action, failure)
    }

    pub(crate) fn failure(&self, action: &'static str, failure: Failure) -> OpenError {
        let bucket = self.bucket.into();
        let code = failure.code().to_owned();
        match (failure.status().map(|status| status.as_u16()), &*code) {
            (_, "AuthorizationHeaderMalformed" | "PermanentRedirect" | "TemporaryRedirect")
            | (Some(301 | 307), _) => OpenError::Region(bucket),
            (Some(401 | 403), _) => OpenError::Forbidden {
                bucket,
                action,
                cause: StoreError::Unavailable(failure.into()),
            },
            (Some(404), _) if action == "list" || code == "NoSuchBucket" => {
                OpenError::NoBucket(bucket)
            }
            (Some(_), _) => self.failed(action, StoreError::Unavailable(failure.into())),
            (None, _) => OpenError::Unreachable {
                endpoint: self.endpoint.into(),
                cause: failure.into(),
            },
        }
    }

    pub(crate) fn failed(&self, action: &'static str, cause: StoreError) -> OpenError {
        OpenError::Failed {
            bucket: self.bucket.into(),
            action,
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::client::{HttpError, HttpErrorKind};

    use super::*;

    fn status(status: u16, code: &str) -> Failure {
        Failure::Status {
            status: StatusCode::from_u16(status).unwrap(),
            code: code.into(),
        }
    }

    #[test]
    fn what_the_store_answered_is_told_apart() {
        let of = |number, code| StoreError::from(status(number, code));
        assert!(matches!(of(404, "NoSuchKey"), StoreError::Missing));
        assert!(matches!(of(404, ""), StoreError::Missing));
        assert!(matches!(
            of(404, "NoSuchBucket"),
            StoreError::Unavailable(_)
        ));
        for (number, code) in [(412, "PreconditionFailed"), (409, "")] {
            let failure = status(number, code);
            assert!(matches!(conditional(failure), StoreError::Exists));
            assert!(matches!(of(number, code), StoreError::Unavailable(_)));
        }
        assert!(matches!(of(507, ""), StoreError::Full(_)));
        assert!(matches!(of(403, "QuotaExceeded"), StoreError::Full(_)));
        assert!(matches!(of(503, "SlowDown"), StoreError::Unavailable(_)));
        assert!(matches!(
            of(403, "AccessDenied"),
            StoreError::Unavailable(_)
        ));
    }

    #[test]
    fn a_failure_is_found_within_the_crates_errors() {
        let error = HttpError::new(HttpErrorKind::Unknown, status(507, ""));
        let error = object_store::Error::Generic {
            store: "S3",
            source: Box::new(error),
        };
        assert!(matches!(store_error(error), StoreError::Full(_)));
    }
}
