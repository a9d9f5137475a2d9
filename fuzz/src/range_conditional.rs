//! `Range` and the conditional headers on a file of any size, held against RFC 9110 in other words.
//!
//! Input: eight bytes for the size, one for the method, then lines of headers.

use consign_http::fuzzing::{precondition, ranges};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::recipe::Recipe;

const ETAG: &str = "\"0a\"";

/// Tue, 14 Nov 2023 22:13:20 GMT.
const MODIFIED: u64 = 1_700_000_000;

/// Ranges that are honoured at most.
const MAX_RANGES: usize = 16;

pub fn run(bytes: &[u8]) {
    let mut recipe = Recipe(bytes);
    let len = recipe.u64();
    let method = recipe.pick(&[&Method::GET, &Method::HEAD, &Method::POST]);
    let mut headers = HeaderMap::new();
    for line in recipe.0.split(|byte| *byte == b'\n').take(32) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii_start());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    assert_eq!(
        precondition(method, &headers, ETAG, MODIFIED),
        expected_precondition(method, &headers),
        "{method} {headers:?}"
    );
    for value in headers.get_all(header::RANGE) {
        check_ranges(value, len);
    }
}

fn check_ranges(value: &HeaderValue, len: u64) {
    let (status, found) = ranges(value, len);
    let mut sorted = found.clone();
    sorted.sort_unstable_by_key(|range| range.start);
    for range in &sorted {
        assert!(
            range.start < range.end && range.end <= len,
            "{range:?} of {len}"
        );
    }
    assert!(sorted.windows(2).all(|pair| pair[0].end <= pair[1].start));
    assert_eq!(status == 206, !found.is_empty());
    // A recipient may always ignore the header; ours does for long runs of nothing, and for white
    // space at the end, which is no part of a header's value.
    let nothing = |bytes: &[u8]| bytes.iter().all(|byte| b" \t,".contains(byte));
    let text = value.as_bytes();
    if status == 200
        && (text.windows(4).any(nothing)
            || text.last() == Some(&b'\t')
            || text.last() == Some(&b' '))
    {
        return;
    }
    match expected_ranges(value.as_bytes(), len) {
        Some(expected) => assert_eq!((status, found), expected, "{value:?} of {len}"),
        None => assert_eq!(status, 200, "{value:?} is not to be honoured"),
    }
}

/// RFC 9110, section 14.1.1 and 14.2; `None` for what is against the grammar.
fn expected_ranges(value: &[u8], len: u64) -> Option<(u16, Vec<std::ops::Range<u64>>)> {
    let text = std::str::from_utf8(value).ok()?;
    let (unit, set) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let len = u128::from(len);
    // What is beyond a size is merely large.
    let number = |digits: &str| {
        let digits_only = digits.bytes().all(|byte| byte.is_ascii_digit());
        let value = digits.parse::<u128>().ok()?;
        (digits_only && digits.len() <= 30).then_some(value.min(u64::MAX.into()))
    };
    let (mut satisfiable, mut members, mut found) = (false, 0, Vec::new());
    for member in set.split(',') {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        members += 1;
        let (first, last) = member.split_once('-')?;
        let range = if first.is_empty() {
            let suffix = number(last)?;
            satisfiable |= suffix > 0;
            len.saturating_sub(suffix)..len
        } else {
            let first = number(first)?;
            let end = match last {
                "" => u128::MAX,
                last => number(last)?.checked_add(1).filter(|end| *end > first)?,
            };
            satisfiable |= first < len;
            first..end.min(len)
        };
        if range.start < range.end {
            found.push(range.start as u64..range.end as u64);
        }
    }
    if members == 0 || members > MAX_RANGES {
        return None;
    }
    if !satisfiable {
        return Some((416, vec![]));
    }
    let overlap = found.iter().enumerate().any(|(at, one)| {
        let mut others = found[..at].iter();
        others.any(|other| one.start < other.end && other.start < one.end)
    });
    if found.is_empty() || overlap {
        return Some((200, vec![]));
    }
    Some((206, found))
}

/// RFC 9110, section 13.2.2, with what is malformed read as `docs/http-api.md` and the code say.
fn expected_precondition(method: &Method, headers: &HeaderMap) -> u16 {
    let reads = method == Method::GET || method == Method::HEAD;
    if headers.contains_key(header::IF_MATCH) {
        if !listed(headers, &header::IF_MATCH, false) {
            return 412;
        }
    } else if date(headers, &header::IF_UNMODIFIED_SINCE).is_some_and(|date| date < MODIFIED) {
        return 412;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        if listed(headers, &header::IF_NONE_MATCH, true) {
            return if reads { 304 } else { 412 };
        }
    } else if reads
        && date(headers, &header::IF_MODIFIED_SINCE).is_some_and(|date| date >= MODIFIED)
    {
        return 304;
    }
    let this_version = match one_line(headers, &header::IF_RANGE) {
        None => !headers.contains_key(header::IF_RANGE),
        Some(value) if value == ETAG.as_bytes() => true,
        Some(_) => date(headers, &header::IF_RANGE) == Some(MODIFIED),
    };
    if method == Method::GET && this_version {
        206
    } else {
        200
    }
}

/// Whether the list of entity tags is `*` or names the file.
fn listed(headers: &HeaderMap, name: &HeaderName, weak_too: bool) -> bool {
    if one_line(headers, name) == Some(b"*") {
        return true;
    }
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    // A tag holds no space, so none goes on in the next line.
    let list = lines.join(&b", "[..]);
    let (mut tags, mut tag, mut quoted) = (Vec::new(), Vec::new(), false);
    for byte in list {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                tags.push(std::mem::take(&mut tag));
                continue;
            }
            _ => {}
        }
        tag.push(byte);
    }
    tags.push(tag);
    let mut found = false;
    for tag in tags {
        let tag = tag.trim_ascii();
        if tag.is_empty() {
            continue;
        }
        let (weak, opaque) = match tag.strip_prefix(b"W/") {
            Some(opaque) => (true, opaque),
            None => (false, tag),
        };
        let inside = opaque
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        if inside.is_none_or(|inside| inside.iter().any(|b| matches!(b, 0..=b' ' | b'"' | 0x7f))) {
            return false;
        }
        found |= opaque == ETAG.as_bytes() && (weak_too || !weak);
    }
    found
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let text = std::str::from_utf8(one_line(headers, name)?).ok()?;
    let date = httpdate::parse_http_date(text).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH);
    Some(since.map_or(0, |since| since.as_secs()))
}

fn one_line<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    match lines[..] {
        [line] => Some(line.as_bytes().trim_ascii()),
        _ => None,
    }
}
