//! A hand-over between people who have a terminal and nothing else.

use std::fs;

use consign_http::testing::DOCX;
use serde_json::{Value, json};

use crate::{
    person::{Person, fails, lines},
    support::{HANGS, Server, package::docx, run},
};

#[test]
fn a_hand_over_is_done_in_the_terminal() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    let (report, figures) = (docx(1, 200_000), docx(2, 3000));
    olivia.write("report.docx", &report);
    olivia.write("figures 1.docx", &figures);
    let uploaded = olivia.run(&["upload", "*.docx", "--jobs=2"]);
    assert_eq!((lines(&uploaded).len(), &*uploaded.err), (2, ""));
    let mut listed = lines(&olivia.run(&["ls"])).join(" / ");
    let by_name = olivia.run(&["ls", "--sort=name"]);
    assert_eq!(lines(&by_name), ["figures 1.docx", "report.docx"]);
    assert_eq!(
        lines(&olivia.run(&["ls", "--search=PORT"])),
        ["report.docx"]
    );
    assert_eq!(
        lines(&olivia.run(&["ls", "--sort=size"])),
        ["report.docx", "figures 1.docx"]
    );
    for name in ["report.docx", "figures 1.docx"] {
        assert!(listed.contains(name), "{listed}");
        listed = listed.replace(name, "");
    }

    // One line on standard output, which is all of the link.
    let make = [
        "link",
        "make",
        "report.docx",
        "figures 1.docx",
        "--password-stdin",
        "--note=for Rita",
    ];
    let made = olivia.run_with(&make, "open sesame\n");
    let [link] = lines(&made)[..] else {
        panic!("{made:?}")
    };
    assert!(link.starts_with(&format!("http://{}/l/", server.address)) && made.err.is_empty());

    // Rita has no account.
    let rita = Person::new();
    fails(&rita.run(&["get", link]), 3, "The link needs a password");
    let wrong = rita.run_with(&["get", link, "--password-stdin"], "open sesam\n");
    fails(&wrong, 3, "Wrong password");
    let got = rita.run_with(
        &["get", link, "--password-stdin", "-o", "in/"],
        "open sesame\n",
    );
    assert_eq!(lines(&got), ["in/report.docx", "in/figures 1.docx"]);
    assert!(rita.read("in/report.docx") == report && rita.read("in/figures 1.docx") == figures);
    assert_eq!(fs::read_dir(rita.path().join("in")).unwrap().count(), 2);
    for told in [&wrong.err, &got.out, &got.err] {
        assert!(!told.contains(link) && !told.contains("sesam"), "{told}");
    }

    // Did she?
    let downloads = olivia.run(&["downloads", "report.docx"]);
    assert!(
        downloads.succeeds().ends_with("downloaded 1 time(s)\n"),
        "{downloads:?}"
    );
    let list = olivia.run(&["link", "list", "--json"]).json();
    let id = list[0]["id"].as_str().unwrap();
    assert_eq!(
        (&list[0]["downloads"], &list[0]["note"]),
        (&json!(1), &json!("for Rita"))
    );
    assert!(list[0].get("url").is_none());
    let by_link = olivia.run(&["downloads", id, "--json"]).json();
    assert_eq!(by_link.len(), 3);
    assert_eq!(by_link[2]["total"]["completed"], 2);

    let shown = olivia.run(&[
        "link",
        "edit",
        id,
        "--no-password",
        "--max-downloads=2",
        "--no-note",
    ]);
    assert!(
        shown.succeeds().contains("opened     1/2\npassword   no\n"),
        "{shown:?}"
    );
    assert_eq!(lines(&rita.run(&["get", link, "--zip"])), ["files.zip"]);
    assert!(rita.read("files.zip").starts_with(b"PK"));
    fails(
        &rita.run(&["get", link, "--force"]),
        4,
        "Link not available",
    );
    olivia
        .run(&["link", "edit", id, "--any-downloads"])
        .succeeds();
    olivia.run(&["link", "revoke", id]).succeeds();
    fails(
        &rita.run(&["get", link, "--force"]),
        4,
        "Link not available",
    );
    assert!(
        olivia
            .run(&["link", "show", id])
            .succeeds()
            .contains("state      revoked\n")
    );

    // It is not opened for what cannot be.
    let both = olivia.run(&[
        "link",
        "make",
        "report.docx",
        "figures 1.docx",
        "--max-downloads=1",
    ]);
    let [once] = lines(&both)[..] else {
        panic!("{both:?}")
    };
    for output in ["one.docx", "-"] {
        fails(
            &olivia.run(&["get", once, "-o", output]),
            2,
            "there are several files",
        );
    }
    olivia
        .run(&["get", once, "--zip", "-o", "both.zip"])
        .succeeds();
}

#[test]
fn a_client_has_what_is_for_them() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    let carl = Person::signed_in(server.address, "carl", "client");
    let dora = Person::signed_in(server.address, "dora", "client");
    let offer = docx(1, 3000);
    olivia.write("offer.docx", &offer);
    olivia
        .run(&[
            "upload",
            "offer.docx",
            "--audience=user:carl",
            "--expires-in=30d",
        ])
        .succeeds();
    assert_eq!(lines(&carl.run(&["get", "offer.docx"])), ["offer.docx"]);
    assert!(carl.read("offer.docx") == offer);
    fails(
        &dora.run(&["get", "offer.docx"]),
        4,
        "offer.docx: File not found",
    );
    fails(
        &olivia.run(&["get", "offer.docx", "-o", "x.docx"]),
        5,
        "consign link make",
    );
    fails(
        &carl.run(&["upload", "offer.docx"]),
        5,
        "Only operation users can upload",
    );

    // What is there is not overwritten, and the same file is there already.
    let again = carl.run(&["get", "offer.docx", "--json"]).json();
    assert_eq!(
        (&again[0]["already"], &again[0]["verified"]),
        (&json!(true), &json!(true))
    );
    carl.write("offer.docx", "mine");
    fails(
        &carl.run(&["get", "offer.docx"]),
        1,
        "--force overwrites it",
    );
    assert_eq!(carl.read("offer.docx"), b"mine");
    carl.run(&["get", "offer.docx", "--force"]).succeeds();
    assert!(carl.read("offer.docx") == offer);
    let piped = std::process::Command::output(&mut carl.consign(&["get", "offer.docx", "-o", "-"]));
    let piped = piped.unwrap();
    assert!(piped.status.success() && piped.stdout == offer && piped.stderr.is_empty());

    let edited = olivia.run(&[
        "edit",
        "offer.docx",
        "--audience=everybody",
        "--expires-in=never",
    ]);
    assert!(
        edited
            .succeeds()
            .ends_with("offer.docx: for everybody, for ever\n"),
        "{edited:?}"
    );
    dora.run(&["get", "offer.docx"]).succeeds();
    let downloads = olivia.run(&["downloads", "offer.docx"]);
    assert!(
        downloads.out.contains("  dora  offer.docx  "),
        "{downloads:?}"
    );
    olivia.run(&["rm", "offer.docx"]).succeeds();
    fails(&dora.run(&["get", "offer.docx"]), 4, "File not found");
    fails(
        &olivia.run(&["rm", "offer.docx"]),
        4,
        "`consign ls` lists the files",
    );
}

#[test]
fn groups_are_named() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    olivia.write("a.docx", DOCX.document("a"));
    fails(
        &olivia.run(&["upload", "a.docx", "--audience=group:Müller"]),
        4,
        "no group \"Müller\"",
    );
    for audience in ["all", "user:", "everybody:"] {
        let refused = olivia.run(&["upload", "a.docx", &format!("--audience={audience}")]);
        fails(
            &refused,
            2,
            "is not everybody, nobody, user:NAME or group:NAME",
        );
    }
    assert_eq!(olivia.run(&["ls"]).succeeds(), "");
}

/// One that fails does not stop the others, and is told at the end.
#[test]
fn some_of_many_may_fail() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    olivia.write("a.docx", DOCX.document("a"));
    olivia.write("b.docx", "no document");
    olivia.write("folder/c.docx", DOCX.document("c"));
    olivia.write(".hidden.docx", DOCX.document("hidden"));
    let ran = olivia.run(&["upload", "b.docx", "*.docx", "folder", "d.docx", "*.pdf"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.out.lines().count(), 1);
    let told: Vec<_> = ran.err.lines().collect();
    assert_eq!(told.len(), 4, "{told:?}");
    for why in [
        "consign: *.pdf: no file matches",
        "consign: b.docx: Invalid file type. Only .pptx, .docx, and .xlsx are allowed. (",
        "consign: folder: it is a folder",
        "consign: d.docx: No such file or directory",
    ] {
        assert!(
            told.iter().any(|line| line.starts_with(why)),
            "{why}: {told:?}"
        );
    }
    assert_eq!(lines(&olivia.run(&["ls"])), ["a.docx"]);
    // Where they fail for one reason, the code says which.
    let refused = olivia.run(&["upload", "b.docx", "--json"]);
    assert_eq!((refused.code, &*refused.out), (Some(5), ""));
    let error: Value = serde_json::from_str(&refused.err).unwrap();
    let error = &error["error"];
    assert_eq!(
        (&error["code"], &error["status"], &error["about"]),
        (&json!(5), &json!(400), &json!("b.docx"))
    );
    fails(&olivia.run(&["rm", "x.docx"]), 4, "x.docx: File not found");
}

#[test]
fn results_are_json_for_scripts() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    olivia.write("a.docx", DOCX.document("a"));
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let file = "audience content_type expires_at filename id sha256 size uploaded_at uploaded_by";
    let link =
        "downloads expires_at files has_password id made_at max_downloads note recipient revoked";
    let uploaded = olivia.run(&["upload", "a.docx", "--json"]).json();
    assert_eq!(keys(&uploaded[0]), file);
    assert_eq!(olivia.run(&["ls", "--json"]).json(), uploaded);
    let made = olivia.run(&["link", "make", "a.docx", "--json"]).json();
    assert_eq!(keys(&made[0]), format!("{link} url"));
    let id = made[0]["id"].as_str().unwrap();
    for args in [
        &["link", "list", "--json"][..],
        &["link", "show", id, "--json"],
        &["link", "edit", id, "--note=x", "--json"],
        &["link", "revoke", id, "--json"],
    ] {
        let told = olivia.run(args).json();
        assert_eq!((told.len(), &*keys(&told[0])), (1, link), "{args:?}");
    }
    let who = olivia.run(&["whoami", "--json"]).json();
    assert_eq!(keys(&who[0]), "expires_at url user");
    assert_eq!(who[0]["user"]["role"], "operations");
    let total = olivia.run(&["downloads", "a.docx", "--json"]).json();
    let none = json!({"completed": false, "total": {"started": 0, "completed": 0, "bytes": 0}});
    assert_eq!(total, [none]);
    assert_eq!(
        keys(&olivia.run(&["rm", "a.docx", "--json"]).json()[0]),
        file
    );
    let missing = olivia.run(&["link", "show", "x", "--json"]);
    let expected = json!({"error": {
        "code": 4, "about": null, "status": 404, "msg": "Link not found",
        "hint": "`consign link list` lists the links",
    }});
    assert_eq!(
        serde_json::from_str::<Value>(&missing.err).unwrap(),
        expected
    );
    assert_eq!((missing.code, missing.out), (Some(4), String::new()));
}

#[test]
fn nothing_is_said_that_nobody_asked_for() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    olivia.write("a.docx", docx(1, 2_000_000));
    for args in [
        &["upload", "a.docx"][..],
        &["link", "make", "a.docx"],
        &["ls", "--long"],
        &["whoami"],
        &["downloads", "a.docx"],
    ] {
        // Whatever the terminal would be.
        let mut command = olivia.consign(args);
        command
            .env("TERM", "xterm-256color")
            .env("CLICOLOR_FORCE", "1");
        let ran = run(command, "");
        assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{args:?}");
        assert!(!ran.out.contains('\u{1b}'), "{ran:?}");
    }
}

/// Whoever reads the results may have enough of them; what was to be done is done.
#[test]
fn work_goes_on_where_nobody_reads() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    let names = ["a.docx", "b.docx", "c.docx"];
    for name in names {
        olivia.write(name, DOCX.document(name));
    }
    let unread = |args: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = olivia.consign(args);
        command.stdout(writer).stderr(std::process::Stdio::piped());
        command.output().unwrap()
    };
    let all: Vec<_> = ["upload", "--jobs=1", "none.docx"]
        .into_iter()
        .chain(names)
        .collect();
    let uploaded = unread(&all);
    assert_eq!(uploaded.status.code(), Some(1), "{uploaded:?}");
    let mut there = lines(&olivia.run(&["ls", "--sort=name"])).join(" ");
    assert_eq!(there, "a.docx b.docx c.docx");
    assert_eq!(unread(&["ls"]).status.code(), Some(0));
    let removed = unread(&["rm", "a.docx", "none.docx", "c.docx"]);
    assert_eq!(removed.status.code(), Some(4), "{removed:?}");
    there = lines(&olivia.run(&["ls"])).join(" ");
    assert_eq!(there, "b.docx");
}

#[test]
fn a_file_of_a_link_that_fails_does_not_stop_the_others() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    let names = ["a.docx", "b.docx"];
    for name in names {
        olivia.write(name, DOCX.document(name));
        olivia.run(&["upload", name]).succeeds();
    }
    let made = olivia.run(&["link", "make", "a.docx", "b.docx"]);
    let link = made.succeeds().trim_end();
    let rita = Person::new();
    rita.write("a.docx", "mine");
    let got = rita.run(&["get", link]);
    fails(&got, 1, "a.docx");
    assert_eq!(got.out, "b.docx\n");
    assert_eq!(rita.read("a.docx"), b"mine");
    assert_eq!(rita.read("b.docx"), DOCX.document("b.docx"));
    // Links are read where nobody sees them.
    let input = format!("\n{link}\n");
    let got = rita.run_with(&["get", "-", "--force"], &input);
    assert_eq!(lines(&got), names);
    fails(&rita.run(&["get", "-"]), 2, "standard input names nothing");
    fails(
        &rita.run_with(&["get", "-", "--password-stdin"], &input),
        2,
        "not both",
    );
}

#[test]
fn a_link_for_one_recipient_is_opened_by_who_is_signed_in() {
    let server = Server::new();
    server.home.add_user("rita", "client");
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    olivia.write("a.docx", DOCX.document("a"));
    olivia.run(&["upload", "a.docx"]).succeeds();
    let made = olivia.run(&["link", "make", "a.docx", "--recipient=rita@example.org"]);
    let [link] = lines(&made)[..] else {
        panic!("{made:?}")
    };
    let rita = Person::new();
    fails(
        &rita.run(&["get", link]),
        3,
        "who has to sign in; `consign login http://",
    );
    fails(
        &olivia.run(&["get", link, "-o", "b.docx"]),
        3,
        "who has to sign in",
    );
    rita.sign_in(server.address, "--username=rita");
    rita.run(&["get", link]).succeeds();
    assert_eq!(rita.read("a.docx"), DOCX.document("a"));
}

/// Who has no account proves by a code that was mailed that it is they.
#[test]
fn a_link_for_one_recipient_is_opened_by_a_code() {
    let server = Server::with(|command| {
        command.args(["--mail=folder:mail", "--mail-from=files@example.org"]);
    });
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    olivia.write("a.docx", DOCX.document("a"));
    olivia.run(&["upload", "a.docx"]).succeeds();
    let made = olivia.run(&["link", "make", "a.docx", "--recipient=rita@example.net"]);
    let [link] = lines(&made)[..] else {
        panic!("{made:?}")
    };
    let rita = Person::new();
    let asked = rita.run(&["get", link]);
    fails(
        &asked,
        3,
        "A code was sent to the recipient; say it with --code CODE",
    );
    let began = std::time::Instant::now();
    let mail = loop {
        assert!(began.elapsed() < HANGS, "no mail comes");
        let mails = fs::read_dir(server.home.path().join("mail"));
        let mail = mails.ok().and_then(|mut mails| mails.next()?.ok());
        match mail.and_then(|mail| fs::read_to_string(mail.path()).ok()) {
            Some(mail) if mail.contains("your code: ") => break mail,
            _ => std::thread::yield_now(),
        }
    };
    let (_, code) = mail.split_once("your code: ").unwrap();
    let code = code.lines().next().unwrap().trim();
    let other = if code.starts_with('1') {
        "2222 2222"
    } else {
        "1111 1111"
    };
    fails(&rita.run(&["get", link, "--code", other]), 3, "Wrong code");
    rita.run(&["get", link, "--code", code]).succeeds();
    assert_eq!(rita.read("a.docx"), DOCX.document("a"));
}
