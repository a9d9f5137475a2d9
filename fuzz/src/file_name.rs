//! Names of files, from an upload to the header of a download and back, and any bytes as that header.

use consign_core::file::FileName;
use consign_http::fuzzing::{attachment, disposition};

pub fn run(bytes: &[u8]) {
    if let Some((kind, _, filename)) = disposition(bytes) {
        assert!(
            !kind.is_empty()
                && kind
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase())
        );
        // `%0D` and `%0A` may put line ends into a name; a file's name has none.
        if let Some(filename) = filename {
            uploaded(&filename);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        header(text);
        sent_by_a_browser(text);
        uploaded(text);
    }
}

/// A name that came with an upload, by the rules of a name in other words.
fn uploaded(text: &str) {
    let Ok(name) = FileName::from_upload(text) else {
        return;
    };
    let shown = name.as_str();
    assert!((1..=255).contains(&shown.len()));
    assert!(text.ends_with(shown.trim_end()) || text.trim().ends_with(shown));
    let chars: Vec<char> = shown.chars().collect();
    assert!(
        !chars
            .iter()
            .any(|c| c.is_control() || *c == '/' || *c == '\\')
    );
    assert!(!matches!(chars[0], '.' | '-' | ' '));
    assert!(!matches!(chars[chars.len() - 1], '.' | ' '));
    assert_eq!(FileName::parse(shown).as_ref(), Ok(&name));
    assert_eq!(FileName::from_upload(shown).as_ref(), Ok(&name));
    let read = disposition(attachment(shown).as_bytes());
    assert_eq!(
        read,
        Some(("attachment".to_owned(), None, Some(shown.to_owned()))),
        "the name does not come back"
    );
}

/// The header of a download, read by simpler means.
fn header(name: &str) {
    let value = attachment(name);
    let value = value.to_str().expect("it is visible ASCII");
    assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    let name = name.replace(char::is_control, "_");
    let rest = value
        .strip_prefix("attachment; filename=\"")
        .expect("it is an attachment with a name");
    let mut plain = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next().expect("the quoted name ends") {
            '"' => break,
            '\\' => plain.push(chars.next().expect("something is quoted")),
            char => plain.push(char),
        }
    }
    assert_eq!(plain.chars().count(), name.chars().count());
    for (shown, meant) in plain.chars().zip(name.chars()) {
        assert!(shown == meant || (shown == '_' && (!meant.is_ascii() || meant == '%')));
    }
    let encoded = plain
        .as_bytes()
        .windows(3)
        .any(|bytes| bytes[0] == b'%' && bytes[1..].iter().all(|byte| byte.is_ascii_hexdigit()));
    assert!(!encoded, "a client that decodes the name sees another");
    match chars.as_str().strip_prefix("; filename*=UTF-8''") {
        Some(extended) => assert_eq!(decoded(extended), name.as_bytes()),
        None => {
            assert_eq!(chars.as_str(), "");
            assert_eq!(plain, name);
        }
    }
    assert_eq!(
        disposition(value.as_bytes()).and_then(|read| read.2),
        Some(name)
    );
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        out.push(match byte {
            b'%' => (digit().expect("a digit") * 16 + digit().expect("a digit")) as u8,
            byte => byte,
        });
    }
    out
}

/// A file field's header as HTML has browsers write it, which is not reversible for all names.
fn sent_by_a_browser(name: &str) {
    let lower = name.to_ascii_lowercase();
    let ambiguous = name.contains('\\') || ["%22", "%0d", "%0a"].iter().any(|e| lower.contains(e));
    let control = |c: char| c.is_ascii_control() && !matches!(c, '\r' | '\n' | '\t');
    if ambiguous || name.contains(control) {
        return;
    }
    let escaped = name
        .replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A");
    let value = format!("form-data; name=\"file\"; filename=\"{escaped}\"");
    let expected = (
        "form-data".to_owned(),
        Some("file".to_owned()),
        Some(name.to_owned()),
    );
    assert_eq!(disposition(value.as_bytes()), Some(expected));
}
