//! The rows, for those who copy them. What the tables hold twice follows: whom files are for, what they take, and the
//! index of downloads.

use std::{cmp::Ordering, collections::BTreeMap};

use async_trait::async_trait;
use consign_core::{
    event::Recorded,
    file::Seq,
    id::{GroupId, UserId},
    store::{Page, Row, RowKey, RowKind, RowStore, StoreError},
    trail::{EntryHash, WriterId},
};
use serde_json::{Value, json};
use sqlx::{Postgres, postgres::PgArguments, query, query::Query};

use crate::{
    PgStore,
    batch::Batch,
    column::{Columns, Id, damaged, position, rows},
    fault::Fault,
    files, groups, links, once, outbox, page, trail,
    usage::Takes,
    users,
    writer::{Answer, Ask},
};

#[async_trait]
impl RowStore for PgStore {
    async fn rows(
        &self,
        kind: RowKind,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Page<Row, RowKey>, StoreError> {
        let after = match after.map(|after| (after.kind.cmp(&kind), after)) {
            None | Some((Ordering::Less, _)) => None,
            Some((Ordering::Equal, after)) => Some(after.bytes.as_slice()),
            Some((Ordering::Greater, _)) => {
                let (items, next) = (Vec::new(), None);
                return Ok(Page { items, next });
            }
        };
        let key = Key::of(kind, after).map_err(Fault::error)?;
        let found = PgStore::rows(self, || {
            key.bind(query(select(kind))).bind(page::with_next(limit))
        });
        page::cut(found.await?, limit, |row| read(kind, row), Row::key)
    }

    async fn replace(&self, rows: Vec<Row>, gone: Vec<RowKey>) -> Result<(), StoreError> {
        match self.write(Ask::Replace(rows, gone)).await? {
            Answer::Replaced => Ok(()),
            other => Err(page::unexpected(&other)),
        }
    }

    async fn copying(&self) -> Result<Option<EntryHash>, StoreError> {
        let row = self.row(|| query("SELECT copying FROM head")).await?;
        let copying = page::one(row, |row| match row.get::<Option<&[u8]>>("copying")? {
            None => Ok(None),
            Some(hash) => {
                let hash = hash.try_into().map_err(|_| damaged("copying"))?;
                Ok(Some(EntryHash(hash)))
            }
        });
        Ok(copying?.flatten())
    }

    async fn set_copying(&self, of: Option<EntryHash>) -> Result<(), StoreError> {
        let sql = "UPDATE head SET copying = $1";
        let ask = query(sql).bind(of.map(|of| of.0.to_vec()));
        self.rows_once(ask).await.map_err(Fault::error)?;
        Ok(())
    }
}

/// The rows of a kind after a key.
fn select(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Users => {
            "SELECT * FROM users WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2"
        }
        RowKind::Groups => {
            "SELECT * FROM groups WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2"
        }
        RowKind::Members => {
            "SELECT * FROM members WHERE $1::uuid IS NULL OR (group_id, user_id) > ($1, $2) \
                ORDER BY group_id, user_id LIMIT $3"
        }
        RowKind::LastFile => "SELECT last_file FROM head WHERE last_file > 0 AND $1 LIMIT $2",
        RowKind::Files => {
            "SELECT * FROM files WHERE position > $1 AND removed_at IS NULL ORDER BY position LIMIT $2"
        }
        RowKind::RemovedFiles => {
            "SELECT * FROM files WHERE position > $1 AND removed_at IS NOT NULL ORDER BY position LIMIT $2"
        }
        RowKind::Links => {
            "SELECT * FROM links WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2"
        }
        RowKind::Leases => {
            "SELECT * FROM leases WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2"
        }
        // A try of a code where none was sent leaves nothing worth a row.
        RowKind::Codes => {
            "SELECT * FROM codes WHERE ($1::uuid IS NULL OR link > $1) \
                AND (good IS NOT NULL OR cardinality(sent) > 0) ORDER BY link LIMIT $2"
        }
        RowKind::Mails => {
            "SELECT * FROM mails WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2"
        }
        RowKind::Done => "SELECT * FROM done WHERE key > $1 ORDER BY key LIMIT $2",
        RowKind::Trail => "SELECT * FROM trail WHERE number > $1 ORDER BY number LIMIT $2",
        RowKind::Checkpoints => {
            "SELECT * FROM checkpoints WHERE number > $1 ORDER BY number LIMIT $2"
        }
    }
}

/// A key as the tables have it.
enum Key {
    Id(Option<Id>),
    Pair(Option<(Id, Id)>),
    Position(i64),
    Bytes(Vec<u8>),
    /// Of what there is one: whether it comes after.
    One(bool),
}

impl Key {
    fn of(kind: RowKind, bytes: Option<&[u8]>) -> Result<Self, Fault> {
        let wrong = || Fault::other("not a key of a row".to_owned());
        Ok(match kind {
            RowKind::LastFile => Self::One(bytes.is_none()),
            RowKind::Done => Self::Bytes(bytes.unwrap_or_default().to_vec()),
            RowKind::Files | RowKind::RemovedFiles | RowKind::Trail | RowKind::Checkpoints => {
                let seq = bytes.map(|bytes| bytes.try_into().map(Seq::from_be_bytes));
                Self::Position(page::after(seq.transpose().map_err(|_| wrong())?))
            }
            RowKind::Members => {
                let pair = bytes.map(|bytes| match bytes.as_chunks::<16>() {
                    ([group, user], []) => Ok((Id(*group), Id(*user))),
                    _ => Err(wrong()),
                });
                Self::Pair(pair.transpose()?)
            }
            _ => {
                let id = bytes.map(|bytes| bytes.try_into().map(Id));
                Self::Id(id.transpose().map_err(|_| wrong())?)
            }
        })
    }

    fn bind<'q>(&self, ask: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        match self {
            Self::Id(id) => ask.bind(*id),
            Self::Pair(pair) => ask
                .bind(pair.map(|pair| pair.0))
                .bind(pair.map(|pair| pair.1)),
            Self::Position(position) => ask.bind(*position),
            Self::Bytes(bytes) => ask.bind(bytes.clone()),
            Self::One(is_after) => ask.bind(*is_after),
        }
    }
}

fn read(kind: RowKind, row: &Columns<'_>) -> Result<Row, Fault> {
    Ok(match kind {
        RowKind::Users => Row::User(users::user(row)?),
        RowKind::Groups => Row::Group(groups::group(row)?),
        RowKind::Members => Row::Member(
            GroupId::from_bytes(row.id("group_id")?),
            UserId::from_bytes(row.id("user_id")?),
        ),
        RowKind::LastFile => Row::LastFile(row.small("last_file")?),
        RowKind::Files => Row::File(files::file(row)?),
        RowKind::RemovedFiles => Row::RemovedFile(files::removed(row)?),
        RowKind::Links => Row::Link(links::link(row)?),
        RowKind::Leases => Row::Lease(links::lease(row)?),
        RowKind::Codes => {
            let (link, codes) = links::codes(row)?;
            Row::Codes(link, codes)
        }
        RowKind::Mails => Row::Mail(outbox::queued(row)?),
        RowKind::Done => {
            let (key, done) = once::done(row)?;
            Row::Done(key, done)
        }
        RowKind::Trail => Row::Entry(trail::recorded(row)?),
        RowKind::Checkpoints => {
            let checkpoint = trail::checkpoint(row)?;
            Row::Checkpoint(checkpoint.number, checkpoint)
        }
    })
}

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
