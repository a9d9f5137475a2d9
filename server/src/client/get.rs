//! `get`: what a link hands over, or a file.

mod lease;

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use bytesize::ByteSize;
use consign_client::{Client, Error, LinkUrl, Saved, Source, safe_name};
use serde_json::json;
use url::Url;

use super::{
    failure::{Exit, Failure},
    files::found,
    session::Session,
    terminal::{Terminal, lines, shown},
};
use crate::cli::Get;

/// What is wanted.
enum Wanted {
    Link(LinkUrl),
    Url { url: Url, server: Url },
    File(String),
}

/// Where it is to go.
enum Output {
    Stdout,
    Folder(PathBuf),
    File(PathBuf),
}

/// One download.
struct Job<'j> {
    client: &'j Client,
    source: Source,
    name: String,
}

pub(super) async fn run(command: Get, terminal: &Terminal) -> Result<(), Failure> {
    let output = Output::of(&command, terminal)?;
    let mut what = command.what.clone();
    if let Some(at) = what.iter().position(|text| text == "-") {
        if command.password_stdin {
            return Err(Failure::usage(
                "standard input has the links or a password, not both",
            ));
        }
        what.retain(|text| text != "-");
        let read = lines()
            .await?
            .into_iter()
            .map(|line| line.trim().to_owned());
        let read = read.filter(|line| !line.is_empty());
        what.splice(at..at, read);
        if what.is_empty() {
            return Err(Failure::usage("standard input names nothing"));
        }
    }
    let wanted: Result<Vec<_>, _> = what.iter().map(|text| Wanted::of(text)).collect();
    let wanted = wanted?;
    if wanted.len() > 1 {
        output.takes_several()?;
    }
    let mut exits = Vec::new();
    for wanted in &wanted {
        let done = match wanted {
            Wanted::Link(link) => lease::fetch(link, &command, &output, terminal).await,
            Wanted::Url { url, server } => direct(url, server, &command, &output, terminal).await,
            Wanted::File(file) => own(file, &command, &output, terminal).await,
        };
        match done {
            Ok(()) => {}
            Err(failure) if failure.exit == Exit::Done => return Err(failure),
            Err(failure) => {
                exits.push(failure.exit);
                terminal.failure(&failure.about(wanted.to_string()));
            }
        }
    }
    Failure::told(&exits).map_or(Ok(()), Err)
}

/// A file of the client's who is signed in.
async fn own(
    file: &str,
    command: &Get,
    output: &Output,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let session = Session::new(&command.access, terminal)?;
    let file = found(&session, file).await?;
    // Links are short-lived: a long download takes more than one.
    let mut links = 0;
    loop {
        let link = session
            .call(async |client: &Client| client.file_url(&file.id).await)
            .await?;
        links += 1;
        let job = Job {
            client: session.client(),
            source: Source {
                url: link.download_url,
                size: Some(file.size),
                sha256: Some(file.sha256),
            },
            name: file.filename.clone(),
        };
        match job.fetch(command.force, output, terminal).await {
            Err(error) if is_ended(&error) && links < 100 && !output.is_stdout() => {}
            done => return done.map_err(of_link),
        }
    }
}

/// What a download link leads to.
async fn direct(
    url: &Url,
    server: &Url,
    command: &Get,
    output: &Output,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let session = Session::of_link(&command.access, server, terminal)?;
    let client = session.client();
    let head = client.head(url).await.map_err(of_link)?;
    let job = Job {
        client,
        source: Source {
            url: url.clone(),
            size: head.size,
            sha256: head.sha256,
        },
        name: head.filename.unwrap_or_default(),
    };
    job.fetch(command.force, output, terminal)
        .await
        .map_err(of_link)
}

impl Job<'_> {
    async fn fetch(
        &self,
        force: bool,
        output: &Output,
        terminal: &Terminal,
    ) -> Result<(), FetchError> {
        let name = safe_name(&self.name);
        let bar = terminal.bar(&name);
        let done = match output {
            Output::Stdout => {
                let mut stdout = tokio::io::stdout();
                self.client
                    .copy(&self.source, &mut stdout, &bar)
                    .await
                    .map(|saved| (saved, None))
            }
            Output::Folder(folder) => self.save(folder.join(&name), force, &bar).await,
            Output::File(path) => self.save(path.clone(), force, &bar).await,
        };
        bar.done();
        let (saved, path) = match done {
            Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Err(Failure::enough().into());
            }
            done => done?,
        };
        Ok(told(&saved, path.as_deref(), &self.name, terminal)?)
    }

    async fn save(
        &self,
        path: PathBuf,
        force: bool,
        bar: &super::terminal::Bar,
    ) -> Result<(Saved, Option<PathBuf>), Error> {
        let saved = self.client.save(&self.source, &path, force, bar).await?;
        Ok((saved, Some(path)))
    }
}

/// Says what came.
fn told(
    saved: &Saved,
    path: Option<&Path>,
    name: &str,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let path = path.strip_prefix(".").unwrap_or(path).display().to_string();
    if terminal.json {
        let told = json!({
            "path": path, "filename": name, "size": saved.size, "sha256": saved.sha256,
            "verified": saved.verified, "resumed": saved.resumed, "already": saved.already,
        });
        return terminal.acted(&told.to_string());
    }
    terminal.acted(&shown(&path))?;
    let size = ByteSize::b(saved.size).display().si();
    terminal.remark(&match saved {
        Saved { already: true, .. } => "it was there already, and is right".to_owned(),
        Saved { verified: true, .. } => format!("{size}, SHA-256 verified"),
        _ => format!("{size}, SHA-256 {}", saved.sha256),
    });
    Ok(())
}

impl Wanted {
    fn of(text: &str) -> Result<Self, Failure> {
        if !text.contains("://") {
            return Ok(Self::File(text.to_owned()));
        }
        if let Ok(link) = text.parse() {
            return Ok(Self::Link(link));
        }
        let url: Option<Url> = text.parse().ok();
        url.and_then(Self::download).ok_or_else(|| {
            Failure::usage("not a link of Consign")
                .hint("https://…/l/… and https://…/download_file/… are")
        })
    }

    fn download(url: Url) -> Option<Self> {
        let (base, token) = url.path().rsplit_once('/')?;
        let base = base.strip_suffix("/download_file")?;
        let mut server = url.clone();
        server.set_path(&format!("{base}/"));
        server.set_query(None);
        (!token.is_empty()).then_some(Self::Url { url, server })
    }
}

/// Without the secret that a link is.
impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Link(link) => write!(f, "{}l/…", link.server()),
            Self::Url { server, .. } => write!(f, "{server}download_file/…"),
            Self::File(file) => f.write_str(file),
        }
    }
}

impl Output {
    fn of(command: &Get, terminal: &Terminal) -> Result<Self, Failure> {
        let Some(path) = &command.output else {
            return Ok(Self::Folder(".".into()));
        };
        if path.as_os_str() == "-" {
            if terminal.json {
                return Err(Failure::usage(
                    "standard output takes the file or JSON, not both",
                ));
            }
            return Ok(Self::Stdout);
        }
        let is_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if is_folder {
            fs::create_dir_all(path)
                .map_err(|error| Failure::from(error).about(path.display().to_string()))?;
        }
        Ok(if is_folder || path.is_dir() {
            Self::Folder(path.clone())
        } else {
            Self::File(path.clone())
        })
    }

    fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout)
    }

    fn takes_several(&self) -> Result<(), Failure> {
        match self {
            Self::Folder(_) => Ok(()),
            Self::Stdout | Self::File(_) => {
                let failure = Failure::usage("there are several files");
                Err(failure
                    .hint("name a folder with --output, or take them as one archive with --zip"))
            }
        }
    }
}

/// Names of which no two are one, however the file system tells letters' case.
fn distinct<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut taken = HashSet::new();
    let distinct = names.map(|name| {
        let name = safe_name(name);
        let mut candidate = name.clone();
        let mut number = 1;
        while !taken.insert(candidate.to_lowercase()) {
            number += 1;
            candidate = match name.rsplit_once('.') {
                Some((stem, extension)) => format!("{stem} ({number}).{extension}"),
                None => format!("{name} ({number})"),
            };
        }
        candidate
    });
    distinct.collect()
}

/// Why one download was not done.
enum FetchError {
    Client(Error),
    Told(Failure),
}

impl From<Error> for FetchError {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl From<Failure> for FetchError {
    fn from(failure: Failure) -> Self {
        Self::Told(failure)
    }
}

fn is_ended(error: &FetchError) -> bool {
    matches!(error, FetchError::Client(Error::Problem(problem)) if problem.status == 401)
}

/// A link that is not good any more is not there: signing in would not help.
fn of_link(error: impl Into<FetchError>) -> Failure {
    match error.into() {
        FetchError::Told(failure) => failure,
        error if is_ended(&error) => Failure::new(
            Exit::NotFound,
            "the link is not good any more: it has ended, or was taken back",
        ),
        FetchError::Client(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let names = ["a.docx", "A.docx", "../a.docx", "b", "b", "a (2).docx"];
        let expected = [
            "a.docx",
            "A (2).docx",
            "a (3).docx",
            "b",
            "b (2)",
            "a (2) (2).docx",
        ];
        assert_eq!(distinct(names.into_iter()), expected);
    }

    #[test]
    fn what_is_told_of_a_link_is_no_secret() {
        for text in [
            "https://a.example/x/l/secret",
            "https://a.example/download_file/secret?file=1",
        ] {
            let wanted = Wanted::of(text).ok().unwrap();
            assert!(!wanted.to_string().contains("secret"), "{wanted}");
        }
        let refused = Wanted::of("https://a.example/secret").err().unwrap();
        assert!(refused.exit == Exit::Usage && !refused.to_string().contains("secret"));
    }
}
