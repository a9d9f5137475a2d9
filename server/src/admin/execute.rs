//! Carrying a request out.

use std::{fmt::Display, time::Duration};

use consign_core::{
    Administration, File, LifetimesReport, Registration, User,
    id::FileId,
    link::ManagedLink,
    password::Password,
    time::{Clock, SystemClock, Timestamp},
    user::Username,
};
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;

use super::{Line, Request, audit, removed};
use crate::{data::Installation, migrate::migrate};

/// Rows fetched at once.
pub(super) const PAGE: usize = 500;

/// Blobs and stages between two lines of a sweep's progress.
const PROGRESS_EVERY: u64 = 10_000;

/// The shortest grace of a sweep where other nodes share the stores: what their running uploads hold is known to
/// them alone.
const LEAST_SHARED_GRACE: Duration = Duration::from_secs(60 * 60);

/// Carries out a request and sends the answer. That nobody listens any more stops nothing but a migration. An installation is `at_rest` where
/// no server serves it.
pub(crate) async fn execute(
    installation: &Installation,
    request: Request,
    at_rest: bool,
    lines: Sender<Line>,
) {
    let last = match carry_out(installation, request, at_rest, &lines).await {
        Ok(summary) => Line::Done(summary),
        Err(error) => Line::Failed(error.0),
    };
    let _ = lines.send(last).await;
}

/// What went wrong, in one line.
pub(super) struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(crate::chain(&error))
    }
}

async fn carry_out(
    installation: &Installation,
    request: Request,
    at_rest: bool,
    lines: &Sender<Line>,
) -> Result<String, Failure> {
    let administration = installation.consign.administration();
    Ok(match request {
        Request::UserAdd {
            username,
            email,
            role,
            password,
        } => {
            let registration = Registration {
                username: username.into(),
                email: email.into(),
                password: Password::new(password),
                role,
            };
            let user = administration.add_user(registration).await?;
            format!("{} is added as {}", user.username, article(&user.role))
        }
        Request::UserList { json } => list_users(&administration, json, lines).await?,
        Request::UserStatus { username, status } => {
            let user = administration.set_status(&username, status).await?;
            format!("{} is {}", user.username, user.status)
        }
        Request::UserRole { username, role } => {
            let user = administration.set_role(&username, role).await?;
            format!("{} is {}", user.username, article(&user.role))
        }
        Request::UserPassword { username, password } => {
            let password = Password::new(password);
            let user = administration.set_password(&username, password).await?;
            format!("{} has a new password", user.username)
        }
        Request::UserConfined { username, confined } => {
            let user = administration.set_confined(&username, confined).await?;
            let what = match confined {
                true => "is confined to what is their own",
                false => "sees all",
            };
            format!("{} {what}", user.username)
        }
        Request::UserVouch { username } => {
            let user = administration.prove_address(&username).await?;
            format!("{} is taken to be at {}", user.username, user.email)
        }
        Request::UserOwner { client, owner } => {
            let user = administration.set_owner(&client, owner.as_ref()).await?;
            match owner {
                Some(owner) => format!("{} is a client of {owner}", user.username),
                None => format!("{} is nobody's client", user.username),
            }
        }
        Request::UserLogout { username } => {
            let user = administration.end_sessions(&username).await?;
            format!("{} is logged out everywhere", user.username)
        }
        Request::FileList { json } => list_files(&administration, json, lines).await?,
        Request::FileRemoved { json } => removed::list(&administration, json, lines).await?,
        Request::FileRestore { file } => removed::restore(&administration, file).await?,
        Request::FileRemove { file } => remove_file(&administration, &file).await?,
        Request::LinkList { username, json } => {
            list_links(&administration, &username, json, lines).await?
        }
        Request::LinkRevoke { id } => {
            administration.revoke_link(id).await?;
            format!("link {id} is revoked")
        }
        Request::KeysRotate { overlap_secs } => {
            rotate_keys(installation, Duration::from_secs(overlap_secs)).await?
        }
        Request::Sweep { grace_secs } => {
            let grace = Duration::from_secs(grace_secs);
            check_grace(grace, installation.config.is_shared())?;
            sweep(&administration, grace, lines).await?
        }
        Request::AuditVerify { known } => audit::verify(installation, &known, lines).await?,
        Request::AuditExport { csv } => {
            installation.consign.flush_events().await?;
            audit::export(&administration, csv, lines).await?
        }
        Request::AuditKey => audit::key(installation, lines).await?,
        Request::ReceiptVerify { receipt } => {
            audit::verify_receipt(installation, &receipt, lines).await?
        }
        Request::Migrate(order) => migrate(installation, &order, at_rest, lines).await?,
        Request::Status => {
            installation.consign.check().await?;
            let version = env!("CARGO_PKG_VERSION");
            format!("version {version}, and all its stores answer")
        }
    })
}

async fn list_users(
    administration: &Administration,
    json: bool,
    lines: &Sender<Line>,
) -> Result<String, Failure> {
    if !json {
        let head = user_row(&"USERNAME", &"E-MAIL", &"ROLE", &"STATUS", &"SINCE");
        out(lines, head).await;
    }
    let (mut count, mut after) = (0_u64, None);
    loop {
        let page = administration.users(after.as_ref(), PAGE).await?;
        for user in &page.items {
            count += 1;
            let row = if json {
                user_json(user)
            } else {
                let since = day(user.created_at);
                user_row(
                    &user.username,
                    &user.email,
                    &user.role,
                    &user.status,
                    &since,
                )
            };
            out(lines, row).await;
        }
        after = page.next;
        if after.is_none() {
            return Ok(format!("{count} user(s)"));
        }
    }
}

async fn list_files(
    administration: &Administration,
    json: bool,
    lines: &Sender<Line>,
) -> Result<String, Failure> {
    if !json {
        let head = file_row(&"ID", &"SIZE", &"SINCE", &"BY", &"NAME");
        out(lines, head).await;
    }
    let (mut count, mut bytes, mut before) = (0_u64, 0, None);
    loop {
        let page = administration.files(before, PAGE).await?;
        for file in &page.items {
            count += 1;
            bytes += file.entry.size;
            let entry = &file.entry;
            let row = if json {
                file_json(file).to_string()
            } else {
                let since = day(entry.uploaded_at);
                file_row(&entry.id, &entry.size, &since, &entry.uploader, &entry.name)
            };
            out(lines, row).await;
        }
        before = page.next;
        if before.is_none() {
            return Ok(format!("{count} file(s), {bytes} bytes"));
        }
    }
}

async fn remove_file(administration: &Administration, target: &str) -> Result<String, Failure> {
    let id = match target.parse() {
        Ok(id) => id,
        Err(_) => only_version(administration, target).await?,
    };
    let file = administration.remove_file(id).await?;
    Ok(format!(
        "{} ({}) is removed",
        file.entry.name, file.entry.id
    ))
}

/// The file of a name, when that names one file. What is removed is gone, so nothing is guessed.
async fn only_version(administration: &Administration, name: &str) -> Result<FileId, Failure> {
    let (mut versions, mut before) = (Vec::new(), None);
    loop {
        let page = administration.files(before, PAGE).await?;
        let named = page
            .items
            .iter()
            .filter(|file| file.entry.name.as_str() == name);
        versions.extend(named.map(|file| file.entry.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    match versions[..] {
        [] => Err(Failure(format!("there is no file {name:?}"))),
        [id] => Ok(id),
        _ => Err(Failure(format!(
            "there are {} versions of {name:?}: name one by its id",
            versions.len()
        ))),
    }
}

async fn list_links(
    administration: &Administration,
    username: &Username,
    json: bool,
    lines: &Sender<Line>,
) -> Result<String, Failure> {
    // Asked first: of a user whom there is not, not even the head of a table is told.
    let mut page = administration.links(username, None, PAGE).await?;
    if !json {
        let head = link_row(&"ID", &"DOWNLOADS", &"UNTIL", &"STATE", &"FILES", &"FOR");
        out(lines, head).await;
    }
    let mut count = 0_u64;
    loop {
        for link in &page.items {
            count += 1;
            let row = if json {
                link_json(link)
            } else {
                link_text(link, SystemClock.now())
            };
            out(lines, row).await;
        }
        match page.next {
            Some(before) => page = administration.links(username, Some(before), PAGE).await?,
            None => return Ok(format!("{count} link(s)")),
        }
    }
}

async fn rotate_keys(installation: &Installation, overlap: Duration) -> Result<String, Failure> {
    let after = installation.keys.rotate(overlap).await?;
    Ok(format!(
        "key {} signs from now on; {} key(s) before it stay good for their time",
        after.current().id,
        after.retired().len()
    ))
}

fn check_grace(grace: Duration, is_shared: bool) -> Result<(), Failure> {
    match is_shared && grace < LEAST_SHARED_GRACE {
        true => Err(Failure(
            "--grace: it must be 1h or more where other nodes share the stores, or it could take what they are \
             just receiving"
                .to_owned(),
        )),
        false => Ok(()),
    }
}

async fn sweep(
    administration: &Administration,
    grace: Duration,
    lines: &Sender<Line>,
) -> Result<String, Failure> {
    let ended = administration.end_lifetimes().await?;
    let mut told = 0;
    let report = administration
        .sweep(grace, |report| {
            let seen = report.stages_seen + report.blobs_seen;
            if seen - told >= PROGRESS_EVERY {
                told = seen;
                // Progress that nobody reads in time is of no use to anybody.
                let _ = lines.try_send(Line::Progress(format!("{seen} looked at")));
            }
        })
        .await?;
    if report.failures > 0 {
        let failures = report.failures;
        return Err(Failure(format!(
            "{failures} of what was to be removed could not be; the log says why"
        )));
    }
    let swept = format!(
        "{} of {} unfinished upload(s) and {} of {} stored file(s), {} bytes, are removed",
        report.stages_removed,
        report.stages_seen,
        report.blobs_removed,
        report.blobs_seen,
        report.bytes_removed
    );
    Ok(match ended == LifetimesReport::default() {
        true => swept,
        false => format!(
            "{swept}; {} file(s) had ended, {} removed one(s) are gone for good",
            ended.removed(),
            ended.purged
        ),
    })
}

pub(super) async fn out(lines: &Sender<Line>, text: String) {
    let _ = lines.send(Line::Out(text)).await;
}

fn user_row(
    username: &dyn Display,
    email: &dyn Display,
    role: &dyn Display,
    status: &dyn Display,
    since: &dyn Display,
) -> String {
    format!("{username:<24} {email:<32} {role:<10} {status:<8} {since}")
}

pub(super) fn file_row(
    id: &dyn Display,
    size: &dyn Display,
    since: &dyn Display,
    by: &dyn Display,
    name: &dyn Display,
) -> String {
    // The name comes last: it is the one that may be long.
    format!("{id:<32} {size:>12} {since:<20} {by:<16} {name}")
}

fn link_row(
    id: &dyn Display,
    downloads: &dyn Display,
    until: &dyn Display,
    state: &dyn Display,
    files: &dyn Display,
    recipient: &dyn Display,
) -> String {
    format!("{id:<32} {downloads:>12} {until:<20} {state:<7} {files:>5} {recipient}")
}

fn link_text(link: &ManagedLink, now: Timestamp) -> String {
    let downloads = match link.max_downloads {
        Some(max) => format!("{}/{max}", link.downloads),
        None => link.downloads.to_string(),
    };
    let recipient = match &link.recipient {
        Some(recipient) => recipient.as_str(),
        None => "whoever holds it",
    };
    let (until, files) = (day(link.expires_at), link.files.len());
    link_row(
        &link.id,
        &downloads,
        &until,
        &state(link, now),
        &files,
        &recipient,
    )
}

/// As far as the link itself tells: its maker may have been disabled, and its files be gone.
fn state(link: &ManagedLink, now: Timestamp) -> &'static str {
    if link.revoked_at.is_some() {
        "revoked"
    } else if !link.is_good(now) {
        "ended"
    } else if !link.is_open(now) {
        "spent"
    } else {
        "open"
    }
}

fn user_json(user: &User) -> String {
    json!({
        "id": user.id.to_string(),
        "username": user.username,
        "email": user.email,
        "role": user.role,
        "status": user.status,
        "confined": user.confined,
        "address_proved": user.address_proved,
        "owner": user.owner.map(|id| id.to_string()),
        "created_at": day(user.created_at),
    })
    .to_string()
}

pub(super) fn file_json(file: &File) -> Value {
    let entry = &file.entry;
    json!({
        "id": entry.id.to_string(),
        "filename": entry.name,
        "size": entry.size,
        "content_type": entry.media_type,
        "sha256": entry.sha256.to_string(),
        "uploaded_at": day(entry.uploaded_at),
        "uploaded_by": &*entry.uploader,
        "expires_at": entry.expires_at.map(day),
    })
}

fn link_json(link: &ManagedLink) -> String {
    let files = link.files.iter().map(ToString::to_string);
    json!({
        "id": link.id.to_string(),
        "files": files.collect::<Vec<_>>(),
        "made_at": day(link.made_at),
        "expires_at": day(link.expires_at),
        "max_downloads": link.max_downloads,
        "downloads": link.downloads,
        "has_password": link.password.is_some(),
        "recipient": link.recipient,
        "note": link.note.as_ref().map(|note| note.as_str()),
        "revoked": link.revoked_at.is_some(),
    })
    .to_string()
}

fn article(role: &dyn Display) -> String {
    let text = role.to_string();
    let article = if text.starts_with('o') { "an" } else { "a" };
    format!("{article} {text} user")
}

/// RFC 3339, in UTC, to the second.
pub(super) fn day(time: Timestamp) -> String {
    let secs = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(secs).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use consign_core::testing::sample_link;

    use super::*;

    #[test]
    fn a_links_state_is_what_ended_it_first_of_all() {
        let (before, end) = (Timestamp::from_secs(9), Timestamp::from_secs(10));
        let open = ManagedLink {
            expires_at: end,
            max_downloads: NonZeroU32::new(2),
            downloads: 1,
            revoked_at: None,
            ..sample_link(1)
        };
        let spent = ManagedLink {
            downloads: 2,
            ..open.clone()
        };
        let revoked = ManagedLink {
            revoked_at: Some(before),
            ..spent.clone()
        };
        let states = |at| [&open, &spent, &revoked].map(|link| state(link, at));
        assert_eq!(states(before), ["open", "spent", "revoked"]);
        assert_eq!(states(end), ["ended", "ended", "revoked"]);
    }

    #[test]
    fn a_short_grace_is_for_stores_that_are_not_shared() {
        let hour = Duration::from_secs(60 * 60);
        for (grace, is_shared, is_taken) in [
            (Duration::ZERO, false, true),
            (Duration::ZERO, true, false),
            (hour - Duration::from_secs(1), true, false),
            (hour, true, true),
        ] {
            let checked = check_grace(grace, is_shared).map_err(|failure| failure.0);
            match is_taken {
                true => assert_eq!(checked, Ok(())),
                false => assert!(checked.is_err_and(|why| why.starts_with("--grace: "))),
            }
        }
    }
}
