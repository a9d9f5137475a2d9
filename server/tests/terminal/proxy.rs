//! Something between a client and its server that breaks connections where it is told.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What becomes of the answer to a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It ends after so many bytes.
    Cut(usize),
    /// Nothing comes after so many bytes.
    Stall(usize),
    /// This byte of it is another.
    Flip(usize),
    /// It gets lost, after the server has done its work.
    Lose,
}

#[derive(Default)]
struct Shared {
    server: Option<SocketAddr>,
    /// What is to happen to requests that begin like this, one each.
    faults: VecDeque<(&'static str, Fault)>,
    /// What was sent to the server.
    heard: Vec<u8>,
}

pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Proxy {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared::default()));
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for client in listener.incoming().map_while(Result::ok) {
                    let server = shared.lock().unwrap().server.unwrap();
                    let Ok(server) = TcpStream::connect(server) else {
                        continue;
                    };
                    join(&client, &server, &shared);
                }
            }
        });
        Self { address, shared }
    }

    pub fn leads_to(&self, server: SocketAddr) {
        self.shared.lock().unwrap().server = Some(server);
    }

    /// Has this happen to the next request that begins like this.
    pub fn next(&self, request: &'static str, fault: Fault) {
        self.shared
            .lock()
            .unwrap()
            .faults
            .push_back((request, fault));
    }

    /// How often the server was sent this.
    pub fn heard(&self, text: &str) -> usize {
        let heard = self.shared.lock().unwrap();
        let heard = String::from_utf8_lossy(&heard.heard).to_lowercase();
        heard.matches(&text.to_lowercase()).count()
    }

    /// Whether all that was to happen has.
    pub fn is_done(&self) -> bool {
        self.shared.lock().unwrap().faults.is_empty()
    }
}

fn join(client: &TcpStream, server: &TcpStream, shared: &Arc<Mutex<Shared>>) {
    let fault = Arc::new(Mutex::new(None));
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn({
        let (fault, shared) = (Arc::clone(&fault), Arc::clone(shared));
        move || {
            let mut piece = vec![0; 64 << 10];
            while let Ok(read @ 1..) = from.read(&mut piece) {
                let mut shared = shared.lock().unwrap();
                shared.heard.extend_from_slice(&piece[..read]);
                if let Some((request, next)) = shared.faults.front().copied()
                    && piece[..read].starts_with(request.as_bytes())
                {
                    shared.faults.pop_front();
                    *fault.lock().unwrap() = Some((next, 0));
                }
                drop(shared);
                if to.write_all(&piece[..read]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        }
    });
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        let mut piece = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut piece) {
            let mut len = read;
            let mut ends = false;
            let mut stalls = false;
            if let Some((fault, at)) = &mut *fault.lock().unwrap() {
                match *fault {
                    Fault::Cut(most) => {
                        len = read.min(most - *at);
                        ends = len < read;
                    }
                    Fault::Stall(most) => {
                        len = read.min(most - *at);
                        stalls = len < read;
                    }
                    Fault::Flip(which) if (*at..*at + read).contains(&which) => {
                        piece[which - *at] ^= 1;
                    }
                    Fault::Flip(_) => {}
                    Fault::Lose => {
                        len = 0;
                        ends = true;
                    }
                }
                *at += len;
            }
            if to.write_all(&piece[..len]).is_err() || ends {
                break;
            }
            if stalls {
                // Until whoever waits gives up.
                let _ = to.peek(&mut [0]);
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
