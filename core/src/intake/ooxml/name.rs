//! Names of a package's parts.

/// A part's name in the form in which names are compared: without the leading slash, letters of
/// ASCII in lower case, percent-encoding undone, `/` between segments (ECMA-376 part 2, 6.2).
///
/// A few writers put backslashes into zip names; these are separators like `/`, for Windows reads
/// them so. A name that leads out of the package, or could on some system, cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PartName(Vec<u8>);

impl PartName {
    /// From an entry of the zip archive; of a folder too, whose name ends with a separator.
    pub(super) fn of_entry(name: &[u8]) -> Option<Self> {
        let mut name = fold(name);
        if name.ends_with(b"/") {
            name.pop();
        }
        Self::checked(name)
    }

    /// From an absolute part name (`/word/document.xml`), or a reference from the package's root.
    pub(super) fn of_reference(reference: &str) -> Option<Self> {
        let name = fold(reference.trim().as_bytes());
        let name = name.strip_prefix(b"/").unwrap_or(&name);
        let name = name.strip_prefix(b"./").unwrap_or(name);
        Self::checked(name.to_vec())
    }

    /// What follows the last dot of the last segment.
    pub(super) fn extension(&self) -> Option<&[u8]> {
        let last = self.0.rsplit(|&byte| byte == b'/').next()?;
        let dot = last.iter().rposition(|&byte| byte == b'.')?;
        Some(&last[dot + 1..])
    }

    fn checked(name: Vec<u8>) -> Option<Self> {
        // Also without segments that are empty or, on some systems, mean this folder or its parent.
        let steps = name
            .split(|&byte| byte == b'/')
            .all(|segment| segment.iter().any(|byte| !matches!(byte, b'.' | b' ')));
        // What a colon follows is a drive, or a file that the rest is a stream of.
        let plain = |byte: &u8| *byte != b':' && !byte.is_ascii_control();
        (steps && name.iter().all(plain)).then_some(Self(name))
    }
}

fn fold(name: &[u8]) -> Vec<u8> {
    let digit = |at: usize| name.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    let mut folded = Vec::with_capacity(name.len());
    let mut at = 0;
    while at < name.len() {
        let byte = match (name[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                at += 2;
                (high * 16 + low) as u8
            }
            (byte, ..) => byte,
        };
        at += 1;
        folded.push(if byte == b'\\' {
            b'/'
        } else {
            byte.to_ascii_lowercase()
        });
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_office_compares_them() {
        let name = PartName::of_entry(b"word/document.xml").unwrap();
        for spelling in [
            "Word/Document.XML",
            "word\\document.xml",
            "word/%64ocument.xml",
            "word%2Fdocument.xml",
        ] {
            assert_eq!(
                PartName::of_entry(spelling.as_bytes()),
                Some(name.clone()),
                "{spelling}"
            );
        }
        for reference in [
            "/word/document.xml",
            "word/document.xml",
            "./word/document.xml",
            "/Word\\Document.xml",
        ] {
            assert_eq!(
                PartName::of_reference(reference),
                Some(name.clone()),
                "{reference}"
            );
        }
        assert_eq!(PartName::of_entry(b"word/"), PartName::of_entry(b"word"));
        assert_ne!(
            PartName::of_entry("É.xml".as_bytes()),
            PartName::of_entry("é.xml".as_bytes())
        );
    }

    #[test]
    fn names_that_lead_outside_are_refused() {
        for name in [
            "",
            "/",
            "/etc/passwd",
            "\\windows",
            "C:\\x",
            "c:x",
            "1:x",
            "word/document.xml:x",
            "a%3Ab",
            "..",
            "../x",
            "a/../b",
            "a\\..\\b",
            "a/..",
            "a//b",
            "./a",
            "a/./b",
            "a/.. /b",
            "a/.../b",
            "a/%2e%2e/b",
            "a/%2E./b",
            "%2fetc",
            "a\0",
            "a%00.xml",
            "a\nb",
        ] {
            assert_eq!(PartName::of_entry(name.as_bytes()), None, "{name:?}");
        }
        assert_eq!(PartName::of_reference("//host/x"), None);
        assert_eq!(PartName::of_reference("../word/document.xml"), None);
    }

    #[test]
    fn odd_but_harmless_names_are_kept() {
        for name in [
            "[trash]/0000.dat",
            "xl/media/图片.png",
            "a b/c",
            "..a",
            "a..",
            "100%.txt",
            "%zz",
            "\u{e9}\u{80}",
        ] {
            assert!(PartName::of_entry(name.as_bytes()).is_some(), "{name:?}");
        }
        assert!(PartName::of_entry(b"xl/media/\xCD\xBC.png").is_some());
    }

    #[test]
    fn an_extension_is_of_the_last_segment() {
        let extension = |name: &str| {
            PartName::of_entry(name.as_bytes())
                .unwrap()
                .extension()
                .map(<[u8]>::to_vec)
        };
        assert_eq!(extension("word/document.XML"), Some(b"xml".to_vec()));
        assert_eq!(extension("_rels/.rels"), Some(b"rels".to_vec()));
        assert_eq!(extension("a.b/c"), None);
    }
}
