//! Ranges, held against slicing that cannot be wrong.

use std::ops::RangeInclusive;

use consign_http::testing::DOCX;
use http::{Method, header};
use proptest::prelude::*;

use crate::support::{Answer, request, room_with_a_file, run};

const SIZE: usize = 1200;

/// What one member of a `Range` header says.
#[derive(Clone, Copy, Debug)]
enum Spec {
    Between(usize, usize),
    From(usize),
    Last(usize),
}

impl Spec {
    fn text(self) -> String {
        match self {
            Self::Between(first, last) => format!("{first}-{last}"),
            Self::From(first) => format!("{first}-"),
            Self::Last(count) => format!("-{count}"),
        }
    }

    /// The positions it asks for, one by one, of those that exist.
    fn positions(self) -> Vec<usize> {
        let wanted = |at: &usize| match self {
            Self::Between(first, last) => (first..=last).contains(at),
            Self::From(first) => *at >= first,
            Self::Last(count) => at + count >= SIZE && count > 0,
        };
        (0..SIZE).filter(wanted).collect()
    }

    fn is_backwards(self) -> bool {
        matches!(self, Self::Between(first, last) if first > last)
    }
}

fn spec() -> impl Strategy<Value = Spec> {
    let at = prop_oneof![4 => 0..SIZE, 1 => SIZE - 2..SIZE + 3, 1 => SIZE..5 * SIZE];
    let near = (at.clone(), 0..60_usize);
    prop_oneof![
        4 => near.prop_map(|(first, more)| Spec::Between(first, first + more)),
        1 => (at.clone(), at.clone()).prop_map(|(first, last)| Spec::Between(first, last)),
        1 => at.clone().prop_map(Spec::From),
        1 => at.prop_map(Spec::Last),
        1 => (0..20_usize).prop_map(Spec::Last),
    ]
}

/// The parts of a multipart/byteranges body: where each says that it lies, and what it holds.
fn parts(answer: &Answer) -> Vec<(RangeInclusive<usize>, Vec<u8>)> {
    let content_type = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let mut rest = &answer.body[..];
    let mut parts = Vec::new();
    loop {
        let open = if parts.is_empty() { "" } else { "\r\n" };
        let open = format!("{open}--{boundary}");
        rest = rest
            .strip_prefix(open.as_bytes())
            .expect("a part begins with the boundary");
        if let Some(end) = rest.strip_prefix(b"--") {
            assert_eq!(end, b"\r\n");
            return parts;
        }
        let at = rest
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap();
        let head = std::str::from_utf8(&rest[..at]).unwrap();
        let range = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Range: bytes "));
        let range = range.unwrap().strip_suffix(&format!("/{SIZE}")).unwrap();
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        rest = &rest[at + 4..];
        let (content, behind) = rest.split_at(last + 1 - first);
        parts.push((first..=last, content.to_vec()));
        rest = behind;
    }
}

#[test]
fn any_ranges_are_what_slicing_gives() {
    let content = DOCX.document_of(SIZE);
    let (room, link) = run(async {
        let (room, _, carl) = room_with_a_file(&content).await;
        let link = room.link(&carl, "a.docx").await;
        (room, link)
    });
    let specs = prop::collection::vec(spec(), 1..6);
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(500)
    };
    proptest!(config, |(specs in specs)| {
        let texts: Vec<_> = specs.iter().map(|spec| spec.text()).collect();
        let header = format!("bytes={}", texts.join(", "));
        let mut request = request(Method::GET, &link, "", "");
        request.headers_mut().insert(header::RANGE, header.parse().unwrap());
        let answer = run(room.call(request));

        let wanted: Vec<_> = specs.iter().map(|spec| spec.positions()).collect();
        let wanted: Vec<_> = wanted.into_iter().filter(|wanted| !wanted.is_empty()).collect();
        let mut all = wanted.concat();
        let asked = all.len();
        all.sort_unstable();
        all.dedup();
        let slice = |wanted: &[usize]| wanted.iter().map(|&at| content[at]).collect::<Vec<u8>>();
        let malformed = specs.iter().any(|spec| spec.is_backwards());
        if malformed || all.len() < asked {
            prop_assert_eq!(answer.status, 200);
            prop_assert_eq!(&answer.body, &content);
        } else if wanted.is_empty() {
            prop_assert_eq!(answer.status, 416);
            prop_assert_eq!(&answer.headers[header::CONTENT_RANGE], "bytes */1200");
        } else if let [one] = &wanted[..] {
            prop_assert_eq!(answer.status, 206);
            let said = format!("bytes {}-{}/{SIZE}", one[0], one[one.len() - 1]);
            prop_assert_eq!(answer.headers[header::CONTENT_RANGE].to_str().unwrap(), said);
            prop_assert_eq!(&answer.body, &slice(one));
        } else {
            prop_assert_eq!(answer.status, 206);
            let found = parts(&answer);
            let expected: Vec<_> = wanted
                .iter()
                .map(|one| (one[0]..=one[one.len() - 1], slice(one)))
                .collect();
            prop_assert_eq!(found, expected);
        }
        let length = answer.headers[header::CONTENT_LENGTH].to_str().unwrap().parse::<usize>();
        prop_assert_eq!(length.unwrap(), answer.body.len());
    });
}
