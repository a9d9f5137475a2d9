//! A PostgreSQL of a test's own, which it can stop and start.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

use std::{
    ffi::OsStr,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// The password of its user, `consign`.
pub const PASSWORD: &str = "s3cret";

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Instance {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
}

impl Instance {
    /// A new one, which asks for the password.
    pub fn start() -> Self {
        let instance = Self::new();
        instance.begin();
        instance
    }

    /// As [`Instance::start`], and whoever wants to can talk to it by TLS: with its certificate, in PEM, which says
    /// that it is 127.0.0.1.
    pub fn start_with_tls() -> (Self, String) {
        let instance = Self::new();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let certificate = made.cert.pem();
        let data = instance.folder.path().join("data");
        fs::write(data.join("server.crt"), &certificate).unwrap();
        let key = data.join("server.key");
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        give_to_postgres(&key);
        fs::write(data.join("postgresql.auto.conf"), "ssl = on\n").unwrap();
        instance.begin();
        (instance, certificate)
    }

    /// One that does not run yet.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        give_to_postgres(folder.path());
        // Nobody else is given the port in the moment until it is taken again.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let instance = Self {
            programs: programs(),
            folder,
            port,
        };
        let password = format!("--pwfile={}", password.display());
        let settings = [
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--username=consign",
        ];
        instance.run(
            "initdb",
            settings
                .iter()
                .map(OsStr::new)
                .chain([OsStr::new(&password)]),
        );
        instance
    }

    pub fn url(&self) -> String {
        format!(
            "postgres://consign:{PASSWORD}@127.0.0.1:{}/postgres",
            self.port
        )
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub fn begin(&self) {
        let folder = self.folder.path().display();
        let options = format!("-p {} -k {folder} -c listen_addresses=127.0.0.1", self.port);
        let log = format!("{folder}/log");
        self.run(
            "pg_ctl",
            ["-w", "-l", &log, "-o", &options, "start"].map(OsStr::new),
        );
    }

    /// Ends it: `fast`, or as a crash would, `immediate`.
    pub fn end(&self, mode: &str) {
        self.run("pg_ctl", ["-w", "-m", mode, "stop"].map(OsStr::new));
    }

    fn run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) {
        let program = self.programs.join(program);
        let data = self.folder.path().join("data");
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
                command.arg(program);
                command
            }
            false => Command::new(program),
        };
        // What it leaves running must not hold on to the test's own output.
        let output = self.folder.path().join("output");
        let output = fs::File::create(output).unwrap();
        command.stdout(output.try_clone().unwrap()).stderr(output);
        run(command.current_dir("/").arg("-D").arg(data).args(arguments));
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.folder.path().join("data/postmaster.pid").exists() {
            self.end("immediate");
        }
    }
}

fn run(command: &mut Command) {
    let status = command.status();
    let status = status.unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

/// PostgreSQL does not run as root.
fn give_to_postgres(path: &Path) {
    if is_root() {
        run(Command::new("chown").args(["-R", "postgres"]).arg(path));
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout == b"0\n")
}

/// The folder of initdb and pg_ctl: Debian's, which is not among those that are searched, or one that is.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let searched = std::env::var_os("PATH").unwrap_or_default();
    let all = folders
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&searched));
    let found = all
        .into_iter()
        .find(|folder: &PathBuf| Path::new(folder).join("initdb").exists());
    found.expect("initdb of PostgreSQL is installed: see scripts/engines")
}
