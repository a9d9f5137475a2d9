//! What was done once.

use consign_core::{
    id::{FileId, GroupId, LeaseId, LinkId},
    once::{Made as What, Once, OnceKey, Remembered},
    store::{Change, FORGET_AT_ONCE, Outcome},
    time::Timestamp,
};
use serde_json::{Value, json};
use sqlx::query;

use crate::{
    batch::{Batch, Made},
    column::{Columns, Number, damaged, hex, rows},
    fault::Fault,
    page,
};

impl Batch<'_> {
    pub(crate) async fn look_up_done(&mut self) -> Result<(), Fault> {
        let keys: Vec<_> = self.needs.done.iter().map(|key| key.0.to_vec()).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let sql = "SELECT * FROM done WHERE key = ANY($1)";
        for row in query(sql)
            .bind(keys)
            .fetch_all(&mut *self.connection)
            .await?
        {
            let (key, done) = done(&Columns(&row))?;
            self.done.found(key, done);
        }
        Ok(())
    }

    /// What is answered where it was done before.
    pub(crate) fn refused_once(&self, once: &Once) -> Option<Outcome> {
        let known = self.done.get(once.key).filter(|done| once.at < done.until);
        known.map(|done| done.answer(once))
    }

    pub(crate) fn remember(&mut self, once: &Once, outcome: &Outcome, change: &Change) {
        if let Some(made) = outcome.made(change) {
            let done = Remembered {
                request: once.request,
                made,
                until: once.until,
            };
            self.done.set(once.key, done);
        }
    }

    /// Alone in its batch.
    pub(crate) async fn forget_once(&mut self, before: Timestamp) -> Result<Made, Fault> {
        let sql = "DELETE FROM done WHERE key IN (SELECT key FROM done WHERE until < $1 LIMIT $2)";
        let over = query(sql)
            .bind(Number::from(before))
            .bind(page::most(FORGET_AT_ONCE));
        let over = over.execute(&mut *self.connection).await?.rows_affected();
        Ok(self.forgotten(over))
    }

    pub(crate) async fn write_done(&mut self) -> Result<bool, Fault> {
        if !self.done.is_changed() {
            return Ok(false);
        }
        let sql = "INSERT INTO done SELECT * FROM jsonb_populate_recordset(NULL::done, $1) \
            ON CONFLICT (key) DO UPDATE SET request = excluded.request, kind = excluded.kind, \
            made = excluded.made, until = excluded.until";
        let done = self
            .done
            .to_write()
            .map(|(key, done)| row(key, done))
            .collect();
        query(sql)
            .bind(rows(done))
            .execute(&mut *self.connection)
            .await?;
        Ok(true)
    }
}

pub(crate) fn row(key: OnceKey, done: &Remembered) -> Value {
    let (kind, made) = match done.made {
        What::File(id) => ("file", *id.as_bytes()),
        What::Group(id) => ("group", *id.as_bytes()),
        What::Link(id) => ("link", *id.as_bytes()),
        What::Lease(id) => ("lease", *id.as_bytes()),
    };
    json!({
        "key": hex(&key.0),
        "request": hex(&done.request),
        "kind": kind,
        "made": FileId::from_bytes(made),
        "until": done.until,
    })
}

pub(crate) fn done(row: &Columns<'_>) -> Result<(OnceKey, Remembered), Fault> {
    let id = row.id("made")?;
    let done = Remembered {
        request: row.bytes("request")?,
        made: match row.get("kind")? {
            "file" => What::File(FileId::from_bytes(id)),
            "group" => What::Group(GroupId::from_bytes(id)),
            "link" => What::Link(LinkId::from_bytes(id)),
            "lease" => What::Lease(LeaseId::from_bytes(id)),
            _ => return Err(damaged("kind")),
        },
        until: row.time("until")?,
    };
    Ok((OnceKey(row.bytes("key")?), done))
}
