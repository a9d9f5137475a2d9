//! Evidence that is checked without a server: exported trails and receipts.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
};

use consign_core::{
    evidence::PublicKey,
    receipt::{Receipt, Statement},
    time::Timestamp,
    trail::{Checkpoint, ExportedLine, Verifier},
};
use serde::Deserialize;

use crate::{BoxError, admin};

/// Checkpoints of a file that are held against a trail at most: the last.
const MOST_KNOWN: usize = 100;

/// What the server's API says of its keys.
#[derive(Deserialize)]
struct Keys {
    key: PublicKey,
    retired: Vec<Retired>,
}

#[derive(Deserialize)]
struct Retired {
    key: PublicKey,
}

/// The keys of a file: one a line, or what `GET /evidence-key` answers.
pub(crate) fn keys_of(path: &Path) -> Result<Vec<PublicKey>, BoxError> {
    let text = read(path)?;
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    if text.trim_start().starts_with('{') {
        let keys: Keys = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        let retired = keys.retired.iter().map(|retired| retired.key);
        return Ok(std::iter::once(keys.key).chain(retired).collect());
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let keys = lines.map(|line| line.trim().parse().map_err(|error| wrong(&error)));
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Verifies an exported trail, and prints what was found.
pub(crate) fn verify_export(path: &Path, keys: Vec<PublicKey>) -> Result<(), BoxError> {
    let mut verifier = Verifier::new(keys);
    for (number, line) in (1_u64..).zip(lines_of(path)?) {
        let placed =
            |error: &dyn std::error::Error| format!("line {number}: {}", crate::chain(error));
        let line = ExportedLine::parse(&line?).map_err(|error| placed(&error))?;
        verifier.line(&line).map_err(|flaw| placed(&flaw))?;
    }
    eprintln!("{}", admin::told(&verifier.finish()?));
    Ok(())
}

/// The last checkpoints of an exported trail, or of some of its lines.
pub(crate) fn checkpoints_of(path: &Path) -> Result<Vec<Checkpoint>, BoxError> {
    let mut known = Vec::new();
    for line in lines_of(path)? {
        if let ExportedLine::Checkpoint(checkpoint) = ExportedLine::parse(&line?)? {
            known.push(checkpoint);
        }
    }
    if known.is_empty() {
        return Err(format!("{}: there is no checkpoint in it", path.display()).into());
    }
    Ok(known.split_off(known.len().saturating_sub(MOST_KNOWN)))
}

/// Verifies a receipt, and prints what it certifies.
pub(crate) fn verify_receipt(path: &Path, keys: &[PublicKey]) -> Result<(), BoxError> {
    let receipt = Receipt::verified(&read(path)?, keys)?;
    for line in certified(&receipt.statement) {
        println!("{line}");
    }
    eprintln!("the receipt is good");
    Ok(())
}

/// What a receipt certifies, line by line. Names are shown so that none looks like another line.
pub(crate) fn certified(statement: &Statement) -> Vec<String> {
    let (file, client) = (&statement.file, &statement.client);
    let mut lines = vec![
        format!("file       {:?}, {} bytes", file.name.as_str(), file.size),
        format!("sha-256    {}", file.sha256),
    ];
    let mut line = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            lines.push(format!("{name:<10} {value:?}"));
        }
    };
    line("user", &client.username);
    line("recipient", &client.recipient);
    line("link", &client.link);
    let times = statement.completed;
    lines.push(format!(
        "completed  {}, {times} time(s), {} bytes",
        statement.completed_at, statement.bytes
    ));
    let (issuer, issued_at) = (&statement.issuer, &statement.issued_at);
    lines.push(format!("issued     {issued_at} by {issuer:?}"));
    lines
}

/// RFC 3339, in UTC.
pub(crate) fn instant(time: Timestamp) -> String {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    time.to_string()
}

pub(crate) fn read(path: &Path) -> Result<String, BoxError> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn lines_of(path: &Path) -> Result<std::io::Lines<BufReader<fs::File>>, BoxError> {
    let file = fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(BufReader::new(file).lines())
}
