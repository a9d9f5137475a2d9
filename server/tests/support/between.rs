//! What stands between a client and servers: it leads each connection to the next of them, and can be told to
//! refuse, or to hang.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What becomes of connections, those that there are and new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Open,
    /// They are reset.
    Shut,
    /// They stay, and nothing comes through.
    Stuck,
}

pub struct Between {
    pub address: SocketAddr,
    listener: Option<TcpListener>,
    carrying: Option<JoinHandle<()>>,
    way: watch::Sender<Way>,
    seen: Arc<Seen>,
}

/// What has come.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// What is in the request that nothing comes through from on.
    last: Mutex<Option<String>>,
}

impl Between {
    pub async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener: Some(listener),
            carrying: None,
            way: watch::Sender::new(Way::Open),
            seen: Arc::default(),
        }
    }

    /// Leads connections to these in turn from now on.
    pub fn lead_to(&mut self, servers: Vec<SocketAddr>) {
        let listener = self.listener.take().unwrap();
        let (told, seen) = (self.way.clone(), Arc::clone(&self.seen));
        self.carrying = Some(tokio::spawn(async move {
            for server in servers.into_iter().cycle() {
                let Ok((client, _)) = listener.accept().await else {
                    return;
                };
                seen.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(client, server, told.clone(), Arc::clone(&seen)));
            }
        }));
    }

    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Has all be stuck from the first request on that has this in its head.
    pub fn stick_at(&self, text: &str) {
        *self.seen.last.lock().unwrap() = Some(text.to_owned());
    }

    pub fn is_stuck(&self) -> bool {
        *self.way.borrow() == Way::Stuck
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Requests of HTTP/1.1 that came through so far.
    pub fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }
}

impl Seen {
    /// Whether this is the request to stick at; of several the first.
    fn is_last(&self, text: &str) -> bool {
        let mut last = self.last.lock().unwrap();
        last.take_if(|last| text.contains(last.as_str())).is_some()
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        if let Some(carrying) = &self.carrying {
            carrying.abort();
        }
    }
}

async fn carry(client: TcpStream, server: SocketAddr, told: watch::Sender<Way>, seen: Arc<Seen>) {
    let mut way = told.subscribe();
    let mut shut = way.clone();
    let shut = async move {
        let _ = shut.wait_for(|way| *way == Way::Shut).await;
    };
    let mut client = client;
    let carried = async {
        moves(&mut way).await;
        let mut server = TcpStream::connect(server).await.ok()?;
        client.set_nodelay(true).ok()?;
        server.set_nodelay(true).ok()?;
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let out = async {
            forward(from_client, to_server, way.clone(), Some((&seen, &told))).await;
            std::future::pending::<()>().await;
        };
        // Until the server ends it: an answer may come when its request cannot be sent any more.
        tokio::select! {
            () = out => {}
            () = forward(from_server, to_client, way.clone(), None) => {}
        }
        Some(())
    };
    let is_shut = tokio::select! {
        biased;
        () = shut => true,
        _ = carried => false,
    };
    if is_shut {
        let _ = client.set_zero_linger();
    }
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut way: watch::Receiver<Way>,
    seen: Option<(&Seen, &watch::Sender<Way>)>,
) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        moves(&mut way).await;
        let piece = &piece[..read];
        if let Some((seen, told)) = seen {
            let text = String::from_utf8_lossy(piece);
            if seen.is_last(&text) {
                told.send_replace(Way::Stuck);
                moves(&mut way).await;
            }
            let requests = text.matches(" HTTP/1.1\r\n").count();
            seen.requests.fetch_add(requests, Ordering::SeqCst);
        }
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// Waits until something can come through.
async fn moves(way: &mut watch::Receiver<Way>) {
    let _ = way.wait_for(|way| *way != Way::Stuck).await;
}
