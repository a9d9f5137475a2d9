//! The reads of the catalogue, each one statement.

use async_trait::async_trait;
use consign_core::{
    audience::{Principal, Scope},
    event::{Recorded, Transfers},
    file::{File, FileName, Seq},
    group::{Group, GroupName},
    id::{BlobKey, FileId, GroupId, LeaseId, LinkId, UserId},
    link::{Lease, ManagedLink, SecretHash},
    once::{OnceKey, Remembered},
    outbox::Queued,
    quota::Usage,
    removal::{Ended, RemovedFile},
    store::{Change, DownloadsOf, FileStore, MAX_GROUPS, Outcome, Page, StoreError},
    time::Timestamp,
    trail::{Checkpoint, Head},
};
use sqlx::query;

use crate::{
    PgStore,
    column::{Columns, Id, Number, damaged},
    fault::Fault,
    files, groups, links, once, outbox, page, trail, usage,
    writer::{Answer, Ask},
};

#[async_trait]
impl FileStore for PgStore {
    async fn by_id(&self, id: FileId) -> Result<Option<File>, StoreError> {
        let sql = "SELECT * FROM files WHERE id = $1 AND removed_at IS NULL";
        let row = self.row(|| query(sql).bind(Id(*id.as_bytes()))).await?;
        page::one(row, files::file)
    }

    async fn newest(
        &self,
        name: &FileName,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<Option<File>, StoreError> {
        let sql = "SELECT * FROM files WHERE name = $1 AND removed_at IS NULL \
            AND (expires_at IS NULL OR expires_at > $2) \
            AND ($3 OR uploaded_by = $4 OR everybody AND $5 OR clients && $6 OR groups && $7) \
            ORDER BY position DESC LIMIT 1";
        let whom = Whom::of(scope);
        let ask = || {
            query(sql)
                .bind(name.as_str())
                .bind(Number::from(now))
                .bind(whom.all)
                .bind(whom.by)
                .bind(whom.everybody)
                .bind(&whom.clients)
                .bind(&whom.groups)
        };
        page::one(self.row(ask).await?, files::file)
    }

    async fn list(
        &self,
        scope: &Scope,
        now: Timestamp,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<File, Seq>, StoreError> {
        let (before, now) = (page::before(before), Number::from(now));
        let wanted = page::with_next(limit);
        let rows = match scope {
            Scope::All => {
                let sql = "SELECT * FROM files WHERE position < $1 AND removed_at IS NULL \
                    AND (expires_at IS NULL OR expires_at > $2) ORDER BY position DESC LIMIT $3";
                self.rows(|| query(sql).bind(before).bind(now).bind(wanted))
                    .await?
            }
            Scope::By(uploader) => {
                let sql = "SELECT * FROM files WHERE position < $1 AND removed_at IS NULL \
                    AND (expires_at IS NULL OR expires_at > $2) AND uploaded_by = $4 \
                    ORDER BY position DESC LIMIT $3";
                let by = Id(*uploader.as_bytes());
                self.rows(|| query(sql).bind(before).bind(now).bind(wanted).bind(by))
                    .await?
            }
            Scope::For(principals) => {
                // Of each principal as many as the page has at most, from the end of their stretch of the index.
                let sql = "SELECT files.* FROM ( \
                        SELECT DISTINCT found.position FROM unnest($4::smallint[], $5::uuid[]) AS one (kind, id) \
                        CROSS JOIN LATERAL (SELECT position FROM audiences \
                            WHERE audiences.kind = one.kind AND audiences.id = one.id AND position < $1 \
                            AND (expires_at IS NULL OR expires_at > $2) \
                            ORDER BY position DESC LIMIT $3) AS found \
                        ORDER BY found.position DESC LIMIT $3) AS page \
                    JOIN files USING (position) ORDER BY position DESC";
                let principals = principals.iter().map(|one| files::principal(*one));
                let (kinds, ids): (Vec<_>, Vec<_>) =
                    principals.map(|(kind, id)| (kind, Id(id))).unzip();
                let ask = || {
                    query(sql)
                        .bind(before)
                        .bind(now)
                        .bind(wanted)
                        .bind(&kinds)
                        .bind(&ids)
                };
                self.rows(ask).await?
            }
        };
        page::cut(rows, limit, files::file, |file: &File| file.seq)
    }

    async fn removed_file(&self, id: FileId) -> Result<Option<RemovedFile>, StoreError> {
        let sql = "SELECT * FROM files WHERE id = $1 AND removed_at IS NOT NULL";
        let row = self.row(|| query(sql).bind(Id(*id.as_bytes()))).await?;
        page::one(row, files::removed)
    }

    async fn removed(
        &self,
        now: Timestamp,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<RemovedFile, Seq>, StoreError> {
        let sql = "SELECT * FROM files WHERE position < $1 AND removed_at IS NOT NULL AND kept_until > $2 \
            ORDER BY position DESC LIMIT $3";
        let (before, now) = (page::before(before), Number::from(now));
        let ask = || {
            query(sql)
                .bind(before)
                .bind(now)
                .bind(page::with_next(limit))
        };
        let cursor = |removed: &RemovedFile| removed.file.seq;
        page::cut(self.rows(ask).await?, limit, files::removed, cursor)
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RemovedFile>, StoreError> {
        let sql = "SELECT * FROM files WHERE removed_at IS NOT NULL AND kept_until <= $1 \
            ORDER BY kept_until, position LIMIT $2";
        let ask = || query(sql).bind(Number::from(now)).bind(page::most(limit));
        page::all(self.rows(ask).await?, files::removed)
    }

    async fn ended(&self, now: Timestamp, limit: usize) -> Result<Vec<Ended>, StoreError> {
        let sql = "(SELECT id, 'expired' AS why FROM files \
                WHERE removed_at IS NULL AND expires_at <= $1 ORDER BY expires_at, position LIMIT $2) \
            UNION ALL \
            (SELECT DISTINCT files.id, 'retention' FROM groups \
                CROSS JOIN LATERAL (SELECT position FROM audiences WHERE kind = 2 AND audiences.id = groups.id \
                    AND retained_from <= $1 - retention_days * 86400000::numeric \
                    AND (expires_at IS NULL OR expires_at > $1) \
                    ORDER BY retained_from, position LIMIT $2) AS over \
                JOIN files USING (position) WHERE retention_days IS NOT NULL LIMIT $2) \
            LIMIT $2";
        let ask = || query(sql).bind(Number::from(now)).bind(page::most(limit));
        page::all(self.rows(ask).await?, |row| {
            Ok(Ended {
                file: FileId::from_bytes(row.id("id")?),
                why: files::why(row.get("why")?).ok_or_else(|| damaged("why"))?,
            })
        })
    }

    async fn group(&self, id: GroupId) -> Result<Option<Group>, StoreError> {
        let sql = "SELECT * FROM groups WHERE id = $1";
        let row = self.row(|| query(sql).bind(Id(*id.as_bytes()))).await?;
        page::one(row, groups::group)
    }

    async fn groups(
        &self,
        after: Option<&GroupName>,
        limit: usize,
    ) -> Result<Page<Group, GroupName>, StoreError> {
        // No name is empty.
        let sql = "SELECT * FROM groups WHERE name > $1 ORDER BY name LIMIT $2";
        let after = after.map_or("", GroupName::as_str);
        let rows = self
            .rows(|| query(sql).bind(after).bind(page::with_next(limit)))
            .await?;
        page::cut(rows, limit, groups::group, |group: &Group| {
            group.name.clone()
        })
    }

    async fn members(
        &self,
        group: GroupId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Page<UserId, UserId>, StoreError> {
        let sql = "SELECT user_id FROM members WHERE group_id = $1 AND ($2::uuid IS NULL OR user_id > $2) \
            ORDER BY user_id LIMIT $3";
        let after = after.map(|after| Id(*after.as_bytes()));
        let group = Id(*group.as_bytes());
        let ask = || {
            query(sql)
                .bind(group)
                .bind(after)
                .bind(page::with_next(limit))
        };
        let read = |row: &Columns<'_>| row.id("user_id").map(UserId::from_bytes);
        page::cut(self.rows(ask).await?, limit, read, |user: &UserId| *user)
    }

    async fn groups_of(&self, user: UserId) -> Result<Vec<GroupId>, StoreError> {
        let sql = "SELECT group_id FROM members WHERE user_id = $1 ORDER BY group_id LIMIT $2";
        let user = Id(*user.as_bytes());
        let rows = self
            .rows(|| query(sql).bind(user).bind(page::most(MAX_GROUPS)))
            .await?;
        page::all(rows, |row| row.id("group_id").map(GroupId::from_bytes))
    }

    async fn link(&self, id: LinkId) -> Result<Option<ManagedLink>, StoreError> {
        let sql = "SELECT * FROM links WHERE id = $1";
        let row = self.row(|| query(sql).bind(Id(*id.as_bytes()))).await?;
        page::one(row, links::link)
    }

    async fn link_of(&self, secret: SecretHash) -> Result<Option<ManagedLink>, StoreError> {
        let sql = "SELECT * FROM links WHERE secret = $1";
        let row = self.row(|| query(sql).bind(secret.0.to_vec())).await?;
        page::one(row, links::link)
    }

    async fn links(
        &self,
        made_by: UserId,
        before: Option<LinkId>,
        limit: usize,
    ) -> Result<Page<ManagedLink, LinkId>, StoreError> {
        let sql = "SELECT * FROM links WHERE made_by = $1 AND ($2::uuid IS NULL OR id < $2) \
            ORDER BY id DESC LIMIT $3";
        let before = before.map(|before| Id(*before.as_bytes()));
        let made_by = Id(*made_by.as_bytes());
        let ask = || {
            query(sql)
                .bind(made_by)
                .bind(before)
                .bind(page::with_next(limit))
        };
        let cursor = |link: &ManagedLink| link.id;
        page::cut(self.rows(ask).await?, limit, links::link, cursor)
    }

    async fn lease(&self, id: LeaseId) -> Result<Option<Lease>, StoreError> {
        let sql = "SELECT * FROM leases WHERE id = $1";
        let row = self.row(|| query(sql).bind(Id(*id.as_bytes()))).await?;
        page::one(row, links::lease)
    }

    async fn mails(&self, limit: usize) -> Result<Vec<Queued>, StoreError> {
        let sql = "SELECT * FROM mails ORDER BY due, id LIMIT $1";
        let rows = self.rows(|| query(sql).bind(page::most(limit))).await?;
        page::all(rows, outbox::queued)
    }

    async fn remembered(&self, key: OnceKey) -> Result<Option<Remembered>, StoreError> {
        let sql = "SELECT * FROM done WHERE key = $1";
        let row = self.row(|| query(sql).bind(key.0.to_vec())).await?;
        Ok(page::one(row, once::done)?.map(|(_, done)| done))
    }

    async fn unreferenced(&self, keys: &[BlobKey]) -> Result<Vec<BlobKey>, StoreError> {
        let sql = "SELECT key FROM unnest($1::uuid[]) AS asked (key) \
            WHERE NOT EXISTS (SELECT FROM files WHERE blob = key)";
        let keys: Vec<_> = keys.iter().map(|key| Id(*key.as_bytes())).collect();
        let rows = self.rows(|| query(sql).bind(keys.clone())).await?;
        page::all(rows, |row| Ok(BlobKey::from_bytes(row.id("key")?)))
    }

    async fn usage(&self, user: UserId) -> Result<Usage, StoreError> {
        let sql = "SELECT * FROM usage WHERE uploaded_by = $1";
        let row = self.row(|| query(sql).bind(Id(*user.as_bytes()))).await?;
        let takes = page::one(row, usage::read)?;
        Ok(takes.unwrap_or_default().usage())
    }

    async fn events(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError> {
        let sql = "SELECT * FROM trail WHERE number > $1 ORDER BY number LIMIT $2";
        let after = page::after(after);
        let rows = self
            .rows(|| query(sql).bind(after).bind(page::with_next(limit)))
            .await?;
        page::cut(rows, limit, trail::recorded, |entry: &Recorded| entry.seq)
    }

    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        let sql = "SELECT number, hash FROM head WHERE number > 0";
        page::all(self.rows(|| query(sql)).await?, trail::head)
    }

    async fn checkpoints(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Checkpoint, Seq>, StoreError> {
        let sql = "SELECT * FROM checkpoints WHERE number > $1 ORDER BY number LIMIT $2";
        let after = page::after(after);
        let rows = self
            .rows(|| query(sql).bind(after).bind(page::with_next(limit)))
            .await?;
        page::cut(rows, limit, trail::checkpoint, |one: &Checkpoint| {
            one.number
        })
    }

    async fn downloads(
        &self,
        of: DownloadsOf,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError> {
        let sql = "SELECT trail.* FROM downloads JOIN trail USING (number) \
            WHERE kind = $1 AND of = $2 AND by_user = $3 AND number > $4 ORDER BY number LIMIT $5";
        let (kind, of, by) = trail::key(of);
        let after = page::after(after);
        let ask = || {
            let of = query(sql).bind(kind).bind(Id(of)).bind(Id(by));
            of.bind(after).bind(page::with_next(limit))
        };
        let cursor = |entry: &Recorded| entry.seq;
        page::cut(self.rows(ask).await?, limit, trail::recorded, cursor)
    }

    async fn downloaded(&self, of: DownloadsOf) -> Result<Transfers, StoreError> {
        let sql = "SELECT * FROM downloaded WHERE kind = $1 AND of = $2 AND by_user = $3";
        let (kind, of, by) = trail::key(of);
        let row = self
            .row(|| query(sql).bind(kind).bind(Id(of)).bind(Id(by)))
            .await?;
        let sum = page::one(row, transfers)?;
        Ok(sum.unwrap_or_default())
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        match self.write(Ask::Change(change)).await? {
            Answer::Change(outcome) => Ok(outcome),
            other => Err(page::unexpected(&other)),
        }
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.answers().await
    }
}

/// Of whom a file is that someone sees, as one condition.
#[derive(Default)]
struct Whom {
    all: bool,
    by: Option<Id>,
    everybody: bool,
    clients: Vec<Id>,
    groups: Vec<Id>,
}

impl Whom {
    fn of(scope: &Scope) -> Self {
        let mut whom = Self::default();
        match scope {
            Scope::All => whom.all = true,
            Scope::By(uploader) => whom.by = Some(Id(*uploader.as_bytes())),
            Scope::For(principals) => {
                for principal in principals.iter() {
                    match principal {
                        Principal::Everybody => whom.everybody = true,
                        Principal::User(id) => whom.clients.push(Id(*id.as_bytes())),
                        Principal::Group(id) => whom.groups.push(Id(*id.as_bytes())),
                    }
                }
            }
        }
        whom
    }
}

fn transfers(row: &Columns<'_>) -> Result<Transfers, Fault> {
    Ok(Transfers {
        started: row.sum("started")?,
        completed: row.sum("completed")?,
        bytes: row.sum("bytes")?,
    })
}
