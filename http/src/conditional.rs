//! Conditional requests: whether what a client already has decides the answer.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, Method};

/// What identifies the one version of a file that a request is about. RFC 9110, section 8.8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validators {
    /// A strong entity tag with its quotes, as it stands in `ETag`.
    pub(crate) etag: String,
    /// When the version came to be; only its whole seconds count, as in `Last-Modified`.
    pub(crate) last_modified: SystemTime,
}

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Answer as if there had been no condition.
    Proceed {
        /// Whether a `Range` header, should there be one, is to be honoured.
        use_range: bool,
    },
    /// The client has this version: 304.
    NotModified,
    /// A condition that the client insisted on does not hold: 412.
    Failed,
}

/// Evaluates the conditions of a request for an existing file. RFC 9110, section 13.2.2.
///
/// What cannot be read never makes the answer say more than is known:
/// - A malformed list of entity tags matches nothing: as `If-Match` it fails, as `If-None-Match` the
///   file is sent. Present all the same, it still keeps the date header beside it from counting.
/// - A malformed or repeated date is ignored (sections 13.1.3 and 13.1.4).
/// - A malformed or repeated `If-Range` matches nothing: the whole file is sent.
pub(crate) fn evaluate(
    method: &Method,
    headers: &HeaderMap,
    validators: &Validators,
) -> Precondition {
    let reads = method == Method::GET || method == Method::HEAD;
    let modified = seconds(validators.last_modified);
    if headers.contains_key(IF_MATCH) {
        if !any_tag(headers, IF_MATCH, |tag| {
            !tag.weak && tag.quoted == validators.etag.as_bytes()
        }) {
            return Precondition::Failed;
        }
    } else if date(headers, IF_UNMODIFIED_SINCE).is_some_and(|date| modified > date) {
        return Precondition::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if any_tag(headers, IF_NONE_MATCH, |tag| {
            tag.quoted == validators.etag.as_bytes()
        }) {
            return if reads {
                Precondition::NotModified
            } else {
                Precondition::Failed
            };
        }
    } else if reads && date(headers, IF_MODIFIED_SINCE).is_some_and(|date| modified <= date) {
        return Precondition::NotModified;
    }
    // Ranges are defined for GET alone: RFC 9110, section 14.2.
    let use_range = method == Method::GET && if_range(headers, validators);
    Precondition::Proceed { use_range }
}

/// Whether the client has what this entity tag identifies, of which no time is known.
pub(crate) fn has(headers: &HeaderMap, etag: &str) -> bool {
    any_tag(headers, IF_NONE_MATCH, |tag| tag.quoted == etag.as_bytes())
}

/// Whether `If-Range` lets a range be sent. RFC 9110, section 13.1.5.
///
/// A date is as good as a strong tag here: the section wants it strong in the sense of
/// section 8.8.2.2, and the bytes of a stored version never change.
fn if_range(headers: &HeaderMap, validators: &Validators) -> bool {
    if !headers.contains_key(IF_RANGE) {
        return true;
    }
    match only(headers, IF_RANGE) {
        // A weak tag is neither this nor a date, and so matches nothing.
        Some(value) if value.starts_with(b"\"") => value == validators.etag.as_bytes(),
        _ => date(headers, IF_RANGE) == Some(seconds(validators.last_modified)),
    }
}

/// Whether a header that lists entity tags is well-formed and is `*` or has a tag that `matches`.
///
/// Its lines are one list: RFC 9110, section 5.3. Since no tag holds a space, none spans two lines.
fn any_tag(headers: &HeaderMap, name: HeaderName, matches: impl Fn(Tag<'_>) -> bool) -> bool {
    if only(headers, &name).is_some_and(|value| value == b"*") {
        return true;
    }
    let mut matched = false;
    for line in headers.get_all(name) {
        let mut rest = line.as_bytes();
        loop {
            // Empty members are read over: RFC 9110, section 5.6.1.2.
            while let [b' ' | b'\t' | b',', tail @ ..] = rest {
                rest = tail;
            }
            if rest.is_empty() {
                break;
            }
            let Some((tag, tail)) = Tag::read(rest) else {
                return false;
            };
            rest = tail.trim_ascii_start();
            if !matches!(rest, [] | [b',', ..]) {
                return false;
            }
            matched |= matches(tag);
        }
    }
    matched
}

/// An entity tag: RFC 9110, section 8.8.3.
struct Tag<'a> {
    weak: bool,
    /// The opaque tag with its quotes.
    quoted: &'a [u8],
}

impl<'a> Tag<'a> {
    /// Reads the tag in front, and returns it with what follows.
    fn read(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (weak, input) = match input {
            [b'W', b'/', rest @ ..] => (true, rest),
            _ => (false, input),
        };
        let inside = input.strip_prefix(b"\"")?;
        let length = inside.iter().position(|&byte| !is_etagc(byte))?;
        if inside[length] != b'"' {
            return None;
        }
        let (quoted, rest) = input.split_at(length + 2);
        Some((Self { weak, quoted }, rest))
    }
}

/// `etagc` of RFC 9110, section 8.8.3: commas and backslashes are ordinary characters in a tag.
fn is_etagc(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}

/// The date in a header, in seconds since the Unix epoch, unless it is malformed or repeated.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let text = str::from_utf8(only(headers, name)?).ok()?;
    httpdate::parse_http_date(text).ok().map(seconds)
}

/// The value of a header that has exactly one line.
fn only(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<&[u8]> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    lines.next().is_none().then(|| line.as_bytes().trim_ascii())
}

/// Whole seconds since the Unix epoch; zero for an earlier time.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests;
