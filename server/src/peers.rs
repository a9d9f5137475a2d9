//! How many connections there are, and how many of them each address has.
//!
//! A seat stands for a connection and the one file that its request holds open. HTTP/2 runs several
//! requests on a connection; each beside the first takes a seat more, or waits for another to end.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use consign_http::ClientAddress;
use metrics::{Counter, Gauge, Unit};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The seats that are taken, by the network they are taken from.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    seats: Arc<Semaphore>,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
    meters: Meters,
}

/// Figures for the recorder that there was at first.
#[derive(Clone)]
struct Meters {
    taken: Gauge,
    refused: Counter,
}

impl Peers {
    /// At most `all` seats, and at most `most` from one network.
    pub(crate) fn new(all: usize, most: usize) -> Self {
        Self {
            seats: Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))),
            counts: Arc::default(),
            most,
            meters: Meters::new(all),
        }
    }

    /// A free seat, once there is one.
    pub(crate) async fn free(&self) -> Free {
        let seat = Arc::clone(&self.seats).acquire_owned().await;
        Free(seat.expect("the semaphore is never closed"))
    }

    /// The seat for a client at `peer`, if its network has not as many as it may. Who comes from
    /// nowhere is not counted: a proxy, behind which there are many.
    pub(crate) fn admit(&self, free: Free, peer: Option<IpAddr>) -> Option<Seat> {
        let seat = self.seat(free, peer.map(|peer| ClientAddress(peer).network()));
        if seat.is_none() {
            self.meters.refused.increment(1);
        }
        seat
    }

    fn seat(&self, free: Free, network: Option<IpAddr>) -> Option<Seat> {
        if let Some(network) = network {
            let mut counts = self.counts();
            let count = counts.entry(network).or_default();
            if *count >= self.most {
                return None;
            }
            *count += 1;
        }
        self.meters.taken.increment(1.0);
        Some(Seat {
            peers: self.clone(),
            network,
            _free: free,
        })
    }

    /// The map is whole between any two calls, so a panic elsewhere does not spoil it.
    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meters {
    fn new(all: usize) -> Self {
        const TAKEN: &str = "consign_connections";
        const LIMIT: &str = "consign_connections_limit";
        const REFUSED: &str = "consign_connections_refused_total";
        let text = "Connections, and requests beside others on one";
        metrics::describe_gauge!(TAKEN, Unit::Count, text);
        metrics::describe_gauge!(LIMIT, Unit::Count, "As many as there can be of them");
        let text = "Connections more than one address may have";
        metrics::describe_counter!(REFUSED, Unit::Count, text);
        metrics::gauge!(LIMIT).set(all as f64);
        Self {
            taken: metrics::gauge!(TAKEN),
            refused: metrics::counter!(REFUSED),
        }
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

/// A seat that nobody sits on yet.
#[derive(Debug)]
pub(crate) struct Free(
    #[expect(dead_code, reason = "it is given back when dropped")] OwnedSemaphorePermit,
);

/// Held by a connection, or by a request beside others, while it lasts.
#[derive(Debug)]
pub(crate) struct Seat {
    peers: Peers,
    network: Option<IpAddr>,
    _free: Free,
}

impl Seat {
    /// One more for the same client, if there is one that it may have.
    fn another(&self) -> Option<Self> {
        let free = Arc::clone(&self.peers.seats).try_acquire_owned().ok()?;
        self.peers.seat(Free(free), self.network)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.peers.meters.taken.decrement(1.0);
        let Some(network) = self.network else { return };
        if let Entry::Occupied(mut count) = self.peers.counts().entry(network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// The turns of a connection's requests.
#[derive(Debug)]
pub(crate) struct Turns {
    seat: Seat,
    /// Whether a request is running on the connection's own seat.
    taken: AtomicBool,
    ended: Notify,
}

impl Turns {
    /// Those of the connection that holds `seat`.
    pub(crate) fn new(seat: Seat) -> Arc<Self> {
        Arc::new(Self {
            seat,
            taken: AtomicBool::new(false),
            ended: Notify::new(),
        })
    }

    /// A turn, if a request need not wait for one.
    pub(crate) fn now(self: &Arc<Self>) -> Option<Turn> {
        let beside = if self.taken.swap(true, Ordering::Acquire) {
            Some(self.seat.another()?)
        } else {
            None
        };
        Some(Turn {
            turns: Arc::clone(self),
            beside,
        })
    }

    /// A turn, when one of the connection's has ended.
    pub(crate) async fn next(self: &Arc<Self>) -> Turn {
        loop {
            let ended = self.ended.notified();
            if let Some(turn) = self.now() {
                return turn;
            }
            ended.await;
        }
    }
}

/// Held by a request until its answer is over.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    /// The seat it runs on; the connection's own when `None`.
    beside: Option<Seat>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.beside.take().is_none() {
            self.turns.taken.store(false, Ordering::Release);
        }
        self.turns.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Peers {
        async fn at(&self, address: &str) -> Option<Seat> {
            self.admit(self.free().await, Some(address.parse().unwrap()))
        }
    }

    #[tokio::test]
    async fn each_network_has_so_many_seats_and_gets_them_back() {
        let peers = Peers::new(4, 2);
        let first = peers.at("192.0.2.1").await.unwrap();
        let second = peers.at("::ffff:192.0.2.1").await.unwrap();
        assert!(peers.at("192.0.2.1").await.is_none());
        let other = peers.at("192.0.2.2").await.unwrap();
        drop(first);
        let third = peers.at("192.0.2.1").await.unwrap();
        assert!(peers.at("192.0.2.1").await.is_none());
        drop((second, third, other));
        assert!(peers.counts().is_empty());
        assert_eq!(peers.seats.available_permits(), 4);
    }

    #[tokio::test]
    async fn a_request_beside_another_counts_like_a_connection() {
        let peers = Peers::new(8, 2);
        let turns = Turns::new(peers.at("192.0.2.1").await.unwrap());
        let own = turns.now().unwrap();
        let beside = turns.now().unwrap();
        assert!(turns.now().is_none(), "its network has two already");
        assert!(peers.at("192.0.2.1").await.is_none());
        drop(own);
        let own = turns.next().await;
        assert!(turns.now().is_none());
        drop(beside);
        let connection = peers.at("192.0.2.1").await.unwrap();
        assert!(turns.now().is_none());
        drop((connection, own, turns));
        assert!(peers.counts().is_empty());
        assert_eq!(peers.seats.available_permits(), 8);
    }

    #[tokio::test]
    async fn a_request_that_waits_goes_on_when_any_beside_it_ends() {
        let peers = Peers::new(8, 2);
        let turns = Turns::new(peers.at("192.0.2.1").await.unwrap());
        for ended in [0, 1] {
            let mut running = vec![turns.now().unwrap(), turns.now().unwrap()];
            let (waiting, first) = (turns.next(), async { drop(running.remove(ended)) });
            let (turn, ()) = tokio::join!(biased; waiting, first);
            assert!(turns.now().is_none());
            drop(turn);
        }
    }

    #[tokio::test]
    async fn requests_beside_others_leave_no_more_seats_than_there_are() {
        let peers = Peers::new(3, 100);
        let turns = Turns::new(peers.admit(peers.free().await, None).unwrap());
        let running: Vec<Turn> = std::iter::from_fn(|| turns.now()).collect();
        assert_eq!(running.len(), 3);
        assert_eq!(peers.seats.available_permits(), 0);
    }
}
