//! `POST /register` and `POST /login`.

use consign_core::{ClientRegistration, OperationsRegistration};
use serde_json::{Value, json};

use super::{
    Setup, Start,
    client::Request,
    site::{PASSWORD, Site, registration, text},
};

const REGISTER_MISSING: &str =
    "Missing required parameters: username, email, and password are required.";
const LOGIN_MISSING: &str = "Missing required parameters: username and password are required.";
const OPERATIONS_ONLY: &str = "Only an operation user can register operation users";
const INVALID_TOKEN: &str = "Invalid or expired token";

/// A registration with one field changed, or without it when it becomes `None`.
fn changed(field: &str, value: Option<Value>) -> Request {
    let mut fields = json!({"username": "ann", "email": "ann@example.org", "password": PASSWORD});
    let members = fields.as_object_mut().expect("it is an object");
    match value {
        Some(value) => members.insert(field.to_owned(), value),
        None => members.remove(field),
    };
    registration(fields)
}

pub async fn a_user_registers_and_signs_in(start: &Start) {
    let site = Site::new(start).await;
    let answer = site
        .call(changed("is_operation_user", Some(Value::Null)))
        .await;
    assert_eq!(
        answer.is_json(201),
        json!({"msg": "User registered successfully"})
    );
    let answer = site.login("ann", PASSWORD).await.is_json(200);
    assert_eq!(answer["msg"], "Login successful");
    assert_eq!(answer["token_type"], "Bearer");
    assert!(answer["expires_in"].as_u64().is_some_and(|secs| secs > 0));
    assert_eq!(answer.as_object().map(|members| members.len()), Some(4));
    let token = text(&answer["access_token"]);
    assert!(site.names(&token).await.is_empty());
    let again = site.token("ann").await;
    assert_ne!(token, again, "each login has a token of its own");
    assert!(
        site.names(&token).await.is_empty(),
        "and the earlier one goes on"
    );
}

pub async fn what_is_absent_null_or_empty_is_missing(start: &Start) {
    let site = Site::new(start).await;
    for field in ["username", "email", "password"] {
        for value in [None, Some(Value::Null), Some(json!(""))] {
            let answer = site.call(changed(field, value)).await;
            answer.is_problem(400, REGISTER_MISSING);
        }
    }
    let nothing = json!({});
    site.call(registration(nothing.clone()))
        .await
        .is_problem(400, REGISTER_MISSING);
    let answer = site.call(Request::post("/login").json(&nothing)).await;
    answer.is_problem(400, LOGIN_MISSING);
    for fields in [
        json!({"username": "ann"}),
        json!({"password": PASSWORD}),
        json!({"username": null, "password": PASSWORD}),
        json!({"username": "ann", "password": ""}),
    ] {
        let answer = site.call(Request::post("/login").json(&fields)).await;
        answer.is_problem(400, LOGIN_MISSING);
    }
}

pub async fn names_and_addresses_are_taken_once(start: &Start) {
    let site = Site::new(start).await;
    site.call(changed("x", None)).await.has_status(201);
    site.call(changed("x", None))
        .await
        .is_problem(400, "Username already exists");
    let other = changed("email", Some(json!("other@example.org")));
    site.call(other)
        .await
        .is_problem(400, "Username already exists");
    let other = changed("username", Some(json!("bob")));
    site.call(other)
        .await
        .is_problem(400, "Email already exists");
    // Upper and lower case make another name, but no other mailbox.
    let fields = json!({"username": "Ann", "email": "ANN@Example.org", "password": PASSWORD});
    site.call(registration(fields))
        .await
        .is_problem(400, "Email already exists");
    let fields = json!({"username": "Ann", "email": "ann.2@example.org", "password": PASSWORD});
    site.call(registration(fields)).await.has_status(201);
}

pub async fn passwords_are_counted_in_code_points(start: &Start) {
    let site = Site::new(start).await;
    for short in ["short77", "\u{1F511}\u{1F511}", "ééééééé", "       "] {
        let answer = site.call(changed("password", Some(json!(short)))).await;
        answer.is_problem(400, "Password must be at least 8 characters long");
    }
    let keys = "\u{1F511}".repeat(8);
    site.call(changed("password", Some(json!(keys))))
        .await
        .has_status(201);
    site.login("ann", &keys).await.has_status(200);

    // Long ones are taken whole: what differs at the end alone is another password.
    let long = "long enough ".repeat(80);
    let fields = json!({"username": "bob", "email": "bob@example.org", "password": long});
    site.call(registration(fields)).await.has_status(201);
    site.login("bob", &long).await.has_status(200);
    site.login("bob", long.trim_end()).await.has_status(401);
    site.login("bob", &format!("{long}.")).await.has_status(401);
}

pub async fn names_and_addresses_that_are_none_are_refused(start: &Start) {
    let site = Site::new(start).await;
    let long = "a".repeat(151);
    for name in ["a\nb", "a\0b", "\u{7f}", "a\u{85}b", "  ", &long] {
        let answer = site.call(changed("username", Some(json!(name)))).await;
        answer.is_problem(400, "Invalid username");
    }
    let long = format!("{}@example.org", "a".repeat(250));
    for email in [
        "ann",
        "@example.org",
        "ann@",
        "a b@example.org",
        "a@b\r\nBcc: c@d",
        &long,
    ] {
        let answer = site.call(changed("email", Some(json!(email)))).await;
        answer.is_problem(400, "Invalid email address");
    }
    let name = "名".repeat(150);
    let fields = json!({"username": name, "email": "ann@example.org", "password": PASSWORD});
    site.call(registration(fields)).await.has_status(201);
    site.token(&name).await;
}

pub async fn the_first_operations_user_registers_freely(start: &Start) {
    let site = Site::new(start).await;
    let carl = site.client().await;
    let answer = site.register("mallory", true, Some(&carl)).await;
    assert_eq!(
        answer.status, 201,
        "there is no operations user yet, whoever asks: {answer}"
    );
    let mallory = site.token("mallory").await;

    site.register("eve", true, None)
        .await
        .is_problem(403, OPERATIONS_ONLY);
    site.register("eve", true, Some(&carl))
        .await
        .is_problem(403, OPERATIONS_ONLY);
    site.register("eve", true, Some("not.a.token"))
        .await
        .is_problem(401, INVALID_TOKEN);
    let eve = || changed("is_operation_user", Some(json!(true)));
    let basic = eve().header("Authorization", "Basic b2xnYTpwYXNz");
    site.call(basic)
        .await
        .is_problem(401, "token must be a Bearer token");
    site.register("eve", true, Some(&mallory))
        .await
        .has_status(201);
    site.register("frank", false, Some(&mallory))
        .await
        .has_status(201);
    site.register("grace", false, None).await.has_status(201);

    // Whoever may not is told so before what else is wrong.
    let nameless = json!({"is_operation_user": true});
    let request = || registration(nameless.clone());
    site.call(request()).await.is_problem(403, OPERATIONS_ONLY);
    site.call(request().bearer(&carl))
        .await
        .is_problem(403, OPERATIONS_ONLY);
    site.call(request().bearer("x"))
        .await
        .is_problem(401, INVALID_TOKEN);
    site.call(request().bearer(&mallory))
        .await
        .is_problem(400, REGISTER_MISSING);
}

pub async fn of_many_at_once_one_is_the_first(start: &Start) {
    let site = Site::new(start).await;
    let names = ["a", "b", "c", "d", "e", "f"];
    let racers = names.map(|name| site.register(name, true, None));
    let answers = futures_util::future::join_all(racers).await;
    let firsts = answers.iter().filter(|answer| answer.status == 201);
    assert_eq!(firsts.count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.is_problem(403, OPERATIONS_ONLY);
    }
}

pub async fn one_name_registered_many_times_at_once_is_taken_once(start: &Start) {
    let site = Site::new(start).await;
    let racers = (0..6).map(|_| site.register("ann", false, None));
    let answers = futures_util::future::join_all(racers).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 201).count(),
        1
    );
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.is_problem(400, "Username already exists");
    }
}

pub async fn registration_can_be_closed(start: &Start) {
    let closed = Setup {
        operations_registration: OperationsRegistration::Closed,
        ..Setup::default()
    };
    let site = Site::with(start, closed).await;
    site.register("olga", true, None)
        .await
        .is_problem(403, OPERATIONS_ONLY);
    site.register("carl", false, None).await.has_status(201);

    let closed = Setup {
        client_registration: ClientRegistration::Closed,
        ..Setup::default()
    };
    let site = Site::with(start, closed).await;
    site.register("carl", false, None)
        .await
        .is_problem(403, "Registration is closed");
    let olga = site.operations().await;
    site.register("carl", false, None)
        .await
        .is_problem(403, "Registration is closed");
    site.register("carl", false, Some("x"))
        .await
        .is_problem(401, INVALID_TOKEN);
    site.register("carl", false, Some(&olga))
        .await
        .has_status(201);
    let carl = site.token("carl").await;
    let answer = site.register("dora", false, Some(&carl)).await;
    answer.is_problem(403, "Registration is closed");
}

pub async fn registration_can_be_open(start: &Start) {
    let open = Setup {
        operations_registration: OperationsRegistration::Open,
        ..Setup::default()
    };
    let site = Site::with(start, open).await;
    site.register("olga", true, None).await.has_status(201);
    site.register("otto", true, None).await.has_status(201);
}

pub async fn who_cannot_sign_in_is_not_told_why(start: &Start) {
    let site = Site::new(start).await;
    site.register("carl", false, None).await.has_status(201);
    let wrong = site.login("carl", "wrong horse").await;
    wrong.is_problem(401, "Invalid username or password");
    let long = "x".repeat(151);
    for name in ["nobody", "Carl", "carl ", "a\0b", &long] {
        let unknown = site.login(name, PASSWORD).await;
        assert_eq!(unknown.status, wrong.status);
        assert_eq!(unknown.body, wrong.body);
    }
    // A password is what was typed: nothing is trimmed or folded.
    for near in [
        PASSWORD.to_uppercase(),
        format!(" {PASSWORD}"),
        format!("{PASSWORD} "),
    ] {
        let answer = site.login("carl", &near).await;
        answer.is_problem(401, "Invalid username or password");
    }
}

pub async fn what_is_no_json_object_is_refused(start: &Start) {
    let site = Site::new(start).await;
    let deep = format!("{{\"username\":{}", "[".repeat(50_000));
    let bodies: [&[u8]; 19] = [
        b"",
        b"{",
        b"null",
        b"true",
        b"\"text\"",
        b"[]",
        b"[\"a\",\"secret phrase\"]",
        b"[\"a\",\"a@example.org\",\"password\"]",
        b" [\"a\",\"a@example.org\",\"secret phrase\",true]",
        b"{\"username\":1,\"password\":\"secret phrase\"}",
        b"{\"username\":[\"a\"],\"password\":\"secret phrase\"}",
        b"{\"username\":\"a\",\"username\":\"b\",\"password\":\"secret phrase\"}",
        b"{\"username\":\"a\",\"password\":\"secret phrase\"} x",
        b"{\"username\":\"\xff\",\"password\":\"secret phrase\"}",
        b"{\"username\":\"a\",\"email\":\"a@example.org\",\"password\":\"secret phrase\",\"x\":\"\xff\"}",
        b"{\"username\":\"\\ud800\",\"password\":\"secret phrase\"}",
        b"{'username':'a'}",
        b"username=a&password=secret+phrase",
        deep.as_bytes(),
    ];
    for path in ["/login", "/register"] {
        for body in bodies {
            let request = Request::post(path).header("Content-Type", "application/json");
            let answer = site.call(request.body(body)).await;
            answer.is_problem(400, "Invalid JSON");
            assert!(!answer.contains("secret phrase"), "{answer}");
        }
    }
    let answer = site
        .call(changed("is_operation_user", Some(json!("true"))))
        .await;
    answer.is_problem(400, "Invalid JSON");
    // What is not known is read over.
    site.call(changed("favourite_colour", Some(json!([1, {}]))))
        .await
        .has_status(201);
}

pub async fn json_bodies_have_a_largest_size(start: &Start) {
    const LARGEST: usize = 64 * 1024;
    let site = Site::new(start).await;
    site.register("carl", false, None).await.has_status(201);
    let body = |size: usize| {
        let text = json!({"username": "carl", "password": PASSWORD}).to_string();
        format!("{text}{}", " ".repeat(size - text.len()))
    };
    let request = || Request::post("/login").header("Content-Type", "application/json");
    site.call(request().body(body(LARGEST)))
        .await
        .has_status(200);
    site.call(request().chunked(body(LARGEST), 1000))
        .await
        .has_status(200);
    for size in [LARGEST + 1, 4 << 20] {
        site.call(request().body(body(size))).await.has_status(413);
        site.call(request().chunked(body(size), 4096))
            .await
            .has_status(413);
    }
}

pub async fn json_has_to_be_called_json(start: &Start) {
    let site = Site::new(start).await;
    site.register("carl", false, None).await.has_status(201);
    let body = json!({"username": "carl", "password": PASSWORD}).to_string();
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=utf-8",
        "application/json ;x=\"y\"",
    ] {
        let request = Request::post("/login").header("Content-Type", kind);
        site.call(request.body(body.as_str())).await.has_status(200);
    }
    for kind in [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/\u{ff}",
    ] {
        for path in ["/login", "/register"] {
            let request = Request::post(path).header("Content-Type", kind);
            site.call(request.body(body.as_str())).await.has_status(415);
        }
    }
    site.call(Request::post("/login").body(body))
        .await
        .has_status(415);
    site.call(Request::post("/register")).await.has_status(415);
}
