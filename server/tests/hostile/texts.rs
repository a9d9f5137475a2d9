//! JSON, paths and tokens that are made to trip whoever reads them.

use consign_http::testing::Request;

use crate::{Target, is_refused};

fn json_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let user =
        |name: &str| format!(r#"{{"username":{name},"password":"long enough","email":"a@b.org"}}"#);
    let deep = |open: &str, close: &str, times: usize| open.repeat(times) + &close.repeat(times);
    let mut bodies: Vec<(&str, Vec<u8>)> = vec![
        ("deep arrays", deep("[", "]", 30_000).into()),
        ("deep arrays without an end", "[".repeat(60_000).into()),
        (
            "deep objects",
            (r#"{"a":"#.repeat(10_000) + "1" + &"}".repeat(10_000)).into(),
        ),
        ("a deep member", user(&deep("[", "]", 20_000)).into()),
        (
            "a deep member of no interest",
            format!(r#"{{"x":{}}}"#, deep("[", "]", 20_000)).into(),
        ),
        ("a huge number", user("1e999999").into()),
        ("a long number", user(&"9".repeat(60_000)).into()),
        (
            "members that are there twice",
            br#"{"username":"a","username":"b","password":"p","password":"q"}"#.to_vec(),
        ),
        (
            "bytes that are not UTF-8",
            user("\"x\"")
                .replace('x', "\u{1}")
                .into_bytes()
                .into_iter()
                .map(|b| if b == 1 { 0xff } else { b })
                .collect(),
        ),
        (
            "an overlong encoding",
            [
                b"{\"username\":\"",
                &b"\xc0\xaf"[..],
                b"\",\"password\":\"x\"}",
            ]
            .concat(),
        ),
        ("half a surrogate", user(r#""\ud800""#).into()),
        (
            "UTF-16",
            "{}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("a byte order mark", "\u{feff}{}".into()),
        ("a raw control character", user("\"a\x01b\"").into()),
        ("an array", b"[\"a\",\"b\"]".to_vec()),
        ("a text", b"\"a\"".to_vec()),
        ("null", b"null".to_vec()),
        ("nothing", Vec::new()),
        ("two objects", b"{}{}".to_vec()),
        ("NaN", user("NaN").into()),
        ("a comment", b"{/* */}".to_vec()),
        (
            "more than is taken",
            user(&format!("\"{}\"", "x".repeat(70_000))).into(),
        ),
        (
            "a long name",
            user(&format!("\"{}\"", "x".repeat(60_000))).into(),
        ),
        ("a name with NUL", user(r#""a\u0000b""#).into()),
        ("an object as name", user(r#"{"$gt":""}"#).into()),
        ("a name that is true", user("true").into()),
    ];
    let long = format!(
        r#"{{"username":"a","email":"a@b.org","password":"{}"}}"#,
        "p".repeat(60_000)
    );
    bodies.push(("a long password", long.into()));
    let line = r#"{"username":"eve","email":"a@b.org\r\nBcc: c@d.org","password":"long enough"}"#;
    bodies.push(("an address of two lines", line.into()));
    bodies
}

#[tokio::test]
async fn json_that_is_made_to_trip_is_refused() {
    let target = Target::new().await;
    let bodies = json_bodies();
    for (what, body) in &bodies {
        for path in ["/register", "/login"] {
            let request = Request::post(path).header("Content-Type", "application/json");
            let answer = target.ask(&request.body(body.clone())).await;
            is_refused(what, answer.as_ref());
            target.is_well(what).await;
        }
    }
    for kind in [
        "text/plain",
        "application/json\0",
        "a/b/c",
        "",
        "application/x-www-form-urlencoded",
    ] {
        let request = Request::post("/login")
            .header("Content-Type", kind)
            .body("{}");
        is_refused(kind, target.ask(&request).await.as_ref());
    }
    let users = target.server.home.run(&["user", "list", "--json"]).json();
    assert_eq!(users.len(), 2, "nobody was added");
    target.tell(bodies.len(), "bodies in JSON, two routes");
}

#[tokio::test]
async fn paths_that_lead_elsewhere_are_refused() {
    let target = Target::new().await;
    let long = "x".repeat(30_000);
    let escapes = "%41".repeat(9000);
    let segments = [
        "%00",
        "a%00.docx",
        "%2e%2e",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%2f..%2fkeys.json",
        "..%5c..%5ckeys.json",
        "%ff%fe",
        "%c0%ae%c0%ae",
        "%",
        "%z",
        "%zz",
        "%2",
        "%252e%252e",
        "%u002e",
        "a%0d%0aX:%20y",
        "..",
        ".",
        "...",
        "*",
        "~root",
        "small.docx%00",
        "small.docx.",
        "small.docx%20",
        "SMALL.DOCX",
        "small.docx;x",
        "small.docx%3Fx",
        "a'%20OR%201=1--",
        "%E2%80%AE",
        &long,
        &escapes,
    ];
    let mut paths: Vec<String> = Vec::new();
    for segment in segments {
        paths.push(format!("/generate_download_url/{segment}"));
        paths.push(format!("/download_file/{segment}"));
    }
    for path in [
        "//files",
        "/./files",
        "/x/../files",
        "/files/../files",
        "/files;x",
        "/files%2f",
        "/%66iles/x",
        "/FILES",
        "/files/.",
        "/admin.sock",
        "/keys.json",
        "/../keys.json",
        "/..%2fkeys.json",
        "/%2e%2e/keys.json",
        "/files?limit=0",
        "/files?limit=-1",
        "/files?limit=99999999999999999999",
        "/files?limit=1e3",
        "/files?limit=%31",
        "/files?cursor=-1",
        "/files?cursor=x",
        "/files?cursor=99999999999999999999999",
        "/files?cursor=%00",
        "/download_file/",
        "/generate_download_url/",
        "/generate_download_url/a/b",
    ] {
        paths.push(path.to_owned());
    }
    for path in &paths {
        let request = Request::get(path).bearer(&target.client);
        is_refused(path, target.ask(&request).await.as_ref());
    }
    target.is_well("paths").await;
    target.tell(paths.len(), "paths");
}

#[tokio::test]
async fn tokens_that_are_none_are_refused() {
    let target = Target::new().await;
    let (head, rest) = target.client.split_once('.').unwrap();
    let (claims, mac) = rest.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let long = "a".repeat(30 * 1024);
    let dotted = "a.".repeat(15 * 1024);
    let tokens = [
        long.clone(),
        format!("{long}.{long}"),
        dotted,
        format!("{head}.{long}.{mac}"),
        format!("{long}.{claims}.{mac}"),
        format!("{head}.{claims}.{long}"),
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{mac}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}"),
        format!("{head}..{mac}"),
        format!(".{claims}.{mac}"),
        "..".to_owned(),
        ".".to_owned(),
        "null".to_owned(),
        format!("{} x", target.client),
        format!("{},{}", target.client, target.client),
        format!("{}=", target.client),
        target.client.to_lowercase(),
        "\u{fffd}".to_owned(),
    ];
    for token in &tokens {
        let request = Request::get("/files").bearer(token);
        is_refused(token, target.ask(&request).await.as_ref());
        let request = Request::get(format!("/download_file/{token}"));
        is_refused(token, target.ask(&request).await.as_ref());
    }
    // Nor does a login open a file, and so on.
    let request = Request::get(format!("/download_file/{}", target.client));
    target.ask(&request).await.unwrap().has_status(401);
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Basic b2xnYTpw",
        "Bearer\tx",
        "bearer: x",
        "Token x",
    ] {
        let request = Request::get("/files").header("Authorization", value);
        target.ask(&request).await.unwrap().has_status(401);
    }
    target.is_well("tokens").await;
    target.tell(tokens.len(), "tokens, as login and as link");
}
