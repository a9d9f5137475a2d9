//! What is said of one call: who may make it, what it takes, and all that it is answered.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::problem::Document;

/// Schemas by their names.
pub(super) type Schemas = BTreeMap<String, RefOr<Schema>>;

/// A call as the document describes it.
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) schemas: Schemas,
    said: Map<String, Value>,
    parameters: Vec<Value>,
    answers: BTreeMap<u16, Answer>,
    /// Browsers are answered with a page in the place of JSON.
    has_pages: bool,
}

/// Who may make a call.
#[derive(Clone, Copy)]
pub(super) enum Who {
    Anyone,
    /// Anyone, and who says who they are is heard.
    AnyoneOrUser,
    User,
    /// Who was signed in by a page, by its cookie.
    Page,
    /// Those whom this is not said to.
    UserBut(&'static str),
}

/// Operations users.
pub(super) const OPERATIONS: Who = Who::UserBut("You are not authorized to do this");

#[derive(Default)]
struct Answer {
    told: &'static str,
    content: Map<String, Value>,
    headers: Map<String, Value>,
    links: Map<String, Value>,
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

impl Call {
    /// A call that anyone may make.
    pub(super) fn new(
        method: &'static str,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let mut said = Map::new();
        said.insert("operationId".into(), id.into());
        said.insert("summary".into(), summary.into());
        let call = Self {
            method,
            path,
            schemas: Schemas::new(),
            said,
            parameters: path_parameters(path),
            answers: BTreeMap::new(),
            has_pages: false,
        };
        call.shared("Broken").shared("Unavailable").shared("Full")
    }

    pub(super) fn describe(mut self, text: &str) -> Self {
        self.said.insert("description".into(), text.into());
        self
    }

    pub(super) fn by(mut self, who: Who) -> Self {
        let security = match who {
            Who::Anyone => json!([]),
            Who::AnyoneOrUser => json!([{}, {"bearer": []}]),
            Who::Page => json!([{"cookie": []}]),
            Who::User | Who::UserBut(_) => json!([{"bearer": []}]),
        };
        self.said.insert("security".into(), security);
        match who {
            Who::Anyone | Who::Page => self,
            Who::AnyoneOrUser | Who::User => self.shared("Unauthorized"),
            Who::UserBut(msg) => self.shared("Unauthorized").refuses(403, msg, ""),
        }
    }

    pub(super) fn in_query(self, name: &str, schema: Value, text: &str) -> Self {
        self.parameter(json!({
            "name": name, "in": "query", "schema": schema, "description": text,
        }))
    }

    pub(super) fn in_header(self, name: &str, schema: Value, text: &str) -> Self {
        self.parameter(json!({
            "name": name, "in": "header", "schema": schema, "description": text,
        }))
    }

    /// A list that comes in pages, with cursors of this form.
    pub(super) fn paged(self, cursor: Value) -> Self {
        let limit = json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 1000});
        self.in_query("limit", limit, "How many there are on a page at most.")
            .in_query("cursor", cursor, "The `next` of the page before.")
            .refuses(400, "Invalid cursor", "")
            .refuses(400, "limit must be between 1 and 1000", "")
    }

    /// The call is done once, however often it is sent.
    pub(super) fn once(self) -> Self {
        let key = json!({"type": "string", "pattern": r#"^("[!-~]{16,253}"|[!#-~][!-~]{14,253}[!#-~])$"#});
        let text = "A random UUID, new for each request: sent again with the same, the request is done \
                    once, and answered as the first time. In quotes (RFC 9651) or without.";
        self.in_header("Idempotency-Key", key, text).refuses(
            400,
            "Invalid Idempotency-Key",
            "it has 16 to 255 visible ASCII characters",
        )
    }

    /// The key can have been used for something else.
    pub(super) fn once_for_what_it_asks(self) -> Self {
        let msg = "The Idempotency-Key was used for another request";
        self.once().refuses(422, msg, "")
    }

    pub(super) fn limited(self) -> Self {
        let msg = "Too many requests, try again later";
        self.refuses(429, msg, "where that is limited")
    }

    /// A JSON body, of which `also` says what its schema does not.
    pub(super) fn takes<T: ToSchema>(self, also: Value, example: Value) -> Self {
        let schema = self.with(&T::name(), also);
        let body = json!({"required": true, "content": {
            "application/json": {"schema": schema, "example": example},
        }});
        self.schema::<T>().body(body).reads_json()
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.said.insert("requestBody".into(), body);
        self.reads()
    }

    pub(super) fn reads_json(self) -> Self {
        self.refuses(400, "Invalid JSON", "")
            .shared("BodyTooLarge")
            .shared("NotJson")
    }

    fn reads(self) -> Self {
        let msg = "The request body is incomplete or malformed";
        self.refuses(400, msg, "")
    }

    /// An answer in JSON.
    pub(super) fn gives<T: ToSchema>(
        self,
        status: u16,
        told: &'static str,
        example: Value,
    ) -> Self {
        let schema = self.with(&T::name(), Value::Null);
        let json = json!({"schema": schema, "example": example});
        self.schema::<T>()
            .content(status, told, "application/json", json)
    }

    /// An answer in JSON whose `msg` is always that of the example.
    pub(super) fn says<T: ToSchema>(self, status: u16, told: &'static str, example: Value) -> Self {
        let msg = json!({"properties": {"msg": {"const": example["msg"]}}, "required": ["msg"]});
        let schema = self.with(&T::name(), msg);
        let json = json!({"schema": schema, "example": example});
        self.schema::<T>()
            .content(status, told, "application/json", json)
    }

    /// An answer of another type.
    pub(super) fn content(
        mut self,
        status: u16,
        told: &'static str,
        media_type: &str,
        content: Value,
    ) -> Self {
        let answer = self.answers.entry(status).or_default();
        answer.told = told;
        answer.content.insert(media_type.into(), content);
        self
    }

    /// Another call that the answer leads to: the parameter is what stands there in it.
    pub(super) fn leads(mut self, status: u16, to: &str, parameter: &str, at: &str) -> Self {
        let link = json!({
            "operationId": to, "parameters": {parameter: format!("$response.body#{at}")},
        });
        let answer = self.answers.entry(status).or_default();
        answer.links.insert(to.into(), link);
        self
    }

    /// An answer without a body.
    pub(super) fn nothing(mut self, status: u16, told: &'static str) -> Self {
        self.answers.entry(status).or_default().told = told;
        self
    }

    /// A header of an answer, which it always has.
    pub(super) fn header(mut self, status: u16, name: &str, schema: Value, text: &str) -> Self {
        let header = json!({"required": true, "schema": schema, "description": text});
        let answer = self.answers.entry(status).or_default();
        answer.headers.insert(name.into(), header);
        self
    }

    pub(super) fn refuses(
        mut self,
        status: u16,
        msg: impl Into<String>,
        when: &'static str,
    ) -> Self {
        let msg = msg.into();
        let answer = self.answers.entry(status).or_default();
        if answer.refusals.iter().all(|told| told.msg != msg) {
            answer.refusals.push(Refusal { msg, when });
        }
        self
    }

    pub(super) fn has_pages(mut self) -> Self {
        self.has_pages = true;
        self
    }

    pub(super) fn schema<T: ToSchema>(mut self) -> Self {
        let mut schemas = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut schemas);
        self.schemas.extend(schemas);
        self
    }

    /// What the document has at the call's path and method.
    pub(super) fn operation(mut self, tag: &str) -> Value {
        let answers = self.answers.into_iter().map(|(status, answer)| {
            let answer = answer.described(status, self.has_pages);
            (status.to_string(), answer)
        });
        self.said.insert("responses".into(), answers.collect());
        self.said.insert("tags".into(), json!([tag]));
        if !self.parameters.is_empty() {
            self.said
                .insert("parameters".into(), self.parameters.into());
        }
        self.said.into()
    }

    fn with(&self, name: &str, also: Value) -> Value {
        let schema = json!({"$ref": format!("#/components/schemas/{name}")});
        match also {
            Value::Null => schema,
            also => json!({"allOf": [schema, also]}),
        }
    }

    fn parameter(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    fn shared(self, name: &str) -> Self {
        let mut named = SHARED.iter().filter(|shared| shared.0 == name);
        let (_, status, refusals) = named.next().expect("it is one of them");
        let add = |call: Self, &(msg, when): &(&'static str, &'static str)| {
            call.refuses(*status, msg, when)
        };
        refusals.iter().fold(self, add)
    }
}

impl Answer {
    fn described(mut self, status: u16, has_pages: bool) -> Value {
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

/// The parameters of a path's `{…}`.
fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?;
        name.strip_suffix('}')
    });
    let described = names.map(|name| {
        let text = json!({"type": "string", "minLength": 1});
        let (schema, told) = match (name, path) {
            ("file", "/generate_download_url/{file}") => (
                text,
                "A file's id, or a name: the newest file of it that is for who asks.",
            ),
            ("token", _) => (text, "What stands at the end of a `download_url`."),
            ("secret", _) => (text, "What stands at the end of a managed link's `url`."),
            ("user", _) => (text, "A user's id, or their username."),
            ("download", _) => (
                json!({"type": "integer", "minimum": 0}),
                "The `id` of a download.",
            ),
            _ => (json!({"$ref": "#/components/schemas/Id"}), "An id."),
        };
        json!({
            "name": name, "in": "path", "required": true, "schema": schema, "description": told,
        })
    });
    described.collect()
}
