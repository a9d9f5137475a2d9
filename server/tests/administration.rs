//! What an administrator does, through the running server and without one.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{
    fs,
    io::{Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use consign_http::testing::{DOCX, Request};
use support::{Home, PASSWORD, Ran, Server, package::docx, run, text};

/// A place with the operations users `olga` and `oskar` and the client `carl`.
async fn peopled() -> Arc<Home> {
    let home = Home::new();
    let server = Server::on(&home, |_| {});
    home.add_user("olga", "operations");
    home.add_user("oskar", "operations");
    home.add_user("carl", "client");
    server.stop()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn has_run(ran: &Ran, told: &str) {
    assert_eq!(ran.succeeds(), "");
    assert_eq!(ran.err, format!("{told}\n"));
}

#[tokio::test]
async fn a_command_to_the_running_server_takes_effect_at_the_next_request() {
    let home = peopled().await;
    let server = Server::on(&home, |_| {});
    let olga = server.token("olga").await;
    server.upload(&olga, "a.docx", &DOCX.document("a")).await;

    let mut carl = server.token("carl").await;
    let mut link = server.link(&carl, "a.docx").await;
    let alive = async |token: &str, link: &str| {
        let alive = (server.knows(token).await, server.opens(link).await);
        assert_eq!(
            alive.0, alive.1,
            "a session and its links live and die together"
        );
        alive.0
    };
    assert!(alive(&carl, &link).await);

    has_run(&home.run(&["user", "disable", "carl"]), "carl is disabled");
    assert!(!alive(&carl, &link).await);
    server
        .login("carl", PASSWORD)
        .await
        .is_problem(401, "Invalid username or password");
    has_run(&home.run(&["user", "enable", "carl"]), "carl is active");
    assert!(
        !alive(&carl, &link).await,
        "what has ended does not come back"
    );

    for (args, told) in [
        (
            &["user", "logout", "carl"][..],
            "carl is logged out everywhere",
        ),
        (
            &["user", "role", "carl", "operations"],
            "carl is an operations user",
        ),
    ] {
        carl = server.token("carl").await;
        link = server.link(&carl, "a.docx").await;
        assert!(alive(&carl, &link).await);
        has_run(&home.run(args), told);
        assert!(!alive(&carl, &link).await, "{args:?}");
    }
    carl = server.token("carl").await;
    server.upload(&carl, "b.docx", &DOCX.document("b")).await;
    has_run(
        &home.run(&["user", "role", "carl", "client"]),
        "carl is a client user",
    );
    assert!(!server.knows(&carl).await);

    carl = server.token("carl").await;
    link = server.link(&carl, "a.docx").await;
    let change = ["user", "password", "carl", "--password-stdin"];
    has_run(
        &home.run_with(&change, "another one\r\n"),
        "carl has a new password",
    );
    assert!(!alive(&carl, &link).await);
    server.login("carl", PASSWORD).await.has_status(401);
    server.login("carl", "another one").await.has_status(200);
    assert!(server.knows(&olga).await, "nobody else was meant");
}

#[tokio::test]
async fn a_command_without_a_server_takes_effect_in_the_next_one() {
    let home = peopled().await;
    let server = Server::on(&home, |_| {});
    let olga = server.token("olga").await;
    let carl = server.token("carl").await;
    let id = server.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let link = server.link(&carl, "a.docx").await;
    let home = server.stop();

    let restarted = Server::on(&home, |_| {});
    assert!(restarted.knows(&carl).await && restarted.opens(&link).await);
    drop(restarted);

    has_run(
        &home.run(&["user", "logout", "carl"]),
        "carl is logged out everywhere",
    );
    has_run(
        &home.run(&["user", "disable", "oskar"]),
        "oskar is disabled",
    );
    let change = ["user", "password", "carl", "--password-stdin"];
    has_run(
        &home.run_with(&change, "another one"),
        "carl has a new password",
    );
    let users = home.run(&["user", "list", "--json"]).json();
    assert_eq!(users.len(), 3);
    has_run(
        &home.run(&["file", "remove", &id]),
        &format!("a.docx ({id}) is removed"),
    );
    assert!(home.stored("blobs").is_empty());
    home.run(&["sweep", "--grace=0s"]).succeeds();

    let server = Server::on(&home, |_| {});
    assert!(server.knows(&olga).await);
    assert!(!server.knows(&carl).await);
    assert!(!server.opens(&link).await);
    server.login("oskar", PASSWORD).await.has_status(401);
    server.login("carl", PASSWORD).await.has_status(401);
    server.login("carl", "another one").await.has_status(200);
    assert!(server.files(&olga).await.is_empty());
}

#[tokio::test]
async fn users_are_added_and_listed() {
    let home = Home::new();
    let server = Server::on(&home, |_| {});
    let add = |name: &str, more: &[&str], input: &str| {
        let email = format!("--email={name}@example.org");
        let args = [&["user", "add", name, &email, "--password-stdin"], more].concat();
        home.run_with(&args, input)
    };
    has_run(
        &add("carl", &[], "first line\nsecond line"),
        "carl is added as a client user",
    );
    has_run(
        &add("olga", &["--role", "operations"], "long enough"),
        "olga is added as an operations user",
    );
    server.login("carl", "first line").await.has_status(200);
    server.login("olga", "long enough").await.has_status(200);

    add("carl", &[], "another one").fails(1, "consign: the username is taken");
    let args = [
        "user",
        "add",
        "cora",
        "--email=carl@example.org",
        "--password-stdin",
    ];
    home.run_with(&args, "long enough")
        .fails(1, "consign: the e-mail address is taken");
    add("cora", &[], "short\n").fails(1, "fewer than 8 characters");
    add("cora", &[], "").fails(1, "fewer than 8 characters");
    add("", &[], "long enough").fails(2, "");
    add("cora", &["--role", "admin"], "long enough").fails(2, "--role");
    let args = ["user", "add", "cora", "--email=nowhere", "--password-stdin"];
    home.run_with(&args, "long enough").fails(2, "--email");

    let users = home.run(&["user", "list", "--json"]);
    assert_eq!(users.err, "2 user(s)\n");
    let users = users.json();
    for (user, name, role) in [
        (&users[0], "carl", "client"),
        (&users[1], "olga", "operations"),
    ] {
        assert_eq!(user["username"], name);
        assert_eq!(user["email"], format!("{name}@example.org"));
        assert_eq!(user["role"], role);
        assert_eq!(user["status"], "active");
        assert_eq!(text(&user["id"]).len(), 32);
        text(&user["created_at"])
            .parse::<jiff::Timestamp>()
            .unwrap();
        assert_eq!(user["confined"], false);
        assert_eq!(user["owner"], serde_json::Value::Null);
        assert_eq!(user["address_proved"], true);
        assert_eq!(user.as_object().unwrap().len(), 9, "and no hash: {user}");
    }
    let table = home.run(&["user", "list"]);
    let rows: Vec<&str> = table.succeeds().lines().collect();
    assert!(
        rows[0].starts_with("USERNAME ") && rows[1].starts_with("carl "),
        "{rows:?}"
    );
    assert_eq!(rows.len(), 3);
}

#[tokio::test]
async fn files_are_listed_and_removed() {
    let home = peopled().await;
    let server = Server::on(&home, |_| {});
    let olga = server.token("olga").await;
    let carl = server.token("carl").await;
    let content = DOCX.document("one");
    let one = server.upload(&olga, "one.docx", &content).await;
    let old = server
        .upload(&olga, "two.docx", &DOCX.document("old"))
        .await;
    let new = server
        .upload(&olga, "two.docx", &DOCX.document("new"))
        .await;
    let links = [
        server.link(&carl, &one).await,
        server.link(&carl, &old).await,
        server.link(&carl, &new).await,
    ];

    let listed = home.run(&["file", "list", "--json"]);
    assert!(listed.err.starts_with("3 file(s), "), "{listed:?}");
    let listed = listed.json();
    assert_eq!(listed, server.files(&carl).await, "as clients see them");
    let table = home.run(&["file", "list"]);
    let last = table.succeeds().lines().last().unwrap();
    assert!(
        last.starts_with(&one) && last.ends_with(" one.docx"),
        "{last}"
    );

    home.run(&["file", "remove", "two.docx"]).fails(
        1,
        "there are 2 versions of \"two.docx\": name one by its id",
    );
    home.run(&["file", "remove", "three.docx"])
        .fails(1, "there is no file \"three.docx\"");
    home.run(&["file", "remove", &"0".repeat(32)])
        .fails(1, "no such file");
    assert_eq!(server.files(&olga).await.len(), 3);

    has_run(
        &home.run(&["file", "remove", "one.docx"]),
        &format!("one.docx ({one}) is removed"),
    );
    assert!(!server.opens(&links[0]).await);
    has_run(
        &home.run(&["file", "remove", &new]),
        &format!("two.docx ({new}) is removed"),
    );
    assert!(!server.opens(&links[2]).await);
    assert!(server.opens(&links[1]).await);
    assert_eq!(home.stored("blobs").len(), 1);
    home.run(&["file", "remove", "two.docx"]).succeeds();
    assert!(!server.opens(&links[1]).await);
    assert!(home.stored("blobs").is_empty());
}

#[tokio::test]
async fn removed_files_are_listed_and_had_back() {
    let home = peopled().await;
    let server = Server::on(&home, |_| {});
    let olga = server.token("olga").await;
    let carl = server.token("carl").await;
    let one = server
        .upload(&olga, "one.docx", &DOCX.document("one"))
        .await;
    let two = server
        .upload(&olga, "two.docx", &DOCX.document("two"))
        .await;
    let link = server.link(&carl, &one).await;
    let before = server.files(&carl).await;
    for id in [&one, &two] {
        let remove = Request::new("DELETE", format!("/files/{id}"));
        server.call(remove.bearer(&olga)).await.has_status(200);
    }
    let listed = home.run(&["file", "removed", "--json"]);
    assert!(listed.err.starts_with("2 removed file(s), "), "{listed:?}");
    let listed = listed.json();
    let ids: Vec<_> = listed.iter().map(|file| text(&file["id"])).collect();
    assert_eq!(ids, [two.as_str(), &one]);
    assert_eq!(listed[0]["reason"], "removed");
    let table = home.run(&["file", "removed"]);
    let last = table.succeeds().lines().last().unwrap();
    assert!(
        last.starts_with(&one) && last.ends_with(" one.docx"),
        "{last}"
    );
    assert!(home.run(&["file", "list", "--json"]).json().is_empty());

    let restored = format!("one.docx ({one}) is there again");
    has_run(&home.run(&["file", "restore", &one]), &restored);
    assert!(server.opens(&link).await);
    assert_eq!(server.files(&carl).await, before[1..]);
    home.run(&["file", "restore", &one])
        .fails(1, "no such file");
    home.run(&["file", "restore", "two.docx"])
        .fails(2, "two.docx");

    let gone = format!("two.docx ({two}) is removed");
    has_run(&home.run(&["file", "remove", &two]), &gone);
    assert_eq!(home.stored("blobs").len(), 1, "for ever, and at once");
    home.run(&["file", "restore", &two])
        .fails(1, "no such file");
    assert!(home.run(&["file", "removed", "--json"]).json().is_empty());
}

/// What was kept is at its end when it is kept no longer, though the server was stopped meanwhile.
#[tokio::test]
async fn a_server_without_a_grace_removes_at_once() {
    let home = peopled().await;
    home.settings("removal-grace = \"0s\"");
    let server = Server::on(&home, |_| {});
    let olga = server.token("olga").await;
    let id = server.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let remove = Request::new("DELETE", format!("/files/{id}")).bearer(&olga);
    server.call(remove).await.has_status(200);
    assert!(home.stored("blobs").is_empty());
    home.run(&["file", "restore", &id]).fails(1, "no such file");
}

#[tokio::test]
async fn a_new_key_signs_while_the_old_ones_are_good_for_their_time() {
    let home = peopled().await;
    let server = Server::on(&home, |_| {});
    let olga = server.token("olga").await;
    server.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let carl = server.token("carl").await;
    let link = server.link(&carl, "a.docx").await;
    let before = fs::read_to_string(home.data().join("keys.json")).unwrap();

    let rotated = home.run(&["keys", "rotate"]);
    assert!(
        rotated
            .err
            .ends_with("1 key(s) before it stay good for their time\n"),
        "{rotated:?}"
    );
    assert_eq!(rotated.succeeds(), "");
    let after = fs::read_to_string(home.data().join("keys.json")).unwrap();
    assert_ne!(before, after);
    assert_eq!(mode(&home.data().join("keys.json")), 0o600);
    assert!(server.knows(&carl).await && server.opens(&link).await);
    let signed_anew = server.token("carl").await;
    assert!(server.knows(&signed_anew).await);

    let server = Server::on(&server.stop(), |_| {});
    assert!(
        server.knows(&carl).await && server.opens(&link).await && server.knows(&signed_anew).await
    );

    let rotated = home.run(&["keys", "rotate", "--overlap", "0s"]);
    assert!(rotated.err.contains("; 0 key(s) "), "{rotated:?}");
    assert!(!server.knows(&carl).await && !server.opens(&link).await);
    assert!(!server.knows(&signed_anew).await);
    let carl = server.token("carl").await;
    assert!(server.knows(&carl).await);

    // Without a server it is the same.
    let home = server.stop();
    home.run(&["keys", "rotate", "--overlap=1h"]).succeeds();
    let server = Server::on(&home, |_| {});
    assert!(server.knows(&carl).await);
    let home = server.stop();
    home.run(&["keys", "rotate", "--overlap=0s"]).succeeds();
    let server = Server::on(&home, |_| {});
    assert!(!server.knows(&carl).await);
    home.run(&["keys", "rotate", "--overlap=soon"])
        .fails(2, "--overlap");
}

#[tokio::test]
async fn a_sweep_leaves_what_is_young_and_what_is_somebodys() {
    let home = peopled().await;
    let server = Server::on(&home, |_| {});
    let olga = server.token("olga").await;
    server.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let (digits, files) = (
        "0123456789abcdef0123456789abcdef",
        home.data().join("files"),
    );
    let left_behind = || {
        fs::create_dir_all(files.join("blobs/01")).unwrap();
        fs::write(files.join("blobs/01").join(&digits[2..]), "four").unwrap();
        fs::write(files.join("stages").join(digits), "half").unwrap();
    };
    left_behind();
    has_run(
        &home.run(&["sweep"]),
        "0 of 1 unfinished upload(s) and 0 of 2 stored file(s), 0 bytes, are removed",
    );
    let told = "1 of 1 unfinished upload(s) and 1 of 2 stored file(s), 4 bytes, are removed";
    has_run(&home.run(&["sweep", "--grace", "0s"]), told);
    assert_eq!(
        (home.stored("stages").len(), home.stored("blobs").len()),
        (0, 1)
    );
    server.stop();
    left_behind();
    has_run(&home.run(&["sweep", "--grace", "0s"]), told);
    assert_eq!(
        (home.stored("stages").len(), home.stored("blobs").len()),
        (0, 1)
    );
    home.run(&["sweep", "--grace=-1s"]).fails(2, "--grace");
}

#[tokio::test]
async fn whom_there_is_not_nothing_is_done_to() {
    let home = peopled().await;
    let server = Server::on(&home, |_| {});
    let all = |home: &Home| {
        for args in [
            &["user", "disable", "nobody"][..],
            &["user", "enable", "nobody"],
            &["user", "logout", "nobody"],
            &["user", "role", "nobody", "client"],
        ] {
            home.run(args).fails(1, "consign: no such user");
        }
        let args = ["user", "password", "nobody", "--password-stdin"];
        home.run_with(&args, "long enough")
            .fails(1, "consign: no such user");
        // One operations user remains, though they may be disabled.
        home.run(&["user", "role", "oskar", "client"]).succeeds();
        home.run(&["user", "role", "olga", "client"])
            .fails(1, "consign: the last operations user stays one");
        home.run(&["user", "disable", "olga"]).succeeds();
        home.run(&["user", "enable", "olga"]).succeeds();
        home.run(&["user", "role", "oskar", "operations"])
            .succeeds();
        for args in [
            &["user"][..],
            &["user", "vanish"],
            &["user", "disable"],
            &["user", "role", "olga", "king"],
            &["file", "remove"],
            &["keys"],
            &["nonsense"],
            &["--nonsense"],
            &["--log=info", "user", "list"],
        ] {
            home.run(args).fails(2, "");
        }
    };
    all(&home);
    server.token("olga").await;
    server.stop();
    all(&home);
    assert!(
        home.run(&["serve", "--help"])
            .succeeds()
            .contains("--public-url")
    );
    assert!(home.run(&["--version"]).succeeds().starts_with("consign "));
}

#[test]
fn a_password_is_asked_for_at_a_terminal_alone() {
    let home = Home::new();
    fs::create_dir(home.data()).unwrap();
    let command = |args: &[&str]| {
        // A session of its own has no terminal, whatever runs the tests.
        let mut command = home.consign_after("true");
        let program = command.get_program().to_owned();
        let own: Vec<_> = command.get_args().map(|arg| arg.to_owned()).collect();
        let mut session = Command::new("setsid");
        session.arg("--wait").arg(program).args(own).args(args);
        session
            .current_dir(home.path())
            .env("CONSIGN_DATA", home.data());
        std::mem::swap(&mut command, &mut session);
        command
    };
    let add = ["user", "add", "carl", "--email=carl@example.org"];
    run(command(&add), "long enough\n").fails(1, "use --password-stdin");
    run(command(&["user", "password", "carl"]), "long enough\n").fails(1, "use --password-stdin");
}

#[tokio::test]
async fn a_data_folder_is_made_by_the_server_alone() {
    let home = Home::new();
    for args in [
        &["user", "list"][..],
        &["file", "list"],
        &["keys", "rotate"],
        &["sweep"],
    ] {
        home.run(args).fails(1, "there is no such data folder");
        assert!(!home.data().exists());
    }
    let elsewhere = home.path().join("not").join("there");
    let elsewhere = elsewhere.to_str().unwrap();
    home.run(&["serve", "--data", elsewhere])
        .fails(1, "the folder above it does not exist");
    fs::write(home.path().join("file"), "").unwrap();
    home.run(&["serve", "--data", "file"])
        .fails(1, "is not a folder");
    home.run(&["user", "--data", "file", "list"])
        .fails(1, "there is no such data folder");

    let mut server = home.consign();
    server
        .args(["serve", "--listen=127.0.0.1:0"])
        .env_remove("CONSIGN_DATA");
    let server = Server::spawn(&home, server);
    assert!(
        home.path().join("consign-data").is_dir(),
        "the default is ./consign-data"
    );
    let mut list = home.consign();
    list.args(["user", "list", "--json"])
        .env_remove("CONSIGN_DATA");
    assert!(run(list, "").json().is_empty());
    drop(server);
}

#[tokio::test]
async fn what_is_in_the_folder_is_its_owners_alone() {
    let home = Home::new();
    let mut command = home.consign_after("umask 0");
    command.args(["serve", "--listen=127.0.0.1:0"]);
    let server = Server::spawn(&home, command);
    let olga = server.sign_up("olga", true).await;
    server.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let socket = home.data().join("admin.sock");
    assert_eq!(mode(&socket), 0o600);
    let mut folders = vec![home.data()];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
    }
    server.stop();
    assert!(
        !socket.exists(),
        "a server that was stopped closes its door"
    );
}

#[tokio::test]
async fn a_killed_servers_socket_is_in_nobodys_way() {
    let home = peopled().await;
    let socket = home.data().join("admin.sock");
    let server = Server::on(&home, |_| {});
    server.kill();
    assert!(socket.exists());
    assert_eq!(home.run(&["user", "list", "--json"]).json().len(), 3);
    home.run(&["user", "disable", "carl"]).succeeds();
    let server = Server::on(&home, |_| {});
    server.login("carl", PASSWORD).await.has_status(401);
    home.run(&["user", "enable", "carl"]).succeeds();
    server.login("carl", PASSWORD).await.has_status(200);
    // Nor is a file in its place.
    server.kill();
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "").unwrap();
    let server = Server::on(&home, |_| {});
    home.run(&["user", "disable", "carl"]).succeeds();
    server.login("carl", PASSWORD).await.has_status(401);
}

#[tokio::test]
async fn a_folder_may_have_a_long_path() {
    let home = Home::new();
    let mut long = home.path().to_owned();
    for _ in 0..4 {
        long.push("a-folder-whose-name-is-long-enough-to-matter-here");
        fs::create_dir(&long).unwrap();
    }
    let data = long.join("data");
    assert!(data.as_os_str().len() > 200);
    let flag = format!("--data={}", data.display());
    let server = Server::on(&home, |command| {
        command.arg(&flag);
    });
    let args = [
        "user",
        &flag,
        "add",
        "olga",
        "--email=olga@example.org",
        "--password-stdin",
    ];
    home.run_with(&args, PASSWORD).succeeds();
    server.token("olga").await;
    assert_eq!(mode(&data.join("admin.sock")), 0o600);
    server.kill();
    assert_eq!(home.run(&["user", &flag, "list", "--json"]).json().len(), 1);
    let server = Server::on(&home, |command| {
        command.arg(&flag);
    });
    assert_eq!(home.run(&["user", &flag, "list", "--json"]).json().len(), 1);
    server.token("olga").await;
}

#[tokio::test]
async fn a_folder_has_one_server() {
    let home = peopled().await;
    let server = Server::on(&home, |_| {});
    home.run(&["serve", "--listen=127.0.0.1:0"])
        .fails(1, "consign: another process is using the data folder");
    home.run(&["user", "disable", "carl"]).succeeds();
    server.login("carl", PASSWORD).await.has_status(401);
}

/// Says something at a server's door, and gives what it answers.
fn say(home: &Home, bytes: &[u8]) -> String {
    let mut door = UnixStream::connect(home.data().join("admin.sock")).unwrap();
    door.set_read_timeout(Some(support::HANGS)).unwrap();
    // It may have stopped listening.
    let _ = door.write_all(bytes);
    let _ = door.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = door.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn garbage_at_the_door_does_no_harm() {
    let home = peopled().await;
    let server = Server::on(&home, |_| {});
    let mut numbers = support::package::Numbers::new(1);
    let noise: Vec<u8> = (0..100_000).map(|_| numbers.next() as u8).collect();
    for bytes in [
        &b""[..],
        b"\n",
        b"\0\0\0\0\n",
        b"{}\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"{\"UserAdd\":{\"username\":\"\",\"email\":\"\",\"role\":\"client\",\"password\":\"\"}}\n",
        b"{\"UserPassword\":{\"username\":\"carl\",\"password\":\"not-to-be-told\"}",
        b"{\"UserPassword\":{\"username\":7,\"password\":\"not-to-be-told\"}}\n",
        b"{\"KeysRotate\":{\"overlap_secs\":-1}}\n",
        &noise,
        &[b'['; 100_000],
        &[b'x'; 1_000_000],
    ] {
        let answer = say(&home, bytes);
        assert!(
            !answer.contains("Done") && !answer.contains("not-to-be-told"),
            "{answer}"
        );
    }
    // What is right, but the largest that there is.
    say(
        &home,
        b"{\"Sweep\":{\"grace_secs\":18446744073709551615}}\n",
    );
    say(
        &home,
        b"{\"KeysRotate\":{\"overlap_secs\":18446744073709551615}}\n",
    );
    // Those who ask for much and leave.
    for _ in 0..20 {
        let mut door = UnixStream::connect(home.data().join("admin.sock")).unwrap();
        door.write_all(b"{\"UserList\":{\"json\":true}}\n").unwrap();
    }
    // One who never says anything holds nobody up.
    let _silent = UnixStream::connect(home.data().join("admin.sock")).unwrap();
    assert_eq!(home.run(&["user", "list", "--json"]).json().len(), 3);
    server.serves().await;
    server.token("carl").await;
    let log = server.log();
    assert!(
        !log.contains("not-to-be-told") && !log.contains("panicked"),
        "{log}"
    );
}

/// Open sockets of a process.
fn sockets(pid: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let open = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    open.filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count()
}

#[tokio::test]
async fn one_who_leaves_in_the_middle_of_an_answer_leaves_nothing_behind() {
    if !Path::new("/proc/self/fd").exists() {
        println!("skipped: there is no /proc");
        return;
    }
    let home = peopled().await;
    let server = Server::on(&home, |_| {});
    let olga = server.token("olga").await;
    // More than may wait to be written.
    let mut connection = server.connect().await;
    for at in 0..100 {
        let form = consign_http::testing::Form::of_file(&format!("{at}.docx"), &docx(at, 10));
        let request = Request::post("/upload").bearer(&olga).form(form);
        support::soon(connection.exchange(&request))
            .await
            .has_status(200);
    }
    drop(connection);
    home.run(&["file", "list"]).succeeds();
    let idle = sockets(server.pid());
    let door = home.data().join("admin.sock");
    let mut doors = Vec::new();
    for _ in 0..5 {
        let mut door = UnixStream::connect(&door).unwrap();
        door.shutdown(std::net::Shutdown::Read).unwrap();
        door.write_all(b"{\"FileList\":{\"json\":true}}\n").unwrap();
        doors.push(door);
    }
    let begun = std::time::Instant::now();
    while server.log().matches("broke off").count() < 5 {
        assert!(
            begun.elapsed() < support::HANGS,
            "they are still answered: {}",
            server.log()
        );
        std::thread::yield_now();
    }
    assert!(sockets(server.pid()) <= idle, "all are closed");
    assert_eq!(home.run(&["file", "list", "--json"]).json().len(), 100);
}

/// A reader that leaves early is no failure of a list.
#[tokio::test]
async fn a_list_may_be_cut_short_by_its_reader() {
    let home = peopled().await;
    let mut child = home
        .consign()
        .args(["user", "list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn passwords_are_seen_nowhere() {
    let home = Home::new();
    let server = Server::on(&home, |command| {
        command.arg("--log=trace");
    });
    let secret = "the-secret-of-olga";
    let mut child = home
        .consign()
        .args([
            "user",
            "add",
            "olga",
            "--email=olga@example.org",
            "--password-stdin",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(secret.as_bytes()).unwrap();
    // It still waits for the end of the line.
    if let Ok(arguments) = fs::read(format!("/proc/{}/cmdline", child.id())) {
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        assert!(!arguments.contains(secret), "{arguments}");
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    server.login("olga", secret).await.has_status(200);
    server
        .login("olga", "the-secret-of-another")
        .await
        .has_status(401);
    let args = ["user", "password", "olga", "--password-stdin"];
    let ran = home.run_with(&args, "the-secret-of-now");
    ran.succeeds();
    server
        .login("olga", "the-secret-of-now")
        .await
        .has_status(200);
    let register = serde_json::json!({
        "username": "carl", "email": "carl@example.org", "password": "the-secret-of-carl",
    });
    let register = Request::post("/register").json(&register);
    server.call(register).await.has_status(201);
    server.signal(rustix::process::Signal::TERM);
    let (status, log) = server.end();
    assert!(status.success());
    assert!(log.contains("/login"), "{log}");
    for told in [&log, &String::from_utf8(output.stderr).unwrap(), &ran.err] {
        assert!(!told.contains("the-secret-of"), "{told}");
    }
}

/// A server that does not answer as it should is told apart from none.
#[test]
fn a_door_that_closes_is_no_success() {
    let home = Home::new();
    fs::create_dir(home.data()).unwrap();
    let door = UnixListener::bind(home.data().join("admin.sock")).unwrap();
    let closing = std::thread::spawn(move || {
        let (mut stream, _) = door.accept().unwrap();
        let mut line = [0; 10];
        stream.read_exact(&mut line).unwrap();
    });
    home.run(&["user", "disable", "carl"]).fails(1, "");
    closing.join().unwrap();
}
