//! Figures about requests, for whatever recorder there is.

use std::{array, fmt, sync::OnceLock, time::Duration};

use http::{Method, StatusCode};
use metrics::{Counter, Gauge, Histogram, Unit};

use crate::route::{ROUTES, Route, SITE_ROUTES};

const REQUESTS: &str = "consign_http_requests_total";
const DURATION: &str = "consign_http_request_duration_seconds";
const IN_FLIGHT: &str = "consign_http_requests_in_flight";
const REQUEST_BYTES: &str = "consign_http_request_bytes_total";
const RESPONSE_BYTES: &str = "consign_http_response_bytes_total";

/// What stands for the route of a path that is none of the API's.
pub(crate) const NO_ROUTE: &str = "-";

/// Methods that are told by their name; a client can make up any number of others.
const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::CONNECT,
];

/// Statuses of each class that have a place. The API has none beyond (RFC 9110, section 15).
const OF_CLASS: usize = 32;

/// The handles of all figures, each made when it is first needed and kept: to look one up takes as long
/// as much else of a request.
pub(crate) struct Meters {
    /// By route, and within it by method.
    answered: Vec<Answered>,
    in_flight: Gauge,
    pub(crate) request_bytes: Counter,
    response_bytes: Counter,
}

/// One route's.
struct Answered {
    route: &'static str,
    duration: OnceLock<Histogram>,
    by_method: [OnceLock<Box<[OnceLock<Counter>]>>; METHODS.len() + 1],
}

impl Meters {
    /// Figures for the recorder that there is now.
    pub(crate) fn new() -> Self {
        describe();
        let routes = ROUTES.iter().chain(SITE_ROUTES).map(|route| route.path);
        let answered = routes.chain([NO_ROUTE]).map(|route| Answered {
            route,
            duration: OnceLock::new(),
            by_method: array::from_fn(|_| OnceLock::new()),
        });
        Self {
            answered: answered.collect(),
            in_flight: metrics::gauge!(IN_FLIGHT),
            request_bytes: metrics::counter!(REQUEST_BYTES),
            response_bytes: metrics::counter!(RESPONSE_BYTES),
        }
    }

    /// A request has come.
    pub(crate) fn begin(&self) -> Running {
        self.in_flight.increment(1.0);
        Running(self.in_flight.clone())
    }

    /// A request was answered so long after it had come.
    pub(crate) fn answered(
        &self,
        route: Option<&Route>,
        method: &Method,
        status: StatusCode,
        after: Duration,
    ) {
        let of_route = route.and_then(|route| {
            let mut all = self.answered.iter();
            all.find(|answered| answered.route == route.path)
        });
        let Some(answered) = of_route.or(self.answered.last()) else {
            return;
        };
        answered.requests(method, status).increment(1);
        answered.duration().record(after.as_secs_f64());
    }

    /// Counts the bytes of an answer that goes out while the value lives.
    pub(crate) fn sent(&self, running: Running) -> Sent {
        Sent {
            bytes: self.response_bytes.clone(),
            _running: running,
        }
    }
}

impl Answered {
    fn duration(&self) -> &Histogram {
        self.duration
            .get_or_init(|| metrics::histogram!(DURATION, "route" => self.route))
    }

    fn requests(&self, method: &Method, status: StatusCode) -> &Counter {
        let known = METHODS.iter().position(|known| known == method);
        let statuses = self.by_method[known.unwrap_or(METHODS.len())].get_or_init(|| {
            let statuses = (0..5 * OF_CLASS).map(|_| OnceLock::new());
            statuses.collect()
        });
        let status = usize::from(status.as_u16()).clamp(100, 599);
        let of_class = (status % 100).min(OF_CLASS - 1);
        let class = status / 100;
        statuses[(class - 1) * OF_CLASS + of_class].get_or_init(|| {
            let status = class * 100 + of_class;
            let method = known.map_or("other", |known| METHODS[known].as_str());
            metrics::counter!(
                REQUESTS,
                "route" => self.route,
                "method" => method.to_owned(),
                "status" => status.to_string(),
            )
        })
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

/// A request that is not over.
pub(crate) struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// An answer that goes out.
pub(crate) struct Sent {
    bytes: Counter,
    _running: Running,
}

impl Sent {
    /// So many of its bytes were handed on.
    pub(crate) fn count(&self, bytes: usize) {
        self.bytes.increment(bytes as u64);
    }
}

fn describe() {
    metrics::describe_counter!(REQUESTS, Unit::Count, "Requests that were answered");
    let text = "From the head of a request to that of its answer";
    metrics::describe_histogram!(DURATION, Unit::Seconds, text);
    let text = "Requests whose answer was not yet handed on";
    metrics::describe_gauge!(IN_FLIGHT, Unit::Count, text);
    let text = "Bytes of requests' bodies that were read";
    metrics::describe_counter!(REQUEST_BYTES, Unit::Bytes, text);
    let text = "Bytes of answers' bodies that were handed on";
    metrics::describe_counter!(RESPONSE_BYTES, Unit::Bytes, text);
}
