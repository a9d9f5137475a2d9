//! scrypt (RFC 7914), as PHC strings.

mod give_way;
mod meters;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use async_trait::async_trait;
use scrypt::{
    Params, Scrypt,
    password_hash::{self, CustomizedPasswordHasher, PasswordVerifier, phc},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use self::meters::{Counted, Meters};
use super::{HashError, Password, PasswordHash, PasswordHasher, Verdict};
use crate::random::{Entropy, OsEntropy};

/// Salt bytes: twice what NIST SP 800-63B-4, section 3.1.1.2 asks for.
const SALT_LEN: usize = 16;

/// Hashes passwords with scrypt, a few at a time, on threads that may block.
///
/// One fewer than there are cores run at once (at least one), so that a storm of logins leaves a
/// core to everybody else; a bounded number wait, and beyond it the answer is [`HashError::Busy`].
/// Clones share this bound.
#[derive(Clone, Debug)]
pub struct ScryptHasher {
    params: ScryptParams,
    running: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    max_waiting: usize,
    entropy: Arc<dyn Entropy>,
    /// What stands for the hash of a user whom there is not. No password is known to have it.
    decoy: PasswordHash,
    meters: Meters,
}

impl ScryptHasher {
    /// Passwords that wait for their turn at most.
    pub const MAX_WAITING: usize = 64;

    /// A hasher with these parameters for new hashes.
    pub fn new(params: ScryptParams) -> Self {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        Self::with_bounds(params, cores.saturating_sub(1).max(1), Self::MAX_WAITING)
    }

    /// A hasher that runs `running` at once (at least one) and lets `waiting` wait.
    pub fn with_bounds(params: ScryptParams, running: usize, waiting: usize) -> Self {
        Self {
            params,
            running: Arc::new(Semaphore::new(running.max(1))),
            waiting: Arc::new(AtomicUsize::new(0)),
            max_waiting: waiting,
            entropy: Arc::new(OsEntropy),
            decoy: decoy(params, &OsEntropy),
            meters: Meters::new(),
        }
    }

    /// Waits for a turn. The turn ends when the work does, even if nobody waits for it any more.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, HashError> {
        let running = Arc::clone(&self.running);
        if let Ok(turn) = Arc::clone(&running).try_acquire_owned() {
            return Ok(turn);
        }
        let Some(_place) = Place::take(&self.waiting, self.max_waiting) else {
            self.meters.refused.increment(1);
            return Err(HashError::Busy);
        };
        let _waiting = Counted::on(&self.meters.waiting);
        let turn = running.acquire_owned().await;
        Ok(turn.expect("the semaphore is never closed"))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let turn = self.turn().await?;
        let (answer, done) = oneshot::channel();
        let (running, took) = (self.meters.running.clone(), self.meters.duration.clone());
        let work = move || {
            let (running, begun) = (Counted::on(&running), Instant::now());
            if let Err(error) = give_way::give_way() {
                tracing::debug!(%error, "passwords are hashed at the usual priority");
            }
            let done = work();
            took.record(begun.elapsed().as_secs_f64());
            drop((running, turn));
            // Whoever asked may have stopped waiting.
            let _ = answer.send(done);
        };
        // A thread for each hash, which takes a thousand times longer than to make one: it never
        // does anything else, and so may be slower than those that do.
        let thread = thread::Builder::new().name("consign-hash".to_owned());
        thread
            .spawn(work)
            .map_err(|error| HashError::Failed(error.to_string()))?;
        done.await
            .map_err(|_| HashError::Failed("it panicked".to_owned()))?
    }
}

impl Default for ScryptHasher {
    fn default() -> Self {
        Self::new(ScryptParams::default())
    }
}

#[async_trait]
impl PasswordHasher for ScryptHasher {
    async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        let (params, entropy) = (self.params, Arc::clone(&self.entropy));
        self.run(move || {
            let mut salt = [0; SALT_LEN];
            entropy.fill(&mut salt);
            let hash = hash(&password, &salt, params)?;
            Ok(PasswordHash::new(hash.to_string()))
        })
        .await
    }

    async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verdict, HashError> {
        let (params, decoy) = (self.params, self.decoy.clone());
        self.run(move || {
            let known = stored.is_some();
            // On the same way, so that it takes the same time.
            let verdict = verify(&password, &stored.unwrap_or(decoy), params)?;
            Ok(if known { verdict } else { Verdict::Wrong })
        })
        .await
    }
}

/// How dear a hash is: N = 2^`log_n` (`r` * 128 * N bytes of memory), `r` and `p` as in RFC 7914.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScryptParams {
    log_n: u8,
    r: u32,
    p: u32,
}

impl ScryptParams {
    /// For tests alone: weak, and quick.
    pub const WEAK: Self = Self {
        log_n: 4,
        r: 1,
        p: 1,
    };

    /// Parameters within what this machine can be asked to do, whoever stored them: 256 MiB at
    /// most, and no more work than N = 2^20, r = 8, p = 1.
    ///
    /// # Errors
    /// When they are beyond it, or are no scrypt parameters at all.
    pub fn new(log_n: u8, r: u32, p: u32) -> Result<Self, UnsafeParams> {
        let in_range = (1..=20).contains(&log_n) && (1..=32).contains(&r) && (1..=64).contains(&p);
        if !in_range {
            return Err(UnsafeParams);
        }
        let blocks = u64::from(r) << log_n;
        if blocks * 128 > 256 << 20 || blocks * u64::from(p) > 8 << 20 {
            return Err(UnsafeParams);
        }
        Ok(Self { log_n, r, p })
    }

    /// What a guess costs whoever has the hash, in memory touched.
    fn work(self) -> u64 {
        (u64::from(self.r) << self.log_n) * u64::from(self.p)
    }

    fn as_params(self) -> Result<Params, HashError> {
        Params::new(self.log_n, self.r, self.p)
            .map_err(|_| HashError::Unusable("its parameters are not scrypt's"))
    }
}

impl Default for ScryptParams {
    /// N = 2^15, r = 8, p = 3: 32 MiB, one of the settings in the OWASP Password Storage Cheat Sheet.
    fn default() -> Self {
        Self {
            log_n: 15,
            r: 8,
            p: 3,
        }
    }
}

/// The parameters are beyond what is safe to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scrypt parameters out of bounds")]
pub struct UnsafeParams;

/// A place in the queue, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                (now < max).then_some(now + 1)
            })
            .ok()
            .map(|_| Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

fn decoy(params: ScryptParams, entropy: &dyn Entropy) -> PasswordHash {
    let mut random = [0; SALT_LEN + 32];
    entropy.fill(&mut random);
    let (salt, output) = random.split_at(SALT_LEN);
    let base64 = |bytes| phc::Output::new(bytes).map(|bytes| bytes.to_string());
    let (Ok(salt), Ok(output)) = (base64(salt), base64(output)) else {
        unreachable!("a PHC string takes outputs of 10 to 64 bytes");
    };
    let ScryptParams { log_n, r, p } = params;
    PasswordHash::new(format!("$scrypt$ln={log_n},r={r},p={p}${salt}${output}"))
}

fn hash(
    password: &Password,
    salt: &[u8],
    params: ScryptParams,
) -> Result<phc::PasswordHash, HashError> {
    let params = params.as_params()?;
    Scrypt::new()
        .hash_password_customized(password.expose().as_bytes(), salt, None, None, params)
        .map_err(|error| HashError::Failed(error.to_string()))
}

fn verify(
    password: &Password,
    stored: &PasswordHash,
    present: ScryptParams,
) -> Result<Verdict, HashError> {
    let (parsed, params) = read(stored)?;
    match Scrypt::new().verify_password(password.expose().as_bytes(), &parsed) {
        Ok(()) if params.work() < present.work() => Ok(Verdict::RightButOld),
        Ok(()) => Ok(Verdict::Right),
        Err(password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
        Err(error) => Err(HashError::Failed(error.to_string())),
    }
}

/// A stored hash and its parameters, before anything is computed with them.
fn read(stored: &PasswordHash) -> Result<(phc::PasswordHash, ScryptParams), HashError> {
    const NO_PHC: HashError = HashError::Unusable("it is no PHC string of scrypt");
    let parsed = phc::PasswordHash::new(stored.expose()).map_err(|_| NO_PHC)?;
    if parsed.algorithm.as_str() != "scrypt" {
        return Err(HashError::Unusable("it is not scrypt's"));
    }
    if parsed.version.is_some() || parsed.salt.is_none() || parsed.hash.is_none() {
        return Err(NO_PHC);
    }
    let params =
        bounded(&parsed.params).ok_or(HashError::Unusable("its parameters are out of bounds"))?;
    Ok((parsed, params))
}

/// A stored hash's parameters, when they are all there and within bounds. Not read by `scrypt`,
/// which puts its defaults where one is missing, and multiplies `r` by `p` before it checks them.
fn bounded(stored: &phc::ParamsString) -> Option<ScryptParams> {
    let number = |name| stored.get_decimal(name);
    let log_n = number("ln")?.try_into().ok()?;
    let params = ScryptParams::new(log_n, number("r")?, number("p")?).ok()?;
    let canonical = phc::ParamsString::try_from(params.as_params().ok()?).ok()?;
    (*stored == canonical).then_some(params)
}

/// A door for the fuzzer, no part of the interface: the parameters (`log_n`, `r` and `p`) that a
/// stored hash would be computed with, if it may be.
#[doc(hidden)]
pub fn stored_params(text: &str) -> Option<(u8, u32, u32)> {
    let (_, params) = read(&PasswordHash::new(text.to_owned())).ok()?;
    Some((params.log_n, params.r, params.p))
}

#[cfg(test)]
mod tests;
