//! What the load harness (`benches/load`) needs of Rust: the smallest server there is on warp, the
//! libraries called directly, and a quick way to a large installation. Answers are JSON lines.
//!
//! ```text
//! consign-load hello                  serves 5 bytes; says where
//! consign-load tokens ROUNDS MILLIS   signs and verifies, by the TokenSigner and by jsonwebtoken
//! consign-load scrypt COUNT           hashes passwords one after another
//! consign-load fill DIR FILES USERS   makes an installation that holds so much; tells some files' ids
//! ```

mod fill;
mod hello;
mod passwords;
mod tokens;

use std::{error::Error, process::ExitCode};

/// What stopped a command.
type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("consign-load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> Result<(), BoxError> {
    match arguments {
        ["hello"] => hello::serve().await,
        ["tokens", rounds, millis] => tokens::compare(rounds.parse()?, millis.parse()?),
        ["scrypt", count] => passwords::hash(count.parse()?),
        ["fill", folder, files, users] => {
            fill::fill(folder.as_ref(), files.parse()?, users.parse()?).await
        }
        _ => Err("unknown arguments; see the head of benches/load/helper/main.rs".into()),
    }
}
