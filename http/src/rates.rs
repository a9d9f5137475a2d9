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

use consign_core::{
    Consign,
    id::{LeaseId, UserId},
    limit::Rate,
};
use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed, keyed::HashMapStateStore},
};
use http::Extensions;

use self::shared::Shared;
use crate::problem::{Failure, Problem};

mod shared;

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
                by_address: rate(60, 1000),
                by_account: rate(20, 5000),
            },
            registration: Limit {
                by_address: rate(20, 10_000),
                by_account: rate(20, 10_000),
            },
            redemption: Limit {
                by_address: rate(300, 33),
                by_account: rate(600, 16),
            },
            opening: Limit {
                by_address: rate(120, 500),
                by_account: rate(600, 16),
            },
        }
    }
}

const fn rate(burst: u32, millis: u64) -> Rate {
    let burst = match NonZeroU32::new(burst) {
        Some(burst) => burst,
        None => NonZeroU32::MIN,
    };
    Rate::new(burst, Duration::from_millis(millis))
}

/// What is limited, if anything is. Clones share one count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits(Option<Arc<Limiter>>);

/// Keeps count, and refuses what is too much.
#[derive(Debug)]
struct Limiter {
    login: Counted,
    registration: Counted,
    redemption: Counted,
    opening: Counted,
}

impl Limits {
    /// Of this service; where it [counts with others](Consign::shares_limits), downloads are counted here alone.
    pub(crate) fn new(rates: Rates, consign: &Consign) -> Self {
        let start = Instant::now();
        Self::with_ticks(rates, consign, Arc::new(move || start.elapsed()))
    }

    /// On a time of the caller's, counted from any beginning, for what is counted here.
    pub(crate) fn with_ticks(
        rates: Rates,
        consign: &Consign,
        ticks: Arc<dyn Fn() -> Duration + Send + Sync>,
    ) -> Self {
        let ticks = Ticks(ticks);
        let shared = |thing| {
            let consign = consign.shares_limits().then(|| consign.clone())?;
            Some(Shared::new(consign, thing, &ticks))
        };
        Self(Some(Arc::new(Limiter {
            login: Counted::new(rates.login, &ticks, shared("login")),
            registration: Counted::new(rates.registration, &ticks, shared("registration")),
            redemption: Counted::new(rates.redemption, &ticks, None),
            opening: Counted::new(rates.opening, &ticks, shared("opening")),
        })))
    }

    pub(crate) fn login(&self) -> Limited<'_> {
        self.limited(|limiter| &limiter.login)
    }

    pub(crate) fn registration(&self) -> Limited<'_> {
        self.limited(|limiter| &limiter.registration)
    }

    pub(crate) fn redemption(&self) -> Limited<'_> {
        self.limited(|limiter| &limiter.redemption)
    }

    pub(crate) fn opening(&self) -> Limited<'_> {
        self.limited(|limiter| &limiter.opening)
    }

    fn limited(&self, which: fn(&Limiter) -> &Counted) -> Limited<'_> {
        Limited(self.0.as_deref().map(which))
    }
}

/// One thing that is asked for, if it is limited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limited<'l>(Option<&'l Counted>);

impl Limited<'_> {
    /// Counts one from where the request came from.
    pub(crate) async fn count_address(self, extensions: &Extensions) -> Result<(), Failure> {
        match (self.0, extensions.get::<ClientAddress>()) {
            (Some(counted), Some(address)) => counted.address(address.network()).await,
            _ => Ok(()),
        }
    }

    /// Counts one for the account of this name.
    pub(crate) async fn count_name(self, name: &str) -> Result<(), Failure> {
        self.account("name", name.as_bytes()).await
    }

    /// Counts one for a lease, as an account of its own.
    pub(crate) async fn count_lease(self, lease: LeaseId) -> Result<(), Failure> {
        self.account("lease", lease.as_bytes()).await
    }

    /// Counts one for a user's account.
    pub(crate) async fn count_user(self, user: UserId) -> Result<(), Failure> {
        self.account("user", user.as_bytes()).await
    }

    async fn account(self, kind: &str, account: &[u8]) -> Result<(), Failure> {
        match self.0 {
            Some(counted) => counted.account(kind, account).await,
            None => Ok(()),
        }
    }
}

/// One thing that is asked for.
#[derive(Debug)]
struct Counted {
    limit: Limit,
    addresses: Keyed<IpAddr>,
    accounts: Keyed<u64>,
    names: RandomState,
    /// Who counts in the place of these.
    shared: Option<Shared>,
}

impl Counted {
    fn new(limit: Limit, ticks: &Ticks, shared: Option<Shared>) -> Self {
        Self {
            limit,
            addresses: Keyed::new(limit.by_address, ticks),
            accounts: Keyed::new(limit.by_account, ticks),
            names: RandomState::new(),
            shared,
        }
    }

    async fn address(&self, network: IpAddr) -> Result<(), Failure> {
        let Some(shared) = &self.shared else {
            return self.addresses.count(&network);
        };
        let (four, six);
        let octets: &[u8] = match network {
            IpAddr::V4(address) => {
                four = address.octets();
                &four
            }
            IpAddr::V6(address) => {
                six = address.octets();
                &six
            }
        };
        shared.count("address", octets, self.limit.by_address).await
    }

    async fn account(&self, kind: &str, account: &[u8]) -> Result<(), Failure> {
        match &self.shared {
            Some(shared) => shared.count(kind, account, self.limit.by_account).await,
            None => self.accounts.count(&self.names.hash_one((kind, account))),
        }
    }
}

fn too_many(wait: Duration) -> Failure {
    Problem::too_many("Too many requests, try again later", wait).into()
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
        let quota = Quota::with_period(rate.period()).expect("no rate has a period of no time");
        let quota = quota.allow_burst(rate.burst());
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
            too_many(wait)
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
mod tests;
