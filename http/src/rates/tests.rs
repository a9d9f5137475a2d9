use std::sync::Mutex;

use async_trait::async_trait;
use consign_core::{
    Parts, Settings,
    limit::LimitKey,
    memory::{MemoryBlobs, MemoryLimits, MemoryStore},
    random::OsEntropy,
    store::{AttemptEnd, Attempted, LimitStore, StoreError},
    testing::run,
    time::{ManualClock, Timestamp},
    token::{JwtSigner, KeyRing},
};
use http::StatusCode;
use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

struct Bench {
    limits: Limits,
    millis: Arc<AtomicU64>,
}

impl Bench {
    fn new(rate: Rate) -> Self {
        Self::over(&consign(None, &Arc::default()), rate)
    }

    fn over(consign: &Consign, rate: Rate) -> Self {
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
            limits: Limits::with_ticks(rates, consign, Arc::new(ticks)),
            millis,
        }
    }

    fn pass(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    fn from(&self, address: &str) -> bool {
        let extensions = from(address);
        run(self.limits.login().count_address(&extensions)).is_ok()
    }

    fn counted(&self) -> &Counted {
        self.limits.login().0.unwrap()
    }
}

fn consign(limits: Option<Arc<dyn LimitStore>>, clock: &Arc<ManualClock>) -> Consign {
    let store = MemoryStore::new();
    let signer = JwtSigner::new(&KeyRing::generate(&OsEntropy, START), "consign");
    let parts = Parts {
        limits,
        clock: Arc::clone(clock) as _,
        ..Parts::new(store.clone(), store, MemoryBlobs::new(), signer)
    };
    Consign::new(parts, Settings::default())
}

fn from(address: &str) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(ClientAddress(address.parse().unwrap()));
    extensions
}

#[test]
fn a_burst_passes_and_then_one_each_period() {
    let bench = Bench::new(rate(3, 1000));
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
    let shared = consign(Some(Arc::new(MemoryLimits::new())), &Arc::default());
    for bench in [
        Bench::new(rate(1, 1000)),
        Bench::over(&shared, rate(1, 1000)),
    ] {
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
            assert!(run(bench.limits.login().count_address(&nowhere)).is_ok());
        }
    }
}

#[test]
fn accounts_and_things_are_counted_apart() {
    let shared = consign(Some(Arc::new(MemoryLimits::new())), &Arc::default());
    for bench in [
        Bench::new(rate(1, 1000)),
        Bench::over(&shared, rate(1, 1000)),
    ] {
        let limits = &bench.limits;
        let named = |limited: Limited<'_>, name| run(limited.count_name(name)).is_ok();
        assert!(named(limits.login(), "ann"));
        assert!(!named(limits.login(), "ann"));
        assert!(named(limits.login(), "Ann"));
        assert!(named(limits.registration(), "ann"));
        let (user, lease) = (UserId::from_bytes([1; 16]), LeaseId::from_bytes([1; 16]));
        for limited in [limits.redemption(), limits.registration()] {
            let counted = |id| run(limited.count_user(id)).is_ok();
            assert!(counted(user));
            assert!(!counted(user));
            assert!(counted(UserId::from_bytes([2; 16])));
            assert!(run(limited.count_lease(lease)).is_ok());
            assert!(run(limited.count_lease(lease)).is_err());
        }
    }
}

#[test]
fn where_nothing_is_limited_everything_passes() {
    let limits = Limits::default();
    for _ in 0..1000 {
        assert!(run(limits.login().count_address(&from("192.0.2.1"))).is_ok());
        assert!(run(limits.login().count_name("ann")).is_ok());
    }
}

#[test]
fn the_keys_are_bounded_and_forgotten_once_they_are_quiet() {
    let bench = Bench::new(rate(2, 1000));
    let accounts = &bench.counted().accounts;
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

#[test]
fn nodes_count_together_all_but_downloads() {
    let limits = Arc::new(MemoryLimits::new());
    let clock = Arc::new(ManualClock::new(START));
    let nodes = [(); 2].map(|()| {
        let consign = consign(Some(limits.clone()), &clock);
        Bench::over(&consign, rate(2, 1000))
    });
    let things = [Limits::login, Limits::registration, Limits::opening];
    for thing in things {
        for key in 0..2 {
            let count = |node: usize| {
                let limited = thing(&nodes[node].limits);
                match key {
                    0 => run(limited.count_address(&from("192.0.2.1"))).is_ok(),
                    _ => run(limited.count_name("ann")).is_ok(),
                }
            };
            assert_eq!([0, 1, 0, 1].map(count), [true, true, false, false]);
        }
    }
    clock.advance(Duration::from_secs(1));
    nodes.iter().for_each(|node| node.pass(1000));
    assert_eq!(
        nodes.each_ref().map(|node| node.from("192.0.2.1")),
        [true, false]
    );
    for node in &nodes {
        let count = || run(node.limits.redemption().count_address(&from("192.0.2.1"))).is_ok();
        assert_eq!([(); 3].map(|()| count()), [true, true, false]);
    }
}

#[test]
fn who_was_refused_is_not_asked_about_until_there_is_one() {
    let limits = Arc::new(Fake {
        wait: Some(Duration::from_secs(1)),
        ..Fake::default()
    });
    let bench = Bench::over(&consign(Some(limits.clone()), &Arc::default()), rate(1, 1));
    let asked = || limits.keys.lock().unwrap().len();
    for _ in 0..9 {
        assert!(!bench.from("192.0.2.1"));
    }
    assert_eq!(asked(), 1);
    assert!(!bench.from("192.0.2.2"), "another address is another's");
    assert!(run(bench.limits.opening().count_address(&from("192.0.2.1"))).is_err());
    assert_eq!(asked(), 3);
    bench.pass(999);
    let refused = run(bench.limits.login().count_address(&from("192.0.2.1")));
    let response = refused.unwrap_err().into_problem("").into_response();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()[http::header::RETRY_AFTER], "1");
    assert_eq!(asked(), 3);
    bench.pass(1);
    assert!(!bench.from("192.0.2.1"));
    assert_eq!(asked(), 4);
}

#[test]
fn the_keys_that_were_refused_are_bounded() {
    let mut refused = shared::Refused::default();
    let mut fill = |from: u64, millis: u64| {
        for n in from..from + MAX_KEYS as u64 + 10 {
            let key = LimitKey::of(&[&n.to_le_bytes()]);
            let now = Duration::from_millis(millis);
            refused.add(key, now, Duration::from_secs(1));
        }
        refused.len()
    };
    assert_eq!(fill(0, 0), MAX_KEYS);
    assert_eq!(
        fill(1 << 40, 500),
        MAX_KEYS,
        "of those that wait none is dropped"
    );
    assert_eq!(fill(1 << 41, 2000), MAX_KEYS);
    let key = LimitKey::of(&[&(1_u64 << 41).to_le_bytes()]);
    assert!(refused.wait(&key, Duration::from_millis(2000)).is_some());
}

/// What nodes are asked together goes by no random state of one of them.
#[test]
fn keys_are_the_same_on_all_nodes_and_show_no_name() {
    let seen = [(); 2].map(|()| {
        let limits = Arc::new(Fake::default());
        let bench = Bench::over(&consign(Some(limits.clone()), &Arc::default()), rate(1, 1));
        run(bench.limits.login().count_name("ann")).unwrap();
        run(bench.limits.login().count_address(&from("192.0.2.1"))).unwrap();
        limits.keys.lock().unwrap().clone()
    });
    let of = |kind: &[u8], value: &[u8]| LimitKey::of(&[b"login", kind, value]);
    let expected = [of(b"name", b"ann"), of(b"address", &[192, 0, 2, 1])];
    assert_eq!(seen, [expected.to_vec(), expected.to_vec()]);
}

#[test]
fn a_store_that_does_not_answer_refuses() {
    let gone = Fake {
        is_gone: true,
        ..Fake::default()
    };
    let consign = consign(Some(Arc::new(gone)), &Arc::default());
    let bench = Bench::over(&consign, rate(1, 1));
    let failures = [
        run(bench.limits.login().count_name("ann")),
        run(bench.limits.login().count_address(&from("192.0.2.1"))),
    ];
    for failure in failures {
        let response = failure.unwrap_err().into_problem("").into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(http::header::RETRY_AFTER));
    }
    assert!(run(bench.limits.redemption().count_name("ann")).is_ok());
}

proptest! {
    /// Whoever counts, in this process or for all nodes: the same is had, and the same wait told.
    #[test]
    fn both_counts_are_the_same(
        burst in 1..8_u32,
        period in 1..40_u64,
        steps in prop::collection::vec(0..60_u64, 1..100),
    ) {
        let rate = rate(burst, period);
        let millis = Arc::<AtomicU64>::default();
        let ticks = Arc::clone(&millis);
        let ticks = move || Duration::from_millis(ticks.load(Ordering::SeqCst));
        let quota = Quota::with_period(rate.period()).unwrap().allow_burst(rate.burst());
        let ticks = Ticks(Arc::new(ticks));
        let governor: Counter<u64, HashMapStateStore<u64>> =
            RateLimiter::hashmap_with_clock(quota, ticks.clone());
        let mut full_at = None;
        for step in steps {
            let now = millis.fetch_add(step, Ordering::SeqCst) + step;
            let one = governor.check_key(&1).map_err(|not| not.wait_time_from(ticks.now()));
            let other = rate.take(full_at, START + Duration::from_millis(now));
            prop_assert_eq!(one, other.map(drop));
            full_at = other.ok().or(full_at);
        }
    }
}

/// Takes all, or none, and keeps the keys; or does not answer.
#[derive(Debug, Default)]
struct Fake {
    keys: Mutex<Vec<LimitKey>>,
    wait: Option<Duration>,
    is_gone: bool,
}

#[async_trait]
impl LimitStore for Fake {
    async fn take(
        &self,
        key: LimitKey,
        _: Rate,
        _: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        self.keys.lock().unwrap().push(key);
        match self.is_gone {
            true => Err(StoreError::Unavailable("it does not answer".into())),
            false => Ok(self.wait),
        }
    }

    async fn give_back(&self, _: LimitKey, _: Rate) -> Result<(), StoreError> {
        unreachable!("what is taken by a rate is made use of")
    }

    async fn begin_attempt(&self, _: LimitKey, _: Timestamp) -> Result<Attempted, StoreError> {
        unreachable!("nobody logs in")
    }

    async fn end_attempt(&self, _: LimitKey, _: AttemptEnd) -> Result<(), StoreError> {
        unreachable!("nobody logs in")
    }

    async fn forget(&self, _: Timestamp) -> Result<usize, StoreError> {
        unreachable!("nobody forgets")
    }
}
