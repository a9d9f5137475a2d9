//! Doors for the fuzzer, no part of the interface.

use std::{
    ops::Range,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, Method};

use crate::{
    conditional::{self, Precondition, Validators},
    disposition,
    range::{self, Selection},
};

/// The `Content-Disposition` of a download of this name.
pub fn attachment(name: &str) -> HeaderValue {
    disposition::attachment(name)
}

/// A part's `Content-Disposition`: what it is, its name and its file's name.
pub fn disposition(value: &[u8]) -> Option<(String, Option<String>, Option<String>)> {
    let read = disposition::parse(value).ok()?;
    Some((read.kind, read.name, read.filename))
}

/// The status that a `Range` header comes to, and with 206 the ranges.
pub fn ranges(header: &HeaderValue, len: u64) -> (u16, Vec<Range<u64>>) {
    match range::select(Some(header), len) {
        Selection::Whole => (200, vec![]),
        Selection::One(range) => (206, vec![range]),
        Selection::Several(ranges) => (206, ranges),
        Selection::Unsatisfiable => (416, vec![]),
    }
}

/// The status that conditions come to, 206 standing for leave to send a range.
pub fn precondition(method: &Method, headers: &HeaderMap, etag: &str, modified: u64) -> u16 {
    let validators = Validators {
        etag: etag.to_owned(),
        last_modified: SystemTime::UNIX_EPOCH + Duration::from_secs(modified),
    };
    match conditional::evaluate(method, headers, &validators) {
        Precondition::Proceed { use_range: false } => 200,
        Precondition::Proceed { use_range: true } => 206,
        Precondition::NotModified => 304,
        Precondition::Failed => 412,
    }
}
