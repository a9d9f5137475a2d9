//! The real binary on a folder of its own, and people who use it.
//!
//! Nothing here waits for a time to pass: what is waited for is a line, an answer or an end, and a
//! guard ends a test that waits in vain.
#![allow(dead_code)]

pub mod apart;
pub mod between;
pub mod cluster;
pub mod engines;
pub mod http2;
pub mod load;
pub mod package;
pub mod tls;

use std::{
    fs,
    future::Future,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, mpsc},
    thread,
    time::Duration,
};

use consign_http::testing::{Answer, Connection, Form, Request};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::engines::Engines;

/// Nothing takes nearly as long; what does hangs.
pub const HANGS: Duration = Duration::from_secs(100);

/// Everybody's password, and nothing else that is ever written down.
pub const PASSWORD: &str = "a-password-of-theirs";

/// Waits for what comes soon.
#[track_caller]
pub fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(HANGS, future).await {
            Ok(done) => done,
            Err(_) => panic!("hangs: {caller}"),
        }
    }
}

/// A place for a data folder and a file of settings.
pub struct Home {
    folder: TempDir,
    /// What it shares with others.
    engines: Option<Arc<Engines>>,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Home {
    pub fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let engines = None;
        Arc::new(Self { folder, engines })
    }

    /// A place within this folder.
    pub fn within(folder: &Path) -> Arc<Self> {
        let folder = tempfile::tempdir_in(folder).unwrap();
        let engines = None;
        Arc::new(Self { folder, engines })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Writes consign.toml.
    pub fn settings(&self, text: &str) {
        fs::write(self.path().join("consign.toml"), text).unwrap();
    }

    /// `consign`, in this place and with nothing set.
    pub fn consign(&self) -> Command {
        self.prepare(Command::new(env!("CARGO_BIN_EXE_consign")))
    }

    /// `consign`, started by a shell that runs `before` first.
    pub fn consign_after(&self, before: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{before} && exec \"$0\" \"$@\"")]);
        shell.arg(env!("CARGO_BIN_EXE_consign"));
        self.prepare(shell)
    }

    fn prepare(&self, mut command: Command) -> Command {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CONSIGN_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.path())
            .env("CONSIGN_DATA", self.data());
        if let Some(engines) = &self.engines {
            command.envs(engines.environment());
        }
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// Runs a command to its end, with this standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.consign();
        command.args(args);
        run(command, input)
    }

    /// Adds a user with everybody's password.
    pub fn add_user(&self, name: &str, role: &str) {
        let email = format!("--email={name}@example.org");
        let role = format!("--role={role}");
        let args = ["user", "add", name, &email, &role, "--password-stdin"];
        self.run_with(&args, &format!("{PASSWORD}\n")).succeeds();
    }

    /// Files below the data folder's `files/` in this folder: `stages` or `blobs`.
    pub fn stored(&self, folder: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.data().join("files").join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path);
                }
            }
        }
        found
    }
}

/// Runs a command to its end.
pub fn run(mut command: Command, input: &str) -> Ran {
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let guard = KillLater::new(&child);
    // One that reads nothing may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    drop(guard);
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// Checks that it did what it was to do, and gives its output.
    #[track_caller]
    pub fn succeeds(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.out
    }

    /// Checks that it did not, for a reason told in one line with this in it.
    #[track_caller]
    pub fn fails(&self, code: i32, why: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        assert!(self.err.contains(why), "{why:?} is not told: {self:?}");
        if code == 1 {
            assert!(self.err.starts_with("consign: "), "{self:?}");
            assert_eq!(self.err.trim_end().lines().count(), 1, "{self:?}");
        }
    }

    /// The objects of a list in JSON.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let lines = self.succeeds().lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Kills a process that does not end.
struct KillLater(Option<mpsc::Sender<()>>);

impl KillLater {
    fn new(child: &Child) -> Self {
        let pid = Pid::from_child(child);
        let (ended, end) = mpsc::channel();
        thread::spawn(move || {
            if end.recv_timeout(HANGS) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        });
        Self(Some(ended))
    }
}

/// A server that runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub home: Arc<Home>,
    child: Child,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    /// The text so far, and whether that is all.
    told: Mutex<(String, bool)>,
    more: Condvar,
}

impl Server {
    /// A server in a new place.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A server in a new place, and with these flags.
    pub fn with(flags: impl FnOnce(&mut Command)) -> Self {
        Self::on(&Home::new(), flags)
    }

    /// A server in this place, and with these flags.
    pub fn on(home: &Arc<Home>, flags: impl FnOnce(&mut Command)) -> Self {
        let mut command = home.consign();
        command.args(["serve", "--listen=127.0.0.1:0", "--rate-limits=off"]);
        flags(&mut command);
        Self::spawn(home, command)
    }

    /// A server as it is told here, once it accepts connections.
    pub fn spawn(home: &Arc<Home>, mut command: Command) -> Self {
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().unwrap();
        thread::spawn({
            let log = Arc::clone(&log);
            move || log.fill(stderr)
        });
        let mut line = String::new();
        let guard = KillLater::new(&child);
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        drop(guard);
        let base = line.trim_end().strip_prefix("listening on ");
        let base = base.and_then(|base| base.split_once("://"));
        let address = base.filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
        let address = address.and_then(|(_, address)| address.parse().ok());
        let Some(address) = address else {
            let _ = child.wait();
            panic!("{line:?} says no address: {}", log.whole());
        };
        Self {
            address,
            home: Arc::clone(home),
            child,
            log,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it the hard way.
    pub fn kill(mut self) -> Arc<Home> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Arc::clone(&self.home)
    }

    /// Waits for its end, and gives what it told.
    pub fn end(mut self) -> (ExitStatus, String) {
        let guard = KillLater::new(&self.child);
        let status = self.child.wait().unwrap();
        drop(guard);
        (status, self.log.whole())
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(self) -> Arc<Home> {
        let home = Arc::clone(&self.home);
        self.signal(Signal::TERM);
        let (status, log) = self.end();
        assert!(status.success(), "{status}: {log}");
        home
    }

    /// Waits until it has told this on standard error.
    pub fn tells(&self, text: &str) {
        let told = self.log.told.lock().unwrap();
        let waiting = |told: &mut (String, bool)| !told.0.contains(text) && !told.1;
        let told = self.log.more.wait_timeout_while(told, HANGS, waiting);
        let (told, _) = told.unwrap();
        assert!(told.0.contains(text), "{text:?} is not told: {}", told.0);
    }

    /// What it has told so far.
    pub fn log(&self) -> String {
        self.log.told.lock().unwrap().0.clone()
    }

    pub async fn connect(&self) -> Connection {
        soon(Connection::open(self.address)).await
    }

    /// Sends a request on a connection of its own.
    pub async fn call(&self, request: Request) -> Answer {
        let mut connection = self.connect().await;
        soon(connection.exchange(&request)).await
    }

    /// Checks that it serves.
    pub async fn serves(&self) {
        self.call(Request::get("/healthz")).await.has_status(200);
    }

    /// Waits until it serves: it may not have seen yet that those before are gone.
    pub async fn comes_to_serve(&self) {
        let request = Request::get("/healthz");
        soon(async {
            loop {
                let mut connection = self.connect().await;
                let sent = connection.send(request.bytes(self.address)).await;
                if sent && connection.next(&request.method).await.is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        self.serves().await;
    }

    pub async fn login(&self, name: &str, password: &str) -> Answer {
        let fields = json!({"username": name, "password": password});
        self.call(Request::post("/login").json(&fields)).await
    }

    /// The access token of a user who is there.
    pub async fn token(&self, name: &str) -> String {
        let answer = self.login(name, PASSWORD).await.is_json(200);
        text(&answer["access_token"])
    }

    /// The access token of a new user.
    pub async fn sign_up(&self, name: &str, operations: bool) -> String {
        let fields = json!({
            "username": name,
            "email": format!("{name}@example.org"),
            "password": PASSWORD,
            "is_operation_user": operations,
        });
        let answer = self.call(Request::post("/register").json(&fields)).await;
        answer.has_status(201);
        self.token(name).await
    }

    /// Uploads a file that is taken, and gives its id.
    pub async fn upload(&self, token: &str, name: &str, content: &[u8]) -> String {
        let request = Request::post("/upload").bearer(token);
        let answer = self.call(request.form(Form::of_file(name, content))).await;
        text(&answer.is_json(200)["file"]["id"])
    }

    /// All files that are listed, newest first.
    pub async fn files(&self, token: &str) -> Vec<Value> {
        let mut files = Vec::new();
        let mut target = "/files?limit=100".to_owned();
        loop {
            let page = self.call(Request::get(&target).bearer(token)).await;
            let page = page.is_json(200);
            files.extend(page["files"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => target = format!("/files?limit=100&cursor={next}"),
                None => return files,
            }
        }
    }

    /// The path of a new link to a file, by its id or name.
    pub async fn link(&self, token: &str, file: &str) -> String {
        let target = format!("/generate_download_url/{file}");
        let answer = self.call(Request::get(target).bearer(token)).await;
        let link = text(&answer.is_json(200)["download_url"]);
        let (_, token) = link.rsplit_once('/').unwrap();
        format!("/download_file/{token}")
    }

    /// Whether a token is still good.
    pub async fn knows(&self, token: &str) -> bool {
        self.is_good(Request::get("/files").bearer(token)).await
    }

    /// Whether a link still opens.
    pub async fn opens(&self, link: &str) -> bool {
        self.is_good(Request::get(link)).await
    }

    async fn is_good(&self, request: Request) -> bool {
        let answer = self.call(request).await;
        if answer.status != 200 {
            answer.is_problem(401, "Invalid or expired token");
        }
        answer.status == 200
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the server told:\n{}", self.log.whole());
        }
    }
}

impl Log {
    fn fill(&self, stderr: impl Read) {
        let mut lines = BufReader::new(stderr);
        let mut line = Vec::new();
        while lines
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            let mut told = self.told.lock().unwrap();
            told.0.push_str(&String::from_utf8_lossy(&line));
            line.clear();
            self.more.notify_all();
        }
        self.told.lock().unwrap().1 = true;
        self.more.notify_all();
    }

    /// All of it, once the process has ended.
    fn whole(&self) -> String {
        let told = self.told.lock().unwrap();
        let told = self.more.wait_timeout_while(told, HANGS, |told| !told.1);
        told.unwrap().0.0.clone()
    }
}

/// The text of a JSON string.
#[track_caller]
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is a text"))
        .to_owned()
}
