use proptest::{prelude::*, sample::Index};

use super::*;

const GIB: u64 = 1 << 30;

fn member(name: &str, content: &[u8]) -> Member {
    Member {
        name: FileName::parse(name).unwrap(),
        size: content.len() as u64,
        crc32: crc32fast::hash(content),
        sha256: Sha256(Hasher::digest(content).into()),
        modified: Timestamp::from_secs(1_800_000_000),
    }
}

/// A member of that many zeros, whose sums are wrong.
fn zeros(name: &str, size: u64) -> Member {
    let member = member(name, b"");
    Member { size, ..member }
}

fn assembled(layout: &Layout, contents: &[Vec<u8>], range: Range<u64>) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in layout.pieces(range) {
        let bytes = match piece {
            Piece::Bytes(bytes) => bytes,
            Piece::Content { member, range } => {
                let range = range.start as usize..range.end as usize;
                Bytes::copy_from_slice(&contents[member][range])
            }
        };
        assert!(!bytes.is_empty());
        all.extend(bytes);
    }
    all
}

fn contents() -> impl Strategy<Value = Vec<(Member, Vec<u8>)>> {
    let name = prop::sample::select(vec!["a.docx", "A.docx", "a (2).docx", "Übersicht", "b"]);
    let content = prop::collection::vec(any::<u8>(), 0..40);
    let modified = prop_oneof![any::<u64>(), 0..5_000_000_000_000_u64];
    let one = (name, content, modified).prop_map(|(name, content, modified)| {
        let modified = Timestamp::from_millis(modified);
        let member = member(name, &content);
        (Member { modified, ..member }, content)
    });
    prop::collection::vec(one, 0..6)
}

proptest! {
    #[test]
    fn the_pieces_of_a_range_are_that_range_of_the_whole(
        contents in contents(),
        ranges in prop::collection::vec(any::<(Index, Index)>(), 1..20),
    ) {
        let (members, contents): (Vec<_>, Vec<_>) = contents.into_iter().unzip();
        let layout = Layout::new(members);
        let whole = assembled(&layout, &contents, 0..u64::MAX);
        prop_assert_eq!(whole.len() as u64, layout.len());
        for (start, end) in ranges {
            let (start, end) = (start.index(whole.len() + 3), end.index(whole.len() + 3));
            let expected = whole.get(start..end.min(whole.len())).unwrap_or_default();
            let part = assembled(&layout, &contents, start as u64..end as u64);
            prop_assert!(part == expected, "{start}..{end}");
        }
    }

    /// Nothing is left out and nothing comes twice, of members of any size.
    #[test]
    fn pieces_follow_each_other(
        sizes in prop::collection::vec(prop_oneof![0..3_u64, 0..10 * GIB, Just(u64::MAX / 8)], 0..6),
        ends in any::<[u64; 2]>(),
    ) {
        let members: Vec<_> = sizes.iter().map(|&size| zeros("a", size)).collect();
        let layout = Layout::new(members);
        let [start, end] = ends.map(|end| end % (layout.len() + 1));
        let pieces = |range: Range<u64>| layout.pieces(range);
        let len = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Content { range, .. } => range.end - range.start,
        };
        let part: u64 = pieces(start..end).map(|piece| len(&piece)).sum();
        prop_assert_eq!(part, end.saturating_sub(start));
        let mut given = vec![0; sizes.len()];
        for piece in pieces(0..start).chain(pieces(start..layout.len())) {
            prop_assert!(len(&piece) > 0);
            if let Piece::Content { member, range } = piece {
                prop_assert_eq!(range.start, given[member]);
                given[member] = range.end;
            }
        }
        prop_assert_eq!(given, sizes);
    }
}

/// Byte for byte from APPNOTE 4.3: a change of the bytes goes with a change of [`FORMAT`].
#[test]
fn the_format_stays() {
    let layout = Layout::new(vec![member("é.txt", b"123456789")]);
    let common = [
        b"\x14\0\0\x08\0\0".as_slice(), // version, UTF-8, stored
        b"\x00\x40\x2F\x5E",            // 08:00:00, 2027-01-15
        b"\x26\x39\xF4\xCB\x09\0\0\0\x09\0\0\0",
        b"\x06\0\x09\0",
    ]
    .concat();
    let name_and_time = b"\xC3\xA9.txt\x55\x54\x05\0\x01\x00\xD2\x49\x6B";
    let expected = [
        b"PK\x03\x04".as_slice(),
        &common,
        name_and_time,
        b"123456789PK\x01\x02\x3F\x03",
        &common,
        b"\0\0\0\0\0\0\0\0\xA4\x81\0\0\0\0",
        name_and_time,
        b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x3D\0\0\0\x36\0\0\0\0\0",
    ]
    .concat();
    let contents = [b"123456789".to_vec()];
    let made = assembled(&layout, &contents, 0..layout.len());
    assert_eq!(
        made.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    // SHA-256, by another program.
    assert_eq!(
        Sha256(layout.fingerprint()).to_string(),
        "afade34d51c93de99bce29308ece20f25bc1901ecc08a94839deaa3e6acab265"
    );
}

#[test]
fn an_archive_of_nothing_is_an_end_record() {
    let layout = Layout::new(Vec::new());
    let expected = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    assert_eq!(assembled(&layout, &[], 0..layout.len()), expected);
}

#[test]
fn a_fingerprint_is_of_all_that_is_in_an_archive() {
    let one = member("a.docx", b"one");
    let two = member("b.docx", b"two");
    let of =
        |members: &[&Member]| Layout::new(members.iter().copied().cloned().collect()).fingerprint();
    assert_eq!(of(&[&one, &two]), of(&[&one.clone(), &two.clone()]));

    let name = FileName::parse("A.docx").unwrap();
    let later = Timestamp::from_secs(1_800_000_001); // the same to two seconds
    let other = Sha256([1; 32]);
    let archives = [
        of(&[]),
        of(&[&one]),
        of(&[&two]),
        of(&[&one, &two]),
        of(&[&two, &one]),
        of(&[&one, &one]),
        of(&[&Member {
            name,
            ..one.clone()
        }]),
        of(&[&Member {
            size: 4,
            ..one.clone()
        }]),
        of(&[&Member {
            crc32: 4,
            ..one.clone()
        }]),
        of(&[&Member {
            sha256: other,
            ..one.clone()
        }]),
        of(&[&Member {
            modified: later,
            ..one.clone()
        }]),
    ];
    for (at, archive) in archives.iter().enumerate() {
        assert!(!archives[..at].contains(archive), "{at}");
    }
}

/// The smallest sizes, positions and counts that need a wide field have it, the largest that do not
/// have none.
#[test]
fn wide_fields_are_where_they_are_needed() {
    const MAX: u64 = u32::MAX as u64;
    let framing = |members: Vec<Member>| Layout::new(members).framing;
    let has =
        |framing: &[u8], what: &[u8]| framing.windows(what.len()).any(|window| window == what);

    let header = framing(vec![zeros("a", 0)]).len() as u64;
    let local = 30 + 1 + 9;
    assert_eq!(header, local + 46 + 1 + 9 + 22);
    for (size, field, end) in [
        (MAX - local - 1, false, false),
        (MAX - local, false, true), // the directory's position
        (MAX - 1, false, true),
        (MAX, true, true),
    ] {
        let framing = framing(vec![zeros("a", size)]);
        let sizes = [size.to_le_bytes(), size.to_le_bytes()].concat();
        let extra = [b"\x01\0\x10\0".as_slice(), &sizes].concat();
        assert_eq!(has(&framing, &extra), field, "{size}");
        assert_eq!(has(&framing, b"PK\x06\x06"), end, "{size}");
        assert_eq!(has(&framing, b"PK\x06\x07"), end, "{size}");
    }
    for (size, field) in [(MAX - local - 1, false), (MAX - local, true)] {
        let framing = framing(vec![zeros("a", size), zeros("b", 0)]);
        let position = [b"\x01\0\x08\0".as_slice(), &MAX.to_le_bytes()].concat();
        assert_eq!(has(&framing, &position), field, "{size}");
    }
    for (count, end) in [(65_534, false), (65_535, true)] {
        let framing = framing(vec![zeros("a", 0); count]);
        assert_eq!(has(&framing, b"PK\x06\x06"), end, "{count}");
    }
}

/// What another reader finds in an archive, which is made as it reads.
#[cfg(feature = "intake")]
mod read_back {
    use std::io::{self, Read, Seek, SeekFrom};

    use zip::ZipArchive;

    use super::*;

    /// Contents are followed by zeros up to the members' sizes.
    struct Virtual {
        layout: Layout,
        contents: Vec<Vec<u8>>,
        position: u64,
    }

    impl Read for Virtual {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let end = self.position.saturating_add(buffer.len() as u64);
            let len = match self.layout.pieces(self.position..end).next() {
                None => 0,
                Some(Piece::Bytes(bytes)) => {
                    buffer[..bytes.len()].copy_from_slice(&bytes);
                    bytes.len()
                }
                Some(Piece::Content { member, range }) => {
                    for (at, byte) in range.clone().zip(&mut *buffer) {
                        *byte = *self.contents[member].get(at as usize).unwrap_or(&0);
                    }
                    (range.end - range.start) as usize
                }
            };
            self.position += len as u64;
            Ok(len)
        }
    }

    impl Seek for Virtual {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            let position = match to {
                SeekFrom::Start(position) => Some(position),
                SeekFrom::End(offset) => self.layout.len().checked_add_signed(offset),
                SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            };
            self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
            Ok(self.position)
        }
    }

    fn opened(members: Vec<Member>, contents: Vec<Vec<u8>>) -> ZipArchive<Virtual> {
        let archive = Virtual {
            layout: Layout::new(members),
            contents,
            position: 0,
        };
        ZipArchive::new(archive).unwrap()
    }

    fn content(archive: &mut ZipArchive<Virtual>, at: usize) -> Vec<u8> {
        let mut content = Vec::new();
        let mut entry = archive.by_index(at).unwrap();
        entry.read_to_end(&mut content).unwrap(); // compares the CRC, too
        content
    }

    proptest! {
        #[test]
        fn members_are_read_back(contents in contents()) {
            let (members, contents): (Vec<_>, Vec<_>) = contents.into_iter().unzip();
            let names = names::distinct(members.iter().map(|member| &member.name));
            let mut archive = opened(members, contents.clone());
            prop_assert_eq!(archive.len(), contents.len());
            for (at, expected) in contents.iter().enumerate() {
                prop_assert_eq!(&content(&mut archive, at), expected);
                let entry = archive.by_index(at).unwrap();
                prop_assert_eq!(entry.name().unwrap(), names[at].as_str());
                prop_assert_eq!(entry.unix_mode(), Some(0o100_644));
            }
        }
    }

    #[test]
    fn members_beyond_four_gib_are_read_back() {
        let edge = u64::from(u32::MAX);
        for sizes in [
            [5 * GIB, 0, 6 * GIB],
            [edge, 1, 0],
            [edge - 1, 0, edge],
            [edge - 40, 5 * GIB, 7],
            [u64::MAX / 8, u64::MAX / 8, 1],
        ] {
            let mut members: Vec<_> = sizes.iter().map(|&size| zeros("a", size)).collect();
            members.push(member("last", b"123456789"));
            let contents = vec![Vec::new(), Vec::new(), Vec::new(), b"123456789".to_vec()];
            let mut archive = opened(members, contents);
            let mut position = 0;
            for (at, &size) in sizes.iter().enumerate() {
                let entry = archive.by_index(at).unwrap();
                assert_eq!((entry.size(), entry.header_start()), (size, position));
                position = entry.data_start().unwrap() + size;
            }
            assert_eq!(content(&mut archive, 3), b"123456789");
        }
    }

    #[test]
    fn many_members_are_read_back() {
        let members = vec![zeros("a.docx", 0); 70_000];
        let mut archive = opened(members, vec![Vec::new(); 70_000]);
        assert_eq!(archive.len(), 70_000);
        let last = archive.by_index(69_999).unwrap();
        assert_eq!(last.name().unwrap(), "a (70000).docx");
    }
}
