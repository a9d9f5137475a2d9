//! Forms, and the names of the files in them.

use consign_http::testing::{DOCX, Form, Request, zip};

use crate::{Target, is_refused, support::text};

const B: &str = "bound";

/// A form with a boundary of one's own.
fn typed(content_type: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::post("/upload")
        .header("Content-Type", content_type)
        .body(body)
}

fn bound(body: impl Into<Vec<u8>>) -> Request {
    typed(&format!("multipart/form-data; boundary={B}"), body)
}

fn file(boundary: &str, content: &[u8]) -> Vec<u8> {
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"a.docx\"";
    let open = format!("--{boundary}\r\n{head}\r\n\r\n");
    [
        open.as_bytes(),
        content,
        format!("\r\n--{boundary}--\r\n").as_bytes(),
    ]
    .concat()
}

fn forms() -> Vec<(&'static str, Request)> {
    let document = DOCX.document("x");
    let whole = file(B, &document);
    let part = |head: &str| format!("--{B}\r\n{head}\r\n\r\nx\r\n--{B}--\r\n");
    let many = |part: &str, times: usize| format!("{}--{B}--\r\n", part.repeat(times));
    let field = format!("--{B}\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n");
    let no_head = format!("--{B}\r\n\r\n\r\n");
    let lines: String = (0..5000).map(|at| format!("X-{at}: y\r\n")).collect();
    let inner = file("inner", &document);
    let nested = format!(
        "--{B}\r\nContent-Disposition: form-data; name=\"file\"\r\n\
         Content-Type: multipart/mixed; boundary=inner\r\n\r\n"
    );
    let nested = [
        nested.as_bytes(),
        &inner,
        format!("\r\n--{B}--\r\n").as_bytes(),
    ]
    .concat();
    let deep: String = (0..2000)
        .map(|at| format!("--{B}\r\nContent-Type: multipart/mixed; boundary={B}{at}\r\n\r\n"))
        .collect();
    let mut early = bound(whole.clone());
    early = early.header("Expect", "100-continue");
    vec![
        ("15,000 parts", bound(many(&field, 15_000))),
        (
            "15,000 parts without headers",
            bound(many(&no_head, 15_000)),
        ),
        ("no part", bound(format!("--{B}--\r\n"))),
        ("nothing", bound("")),
        ("no boundary in the body", bound(document.clone())),
        ("a boundary that is never there", bound("x".repeat(3 << 20))),
        (
            "nearly a boundary, often",
            bound(format!("\r\n--{B}x").repeat(300_000)),
        ),
        (
            "the beginning of a boundary, often",
            bound(format!("\r\n--{}", &B[..3]).repeat(300_000)),
        ),
        ("line ends", bound("\r\n".repeat(1_500_000))),
        ("hyphens", bound("-".repeat(3 << 20))),
        (
            "a part without an end",
            bound(format!(
                "--{B}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.docx\"\r\n\r\n"
            )),
        ),
        (
            "a head without an end",
            bound(format!("--{B}\r\nX: {}", "y".repeat(2 << 20))),
        ),
        ("many headers of a part", bound(part(&lines))),
        (
            "a long name of a field",
            bound(part(&format!(
                "Content-Disposition: form-data; name=\"{}\"",
                "x".repeat(60_000)
            ))),
        ),
        (
            "many parameters",
            bound(part(&format!(
                "Content-Disposition: form-data{}",
                "; a=b".repeat(5000)
            ))),
        ),
        (
            "a name that does not end",
            bound(part(
                "Content-Disposition: form-data; name=\"file; filename=a.docx",
            )),
        ),
        (
            "a folded header of a part",
            bound(part(
                "Content-Disposition: form-data;\r\n name=\"file\"; filename=\"a.docx\"",
            )),
        ),
        (
            "a part that is no form's",
            bound(part(
                "Content-Disposition: attachment; name=\"file\"; filename=\"a.docx\"",
            )),
        ),
        ("a form within the form", bound(nested)),
        ("forms in forms", bound(deep)),
        (
            "two boundaries",
            typed(
                &format!("multipart/form-data; boundary=x; boundary={B}"),
                file("y", &document),
            ),
        ),
        ("no boundary", typed("multipart/form-data", whole.clone())),
        (
            "an empty boundary",
            typed("multipart/form-data; boundary=", file("", &document)),
        ),
        (
            "an empty boundary in quotes",
            typed("multipart/form-data; boundary=\"\"", file("", &document)),
        ),
        (
            "a boundary of 10,000 characters",
            typed(
                &format!("multipart/form-data; boundary={}", "b".repeat(10_000)),
                "--b",
            ),
        ),
        (
            "a boundary with a space",
            typed("multipart/form-data; boundary=a b", "--a"),
        ),
        (
            "multipart of another kind",
            typed(&format!("multipart/mixed; boundary={B}"), whole.clone()),
        ),
        (
            "urlencoded",
            typed("application/x-www-form-urlencoded", "file=a.docx"),
        ),
        (
            "a packed form",
            bound(b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec()).header("Content-Encoding", "gzip"),
        ),
        (
            "an early end",
            early.header("X", "y").body(&whole[..whole.len() - 9]),
        ),
    ]
}

#[tokio::test]
async fn forms_that_are_none_are_refused() {
    let target = Target::new().await;
    let forms = forms();
    for (what, form) in &forms {
        let request = form.clone().bearer(&target.operations);
        is_refused(what, target.ask(&request).await.as_ref());
        target.is_well(what).await;
    }
    target.has_only(1).await;
    target.tell(forms.len(), "forms");
}

#[tokio::test]
async fn bodies_that_lie_about_their_length_are_refused() {
    let target = Target::new().await;
    let (kind, body) = Form::of_file("a.docx", &DOCX.document("x")).finish();
    let (half, len) = (body.len() / 2, body.len());
    // What comes behind a form's last line is no part of it, so the form must not be whole.
    let cut = &body[..len - 8];
    let head = |length: String| {
        let request = Request::post("/upload")
            .bearer(&target.operations)
            .header("Content-Type", &kind);
        request
            .header("Content-Length", length)
            .head_bytes(target.server.address)
    };
    let chunked = |body: &[u8]| {
        let request = Request::post("/upload")
            .bearer(&target.operations)
            .header("Content-Type", &kind);
        request.chunked(body, 1000).bytes(target.server.address)
    };
    let whole = chunked(cut);
    let attacks = [
        (
            "more than comes",
            [head(len.to_string()), cut.to_vec()].concat(),
        ),
        (
            "much more than comes",
            [head((1_u64 << 32).to_string()), cut.to_vec()].concat(),
        ),
        (
            "more than any file may have",
            [head(u64::MAX.to_string()), body.clone()].concat(),
        ),
        (
            "less than comes",
            [head(half.to_string()), body.clone()].concat(),
        ),
        ("nothing", [head("0".to_owned()), body.clone()].concat()),
        ("chunks without an end", whole[..whole.len() - 5].to_vec()),
        ("chunks that break off", whole[..whole.len() / 2].to_vec()),
        ("chunks of half a body", chunked(&body[..half])),
    ];
    for (what, bytes) in &attacks {
        for answer in target.answers_to(bytes).await {
            is_refused(what, Some(&answer));
        }
        target.is_well(what).await;
    }
    target.has_only(1).await;
    target.tell(attacks.len(), "bodies that lie about their length");
}

/// Names as they are sent, and what becomes of them; `None` when they are refused.
fn names() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let mut names: Vec<(Vec<u8>, Option<&str>)> = [
        ("filename=\"../../../etc/cron.d/x.docx\"", Some("x.docx")),
        ("filename=\"/etc/x.docx\"", Some("x.docx")),
        ("filename=\"C:\\\\Windows\\\\x.docx\"", Some("x.docx")),
        ("filename=\"..\\\\..\\\\x.docx\"", Some("x.docx")),
        (
            "filename=\"\\\\\\\\host\\\\share\\\\x.docx\"",
            Some("x.docx"),
        ),
        ("filename=\" x.docx \"", Some("x.docx")),
        ("filename*=UTF-8\'\'..%2f..%2fx.docx", Some("x.docx")),
        (
            "filename=\"x.docx\"; filename*=UTF-8\'\'..%5cy.docx",
            Some("y.docx"),
        ),
        ("filename=\"x.docx/\"", None),
        ("filename=\"..\"", None),
        ("filename=\".docx\"", None),
        ("filename=\"-rf.docx\"", None),
        ("filename=\"x.docx.\"", None),
        ("filename=\"x.docx:stream\"", None),
        ("filename=\"x.docx::$DATA\"", None),
        ("filename=\"CON.docx\"", None),
        ("filename=\"con.docx\"", None),
        ("filename=\"CON .docx\"", None),
        ("filename=\"NUL.txt.docx\"", None),
        ("filename=\"COM1.docx\"", None),
        ("filename=\"LPT9.docx\"", None),
        ("filename=\"COM¹.docx\"", None),
        ("filename=\"CONIN$.docx\"", None),
        ("filename=\"x\u{202e}xcod.docx\"", None),
        ("filename=\"x\u{2066}.docx\"", None),
        ("filename=\"x\u{feff}.docx\"", None),
        ("filename=\"x\u{85}.docx\"", None),
        ("filename=\"x\u{7f}.docx\"", None),
        ("filename=\"x\u{1b}[31m.docx\"", None),
        ("filename=\"x\t.docx\"", None),
        ("filename*=UTF-8\'\'x%00.docx", None),
        ("filename*=UTF-8\'\'x%0d%0aSet-Cookie:%20a.docx", None),
        ("filename*=UTF-8\'\'x%ff.docx", None),
        ("filename*=UTF-8\'\'%c0%ae%c0%ae%c0%afx.docx", None),
        ("filename*=UTF-7\'\'x.docx", None),
        ("filename=\"x.docx.exe\"", None),
        ("filename=\"x.docm\"", None),
        ("filename=\"x.docx%00.exe\"", None),
        ("filename=\"x\"", None),
        ("filename=\"\"", None),
    ]
    .into_iter()
    .map(|(name, kept)| (name.as_bytes().to_vec(), kept))
    .collect();
    let long = |stem: String| (format!("filename=\"{stem}.docx\"").into_bytes(), None);
    names.push(long("x".repeat(251)));
    names.push(long("é".repeat(126)));
    names.push(long("x".repeat(20_000)));
    names.push(long("a/".repeat(10_000) + ".."));
    names.push((b"filename=\"\xff\xfe.docx\"".to_vec(), None));
    names.push((b"filename=\"x\xe9.docx\"".to_vec(), None));
    names.push((b"filename=\"x\0.docx\"".to_vec(), None));
    names
}

#[tokio::test]
async fn names_are_cleaned_or_refused() {
    let target = Target::new().await;
    let (names, mut kept_files) = (names(), 1);
    let document = DOCX.document("named");
    for (name, kept) in &names {
        let what = String::from_utf8_lossy(name).into_owned();
        let disposition = [b"form-data; name=\"file\"; ", &name[..]].concat();
        let answer = target
            .upload(Form::new().part(&disposition, &document))
            .await;
        match kept {
            None => is_refused(&what, answer.as_ref()),
            Some(kept) => {
                let file = answer.expect("it is answered").is_json(200);
                assert_eq!(text(&file["file"]["filename"]), *kept, "{what}");
                kept_files += 1;
            }
        }
    }
    target.is_well("names").await;
    target.has_only(kept_files).await;
    let mut outside = std::fs::read_dir(target.server.home.path()).unwrap();
    assert!(outside.all(|entry| entry.unwrap().file_name() == "data"));
    target.tell(names.len(), "names");
}

#[tokio::test]
async fn what_is_no_document_is_refused() {
    let target = Target::new().await;
    let document = DOCX.document("x");
    let ole = [&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], &[0; 4096]].concat();
    let contents: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("text", b"hello".to_vec()),
        ("a program", [&b"MZ\x90\0"[..], &[0; 4096]].concat()),
        (
            "a program for Linux",
            [&b"\x7fELF"[..], &[0; 4096]].concat(),
        ),
        ("a PDF", b"%PDF-1.7\n%%EOF".to_vec()),
        ("a page", b"<html><script>alert(1)</script></html>".to_vec()),
        ("an OLE2 file", ole),
        ("half a document", document[..document.len() / 2].to_vec()),
        (
            "the end of a document",
            document[document.len() / 2..].to_vec(),
        ),
        (
            "an archive of no document",
            zip(&[("a.txt", b"x"), ("b.exe", b"MZ")]),
        ),
        ("the end of an archive", b"PK\x05\x06".to_vec()),
        ("ends of archives", b"PK\x05\x06".repeat(300_000)),
        ("beginnings of archives", b"PK\x03\x04".repeat(300_000)),
        ("entries of archives", b"PK\x01\x02".repeat(300_000)),
        ("NULs", vec![0; 2 << 20]),
    ];
    for (what, content) in &contents {
        let answer = target.upload(Form::of_file("a.docx", content)).await;
        is_refused(what, answer.as_ref());
        target.is_well(what).await;
    }
    target.has_only(1).await;
    target.tell(contents.len(), "contents");
}
