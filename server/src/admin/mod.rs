//! Administration: a command is a [`Request`], carried out by the running server through its
//! socket or, without one, by the command's own process; either way it answers in [`Line`]s.

mod audit;
mod execute;
mod removed;
mod socket;

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
};

use consign_core::{
    id::{FileId, LinkId},
    trail::Checkpoint,
    user::{Email, Role, Status, Username},
};
use rustix::process;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

pub(crate) use self::{audit::told, socket::Socket};
use crate::{
    BoxError,
    data::{Installation, Paths},
    log,
    migrate::Order,
    options::{Folder, Log},
    stores::Unopened,
};

/// Lines that wait to be written at most; a command waits for a slow reader.
const LINES: usize = 64;

/// What is to be done.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Request {
    UserAdd {
        username: Username,
        email: Email,
        role: Role,
        password: String,
    },
    UserList {
        json: bool,
    },
    UserStatus {
        username: Username,
        status: Status,
    },
    UserRole {
        username: Username,
        role: Role,
    },
    UserPassword {
        username: Username,
        password: String,
    },
    UserConfined {
        username: Username,
        confined: bool,
    },
    UserVouch {
        username: Username,
    },
    UserOwner {
        client: Username,
        owner: Option<Username>,
    },
    UserLogout {
        username: Username,
    },
    FileList {
        json: bool,
    },
    FileRemoved {
        json: bool,
    },
    FileRestore {
        file: FileId,
    },
    FileRemove {
        file: String,
    },
    LinkList {
        username: Username,
        json: bool,
    },
    LinkRevoke {
        id: LinkId,
    },
    KeysRotate {
        overlap_secs: u64,
    },
    Sweep {
        grace_secs: u64,
    },
    AuditVerify {
        /// Checkpoints that somebody has kept.
        known: Vec<Checkpoint>,
    },
    AuditExport {
        csv: bool,
    },
    AuditKey,
    ReceiptVerify {
        receipt: String,
    },
    Migrate(Box<Order>),
    /// Say whether the stores answer.
    Status,
}

/// A piece of the answer; the last is `Done` or `Failed`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Line {
    /// For standard output.
    Out(String),
    /// For standard error: how far it is.
    Progress(String),
    /// It is done; a summary for standard error.
    Done(String),
    /// It is not done, and why.
    Failed(String),
}

/// Carries out a request on the data folder, whoever holds it, and prints the answer.
pub(crate) async fn run(folder: Folder, request: Request) -> Result<(), BoxError> {
    let config = folder.resolve()?;
    let paths = Paths::of(&config.data);
    if !paths.folder.is_dir() {
        let (folder, from) = (paths.folder.display(), config.origins.of("data").origin);
        let missing = format!("{folder}: there is no such data folder (data is from {from})");
        return Err(missing.into());
    }
    let (lines, answer) = mpsc::channel(LINES);
    let carried_out = async {
        if let Some(stream) = socket::connect(&paths).await? {
            return socket::forward(stream, &request, lines).await;
        }
        only_owner(&paths)?;
        log::in_place(Log::Warn);
        match Installation::open(&config, None).await {
            Ok(installation) => execute::execute(&installation, request, true, lines).await,
            // It has come up since, or is going down.
            Err(Unopened::InUse) => match socket::connect(&paths).await? {
                Some(stream) => socket::forward(stream, &request, lines).await?,
                None => return Err(Unopened::InUse.into()),
            },
            Err(error) => return Err(error.into()),
        }
        Ok::<_, BoxError>(())
    };
    let (carried_out, printed) = tokio::join!(carried_out, print(answer));
    carried_out?;
    printed
}

/// Another user, root before all, would leave files in the folder that its server cannot open.
fn only_owner(paths: &Paths) -> Result<(), BoxError> {
    let (owner, caller) = (
        fs::metadata(&paths.folder)?.uid(),
        process::geteuid().as_raw(),
    );
    if owner == caller {
        return Ok(());
    }
    let folder = paths.folder.display();
    Err(
        format!("{folder} belongs to user {owner}: run this as that user, or start the server")
            .into(),
    )
}

/// What the running server says of itself; `None` when none runs.
pub(crate) async fn status(paths: &Paths) -> Result<Option<String>, BoxError> {
    let Some(stream) = socket::connect(paths).await? else {
        return Ok(None);
    };
    let (lines, mut answer) = mpsc::channel(LINES);
    let asked = socket::forward(stream, &Request::Status, lines);
    let told = async {
        let mut last = None;
        while let Some(line) = answer.recv().await {
            last = Some(line);
        }
        last
    };
    let (asked, told) = tokio::join!(asked, told);
    asked?;
    match told {
        Some(Line::Done(text)) => Ok(Some(text)),
        Some(Line::Failed(text)) => Err(text.into()),
        _ => Err("the server ended before it had answered".into()),
    }
}

async fn print(mut answer: mpsc::Receiver<Line>) -> Result<(), BoxError> {
    while let Some(line) = answer.recv().await {
        match line {
            Line::Out(text) => match writeln!(io::stdout(), "{text}") {
                // Whoever reads has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            },
            Line::Progress(text) => eprintln!("{text}"),
            Line::Done(text) => {
                eprintln!("{text}");
                return Ok(());
            }
            Line::Failed(text) => return Err(text.into()),
        }
    }
    Err("the server ended before it was done; look whether it was".into())
}
