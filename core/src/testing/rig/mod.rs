//! Stores that fail, halt or go on where a test wants them to.
//!
//! One [`Rig`] watches any number of stores: each call of theirs is two steps, one before it and
//! one after it, so that what was done and what its caller learnt of it are told apart.

mod stores;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    future::{Either, select},
    stream,
};
use tokio::sync::{Notify, mpsc, oneshot};

pub use self::stores::{RiggedBlobs, RiggedFiles, RiggedRows, RiggedUsers};
use crate::{
    Parts, User,
    store::{BodyError, StoreError},
};

/// Makes what a store answers.
pub type MakeError = fn() -> StoreError;

/// What the rigged stores do, step by step: one step before each call and one after it.
#[derive(Debug, Default)]
pub struct Rig {
    state: Mutex<State>,
    reached: Notify,
    release: Notify,
}

#[derive(Debug, Default)]
struct State {
    steps: Vec<String>,
    fault: Option<(At, Fault)>,
    gate: Option<mpsc::UnboundedSender<Halt>>,
    rewrite: Option<fn(&mut User)>,
    free: Option<u64>,
}

/// Which step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    /// The one of this number, counted from when the rig was armed.
    Number(usize),
    /// Each of this name.
    Named(&'static str),
    /// Each.
    Any,
}

/// What happens at a step.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The call is not made (or its answer is lost), and this is answered.
    Fail(MakeError),
    /// Of bytes that are appended the first half is; then, and at any other step, as `Fail`.
    Short(MakeError),
    /// It halts until [`Rig::release`].
    Hold,
}

/// A step that waits to be let go: see [`Rig::gate`].
#[derive(Debug)]
pub struct Halt {
    /// Its name.
    pub step: String,
    go: oneshot::Sender<()>,
}

impl Halt {
    /// Lets it go on, as dropping the value does.
    pub fn release(self) {
        let _ = self.go.send(());
    }
}

impl Rig {
    /// The parts, with this rig around their stores.
    pub fn around_all(self: &Arc<Self>, parts: Parts) -> Parts {
        Parts {
            users: Arc::new(RiggedUsers::new(parts.users, self)),
            files: Arc::new(RiggedFiles::new(parts.files, self)),
            blobs: Arc::new(RiggedBlobs::new(parts.blobs, self)),
            ..parts
        }
    }

    /// From now on counts steps from 0, and does this at one of them or at several.
    pub fn strike(&self, at: At, fault: Fault) {
        self.arm(Some((at, fault)));
    }

    /// Fails the step of this number, counted from now.
    pub fn fail_nth(&self, n: usize) {
        self.strike(At::Number(n), Fault::Fail(unavailable));
    }

    /// Fails every step of this name.
    pub fn fail_at(&self, name: &'static str) {
        self.strike(At::Named(name), Fault::Fail(unavailable));
    }

    /// Answers that the store is full at every step of this name.
    pub fn fill_at(&self, name: &'static str) {
        self.strike(At::Named(name), Fault::Fail(full));
    }

    /// Halts at the step of this number, counted from now, until [`release`](Self::release).
    pub fn hold_nth(&self, n: usize) {
        self.strike(At::Number(n), Fault::Hold);
    }

    /// Halts at the step of this name.
    pub fn hold_at(&self, name: &'static str) {
        self.strike(At::Named(name), Fault::Hold);
    }

    /// Counts steps from 0, and lets each go on. What halts already waits for its release.
    pub fn disarm(&self) {
        self.arm(None);
    }

    /// From now on every step halts, and is let go by whoever takes it from here. Dropping what is
    /// returned lets all go.
    pub fn gate(&self) -> mpsc::UnboundedReceiver<Halt> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.state().gate = Some(sender);
        receiver
    }

    /// Waits until `work` halts.
    ///
    /// # Panics
    /// When it ends and does not halt.
    pub async fn reached_by<F: Future + Unpin>(&self, work: &mut F) {
        assert!(self.reached(work).await, "it ends and does not halt");
    }

    /// Waits until `work` halts, which is `true`, or ends.
    pub async fn reached<F: Future + Unpin>(&self, work: &mut F) -> bool {
        let reached = std::pin::pin!(self.reached.notified());
        matches!(select(work, reached).await, Either::Right(_))
    }

    /// Lets what halts at [`hold_nth`](Self::hold_nth) or [`hold_at`](Self::hold_at) go on.
    pub fn release(&self) {
        self.release.notify_one();
    }

    /// The steps since it was armed or disarmed.
    pub fn steps(&self) -> Vec<String> {
        self.state().steps.clone()
    }

    /// How users are from now on when they are looked up by their id.
    pub fn rewrite_users(&self, rewrite: fn(&mut User)) {
        self.state().rewrite = Some(rewrite);
    }

    /// How much room the blob store says it has from now on.
    pub fn set_free(&self, bytes: u64) {
        self.state().free = Some(bytes);
    }

    fn told_free(&self) -> Option<u64> {
        self.state().free
    }

    /// A body each chunk of which is a step.
    pub fn body(
        self: &Arc<Self>,
        chunks: Vec<Bytes>,
    ) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + use<> {
        let rig = Arc::clone(self);
        stream::iter(chunks).then(move |chunk| {
            let rig = Arc::clone(&rig);
            async move {
                let step = rig.step("body").await;
                step.map_err(|error| BodyError::Incomplete(error.into()))?;
                Ok(chunk)
            }
        })
    }

    fn arm(&self, fault: Option<(At, Fault)>) {
        let mut state = self.state();
        state.steps.clear();
        state.fault = fault;
    }

    /// The state is whole between any two calls, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes through a step, and says what is to happen there.
    async fn meet(&self, name: &str) -> Option<Fault> {
        let (fault, gate) = {
            let mut state = self.state();
            state.steps.push(name.to_owned());
            let number = state.steps.len() - 1;
            let fault = state.fault.and_then(|(at, fault)| {
                let hit = match at {
                    At::Number(wanted) => wanted == number,
                    At::Named(wanted) => wanted == name,
                    At::Any => true,
                };
                hit.then_some(fault)
            });
            (fault, state.gate.clone())
        };
        if let Some(gate) = gate {
            let (go, gone) = oneshot::channel();
            let step = name.to_owned();
            if gate.send(Halt { step, go }).is_ok() {
                let _ = gone.await;
            }
        }
        if let Some(Fault::Hold) = fault {
            self.reached.notify_one();
            self.release.notified().await;
        }
        fault
    }

    async fn step(&self, name: &str) -> Result<(), StoreError> {
        match self.meet(name).await {
            Some(Fault::Fail(error) | Fault::Short(error)) => Err(error()),
            Some(Fault::Hold) | None => Ok(()),
        }
    }

    async fn around<T>(
        &self,
        name: &str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.step(name).await?;
        let answer = call.await?;
        self.step(&done(name)).await?;
        Ok(answer)
    }
}

/// A store that does not answer.
pub fn unavailable() -> StoreError {
    StoreError::Unavailable("rigged".into())
}

/// A store without room.
pub fn full() -> StoreError {
    StoreError::Full("rigged".into())
}

/// The name of the step after a call.
fn done(name: &str) -> String {
    format!("{name} done")
}
