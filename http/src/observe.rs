//! What an operator sees of requests: the id of each, a line of the log, and figures.

mod meters;

use std::{
    cell::Cell,
    fmt,
    future::Future,
    hash::{BuildHasher, RandomState},
    str,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use consign_core::id::UserId;
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::{Instrument, Span};

pub(crate) use self::meters::{Meters, NO_ROUTE, Sent};

/// The header of each answer that holds its [`RequestId`].
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    /// The request that is being answered.
    static ASKED: Asked;
}

/// What a request is called: in its answer's header `X-Request-Id`, in its problem document, and in each
/// line that is logged of it. The client has no say in it, and nothing can be told from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId([u8; Self::DIGITS]);

impl RequestId {
    const DIGITS: usize = 16;

    /// A hash, with a key of its own, of a number that this process gives once: practically no two are the same.
    pub(crate) fn new() -> Self {
        static KEYED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let random = KEYED.hash_one(NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::array::from_fn(|at| {
            let digit = random >> (4 * at) & 0xf;
            b"0123456789abcdef"[digit as usize]
        }))
    }

    /// Of the request that is being answered, if one is.
    pub(crate) fn current() -> Option<Self> {
        ASKED.try_with(|asked| asked.id).ok()
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("hexadecimal digits are UTF-8")
    }

    /// Puts it among the headers of its answer.
    pub(crate) fn mark(self, headers: &mut HeaderMap) {
        let value = HeaderValue::from_bytes(&self.0).expect("digits are the value of a header");
        headers.insert(X_REQUEST_ID, value);
    }

    /// What each line about the request is logged within. It is there wherever any line is: an error
    /// is told with its request also when nothing else is told.
    pub(crate) fn span(self) -> Span {
        tracing::error_span!("request", request_id = self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request, and who was found to ask.
struct Asked {
    id: RequestId,
    user: Cell<Option<UserId>>,
}

/// Answers the request of this id: what `answer` logs is within its span.
pub(crate) async fn within<F: Future>(id: RequestId, span: Span, answer: F) -> F::Output {
    let user = Cell::new(None);
    ASKED
        .scope(Asked { id, user }, answer.instrument(span))
        .await
}

/// The user is who asks.
pub(crate) fn signed_in(user: UserId) {
    // Outside of a request nobody wants to know.
    let _ = ASKED.try_with(|asked| asked.user.set(Some(user)));
}

/// Who asks, if that was told.
pub(crate) fn user() -> Option<UserId> {
    ASKED.try_with(|asked| asked.user.get()).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_requests_have_one_id() {
        let ids: HashSet<String> = (0..10_000)
            .map(|_| RequestId::new().as_str().to_owned())
            .collect();
        assert_eq!(ids.len(), 10_000);
        for id in ids {
            let digits = id.chars().all(|digit| digit.is_ascii_hexdigit());
            assert!(id.len() == 16 && digits && id == id.to_lowercase(), "{id}");
        }
    }
}
