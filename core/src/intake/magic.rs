//! First hints: what a file certainly is not, from its first bytes.

use infer::MatcherType;

use super::Refusal;

/// Begins a zip package's first local header.
const LOCAL_HEADER: &[u8] = b"PK\x03\x04";

/// Begins an OLE2 compound file: `.doc`, `.xls`, `.ppt`, and any Office file under a password.
const COMPOUND_FILE: &[u8] = b"\xD0\xCF\x11\xE0";

/// Refuses what certainly is no Office package.
///
/// Passing says nothing yet: any zip archive passes.
pub(super) fn check(head: &[u8]) -> Result<(), Refusal> {
    if head.starts_with(LOCAL_HEADER) {
        Ok(())
    } else if head.is_empty() {
        Err(Refusal::new("the file is empty"))
    } else if head.starts_with(COMPOUND_FILE) {
        Err(Refusal::new(
            "the file is in the old Office format or protected by a password; \
             only unprotected .docx, .xlsx and .pptx files are accepted",
        ))
    } else {
        Err(foreign(head))
    }
}

/// The refusal of a file that is something else, with a guess at what.
pub(super) fn foreign(head: &[u8]) -> Refusal {
    match infer::get(head) {
        // `infer` looks at the first entries of a zip archive only, so it may name an Office format
        // here although the archive is none.
        Some(kind) if !matches!(kind.extension(), "docx" | "xlsx" | "pptx") => {
            let noun = noun(kind.matcher_type(), kind.extension());
            let extension = kind.extension().to_ascii_uppercase();
            Refusal::new(format!(
                "the content is {noun} ({extension}), not a Word, Excel or PowerPoint file"
            ))
        }
        _ => Refusal::new("the content is not a Word, Excel or PowerPoint file"),
    }
}

/// `infer` files PDF and RTF under archives.
fn noun(kind: MatcherType, extension: &str) -> &'static str {
    match (kind, extension) {
        (_, "pdf" | "rtf" | "ps") => "a document of another kind",
        (MatcherType::App, _) => "a program",
        (MatcherType::Archive, _) => "an archive",
        (MatcherType::Audio, _) => "a sound recording",
        (MatcherType::Book, _) => "an electronic book",
        (MatcherType::Doc, _) => "a document of another kind",
        (MatcherType::Font, _) => "a font",
        (MatcherType::Image, _) => "an image",
        (MatcherType::Text, _) => "a text",
        (MatcherType::Video, _) => "a video",
        (MatcherType::Custom, _) => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(head: &[u8]) -> String {
        check(head).unwrap_err().reason().to_owned()
    }

    #[test]
    fn what_is_certainly_something_else_is_named() {
        for (head, name) in [
            (&b"%PDF-1.7\n"[..], "a document of another kind (PDF)"),
            (b"{\\rtf1\\ansi", "a document of another kind (RTF)"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "an image (PNG)"),
            (b"MZ\x90\0\x03\0\0\0", "a program (EXE)"),
            (b"7z\xBC\xAF\x27\x1C\0\x04", "an archive (7Z)"),
            (b"<!DOCTYPE html><html>", "a text (HTML)"),
        ] {
            assert!(reason(head).contains(name), "{}", reason(head));
        }
        assert_eq!(
            reason(b"Dear all,"),
            "the content is not a Word, Excel or PowerPoint file"
        );
        assert_eq!(reason(b""), "the file is empty");
    }

    #[test]
    fn an_old_or_protected_document_is_named() {
        assert!(reason(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0").contains("password"));
        assert!(reason(COMPOUND_FILE).contains("password"));
    }

    #[test]
    fn a_package_passes_whatever_follows() {
        assert!(check(b"PK\x03\x04").is_ok());
        assert!(check(b"PK\x03\x04 and so on").is_ok());
        assert!(check(b"PK\x03").is_err());
        assert!(check(b"PK\x05\x06").is_err());
    }
}
