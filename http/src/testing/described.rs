//! Answers against the description of the API: each that a test gets is one that is described.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use super::Setup;
use crate::{Api, route::Route};

/// The description of an API, to hold answers against.
pub struct Described {
    document: Value,
    /// By the operation's place in the document, the status and the media type.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Described {
    /// The description of this API.
    ///
    /// # Panics
    /// When it is no JSON.
    pub fn of(api: &Api) -> Self {
        let document = serde_json::from_slice(&api.description());
        let mut document: Value = document.expect("a description is JSON");
        close(&mut document["components"]["schemas"]);
        as_any_number(&mut document);
        Self {
            document,
            validators: Mutex::default(),
        }
    }

    /// That of an API whose settings are as usual. Numbers in sentences may be others.
    pub fn usual() -> &'static Self {
        static USUAL: OnceLock<Described> = OnceLock::new();
        USUAL.get_or_init(|| Self::of(&super::api(&Setup::default(), "https://consign.example")))
    }

    /// Checks that an answer is described.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn allows(
        &self,
        method: &str,
        target: &str,
        status: u16,
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
    ) {
        let case = format!("{method} {target} -> {status} {}", body.escape_ascii());
        let path = path_of(target);
        // Another path is nobody's, or that of a host application.
        let Some((route, _)) = Route::of(path) else {
            return;
        };
        let as_method = if method == "HEAD" { "GET" } else { method };
        // So are those of a site.
        let Some(item) = self.document["paths"].get(route.path) else {
            return;
        };
        let operation = match item.get(as_method.to_ascii_lowercase()) {
            Some(operation) if as_method.chars().all(|c| c.is_ascii_uppercase()) => operation,
            _ => {
                assert!(matches!(status, 404 | 405), "an unknown method: {case}");
                return;
            }
        };
        let answer = operation["responses"].get(status.to_string());
        let answer = answer.unwrap_or_else(|| panic!("the status is not described: {case}"));
        let answer = self.resolved(answer);
        let at = format!("{} {status}", operation["operationId"]);
        for (name, described) in members(&answer["headers"]) {
            let described = self.resolved(described);
            let value = header(name).unwrap_or_else(|| panic!("there is no {name}: {case}"));
            let value = match value.parse::<u64>() {
                Ok(number) if described["schema"]["type"] == "integer" => json!(number),
                _ => json!(value),
            };
            self.holds(&format!("{at} {name}"), &described["schema"], &value, &case);
        }
        let media_type = header("content-type");
        let media_type = media_type
            .as_deref()
            .and_then(|value| value.split(';').next());
        let Some(media_type) = media_type else {
            assert!(body.is_empty(), "a body of no type: {case}");
            return;
        };
        let contents = &answer["content"];
        let content = contents.get(media_type).or_else(|| contents.get("*/*"));
        let content = content.unwrap_or_else(|| panic!("{media_type} is not described: {case}"));
        if method != "HEAD" && media_type.ends_with("json") {
            let value = serde_json::from_slice(body);
            let mut value: Value = value.unwrap_or_else(|_| panic!("it is no JSON: {case}"));
            if let Some(msg) = value.get("msg").and_then(Value::as_str).map(any_number) {
                value["msg"] = msg.into();
            }
            self.holds(
                &format!("{at} {media_type}"),
                &content["schema"],
                &value,
                &case,
            );
        }
    }

    #[track_caller]
    fn holds(&self, at: &str, schema: &Value, value: &Value, case: &str) {
        let mut validators = self
            .validators
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = validators.entry(at.to_owned());
        let validator = Arc::clone(known.or_insert_with(|| self.validator(schema)));
        drop(validators);
        let errors = validator.iter_errors(value);
        let errors: Vec<_> = errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(
            errors.is_empty(),
            "{at} is not as described: {errors:#?}\n{case}"
        );
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        // A reference leads to what is beside it.
        let schema = json!({"allOf": [schema], "components": self.document["components"]});
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true);
        Arc::new(
            options
                .build(&schema)
                .expect("a schema that is described is one"),
        )
    }

    fn resolved<'d>(&'d self, value: &'d Value) -> &'d Value {
        let pointer = value["$ref"].as_str().and_then(|to| to.strip_prefix('#'));
        let found = pointer.and_then(|pointer| self.document.pointer(pointer));
        found.unwrap_or(value)
    }
}

/// The path of a target in any form.
fn path_of(target: &str) -> &str {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    match path.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => path,
    }
}

/// Has schemas allow no members but those that they name: what is not described is found, too.
fn close(schemas: &mut Value) {
    let open = schemas.clone();
    for (_, schema) in schemas.as_object_mut().into_iter().flatten() {
        if let Some(Value::Array(parts)) = schema.get_mut("allOf") {
            for part in parts {
                let name = part["$ref"].as_str().and_then(|to| to.rsplit('/').next());
                if let Some(name) = name.map(str::to_owned) {
                    *part = open[name].clone();
                }
            }
        }
        if let Some(Value::Array(parts)) = schema.get_mut("oneOf") {
            parts.iter_mut().for_each(close_one);
        }
        close_one(schema);
    }
}

fn close_one(schema: &mut Value) {
    if schema["properties"].is_object() || schema["allOf"].is_array() {
        schema["unevaluatedProperties"] = false.into();
    }
}

/// Has sentences allow any number in the place of one.
fn as_any_number(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(as_any_number),
        Value::Object(members) => {
            for (name, value) in members {
                match (&**name, &mut *value) {
                    ("msg", msg) => msg.get_mut("enum").into_iter().for_each(any_numbers),
                    (_, value) => as_any_number(value),
                }
            }
        }
        _ => {}
    }
}

fn any_numbers(sentences: &mut Value) {
    for sentence in sentences.as_array_mut().into_iter().flatten() {
        *sentence = any_number(sentence.as_str().unwrap_or_default()).into();
    }
}

fn any_number(sentence: &str) -> String {
    let mut text = String::new();
    for c in sentence.chars() {
        match c.is_ascii_digit() {
            true if text.ends_with('0') => {}
            true => text.push('0'),
            false => text.push(c),
        }
    }
    text
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().map(Map::iter).into_iter().flatten()
}
