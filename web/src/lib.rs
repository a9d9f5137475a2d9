//! The web page of Consign: what people see in a browser.
//!
//! [`site`] is the page with all that it loads, ready to be served: it is part of the program, is built by
//! nothing, and loads nothing from elsewhere. All that it does, it does by the HTTP API.
//!
//! ```
//! # fn mount(api: consign_http::Api) -> consign_http::Api {
//! api.with_site(consign_web::site())
//! # }
//! ```
//!
//! What it says is in one file, `messages.json`: each text in each of the [`LANGUAGES`], under its key.
//!
//! | part | what is in it |
//! |---|---|
//! | `words` | what the page says |
//! | `sentences` | what the API's sentences mean, and what to do next; other sentences are shown as they are |
//! | `kinds` | the entries of the trail, by their kind |
//! | `landing` | what the page of a managed link says ([`Words`]) |

mod page;

use bytes::Bytes;
use consign_http::{Asset, Language, Site, Words};
use serde_json::{Map, Value};

/// The languages, with what they call themselves. The first is for those who ask for none of them.
pub const LANGUAGES: [(&str, &str); 2] = [("en", "English"), ("de", "Deutsch")];

const MESSAGES: &str = include_str!("../messages.json");
const PAGE: &str = include_str!("../assets/index.html");
const STYLE: &str = include_str!("../assets/style.css");

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What the page loads.
const ASSETS: &[(&str, &str, &str)] = &[
    (
        "mark.svg",
        "image/svg+xml",
        include_str!("../assets/mark.svg"),
    ),
    ("main.js", SCRIPT, include_str!("../assets/main.js")),
    ("api.js", SCRIPT, include_str!("../assets/api.js")),
    ("session.js", SCRIPT, include_str!("../assets/session.js")),
    ("i18n.js", SCRIPT, include_str!("../assets/i18n.js")),
    ("ui.js", SCRIPT, include_str!("../assets/ui.js")),
    ("audience.js", SCRIPT, include_str!("../assets/audience.js")),
    ("upload.js", SCRIPT, include_str!("../assets/upload.js")),
    ("files.js", SCRIPT, include_str!("../assets/files.js")),
    ("links.js", SCRIPT, include_str!("../assets/links.js")),
    ("groups.js", SCRIPT, include_str!("../assets/groups.js")),
    ("trail.js", SCRIPT, include_str!("../assets/trail.js")),
    ("landing.js", SCRIPT, include_str!("../assets/landing.js")),
];

/// The page in all languages, with what it loads.
pub fn site() -> Site {
    let messages = messages();
    let [first, others @ ..] = LANGUAGES.map(|(tag, name)| language(&messages, tag, name));
    let site = Site::new(first, STYLE);
    let site = others.into_iter().fold(site, Site::with_language);
    let site = ASSETS
        .iter()
        .fold(site, |site, &(name, content_type, text)| {
            site.with_asset(Asset {
                name: name.to_owned(),
                content_type,
                content: Bytes::from_static(text.as_bytes()),
            })
        });
    LANGUAGES.iter().fold(site, |site, (tag, _)| {
        let mut told = in_language(&messages, tag);
        if let Value::Object(parts) = &mut told {
            parts.remove("landing");
        }
        site.with_asset(Asset {
            name: format!("{tag}.json"),
            content_type: "application/json",
            content: told.to_string().into(),
        })
    })
}

fn messages() -> Value {
    serde_json::from_str(MESSAGES).expect("the messages are JSON, which a test reads")
}

fn language(messages: &Value, tag: &str, name: &str) -> Language {
    let told = in_language(messages, tag);
    let landing = serde_json::from_value::<Words>(told["landing"].clone());
    Language {
        tag: tag.to_owned(),
        name: name.to_owned(),
        page: page::filled(PAGE, tag, |key| told["words"][key].as_str()),
        landing: landing.expect("each text of a link's page is there, which a test reads"),
    }
}

/// The messages with one language in the place of all.
fn in_language(messages: &Value, tag: &str) -> Value {
    match messages {
        Value::Object(parts) if is_text(parts) => parts[tag].clone(),
        Value::Object(parts) => {
            let parts = parts.iter();
            let told = parts.map(|(key, part)| (key.clone(), in_language(part, tag)));
            Value::Object(told.collect())
        }
        other => other.clone(),
    }
}

/// Whether these are one text in all languages.
fn is_text(parts: &Map<String, Value>) -> bool {
    parts.len() == LANGUAGES.len() && LANGUAGES.iter().all(|(tag, _)| parts.contains_key(*tag))
}
