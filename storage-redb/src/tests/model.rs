//! What a store must hold after changes, down to each row of each table.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    time::Duration,
};

use consign_core::{
    audience::{Audience, Principal, Scope},
    code::Codes,
    event::{Event, EventKind, Recorded},
    file::{File, FileEntry, Seq},
    group::Group,
    id::{FileId, GroupId, LeaseId, LinkId, UserId},
    link::{Edit, Lease, ManagedLink},
    mail::MailId,
    once::{OnceKey, Remembered},
    outbox::Queued,
    quota::Usage,
    removal::{Purge, Removal, RemovedFile},
    store::{
        Change, DownloadsOf, FileStore, Insert, InsertGuard, Outcome, StoreError, Update, UserStore,
    },
    testing::sample_checkpoint,
    time::Timestamp,
    trail::{self, Checkpoint, EntryHash, WriterId},
    user::{Role, User, UserChange},
};
use redb::{Key, ReadTransaction, ReadableTable, TableDefinition, Value};

use crate::{
    RedbStore,
    fault::Fault,
    record,
    schema::{
        BLOBS, CHECKPOINTS, CODES, DONE, DOWNLOADED, DOWNLOADS, EMAILS, EXPIRIES, FILE_IDS,
        FILE_NAMES, FILES, GROUP_NAMES, GROUPS, LAST_COMMIT, LAST_EVENT, LAST_FILE, LEASES,
        LINK_MAKERS, LINK_SECRETS, LINKS, MAILS, MAILS_DUE, MEMBERS, MEMBERSHIPS, META,
        OPERATIONS_USERS, REMOVED, REMOVED_DUE, REMOVED_IDS, RETAINED, SCHEMA, TRAIL, USAGE,
        USERNAMES, USERS, VERSION, VIEWS,
    },
    trail as trail_rows,
};

/// One change, as a caller asks for it.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Insert(User, InsertGuard, Vec<Event>),
    Update(UserId, UserChange, Vec<Event>),
    Apply(Change),
}

/// What a caller is answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Insert(Insert),
    Update(Update),
    Apply(Outcome),
}

impl Step {
    pub(super) async fn ask(self, store: &RedbStore) -> Result<Answer, StoreError> {
        match self {
            Self::Insert(user, guard, events) => {
                let insert = store.insert(user, guard, events).await;
                insert.map(Answer::Insert)
            }
            Self::Update(id, change, events) => {
                let update = store.update(id, change, events).await;
                update.map(Answer::Update)
            }
            Self::Apply(change) => store.apply(change).await.map(Answer::Apply),
        }
    }
}

/// Users, files and the trail, kept without regard to how the store keeps them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) users: Vec<User>,
    pub(super) files: BTreeMap<Seq, FileEntry>,
    pub(super) removed: BTreeMap<Seq, RemovedFile>,
    pub(super) groups: BTreeMap<GroupId, Group>,
    members: BTreeSet<(GroupId, UserId)>,
    pub(super) links: BTreeMap<LinkId, ManagedLink>,
    leases: BTreeMap<LeaseId, Lease>,
    done: BTreeMap<OnceKey, Remembered>,
    codes: BTreeMap<LinkId, Codes>,
    pub(super) mails: BTreeMap<MailId, Queued>,
    trail: Vec<Event>,
    /// The numbers of the entries that have a checkpoint.
    vouched: BTreeSet<u64>,
    last_file: Seq,
}

impl Model {
    /// Makes a change, and says what is answered.
    pub(super) fn make(&mut self, step: &Step) -> Answer {
        match step {
            Step::Insert(user, guard, events) => {
                let insert = self.insert(user, *guard);
                if insert == Insert::Done {
                    self.trail.extend_from_slice(events);
                }
                Answer::Insert(insert)
            }
            Step::Update(id, change, events) => {
                let update = self.update(*id, change);
                if let Update::Done(_) = update {
                    self.trail.extend_from_slice(events);
                }
                Answer::Update(update)
            }
            Step::Apply(change) => {
                let outcome = self.apply(change);
                if matches!(
                    outcome,
                    Outcome::Added(_)
                        | Outcome::Removed(_)
                        | Outcome::Restored(_)
                        | Outcome::Purged(_)
                        | Outcome::FileSet(_)
                        | Outcome::GroupSet(_)
                        | Outcome::GroupRemoved(_)
                        | Outcome::MembersSet
                        | Outcome::LinkSet(_)
                        | Outcome::Recorded
                ) {
                    self.trail.extend(change.events());
                }
                Answer::Apply(outcome)
            }
        }
    }

    /// Whether no table is empty.
    pub(super) fn has_a_row_of_each_kind(&self) -> bool {
        let empty = [
            self.users.is_empty(),
            self.files.is_empty(),
            self.removed.is_empty(),
            self.groups.is_empty(),
            self.members.is_empty(),
            self.links.is_empty(),
            self.leases.is_empty(),
            self.done.is_empty(),
            self.codes.is_empty(),
            self.mails.is_empty(),
            self.trail.is_empty(),
        ];
        let limited = |entry: &FileEntry| entry.audience != Audience::everybody();
        let ends = |entry: &FileEntry| entry.expires_at.is_some();
        let grouped = |entry: &FileEntry| entry.audience.groups().next().is_some();
        let any = |of: fn(&FileEntry) -> bool| self.files.values().any(of);
        !empty.contains(&true) && any(limited) && any(ends) && any(grouped)
    }

    fn insert(&mut self, user: &User, guard: InsertGuard) -> Insert {
        if guard == InsertGuard::NoOperationsUser && self.operations_users() > 0 {
            return Insert::GuardFailed;
        }
        if self.users.iter().any(|one| one.username == user.username) {
            return Insert::UsernameTaken;
        }
        self.users.push(user.clone());
        Insert::Done
    }

    fn update(&mut self, id: UserId, change: &UserChange) -> Update {
        let last = self.operations_users() == 1;
        let Some(user) = self.users.iter_mut().find(|user| user.id == id) else {
            return Update::Missing;
        };
        let Some(after) = user.changed(change) else {
            return Update::Stale;
        };
        if last && user.role == Role::Operations && after.role == Role::Client {
            return Update::LastOperationsUser;
        }
        *user = after.clone();
        Update::Done(after)
    }

    fn apply(&mut self, change: &Change) -> Outcome {
        match change {
            Change::AddFile { entry, quota } => {
                if self.entries().any(|one| one.id == entry.id) {
                    return Outcome::Exists;
                }
                if let Some(group) = self.missing_group(&entry.audience) {
                    return Outcome::NoSuchGroup(group);
                }
                let usage = self.usage().remove(&entry.uploaded_by).unwrap_or_default();
                if !quota.allows(usage.plus(Usage::file(entry.size))) {
                    return Outcome::OverQuota;
                }
                self.last_file += 1;
                self.files.insert(self.last_file, entry.clone());
                Outcome::Added(File {
                    seq: self.last_file,
                    entry: entry.clone(),
                })
            }
            Change::RemoveFile {
                id,
                why,
                keep_until,
                by,
                at,
            } => {
                let mut files = self.files.iter();
                let Some(file) = files.find(|(_, entry)| entry.id == *id).map(file) else {
                    return Outcome::Missing;
                };
                if *why != Removal::Asked && self.ended(&file.entry, *at, *why).is_none() {
                    return Outcome::Stale;
                }
                self.files.remove(&file.seq);
                if let Some(kept_until) = *keep_until {
                    let removed = RemovedFile {
                        file: file.clone(),
                        why: *why,
                        removed_by: *by,
                        removed_at: *at,
                        kept_until,
                    };
                    self.removed.insert(file.seq, removed);
                }
                Outcome::Removed(file)
            }
            Change::RestoreFile {
                id, expires_at, at, ..
            } => {
                let removed = self.removed_of(*id).filter(|one| one.is_kept(*at));
                let Some(RemovedFile { mut file, .. }) = removed else {
                    return Outcome::Missing;
                };
                file.entry.expires_at = expires_at.clone().or(file.entry.expires_at);
                file.entry.restored_at = Some(*at);
                if !file.entry.is_there(*at) {
                    return Outcome::Stale;
                }
                self.removed.remove(&file.seq);
                self.files.insert(file.seq, file.entry.clone());
                Outcome::Restored(file)
            }
            Change::PurgeFile { id, purge, at, .. } => match self.removed_of(*id) {
                None => Outcome::Missing,
                Some(removed) if *purge == Purge::Due && removed.is_kept(*at) => Outcome::Stale,
                Some(removed) => {
                    self.removed.remove(&removed.file.seq);
                    Outcome::Purged(removed)
                }
            },
            Change::EditFile { id, edit, at, .. } => {
                let missing = match &edit.audience {
                    Edit::Set(audience) => self.missing_group(audience),
                    Edit::Keep => None,
                };
                let mut files = self.files.iter_mut();
                let known = files.find(|(_, entry)| entry.id == *id && entry.is_there(*at));
                let Some((seq, entry)) = known else {
                    return Outcome::Missing;
                };
                if let Some(group) = missing {
                    return Outcome::NoSuchGroup(group);
                }
                *entry = entry.edited(edit);
                Outcome::FileSet(file((seq, entry)))
            }
            Change::SetCrc32 { id, crc32 } => {
                let mut files = self.files.iter_mut();
                match files.find(|(_, entry)| entry.id == *id) {
                    Some((seq, entry)) => {
                        entry.crc32 = Some(*crc32);
                        Outcome::Crc32Set(file((seq, entry)))
                    }
                    None => Outcome::Missing,
                }
            }
            Change::AddGroup(group) => {
                if self.groups.contains_key(&group.id) {
                    return Outcome::Exists;
                }
                if self.groups.values().any(|other| other.name == group.name) {
                    return Outcome::NameTaken;
                }
                self.groups.insert(group.id, group.clone());
                Outcome::GroupSet(group.clone())
            }
            Change::EditGroup { id, edit, .. } => {
                let Some(group) = self.groups.get(id).map(|group| group.edited(edit)) else {
                    return Outcome::Missing;
                };
                let mut others = self.groups.values().filter(|other| other.id != *id);
                if others.any(|other| other.name == group.name) {
                    return Outcome::NameTaken;
                }
                self.groups.insert(*id, group.clone());
                Outcome::GroupSet(group)
            }
            Change::RemoveGroup { id, .. } => {
                let Some(group) = self.groups.remove(id) else {
                    return Outcome::Missing;
                };
                self.members.retain(|(group, _)| group != id);
                Outcome::GroupRemoved(group)
            }
            Change::AddMember { group, user, .. } => {
                if !self.groups.contains_key(group) {
                    return Outcome::Missing;
                }
                match self.members.insert((*group, *user)) {
                    true => Outcome::MembersSet,
                    false => Outcome::Exists,
                }
            }
            Change::RemoveMember { group, user, .. } => {
                match self.members.remove(&(*group, *user)) {
                    true => Outcome::MembersSet,
                    false => Outcome::Missing,
                }
            }
            Change::AddLink(link) => {
                let mut files = link.files.iter();
                match files.find(|id| !self.has(**id)) {
                    Some(file) => Outcome::NoSuchFile(*file),
                    None => self.set_link(link.clone()),
                }
            }
            Change::EditLink { id, edit, .. } => match self.links.get(id) {
                Some(link) => {
                    let edited = link.edited(edit);
                    if let Some(codes) = self.codes.get_mut(id)
                        && edited.recipient != link.recipient
                    {
                        *codes = codes.withdrawn();
                    }
                    self.set_link(edited)
                }
                None => Outcome::Missing,
            },
            Change::RevokeLink { id, at, .. } => match self.links.get(id) {
                Some(link) => match link.revoked(*at) {
                    Some(revoked) => self.set_link(revoked),
                    None => Outcome::Exists,
                },
                None => Outcome::Missing,
            },
            Change::SendCode {
                link,
                revision,
                code,
                mail,
                at,
            } => match self.links.get(link) {
                None => Outcome::Missing,
                Some(found) if found.revision != *revision => Outcome::Stale,
                Some(found) if !found.is_open(*at) => Outcome::NotOpen,
                Some(_) => match self.codes_of(*link).with(*code, *at) {
                    Ok(codes) => {
                        self.codes.insert(*link, codes);
                        self.mails.insert(mail.mail.id, mail.clone());
                        Outcome::CodeSent
                    }
                    Err(none) => Outcome::NoCode(none),
                },
            },
            Change::TryMail { id, attempts, at } => match self.mails.get_mut(id) {
                None => Outcome::Missing,
                Some(queued) if queued.attempts != *attempts => Outcome::Stale,
                Some(queued) => {
                    *queued = queued.tried(*at);
                    Outcome::MailSet(queued.clone())
                }
            },
            Change::DropMail { id } => match self.mails.remove(id) {
                None => Outcome::Missing,
                Some(queued) => Outcome::MailSet(queued),
            },
            Change::OpenLease {
                lease,
                revision,
                code,
                ..
            } => match self.links.get(&lease.link) {
                None => Outcome::Missing,
                Some(link) if link.revision != *revision => Outcome::Stale,
                Some(link) => match link.leased(lease.opened_at) {
                    Some(leased) => {
                        if let Some(code) = code {
                            let before = self.codes_of(lease.link);
                            let (right, after) = before.tried(*code, lease.opened_at);
                            if after != before {
                                self.codes.insert(lease.link, after);
                            }
                            if !right {
                                return Outcome::WrongCode;
                            }
                        }
                        self.leases.insert(lease.id, lease.clone());
                        self.set_link(leased)
                    }
                    None => Outcome::NotOpen,
                },
            },
            Change::Once { once, change } => {
                let done = self.done.get(&once.key);
                if let Some(done) = done.filter(|done| once.at < done.until) {
                    return done.answer(once);
                }
                let outcome = self.apply(change);
                if let Some(made) = outcome.made(change) {
                    let done = Remembered {
                        request: once.request,
                        made,
                        until: once.until,
                    };
                    self.done.insert(once.key, done);
                }
                outcome
            }
            Change::ForgetOnce { before } => {
                let all = self.done.len();
                self.done.retain(|_, done| done.until >= *before);
                match all - self.done.len() {
                    0 => Outcome::Missing,
                    forgotten => Outcome::Forgotten(forgotten),
                }
            }
            Change::ForgetLeases { ended_before } => {
                let before = self.leases.len();
                self.leases
                    .retain(|_, lease| lease.expires_at >= *ended_before);
                match before - self.leases.len() {
                    0 => Outcome::Missing,
                    forgotten => Outcome::Forgotten(forgotten),
                }
            }
            Change::Record(events) if events.is_empty() => Outcome::Missing,
            Change::Record(_) => Outcome::Recorded,
            Change::AddCheckpoint(checkpoint) => {
                let number = checkpoint.number;
                match self.recorded().get((number as usize).wrapping_sub(1)) {
                    Some(entry) if entry.hash == checkpoint.hash => {
                        match self.vouched.insert(number) {
                            true => Outcome::CheckpointAdded,
                            false => Outcome::Exists,
                        }
                    }
                    _ => Outcome::Missing,
                }
            }
            unknown => panic!("{unknown:?} is no change of these tests"),
        }
    }

    /// The trail as it is chained.
    pub(super) fn recorded(&self) -> Vec<Recorded> {
        let mut last = EntryHash::NONE;
        let entries = (1..).zip(&self.trail).map(|(number, event)| {
            last = trail::link(last, WriterId::ONLY, number, event);
            Recorded {
                seq: number,
                writer: WriterId::ONLY,
                number,
                hash: last,
                event: event.clone(),
            }
        });
        entries.collect()
    }

    fn checkpoints(&self, recorded: &[Recorded]) -> Vec<Checkpoint> {
        let entries = self.vouched.iter();
        let entries = entries.map(|number| recorded[*number as usize - 1].head());
        entries.map(sample_checkpoint).collect()
    }

    /// Of all files, also removed ones.
    fn entries(&self) -> impl Iterator<Item = &FileEntry> {
        let removed = self.removed.values().map(|removed| &removed.file.entry);
        self.files.values().chain(removed)
    }

    fn removed_of(&self, id: FileId) -> Option<RemovedFile> {
        let mut removed = self.removed.values();
        removed.find(|one| one.file.entry.id == id).cloned()
    }

    /// The file, if it has ended for this reason.
    fn ended(&self, entry: &FileEntry, now: Timestamp, why: Removal) -> Option<FileId> {
        let groups = entry.audience.groups();
        let retentions = groups.filter_map(|id| self.groups.get(&id)?.retention);
        let has_ended = match why {
            Removal::Asked => false,
            Removal::Expired => !entry.is_there(now),
            Removal::Retention => entry.is_over(retentions.min(), now),
        };
        has_ended.then_some(entry.id)
    }

    fn has(&self, file: FileId) -> bool {
        self.files.values().any(|entry| entry.id == file)
    }

    fn set_link(&mut self, link: ManagedLink) -> Outcome {
        self.links.insert(link.id, link.clone());
        Outcome::LinkSet(link)
    }

    fn codes_of(&self, link: LinkId) -> Codes {
        self.codes.get(&link).cloned().unwrap_or_default()
    }

    fn missing_group(&self, audience: &Audience) -> Option<GroupId> {
        let mut groups = audience.groups();
        groups.find(|id| !self.groups.contains_key(id))
    }

    /// Of those users who have files.
    fn usage(&self) -> BTreeMap<UserId, Usage> {
        let mut usage = BTreeMap::<_, Usage>::new();
        for entry in self.entries() {
            let user = usage.entry(entry.uploaded_by).or_default();
            *user = user.plus(Usage::file(entry.size));
        }
        usage
    }

    fn operations_users(&self) -> usize {
        let all = self.users.iter();
        all.filter(|user| user.role == Role::Operations).count()
    }
}

/// Whether a store holds just what the model does, or else where it differs.
pub(super) async fn compare(store: &RedbStore, model: &Model) -> Result<(), String> {
    let rows = store.point(|snapshot| compare_rows(snapshot, model));
    rows.map_err(|error| format!("{error:?}"))??;
    compare_answers(store, model)
        .await
        .map_err(|error| format!("{error:?}"))?
}

/// Each row of each table: all that should be there is, and nothing else.
fn compare_rows(snapshot: &ReadTransaction, model: &Model) -> Result<Result<(), String>, Fault> {
    let users = || model.users.iter();
    let files = || model.files.iter();
    let removed = || model.removed.values();
    let id = |user: &User| *user.id.as_bytes();
    let mut meta = vec![(SCHEMA.to_owned(), VERSION)];
    // A counter that was never needed is not there, and none goes back to 0.
    for (name, number) in [
        (LAST_FILE, model.last_file),
        (LAST_EVENT, model.trail.len() as u64),
        (OPERATIONS_USERS, model.operations_users() as u64),
    ] {
        if number > 0 {
            meta.push((name.to_owned(), number));
        }
    }
    let groups = || model.groups.values();
    let links = || model.links.values();
    let members = || {
        let members = model.members.iter();
        members.map(|(group, user)| (*group.as_bytes(), *user.as_bytes()))
    };
    let views = files().flat_map(|(seq, entry)| {
        let principals = entry.audience.principals().iter();
        let by = (
            [&[3], entry.uploaded_by.as_bytes().as_slice()].concat(),
            *seq,
        );
        let audience = principals.map(move |principal| {
            let key = match principal {
                Principal::Everybody => [0; 17].to_vec(),
                Principal::User(id) => [&[1], id.as_bytes().as_slice()].concat(),
                Principal::Group(id) => [&[2], id.as_bytes().as_slice()].concat(),
            };
            (key, *seq)
        });
        audience.chain([by])
    });
    let recorded = model.recorded();
    let mut downloads = Vec::new();
    let mut sums = BTreeMap::<_, (u64, u64, u64)>::new();
    for entry in &recorded {
        if let EventKind::Download(download) = &entry.event.kind {
            for of in DownloadsOf::that_have(&entry.event) {
                let (key, more) = (trail_rows::key(of), download.transfers);
                downloads.push((key.clone(), entry.seq, of));
                let sum = sums.entry(key).or_default();
                sum.0 += more.started;
                sum.1 += more.completed;
                sum.2 += more.bytes;
            }
        }
    }
    let tables = [
        same(snapshot, VIEWS, views, |(key, seq), ()| (key.to_vec(), seq))?,
        same(
            snapshot,
            RETAINED,
            files().flat_map(|(seq, entry)| {
                let from = entry.restored_at.unwrap_or(entry.uploaded_at).as_millis();
                let groups = entry.audience.groups();
                groups.map(move |group| (*group.as_bytes(), from, *seq))
            }),
            |(group, from, seq), ()| (*group, from, seq),
        )?,
        same(
            snapshot,
            REMOVED,
            removed().map(|one| (one.file.seq, record::removed(one).unwrap())),
            |key, value| (key, value.to_vec()),
        )?,
        same(
            snapshot,
            REMOVED_IDS,
            removed().map(|one| (*one.file.entry.id.as_bytes(), one.file.seq)),
            |key, value| (*key, value),
        )?,
        same(
            snapshot,
            REMOVED_DUE,
            removed().map(|one| (one.kept_until.as_millis(), one.file.seq)),
            |row, ()| row,
        )?,
        same(
            snapshot,
            EXPIRIES,
            files().filter_map(|(seq, entry)| Some((entry.expires_at?.as_millis(), *seq))),
            |row, ()| row,
        )?,
        same(
            snapshot,
            GROUPS,
            groups().map(|group| (*group.id.as_bytes(), record::group(group).unwrap())),
            |key, value| (*key, value.to_vec()),
        )?,
        same(
            snapshot,
            GROUP_NAMES,
            groups().map(|group| (group.name.to_string(), *group.id.as_bytes())),
            |key, value| (key.to_owned(), *value),
        )?,
        same(snapshot, MEMBERS, members(), |(group, user), ()| {
            (*group, *user)
        })?,
        same(
            snapshot,
            MEMBERSHIPS,
            members().map(|(group, user)| (user, group)),
            |(user, group), ()| (*user, *group),
        )?,
        same(
            snapshot,
            LINKS,
            links().map(|link| (*link.id.as_bytes(), record::link(link).unwrap())),
            |key, value| (*key, value.to_vec()),
        )?,
        same(
            snapshot,
            LINK_SECRETS,
            links().map(|link| (link.secret.0, *link.id.as_bytes())),
            |key, value| (*key, *value),
        )?,
        same(
            snapshot,
            LINK_MAKERS,
            links().map(|link| (*link.made_by.as_bytes(), *link.id.as_bytes())),
            |(maker, link), ()| (*maker, *link),
        )?,
        same(
            snapshot,
            LEASES,
            model
                .leases
                .values()
                .map(|lease| (*lease.id.as_bytes(), record::lease(lease).unwrap())),
            |key, value| (*key, value.to_vec()),
        )?,
        same(
            snapshot,
            DONE,
            model
                .done
                .iter()
                .map(|(key, done)| (key.0, record::remembered(done).unwrap())),
            |key, value| (*key, value.to_vec()),
        )?,
        same(
            snapshot,
            CODES,
            model
                .codes
                .iter()
                .map(|(link, codes)| (*link.as_bytes(), record::codes(codes).unwrap())),
            |key, value| (*key, value.to_vec()),
        )?,
        same(
            snapshot,
            MAILS,
            model
                .mails
                .iter()
                .map(|(id, mail)| (*id.as_bytes(), record::mail(mail).unwrap())),
            |key, value| (*key, value.to_vec()),
        )?,
        same(
            snapshot,
            MAILS_DUE,
            model
                .mails
                .iter()
                .map(|(id, mail)| (mail.due.as_millis(), *id.as_bytes())),
            |(due, id), ()| (due, *id),
        )?,
        same(snapshot, META, meta, |key, value| match key {
            // What shares a commit is not the model's affair.
            LAST_COMMIT => (SCHEMA.to_owned(), VERSION),
            key => (key.to_owned(), value),
        })?,
        same(
            snapshot,
            USERS,
            users().map(|user| (id(user), record::user(user).unwrap())),
            |key, value| (*key, value.to_vec()),
        )?,
        same(
            snapshot,
            USERNAMES,
            users().map(|user| (user.username.as_str().to_owned(), id(user))),
            |key, value| (key.to_owned(), *value),
        )?,
        same(
            snapshot,
            EMAILS,
            users().map(|user| (user.email.unique_key(), id(user))),
            |key, value| (key.to_owned(), *value),
        )?,
        same(
            snapshot,
            FILES,
            files().map(|(seq, entry)| (*seq, record::file(entry).unwrap())),
            |key, value| (key, value.to_vec()),
        )?,
        same(
            snapshot,
            FILE_IDS,
            files().map(|(seq, entry)| (*entry.id.as_bytes(), *seq)),
            |key, value| (*key, value),
        )?,
        same(
            snapshot,
            FILE_NAMES,
            files().map(|(seq, entry)| (entry.name.as_str().to_owned(), *seq)),
            |(name, seq), ()| (name.to_owned(), seq),
        )?,
        same(
            snapshot,
            BLOBS,
            files()
                .map(|(seq, entry)| (*seq, entry))
                .chain(removed().map(|one| (one.file.seq, &one.file.entry)))
                .map(|(seq, entry)| (*entry.blob.as_bytes(), seq)),
            |key, value| (*key, value),
        )?,
        same(
            snapshot,
            USAGE,
            model.usage().into_iter().map(|(user, usage)| {
                let bytes = u128::from(usage.bytes);
                (*user.as_bytes(), (usage.files, bytes))
            }),
            |key, value| (*key, value),
        )?,
        same(
            snapshot,
            TRAIL,
            recorded.iter().map(|entry| {
                let record = record::event(&entry.event).unwrap();
                (entry.seq, entry.hash.0, record)
            }),
            |key, (hash, value)| (key, *hash, value.to_vec()),
        )?,
        same(
            snapshot,
            CHECKPOINTS,
            model.checkpoints(&recorded).iter().map(|checkpoint| {
                let record = trail_rows::checkpoint(checkpoint).unwrap();
                (checkpoint.number, record)
            }),
            |key, value| (key, value.to_vec()),
        )?,
        same(
            snapshot,
            DOWNLOADS,
            downloads.iter().map(|(key, seq, _)| (key.clone(), *seq)),
            |(key, seq), ()| (key.to_vec(), seq),
        )?,
        same(snapshot, DOWNLOADED, sums, |key, sum| (key.to_vec(), sum))?,
    ];
    Ok(tables.into_iter().collect())
}

fn same<K: Key + 'static, V: Value + 'static, R: Ord + Debug>(
    snapshot: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
    expected: impl IntoIterator<Item = R>,
    row: impl Fn(K::SelfType<'_>, V::SelfType<'_>) -> R,
) -> Result<Result<(), String>, Fault> {
    let mut found = BTreeSet::new();
    for entry in snapshot.open_table(table)?.iter()? {
        let (key, value) = entry?;
        found.insert(row(key.value(), value.value()));
    }
    let expected: BTreeSet<_> = expected.into_iter().collect();
    if found == expected {
        return Ok(Ok(()));
    }
    let missing: Vec<_> = expected.difference(&found).take(3).collect();
    let extra: Vec<_> = found.difference(&expected).take(3).collect();
    let name = redb::TableHandle::name(&table);
    Ok(Err(format!("{name}: without {missing:?}, with {extra:?}")))
}

/// What callers are answered, who know of no rows.
async fn compare_answers(
    store: &RedbStore,
    model: &Model,
) -> Result<Result<(), String>, StoreError> {
    UserStore::check(store).await?;
    let all = usize::MAX;
    let mut users = model.users.clone();
    users.sort_by(|one, other| one.username.cmp(&other.username));
    let now = Timestamp::from_secs(model.last_file);
    let there = |file: &File| file.entry.is_there(now);
    let files: Vec<_> = model.files.iter().rev().map(file).filter(there).collect();
    let recorded = model.recorded();
    let checkpoints = model.checkpoints(&recorded);
    let mut right = UserStore::list(store, None, all).await?.items == users
        && FileStore::list(store, &Scope::All, now, None, all)
            .await?
            .items
            == files
        && store.events(None, all).await?.items == recorded
        && store.heads().await? == Vec::from_iter(recorded.last().map(Recorded::head))
        && store.checkpoints(None, all).await?.items == checkpoints
        && store.has_operations_user().await? == (model.operations_users() > 0);
    let kept = model.removed.values().rev().filter(|one| one.is_kept(now));
    let listed = store.removed(now, None, all).await?.items;
    right &= listed.iter().eq(kept);
    let mut due: Vec<_> = model.removed.values().collect();
    due.sort_by_key(|one| (one.kept_until, one.file.seq));
    due.retain(|one| !one.is_kept(now));
    right &= store.due(now, all).await?.iter().eq(due);
    // Some of the groups' files are over then, and others not.
    let then = now + Duration::from_secs(24 * 60 * 60);
    let ended: BTreeSet<_> = store
        .ended(then, all)
        .await?
        .iter()
        .map(|one| one.file)
        .collect();
    let expected = model.files.values().filter_map(|entry| {
        let whys = [Removal::Expired, Removal::Retention].into_iter();
        whys.filter_map(|why| model.ended(entry, then, why)).next()
    });
    right &= ended == expected.collect();
    for user in users.iter().rev().take(2) {
        let in_groups = model
            .members
            .iter()
            .filter(|(_, member)| *member == user.id);
        let in_groups: Vec<_> = in_groups.map(|(group, _)| *group).collect();
        let scope = Scope::of_client(user.id, in_groups.iter().copied());
        let seen = files.iter().filter(|file| scope.has(&file.entry));
        let listed = FileStore::list(store, &scope, now, None, all).await?.items;
        right &= listed.iter().eq(seen) && store.groups_of(user.id).await? == in_groups;
        let (by_id, by_name) = (
            UserStore::by_id(store, user.id).await?,
            store.by_username(&user.username).await?,
        );
        right &= by_id.as_ref() == Some(user) && by_name.as_ref() == Some(user);
    }
    for one in files.iter().take(2) {
        let named = |other: &&File| other.entry.name == one.entry.name;
        right &= store
            .newest(&one.entry.name, &Scope::All, now)
            .await?
            .as_ref()
            == files.iter().find(named)
            && FileStore::by_id(store, one.entry.id).await?.as_ref() == Some(one)
            && store.references(one.entry.blob).await?
            && model.usage().get(&one.entry.uploaded_by)
                == Some(&store.usage(one.entry.uploaded_by).await?);
    }
    Ok(right
        .then_some(())
        .ok_or_else(|| "the rows are right, and the answers are not".to_owned()))
}

fn file((seq, entry): (&Seq, &FileEntry)) -> File {
    File {
        seq: *seq,
        entry: entry.clone(),
    }
}
