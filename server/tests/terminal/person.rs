//! Somebody at a terminal, with a home of their own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::support::{PASSWORD, Ran, run};

pub struct Person {
    home: TempDir,
}

impl Person {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { home }
    }

    /// Somebody who has registered and signed in.
    pub fn signed_in(server: SocketAddr, name: &str, role: &str) -> Self {
        let person = Self::new();
        let (url, input) = (format!("http://{server}"), format!("{PASSWORD}\n"));
        let email = format!("--email={name}@example.org");
        let name = format!("--username={name}");
        let role = format!("--role={role}");
        let register = ["register", &url, &name, &email, &role, "--password-stdin"];
        person.run_with(&register, &input).succeeds();
        person.sign_in(server, &name);
        person
    }

    pub fn sign_in(&self, server: SocketAddr, name: &str) {
        let login = [
            "login",
            &*format!("http://{server}"),
            name,
            "--password-stdin",
        ];
        self.run_with(&login, &format!("{PASSWORD}\n")).succeeds();
    }

    pub fn path(&self) -> &Path {
        self.home.path()
    }

    pub fn settings(&self) -> PathBuf {
        self.path().join("config/consign/client.toml")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    pub fn has(&self, name: &str) -> bool {
        self.path().join(name).symlink_metadata().is_ok()
    }

    /// `consign`, at home and with nothing set.
    pub fn consign(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_consign"));
        self.settle(&mut command);
        command.args(args);
        command
    }

    /// Has a command run at home and with nothing set.
    pub fn settle(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CONSIGN_") || name.to_lowercase().ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("XDG_STATE_HOME", self.path().join("state"));
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    pub fn run_with(&self, args: &[&str], input: &str) -> Ran {
        run(self.consign(args), input)
    }
}

/// The lines of a result.
#[track_caller]
pub fn lines(ran: &Ran) -> Vec<&str> {
    ran.succeeds().lines().collect()
}

/// Checks that it failed with this code, told in one line.
#[track_caller]
pub fn fails(ran: &Ran, code: i32, why: &str) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert!(ran.err.starts_with("consign: "), "{ran:?}");
    assert!(ran.err.contains(why), "{why:?} is not told: {ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
}
