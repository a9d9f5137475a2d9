//! What the API is, as a document that programs read (OpenAPI 3.1) and as a page of it.

mod accounts;
mod answer;
mod audit;
mod call;
mod files;
mod groups;
mod links;
mod page;
mod pages;
mod schemas;

use bytes::Bytes;
use consign_core::Settings;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use utoipa::{PartialSchema, ToSchema};

use self::call::{Call, Schemas};
pub(crate) use self::schemas::{Digest, Id, Time, Transfers, WantedObject};
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
    schemas::refine(&mut schemas);
    schemas::bound(&mut schemas, bounds);
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
            "responses": answer::shared_answers(),
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
