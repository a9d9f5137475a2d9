//! How often something may be asked for: by each address, and for each account.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use consign_core::id::{LeaseId, UserId};
use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed, keyed::HashMapStateStore},
};
use http::Extensions;

use crate::problem::{Failure, Problem};

/// Addresses, or accounts, that are told apart at most: beyond it all others are one.
const MAX_KEYS: usize = 1 << 16;

/// How often those are forgotten at most who have asked for nothing of late.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

/// Where a request comes from: an extension that the front end gives the request, if it knows.
/// Without it only accounts are limited.
///
/// It is what the limits believe, so it is the peer of the connection, or what a *trusted* proxy
/// says of it; never simply a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// What is one client's as a rule: the address itself, or of IPv6 the first 64 bits.
    pub fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        }
    }
}

/// So many at once, and then one each time a period has passed (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: NonZeroU32,
    period: Duration,
}

impl Rate {
    /// `burst` at once, then one each `period`. A period of no time is one of a nanosecond.
    pub const fn new(burst: NonZeroU32, period: Duration) -> Self {
        let period = match period {
            Duration::ZERO => Duration::from_nanos(1),
            period => period,
        };
        Self { burst, period }
    }

    const fn of(burst: u32, millis: u64) -> Self {
        let burst = match NonZeroU32::new(burst) {
            Some(burst) => burst,
            None => NonZeroU32::MIN,
        };
        Self::new(burst, Duration::from_millis(millis))
    }

    fn quota(self) -> Quota {
        let quota = Quota::with_period(self.period).expect("no rate has a period of no time");
        quota.allow_burst(self.burst)
    }
}

/// How often one thing may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// From one address: see [`ClientAddress::network`].
    pub by_address: Rate,
    /// For one account.
    pub by_account: Rate,
}

/// How often each thing that guesses at a secret, or costs much, may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Logins; their account is the name that is given.
    pub login: Limit,
    /// Registrations; their account is who invites, or else the name that is asked for.
    pub registration: Limit,
    /// Downloads; their account is the one whose link it is, and of a managed link the lease.
    pub redemption: Limit,
    /// Looks at managed links, and openings of them; their account is the link.
    pub opening: Limit,
}

impl Default for Rates {
    /// Enough for an office behind one address, too little for who guesses.
    fn default() -> Self {
        Self {
            login: Limit {
                by_address: Rate::of(60, 1000),
                by_account: Rate::of(20, 5000),
            },
            registration: Limit {
                by_address: Rate::of(20, 10_000),
                by_account: Rate::of(20, 10_000),
            },
            redemption: Limit {
                by_address: Rate::of(300, 33),
                by_account: Rate::of(600, 16),
            },
            opening: Limit {
                by_address: Rate::of(120, 500),
                by_account: Rate::of(600, 16),
            },
        }
    }
}

/// Keeps count, and refuses what is too much.
#[derive(Debug)]
pub(crate) struct Limiter {
    pub(crate) login: Counted,
    pub(crate) registration: Counted,
    pub(crate) redemption: Counted,
    pub(crate) opening: Counted,
}

impl Limiter {
    pub(crate) fn new(rates: Rates) -> Self {
        let start = Instant::now();
        Self::with_ticks(rates, Arc::new(move || start.elapsed()))
    }

    /// On a time of the caller's, counted from any beginning.
    pub(crate) fn with_ticks(rates: Rates, ticks: Arc<dyn Fn() -> Duration + Send + Sync>) -> Self {
        let ticks = Ticks(ticks);
        Self {
            login: Counted::new(rates.login, &ticks),
            registration: Counted::new(rates.registration, &ticks),
            redemption: Counted::new(rates.redemption, &ticks),
            opening: Counted::new(rates.opening, &ticks),
        }
    }
}

/// One thing that is asked for.
#[derive(Debug)]
pub(crate) struct Counted {
    addresses: Keyed<IpAddr>,
    accounts: Keyed<u64>,
    names: RandomState,
}

impl Counted {
    fn new(limit: Limit, ticks: &Ticks) -> Self {
        Self {
            addresses: Keyed::new(limit.by_address, ticks),
            accounts: Keyed::new(limit.by_account, ticks),
            names: RandomState::new(),
        }
    }

    /// Counts one from where the request came from.
    pub(crate) fn count_address(&self, extensions: &Extensions) -> Result<(), Failure> {
        match extensions.get::<ClientAddress>() {
            Some(address) => self.addresses.count(&address.network()),
            None => Ok(()),
        }
    }

    /// Counts one for the account of this name.
    pub(crate) fn count_name(&self, name: &str) -> Result<(), Failure> {
        self.accounts.count(&self.names.hash_one(name))
    }

    /// Counts one for a lease, as an account of its own.
    pub(crate) fn count_lease(&self, lease: LeaseId) -> Result<(), Failure> {
        self.accounts.count(&self.names.hash_one(lease))
    }

    /// Counts one for a user's account.
    pub(crate) fn count_user(&self, user: UserId) -> Result<(), Failure> {
        self.accounts.count(&self.names.hash_one(user))
    }
}

type Counter<K, S> = RateLimiter<K, S, Ticks, NoOpMiddleware<Nanos>>;

struct Keyed<K: Hash + Eq + Clone> {
    each: Counter<K, HashMapStateStore<K>>,
    /// All who come when no more can be told apart.
    crowd: Counter<NotKeyed, InMemoryState>,
    ticks: Ticks,
    /// When those were last forgotten who have asked for nothing of late: nanoseconds.
    pruned: AtomicU64,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    fn new(rate: Rate, ticks: &Ticks) -> Self {
        let quota = rate.quota();
        Self {
            each: RateLimiter::hashmap_with_clock(quota, ticks.clone()),
            crowd: RateLimiter::direct_with_clock(quota, ticks.clone()),
            ticks: ticks.clone(),
            pruned: AtomicU64::new(0),
        }
    }

    fn count(&self, key: &K) -> Result<(), Failure> {
        if self.each.len() >= MAX_KEYS {
            self.prune();
        }
        let checked = if self.each.len() < MAX_KEYS {
            self.each.check_key(key)
        } else {
            self.crowd.check()
        };
        checked.map_err(|not_until| {
            let wait = not_until.wait_time_from(self.ticks.now());
            Problem::too_many("Too many requests, try again later", wait).into()
        })
    }

    fn prune(&self) {
        let now = self.ticks.now().as_u64();
        let before = self.pruned.load(Ordering::Relaxed);
        let every = u64::try_from(PRUNE_EVERY.as_nanos()).unwrap_or(u64::MAX);
        let due = before == 0 || now.saturating_sub(before) >= every;
        let mine = due
            && self
                .pruned
                .compare_exchange(before, now.max(1), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if mine {
            self.each.retain_recent();
        }
    }
}

impl<K: Hash + Eq + Clone> fmt::Debug for Keyed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("keys", &self.each.len())
            .finish_non_exhaustive()
    }
}

/// A clock that nobody sets back.
#[derive(Clone)]
struct Ticks(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        (self.0)().into()
    }
}

impl fmt::Debug for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticks")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        limiter: Limiter,
        millis: Arc<AtomicU64>,
    }

    impl Bench {
        fn new(rate: Rate) -> Self {
            let limit = Limit {
                by_address: rate,
                by_account: rate,
            };
            let rates = Rates {
                login: limit,
                registration: limit,
                redemption: limit,
                opening: limit,
            };
            let millis = Arc::<AtomicU64>::default();
            let ticks = Arc::clone(&millis);
            let ticks = move || Duration::from_millis(ticks.load(Ordering::SeqCst));
            Self {
                limiter: Limiter::with_ticks(rates, Arc::new(ticks)),
                millis,
            }
        }

        fn pass(&self, millis: u64) {
            self.millis.fetch_add(millis, Ordering::SeqCst);
        }

        fn from(&self, address: &str) -> bool {
            let mut extensions = Extensions::new();
            extensions.insert(ClientAddress(address.parse().unwrap()));
            self.limiter.login.count_address(&extensions).is_ok()
        }
    }

    #[test]
    fn a_burst_passes_and_then_one_each_period() {
        let bench = Bench::new(Rate::of(3, 1000));
        for _ in 0..3 {
            assert!(bench.from("192.0.2.1"));
        }
        assert!(!bench.from("192.0.2.1"));
        assert!(bench.from("192.0.2.2"), "another address is another's");
        bench.pass(999);
        assert!(!bench.from("192.0.2.1"));
        bench.pass(1);
        assert!(bench.from("192.0.2.1"));
        assert!(!bench.from("192.0.2.1"));
        bench.pass(10_000);
        for _ in 0..3 {
            assert!(bench.from("192.0.2.1"));
        }
        assert!(!bench.from("192.0.2.1"), "no more is saved up than a burst");
    }

    #[test]
    fn addresses_are_told_apart_by_what_a_client_has() {
        let bench = Bench::new(Rate::of(1, 1000));
        assert!(bench.from("2001:db8:1:2::1"));
        assert!(!bench.from("2001:db8:1:2:ffff::9"), "the same network");
        assert!(bench.from("2001:db8:1:3::1"));
        assert!(bench.from("192.0.2.1"));
        assert!(
            !bench.from("::ffff:192.0.2.1"),
            "the same address, written anew"
        );
        let nowhere = Extensions::new();
        for _ in 0..9 {
            assert!(bench.limiter.login.count_address(&nowhere).is_ok());
        }
    }

    #[test]
    fn accounts_and_things_are_counted_apart() {
        let bench = Bench::new(Rate::of(1, 1000));
        let limiter = &bench.limiter;
        assert!(limiter.login.count_name("ann").is_ok());
        assert!(limiter.login.count_name("ann").is_err());
        assert!(limiter.login.count_name("Ann").is_ok());
        assert!(limiter.registration.count_name("ann").is_ok());
        let user = UserId::from_bytes([1; 16]);
        assert!(limiter.redemption.count_user(user).is_ok());
        assert!(limiter.redemption.count_user(user).is_err());
        assert!(
            limiter
                .redemption
                .count_user(UserId::from_bytes([2; 16]))
                .is_ok()
        );
    }

    #[test]
    fn the_keys_are_bounded_and_forgotten_once_they_are_quiet() {
        let bench = Bench::new(Rate::of(2, 1000));
        let accounts = &bench.limiter.login.accounts;
        let fill = |from: u64| {
            for key in from..from + MAX_KEYS as u64 {
                let _ = accounts.count(&key);
            }
        };
        fill(0);
        assert_eq!(accounts.each.len(), MAX_KEYS);
        // Those who come now share one count.
        let taken = (0..10).filter(|n| accounts.count(&(1 << 40 | n)).is_ok());
        assert_eq!(taken.count(), 2);
        bench.pass(5000);
        assert!(accounts.count(&(1 << 41)).is_ok());
        assert_eq!(accounts.each.len(), 1);
    }
}
