//! Random work on a store, many changes at once, and a store on the disk of the tests.

use std::{num::NonZeroU32, sync::mpsc, time::Duration};

use consign_core::{
    audience::{Audience, Principal},
    code::CodeHash,
    event::{Author, Event, EventKind, Recorded},
    file::{FileEdit, FileEntry, FileName},
    group::{Group, GroupEdit, GroupName, Retention},
    id::{FileId, GroupId, UserId},
    link::{Edit, LinkEdit, ManagedLink},
    once::{Once, OnceKey},
    quota::Quota,
    removal::{Purge, Removal},
    store::{Change, InsertGuard, StoreError},
    testing::{
        sample_checkpoint, sample_download, sample_entry, sample_event, sample_group, sample_hash,
        sample_lease, sample_link, sample_mail, sample_user,
    },
    time::Timestamp,
    trail::{EntryHash, Head, WriterId},
    user::{Role, Status, User, UserChange},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};

use super::{
    disk::Disk,
    model::{Answer, Model, Step},
    platter::Numbers,
};
use crate::{OpenError, Options, RedbStore, schema::Tables, writer::Verdict};

/// Opens a store on `disk`, whatever is there.
pub(super) fn open(disk: &Disk, cache_size: usize) -> Result<RedbStore, OpenError> {
    let disk = disk.clone();
    let options = Options {
        cache_size,
        ..Options::default()
    };
    RedbStore::open_on(move || Ok(disk.clone()), options)
}

/// Asks for all steps at once, so that they share a commit, in their order.
///
/// This needs a runtime of one thread, which polls tasks in the order they were made in.
pub(super) async fn ask_together(
    store: &RedbStore,
    steps: &[Step],
) -> Vec<Result<Answer, StoreError>> {
    if let [step] = steps {
        return vec![step.clone().ask(store).await];
    }
    let (release, held) = mpsc::channel::<()>();
    let (begin, begun) = oneshot::channel();
    let (mut begin, hold) = (Some(begin), store.clone());
    tokio::spawn(async move {
        let work = move |_: &mut Tables<'_>| {
            begin.take().map(|begin| begin.send(()));
            let _ = held.recv();
            Ok(Verdict::Unchanged(()))
        };
        hold.write(work).await
    });
    let held = begun.await.is_ok();
    let ask = |step: &Step| {
        let (step, store) = (step.clone(), store.clone());
        tokio::spawn(async move { step.ask(&store).await })
    };
    let tasks: Vec<_> = steps.iter().map(ask).collect();
    while held && store.waiting() < steps.len() {
        tokio::task::yield_now().await;
    }
    drop(release);
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// Makes up work for a store that holds what a model does.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) numbers: Numbers,
    /// The number of the next new user or file.
    next: u32,
    /// How many files there should be; it changes, so that the database grows and shrinks.
    aim: u64,
}

impl Worker {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            numbers: Numbers::new(seed),
            next: 0,
            aim: 10,
        }
    }

    /// One who goes on with new numbers, and makes nobody anew.
    pub(super) fn fork(&self, seed: u64) -> Self {
        Self {
            numbers: Numbers::new(seed),
            ..*self
        }
    }

    /// Changes that are asked for at once, and the model after them.
    pub(super) fn batch(&mut self, model: &Model) -> (Vec<Step>, Vec<Answer>, Model) {
        if self.numbers.chance(10) {
            self.aim = self.numbers.one_of(&[0, 10, 60, 150]);
        }
        let size = match self.numbers.below(10) {
            0..5 => 1,
            5..9 => 2 + self.numbers.below(6),
            _ => 20 + self.numbers.below(30),
        };
        let mut after = model.clone();
        let (mut steps, mut answers) = (Vec::new(), Vec::new());
        for _ in 0..size {
            let step = self.step(&after);
            answers.push(after.make(&step));
            steps.push(step);
        }
        (steps, answers, after)
    }

    fn step(&mut self, model: &Model) -> Step {
        match self.numbers.below(20) {
            0..2 => self.insert(model),
            2..5 => self.update(model),
            _ => Step::Apply(self.change(model)),
        }
    }

    fn insert(&mut self, model: &Model) -> Step {
        let role = self.numbers.one_of(&[Role::Operations, Role::Client]);
        let mut user = sample_user(self.number(), role);
        if let (true, Some(other)) = (self.numbers.chance(15), model.users.last()) {
            user.username = other.username.clone();
        }
        let guard = match self.numbers.chance(15) {
            true => InsertGuard::NoOperationsUser,
            false => InsertGuard::None,
        };
        let event = EventKind::UserRegistered {
            user: user.id,
            role,
        };
        Step::Insert(user, guard, vec![self.event(event)])
    }

    fn update(&mut self, model: &Model) -> Step {
        let known = self.numbers.below(model.users.len() as u64 + 1) as usize;
        let nobody = || sample_user(u32::MAX, Role::Client);
        let User { id, password, .. } = model.users.get(known).cloned().unwrap_or_else(nobody);
        let hash = sample_hash(self.number());
        let change = match self.numbers.below(6) {
            0 => UserChange::Status(self.numbers.one_of(&[Status::Active, Status::Disabled])),
            1..3 => UserChange::Role(self.numbers.one_of(&[Role::Operations, Role::Client])),
            3 => UserChange::Password(hash),
            4 => UserChange::UpgradeHash {
                from: self.numbers.one_of(&[&password, &sample_hash(0)]).clone(),
                to: hash,
            },
            _ => UserChange::EndSessions,
        };
        // Now and then more events than one, or none.
        let events = (0..self.numbers.below(3))
            .map(|_| self.event(EventKind::PasswordChanged { user: id }))
            .collect();
        Step::Update(id, change, events)
    }

    fn change(&mut self, model: &Model) -> Change {
        if self.numbers.chance(15) {
            return self.change_of_groups(model);
        }
        if self.numbers.chance(15) {
            let change = self.change_of_links(model);
            return match self.numbers.chance(30) {
                true => self.once(change),
                false => change,
            };
        }
        if self.numbers.chance(10) {
            return self.change_of_the_trail(model);
        }
        let (files, aim) = (model.files.len() as u64, self.aim);
        let add = self.numbers.below(files + aim + 1) <= aim;
        let known = self.numbers.below(files + 1) as usize;
        let known = model.files.values().nth(known).map(|entry| entry.id);
        match add {
            true if self.numbers.chance(95) => add_file(self.entry()),
            true => add_file(FileEntry {
                id: known.unwrap_or(sample_entry(u32::MAX).id),
                ..self.entry()
            }),
            false => self.removal(known, model),
        }
    }

    /// A removal, or what becomes of a removed file.
    fn removal(&mut self, known: Option<FileId>, model: &Model) -> Change {
        let by = Author::Administrator;
        let at = Timestamp::from_secs(self.number().into());
        if model.removed.is_empty() || self.numbers.chance(70) {
            return Change::RemoveFile {
                id: known.unwrap_or(FileId::from_bytes([0; 16])),
                why: match self.numbers.below(20) {
                    0 => Removal::Expired,
                    1 => Removal::Retention,
                    _ => Removal::Asked,
                },
                keep_until: self
                    .numbers
                    .chance(60)
                    .then_some(at + Duration::from_secs(self.numbers.below(100))),
                by,
                at,
            };
        }
        let removed = self.numbers.below(model.removed.len() as u64 + 1) as usize;
        let removed = model.removed.values().nth(removed);
        let id = removed.map_or(FileId::from_bytes([0; 16]), |one| one.file.entry.id);
        match self.numbers.below(3) {
            0 => Change::RestoreFile {
                id,
                expires_at: match self.numbers.chance(50) {
                    true => Edit::Set(self.numbers.chance(50).then_some(at)),
                    false => Edit::Keep,
                },
                by,
                at,
            },
            _ => Change::PurgeFile {
                id,
                purge: self.numbers.one_of(&[Purge::Now, Purge::Due]),
                by,
                at,
            },
        }
    }

    /// A change of a group, of who is in one, or of whom a file is for.
    fn change_of_groups(&mut self, model: &Model) -> Change {
        let by = Author::Administrator;
        let at = Timestamp::from_secs(self.number().into());
        let known = self.numbers.below(model.groups.len() as u64 + 1) as usize;
        let known = model.groups.keys().nth(known).copied();
        let id = known.unwrap_or(sample_group(u32::MAX));
        let user = sample_user(self.numbers.below(20) as u32, Role::Client).id;
        let name = format!("group {}", self.numbers.below(12));
        let name = GroupName::parse(&name).unwrap();
        match self.numbers.below(10) {
            0..2 => Change::AddGroup(Group {
                id: sample_group(self.number()),
                name,
                created_by: user,
                created_at: at,
                retention: self.retention(),
            }),
            2 => Change::EditGroup {
                id,
                edit: match self.numbers.chance(50) {
                    true => GroupEdit::named(name),
                    false => GroupEdit::retaining(self.retention()),
                },
                by,
                at,
            },
            3 => Change::RemoveGroup { id, by, at },
            4..6 => Change::AddMember {
                group: id,
                user,
                by,
                at,
            },
            6 => Change::RemoveMember {
                group: id,
                user,
                by,
                at,
            },
            _ => {
                let file = self.numbers.below(model.files.len() as u64 + 1) as usize;
                let file = model.files.values().nth(file).map(|entry| entry.id);
                Change::EditFile {
                    id: file.unwrap_or(FileId::from_bytes([0; 16])),
                    edit: self.edit(id, user, at),
                    by,
                    at,
                }
            }
        }
    }

    /// A change of a link, or a lease of one.
    fn change_of_links(&mut self, model: &Model) -> Change {
        let by = Author::Administrator;
        let at = Timestamp::from_secs(self.number().into());
        let known = self.numbers.below(model.links.len() as u64 + 1) as usize;
        let known = model.links.values().nth(known).cloned();
        let link = known.unwrap_or_else(|| sample_link(u32::MAX));
        let id = link.id;
        match self.numbers.below(14) {
            kind if kind < 3 || model.links.is_empty() => {
                let file = self.numbers.below(model.files.len() as u64 + 1) as usize;
                let file = model.files.values().nth(file).map(|entry| entry.id);
                Change::AddLink(ManagedLink {
                    files: [file.unwrap_or(FileId::from_bytes([0; 16]))].into(),
                    max_downloads: NonZeroU32::new(self.numbers.below(4) as u32),
                    ..sample_link(self.number())
                })
            }
            3 => {
                let expires_at = Edit::Set(at + Duration::from_secs(100));
                let recipient = match self.numbers.chance(50) {
                    true => Edit::Set(None),
                    false => Edit::Keep,
                };
                let edit = LinkEdit {
                    expires_at,
                    recipient,
                    ..LinkEdit::default()
                };
                Change::EditLink { id, edit, by, at }
            }
            4 => Change::RevokeLink { id, by, at },
            5 => Change::ForgetLeases { ended_before: at },
            6..9 => Change::SendCode {
                link: id,
                revision: link.revision,
                code: CodeHash([self.numbers.below(2) as u8; 32]),
                mail: sample_mail(self.number()),
                at,
            },
            9 => {
                let known = self.numbers.below(model.mails.len() as u64 + 1) as usize;
                let known = model.mails.values().nth(known).cloned();
                let queued = known.unwrap_or_else(|| sample_mail(u32::MAX));
                let (id, attempts) = (queued.mail.id, queued.attempts);
                match self.numbers.chance(50) {
                    true => Change::TryMail { id, attempts, at },
                    false => Change::DropMail { id },
                }
            }
            _ => {
                let mut lease = sample_lease(self.number(), 0);
                lease.link = id;
                lease.opened_at = at;
                lease.expires_at = at + Duration::from_secs(20);
                Change::OpenLease {
                    lease,
                    revision: link.revision,
                    code: match self.numbers.chance(40) {
                        true => Some(CodeHash([self.numbers.below(2) as u8; 32])),
                        false => None,
                    },
                    by,
                }
            }
        }
    }

    /// The change made once, by a key that may have been used; now and then forgetting those.
    fn once(&mut self, change: Change) -> Change {
        let at = Timestamp::from_secs(self.number().into());
        if self.numbers.chance(10) {
            return Change::ForgetOnce { before: at };
        }
        let once = Once {
            key: OnceKey([self.numbers.below(8) as u8; 32]),
            request: [self.numbers.below(2) as u8; 32],
            at,
            until: at + Duration::from_secs(50),
        };
        let change = Box::new(change);
        Change::Once { once, change }
    }

    /// Events of no other change, or a checkpoint.
    fn change_of_the_trail(&mut self, model: &Model) -> Change {
        if self.numbers.chance(60) {
            let count = 1 + self.numbers.below(3);
            let downloads = (0..count).map(|_| sample_download(self.numbers.below(30) as u32));
            return Change::Record(downloads.collect());
        }
        let trail = model.recorded();
        let known = self.numbers.below(trail.len() as u64 + 1) as usize;
        let missing = Head {
            writer: WriterId::ONLY,
            number: u64::MAX,
            hash: EntryHash::NONE,
        };
        let head = trail.get(known).map_or(missing, Recorded::head);
        Change::AddCheckpoint(sample_checkpoint(head))
    }

    fn retention(&mut self) -> Option<Retention> {
        Retention::of_days(self.numbers.below(3) as u32).ok()
    }

    fn edit(&mut self, group: GroupId, user: UserId, at: Timestamp) -> FileEdit {
        let end = at + Duration::from_secs(self.numbers.below(200));
        FileEdit {
            audience: match self.numbers.chance(80) {
                true => Edit::Set(self.audience(group, user)),
                false => Edit::Keep,
            },
            expires_at: match self.numbers.chance(30) {
                true => Edit::Set(self.numbers.chance(70).then_some(end)),
                false => Edit::Keep,
            },
        }
    }

    fn audience(&mut self, group: GroupId, user: UserId) -> Audience {
        let principals = match self.numbers.below(4) {
            0 => vec![Principal::Everybody],
            1 => vec![Principal::Group(group)],
            2 => vec![Principal::User(user), Principal::Group(group)],
            _ => vec![],
        };
        Audience::of(principals).unwrap()
    }

    /// Several files have the same name, and some a long one.
    fn entry(&mut self) -> FileEntry {
        let n = self.number();
        let mut name = format!("report {}.docx", n % 7);
        if n.is_multiple_of(5) {
            name.insert_str(0, &"x".repeat(200));
        }
        let end = Timestamp::from_secs(u64::from(n) + self.numbers.below(200));
        FileEntry {
            name: FileName::parse(&name).unwrap(),
            expires_at: self.numbers.chance(20).then_some(end),
            ..sample_entry(n)
        }
    }

    fn event(&mut self, kind: EventKind) -> Event {
        Event {
            kind,
            ..sample_event(self.number())
        }
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }
}

pub(super) fn add_file(entry: FileEntry) -> Change {
    // Few enough that some are refused.
    let quota = Quota {
        files: Some(12),
        bytes: None,
    };
    Change::AddFile { entry, quota }
}

pub(super) fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}
