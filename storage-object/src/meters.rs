//! Figures about requests, for whatever recorder there is.

use std::time::Duration;

use http::{HeaderName, Method};
use metrics::{Counter, Histogram, Unit};
use object_store::client::HttpRequest;

const REQUESTS: &str = "consign_blob_requests_total";
const DURATION: &str = "consign_blob_request_duration_seconds";

pub(crate) const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");

/// What a request asks of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Head,
    List,
    Put,
    Delete,
    CreateUpload,
    CopyPart,
    PutPart,
    CompleteUpload,
    AbortUpload,
    ListUploads,
}

impl Operation {
    const ALL: [(Self, &str); 11] = [
        (Self::Get, "get"),
        (Self::Head, "head"),
        (Self::List, "list"),
        (Self::Put, "put"),
        (Self::Delete, "delete"),
        (Self::CreateUpload, "create_upload"),
        (Self::CopyPart, "copy_part"),
        (Self::PutPart, "put_part"),
        (Self::CompleteUpload, "complete_upload"),
        (Self::AbortUpload, "abort_upload"),
        (Self::ListUploads, "list_uploads"),
    ];

    pub(crate) fn of(request: &HttpRequest) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let has = |name: &str| {
            let mut names = query.split('&').map(|pair| pair.split('=').next());
            names.any(|found| found == Some(name))
        };
        match *request.method() {
            Method::HEAD => Self::Head,
            Method::PUT if request.headers().contains_key(COPY_SOURCE) => Self::CopyPart,
            Method::PUT if has("partNumber") => Self::PutPart,
            Method::PUT => Self::Put,
            Method::POST if has("uploads") => Self::CreateUpload,
            Method::POST if has("uploadId") => Self::CompleteUpload,
            Method::POST => Self::Delete,
            Method::DELETE if has("uploadId") => Self::AbortUpload,
            Method::DELETE => Self::Delete,
            _ if has("list-type") => Self::List,
            _ if has("uploads") => Self::ListUploads,
            _ => Self::Get,
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// Done.
    Ok,
    /// The store answered that it is not to be done.
    Refused,
    /// The store answered that it cannot, or its answer broke off.
    Failed,
    /// There was no answer.
    Unanswered,
}

impl Outcome {
    const ALL: [&str; 4] = ["ok", "refused", "failed", "unanswered"];
}

/// The handles of all figures.
pub(crate) struct Meters {
    requests: Vec<[Counter; 4]>,
    durations: Vec<Histogram>,
}

impl Meters {
    /// Figures for the recorder that there is now.
    pub(crate) fn new() -> Self {
        let text = "Requests to the object store, by how they ended";
        metrics::describe_counter!(REQUESTS, Unit::Count, text);
        let text = "How long a request to the object store took, to the end of its answer";
        metrics::describe_histogram!(DURATION, Unit::Seconds, text);
        let operations = Operation::ALL.into_iter();
        let (requests, durations) = operations
            .map(|(_, operation)| {
                let counters = Outcome::ALL.map(|outcome| {
                    metrics::counter!(REQUESTS, "operation" => operation, "outcome" => outcome)
                });
                let duration = metrics::histogram!(DURATION, "operation" => operation);
                (counters, duration)
            })
            .unzip();
        Self {
            requests,
            durations,
        }
    }

    pub(crate) fn ended(&self, operation: Operation, outcome: Outcome, took: Duration) {
        self.requests[operation as usize][outcome as usize].increment(1);
        self.durations[operation as usize].record(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use object_store::client::HttpRequestBody;

    use super::*;

    #[test]
    fn a_request_is_told_by_its_method_its_query_and_its_source() {
        for (method, query, source, expected) in [
            (Method::GET, "", false, Operation::Get),
            (Method::GET, "?list-type=2&prefix=a", false, Operation::List),
            (
                Method::GET,
                "?uploads=&prefix=a",
                false,
                Operation::ListUploads,
            ),
            (Method::HEAD, "", false, Operation::Head),
            (Method::PUT, "", false, Operation::Put),
            (
                Method::PUT,
                "?partNumber=1&uploadId=a",
                false,
                Operation::PutPart,
            ),
            (
                Method::PUT,
                "?partNumber=1&uploadId=a",
                true,
                Operation::CopyPart,
            ),
            (Method::POST, "?uploads=", false, Operation::CreateUpload),
            (
                Method::POST,
                "?uploadId=a",
                false,
                Operation::CompleteUpload,
            ),
            (Method::POST, "?delete", false, Operation::Delete),
            (Method::DELETE, "", false, Operation::Delete),
            (Method::DELETE, "?uploadId=a", false, Operation::AbortUpload),
        ] {
            let mut request = http::Request::builder()
                .method(method)
                .uri(format!("http://host/bucket/key{query}"))
                .body(HttpRequestBody::empty())
                .unwrap();
            if source {
                let value = http::HeaderValue::from_static("bucket/other");
                request.headers_mut().insert(COPY_SOURCE, value);
            }
            assert_eq!(Operation::of(&request), expected);
        }
    }

    #[test]
    fn operations_are_in_the_order_of_their_figures() {
        for (at, (operation, _)) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, at);
        }
    }
}
