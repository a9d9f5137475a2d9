//! Settings: where they come from, which of them counts, and what is said about bad ones.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{fs, net::TcpListener};

use consign_http::testing::{DOCX, Form, Request};
use support::{Home, Ran, Server, run, text};

/// The shortest password that the server takes: a setting that shows without a user.
async fn min_password(server: &Server) -> String {
    let fields = serde_json::json!({"username": "x", "email": "x@example.org", "password": "x"});
    let answer = server.call(Request::post("/register").json(&fields)).await;
    let msg = text(&answer.has_status(400).json()["msg"]);
    let count = msg.strip_prefix("Password must be at least ");
    let count = count.and_then(|msg| msg.strip_suffix(" characters long"));
    count.unwrap_or_else(|| panic!("{msg}")).to_owned()
}

#[tokio::test]
async fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
    let home = Home::new();
    let server = Server::on(&home, |_| {});
    assert_eq!(min_password(&server).await, "8");
    server.stop();

    home.settings("min-password = 11");
    let server = Server::on(&home, |_| {});
    assert_eq!(min_password(&server).await, "11");
    server.stop();

    let server = Server::on(&home, |command| {
        command.env("CONSIGN_MIN_PASSWORD", "12");
    });
    assert_eq!(min_password(&server).await, "12");
    server.stop();

    let server = Server::on(&home, |command| {
        command
            .env("CONSIGN_MIN_PASSWORD", "12")
            .arg("--min-password=13");
    });
    assert_eq!(min_password(&server).await, "13");
    server.stop();

    // Another file than the one that lies there.
    fs::write(home.path().join("other.toml"), "min-password = 14").unwrap();
    let server = Server::on(&home, |command| {
        command.env("CONSIGN_CONFIG", "other.toml");
    });
    assert_eq!(min_password(&server).await, "14");
    server.stop();
    let server = Server::on(&home, |command| {
        command
            .env("CONSIGN_CONFIG", "not-there.toml")
            .arg("--config=consign.toml");
    });
    assert_eq!(min_password(&server).await, "11");
    server.stop();

    // Serving needs no word for it.
    let mut command = home.consign();
    command.args(["--listen=127.0.0.1:0", "--min-password=15"]);
    assert_eq!(min_password(&Server::spawn(&home, command)).await, "15");
}

#[tokio::test]
async fn strict_passwords_are_long_and_not_common() {
    let home = Home::new();
    home.settings("passwords = \"strict\"");
    let server = Server::on(&home, |_| {});
    assert_eq!(min_password(&server).await, "15");
    let register = async |server: &Server, password: &str| {
        let fields =
            serde_json::json!({"username": "x", "email": "x@example.org", "password": password});
        server.call(Request::post("/register").json(&fields)).await
    };
    for common in ["Password2026!!!", "letmeinletmeinletmein"] {
        let answer = register(&server, common).await;
        answer.is_problem(400, "Password is too common");
    }
    let answer = register(&server, "a sentence of one's own").await;
    answer.has_status(201);
    server.stop();

    let server = Server::on(&home, |command| {
        command.args(["--min-password=20", "--passwords=strict"]);
    });
    assert_eq!(min_password(&server).await, "20");
    server.stop();
    let server = Server::on(&home, |command| {
        command.arg("--passwords=usual");
    });
    assert_eq!(min_password(&server).await, "8");
    let ran = home.run(&["serve", "--passwords=none"]);
    ran.fails(2, "[possible values: usual, strict]");
}

#[tokio::test]
async fn a_file_is_for_whom_is_set_unless_its_upload_says_otherwise() {
    let home = Home::new();
    let server = Server::on(&home, |_| {});
    let olga = server.sign_up("olga", true).await;
    let said = async |server: &Server, query: &str| {
        let upload = Request::post(format!("/upload{query}")).bearer(&olga);
        let form = Form::of_file("a.docx", &DOCX.document("a"));
        let answer = server.call(upload.form(form)).await.is_json(200);
        text(&answer["file"]["audience"])
    };
    assert_eq!(said(&server, "").await, "everybody");
    server.stop();

    home.settings("audience = \"nobody\"");
    let server = Server::on(&home, |_| {});
    assert_eq!(said(&server, "").await, "nobody");
    assert_eq!(said(&server, "?audience=everybody").await, "everybody");
    server.stop();

    let server = Server::on(&home, |command| {
        command.env("CONSIGN_AUDIENCE", "everybody");
    });
    assert_eq!(said(&server, "").await, "everybody");
    assert_eq!(said(&server, "?audience=nobody").await, "nobody");
    server.stop();

    let server = Server::on(&home, |command| {
        command
            .env("CONSIGN_AUDIENCE", "everybody")
            .arg("--audience=nobody");
    });
    assert_eq!(said(&server, "").await, "nobody");
    server.stop();
    let ran = home.run(&["serve", "--audience=all"]);
    ran.fails(2, "[possible values: everybody, nobody]");
}

#[tokio::test]
async fn a_file_ends_when_it_is_set_unless_its_upload_says_otherwise() {
    let home = Home::new();
    let server = Server::on(&home, |_| {});
    let olga = server.sign_up("olga", true).await;
    let lasts = async |server: &Server, query: &str| {
        let upload = Request::post(format!("/upload{query}")).bearer(&olga);
        let form = Form::of_file("a.docx", &DOCX.document("a"));
        let answer = server.call(upload.form(form)).await.is_json(200);
        let file = &answer["file"];
        let time =
            |at: &serde_json::Value| text(at).parse::<jiff::Timestamp>().unwrap().as_second();
        let end = &file["expires_at"];
        (!end.is_null()).then(|| time(end) - time(&file["uploaded_at"]))
    };
    assert_eq!(lasts(&server, "").await, None);
    assert_eq!(lasts(&server, "?expires_in=90").await, Some(90));
    server.stop();

    home.settings("file-lifetime = \"1h\"");
    let server = Server::on(&home, |_| {});
    assert_eq!(lasts(&server, "").await, Some(3600));
    assert_eq!(lasts(&server, "?expires_in=90").await, Some(90));
    server.stop();

    let server = Server::on(&home, |command| {
        command
            .env("CONSIGN_FILE_LIFETIME", "2h")
            .arg("--file-lifetime=30d");
    });
    assert_eq!(lasts(&server, "").await, Some(30 * 24 * 3600));
    server.stop();
}

#[tokio::test]
async fn the_folder_is_found_the_same_way_by_all_commands() {
    let home = Home::new();
    home.settings("data = \"by-file\"\nlisten = \"127.0.0.1:0\"\nlog = \"warn\"");
    let mut command = home.consign();
    command.env_remove("CONSIGN_DATA");
    let server = Server::spawn(&home, command);
    assert!(home.path().join("by-file/consign.redb").exists());
    let list = |set: &dyn Fn(&mut std::process::Command)| {
        let mut command = home.consign();
        command.env_remove("CONSIGN_DATA").args(["user"]);
        set(&mut command);
        command.args(["list", "--json"]);
        run(command, "")
    };
    assert_eq!(list(&|_| {}).json().len(), 0);
    list(&|command| {
        command.env("CONSIGN_DATA", "by-environment");
    })
    .fails(1, "by-environment: there is no such data folder");
    list(&|command| {
        command
            .env("CONSIGN_DATA", "by-environment")
            .arg("--data=by-flag");
    })
    .fails(1, "by-flag: there is no such data folder");
    list(&|command| {
        command
            .env("CONSIGN_DATA", "by-environment")
            .arg("--data=by-file");
    })
    .succeeds();
    list(&|command| {
        command.arg("--config=not-there.toml");
    })
    .fails(1, "not-there.toml: ");
    assert_eq!(server.log(), "", "nothing to warn of");
}

/// What a server says that does not come to serve.
fn refused(home: &Home, flags: &[&str]) -> Ran {
    home.run(&[&["serve", "--listen=127.0.0.1:0"], flags].concat())
}

#[test]
fn a_bad_file_is_refused_with_the_setting_that_is_bad() {
    let home = Home::new();
    for (text, why) in [
        ("nonsense = 1", "nonsense"),
        ("lisen = \"127.0.0.1:0\"", "lisen"),
        ("max_upload = \"5GiB\"", "max_upload"),
        ("config = \"other.toml\"", "config"),
        ("[server]\nlisten = \"127.0.0.1:0\"", "server"),
        ("listen = 5000", "listen"),
        ("max-upload = \"lots\"", "max-upload"),
        ("max-upload = -1", "max-upload"),
        ("access-lifetime = \"soon\"", "access-lifetime"),
        ("access-lifetime = 3600", "access-lifetime"),
        ("access-lifetime = \"100ms\"", "access-lifetime"),
        ("link-lifetime = \"8d\"", "link-lifetime"),
        ("link-lifetime = \"0s\"", "link-lifetime"),
        ("min-password = \"many\"", "min-password"),
        ("min-password = 1025", "min-password"),
        (
            "operations-registration = \"all\"",
            "operations-registration",
        ),
        ("client-registration = \"first\"", "client-registration"),
        ("audience = \"carl\"", "audience"),
        ("file-lifetime = \"0s\"", "file-lifetime"),
        ("file-lifetime = 3600", "file-lifetime"),
        ("removal-grace = \"-1s\"", "removal-grace"),
        ("removal-grace = 7", "removal-grace"),
        ("audience = [\"nobody\"]", "audience"),
        ("max-connections = -1", "max-connections"),
        ("max-connections = 0", "max-connections"),
        (
            "max-connections-per-address = 0",
            "max-connections-per-address",
        ),
        ("quota-files = -1", "quota-files"),
        ("quota-bytes = \"some\"", "quota-bytes"),
        ("min-free = \"some\"", "min-free"),
        ("min-rate = \"fast\"", "min-rate"),
        ("rate-limits = \"some\"", "rate-limits"),
        ("trusted-proxies = \"10.0.0.0/33\"", "trusted-proxies"),
        ("trusted-proxies = [\"localhost\"]", "trusted-proxies"),
        ("forwarded-header = \"x-real-ip\"", "forwarded-header"),
        ("header-timeout = \"0s\"", "header-timeout"),
        ("body-timeout = \"0s\"", "body-timeout"),
        ("idle-timeout = \"0s\"", "idle-timeout"),
        ("shutdown-timeout = \"-1s\"", "shutdown-timeout"),
        ("public-url = \"example.org\"", "public-url"),
        ("mail = 5", "mail"),
        ("mail = \"mail.example.org\"", "consign: mail = … (from "),
        ("mail = \"smtp://localhost\"", "mail-from: "),
        ("mail-from = \"files\"", "mail-from"),
        (
            "mail = \"folder:m\"\nmail-from = \"a@example.org\"\nmail-ca = \"ca.pem\"",
            "consign: mail-ca = \"ca.pem\" (from consign.toml, line 3): ",
        ),
        ("log = \"loud\"", "log"),
        ("log-format = \"xml\"", "log-format"),
        ("min-password = 9\nmin-password = 10", "min-password"),
        ("listen = \"unfinished", "consign.toml"),
        ("\0", "consign.toml"),
    ] {
        home.settings(text);
        let ran = refused(&home, &[]);
        // A refusal of the file says where to look; every refusal says what for.
        ran.fails(1, why);
        home.run(&["user", "list"]).fails(1, why);
        assert!(
            !home.data().exists(),
            "nothing is made before all is known to be good"
        );
    }
    fs::write(home.path().join("consign.toml"), [0xff, 0xfe]).unwrap();
    refused(&home, &[]).fails(1, "consign.toml");
    fs::remove_file(home.path().join("consign.toml")).unwrap();
    fs::create_dir(home.path().join("consign.toml")).unwrap();
    refused(&home, &[]).fails(1, "consign.toml");
    refused(&home, &["--config=not-there.toml"]).fails(1, "not-there.toml");
}

#[test]
fn a_bad_flag_and_a_bad_variable_are_refused_alike() {
    let home = Home::new();
    for (name, value) in [
        ("max-upload", "lots"),
        ("max-upload", "-1"),
        ("max-upload", "5 parsecs"),
        ("access-lifetime", "soon"),
        ("access-lifetime", "-1h"),
        ("access-lifetime", "3600"),
        ("access-lifetime", "1mo"),
        ("access-lifetime", "999ms"),
        ("link-lifetime", "7d 1s"),
        ("link-lifetime", "0s"),
        ("min-password", "many"),
        ("min-password", "1025"),
        ("operations-registration", "all"),
        ("client-registration", "first"),
        ("audience", "carl"),
        ("file-lifetime", "999ms"),
        ("removal-grace", "36501d"),
        ("removal-grace", "never"),
        ("file-lifetime", "36501d"),
        ("audience", ""),
        ("max-connections", "0"),
        ("max-connections", "1e3"),
        ("max-connections-per-address", "0"),
        ("quota-files", "-1"),
        ("quota-bytes", "some"),
        ("min-free", "-1"),
        ("min-rate", "fast"),
        ("rate-limits", "some"),
        ("trusted-proxies", "10.0.0.0/33"),
        ("trusted-proxies", "localhost"),
        ("trusted-proxies", "::ffff:10.0.0.0/104"),
        ("trusted-proxies", "10.0.0.1, everybody"),
        ("forwarded-header", "x-real-ip"),
        ("header-timeout", "0s"),
        ("body-timeout", "0s"),
        ("idle-timeout", "0s"),
        ("shutdown-timeout", "-1s"),
        ("public-url", "example.org"),
        ("public-url", "ftp://example.org"),
        ("public-url", "http://user@example.org"),
        ("public-url", "http://example.org/?x"),
        ("public-url", ""),
        ("mail-from", "files"),
        ("mail-from", ""),
        ("mail-from", "Consign files@example.org"),
        ("mail-from", "bücher@example.org"),
        ("log", "loud"),
        ("log-format", "xml"),
    ] {
        let flag = format!("--{name}");
        let ran = refused(&home, &[&format!("{flag}={value}")]);
        ran.fails(2, &flag);
        assert!(ran.err.starts_with("error: "), "{ran:?}");
        assert!(ran.err.lines().next().unwrap().contains(&flag), "{ran:?}");
        let mut command = home.consign();
        let variable = format!("CONSIGN_{}", name.to_uppercase().replace('-', "_"));
        command
            .args(["serve", "--listen=127.0.0.1:0"])
            .env(&variable, value);
        let ran = run(command, "");
        ran.fails(2, &flag);
        let told = format!("consign: {name} = {value:?} (from {variable}): ");
        let told = told.replace("\"http://user@example.org\"", "…");
        assert!(ran.err.starts_with(&told), "{told}: {ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        // The flag goes before it.
        let mut command = home.consign();
        command.args(["serve", &format!("{flag}={value}")]);
        command.env(variable, value);
        let ran = run(command, "");
        assert!(ran.err.starts_with("error: "), "{ran:?}");
    }
    assert!(!home.data().exists());
}

/// Each key with a value that it cannot have, as it stands in a file, and what is said of it.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "listen",
        "5000",
        "it has to be an address in quotes, such as \"127.0.0.1:5000\"",
    ),
    (
        "public-url",
        "\"example.org\"",
        "it is not an http or https URL",
    ),
    (
        "max-upload",
        "\"lots\"",
        "it is not a size such as 500MB or 5GiB",
    ),
    (
        "max-upload",
        "true",
        "it has to be a size such as 500MB or 5GiB",
    ),
    (
        "quota-bytes",
        "-1",
        "it has to be a size such as 500MB or 5GiB",
    ),
    ("quota-files", "\"many\"", "it has to be a whole number"),
    (
        "audience",
        "\"carl\"",
        "it has to be one of everybody, nobody",
    ),
    (
        "audience",
        "[\"nobody\"]",
        "it has to be one of everybody, nobody",
    ),
    (
        "file-lifetime",
        "\"soon\"",
        "it is not a time such as 90s, 15m, 1h or 7d",
    ),
    (
        "removal-grace",
        "7",
        "it has to be a time in quotes such as \"90s\"",
    ),
    (
        "min-free",
        "\"some\"",
        "it is not a size such as 500MB or 5GiB",
    ),
    ("access-lifetime", "\"100ms\"", "it is less than 1s"),
    ("link-lifetime", "\"8d\"", "it is more than 7d"),
    (
        "managed-link-lifetime",
        "\"4000d\"",
        "it is more than 3650d",
    ),
    ("lease-lifetime", "\"0s\"", "it is less than 1s"),
    ("min-password", "1025", "it is not between 0 and 1024"),
    ("passwords", "\"none\"", "it has to be one of usual, strict"),
    (
        "operations-registration",
        "\"all\"",
        "it has to be one of first, open, closed",
    ),
    (
        "client-registration",
        "\"first\"",
        "it has to be one of open, closed",
    ),
    ("max-connections", "0", "it is not between 1 and "),
    (
        "max-connections-per-address",
        "0",
        "it is not between 1 and ",
    ),
    ("rate-limits", "true", "it has to be one of on, off"),
    (
        "trusted-proxies",
        "\"10.0.0.0/33\"",
        "it is not an address or a network such as 10.0.0.0/8",
    ),
    (
        "forwarded-header",
        "\"x-real-ip\"",
        "it has to be one of x-forwarded-for, forwarded",
    ),
    ("header-timeout", "\"0s\"", "it is less than 1ms"),
    ("body-timeout", "15", "it has to be a time in quotes"),
    (
        "min-rate",
        "\"fast\"",
        "it is not a size such as 500MB or 5GiB",
    ),
    (
        "idle-timeout",
        "\"-1s\"",
        "it is not a time such as 90s, 15m, 1h or 7d",
    ),
    (
        "shutdown-timeout",
        "\"-1s\"",
        "it is not a time such as 90s, 15m, 1h or 7d",
    ),
    ("mail-from", "\"files\"", "it is "),
    ("mail-ca", "7", "it has to be text in quotes"),
    ("tls-cert", "7", "it has to be text in quotes"),
    ("tls-key", "7", "it has to be text in quotes"),
    (
        "log",
        "\"loud\"",
        "it has to be one of error, warn, info, debug, trace",
    ),
    ("log-format", "\"xml\"", "it has to be one of text, json"),
    (
        "metrics-listen",
        "9090",
        "it has to be an address in quotes",
    ),
    ("data", "7", "it has to be text in quotes"),
    ("blobs", "7", "it has to be text in quotes, \"fs:PATH\" or "),
    ("cluster-key", "7", "it has to be text in quotes"),
];

#[test]
fn what_the_file_says_wrongly_is_told_with_its_line_and_what_is_allowed() {
    let home = Home::new();
    for (key, value, why) in REFUSED {
        home.settings(&format!(
            "# Ours.\n\nlog = \"info\"\n{key} = {value} # so\n"
        ));
        // A key is there once.
        if *key == "log" {
            home.settings(&format!("\n\n\n{key} = {value}"));
        }
        let ran = refused(&home, &[]);
        ran.fails(1, why);
        let told = format!("consign: {key} = {value} (from consign.toml, line 4): {why}");
        assert!(ran.err.starts_with(&told), "{told}: {ran:?}");
    }
    // These may hold a password.
    for (key, why) in [
        ("mail", "it has to be a URL"),
        ("metadata", "it has to be text in quotes, \"redb:PATH\" or "),
    ] {
        home.settings(&format!("{key} = 5"));
        let told = format!("consign: {key} = … (from consign.toml, line 1): {why}");
        refused(&home, &[]).fails(1, &told);
    }
    let help = home.run(&["serve", "--help"]);
    for word in help.succeeds().split_whitespace() {
        let Some(key) = word.strip_prefix("--") else {
            continue;
        };
        let known = ["config", "mail", "metadata", "help", "version"].contains(&key)
            || REFUSED.iter().any(|(other, _, _)| *other == key);
        assert!(
            known || !key.chars().all(|c| c == '-' || c.is_ascii_lowercase()),
            "{key}"
        );
    }
}

#[test]
fn a_key_that_there_is_not_is_told_with_its_line_and_what_is_meant() {
    let home = Home::new();
    for (text, told) in [
        (
            "lisen = \"x\"",
            "lisen (from consign.toml, line 1): there is no such setting; is listen meant?",
        ),
        (
            "\n\nmax_upload = \"5GiB\"",
            "max_upload (from consign.toml, line 3): there is no such setting; is max-upload meant?",
        ),
        (
            "log = \"info\"\nqwertz = 1",
            "qwertz (from consign.toml, line 2): there is no such setting; see consign --help",
        ),
        (
            "[server]\nlisten = \"x\"",
            "server (from consign.toml, line 1): there is no such setting",
        ),
        (
            "config = \"other.toml\"",
            "config (from consign.toml, line 1): a file does not name another",
        ),
    ] {
        home.settings(text);
        refused(&home, &[]).fails(1, &format!("consign: {told}"));
    }
}

#[test]
fn settings_that_do_not_go_together_are_told_with_where_each_is_from() {
    let home = Home::new();
    home.settings("log = \"info\"\nmail = \"smtps://a:secret@mail.example.org\"");
    let ran = refused(&home, &[]);
    ran.fails(1, "consign: mail-from: it is not set, and has to be where there is mail = … (from consign.toml, line 2)");
    assert!(!ran.err.contains("secret"), "{ran:?}");
    home.settings("mail-from = \"a@example.org\"\nmail = \"folder:m\"");
    let mut command = home.consign();
    command.arg("serve").env("CONSIGN_MAIL_CA", "ca.pem");
    run(command, "").fails(
        1,
        "consign: mail-ca = \"ca.pem\" (from CONSIGN_MAIL_CA): a folder needs nobody",
    );
    home.settings("");
    let ran = home.run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen=nowhere",
        "--log=error",
    ]);
    ran.fails(
        1,
        "consign: metrics-listen = \"nowhere\" (from --metrics-listen): cannot listen on nowhere: ",
    );
    let ran = home.run(&["serve", "--listen", "127.0.0.1", "--log=error"]);
    ran.fails(
        1,
        "consign: listen = \"127.0.0.1\" (from --listen): cannot listen on 127.0.0.1: ",
    );
}

#[test]
fn where_mail_goes_is_judged_and_never_repeated() {
    let home = Home::new();
    let from = "--mail-from=Consign <files@example.org>";
    for route in [
        "",
        "secret",
        "folder:",
        "http://a:secret@localhost",
        "smtp://a:secret@mail.example.org",
        "smtps://a:secret@",
        "smtps://a:12#secret@localhost",
        "smtps://a:secret@localhost:99999",
        "smtps://a:secret@localhost\nsecret",
    ] {
        let flag = format!("--mail={route}");
        let by_flag = home.run(&["serve", &flag, from]);
        let mut command = home.consign();
        command.args(["serve", from]).env("CONSIGN_MAIL", route);
        let by_variable = run(command, "");
        home.settings(&format!("mail = '''{route}'''"));
        let by_file = refused(&home, &[from]);
        // In a file that is bad for another reason.
        let line = route.replace('\n', "");
        home.settings(&format!("mail = '{line}\nlog = 5"));
        let by_bad_file = home.run(&["user", "list"]);
        home.settings(&format!("mial = '''{route}'''"));
        let by_other_name = home.run(&["user", "list"]);
        home.settings("");
        for (ran, from) in [
            (by_flag, "--mail"),
            (by_variable, "CONSIGN_MAIL"),
            (by_file, "consign.toml, line 1"),
        ] {
            ran.fails(1, &format!("consign: mail = … (from {from}): "));
            assert!(!ran.err.contains("secret"), "{ran:?}");
        }
        for ran in [by_bad_file, by_other_name] {
            ran.fails(1, "consign.toml, line ");
            // What is no login and not under its name is not known for one.
            let told = !route.contains('@') && ran.err.contains("mial");
            assert!(told || !ran.err.contains("secret"), "{ran:?}");
        }
    }
    let mut command = home.consign();
    let url = "smtps://annabel:secret@mail.example.org";
    command.args(["serve", "--help"]).env("CONSIGN_MAIL", url);
    let help = run(command, "");
    help.succeeds();
    assert!(help.out.contains("CONSIGN_MAIL") && !help.out.contains("secret"));
    assert!(!home.data().exists());
}

#[tokio::test]
async fn mail_is_set_up_before_anything_is_served() {
    let home = Home::new();
    let from = "--mail-from=files@example.org";
    fs::write(home.path().join("none.pem"), "none").unwrap();
    fs::write(home.path().join("file"), "").unwrap();
    for (route, more, why) in [
        (
            "smtps://localhost",
            "--mail-ca=not-there.pem",
            "mail-ca = \"not-there.pem\" (from --mail-ca): ",
        ),
        (
            "smtps://localhost",
            "--mail-ca=none.pem",
            "mail-ca = \"none.pem\" (from --mail-ca): the certificates",
        ),
        (
            "smtp://localhost",
            "--mail-ca=none.pem",
            "mail-ca = \"none.pem\" (from --mail-ca): certificates to trust",
        ),
        (
            "folder:file",
            "--log=error",
            "mail = … (from --mail): file: is not a folder",
        ),
        (
            "folder:no/such",
            "--log=error",
            "mail = … (from --mail): no/such: ",
        ),
        ("smtp://localhost", "--mail-from=", "--mail-from"),
    ] {
        let route = format!("--mail={route}");
        let flags: &[&str] = match more {
            "--mail-from=" => &[&route, more],
            _ => &[&route, more, from],
        };
        let ran = refused(&home, flags);
        ran.fails(if more == "--mail-from=" { 2 } else { 1 }, why);
        assert!(!home.data().exists(), "{ran:?}");
    }
    home.settings("mail = \"folder:mail\"\nmail-from = \"Consign <files@example.org>\"");
    let server = Server::on(&home, |_| {});
    server.serves().await;
    assert!(home.path().join("mail").is_dir());
    server.stop();
    // It is not asked whether the server is there.
    let server = Server::on(&home, |command| {
        command.env("CONSIGN_MAIL", "smtp://annabel:secret@localhost:1");
    });
    server.serves().await;
    server.stop();
}

#[tokio::test]
async fn sizes_are_taken_as_people_write_them() {
    let home = Home::new();
    let server = Server::on(&home, |_| {});
    let olga = server.sign_up("olga", true).await;
    let limit = async |server: &Server| {
        let upload = Request::post("/upload")
            .bearer(&olga)
            .header("Content-Type", "multipart/form-data; boundary=x")
            .header("Content-Length", "1000000000000000")
            .header("Expect", "100-continue");
        let answer = server.call(upload).await;
        let msg = text(&answer.has_status(413).json()["msg"]);
        let limit = msg.strip_prefix("The file is too large. At most ");
        let limit = limit.and_then(|msg| msg.strip_suffix(" bytes are allowed."));
        limit.unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(limit(&server).await, 5 << 30);
    server.stop();
    for (written, bytes) in [
        ("4096", 4096),
        ("100MB", 100_000_000),
        ("100MiB", 100 << 20),
        ("100 mib", 100 << 20),
        ("1.5GiB", 3 << 29),
        ("10k", 10_000),
        ("1B", 1),
    ] {
        let server = Server::on(&home, |command| {
            command.arg(format!("--max-upload={written}"));
        });
        assert_eq!(limit(&server).await, bytes, "{written}");
        server.stop();
    }
    for (written, bytes) in [("4096", 4096), ("\"5 MB\"", 5_000_000), ("\"4096\"", 4096)] {
        home.settings(&format!("max-upload = {written}"));
        let server = Server::on(&home, |_| {});
        assert_eq!(limit(&server).await, bytes, "{written}");
        server.stop();
    }
}

#[tokio::test]
async fn times_are_taken_as_people_write_them() {
    let home = Home::new();
    let server = Server::on(&home, |_| {});
    server.sign_up("olga", true).await;
    let lifetime = async |server: &Server| {
        let answer = server.login("olga", support::PASSWORD).await.is_json(200);
        answer["expires_in"].as_u64().unwrap()
    };
    assert_eq!(lifetime(&server).await, 3600);
    server.stop();
    let written = [
        "90s", "15m", "1h 30m", "1h30m", "2 hours", "7d", "1w", "PT90S", "1.5h", "3650d",
    ];
    let seconds = [
        90,
        900,
        5400,
        5400,
        7200,
        604_800,
        604_800,
        90,
        5400,
        315_360_000,
    ];
    for (written, seconds) in written.into_iter().zip(seconds) {
        let server = Server::on(&home, |command| {
            command.arg(format!("--access-lifetime={written}"));
        });
        assert_eq!(lifetime(&server).await, seconds, "{written}");
        server.stop();
    }
    home.settings("access-lifetime = \"2m\"");
    assert_eq!(lifetime(&Server::on(&home, |_| {})).await, 120);
}

#[tokio::test]
async fn links_begin_with_the_public_url_and_last_as_long_as_is_set() {
    let home = Home::new();
    let server = Server::on(&home, |_| {});
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    server.upload(&olga, "a.docx", &DOCX.document("a")).await;
    let request = Request::get("/generate_download_url/a.docx")
        .bearer(&carl)
        .header("Host", "evil.example")
        .header("X-Forwarded-Host", "evil.example");
    let begins = async |server: &Server, with: &str| {
        let answer = server.call(request.clone()).await.is_json(200);
        let link = text(&answer["download_url"]);
        assert!(
            link.starts_with(&format!("{with}/download_file/")),
            "{link}"
        );
    };
    begins(&server, &format!("http://{}", server.address)).await;
    server.stop();
    for (url, with) in [
        ("https://files.example.org", "https://files.example.org"),
        ("https://files.example.org/", "https://files.example.org"),
        (
            "http://example.org:8080/files/",
            "http://example.org:8080/files",
        ),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ] {
        let server = Server::on(&home, |command| {
            command.args([
                format!("--public-url={url}"),
                "--link-lifetime=7d".to_owned(),
            ]);
        });
        begins(&server, with).await;
        let link = server.link(&carl, "a.docx").await;
        assert!(server.opens(&link).await);
        server.stop();
    }
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_warned_of() {
    let home = Home::new();
    let serve = |more: &[&str]| {
        let mut command = home.consign();
        command.args(["serve", "--listen=0.0.0.0:0"]).args(more);
        Server::spawn(&home, command)
    };
    let server = serve(&[]);
    server.tells("set --public-url");
    server.serves().await;
    server.stop();
    let server = serve(&["--public-url=https://files.example.org"]);
    server.serves().await;
    server.signal(rustix::process::Signal::TERM);
    assert!(!server.end().1.contains("--public-url"));
}

#[test]
fn an_address_that_cannot_be_had_is_told_in_a_line() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (listen, why) in [
        (&*address, "in use"),
        ("127.0.0.1", "cannot listen on 127.0.0.1: "),
        ("127.0.0.1:70000", "cannot listen on 127.0.0.1:70000: "),
        ("", "cannot listen on"),
        ("no such host:80", "cannot listen on no such host:80: "),
        ("203.0.113.1:80", "cannot listen on 203.0.113.1:80: "),
    ] {
        let ran = home.run(&["serve", &format!("--listen={listen}"), "--log=error"]);
        ran.fails(1, "cannot listen on");
        assert!(ran.err.contains(why), "{ran:?}");
    }
}

#[tokio::test]
async fn one_tells_as_much_as_is_asked_for() {
    for (level, requests) in [
        ("error", false),
        ("warn", false),
        ("info", true),
        ("trace", true),
    ] {
        let server = Server::with(|command| {
            command.arg(format!("--log={level}"));
        });
        server.serves().await;
        server.signal(rustix::process::Signal::TERM);
        let (status, log) = server.end();
        assert!(status.success());
        assert_eq!(log.contains("/healthz"), requests, "{level}: {log}");
        assert!(!log.contains('\x1b'), "no colours but for a terminal");
    }
}
