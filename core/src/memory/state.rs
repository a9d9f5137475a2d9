//! What the stores' contracts mean, as plain functions over plain collections.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Bound::{Excluded, Unbounded},
};

use super::trail::Trail;
use crate::{
    audience::{Audience, Scope},
    code::Codes,
    event::Event,
    file::{File, FileEntry, FileName, Seq},
    group::{Group, GroupName},
    id::{BlobKey, FileId, GroupId, LeaseId, LinkId, UserId},
    link::{Edit, Lease, ManagedLink, SecretHash},
    mail::MailId,
    once::{OnceKey, Remembered},
    outbox::Queued,
    quota::Usage,
    removal::{Ended, Purge, Removal, RemovedFile},
    store::{
        Change, FORGET_AT_ONCE, Insert, InsertGuard, MAX_GROUPS, Outcome, Page, StoreError, Update,
    },
    time::Timestamp,
    trail::EntryHash,
    user::{Email, Role, User, UserChange, Username},
};

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) users: BTreeMap<Username, User>,
    pub(super) files: BTreeMap<Seq, File>,
    pub(super) removed: BTreeMap<Seq, RemovedFile>,
    pub(super) last_file: Seq,
    pub(super) groups: BTreeMap<GroupId, Group>,
    pub(super) members: BTreeSet<(GroupId, UserId)>,
    pub(super) links: BTreeMap<LinkId, ManagedLink>,
    pub(super) leases: BTreeMap<LeaseId, Lease>,
    pub(super) done: BTreeMap<OnceKey, Remembered>,
    pub(super) codes: BTreeMap<LinkId, Codes>,
    pub(super) mails: BTreeMap<MailId, Queued>,
    pub(super) trail: Trail,
    pub(super) copying: Option<EntryHash>,
}

impl State {
    pub(super) fn user(&self, id: UserId) -> Option<&User> {
        self.users.values().find(|user| user.id == id)
    }

    pub(super) fn user_named(&self, username: &Username) -> Option<&User> {
        self.users.get(username)
    }

    pub(super) fn user_at(&self, email: &Email) -> Option<&User> {
        let key = email.unique_key();
        let mut users = self.users.values();
        users.find(|user| user.email.unique_key() == key)
    }

    pub(super) fn users_after(
        &self,
        after: Option<&Username>,
        limit: usize,
    ) -> Page<User, Username> {
        let from = after.map_or(Unbounded, Excluded);
        let users = self
            .users
            .range((from, Unbounded))
            .take(limit.saturating_add(1));
        let items = users.map(|(_, user)| user.clone()).collect();
        Page::cut(items, limit, |user: &User| user.username.clone())
    }

    pub(super) fn insert_user(
        &mut self,
        user: User,
        guard: InsertGuard,
        events: Vec<Event>,
    ) -> Result<Insert, StoreError> {
        if self.user(user.id).is_some() {
            return Err(StoreError::Exists);
        }
        if guard == InsertGuard::NoOperationsUser && self.operations_users() > 0 {
            return Ok(Insert::GuardFailed);
        }
        if self.users.contains_key(&user.username) {
            return Ok(Insert::UsernameTaken);
        }
        if self.user_at(&user.email).is_some() {
            return Ok(Insert::EmailTaken);
        }
        self.users.insert(user.username.clone(), user);
        self.trail.record(events);
        Ok(Insert::Done)
    }

    pub(super) fn update_user(
        &mut self,
        id: UserId,
        change: &UserChange,
        events: Vec<Event>,
    ) -> Update {
        let Some(before) = self.user(id) else {
            return Update::Missing;
        };
        let Some(after) = before.changed(change) else {
            return Update::Stale;
        };
        let leaves = before.role == Role::Operations && after.role != Role::Operations;
        if leaves && self.operations_users() == 1 {
            return Update::LastOperationsUser;
        }
        self.users.insert(after.username.clone(), after.clone());
        self.trail.record(events);
        Update::Done(after)
    }

    pub(super) fn file(&self, id: FileId) -> Option<&File> {
        self.files.values().find(|file| file.entry.id == id)
    }

    /// Of all files, also removed ones.
    pub(super) fn entries(&self) -> impl Iterator<Item = &FileEntry> {
        let removed = self.removed.values().map(|removed| &removed.file);
        let files = self.files.values().chain(removed);
        files.map(|file| &file.entry)
    }

    pub(super) fn removed_file(&self, id: FileId) -> Option<&RemovedFile> {
        let mut removed = self.removed.values();
        removed.find(|removed| removed.file.entry.id == id)
    }

    pub(super) fn removed_before(
        &self,
        now: Timestamp,
        before: Option<Seq>,
        limit: usize,
    ) -> Page<RemovedFile, Seq> {
        let to = before.map_or(Unbounded, Excluded);
        let removed = self.removed.range((Unbounded, to)).rev();
        let kept = removed.filter(|(_, removed)| removed.is_kept(now));
        let items = kept.take(limit.saturating_add(1));
        let items = items.map(|(_, removed)| removed.clone()).collect();
        Page::cut(items, limit, |removed: &RemovedFile| removed.file.seq)
    }

    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Vec<RemovedFile> {
        let removed = self.removed.values();
        let due = removed.filter(|removed| !removed.is_kept(now));
        let mut due: Vec<_> = due.cloned().collect();
        due.sort_by_key(|removed| (removed.kept_until, removed.file.seq));
        due.truncate(limit);
        due
    }

    pub(super) fn ended(&self, now: Timestamp, limit: usize) -> Vec<Ended> {
        let entries = self.files.values().map(|file| &file.entry);
        let ended = entries.filter_map(|entry| {
            let why = match entry.is_there(now) {
                false => Removal::Expired,
                true if self.is_over(entry, now) => Removal::Retention,
                true => return None,
            };
            let file = entry.id;
            Some(Ended { file, why })
        });
        ended.take(limit).collect()
    }

    /// Whether the shortest retention of the file's groups is over.
    fn is_over(&self, entry: &FileEntry, now: Timestamp) -> bool {
        let groups = entry.audience.groups();
        let retentions = groups.filter_map(|id| self.groups.get(&id)?.retention);
        entry.is_over(retentions.min(), now)
    }

    pub(super) fn newest(&self, name: &FileName, scope: &Scope, now: Timestamp) -> Option<&File> {
        let files = self.files.values().rev();
        let mut seen = files.filter(|file| scope.has(&file.entry) && file.entry.is_there(now));
        seen.find(|file| file.entry.name == *name)
    }

    pub(super) fn files_before(
        &self,
        scope: &Scope,
        now: Timestamp,
        before: Option<Seq>,
        limit: usize,
    ) -> Page<File, Seq> {
        let to = before.map_or(Unbounded, Excluded);
        let files = self.files.range((Unbounded, to)).rev();
        let seen = files.filter(|(_, file)| scope.has(&file.entry) && file.entry.is_there(now));
        let items = seen.take(limit.saturating_add(1));
        let items = items.map(|(_, file)| file.clone()).collect();
        Page::cut(items, limit, |file: &File| file.seq)
    }

    pub(super) fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(&id)
    }

    pub(super) fn groups_after(
        &self,
        after: Option<&GroupName>,
        limit: usize,
    ) -> Page<Group, GroupName> {
        let groups = self.groups.values();
        let later = groups.filter(|group| after.is_none_or(|after| group.name > *after));
        let mut items: Vec<_> = later.cloned().collect();
        items.sort_by(|one, other| one.name.cmp(&other.name));
        items.truncate(limit.saturating_add(1));
        Page::cut(items, limit, |group: &Group| group.name.clone())
    }

    pub(super) fn members_after(
        &self,
        group: GroupId,
        after: Option<UserId>,
        limit: usize,
    ) -> Page<UserId, UserId> {
        let members = self.members.iter().filter(|(of, _)| *of == group);
        let members = members.map(|(_, user)| *user);
        let later = members.filter(|user| after.is_none_or(|after| *user > after));
        let items = later.take(limit.saturating_add(1)).collect();
        Page::cut(items, limit, |user: &UserId| *user)
    }

    pub(super) fn groups_of(&self, user: UserId) -> Vec<GroupId> {
        let memberships = self.members.iter().filter(|(_, member)| *member == user);
        memberships.map(|(group, _)| *group).collect()
    }

    /// A group of the audience that there is not.
    fn missing_group(&self, audience: &Audience) -> Option<GroupId> {
        let mut groups = audience.groups();
        groups.find(|id| !self.groups.contains_key(id))
    }

    pub(super) fn is_taken(&self, name: &GroupName, but_by: GroupId) -> bool {
        let mut groups = self.groups.values();
        groups.any(|group| group.name == *name && group.id != but_by)
    }

    pub(super) fn link(&self, id: LinkId) -> Option<&ManagedLink> {
        self.links.get(&id)
    }

    pub(super) fn link_of(&self, secret: SecretHash) -> Option<&ManagedLink> {
        self.links.values().find(|link| link.secret == secret)
    }

    pub(super) fn links_before(
        &self,
        made_by: UserId,
        before: Option<LinkId>,
        limit: usize,
    ) -> Page<ManagedLink, LinkId> {
        let to = before.map_or(Unbounded, Excluded);
        let links = self.links.range((Unbounded, to)).rev();
        let own = links.filter(|(_, link)| link.made_by == made_by);
        let items = own.take(limit.saturating_add(1));
        let items = items.map(|(_, link)| link.clone()).collect();
        Page::cut(items, limit, |link: &ManagedLink| link.id)
    }

    pub(super) fn lease(&self, id: LeaseId) -> Option<&Lease> {
        self.leases.get(&id)
    }

    pub(super) fn mails(&self, limit: usize) -> Vec<Queued> {
        let mut mails: Vec<_> = self.mails.values().cloned().collect();
        mails.sort_by_key(|queued| (queued.due, queued.mail.id));
        mails.truncate(limit);
        mails
    }

    pub(super) fn remembered(&self, key: OnceKey) -> Option<&Remembered> {
        self.done.get(&key)
    }

    fn set_link(&mut self, link: ManagedLink) -> Outcome {
        self.links.insert(link.id, link.clone());
        Outcome::LinkSet(link)
    }

    fn references(&self, key: BlobKey) -> bool {
        let mut entries = self.entries();
        entries.any(|entry| entry.blob == key)
    }

    pub(super) fn unreferenced(&self, keys: &[BlobKey]) -> Vec<BlobKey> {
        let referenced: HashSet<_> = self.entries().map(|entry| entry.blob).collect();
        let keys = keys.iter().filter(|key| !referenced.contains(key));
        keys.copied().collect()
    }

    pub(super) fn usage(&self, user: UserId) -> Usage {
        let own = self.entries().filter(|entry| entry.uploaded_by == user);
        own.fold(Usage::default(), |sum, entry| {
            sum.plus(Usage::file(entry.size))
        })
    }

    pub(super) fn apply(&mut self, change: Change) -> Outcome {
        let events = change.events();
        match self.make(change) {
            Ok(outcome) => {
                self.trail.record(events);
                outcome
            }
            Err(refused) => refused,
        }
    }

    /// What became of a change: an error where nothing was written.
    #[expect(clippy::result_large_err, reason = "both are what is answered")]
    fn make(&mut self, change: Change) -> Result<Outcome, Outcome> {
        match change {
            Change::AddFile { entry, quota } => {
                let known = self.entries().any(|known| known.id == entry.id);
                if known || self.references(entry.blob) {
                    return Err(Outcome::Exists);
                }
                if let Some(group) = self.missing_group(&entry.audience) {
                    return Err(Outcome::NoSuchGroup(group));
                }
                let usage = self.usage(entry.uploaded_by);
                if !quota.allows(usage.plus(Usage::file(entry.size))) {
                    return Err(Outcome::OverQuota);
                }
                self.last_file += 1;
                let seq = self.last_file;
                let file = File { seq, entry };
                self.files.insert(seq, file.clone());
                Ok(Outcome::Added(file))
            }
            Change::RemoveFile {
                id,
                why,
                keep_until,
                by,
                at,
            } => {
                let file = self.file(id).ok_or(Outcome::Missing)?.clone();
                let is_so = match why {
                    Removal::Asked => true,
                    Removal::Expired => !file.entry.is_there(at),
                    Removal::Retention => self.is_over(&file.entry, at),
                };
                if !is_so {
                    return Err(Outcome::Stale);
                }
                self.files.remove(&file.seq);
                if let Some(kept_until) = keep_until {
                    let removed = RemovedFile {
                        file: file.clone(),
                        why,
                        removed_by: by,
                        removed_at: at,
                        kept_until,
                    };
                    self.removed.insert(file.seq, removed);
                }
                Ok(Outcome::Removed(file))
            }
            Change::RestoreFile {
                id, expires_at, at, ..
            } => {
                let removed = self.removed_file(id).filter(|removed| removed.is_kept(at));
                let mut file = removed.ok_or(Outcome::Missing)?.file.clone();
                file.entry.expires_at = expires_at.or(file.entry.expires_at);
                file.entry.restored_at = Some(at);
                if !file.entry.is_there(at) {
                    return Err(Outcome::Stale);
                }
                self.removed.remove(&file.seq);
                self.files.insert(file.seq, file.clone());
                Ok(Outcome::Restored(file))
            }
            Change::PurgeFile { id, purge, at, .. } => {
                let removed = self.removed_file(id).ok_or(Outcome::Missing)?.clone();
                if purge == Purge::Due && removed.is_kept(at) {
                    return Err(Outcome::Stale);
                }
                self.removed.remove(&removed.file.seq);
                Ok(Outcome::Purged(removed))
            }
            Change::SetCrc32 { id, crc32 } => {
                let seq = self.file(id).ok_or(Outcome::Missing)?.seq;
                let file = self.files.get_mut(&seq).ok_or(Outcome::Missing)?;
                file.entry.crc32 = Some(crc32);
                Ok(Outcome::Crc32Set(file.clone()))
            }
            Change::EditFile { id, edit, at, .. } => {
                let there = self.file(id).filter(|file| file.entry.is_there(at));
                let seq = there.ok_or(Outcome::Missing)?.seq;
                if let Edit::Set(audience) = &edit.audience
                    && let Some(group) = self.missing_group(audience)
                {
                    return Err(Outcome::NoSuchGroup(group));
                }
                let file = self.files.get_mut(&seq).ok_or(Outcome::Missing)?;
                file.entry = file.entry.edited(&edit);
                Ok(Outcome::FileSet(file.clone()))
            }
            Change::AddGroup(group) => {
                if self.groups.contains_key(&group.id) {
                    return Err(Outcome::Exists);
                }
                if self.is_taken(&group.name, group.id) {
                    return Err(Outcome::NameTaken);
                }
                self.groups.insert(group.id, group.clone());
                Ok(Outcome::GroupSet(group))
            }
            Change::EditGroup { id, edit, .. } => {
                let group = self.group(id).ok_or(Outcome::Missing)?.edited(&edit);
                if self.is_taken(&group.name, id) {
                    return Err(Outcome::NameTaken);
                }
                self.groups.insert(id, group.clone());
                Ok(Outcome::GroupSet(group))
            }
            Change::RemoveGroup { id, .. } => {
                let group = self.groups.remove(&id).ok_or(Outcome::Missing)?;
                self.members.retain(|(of, _)| *of != id);
                Ok(Outcome::GroupRemoved(group))
            }
            Change::AddMember { group, user, .. } => {
                self.group(group).ok_or(Outcome::Missing)?;
                if self.members.contains(&(group, user)) {
                    return Err(Outcome::Exists);
                }
                if self.groups_of(user).len() >= MAX_GROUPS {
                    return Err(Outcome::TooManyGroups);
                }
                self.members.insert((group, user));
                Ok(Outcome::MembersSet)
            }
            Change::RemoveMember { group, user, .. } => match self.members.remove(&(group, user)) {
                true => Ok(Outcome::MembersSet),
                false => Err(Outcome::Missing),
            },
            Change::AddLink(link) => {
                if self.link(link.id).is_some() || self.link_of(link.secret).is_some() {
                    return Err(Outcome::Exists);
                }
                if let Some(file) = link.files.iter().find(|id| self.file(**id).is_none()) {
                    return Err(Outcome::NoSuchFile(*file));
                }
                Ok(self.set_link(link))
            }
            Change::EditLink { id, edit, .. } => {
                let link = self.link(id).ok_or(Outcome::Missing)?;
                let edited = link.edited(&edit);
                if edited.recipient != link.recipient
                    && let Some(codes) = self.codes.get_mut(&id)
                {
                    *codes = codes.withdrawn();
                }
                Ok(self.set_link(edited))
            }
            Change::RevokeLink { id, at, .. } => {
                let link = self.link(id).ok_or(Outcome::Missing)?;
                let revoked = link.revoked(at).ok_or(Outcome::Exists)?;
                Ok(self.set_link(revoked))
            }
            Change::SendCode {
                link,
                revision,
                code,
                mail,
                at,
            } => {
                let found = self.link(link).ok_or(Outcome::Missing)?;
                if found.revision != revision {
                    return Err(Outcome::Stale);
                }
                if !found.is_open(at) {
                    return Err(Outcome::NotOpen);
                }
                if self.mails.contains_key(&mail.mail.id) {
                    return Err(Outcome::Exists);
                }
                let codes = self.codes.entry(link).or_default();
                *codes = codes.with(code, at).map_err(Outcome::NoCode)?;
                self.mails.insert(mail.mail.id, mail);
                Ok(Outcome::CodeSent)
            }
            Change::TryMail { id, attempts, at } => {
                let queued = self.mails.get_mut(&id).ok_or(Outcome::Missing)?;
                if queued.attempts != attempts {
                    return Err(Outcome::Stale);
                }
                *queued = queued.tried(at);
                Ok(Outcome::MailSet(queued.clone()))
            }
            Change::DropMail { id } => {
                let queued = self.mails.remove(&id).ok_or(Outcome::Missing)?;
                Ok(Outcome::MailSet(queued))
            }
            Change::OpenLease {
                lease,
                revision,
                code,
                ..
            } => {
                let link = self.link(lease.link).ok_or(Outcome::Missing)?;
                if link.revision != revision {
                    return Err(Outcome::Stale);
                }
                let leased = link.leased(lease.opened_at).ok_or(Outcome::NotOpen)?;
                if self.leases.contains_key(&lease.id) {
                    return Err(Outcome::Exists);
                }
                if let Some(code) = code {
                    let codes = self.codes.entry(lease.link).or_default();
                    let (right, after) = codes.tried(code, lease.opened_at);
                    *codes = after;
                    if !right {
                        return Err(Outcome::WrongCode);
                    }
                }
                self.leases.insert(lease.id, lease);
                Ok(self.set_link(leased))
            }
            Change::Once { once, change } => {
                let known = self.done.get(&once.key);
                if let Some(done) = known.filter(|done| once.at < done.until) {
                    return Err(done.answer(&once));
                }
                let made = self.make((*change).clone())?;
                if let Some(what) = made.made(&change) {
                    let done = Remembered {
                        request: once.request,
                        made: what,
                        until: once.until,
                    };
                    self.done.insert(once.key, done);
                }
                Ok(made)
            }
            Change::ForgetOnce { before } => {
                let done = self.done.iter().filter(|(_, done)| done.until < before);
                let over: Vec<_> = done.map(|(key, _)| *key).take(FORGET_AT_ONCE).collect();
                for key in &over {
                    self.done.remove(key);
                }
                match over.len() {
                    0 => Err(Outcome::Missing),
                    count => Ok(Outcome::Forgotten(count)),
                }
            }
            Change::ForgetLeases { ended_before } => {
                let leases = self.leases.values();
                let ended = leases.filter(|lease| lease.expires_at < ended_before);
                let ended: Vec<_> = ended.map(|lease| lease.id).take(FORGET_AT_ONCE).collect();
                for id in &ended {
                    self.leases.remove(id);
                }
                match ended.len() {
                    0 => Err(Outcome::Missing),
                    count => Ok(Outcome::Forgotten(count)),
                }
            }
            Change::Record(events) if events.is_empty() => Err(Outcome::Missing),
            Change::Record(_) => Ok(Outcome::Recorded),
            Change::AddCheckpoint(checkpoint) => self.trail.add_checkpoint(checkpoint),
        }
    }

    pub(super) fn operations_users(&self) -> usize {
        let users = self.users.values();
        users.filter(|user| user.role == Role::Operations).count()
    }
}
