//! The text of a key file. Secrets are copied into memory that is wiped, and into no message.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use consign_core::{
    time::Timestamp,
    token::{KeyError, KeyRing, Secret, SigningKey},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::file::MAX_LEN;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    version: u32,
    #[serde(borrow)]
    keys: Vec<Entry<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    id: &'a str,
    secret: &'a str,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    good_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_false")]
    next: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Read before the rest, which may be of another form in another version.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The keys as text.
pub(super) fn print(ring: &KeyRing) -> Zeroizing<Vec<u8>> {
    let keys = ring.keys().map(|(key, until)| (key, until, false));
    let next = ring.next().map(|key| (key, None, true));
    let texts: Vec<_> = keys
        .chain(next)
        .map(|(key, until, next)| {
            let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(key.secret.expose()));
            (key.id.to_string(), secret, key.created_at, until, next)
        })
        .collect();
    let entries = texts
        .iter()
        .map(|(id, secret, created_at, until, next)| Entry {
            id,
            secret,
            created_at: *created_at,
            good_until: *until,
            next: *next,
        });
    let document = Document {
        version: VERSION,
        keys: entries.collect(),
    };
    // All the room at once: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_LEN));
    serde_json::to_writer_pretty(&mut *text, &document)
        .expect("a vector takes all that is written");
    text.push(b'\n');
    text
}

/// The keys, or what is wrong with the text.
pub(super) fn parse(text: &[u8]) -> Result<KeyRing, String> {
    let Version { version } = serde_json::from_slice(text).map_err(|error| place(&error))?;
    if version != VERSION {
        return Err(format!(
            "it has version {version}, and this program knows only {VERSION}"
        ));
    }
    let document: Document<'_> = serde_json::from_slice(text).map_err(|error| place(&error))?;
    let (mut current, mut next) = (None, None);
    let mut retired = Vec::new();
    for entry in document.keys {
        let key = key(&entry).map_err(reason)?;
        match (entry.good_until, entry.next) {
            (Some(_), true) => return Err("the `next` key has a `good_until`".into()),
            (Some(until), false) => retired.push((key, until)),
            (None, true) if next.is_some() => return Err("two keys are `next`".into()),
            (None, true) => next = Some(key),
            (None, false) if current.is_some() => {
                return Err("two keys have no `good_until`".into());
            }
            (None, false) => current = Some(key),
        }
    }
    let current = current.ok_or("there is no key without `good_until`, to sign with")?;
    let ring = KeyRing::new(current, retired).map_err(reason)?;
    match next {
        Some(next) => ring.with_next(next).map_err(reason),
        None => Ok(ring),
    }
}

fn key(entry: &Entry<'_>) -> Result<SigningKey, KeyError> {
    Ok(SigningKey {
        id: entry.id.parse()?,
        secret: secret(entry.secret)?,
        created_at: entry.created_at,
    })
}

pub(super) fn secret(text: &str) -> Result<Secret, KeyError> {
    const WRONG: KeyError = KeyError::Invalid("a secret is not 32 bytes in base64url");

    // The decoder asks for a little more room than it fills.
    let mut decoded = Zeroizing::new([0; 36]);
    let len = URL_SAFE_NO_PAD
        .decode_slice(text, &mut *decoded)
        .map_err(|_| WRONG)?;
    let bytes = Zeroizing::new(<[u8; 32]>::try_from(&decoded[..len]).map_err(|_| WRONG)?);
    Secret::new(*bytes)
}

/// Where the text is wrong. The parser's own words may quote a secret.
pub(super) fn place(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    format!("line {line}, column {column} is not as expected")
}

pub(super) fn reason(error: KeyError) -> String {
    match error {
        KeyError::Invalid(reason) => reason.into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use consign_core::random::OsEntropy;

    use super::*;

    fn ring() -> KeyRing {
        let made = Timestamp::from_secs(1_800_000_000);
        KeyRing::generate(&OsEntropy, made)
            .rotated(
                &OsEntropy,
                made + Duration::from_secs(60),
                Duration::from_secs(3600),
            )
            .rotated(
                &OsEntropy,
                made + Duration::from_secs(90),
                Duration::from_secs(3600),
            )
    }

    type Seen = Vec<(String, [u8; 32], Timestamp, Option<Timestamp>)>;

    fn seen(ring: &KeyRing) -> Seen {
        let next = ring.next().map(|key| (key, None));
        ring.keys()
            .chain(next)
            .map(|(key, until)| {
                (
                    key.id.to_string(),
                    *key.secret.expose(),
                    key.created_at,
                    until,
                )
            })
            .collect()
    }

    #[test]
    fn what_is_printed_is_parsed() {
        let ring = ring();
        assert_eq!(seen(&parse(&print(&ring)).unwrap()), seen(&ring));
        let text = String::from_utf8(print(&ring).to_vec()).unwrap();
        assert!(
            !text.contains("next"),
            "programs that know of no next key read it"
        );
        let ring = ring.announcing(&OsEntropy, Timestamp::from_secs(1_800_000_100));
        assert_eq!(seen(&parse(&print(&ring)).unwrap()), seen(&ring));
        assert!(parse(&print(&ring)).unwrap().next().is_some());
    }

    #[test]
    fn at_most_one_key_is_next_and_it_has_no_end() {
        let ring = ring().announcing(&OsEntropy, Timestamp::from_secs(1));
        let text = String::from_utf8(print(&ring).to_vec()).unwrap();
        let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
        document["keys"][1]["next"] = true.into();
        let reason = parse(document.to_string().as_bytes()).unwrap_err();
        assert!(reason.contains("`next` key has"), "{reason}");
        document["keys"][1]["good_until"] = serde_json::Value::Null;
        let reason = parse(document.to_string().as_bytes()).unwrap_err();
        assert!(reason.contains("two keys are"), "{reason}");
    }

    #[test]
    fn the_longest_ring_fits() {
        let mut ring = ring();
        for _ in 0..KeyRing::MAX_KEYS {
            ring = ring.rotated(&OsEntropy, Timestamp::from_secs(1), Duration::from_secs(9));
        }
        assert_eq!(ring.keys().count(), KeyRing::MAX_KEYS);
        assert!(print(&ring).len() < MAX_LEN / 4);
    }

    #[test]
    fn damage_is_told_without_a_secret() {
        let good = String::from_utf8(print(&ring()).to_vec()).unwrap();
        let mut lines = good.lines().filter(|line| line.contains("secret"));
        let secret = lines.next().unwrap().split('"').nth(3).unwrap().to_owned();
        let weak = URL_SAFE_NO_PAD.encode([7; 32]);
        let cases = [
            (good[..good.len() / 2].to_owned(), "line"),
            (String::new(), "line"),
            (
                good.replace("\"version\": 1", "\"version\": 2"),
                "version 2",
            ),
            (good.replace("\"good_until\"", "\"retired\""), "line"),
            (
                good.replace("\"created_at\": ", "\"created_at\": -"),
                "line",
            ),
            (good.replace(&secret, &secret[1..]), "32 bytes"),
            (
                good.replace(&secret, &format!("{}=", &secret[1..])),
                "32 bytes",
            ),
            (good.replace(&secret, &weak), "not random"),
            (
                good.replace(&format!("\"{secret}\""), &format!("[\"{secret}\"]")),
                "line",
            ),
            (format!("{{\"version\": \"{secret}\"}}"), "line"),
            ("{\"version\": 1, \"keys\": []}".to_owned(), "no key"),
        ];
        for (text, expected) in cases {
            let reason = parse(text.as_bytes()).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
            assert!(!reason.contains(&secret[..8]), "{reason}");
        }
    }

    #[test]
    fn just_one_key_signs() {
        let text = String::from_utf8(print(&ring()).to_vec()).unwrap();
        let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
        for key in document["keys"].as_array_mut().unwrap() {
            key.as_object_mut().unwrap().remove("good_until");
        }
        let reason = parse(document.to_string().as_bytes()).unwrap_err();
        assert!(reason.contains("two keys"), "{reason}");
    }
}
