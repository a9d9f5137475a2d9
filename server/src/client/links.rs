//! `link make`, `link list`, `link show`, `link edit`, `link revoke`.

use consign_client::{Client, Link, LinkChanges, NewLink};
use jiff::Timestamp;

use super::{
    failure::{Exit, Failure},
    files::{each, json},
    session::{Session, typed},
    terminal::{Terminal, first_line, shown},
};
use crate::cli::{self, LinkCommand, LinkEdit, LinkMake, LinkPassword};

pub(super) async fn run(command: cli::Link, terminal: &Terminal) -> Result<(), Failure> {
    match command.command {
        LinkCommand::Make(command) => make(command, terminal).await,
        LinkCommand::List { access } => list(&Session::new(&access, terminal)?).await,
        LinkCommand::Show { link, access } => {
            let session = Session::new(&access, terminal)?;
            let link = session
                .call(async |client: &Client| client.link(&link).await)
                .await?;
            show(&link, terminal)
        }
        LinkCommand::Edit(command) => edit(command, terminal).await,
        LinkCommand::Revoke { links, access } => {
            let session = Session::new(&access, terminal)?;
            session.ready().await?;
            each(&links, terminal, async |id| {
                let link = session
                    .call(async |client: &Client| client.revoke_link(id).await)
                    .await?;
                if terminal.json {
                    return terminal.acted(&json(&link)?);
                }
                terminal.acted(&format!("{} is revoked", shown(&link.id)))
            })
            .await
        }
    }
}

async fn make(command: LinkMake, terminal: &Terminal) -> Result<(), Failure> {
    let session = Session::new(&command.access, terminal)?;
    session.ready().await?;
    let mut link = NewLink::to(command.files);
    link.expires_in = command.expires_in.map(|span| span.0);
    link.max_downloads = command.max_downloads.map(Into::into);
    link.password = password(&command.password, terminal).await?;
    link.recipient = command.recipient;
    link.note = command.note;
    let made = session
        .call(async |client: &Client| client.make_link(&link).await)
        .await?;
    if terminal.json {
        return terminal.result(&json(&made)?);
    }
    let url = made.url.as_deref().ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            "the server has made a link, and does not tell its URL",
        )
    })?;
    terminal.result(&shown(url))?;
    let often = made
        .max_downloads
        .map_or_else(String::new, |times| format!(", {times} time(s)"));
    let (id, until) = (shown(&made.id), made.expires_at);
    terminal.remark(&format!(
        "good until {until}{often}; `consign link revoke {id}` ends it"
    ));
    Ok(())
}

async fn list(session: &Session<'_>) -> Result<(), Failure> {
    let terminal = session.terminal;
    let mut cursor = None;
    loop {
        let page = session
            .call(async |client: &Client| client.links(cursor.as_deref()).await)
            .await?;
        for link in &page.items {
            if terminal.json {
                terminal.result(&json(link)?)?;
                continue;
            }
            let note = link
                .note
                .as_deref()
                .map(|note| format!("  ({})", shown(note)));
            let files = names(link).join(", ");
            let (id, state, opened) = (shown(&link.id), state(link), opened(link));
            terminal.result(&format!(
                "{id}  {state:<7}  {opened:>7}  {files}{}",
                note.unwrap_or_default()
            ))?;
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(()),
        }
    }
}

async fn edit(command: LinkEdit, terminal: &Terminal) -> Result<(), Failure> {
    if !command.changes_something() {
        let failure = Failure::usage("nothing is to change");
        return Err(failure.hint("--expires-in, --max-downloads and others say what"));
    }
    let session = Session::new(&command.access, terminal)?;
    session.ready().await?;
    let password = password(&command.password, terminal).await?;
    let changes = LinkChanges {
        expires_in: command.expires_in.map(|span| span.0),
        max_downloads: command
            .max_downloads
            .map(|times| Some(times.into()))
            .or(gone(command.any_downloads)),
        password: password.map(Some).or(gone(command.no_password)),
        recipient: command.recipient.map(Some).or(gone(command.no_recipient)),
        note: command.note.map(Some).or(gone(command.no_note)),
    };
    let link = &command.link;
    let link = session
        .call(async |client: &Client| client.edit_link(link, &changes).await)
        .await?;
    show(&link, terminal)
}

fn show(link: &Link, terminal: &Terminal) -> Result<(), Failure> {
    if terminal.json {
        return terminal.result(&json(link)?);
    }
    let yes = |yes| if yes { "yes" } else { "no" };
    let none = || "-".to_owned();
    let rows = [
        ("id", shown(&link.id)),
        ("files", names(link).join(", ")),
        ("state", state(link).to_owned()),
        ("made", link.made_at.to_string()),
        ("until", link.expires_at.to_string()),
        ("opened", opened(link)),
        ("password", yes(link.has_password).to_owned()),
        (
            "recipient",
            link.recipient.as_deref().map_or_else(none, shown),
        ),
        ("note", link.note.as_deref().map_or_else(none, shown)),
    ];
    rows.iter()
        .try_for_each(|(name, value)| terminal.result(&format!("{name:<10} {value}")))
}

async fn password(how: &LinkPassword, terminal: &Terminal) -> Result<Option<String>, Failure> {
    if how.password_stdin {
        return Ok(Some(first_line().await?));
    }
    if how.password_prompt {
        return Ok(Some(typed(true, "Password of the link: ", terminal).await?));
    }
    Ok(None)
}

fn names(link: &Link) -> Vec<String> {
    let name = |name: &Option<String>| name.as_deref().map_or_else(|| "(gone)".to_owned(), shown);
    link.files.iter().map(|file| name(&file.filename)).collect()
}

fn opened(link: &Link) -> String {
    match link.max_downloads {
        Some(most) => format!("{}/{most}", link.downloads),
        None => link.downloads.to_string(),
    }
}

/// As far as the link itself tells.
fn state(link: &Link) -> &'static str {
    if link.revoked {
        "revoked"
    } else if link.expires_at <= Timestamp::now() {
        "ended"
    } else if link
        .max_downloads
        .is_some_and(|most| link.downloads >= most)
    {
        "spent"
    } else {
        "open"
    }
}

/// What is to be none.
fn gone<T>(gone: bool) -> Option<Option<T>> {
    gone.then_some(None)
}
