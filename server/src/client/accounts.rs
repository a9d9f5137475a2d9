//! `register`, `login`, `logout`, `whoami`.

use consign_client::{Client, Registration, Role};
use serde_json::json;
use url::Url;

use super::{
    failure::{Exit, Failure},
    profile::{Profile, Store},
    session::{self, Session, profile_name},
    terminal::{Terminal, shown},
};
use crate::cli::{Access, Login, Logout, Register, RoleName, Whoami};

pub(super) async fn register(command: Register, terminal: &Terminal) -> Result<(), Failure> {
    let session = Session::at(&command.access, command.server.clone(), terminal)?;
    let username = username(command.username, terminal).await?;
    let prompt = format!("Password of {}: ", shown(&username));
    let password = session::password(command.password_stdin, true, &prompt, terminal).await?;
    let registration = Registration {
        username: &username,
        email: &command.email,
        password: &password,
        role: match command.role {
            RoleName::Operations => Role::Operations,
            RoleName::Client => Role::Client,
        },
    };
    // Who is not signed in may be taken too.
    if session.client().token().is_some() {
        session
            .call(async |client: &Client| client.register(&registration).await)
            .await?;
    } else {
        session.client().register(&registration).await?;
    }
    if terminal.json {
        return terminal.result(&json!({"registered": username}).to_string());
    }
    let server = session.client().base().as_str().trim_end_matches('/');
    terminal.remark(&format!(
        "sign in with `consign login {server} --username {}`",
        shown(&username)
    ));
    terminal.result(&format!("{} is registered", shown(&username)))
}

pub(super) async fn login(command: Login, terminal: &Terminal) -> Result<(), Failure> {
    let store = Store::new()?;
    let name = profile_name(&command.access);
    let before = store.profile(&name)?;
    let url = server(&command, before.as_ref())?;
    let before = before.filter(|profile| profile.url == url);
    let client = session::client(&command.access, url.clone(), before.as_ref())?;
    let known = before.as_ref().and_then(|profile| profile.username.clone());
    let username = username(command.username.or(known), terminal).await?;
    let server = url.as_str().trim_end_matches('/');
    let prompt = format!("Password of {} at {server}: ", shown(&username));
    let password = session::password(command.password_stdin, false, &prompt, terminal).await?;
    let signed_in = client.sign_in(&username, &password).await?;
    let until = session::end(&signed_in);
    let Access {
        ca, insecure_http, ..
    } = &command.access;
    let ca = ca.as_ref().and_then(|path| std::path::absolute(path).ok());
    store.update(&name, |profile| {
        let mut new = before.unwrap_or_else(|| Profile::at(url.clone()));
        new.signed_in(&username, &signed_in.token, until);
        new.ca = ca.or(new.ca);
        new.insecure_http |= insecure_http;
        *profile = Some(new);
    })?;
    if terminal.json {
        let told = json!({"username": username, "url": server, "expires_at": until.to_string()});
        return terminal.result(&told.to_string());
    }
    terminal.result(&format!("signed in as {} at {server}", shown(&username)))
}

pub(super) async fn logout(command: Logout, terminal: &Terminal) -> Result<(), Failure> {
    let session = Session::new(&command.access, terminal)?;
    let ended = if session.client().token().is_none() {
        Ok(())
    } else if command.everywhere {
        session
            .call(async |client: &Client| client.sign_out(true).await)
            .await
    } else {
        // A token that has ended needs no end.
        session
            .client()
            .sign_out(false)
            .await
            .or_else(|error| match error.problem() {
                Some(problem) if problem.status == 401 => Ok(()),
                _ => Err(error.into()),
            })
    };
    // Whatever the server says, nothing of it stays here.
    session.forget()?;
    ended?;
    let everywhere = if command.everywhere {
        " everywhere"
    } else {
        ""
    };
    if terminal.json {
        return terminal
            .result(&json!({"signed_out": true, "everywhere": command.everywhere}).to_string());
    }
    terminal.result(&format!("signed out{everywhere}"))
}

pub(super) async fn whoami(command: Whoami, terminal: &Terminal) -> Result<(), Failure> {
    let session = Session::new(&command.access, terminal)?;
    let told = session
        .call(async |client: &Client| client.session().await)
        .await?;
    let server = session.client().base().as_str().trim_end_matches('/');
    if terminal.json {
        let told = json!({"user": told.user, "expires_at": told.expires_at, "url": server});
        return terminal.result(&told.to_string());
    }
    let role = match (told.user.role, told.user.confined) {
        (Role::Operations, false) => "operations user",
        (Role::Operations, true) => "confined operations user",
        (Role::Client, _) => "client",
    };
    let user = shown(&told.user.username);
    terminal.result(&format!(
        "{user}, {role} at {server} until {}",
        told.expires_at
    ))
}

/// The server to sign in at.
fn server(command: &Login, before: Option<&Profile>) -> Result<Url, Failure> {
    let url = command
        .server
        .clone()
        .or_else(|| command.access.url.clone());
    let url = url.or_else(|| before.map(|profile| profile.url.clone()));
    url.ok_or_else(|| {
        Failure::usage("which server?").hint("`consign login https://files.example.org`")
    })
}

async fn username(named: Option<String>, terminal: &Terminal) -> Result<String, Failure> {
    let asked = match named {
        Some(name) => name,
        None if terminal.can_ask() => terminal.ask("Username: ").await?,
        None => String::new(),
    };
    if asked.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "who?").hint("say --username NAME"));
    }
    Ok(asked)
}
