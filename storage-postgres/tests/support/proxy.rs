//! A way to the database that can be cut or frozen.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What becomes of what a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Nothing is handed on in either direction, until it is open again.
    Frozen,
    /// No connection is taken, and none goes on.
    Closed,
    /// The next commit is handed on, and then its connection ends: nobody hears what became of it.
    LosesAnswer,
    /// The next commit is not handed on, and its connection ends.
    LosesCommit,
    /// It is frozen from the next commit on, which is not handed on before it is open again.
    FreezesAtCommit,
}

#[derive(Clone, Debug)]
pub struct Proxy {
    port: u16,
    way: Arc<watch::Sender<Way>>,
}

impl Proxy {
    /// To the database of a URL.
    pub async fn to(url: &str) -> Self {
        let host = url
            .rsplit('@')
            .next()
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Arc::new(watch::Sender::new(Way::Open));
        let proxy = Self {
            port,
            way: way.clone(),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *way.borrow() == Way::Closed {
                    continue;
                }
                let server = TcpStream::connect(&host).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let cut = Arc::new(AtomicBool::new(false));
                tokio::spawn(pass(from_client, to_server, way.clone(), cut.clone(), true));
                tokio::spawn(pass(from_server, to_client, way.clone(), cut, false));
            }
        });
        proxy
    }

    /// The same database, this way.
    pub fn url(&self, url: &str) -> String {
        let (before, after) = url.split_once('@').unwrap();
        let (_, database) = after.split_once('/').unwrap();
        format!(
            "{before}@127.0.0.1:{}/{database}?sslmode=disable",
            self.port
        )
    }

    pub fn way(&self) -> Way {
        *self.way.borrow()
    }

    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Arc<watch::Sender<Way>>,
    cut: Arc<AtomicBool>,
    is_client: bool,
) {
    let mut ways = way.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            _ = ways.wait_for(|way| *way == Way::Closed) => return,
        };
        if read == 0 {
            return;
        }
        let bytes = &buffer[..read];
        let thawed = ways.wait_for(|way| *way != Way::Frozen).await;
        let now = *thawed.unwrap();
        let is_commit = is_client && bytes.windows(7).any(|part| part == b"COMMIT\0");
        match now {
            Way::Closed => return,
            Way::LosesCommit if is_commit => {
                way.send_replace(Way::Open);
                return;
            }
            Way::FreezesAtCommit if is_commit => {
                way.send_replace(Way::Frozen);
                let _ = ways.wait_for(|way| *way != Way::Frozen).await;
            }
            Way::LosesAnswer if is_commit => {
                cut.store(true, Ordering::SeqCst);
                way.send_replace(Way::Open);
            }
            _ if !is_client && cut.load(Ordering::SeqCst) => return,
            _ => {}
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
