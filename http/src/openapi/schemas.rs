//! What values are, where no type says it that is read or written here.

use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat,
        schema::{SchemaType, Type},
    },
};

use super::Bounds;
use crate::audience::AudienceWord;

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

/// An audience as the body of a request says it.
#[derive(ToSchema)]
#[serde(untagged, deny_unknown_fields)]
#[schema(as = WantedAudience)]
#[expect(
    dead_code,
    reason = "it is taken apart by hand, so that what is wrong is named"
)]
pub(crate) enum WantedObject {
    Word(AudienceWord),
    These(WantedLists),
    Missing(Missing),
}

/// At most 100 of both together, each counted once.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
pub(crate) struct WantedLists {
    /// Usernames of clients.
    #[schema(max_items = 100)]
    users: Option<Vec<String>>,
    /// Ids.
    #[schema(max_items = 100)]
    groups: Option<Vec<String>>,
}

/// What misleads in a name or a note, but line feeds: controls, separators of lines and paragraphs, and
/// what overrides the direction of writing.
const MISLEADING: &str = r"\x00-\x09\x0B-\x1F\x7F-\x9F\u2028\u2029\u202A-\u202E\u2066-\u2069\uFEFF";

/// White space as Unicode has it, which `\s` is not in each dialect.
const SPACE: &str = r"\x09-\x0D\x20\x85\xA0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000";

/// Says in each schema what its type could not.
pub(super) fn refine(schema: &mut Value) {
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
pub(super) fn bound(schemas: &mut Value, bounds: &Bounds<'_>) {
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
