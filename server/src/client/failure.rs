//! How commands fail: one line on standard error, and a code.

use std::{
    error::Error as _,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use consign_client::{Error, ErrorKind};
use serde_json::json;

use super::terminal::shown;

/// What a command ends with. `consign --help` and docs/command-line.md have them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// None of the others.
    Failed = 1,
    /// The command does not make sense.
    Usage = 2,
    /// Sign in, or prove to be who may.
    SignIn = 3,
    /// It is not there.
    NotFound = 4,
    /// The server takes it in no such form.
    Refused = 5,
    /// Not reached, or busy, after some attempts.
    Unavailable = 6,
    /// Bytes are not what they should be.
    Mismatch = 7,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Why a command did not do what it was to.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Of several things, which.
    about: Option<String>,
    text: String,
    /// What to do next.
    hint: Option<String>,
    status: Option<u16>,
    /// There is nothing to tell, or it was told before.
    silent: bool,
}

impl Exit {
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self {
            exit,
            about: None,
            text: text.into(),
            hint: None,
            status: None,
            silent: false,
        }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    /// The code of failures that were told already: theirs where they agree.
    pub(crate) fn told(exits: &[Exit]) -> Option<Self> {
        let (first, rest) = exits.split_first()?;
        let same = rest.iter().all(|exit| exit == first);
        let exit = if same { *first } else { Exit::Failed };
        Some(Self {
            silent: true,
            ..Self::new(exit, "")
        })
    }

    /// Nobody reads on. What was written is what they wanted.
    pub(crate) fn enough() -> Self {
        Self {
            silent: true,
            ..Self::new(Exit::Done, "")
        }
    }

    pub(crate) fn about(mut self, what: impl Into<String>) -> Self {
        let what = what.into();
        // A path is told already.
        if self
            .text
            .strip_prefix(&*what)
            .is_none_or(|rest| !rest.starts_with(": "))
        {
            self.about = Some(what);
        }
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Tells it on standard error.
    pub(crate) fn tell(&self, as_json: bool) {
        if self.silent {
            return;
        }
        // Where nobody reads, the code tells.
        let _ = if as_json {
            let error = json!({"error": {
                "code": self.exit as u8,
                "about": self.about,
                "status": self.status,
                "msg": self.text,
                "hint": self.hint,
            }});
            writeln!(io::stderr(), "{error}")
        } else {
            writeln!(io::stderr(), "{self}")
        };
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("consign: ")?;
        if let Some(about) = &self.about {
            write!(f, "{}: ", shown(about))?;
        }
        write!(f, "{}", shown(&self.text))?;
        match &self.hint {
            Some(hint) => write!(f, "; {}", shown(hint)),
            None => Ok(()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::SignIn => Exit::SignIn,
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::Refused => Exit::Refused,
            ErrorKind::Unavailable => Exit::Unavailable,
            ErrorKind::Mismatch => Exit::Mismatch,
            _ => Exit::Failed,
        };
        let mut failure = Self::new(exit, chain(&error));
        failure.status = error.problem().map(|problem| problem.status);
        failure.hint = hint(&error);
        failure
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let exit = match error.kind() {
            // Ctrl-C at a question.
            io::ErrorKind::Interrupted => Exit::Interrupted,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

/// An error and its sources, in one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn hint(error: &Error) -> Option<String> {
    Some(match error {
        Error::Insecure { .. } => "use https, or say --insecure-http".to_owned(),
        Error::Untrusted { .. } => {
            "name the certificate of a private authority with --ca FILE".to_owned()
        }
        Error::Unreachable { .. } => "is the URL right, and does the server run?".to_owned(),
        Error::Exists(_) => "--force overwrites it".to_owned(),
        Error::Mismatch { .. } => "nothing was kept; try again".to_owned(),
        Error::Problem(problem) => match problem.status {
            429 | 503 => match problem.retry_after {
                Some(wait) => format!("try again in {} s", wait.as_secs()),
                None => "try again later".to_owned(),
            },
            404 if problem.msg == "File not found" => "`consign ls` lists the files".to_owned(),
            404 if problem.msg == "Link not found" => {
                "`consign link list` lists the links".to_owned()
            }
            403 if problem.msg.starts_with("only client user") => {
                "operations users hand files over with `consign link make`".to_owned()
            }
            _ => return None,
        },
        _ => return None,
    })
}
