use serde_json::json;

use super::{
    Bounds,
    call::{Call, Who},
};
use crate::api::Health;

pub(super) fn calls(_: &Bounds<'_>) -> Vec<Call> {
    let page = json!({"schema": {"type": "string"}});
    let text = page.clone();
    let tagged = |call: Call| {
        call.in_header(
            "If-None-Match",
            json!({"type": "string"}),
            "An `ETag` that the caller has.",
        )
        .header(200, "ETag", json!({"type": "string"}), "Strong.")
        .nothing(304, "The caller has it.")
        .header(304, "ETag", json!({"type": "string"}), "Strong.")
    };
    vec![
        Call::new("GET", "/", "getIndex", "Say what this is")
            .by(Who::Anyone)
            .content(200, "A page.", "text/html", page.clone())
            .nothing(304, "The caller has it, where the server has a web page."),
        Call::new(
            "GET",
            "/assets/{version}/{asset}",
            "getAsset",
            "Get a part of the web page",
        )
        .by(Who::Anyone)
        .content(200, "It never changes.", "*/*", json!({}))
        .nothing(304, "The caller has it.")
        .refuses(404, "Not found", "of another version, too"),
        Call::new(
            "GET",
            "/robots.txt",
            "getRobots",
            "Ask search engines to stay away",
        )
        .by(Who::Anyone)
        .content(200, "RFC 9309.", "text/plain", text),
        Call::new("GET", "/healthz", "getHealth", "Say whether all is well")
            .by(Who::Anyone)
            .gives::<Health>(200, "It is.", json!({"status": "ok"})),
        tagged(Call::new(
            "GET",
            "/openapi.json",
            "getDescription",
            "Get this document",
        ))
        .by(Who::Anyone)
        .content(
            200,
            "OpenAPI 3.1.",
            "application/json",
            json!({"schema": {"type": "object"}}),
        ),
        tagged(Call::new(
            "GET",
            "/docs",
            "getDocs",
            "Get this document as a page",
        ))
        .by(Who::Anyone)
        .content(200, "A page.", "text/html", page),
    ]
}
