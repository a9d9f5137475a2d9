//! A managed link: opened once, however often its download is tried.

use consign_client::{Client, Described, Lease, LinkUrl, Proof, Source};

use super::{Job, Output, distinct, is_ended, of_link};
use crate::{
    cli::Get,
    client::{
        failure::{Exit, Failure},
        profile::{Opening, OpeningFile},
        session::{Session, variable},
        terminal::{Terminal, first_line},
    },
};

/// What several files are called as one.
const ARCHIVE: &str = "files.zip";

/// How often somebody may mistype a password or a code.
const TRIES: u32 = 3;

/// Fetches all that a link hands over.
pub(super) async fn fetch(
    link: &LinkUrl,
    command: &Get,
    output: &Output,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let session = Session::of_link(&command.access, link.server(), terminal)?;
    let kept = OpeningFile::of(&link.digest().to_string());
    let mut opening = kept.read();
    let mut fresh = false;
    loop {
        let lease = match opening.take().and_then(|opening| opening.lease) {
            Some(lease) => lease,
            None => {
                fresh = true;
                opened(&session, link, command, output, &kept).await?
            }
        };
        let files = jobs(session.client(), &lease, command, output)?;
        let (mut failures, mut again) = (Vec::new(), false);
        for job in &files {
            match job.fetch(command.force, output, terminal).await {
                Ok(()) => {}
                // What was kept is at its end; the link may not be.
                Err(error) if is_ended(&error) && !fresh => {
                    again = true;
                    break;
                }
                Err(error) if files.len() == 1 => return Err(of_link(error)),
                Err(error) => failures.push(of_link(error).about(&job.name)),
            }
        }
        if again {
            kept.remove();
            continue;
        }
        let exits: Vec<_> = failures.iter().map(|failure| failure.exit).collect();
        failures
            .iter()
            .for_each(|failure| terminal.failure(failure));
        let failed = Failure::told(&exits);
        if failed.is_none() {
            kept.remove();
        }
        return failed.map_or(Ok(()), Err);
    }
}

/// What is to be fetched of a lease, and under which names.
fn jobs<'c>(
    client: &'c Client,
    lease: &Lease,
    command: &Get,
    output: &Output,
) -> Result<Vec<Job<'c>>, Failure> {
    if command.zip && lease.files.len() > 1 {
        let source = Source {
            url: lease.download_url.clone(),
            size: None,
            sha256: None,
        };
        let name = ARCHIVE.to_owned();
        return Ok(vec![Job {
            client,
            source,
            name,
        }]);
    }
    if lease.files.len() > 1 {
        output.takes_several()?;
    }
    let names = distinct(lease.files.iter().map(|file| &*file.filename));
    let jobs = lease.files.iter().zip(names).map(|(file, name)| Job {
        client,
        source: Source {
            url: lease.url_of(file),
            size: Some(file.size),
            sha256: Some(file.sha256),
        },
        name,
    });
    Ok(jobs.collect())
}

/// Opens a link, with what it asks for.
async fn opened(
    session: &Session<'_>,
    link: &LinkUrl,
    command: &Get,
    output: &Output,
    kept: &OpeningFile,
) -> Result<Lease, Failure> {
    let client = session.client();
    let described = client.describe(link).await?;
    if !command.zip
        && described
            .files
            .as_ref()
            .is_some_and(|files| files.len() > 1)
    {
        // Before it counts.
        output.takes_several()?;
    }
    let mut opening = kept.read().unwrap_or_else(Opening::new);
    kept.write(&opening);
    let lease = prove(session, link, command, &described, &opening).await?;
    opening.lease = Some(lease.clone());
    kept.write(&opening);
    Ok(lease)
}

async fn prove(
    session: &Session<'_>,
    link: &LinkUrl,
    command: &Get,
    described: &Described,
    opening: &Opening,
) -> Result<Lease, Failure> {
    let (client, terminal, key) = (session.client(), session.terminal, opening.key());
    let mut proof = Proof {
        password: None,
        code: command.code.clone(),
        token: described.recipient_required && command.code.is_none() && client.token().is_some(),
    };
    if described.password_required {
        proof.password = Some(link_password(command, terminal).await?);
    }
    let mut tries = 0;
    loop {
        if proof.token {
            let open = async |client: &Client| client.open(link, &proof, &key).await;
            match session.call(open).await {
                // Whoever is signed in may not be the recipient, who proves it by a code.
                Err(failure) if matches!(failure.exit, Exit::SignIn | Exit::NotFound) => {
                    proof.token = false;
                }
                done => return done,
            }
        }
        let error = match client.open(link, &proof, &key).await {
            Ok(lease) => return Ok(lease),
            Err(error) => error,
        };
        tries += 1;
        let again = tries <= TRIES && terminal.can_ask();
        let wrong_password = error.says(401, "Wrong password");
        let sent = error.says(401, "A code was sent to the recipient");
        let wrong_code = error.says(401, "Wrong code");
        if wrong_password && again && !command.password_stdin {
            terminal.failure(&error.into());
            proof.password = Some(terminal.ask_password("Password of the link: ").await?);
        } else if (sent || wrong_code) && again {
            terminal.failure(&error.into());
            proof.code = Some(
                terminal
                    .ask("Code that was mailed to the recipient: ")
                    .await?,
            );
        } else if sent {
            return Err(Failure::from(error).hint("say it with --code CODE"));
        } else if error.says(401, "The link is for its recipient, who has to sign in") {
            let server = link.server().as_str().trim_end_matches('/').to_owned();
            return Err(Failure::from(error).hint(format!("`consign login {server}`")));
        } else {
            return Err(error.into());
        }
    }
}

async fn link_password(command: &Get, terminal: &Terminal) -> Result<String, Failure> {
    if command.password_stdin {
        return Ok(first_line().await?);
    }
    if let Some(password) = variable("CONSIGN_LINK_PASSWORD") {
        return Ok(password);
    }
    if !terminal.can_ask() {
        let failure = Failure::new(Exit::SignIn, "The link needs a password");
        return Err(failure.hint("use --password-stdin"));
    }
    Ok(terminal.ask_password("Password of the link: ").await?)
}
