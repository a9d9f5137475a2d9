//! `upload`: many files at once.

use std::{collections::HashSet, fs, path::PathBuf, time::Instant};

use bytesize::ByteSize;
use consign_client::{Client, Upload};
use futures_util::{StreamExt, stream};
use glob::{MatchOptions, Pattern};

use super::{
    audience,
    failure::{Exit, Failure},
    session::Session,
    terminal::{Bar, Terminal, shown},
};
use crate::cli;

/// Patterns do not match hidden files, as in a shell.
const LIKE_A_SHELL: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

pub(super) async fn run(command: cli::Upload, terminal: &Terminal) -> Result<(), Failure> {
    let mut exits = Vec::new();
    let mut files = Vec::new();
    for argument in &command.files {
        match matched(argument) {
            Ok(found) => files.extend(found),
            Err(failure) => {
                terminal.failure(&failure);
                exits.push(failure.exit);
            }
        }
    }
    let mut seen = HashSet::new();
    files.retain(|path| seen.insert(path.clone()));
    if files.is_empty() {
        return Failure::told(&exits).map_or(Ok(()), Err);
    }
    let session = Session::new(&command.access, terminal)?;
    session.ready().await?;
    let audience = audience::of(&command.audience, &session).await?;
    let expires_in = command.expires_in.map(|span| span.0);

    let began = Instant::now();
    let sizes = files
        .iter()
        .map(|path| fs::metadata(path).map_or(0, |about| about.len()));
    let total = terminal.total(sizes.sum());
    let uploads = stream::iter(files).map(|path| {
        let (session, total, audience) = (&session, &total, audience.clone());
        async move {
            let name = path.display().to_string();
            let uploaded = async {
                let mut upload = Upload::new(path)?;
                upload.audience = audience;
                upload.expires_in = expires_in;
                let bar = terminal.bar(&upload.name).part_of(total);
                let uploaded = one(session, &upload, &bar).await;
                bar.done();
                uploaded
            };
            uploaded
                .await
                .map_err(|failure: Failure| failure.about(name))
        }
    });
    let mut uploads = uploads.buffer_unordered(command.jobs.into());
    let (mut count, mut bytes, mut failures) = (0_u64, 0, Vec::new());
    while let Some(uploaded) = uploads.next().await {
        match uploaded {
            Ok(file) => {
                count += 1;
                bytes += file.size;
                let line = if terminal.json {
                    serde_json::to_string(&file).map_err(std::io::Error::other)?
                } else {
                    format!("{}  {}", shown(&file.id), shown(&file.filename))
                };
                if let Err(failure) = terminal.acted(&line) {
                    failures.push(failure);
                }
            }
            Err(failure) => failures.push(failure),
        }
    }
    total.done();
    // What failed is told last, where it is seen.
    for failure in failures {
        terminal.failure(&failure);
        exits.push(failure.exit);
    }
    let failed = match exits.len() {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    let (size, took) = (
        ByteSize::b(bytes).display().si(),
        began.elapsed().as_secs_f64(),
    );
    terminal.remark(&format!("{count} uploaded, {size} in {took:.1} s{failed}"));
    Failure::told(&exits).map_or(Ok(()), Err)
}

async fn one(
    session: &Session<'_>,
    upload: &Upload,
    bar: &Bar,
) -> Result<consign_client::File, Failure> {
    session
        .call(async |client: &Client| client.upload(upload, bar).await)
        .await
}

/// The files that an argument names: itself, or what matches it.
fn matched(argument: &str) -> Result<Vec<PathBuf>, Failure> {
    let path = PathBuf::from(argument);
    let is_pattern = Pattern::escape(argument) != argument;
    if !is_pattern || path.symlink_metadata().is_ok() {
        return Ok(vec![path]);
    }
    let fails = |why: &str| Err(Failure::new(Exit::Failed, why).about(argument));
    let Ok(paths) = glob::glob_with(argument, LIKE_A_SHELL) else {
        return fails("not a pattern");
    };
    let mut found = Vec::new();
    for path in paths {
        match path {
            Ok(path) if path.is_file() => found.push(path),
            Ok(_) => {}
            Err(error) => return fails(&format!("{}: {}", error.path().display(), error.error())),
        }
    }
    if found.is_empty() {
        return fails("no file matches");
    }
    Ok(found)
}
