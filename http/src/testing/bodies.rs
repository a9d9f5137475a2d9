//! `POST /upload`: how a body may come in, and how it may break.

use super::{
    Start,
    client::Request,
    forms::{DOCX, Form},
    site::Site,
};

fn post(token: &str) -> Request {
    Request::post("/upload")
        .bearer(token)
        .header("Content-Type", Form::content_type())
}

pub async fn bodies_come_whole_or_in_chunks(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let content = DOCX.document_of(20_000);
    let (_, body) = Form::of_file("a.docx", &content).finish();
    let whole = site.call(post(&olga).body(body.clone())).await.is_json(200);
    for size in [1, 7, 4096, body.len()] {
        let answer = site
            .call(post(&olga).chunked(&body, size))
            .await
            .is_json(200);
        assert_eq!(
            answer["file"]["sha256"], whole["file"]["sha256"],
            "chunks of {size}"
        );
    }
    // With an extension in each chunk and fields behind the last (RFC 9112, section 7.1).
    let mut connection = site.connect().await;
    let head = site.head_bytes(&post(&olga).header("Transfer-Encoding", "chunked"));
    connection.send(head).await;
    for chunk in body.chunks(5000) {
        connection
            .send(format!("{:X};name=\"value\"\r\n", chunk.len()))
            .await;
        connection.send(chunk).await;
        connection.send("\r\n").await;
    }
    connection.send("0\r\nX-Checksum: none\r\n\r\n").await;
    let answer = connection
        .next("POST")
        .await
        .expect("an answer")
        .is_json(200);
    assert_eq!(answer["file"]["sha256"], whole["file"]["sha256"]);
}

pub async fn forms_are_read_as_the_standard_allows(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let content = DOCX.document("x");
    let send = async |content_type: &str, body: Vec<u8>| {
        let request = Request::post("/upload")
            .bearer(&olga)
            .header("Content-Type", content_type);
        site.call(request.body(body)).await.is_json(200)
    };
    let part = "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.docx\"\r\n\r\n";
    for (parameter, boundary) in [
        ("boundary=x", "x"),
        ("boundary=\"x y'()+_,-./:=?\"", "x y'()+_,-./:=?"),
        ("charset=utf-8; boundary=x", "x"),
        ("BOUNDARY=AaB03x", "AaB03x"),
    ] {
        for (before, padding, after) in [("", "", ""), ("preamble\r\n", " \t", "\r\nepilogue")] {
            let mut body = format!("{before}--{boundary}{padding}{part}").into_bytes();
            body.extend_from_slice(&content);
            body.extend_from_slice(format!("\r\n--{boundary}--{after}").as_bytes());
            let answer = send(&format!("multipart/form-data; {parameter}"), body).await;
            assert_eq!(answer["file"]["size"], content.len());
        }
    }
    // What looks like the beginning of a boundary is content.
    let tricky = DOCX.document("\r\n--\r\n-----\r\n--y\r\n\r--x\r\n\r\n-x");
    let mut body = format!("--x{part}").into_bytes();
    body.extend_from_slice(&tricky);
    body.extend_from_slice(b"\r\n--x--\r\n");
    let answer = send("Multipart/Form-Data; boundary=x", body).await;
    assert_eq!(answer["file"]["size"], tricky.len());
}

pub async fn bodies_that_break_off_leave_nothing(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let content = DOCX.document("x");
    let (_, body) = Form::of_file("a.docx", &content)
        .field("after", "x")
        .finish();
    let unfinished = Form::of_file("a.docx", &content).unfinished();
    let in_the_headers = &body[..100];
    let in_the_file = &body[..body.len() / 2];
    let in_the_boundary = &unfinished[..];
    let before_the_end = &body[..body.len() - 4];
    for part in [in_the_headers, in_the_file, in_the_boundary, before_the_end] {
        site.call(post(&olga).body(part)).await.has_status(400);
        site.call(post(&olga).chunked(part, 1000))
            .await
            .has_status(400);
    }
    site.has_no_files_and_takes_some(&olga).await;
}

pub async fn connections_that_break_off_leave_nothing(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let (_, body) = Form::of_file("a.docx", &DOCX.document_of(400_000)).finish();
    let sized = post(&olga).header("Content-Length", body.len().to_string());
    let chunked = post(&olga).header("Transfer-Encoding", "chunked");
    let chunk = format!("{:x}\r\n", body.len()).into_bytes();
    for (head, before) in [
        (site.head_bytes(&sized), vec![]),
        (site.head_bytes(&chunked), chunk),
    ] {
        for part in [&body[..0], &body[..200_000], &body[..body.len() - 10]] {
            // Closed for good.
            let mut connection = site.connect().await;
            connection.send([&head, &before, part].concat()).await;
            drop(connection);
            // Closed for writing: an answer could still be read.
            let mut connection = site.connect().await;
            connection.send([&head, &before, part].concat()).await;
            connection.end().await;
            let answer = connection.next("POST").await;
            assert!(answer.is_none_or(|answer| answer.status == 400));
        }
    }
    site.has_no_files_and_takes_some(&olga).await;
}

pub async fn a_client_may_ask_before_it_sends(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let (_, body) = Form::of_file("a.docx", &DOCX.document("x")).finish();
    let asking = |token: &str| {
        let request = post(token).header("Expect", "100-continue");
        site.head_bytes(&request.header("Content-Length", body.len().to_string()))
    };
    let mut connection = site.connect().await;
    connection.send(asking(&olga)).await;
    let interim = connection.next("POST").await.expect("leave to go on");
    assert_eq!(interim.status, 100);
    connection.send(&body).await;
    let answer = connection.next("POST").await.expect("an answer");
    answer.has_status(200);
    // Refused before the body is asked for.
    let mut connection = site.connect().await;
    connection.send(asking("x")).await;
    let answer = connection.next("POST").await.expect("an answer");
    answer.is_problem(401, "Invalid or expired token");
    let mut connection = site.connect().await;
    let unknown = Request::post("/nowhere").header("Expect", "100-continue");
    connection
        .send(site.head_bytes(&unknown.header("Content-Length", "10")))
        .await;
    let answer = connection.next("POST").await.expect("an answer");
    answer.has_status(404);
}

pub async fn forms_have_bounds(start: &Start) {
    let site = Site::new(start).await;
    let olga = site.operations().await;
    let content = DOCX.document("x");
    let fields = |count: usize| {
        let empty = Form::new();
        (0..count).fold(empty, |form, at| form.field(&format!("field{at}"), "value"))
    };
    let long = "x".repeat(2 << 20);
    let spaces = " ".repeat(2 << 20);
    let header = format!("Content-Disposition: form-data; name=\"a\"\r\nX: {long}");
    for form in [
        fields(1000).file("file", "a.docx", &content),
        Form::new()
            .raw_part(header.as_bytes(), b"")
            .file("file", "a.docx", &content),
        Form::new()
            .raw(long.as_bytes())
            .raw(b"\r\n")
            .file("file", "a.docx", &content),
        Form::new().raw(spaces.as_bytes()),
        Form::of_file("a.docx", &content).raw(long.as_bytes()),
    ] {
        site.try_upload(&olga, form).await.has_status(400);
    }
    let form = Form::new()
        .field("comment", &long)
        .file("file", "a.docx", &content);
    site.try_upload(&olga, form).await.has_status(413);
    let form = Form::of_file("a.docx", &content).field("comment", &long);
    site.try_upload(&olga, form).await.has_status(413);
    site.has_no_files_and_takes_some(&olga).await;
    // What a browser's form has beside its file is far from them.
    let form = fields(50)
        .field("comment", &long[..500_000])
        .file("file", "b.docx", &content);
    site.try_upload(&olga, form).await.has_status(200);
    // Nor does what stands around it matter to how large the file may be.
    let form = fields(3)
        .file("file", "c.docx", &DOCX.document_of(4 << 20))
        .field("a", "b")
        .field("c", "");
    site.try_upload(&olga, form).await.has_status(200);
}

pub async fn an_early_answer_reaches_one_who_still_sends(start: &Start) {
    let site = Site::new(start).await;
    let (_, body) = Form::of_file("a.docx", &DOCX.document_of(6 << 20)).finish();
    for request in [
        post("x").body(body.clone()),
        post("x").chunked(&body, 50_000),
        Request::post("/nowhere").body(body.clone()),
        Request::new("PUT", "/upload").body(body.clone()),
    ] {
        // On one connection, which stays good for more when the whole body was sent.
        let mut connection = site.connect().await;
        let answer = connection.exchange(&request).await;
        assert!(matches!(answer.status, 401 | 404 | 405), "{answer}");
        if answer.header("connection") != Some("close") {
            let answer = connection.exchange(&Request::get("/healthz")).await;
            answer.has_status(200);
        }
    }
}
