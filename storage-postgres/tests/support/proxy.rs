//! A way to the database that can be cut or frozen.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

use std::{
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
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
    /// The next commit is handed on, and an error is told in place of what became of it.
    SpoilsAnswer,
    /// The next commit is not handed on, and its connection ends.
    LosesCommit,
    /// It is frozen from the next statement on in which this is, which is not handed on before it is open again.
    FreezesAt(&'static str),
}

#[derive(Clone, Debug)]
pub struct Proxy {
    port: u16,
    begun: Arc<AtomicUsize>,
    connects: Arc<AtomicUsize>,
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
        let begun = Arc::new(AtomicUsize::new(0));
        let connects = Arc::new(AtomicUsize::new(0));
        let proxy = Self {
            port,
            begun: begun.clone(),
            connects: connects.clone(),
            way: way.clone(),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                connects.fetch_add(1, Ordering::SeqCst);
                if *way.borrow() == Way::Closed {
                    continue;
                }
                let server = TcpStream::connect(&host).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let fate = Arc::new(Mutex::new(Fate::Told));
                let (there, back) = (way.clone(), way.clone());
                let begun = Some(begun.clone());
                tokio::spawn(pass(from_client, to_server, there, fate.clone(), begun));
                tokio::spawn(pass(from_server, to_client, back, fate, None));
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

    /// How many transactions were begun.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// How many connections were made to it, or tried.
    pub fn connects(&self) -> usize {
        self.connects.load(Ordering::SeqCst)
    }

    pub fn way(&self) -> Way {
        *self.way.borrow()
    }

    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

/// A commit as a client sends it.
pub const COMMIT: &str = "COMMIT\0";

/// What becomes of the answer to a commit that was handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Told,
    Lost,
    Spoilt,
}

/// Some error, and that the session is ready for more.
const AN_ERROR: &[u8] = b"E\0\0\0\x22SERROR\0VERROR\0CXX000\0Mspoilt\0\0Z\0\0\0\x05I";

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Arc<watch::Sender<Way>>,
    fate: Arc<Mutex<Fate>>,
    begun: Option<Arc<AtomicUsize>>,
) {
    let is_client = begun.is_some();
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
        let mut bytes = &buffer[..read];
        if let Some(begun) = &begun
            && bytes.windows(6).any(|part| part == b"BEGIN;")
        {
            begun.fetch_add(1, Ordering::SeqCst);
        }
        let thawed = ways.wait_for(|way| *way != Way::Frozen).await;
        let now = *thawed.unwrap();
        let has = |text: &str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        let is_commit = is_client && has(COMMIT);
        match now {
            Way::Closed => return,
            Way::LosesCommit if is_commit => {
                way.send_replace(Way::Open);
                return;
            }
            Way::FreezesAt(text) if is_client && has(text) => {
                way.send_replace(Way::Frozen);
                let _ = ways.wait_for(|way| *way != Way::Frozen).await;
            }
            Way::LosesAnswer | Way::SpoilsAnswer if is_commit => {
                *fate.lock().unwrap() = match now {
                    Way::LosesAnswer => Fate::Lost,
                    _ => Fate::Spoilt,
                };
                way.send_replace(Way::Open);
            }
            _ => {}
        }
        if !is_client {
            match mem::replace(&mut *fate.lock().unwrap(), Fate::Told) {
                Fate::Told => {}
                Fate::Lost => return,
                Fate::Spoilt => bytes = AN_ERROR,
            }
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
