//! What the API is, as a document that programs read (OpenAPI 3.1) and as a page of it.

mod accounts;
mod audit;
mod call;
mod files;
mod groups;
mod links;
mod page;
mod pages;

use bytes::Bytes;
use consign_core::Settings;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat,
        schema::{SchemaType, Type},
    },
};

use self::call::{Call, Schemas};
use crate::{PublicUrl, body::Body, conditional, problem::Document as ProblemDocument, session};

/// What the document says of the settings.
pub(crate) struct Bounds<'s> {
    pub(crate) settings: &'s Settings,
    pub(crate) accepted_types: String,
    pub(crate) public_url: &'s PublicUrl,
}

/// The document and the page of it, as they are sent.
#[derive(Debug)]
pub(crate) struct Described {
    document: Sent,
    page: Sent,
}

#[derive(Debug)]
struct Sent {
    text: Bytes,
    etag: String,
    headers: HeaderMap,
}

/// 32 lower-case hexadecimal digits.
pub(crate) struct Id;

/// RFC 3339, in UTC.
pub(crate) struct Time;

/// A SHA-256 digest: 64 lower-case hexadecimal digits.
pub(crate) struct Digest;

/// Null, or an empty text: as if it were not there.
pub(crate) struct Missing;

impl PartialSchema for Missing {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        let told = "As if it were not there.";
        let object = object.enum_values(Some([Value::Null, "".into()]));
        RefOr::T(Schema::Object(object.description(Some(told)).build()))
    }
}

impl ToSchema for Missing {}

/// How much was handed out.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as `consign_core::event::Transfers` is written")]
pub(crate) struct Transfers {
    /// Readings that were begun.
    started: u64,
    /// How often all of a file was handed out, in one piece or in parts.
    completed: u64,
    bytes: u64,
}

/// Of whose calls there are how many; in the order they are told of.
type Group = (&'static str, &'static str, fn(&Bounds<'_>) -> Vec<Call>);

const GROUPS: &[Group] = &[
    ("Accounts", "Who is who.", accounts::calls),
    (
        "Files",
        "What operations users upload, and for whom.",
        files::calls,
    ),
    (
        "Downloads",
        "The bytes, for whoever holds a link.",
        files::downloads,
    ),
    (
        "Managed links",
        "For people who need not have an account.",
        links::calls,
    ),
    (
        "Groups",
        "Of clients, for whom files can be. Only operations users see that there are any.",
        groups::calls,
    ),
    ("Evidence", "What happened, and who had what.", audit::calls),
    (
        "Server",
        "What this is, and whether all is well.",
        pages::calls,
    ),
];

const ABOUT: &str = "Hands files to people safely: operations users upload documents, clients get signed \
links that expire, and people without an account get managed links.

Bodies are JSON unless said otherwise. Times are RFC 3339 in UTC. `HEAD` works wherever `GET` does.

An error is a problem document (RFC 9457), whose `msg` is one of the sentences that are told of the call and does not \
change; `detail`, where there is one, says more and may. Where several things are wrong, they are told in the order \
401, 403, 400, 404, 409. A path that is none of these is answered with 404 `Not found`, and another method with 405 \
`Method not allowed`, with `Allow`.

What a caller may not see is not there for them: it is answered as what never was.";

impl Described {
    /// Of the calls at the paths that are `answered`.
    pub(crate) fn new(bounds: &Bounds<'_>, answered: impl Fn(&str) -> bool) -> Self {
        let document = document(bounds, answered);
        let style = Sha256::digest(page::STYLE);
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, style)
        );
        Self {
            page: Sent::new("text/html; charset=utf-8", page::of(&document), &policy),
            document: Sent::new(
                "application/json",
                document.to_string(),
                "default-src 'none'; frame-ancestors 'none'",
            ),
        }
    }

    pub(crate) fn document(&self, headers: &HeaderMap) -> Response<Body> {
        self.document.answer(headers)
    }

    pub(crate) fn page(&self, headers: &HeaderMap) -> Response<Body> {
        self.page.answer(headers)
    }

    /// The document's text.
    pub(crate) fn text(&self) -> Bytes {
        self.document.text.clone()
    }
}

impl Sent {
    fn new(content_type: &str, text: String, policy: &str) -> Self {
        let etag = format!(
            "\"{}\"",
            consign_core::file::Sha256(Sha256::digest(&text).into())
        );
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (header::CONTENT_TYPE, content_type),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-cache"),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::ETAG, &etag),
        ] {
            let value = HeaderValue::from_str(value).expect("it is visible ASCII");
            headers.insert(name, value);
        }
        let text = Bytes::from(text);
        Self {
            text,
            etag,
            headers,
        }
    }

    fn answer(&self, headers: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = self.headers.clone();
        if conditional::has(headers, &self.etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(header::CONTENT_TYPE);
            return response;
        }
        let length = self.text.len().into();
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
        *response.body_mut() = Body::full(self.text.clone());
        response
    }
}

/// The document, of the calls at the paths that are `answered`.
fn document(bounds: &Bounds<'_>, answered: impl Fn(&str) -> bool) -> Value {
    let mut paths = Map::new();
    let mut schemas = Schemas::new();
    let mut tags = Vec::new();
    for (tag, told, calls) in GROUPS {
        tags.push(json!({"name": tag, "description": told}));
        for mut call in calls(bounds) {
            if !answered(call.path) {
                continue;
            }
            schemas.append(&mut call.schemas);
            let path = paths.entry(call.path).or_insert_with(|| json!({}));
            let method = call.method.to_ascii_lowercase();
            path[method] = call.operation(tag);
        }
    }
    let problem = <ProblemDocument<'_> as ToSchema>::name().into_owned();
    schemas.insert(problem, <ProblemDocument<'_> as PartialSchema>::schema());
    let mut schemas = serde_json::to_value(schemas).expect("schemas can be written");
    refine(&mut schemas);
    bound(&mut schemas, bounds);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Consign",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": bounds.public_url.to_string()}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": call::shared_answers(),
            "headers": {"RequestId": {
                "required": true,
                "description": "Names the request; what is logged of it has the same.",
                "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
            }},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The `access_token` of `POST /login`.",
                },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": session::COOKIE,
                    "description": "By `POST /login` with `remember`, for `POST /session` alone.",
                },
            },
        },
    })
}

/// What misleads in a name or a note, but line feeds: controls, separators of lines and paragraphs, and
/// what overrides the direction of writing.
const MISLEADING: &str = r"\x00-\x09\x0B-\x1F\x7F-\x9F\u2028\u2029\u202A-\u202E\u2066-\u2069\uFEFF";

/// White space as Unicode has it, which `\s` is not in each dialect.
const SPACE: &str = r"\x09-\x0D\x20\x85\xA0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000";

/// Says in each schema what its type could not.
fn refine(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(refine),
        Value::Object(members) => {
            members.values_mut().for_each(refine);
            // All numbers here are without a sign, which these formats are not.
            if members.get("type").is_some_and(|kind| *kind != "string")
                && members.get("format").is_some_and(Value::is_string)
            {
                members.remove("format");
            }
            if let Some(pattern) = members.get("pattern").and_then(Value::as_str) {
                let (name, value) = refined(pattern);
                members.remove("pattern");
                members.insert(name.to_owned(), value);
            }
        }
        _ => {}
    }
}

/// What a pattern stands for: what it calls by a name, or a few words and no pattern at all.
fn refined(pattern: &str) -> (&'static str, Value) {
    match pattern {
        "a name" => {
            let (any, seen) = (
                format!(r"[^\n{MISLEADING}]"),
                format!(r"[^{MISLEADING}{SPACE}]"),
            );
            ("pattern", format!("^{any}*{seen}{any}*$").into())
        }
        "a name among white space, or nothing" => {
            let (any, seen) = (
                format!(r"[^\n{MISLEADING}]"),
                format!(r"[^{MISLEADING}{SPACE}]"),
            );
            let name = format!("{seen}({any}{{0,98}}{seen})?");
            ("pattern", format!("^([{SPACE}]*{name}[{SPACE}]*)?$").into())
        }
        "a note" => ("pattern", format!("^[^{MISLEADING}]*$").into()),
        pattern => {
            let words = pattern
                .strip_prefix('^')
                .and_then(|rest| rest.strip_suffix('$'));
            let words = words.map(|words| words.trim_matches(['(', ')']).split('|'));
            let words: Vec<_> = words.into_iter().flatten().collect();
            let plain = |word: &&str| {
                let mut bytes = word.bytes();
                bytes.all(|byte| byte.is_ascii_alphanumeric() || b": ".contains(&byte))
            };
            match words[..] {
                [word] if plain(&word) => ("const", word.into()),
                [_, ..] if words.iter().all(plain) => ("enum", words.into()),
                _ => ("pattern", pattern.into()),
            }
        }
    }
}

/// Says in the schemas what the settings bound.
fn bound(schemas: &mut Value, bounds: &Bounds<'_>) {
    let least = bounds.settings.min_password;
    for (schema, password) in [
        ("Registration", "password"),
        ("Passwords", "new_password"),
        ("NewLink", "password"),
        ("LinkEdits", "password"),
    ] {
        schemas[schema]["properties"][password]["minLength"] = least.into();
    }
    let most = bounds.settings.managed_link_lifetime.as_secs();
    for schema in ["NewLink", "LinkEdits"] {
        schemas[schema]["properties"]["expires_in"]["maximum"] = most.into();
    }
}

impl Bounds<'_> {
    fn max_upload(&self) -> u64 {
        self.settings.max_upload
    }

    /// What passwords are refused with.
    fn of_password(&self) -> [String; 3] {
        let least = self.settings.min_password;
        [
            format!("Password must be at least {least} characters long"),
            "Password must be at most 1024 characters long".to_owned(),
            "Password is too common".to_owned(),
        ]
    }
}

macro_rules! text {
    ($name:ident, $told:literal, $object:expr) => {
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let object: ObjectBuilder = $object;
                let object = object.schema_type(Type::String).description(Some($told));
                RefOr::T(Schema::Object(object.build()))
            }
        }

        impl ToSchema for $name {}
    };
}

text!(
    Id,
    "32 lower-case hexadecimal digits.",
    ObjectBuilder::new().pattern(Some("^[0-9a-f]{32}$"))
);
text!(
    Time,
    "RFC 3339, in UTC.",
    ObjectBuilder::new().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
);
text!(
    Digest,
    "A SHA-256 digest in lower-case hexadecimal digits.",
    ObjectBuilder::new().pattern(Some("^[0-9a-f]{64}$"))
);
