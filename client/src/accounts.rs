//! Who somebody is: `/register`, `/login`, `/session`.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Client, Error, Token,
    transport::{Activity, Repeat},
};

/// What a user may do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Uploads files.
    Operations,
    /// Receives them.
    Client,
}

/// A user who is to be.
#[derive(Clone)]
pub struct Registration<'r> {
    /// What they sign in as.
    pub username: &'r str,
    /// Their address.
    pub email: &'r str,
    /// What they sign in with.
    pub password: &'r str,
    /// What they may do. The first operations user registers freely; later ones are registered by one.
    pub role: Role,
}

/// What signing in gives.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// It goes with each call.
    pub token: Token,
    /// How long it is good.
    pub lifetime: Duration,
}

/// Who is signed in.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Session {
    /// The user.
    pub user: User,
    /// When the token is not good any more.
    pub expires_at: Timestamp,
}

/// A user.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct User {
    /// Their id.
    pub id: String,
    /// What they sign in as.
    pub username: String,
    /// Their address.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Whether they are confined to files, groups and clients of their own.
    #[serde(default)]
    pub confined: bool,
}

#[derive(Deserialize)]
struct Login {
    access_token: String,
    /// Seconds.
    expires_in: u64,
}

/// An answer of which nothing matters but that it is none of an error.
#[derive(Deserialize)]
pub(crate) struct Done {}

impl Client {
    /// Registers a user.
    pub async fn register(&self, who: &Registration<'_>) -> Result<(), Error> {
        let url = self.url(&["register"]);
        let fields = json!({
            "username": who.username,
            "email": who.email,
            "password": who.password,
            "is_operation_user": who.role == Role::Operations,
        });
        let request = || self.request(Method::POST, url.clone()).json(&fields);
        let Done {} = self.ask(Repeat::Undone, request).await?;
        Ok(())
    }

    /// Signs in. The token goes with each call from now on.
    pub async fn sign_in(&self, username: &str, password: &str) -> Result<SignedIn, Error> {
        let url = self.url(&["login"]);
        let fields = json!({"username": username, "password": password});
        let attempt = || async {
            let request = self.http.post(url.clone()).json(&fields);
            let response = self.send(request, &Activity::default()).await?;
            self.read::<Login>(response).await
        };
        let login = self.again(Repeat::Always, &(), attempt).await?;
        let token = Token::new(login.access_token);
        self.set_token(Some(token.clone()));
        let lifetime = Duration::from_secs(login.expires_in);
        Ok(SignedIn { token, lifetime })
    }

    /// Signs out: everywhere ends all sessions and signed links of the user. The token is forgotten.
    pub async fn sign_out(&self, everywhere: bool) -> Result<(), Error> {
        let mut url = self.url(&["session"]);
        if everywhere {
            url.set_query(Some("everywhere=true"));
        }
        let request = || self.request(Method::DELETE, url.clone());
        let Done {} = self.ask(Repeat::Undone, request).await?;
        self.set_token(None);
        Ok(())
    }

    /// Who is signed in.
    pub async fn session(&self) -> Result<Session, Error> {
        let url = self.url(&["session"]);
        self.ask(Repeat::Always, || self.request(Method::GET, url.clone()))
            .await
    }
}
