use serde_json::{Value, json};

use super::{
    Bounds,
    call::{Call, Who},
};
use crate::{
    accounts::{LoggedIn, Login, Register},
    json::Done,
    session::{Passwords, SessionObject},
};

pub(super) fn calls(bounds: &Bounds<'_>) -> Vec<Call> {
    let register = Call::new("POST", "/register", "register", "Register a user")
        .describe(
            "The first operations user registers freely. After that `\"is_operation_user\": true` needs an \
             operations user's access token. Clients register freely, or are added by operations users, as the \
             server is set.",
        )
        .by(Who::AnyoneOrUser)
        .limited()
        .takes::<Register>(
            Value::Null,
            json!({"username": "carl", "email": "carl@example.org", "password": "correct horse battery"}),
        )
        .says::<Done>(
            201,
            "The user can sign in.",
            json!({"msg": "User registered successfully"}),
        )
        .refuses(
            400,
            "Missing required parameters: username, email, and password are required.",
            "absent, null or empty",
        )
        .refuses(400, "Username already exists", "")
        .refuses(400, "Email already exists", "letters' case makes no difference")
        .refuses(400, "Invalid email address", "")
        .refuses(400, "Invalid username", "")
        .refuses(403, "Only an operation user can register operation users", "")
        .refuses(403, "Registration is closed", "clients are added by operations users");
    let register = bounds
        .of_password()
        .into_iter()
        .fold(register, |call, msg| call.refuses(400, msg, ""));
    let login = Call::new("POST", "/login", "login", "Sign in")
        .by(Who::Anyone)
        .limited()
        .takes::<Login>(
            Value::Null,
            json!({"username": "carl", "password": "correct horse battery"}),
        )
        .says::<LoggedIn<'_>>(
            200,
            "An access token.",
            json!({
                "msg": "Login successful", "access_token": "eyJ0eXAi…", "token_type": "Bearer",
                "expires_in": bounds.settings.access_lifetime.as_secs(),
            }),
        )
        .refuses(
            400,
            "Missing required parameters: username and password are required.",
            "absent, null or empty",
        )
        .refuses(
            401,
            "Invalid username or password",
            "the same for an unknown, a disabled and any other user",
        )
        .refuses(
            429,
            "Too many failed attempts, try again later",
            "after 100 failures in a row by one name",
        );
    let mut calls = vec![register, login];
    calls.extend(session(bounds));
    calls
}

fn session(bounds: &Bounds<'_>) -> [Call; 4] {
    let logged_in = json!({
        "msg": "Login successful", "access_token": "eyJ0eXAi…", "token_type": "Bearer", "expires_in": 1800,
    });
    let text = json!({"type": "string"});
    let password = Call::new("POST", "/password", "changePassword", "Change one's password")
        .describe("All sessions and download links of the user end with it.")
        .by(Who::User)
        .limited()
        .takes::<Passwords>(
            Value::Null,
            json!({"current_password": "correct horse battery", "new_password": "battery horse correct"}),
        )
        .says::<Done>(200, "It is changed.", json!({"msg": "Password changed"}))
        .refuses(
            400,
            "Missing required parameters: current_password and new_password are required.",
            "absent, null or empty",
        )
        .refuses(401, "Wrong password", "counts as a failed login")
        .refuses(429, "Too many failed attempts, try again later", "as for logins");
    let told = bounds.of_password().into_iter();
    [
        Call::new("GET", "/session", "getSession", "Show who is signed in, and until when")
            .by(Who::User)
            .gives::<SessionObject<'_>>(
                200,
                "The user.",
                json!({
                    "user": {
                        "id": "c0de4f0e9a1b4c7d8e6f3a2b1c0d9e8f", "username": "olivia",
                        "email": "olivia@example.org", "role": "operations", "confined": false,
                    },
                    "expires_at": "2026-11-22T15:55:03Z",
                }),
            ),
        Call::new("POST", "/session", "resumeSession", "Go on in a page that was loaded anew")
            .describe(
                "For pages of this server, in a browser that was told to `remember`: the same token, and what is left of \
                 its time. The cookie counts here alone.",
            )
            .by(Who::Page)
            .in_header("Sec-Fetch-Site", text.clone(), "`same-origin`.")
            .in_header("Origin", text.clone(), "Where there is none of that: the public URL's.")
            .gives::<LoggedIn<'_>>(200, "The access token.", logged_in)
            .refuses(401, "Missing session cookie", "or not from a page of this server")
            .refuses(401, "Invalid or expired token", ""),
        Call::new("DELETE", "/session", "endSession", "Sign out")
            .describe(
                "The cookie is taken away; the token itself lasts until its end. With `everywhere` all sessions and \
                 download links of the user end at once, managed links go on.",
            )
            .by(Who::User)
            .in_query("everywhere", json!({"type": "boolean", "default": false}), "")
            .gives::<Done>(
                200,
                "`Signed out`, or `Signed out everywhere`.",
                json!({"msg": "Signed out everywhere"}),
            )
            .header(200, "Set-Cookie", text, "Takes the cookie away.")
            .refuses(400, "everywhere must be true or false", ""),
        told.fold(password, |call, msg| call.refuses(400, msg, "of the new one")),
    ]
}
