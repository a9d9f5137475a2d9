//! What a service manager is told (sd_notify(3)), and when.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{os::unix::net::UnixDatagram, path::PathBuf};

use rustix::process::Signal;
use support::{
    HANGS, Home, Server,
    tls::{self, Identity},
};

/// A service manager.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(home: &Home) -> Self {
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(HANGS)).unwrap();
        Self { socket, path }
    }

    /// The lines of the next message.
    fn hears(&self) -> Vec<String> {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).unwrap();
        let message = std::str::from_utf8(&message[..length]).unwrap();
        message.lines().map(str::to_owned).collect()
    }

    fn hears_ready(&self, server: &Server, scheme: &str) {
        let status = format!("STATUS=listening on {scheme}://{}", server.address);
        assert_eq!(self.hears(), ["READY=1", &status]);
    }

    /// That the settings are taken anew, and were.
    fn hears_of_a_reload(&self, server: &Server, scheme: &str) {
        let reloading = self.hears();
        assert_eq!(reloading[0], "RELOADING=1");
        // systemd 253 or later asks for it.
        let since = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap();
        assert!(since.parse::<u64>().unwrap() > 0);
        self.hears_ready(server, scheme);
    }
}

#[tokio::test]
async fn it_is_told_when_the_server_serves_reloads_and_stops() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let server = Server::on(&home, |command| {
        command.env("NOTIFY_SOCKET", &manager.path);
    });
    manager.hears_ready(&server, "http");
    // There is nothing to take anew, and that is no reason to end.
    for _ in 0..2 {
        server.signal(Signal::HUP);
        manager.hears_of_a_reload(&server, "http");
    }
    server.serves().await;
    server.stop();
    assert_eq!(manager.hears(), ["STOPPING=1"]);
}

#[tokio::test]
async fn a_reload_is_over_when_the_certificate_is_taken() {
    let home = Home::new();
    Identity::new().install(&home);
    let manager = Manager::new(&home);
    let server = tls::serve(&home, |command| {
        command.env("NOTIFY_SOCKET", &manager.path);
    });
    manager.hears_ready(&server, "https");
    let new = Identity::new();
    new.install(&home);
    server.signal(Signal::HUP);
    manager.hears_of_a_reload(&server, "https");
    let versions = tls::ANY_VERSION;
    let served = new.connect(server.address, tls::HTTP_1, versions).await;
    served.unwrap();
    server.stop();
    assert_eq!(manager.hears(), ["STOPPING=1"]);
}

#[tokio::test]
async fn a_manager_that_is_gone_holds_nothing_up() {
    let home = Home::new();
    let server = Server::on(&home, |command| {
        command.env("NOTIFY_SOCKET", home.path().join("nowhere"));
    });
    server.tells("the service manager was not told");
    server.serves().await;
    server.stop();
}
