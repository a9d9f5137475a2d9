//! `POST /upload`: who may, what may be, and what a form has to look like.

use serde_json::json;

use super::{
    Setup, Start,
    client::Request,
    forms::{DOCX, Form, PPTX, XLSX, zip},
    site::{Site, text, token_of},
};

const NO_FILE: &str = "key name should be file";
const WRONG_TYPE: &str = "Invalid file type. Only .pptx, .docx, and .xlsx are allowed.";
const NOT_YOURS: &str = "You are not authorized to upload files. Only operation users can upload.";

pub async fn documents_are_taken(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    for kind in [DOCX, XLSX, PPTX] {
        for name in [
            format!("Q3 report.{}", kind.extension),
            format!("BÜRO – 報告.{}", kind.extension.to_uppercase()),
        ] {
            let content = kind.document("hello");
            let answer = site.try_upload(&olga, Form::of_file(&name, &content)).await;
            let answer = answer.is_json(200);
            assert_eq!(answer["msg"], format!("File {name} uploaded successfully"));
            let file = answer["file"].as_object().expect("file is an object");
            assert_eq!(file.len(), 9, "{answer}");
            assert_eq!(file["filename"], name);
            assert_eq!(file["size"], content.len());
            assert_eq!(file["content_type"], kind.media_type);
            assert_eq!(file["sha256"], sha256(&content));
            assert_eq!(file["uploaded_by"], "olga");
            assert_eq!(file["audience"], "everybody");
            let at: jiff::Timestamp = text(&file["uploaded_at"]).parse().expect("RFC 3339");
            assert!(at.as_second() > 1_700_000_000, "{at}");
            assert!(text(&file["uploaded_at"]).ends_with('Z'));
            assert!(text(&file["id"]).len() >= 16);
        }
    }
}

/// Lower-case hexadecimal.
fn sha256(content: &[u8]) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub async fn only_operations_users_upload(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let carl = site.client().await;
    site.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let link = site.link(&carl, "a.docx").await;
    let form = Form::of_file("b.docx", &DOCX.document("b")).finish();
    let bodies = [
        Request::post("/upload"),
        Request::post("/upload")
            .header("Content-Type", "text/plain")
            .body("x"),
        Request::post("/upload")
            .header("Content-Type", &form.0)
            .body(form.1.clone()),
        Request::post("/upload")
            .header("Content-Type", &form.0)
            .chunked(&form.1, 100),
    ];
    for request in &bodies {
        // Told before anything is said about the body.
        let with = |value: &str| request.clone().header("Authorization", value);
        site.call(request.clone())
            .await
            .is_problem(401, "Missing Authorization Header");
        for value in [
            "Basic b2xnYTpwYXNz",
            "Bearer",
            "Bearer ",
            "Bearerx y",
            "",
            &olga,
        ] {
            site.call(with(value))
                .await
                .is_problem(401, "token must be a Bearer token");
        }
        let (head, signature) = olga.rsplit_once('.').expect("a token has dots");
        let unsigned = format!("Bearer {head}.");
        let swapped: String = signature.chars().rev().collect();
        let swapped = format!("Bearer {head}.{swapped}");
        let link = format!("Bearer {}", token_of(&link));
        for value in [
            "Bearer x",
            "Bearer a.b.c",
            "Bearer ..",
            &unsigned,
            &swapped,
            &link,
        ] {
            site.call(with(value))
                .await
                .is_problem(401, "Invalid or expired token");
        }
        site.call(request.clone().bearer(&carl))
            .await
            .is_problem(403, NOT_YOURS);
    }
    assert_eq!(site.names(&olga).await, ["a.docx"]);
    // The scheme's letters may be large or small (RFC 9110, section 11.1).
    let request = bodies[2]
        .clone()
        .header("Authorization", format!("bEARER  {olga}"));
    site.call(request).await.has_status(200);
}

pub async fn a_form_with_a_file_is_needed(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let content = DOCX.document("x");
    let post = || Request::post("/upload").bearer(&olga);
    site.call(post()).await.is_problem(400, NO_FILE);
    let (_, body) = Form::of_file("a.docx", &content).finish();
    for kind in [
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=x",
        "multipart/form-data",
        "multipart/form-data; charset=utf-8",
        DOCX.media_type,
    ] {
        let answer = site
            .call(post().header("Content-Type", kind).body(body.clone()))
            .await;
        answer.is_problem(400, NO_FILE);
    }
    let answer = site.call(post().body(body)).await;
    answer.is_problem(400, NO_FILE);
    for form in [
        Form::new(),
        Form::new().field("file", "a.docx"),
        Form::new().field("file", ""),
        Form::new().file("document", "a.docx", &content),
        Form::new().file("FILE", "a.docx", &content),
        Form::new().file("files[]", "a.docx", &content),
        Form::new().part(b"form-data; filename=\"a.docx\"", &content),
        Form::new().part(b"attachment; name=\"file\"; filename=\"a.docx\"", &content),
        Form::new().raw_part(b"Content-Type: text/plain", &content),
    ] {
        let answer = site.try_upload(&olga, form.clone()).await;
        answer.is_problem(400, NO_FILE);
        // A file afterwards is still found.
        let answer = site
            .try_upload(&olga, form.file("file", "b.docx", &content))
            .await;
        answer.has_status(200);
    }
    for form in [Form::of_file("", b""), Form::of_file("", &content)] {
        site.try_upload(&olga, form)
            .await
            .is_problem(400, "No selected file");
    }
}

pub async fn other_kinds_of_files_are_refused(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let document = DOCX.document("x");
    for name in [
        "a.pdf",
        "a.doc",
        "a.docm",
        "a.dotx",
        "a.zip",
        "a",
        "docx",
        "a.docx.exe",
        "a.docx.",
        "a.docx~",
    ] {
        let answer = site.try_upload(&olga, Form::of_file(name, &document)).await;
        if name.ends_with('.') {
            answer.has_status(400);
        } else {
            answer.is_problem(400, WRONG_TYPE);
        }
    }
    let bomb = zip(&[("word/document.xml", b"<x/>")]);
    let contents: [&[u8]; 7] = [
        b"",
        b"%PDF-1.7\n",
        b"MZ\x90\0\x03\0\0\0",
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        &document[..document.len() / 2],
        &XLSX.document("x"),
        &bomb,
    ];
    for content in contents {
        let answer = site
            .try_upload(&olga, Form::of_file("a.docx", content))
            .await;
        answer.is_problem(400, WRONG_TYPE);
    }
    // What the part says of its own type counts for nothing.
    let header = format!(
        "Content-Disposition: form-data; name=\"file\"; filename=\"a.docx\"\r\nContent-Type: {}",
        DOCX.media_type
    );
    let form = Form::new().raw_part(header.as_bytes(), b"%PDF-1.7\n");
    site.try_upload(&olga, form)
        .await
        .is_problem(400, WRONG_TYPE);
    site.has_no_files_and_takes_some(&olga).await;
}

pub async fn files_have_a_largest_size(start: &Start) {
    const LARGEST: usize = 300_000;
    let setup = Setup {
        max_upload: LARGEST as u64,
        ..Setup::default()
    };
    let site = Site::with(start, setup).await;
    let olga = site.operations().await;
    let post = || {
        Request::post("/upload")
            .bearer(&olga)
            .header("Content-Type", Form::content_type())
    };
    let form = |size: usize| {
        Form::of_file("big.docx", &DOCX.document_of(size))
            .finish()
            .1
    };
    for size in [LARGEST + 1, 4 * LARGEST, 12 << 20] {
        for request in [
            post().body(form(size)),
            post().chunked(form(size), 1000),
            post().chunked(form(size), 1 << 20),
        ] {
            let answer = site.call(request).await;
            answer.has_status(413);
        }
    }
    // The length alone is enough: nothing of the body is sent.
    let mut connection = site.connect().await;
    let head = site.head_bytes(&post().header("Content-Length", "107374182400"));
    assert!(connection.send(head).await);
    let answer = connection
        .next("POST")
        .await
        .expect("an answer before the body");
    answer.has_status(413);
    assert!(site.names(&olga).await.is_empty());
    site.call(post().body(form(LARGEST))).await.has_status(200);
    site.call(post().chunked(form(LARGEST), 10_000))
        .await
        .has_status(200);
}

pub async fn of_several_files_the_first_counts(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let (one, two) = (DOCX.document("one"), DOCX.document("two"));
    let form = Form::new()
        .field("comment", "before")
        .file("other", "other.docx", &two)
        .file("file", "one.docx", &one)
        .file("file", "two.docx", &two)
        .field("comment", "after");
    let answer = site.try_upload(&olga, form).await.is_json(200);
    assert_eq!(answer["file"]["filename"], "one.docx");
    assert_eq!(answer["file"]["sha256"], sha256(&one));
    assert_eq!(site.names(&olga).await, ["one.docx"]);
    // The first is what counts even when only the second could be taken.
    for form in [
        Form::of_file("one.pdf", b"%PDF-1.7").file("file", "two.docx", &two),
        Form::of_file("", b"").file("file", "two.docx", &two),
    ] {
        site.try_upload(&olga, form).await.has_status(400);
    }
    assert_eq!(site.names(&olga).await, ["one.docx"]);
}

pub async fn file_names_are_read_as_senders_write_them(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let content = DOCX.document("x");
    let cases: [(&[u8], &str); 15] = [
        (b"filename=plain.docx", "plain.docx"),
        (b"filename=\"a b;c.docx\"", "a b;c.docx"),
        (b"filename=\"say \\\"hi\\\".docx\"", "say \"hi\".docx"),
        (b"filename=\"say %22hi%22.docx\"", "say \"hi\".docx"),
        (b"filename=\"100%25.docx\"", "100%25.docx"),
        ("filename=\"Übersicht.docx\"".as_bytes(), "Übersicht.docx"),
        (b"filename*=UTF-8''%C3%9Cbersicht.docx", "Übersicht.docx"),
        (
            b"filename=\"U.docx\"; filename*=UTF-8''%C3%9C.docx",
            "Ü.docx",
        ),
        (
            b"filename*=UTF-8''%C3%9C.docx; filename=\"U.docx\"",
            "Ü.docx",
        ),
        (
            b"filename*=iso-8859-1'en'%DC.docx; filename=\"U.docx\"",
            "Ü.docx",
        ),
        (
            b"filename*=koi8-r''%DC.docx; filename=\"fallback.docx\"",
            "fallback.docx",
        ),
        (b"filename=\"../../etc/passwd.docx\"", "passwd.docx"),
        (b"filename=\"C:\\Users\\Ann\\plan.docx\"", "plan.docx"),
        (b"filename=\"/abs/x.docx\"", "x.docx"),
        (b"FileName = \"spaced.docx\" ;", "spaced.docx"),
    ];
    for (parameter, name) in cases {
        let disposition = [b"form-data; name=\"file\"; ", parameter].concat();
        let form = Form::new().part(&disposition, &content);
        let answer = site.try_upload(&olga, form).await.is_json(200);
        assert_eq!(answer["file"]["filename"], name);
        assert_eq!(answer["msg"], format!("File {name} uploaded successfully"));
    }
}

pub async fn misleading_file_names_are_refused(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let content = DOCX.document("x");
    let long = format!("filename=\"{}.docx\"", "x".repeat(251));
    let cases: [&[u8]; 16] = [
        long.as_bytes(),
        b"filename=\"\xff\xfe.docx\"",
        b"filename*=UTF-8''%FF.docx",
        b"filename*=UTF-8''a%0D%0Ab.docx",
        b"filename*=UTF-8''a%00.docx",
        b"filename=\"a%0D%0ASet-Cookie: x.docx\"",
        b"filename*=UTF-8''a%E2%80%AExcod.docx",
        b"filename=\".docx\"",
        b"filename=\".hidden.docx\"",
        b"filename=\"-rf.docx\"",
        b"filename=\"CON.docx\"",
        b"filename=\"nul.docx\"",
        b"filename=\"COM1.tar.docx\"",
        b"filename=\"..\"",
        b"filename=\"folder/\"",
        b"filename=\"a.docx.\"",
    ];
    for parameter in cases {
        let disposition = [b"form-data; name=\"file\"; ", parameter].concat();
        let form = Form::new().part(&disposition, &content);
        let answer = site.try_upload(&olga, form).await;
        assert_eq!(answer.status, 400, "{}: {answer}", parameter.escape_ascii());
        assert_eq!(
            answer.json()["msg"],
            "Invalid file name",
            "{}",
            parameter.escape_ascii()
        );
    }
    // 255 bytes are the most.
    let name = format!("{}.docx", "x".repeat(250));
    site.upload(&olga, &name, &content).await;
    assert_eq!(site.names(&olga).await, [name]);
}

pub async fn equal_names_are_kept_side_by_side(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let (one, two) = (DOCX.document("one"), DOCX.document("two"));
    let first = site.upload(&olga, "a.docx", &one).await;
    let second = site.upload(&olga, "a.docx", &two).await;
    let third = site.upload(&olga, "a.docx", &two).await;
    assert_ne!(first["id"], second["id"]);
    assert_ne!(second["id"], third["id"]);
    let answer = site
        .call(Request::get("/files").bearer(&olga))
        .await
        .is_json(200);
    assert_eq!(answer["files"], json!([third, second, first]));
}
