//! Sign-ins, and what is kept of them.

use std::{fs, os::unix::fs::PermissionsExt};

use consign_http::testing::DOCX;

use crate::{
    person::{Person, fails, lines},
    proxy::Proxy,
    support::{Home, PASSWORD, Server, run, tls},
};

fn mode(person: &Person, name: &str) -> u32 {
    let about = fs::metadata(person.path().join(name)).unwrap();
    about.permissions().mode() & 0o777
}

fn token(person: &Person) -> String {
    let text = fs::read_to_string(person.settings()).unwrap();
    let (_, rest) = text.split_once("token = \"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn tokens_are_for_their_owner_alone() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    assert_eq!(
        (
            mode(&olivia, "config/consign"),
            mode(&olivia, "config/consign/client.toml")
        ),
        (0o700, 0o600)
    );
    assert_eq!(
        fs::read_dir(olivia.path().join("config/consign"))
            .unwrap()
            .count(),
        1
    );
    let secret = token(&olivia);
    for args in [
        &["whoami"][..],
        &["whoami", "--json"],
        &["ls", "--json"],
        &["rm", "x"],
    ] {
        let ran = olivia.run(args);
        assert!(!ran.out.contains(&secret) && !ran.err.contains(&secret));
    }
    for mode in [0o640, 0o604] {
        fs::set_permissions(olivia.settings(), fs::Permissions::from_mode(mode)).unwrap();
        fails(
            &olivia.run(&["ls"]),
            1,
            "can be read by others, and holds a token; `chmod 600 ",
        );
    }
    // One that is none is not repeated.
    fs::set_permissions(olivia.settings(), fs::Permissions::from_mode(0o600)).unwrap();
    olivia.write(
        "config/consign/client.toml",
        format!("[profiles.default]\nurl = 1\ntoken = {secret:?}\n"),
    );
    let broken = olivia.run(&["ls"]);
    fails(
        &broken,
        1,
        "client.toml, line 2: not as `consign login` writes it",
    );
    assert!(!broken.err.contains(&secret));
}

#[test]
fn a_sign_in_ends_where_nobody_can_be_asked() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    olivia.write("a.docx", DOCX.document("a"));
    server.home.run(&["user", "logout", "olivia"]).succeeds();
    for args in [
        &["ls"][..],
        &["upload", "a.docx"],
        &["whoami"],
        &["link", "list"],
        &["rm", "a.docx"],
    ] {
        fails(
            &olivia.run(args),
            3,
            "the sign-in has ended at http://127.0.0.1:",
        );
    }
    // Who has said the password for such cases is not asked.
    let mut command = olivia.consign(&["upload", "a.docx"]);
    command.env("CONSIGN_PASSWORD", PASSWORD);
    run(command, "").succeeds();
    assert_eq!(lines(&olivia.run(&["ls"])), ["a.docx"]);
    let mut command = olivia.consign(&["login", "--username=olivia"]);
    command.env("CONSIGN_PASSWORD", "another password");
    fails(&run(command, ""), 3, "Invalid username or password");
    fails(
        &olivia.run(&["login"]),
        3,
        "no password can be asked for here; use --password-stdin",
    );
}

#[test]
fn signing_out_leaves_nothing() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    let elsewhere = Person::new();
    elsewhere.sign_in(server.address, "--username=olivia");
    olivia.run(&["logout"]).succeeds();
    assert!(
        !fs::read_to_string(olivia.settings())
            .unwrap()
            .contains("token")
    );
    fails(&olivia.run(&["whoami"]), 3, "nobody is signed in");
    olivia.run(&["logout"]).succeeds();
    elsewhere.run(&["whoami"]).succeeds();
    olivia.sign_in(server.address, "--username=olivia");
    olivia.run(&["logout", "--everywhere"]).succeeds();
    fails(&elsewhere.run(&["whoami"]), 3, "the sign-in has ended");
}

/// Flags come before the environment, and that before the profile.
#[test]
fn what_is_nearest_counts() {
    let (one, other) = (Server::new(), Server::new());
    let olivia = Person::signed_in(one.address, "olivia", "operations");
    let url = format!("http://{}", other.address);
    let work = [
        "register",
        &url,
        "--username=olga",
        "--email=olga@example.org",
        "--role=operations",
        "--password-stdin",
    ];
    olivia.run_with(&work, &format!("{PASSWORD}\n")).succeeds();
    let work = [
        "login",
        &url,
        "--username=olga",
        "--password-stdin",
        "--profile=work",
    ];
    olivia.run_with(&work, &format!("{PASSWORD}\n")).succeeds();
    let who = |args: &[&str], set: &[(&str, &str)]| {
        let mut command = olivia.consign(args);
        command.envs(set.iter().copied());
        run(command, "")
    };
    let is = |ran, name: &str| {
        assert!(
            lines(&ran)[0].starts_with(&format!("{name}, operations user at ")),
            "{ran:?}"
        )
    };
    is(who(&["whoami"], &[]), "olivia");
    is(who(&["whoami", "--profile=work"], &[]), "olga");
    is(who(&["whoami"], &[("CONSIGN_PROFILE", "work")]), "olga");
    is(
        who(
            &["whoami", "--profile=default"],
            &[("CONSIGN_PROFILE", "work")],
        ),
        "olivia",
    );
    // A token is not sent to another server than its own.
    fails(
        &who(&["whoami", "--url", &url], &[]),
        3,
        "nobody is signed in",
    );
    fails(
        &who(&["whoami"], &[("CONSIGN_URL", &url)]),
        3,
        "nobody is signed in",
    );
    let login = [
        ("CONSIGN_URL", &*url),
        ("CONSIGN_USERNAME", "olga"),
        ("CONSIGN_PASSWORD", PASSWORD),
    ];
    is(who(&["whoami"], &login), "olga");
    let secret = token(&olivia);
    is(who(&["whoami"], &[("CONSIGN_TOKEN", &secret)]), "olivia");
    fails(
        &who(&["whoami"], &[("CONSIGN_TOKEN", "x")]),
        3,
        "the sign-in has ended",
    );
    fails(
        &who(&["whoami", "--profile=none"], &[]),
        3,
        "there is no profile \"none\"",
    );
    fails(
        &Person::new().run(&["ls"]),
        3,
        "no server is known; sign in with `consign login URL`",
    );
}

/// Who made a link chose its server.
#[test]
fn a_token_of_the_environment_is_not_sent_to_a_server_that_a_link_names() {
    let proxy = Proxy::new();
    let url = format!("http://{}", proxy.address);
    let public = format!("--public-url={url}");
    let server = Server::with(|command| {
        command.arg(public);
    });
    proxy.leads_to(server.address);
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    server.home.add_user("carl", "client");
    let carl = Person::new();
    carl.sign_in(server.address, "--username=carl");
    olivia.write("a.docx", DOCX.document("a"));
    olivia.run(&["upload", "a.docx"]).succeeds();
    let made = olivia.run(&["link", "make", "a.docx", "--recipient=carl@example.org"]);
    let link = made.succeeds().trim_end();
    assert!(link.starts_with(&url), "{link}");
    let elsewhere = format!("http://{}", server.address);
    let secret = token(&carl);
    let get = |person: &Person, set: &[(&str, &str)]| {
        let mut command = person.consign(&["get", link, "--force"]);
        command.envs(set.iter().copied());
        run(command, "")
    };
    let login = [("CONSIGN_USERNAME", "carl"), ("CONSIGN_PASSWORD", PASSWORD)];
    let token = ("CONSIGN_TOKEN", &*secret);
    let somebody = Person::new();
    for (person, set) in [
        (&somebody, &[token][..]),
        (&somebody, &[token, ("CONSIGN_URL", &elsewhere)]),
        (&somebody, &login),
        // The profile's is another one too.
        (&carl, &[token]),
    ] {
        assert_eq!(get(person, set).code, Some(3), "{set:?}");
    }
    for sent in [&*secret, PASSWORD, "authorization: "] {
        assert_eq!(proxy.heard(sent), 0, "{sent}");
    }
    get(&somebody, &[token, ("CONSIGN_URL", &url)]).succeeds();
    assert_eq!(proxy.heard(&secret), 1);
    // Where the environment names a server, its token is for that one and not for the profile's.
    let dora = Person::new();
    dora.sign_in(proxy.address, "--username=carl");
    get(
        &dora,
        &[("CONSIGN_TOKEN", "x"), ("CONSIGN_URL", &elsewhere)],
    )
    .succeeds();
    assert_eq!(proxy.heard("bearer x\r\n"), 0);
}

/// A link needs no account.
#[test]
fn a_link_needs_no_profile_that_can_be_used() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    olivia.write("a.docx", DOCX.document("a"));
    olivia.run(&["upload", "a.docx"]).succeeds();
    let made = olivia.run(&["link", "make", "a.docx"]);
    let link = made.succeeds().trim_end();
    fs::set_permissions(olivia.settings(), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        lines(&olivia.run(&["get", link, "-o", "b.docx"])),
        ["b.docx"]
    );
    fails(&olivia.run(&["ls"]), 1, "can be read by others");
}

#[test]
fn plain_http_to_elsewhere_is_refused() {
    let rita = Person::new();
    for args in [
        &[
            "login",
            "http://files.example",
            "--username=rita",
            "--password-stdin",
        ][..],
        &["get", "http://files.example/l/secret"],
        &["ls", "--url=http://192.0.2.1"],
    ] {
        let ran = rita.run_with(args, "a password\n");
        fails(
            &ran,
            5,
            "is not reached over https, so what is sent can be read on the way",
        );
        assert!(!ran.err.contains("secret"));
    }
    fails(
        &rita.run(&["get", "ftp://files.example/l/x"]),
        2,
        "not a link of Consign",
    );
    fails(
        &rita.run(&["ls", "--url=ftp://files.example"]),
        1,
        "not a URL of http or https",
    );
    fails(
        &rita.run(&["ls", "--url=https://files.example", "--ca=none.pem"]),
        1,
        "none.pem: No such file",
    );
    rita.write("none.pem", "nothing");
    fails(
        &rita.run(&["ls", "--url=https://files.example", "--ca=none.pem"]),
        1,
        "there is none in the file",
    );
}

/// The certificate of a private authority is named once, at the sign-in.
#[test]
fn who_is_not_trusted_hears_nothing() {
    let (home, identity) = (Home::new(), tls::Identity::new());
    identity.install(&home);
    let server = tls::serve(&home, |_| {});
    home.add_user("olivia", "operations");
    let url = format!("https://{}", server.address);
    let olivia = Person::new();
    olivia.write("ca.pem", &identity.cert);
    olivia.write("other.pem", &tls::Identity::new().cert);
    let login = ["login", &url, "--username=olivia", "--password-stdin"];
    let password = format!("{PASSWORD}\n");
    for ca in [None, Some("--ca=other.pem")] {
        let args: Vec<_> = login.into_iter().chain(ca).collect();
        let refused = olivia.run_with(&args, &password);
        fails(&refused, 6, "is not trusted: invalid peer certificate: ");
        assert!(
            refused
                .err
                .ends_with("; name the certificate of a private authority with --ca FILE\n")
        );
    }
    assert!(!server.log().contains("/login"));
    let args: Vec<_> = login.into_iter().chain(["--ca=ca.pem"]).collect();
    olivia.run_with(&args, &password).succeeds();
    fs::create_dir(olivia.path().join("elsewhere")).unwrap();
    let mut command = olivia.consign(&["whoami"]);
    command.current_dir(olivia.path().join("elsewhere"));
    assert!(
        run(command, "")
            .succeeds()
            .starts_with("olivia, operations user at https://")
    );
}

/// A machine that knows no authority at all still reaches itself.
#[test]
fn plain_http_needs_no_authority() {
    let server = Server::new();
    let olivia = Person::signed_in(server.address, "olivia", "operations");
    olivia.write("none.pem", "");
    let mut command = olivia.consign(&["whoami"]);
    command
        .env("SSL_CERT_FILE", "none.pem")
        .env("SSL_CERT_DIR", "none");
    run(command, "").succeeds();
    let mut command = olivia.consign(&["ls", "--url=https://127.0.0.1:1"]);
    command
        .env("SSL_CERT_FILE", "none.pem")
        .env("SSL_CERT_DIR", "none");
    fails(
        &run(command, ""),
        1,
        "No CA certificates were loaded from the system",
    );
}
