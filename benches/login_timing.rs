//! Whether a login's time tells who exists: not a speed, but a difference, and whether it is one.
//!
//! Logins of all kinds are made in a random order, so that whatever else the machine does falls on
//! all alike. Welch's t compares each kind with a known user's wrong password; under 4.5 the
//! difference is not seen. It is shown over all samples, and over those that are left when, as is
//! usual for such tests, everything slower than the 90th percentile of all kinds together is taken
//! to be the machine's doing.
//!
//! `cargo bench -p consign-benches --bench login_timing`. `CONSIGN_LOGIN_SAMPLES` says how many of
//! each kind are taken with reduced parameters; a twentieth as many are with the usual ones.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use consign_core::{
    Consign, ErrorKind, Parts, Registration, Settings,
    memory::{MemoryBlobs, MemoryStore},
    password::{Password, ScryptHasher, ScryptParams},
    random::{Entropy, OsEntropy},
    time::{Clock, SystemClock, Timestamp},
    token::{JwtSigner, KeyRing},
    user::{Role, Status},
};

const RIGHT: &str = "correct horse battery staple";
const WRONG: &str = "correct horse battery stable";
const USERS: usize = 64;
const SAMPLES: usize = 10_000;

/// Who signs in, and with what.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Known,
    /// As `Known`: what the method sees where there is nothing to see.
    KnownAgain,
    Unknown,
    Disabled,
    DisabledRight,
    Invalid,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Known,
        Self::KnownAgain,
        Self::Unknown,
        Self::Disabled,
        Self::DisabledRight,
        Self::Invalid,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Known => "known user, wrong password",
            Self::KnownAgain => "the same once more",
            Self::Unknown => "unknown user",
            Self::Disabled => "disabled user, wrong password",
            Self::DisabledRight => "disabled user, right password",
            Self::Invalid => "what is no username",
        }
    }

    /// Names of one length, so that they differ in nothing but whether they exist.
    fn username(self, n: usize) -> String {
        match self {
            Self::Known | Self::KnownAgain => format!("known-{n:04}"),
            Self::Unknown => format!("other-{n:04}"),
            Self::Disabled | Self::DisabledRight => format!("ended-{n:04}"),
            Self::Invalid => format!("wrong\n{n:04}"),
        }
    }

    fn password(self) -> Password {
        let text = match self {
            Self::DisabledRight => RIGHT,
            _ => WRONG,
        };
        Password::new(text.to_owned())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    if std::env::args().any(|arg| arg == "--test") {
        return runtime.block_on(compare("a trial", ScryptParams::WEAK, 20));
    }
    let samples = match std::env::var("CONSIGN_LOGIN_SAMPLES") {
        Ok(text) => text.parse()?,
        Err(_) => SAMPLES,
    };
    runtime.block_on(async {
        compare("N=2^10, r=8, p=1", ScryptParams::new(10, 8, 1)?, samples).await?;
        let usual = ScryptParams::default();
        compare("the usual parameters", usual, (samples / 20).max(2)).await
    })
}

async fn compare(title: &str, params: ScryptParams, samples: usize) -> Result<(), Box<dyn Error>> {
    let consign = consign(params).await?;
    let mut order: Vec<Kind> = Kind::ALL
        .into_iter()
        .flat_map(|kind| std::iter::repeat_n(kind, samples))
        .collect();
    shuffle(&mut order);
    for kind in Kind::ALL {
        time(&consign, kind, 0).await?;
    }
    let mut times: [Vec<f64>; Kind::ALL.len()] = Default::default();
    for (n, kind) in order.into_iter().enumerate() {
        let taken = time(&consign, kind, n % USERS).await?;
        times[kind as usize].push(taken.as_secs_f64() * 1e6);
    }
    println!("\n{title}: {samples} logins of each kind, times in microseconds");
    println!(
        "{:30} {:>10} {:>9} {:>7} | {:>10} {:>9} {:>7}",
        "", "mean", "sd", "t", "mean <p90", "sd", "t"
    );
    let mut pooled = times.concat();
    pooled.sort_by(f64::total_cmp);
    let limit = pooled[(pooled.len() - 1) * 9 / 10];
    let cut = times.each_ref().map(|all| {
        let kept = all.iter().copied().filter(|&taken| taken <= limit);
        kept.collect::<Vec<f64>>()
    });
    for kind in Kind::ALL {
        let [all, most] = [&times, &cut].map(|times| {
            let (of, base) = (&times[kind as usize], &times[Kind::Known as usize]);
            let (mean, variance) = moments(of);
            let t = match kind {
                Kind::Known => String::new(),
                _ => format!("{:.2}", welch(of, base)),
            };
            format!("{mean:>10.2} {:>9.2} {t:>7}", variance.sqrt())
        });
        println!("{:30} {all} | {most}", kind.name());
    }
    Ok(())
}

async fn time(consign: &Consign, kind: Kind, n: usize) -> Result<Duration, Box<dyn Error>> {
    let (username, password) = (kind.username(n), kind.password());
    let begun = Instant::now();
    let answer = consign.login(&username, password).await;
    let taken = begun.elapsed();
    match answer {
        Err(error) if error.kind() == ErrorKind::InvalidCredentials => Ok(taken),
        answer => Err(format!("{kind:?} was answered with {answer:?}").into()),
    }
}

async fn consign(params: ScryptParams) -> Result<Consign, Box<dyn Error>> {
    let store = MemoryStore::new();
    let signer = JwtSigner::new(&KeyRing::generate(&OsEntropy, SystemClock.now()), "bench");
    let parts = Parts {
        hasher: Arc::new(ScryptHasher::new(params)),
        clock: Arc::new(Hourly::default()),
        ..Parts::new(store.clone(), store, MemoryBlobs::new(), signer)
    };
    let consign = Consign::new(parts, Settings::default());
    let administration = consign.administration();
    for kind in [Kind::Known, Kind::Disabled] {
        for n in 0..USERS {
            let username = kind.username(n);
            let registration = Registration {
                email: format!("{username}@example.org"),
                username,
                password: Password::new(RIGHT.to_owned()),
                role: Role::Client,
            };
            let user = administration.add_user(registration).await?;
            if kind == Kind::Disabled {
                administration
                    .set_status(&user.username, Status::Disabled)
                    .await?;
            }
        }
    }
    Ok(consign)
}

/// A clock that is an hour on whenever it is looked at: accounts at which so many logins fail would
/// have to wait.
#[derive(Debug, Default)]
struct Hourly(AtomicU64);

impl Clock for Hourly {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0.fetch_add(3600, Ordering::Relaxed))
    }
}

/// Fisher and Yates's.
fn shuffle(order: &mut [Kind]) {
    for end in (1..order.len()).rev() {
        let mut bytes = [0; 8];
        OsEntropy.fill(&mut bytes);
        order.swap(end, (u64::from_le_bytes(bytes) % (end as u64 + 1)) as usize);
    }
}

/// Mean and variance.
fn moments(times: &[f64]) -> (f64, f64) {
    let count = times.len() as f64;
    let mean = times.iter().sum::<f64>() / count;
    let squares = times.iter().map(|taken| (taken - mean).powi(2));
    (mean, squares.sum::<f64>() / (count - 1.0))
}

fn welch(one: &[f64], other: &[f64]) -> f64 {
    let ((mean, variance), (base, base_variance)) = (moments(one), moments(other));
    let error = variance / one.len() as f64 + base_variance / other.len() as f64;
    (mean - base) / error.sqrt()
}
