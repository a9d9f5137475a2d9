//! The commands of those who hand files over and receive them, over the HTTP API.

mod accounts;
mod audience;
mod failure;
mod files;
mod get;
mod links;
mod pages;
mod profile;
mod session;
mod terminal;
mod upload;

use std::process::ExitCode;

use tokio::signal;

use self::{
    failure::{Exit, Failure},
    terminal::Terminal,
};
use crate::cli::ClientCommand;

/// Carries out a command, and says how it ended.
pub(crate) async fn run(command: ClientCommand) -> ExitCode {
    let access = command.access().cloned().unwrap_or_default();
    let terminal = Terminal::new(&access);
    let done = tokio::select! {
        done = act(command, &terminal) => done,
        _ = signal::ctrl_c() => {
            Terminal::restore();
            terminal.clear();
            let interrupted = Failure::new(Exit::Interrupted, "interrupted");
            Err(interrupted.hint("downloads go on where they were when the command is given again"))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell(terminal.json);
            failure.exit.code()
        }
    }
}

async fn act(command: ClientCommand, terminal: &Terminal) -> Result<(), Failure> {
    match command {
        ClientCommand::Register(command) => accounts::register(command, terminal).await,
        ClientCommand::Login(command) => accounts::login(command, terminal).await,
        ClientCommand::Logout(command) => accounts::logout(command, terminal).await,
        ClientCommand::Whoami(command) => accounts::whoami(command, terminal).await,
        ClientCommand::Upload(command) => upload::run(command, terminal).await,
        ClientCommand::Ls(command) => files::ls(command, terminal).await,
        ClientCommand::Link(command) => links::run(command, terminal).await,
        ClientCommand::Get(command) => get::run(command, terminal).await,
        ClientCommand::Downloads(command) => files::downloads(command, terminal).await,
        ClientCommand::Edit(command) => files::edit(command, terminal).await,
        ClientCommand::Rm(command) => files::rm(command, terminal).await,
        ClientCommand::Completions { shell } => pages::completions(shell),
        ClientCommand::Man { dir } => pages::manual(&dir),
    }
}
