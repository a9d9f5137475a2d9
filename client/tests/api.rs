//! The client against the API over a socket, and against servers that misbehave.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use consign_client::{
    Audience, Backoff, Client, Error, ErrorKind, FileChanges, LinkChanges, NewLink, Progress,
    Proof, Registration, Role, Source, Upload,
};
use consign_http::testing::{self, AbortOnDrop, DOCX, Setup};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const PASSWORD: &str = "correct horse battery";

/// The API over stores in memory, at an address.
async fn server() -> (SocketAddr, AbortOnDrop<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let api = testing::api(&Setup::default(), &format!("http://{address}"));
    let router = consign_http_axum::server(api);
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    (address, AbortOnDrop(serving))
}

/// A client that waits for nothing.
fn client(address: SocketAddr) -> Client {
    let backoff = Backoff {
        attempts: 4,
        base: Duration::ZERO,
        ..Backoff::default()
    };
    let builder = Client::builder(format!("http://{address}").parse().unwrap());
    builder.backoff(backoff).build().unwrap()
}

async fn signed_up(address: SocketAddr, name: &str, role: Role) -> Client {
    let client = client(address);
    let email = format!("{name}@example.org");
    let registration = Registration {
        username: name,
        email: &email,
        password: PASSWORD,
        role,
    };
    client.register(&registration).await.unwrap();
    client.sign_in(name, PASSWORD).await.unwrap();
    client
}

fn document(folder: &Path, name: &str) -> Upload {
    let path = folder.join(name);
    std::fs::write(&path, DOCX.document(name)).unwrap();
    Upload::new(path).unwrap()
}

#[tokio::test]
async fn the_whole_api_is_spoken() {
    let (address, _server) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let olivia = signed_up(address, "olivia", Role::Operations).await;
    let carl = signed_up(address, "carl", Role::Client).await;
    olivia.check().await.unwrap();
    let session = olivia.session().await.unwrap();
    assert_eq!(
        (&*session.user.username, session.user.role),
        ("olivia", Role::Operations)
    );

    let mut upload = document(folder.path(), "räport \"1\"; 50%.docx");
    upload.audience = Some(Audience::These {
        users: vec!["carl".to_owned()],
        groups: Vec::new(),
    });
    upload.expires_in = Some(Duration::from_secs(3600));
    let file = olivia.upload(&upload, &()).await.unwrap();
    assert_eq!(file.filename, upload.name);
    assert_eq!(
        (&file.audience, file.expires_at.is_some()),
        (&upload.audience, true)
    );
    // By its key it is the same file.
    assert_eq!(olivia.upload(&upload, &()).await.unwrap().id, file.id);
    assert_eq!(carl.find(&upload.name).await.unwrap().id, file.id);
    assert_eq!(carl.find(&file.id).await.unwrap().audience, None);
    let page = carl.files(Some("RÄPORT"), None).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, None));

    let to = folder.path().join("received.docx");
    let link = carl.file_url(&upload.name).await.unwrap();
    let head = carl.head(&link.download_url).await.unwrap();
    assert_eq!(head.filename.as_deref(), Some(&*upload.name));
    assert_eq!(
        (head.size, head.sha256),
        (Some(file.size), Some(file.sha256))
    );
    let source = Source {
        url: link.download_url,
        size: head.size,
        sha256: head.sha256,
    };
    let saved = carl.save(&source, &to, false, &()).await.unwrap();
    assert!(saved.verified && !saved.already && saved.sha256 == file.sha256);
    assert_eq!(std::fs::read(&to).unwrap(), DOCX.document(&upload.name));
    assert!(carl.save(&source, &to, false, &()).await.unwrap().already);

    let mut new = NewLink::to([&file.id]);
    new.password = Some("open sesame".to_owned());
    let made = olivia.make_link(&new).await.unwrap();
    assert_eq!(olivia.make_link(&new).await.unwrap().id, made.id);
    let url = made.url.unwrap().parse().unwrap();
    let described = olivia.describe(&url).await.unwrap();
    assert!(described.password_required && described.files.is_none());
    let refused = client(address)
        .open(&url, &Proof::default(), &new.key)
        .await
        .unwrap_err();
    assert!(refused.says(401, "The link needs a password"), "{refused}");
    let proof = Proof {
        password: new.password,
        ..Proof::default()
    };
    let lease = client(address).open(&url, &proof, &new.key).await.unwrap();
    assert_eq!(lease.files[0].sha256, file.sha256);
    let again = client(address).open(&url, &proof, &new.key).await.unwrap();
    assert_eq!(again.download_url, lease.download_url);
    let changes = LinkChanges {
        password: Some(None),
        note: Some(Some("x".to_owned())),
        ..LinkChanges::default()
    };
    let edited = olivia.edit_link(&made.id, &changes).await.unwrap();
    assert_eq!(
        (
            edited.downloads,
            edited.has_password,
            edited.note.as_deref()
        ),
        (1, false, Some("x"))
    );
    assert_eq!(olivia.links(None).await.unwrap().items.len(), 1);
    assert!(olivia.revoke_link(&made.id).await.unwrap().revoked);
    assert!(olivia.link(&made.id).await.unwrap().revoked);
    assert_eq!(
        olivia.describe(&url).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(
        !olivia
            .link_downloads(&made.id, None)
            .await
            .unwrap()
            .completed
    );
    olivia.file_downloads(&file.id, None).await.unwrap();
    assert!(olivia.groups(None).await.unwrap().items.is_empty());

    let changes = FileChanges {
        audience: Some(Audience::Everybody),
        expires_in: Some(None),
    };
    let changed = olivia.edit_file(&file.id, &changes).await.unwrap();
    assert_eq!(
        (changed.audience, changed.expires_at),
        (Some(Audience::Everybody), None)
    );
    assert_eq!(
        carl.remove_file(&file.id).await.unwrap_err().kind(),
        ErrorKind::Refused
    );
    olivia.remove_file(&file.id).await.unwrap();
    assert_eq!(
        carl.find(&upload.name).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    olivia.sign_out(true).await.unwrap();
    assert!(olivia.token().is_none());
    assert_eq!(
        olivia.session().await.unwrap_err().kind(),
        ErrorKind::SignIn
    );
}

#[tokio::test]
async fn files_that_cannot_be_sent_are_named() {
    let (address, _server) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let olivia = signed_up(address, "olivia", Role::Operations).await;
    for path in [folder.path().join("missing.docx"), folder.path().to_owned()] {
        let upload = Upload::new(&path).unwrap();
        let error = olivia.upload(&upload, &()).await.unwrap_err();
        assert!(
            matches!(&error, Error::File { path: told, .. } if *told == path),
            "{error}"
        );
    }
    assert!(Upload::new("/").is_err());
    let refused = olivia
        .upload(&document(folder.path(), "a.pdf"), &())
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
}

/// Answers each connection in turn with one of these texts, and keeps what was asked.
async fn scripted(answers: &[&'static str]) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (answers, told) = (answers.to_vec(), Arc::clone(&heard));
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 << 10];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            told.lock().unwrap().push(request);
            if answer == "silence" {
                // Until the client goes.
                let _ = stream.read(&mut [0]).await;
                continue;
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, heard)
}

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\
                    Connection: close\r\n\r\n";
const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 26\r\nConnection: close\r\n\r\n\
                     {\"files\":[],\"next\":null}  ";

#[derive(Default)]
struct Waits(Mutex<Vec<Duration>>);

impl Progress for &Waits {
    fn waiting(&self, wait: Duration, _: &Error) {
        self.0.lock().unwrap().push(wait);
    }
}

#[tokio::test]
async fn what_may_come_twice_is_sent_again() {
    let (address, heard) = scripted(&[BUSY, "", EMPTY]).await;
    client(address).files(None, None).await.unwrap();
    assert_eq!(heard.lock().unwrap().len(), 3);

    // An end that may have come is no end to try again.
    let (address, heard) = scripted(&[BUSY, "", EMPTY]).await;
    let lost = client(address).remove_file("x").await.unwrap_err();
    assert!(matches!(lost, Error::Broken { .. }), "{lost}");
    assert_eq!(heard.lock().unwrap().len(), 2);

    let (address, heard) = scripted(&[BUSY; 5]).await;
    let busy = client(address).files(None, None).await.unwrap_err();
    assert_eq!(
        (busy.kind(), heard.lock().unwrap().len()),
        (ErrorKind::Unavailable, 4)
    );

    let long = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 900\r\nContent-Length: 0\r\n\r\n";
    let (address, heard) = scripted(&[long, EMPTY]).await;
    let busy = client(address).files(None, None).await.unwrap_err();
    let asked = busy.problem().unwrap().retry_after;
    assert_eq!(
        (asked, heard.lock().unwrap().len()),
        (Some(Duration::from_secs(900)), 1)
    );
}

#[tokio::test]
async fn an_upload_keeps_its_key_over_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let (address, heard) = scripted(&[
        "",
        BUSY,
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    ])
    .await;
    let upload = document(folder.path(), "a.docx");
    let refused = client(address).upload(&upload, &()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    let heard = heard.lock().unwrap();
    let key = format!("idempotency-key: {}\r\n", upload.key.reveal());
    assert_eq!(
        heard
            .iter()
            .filter(|request| request.contains(&key))
            .count(),
        3,
        "{heard:?}"
    );
}

#[tokio::test]
async fn silence_is_not_waited_for_for_ever() {
    let (address, _) = scripted(&["silence"]).await;
    let builder = Client::builder(format!("http://{address}").parse().unwrap());
    let backoff = Backoff {
        attempts: 1,
        ..Backoff::default()
    };
    let client = builder
        .idle_timeout(Duration::from_millis(50))
        .backoff(backoff)
        .build()
        .unwrap();
    let silent = client.files(None, None).await.unwrap_err();
    assert!(matches!(silent, Error::Silent { .. }), "{silent}");
}

#[tokio::test]
async fn what_is_not_consign_is_told() {
    for (answer, told) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
            "does not answer as Consign does: unknown JSON",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "does not answer as Consign does: unknown JSON",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://b.example/secret\r\nContent-Length: 0\r\n\r\n",
            "it redirects to https://b.example",
        ),
        (
            "HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\n<html>",
            "500 Internal Server Error",
        ),
    ] {
        let (address, _) = scripted(&[answer]).await;
        let error = client(address)
            .files(None, None)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(told) && !error.contains("secret"), "{error}");
    }
}

/// A download link's host is not given the token, which is for another.
#[tokio::test]
async fn a_token_goes_to_its_own_server_alone() {
    let (own, _) = scripted(&[EMPTY]).await;
    let body = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    let (other, heard) = scripted(&[body]).await;
    let client = client(own);
    client.set_token(Some(consign_client::Token::new("secret")));
    let source = Source {
        url: format!("http://{other}/download_file/x").parse().unwrap(),
        size: None,
        sha256: None,
    };
    let mut out = Vec::new();
    let saved = client
        .copy(&source, &mut out, &&Waits::default())
        .await
        .unwrap();
    assert_eq!((&*out, saved.verified), (&b"hi"[..], false));
    assert!(!heard.lock().unwrap()[0].contains("secret"));
}

/// Where nothing can be taken back, a file that is another one ends the download.
#[tokio::test]
async fn what_was_written_is_not_written_again() {
    let first = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"1\"\r\n\r\nhello";
    let rest = "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 5-9/10\r\n\
                ETag: \"1\"\r\nConnection: close\r\n\r\nworld";
    let other =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"2\"\r\nConnection: close\r\n\r\nother";
    let wrong = "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 0-4/10\r\n\
                 Connection: close\r\n\r\nhello";
    for (second, expected) in [
        (rest, Ok("helloworld")),
        (other, Err("another one now")),
        (wrong, Err("another range")),
    ] {
        let (address, heard) = scripted(&[first, second]).await;
        let url = format!("http://{address}/download_file/x").parse().unwrap();
        let source = Source {
            url,
            size: Some(10),
            sha256: None,
        };
        let mut out = Vec::new();
        let waits = Waits::default();
        let copied = client(address).copy(&source, &mut out, &&waits).await;
        match expected {
            Ok(text) => assert_eq!((copied.unwrap().size, &*out), (10, text.as_bytes())),
            Err(told) => assert!(copied.unwrap_err().to_string().contains(told)),
        }
        assert_eq!(waits.0.lock().unwrap().len(), 1);
        let heard = heard.lock().unwrap();
        assert!(
            heard[1].contains("range: bytes=5-\r\n") && heard[1].contains("if-range: \"1\"\r\n")
        );
    }
}

/// A server that sends more than it said is not listened to.
#[tokio::test]
async fn more_than_was_told_of_is_refused() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhelloworld";
    let (address, _) = scripted(&[answer]).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("a.docx");
    let source = Source {
        url: format!("http://{address}/download_file/x").parse().unwrap(),
        size: Some(5),
        sha256: Some("00".repeat(32).parse().unwrap()),
    };
    let refused = client(address)
        .save(&source, &to, false, &())
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Mismatch);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (address, _) = scripted(&[answer]).await;
    let folder = tempfile::tempdir().unwrap();
    let source = Source {
        url: format!("http://{address}/download_file/x").parse().unwrap(),
        size: None,
        sha256: None,
    };
    let to = folder.path().join("a.docx");
    let refused = client(address).save(&source, &to, false, &()).await;
    assert!(refused.is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn two_downloads_do_not_write_to_one_place() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"1\"\r\n\r\nhello";
    let (address, _) = scripted(&[answer, "silence"]).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("a.docx");
    let source = Source {
        url: format!("http://{address}/download_file/x").parse().unwrap(),
        size: Some(10),
        sha256: None,
    };
    let (client, waits) = (client(address), Waits::default());
    let first = async { client.save(&source, &to, false, &&waits).await };
    let second = async {
        while waits.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        client.save(&source, &to, false, &()).await
    };
    tokio::select! {
        first = first => panic!("{first:?}"),
        second = second => assert!(matches!(second.unwrap_err(), Error::Taken(_))),
    }
}

#[test]
fn calls_can_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let client = Client::new("https://a.example".parse().unwrap()).unwrap();
    let source = Source {
        url: client.base().clone(),
        size: None,
        sha256: None,
    };
    let upload = Upload::new("a.docx").unwrap();
    is_send(client.files(None, None));
    is_send(client.upload(&upload, &()));
    is_send(client.save(&source, Path::new("a.docx"), false, &()));
    is_send(client.copy(&source, &mut tokio::io::sink(), &()));
}
