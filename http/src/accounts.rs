//! `POST /register` and `POST /login`.

use std::time::Duration;

use consign_core::{ClientRegistration, Registration, password::Password, user::Role};
use http::{Response, StatusCode, request};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::Inner,
    body::Body,
    json::{self, Done, given},
    problem::Failure,
    request::RequestBody,
    session::remembering,
};

#[derive(Deserialize, ToSchema)]
#[schema(as = Registration)]
pub(crate) struct Register {
    /// No control characters, overrides of the writing direction, or only white space.
    #[schema(value_type = String, min_length = 1, max_length = 150, pattern = "a name")]
    username: Option<String>,
    /// RFC 5322, without a name beside it. Letters' case makes no difference.
    #[schema(value_type = String, format = Email, min_length = 1, max_length = 254)]
    email: Option<String>,
    /// Counted in code points.
    #[schema(value_type = String, format = Password, max_length = 1024)]
    password: Option<String>,
    /// The first registers freely, where nothing else is set; who registers another has to be one.
    is_operation_user: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct Login {
    #[schema(value_type = String, min_length = 1)]
    username: Option<String>,
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: Option<String>,
    /// Whether the browser is to keep the token for a page that is loaded anew; said by pages.
    remember: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct LoggedIn<'a> {
    msg: &'static str,
    /// For `Authorization: Bearer`.
    access_token: &'a str,
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
}

impl<'a> LoggedIn<'a> {
    pub(crate) fn of(access_token: &'a str, lifetime: Duration) -> Self {
        Self {
            msg: "Login successful",
            access_token,
            token_type: "Bearer",
            expires_in: lifetime.as_secs(),
        }
    }
}

impl Inner {
    pub(crate) async fn register(
        &self,
        head: &request::Parts,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let limited = self.limits.registration();
        limited.count_address(&head.extensions).await?;
        let request: Register = json::read(&head.headers, body).await?;
        let role = match request.is_operation_user {
            Some(true) => Role::Operations,
            _ => Role::Client,
        };
        let closed = self.consign.settings().client_registration == ClientRegistration::Closed;
        let asks_who = role == Role::Operations || closed;
        let by = if asks_who && head.headers.contains_key(http::header::AUTHORIZATION) {
            Some(self.actor(&head.headers).await?)
        } else {
            // Who registers a client for somebody knows whom; nobody has to say who they are.
            self.actor(&head.headers).await.ok()
        };
        self.consign.check_registration(role, by.as_ref()).await?;
        let (Some(username), Some(email), Some(password)) = (
            given(request.username),
            given(request.email),
            given(request.password),
        ) else {
            return Err(Failure::bad_request(
                "Missing required parameters: username, email, and password are required.",
            ));
        };
        match &by {
            Some(inviter) => limited.count_user(inviter.user().id).await?,
            None => limited.count_name(&username).await?,
        }
        let registration = Registration {
            username,
            email,
            password: Password::new(password),
            role,
        };
        self.consign.register(registration, by.as_ref()).await?;
        let done = Done::of("User registered successfully");
        Ok(json::response(StatusCode::CREATED, &done))
    }

    pub(crate) async fn login(
        &self,
        head: &request::Parts,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let limited = self.limits.login();
        limited.count_address(&head.extensions).await?;
        let request: Login = json::read(&head.headers, body).await?;
        let (Some(username), Some(password)) = (given(request.username), given(request.password))
        else {
            return Err(Failure::bad_request(
                "Missing required parameters: username and password are required.",
            ));
        };
        limited.count_name(&username).await?;
        let session = self
            .consign
            .login(&username, Password::new(password))
            .await?;
        let lifetime = self.consign.settings().access_lifetime;
        let logged_in = LoggedIn::of(&session.token, lifetime);
        let answer = json::response(StatusCode::OK, &logged_in);
        Ok(match request.remember {
            Some(remember) => remembering(answer, &session.token, lifetime.as_secs(), remember),
            None => answer,
        })
    }
}
