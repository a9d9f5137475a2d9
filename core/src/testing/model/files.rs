use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc, time::Duration};

use proptest::{prelude::*, sample::select};

use super::{
    super::{
        ANSWERS, check_chains, promise, run,
        samples::{
            file_name, sample_checkpoint, sample_download, sample_entry, sample_group, sample_key,
            sample_lease, sample_link, sample_mail,
        },
        walk,
    },
    agree, check_sequences,
};
use crate::{
    audience::{Audience, Principal, Scope},
    code::CodeHash,
    event::{Author, Event, Recorded, Transfers},
    file::{File, FileEdit, FileEntry, FileName, Seq},
    group::{Group, GroupEdit, GroupName, Retention},
    id::{BlobKey, FileId, GroupId, LeaseId, LinkId, UserId},
    link::{Edit, Lease, LinkEdit, ManagedLink, SecretHash},
    memory::MemoryStore,
    once::{Once, OnceKey, Remembered},
    outbox::Queued,
    quota::{Quota, Usage},
    removal::{Ended, Purge, Removal, RemovedFile},
    store::{Change, DownloadsOf, FileStore, Outcome},
    time::Timestamp,
    trail::{Checkpoint, EntryHash, Head, WriterId},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NAMES: [&str; 3] = ["a.docx", "A.docx", "é.docx"];

/// Holds a catalogue against the one in memory.
pub fn files<G>(make: impl AsyncFn() -> (G, Arc<dyn FileStore>)) {
    check_sequences(FileOp::any(), |ops| {
        run(async {
            let (_guard, store) = make().await;
            let mut store = Side::new(store);
            let mut oracle = Side::new(Arc::new(MemoryStore::default()));
            for op in ops.iter().chain(&FileOp::everything()) {
                agree(op, store.apply(op).await, oracle.apply(op).await)?;
            }
            Ok(())
        })
    });
}

/// Positions are given by each store as it likes, so an operation names them by their rank.
#[derive(Clone, Debug)]
pub(super) enum FileOp {
    Apply(Change),
    ById(FileId),
    Newest(FileName, Scope, Timestamp),
    Unreferenced(Vec<BlobKey>),
    Usage(UserId),
    List {
        scope: Scope,
        now: Timestamp,
        before: Option<usize>,
        limit: usize,
    },
    RemovedFile(FileId),
    Removed {
        now: Timestamp,
        before: Option<usize>,
        limit: usize,
    },
    Due(Timestamp, usize),
    Ended(Timestamp),
    Group(GroupId),
    Groups {
        after: Option<GroupName>,
        limit: usize,
    },
    Members {
        group: GroupId,
        after: Option<UserId>,
        limit: usize,
    },
    GroupsOf(UserId),
    Link(LinkId),
    LinkOf(SecretHash),
    Links {
        made_by: UserId,
        before: Option<LinkId>,
        limit: usize,
    },
    Lease(LeaseId),
    Remembered(OnceKey),
    Mails(usize),
    Events {
        after: Option<usize>,
        limit: usize,
    },
    /// A checkpoint of the entry of this rank.
    Checkpoint(usize),
    Checkpoints {
        after: Option<usize>,
        limit: usize,
    },
    Downloads {
        of: DownloadsOf,
        after: Option<usize>,
        limit: usize,
    },
}

impl FileOp {
    /// All that there is to see.
    pub(super) fn everything() -> [Self; 6] {
        let groups = Self::Groups {
            after: None,
            limit: 3,
        };
        let list = Self::List {
            scope: Scope::All,
            now: Timestamp::default(),
            before: None,
            limit: 3,
        };
        let events = Self::Events {
            after: None,
            limit: 3,
        };
        let checkpoints = Self::Checkpoints {
            after: None,
            limit: 3,
        };
        let removed = Self::Removed {
            now: Timestamp::default(),
            before: None,
            limit: 3,
        };
        let ended = Self::Ended(Timestamp::from_millis(u64::MAX));
        [list, removed, ended, groups, events, checkpoints]
    }

    /// Every read of all that operations can be about.
    pub(super) fn every_read() -> Vec<Self> {
        let times = || (0..5).map(Timestamp::from_secs);
        let owners = || (0..3).map(|n| sample_entry(n).uploaded_by);
        let groups = || (0..4).map(sample_group);
        let clients = owners().map(|user| Scope::of_client(user, groups()));
        let scopes = Vec::from_iter(clients.chain(owners().map(Scope::By)).chain([Scope::All]));
        let mut reads = Vec::from(Self::everything());
        for n in 0..7 {
            let (entry, link) = (sample_entry(n), sample_link(n));
            reads.extend([
                Self::ById(entry.id),
                Self::RemovedFile(entry.id),
                Self::Unreferenced(vec![entry.blob]),
                Self::Link(link.id),
                Self::LinkOf(link.secret),
                Self::Lease(sample_lease(n, 0).id),
                Self::Remembered(OnceKey([n as u8; 32])),
            ]);
            let of = owners().map(|user| DownloadsOf::FileBy(entry.id, user));
            let of = of.chain([DownloadsOf::File(entry.id), DownloadsOf::Link(link.id)]);
            reads.extend(of.map(|of| Self::Downloads {
                of,
                after: None,
                limit: 3,
            }));
        }
        for now in times() {
            for scope in &scopes {
                reads.extend(NAMES.map(|name| Self::Newest(file_name(name), scope.clone(), now)));
                reads.push(Self::List {
                    scope: scope.clone(),
                    now,
                    before: None,
                    limit: 3,
                });
            }
            let days = (0..4_u32).map(|days| Self::Ended(now + DAY * days));
            reads.extend(days.chain([Self::Due(now, 9)]));
        }
        for user in owners() {
            reads.extend([Self::Usage(user), Self::GroupsOf(user)]);
            reads.push(Self::Links {
                made_by: user,
                before: None,
                limit: 3,
            });
        }
        for group in groups() {
            reads.push(Self::Group(group));
            reads.push(Self::Members {
                group,
                after: None,
                limit: 3,
            });
        }
        reads.push(Self::Mails(9));
        reads
    }

    pub(super) fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            6 => (any_entry(), any_quota())
                .prop_map(|(entry, quota)| Self::Apply(Change::AddFile { entry, quota })),
            8 => any_removal().prop_map(Self::Apply),
            1 => any_id().prop_map(Self::RemovedFile),
            1 => (any_time(), prop::option::of(0..20_usize), 1..4_usize)
                .prop_map(|(now, before, limit)| Self::Removed { now, before, limit }),
            1 => (any_time(), 1..4_usize).prop_map(|(now, limit)| Self::Due(now, limit)),
            1 => (any_time(), 0..4_u32).prop_map(|(now, days)| Self::Ended(now + DAY * days)),
            3 => any_group_change().prop_map(Self::Apply),
            2 => (any_id(), any_edit(), any_author(), any_time())
                .prop_map(|(id, edit, by, at)| Self::Apply(Change::EditFile { id, edit, by, at })),
            1 => (any_id(), 0..3_u32)
                .prop_map(|(id, crc32)| Self::Apply(Change::SetCrc32 { id, crc32 })),
            1 => any_id().prop_map(Self::ById),
            2 => (any_name(), any_scope(), any_time())
                .prop_map(|(name, scope, now)| Self::Newest(name, scope, now)),
            1 => any_group().prop_map(Self::Group),
            1 => (prop::option::of(any_group_name()), 1..4_usize)
                .prop_map(|(after, limit)| Self::Groups { after, limit }),
            1 => (any_group(), prop::option::of(any_owner()), 1..4_usize)
                .prop_map(|(group, after, limit)| Self::Members { group, after, limit }),
            1 => any_owner().prop_map(Self::GroupsOf),
            6 => any_link_change().prop_map(Self::Apply),
            1 => any_link().prop_map(|link| Self::Link(link.id)),
            1 => any_link().prop_map(|link| Self::LinkOf(link.secret)),
            1 => (any_owner(), prop::option::of(any_link()), 1..4_usize)
                .prop_map(|(made_by, before, limit)| Self::Links { made_by, before: before.map(|link| link.id), limit }),
            1 => any_lease().prop_map(|lease| Self::Lease(lease.id)),
            4 => any_once().prop_map(Self::Apply),
            1 => any_time().prop_map(|before| Self::Apply(Change::ForgetOnce { before })),
            2 => any_mail_change().prop_map(Self::Apply),
            1 => (1..4_usize).prop_map(Self::Mails),
            1 => (0..3_u8).prop_map(|n| Self::Remembered(OnceKey([n; 32]))),
            1 => prop::collection::vec(any_blob(), 0..5).prop_map(Self::Unreferenced),
            1 => any_owner().prop_map(Self::Usage),
            2 => (any_scope(), any_time(), prop::option::of(0..20_usize), 1..4_usize)
                .prop_map(|(scope, now, before, limit)| Self::List { scope, now, before, limit }),
            1 => (prop::option::of(0..20_usize), 1..4_usize)
                .prop_map(|(after, limit)| Self::Events { after, limit }),
            3 => prop::collection::vec((0..9_u32).prop_map(sample_download), 0..4)
                .prop_map(|events| Self::Apply(Change::Record(events))),
            2 => (0..20_usize).prop_map(Self::Checkpoint),
            1 => (prop::option::of(0..20_usize), 1..4_usize)
                .prop_map(|(after, limit)| Self::Checkpoints { after, limit }),
            2 => (any_downloads(), prop::option::of(0..20_usize), 1..4_usize)
                .prop_map(|(of, after, limit)| Self::Downloads { of, after, limit }),
        ]
    }
}

/// A store, and the positions it has given so far in the order in which it gave them.
pub(super) struct Side {
    store: Arc<dyn FileStore>,
    positions: Vec<Seq>,
}

impl Side {
    pub(super) fn new(store: Arc<dyn FileStore>) -> Self {
        Self {
            store,
            positions: Vec::new(),
        }
    }

    /// Goes on with the same store as another value.
    pub(super) fn turn_to(&mut self, store: Arc<dyn FileStore>) {
        self.store = store;
    }

    pub(super) async fn apply(&mut self, op: &FileOp) -> Seen {
        match op.clone() {
            FileOp::Apply(change) => match self.store.apply(change).await.expect(ANSWERS) {
                Outcome::Added(file) => {
                    promise!(
                        self.positions.last().is_none_or(|last| *last < file.seq),
                        "Seq: strictly increasing; a removed file's position is never given again"
                    );
                    self.positions.push(file.seq);
                    Seen::Outcome(Outcome::Added(self.ranked(file)))
                }
                Outcome::Removed(file) => Seen::Outcome(Outcome::Removed(self.ranked(file))),
                Outcome::Restored(file) => Seen::Outcome(Outcome::Restored(self.ranked(file))),
                Outcome::Purged(removed) => {
                    Seen::Outcome(Outcome::Purged(self.ranked_removed(removed)))
                }
                Outcome::FileSet(file) => Seen::Outcome(Outcome::FileSet(self.ranked(file))),
                Outcome::Crc32Set(file) => Seen::Outcome(Outcome::Crc32Set(self.ranked(file))),
                outcome => Seen::Outcome(outcome),
            },
            FileOp::ById(id) => {
                let file = self.store.by_id(id).await.expect(ANSWERS);
                Seen::Files(file.into_iter().map(|file| self.ranked(file)).collect())
            }
            FileOp::Newest(name, scope, now) => {
                let file = self.store.newest(&name, &scope, now).await.expect(ANSWERS);
                Seen::Files(file.into_iter().map(|file| self.ranked(file)).collect())
            }
            FileOp::Unreferenced(blobs) => {
                let unreferenced = self.store.unreferenced(&blobs).await.expect(ANSWERS);
                Seen::Unreferenced(unreferenced.into_iter().collect())
            }
            FileOp::Usage(user) => Seen::Usage(self.store.usage(user).await.expect(ANSWERS)),
            FileOp::RemovedFile(id) => {
                let removed = self.store.removed_file(id).await.expect(ANSWERS);
                Seen::Removed(self.all_ranked(removed))
            }
            FileOp::Removed { now, before, limit } => {
                let before =
                    before.map(|rank| self.positions.get(rank).copied().unwrap_or(Seq::MAX));
                let removed = walk(limit, before, async |before| {
                    self.store.removed(now, before, limit).await
                });
                Seen::Removed(self.all_ranked(removed.await))
            }
            FileOp::Due(now, limit) => {
                let due = self.store.due(now, limit).await.expect(ANSWERS);
                Seen::Removed(self.all_ranked(due))
            }
            FileOp::Ended(now) => {
                let mut ended = self.store.ended(now, 1000).await.expect(ANSWERS);
                ended.sort_by_key(|ended| ended.file);
                Seen::Ended(ended)
            }
            FileOp::Group(id) => {
                let group = self.store.group(id).await.expect(ANSWERS);
                Seen::Groups(group.into_iter().collect())
            }
            FileOp::Groups { after, limit } => Seen::Groups(
                walk(limit, after, async |after| {
                    self.store.groups(after.as_ref(), limit).await
                })
                .await,
            ),
            FileOp::Members {
                group,
                after,
                limit,
            } => Seen::Members(
                walk(limit, after, async |after| {
                    self.store.members(group, after, limit).await
                })
                .await,
            ),
            FileOp::GroupsOf(user) => {
                Seen::GroupsOf(self.store.groups_of(user).await.expect(ANSWERS))
            }
            FileOp::Link(id) => {
                Seen::Links(Vec::from_iter(self.store.link(id).await.expect(ANSWERS)))
            }
            FileOp::LinkOf(secret) => Seen::Links(Vec::from_iter(
                self.store.link_of(secret).await.expect(ANSWERS),
            )),
            FileOp::Links {
                made_by,
                before,
                limit,
            } => Seen::Links(
                walk(limit, before, async |before| {
                    self.store.links(made_by, before, limit).await
                })
                .await,
            ),
            FileOp::Mails(limit) => Seen::Mails(self.store.mails(limit).await.expect(ANSWERS)),
            FileOp::Remembered(key) => {
                Seen::Remembered(self.store.remembered(key).await.expect(ANSWERS))
            }
            FileOp::Lease(id) => Seen::Lease(self.store.lease(id).await.expect(ANSWERS)),
            FileOp::List {
                scope,
                now,
                before,
                limit,
            } => {
                let before =
                    before.map(|rank| self.positions.get(rank).copied().unwrap_or(Seq::MAX));
                let files = walk(limit, before, async |before| {
                    self.store.list(&scope, now, before, limit).await
                })
                .await;
                Seen::Files(files.into_iter().map(|file| self.ranked(file)).collect())
            }
            FileOp::Events { after, limit } => {
                let trail = self.trail(None, limit).await;
                let Some(after) = after else {
                    check_chains(&trail);
                    return Seen::Events(events(trail));
                };
                let after = Some(seq_of(&trail, after));
                Seen::Events(events(self.trail(after, limit).await))
            }
            FileOp::Checkpoint(rank) => {
                let trail = self.trail(None, 9).await;
                let missing = Head {
                    writer: WriterId::ONLY,
                    number: u64::MAX,
                    hash: EntryHash::NONE,
                };
                let head = trail.get(rank).map_or(missing, Recorded::head);
                let heads = self.store.heads().await.expect(ANSWERS);
                let last = trail.last().map(Recorded::head);
                promise!(
                    Vec::from_iter(last) == heads,
                    "heads: the last entry of each writer's chain"
                );
                let change = Change::AddCheckpoint(sample_checkpoint(head));
                Seen::Outcome(self.store.apply(change).await.expect(ANSWERS))
            }
            FileOp::Checkpoints { after, limit } => {
                let trail = self.trail(None, 9).await;
                let after = after.map(|rank| seq_of(&trail, rank));
                Seen::Checkpoints(
                    walk(limit, after, async |after| {
                        self.store.checkpoints(after, limit).await
                    })
                    .await,
                )
            }
            FileOp::Downloads { of, after, limit } => {
                let trail = self.trail(None, 9).await;
                let after = after.map(|rank| seq_of(&trail, rank));
                let found = walk(limit, after, async |after| {
                    self.store.downloads(of, after, limit).await
                });
                let (found, sums) = (found.await, self.store.downloaded(of).await);
                Seen::Downloads(events(found), sums.expect(ANSWERS))
            }
        }
    }

    async fn trail(&self, after: Option<Seq>, limit: usize) -> Vec<Recorded> {
        let trail = walk(limit, after, async |after| {
            self.store.events(after, limit).await
        })
        .await;
        promise!(
            trail.windows(2).all(|pair| pair[0].seq < pair[1].seq),
            "Recorded::seq: later events have larger positions, oldest first"
        );
        trail
    }

    fn all_ranked(&self, removed: impl IntoIterator<Item = RemovedFile>) -> Vec<RemovedFile> {
        let removed = removed.into_iter();
        removed.map(|one| self.ranked_removed(one)).collect()
    }

    fn ranked_removed(&self, removed: RemovedFile) -> RemovedFile {
        let file = self.ranked(removed.file);
        RemovedFile { file, ..removed }
    }

    /// The file with its position's rank for a position.
    fn ranked(&self, file: File) -> File {
        let rank = self
            .positions
            .iter()
            .position(|position| *position == file.seq);
        let rank = rank.expect(
            "the contract is broken: File::seq: the position the file was given when it was added",
        );
        File {
            seq: rank as Seq,
            ..file
        }
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    Outcome(Outcome),
    Files(Vec<File>),
    Removed(Vec<RemovedFile>),
    Ended(Vec<Ended>),
    Groups(Vec<Group>),
    Members(Vec<UserId>),
    GroupsOf(Vec<GroupId>),
    Links(Vec<ManagedLink>),
    Lease(Option<Lease>),
    Remembered(Option<Remembered>),
    Mails(Vec<Queued>),
    Unreferenced(BTreeSet<BlobKey>),
    Usage(Usage),
    Events(Vec<Event>),
    Checkpoints(Vec<Checkpoint>),
    Downloads(Vec<Event>, Transfers),
}

/// The position of the entry of this rank, or one behind all.
fn seq_of(trail: &[Recorded], rank: usize) -> Seq {
    trail.get(rank).map_or(Seq::MAX, |recorded| recorded.seq)
}

fn events(trail: Vec<Recorded>) -> Vec<Event> {
    trail.into_iter().map(|recorded| recorded.event).collect()
}

fn any_downloads() -> impl Strategy<Value = DownloadsOf> {
    (0..3_u8, 0..3_u32, any_owner()).prop_map(|(kind, n, user)| match kind {
        0 => DownloadsOf::File(sample_entry(n).id),
        1 => DownloadsOf::Link(sample_link(n).id),
        _ => DownloadsOf::FileBy(sample_entry(n).id, user),
    })
}

fn any_id() -> impl Strategy<Value = FileId> {
    (0..7_u32).prop_map(|n| sample_entry(n).id)
}

fn any_blob() -> impl Strategy<Value = BlobKey> {
    (0..7_u32).prop_map(sample_key)
}

fn any_name() -> impl Strategy<Value = FileName> {
    select(NAMES.to_vec()).prop_map(file_name)
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..5_u64).prop_map(Timestamp::from_secs)
}

fn any_author() -> impl Strategy<Value = Author> {
    let user = Author::User(sample_entry(1).uploaded_by);
    select(vec![
        Author::Anonymous,
        Author::Administrator,
        Author::Sweeper,
        user,
    ])
}

fn any_entry() -> impl Strategy<Value = FileEntry> {
    let what = (any_id(), any_blob(), any_name(), any_time());
    (what, any_owner(), 0..4_u64, any_audience(), any_end()).prop_map(
        |((id, blob, name, uploaded_at), uploaded_by, size, audience, expires_at)| FileEntry {
            id,
            blob,
            name,
            size,
            uploaded_at,
            uploaded_by,
            audience,
            expires_at,
            crc32: None,
            ..sample_entry(1)
        },
    )
}

fn any_removal() -> impl Strategy<Value = Change> {
    let what = (any_id(), any_author(), any_time());
    let how = (0..8_u8, prop::option::of(0..8_u64), any_end());
    (what, how).prop_map(|((id, by, at), (kind, until, end))| match kind {
        0..5 => Change::RemoveFile {
            id,
            why: match kind {
                0..3 => Removal::Asked,
                3 => Removal::Expired,
                _ => Removal::Retention,
            },
            keep_until: until.map(Timestamp::from_secs),
            by,
            at: match kind {
                4 => at + DAY * 2,
                _ => at,
            },
        },
        5 | 6 => Change::RestoreFile {
            id,
            expires_at: match kind {
                5 => Edit::Keep,
                _ => Edit::Set(end),
            },
            by,
            at,
        },
        _ => Change::PurgeFile {
            id,
            purge: match until {
                Some(_) => Purge::Due,
                None => Purge::Now,
            },
            by,
            at,
        },
    })
}

fn any_retention() -> impl Strategy<Value = Option<Retention>> {
    let days = prop::option::weighted(0.4, 1..4_u32);
    days.prop_map(|days| days.and_then(|days| Retention::of_days(days).ok()))
}

/// Most have none.
fn any_end() -> impl Strategy<Value = Option<Timestamp>> {
    prop::option::weighted(0.4, any_time())
}

fn any_edit() -> impl Strategy<Value = FileEdit> {
    let audience = prop_oneof![
        1 => Just(Edit::Keep),
        2 => any_audience().prop_map(Edit::Set),
    ];
    let expires_at = prop_oneof![
        2 => Just(Edit::Keep),
        1 => any_end().prop_map(Edit::Set),
    ];
    (audience, expires_at).prop_map(|(audience, expires_at)| FileEdit {
        audience,
        expires_at,
    })
}

/// Most are for everybody, or for groups that there may be.
fn any_audience() -> impl Strategy<Value = Audience> {
    let principal = prop_oneof![
        1 => Just(Principal::Everybody),
        2 => any_owner().prop_map(Principal::User),
        2 => any_group().prop_map(Principal::Group),
    ];
    prop::collection::vec(principal, 0..4)
        .prop_map(|principals| Audience::of(principals).expect("they are few"))
}

fn any_scope() -> impl Strategy<Value = Scope> {
    let client = (any_owner(), prop::collection::vec(any_group(), 0..3));
    prop_oneof![
        1 => Just(Scope::All),
        1 => any_owner().prop_map(Scope::By),
        2 => client.prop_map(|(user, groups)| Scope::of_client(user, groups)),
    ]
}

fn any_group_change() -> impl Strategy<Value = Change> {
    let what = (any_group(), any_owner(), any_group_name());
    let how = (0..6_u8, any_author(), any_time());
    let what = (what, any_retention());
    (what, how).prop_map(
        |(((id, user, name), retention), (kind, by, at))| match kind {
            0 | 1 => Change::AddGroup(Group {
                retention,
                id,
                name,
                created_by: user,
                created_at: at,
            }),
            2 => Change::EditGroup {
                id,
                edit: match retention {
                    Some(_) => GroupEdit::retaining(retention),
                    None => GroupEdit::named(name),
                },
                by,
                at,
            },
            3 => Change::RemoveGroup { id, by, at },
            4 => Change::AddMember {
                group: id,
                user,
                by,
                at,
            },
            _ => Change::RemoveMember {
                group: id,
                user,
                by,
                at,
            },
        },
    )
}

fn any_link_change() -> impl Strategy<Value = Change> {
    let what = (any_link(), any_id(), any_lease(), any_author(), any_time());
    let how = (0..9_u8, 0..3_u32, prop::option::of(1..3_u32));
    (what, how).prop_map(
        |((link, file, lease, by, at), (kind, revision, budget))| match kind {
            0..3 => Change::AddLink(ManagedLink {
                files: [file].into(),
                max_downloads: budget.and_then(NonZeroU32::new),
                revision: 0,
                ..link
            }),
            3 => {
                let (id, edit) = (
                    link.id,
                    LinkEdit {
                        expires_at: Edit::Set(at + Duration::from_secs(2)),
                        max_downloads: Edit::Set(budget.and_then(NonZeroU32::new)),
                        ..LinkEdit::default()
                    },
                );
                Change::EditLink { id, edit, by, at }
            }
            4 => {
                let id = link.id;
                Change::RevokeLink { id, by, at }
            }
            5 => Change::ForgetLeases { ended_before: at },
            _ => Change::OpenLease {
                revision: revision / 2,
                code: (budget == Some(1)).then_some(CodeHash([revision as u8; 32])),
                by,
                lease: Lease {
                    opened_at: at,
                    expires_at: at + Duration::from_secs(1),
                    ..lease
                },
            },
        },
    )
}

fn any_mail_change() -> impl Strategy<Value = Change> {
    let what = (any_link(), 0..5_u32, any_time());
    (what, 0..6_u8, 0..2_u32).prop_map(|((link, n, at), kind, number)| {
        let mail = sample_mail(n);
        let id = mail.mail.id;
        match kind {
            0..4 => Change::SendCode {
                link: link.id,
                revision: number,
                code: CodeHash([n as u8 / 2; 32]),
                mail,
                at,
            },
            4 => Change::TryMail {
                id,
                attempts: number,
                at,
            },
            _ => Change::DropMail { id },
        }
    })
}

fn any_once() -> impl Strategy<Value = Change> {
    let any_change = prop_oneof![
        any_entry().prop_map(Change::add),
        any_group_change(),
        any_link_change(),
    ];
    let once = (0..3_u8, 0..2_u8, any_time());
    (once, any_change).prop_map(|((key, request, at), change)| {
        let once = Once {
            key: OnceKey([key; 32]),
            request: [request; 32],
            at,
            until: at + Duration::from_secs(2),
        };
        let change = Box::new(change);
        Change::Once { once, change }
    })
}

fn any_link() -> impl Strategy<Value = ManagedLink> {
    (0..4_u32).prop_map(sample_link)
}

fn any_lease() -> impl Strategy<Value = Lease> {
    (0..6_u32, 0..4_u32).prop_map(|(n, link)| sample_lease(n, link))
}

fn any_group() -> impl Strategy<Value = GroupId> {
    (0..4_u32).prop_map(sample_group)
}

fn any_group_name() -> impl Strategy<Value = GroupName> {
    select(vec!["a", "A", "é"]).prop_map(|name| GroupName::parse(name).expect("it is one"))
}

fn any_owner() -> impl Strategy<Value = UserId> {
    (0..3_u32).prop_map(|n| sample_entry(n).uploaded_by)
}

fn any_quota() -> impl Strategy<Value = Quota> {
    let limit = || prop::option::weighted(0.3, 0..6_u64);
    (limit(), limit()).prop_map(|(files, bytes)| Quota { files, bytes })
}
