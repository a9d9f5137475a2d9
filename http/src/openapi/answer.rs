//! What a call is answered: successes, and refusals in their sentences.

use http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::problem::Document;

#[derive(Default)]
pub(super) struct Answer {
    pub(super) told: &'static str,
    pub(super) content: Map<String, Value>,
    pub(super) headers: Map<String, Value>,
    pub(super) links: Map<String, Value>,
    refusals: Vec<Refusal>,
}

/// A sentence of an error, and when it is told.
#[derive(Clone, PartialEq)]
struct Refusal {
    msg: String,
    when: &'static str,
}

/// The name of an answer, its status, and what it says and when.
type Shared = (&'static str, u16, &'static [(&'static str, &'static str)]);

/// Refusals that many calls share.
#[rustfmt::skip]
const SHARED: &[Shared] = &[
    ("Unauthorized", 401, &[
        ("Missing Authorization Header", ""),
        ("token must be a Bearer token", ""),
        ("Invalid or expired token", ""),
    ]),
    ("Forbidden", 403, &[("You are not authorized to do this", "")]),
    ("BodyTooLarge", 413, &[("The request body is too large", "a JSON body of more than 64 KiB")]),
    ("NotJson", 415, &[("Content-Type must be application/json", "")]),
    ("Broken", 500, &[("Internal server error", "what happened is in the server's log")]),
    ("Unavailable", 503, &[
        ("The server is busy, try again later", ""),
        ("The server cannot reach its storage, try again later", ""),
    ]),
    ("Full", 507, &[("The server has no room left", "the disk is full, or would have less left than it keeps free")]),
];

/// The status of a shared answer, and what it says and when.
pub(super) fn shared(name: &str) -> (u16, &'static [(&'static str, &'static str)]) {
    let mut named = SHARED.iter().filter(|shared| shared.0 == name);
    let (_, status, refusals) = named.next().expect("it is one of them");
    (*status, refusals)
}

impl Answer {
    /// Adds a sentence, once.
    pub(super) fn refuse(&mut self, msg: String, when: &'static str) {
        if self.refusals.iter().all(|told| told.msg != msg) {
            self.refusals.push(Refusal { msg, when });
        }
    }

    /// What the document has at the answer's status.
    pub(super) fn described(mut self, status: u16, has_pages: bool) -> Value {
        let told: Vec<_> = self.refusals.iter().map(Refusal::parts).collect();
        let shared = SHARED
            .iter()
            .find(|shared| shared.1 == status && shared.2 == told);
        if let (Some((name, ..)), false) = (shared, has_pages) {
            return json!({"$ref": format!("#/components/responses/{name}")});
        }
        let mut told = self.told.to_owned();
        if !self.refusals.is_empty() {
            let (media_type, problem) = problem(status, &self.refusals);
            self.content.insert(media_type.into(), problem);
            told = sentences(&self.refusals);
            self.headers.extend(headers_of(status));
        }
        if has_pages && !self.content.is_empty() {
            let page = json!({"schema": {"type": "string"}});
            self.content.insert("text/html".into(), page);
        }
        let mut described = json!({"description": told});
        if !self.content.is_empty() {
            described["content"] = self.content.into();
        }
        self.headers.extend(request_id());
        described["headers"] = self.headers.into();
        if !self.links.is_empty() {
            described["links"] = self.links.into();
        }
        described
    }
}

impl Refusal {
    fn parts(&self) -> (&str, &str) {
        (&self.msg, self.when)
    }
}

/// The answers that many calls share.
pub(super) fn shared_answers() -> Value {
    let answers = SHARED.iter().map(|(name, status, refusals)| {
        let refusals = refusals.iter().map(|&(msg, when)| Refusal {
            msg: msg.to_owned(),
            when,
        });
        let refusals: Vec<_> = refusals.collect();
        let (media_type, content) = problem(*status, &refusals);
        let headers: Map<_, _> = headers_of(*status).chain(request_id()).collect();
        let answer = json!({
            "description": sentences(&refusals),
            "content": {media_type: content},
            "headers": headers,
        });
        ((*name).to_owned(), answer)
    });
    answers.collect()
}

fn problem(status: u16, refusals: &[Refusal]) -> (&'static str, Value) {
    let title = StatusCode::from_u16(status).ok();
    let title = title.and_then(|status| status.canonical_reason());
    let msgs: Vec<_> = refusals.iter().map(|refusal| &*refusal.msg).collect();
    let examples = refusals.iter().enumerate().map(|(at, refusal)| {
        let mut example = json!({"value": {
            "type": "about:blank", "title": title, "status": status, "msg": refusal.msg,
        }});
        if !refusal.when.is_empty() {
            example["summary"] = refusal.when.into();
        }
        ((at + 1).to_string(), example)
    });
    let name = <Document<'_> as ToSchema>::name();
    let schema = json!({"allOf": [
        {"$ref": format!("#/components/schemas/{name}")},
        {"properties": {"status": {"const": status}, "msg": {"enum": msgs}}},
    ]});
    let examples: Map<_, _> = examples.collect();
    (
        "application/problem+json",
        json!({"schema": schema, "examples": examples}),
    )
}

fn sentences(refusals: &[Refusal]) -> String {
    let told = refusals.iter().map(|Refusal { msg, when }| match *when {
        "" => format!("`{msg}`"),
        when => format!("`{msg}` ({when})"),
    });
    told.collect::<Vec<_>>().join(" · ")
}

/// What problems of this status say in their headers.
fn headers_of(status: u16) -> impl Iterator<Item = (String, Value)> {
    let (name, schema) = match status {
        401 => ("WWW-Authenticate", json!({"const": "Bearer"})),
        429 | 503 => ("Retry-After", json!({"type": "integer", "minimum": 1})),
        _ => ("", Value::Null),
    };
    let header = json!({"required": true, "schema": schema});
    let named = (!name.is_empty()).then(|| (name.to_owned(), header));
    named.into_iter()
}

/// What every answer has.
fn request_id() -> Option<(String, Value)> {
    let header = json!({"$ref": "#/components/headers/RequestId"});
    Some(("X-Request-Id".to_owned(), header))
}
