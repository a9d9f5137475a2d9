//! The commands of those who hand files over and receive them.

use std::{num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use clap_complete::Shell;
use url::Url;

use crate::options::Span;

const SECOND: u64 = 1000;

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Register a user; the first operations user may do so freely
    #[command(
        after_help = "Example: consign register https://files.example.org --username olivia \
                            --email olivia@example.org --role operations"
    )]
    Register(Register),
    /// Sign in, and stay signed in for a while
    #[command(after_help = "Example: consign login https://files.example.org --username olivia")]
    Login(Login),
    /// Sign out: forget the token, of which a copy is good until its end unless --everywhere is said
    #[command(after_help = "Example: consign logout")]
    Logout(Logout),
    /// Say who is signed in, where, and until when
    #[command(after_help = "Example: consign whoami")]
    Whoami(Whoami),
    /// Upload files (operations users)
    #[command(
        after_help = "Example: consign upload report.docx 'figures/*.xlsx' --audience user:carl --expires-in 30d"
    )]
    Upload(Upload),
    /// List the files, newest first
    #[command(after_help = "Example: consign ls --long --search report")]
    Ls(Ls),
    /// Make, list, change and revoke links for people without an account
    #[command(
        after_help = "Example: consign link make report.docx --expires-in 7d --max-downloads 3"
    )]
    Link(Link),
    /// Download what a link hands over, or a file; goes on where it broke off
    #[command(
        after_help = "Examples: consign get https://files.example.org/l/8f3a…\n          consign get report.docx -o received/"
    )]
    Get(Get),
    /// Say whether a file, or what a link hands over, was downloaded, and by whom
    #[command(after_help = "Example: consign downloads report.docx")]
    Downloads(Downloads),
    /// Change whom files are for, and when they end (operations users)
    #[command(
        after_help = "Example: consign edit report.docx --audience user:carl --expires-in never"
    )]
    Edit(Edit),
    /// Remove files; for a while an operations user can have them back
    #[command(after_help = "Example: consign rm report.docx")]
    Rm(Rm),
    /// Write the completions of a shell to standard output
    #[command(
        after_help = "Example: consign completions bash >~/.local/share/bash-completion/completions/consign"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual's pages into a folder
    #[command(after_help = "Example: consign man ~/.local/share/man/man1 && man consign-upload")]
    Man {
        /// The folder
        dir: PathBuf,
    },
}

/// Where the server is, and how what it says is shown.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection and output")]
pub(crate) struct Access {
    /// The sign-in to use, by its name in client.toml [default: default]
    #[arg(long, env = "CONSIGN_PROFILE", value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// The server [default: the profile's]
    #[arg(long, env = "CONSIGN_URL", value_name = "URL")]
    pub(crate) url: Option<Url>,

    /// Certificates (PEM) to trust besides the system's [default: the profile's]
    #[arg(long, env = "CONSIGN_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// Take plain http to another machine, where all that is sent can be read on the way
    #[arg(long)]
    pub(crate) insecure_http: bool,

    /// JSON on standard output, one object a line; errors as an object on standard error
    #[arg(long)]
    pub(crate) json: bool,

    /// No progress and no remarks; results and errors alone
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Register {
    /// The server
    #[arg(value_name = "URL")]
    pub(crate) server: Option<Url>,
    /// What they sign in as; asked for where it is not said
    #[arg(long, env = "CONSIGN_USERNAME", value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Their address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: String,
    /// What they may do; later operations users are registered by one who is signed in
    #[arg(long, default_value = "client")]
    pub(crate) role: super::RoleName,
    /// Read the password from the first line of standard input instead of asking for it
    #[arg(long)]
    pub(crate) password_stdin: bool,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Args, Debug)]
pub(crate) struct Login {
    /// The server [default: where the profile signed in before]
    #[arg(value_name = "URL")]
    pub(crate) server: Option<Url>,
    /// Whom to sign in; asked for where it is not said
    #[arg(long, env = "CONSIGN_USERNAME", value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Read the password from the first line of standard input instead of asking for it
    #[arg(long)]
    pub(crate) password_stdin: bool,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Args, Debug)]
pub(crate) struct Logout {
    /// End all sessions and download links of the user, on every machine
    #[arg(long)]
    pub(crate) everywhere: bool,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Args, Debug)]
pub(crate) struct Whoami {
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Args, Debug)]
pub(crate) struct Upload {
    /// Files, or patterns such as '*.docx'; folders are not walked
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// Whom they are for: everybody, nobody, or any number of user:NAME and group:NAME [default: as the server is set]
    #[arg(long, value_name = "WHOM")]
    pub(crate) audience: Vec<String>,
    /// When they end, from now on [default: as the server is set]
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_in: Option<Span<SECOND>>,
    /// How many are sent at once
    #[arg(long, short, value_name = "COUNT", default_value = "4", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) jobs: u8,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Args, Debug)]
pub(crate) struct Ls {
    /// Those whose name contains this text; letters' case makes no difference
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// The order [default: newest first]
    #[arg(long, value_name = "BY")]
    pub(crate) sort: Option<Sort>,
    /// With id, size, time and uploader
    #[arg(long, short)]
    pub(crate) long: bool,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Sort {
    /// By name
    Name,
    /// The largest first
    Size,
    /// The newest first
    Date,
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Link {
    #[command(subcommand)]
    pub(crate) command: LinkCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LinkCommand {
    /// Make a link, and write its URL, which is told this once
    #[command(
        after_help = "Example: consign link make report.docx figures.xlsx --expires-in 7d --password-prompt"
    )]
    Make(LinkMake),
    /// List one's own links, newest first
    #[command(after_help = "Example: consign link list")]
    List {
        #[command(flatten)]
        access: Access,
    },
    /// Show one of them, with what became of it
    #[command(after_help = "Example: consign link show 01a2…")]
    Show {
        /// Its id
        link: String,
        #[command(flatten)]
        access: Access,
    },
    /// Change one of them, from the next request on
    #[command(after_help = "Example: consign link edit 01a2… --max-downloads 5 --no-password")]
    Edit(LinkEdit),
    /// Revoke links for ever, with the downloads by them
    #[command(after_help = "Example: consign link revoke 01a2…")]
    Revoke {
        /// Their ids
        #[arg(required = true, value_name = "LINK")]
        links: Vec<String>,
        #[command(flatten)]
        access: Access,
    },
}

#[derive(Args, Debug)]
pub(crate) struct LinkMake {
    /// Files, by their ids or names; of a name, the newest
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// When it ends, from now on [default: 7d]
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_in: Option<Span<SECOND>>,
    /// How often it opens [default: any number of times]
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_downloads: Option<NonZeroU32>,
    /// The address of whom it is for: a code is mailed there when it is opened [default: anybody]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) recipient: Option<String>,
    /// A note for oneself
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    #[command(flatten)]
    pub(crate) password: LinkPassword,
    #[command(flatten)]
    pub(crate) access: Access,
}

/// A password that a link asks for.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct LinkPassword {
    /// Read a password that it asks for from the first line of standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Ask for a password that it asks for
    #[arg(long)]
    pub(crate) password_prompt: bool,
}

#[derive(Args, Debug)]
pub(crate) struct LinkEdit {
    /// Its id
    pub(crate) link: String,
    /// When it ends, from now on; one that has ended begins again
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_in: Option<Span<SECOND>>,
    /// How often it opens, with those times that it was
    #[arg(long, value_name = "COUNT", conflicts_with = "any_downloads")]
    pub(crate) max_downloads: Option<NonZeroU32>,
    /// Have it open any number of times
    #[arg(long)]
    pub(crate) any_downloads: bool,
    /// The address of whom it is for
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_recipient")]
    pub(crate) recipient: Option<String>,
    /// Have it be for anybody
    #[arg(long)]
    pub(crate) no_recipient: bool,
    /// A note for oneself
    #[arg(long, value_name = "TEXT", conflicts_with = "no_note")]
    pub(crate) note: Option<String>,
    /// Take the note away
    #[arg(long)]
    pub(crate) no_note: bool,
    #[command(flatten)]
    pub(crate) password: LinkPassword,
    /// Have it ask for no password
    #[arg(long, conflicts_with_all = ["password_stdin", "password_prompt"])]
    pub(crate) no_password: bool,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Args, Debug)]
pub(crate) struct Get {
    /// A link (https://…/l/…), a download link, or a file by its id or name (clients); - reads them
    /// from standard input, one a line, where no other user sees them
    #[arg(required = true, value_name = "LINK-OR-FILE")]
    pub(crate) what: Vec<String>,
    /// A folder, or a file's path; - is standard output [default: the names they have, here]
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite what is there
    #[arg(long, short)]
    pub(crate) force: bool,
    /// The files of a link as one zip archive
    #[arg(long)]
    pub(crate) zip: bool,
    /// Read the link's password from the first line of standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// The code that was mailed to the link's recipient; asked for where it is not said
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Args, Debug)]
pub(crate) struct Downloads {
    /// A file by its id or name, or a link by its id
    #[arg(value_name = "FILE-OR-LINK")]
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("changes").required(true).multiple(true).args(["audience", "expires_in"])))]
pub(crate) struct Edit {
    /// Files, by their ids or names; of a name, the newest
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// Whom they are for: everybody, nobody, or any number of user:NAME and group:NAME
    #[arg(long, value_name = "WHOM")]
    pub(crate) audience: Vec<String>,
    /// When they end, from now on, or never
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_in: Option<Expiry>,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(Args, Debug)]
pub(crate) struct Rm {
    /// Files, by their ids or names; of a name, the newest
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<String>,
    #[command(flatten)]
    pub(crate) access: Access,
}

/// When something ends: after a time, or never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry(pub(crate) Option<Duration>);

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self(None));
        }
        let span: Span<SECOND> = text.parse()?;
        Ok(Self(Some(span.0)))
    }
}

impl LinkEdit {
    pub(crate) fn changes_something(&self) -> bool {
        self.expires_in.is_some()
            || self.max_downloads.is_some()
            || self.recipient.is_some()
            || self.note.is_some()
            || self.password.password_stdin
            || self.password.password_prompt
            || self.any_downloads
            || self.no_recipient
            || self.no_note
            || self.no_password
    }
}

impl ClientCommand {
    /// How what it says is shown; `None` where there is no server to it.
    pub(crate) fn access(&self) -> Option<&Access> {
        Some(match self {
            Self::Register(Register { access, .. })
            | Self::Login(Login { access, .. })
            | Self::Logout(Logout { access, .. })
            | Self::Whoami(Whoami { access })
            | Self::Upload(Upload { access, .. })
            | Self::Ls(Ls { access, .. })
            | Self::Get(Get { access, .. })
            | Self::Downloads(Downloads { access, .. })
            | Self::Edit(Edit { access, .. })
            | Self::Rm(Rm { access, .. }) => access,
            Self::Link(link) => match &link.command {
                LinkCommand::Make(LinkMake { access, .. })
                | LinkCommand::List { access }
                | LinkCommand::Show { access, .. }
                | LinkCommand::Edit(LinkEdit { access, .. })
                | LinkCommand::Revoke { access, .. } => access,
            },
            Self::Completions { .. } | Self::Man { .. } => return None,
        })
    }
}
