//! Files that were removed and can be had back.

use consign_core::{Administration, id::FileId, removal::RemovedFile};
use serde_json::json;
use tokio::sync::mpsc::Sender;

use super::{
    Line,
    execute::{Failure, PAGE, day, file_json, file_row, out},
};

pub(super) async fn list(
    administration: &Administration,
    json: bool,
    lines: &Sender<Line>,
) -> Result<String, Failure> {
    if !json {
        let head = file_row(&"ID", &"SIZE", &"UNTIL", &"WHY", &"NAME");
        out(lines, head).await;
    }
    let (mut count, mut bytes, mut before) = (0_u64, 0, None);
    loop {
        let page = administration.removed_files(before, PAGE).await?;
        for removed in &page.items {
            let entry = &removed.file.entry;
            count += 1;
            bytes += entry.size;
            let row = match json {
                true => removed_json(removed),
                false => {
                    let until = day(removed.kept_until);
                    file_row(&entry.id, &entry.size, &until, &removed.why, &entry.name)
                }
            };
            out(lines, row).await;
        }
        before = page.next;
        if before.is_none() {
            return Ok(format!("{count} removed file(s), {bytes} bytes"));
        }
    }
}

pub(super) async fn restore(
    administration: &Administration,
    file: FileId,
) -> Result<String, Failure> {
    let file = administration.restore_file(file).await?;
    let (name, id) = (&file.entry.name, file.entry.id);
    Ok(format!("{name} ({id}) is there again"))
}

fn removed_json(removed: &RemovedFile) -> String {
    let mut object = file_json(&removed.file);
    object["removed_at"] = json!(day(removed.removed_at));
    object["reason"] = json!(removed.why.to_string());
    object["gone_at"] = json!(day(removed.kept_until));
    object.to_string()
}
