//! Hand files to people safely: the Consign server, and its client.
//!
//! `consign serve` (or `consign` alone) serves a data folder; `consign user` and the like administer
//! it, through the running server or, without one, directly; `consign upload` and the like hand files
//! over by any server. See `consign --help`.

mod admin;
mod cli;
mod client;
mod connection;
mod data;
mod doctor;
mod duty;
mod evidence;
mod keys;
mod log;
mod metrics;
mod migrate;
mod notify;
mod options;
mod pace;
mod peers;
mod proxies;
mod serve;
mod stores;
mod stream;
mod tls;
mod watch;

use std::{error::Error, process::ExitCode, time::Duration};

use clap::FromArgMatches;
use tokio::runtime;

use crate::{
    cli::{Cli, Command},
    options::origin,
};

/// What stopped a command.
type BoxError = Box<dyn Error + Send + Sync>;

/// Threads for blocking work at most. What each kind of work may take of them is bounded where it
/// is done; this bounds the sum.
const BLOCKING_THREADS: usize = 160;

/// The status of a flag or a variable that is refused, as clap has it; all else that fails has 1.
const USAGE: u8 = 2;

/// How long work on blocking threads may take to end with the process.
const LAST_WORK: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let parsed = cli::command().try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => match origin::refused_variable(&error) {
            Some(refused) => {
                eprintln!("consign: {refused}");
                return ExitCode::from(USAGE);
            }
            None => error.exit(),
        },
    };
    // As many workers as TOKIO_WORKER_THREADS says, or else as there are cores.
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(run(cli));
            // Work that nobody waits for any more does not hold the process, but that it can end in a moment: what
            // reads a store holds it open.
            runtime.shutdown_timeout(LAST_WORK);
            done
        }
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("consign: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode, BoxError> {
    let done = match cli.command {
        Some(Command::Client(command)) => return Ok(client::run(*command).await),
        Some(Command::Doctor(doctor)) => return Ok(doctor::run(doctor.options, doctor.json).await),
        None => serve::run(cli.options.resolve()?).await,
        Some(Command::Serve(options)) => serve::run(options.resolve()?).await,
        Some(Command::User(user)) => admin::run(user.folder, user.command.into_request()?).await,
        Some(Command::File(file)) => admin::run(file.folder, file.command.into()).await,
        Some(Command::Keys(keys)) => admin::run(keys.folder, keys.command.into()).await,
        Some(Command::Audit(audit)) => audit.run().await,
        Some(Command::Receipt(receipt)) => receipt.run().await,
        Some(Command::Migrate(migrate)) => migrate.run().await,
        Some(Command::Sweep(sweep)) => {
            let request = admin::Request::Sweep {
                grace_secs: sweep.grace.0.as_secs(),
            };
            admin::run(sweep.folder, request).await
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// An error and its sources, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
