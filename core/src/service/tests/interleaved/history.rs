//! What was stored from step to step, and which answers it explains.

use std::collections::BTreeSet;

use super::*;
use crate::{
    id::{BlobKey, UserId},
    policy::{self, Action},
    store::UserStore,
};

/// All that was stored, step by step.
#[derive(Default)]
pub struct History(Vec<Snapshot>);

/// What is stored at one moment.
#[derive(Debug)]
pub struct Snapshot {
    pub users: Vec<User>,
    pub files: Vec<File>,
    blobs: BTreeSet<BlobKey>,
}

/// When a call went on: places in the history.
#[derive(Debug)]
pub struct Times {
    from: usize,
    /// When the last byte of a body was taken.
    pub last_byte: usize,
    pub to: usize,
}

impl Times {
    pub fn from(now: usize) -> Self {
        Self {
            from: now,
            last_byte: now,
            to: now,
        }
    }
}

/// What was stored while a call went on.
#[derive(Debug)]
pub struct Window<'a> {
    moments: &'a [Snapshot],
    last_byte: usize,
}

impl History {
    pub async fn look(&mut self, world: &World) {
        let users = UserStore::list(&world.store, None, 100).await.unwrap();
        let blobs = world.memory.keys(None, 1000).await.unwrap();
        self.0.push(Snapshot {
            users: users.items,
            files: world.files().await,
            blobs: blobs.items.into_iter().map(|blob| blob.key).collect(),
        });
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn last(&self) -> &Snapshot {
        self.0.last().unwrap()
    }

    pub fn window(&self, times: &Times) -> Window<'_> {
        Window {
            moments: &self.0[times.from..=times.to],
            last_byte: times.last_byte - times.from,
        }
    }

    /// At no moment is there a file without its bytes, nor no operations user where there was one.
    pub fn check(&self) -> Result<(), TestCaseError> {
        for moment in &self.0 {
            for file in &moment.files {
                prop_assert!(moment.blobs.contains(&file.entry.blob), "{file:?}");
            }
            let operations = |user: &User| user.role == Role::Operations;
            prop_assert!(moment.users.iter().any(operations));
        }
        Ok(())
    }
}

impl Snapshot {
    pub fn user(&self, id: UserId) -> &User {
        self.users.iter().find(|user| user.id == id).unwrap()
    }

    pub fn may_open(&self, maker: UserId, epoch: u32, file: FileId) -> bool {
        self.allows(maker, epoch, Action::Open) && self.has(file)
    }

    /// Whether a token of this epoch is good for its user.
    fn present(&self, id: UserId, epoch: u32) -> bool {
        let user = self.user(id);
        user.status == Active && user.session_epoch == epoch
    }

    fn allows(&self, id: UserId, epoch: u32, action: Action) -> bool {
        self.present(id, epoch) && policy::allows(self.user(id), action)
    }

    fn has(&self, id: FileId) -> bool {
        self.files.iter().any(|file| file.entry.id == id)
    }

    fn newest(&self, name: usize) -> Option<&File> {
        let named = |file: &&File| file.entry.name.as_str() == NAMES[name];
        self.files.iter().find(named)
    }
}

type Condition<'a> = &'a dyn Fn(&Snapshot) -> bool;

impl Window<'_> {
    /// Whether the conditions were met one after another, or at once.
    fn met(&self, conditions: &[Condition<'_>]) -> bool {
        let mut moments = self.moments.iter().peekable();
        conditions.iter().all(|condition| {
            while let Some(moment) = moments.peek() {
                if condition(moment) {
                    return true;
                }
                moments.next();
            }
            false
        })
    }

    /// What was stored from when the last byte of a body was taken.
    fn after_body(&self) -> Window<'_> {
        Window {
            moments: &self.moments[self.last_byte..],
            last_byte: 0,
        }
    }

    /// Whether the user became this from one moment to the next, and a session older.
    fn became(&self, after: &User) -> bool {
        self.moments.windows(2).any(|pair| {
            let before = pair[0].user(after.id);
            before.session_epoch + 1 == after.session_epoch && pair[1].user(after.id) == after
        })
    }
}

impl Play {
    /// Whether the answer is one that the call may have had, from what was stored meanwhile.
    pub(super) fn explains(&self, window: &Window<'_>, act: &Act, answer: &Answer) -> bool {
        use ErrorKind::*;
        let may = |who: usize, action| {
            let user = &self.users[who];
            move |moment: &Snapshot| moment.allows(user.id, user.session_epoch, action)
        };
        let gone = |who: usize| {
            let user = &self.users[who];
            move |moment: &Snapshot| !moment.present(user.id, user.session_epoch)
        };
        let forbidden = |who: usize, action| {
            let user = &self.users[who];
            move |moment: &Snapshot| {
                moment.present(user.id, user.session_epoch)
                    && !policy::allows(moment.user(user.id), action)
            }
        };
        match (act, answer) {
            (Act::Upload { by, whole, .. }, Ok(Got::File(file))) => {
                let may = may(*by, Action::Upload);
                let there = |moment: &Snapshot| moment.has(file.entry.id);
                // Asked before the first byte and after the last.
                *whole
                    && window.met(&[&|moment| !there(moment), &may])
                    && window.after_body().met(&[&may, &there])
            }
            (Act::Upload { whole, .. }, Err(Incomplete)) => !whole,
            // Only a sweep takes a stage, before its upload is known to hold it.
            (Act::Upload { .. }, Err(Internal)) => false,
            (Act::Delete { by, file }, Ok(Got::File(removed))) => {
                let id = self.files[*file].entry.id;
                let there = |moment: &Snapshot| moment.has(id);
                removed.entry.id == id
                    && window.met(&[&may(*by, Action::Delete), &there, &|moment| !there(moment)])
            }
            (Act::Delete { by, file }, Err(FileNotFound)) => {
                let missing = |moment: &Snapshot| !moment.has(self.files[*file].entry.id);
                window.met(&[&may(*by, Action::Delete), &missing])
            }
            (Act::Link { by, name }, Ok(Got::Link(link))) => {
                let newest = |moment: &Snapshot| moment.newest(*name) == Some(&link.file);
                window.met(&[&may(*by, Action::Link), &newest])
            }
            (Act::Link { by, name }, Err(FileNotFound)) => {
                let none = |moment: &Snapshot| moment.newest(*name).is_none();
                window.met(&[&may(*by, Action::Link), &none])
            }
            (Act::Open { link }, Ok(Got::Bytes(bytes))) => {
                let (maker, file) = (link / 2 + 2, &self.files[link % 2]);
                let there = |moment: &Snapshot| moment.has(file.entry.id);
                bytes == file.entry.name.as_str().as_bytes()
                    && window.met(&[&may(maker, Action::Open), &there])
            }
            (Act::Open { link }, Err(InvalidToken)) => {
                let (maker, id) = (link / 2 + 2, self.files[link % 2].entry.id);
                window.met(&[&gone(maker)]) || window.met(&[&|moment| !moment.has(id)])
            }
            (Act::Authenticate { who }, Ok(Got::User(seen))) => {
                window.met(&[&|moment| moment.user(self.users[*who].id) == seen])
                    && window.met(&[&may(*who, Action::List)])
            }
            (Act::LogIn { who }, answer) => {
                let user = &self.users[*who];
                let lets_in = |moment: &Snapshot| {
                    let now = moment.user(user.id);
                    now.status == Active && now.password == user.password
                };
                match answer {
                    Ok(Got::Session(_)) => window.met(&[&lets_in]),
                    Err(InvalidCredentials) => window.met(&[&|moment| !lets_in(moment)]),
                    _ => false,
                }
            }
            (Act::LogOut { who }, Ok(Got::Nothing)) => {
                window.met(&[&may(*who, Action::List), &gone(*who)])
            }
            (
                Act::Status { .. }
                | Act::Role { .. }
                | Act::Password { .. }
                | Act::EndSessions { .. },
                Ok(Got::User(user)),
            ) => window.became(user),
            (Act::Role { who, role }, Err(LastOperationsUser)) => {
                let id = self.users[*who].id;
                let last = |moment: &Snapshot| {
                    let mut users = moment.users.iter();
                    users.all(|user| (user.role == Role::Operations) == (user.id == id))
                };
                *role == Role::Client && window.met(&[&last])
            }
            (
                Act::Upload { by: who, .. }
                | Act::Delete { by: who, .. }
                | Act::Link { by: who, .. }
                | Act::Authenticate { who }
                | Act::LogOut { who },
                Err(InvalidToken),
            ) => window.met(&[&gone(*who)]),
            (
                Act::Upload { by, .. } | Act::Delete { by, .. } | Act::Link { by, .. },
                Err(Forbidden(action)),
            ) => window.met(&[&forbidden(*by, *action)]),
            (Act::Sweep { .. } | Act::Wait { .. }, Ok(Got::Nothing)) => true,
            _ => false,
        }
    }
}
