//! What is told of a copy.

use consign_core::{
    copy::{Compared, Copied, CopyError},
    id::FileId,
};
use serde_json::json;

use super::Order;

/// Files that are named at most.
const NAMED: usize = 5;

pub(super) fn progress(done: &Copied) -> String {
    let Copied { rows, blobs, .. } = done;
    let copied = copied(done, *blobs);
    match done.compared {
        0 => format!("{rows} rows looked at, {copied}"),
        compared => format!("{copied}; {compared} of {rows} rows compared"),
    }
}

fn copied(done: &Copied, blobs: u64) -> String {
    let Copied {
        put, gone, bytes, ..
    } = done;
    format!("{put} rows new or changed, {gone} gone, {blobs} files of {bytes} bytes copied")
}

pub(super) fn live(done: &Copied) -> String {
    format!(
        "{}; the server goes on, so this is not complete: stop the server, and run this again for what has changed since",
        copied(done, done.blobs)
    )
}

pub(super) fn complete(done: &Copied, order: &Order) -> String {
    let [metadata, blobs] = [&order.to.metadata, &order.to.blobs].map(|store| {
        let store = store.as_deref().unwrap_or_default();
        // A password is not shown.
        match store.starts_with("postgres") {
            true => "postgres://...".to_owned(),
            false => store.to_owned(),
        }
    });
    let data = order.data.display();
    format!(
        "{}; all {} rows are the same on both sides: serve it with --data {data} --metadata {metadata} --blobs {blobs}",
        copied(done, done.blobs),
        done.rows
    )
}

pub(super) fn changed(done: &Copied) -> String {
    let copied = copied(done, done.blobs);
    format!("{copied}; the source was changed meanwhile: stop whatever uses it, and run this again")
}

pub(super) fn damaged(damaged: &[FileId]) -> String {
    format!(
        "of {} file(s) the bytes are missing or damaged here, so they were not copied: {}; \
         bring the bytes back or remove the files (consign file remove ID), and run this again",
        damaged.len(),
        named(damaged)
    )
}

pub(super) fn same(found: &Compared) -> String {
    let entries = found.trail.as_ref().map_or(0, |trail| trail.entries);
    format!(
        "nothing differs: {} rows and {} files were compared, and the trail of {entries} entries is sound",
        found.same, found.blobs
    )
}

pub(super) fn different(found: &Compared) -> String {
    let mut told = format!("{} row(s) differ", found.different);
    if let Some(first) = found.which.first() {
        told.push_str(&format!(", the first of {:?}", first.kind));
    }
    if !found.damaged.is_empty() {
        let (count, named) = (found.damaged.len(), named(&found.damaged));
        told.push_str(&format!(
            "; of {count} file(s) the bytes are missing or damaged in the target: {named}"
        ));
    }
    told.push_str("; run it without --verify and with --all-blobs");
    told
}

fn named(files: &[FileId]) -> String {
    let mut named: Vec<_> = files.iter().take(NAMED).map(FileId::to_string).collect();
    if files.len() > NAMED {
        named.push("and others".to_owned());
    }
    named.join(", ")
}

pub(super) fn copied_json(done: &Copied) -> String {
    json!({
        "rows": done.rows,
        "rows_put": done.put,
        "rows_gone": done.gone,
        "files_copied": done.blobs,
        "bytes_copied": done.bytes,
        "damaged": strings(&done.damaged),
        "complete": done.complete,
    })
    .to_string()
}

pub(super) fn compared_json(found: &Compared) -> String {
    json!({
        "rows_same": found.same,
        "rows_different": found.different,
        "files_compared": found.blobs,
        "damaged": strings(&found.damaged),
    })
    .to_string()
}

fn strings(ids: &[FileId]) -> Vec<String> {
    ids.iter().map(FileId::to_string).collect()
}

/// What it was, with what to do about it.
pub(super) fn cause(error: &CopyError) -> String {
    let hint = match error {
        CopyError::Foreign => "name another target, or have it replaced by --replace",
        CopyError::Same => "name another target",
        CopyError::SourceIncomplete => "finish that copy first",
        CopyError::Changing => "stop the server, and run this again",
        CopyError::Trail(_) => "see `consign audit verify`",
        _ => "run this again, and it goes on",
    };
    format!("{}; {hint}", crate::chain(error))
}
