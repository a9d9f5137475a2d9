//! Work that blocks, off the reactor and bounded.

use std::{io, sync::Arc};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
};

/// Bounds how many threads one store blocks.
#[derive(Debug)]
pub(crate) struct Pool(Arc<Semaphore>);

impl Pool {
    pub(crate) fn new(threads: usize) -> Self {
        let permits = threads.clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(permits)))
    }

    /// Waits for a turn. Nothing was begun when the future is dropped.
    pub(crate) async fn turn(&self) -> Turn {
        let permit = Arc::clone(&self.0).acquire_owned().await;
        Turn {
            permit: permit.expect("nothing closes the semaphore"),
        }
    }
}

/// The right to block one thread.
#[derive(Debug)]
pub(crate) struct Turn {
    permit: OwnedSemaphorePermit,
}

impl Turn {
    /// Runs `work` on a thread that may block. It runs to its end, and keeps its turn until then,
    /// even when the future is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let work = move || {
            let done = work();
            drop(self.permit);
            done
        };
        task::spawn_blocking(work).await.map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_dropped_future_keeps_its_turn_until_its_work_is_done() {
        let pool = Pool::new(1);
        let (finish, finished) = mpsc::channel::<()>();
        let turn = pool.turn().await;
        let mut work = Box::pin(turn.run(move || finished.recv()));
        assert!((&mut work).now_or_never().is_none());
        drop(work);
        assert_eq!(pool.0.available_permits(), 0);
        finish.send(()).unwrap();
        pool.turn().await;
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_gives_the_turn_back() {
        let pool = Pool::new(0);
        let work = || -> () { panic!("on purpose") };
        assert!(pool.turn().await.run(work).await.is_err());
        pool.turn().await;
    }
}
