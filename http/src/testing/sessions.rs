//! `/session` and `POST /password`.

use serde_json::{Value, json};

use super::{
    Start,
    answer::Answer,
    client::Request,
    site::{PASSWORD, Site, text},
};

const INVALID_TOKEN: &str = "Invalid or expired token";
const MISSING_COOKIE: &str = "Missing session cookie";
const NEW_PASSWORD: &str = "another horse battery";

/// Signs carl in as a page does, and gives the answer.
async fn sign_in(site: &Site, remember: Value) -> Answer {
    let fields = json!({"username": "carl", "password": PASSWORD, "remember": remember});
    site.call(Request::post("/login").json(&fields)).await
}

/// The cookie of an answer, as a browser sends it back.
fn cookie(answer: &Answer) -> String {
    let line = answer.only("set-cookie");
    line.split(';').next().unwrap_or_default().to_owned()
}

fn resume(cookie: &str) -> Request {
    Request::post("/session")
        .header("Cookie", cookie)
        .header("Sec-Fetch-Site", "same-origin")
}

pub async fn whoever_is_signed_in_is_told_who_they_are(start: &Start) {
    let site = Site::new(start).await;
    let (olga, carl) = (site.operations().await, site.client().await);
    for (token, name, role) in [(olga, "olga", "operations"), (carl, "carl", "client")] {
        let session = site.get("/session", &token).await.is_json(200);
        let user = &session["user"];
        assert_eq!(user["username"], name);
        assert_eq!(user["email"], format!("{name}@example.org"));
        assert_eq!(
            (&user["role"], &user["confined"]),
            (&json!(role), &json!(false))
        );
        assert_eq!(text(&user["id"]).len(), 32);
        assert!(text(&session["expires_at"]).ends_with('Z'));
        assert_eq!(session.as_object().map(|members| members.len()), Some(2));
        assert_eq!(user.as_object().map(|members| members.len()), Some(5));
    }
}

pub async fn a_page_that_is_loaded_anew_goes_on(start: &Start) {
    let site = Site::new(start).await;
    site.client().await;
    // Who does not speak of remembering has no business with cookies.
    for remember in [Value::Null, json!(true), json!(false)] {
        let answer = sign_in(&site, remember.clone()).await;
        answer.has_status(200);
        let Some(line) = answer.header("set-cookie") else {
            assert_eq!(remember, Value::Null);
            continue;
        };
        let (value, attributes) = line.split_once("; ").expect("it has attributes");
        let (token, age) = match remember == json!(true) {
            true => (
                text(&answer.json()["access_token"]),
                answer.json()["expires_in"].clone(),
            ),
            // What an earlier sign-in left is gone.
            false => (String::new(), json!(0)),
        };
        assert_eq!(value, format!("__Host-consign-session={token}"));
        let expected = format!("Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Strict");
        assert_eq!(attributes, expected);
    }
    sign_in(&site, json!("yes"))
        .await
        .is_problem(400, "Invalid JSON");

    let cookie = cookie(&sign_in(&site, json!(true)).await);
    let answer = site.call(resume(&cookie)).await.is_json(200);
    assert_eq!(answer["token_type"], "Bearer");
    assert!(answer["expires_in"].as_u64().is_some_and(|secs| secs > 0));
    let token = text(&answer["access_token"]);
    assert!(cookie.ends_with(&token));
    assert_eq!(site.get("/files", &token).await.status, 200);
    // Browsers that do not say from where they ask say of what origin.
    let origin = |origin: &str| {
        Request::post("/session")
            .header("Cookie", &cookie)
            .header("Origin", origin)
    };
    site.call(origin(&site.base())).await.has_status(200);
    // Signing out takes it away.
    let answer = site.delete("/session", &token).await;
    assert_eq!(answer.is_json(200), json!({"msg": "Signed out"}));
    assert!(
        answer
            .only("set-cookie")
            .starts_with("__Host-consign-session=; Path=/; Max-Age=0;")
    );
}

pub async fn the_cookie_opens_nothing_else(start: &Start) {
    let site = Site::new(start).await;
    site.client().await;
    let cookie = cookie(&sign_in(&site, json!(true)).await);
    // Other pages have browsers send it, perhaps; they are told nothing by it.
    let ask = || Request::post("/session").header("Cookie", &cookie);
    let other = |site: &str| {
        ask()
            .header("Sec-Fetch-Site", site)
            .header("Origin", "null")
    };
    for request in [
        ask(),
        other("cross-site"),
        other("same-site"),
        other("none"),
        ask().header("Origin", "https://elsewhere.example"),
        ask().header("Origin", format!("{}.elsewhere.example", site.base())),
        Request::post("/session").header("Sec-Fetch-Site", "same-origin"),
    ] {
        site.call(request).await.is_problem(401, MISSING_COOKIE);
    }
    let forged = resume("__Host-consign-session=a.b.c");
    site.call(forged).await.is_problem(401, INVALID_TOKEN);
    for target in ["/files", "/session", "/links", "/audit"] {
        let request = Request::get(target)
            .header("Cookie", &cookie)
            .header("Sec-Fetch-Site", "same-origin");
        let answer = site.call(request).await;
        answer.is_problem(401, "Missing Authorization Header");
    }
}

pub async fn signing_out_everywhere_ends_all(start: &Start) {
    let site = Site::new(start).await;
    let carl = site.client().await;
    let other = site.token("carl").await;
    let cookie = cookie(&sign_in(&site, json!(true)).await);
    for value in ["=yes", "=1", "=", ""] {
        let target = format!("/session?everywhere{value}");
        let answer = site.delete(&target, &carl).await;
        answer.is_problem(400, "everywhere must be true or false");
    }
    // Signing out in one place leaves the others.
    let answer = site.delete("/session?everywhere=false", &carl).await;
    assert_eq!(answer.is_json(200), json!({"msg": "Signed out"}));
    assert_eq!(site.get("/files", &other).await.status, 200);
    let answer = site.delete("/session?everywhere=true", &carl).await;
    assert_eq!(answer.is_json(200), json!({"msg": "Signed out everywhere"}));
    for token in [&carl, &other] {
        site.get("/session", token)
            .await
            .is_problem(401, INVALID_TOKEN);
    }
    site.call(resume(&cookie))
        .await
        .is_problem(401, INVALID_TOKEN);
}

pub async fn a_new_password_ends_all(start: &Start) {
    let site = Site::new(start).await;
    let carl = site.client().await;
    let cookie = cookie(&sign_in(&site, json!(true)).await);
    let fields = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let answer = site.post("/password", &carl, fields).await;
    assert_eq!(answer.is_json(200), json!({"msg": "Password changed"}));
    assert!(
        answer
            .only("set-cookie")
            .starts_with("__Host-consign-session=; ")
    );
    site.get("/session", &carl)
        .await
        .is_problem(401, INVALID_TOKEN);
    site.call(resume(&cookie))
        .await
        .is_problem(401, INVALID_TOKEN);
    let answer = site.login("carl", PASSWORD).await;
    answer.is_problem(401, "Invalid username or password");
    site.login("carl", NEW_PASSWORD).await.has_status(200);
}

pub async fn passwords_are_changed_by_who_knows_them(start: &Start) {
    let site = Site::new(start).await;
    let carl = site.client().await;
    let missing = "Missing required parameters: current_password and new_password are required.";
    for fields in [
        json!({}),
        json!({"current_password": PASSWORD}),
        json!({"current_password": "", "new_password": NEW_PASSWORD}),
        json!({"current_password": PASSWORD, "new_password": null}),
    ] {
        site.post("/password", &carl, fields)
            .await
            .is_problem(400, missing);
    }
    let fields = json!({"current_password": "wrong horse", "new_password": NEW_PASSWORD});
    site.post("/password", &carl, fields)
        .await
        .is_problem(401, "Wrong password");
    let fields = json!({"current_password": PASSWORD, "new_password": "short"});
    let answer = site.post("/password", &carl, fields).await;
    answer.is_problem(400, "Password must be at least 8 characters long");
    // Nothing has changed.
    assert_eq!(site.get("/session", &carl).await.status, 200);
    site.login("carl", PASSWORD).await.has_status(200);
}
