//! Many at once, over the real stores and on several threads; after each round what is stored must be
//! what was answered.
//!
//! `CONSIGN_STORM_ROUNDS` says how many rounds; `CONSIGN_STORM_SEED` makes them others.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use consign_core::{
    Consign, Error, ErrorKind, File, Link, Settings, User,
    audience::Scope,
    file::{FileName, Sha256},
    id::{BlobKey, FileId, UserId},
    password::Password,
    quota::{Quota, Usage},
    random::Entropy,
    store::BodyError,
    testing::{SeededEntropy, sample_bytes},
    user::{Role, Status},
};
use futures_util::stream;
use sha2::Digest;

use crate::support::{PASSWORD, Place, actor, add_user, log_in, times};

const TASKS: usize = 8;
const CALLS: usize = 16;
const USERS: [(&str, Role); 6] = [
    ("olga", Role::Operations),
    ("omar", Role::Operations),
    ("odin", Role::Operations),
    ("carl", Role::Client),
    ("cora", Role::Client),
    ("cleo", Role::Client),
];
const NAMES: [&str; 3] = ["a.docx", "b.docx", "c.docx"];

/// Little enough that some uploads are beyond it.
const QUOTA: Quota = Quota {
    files: Some(12),
    bytes: Some(2_000_000),
};

#[test]
fn a_storm_leaves_what_was_answered() {
    let rounds = times("CONSIGN_STORM_ROUNDS", 6);
    let seed = u64::from(times("CONSIGN_STORM_SEED", 1));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let storm = runtime.block_on(Storm::new());
    for round in 0..rounds {
        let seed = (seed << 32) + u64::from(round);
        runtime.block_on(storm.round(seed));
        runtime.block_on(storm.check());
    }
    println!("{rounds} rounds: {:?}", storm.ledger().counts);
}

/// The stores, and what was answered about them.
struct Storm {
    place: Place,
    ledger: Arc<Mutex<Ledger>>,
}

#[derive(Clone, Default)]
struct Ledger {
    users: Vec<User>,
    sessions: Vec<(usize, String)>,
    links: Vec<Link>,
    /// What was answered to be there; what a dropped upload or removal has left nobody was told.
    added: BTreeMap<FileId, Sha256>,
    removed: BTreeSet<FileId>,
    /// What was sent by those who left.
    left: Vec<Sha256>,
    /// Changes of each user that end sessions.
    changes: BTreeMap<usize, u32>,
    counts: BTreeMap<String, u64>,
}

impl Ledger {
    fn count(&mut self, what: &str, answer: Result<(), ErrorKind>) {
        let what = match answer {
            Ok(()) => what.to_owned(),
            Err(kind) => format!("{what}: {kind}"),
        };
        *self.counts.entry(what).or_default() += 1;
    }
}

impl Storm {
    async fn new() -> Self {
        let place = Place::on_disk();
        let consign = place.service();
        let mut ledger = Ledger::default();
        for (who, (name, role)) in USERS.into_iter().enumerate() {
            ledger.users.push(add_user(&consign, name, role).await);
            ledger.sessions.push((who, log_in(&consign, name).await));
        }
        add_user(&consign, "reader", Role::Client).await;
        Self {
            place,
            ledger: Arc::new(Mutex::new(ledger)),
        }
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    async fn round(&self, seed: u64) {
        let consign = self.place.service_with(Settings {
            quota: QUOTA,
            removal_grace: Duration::ZERO,
            ..Settings::default()
        });
        self.restore(&consign).await;
        let tasks = (0..TASKS as u64).map(|task| {
            let caller = Caller {
                consign: consign.clone(),
                ledger: Arc::clone(&self.ledger),
                dice: SeededEntropy::new((seed << 8) + task),
            };
            tokio::spawn(async move {
                for _ in 0..CALLS {
                    caller.call().await;
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }

    /// Everybody is again what they were, and has signed in, or soon nobody could do anything.
    async fn restore(&self, consign: &Consign) {
        let administration = consign.administration();
        for (who, (name, role)) in USERS.into_iter().enumerate() {
            let named = name.parse().unwrap();
            let active = administration.set_status(&named, Status::Active).await;
            active.unwrap();
            administration.set_role(&named, role).await.unwrap();
            let password = Password::new(PASSWORD.to_owned());
            let changed = administration.set_password(&named, password).await;
            changed.unwrap();
            let token = log_in(consign, name).await;
            let mut ledger = self.ledger();
            *ledger.changes.entry(who).or_default() += 3;
            ledger.sessions.push((who, token));
        }
    }

    /// When all is quiet: see each sentence.
    async fn check(&self) {
        // What was dropped runs to its end, then a sweep takes what it left.
        let parts = &self.place.parts;
        let consign = self.place.service();
        let waited = async {
            // Ours, and the new service's.
            while Arc::strong_count(&parts.blobs) > 2 {
                tokio::task::yield_now().await;
            }
        };
        let hangs = Duration::from_secs(120);
        tokio::time::timeout(hangs, waited).await.unwrap();
        self.place.sweep().await;
        let files = parts
            .files
            .list(
                &Scope::All,
                consign_core::time::Timestamp::default(),
                None,
                100_000,
            )
            .await
            .unwrap()
            .items;
        assert_eq!(self.place.kept().await, [0, files.len(), files.len()]);
        let blobs = parts.blobs.keys(None, 100_000).await.unwrap().items;
        let blobs: BTreeSet<BlobKey> = blobs.into_iter().map(|blob| blob.key).collect();
        let referenced = files.iter().map(|file| file.entry.blob).collect();
        assert_eq!(
            blobs, referenced,
            "each file has its bytes, each blob its file"
        );

        let mut sums = BTreeMap::<UserId, Usage>::new();
        for file in &files {
            let sum = sums.entry(file.entry.uploaded_by).or_default();
            *sum = sum.plus(Usage::file(file.entry.size));
        }
        let ledger = self.ledger().clone();
        for user in &ledger.users {
            let usage = parts.files.usage(user.id).await.unwrap();
            let sum = sums.get(&user.id).copied().unwrap_or_default();
            assert_eq!(usage, sum, "what is counted is what is there");
            assert!(QUOTA.allows(usage), "no quota is exceeded: {usage:?}");
        }

        let there: BTreeMap<FileId, Sha256> = files
            .iter()
            .map(|file| (file.entry.id, file.entry.sha256))
            .collect();
        for (id, sha256) in &ledger.added {
            let expected = (!ledger.removed.contains(id)).then_some(sha256);
            assert_eq!(
                there.get(id),
                expected,
                "an answered upload is there until it is removed"
            );
        }
        for (id, sha256) in &there {
            assert!(
                ledger.added.contains_key(id) || ledger.left.contains(sha256),
                "what was refused is not there"
            );
        }

        let reader = actor(&consign, "reader").await;
        for file in &files {
            let link = consign.link(&reader, &file.entry.id.to_string()).await;
            let opened = consign.open(&link.unwrap().token).await.unwrap();
            let bytes = opened.read_all(1 << 30).await.unwrap();
            let digest = Sha256(sha2::Sha256::digest(&bytes).into());
            assert_eq!(digest, file.entry.sha256, "a file is what was uploaded");
        }

        let mut now = Vec::new();
        for user in &ledger.users {
            let user = parts.users.by_id(user.id).await.unwrap().unwrap();
            let changes = ledger.changes.get(&now.len()).copied();
            assert_eq!(
                user.session_epoch,
                changes.unwrap_or_default(),
                "each change of a user took effect once"
            );
            now.push(user);
        }
        assert!(now.iter().any(|user| user.role == Role::Operations));
        self.check_tokens(&consign, &now, &there, &ledger).await;
    }

    /// Sessions and links work if, and only if, their users and files are what they were.
    async fn check_tokens(
        &self,
        consign: &Consign,
        now: &[User],
        there: &BTreeMap<FileId, Sha256>,
        ledger: &Ledger,
    ) {
        use consign_core::token::Purpose;
        let at = self.place.parts.clock.now();
        let verify = |purpose, token: &str| {
            let claims = self.place.parts.signer.verify(purpose, token, at).unwrap();
            let user = now.iter().find(|user| user.id == claims.subject).unwrap();
            let present = user.status == Status::Active && user.session_epoch == claims.epoch;
            (user.clone(), present)
        };
        for (_, token) in &ledger.sessions {
            let (user, good) = verify(Purpose::Access, token);
            let authenticated = consign.authenticate(token).await.is_ok();
            assert_eq!(authenticated, good, "a session of {user:?}");
        }
        for link in &ledger.links {
            let (user, present) = verify(Purpose::Download, &link.token);
            let id = &link.file.entry.id;
            let good = present && user.role == Role::Client && there.contains_key(id);
            let opened = consign.open(&link.token).await.is_ok();
            assert_eq!(opened, good, "{link:?} of {user:?}");
        }
    }
}

/// One of the many.
struct Caller {
    consign: Consign,
    ledger: Arc<Mutex<Ledger>>,
    dice: SeededEntropy,
}

impl Caller {
    async fn call(&self) {
        let (what, done) = match self.roll(60) {
            0..18 => ("upload", self.upload().await),
            18..27 => ("link", self.link().await),
            27..39 => ("open", self.open().await),
            39..45 => ("delete", self.delete().await),
            45..53 => ("login", self.log_in().await),
            53..57 => ("sweep", self.sweep().await),
            _ => ("change of a user", self.change().await),
        };
        let answer = done.as_ref().map_err(Error::kind).copied();
        use ErrorKind::*;
        let expected = match what {
            "upload" => &[InvalidToken, Incomplete, OverQuota][..],
            "link" | "delete" => &[InvalidToken, FileNotFound],
            "open" => &[InvalidToken],
            "login" => &[InvalidCredentials],
            "change of a user" => &[LastOperationsUser, InvalidToken],
            _ => &[],
        };
        if let Err(error) = &done {
            let kind = error.kind();
            let known = expected.contains(&kind) || matches!(kind, Forbidden(_));
            assert!(known, "{what}: {error:?}");
        }
        self.ledger().count(what, answer);
    }

    async fn upload(&self) -> Result<(), Error> {
        let content = sample_bytes(self.roll(usize::MAX) as u64, self.roll(400_000));
        let digest = Sha256(sha2::Sha256::digest(&content).into());
        let token = self.session(0);
        let permit = self
            .consign
            .permit_upload(&self.consign.authenticate(&token).await?)?;
        let (mut chunks, mut rest) = (Vec::new(), content);
        while !rest.is_empty() {
            let len = self.roll(150_000).min(rest.len());
            chunks.push(Ok(rest.split_to(len)));
        }
        let (broken, leaves) = (self.roll(6) == 0, self.roll(6) == 0);
        if broken {
            chunks.push(Err(BodyError::Incomplete("cut".into())));
        }
        let name = FileName::parse(NAMES[self.roll(NAMES.len())]).unwrap();
        let upload = self.consign.upload(permit, name, stream::iter(chunks));
        if leaves {
            self.ledger().left.push(digest);
            let upload = Impatient {
                polls: self.roll(12),
                work: pin!(upload),
            };
            // Whether it is there nobody was told, unless it ended before.
            return upload.await.map_or(Ok(()), |done| self.added(done, broken));
        }
        self.added(upload.await, broken)
    }

    fn added(&self, done: Result<File, Error>, broken: bool) -> Result<(), Error> {
        let entry = done?.entry;
        assert!(!broken, "half a body is no file");
        self.ledger().added.insert(entry.id, entry.sha256);
        Ok(())
    }

    async fn delete(&self) -> Result<(), Error> {
        let id = {
            let ledger = self.ledger();
            let count = ledger.added.len().max(1);
            ledger.added.keys().nth(self.roll(count)).copied()
        };
        let Some(id) = id else { return Ok(()) };
        let actor = self.consign.authenticate(&self.session(0)).await?;
        self.consign.delete(&actor, id).await?;
        let first = self.ledger().removed.insert(id);
        assert!(first, "a file is removed once");
        Ok(())
    }

    async fn link(&self) -> Result<(), Error> {
        let actor = self.consign.authenticate(&self.session(3)).await?;
        let name = NAMES[self.roll(NAMES.len())];
        let link = self.consign.link(&actor, name).await?;
        self.ledger().links.push(link);
        Ok(())
    }

    async fn open(&self) -> Result<(), Error> {
        let link = {
            let ledger = self.ledger();
            let count = ledger.links.len();
            ledger.links.get(self.roll(count.max(1))).cloned()
        };
        let Some(link) = link else { return Ok(()) };
        let opened = self.consign.open(&link.token).await?;
        let bytes = opened.read_all(1 << 30).await?;
        let digest = Sha256(sha2::Sha256::digest(&bytes).into());
        assert_eq!(
            digest, link.file.entry.sha256,
            "a link is to what it was made for"
        );
        Ok(())
    }

    async fn log_in(&self) -> Result<(), Error> {
        let who = self.roll(USERS.len());
        let password = Password::new(PASSWORD.to_owned());
        let session = self.consign.login(USERS[who].0, password).await?;
        self.ledger().sessions.push((who, session.token));
        Ok(())
    }

    async fn sweep(&self) -> Result<(), Error> {
        let administration = self.consign.administration();
        let report = administration.sweep(Duration::ZERO, |_| ()).await?;
        assert_eq!(report.failures, 0);
        Ok(())
    }

    async fn change(&self) -> Result<(), Error> {
        let administration = self.consign.administration();
        let who = self.roll(USERS.len());
        let named = USERS[who].0.parse().unwrap();
        match self.roll(6) {
            0 => drop(administration.set_status(&named, Status::Disabled).await?),
            1 => drop(administration.set_status(&named, Status::Active).await?),
            2 => drop(administration.set_role(&named, Role::Client).await?),
            3 => drop(administration.set_role(&named, USERS[who].1).await?),
            4 => {
                let other = Password::new("another horse battery".to_owned());
                drop(administration.set_password(&named, other).await?);
            }
            _ => drop(administration.end_sessions(&named).await?),
        }
        *self.ledger().changes.entry(who).or_default() += 1;
        Ok(())
    }

    /// The newest session of one of three users.
    fn session(&self, first: usize) -> String {
        let who = first + self.roll(3);
        let ledger = self.ledger();
        let mut newest = ledger.sessions.iter().rev();
        let (_, token) = newest.find(|(of, _)| *of == who).unwrap();
        token.clone()
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// From 0 to, and without, `below`.
    fn roll(&self, below: usize) -> usize {
        let mut bytes = [0; 8];
        self.dice.fill(&mut bytes);
        (u64::from_le_bytes(bytes) % below as u64) as usize
    }
}

/// Gives up after being polled so often: `None`.
struct Impatient<'a, F> {
    polls: usize,
    work: Pin<&'a mut F>,
}

impl<F: Future> Future for Impatient<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.polls == 0 => Poll::Ready(None),
            Poll::Pending => {
                self.polls -= 1;
                Poll::Pending
            }
        }
    }
}
