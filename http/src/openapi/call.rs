//! What is said of one call: who may make it, what it takes, and all that it is answered.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use super::answer::{self, Answer};

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
        let answer = self.answers.entry(status).or_default();
        answer.refuse(msg.into(), when);
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
        let (status, refusals) = answer::shared(name);
        let add = |call: Self, &(msg, when): &(&'static str, &'static str)| {
            call.refuses(status, msg, when)
        };
        refusals.iter().fold(self, add)
    }
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
            ("version" | "asset", _) => (text, "As the page has it."),
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
