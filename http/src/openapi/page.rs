//! The document as a page that runs nothing and loads nothing.

use std::fmt::{self, Display, Write};

use serde_json::Value;

use crate::landing::Escaped;

pub(super) const STYLE: &str = include_str!("page.css");

/// A page of the whole document.
pub(super) fn of(document: &Value) -> String {
    Page(document).to_string()
}

struct Page<'d>(&'d Value);

impl Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = &self.0["info"];
        let title = Escaped(text(&info["title"]));
        write!(
            f,
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{title}: the API</title>\n<style>{STYLE}</style>\n"
        )?;
        self.contents(f)?;
        write!(
            f,
            "<main>\n<h1>{title}: the API</h1>\n<p class=\"soft\">Version {}, at <code>{}</code>. Programs read \
             <a href=\"openapi.json\">openapi.json</a>.</p>\n{}",
            Escaped(text(&info["version"])),
            Escaped(text(&self.0["servers"][0]["url"])),
            Prose(text(&info["description"])),
        )?;
        for tag in list(&self.0["tags"]) {
            let name = text(&tag["name"]);
            write!(
                f,
                "<h2 id=\"{}\">{}</h2>\n{}",
                anchor(name),
                Escaped(name),
                Prose(text(&tag["description"]))
            )?;
            for (method, path, operation) in self.operations(name) {
                self.operation(f, method, path, operation)?;
            }
        }
        f.write_str("<h2 id=\"schemas\">Schemas</h2>\n")?;
        for (name, schema) in members(&self.0["components"]["schemas"]) {
            write!(
                f,
                "<section id=\"schema-{0}\">\n<h3><a href=\"#schema-{0}\">{0}</a></h3>\n",
                Escaped(name)
            )?;
            described(f, schema)?;
            f.write_str("</section>\n")?;
        }
        f.write_str("</main>\n</html>\n")
    }
}

impl<'d> Page<'d> {
    fn contents(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "<nav aria-label=\"Contents\">\n<details open>\n<summary>Contents</summary>\n<ul>\n",
        )?;
        for tag in list(&self.0["tags"]) {
            let name = text(&tag["name"]);
            write!(
                f,
                "<li><a href=\"#{}\"><strong>{}</strong></a>\n<ul>\n",
                anchor(name),
                Escaped(name)
            )?;
            for (method, path, operation) in self.operations(name) {
                writeln!(
                    f,
                    "<li><a href=\"#{}\">{} {}</a></li>",
                    Escaped(text(&operation["operationId"])),
                    Method(method),
                    Escaped(path)
                )?;
            }
            f.write_str("</ul></li>\n")?;
        }
        f.write_str("<li><a href=\"#schemas\"><strong>Schemas</strong></a></li>\n</ul>\n</details>\n</nav>\n")
    }

    /// The operations of a tag, with their methods and paths.
    fn operations(&self, tag: &str) -> impl Iterator<Item = (&'d str, &'d str, &'d Value)> {
        let paths = members(&self.0["paths"]);
        let all = paths.flat_map(|(path, item)| {
            members(item).map(move |(method, operation)| (method, path, operation))
        });
        all.filter(move |(.., operation)| operation["tags"][0] == tag)
    }

    fn operation(
        &self,
        f: &mut fmt::Formatter<'_>,
        method: &str,
        path: &str,
        operation: &Value,
    ) -> fmt::Result {
        let id = Escaped(text(&operation["operationId"]));
        write!(
            f,
            "<section id=\"{id}\">\n<h3><a href=\"#{id}\">{} {}</a></h3>\n<p><strong>{}.</strong> <span \
             class=\"soft\">{}</span></p>\n{}",
            Method(method),
            Escaped(path),
            Escaped(text(&operation["summary"])),
            who(operation),
            Prose(text(&operation["description"]))
        )?;
        self.parameters(f, operation)?;
        for (media_type, content) in members(&operation["requestBody"]["content"]) {
            writeln!(f, "<h4>Body: <code>{}</code></h4>", Escaped(media_type))?;
            body(f, content)?;
        }
        f.write_str(
            "<h4>Answers</h4>\n<table>\n<thead><tr><th>Status</th><th>What it is</th></tr></thead>\n<tbody>\n",
        )?;
        for (status, answer) in members(&operation["responses"]) {
            self.answer(f, status, self.resolved(answer))?;
        }
        f.write_str("</tbody>\n</table>\n</section>\n")
    }

    fn parameters(&self, f: &mut fmt::Formatter<'_>, operation: &Value) -> fmt::Result {
        let parameters = list(&operation["parameters"]);
        if parameters.is_empty() {
            return Ok(());
        }
        f.write_str(
            "<h4>Parameters</h4>\n<table>\n<thead><tr><th>Name</th><th>What it is</th></tr></thead>\n<tbody>\n",
        )?;
        for parameter in parameters {
            writeln!(
                f,
                "<tr><td><code>{}</code> <span class=\"soft\">{}</span></td><td>{} <span \
                 class=\"soft\">{}</span></td></tr>",
                Escaped(text(&parameter["name"])),
                Escaped(text(&parameter["in"])),
                Inline(text(&parameter["description"])),
                Kind(&parameter["schema"])
            )?;
        }
        f.write_str("</tbody>\n</table>\n")
    }

    fn answer(&self, f: &mut fmt::Formatter<'_>, status: &str, answer: &Value) -> fmt::Result {
        write!(f, "<tr><td><code>{}</code></td><td>", Escaped(status))?;
        let told = text(&answer["description"]);
        match told.split(" · ").collect::<Vec<_>>()[..] {
            [one] => Inline(one).fmt(f)?,
            ref several => {
                f.write_str("<ul>")?;
                for told in several {
                    write!(f, "<li>{}</li>", Inline(told))?;
                }
                f.write_str("</ul>")?;
            }
        }
        let headers = members(&answer["headers"]).map(|(name, _)| name);
        // That is of every answer.
        let headers: Vec<_> = headers.filter(|name| *name != "X-Request-Id").collect();
        if !headers.is_empty() {
            write!(
                f,
                "<div class=\"soft\">With {}</div>",
                Escaped(&headers.join(", "))
            )?;
        }
        f.write_char('\n')?;
        for (media_type, content) in members(&answer["content"]) {
            if media_type == "application/problem+json" {
                continue;
            }
            write!(f, "<br><code>{}</code> ", Escaped(media_type))?;
            body(f, content)?;
        }
        f.write_str("</td></tr>\n")
    }

    fn resolved(&self, value: &'d Value) -> &'d Value {
        let pointer = value["$ref"].as_str().and_then(|to| to.strip_prefix('#'));
        let found = pointer.and_then(|pointer| self.0.pointer(pointer));
        found.unwrap_or(value)
    }
}

/// A schema and an example of it.
fn body(f: &mut fmt::Formatter<'_>, content: &Value) -> fmt::Result {
    let schema = &content["schema"];
    let shown = Kind(schema).to_string();
    if !shown.is_empty() {
        writeln!(f, "<span class=\"soft\">{shown}</span>")?;
    }
    if schema["properties"].is_object() {
        described(f, schema)?;
    }
    match &content["example"] {
        Value::Null => Ok(()),
        example => writeln!(
            f,
            "<pre><code>{}</code></pre>",
            Escaped(&format!("{example:#}"))
        ),
    }
}

/// What a schema says, and its members.
fn described(f: &mut fmt::Formatter<'_>, schema: &Value) -> fmt::Result {
    Prose(text(&schema["description"])).fmt(f)?;
    if !schema["properties"].is_object() {
        return writeln!(f, "<p>{}</p>", Kind(schema));
    }
    f.write_str("<table>\n<thead><tr><th>Member</th><th>What it is</th></tr></thead>\n<tbody>\n")?;
    let required = list(&schema["required"]);
    for (name, member) in members(&schema["properties"]) {
        let optional = match required.iter().any(|required| required == name) {
            true => "",
            false => " <span class=\"soft\">optional</span>",
        };
        writeln!(
            f,
            "<tr><td><code>{}</code>{optional}</td><td>{} <span class=\"soft\">{}</span></td></tr>",
            Escaped(name),
            Inline(text(&member["description"])),
            Kind(member)
        )?;
    }
    f.write_str("</tbody>\n</table>\n")?;
    match schema["additionalProperties"] {
        Value::Bool(false) => f.write_str("<p class=\"soft\">Other members are refused.</p>\n"),
        _ => Ok(()),
    }
}

/// What a value may be, in a few words.
struct Kind<'s>(&'s Value);

impl Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(schema) = self;
        if let Some(name) = schema["$ref"].as_str().and_then(|to| to.rsplit('/').next()) {
            return write!(f, "<a href=\"#schema-{0}\">{0}</a>", Escaped(name));
        }
        for (word, joined) in [("allOf", " with "), ("oneOf", " or "), ("anyOf", " or ")] {
            let kinds = list(&schema[word])
                .iter()
                .map(|kind| Kind(kind).to_string());
            let kinds: Vec<_> = kinds.filter(|kind| !kind.is_empty()).collect();
            if !kinds.is_empty() {
                return f.write_str(&kinds.join(joined));
            }
        }
        let kinds = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
            kind => text(kind).to_owned(),
        };
        write!(f, "{}", Escaped(&kinds))?;
        if schema["items"].is_object() {
            write!(f, " of {}", Kind(&schema["items"]))?;
        }
        for (name, word) in [
            ("format", ""),
            ("const", ""),
            ("minimum", "at least "),
            ("maximum", "at most "),
            ("minLength", "characters at least "),
            ("maxLength", "characters at most "),
            ("minItems", "items at least "),
            ("maxItems", "items at most "),
        ] {
            match &schema[name] {
                Value::Null => {}
                Value::String(value) => write!(f, ", {word}{}", Escaped(value))?,
                value => write!(f, ", {word}{value}")?,
            }
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            write!(f, ", <code>{}</code>", Escaped(pattern))?;
        }
        Ok(())
    }
}

struct Method<'m>(&'m str);

impl Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(method) = self;
        write!(
            f,
            "<span class=\"method {method}\">{}</span>",
            method.to_ascii_uppercase()
        )
    }
}

/// Paragraphs, with code between backticks.
struct Prose<'t>(&'t str);

impl Display for Prose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut paragraphs = self.0.split("\n\n").filter(|text| !text.is_empty());
        paragraphs.try_for_each(|text| writeln!(f, "<p>{}</p>", Inline(text)))
    }
}

struct Inline<'t>(&'t str);

impl Display for Inline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.split('`').enumerate() {
            match at % 2 {
                0 => write!(f, "{}", Escaped(part))?,
                _ => write!(f, "<code>{}</code>", Escaped(part))?,
            }
        }
        Ok(())
    }
}

fn who(operation: &Value) -> &'static str {
    match list(&operation["security"]) {
        [] => "Anyone.",
        [one] if one.get("bearer").is_some() => "Signed in.",
        [one] if one.get("cookie").is_some() => "A page, by its cookie.",
        _ => "Anyone, signed in or not.",
    }
}

fn anchor(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, value)| (&**name, value))
}
