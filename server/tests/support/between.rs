//! What stands between a client and servers: it leads each connection to the next of them, and can be told to
//! refuse, or to hang.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
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
        let (way, seen) = (self.way.subscribe(), Arc::clone(&self.seen));
        self.carrying = Some(tokio::spawn(async move {
            for server in servers.into_iter().cycle() {
                let Ok((client, _)) = listener.accept().await else {
                    return;
                };
                seen.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(client, server, way.clone(), Arc::clone(&seen)));
            }
        }));
    }

    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
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

impl Drop for Between {
    fn drop(&mut self) {
        if let Some(carrying) = &self.carrying {
            carrying.abort();
        }
    }
}

async fn carry(
    client: TcpStream,
    server: SocketAddr,
    mut way: watch::Receiver<Way>,
    seen: Arc<Seen>,
) {
    let mut shut = way.clone();
    let shut = async move {
        // Nobody can open or shut it any more, and it stays as it is.
        if shut.wait_for(|way| *way == Way::Shut).await.is_err() {
            std::future::pending::<()>().await;
        }
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
            forward(from_client, to_server, way.clone(), Some(&seen)).await;
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
    seen: Option<&Seen>,
) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        moves(&mut way).await;
        let piece = &piece[..read];
        if let Some(seen) = seen {
            let requests = String::from_utf8_lossy(piece)
                .matches(" HTTP/1.1\r\n")
                .count();
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
