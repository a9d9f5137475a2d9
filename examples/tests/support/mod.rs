//! An example that serves, in a process of its own.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// Nothing an example does takes nearly as long; what does hangs.
pub const HANGS: Duration = Duration::from_secs(120);

/// An example that listens, until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    // Dropped in this order: the process writes to the folder.
    _process: Process,
    _folder: TempDir,
}

impl Server {
    /// Starts the example with a new folder and these settings in its environment.
    pub fn start(example: &str, settings: &[(&str, String)]) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let child = Command::new(example)
            .arg(folder.path())
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .env("LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example was built");
        let mut process = Process(child);
        let first = process.first_line();
        let address = first.strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("{example} said {first:?}"));
        Self {
            address: address.parse().expect("an address and a port"),
            _process: process,
            _folder: folder,
        }
    }
}

/// A process that is ended when dropped, so that a failing test leaves none behind.
struct Process(Child);

impl Process {
    /// Reading goes on after it, in a thread, so that the process can always write.
    fn first_line(&mut self) -> String {
        let stdout = self.0.stdout.take().expect("it is piped");
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        lines
            .recv_timeout(HANGS)
            .expect("the example says where it listens")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
