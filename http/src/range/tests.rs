use proptest::prelude::*;

use super::Selection::{One, Several, Unsatisfiable, Whole};
use super::*;

fn selected(header: &str, len: u64) -> Selection {
    select(Some(&HeaderValue::from_str(header).unwrap()), len)
}

#[test]
fn selections_of_eleven_bytes() {
    let cases = [
        ("bytes=0-4", One(0..5)),
        ("BYTES=0-4", One(0..5)),
        ("bytes=10-10", One(10..11)),
        ("bytes=3-", One(3..11)),
        ("bytes=3-1000", One(3..11)),
        ("bytes=-5", One(6..11)),
        ("bytes=-5000", One(0..11)),
        ("bytes=-0", Unsatisfiable),
        ("bytes=11-", Unsatisfiable),
        ("bytes=11-12,-0", Unsatisfiable),
        ("bytes=0-1,11-12", One(0..2)),
        ("bytes=5-8,0-1", Several(vec![5..9, 0..2])),
        ("bytes=0-4,5-9", Several(vec![0..5, 5..10])),
        ("bytes=,0-4 ,\t5-9, ,", Several(vec![0..5, 5..10])),
        ("bytes=0-4,4-9", Whole),
        ("bytes=0-,-1", Whole),
        // Numbers beyond u64.
        ("bytes=3-18446744073709551616", One(3..11)),
        ("bytes=3-99999999999999999999999999999", One(3..11)),
        ("bytes=-99999999999999999999999999999", One(0..11)),
        ("bytes=99999999999999999999999999999-", Unsatisfiable),
        (
            "bytes=18446744073709551615-18446744073709551615",
            Unsatisfiable,
        ),
        ("bytes=000000000000000000000000000003-4", One(3..5)),
        ("bytes=0-9999999999999999999999999999999", Whole),
        // Ignored.
        ("", Whole),
        ("bytes", Whole),
        ("bytes=", Whole),
        ("bytes=,", Whole),
        ("bytes=-", Whole),
        ("bytes=5", Whole),
        ("bytes=5-4", Whole),
        ("bytes=+1-2", Whole),
        ("bytes=1-+2", Whole),
        ("bytes=--1", Whole),
        ("bytes=0x1-2", Whole),
        ("bytes=0-1,junk", Whole),
        ("bytes= 0 - 4", Whole),
        ("bytes =0-4", Whole),
        ("items=0-4", Whole),
    ];
    for (header, expected) in cases {
        assert_eq!(selected(header, 11), expected, "{header}");
    }
    assert_eq!(select(None, 11), Whole);
    assert_eq!(
        select(Some(&HeaderValue::from_bytes(b"bytes=0-\xff").unwrap()), 11),
        Whole
    );
}

#[test]
fn selections_of_nothing_and_of_everything_countable() {
    assert_eq!(selected("bytes=0-", 0), Unsatisfiable);
    assert_eq!(selected("bytes=-0", 0), Unsatisfiable);
    assert_eq!(selected("bytes=-5", 0), Whole);
    assert_eq!(selected("bytes=0-,-5", 0), Whole);
    assert_eq!(
        selected("bytes=0-99999999999999999999", u64::MAX),
        One(0..u64::MAX)
    );
    assert_eq!(
        selected("bytes=18446744073709551615-", u64::MAX),
        Unsatisfiable
    );
}

#[test]
fn sixteen_ranges_are_the_most() {
    let header = |count: u64| {
        let ranges: Vec<_> = (0..count).map(|i| format!("{}-{}", 2 * i, 2 * i)).collect();
        format!("bytes={}", ranges.join(","))
    };
    assert!(matches!(selected(&header(16), 100), Several(ranges) if ranges.len() == 16));
    assert_eq!(selected(&header(17), 100), Whole);
    assert_eq!(selected(&header(100_000), 1_000_000), Whole);
}

#[test]
fn go_agrees() {
    let Some(corpora) = std::env::var_os("CONSIGN_CORPORA") else {
        return println!("skipped: CONSIGN_CORPORA is not set");
    };
    let path = std::path::Path::new(&corpora).join("vectors/ranges_go.json");
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = json["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let ranges = case["ranges"].as_array().unwrap().iter();
        let mut ranges: Vec<_> = ranges
            .map(|r| r[0].as_u64().unwrap()..r[1].as_u64().unwrap())
            .collect();
        let expected = match (case["status"].as_u64().unwrap(), ranges.len()) {
            (200, 0) => Whole,
            (206, 1) => One(ranges.remove(0)),
            (206, _) => Several(ranges),
            (416, 0) => Unsatisfiable,
            other => panic!("{other:?}"),
        };
        let header = case["range"].as_str().unwrap();
        assert_eq!(
            selected(header, json["file_len"].as_u64().unwrap()),
            expected,
            "{header}"
        );
    }
}

#[test]
fn a_multipart_body_is_framed() {
    let text = HeaderValue::from_static("text/plain");
    let ranges = vec![0..5, 9..11];
    let framed = ByteRanges::new([0x0a; 16], &text, 11, ranges);
    let file = b"hello world";
    let mut body = Vec::new();
    for (head, range) in &framed.parts {
        body.extend_from_slice(head);
        body.extend_from_slice(&file[range.start as usize..range.end as usize]);
    }
    body.extend_from_slice(&framed.trailer);
    let expected = "--0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a\r\n\
            Content-Type: text/plain\r\nContent-Range: bytes 0-4/11\r\n\r\nhello\r\n\
            --0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a\r\n\
            Content-Type: text/plain\r\nContent-Range: bytes 9-10/11\r\n\r\nld\r\n\
            --0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a--\r\n";
    assert_eq!(String::from_utf8(body).unwrap(), expected);
    assert_eq!(framed.content_length, expected.len() as u64);
    assert_eq!(
        framed.content_type,
        "multipart/byteranges; boundary=0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
    );
}

/// One range-spec as written: the digits on either side of the hyphen.
type Spec = (String, String);

/// The grammar of RFC 9110, section 14.1.2, walked a character at a time.
fn walk(header: &str) -> Option<Vec<Spec>> {
    #[derive(Clone, Copy, PartialEq)]
    enum At {
        Gap,
        First,
        Last,
        After,
    }
    let (unit, set) = header.split_at_checked(6)?;
    if unit.to_lowercase() != "bytes=" {
        return None;
    }
    let (mut specs, mut spec, mut at) = (Vec::new(), Spec::default(), At::Gap);
    // The comma in the end closes the last member. Where it already was, it adds an empty one.
    for ch in set.chars().chain([',']) {
        at = match (at, ch) {
            (At::Gap, ' ' | '\t' | ',') => At::Gap,
            (At::Gap | At::First, '0'..='9') => {
                spec.0.push(ch);
                At::First
            }
            (At::Gap | At::First, '-') => At::Last,
            (At::Last, '0'..='9') => {
                spec.1.push(ch);
                At::Last
            }
            (At::Last | At::After, ',') => {
                specs.push(std::mem::take(&mut spec));
                At::Gap
            }
            (At::Last | At::After, ' ' | '\t') => At::After,
            _ => return None,
        };
    }
    let ill = |(first, last): &Spec| match (first.is_empty(), last.is_empty()) {
        (true, missing) => missing,
        (false, true) => false,
        // Two numbers beyond u64 are one and the same to the library.
        (false, false) => number(first).min(MAX) > number(last).min(MAX),
    };
    (!specs.is_empty() && !specs.iter().any(ill)).then_some(specs)
}

const MAX: u128 = u64::MAX as u128;

fn number(digits: &str) -> u128 {
    digits.parse().unwrap()
}

/// Whether the byte at `at`, of `len`, is asked for.
fn holds((first, last): &Spec, at: u64, len: u64) -> bool {
    let at = u128::from(at);
    match (first.as_str(), last.as_str()) {
        ("", last) => at + number(last) >= u128::from(len),
        (first, "") => at >= number(first),
        (first, last) => number(first) <= at && at <= number(last),
    }
}

fn reference(header: &str, len: u64) -> Selection {
    let Some(specs) = walk(header) else {
        return Whole;
    };
    if specs.len() > 16 {
        return Whole;
    }
    let pick = |spec: &Spec| {
        (0..len)
            .filter(|&at| holds(spec, at, len))
            .collect::<Vec<_>>()
    };
    let picked: Vec<_> = specs
        .iter()
        .map(pick)
        .filter(|bytes| !bytes.is_empty())
        .collect();
    let asks_suffix = |(first, last): &Spec| first.is_empty() && number(last) > 0;
    if picked.is_empty() {
        return if len == 0 && specs.iter().any(asks_suffix) {
            Whole
        } else {
            Unsatisfiable
        };
    }
    if (0..len).any(|at| picked.iter().filter(|bytes| bytes.contains(&at)).count() > 1) {
        return Whole;
    }
    let mut ranges: Vec<_> = picked
        .iter()
        .map(|bytes| bytes[0]..bytes[0] + bytes.len() as u64)
        .collect();
    if ranges.len() == 1 {
        One(ranges.remove(0))
    } else {
        Several(ranges)
    }
}

/// Headers that are nearly right.
fn headers() -> impl Strategy<Value = String> {
    let spec = prop_oneof![
        12 => "(0|[1-9][0-9]?)-(0|[1-9][0-9]?)?",
        4 => "-[0-9]{1,2}",
        2 => "[0-9]{19,21}-([0-9]{19,21})?",
        2 => "[0-9]-[0-9]{20,30}",
        1 => "[ \t]?",
        1 => "[-+0-9 ]{0,4}",
    ];
    let comma = prop_oneof![8 => Just(","), 1 => Just(" ,\t"), 1 => Just(", , ")];
    let list = proptest::collection::vec((spec, comma), 0..7);
    (
        prop_oneof![20 => Just("bytes="), 1 => Just("Bytes="), 1 => Just("byte=")],
        list,
    )
        .prop_map(|(unit, list)| {
            let mut header = unit.to_owned();
            for (spec, comma) in list {
                header.push_str(&spec);
                header.push_str(comma);
            }
            // The end of a real header has been trimmed.
            header.trim_end().to_owned()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_slow_reference_agrees(header in headers(), len in 0..60_u64) {
        prop_assert_eq!(selected(&header, len), reference(&header, len));
    }

    #[test]
    fn anything_selects_what_exists(
        header in proptest::collection::vec(any::<u8>(), 0..40),
        digits in "[-0-9, ]{0,60}",
        len in prop_oneof![any::<u64>(), 0..9_u64],
    ) {
        let digits = format!("bytes={digits}");
        for header in [&*header, digits.as_bytes()] {
            let Ok(header) = HeaderValue::from_bytes(header) else { continue };
            let ranges = match select(Some(&header), len) {
                Whole | Unsatisfiable => continue,
                One(range) => vec![range],
                Several(ranges) => ranges,
            };
            let sum: u128 = ranges.iter().map(|r| u128::from(r.end - r.start)).sum();
            prop_assert!(sum <= u128::from(len));
            prop_assert!(ranges.iter().all(|r| r.start < r.end && r.end <= len));
        }
    }
}
