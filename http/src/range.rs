//! Which bytes of a representation a `Range` header asks for, and how several are framed.

use std::num::NonZeroUsize;
use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;
use http_range_header::{RangeUnsatisfiableError, parse_range_header_with_max_ranges};

/// More ranges in one header than this are not worth honouring. RFC 9110, section 17.15.
const MAX_RANGES: NonZeroUsize = NonZeroUsize::new(16).unwrap();

/// The bytes to send for a request. Every range lies within the representation and is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it: 200.
    Whole,
    /// One range: 206 with `Content-Range`.
    One(Range<u64>),
    /// Two or more that do not overlap, in the order asked for: 206 with [`ByteRanges`].
    Several(Vec<Range<u64>>),
    /// Nothing that exists was asked for: 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a representation of `len` bytes. RFC 9110, section 14.
///
/// A header in another unit or against the grammar is ignored, as the RFC allows. So is one
/// that costs more than it saves: over 16 ranges, two ranges that overlap (so no answer sends more
/// than `len` bytes of the file), a number of over 30 digits, a long run of empty list members. Any
/// other number beyond `u64` is merely a large one. A request with several `Range` lines is for the
/// caller to ignore.
pub(crate) fn select(header: Option<&HeaderValue>, len: u64) -> Selection {
    let Some(Ok(header)) = header.map(HeaderValue::to_str) else {
        return Selection::Whole;
    };
    let Ok(parsed) = parse_range_header_with_max_ranges(header, MAX_RANGES) else {
        return Selection::Whole;
    };
    let ranges: Vec<_> = match parsed.validate(len) {
        Ok(ranges) => ranges
            .into_iter()
            .map(|range| *range.start()..*range.end() + 1)
            .collect(),
        Err(RangeUnsatisfiableError::Unsatisfiable) => return Selection::Unsatisfiable,
        Err(_) => return Selection::Whole,
    };
    match <[_; 1]>::try_from(ranges) {
        Ok([range]) => Selection::One(range),
        // A suffix of nothing is satisfiable, but no Content-Range can say so.
        Err(ranges) if ranges.is_empty() || overlap(&ranges) => Selection::Whole,
        Err(ranges) => Selection::Several(ranges),
    }
}

/// The value of `Content-Range` for one range of `len` bytes. RFC 9110, section 14.4.
pub(crate) fn content_range(range: &Range<u64>, len: u64) -> String {
    format!(
        "bytes {}-{}/{len}",
        range.start,
        range.end.saturating_sub(1)
    )
}

/// The framing of a `multipart/byteranges` body: everything but the bytes of the file, and so the
/// exact length of the whole before any of it is read. RFC 9110, section 14.6.
///
/// The body is each part's header followed by its range of the file, and then the trailer.
#[derive(Clone, Debug)]
pub(crate) struct ByteRanges {
    /// For each range, in order, what stands before its bytes.
    pub(crate) parts: Vec<(Bytes, Range<u64>)>,
    /// What stands after the bytes of the last range.
    pub(crate) trailer: Bytes,
    /// The value of `Content-Type`.
    pub(crate) content_type: HeaderValue,
    /// The value of `Content-Length`.
    pub(crate) content_length: u64,
}

impl ByteRanges {
    /// Frames `ranges` of a representation of `len` bytes and the given media type.
    ///
    /// The boundary is these 16 bytes in hexadecimal. Nobody may be able
    /// to know them before a file is made: then no file can hold the boundary, and it needs no
    /// checking. A file's own digest is such a value.
    pub(crate) fn new(
        boundary: [u8; 16],
        media_type: &HeaderValue,
        len: u64,
        ranges: Vec<Range<u64>>,
    ) -> Self {
        let boundary = format!("{:032x}", u128::from_be_bytes(boundary));
        let trailer = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let mut content_length = trailer.len() as u64;
        let mut parts = Vec::with_capacity(ranges.len());
        for range in ranges {
            let mut head = Vec::new();
            if !parts.is_empty() {
                head.extend_from_slice(b"\r\n");
            }
            head.extend_from_slice(format!("--{boundary}\r\nContent-Type: ").as_bytes());
            head.extend_from_slice(media_type.as_bytes());
            let content_range = content_range(&range, len);
            head.extend_from_slice(
                format!("\r\nContent-Range: {content_range}\r\n\r\n").as_bytes(),
            );
            // Ranges that do not overlap add up to less than any length a store can hold.
            content_length = content_length
                .saturating_add(head.len() as u64)
                .saturating_add(range.end.saturating_sub(range.start));
            parts.push((head.into(), range));
        }
        let content_type = format!("multipart/byteranges; boundary={boundary}");
        Self {
            parts,
            trailer,
            content_type: HeaderValue::try_from(content_type)
                .unwrap_or(HeaderValue::from_static("multipart/byteranges")),
            content_length,
        }
    }
}

/// Whether any byte lies in two of the ranges.
fn overlap(ranges: &[Range<u64>]) -> bool {
    let mut sorted: Vec<_> = ranges
        .iter()
        .map(|range| (range.start, range.end))
        .collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[1].0 < pair[0].1)
}

#[cfg(test)]
mod tests;
