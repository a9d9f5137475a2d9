//! HTTPS: who is served, who is let go, and how a certificate is exchanged.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{fs, io, net::SocketAddr, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use base64::Engine;
use consign_http::testing::{Form, Request};
use hyper::body::Bytes;
use hyper_util::rt::TokioTimer;
use rustix::process::Signal;
use support::{
    Home, PASSWORD, Server,
    http2::Http2,
    package::docx,
    soon, text,
    tls::{ANY_VERSION, Carrier, HTTP_1, HTTP_2, Identity, serve},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::sleep,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConnection, NamedGroup, ProtocolVersion,
        crypto::aws_lc_rs::{self, kx_group},
        pki_types::ServerName,
        version::{TLS12, TLS13},
    },
};
use x509_cert::der::{
    Decode, Reader, SliceReader,
    asn1::{AnyRef, OctetStringRef},
};

const ALWAYS_HTTPS: &str = "max-age=31536000";

/// A place with a certificate.
fn home() -> (Arc<Home>, Arc<Identity>) {
    let (home, identity) = (Home::new(), Identity::new());
    identity.install(&home);
    (home, Arc::new(identity))
}

/// A server that people without TLS reach by somebody who carries what they say.
async fn carried(home: &Arc<Home>, identity: &Arc<Identity>, flags: &[&str]) -> (Server, Carrier) {
    let mut carrier = Carrier::bind().await;
    let mut server = serve(home, |command| {
        command.args(flags);
    });
    carrier.carry(Arc::clone(identity), server.address);
    server.address = carrier.address;
    (server, carrier)
}

/// Asks on a connection whether the server is well, and gives the answer's head.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"{\"status\":\"ok\"}") {
        let read = soon(stream.read_buf(&mut answer)).await.unwrap();
        assert!(read > 0, "{}", answer.escape_ascii());
    }
    String::from_utf8(answer).unwrap().to_ascii_lowercase()
}

async fn asks(identity: &Identity, server: &Server) -> TlsStream<TcpStream> {
    let stream = identity.connect(server.address, HTTP_1, ANY_VERSION).await;
    let mut stream = stream.unwrap();
    ask(&mut stream).await;
    stream
}

/// Whether the server knows this certificate no more, or not yet.
async fn is_strange(identity: &Identity, server: &Server) -> bool {
    let stream = identity.connect(server.address, HTTP_1, ANY_VERSION).await;
    stream.is_err_and(|error| error.to_string().contains("certificate"))
}

/// Whether it ends with the word that it is whole.
async fn ends_well(stream: &mut TlsStream<TcpStream>) -> bool {
    match soon(stream.read_to_end(&mut Vec::new())).await {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_handed_over_by_https() {
    let (home, identity) = home();
    let mut carrier = Carrier::bind().await;
    let mut server = serve(&home, |_| {});
    let address = server.address;
    carrier.carry(Arc::clone(&identity), address);
    server.address = carrier.address;

    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    let content = docx(1, 10_000_000);
    server.upload(&olga, "a.docx", &content).await;
    let target = "/generate_download_url/a.docx";
    let answer = server.call(Request::get(target).bearer(&carl)).await;
    assert_eq!(
        answer.header("strict-transport-security"),
        Some(ALWAYS_HTTPS)
    );
    let link = text(&answer.is_json(200)["download_url"]);
    let link = link.strip_prefix(&format!("https://{address}")).unwrap();
    let answer = server.call(Request::get(link)).await;
    assert_eq!(
        answer.header("strict-transport-security"),
        Some(ALWAYS_HTTPS)
    );
    assert!(answer.has_status(200).body == content);
    let refused = server.call(Request::get("/nowhere")).await;
    refused.has_status(404);
    assert_eq!(
        refused.header("strict-transport-security"),
        Some(ALWAYS_HTTPS)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_handed_over_by_http_2_over_tls() {
    let (home, identity) = home();
    let server = serve(&home, |_| {});
    let stream = identity.connect(server.address, HTTP_2, ANY_VERSION).await;
    let stream = stream.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(HTTP_2[0]));
    let mut http2 = Http2::on(stream, &server, |_| {}).await.unwrap();
    http2.base = format!("https://{}", server.address);
    http2.serves().await;

    let fields = |name: &str, operations: bool| {
        serde_json::json!({
            "username": name, "email": format!("{name}@example.org"), "password": PASSWORD,
            "is_operation_user": operations,
        })
    };
    let mut tokens = Vec::new();
    for (name, operations) in [("olga", true), ("carl", false)] {
        let fields: Bytes = fields(name, operations).to_string().into();
        let post = |path: &str| {
            http::Request::post(format!("{}{path}", http2.base))
                .header("content-type", "application/json")
        };
        let (register, login) = (post("/register"), post("/login"));
        assert_eq!(http2.call(register, fields.clone()).await.status(), 201);
        let session = http2.call(login, fields).await;
        let session: serde_json::Value = serde_json::from_slice(session.body()).unwrap();
        tokens.push(format!("Bearer {}", text(&session["access_token"])));
    }
    let content = docx(1, 10_000_000);
    let (form_type, form) = Form::of_file("a.docx", &content).finish();
    let upload = http::Request::post(format!("{}/upload", http2.base))
        .header("content-type", &form_type)
        .header("authorization", &tokens[0]);
    assert_eq!(http2.call(upload, form.into()).await.status(), 200);
    let link = http2.get("/generate_download_url/a.docx");
    let link = http2
        .call(link.header("authorization", &tokens[1]), Bytes::new())
        .await;
    assert_eq!(link.headers()["strict-transport-security"], ALWAYS_HTTPS);
    let link: serde_json::Value = serde_json::from_slice(link.body()).unwrap();
    let link = http::Request::get(text(&link["download_url"]));
    let answer = http2.call(link, Bytes::new()).await;
    assert_eq!(answer.status(), 200);
    assert!(*answer.body() == content);
}

#[tokio::test]
async fn browsers_are_told_to_come_by_https_where_that_is_so() {
    // A proxy that has the certificate says it itself.
    let server = Server::with(|command| {
        command.arg("--public-url=https://files.example.org");
    });
    let answer = server.call(Request::get("/")).await;
    assert_eq!(answer.header("strict-transport-security"), None);
    server.stop();
    let (home, identity) = home();
    let server = serve(&home, |command| {
        command.arg("--public-url=http://files.example.org");
    });
    server.tells("links begin with http://files.example.org, and this is a server of HTTPS");
    let stream = identity.connect(server.address, HTTP_1, ANY_VERSION).await;
    let answer = ask(&mut stream.unwrap()).await;
    assert!(!answer.contains("strict-transport-security"), "{answer}");
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_nothing_older() {
    let (home, identity) = home();
    let server = serve(&home, |_| {});
    for (version, name) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let stream = identity.connect(server.address, &[], &[version]).await;
        let mut stream = stream.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(name));
        // Who asks for no protocol gets HTTP/1.1.
        assert_eq!(stream.get_ref().1.alpn_protocol(), None);
        ask(&mut stream).await;
    }
    // A ClientHello of TLS 1.1, with AES_128_CBC_SHA and ECDHE_RSA_AES_256_CBC_SHA.
    let mut hello = vec![1, 0, 0, 55, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0x00, 0x2f, 0xc0, 0x14, 1, 0]);
    // Signatures of ECDSA and RSA with SHA-256.
    hello.extend([0, 10, 0, 13, 0, 6, 0, 4, 4, 3, 4, 1]);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8];
    record.extend(hello);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut alert = Vec::new();
    let _ = soon(stream.read_to_end(&mut alert)).await;
    assert_eq!(alert.first(), Some(&21), "{alert:?}");
    // Fatal: protocol_version.
    assert!(alert.ends_with(&[2, 70]), "{alert:?}");
    // Nor is there a common protocol to speak.
    let gopher = identity.connect(server.address, &[b"gopher"], ANY_VERSION);
    let error = gopher.await.unwrap_err().to_string();
    assert!(error.contains("NoApplicationProtocol"), "{error}");
    asks(&identity, &server).await;
}

#[tokio::test]
async fn what_is_recorded_today_is_not_read_by_tomorrows_computers() {
    let (home, identity) = home();
    let server = serve(&home, |_| {});
    let mut provider = aws_lc_rs::default_provider();
    // As browsers do.
    provider.kx_groups = vec![kx_group::X25519MLKEM768, kx_group::X25519];
    let config = identity.client_with(provider, HTTP_1, ANY_VERSION);
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = soon(connector.connect(name, stream)).await.unwrap();
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
    ask(&mut stream).await;
}

#[tokio::test]
async fn who_drips_a_record_is_let_go() {
    let (home, identity) = home();
    let server = serve(&home, |command| {
        command.args([
            "--header-timeout=1s",
            "--body-timeout=600s",
            "--idle-timeout=600s",
        ]);
    });
    let (mut stream, mut session) = asks(&identity, &server).await.into_inner();
    let mut sealed = Vec::new();
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    io::Write::write_all(&mut session.writer(), request).unwrap();
    session.write_tls(&mut sealed).unwrap();
    // All but the end of it.
    for byte in &sealed[..sealed.len() - 1] {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(120)).await;
    }
    let mut rest = Vec::new();
    let _ = soon(stream.read_to_end(&mut rest)).await;
    assert!(rest.len() < 50, "no more than a word of the end");
    asks(&identity, &server).await;
}

#[tokio::test]
async fn a_handshake_that_stops_is_not_waited_for() {
    let (home, identity) = home();
    let server = serve(&home, |command| {
        command.args([
            "--header-timeout=1s",
            "--body-timeout=600s",
            "--idle-timeout=600s",
        ]);
        command.args(["--max-connections=4", "--max-connections-per-address=4"]);
    });
    let mut hello = Vec::new();
    let config = Arc::new(identity.client(HTTP_1, ANY_VERSION));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut client = ClientConnection::new(config, name).unwrap();
    client.write_tls(&mut hello).unwrap();
    let mut stopped = Vec::new();
    for part in [0, 1, hello.len() / 2, hello.len()] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&hello[..part]).await.unwrap();
        stopped.push(stream);
    }
    // Each had a seat, and gives it back.
    asks(&identity, &server).await;
    for mut stream in stopped {
        let _ = soon(stream.read_to_end(&mut Vec::new())).await;
    }
    // After a handshake, a request has to come as after a connection.
    let silent = identity.connect(server.address, HTTP_1, ANY_VERSION).await;
    assert!(ends_well(&mut silent.unwrap()).await);
    let halfway = identity.connect(server.address, HTTP_1, ANY_VERSION).await;
    let mut halfway = halfway.unwrap();
    halfway.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    ends_well(&mut halfway).await;
    let silent = identity.connect(server.address, HTTP_2, ANY_VERSION).await;
    ends_well(&mut silent.unwrap()).await;
    asks(&identity, &server).await;
}

#[tokio::test]
async fn who_speaks_http_to_it_is_told_so() {
    let (home, identity) = home();
    let server = serve(&home, |_| {});
    for request in [
        Request::get("/healthz"),
        Request::post("/login").body("x".repeat(20_000)),
    ] {
        let mut plain = server.connect().await;
        plain.send(request.bytes(server.address)).await;
        // It is no answer of the API, which has not seen the request.
        let answer = soon(plain.next(&request.method)).await.unwrap();
        assert_eq!(answer.status, 400);
        let kind = answer.header("content-type");
        assert_eq!(kind, Some("application/problem+json"));
        let why = "This port speaks HTTPS: the address begins with https://";
        assert_eq!(answer.json()["msg"], why);
        assert!(soon(plain.is_closed()).await);
    }
    let mut other = TcpStream::connect(server.address).await.unwrap();
    other.write_all(b"SSH-2.0-client\r\n").await.unwrap();
    other.shutdown().await.unwrap();
    let _ = soon(other.read_to_end(&mut Vec::new())).await;
    asks(&identity, &server).await;
}

#[tokio::test]
async fn a_certificate_is_exchanged_when_its_files_are() {
    let (home, old) = home();
    let server = serve(&home, |_| {});
    let mut kept = asks(&old, &server).await;
    let new = Identity::new();
    assert!(is_strange(&new, &server).await);
    new.install(&home);
    server.tells("new connections get another certificate");
    asks(&new, &server).await;
    assert!(is_strange(&old, &server).await);
    ask(&mut kept).await;

    // Half of a pair is none.
    let third = Identity::new();
    third.install_cert(&home);
    server.tells("the certificate before is kept");
    server.tells("it is the key of another certificate than");
    asks(&new, &server).await;
    ask(&mut kept).await;
    third.install_key(&home);
    let exchanged = async {
        while is_strange(&third, &server).await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    soon(exchanged).await;
    asks(&third, &server).await;
    ask(&mut kept).await;
}

#[tokio::test]
async fn a_certificate_is_exchanged_at_a_hangup() {
    let (home, old) = home();
    let server = serve(&home, |_| {});
    let mut kept = asks(&old, &server).await;
    server.signal(Signal::HUP);
    server.tells("the certificate is as it was");
    fs::write(home.path().join("key.pem"), "no key").unwrap();
    server.signal(Signal::HUP);
    server
        .tells("the certificate before is kept: tls-key = \"key.pem\" (from --tls-key): no private key is in it");
    asks(&old, &server).await;
    let new = Identity::with(|params| {
        params.not_before = rcgen::date_time_ymd(2024, 2, 29);
        params.not_after = rcgen::date_time_ymd(2099, 1, 2);
    });
    new.install(&home);
    server.signal(Signal::HUP);
    server.tells("until=2099-01-02T00:00:00Z");
    asks(&new, &server).await;
    assert!(is_strange(&old, &server).await);
    ask(&mut kept).await;
    server.stop();
}

#[tokio::test]
async fn a_hangup_ends_what_has_nothing_to_take_anew() {
    let server = Server::new();
    server.signal(Signal::HUP);
    let (status, _) = server.end();
    assert!(!status.success());
}

#[test]
fn wrong_files_are_told_of_at_the_start() {
    let (home, _) = home();
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    let other = Identity::new();
    write("other.pem", &other.key);
    write("empty.pem", "");
    write("large.pem", &"x".repeat(2 << 20));
    write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let pem = |what: &str| format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
    write("nonsense.pem", &pem("CERTIFICATE"));
    write("nonsense-key.pem", &pem("PRIVATE KEY"));
    write("locked-key.pem", &pem("ENCRYPTED PRIVATE KEY"));
    let refused = |cert: &str, key: &str, why: &str| {
        let (cert, key) = (format!("--tls-cert={cert}"), format!("--tls-key={key}"));
        home.run(&["serve", "--listen=127.0.0.1:0", &cert, &key])
            .fails(1, why);
    };
    let (cert_wanted, key_wanted) = (
        "; a file in PEM is needed, of the certificate and, behind it, those that vouch for it",
        "; a file in PEM is needed, of the certificate's private key (PKCS#8, PKCS#1 or SEC1, \
        unencrypted)",
    );
    for (file, why) in [
        ("gone.pem", "No such file or directory (os error 2)"),
        (".", "Is a directory (os error 21)"),
        ("large.pem", "it is larger than a MiB"),
        ("empty.pem", "no certificate is in it"),
        ("key.pem", "no certificate is in it"),
        ("broken.pem", "missing section end marker"),
        ("nonsense.pem", "BadEncoding"),
    ] {
        refused(
            file,
            "key.pem",
            &format!("tls-cert = {file:?} (from --tls-cert): {why}"),
        );
        refused(file, "key.pem", cert_wanted);
    }
    for (file, why) in [
        ("gone.pem", "No such file or directory (os error 2)"),
        ("empty.pem", "no private key is in it"),
        ("cert.pem", "no private key is in it"),
        ("locked-key.pem", "no private key is in it"),
        ("nonsense-key.pem", ""),
    ] {
        refused(
            "cert.pem",
            file,
            &format!("tls-key = {file:?} (from --tls-key): {why}"),
        );
        refused("cert.pem", file, key_wanted);
    }
    refused(
        "cert.pem",
        "other.pem",
        "tls-key = \"other.pem\" (from --tls-key): it is the key of another certificate than \
        tls-cert = \"cert.pem\" (from --tls-cert)",
    );
    // Nothing was begun.
    assert!(!home.data().exists());
}

#[test]
fn wrong_settings_are_told_of_by_the_name_they_were_set_by() {
    let (home, _) = home();
    let alone = |setting: &str, missing: &str| {
        format!("{setting}: {missing} is not set; both are needed for TLS, or none")
    };
    let ran = home.run(&["serve", "--tls-cert=cert.pem"]);
    ran.fails(
        1,
        &alone("tls-cert = \"cert.pem\" (from --tls-cert)", "tls-key"),
    );
    let mut command = home.consign();
    command.env("CONSIGN_TLS_KEY", "key.pem");
    support::run(command, "").fails(
        1,
        &alone("tls-key = \"key.pem\" (from CONSIGN_TLS_KEY)", "tls-cert"),
    );
    home.settings("tls-cert = \"gone.pem\"\ntls-key = \"key.pem\"");
    let ran = home.run(&["serve", "--listen=127.0.0.1:0"]);
    ran.fails(
        1,
        "tls-cert = \"gone.pem\" (from consign.toml, line 1): No such file",
    );
    // One goes before the other, as everywhere.
    let mut command = home.consign();
    command.env("CONSIGN_TLS_CERT", "also-gone.pem");
    support::run(command, "").fails(
        1,
        "tls-cert = \"also-gone.pem\" (from CONSIGN_TLS_CERT): No such file",
    );
    let ran = home.run(&["serve", "--tls-cert=cert.pem", "--tls-key=cert.pem"]);
    ran.fails(
        1,
        "tls-key = \"cert.pem\" (from --tls-key): no private key is in it",
    );
    home.settings("tls-cert = \"cert.pem\"\ntls-key = \"key.pem\"");
    let server = Server::on(&home, |_| {});
    server.stop();
}

#[tokio::test]
async fn what_is_odd_about_a_certificate_is_told() {
    let home = Home::new();
    let key = home.path().join("key.pem");
    let readable = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    let days = |from: i32, until: i32| {
        Identity::with(|params| {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(until, 1, 1);
        })
    };
    days(2000, 2001).install(&home);
    readable(0o640);
    let server = serve(&home, |_| {});
    server.tells("the certificate has expired, at 2001-01-01T00:00:00Z");
    let log = server.log();
    assert!(!log.contains("every user"), "{log}");
    server.stop();

    let good = days(2000, 2099);
    good.install(&home);
    readable(0o644);
    let server = serve(&home, |_| {});
    server.tells("tls-key = \"key.pem\" (from --tls-key): every user of this machine may use it");
    let log = server.log();
    assert!(!log.contains("expired"), "{log}");
    days(2098, 2099).install(&home);
    server.tells("the certificate is good from 2098-01-01T00:00:00Z on, and not yet");
    server.stop();
}

#[tokio::test]
async fn keys_are_taken_in_each_form() {
    let home = Home::new();
    let made = Identity::new();
    // A chain may hold more than the certificate, and the key may lie with it.
    let chain = [&*made.cert, &Identity::new().cert, &*made.key].concat();
    fs::write(home.path().join("both.pem"), chain).unwrap();
    let server = Server::on(&home, |command| {
        command.args(["--tls-cert=both.pem", "--tls-key=both.pem"]);
    });
    asks(&made, &server).await;
    server.stop();
    for (algorithm, name) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, "EC PRIVATE KEY"),
        (&rcgen::PKCS_ECDSA_P384_SHA384, "EC PRIVATE KEY"),
        (&rcgen::PKCS_RSA_SHA256, "RSA PRIVATE KEY"),
        (&rcgen::PKCS_RSA_SHA256, "PRIVATE KEY"),
        (&rcgen::PKCS_ED25519, "PRIVATE KEY"),
    ] {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let mut made = Identity::of(Identity::params(), &key);
        let whole = key.serialize_der();
        let der = if name == "PRIVATE KEY" {
            &whole
        } else {
            within_pkcs8(&whole)
        };
        let der = base64::engine::general_purpose::STANDARD.encode(der);
        made.key = format!("-----BEGIN {name}-----\n{der}\n-----END {name}-----\n");
        made.install(&home);
        let server = serve(&home, |_| {});
        asks(&made, &server).await;
        server.stop();
    }
}

/// The key in a form of its own, PKCS#1 or SEC1, that is wrapped in PKCS#8 (RFC 5958).
fn within_pkcs8(key: &[u8]) -> &[u8] {
    let mut reader = SliceReader::new(key).unwrap();
    let within = reader.sequence(|fields| {
        u8::decode(fields)?;
        AnyRef::decode(fields)?;
        let key = <&OctetStringRef>::decode(fields)?;
        fields.drain(fields.remaining_len())?;
        Ok::<_, x509_cert::der::Error>(key.as_bytes())
    });
    within.unwrap()
}

/// People, a large file, and the path of a link to it.
async fn with_download(server: &Server, size: usize) -> (Vec<u8>, String) {
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    let content = docx(1, size);
    server.upload(&olga, "a.docx", &content).await;
    let link = server.link(&carl, "a.docx").await;
    (content, link)
}

/// A client that takes in little before it is read.
async fn narrow(identity: &Identity, address: SocketAddr) -> TlsStream<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(32 * 1024).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let stream = identity.connect_on(stream, HTTP_1, ANY_VERSION).await;
    stream.unwrap()
}

async fn get(stream: &mut TlsStream<TcpStream>, target: &str) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    soon(stream.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_taken_over_tls_is_cut_off() {
    let (home, identity) = home();
    let limits = ["--body-timeout=1s", "--idle-timeout=600s"];
    let (server, carrier) = carried(&home, &identity, &limits).await;
    let (content, link) = with_download(&server, 24 << 20).await;
    server.stop();
    drop(carrier);
    let server = serve(&home, |command| {
        command.args(limits).arg("--max-connections=1");
    });
    let mut stalled = narrow(&identity, server.address).await;
    get(&mut stalled, &link).await;
    // There is one place, and the next client gets it.
    asks(&identity, &server).await;
    let mut taken = Vec::new();
    let end = soon(stalled.read_to_end(&mut taken)).await;
    // Nothing says that this was all.
    assert!(end.is_err(), "{end:?}");
    assert!(taken.len() < content.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_over_tls_does_not_look_whole() {
    let (home, identity) = home();
    let (server, carrier) = carried(&home, &identity, &[]).await;
    let (content, link) = with_download(&server, 24 << 20).await;
    server.stop();
    drop(carrier);
    // The disk has lost the end of it.
    for blob in home.stored("blobs") {
        let blob = fs::File::options().write(true).open(blob).unwrap();
        blob.set_len(12 << 20).unwrap();
    }
    let server = serve(&home, |_| {});
    let stream = identity.connect(server.address, HTTP_1, ANY_VERSION).await;
    let mut broken = stream.unwrap();
    get(&mut broken, &link).await;
    let mut taken = Vec::new();
    let end = soon(broken.read_to_end(&mut taken)).await;
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert!(taken.len() > 1 << 20 && taken.len() < content.len());
    asks(&identity, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_taken_slowly_over_tls_comes_whole() {
    let (home, identity) = home();
    // Its end waits, sealed, to be taken when the rest of the request is long over.
    let limits = ["--body-timeout=20s", "--idle-timeout=10ms"];
    let (server, carrier) = carried(&home, &identity, &limits).await;
    let (content, link) = with_download(&server, 6 << 20).await;
    let link = link.as_str();
    server.stop();
    drop(carrier);
    let server = serve(&home, |command| {
        command.args(limits);
    });
    let mut slow = narrow(&identity, server.address).await;
    get(&mut slow, link).await;
    let (mut taken, mut piece) = (Vec::new(), vec![0; 32 * 1024]);
    loop {
        match soon(slow.read(&mut piece)).await {
            Ok(0) => break,
            Ok(read) => taken.extend_from_slice(&piece[..read]),
            Err(error) => panic!("{error} after {} of {} bytes", taken.len(), content.len()),
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert!(taken.ends_with(&content), "{} bytes", taken.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stops_coming_over_tls_is_not_waited_for() {
    let (home, identity) = home();
    let (server, _carrier) = carried(&home, &identity, &["--body-timeout=1s"]).await;
    let olga = server.sign_up("olga", true).await;
    let form = Form::of_file("a.docx", &docx(1, 300_000));
    let request = Request::post("/upload").bearer(&olga).form(form);
    let head = request.head_bytes(server.address).len();
    for part in [0, 200_000] {
        let mut stalled = server.connect().await;
        let begun = &request.bytes(server.address)[..head + part];
        stalled.send(begun).await;
        let answer = soon(stalled.next("POST")).await.unwrap();
        answer.is_problem(400, "The request body is incomplete or malformed");
        assert!(soon(stalled.is_closed()).await);
    }
    assert!(server.home.stored("stages").is_empty());
}

#[tokio::test]
async fn who_waits_too_long_with_the_next_request_over_tls_is_let_go() {
    let (home, identity) = home();
    let server = serve(&home, |command| {
        command.args([
            "--header-timeout=600s",
            "--body-timeout=600s",
            "--idle-timeout=1s",
        ]);
    });
    let mut quiet = asks(&identity, &server).await;
    assert!(ends_well(&mut quiet).await);
    let stream = identity.connect(server.address, HTTP_2, ANY_VERSION).await;
    // Nor do signs of life make it a use.
    let mut lively = Http2::on(stream.unwrap(), &server, |builder| {
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_millis(120))
            .keep_alive_while_idle(true);
    })
    .await
    .unwrap();
    lively.serves().await;
    soon(lively.ended).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_is_finished_when_the_server_stops() {
    let (home, identity) = home();
    let (server, carrier) = carried(&home, &identity, &[]).await;
    let (content, link) = with_download(&server, 6 << 20).await;
    server.stop();
    drop(carrier);
    let server = serve(&home, |command| {
        command.arg("--shutdown-timeout=90s");
    });
    let mut idle = asks(&identity, &server).await;
    let mut halfway = asks(&identity, &server).await;
    halfway.write_all(b"GET /hea").await.unwrap();
    let mut running = narrow(&identity, server.address).await;
    get(&mut running, &link).await;
    server.signal(Signal::TERM);
    assert!(ends_well(&mut idle).await);
    ends_well(&mut halfway).await;
    let mut taken = Vec::new();
    soon(running.read_to_end(&mut taken)).await.unwrap();
    assert!(taken.ends_with(&content), "{} bytes", taken.len());
    let (status, log) = server.end();
    assert!(status.success(), "{status}: {log}");
}
