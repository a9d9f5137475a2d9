use std::time::Duration;

use http::HeaderValue;
use proptest::prelude::*;

use super::Precondition::{Failed, NotModified, Proceed};
use super::*;

const ALL: Precondition = Proceed { use_range: false };
const RANGE: Precondition = Proceed { use_range: true };

/// The time of the file under test, in seconds, and the dates around it.
const AT: u64 = 784_111_777;
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn evaluated(method: &Method, lines: &[(HeaderName, &str)]) -> Precondition {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    let validators = Validators {
        etag: "\"a,b\"".to_owned(),
        last_modified: UNIX_EPOCH + Duration::from_millis(AT * 1000 + 999),
    };
    evaluate(method, &headers, &validators)
}

#[test]
fn one_header_on_get() {
    let cases = [
        (IF_MATCH, "*", RANGE),
        (IF_MATCH, " * ", RANGE),
        (IF_MATCH, "\"a,b\"", RANGE),
        (IF_MATCH, ",\"x\" , ,\"a,b\",", RANGE),
        (IF_MATCH, "W/\"a,b\"", Failed),
        (IF_MATCH, "\"x\"", Failed),
        (IF_MATCH, "", Failed),
        (IF_MATCH, ",", Failed),
        (IF_MATCH, "a,b", Failed),
        (IF_MATCH, "\"a", Failed),
        (IF_MATCH, "\"a,b\", x", Failed),
        (IF_MATCH, "\"a,b\" \"x\"", Failed),
        (IF_MATCH, "\"a,b\", \"x y\"", Failed),
        (IF_MATCH, "\"a,b\", *", Failed),
        (IF_MATCH, "\"A,B\"", Failed),
        (IF_UNMODIFIED_SINCE, BEFORE, Failed),
        (IF_UNMODIFIED_SINCE, SAME, RANGE),
        (IF_UNMODIFIED_SINCE, AFTER, RANGE),
        (IF_UNMODIFIED_SINCE, "yesterday", RANGE),
        (IF_NONE_MATCH, "*", NotModified),
        (IF_NONE_MATCH, "\"a,b\"", NotModified),
        (IF_NONE_MATCH, "\"x\",W/\"a,b\"", NotModified),
        (IF_NONE_MATCH, "\"x\"", RANGE),
        (IF_NONE_MATCH, "w/\"a,b\"", RANGE),
        (IF_NONE_MATCH, "\"a,b\", x", RANGE),
        (IF_NONE_MATCH, "", RANGE),
        (IF_MODIFIED_SINCE, BEFORE, RANGE),
        (IF_MODIFIED_SINCE, SAME, NotModified),
        (IF_MODIFIED_SINCE, AFTER, NotModified),
        (
            IF_MODIFIED_SINCE,
            "Sunday, 06-Nov-94 08:49:37 GMT",
            NotModified,
        ),
        (IF_MODIFIED_SINCE, "Sun Nov  6 08:49:37 1994", NotModified),
        (IF_MODIFIED_SINCE, "Mon, 06 Nov 1994 08:49:37 GMT", RANGE),
        (IF_RANGE, "\"a,b\"", RANGE),
        (IF_RANGE, "W/\"a,b\"", ALL),
        (IF_RANGE, "\"x\"", ALL),
        (IF_RANGE, "\"a,b\", \"a,b\"", ALL),
        (IF_RANGE, "*", ALL),
        (IF_RANGE, BEFORE, ALL),
        (IF_RANGE, SAME, RANGE),
        (IF_RANGE, AFTER, ALL),
        (IF_RANGE, "yesterday", ALL),
        (IF_RANGE, "", ALL),
    ];
    for (name, value, expected) in cases {
        let outcome = evaluated(&Method::GET, &[(name.clone(), value)]);
        assert_eq!(outcome, expected, "{name}: {value}");
    }
}

#[test]
fn several_lines_and_several_headers() {
    let cases: [(&[(HeaderName, &str)], _); 12] = [
        (&[], RANGE),
        (&[(IF_MATCH, "\"x\""), (IF_MATCH, "\"a,b\"")], RANGE),
        (&[(IF_MATCH, "\"a,b\""), (IF_MATCH, "x")], Failed),
        (&[(IF_MATCH, "*"), (IF_MATCH, "*")], Failed),
        (&[(IF_NONE_MATCH, "\"a"), (IF_NONE_MATCH, "b\"")], RANGE),
        (
            &[(IF_MODIFIED_SINCE, SAME), (IF_MODIFIED_SINCE, SAME)],
            RANGE,
        ),
        (&[(IF_RANGE, SAME), (IF_RANGE, SAME)], ALL),
        // The tag's header silences the date's.
        (&[(IF_MATCH, "*"), (IF_UNMODIFIED_SINCE, BEFORE)], RANGE),
        (
            &[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, SAME)],
            RANGE,
        ),
        (&[(IF_NONE_MATCH, "x"), (IF_MODIFIED_SINCE, SAME)], RANGE),
        // 412 comes before 304, and both before ranges.
        (&[(IF_NONE_MATCH, "*"), (IF_MATCH, "\"x\"")], Failed),
        (
            &[(IF_MATCH, "*"), (IF_NONE_MATCH, "*"), (IF_RANGE, SAME)],
            NotModified,
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(evaluated(&Method::GET, lines), expected, "{lines:?}");
    }
}

#[test]
fn the_method_matters() {
    let cases = [
        (Method::HEAD, IF_NONE_MATCH, "*", NotModified),
        (Method::HEAD, IF_MODIFIED_SINCE, SAME, NotModified),
        (Method::HEAD, IF_RANGE, SAME, ALL),
        (Method::DELETE, IF_NONE_MATCH, "*", Failed),
        (Method::DELETE, IF_MODIFIED_SINCE, SAME, ALL),
        (Method::DELETE, IF_UNMODIFIED_SINCE, BEFORE, Failed),
    ];
    for (method, name, value, expected) in cases {
        let outcome = evaluated(&method, &[(name.clone(), value)]);
        assert_eq!(outcome, expected, "{method} {name}: {value}");
    }
}

/// A list of tags as it is meant; written out only for the code under test.
#[derive(Clone, Debug)]
enum List {
    Star,
    /// Weak or not, and what is between the quotes.
    Tags(Vec<(bool, String)>),
    /// A list with something in it that is no tag.
    Broken(Vec<(bool, String)>, &'static str),
}

impl List {
    fn lines(&self, gap: &str, split: usize) -> Vec<String> {
        let write =
            |(weak, tag): &(bool, String)| format!("{}\"{tag}\"", if *weak { "W/" } else { "" });
        let (tags, broken) = match self {
            Self::Star => return vec!["*".to_owned()],
            Self::Tags(tags) => (tags, None),
            Self::Broken(tags, broken) => (tags, Some((*broken).to_owned())),
        };
        let members: Vec<_> = tags.iter().map(write).chain(broken).collect();
        let (first, second) = members.split_at(split.min(members.len()));
        vec![first.join(gap), second.join(gap)]
    }

    fn has(&self, tag: &str, even_weak: bool) -> bool {
        match self {
            Self::Star => true,
            Self::Tags(tags) => tags
                .iter()
                .any(|(weak, t)| t == tag && (even_weak || !weak)),
            Self::Broken(..) => false,
        }
    }
}

fn lists() -> impl Strategy<Value = List> {
    let tag = prop_oneof![Just("a,b".to_owned()), "[a,b*W/\\\\]{0,3}"];
    let tags = proptest::collection::vec((any::<bool>(), tag), 0..4);
    let broken =
        proptest::sample::select(&["x", "*", "\"", "\"a", "W/", "w/\"a,b\"", "\"a b\""][..]);
    prop_oneof![
        1 => Just(List::Star),
        4 => tags.clone().prop_map(List::Tags),
        1 => (tags, broken).prop_map(|(tags, broken)| List::Broken(tags, broken)),
    ]
}

/// Seconds from the file's time, or a date that is none.
fn dates() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![4 => (-2..=2_i64).prop_map(Some), 1 => Just(None)]
}

fn written(date: Option<i64>) -> String {
    date.map_or("yesterday".to_owned(), |offset| {
        let at = UNIX_EPOCH + Duration::from_secs(AT.checked_add_signed(offset).unwrap());
        httpdate::fmt_http_date(at)
    })
}

/// RFC 9110, section 13.2.2, step by step over what the headers mean.
fn reference(
    method: &Method,
    tags: [&Option<List>; 3],
    dates: [Option<Option<i64>>; 3],
) -> Precondition {
    let safe = [Method::GET, Method::HEAD].contains(method);
    let [if_match, if_none_match, if_range] = tags;
    let [unmodified, modified, range_date] = dates;
    let one = match (if_match, unmodified) {
        (Some(list), _) => list.has("a,b", false),
        (None, Some(Some(offset))) => offset >= 0,
        _ => true,
    };
    let three = match (if_none_match, modified) {
        (Some(list), _) => !list.has("a,b", true),
        (None, Some(Some(offset))) if safe => offset < 0,
        _ => true,
    };
    let five = match (if_range, range_date) {
        (Some(List::Tags(tags)), _) => tags.len() == 1 && tags[0] == (false, "a,b".to_owned()),
        (Some(_), _) => false,
        (None, Some(offset)) => offset == Some(0),
        (None, None) => true,
    };
    match (one, three, safe) {
        (false, _, _) | (true, false, false) => Failed,
        (true, false, true) => NotModified,
        (true, true, _) => Proceed {
            use_range: five && *method == Method::GET,
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_slow_reference_agrees(
        method in proptest::sample::select(&[Method::GET, Method::HEAD, Method::PUT][..]),
        if_match in proptest::option::of(lists()),
        if_none_match in proptest::option::of(lists()),
        if_range in proptest::option::weighted(0.3, lists()),
        dates in [
            proptest::option::of(dates()),
            proptest::option::of(dates()),
            proptest::option::of(dates()),
        ],
        gap in "[ \t]{0,2}(,[ \t]{0,2}){1,3}",
        split in 0..4_usize,
    ) {
        let mut lines = Vec::new();
        for (name, list) in [(IF_MATCH, &if_match), (IF_NONE_MATCH, &if_none_match)] {
            for line in list.iter().flat_map(|list| list.lines(&gap, split)) {
                lines.push((name.clone(), line));
            }
        }
        for (name, date) in [(IF_UNMODIFIED_SINCE, dates[0]), (IF_MODIFIED_SINCE, dates[1])] {
            lines.extend(date.map(|date| (name, written(date))));
        }
        let range_date = dates[2].filter(|_| if_range.is_none()).map(written);
        let range_list = if_range.as_ref().map(|list| list.lines(&gap, 9)[0].clone());
        lines.extend(range_list.or(range_date).map(|line| (IF_RANGE, line)));
        let lines: Vec<_> = lines.iter().map(|(n, v)| (n.clone(), v.as_str())).collect();
        prop_assert_eq!(
            evaluated(&method, &lines),
            reference(&method, [&if_match, &if_none_match, &if_range], dates),
            "{:?}", lines
        );
    }

    #[test]
    fn nothing_panics(value in proptest::collection::vec(any::<u8>(), 0..40)) {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let validators = Validators { etag: "\"a\"".to_owned(), last_modified: UNIX_EPOCH };
        for name in [IF_MATCH, IF_NONE_MATCH, IF_RANGE, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
            let headers = HeaderMap::from_iter([(name, value.clone())]);
            evaluate(&Method::GET, &headers, &validators);
        }
    }
}
