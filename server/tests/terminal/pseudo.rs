//! Commands at a terminal that is none.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Child, Command},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use consign_http::testing::DOCX;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::{
    person::{Person, lines},
    proxy::{Fault, Proxy},
    support::{HANGS, PASSWORD, Server, package::docx},
};

/// What is on the screen so far, and whether that is all.
type Screen = Arc<(Mutex<(String, bool)>, Condvar)>;

/// A command at a terminal.
struct Seated {
    child: Child,
    keys: File,
    screen: Screen,
}

impl Seated {
    /// Starts `consign` at a terminal of its own.
    fn start(person: &Person, args: &[&str]) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let name = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name)
            .unwrap();
        // util-linux's has the program control its terminal, as passwords are asked for there.
        let mut command = Command::new("setsid");
        person.settle(&mut command);
        command
            .args(["--ctty", "--wait", env!("CARGO_BIN_EXE_consign")])
            .args(args);
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        command
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave);
        let child = command.spawn().unwrap();
        drop(command);
        let keys = File::from(master);
        let mut from = keys.try_clone().unwrap();
        let screen = Screen::default();
        thread::spawn({
            let screen = Arc::clone(&screen);
            move || {
                let mut piece = [0; 4096];
                while let Ok(read @ 1..) = from.read(&mut piece) {
                    let text = String::from_utf8_lossy(&piece[..read]);
                    screen.0.lock().unwrap().0.push_str(&text);
                    screen.1.notify_all();
                }
                screen.0.lock().unwrap().1 = true;
                screen.1.notify_all();
            }
        });
        Self {
            child,
            keys,
            screen,
        }
    }

    /// Waits until this is on the screen.
    fn shows(&self, text: &str) {
        self.shows_times(text, 1);
    }

    /// Waits until this is on the screen so often.
    fn shows_times(&self, text: &str, times: usize) {
        let screen = self.screen.0.lock().unwrap();
        let is_short = |screen: &str| screen.matches(text).count() < times;
        let waiting = |screen: &mut (String, bool)| is_short(&screen.0) && !screen.1;
        let waited = self.screen.1.wait_timeout_while(screen, HANGS, waiting);
        let (screen, _) = waited.unwrap();
        assert!(!is_short(&screen.0), "{text:?} is not shown: {}", screen.0);
    }

    fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }

    /// Its code, and all that was shown.
    fn ends(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        let screen = self.screen.0.lock().unwrap();
        let (screen, _) = self
            .screen
            .1
            .wait_timeout_while(screen, HANGS, |screen| !screen.1)
            .unwrap();
        (code, screen.0.clone())
    }
}

#[test]
fn a_transfer_is_seen() {
    let server = Server::new();
    let proxy = Proxy::new();
    proxy.leads_to(server.address);
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    olivia.sign_in(proxy.address, "--username=olivia");
    for name in ["first.docx", "second.docx"] {
        olivia.write(name, docx(1, 1 << 20));
    }
    // What takes a moment: the answer is lost, and asked for again.
    proxy.next("POST /upload", Fault::Lose);
    let upload = Seated::start(&olivia, &["upload", "first.docx", "second.docx"]);
    upload.shows("first.docx ");
    upload.shows("second.docx ");
    upload.shows("total ");
    upload.shows("MiB/s");
    let (code, screen) = upload.ends();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("2 uploaded, 2.1 MB in "), "{screen}");

    let quiet = Seated::start(&olivia, &["upload", "first.docx", "--quiet"]);
    let (code, screen) = quiet.ends();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.lines().count() == 1 && !screen.contains('\u{1b}'),
        "{screen}"
    );
}

#[test]
fn passwords_are_asked_for_and_not_shown() {
    let server = Server::new();
    let olivia = Person::new();
    let url = format!("http://{}", server.address);
    let args = [
        "register",
        &url,
        "--email=olivia@example.org",
        "--role=operations",
    ];
    let mut register = Seated::start(&olivia, &args);
    register.shows("Username: ");
    register.types("olivia\n");
    register.shows("Password of olivia: ");
    register.types("a long password\n");
    register.shows("Again: ");
    register.types("a long password\n");
    let (code, screen) = register.ends();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.contains("olivia is registered") && !screen.contains("long password"),
        "{screen}"
    );

    let mut login = Seated::start(&olivia, &["login", &url, "--username=olivia"]);
    login.shows(&format!("Password of olivia at {url}"));
    login.types("a long password\n");
    let (code, screen) = login.ends();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains("long password"), "{screen}");

    olivia.write("a.docx", DOCX.document("a"));
    olivia.run(&["upload", "a.docx"]).succeeds();
    let mut make = Seated::start(&olivia, &["link", "make", "a.docx", "--password-prompt"]);
    make.shows("Password of the link: ");
    make.types("open sesame\n");
    make.shows("Again: ");
    make.types("open sesame\n");
    let (code, screen) = make.ends();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.contains("good until ") && !screen.contains("sesame"),
        "{screen}"
    );
    let link = screen
        .lines()
        .find(|line| line.contains("/l/"))
        .unwrap()
        .trim()
        .to_owned();

    let rita = Person::new();
    let mut get = Seated::start(&rita, &["get", &link]);
    get.shows("Password of the link: ");
    get.types("open sesam\n");
    get.shows("Wrong password");
    get.shows_times("Password of the link: ", 2);
    get.types("open sesame\n");
    let (code, screen) = get.ends();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.contains("SHA-256 verified") && !screen.contains("sesam"),
        "{screen}"
    );
    assert_eq!(rita.read("a.docx"), DOCX.document("a"));
}

/// A sign-in that has ended asks again, and then goes on with what was being done.
#[test]
fn an_expired_sign_in_asks_again_and_goes_on() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    for name in ["a.docx", "b.docx"] {
        olivia.write(name, DOCX.document(name));
    }
    server.home.run(&["user", "logout", "olivia"]).succeeds();
    let mut upload = Seated::start(&olivia, &["upload", "a.docx", "b.docx"]);
    upload.shows("the sign-in has ended at http://");
    upload.types("not the password\n");
    upload.shows("Invalid username or password");
    upload.shows_times("Password of olivia: ", 2);
    upload.types(&format!("{PASSWORD}\n"));
    let (code, screen) = upload.ends();
    assert_eq!(code, Some(0), "{screen}");
    // One answer is enough for both.
    assert_eq!(
        screen.matches("the sign-in has ended").count(),
        2,
        "{screen}"
    );
    assert!(screen.contains("2 uploaded"), "{screen}");
    for secret in ["not the password", PASSWORD] {
        assert!(!screen.contains(secret), "{screen}");
    }
    // It stays.
    assert_eq!(
        lines(&olivia.run(&["ls", "--sort=name"])),
        ["a.docx", "b.docx"]
    );
    olivia.run(&["whoami"]).succeeds();
}

/// Ctrl-C at the question ends the command, and leaves a terminal that shows what is typed.
#[test]
fn a_question_can_be_interrupted() {
    let server = Server::new();
    let olivia = Person::new();
    let url = format!("http://{}", server.address);
    let mut login = Seated::start(&olivia, &["login", &url, "--username=olivia"]);
    login.shows("Password of olivia");
    let modes = || rustix::termios::tcgetattr(&login.keys).unwrap().local_modes;
    assert!(!modes().contains(rustix::termios::LocalModes::ECHO));
    login.types("\u{3}");
    let keys = login.keys.try_clone().unwrap();
    let (code, screen) = login.ends();
    assert_eq!(code, Some(130), "{screen}");
    let modes = rustix::termios::tcgetattr(&keys);
    assert!(modes.is_ok_and(|modes| {
        modes
            .local_modes
            .contains(rustix::termios::LocalModes::ECHO)
    }));
}
