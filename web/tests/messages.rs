//! The one file of messages: whole, in all languages, and nothing in it that nothing says.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use consign_http::Words;
use consign_web::LANGUAGES;
use serde_json::Value;

#[test]
fn each_text_is_there_in_each_language_with_the_same_places() {
    for part in ["words", "sentences", "kinds", "landing"] {
        for (key, text) in texts(&messages()[part]) {
            let told: Vec<_> = LANGUAGES.iter().map(|(tag, _)| &text[*tag]).collect();
            assert_eq!(text.as_object().unwrap().len(), told.len(), "{part} {key}");
            let expected = places(told[0]);
            for (told, (tag, _)) in told.iter().zip(LANGUAGES) {
                let forms = forms(told);
                assert!(!forms.is_empty(), "{part} {key} in {tag}");
                assert!(
                    forms.iter().all(|form| !form.trim().is_empty()),
                    "{part} {key} in {tag}"
                );
                assert_eq!(places(told), expected, "{part} {key} in {tag}");
            }
        }
    }
}

#[test]
fn each_word_is_used_and_each_that_is_used_is_there() {
    let words: BTreeSet<String> = keys("words");
    let mut used = BTreeSet::new();
    for (name, text) in sources() {
        let mut said: Vec<&str> = calls(&text, "t('", '\'');
        said.extend(calls(&text, "data-t=\"", '"'));
        for key in said {
            assert!(words.contains(key), "{name} says {key}");
            used.insert(key.to_owned());
        }
        // `sort.${order}` is any that begins so.
        for key in calls(&text, "t(`", '`') {
            let beginning = key.split("${").next().unwrap();
            let found = words.iter().filter(|word| word.starts_with(beginning));
            let found: Vec<_> = found.cloned().collect();
            assert!(found.len() > 1, "{name} says {key}");
            used.extend(found);
        }
        // Keys that are chosen from: `cond ? 'files.none' : 'files.none.client'`, `label: 'nav.files'`.
        // What is between any two quotes: an apostrophe in a comment turns inside out what follows it.
        let quoted = text.split('\'').skip(1);
        used.extend(
            quoted
                .filter(|text| words.contains(*text))
                .map(str::to_owned),
        );
    }
    let unused: Vec<_> = words.difference(&used).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// The sentences of the API are those in its reference; the page tells two of its own.
#[test]
fn each_sentence_of_the_api_is_explained() {
    let known = keys("sentences");
    let is_known =
        |msg: &str| known.contains(msg) || known.iter().any(|pattern| matches(pattern, msg));
    let documented = documented();
    assert!(documented.len() > 50, "{documented:?}");
    for msg in &documented {
        assert!(is_known(msg), "{msg:?} is not explained");
    }
    let own = ["No answer came from the server", "You are signed out"];
    let api = fs::read_to_string(folder().join("assets/api.js")).unwrap();
    for msg in own {
        assert!(api.contains(msg), "{msg}");
    }
    let page = reference();
    for pattern in &known {
        let told = page.contains(&format!("`{pattern}`"))
            || documented.iter().any(|msg| matches(pattern, msg));
        assert!(
            told || own.contains(&pattern.as_str()),
            "{pattern:?} is never told"
        );
    }
    for msg in messages()["landing"]["refusals"]
        .as_object()
        .unwrap()
        .keys()
    {
        assert!(documented.contains(msg), "{msg:?} is never told");
    }
}

#[test]
fn each_kind_of_entry_is_a_sentence() {
    let page = reference();
    let table = page.split("| `kind` | `fields` |").nth(1).unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let kinds: BTreeSet<_> = rows
        .flat_map(|row| quoted(row.split('|').nth(1).unwrap()))
        .collect();
    assert!(kinds.len() > 20);
    assert_eq!(kinds, keys("kinds"));
    // What stands in them is given.
    let script = fs::read_to_string(folder().join("assets/trail.js")).unwrap();
    for (kind, text) in texts(&messages()["kinds"]) {
        for place in places(&text["en"]) {
            assert!(
                script.contains(&format!("\n  {place}: ")),
                "{place} in {kind}"
            );
        }
    }
}

#[test]
fn without_a_site_the_page_of_a_link_says_the_same() {
    let english = landing("en");
    let expected = Words {
        refusals: english.refusals.clone(),
        ..Words::default()
    };
    assert_eq!(english, expected);
    // In English what is the matter is the API's own sentence.
    for (msg, refusal) in &english.refusals {
        assert_eq!(*msg, refusal.heading);
    }
    let german = landing("de");
    assert!(german.refusals.keys().eq(english.refusals.keys()));
}

fn landing(tag: &str) -> Words {
    fn chosen(value: &Value, tag: &str) -> Value {
        match value {
            Value::Object(parts) if parts.contains_key(tag) => parts[tag].clone(),
            Value::Object(parts) => {
                let parts = parts
                    .iter()
                    .map(|(key, part)| (key.clone(), chosen(part, tag)));
                Value::Object(parts.collect())
            }
            other => other.clone(),
        }
    }
    serde_json::from_value(chosen(&messages()["landing"], tag)).unwrap()
}

/// All texts below, each with all its languages, by where they are.
fn texts(part: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (key, value) in part.as_object().unwrap() {
        match value.get("en") {
            Some(_) => {
                found.insert(key.clone(), value.clone());
            }
            None => {
                let below = texts(value).into_iter();
                found.extend(below.map(|(inner, text)| (format!("{key}: {inner}"), text)));
            }
        }
    }
    found
}

/// A text, or what it is for one and for several.
fn forms(text: &Value) -> Vec<&str> {
    match text {
        Value::String(text) => vec![text],
        Value::Object(forms) => {
            assert!(forms.keys().eq(["one", "other"]), "{text}");
            forms.values().map(|form| form.as_str().unwrap()).collect()
        }
        other => panic!("{other} is no text"),
    }
}

/// The `{name}`s in a text; one need not say how many.
fn places(text: &Value) -> BTreeSet<String> {
    let forms = forms(text);
    let last = *forms.last().unwrap();
    last.split('{')
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap().to_owned())
        .collect()
}

fn keys(part: &str) -> BTreeSet<String> {
    messages()[part]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

/// What stands between each `before` and the next `end`.
fn calls<'t>(text: &'t str, before: &str, end: char) -> Vec<&'t str> {
    let parts = text.match_indices(before).filter(|(at, _)| {
        // `t(` is a whole name.
        !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
    });
    parts
        .map(|(at, _)| text[at + before.len()..].split(end).next().unwrap())
        .collect()
}

/// Whether a sentence is what a pattern with `{name}`s says.
fn matches(pattern: &str, msg: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('{') else {
        return false;
    };
    let after = rest.split_once('}').unwrap().1;
    msg.len() > before.len() + after.len() && msg.starts_with(before) && msg.ends_with(after)
}

/// The sentences of refusals in the API's reference.
fn documented() -> BTreeSet<String> {
    let page = reference();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = rows.filter(|row| row.starts_with(|c: char| c.is_ascii_digit()));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let said = cells.flat_map(|cell| {
        // What is in brackets says when.
        let mut outside = String::new();
        let (mut depth, mut code) = (0, false);
        for c in cell.chars() {
            match c {
                '`' => code = !code,
                '(' if !code => depth += 1,
                ')' if !code => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                outside.push(c);
            }
        }
        quoted(&outside).collect::<Vec<_>>()
    });
    let is_sentence =
        |text: &String| text.contains(' ') && text.len() > 8 && !text.starts_with("POST ");
    said.filter(is_sentence).collect()
}

fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

fn reference() -> String {
    fs::read_to_string(folder().join("../docs/http-api.md")).unwrap()
}

/// The page and its scripts.
fn sources() -> Vec<(String, String)> {
    let files = fs::read_dir(folder().join("assets"))
        .unwrap()
        .map(Result::unwrap);
    let files = files.filter(|file| {
        let name = file.file_name().into_string().unwrap();
        name.ends_with(".js") || name.ends_with(".html")
    });
    files
        .map(|file| {
            (
                file.path().display().to_string(),
                fs::read_to_string(file.path()).unwrap(),
            )
        })
        .collect()
}

fn messages() -> Value {
    serde_json::from_str(&fs::read_to_string(folder().join("messages.json")).unwrap()).unwrap()
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
