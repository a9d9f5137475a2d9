//! What the files of each user take, exactly: sums here are larger than any that is told.

use consign_core::{file::FileEntry, id::UserId, quota::Usage};
use serde_json::json;
use sqlx::query;

use crate::{
    batch::Batch,
    column::{Columns, Id, Number, rows},
    fault::Fault,
};

/// Files and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Takes {
    pub(crate) files: u64,
    pub(crate) bytes: u128,
}

impl Takes {
    pub(crate) fn with(self, entry: &FileEntry) -> Self {
        Self {
            files: self.files.saturating_add(1),
            bytes: self.bytes.saturating_add(entry.size.into()),
        }
    }

    pub(crate) fn without(self, entry: &FileEntry) -> Self {
        Self {
            files: self.files.saturating_sub(1),
            bytes: self.bytes.saturating_sub(entry.size.into()),
        }
    }

    /// As it is told.
    pub(crate) fn usage(self) -> Usage {
        Usage {
            files: self.files,
            bytes: u64::try_from(self.bytes).unwrap_or(u64::MAX),
        }
    }
}

impl Batch<'_> {
    pub(crate) async fn look_up_usage(&mut self) -> Result<(), Fault> {
        let uploaders = self.needs.uploaders.iter();
        let uploaders: Vec<_> = uploaders.map(|id| Id(*id.as_bytes())).collect();
        if uploaders.is_empty() {
            return Ok(());
        }
        let sql = "SELECT * FROM usage WHERE uploaded_by = ANY($1)";
        for row in query(sql)
            .bind(uploaders)
            .fetch_all(&mut *self.connection)
            .await?
        {
            let row = Columns(&row);
            self.usage
                .found(UserId::from_bytes(row.id("uploaded_by")?), read(&row)?);
        }
        Ok(())
    }

    pub(crate) fn takes(&self, uploader: UserId) -> Takes {
        self.usage.get(uploader).copied().unwrap_or_default()
    }

    pub(crate) async fn write_usage(&mut self) -> Result<bool, Fault> {
        if !self.usage.is_changed() {
            return Ok(false);
        }
        let usage = self.usage.to_write().map(|(uploader, takes)| {
            json!({"uploaded_by": uploader, "files": takes.files, "bytes": takes.bytes.to_string()})
        });
        let sql = "INSERT INTO usage SELECT * FROM jsonb_populate_recordset(NULL::usage, $1) \
            ON CONFLICT (uploaded_by) DO UPDATE SET files = excluded.files, bytes = excluded.bytes";
        let usage = rows(usage.collect());
        query(sql)
            .bind(usage)
            .execute(&mut *self.connection)
            .await?;
        Ok(true)
    }
}

pub(crate) fn read(row: &Columns<'_>) -> Result<Takes, Fault> {
    Ok(Takes {
        files: row.small("files")?,
        bytes: row.get::<Number>("bytes")?.0,
    })
}
