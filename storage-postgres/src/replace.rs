//! Rows that are put there by those who copy them. What the tables hold twice follows: whom files are for, what they
//! take, and the index of downloads.

use std::collections::BTreeMap;

use consign_core::{
    event::Recorded,
    file::Seq,
    id::UserId,
    store::{Row, RowKey, RowKind},
    trail::WriterId,
};
use serde_json::{Value, json};
use sqlx::query;

use crate::{
    batch::Batch,
    column::{Columns, Id, position, rows},
    fault::Fault,
    files, groups, links, once, outbox,
    rows::Key,
    trail,
    usage::Takes,
    users,
};

impl Batch<'_> {
    /// Alone in its batch.
    pub(crate) async fn replace(&mut self, new: &[Row], gone: &[RowKey]) -> Result<(), Fault> {
        self.wrote = true;
        let mut keys = BTreeMap::<RowKind, Vec<Vec<u8>>>::new();
        let of_new = new.iter().map(Row::key);
        for key in gone.iter().cloned().chain(of_new) {
            keys.entry(key.kind).or_default().push(key.bytes);
        }
        for (kind, keys) in &keys {
            self.take_out(*kind, keys).await?;
        }
        let mut kinds = BTreeMap::<RowKind, Vec<&Row>>::new();
        for row in new {
            kinds.entry(row.kind()).or_default().push(row);
        }
        for (kind, rows) in &kinds {
            self.put(*kind, rows).await?;
        }
        if keys.contains_key(&RowKind::Trail) {
            let sql = "UPDATE head SET (number, hash) = (SELECT coalesce(max(number), 0), \
                coalesce((array_agg(hash))[1], decode(repeat('00', 32), 'hex')) \
                FROM (SELECT number, hash FROM trail ORDER BY number DESC LIMIT 1) AS last)";
            query(sql).execute(&mut *self.connection).await?;
        }
        Ok(())
    }

    async fn take_out(&mut self, kind: RowKind, keys: &[Vec<u8>]) -> Result<(), Fault> {
        match kind {
            RowKind::LastFile => self.set_last_file(0).await,
            RowKind::Files | RowKind::RemovedFiles => self.take_out_files(kind, keys).await,
            RowKind::Trail => self.take_out_entries(keys).await,
            RowKind::Members => {
                let sql = "DELETE FROM members USING unnest($1::uuid[], $2::uuid[]) AS gone (group_id, user_id) \
                    WHERE members.group_id = gone.group_id AND members.user_id = gone.user_id";
                let mut pairs = Vec::new();
                for key in keys {
                    if let Key::Pair(Some(pair)) = Key::of(kind, Some(key))? {
                        pairs.push(pair);
                    }
                }
                let (groups, users): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
                query(sql)
                    .bind(groups)
                    .bind(users)
                    .execute(&mut *self.connection)
                    .await?;
                Ok(())
            }
            RowKind::Done => {
                let sql = "DELETE FROM done WHERE key = ANY($1)";
                query(sql).bind(keys).execute(&mut *self.connection).await?;
                Ok(())
            }
            RowKind::Checkpoints => {
                let sql = "DELETE FROM checkpoints WHERE number = ANY($1)";
                let numbers = positions(kind, keys)?;
                query(sql)
                    .bind(numbers)
                    .execute(&mut *self.connection)
                    .await?;
                Ok(())
            }
            RowKind::Users => {
                self.take_out_ids("DELETE FROM users WHERE id = ANY($1)", keys)
                    .await
            }
            RowKind::Groups => {
                self.take_out_ids("DELETE FROM groups WHERE id = ANY($1)", keys)
                    .await
            }
            RowKind::Links => {
                self.take_out_ids("DELETE FROM links WHERE id = ANY($1)", keys)
                    .await
            }
            RowKind::Leases => {
                self.take_out_ids("DELETE FROM leases WHERE id = ANY($1)", keys)
                    .await
            }
            RowKind::Codes => {
                self.take_out_ids("DELETE FROM codes WHERE link = ANY($1)", keys)
                    .await
            }
            RowKind::Mails => {
                self.take_out_ids("DELETE FROM mails WHERE id = ANY($1)", keys)
                    .await
            }
        }
    }

    async fn take_out_ids(&mut self, sql: &'static str, keys: &[Vec<u8>]) -> Result<(), Fault> {
        let mut ids = Vec::new();
        for key in keys {
            let id = key.as_slice().try_into();
            ids.push(Id(
                id.map_err(|_| Fault::other("not a key of a row".to_owned()))?
            ));
        }
        query(sql).bind(ids).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn take_out_files(&mut self, kind: RowKind, keys: &[Vec<u8>]) -> Result<(), Fault> {
        let sql = "DELETE FROM files WHERE position = ANY($1) AND (removed_at IS NOT NULL) = $2 RETURNING *";
        let positions = positions(kind, keys)?;
        let is_removed = kind == RowKind::RemovedFiles;
        let gone = query(sql).bind(&positions).bind(is_removed);
        let gone = gone.fetch_all(&mut *self.connection).await?;
        if kind == RowKind::Files {
            let sql = "DELETE FROM audiences WHERE position = ANY($1)";
            query(sql)
                .bind(&positions)
                .execute(&mut *self.connection)
                .await?;
        }
        for row in gone {
            let row = files::read(&Columns(&row))?;
            let entry = &row.file().entry;
            let takes = self.takes_now(entry.uploaded_by).await?;
            self.usage.set(entry.uploaded_by, takes.without(entry));
        }
        Ok(())
    }

    async fn take_out_entries(&mut self, keys: &[Vec<u8>]) -> Result<(), Fault> {
        let numbers = positions(RowKind::Trail, keys)?;
        let sql = "DELETE FROM trail WHERE number = ANY($1) RETURNING *";
        let mut gone = Vec::new();
        for row in query(sql)
            .bind(&numbers)
            .fetch_all(&mut *self.connection)
            .await?
        {
            gone.push(trail::recorded(&Columns(&row))?);
        }
        let (index, sums) = trail::downloads(&gone);
        if index.is_empty() {
            return Ok(());
        }
        let sql = "WITH gone AS (DELETE FROM downloads WHERE number = ANY($1) AND (kind, of, by_user) IN \
                (SELECT kind, of, by_user FROM jsonb_populate_recordset(NULL::downloads, $2))) \
            UPDATE downloaded AS sum SET started = sum.started - less.started, \
                completed = sum.completed - less.completed, bytes = sum.bytes - less.bytes \
            FROM jsonb_populate_recordset(NULL::downloaded, $3) AS less \
            WHERE sum.kind = less.kind AND sum.of = less.of AND sum.by_user = less.by_user";
        let gone = query(sql).bind(&numbers).bind(rows(index)).bind(rows(sums));
        gone.execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn put(&mut self, kind: RowKind, new: &[&Row]) -> Result<(), Fault> {
        let values = new.iter().filter_map(|row| value(row)).collect();
        match kind {
            RowKind::LastFile => {
                for row in new {
                    if let Row::LastFile(last) = row {
                        self.set_last_file(*last).await?;
                    }
                }
                return Ok(());
            }
            RowKind::Files | RowKind::RemovedFiles => self.count_files(new).await?,
            RowKind::Trail => self.index_entries(new).await?,
            _ => {}
        }
        query(insert(kind))
            .bind(rows(values))
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn count_files(&mut self, new: &[&Row]) -> Result<(), Fault> {
        let mut audiences = Vec::new();
        for row in new {
            let entry = match row {
                Row::File(file) => {
                    audiences.extend(files::audience(file));
                    &file.entry
                }
                Row::RemovedFile(removed) => &removed.file.entry,
                _ => continue,
            };
            let takes = self.takes_now(entry.uploaded_by).await?;
            self.usage.set(entry.uploaded_by, takes.with(entry));
        }
        let sql =
            "INSERT INTO audiences SELECT * FROM jsonb_populate_recordset(NULL::audiences, $1)";
        query(sql)
            .bind(rows(audiences))
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// What somebody's files take, looked up the first time.
    async fn takes_now(&mut self, uploader: UserId) -> Result<Takes, Fault> {
        if let Some(takes) = self.usage.get(uploader) {
            return Ok(*takes);
        }
        self.needs.uploaders = [uploader].into();
        self.look_up_usage().await?;
        Ok(self.takes(uploader))
    }

    async fn index_entries(&mut self, new: &[&Row]) -> Result<(), Fault> {
        let mut entries: Vec<Recorded> = Vec::new();
        for row in new {
            if let Row::Entry(entry) = row {
                if entry.writer != WriterId::ONLY || entry.seq != entry.number {
                    let text =
                        "the trail here is one chain, whose entries' numbers are their positions";
                    return Err(Fault::other(text.to_owned()));
                }
                entries.push(entry.clone());
            }
        }
        let (index, sums) = trail::downloads(&entries);
        self.index_downloads(index, sums).await
    }

    async fn set_last_file(&mut self, last: Seq) -> Result<(), Fault> {
        self.last_file = last;
        let last = position(last).ok_or_else(too_far)?;
        let sql = "UPDATE head SET last_file = $1";
        query(sql).bind(last).execute(&mut *self.connection).await?;
        Ok(())
    }
}

fn positions(kind: RowKind, keys: &[Vec<u8>]) -> Result<Vec<i64>, Fault> {
    let mut positions = Vec::new();
    for key in keys {
        if let Key::Position(position) = Key::of(kind, Some(key))? {
            positions.push(position);
        }
    }
    Ok(positions)
}

fn too_far() -> Fault {
    Fault::other("a position beyond all that the database can have".to_owned())
}

fn value(row: &Row) -> Option<Value> {
    Some(match row {
        Row::User(user) => users::row(user),
        Row::Group(group) => groups::row(group),
        Row::Member(group, user) => json!({"group_id": group, "user_id": user}),
        Row::LastFile(_) => return None,
        Row::File(file) => files::to_row(&files::Row::There(file.clone())),
        Row::RemovedFile(removed) => files::to_row(&files::Row::Removed(removed.clone())),
        Row::Link(link) => links::link_row(link),
        Row::Lease(lease) => links::lease_row(lease),
        Row::Codes(link, codes) => links::codes_row(*link, codes),
        Row::Mail(queued) => outbox::row(queued),
        Row::Done(key, done) => once::row(*key, done),
        Row::Entry(entry) => trail::row(entry),
        Row::Checkpoint(_, checkpoint) => trail::checkpoint_row(checkpoint),
    })
}

/// What puts rows of a kind there.
fn insert(kind: RowKind) -> &'static str {
    macro_rules! into {
        ($table:literal) => {
            concat!(
                "INSERT INTO ",
                $table,
                " SELECT * FROM jsonb_populate_recordset(NULL::",
                $table,
                ", $1)"
            )
        };
    }
    match kind {
        RowKind::Users => into!("users"),
        RowKind::Groups => into!("groups"),
        RowKind::Members => into!("members"),
        // Not by this: see `put`.
        RowKind::LastFile => "SELECT",
        RowKind::Files | RowKind::RemovedFiles => into!("files"),
        RowKind::Links => into!("links"),
        RowKind::Leases => into!("leases"),
        RowKind::Codes => into!("codes"),
        RowKind::Mails => into!("mails"),
        RowKind::Done => into!("done"),
        RowKind::Trail => into!("trail"),
        RowKind::Checkpoints => into!("checkpoints"),
    }
}
