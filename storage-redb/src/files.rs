use std::{
    collections::BinaryHeap,
    iter,
    ops::Bound::{Excluded, Included, Unbounded},
};

use async_trait::async_trait;
use consign_core::{
    audience::{Audience, Scope},
    event::{Recorded, Transfers},
    file::{File, FileEdit, FileEntry, FileName, Seq},
    group::{Group, GroupEdit, GroupName},
    id::{BlobKey, FileId, GroupId, LeaseId, LinkId, UserId},
    link::{Edit, Lease, ManagedLink, SecretHash},
    once::{OnceKey, Remembered},
    outbox::Queued,
    quota::{Quota, Usage},
    removal::{Ended, RemovedFile},
    store::{Change, DownloadsOf, FileStore, MAX_GROUPS, Outcome, Page, StoreError},
    time::Timestamp,
    trail::{Checkpoint, Head},
};
use redb::{ReadTransaction, ReadableTable, StorageError};

use crate::{
    RedbStore,
    fault::Fault,
    links, outbox,
    recent::Reader,
    record, removal,
    schema::{
        self, BLOBS, DONE, FILE_IDS, FILE_NAMES, FILES, GROUP_NAMES, GROUPS, Id, LAST_FILE, LEASES,
        LINKS, MEMBERS, MEMBERSHIPS, REMOVED, REMOVED_IDS, Tables, USAGE, VIEWS,
    },
    trail,
    view::View,
    writer::Verdict,
};

/// Files of a list that are read where it is asked for: the change of thread would take longer. Where
/// there are more, a thread reads them all.
const FEW: usize = 128;

#[async_trait]
impl FileStore for RedbStore {
    async fn by_id(&self, id: FileId) -> Result<Option<File>, StoreError> {
        self.recent().file(id, || {
            self.point(|snapshot| {
                let (ids, files) = (snapshot.open_table(FILE_IDS)?, snapshot.open_table(FILES)?);
                schema::file_by_id(&ids, &files, id)
            })
        })
    }

    async fn newest(
        &self,
        name: &FileName,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<Option<File>, StoreError> {
        let looked =
            self.point_recent(|snapshot, recent| newest(snapshot, recent, name, scope, now, FEW))?;
        if let Some(found) = looked {
            return Ok(found);
        }
        let (name, scope) = (name.clone(), scope.clone());
        let looked = self.scan_recent(move |snapshot, recent| {
            newest(snapshot, recent, &name, &scope, now, usize::MAX)
        });
        Ok(looked.await?.flatten())
    }

    async fn list(
        &self,
        scope: &Scope,
        now: Timestamp,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<File, Seq>, StoreError> {
        let views = View::of_scope(scope);
        if views.as_ref().is_none_or(|views| views.len() <= FEW) {
            let page = self.point_recent(|snapshot, recent| {
                list(
                    snapshot,
                    recent,
                    views.as_deref(),
                    now,
                    before,
                    limit,
                    FEW + 1,
                )
            })?;
            if let Some(page) = page {
                return Ok(page);
            }
        }
        let page = self.scan_recent(move |snapshot, recent| {
            list(
                snapshot,
                recent,
                views.as_deref(),
                now,
                before,
                limit,
                usize::MAX,
            )
        });
        let none = Page {
            items: Vec::new(),
            next: None,
        };
        Ok(page.await?.unwrap_or(none))
    }

    async fn removed_file(&self, id: FileId) -> Result<Option<RemovedFile>, StoreError> {
        self.point(|snapshot| {
            let ids = snapshot.open_table(REMOVED_IDS)?;
            schema::removed_by_id(&ids, &snapshot.open_table(REMOVED)?, id)
        })
    }

    async fn removed(
        &self,
        now: Timestamp,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<RemovedFile, Seq>, StoreError> {
        self.scan(move |snapshot| removal::list(snapshot, now, before, limit))
            .await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RemovedFile>, StoreError> {
        self.scan(move |snapshot| removal::due(snapshot, now, limit))
            .await
    }

    async fn ended(&self, now: Timestamp, limit: usize) -> Result<Vec<Ended>, StoreError> {
        self.scan(move |snapshot| removal::ended(snapshot, now, limit))
            .await
    }

    async fn group(&self, id: GroupId) -> Result<Option<Group>, StoreError> {
        self.point(|snapshot| schema::group(&snapshot.open_table(GROUPS)?, id))
    }

    async fn groups(
        &self,
        after: Option<&GroupName>,
        limit: usize,
    ) -> Result<Page<Group, GroupName>, StoreError> {
        let after = after.cloned();
        self.scan(move |snapshot| groups(snapshot, after.as_ref(), limit))
            .await
    }

    async fn members(
        &self,
        group: GroupId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Page<UserId, UserId>, StoreError> {
        self.scan(move |snapshot| members(snapshot, group, after, limit))
            .await
    }

    async fn groups_of(&self, user: UserId) -> Result<Vec<GroupId>, StoreError> {
        self.point(|snapshot| second_ids(&snapshot.open_table(MEMBERSHIPS)?, user.as_bytes()))
            .map(|ids| ids.into_iter().map(GroupId::from_bytes).collect())
    }

    async fn link(&self, id: LinkId) -> Result<Option<ManagedLink>, StoreError> {
        self.point(|snapshot| schema::link(&snapshot.open_table(LINKS)?, id))
    }

    async fn link_of(&self, secret: SecretHash) -> Result<Option<ManagedLink>, StoreError> {
        self.point(|snapshot| links::of_secret(snapshot, secret))
    }

    async fn links(
        &self,
        made_by: UserId,
        before: Option<LinkId>,
        limit: usize,
    ) -> Result<Page<ManagedLink, LinkId>, StoreError> {
        self.scan(move |snapshot| links::list(snapshot, made_by, before, limit))
            .await
    }

    async fn lease(&self, id: LeaseId) -> Result<Option<Lease>, StoreError> {
        self.point(|snapshot| {
            let lease = snapshot.open_table(LEASES)?.get(id.as_bytes())?;
            lease
                .map(|bytes| schema::lease(id, bytes.value()))
                .transpose()
        })
    }

    async fn mails(&self, limit: usize) -> Result<Vec<Queued>, StoreError> {
        self.scan(move |snapshot| outbox::list(snapshot, limit))
            .await
    }

    async fn remembered(&self, key: OnceKey) -> Result<Option<Remembered>, StoreError> {
        self.point(|snapshot| schema::remembered(&snapshot.open_table(DONE)?, key))
    }

    async fn unreferenced(&self, keys: &[BlobKey]) -> Result<Vec<BlobKey>, StoreError> {
        let keys = keys.to_vec();
        self.scan(move |snapshot| {
            let (blobs, mut unreferenced) = (snapshot.open_table(BLOBS)?, Vec::new());
            for key in keys {
                if blobs.get(key.as_bytes())?.is_none() {
                    unreferenced.push(key);
                }
            }
            Ok(unreferenced)
        })
        .await
    }

    async fn usage(&self, user: UserId) -> Result<Usage, StoreError> {
        self.point(|snapshot| schema::usage(&snapshot.open_table(USAGE)?, user))
    }

    async fn events(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError> {
        self.scan(move |snapshot| trail::events(snapshot, after, limit))
            .await
    }

    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        self.point(trail::heads)
    }

    async fn checkpoints(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Checkpoint, Seq>, StoreError> {
        self.scan(move |snapshot| trail::checkpoints(snapshot, after, limit))
            .await
    }

    async fn downloads(
        &self,
        of: DownloadsOf,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, StoreError> {
        self.scan(move |snapshot| trail::downloads(snapshot, of, after, limit))
            .await
    }

    async fn downloaded(&self, of: DownloadsOf) -> Result<Transfers, StoreError> {
        self.point(|snapshot| trail::downloaded(snapshot, of))
    }

    async fn apply(&self, change: Change) -> Result<Outcome, StoreError> {
        self.write(move |tables| tables.apply(&change)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.answers()
    }
}

/// What was found; `None` where it would take a look at more than `most`.
fn newest(
    snapshot: &ReadTransaction,
    recent: &Reader<'_>,
    name: &FileName,
    scope: &Scope,
    now: Timestamp,
    most: usize,
) -> Result<Option<Option<File>>, Fault> {
    let (names, files) = (
        snapshot.open_table(FILE_NAMES)?,
        snapshot.open_table(FILES)?,
    );
    let name = name.as_str();
    let versions = names.range((name, Seq::MIN)..=(name, Seq::MAX))?.rev();
    for (looked, version) in versions.enumerate() {
        if looked == most {
            return Ok(None);
        }
        let seq = version?.0.value().1;
        let file = recent.file(seq, || schema::indexed_file(&files, seq))?;
        if scope.has(&file.entry) && file.entry.is_there(now) {
            return Ok(Some(Some(file)));
        }
    }
    Ok(Some(None))
}

/// All files, or those that the views have; `None` where it would take a look at more than `most`.
fn list(
    snapshot: &ReadTransaction,
    recent: &Reader<'_>,
    views: Option<&[View]>,
    now: Timestamp,
    before: Option<Seq>,
    limit: usize,
    most: usize,
) -> Result<Option<Page<File, Seq>>, Fault> {
    let files = snapshot.open_table(FILES)?;
    let to = before.map_or(Unbounded, Excluded);
    let mut listed = Listed {
        items: Vec::new(),
        wanted: limit.saturating_add(1),
        left: most,
        gave_up: false,
        now,
    };
    match views {
        None => {
            for entry in files.range::<Seq>((Unbounded, to))?.rev() {
                if !listed.goes_on() {
                    break;
                }
                let (seq, bytes) = entry?;
                let seq = seq.value();
                listed.see(recent.file(seq, || schema::file(seq, bytes.value()))?);
            }
        }
        Some(views) => {
            let table = snapshot.open_table(VIEWS)?;
            for seq in merged(&table, views, before)? {
                if !listed.goes_on() {
                    break;
                }
                let seq = seq?;
                listed.see(recent.file(seq, || schema::indexed_file(&files, seq))?);
            }
        }
    }
    let page = |items| Page::cut(items, limit, |file: &File| file.seq);
    Ok((!listed.gave_up).then(|| page(listed.items)))
}

/// A page as it comes together.
struct Listed {
    items: Vec<File>,
    /// How many, with the one that shows whether there is a next page.
    wanted: usize,
    /// At how many more files it looks.
    left: usize,
    gave_up: bool,
    now: Timestamp,
}

impl Listed {
    /// Whether there is to be another look.
    fn goes_on(&mut self) -> bool {
        let goes_on = self.items.len() < self.wanted;
        self.gave_up = goes_on && self.left == 0;
        goes_on && !self.gave_up
    }

    fn see(&mut self, file: File) {
        self.left -= 1;
        if file.entry.is_there(self.now) {
            self.items.push(file);
        }
    }
}

/// The positions before `before` that any of the views has, each once, the last first.
fn merged<'t, T>(
    table: &'t T,
    views: &[View],
    before: Option<Seq>,
) -> Result<impl Iterator<Item = Result<Seq, StorageError>> + use<'t, T>, Fault>
where
    T: ReadableTable<(&'static [u8; View::LEN], Seq), ()>,
{
    let mut heads = BinaryHeap::new();
    let mut rests = Vec::with_capacity(views.len());
    for view in views {
        let to = match before {
            Some(before) => Excluded((view.key(), before)),
            None => Included((view.key(), Seq::MAX)),
        };
        let range = table.range((Included((view.key(), Seq::MIN)), to))?;
        rests.push(range.rev().map(|entry| Ok(entry?.0.value().1)));
    }
    for (at, rest) in rests.iter_mut().enumerate() {
        if let Some(seq) = rest.next() {
            heads.push((seq?, at));
        }
    }
    let mut last = None;
    Ok(iter::from_fn(move || {
        loop {
            let (seq, at) = heads.pop()?;
            match rests[at].next() {
                Some(Ok(next)) => heads.push((next, at)),
                Some(Err(error)) => return Some(Err(error)),
                None => {}
            }
            if last.replace(seq) != Some(seq) {
                return Some(Ok(seq));
            }
        }
    }))
}

fn groups(
    snapshot: &ReadTransaction,
    after: Option<&GroupName>,
    limit: usize,
) -> Result<Page<Group, GroupName>, Fault> {
    let (names, groups) = (
        snapshot.open_table(GROUP_NAMES)?,
        snapshot.open_table(GROUPS)?,
    );
    let from = after.map_or(Unbounded, |after| Excluded(after.as_str()));
    let mut items = Vec::new();
    for entry in names
        .range::<&str>((from, Unbounded))?
        .take(limit.saturating_add(1))
    {
        let id = GroupId::from_bytes(*entry?.1.value());
        items.push(schema::indexed_group(&groups, id)?);
    }
    Ok(Page::cut(items, limit, |group: &Group| group.name.clone()))
}

fn members(
    snapshot: &ReadTransaction,
    group: GroupId,
    after: Option<UserId>,
    limit: usize,
) -> Result<Page<UserId, UserId>, Fault> {
    let members = snapshot.open_table(MEMBERS)?;
    let group = group.as_bytes();
    let after = after.map(|user| *user.as_bytes());
    let from = match &after {
        Some(after) => Excluded((group, after)),
        None => Included((group, &[0; 16])),
    };
    let mut items = Vec::new();
    for entry in members
        .range::<(&[u8; 16], &[u8; 16])>((from, Included((group, &[u8::MAX; 16]))))?
        .take(limit.saturating_add(1))
    {
        items.push(UserId::from_bytes(*entry?.0.value().1));
    }
    Ok(Page::cut(items, limit, |user: &UserId| *user))
}

/// The second ids of all pairs whose first is this.
fn second_ids(
    pairs: &impl ReadableTable<(Id, Id), ()>,
    first: &[u8; 16],
) -> Result<Vec<[u8; 16]>, Fault> {
    let all = (first, &[0; 16])..=(first, &[u8::MAX; 16]);
    let mut ids = Vec::new();
    for entry in pairs.range::<(&[u8; 16], &[u8; 16])>(all)? {
        ids.push(*entry?.0.value().1);
    }
    Ok(ids)
}

impl Tables<'_> {
    fn apply(&mut self, change: &Change) -> Result<Verdict<Outcome>, Fault> {
        let verdict = self.make(change)?;
        if let Verdict::Changed(_) = verdict {
            self.record(&change.events())?;
        }
        Ok(verdict)
    }

    /// Makes a change, of which no event is recorded yet.
    pub(crate) fn make(&mut self, change: &Change) -> Result<Verdict<Outcome>, Fault> {
        Ok(match change {
            Change::AddFile { entry, quota } => self.add_file(entry, quota)?,
            Change::RemoveFile {
                id,
                why,
                keep_until,
                by,
                at,
            } => self.remove_file(*id, *why, *keep_until, *by, *at)?,
            Change::RestoreFile {
                id, expires_at, at, ..
            } => self.restore_file(*id, expires_at, *at)?,
            Change::PurgeFile { id, purge, at, .. } => self.purge_file(*id, *purge, *at)?,
            Change::SetCrc32 { id, crc32 } => self.set_crc32(*id, *crc32)?,
            Change::EditFile { id, edit, at, .. } => self.edit_file(*id, edit, *at)?,
            Change::AddGroup(group) => self.add_group(group)?,
            Change::EditGroup { id, edit, .. } => self.edit_group(*id, edit)?,
            Change::RemoveGroup { id, .. } => self.remove_group(*id)?,
            Change::AddMember { group, user, .. } => self.add_member(*group, *user)?,
            Change::RemoveMember { group, user, .. } => self.remove_member(*group, *user)?,
            Change::AddLink(link) => self.add_link(link)?,
            Change::EditLink { id, edit, .. } => self.edit_link(*id, edit)?,
            Change::RevokeLink { id, at, .. } => self.revoke_link(*id, *at)?,
            Change::OpenLease {
                lease,
                revision,
                code,
                ..
            } => self.open_lease(lease, *revision, *code)?,
            Change::SendCode {
                link,
                revision,
                code,
                mail,
                at,
            } => self.send_code(*link, *revision, *code, mail, *at)?,
            Change::TryMail { id, attempts, at } => self.try_mail(*id, *attempts, *at)?,
            Change::DropMail { id } => self.drop_mail(*id)?,
            Change::ForgetLeases { ended_before } => self.forget_leases(*ended_before)?,
            Change::Once { once, change } => self.once(once, change)?,
            Change::ForgetOnce { before } => self.forget_once(*before)?,
            Change::Record(events) if events.is_empty() => Verdict::Unchanged(Outcome::Missing),
            Change::Record(_) => Verdict::Changed(Outcome::Recorded),
            Change::AddCheckpoint(checkpoint) => self.add_checkpoint(checkpoint)?,
            unknown => {
                let text = format!("this store cannot make the change {unknown:?}");
                return Err(StoreError::Unavailable(text.into()).into());
            }
        })
    }

    fn add_file(&mut self, entry: &FileEntry, quota: &Quota) -> Result<Verdict<Outcome>, Fault> {
        let (id, blob) = (entry.id.as_bytes(), entry.blob.as_bytes());
        let is_known = self.file_ids.get(id)?.is_some() || self.removed_ids.get(id)?.is_some();
        if is_known || self.blobs.get(blob)?.is_some() {
            return Ok(Verdict::Unchanged(Outcome::Exists));
        }
        if let Some(group) = self.missing_group(&entry.audience)? {
            return Ok(Verdict::Unchanged(Outcome::NoSuchGroup(group)));
        }
        let usage = schema::usage(&self.usage, entry.uploaded_by)?;
        if !quota.allows(usage.plus(Usage::file(entry.size))) {
            return Ok(Verdict::Unchanged(Outcome::OverQuota));
        }
        let seq = self.next(LAST_FILE)?;
        self.blobs.insert(blob, seq)?;
        self.show(seq, entry)?;
        self.count(entry)?;
        let entry = entry.clone();
        Ok(Verdict::Changed(Outcome::Added(File { seq, entry })))
    }

    /// Has a file be in all reads that are not of removed ones.
    pub(crate) fn show(&mut self, seq: Seq, entry: &FileEntry) -> Result<(), Fault> {
        self.files.insert(seq, record::file(entry)?.as_slice())?;
        self.file_ids.insert(entry.id.as_bytes(), seq)?;
        self.file_names.insert((entry.name.as_str(), seq), ())?;
        for view in View::that_have(entry) {
            self.views.insert((view.key(), seq), ())?;
        }
        if let Some(end) = entry.expires_at {
            self.expiries.insert((end.as_millis(), seq), ())?;
        }
        let from = entry.retained_from().as_millis();
        for group in entry.audience.groups() {
            self.retained.insert((group.as_bytes(), from, seq), ())?;
        }
        Ok(())
    }

    /// Takes a file out of them.
    pub(crate) fn hide(&mut self, file: &File) -> Result<(), Fault> {
        let id = file.entry.id;
        self.touched.files.push((id, file.seq));
        self.files.remove(file.seq)?;
        self.file_ids.remove(id.as_bytes())?;
        self.file_names
            .remove((file.entry.name.as_str(), file.seq))?;
        for view in View::that_have(&file.entry) {
            self.views.remove((view.key(), file.seq))?;
        }
        if let Some(end) = file.entry.expires_at {
            self.expiries.remove((end.as_millis(), file.seq))?;
        }
        let from = file.entry.retained_from().as_millis();
        for group in file.entry.audience.groups() {
            let row = (group.as_bytes(), from, file.seq);
            self.retained.remove(row)?;
        }
        Ok(())
    }

    fn set_crc32(&mut self, id: FileId, crc32: u32) -> Result<Verdict<Outcome>, Fault> {
        let Some(mut file) = schema::file_by_id(&self.file_ids, &self.files, id)? else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        self.touched.files.push((id, file.seq));
        file.entry.crc32 = Some(crc32);
        let record = record::file(&file.entry)?;
        self.files.insert(file.seq, record.as_slice())?;
        Ok(Verdict::Changed(Outcome::Crc32Set(file)))
    }

    fn edit_file(
        &mut self,
        id: FileId,
        edit: &FileEdit,
        at: Timestamp,
    ) -> Result<Verdict<Outcome>, Fault> {
        let file = schema::file_by_id(&self.file_ids, &self.files, id)?;
        let Some(mut file) = file.filter(|file| file.entry.is_there(at)) else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        if let Edit::Set(audience) = &edit.audience
            && let Some(group) = self.missing_group(audience)?
        {
            return Ok(Verdict::Unchanged(Outcome::NoSuchGroup(group)));
        }
        self.hide(&file)?;
        file.entry = file.entry.edited(edit);
        self.show(file.seq, &file.entry)?;
        Ok(Verdict::Changed(Outcome::FileSet(file)))
    }

    /// A group of the audience that there is not.
    fn missing_group(&self, audience: &Audience) -> Result<Option<GroupId>, Fault> {
        for id in audience.groups() {
            if self.groups.get(id.as_bytes())?.is_none() {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn is_taken(&self, name: &GroupName, but_by: GroupId) -> Result<bool, Fault> {
        let id = self.group_names.get(name.as_str())?;
        Ok(id.is_some_and(|id| id.value() != but_by.as_bytes()))
    }

    fn add_group(&mut self, group: &Group) -> Result<Verdict<Outcome>, Fault> {
        if self.groups.get(group.id.as_bytes())?.is_some() {
            return Ok(Verdict::Unchanged(Outcome::Exists));
        }
        if self.is_taken(&group.name, group.id)? {
            return Ok(Verdict::Unchanged(Outcome::NameTaken));
        }
        self.set_group(group.clone())
    }

    fn set_group(&mut self, group: Group) -> Result<Verdict<Outcome>, Fault> {
        let id = group.id.as_bytes();
        self.groups.insert(id, record::group(&group)?.as_slice())?;
        self.group_names.insert(group.name.as_str(), id)?;
        Ok(Verdict::Changed(Outcome::GroupSet(group)))
    }

    fn edit_group(&mut self, id: GroupId, edit: &GroupEdit) -> Result<Verdict<Outcome>, Fault> {
        let Some(before) = schema::group(&self.groups, id)? else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        let group = before.edited(edit);
        if self.is_taken(&group.name, id)? {
            return Ok(Verdict::Unchanged(Outcome::NameTaken));
        }
        self.group_names.remove(before.name.as_str())?;
        self.set_group(group)
    }

    fn remove_group(&mut self, id: GroupId) -> Result<Verdict<Outcome>, Fault> {
        let Some(group) = schema::group(&self.groups, id)? else {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        };
        let group_id = id.as_bytes();
        for user in second_ids(&self.members, group_id)? {
            self.members.remove((group_id, &user))?;
            self.memberships.remove((&user, group_id))?;
        }
        self.groups.remove(group_id)?;
        self.group_names.remove(group.name.as_str())?;
        Ok(Verdict::Changed(Outcome::GroupRemoved(group)))
    }

    fn add_member(&mut self, group: GroupId, user: UserId) -> Result<Verdict<Outcome>, Fault> {
        let (group, user) = (group.as_bytes(), user.as_bytes());
        if self.groups.get(group)?.is_none() {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        }
        if self.members.get((group, user))?.is_some() {
            return Ok(Verdict::Unchanged(Outcome::Exists));
        }
        if second_ids(&self.memberships, user)?.len() >= MAX_GROUPS {
            return Ok(Verdict::Unchanged(Outcome::TooManyGroups));
        }
        self.members.insert((group, user), ())?;
        self.memberships.insert((user, group), ())?;
        Ok(Verdict::Changed(Outcome::MembersSet))
    }

    fn remove_member(&mut self, group: GroupId, user: UserId) -> Result<Verdict<Outcome>, Fault> {
        let (group, user) = (group.as_bytes(), user.as_bytes());
        if self.members.remove((group, user))?.is_none() {
            return Ok(Verdict::Unchanged(Outcome::Missing));
        }
        self.memberships.remove((user, group))?;
        Ok(Verdict::Changed(Outcome::MembersSet))
    }
}
