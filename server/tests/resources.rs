//! What the server takes of the machine, and what it does when there is no more of it.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{fs, io::BufWriter, sync::Arc};

use consign_http::testing::{DOCX, Form, Request};
use support::{
    Home, Server,
    engines::Engines,
    package::{docx, write_docx},
    soon, text,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MIB: u64 = 1 << 20;

/// The most memory that a process has had since that was last forgotten, in bytes.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[tokio::test]
async fn a_large_file_takes_little_memory() {
    takes_little_memory(Server::new(), 300 * MIB, 64 * MIB).await;
}

/// A part of 8 MiB on its way in, and windows of 3 MiB on the way out.
#[tokio::test]
#[ignore = "needs S3: see scripts/engines"]
async fn a_large_file_takes_little_memory_on_its_way_to_a_bucket() {
    let engines = Arc::new(Engines::s3().await);
    let server = Server::on(&Home::of(&engines), |_| {});
    takes_little_memory(server, 128 * MIB, 64 * MIB).await;
}

/// A file of this size takes no more than so much more memory than a small one, coming and going.
async fn takes_little_memory(server: Server, padding: u64, most: u64) {
    let Some(_) = peak(server.pid()) else {
        println!("skipped: there is no /proc");
        return;
    };
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    // What passwords take, and what a first file does.
    server
        .upload(&olga, "small.docx", &DOCX.document("small"))
        .await;
    // From now on: what a password took hides nothing.
    let _ = fs::write(format!("/proc/{}/clear_refs", server.pid()), "5");
    let idle = peak(server.pid()).unwrap();

    let path = server.home.path().join("large.docx");
    let file = fs::File::create(&path).unwrap();
    write_docx(BufWriter::with_capacity(1 << 20, file), 1, padding);
    let size = fs::metadata(&path).unwrap().len();
    let around = Form::of_file("large.docx", b"CONTENT").finish().1;
    let at = around
        .windows(7)
        .position(|window| window == b"CONTENT")
        .unwrap();
    let (before, after) = (&around[..at], &around[at + 7..]);
    let head = Request::post("/upload")
        .bearer(&olga)
        .header("Content-Type", Form::content_type())
        .header(
            "Content-Length",
            (size + around.len() as u64 - 7).to_string(),
        )
        .header("Connection", "close")
        .head_bytes(server.address);
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    stream.write_all(&[&head, before].concat()).await.unwrap();
    let mut file =
        tokio::io::BufReader::with_capacity(1 << 18, ReadFile(fs::File::open(&path).unwrap()));
    let sent = soon(tokio::io::copy_buf(&mut file, &mut stream))
        .await
        .unwrap();
    assert_eq!(sent, size);
    stream.write_all(after).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        answer.escape_ascii()
    );
    let uploaded = peak(server.pid()).unwrap();

    let link = server.link(&carl, "large.docx").await;
    let request = Request::get(link).header("Connection", "close");
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    stream
        .write_all(&request.bytes(server.address))
        .await
        .unwrap();
    let (mut got, mut piece) = (0, vec![0; 1 << 18]);
    loop {
        match soon(stream.read(&mut piece)).await.unwrap() {
            0 => break,
            read => got += read as u64,
        }
    }
    assert!(got > size && got < size + 10_000, "{got} bytes");
    let downloaded = peak(server.pid()).unwrap();
    println!(
        "most memory: {} MiB idle, {} MiB after an upload of {} MiB, {} MiB after its download",
        idle / MIB,
        uploaded / MIB,
        size / MIB,
        downloaded / MIB,
    );
    assert!(downloaded < idle + most, "{} MiB", downloaded / MIB);
}

/// A file that is read where one is: the test waits for nothing else meanwhile.
struct ReadFile(fs::File);

impl tokio::io::AsyncRead for ReadFile {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let read = std::io::Read::read(&mut self.0, buffer.initialize_unfilled())?;
        buffer.advance(read);
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_file_beyond_the_limit_of_files_is_refused_and_no_more() {
    let home = Home::new();
    // Blocks of 512 bytes, or of 1024 where the shell thinks so: 4 or 8 MiB.
    let mut command = home.consign_after("ulimit -f 8192");
    command.args(["serve", "--listen=127.0.0.1:0"]);
    let server = Server::spawn(&home, command);
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    for _ in 0..2 {
        let large = Form::of_file("large.docx", &docx(1, 12 << 20));
        let request = Request::post("/upload").bearer(&olga).form(large);
        let answer = server.call(request).await;
        answer.is_problem(507, "The server has no room left");
        assert!(server.files(&olga).await.is_empty());
        assert!(home.stored("stages").is_empty() && home.stored("blobs").is_empty());
        server.serves().await;
    }
    let content = docx(2, 300_000);
    server.upload(&olga, "small.docx", &content).await;
    let link = server.link(&carl, "small.docx").await;
    assert!(server.call(Request::get(link)).await.body == content);
    let files = server.files(&olga).await;
    assert_eq!(text(&files[0]["filename"]), "small.docx");
    server.stop();
}

#[tokio::test]
async fn more_connections_than_open_files_keep_nobody_from_their_file() {
    let home = Home::new();
    let mut command = home.consign_after("ulimit -n 160");
    command.args(["serve", "--listen=127.0.0.1:0", "--header-timeout=600s"]);
    let server = Server::spawn(&home, command);
    server.tells("the limit of open files is 160");
    let olga = server.sign_up("olga", true).await;
    let carl = server.sign_up("carl", false).await;
    let mut connection = server.connect().await;
    soon(connection.exchange(&Request::get("/healthz")))
        .await
        .has_status(200);
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(
            tokio::net::TcpStream::connect(server.address)
                .await
                .unwrap(),
        );
    }
    let content = docx(1, 100_000);
    for at in 0..20 {
        let form = Form::of_file(&format!("{at}.docx"), &content);
        let upload = Request::post("/upload").bearer(&olga).form(form);
        soon(connection.exchange(&upload)).await.has_status(200);
        let link = Request::get(format!("/generate_download_url/{at}.docx")).bearer(&carl);
        let link = text(&soon(connection.exchange(&link)).await.is_json(200)["download_url"]);
        let (_, token) = link.rsplit_once('/').unwrap();
        let download = Request::get(format!("/download_file/{token}"));
        assert!(
            soon(connection.exchange(&download))
                .await
                .has_status(200)
                .body
                == content
        );
    }
    drop(silent);
    server.comes_to_serve().await;
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_nobody_up() {
    let home = Home::new();
    // Open for reading too, so that it takes what a pipe holds, and then blocks.
    let mut command = home.consign_after("mkfifo log && exec 2<>log");
    command.args(["serve", "--listen=127.0.0.1:0", "--log=debug"]);
    let server = Server::spawn(&home, command);
    let mut connection = server.connect().await;
    for _ in 0..2000 {
        soon(connection.exchange(&Request::get("/healthz")))
            .await
            .has_status(200);
    }
    server.stop();
}
