//! `/session`: who is signed in, and the cookie by which a page that is loaded anew goes on; `POST /password`.
//!
//! The cookie is looked at here alone. Everywhere else a token counts that the page itself sends, which
//! no other site can have a browser do: there is nothing for a forged request to use.

use consign_core::{
    Authenticated, ErrorKind,
    id::UserId,
    password::Password,
    user::{Email, Role, User, Username},
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    accounts::LoggedIn,
    api::{Inner, bearer},
    body::Body,
    files::{rfc3339, text},
    json::{self, Done, given},
    observe,
    openapi::{Id, Time},
    problem::{Failure, Problem},
    request::RequestBody,
};

/// `__Host-`: over TLS alone (or to the machine itself), for this host alone, whatever the path (RFC
/// 6265bis, section 4.1.3.2).
pub(crate) const COOKIE: &str = "__Host-consign-session";

#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionObject<'u> {
    user: UserObject<'u>,
    #[schema(value_type = Time)]
    expires_at: String,
}

/// A user as they are shown to themselves.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserObject<'u> {
    #[serde(serialize_with = "text")]
    #[schema(value_type = Id)]
    id: UserId,
    #[schema(value_type = String)]
    username: &'u Username,
    #[schema(value_type = String)]
    email: &'u Email,
    #[schema(value_type = String, pattern = "^(operations|client)$")]
    role: Role,
    /// To files, groups and clients of their own; always false of clients.
    confined: bool,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct Passwords {
    #[schema(value_type = String, format = Password, min_length = 1)]
    current_password: Option<String>,
    /// Counted in code points.
    #[schema(value_type = String, format = Password, max_length = 1024)]
    new_password: Option<String>,
}

impl Inner {
    /// `GET`, `POST` and `DELETE /session`.
    pub(crate) async fn session(
        &self,
        head: &request::Parts,
        query: &str,
    ) -> Result<Response<Body>, Failure> {
        match head.method {
            Method::POST => self.resumed(&head.headers).await,
            Method::DELETE => self.ended(&head.headers, query).await,
            _ => {
                let session = self.consign.session(bearer(&head.headers)?).await?;
                observe::signed_in(session.actor.user().id);
                let answer = SessionObject {
                    user: UserObject::of(session.actor.user()),
                    expires_at: rfc3339(session.expires_at),
                };
                Ok(json::response(StatusCode::OK, &answer))
            }
        }
    }

    /// A page that was loaded anew has its token back.
    async fn resumed(&self, headers: &HeaderMap) -> Result<Response<Body>, Failure> {
        let token = remembered(headers).filter(|_| self.is_own_page(headers));
        let missing = || Problem::unauthorized("Missing session cookie");
        let token = token.ok_or_else(missing)?;
        let Authenticated {
            actor, remaining, ..
        } = self.consign.session(token).await?;
        observe::signed_in(actor.user().id);
        let answer = LoggedIn::of(token, remaining);
        Ok(json::response(StatusCode::OK, &answer))
    }

    async fn ended(&self, headers: &HeaderMap, query: &str) -> Result<Response<Body>, Failure> {
        let actor = self.actor(headers).await?;
        let msg = match everywhere(query)? {
            true => {
                self.consign.log_out_everywhere(&actor).await?;
                "Signed out everywhere"
            }
            false => "Signed out",
        };
        let answer = json::response(StatusCode::OK, &Done::of(msg));
        Ok(with_cookie(answer, "", 0))
    }

    /// `POST /password`: another password, which ends all sessions.
    pub(crate) async fn password(
        &self,
        head: &request::Parts,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let limited = self.limits.login();
        limited.count_address(&head.extensions).await?;
        let actor = self.actor(&head.headers).await?;
        let request: Passwords = json::read(&head.headers, body).await?;
        let (Some(current), Some(new)) =
            (given(request.current_password), given(request.new_password))
        else {
            return Err(Failure::bad_request(
                "Missing required parameters: current_password and new_password are required.",
            ));
        };
        let name = actor.user().username.as_str();
        limited.count_name(name).await?;
        let (current, new) = (Password::new(current), Password::new(new));
        let changed = self.consign.change_password(&actor, current, new).await;
        changed.map_err(|error| match error.kind() {
            ErrorKind::InvalidCredentials => Problem::unauthorized("Wrong password").into(),
            _ => Failure::from(error),
        })?;
        let answer = json::response(StatusCode::OK, &Done::of("Password changed"));
        Ok(with_cookie(answer, "", 0))
    }

    /// Whether a page of this server asks, as the browser says: by Fetch Metadata, or else by the origin.
    fn is_own_page(&self, headers: &HeaderMap) -> bool {
        match (headers.get("sec-fetch-site"), headers.get(header::ORIGIN)) {
            (Some(site), _) => site == "same-origin",
            (None, Some(origin)) => {
                let own = self.public_url.origin().as_bytes();
                origin.as_bytes().eq_ignore_ascii_case(own)
            }
            (None, None) => false,
        }
    }
}

impl<'u> UserObject<'u> {
    fn of(user: &'u User) -> Self {
        Self {
            id: user.id,
            username: &user.username,
            email: &user.email,
            role: user.role,
            confined: user.confined,
        }
    }
}

/// The answer to a login, which the browser is to remember or not.
pub(crate) fn remembering(
    answer: Response<Body>,
    token: &str,
    secs: u64,
    remember: bool,
) -> Response<Body> {
    match remember {
        true => with_cookie(answer, token, secs),
        false => with_cookie(answer, "", 0),
    }
}

fn with_cookie(mut answer: Response<Body>, token: &str, secs: u64) -> Response<Body> {
    let cookie =
        format!("{COOKIE}={token}; Path=/; Max-Age={secs}; Secure; HttpOnly; SameSite=Strict");
    let mut cookie = HeaderValue::try_from(cookie).expect("tokens are visible ASCII");
    cookie.set_sensitive(true);
    answer.headers_mut().insert(header::SET_COOKIE, cookie);
    answer
}

/// The token that the cookie holds, if there is one cookie and no more (RFC 6265, section 4.2; HTTP/2
/// may have it in several lines).
fn remembered(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut tokens = pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, token)| *name == COOKIE && !token.is_empty())
        .map(|(_, token)| token);
    tokens.next().filter(|_| tokens.next().is_none())
}

fn everywhere(query: &str) -> Result<bool, Failure> {
    let mut everywhere = false;
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name == "everywhere" {
            everywhere = value
                .parse()
                .map_err(|_| Failure::bad_request("everywhere must be true or false"))?;
        }
    }
    Ok(everywhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cookie_counts() {
        let token = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| HeaderValue::from_static(line));
            let headers: HeaderMap = lines.map(|line| (header::COOKIE, line)).collect();
            remembered(&headers).map(str::to_owned)
        };
        let own = Some("a.b.c".to_owned());
        assert_eq!(token(&["__Host-consign-session=a.b.c"]), own);
        assert_eq!(token(&["x=1; __Host-consign-session=a.b.c;y"]), own);
        assert_eq!(token(&["x=1", "__Host-consign-session=a.b.c"]), own);
        for lines in [
            &[][..],
            &["x=a.b.c"],
            &["__Host-consign-session="],
            &["__host-consign-session=a.b.c"],
            &["x__Host-consign-session=a.b.c"],
            &["__Host-consign-session=a.b.c; __Host-consign-session=d.e.f"],
        ] {
            assert_eq!(token(lines), None, "{lines:?}");
        }
    }
}
