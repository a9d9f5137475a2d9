//! `ls`, `edit`, `rm`, `downloads`.

use bytesize::ByteSize;
use consign_client::{Audience, Client, Downloads, File, FileChanges};
use serde::Serialize;
use serde_json::json;

use super::{
    audience,
    failure::{Exit, Failure},
    session::Session,
    terminal::{Terminal, shown},
};
use crate::cli::{self, Ls, Sort};

pub(super) async fn ls(command: Ls, terminal: &Terminal) -> Result<(), Failure> {
    let session = Session::new(&command.access, terminal)?;
    let show = |file: &File| {
        if terminal.json {
            return terminal.result(&json(file)?);
        }
        let name = shown(&file.filename);
        if !command.long {
            return terminal.result(&name);
        }
        let size = ByteSize::b(file.size).display().si().to_string();
        let (id, at, by) = (shown(&file.id), file.uploaded_at, shown(&file.uploaded_by));
        let whom = file.audience.as_ref().map(whom);
        let whom = whom.map(|whom| format!("  for {whom}")).unwrap_or_default();
        let until = file
            .expires_at
            .map(|end| format!("  until {end}"))
            .unwrap_or_default();
        terminal.result(&format!(
            "{id}  {size:>10}  {at}  {by:<12}  {name}{whom}{until}"
        ))
    };
    let (mut cursor, mut all) = (None, Vec::new());
    loop {
        let search = command.search.as_deref();
        let page = session
            .call(async |client: &Client| client.files(search, cursor.as_deref()).await)
            .await?;
        match command.sort {
            // That is how they come.
            None | Some(Sort::Date) => page.items.iter().try_for_each(show)?,
            Some(_) => all.extend(page.items),
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    match command.sort {
        Some(Sort::Name) => all.sort_by_cached_key(|file| file.filename.to_lowercase()),
        Some(Sort::Size) => all.sort_by_key(|file| std::cmp::Reverse(file.size)),
        None | Some(Sort::Date) => {}
    }
    all.iter().try_for_each(show)
}

pub(super) async fn edit(command: cli::Edit, terminal: &Terminal) -> Result<(), Failure> {
    let session = Session::new(&command.access, terminal)?;
    session.ready().await?;
    let changes = FileChanges {
        audience: audience::of(&command.audience, &session).await?,
        expires_in: command.expires_in.map(|expiry| expiry.0),
    };
    each(&command.files, terminal, async |file| {
        let file = found(&session, file).await?;
        let file = session
            .call(async |client: &Client| client.edit_file(&file.id, &changes).await)
            .await?;
        if terminal.json {
            return terminal.acted(&json(&file)?);
        }
        let whom = file
            .audience
            .as_ref()
            .map_or_else(String::new, |of| format!("for {}, ", whom(of)));
        let until = file
            .expires_at
            .map_or_else(|| "for ever".to_owned(), |end| format!("until {end}"));
        terminal.acted(&format!(
            "{}  {}: {whom}{until}",
            shown(&file.id),
            shown(&file.filename)
        ))
    })
    .await
}

pub(super) async fn rm(command: cli::Rm, terminal: &Terminal) -> Result<(), Failure> {
    let session = Session::new(&command.access, terminal)?;
    session.ready().await?;
    each(&command.files, terminal, async |file| {
        let file = found(&session, file).await?;
        let file = session
            .call(async |client: &Client| client.remove_file(&file.id).await)
            .await?;
        if terminal.json {
            return terminal.acted(&json(&file)?);
        }
        terminal.acted(&format!(
            "{}  {} is removed",
            shown(&file.id),
            shown(&file.filename)
        ))
    })
    .await
}

pub(super) async fn downloads(command: cli::Downloads, terminal: &Terminal) -> Result<(), Failure> {
    let session = Session::new(&command.access, terminal)?;
    let what = &*command.what;
    // A link's id looks as a file's does, and a removed file is not listed.
    let by_link = |failure: &Failure| failure.exit == Exit::NotFound;
    let id = match found(&session, what).await {
        Ok(file) => file.id,
        Err(failure) if by_link(&failure) => what.to_owned(),
        Err(failure) => return Err(failure),
    };
    let (mut cursor, mut of_link) = (None, false);
    loop {
        let page = async |client: &Client| {
            if of_link {
                client.link_downloads(&id, cursor.as_deref()).await
            } else {
                client.file_downloads(&id, cursor.as_deref()).await
            }
        };
        let page = match session.call(page).await {
            Err(failure) if by_link(&failure) && !of_link => {
                of_link = true;
                continue;
            }
            page => page?,
        };
        show_downloads(&page, terminal)?;
        match page.next {
            Some(next) => cursor = Some(next),
            None => return summary(&page, terminal),
        }
    }
}

fn show_downloads(page: &Downloads, terminal: &Terminal) -> Result<(), Failure> {
    for download in &page.downloads {
        if terminal.json {
            terminal.result(&json(download)?)?;
            continue;
        }
        let who = match (&download.username, &download.recipient, &download.link) {
            (Some(user), ..) => shown(user),
            (_, Some(recipient), _) => shown(recipient),
            (.., Some(link)) => format!("by link {}", shown(link)),
            _ => "somebody".to_owned(),
        };
        let whole = match download.completed {
            0 => "not all of it".to_owned(),
            1 => "complete".to_owned(),
            times => format!("complete, {times} times"),
        };
        let size = ByteSize::b(download.bytes).display().si();
        let name = shown(&download.file.filename);
        terminal.result(&format!("{}  {who}  {name}  {size}  {whole}", download.at))?;
    }
    Ok(())
}

fn summary(page: &Downloads, terminal: &Terminal) -> Result<(), Failure> {
    if terminal.json {
        let total = json!({"completed": page.completed, "total": page.total});
        return terminal.result(&total.to_string());
    }
    terminal.result(&match (page.total.completed, page.total.started) {
        (0, 0) => "not downloaded yet".to_owned(),
        (0, started) => format!("begun {started} time(s), never to its end"),
        (completed, _) => format!("downloaded {completed} time(s)"),
    })
}

/// A file, by its id or the newest of its name.
pub(super) async fn found(session: &Session<'_>, file: &str) -> Result<File, Failure> {
    session
        .call(async |client: &Client| client.find(file).await)
        .await
}

/// Does something to each; one that fails does not stop the others.
pub(super) async fn each(
    things: &[String],
    terminal: &Terminal,
    act: impl AsyncFn(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for thing in things {
        if let Err(failure) = act(thing).await {
            failures.push(failure.about(thing));
        }
    }
    let exits: Vec<_> = failures.iter().map(|failure| failure.exit).collect();
    failures
        .iter()
        .for_each(|failure| terminal.failure(failure));
    Failure::told(&exits).map_or(Ok(()), Err)
}

pub(super) fn json(value: &impl Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string(value).map_err(std::io::Error::other)?)
}

fn whom(audience: &Audience) -> String {
    match audience {
        Audience::Everybody => "everybody".to_owned(),
        Audience::Nobody => "nobody".to_owned(),
        Audience::These { users, groups } => {
            let users = users.iter().map(|user| format!("user:{}", shown(user)));
            let all: Vec<_> = users
                .chain(groups.iter().map(|group| format!("group:{}", shown(group))))
                .collect();
            all.join(", ")
        }
    }
}
