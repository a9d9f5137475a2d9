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
