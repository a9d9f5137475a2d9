//! The rows, for those who copy them.

use std::cmp::Ordering;

use async_trait::async_trait;
use consign_core::{
    file::Seq,
    id::{GroupId, UserId},
    store::{Page, Row, RowKey, RowKind, RowStore, StoreError},
    trail::EntryHash,
};
use sqlx::{Postgres, postgres::PgArguments, query, query::Query};

use crate::{
    PgStore,
    column::{Columns, Id, damaged},
    fault::Fault,
    files, groups, links, once, outbox, page, trail, users,
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
pub(crate) enum Key {
    Id(Option<Id>),
    Pair(Option<(Id, Id)>),
    Position(i64),
    Bytes(Vec<u8>),
    /// Of what there is one: whether it comes after.
    One(bool),
}

impl Key {
    pub(crate) fn of(kind: RowKind, bytes: Option<&[u8]>) -> Result<Self, Fault> {
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
