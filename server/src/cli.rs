//! The command line.

mod audit;
mod hand_over;
mod help;
mod migrate;

use std::io::{self, BufRead};

use clap::{Args, Parser, Subcommand, ValueEnum};
use consign_core::{
    id::{FileId, LinkId},
    user::{Email, Role, Status, Username},
};

use crate::{
    admin::Request,
    options::{Folder, Options, Span},
};

pub(crate) use self::{
    hand_over::{
        Access, ClientCommand, Downloads, Edit, Get, Link, LinkCommand, LinkEdit, LinkMake,
        LinkPassword, Login, Logout, Ls, Register, Rm, Sort, Upload, Whoami,
    },
    help::{ENVIRONMENT, EXIT_CODES, FILES, WALK, command},
    migrate::VARIABLES as MIGRATE_VARIABLES,
};

/// Hand files to people safely.
///
/// Without a command it serves. Every setting is a flag, a variable of the environment, or a key of
/// the same name in consign.toml; the first of these counts.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Client(Box<ClientCommand>),
    /// Serve the data folder (the default)
    Serve(Box<Options>),
    /// Add, list and change users
    User(User),
    /// List, remove and restore files
    File(File),
    /// Change the keys that sign tokens and links
    Keys(Keys),
    /// Verify and export the trail of what happened
    Audit(audit::Audit),
    /// Verify receipts of downloads
    Receipt(audit::Receipt),
    /// Copy the installation to other stores, also while it is served, and compare the two
    Migrate(Box<migrate::Migrate>),
    /// Remove what has ended, and what interrupted uploads and removals have left behind
    Sweep(Sweep),
    /// Look for what is wrong, or soon will be, and say what to do; changes nothing: exits with 1 if so
    Doctor(Box<Doctor>),
}

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) options: Options,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct User {
    #[command(flatten)]
    pub(crate) folder: Folder,
    #[command(subcommand)]
    pub(crate) command: UserCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user
    Add {
        username: Username,
        #[arg(long)]
        email: Email,
        #[arg(long, default_value = "client")]
        role: RoleName,
        /// Read the password from the first line of standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the users
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Keep a user out, and end their sessions and links
    Disable { username: Username },
    /// Let a disabled user in again
    Enable { username: Username },
    /// Give a user another role, and end their sessions and download links
    Role { username: Username, role: RoleName },
    /// Give a user another password, and end their sessions and download links
    Password {
        username: Username,
        /// Read the password from the first line of standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Confine an operations user to files, groups and clients of their own
    Confine { username: Username },
    /// Let a confined operations user see all again
    Unconfine { username: Username },
    /// Take a user's e-mail address to be theirs
    Vouch { username: Username },
    /// Have a client be an operations user's own
    Assign {
        client: Username,
        /// The operations user; nobody where none is named
        owner: Option<Username>,
    },
    /// End a user's sessions and download links; managed ones go on
    Logout { username: Username },
    /// List the managed links of a user, newest first
    Links {
        username: Username,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Revoke a managed link of any user for ever, with the downloads by it
    RevokeLink {
        /// Its id, which is not its secret
        id: LinkId,
    },
}

#[derive(Args, Debug)]
pub(crate) struct File {
    #[command(flatten)]
    pub(crate) folder: Folder,
    #[command(subcommand)]
    pub(crate) command: FileCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FileCommand {
    /// List the files, newest first
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// List the removed files that can be had back
    Removed {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Have a removed file be there again
    Restore {
        /// Its id
        file: FileId,
    },
    /// Remove a file for ever, at once: also one that was removed and could be had back
    Remove {
        /// Its id, or its name when there is one version of it
        file: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Keys {
    #[command(flatten)]
    pub(crate) folder: Folder,
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Sign with a new key from now on
    Rotate {
        /// How long the tokens and links that there are stay good; 0s ends them all
        #[arg(long, default_value = "7d", value_name = "TIME")]
        overlap: Span,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Sweep {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// Leave what is younger, for it may belong to an upload that still runs
    #[arg(long, default_value = "24h", value_name = "TIME")]
    pub(crate) grace: Span,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleName {
    /// Uploads files
    Operations,
    /// Receives them
    Client,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Operations => Self::Operations,
            RoleName::Client => Self::Client,
        }
    }
}

impl UserCommand {
    /// The request, with the password that it needs asked for.
    pub(crate) fn into_request(self) -> io::Result<Request> {
        Ok(match self {
            Self::Add {
                username,
                email,
                role,
                password_stdin,
            } => Request::UserAdd {
                username,
                email,
                role: role.into(),
                password: password(password_stdin)?,
            },
            Self::List { json } => Request::UserList { json },
            Self::Disable { username } => Request::UserStatus {
                username,
                status: Status::Disabled,
            },
            Self::Enable { username } => Request::UserStatus {
                username,
                status: Status::Active,
            },
            Self::Role { username, role } => Request::UserRole {
                username,
                role: role.into(),
            },
            Self::Password {
                username,
                password_stdin,
            } => Request::UserPassword {
                username,
                password: password(password_stdin)?,
            },
            Self::Confine { username } => Request::UserConfined {
                username,
                confined: true,
            },
            Self::Unconfine { username } => Request::UserConfined {
                username,
                confined: false,
            },
            Self::Vouch { username } => Request::UserVouch { username },
            Self::Assign { client, owner } => Request::UserOwner { client, owner },
            Self::Logout { username } => Request::UserLogout { username },
            Self::Links { username, json } => Request::LinkList { username, json },
            Self::RevokeLink { id } => Request::LinkRevoke { id },
        })
    }
}

impl From<FileCommand> for Request {
    fn from(command: FileCommand) -> Self {
        match command {
            FileCommand::List { json } => Self::FileList { json },
            FileCommand::Removed { json } => Self::FileRemoved { json },
            FileCommand::Restore { file } => Self::FileRestore { file },
            FileCommand::Remove { file } => Self::FileRemove { file },
        }
    }
}

impl From<KeysCommand> for Request {
    fn from(command: KeysCommand) -> Self {
        match command {
            KeysCommand::Rotate { overlap } => Self::KeysRotate {
                overlap_secs: overlap.0.as_secs(),
            },
        }
    }
}

/// A password from standard input, or typed twice without being shown. Never from an argument,
/// which every process on the machine can see.
fn password(from_stdin: bool) -> io::Result<String> {
    if from_stdin {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        let text = line.strip_suffix('\n').unwrap_or(&line);
        return Ok(text.strip_suffix('\r').unwrap_or(text).to_owned());
    }
    let hint = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("no password can be asked for here ({error}); use --password-stdin"),
        )
    };
    let first = rpassword::prompt_password("Password: ").map_err(hint)?;
    let second = rpassword::prompt_password("Again: ").map_err(hint)?;
    if first != second {
        return Err(io::Error::other("the passwords differ"));
    }
    Ok(first)
}
