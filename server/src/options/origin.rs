//! Where settings came from, and what is said of those that are refused.

use std::{
    collections::BTreeMap,
    env, fmt,
    path::{Path, PathBuf},
};

use clap::{
    Args, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use toml::{Spanned, Value};

use super::{Options, mail};
use crate::cli;

/// Characters of a value that are shown at most.
const SHOWN: usize = 200;

/// How alike two names are, of at most 1, before one may be meant by the other.
const ALIKE: f64 = 0.75;

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The flag of this key.
    Flag(String),
    /// The variable of the environment of this name.
    Variable(String),
    /// A line of the file.
    File(PathBuf, usize),
    /// Nobody has set it.
    Default,
}

impl Origin {
    /// Of what clap has taken for a key: a flag goes before a variable.
    fn outside(key: &str) -> Option<(Self, String)> {
        let flag = format!("--{key}");
        let mut args = env::args_os().skip(1);
        while let Some(arg) = args.next() {
            let arg = arg.to_string_lossy();
            if arg == "--" {
                break;
            }
            if arg == flag {
                let value = args.next().unwrap_or_default();
                return Some((Self::Flag(flag), value.to_string_lossy().into_owned()));
            }
            let value = arg.strip_prefix(&flag);
            if let Some(value) = value.and_then(|rest| rest.strip_prefix('=')) {
                return Some((Self::Flag(flag), value.to_owned()));
            }
        }
        let name = variable(key);
        let value = env::var_os(&name)?.to_string_lossy().into_owned();
        Some((Self::Variable(name), value))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(name) => f.write_str(name),
            Self::File(path, line) => write!(f, "{}, line {line}", path.display()),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// A setting as it was written, and where.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) key: String,
    /// As it may be shown.
    pub(crate) value: Option<String>,
    pub(crate) origin: Origin,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, " (from {})", self.origin)
    }
}

/// What the file has, by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(BTreeMap<String, Written>);

impl Origins {
    /// Of a file that is good.
    pub(super) fn of_file(path: &Path, text: &str) -> Self {
        let entries = entries(text).unwrap_or_default();
        let written = entries.into_iter().map(|(key, value)| {
            let written = Written {
                value: Some(shown(
                    key.get_ref(),
                    text.get(value.span()).unwrap_or_default(),
                )),
                origin: Origin::File(path.to_owned(), line_of(text, key.span().start)),
                key: key.into_inner(),
            };
            (written.key.clone(), written)
        });
        Self(written.collect())
    }

    /// How a setting was written, and where.
    pub(crate) fn of(&self, key: &str) -> Written {
        if let Some((origin, value)) = Origin::outside(key) {
            let value = Some(shown(key, &format!("{value:?}")));
            let key = key.to_owned();
            return Written { key, value, origin };
        }
        self.0.get(key).cloned().unwrap_or_else(|| Written {
            key: key.to_owned(),
            value: None,
            origin: Origin::Default,
        })
    }
}

/// All keys, in the order of the help.
pub(crate) fn keys() -> Vec<String> {
    let command = Options::augment_args(Command::new("consign"));
    let longs = command.get_arguments().filter_map(|arg| arg.get_long());
    longs.map(str::to_owned).collect()
}

/// The variables of the environment that look like settings and are none, with what may be meant.
pub(crate) fn unknown_variables() -> Vec<(String, Option<String>)> {
    let mut known: Vec<_> = keys().iter().map(|key| variable(key)).collect();
    // Those of the client are no settings, and nothing is wrong with them.
    let client = cli::ENVIRONMENT.iter();
    known.extend(client.flat_map(|(names, _)| names.split(", ").map(str::to_owned)));
    known.extend(cli::MIGRATE_VARIABLES.map(str::to_owned));
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let ours = names.filter(|name| name.starts_with("CONSIGN_"));
    ours.filter(|name| !known.contains(name))
        .map(|name| {
            let meant = nearest(&name, &known);
            (name, meant)
        })
        .collect()
}

/// The line for what clap has refused, if it is a variable: clap tells all for flags.
pub(crate) fn refused_variable(error: &clap::Error) -> Option<String> {
    let told = |kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    };
    if !matches!(
        error.kind(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation
    ) {
        return None;
    }
    let arg = told(ContextKind::InvalidArg)?;
    let key = arg.strip_prefix("--")?.split([' ', '=']).next()?.to_owned();
    let (origin @ Origin::Variable(_), value) = Origin::outside(&key)? else {
        return None;
    };
    let reason = match (
        std::error::Error::source(error),
        told(ContextKind::ValidValue),
    ) {
        (Some(reason), _) => reason.to_string(),
        (None, Some(values)) => format!("it has to be one of {values}"),
        (None, None) => format!("it has to be {}", allowed(&key)),
    };
    let written = format!("{value:?}");
    let reason = reason.replace(&written, "it");
    let value = Some(shown(&key, &written));
    let hint = format!("see --{key} in consign --help");
    let written = Written { key, value, origin };
    Some(format!("{written}: {}; {hint}", one_line(&reason)))
}

/// What is wrong with a file, and where, in one line.
pub(super) fn bad_file(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let line = line_of(text, at);
    let entries = entries(text).unwrap_or_default();
    let entry = entries.into_iter().find(|(key, value)| {
        let whole = key.span().start..value.span().end.max(key.span().end);
        whole.contains(&at) || line_of(text, key.span().start) == line
    });
    let Some((key, value)) = entry else {
        let message = one_line(error.message());
        let told = text.lines().nth(line - 1).unwrap_or_default();
        let told = mail::without_login(told.trim()).escape_debug();
        return format!("{}, line {line}: {message}: {told}", path.display());
    };
    let origin = Origin::File(path.to_owned(), line);
    let key = key.into_inner();
    let known = keys();
    let is_known = key != "config" && known.contains(&key);
    // What stands under another name may be a secret all the same.
    let written = text.get(value.span()).unwrap_or_default();
    let value = is_known.then(|| shown(&key, written));
    let reason = match error.message() {
        _ if key == "config" => "a file does not name another".to_owned(),
        _ if !is_known => match nearest(&key, &known) {
            Some(meant) => format!("there is no such setting; is {meant} meant?"),
            None => "there is no such setting; see consign --help".to_owned(),
        },
        message if of_type(message) => format!("it has to be {}", allowed(&key)),
        message => message.replace(written, "it"),
    };
    let key = key.escape_debug().to_string();
    let written = Written { key, value, origin };
    format!("{written}: {}", one_line(&reason))
}

/// Whether serde complains in its own words: of a value that is not of the right type, or none of a few.
fn of_type(message: &str) -> bool {
    [
        "invalid type",
        "invalid value",
        "data did not match",
        "unknown variant",
        "wanted",
    ]
    .iter()
    .any(|complaint| message.starts_with(complaint))
}

/// What a setting has to be, in words.
fn allowed(key: &str) -> String {
    let command = Options::augment_args(Command::new("consign"));
    let arg = command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(key));
    let Some(arg) = arg else {
        return "text".to_owned();
    };
    let values = arg.get_possible_values();
    if !values.is_empty() {
        let values: Vec<_> = values.iter().map(|value| value.get_name()).collect();
        return format!("one of {}", values.join(", "));
    }
    let name = arg.get_value_names().and_then(|names| names.first());
    match name.map_or("", |name| name.as_str()) {
        "SIZE" => "a size such as 500MB or 5GiB",
        "TIME" => "a time in quotes such as \"90s\", \"15m\", \"1h\" or \"7d\"",
        "COUNT" => "a whole number",
        "URL" if key == "mail" => "a URL such as \"smtps://HOST\", or \"folder:DIR\"",
        "URL" => "a URL in quotes, such as \"https://files.example.org\"",
        "HOST:PORT" => "an address in quotes, such as \"127.0.0.1:5000\"",
        "STORE" if key == "metadata" => {
            "text in quotes, \"redb:PATH\" or \"postgres://HOST/DATABASE\""
        }
        "STORE" => "text in quotes, \"fs:PATH\" or \"s3://BUCKET/PREFIX\"",
        "NETWORKS" => "addresses or networks in quotes, such as \"10.0.0.0/8, 192.0.2.7\"",
        _ => "text in quotes",
    }
    .to_owned()
}

/// A value, as it was written, as it may be shown: not where a login may be in it, and not at any length.
fn shown(key: &str, written: &str) -> String {
    let begins = |with| written.trim_start_matches(['"', '\'']).starts_with(with);
    let open = match key {
        "mail" => false,
        "metadata" => begins("redb:"),
        "blobs" => begins("fs:") || !written.contains('@'),
        _ => !(written.contains('@') && written.contains("://")),
    };
    if !open {
        return "…".to_owned();
    }
    // A key in the place of its file's name.
    if written.contains("-----BEGIN") {
        return "…".to_owned();
    }
    let text = written.replace(char::is_control, " ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn entries(text: &str) -> Option<BTreeMap<Spanned<String>, Spanned<Value>>> {
    toml::from_str(text).ok()
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

fn one_line(text: &str) -> String {
    text.trim().replace('\n', ", ")
}

fn variable(key: &str) -> String {
    format!("CONSIGN_{}", key.to_uppercase().replace('-', "_"))
}

/// The known name that is most like this one, in whatever way it is written.
fn nearest(name: &str, known: &[String]) -> Option<String> {
    let plain = |name: &str| {
        let name = name.strip_prefix("CONSIGN_").unwrap_or(name);
        name.to_lowercase().replace('_', "-")
    };
    let name = plain(name);
    let alike = known
        .iter()
        .map(|other| (strsim::jaro_winkler(&name, &plain(other)), other));
    let best = alike.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(alike, _)| *alike >= ALIKE)
        .map(|(_, other)| other.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_is_named_after_its_flag() {
        let command = Options::augment_args(Command::new("consign"));
        for arg in command.get_arguments() {
            let key = arg.get_long().unwrap();
            let name = arg.get_env().and_then(|name| name.to_str());
            assert_eq!(name, Some(&*variable(key)), "{key}");
        }
    }

    #[test]
    fn what_is_meant_is_what_is_nearest() {
        let known = keys();
        for (written, meant) in [
            ("lisen", Some("listen")),
            ("max_upload", Some("max-upload")),
            ("Public-URL", Some("public-url")),
            ("mial", Some("mail")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(written, &known).as_deref(), meant, "{written}");
        }
        let known: Vec<_> = known.iter().map(|key| variable(key)).collect();
        for (written, meant) in [
            ("CONSIGN_LISEN", Some("CONSIGN_LISTEN")),
            ("CONSIGN_ZZZ", None),
        ] {
            assert_eq!(nearest(written, &known).as_deref(), meant, "{written}");
        }
    }

    #[test]
    fn no_login_is_shown() {
        for (key, written, told) in [
            ("mail", "\"smtp://localhost\"", "…"),
            ("public-url", "\"https://a:b@example.org\"", "…"),
            ("mail-from", "\"a@example.org\"", "\"a@example.org\""),
            ("metadata", "\"redb:a\"", "\"redb:a\""),
            ("metadata", "\"postgres://a?password=b\"", "…"),
            ("metadata", "5", "…"),
            ("blobs", "\"s3://a:b@c\"", "…"),
            ("blobs", "\"s3://a/b\"", "\"s3://a/b\""),
            ("log", "\"lo\nud\"", "\"lo ud\""),
            ("tls-key", "\"-----BEGIN PRIVATE KEY-----\\nMIG\"", "…"),
        ] {
            assert_eq!(shown(key, written), told);
        }
        assert_eq!(shown("log", &"x".repeat(5000)).chars().count(), SHOWN + 1);
    }
}
