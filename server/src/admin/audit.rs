//! The trail: verified, exported, and the key that vouches for it.

use consign_core::{
    Administration, TrailItem,
    event::Recorded,
    receipt::Receipt,
    trail::{Checkpoint, ExportedLine, Verified, Verifier},
};
use tokio::sync::mpsc::Sender;

use super::{Line, execute::Failure};
use crate::{admin::execute::out, data::Installation, evidence};

/// Entries between two lines of progress.
const PROGRESS_EVERY: u64 = 100_000;

pub(super) async fn verify(
    installation: &Installation,
    known: &[Checkpoint],
    lines: &Sender<Line>,
) -> Result<String, Failure> {
    let mut verifier = Verifier::new(installation.consign.evidence_keys()?);
    for checkpoint in known {
        verifier.checkpoint(checkpoint)?;
    }
    let mut trail = installation.consign.administration().read_trail().await;
    let mut seen = 0_u64;
    while let Some(item) = trail.next().await? {
        match item {
            TrailItem::Entry(entry) => verifier.recorded(&entry)?,
            TrailItem::Checkpoint(checkpoint) => verifier.checkpoint(&checkpoint)?,
        }
        seen += 1;
        if seen.is_multiple_of(PROGRESS_EVERY) {
            // Progress that nobody reads in time is of no use to anybody.
            let _ = lines.try_send(Line::Progress(format!("{seen} looked at")));
        }
    }
    Ok(told(&verifier.finish()?))
}

/// What is told of a trail in which nothing is wrong.
pub(crate) fn told(verified: &Verified) -> String {
    let Verified {
        entries,
        checkpoints,
        unvouched,
        ..
    } = verified;
    format!(
        "the trail is sound: {entries} entries and {checkpoints} checkpoint(s); \
         {unvouched} of the entries are behind the last checkpoint"
    )
}

pub(super) async fn export(
    administration: &Administration,
    csv: bool,
    lines: &Sender<Line>,
) -> Result<String, Failure> {
    // Whoever keeps it can tell later whether the trail goes on from here.
    administration.checkpoint().await?;
    if csv {
        out(lines, "writer,number,at,by,kind,fields,hash".to_owned()).await;
    }
    let mut trail = administration.read_trail().await;
    let mut entries = 0_u64;
    while let Some(item) = trail.next().await? {
        match item {
            TrailItem::Entry(entry) => {
                entries += 1;
                let row = match csv {
                    true => row(&entry)?,
                    false => ExportedLine::of_entry(&entry),
                };
                out(lines, row).await;
            }
            TrailItem::Checkpoint(checkpoint) if !csv => {
                out(lines, ExportedLine::of_checkpoint(&checkpoint)).await;
            }
            TrailItem::Checkpoint(_) => {}
        }
        if lines.is_closed() {
            break;
        }
    }
    Ok(format!("{entries} entries"))
}

pub(super) async fn key(
    installation: &Installation,
    lines: &Sender<Line>,
) -> Result<String, Failure> {
    let keys = installation.consign.evidence_keys()?;
    for key in &keys {
        out(lines, key.to_string()).await;
    }
    let current = keys.first().map(|key| key.id().to_string());
    Ok(format!("key {} signs", current.unwrap_or_default()))
}

pub(super) async fn verify_receipt(
    installation: &Installation,
    text: &str,
    lines: &Sender<Line>,
) -> Result<String, Failure> {
    let receipt = Receipt::verified(text, &installation.consign.evidence_keys()?)?;
    for line in evidence::certified(&receipt.statement) {
        out(lines, line).await;
    }
    Ok("the receipt is good".to_owned())
}

/// A row of the comma-separated table (RFC 4180).
fn row(entry: &Recorded) -> Result<String, Failure> {
    let fields: serde_json::Map<_, _> = entry
        .event
        .kind
        .fields()
        .into_iter()
        .map(|(name, value)| Ok((name.to_owned(), serde_json::to_value(value)?)))
        .collect::<Result<_, serde_json::Error>>()?;
    let fields = serde_json::to_string(&fields)?.replace('"', "\"\"");
    Ok(format!(
        "{},{},{},{},{},\"{fields}\",{}",
        entry.writer,
        entry.number,
        evidence::instant(entry.event.at),
        entry.event.by,
        entry.event.kind.name(),
        entry.hash
    ))
}
