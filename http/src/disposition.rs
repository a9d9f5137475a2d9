//! `Content-Disposition`: written on downloads, read from the parts of an upload.

use std::collections::HashMap;
use std::fmt;

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// The `Content-Disposition` of a download: always `attachment`, always with a name. RFC 6266.
///
/// A name of printable ASCII without `"`, `\` and `%` needs `filename=` alone. Any other name is
/// also sent whole in `filename*=` (RFC 8187), and `filename=` is then a rendering for old clients:
/// one `_` for each character outside ASCII and for a `%` that two hex digits follow, which
/// some clients would decode (RFC 6266, appendix D); extension and spaces survive.
/// Control characters become `_` in both, so that no name adds a line to the response.
pub(crate) fn attachment(name: &str) -> HeaderValue {
    let name = name.replace(char::is_control, "_");
    let mut value = format!("attachment; filename=\"{}\"", fallback(&name));
    let plain = |byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'%');
    if !name.bytes().all(plain) {
        value.push_str("; filename*=UTF-8''");
        value.extend(utf8_percent_encode(&name, NOT_ATTR_CHAR));
    }
    // Only printable ASCII was written, so this never falls back.
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("attachment"))
}

/// The `Content-Disposition` of one part of a multipart body. RFC 7578, section 4.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disposition {
    /// What the part is, in lower case: `form-data` in a form.
    pub(crate) kind: String,
    /// The form field's name.
    pub(crate) name: Option<String>,
    /// The file's name as its sender wrote it: unchecked, and perhaps with control characters or a
    /// path. `None` is a part that is no file; `Some("")` a file field in which no file was chosen.
    pub(crate) filename: Option<String>,
}

/// Reads the value of a part's `Content-Disposition` header, in time linear in its length.
///
/// What senders really do differs from the grammar of RFC 9110, section 5.6, and is read so:
/// - In a quoted string `\"` and `\\` stand for `"` and `\`; any other backslash stands for itself,
///   because Internet Explorer sends whole paths and escapes nothing.
/// - In a quoted string of a `form-data` part `%22`, `%0D` and `%0A` stand for `"`, CR and LF. That
///   is the whole of the multipart/form-data encoding of the WHATWG's HTML (browsers, and curl since
///   7.81): `%` itself is not escaped, so any other percent sequence is what the user typed.
/// - `filename*` (RFC 8187; UTF-8 or ISO-8859-1) wins over `filename` in either order. One that
///   cannot be decoded gives way to `filename`; without a `filename` it is an error.
/// - Bytes above ASCII are UTF-8, quoted or not. Unknown parameters are read over, a `name*` and
///   the `filename*0` of RFC 2231 among them.
///
/// # Errors
/// [`Error::NotUtf8`] for a name in another encoding, [`Error::Duplicate`] for any parameter given
/// twice, [`Error::Malformed`] for everything else that is no such header.
pub(crate) fn parse(value: &[u8]) -> Result<Disposition, Error> {
    if value.iter().any(|&b| b.is_ascii_control() && b != b'\t') {
        return Err(Error::Malformed);
    }
    let mut input = Input { rest: value };
    input.skip_space();
    let kind = input.token()?;
    let is_form = kind == "form-data";
    let mut parameters = HashMap::new();
    loop {
        input.skip_space();
        if input.rest.is_empty() {
            break;
        }
        input.expect(b';')?;
        input.skip_space();
        // Empty parameters and a trailing semicolon are allowed: RFC 9110, section 5.6.6.
        if matches!(input.rest, [] | [b';', ..]) {
            continue;
        }
        let name = input.token()?;
        input.skip_space();
        input.expect(b'=')?;
        input.skip_space();
        if parameters.insert(name, input.value(is_form)?).is_some() {
            return Err(Error::Duplicate);
        }
    }
    let name = parameters.remove("name").map(Value::text).transpose()?;
    let plain = parameters.remove("filename").map(Value::text);
    let extended = parameters.remove("filename*").map(Value::extended);
    let filename = match (extended, plain) {
        (Some(Ok(filename)), _) => Some(filename),
        (_, Some(filename)) => Some(filename?),
        (Some(Err(error)), None) => return Err(error),
        (None, None) => None,
    };
    Ok(Disposition {
        kind,
        name,
        filename,
    })
}

/// Why a part's `Content-Disposition` was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// It does not follow the grammar.
    Malformed,
    /// It names a parameter twice, so that two readers could choose two different values.
    Duplicate,
    /// The field's or the file's name is not UTF-8.
    NotUtf8,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed Content-Disposition",
            Self::Duplicate => "repeated parameter in Content-Disposition",
            Self::NotUtf8 => "name in Content-Disposition is not UTF-8",
        })
    }
}

impl std::error::Error for Error {}

/// Everything but the `attr-char` of RFC 8187, section 3.2.1.
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The inside of the quoted `filename` for a name free of control characters.
fn fallback(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (at, ch) in name.char_indices() {
        match ch {
            '"' | '\\' => out.extend(['\\', ch]),
            '%' if matches!(name.as_bytes()[at..], [_, a, b, ..] if is_hex(a) && is_hex(b)) => {
                out.push('_');
            }
            ' '..='~' => out.push(ch),
            _ => out.push('_'),
        }
    }
    out
}

/// What is left to read of a header's value.
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn skip_space(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => self.rest = rest,
            _ => return Err(Error::Malformed),
        }
        Ok(())
    }

    /// A token, in lower case: every token read this way is compared without regard to case.
    fn token(&mut self) -> Result<String, Error> {
        match self.take_while(is_tchar) {
            [] => Err(Error::Malformed),
            token => Ok(token
                .iter()
                .map(|byte| char::from(byte.to_ascii_lowercase()))
                .collect()),
        }
    }

    /// A quoted string, unescaped, or whatever stands before the next semicolon.
    fn value(&mut self, is_form: bool) -> Result<Value<'a>, Error> {
        if self.rest.starts_with(b"\"") {
            self.quoted(is_form).map(Value::Quoted)
        } else {
            Ok(Value::Bare(
                self.take_while(|byte| byte != b';').trim_ascii_end(),
            ))
        }
    }

    fn quoted(&mut self, is_form: bool) -> Result<Vec<u8>, Error> {
        self.expect(b'"')?;
        let mut out = Vec::new();
        loop {
            let (byte, length) = match *self.rest {
                [] => return Err(Error::Malformed),
                [b'"', ..] => break,
                [b'\\', byte @ (b'"' | b'\\'), ..] => (byte, 2),
                [b'%', b'2', b'2', ..] if is_form => (b'"', 3),
                [b'%', b'0', b'D' | b'd', ..] if is_form => (b'\r', 3),
                [b'%', b'0', b'A' | b'a', ..] if is_form => (b'\n', 3),
                [byte, ..] => (byte, 1),
            };
            out.push(byte);
            self.rest = &self.rest[length..];
        }
        self.expect(b'"')?;
        Ok(out)
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !keep(byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }
}

/// The value of a parameter, before it is known what it should be.
enum Value<'a> {
    Quoted(Vec<u8>),
    Bare(&'a [u8]),
}

impl Value<'_> {
    /// The text of an ordinary parameter.
    fn text(self) -> Result<String, Error> {
        let bytes = match self {
            Value::Quoted(bytes) => bytes,
            Value::Bare([]) => return Err(Error::Malformed),
            Value::Bare(bytes) if bytes.iter().all(|&b| is_tchar(b) || !b.is_ascii()) => {
                bytes.to_vec()
            }
            Value::Bare(_) => return Err(Error::Malformed),
        };
        String::from_utf8(bytes).map_err(|_| Error::NotUtf8)
    }

    /// The text of an `ext-value`, `charset'language'value`. RFC 8187, section 3.2.1.
    fn extended(self) -> Result<String, Error> {
        let Value::Bare(bytes) = self else {
            return Err(Error::Malformed);
        };
        let mut fields = bytes.splitn(3, |&byte| byte == b'\'');
        let (Some(charset), Some(_), Some(value)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(Error::Malformed);
        };
        if !is_ext_value(value) {
            return Err(Error::Malformed);
        }
        let bytes: Vec<u8> = percent_decode(value).collect();
        if charset.eq_ignore_ascii_case(b"UTF-8") {
            String::from_utf8(bytes).map_err(|_| Error::NotUtf8)
        } else if charset.eq_ignore_ascii_case(b"ISO-8859-1") {
            Ok(bytes.into_iter().map(char::from).collect())
        } else {
            Err(Error::Malformed)
        }
    }
}

/// Whether these are the `value-chars` of RFC 8187, section 3.2.1.
fn is_ext_value(mut rest: &[u8]) -> bool {
    loop {
        rest = match rest {
            [] => return true,
            [b'%', a, b, rest @ ..] if is_hex(*a) && is_hex(*b) => rest,
            [byte, rest @ ..] if is_attr_char(*byte) => rest,
            _ => return false,
        };
    }
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_tchar(byte: u8) -> bool {
    is_attr_char(byte) || matches!(byte, b'*' | b'\'' | b'%')
}

/// `attr-char` of RFC 8187, section 3.2.1.
fn is_attr_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte)
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_written() {
        let written = [
            ("plans.docx", r#""plans.docx""#),
            ("the plans (1).docx", r#""the plans (1).docx""#),
            ("", r#""""#),
            ("a\"b", r#""a\"b"; filename*=UTF-8''a%22b"#),
            ("a\\b", r#""a\\b"; filename*=UTF-8''a%5Cb"#),
            ("100%.docx", r#""100%.docx"; filename*=UTF-8''100%25.docx"#),
            ("a%2x", r#""a%2x"; filename*=UTF-8''a%252x"#),
            ("a%2fb", r#""a_2fb"; filename*=UTF-8''a%252fb"#),
            (
                "пл.docx",
                r#""__.docx"; filename*=UTF-8''%D0%BF%D0%BB.docx"#,
            ),
            (
                "€'*()",
                r#""_'*()"; filename*=UTF-8''%E2%82%AC%27%2A%28%29"#,
            ),
            ("a\r\nX: 1\0.docx", r#""a__X: 1_.docx""#),
            ("\u{85}\u{7f}.docx", r#""__.docx""#),
        ];
        for (name, expected) in written {
            let expected = format!("attachment; filename={expected}");
            assert_eq!(attachment(name), expected, "{name:?}");
        }
    }

    #[test]
    fn what_is_encoded_is_what_is_not_an_attr_char() {
        for byte in 0..=0x7f {
            let ch = char::from(byte).to_string();
            let kept = utf8_percent_encode(&ch, NOT_ATTR_CHAR).to_string() == ch;
            assert_eq!(kept, is_attr_char(byte), "{ch:?}");
        }
    }

    /// What follows `form-data; name="file"; `, and the file's name.
    const FILENAMES: &[(&[u8], Option<&str>)] = &[
        (b"", None),
        (b"filename=\"\"", Some("")),
        (b"filename=\"a.docx\"", Some("a.docx")),
        (b"FileName=a.docx;", Some("a.docx")),
        (b";;  ; filename\t= \"a.docx\" ;", Some("a.docx")),
        (b"filename=\"\xc3\xa4;=,.docx\"", Some("ä;=,.docx")),
        (b"filename=\xc3\xa4.docx", Some("ä.docx")),
        // Internet Explorer, and what it leaves ambiguous.
        (br#"filename="C:\docs\a.docx""#, Some(r"C:\docs\a.docx")),
        (
            br#"filename="\\host\docs\a.docx""#,
            Some(r"\host\docs\a.docx"),
        ),
        // curl before 7.81 and with --form-escape; browsers and curl since.
        (br#"filename="a\"b\\c.docx""#, Some(r#"a"b\c.docx"#)),
        (b"filename=\"%22%0D%0d%0A%0a\"", Some("\"\r\r\n\n")),
        (b"filename=\"%41%2522%2\"", Some("%41%2522%2")),
        (br#"filename="%\22""#, Some(r"%\22")),
        (b"filename=a%22b.docx", Some("a%22b.docx")),
        // filename*
        (b"filename*=UTF-8''%E2%82%AC%20.docx", Some("€ .docx")),
        (b"filename*=utf-8'en'a.docx", Some("a.docx")),
        (b"filename*=iso-8859-1''%A3.docx", Some("£.docx")),
        (b"filename*=UTF-8''b; filename=\"a\"", Some("b")),
        (b"filename=\"a\"; filename*=UTF-8''b", Some("b")),
        (b"filename=\"\xe4\"; filename*=UTF-8''b", Some("b")),
        (b"filename*=UTF-8''%E4; filename=\"a\"", Some("a")),
        (b"filename=\"a\"; filename*=UTF-8''%2", Some("a")),
        (b"filename=\"a\"; filename*=UTF-8''b c", Some("a")),
        (b"filename=\"a\"; filename*=\"UTF-8''b\"", Some("a")),
        (b"filename=\"a\"; filename*=ISO-8859-2''b", Some("a")),
        (b"filename*0=\"a\"", None),
    ];

    /// What follows `form-data; name="file"; `, and why it is refused.
    const REFUSALS: &[(&[u8], Error)] = &[
        (b"filename=\"\xe4.docx\"", Error::NotUtf8),
        (b"filename=\xe4.docx", Error::NotUtf8),
        (b"filename=\"\xe4\"; filename*=oh", Error::NotUtf8),
        (b"filename*=UTF-8''%E4", Error::NotUtf8),
        (b"filename*=UTF-8'b", Error::Malformed),
        (b"filename=\"a\"; filename=\"a\"", Error::Duplicate),
        (b"filename=\"a\"; FILENAME=\"b\"", Error::Duplicate),
        (b"filename*=UTF-8''a; filename*=UTF-8''b", Error::Duplicate),
        (b"name=\"b\"", Error::Duplicate),
        (b"x=1; x=1", Error::Duplicate),
        (b"filename=", Error::Malformed),
        (b"filename", Error::Malformed),
        (b"filename=\"a", Error::Malformed),
        (br#"filename="a\""#, Error::Malformed),
        (b"filename=\"a\".docx", Error::Malformed),
        (b"filename=a b.docx", Error::Malformed),
        (b"filename=\"a\0\"", Error::Malformed),
        (b"filename=\"a\r\n b\"", Error::Malformed),
    ];

    #[test]
    fn file_names_are_read() {
        let parsed = |rest: &[u8]| parse(&[b"form-data; name=\"file\"; ", rest].concat());
        for &(rest, filename) in FILENAMES {
            let expected = Disposition {
                kind: "form-data".to_owned(),
                name: Some("file".to_owned()),
                filename: filename.map(str::to_owned),
            };
            assert_eq!(parsed(rest), Ok(expected), "{}", rest.escape_ascii());
        }
        for &(rest, error) in REFUSALS {
            assert_eq!(parsed(rest), Err(error), "{}", rest.escape_ascii());
        }
    }

    #[test]
    fn kind_and_field_name_are_read() {
        let parsed = parse(b" Form-DATA ;NAME=\"a%22\xc3\xa4\"").unwrap();
        assert_eq!(
            (&*parsed.kind, parsed.name.as_deref()),
            ("form-data", Some("a\"ä"))
        );
        assert_eq!(parse(b"form-data; name=\xff"), Err(Error::NotUtf8));
        assert_eq!(parse(b"form-data").unwrap().name, None);
        let parsed = parse(b"attachment; filename=\"a%22\"").unwrap();
        assert_eq!(parsed.filename.as_deref(), Some("a%22"));
        for malformed in [
            "",
            " ",
            ";",
            "; name=a",
            "\"form-data\"",
            "name=a",
            "form-data name=a",
        ] {
            assert_eq!(
                parse(malformed.as_bytes()),
                Err(Error::Malformed),
                "{malformed}"
            );
        }
    }

    /// Headers of jshttp's suite that are refused here. Its reader repairs whatever it is given,
    /// for a browser must save the file under some name; here the sender can be told.
    const REFUSED: &[&str] = &[
        // No kind, or none that is a token.
        "\"attachment\"",
        "\"inline\"",
        "filename=\"plans.pdf\"",
        "; filename=\"plans.pdf\"",
        "filename=foo.html",
        "x=y; filename=foo.html",
        "\"foo; filename=bar;baz\"; filename=qux",
        "filename=foo.html, filename=bar.html",
        "; filename=foo.html",
        ": inline; attachment; filename=foo.html",
        "filename=foo.html; attachment",
        // No `name=value`, or no token where the grammar wants one.
        "attachment; filename@=\"rates.pdf\"",
        "attachment; filename=",
        "attachment; filename=trolly,trains",
        "attachment; filename=total/; foo=bar",
        "attachment; filename=foo,bar.html",
        "attachment; filename=foo bar.html",
        "attachment; filename=foo[1](2).html",
        "attachment; filename==?ISO-8859-1?Q?foo-=E4.html?=",
        "inline; attachment; filename=foo.html",
        "attachment; inline; filename=foo.html",
        "attachment; filename=foo.html, attachment; filename=bar.html",
        "attachment; filename=bar foo=foo",
        "attachment filename=bar",
        "attachment; filename *=UTF-8''foo-%c3%a4.html",
        // Quotes in the wrong place.
        "attachment; filename=\"foo.html\".txt",
        "attachment; filename=\"bar",
        "attachment; filename=foo\"bar;baz\"qux",
        // The same parameter twice: jshttp keeps the first.
        "attachment; filename=foo; filename=bar",
        "attachment; filename=\"foo.html\"; filename=\"bar.html\"",
        "attachment; filename*=UTF-8''first.html; filename*=UTF-8''second.html",
        "attachment; filename*=UTF-8''%E4%20rates.pdf; filename*=UTF-8''second.html",
        // A `filename*` that cannot be decoded, and no `filename`: jshttp reports no name.
        "attachment; filename*=\"UTF-8''%E2%82%AC%20rates.pdf\"",
        "attachment; filename*=utf8''%E2%82%AC%20rates.pdf",
        "attachment; filename*=UTF-8''%E4%20rates.pdf",
        "attachment; filename*=ISO-8859-1''%A3%2rates.pdf",
        "attachment; filename*=ISO-8859-2''%A4%20rates.pdf",
        "attachment; filename*=''foo-%c3%a4-%e2%82%ac.html",
        "attachment; filename*=\"UTF-8''foo-%c3%a4.html\"",
        "attachment; filename*=\"foo%20bar.html\"",
        "attachment; filename*=UTF-8'foo-%c3%a4.html",
        "attachment; filename*=UTF-8''foo%",
        "attachment; filename*=UTF-8''f%oo.html",
    ];

    /// Headers of jshttp's suite without their `attachment; `, and the file name read from each.
    const READ: &[(&str, Option<&str>)] = &[
        // jshttp takes any backslash for an escape, and reads `foo.html` and `foo-%41.html`.
        ("filename=\"f\\oo.html\"", Some("f\\oo.html")),
        ("filename=\"foo-%\\41.html\"", Some("foo-%\\41.html")),
        ("filename=\"foo-%41.html\"", Some("foo-%41.html")),
        ("filename='foo.bar'", Some("'foo.bar'")),
        ("xfilename=foo.html", None),
        ("filename*0=\"foo.\"; filename*1=\"html\"", None),
        (
            "filename*=UTF-8''foo-a%cc%88.html",
            Some("foo-a\u{308}.html"),
        ),
        (
            "filename*=ISO-8859-1''%82%20rates.pdf",
            Some("\u{82} rates.pdf"),
        ),
        ("filename*=UTF-8''A-%2541.html", Some("A-%41.html")),
    ];

    #[test]
    fn headers_of_jshttp() {
        let Some(headers) = corpus("content_disposition_jshttp.json", "headers") else {
            return;
        };
        for refused in REFUSED {
            assert!(headers.iter().any(|header| header == refused), "{refused}");
        }
        for header in &headers {
            let refused = REFUSED.contains(&&**header);
            assert_eq!(parse(header.as_bytes()).is_err(), refused, "{header}");
        }
        for (rest, filename) in READ {
            let header = format!("attachment; {rest}");
            assert!(headers.contains(&header), "{header}");
            let parsed = parse(header.as_bytes()).unwrap();
            assert_eq!(parsed.filename.as_deref(), *filename, "{header}");
        }
    }

    #[test]
    fn names_of_jshttp_round_trip() {
        let names = corpus("content_disposition_jshttp_create.json", "filenames");
        for name in names.unwrap_or_default() {
            let parsed = parse(attachment(&name).as_bytes()).unwrap();
            assert_eq!(parsed.filename, Some(name));
        }
    }

    fn corpus(file: &str, list: &str) -> Option<Vec<String>> {
        let Some(corpora) = std::env::var_os("CONSIGN_CORPORA") else {
            println!("skipped: CONSIGN_CORPORA is not set");
            return None;
        };
        let path = std::path::Path::new(&corpora).join("vectors").join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let list = json[list].as_array().unwrap();
        assert!(!list.is_empty());
        let text = |item: &serde_json::Value| item.as_str().unwrap().to_owned();
        Some(list.iter().map(text).collect())
    }

    /// Any text, with the characters that mean something in the header made frequent.
    fn names() -> impl Strategy<Value = String> {
        let telling = proptest::sample::select(&['"', '\\', '%', '\'', ';', '2', '\r', '\n'][..]);
        let ch = prop_oneof![telling, any::<char>(), proptest::char::range(' ', '~')];
        proptest::collection::vec(ch, 0..40).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(name in names()) {
            let value = attachment(&name);
            prop_assert!(value.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~')));
            let parsed = parse(value.as_bytes());
            prop_assert_eq!(parsed, Ok(Disposition {
                kind: "attachment".to_owned(),
                name: None,
                filename: Some(name.replace(char::is_control, "_")),
            }));
        }

        #[test]
        fn what_a_browser_writes_is_read(name in names()) {
            let name = name.replace(|ch: char| ch.is_control() || ch == '\\', "");
            // A browser does not escape `%`, so a typed `%22` cannot be told from a quote.
            prop_assume!(!["%22", "%0d", "%0a"].iter().any(|s| name.to_lowercase().contains(s)));
            let value = format!("form-data; filename=\"{}\"", name.replace('"', "%22"));
            prop_assert_eq!(parse(value.as_bytes()).unwrap().filename, Some(name));
        }

        #[test]
        fn an_extension_survives_in_the_fallback(name in names(), extension in "docx|pptx|xlsx") {
            let value = attachment(&format!("{name}.{extension}"));
            let value = value.to_str().unwrap();
            let plain = value.split("; filename*=").next().unwrap();
            prop_assert!(plain.ends_with(&format!(".{extension}\"")), "{}", value);
        }

        #[test]
        fn nothing_panics(value in proptest::collection::vec(any::<u8>(), 0..80), name in names()) {
            let _ = parse(&value);
            let _ = parse(&[b"form-data; ", &*value].concat());
            let _ = parse(format!("form-data; filename*={name}; filename={name}").as_bytes());
        }
    }
}
