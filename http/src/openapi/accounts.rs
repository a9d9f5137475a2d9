use serde_json::{Value, json};

use super::{
    Bounds,
    call::{Call, Who},
};
use crate::{
    accounts::{LoggedIn, Login, Register},
    json::Done,
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
    vec![register, login]
}
