//! A sign-in, which is asked for again when it ends.

use std::{env, fs, io};

use consign_client::{Client, Error, ErrorKind, SignedIn, Token};
use jiff::Timestamp;
use tokio::sync::Mutex;
use url::Url;

use super::{
    failure::{Exit, Failure},
    profile::{Profile, Store},
    terminal::{Terminal, first_line},
};
use crate::cli::Access;

/// A server, and whoever is signed in there.
pub(crate) struct Session<'t> {
    client: Client,
    pub(crate) terminal: &'t Terminal,
    name: String,
    /// Who signs in again.
    username: Option<String>,
    /// Whether the environment's login is for this server.
    trusted: bool,
    /// Whether the sign-in is the profile's, and is to be kept there.
    kept: bool,
    ended: bool,
    /// One asks, the others wait for the answer.
    renewal: Mutex<()>,
}

impl<'t> Session<'t> {
    /// The session of the profile, or that which flags and the environment say.
    pub(crate) fn new(access: &Access, terminal: &'t Terminal) -> Result<Self, Failure> {
        Self::at(access, None, terminal)
    }

    /// As [`new`](Self::new), at this server if one is named.
    pub(crate) fn at(
        access: &Access,
        url: Option<Url>,
        terminal: &'t Terminal,
    ) -> Result<Self, Failure> {
        let profile = stored(&profile_name(access));
        Self::with(access, url, profile, true, terminal)
    }

    /// As [`new`](Self::new), at the server of a link. Whoever made it chose that: the environment's
    /// sign-in is sent there only if it is the server that is meant without it. None is needed, so a
    /// profile that cannot be used is ignored.
    pub(crate) fn of_link(
        access: &Access,
        server: &Url,
        terminal: &'t Terminal,
    ) -> Result<Self, Failure> {
        let profile = stored(&profile_name(access)).unwrap_or_else(|failure| {
            terminal.remark(&failure.to_string());
            None
        });
        let own = profile.as_ref().map(|profile| &profile.url);
        let trusted = access.url.as_ref().or(own);
        let trusted = trusted.is_some_and(|url| is_same(url, server));
        Self::with(access, Some(server.clone()), Ok(profile), trusted, terminal)
    }

    fn with(
        access: &Access,
        url: Option<Url>,
        profile: Result<Option<Profile>, Failure>,
        trusted: bool,
        terminal: &'t Terminal,
    ) -> Result<Self, Failure> {
        let name = profile_name(access);
        let variable = |name| variable(name).filter(|_| trusted);
        let token = variable("CONSIGN_TOKEN").map(Token::new);
        let named = url.or_else(|| access.url.clone());
        // Who says all that is needed needs no file.
        let profile = match profile {
            Err(_) if token.is_some() && named.is_some() => None,
            profile => profile?,
        };
        let url = named.or_else(|| profile.as_ref().map(|profile| profile.url.clone()));
        let url = url.ok_or_else(|| {
            let text = match &*name {
                "default" => "no server is known".to_owned(),
                name => format!("there is no profile {name:?}"),
            };
            Failure::new(Exit::SignIn, text)
                .hint("sign in with `consign login URL`, or set CONSIGN_URL")
        })?;
        // A token is for its server alone.
        let profile = profile.filter(|profile| is_same(&profile.url, &url));
        let kept = token.is_none();
        let own = profile.as_ref().and_then(Profile::token);
        let username = variable("CONSIGN_USERNAME").or_else(|| {
            profile
                .as_ref()
                .and_then(|profile| profile.username.clone())
        });
        let client = client(access, url, profile.as_ref())?;
        client.set_token(token.or(own));
        Ok(Self {
            client,
            terminal,
            name,
            username,
            trusted,
            ended: kept && profile.as_ref().is_some_and(Profile::has_ended),
            kept: kept && profile.is_some(),
            renewal: Mutex::new(()),
        })
    }

    /// The client, for what needs no sign-in.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Makes sure that somebody is signed in, before work begins that is long.
    pub(crate) async fn ready(&self) -> Result<(), Failure> {
        let token = self.client.token();
        if token.is_none() || self.ended {
            self.renew(token.as_ref()).await?;
        }
        Ok(())
    }

    /// Does something as whoever is signed in. Where the sign-in has ended, it is asked for again and
    /// then goes on.
    pub(crate) async fn call<T>(
        &self,
        call: impl AsyncFn(&Client) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let mut token = self.client.token();
        if token.is_none() {
            self.renew(None).await?;
            token = self.client.token();
        }
        match call(&self.client).await {
            Err(error) if has_ended(&error) => {
                self.renew(token.as_ref()).await?;
                Ok(call(&self.client).await?)
            }
            done => Ok(done?),
        }
    }

    /// Keeps nothing of the sign-in.
    pub(crate) fn forget(&self) -> Result<(), Failure> {
        self.client.set_token(None);
        if !self.kept {
            return Ok(());
        }
        Store::new()?.update(&self.name, |profile| {
            if let Some(profile) = profile {
                profile.signed_out();
            }
        })
    }

    /// Signs in again, unless somebody else has meanwhile.
    async fn renew(&self, before: Option<&Token>) -> Result<(), Failure> {
        let _one = self.renewal.lock().await;
        let now = self.client.token();
        if now.is_some() && now.as_ref() != before {
            return Ok(());
        }
        let server = self.client.base().as_str().trim_end_matches('/');
        let needed = if before.is_some() {
            "the sign-in has ended"
        } else {
            "nobody is signed in"
        };
        let fails = || {
            let text = format!("{needed} at {server}");
            Failure::new(Exit::SignIn, text).hint(format!("sign in with `consign login {server}`"))
        };
        let username = self.username.as_deref().ok_or_else(fails)?;
        if let Some(password) = variable("CONSIGN_PASSWORD").filter(|_| self.trusted) {
            return self.sign_in(username, &password).await;
        }
        if !self.terminal.can_ask() {
            return Err(fails());
        }
        let prompt = format!("{needed} at {server}. Password of {username}: ");
        let mut tries = 0;
        loop {
            let password = self.terminal.ask_password(&prompt).await?;
            tries += 1;
            match self.sign_in(username, &password).await {
                Err(failure) if failure.exit == Exit::SignIn && tries < 3 => {
                    self.terminal.failure(&failure);
                }
                done => return done,
            }
        }
    }

    async fn sign_in(&self, username: &str, password: &str) -> Result<(), Failure> {
        let signed_in = self.client.sign_in(username, password).await?;
        if self.kept {
            let until = end(&signed_in);
            Store::new()?.update(&self.name, |profile| {
                if let Some(profile) = profile {
                    profile.signed_in(username, &signed_in.token, until);
                }
            })?;
        }
        Ok(())
    }
}

fn stored(name: &str) -> Result<Option<Profile>, Failure> {
    Store::new().map_or(Ok(None), |store| store.profile(name))
}

/// The profile that is meant.
pub(crate) fn profile_name(access: &Access) -> String {
    access
        .profile
        .clone()
        .unwrap_or_else(|| "default".to_owned())
}

/// A client as the flags say and, where they do not, the profile.
pub(crate) fn client(
    access: &Access,
    url: Url,
    profile: Option<&Profile>,
) -> Result<Client, Failure> {
    let insecure = access.insecure_http || profile.is_some_and(|profile| profile.insecure_http);
    let mut builder = Client::builder(url)
        .user_agent(concat!("consign/", env!("CARGO_PKG_VERSION")))
        .insecure_http(insecure);
    let ca = access.ca.as_ref().or_else(|| profile?.ca.as_ref());
    if let Some(path) = ca {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let pem = fs::read(path).map_err(|error| Failure::new(Exit::Failed, told(&error)))?;
        builder = builder
            .certificates(&pem)
            .map_err(|error| Failure::from(error).about(path.display().to_string()))?;
    }
    Ok(builder.build()?)
}

/// A password from standard input, the environment, or somebody who types it.
pub(crate) async fn password(
    from_stdin: bool,
    twice: bool,
    prompt: &str,
    terminal: &Terminal,
) -> Result<String, Failure> {
    if from_stdin {
        return Ok(first_line().await?);
    }
    if let Some(password) = variable("CONSIGN_PASSWORD") {
        return Ok(password);
    }
    typed(twice, prompt, terminal).await
}

/// A password that somebody types, twice where a mistake would be found too late.
pub(crate) async fn typed(
    twice: bool,
    prompt: &str,
    terminal: &Terminal,
) -> Result<String, Failure> {
    if !terminal.can_ask() {
        let failure = Failure::new(Exit::SignIn, "no password can be asked for here");
        return Err(failure.hint("use --password-stdin"));
    }
    let first = terminal.ask_password(prompt).await?;
    if twice && terminal.ask_password("Again: ").await? != first {
        return Err(io::Error::other("the passwords differ").into());
    }
    Ok(first)
}

/// When a sign-in ends.
pub(crate) fn end(signed_in: &SignedIn) -> Timestamp {
    let now = Timestamp::now();
    now.checked_add(signed_in.lifetime)
        .unwrap_or(Timestamp::MAX)
}

/// A variable of the environment that is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_same(one: &Url, other: &Url) -> bool {
    let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
    one.origin() == other.origin() && path(one) == path(other)
}

/// Whether an answer says that the token is not good any more.
fn has_ended(error: &Error) -> bool {
    error.kind() == ErrorKind::SignIn
        && error
            .problem()
            .is_some_and(|problem| problem.msg.ends_with("expired token"))
}
