//! Changes that share a transaction.
//!
//! What they need is looked up at once, table by table; then they are made one after another in memory, as the store in
//! memory makes them; then what is another row than before is written, table by table. So the round trips are the
//! same for one change and for many. It is sound because nobody else writes while the head is locked.

use std::collections::{BTreeMap, BTreeSet};

use consign_core::{
    code::Codes,
    event::Event,
    file::Seq,
    group::Group,
    id::{BlobKey, FileId, GroupId, LeaseId, LinkId, UserId},
    link::{Lease, ManagedLink, SecretHash},
    mail::MailId,
    once::{OnceKey, Remembered},
    outbox::Queued,
    store::{Change, Outcome},
    trail::{Checkpoint, EntryHash},
    user::{User, Username},
};
use sqlx::{PgConnection, raw_sql};

use crate::{
    column::Columns,
    fault::Fault,
    files::Row,
    known::Known,
    trail::Pending,
    usage::Takes,
    writer::{Answer, Ask},
};

/// What became of a change: an error where nothing is to be recorded.
pub(crate) type Made = Result<Outcome, Outcome>;

/// A transaction that has the head's lock, and what it knows.
pub(crate) struct Batch<'c> {
    pub(crate) connection: &'c mut PgConnection,
    /// By which the transaction is known to the database.
    pub(crate) number: String,
    pub(crate) last_file: Seq,
    /// As it was before.
    pub(crate) last_file_before: Seq,
    pub(crate) trail: Pending,
    pub(crate) needs: Needs,
    pub(crate) users: Known<UserId, User>,
    pub(crate) operations_users: u64,
    pub(crate) files: Known<FileId, Row>,
    /// Positions of files whose audience, end or presence is another.
    pub(crate) moved: BTreeSet<Seq>,
    pub(crate) usage: Known<UserId, Takes>,
    pub(crate) groups: Known<GroupId, Group>,
    pub(crate) members: BTreeMap<UserId, BTreeSet<GroupId>>,
    pub(crate) moved_members: BTreeMap<(GroupId, UserId), bool>,
    pub(crate) links: Known<LinkId, ManagedLink>,
    pub(crate) leases: Known<LeaseId, Lease>,
    pub(crate) codes: Known<LinkId, Codes>,
    pub(crate) mails: Known<MailId, Queued>,
    pub(crate) done: Known<OnceKey, Remembered>,
    pub(crate) checkpoints: Known<Seq, Checkpoint>,
    /// Whether rows were written that are not among these.
    pub(crate) wrote: bool,
}

/// What the changes of a batch need to know.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    pub(crate) users: BTreeSet<UserId>,
    pub(crate) usernames: BTreeSet<Username>,
    pub(crate) emails: BTreeSet<String>,
    /// How many operations users there are.
    pub(crate) operations_users: bool,
    pub(crate) files: BTreeSet<FileId>,
    pub(crate) blobs: BTreeSet<BlobKey>,
    /// Files whose groups' retentions matter.
    pub(crate) retained: BTreeSet<FileId>,
    /// Files that may be gone for good.
    pub(crate) leaving: BTreeSet<FileId>,
    pub(crate) uploaders: BTreeSet<UserId>,
    pub(crate) groups: BTreeSet<GroupId>,
    pub(crate) group_names: BTreeSet<String>,
    pub(crate) members: BTreeSet<UserId>,
    pub(crate) links: BTreeSet<LinkId>,
    pub(crate) secrets: BTreeSet<SecretHash>,
    pub(crate) leases: BTreeSet<LeaseId>,
    pub(crate) codes: BTreeSet<LinkId>,
    pub(crate) mails: BTreeSet<MailId>,
    pub(crate) done: BTreeSet<OnceKey>,
    pub(crate) entries: BTreeSet<Seq>,
}

impl<'c> Batch<'c> {
    /// Begins a transaction, and waits for the head's lock: from then on nobody else writes. Where a copy is being made
    /// into the store, only whoever makes it does; where the schema is later than what is known, nobody.
    pub(crate) async fn begin(
        connection: &'c mut PgConnection,
        is_copy: bool,
        known: i32,
    ) -> Result<Self, Fault> {
        // The lock apart: what the last statement sees was committed before the lock was had.
        let sql = "BEGIN; SELECT FROM head FOR UPDATE; SELECT number, hash, last_file, \
            copying IS NOT NULL AS is_copied_into, version, pg_current_xact_id()::text AS transaction \
            FROM head LEFT JOIN schema_version ON true";
        let row = raw_sql(sql).fetch_all(&mut *connection).await?.pop();
        let row = row.ok_or_else(|| Fault::Damaged("there is no head of the trail".to_owned()))?;
        let row = Columns(&row);
        if row.get::<i32>("version")? > known {
            return Err(Fault::Closed("the schema is newer than this program"));
        }
        if row.get("is_copied_into")? && !is_copy {
            return Err(Fault::Closed("a copy is being made into it"));
        }
        let hash: Vec<u8> = row.get("hash")?;
        let hash = hash
            .try_into()
            .map_err(|_| crate::column::damaged("hash"))?;
        Ok(Self {
            number: row.get("transaction")?,
            last_file: row.small("last_file")?,
            last_file_before: row.small("last_file")?,
            trail: Pending::after(row.small("number")?, EntryHash(hash)),
            connection,
            needs: Needs::default(),
            users: Known::default(),
            operations_users: 0,
            files: Known::default(),
            moved: BTreeSet::new(),
            usage: Known::default(),
            groups: Known::default(),
            members: BTreeMap::new(),
            moved_members: BTreeMap::new(),
            links: Known::default(),
            leases: Known::default(),
            codes: Known::default(),
            mails: Known::default(),
            done: Known::default(),
            checkpoints: Known::default(),
            wrote: false,
        })
    }

    /// Looks up what these need.
    pub(crate) async fn look_up<'a>(
        &mut self,
        asks: impl Iterator<Item = &'a Ask>,
    ) -> Result<(), Fault> {
        for ask in asks {
            self.needs.add(ask);
        }
        self.look_up_users().await?;
        self.look_up_files().await?;
        self.look_up_usage().await?;
        self.look_up_groups().await?;
        self.look_up_members().await?;
        self.look_up_links().await?;
        self.look_up_leases().await?;
        self.look_up_codes().await?;
        self.look_up_mails().await?;
        self.look_up_done().await?;
        self.look_up_entries().await
    }

    pub(crate) async fn make(&mut self, ask: &Ask) -> Result<Answer, Fault> {
        Ok(match ask {
            Ask::Change(change) => Answer::Change(self.apply(change).await?),
            Ask::Insert(user, guard, events) => self.insert_user(user, *guard, events),
            Ask::Update(id, change, events) => {
                Answer::Update(self.update_user(*id, change, events))
            }
            Ask::Replace(rows, gone) => {
                self.replace(rows, gone).await?;
                Answer::Replaced
            }
        })
    }

    async fn apply(&mut self, change: &Change) -> Result<Outcome, Fault> {
        Ok(match self.make_change(change).await? {
            Ok(outcome) => {
                self.trail.record(change.events());
                outcome
            }
            Err(refused) => refused,
        })
    }

    /// Makes a change, of which no event is recorded yet.
    async fn make_change(&mut self, change: &Change) -> Result<Made, Fault> {
        Ok(match change {
            Change::AddFile { entry, quota } => self.add_file(entry, quota),
            Change::RemoveFile {
                id,
                why,
                keep_until,
                by,
                at,
            } => self.remove_file(*id, *why, *keep_until, *by, *at),
            Change::RestoreFile {
                id, expires_at, at, ..
            } => self.restore_file(*id, expires_at, *at),
            Change::PurgeFile { id, purge, at, .. } => self.purge_file(*id, *purge, *at),
            Change::SetCrc32 { id, crc32 } => self.set_crc32(*id, *crc32),
            Change::EditFile { id, edit, at, .. } => self.edit_file(*id, edit, *at),
            Change::AddGroup(group) => self.add_group(group),
            Change::EditGroup { id, edit, .. } => self.edit_group(*id, edit),
            Change::RemoveGroup { id, .. } => self.remove_group(*id).await?,
            Change::AddMember { group, user, .. } => self.add_member(*group, *user),
            Change::RemoveMember { group, user, .. } => self.remove_member(*group, *user),
            Change::AddLink(link) => self.add_link(link),
            Change::EditLink { id, edit, .. } => self.edit_link(*id, edit),
            Change::RevokeLink { id, at, .. } => self.revoke_link(*id, *at),
            Change::OpenLease {
                lease,
                revision,
                code,
                ..
            } => self.open_lease(lease, *revision, *code),
            Change::SendCode {
                link,
                revision,
                code,
                mail,
                at,
            } => self.send_code(*link, *revision, *code, mail, *at),
            Change::TryMail { id, attempts, at } => self.try_mail(*id, *attempts, *at),
            Change::DropMail { id } => self.drop_mail(*id),
            Change::Once { once, change } => {
                if let Some(refused) = self.refused_once(once) {
                    return Ok(Err(refused));
                }
                let made = Box::pin(self.make_change(change)).await?;
                if let Ok(outcome) = &made {
                    self.remember(once, outcome, change);
                }
                made
            }
            Change::ForgetOnce { before } => self.forget_once(*before).await?,
            Change::ForgetLeases { ended_before } => self.forget_leases(*ended_before).await?,
            Change::Record(events) if events.is_empty() => Err(Outcome::Missing),
            Change::Record(_) => Ok(Outcome::Recorded),
            Change::AddCheckpoint(checkpoint) => self.add_checkpoint(checkpoint),
            unknown => {
                let text = format!("this store cannot make the change {unknown:?}");
                return Err(Fault::other(text));
            }
        })
    }

    /// Writes what is another than it was; whether anything is. What is taken out goes first, so that its names are
    /// free.
    pub(crate) async fn write_down(&mut self) -> Result<bool, Fault> {
        let changed = [
            self.write_users().await?,
            self.write_files().await?,
            self.write_usage().await?,
            self.write_groups().await?,
            self.write_members().await?,
            self.write_links().await?,
            self.write_leases().await?,
            self.write_codes().await?,
            self.write_mails().await?,
            self.write_done().await?,
            self.write_checkpoints().await?,
            self.write_trail().await?,
        ];
        Ok(self.wrote || changed.contains(&true))
    }

    pub(crate) fn record(&mut self, events: &[Event]) {
        self.trail.record(events.to_vec());
    }
}

impl Needs {
    fn add(&mut self, ask: &Ask) {
        match ask {
            Ask::Change(change) => self.add_change(change),
            Ask::Insert(user, ..) => {
                self.users.insert(user.id);
                self.usernames.insert(user.username.clone());
                self.emails.insert(user.email.unique_key());
                self.operations_users = true;
            }
            Ask::Update(id, ..) => {
                self.users.insert(*id);
                self.operations_users = true;
            }
            Ask::Replace(..) => {}
        }
    }

    fn add_change(&mut self, change: &Change) {
        match change {
            Change::AddFile { entry, .. } => {
                self.files.insert(entry.id);
                self.blobs.insert(entry.blob);
                self.groups.extend(entry.audience.groups());
                self.uploaders.insert(entry.uploaded_by);
            }
            Change::RemoveFile { id, .. } => {
                self.files.insert(*id);
                self.retained.insert(*id);
                self.leaving.insert(*id);
            }
            Change::RestoreFile { id, .. } | Change::SetCrc32 { id, .. } => {
                self.files.insert(*id);
            }
            Change::PurgeFile { id, .. } => {
                self.files.insert(*id);
                self.leaving.insert(*id);
            }
            Change::EditFile { id, edit, .. } => {
                self.files.insert(*id);
                if let consign_core::link::Edit::Set(audience) = &edit.audience {
                    self.groups.extend(audience.groups());
                }
            }
            Change::AddGroup(group) => {
                self.groups.insert(group.id);
                self.group_names.insert(group.name.as_str().to_owned());
            }
            Change::EditGroup { id, edit, .. } => {
                self.groups.insert(*id);
                if let consign_core::link::Edit::Set(name) = &edit.name {
                    self.group_names.insert(name.as_str().to_owned());
                }
            }
            Change::RemoveGroup { id, .. } => {
                self.groups.insert(*id);
            }
            Change::AddMember { group, user, .. } | Change::RemoveMember { group, user, .. } => {
                self.groups.insert(*group);
                self.members.insert(*user);
            }
            Change::AddLink(link) => {
                self.links.insert(link.id);
                self.secrets.insert(link.secret);
                self.files.extend(link.files.iter().copied());
            }
            Change::EditLink { id, .. } => {
                self.links.insert(*id);
                self.codes.insert(*id);
            }
            Change::RevokeLink { id, .. } => {
                self.links.insert(*id);
            }
            Change::OpenLease { lease, code, .. } => {
                self.links.insert(lease.link);
                self.leases.insert(lease.id);
                self.codes.extend(code.is_some().then_some(lease.link));
            }
            Change::SendCode { link, mail, .. } => {
                self.links.insert(*link);
                self.codes.insert(*link);
                self.mails.insert(mail.mail.id);
            }
            Change::TryMail { id, .. } | Change::DropMail { id } => {
                self.mails.insert(*id);
            }
            Change::Once { once, change } => {
                self.done.insert(once.key);
                self.add_change(change);
            }
            Change::AddCheckpoint(checkpoint) => {
                self.entries.insert(checkpoint.number);
            }
            // Those that are left need nothing, or look for themselves.
            _ => {}
        }
    }
}
