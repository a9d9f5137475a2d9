//! Answers, and what holds for every one of them.

use bytes::Bytes;
use serde_json::Value;

use super::Described;

/// What stands for the id of a request in a body.
const NO_ID: &str = "0000000000000000";

/// An answer, as it was read from the wire.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request's first line, for the words of a failure.
    pub to: String,
    /// The status.
    pub status: u16,
    /// Names in lower case, in the order they came in.
    pub headers: Vec<(String, String)>,
    /// The body, its framing taken off.
    pub body: Bytes,
    /// The id of the request, which is taken out of the headers and the body: by nothing else can two
    /// answers that are to be alike be told apart.
    pub request_id: String,
    /// The statuses of the interim answers (1xx) before this one.
    pub interim: Vec<u16>,
}

impl Answer {
    pub(super) fn of_head(head: &[u8]) -> Self {
        let head = std::str::from_utf8(head).expect("the head of an answer is ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
        let status = status.and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').expect("a header has a colon");
            assert!(
                !value.contains(['\r', '\n', '\0']),
                "a header is one line: {line:?}"
            );
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Self {
            to: String::new(),
            status: status.expect("an answer begins with its version and its status"),
            headers: headers.collect(),
            body: Bytes::new(),
            request_id: String::new(),
            interim: Vec::new(),
        }
    }

    /// The answer, after what holds for all answers of the API was found to hold.
    pub(super) fn checked(mut self, to: String) -> Self {
        self.to = to;
        let head = self.to.starts_with("HEAD ");
        let (method, target) = self.to.split_once(' ').unwrap_or_default();
        let header = |name: &str| self.header(&name.to_ascii_lowercase()).map(str::to_owned);
        Described::usual().allows(method, target, self.status, header, &self.body);
        if self.status != 304 {
            self.only("content-length");
        }
        assert!(
            self.header("transfer-encoding").is_none(),
            "{self}: has a known length"
        );
        let page = self.header("content-type") == Some("text/html; charset=utf-8");
        // A link tells browsers in a page of their own what is wrong.
        if self.status >= 400 && !(page && self.to.contains(" /l/")) {
            self.check_problem(head);
        }
        if self.status == 401 {
            assert_eq!(self.only("www-authenticate"), "Bearer", "{self}");
        }
        if self.status == 405 {
            assert!(!self.only("allow").is_empty(), "{self}");
        }
        self.take_id();
        self
    }

    fn take_id(&mut self) {
        let id = self.only("x-request-id").to_owned();
        let digits = id.chars().all(|digit| digit.is_ascii_hexdigit());
        assert!(id.len() == NO_ID.len() && digits, "{self}: {id:?}");
        self.headers.retain(|(name, _)| name != "x-request-id");
        if self.header("content-type") == Some("application/problem+json") {
            let text = std::str::from_utf8(&self.body).expect("JSON is UTF-8");
            self.body = text.replace(&id, NO_ID).into();
        }
        self.request_id = id;
    }

    /// Every error is a problem document (RFC 9457) with a sentence in `msg`.
    fn check_problem(&self, head: bool) {
        assert_eq!(
            self.only("content-type"),
            "application/problem+json",
            "{self}"
        );
        assert_eq!(self.only("x-content-type-options"), "nosniff", "{self}");
        if head {
            assert!(
                self.body.is_empty(),
                "{self}: an answer to HEAD has no body"
            );
            return;
        }
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self}");
        assert_eq!(problem["request_id"], self.only("x-request-id"), "{self}");
        assert!(
            problem["type"].is_string() && problem["title"].is_string(),
            "{self}"
        );
        assert!(
            problem["msg"].as_str().is_some_and(|msg| !msg.is_empty()),
            "{self}"
        );
    }

    /// The value of a header, the first of several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(other, _)| other == name)
            .map(|(_, value)| &**value)
    }

    /// The value of a header that is there, and once.
    #[track_caller]
    pub fn only(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => value,
            (None, _) => panic!("{self}: there is no {name}"),
            _ => panic!("{self}: {name} is there more than once"),
        }
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self}: the body is JSON"))
    }

    /// Checks the status.
    #[track_caller]
    pub fn has_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Checks that the answer is this error, in these words.
    #[track_caller]
    pub fn is_problem(&self, status: u16, msg: &str) {
        self.has_status(status);
        assert_eq!(self.json()["msg"], msg, "{self}");
    }

    /// Checks that the answer is a success, and gives its JSON.
    #[track_caller]
    pub fn is_json(&self, status: u16) -> Value {
        self.has_status(status);
        assert_eq!(self.only("content-type"), "application/json", "{self}");
        assert_eq!(self.only("cache-control"), "no-store", "{self}");
        self.json()
    }

    /// Whether `text` is anywhere in the answer.
    pub fn contains(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let within = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        within(&self.body)
            || self
                .headers
                .iter()
                .any(|(_, value)| within(value.as_bytes()))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.body[..self.body.len().min(300)];
        write!(f, "{} -> {} {}", self.to, self.status, shown.escape_ascii())
    }
}
