//! People who use a server until it is gone, and what it owes them afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use consign_http::testing::{Answer, Connection, Form, Request};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    sync::mpsc,
    task::{JoinSet, spawn_blocking},
};

use super::{
    Home, PASSWORD, Server,
    package::{Numbers, docx},
    soon, text,
};

/// People who upload at the same time.
const UPLOADERS: usize = 3;

/// Keys that are made in a round, and rounds after which tokens and links are made anew, at most:
/// no more keys are kept than sixteen.
const ROTATIONS: usize = 2;
const ROUNDS: usize = 5;

/// Files that a round leaves to the next.
const KEPT: usize = 12;

pub fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What was acknowledged to whom, and what was asked for without an answer.
#[derive(Default)]
pub struct Ledger {
    round: usize,
    operations: String,
    client: String,
    files: BTreeMap<String, Stored>,
    links: Vec<Link>,
    users: BTreeSet<String>,
    /// The key that signs; `None` when that cannot be known.
    key: Option<String>,
    pub counts: Counts,
}

/// A file that was acknowledged, and what became of it.
struct Stored {
    name: String,
    sha256: String,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Kept,
    /// Nobody knows whether it was removed.
    Asked,
    Removed,
}

struct Link {
    path: String,
    file: String,
    round: usize,
}

/// What was acknowledged, in figures, and what was not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub uploads: usize,
    pub removals: usize,
    pub links: usize,
    pub users: usize,
    pub rotations: usize,
    /// Answers that told of a failure of the server.
    pub refused: usize,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            uploads,
            removals,
            links,
            users,
            rotations,
            refused,
        } = self;
        write!(
            f,
            "acknowledged: {uploads} uploads, {removals} removals, {links} links, {users} users, \
             {rotations} new keys; refused: {refused}"
        )
    }
}

/// A ledger that all write to.
pub type Shared = Arc<Mutex<Ledger>>;

pub fn of(ledger: &Shared) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap()
}

/// Tokens and links that outlast the longest run.
pub fn long_lived(command: &mut std::process::Command) {
    command.args(["--access-lifetime=7d", "--link-lifetime=7d", "--log=warn"]);
}

/// Everybody at work.
pub struct Load {
    people: JoinSet<()>,
    uploads: mpsc::UnboundedReceiver<()>,
    users: mpsc::UnboundedReceiver<()>,
    over: Arc<AtomicBool>,
}

/// One of them.
struct Person {
    address: SocketAddr,
    ledger: Shared,
    numbers: Numbers,
    connection: Connection,
}

impl Load {
    /// Begins a round.
    pub async fn begin(server: &Server, ledger: &Shared, numbers: &mut Numbers) -> Self {
        let round = {
            let mut ledger = of(ledger);
            ledger.round += 1;
            ledger.round
        };
        if round % ROUNDS == 1 {
            let (olga, carl) = (server.token("olga").await, server.token("carl").await);
            let mut ledger = of(ledger);
            (ledger.operations, ledger.client) = (olga, carl);
        }
        let (told, uploads) = mpsc::unbounded_channel();
        let mut people = JoinSet::new();
        let over = Arc::<AtomicBool>::default();
        for at in 0..UPLOADERS {
            let uploader = Person::new(server, ledger, numbers).await;
            people.spawn(uploader.uploads(format!("{round}-{at}"), told.clone()));
        }
        let person = Person::new(server, ledger, numbers).await;
        people.spawn(person.makes_links());
        let person = Person::new(server, ledger, numbers).await;
        let (registered, users) = mpsc::unbounded_channel();
        people.spawn(person.registers(format!("carl-{round}"), registered));
        let (home, ledger) = (Arc::clone(&server.home), Arc::clone(ledger));
        let (numbers, seen) = (Numbers::new(numbers.next()), Arc::clone(&over));
        people.spawn(async move {
            let work = spawn_blocking(move || administrate(&home, &ledger, numbers, &seen));
            work.await.unwrap();
        });
        Self {
            people,
            uploads,
            users,
            over,
        }
    }

    /// Waits until this many more uploads and users are acknowledged; others are in the middle.
    pub async fn acknowledges(&mut self, uploads: usize, users: usize) {
        for (count, told) in [(uploads, &mut self.uploads), (users, &mut self.users)] {
            for _ in 0..count {
                soon(told.recv()).await.expect("it is answered");
            }
        }
    }

    /// Waits until everybody has noticed that the server is gone.
    pub async fn end(mut self) {
        self.over.store(true, Ordering::Release);
        while let Some(ended) = soon(self.people.join_next()).await {
            ended.unwrap();
        }
    }
}

impl Person {
    async fn new(server: &Server, ledger: &Shared, numbers: &mut Numbers) -> Self {
        Self {
            address: server.address,
            ledger: Arc::clone(ledger),
            numbers: Numbers::new(numbers.next()),
            connection: server.connect().await,
        }
    }

    /// The answer to a request; `None` when the server is gone, or cannot do it any more.
    async fn ask(&mut self, request: Request) -> Option<Answer> {
        let bytes = request.bytes(self.address);
        if !self.connection.send(bytes).await {
            return None;
        }
        let answer = self.connection.next(&request.method).await?;
        if answer.status >= 500 {
            of(&self.ledger).counts.refused += 1;
            return None;
        }
        Some(answer)
    }

    async fn uploads(mut self, client: String, told: mpsc::UnboundedSender<()>) {
        for at in 0.. {
            let content = docx(self.numbers.next(), self.numbers.within(10_000, 700_000));
            let name = format!("{client}-{at}.docx");
            let token = of(&self.ledger).operations.clone();
            let upload = Request::post("/upload").bearer(&token);
            let form = Form::of_file(&name, &content);
            let Some(answer) = self.ask(upload.form(form)).await else {
                return;
            };
            let id = text(&answer.is_json(200)["file"]["id"]);
            let file = Stored {
                name,
                sha256: digest(&content),
                fate: Fate::Kept,
            };
            let mut ledger = of(&self.ledger);
            ledger.files.insert(id, file);
            ledger.counts.uploads += 1;
            let _ = told.send(());
        }
    }

    /// Makes links to files that are there or were a moment ago, and follows them.
    async fn makes_links(mut self) {
        loop {
            let chosen = of(&self.ledger).choose(&mut self.numbers);
            let Some(file) = chosen else {
                tokio::task::yield_now().await;
                if self.ask(Request::get("/healthz")).await.is_none() {
                    return;
                }
                continue;
            };
            let token = of(&self.ledger).client.clone();
            let request = Request::get(format!("/generate_download_url/{file}")).bearer(&token);
            let Some(answer) = self.ask(request).await else {
                return;
            };
            if answer.status == 404 {
                assert_ne!(of(&self.ledger).files[&file].fate, Fate::Kept, "{file}");
                continue;
            }
            let url = text(&answer.is_json(200)["download_url"]);
            let (_, token) = url.rsplit_once('/').unwrap();
            let path = format!("/download_file/{token}");
            {
                let mut ledger = of(&self.ledger);
                let (path, file, round) = (path.clone(), file.clone(), ledger.round);
                ledger.links.push(Link { path, file, round });
                ledger.counts.links += 1;
            }
            let Some(answer) = self.ask(Request::get(path)).await else {
                return;
            };
            let ledger = of(&self.ledger);
            let stored = &ledger.files[&file];
            match answer.status {
                200 => assert_eq!(digest(&answer.body), stored.sha256, "{file}"),
                _ => assert_ne!(stored.fate, Fate::Kept, "{file}: {answer}"),
            }
        }
    }

    async fn registers(mut self, prefix: String, told: mpsc::UnboundedSender<()>) {
        for at in 0.. {
            let name = format!("{prefix}-{at}");
            let fields = json!({
                "username": name,
                "email": format!("{name}@example.org"),
                "password": PASSWORD,
            });
            let request = Request::post("/register").json(&fields);
            let Some(answer) = self.ask(request).await else {
                return;
            };
            answer.has_status(201);
            let mut ledger = of(&self.ledger);
            ledger.users.insert(name);
            ledger.counts.users += 1;
            let _ = told.send(());
        }
    }
}

/// Removes files and makes new keys, by commands, until the server is gone. The last command may
/// find it gone, and do its work itself.
fn administrate(home: &Home, ledger: &Shared, mut numbers: Numbers, over: &AtomicBool) {
    let mut rotations = 0;
    while !over.load(Ordering::Acquire) {
        let rotate = rotations < ROTATIONS && numbers.within(0, 3) == 0;
        if rotate {
            rotations += 1;
            rotate_keys(home, ledger);
            continue;
        }
        let file = of(ledger).ask_removal(&mut numbers);
        match file {
            Some(file) => remove(home, ledger, &file),
            None => drop(home.run(&["file", "list"])),
        }
    }
}

fn rotate_keys(home: &Home, ledger: &Shared) {
    of(ledger).key = None;
    let rotated = home.run(&["keys", "rotate"]);
    if rotated.code == Some(0) {
        let id = rotated.err.split_whitespace().nth(1).unwrap();
        let mut ledger = of(ledger);
        ledger.key = Some(id.to_owned());
        ledger.counts.rotations += 1;
    }
}

/// Removes a file whose removal was asked for already.
fn remove(home: &Home, ledger: &Shared, file: &str) {
    let removed = home.run(&["file", "remove", file]);
    if removed.code == Some(0) {
        let mut ledger = of(ledger);
        ledger.counts.removals += 1;
        ledger.files.get_mut(file).unwrap().fate = Fate::Removed;
    }
}

impl Ledger {
    /// A server's first two users.
    pub async fn open(server: &Server) -> Shared {
        server.sign_up("olga", true).await;
        server.sign_up("carl", false).await;
        let users = ["olga", "carl"].map(str::to_owned).into();
        let ledger = Self {
            users,
            ..Self::default()
        };
        Arc::new(Mutex::new(ledger))
    }

    fn choose(&self, numbers: &mut Numbers) -> Option<String> {
        let kept = || {
            let kept = self
                .files
                .iter()
                .filter(|(_, file)| file.fate == Fate::Kept);
            kept.map(|(id, _)| id)
        };
        let count = kept().count();
        (count > 0).then(|| kept().nth(numbers.within(0, count)).unwrap().clone())
    }

    fn ask_removal(&mut self, numbers: &mut Numbers) -> Option<String> {
        let id = self.choose(numbers)?;
        self.files.get_mut(&id).unwrap().fate = Fate::Asked;
        Some(id)
    }

    /// Checks that what is listed is what has to be, and notes what became of the rest.
    fn check_fates(&mut self, listed: &BTreeMap<String, &Value>) {
        for (id, file) in &mut self.files {
            let listed = listed.get(id);
            file.check_fate(listed.copied());
            file.fate = match listed {
                Some(_) => Fate::Kept,
                None => Fate::Removed,
            };
        }
    }
}

impl Stored {
    fn check_fate(&self, listed: Option<&Value>) {
        let name = &self.name;
        match (listed, self.fate) {
            (Some(listed), Fate::Kept | Fate::Asked) => {
                assert_eq!(listed["filename"], **name);
                assert_eq!(listed["sha256"], *self.sha256, "{name} is what it was");
            }
            (None, Fate::Asked | Fate::Removed) => {}
            (None, Fate::Kept) => panic!("{name} was acknowledged, and is lost"),
            (Some(_), Fate::Removed) => panic!("{name} was removed, and is there again"),
        }
    }
}

/// Checks a server that was started after another's end: what was acknowledged is there, what was
/// removed is not, and nothing is left of anything else.
pub async fn check(server: &Server, ledger: &Shared) {
    let token = of(ledger).operations.clone();
    let listed = server.files(&token).await;
    let by_id: BTreeMap<_, _> = listed
        .iter()
        .map(|file| (text(&file["id"]), file))
        .collect();
    assert_eq!(by_id.len(), listed.len(), "each is listed once");
    of(ledger).check_fates(&by_id);
    check_content(server, ledger, &listed).await;
    check_links(server, ledger, &by_id).await;
    check_users_and_keys(&server.home, ledger);
    server.home.run(&["sweep", "--grace=0s"]).succeeds();
    check_leftovers(&server.home, listed.len());
    trim(&server.home, ledger, &listed);
}

/// Every file that is listed is there whole, also one whose upload was not answered.
async fn check_content(server: &Server, ledger: &Shared, listed: &[Value]) {
    let token = of(ledger).client.clone();
    let mut connection = server.connect().await;
    for file in listed {
        let link = server.link(&token, &text(&file["id"])).await;
        let answer = soon(connection.exchange(&Request::get(link))).await;
        let content = &answer.has_status(200).body;
        assert_eq!(file["size"], content.len());
        assert_eq!(file["sha256"], *digest(content), "{file}");
    }
}

/// A link leads to its file as long as it is there.
async fn check_links(server: &Server, ledger: &Shared, by_id: &BTreeMap<String, &Value>) {
    let links: Vec<_> = {
        let mut ledger = of(ledger);
        let begun = ledger.round - ledger.round.saturating_sub(1) % ROUNDS;
        ledger.links.retain(|link| link.round >= begun);
        let links = ledger.links.iter().rev().take(20);
        links.map(|l| (l.path.clone(), l.file.clone())).collect()
    };
    for (path, file) in links {
        let there = by_id.contains_key(&file);
        assert_eq!(server.opens(&path).await, there, "a link to {file}");
    }
}

fn check_users_and_keys(home: &Home, ledger: &Shared) {
    let users = home.run(&["user", "list", "--json"]).json();
    let users: BTreeSet<_> = users.iter().map(|user| text(&user["username"])).collect();
    let ledger = of(ledger);
    let lost: Vec<_> = ledger.users.difference(&users).collect();
    assert!(lost.is_empty(), "acknowledged, and lost: {lost:?}");
    let keys: Value = serde_json::from_slice(&fs::read(home.data().join("keys.json")).unwrap())
        .expect("the keys are whole");
    let keys = keys["keys"].as_array().unwrap();
    let mut signing = keys.iter().filter(|key| key["good_until"].is_null());
    let signing = signing.next().unwrap();
    if let Some(key) = &ledger.key {
        assert_eq!(signing["id"], **key, "the key that was made last signs");
    }
}

fn check_leftovers(home: &Home, files: usize) {
    assert_eq!(home.stored("stages").len(), 0, "no upload is unfinished");
    assert_eq!(home.stored("blobs").len(), files, "and none is left over");
    let entries = fs::read_dir(home.data()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let expected = [
        "admin.sock",
        "consign.redb",
        "consign.redb.in-use",
        "evidence-key.json",
        "files",
        "keys.json",
        "server.lock",
    ];
    assert_eq!(names, expected, "nothing else is left");
}

/// Removes all but a few files, so that a long run needs no more room than a short one.
fn trim(home: &Home, ledger: &Shared, listed: &[Value]) {
    for file in listed.iter().skip(KEPT) {
        let id = text(&file["id"]);
        home.run(&["file", "remove", &id]).succeeds();
        if let Some(file) = of(ledger).files.get_mut(&id) {
            file.fate = Fate::Removed;
        }
    }
}
