//! A probe that records, and strikes where it is told to.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, mpsc},
};

use rustix::io::Errno;

use crate::disk::{Op, Probe};

/// Records all operations, and makes one of them fail.
#[derive(Debug, Default)]
pub(super) struct Script {
    seen: Mutex<Vec<(Op, Option<PathBuf>)>>,
    fault: Mutex<Option<Fault>>,
    failed: Mutex<Option<Op>>,
    gate: Mutex<Option<(Op, mpsc::Receiver<()>)>>,
}

#[derive(Clone, Copy, Debug)]
struct Fault {
    which: Which,
    errno: Errno,
    when: When,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    /// The one of this number, counted from 0 since the last [`Script::clear`].
    Nth(usize),
    Next(Op),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

impl Script {
    pub(super) fn clear(&self) {
        self.seen.lock().unwrap().clear();
    }

    pub(super) fn seen(&self) -> Vec<(Op, Option<PathBuf>)> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn failed(&self) -> Option<Op> {
        *self.failed.lock().unwrap()
    }

    pub(super) fn fail(&self, nth: usize, errno: Errno, when: When) {
        self.arm(Which::Nth(nth), errno, when);
    }

    pub(super) fn fail_next(&self, op: Op, errno: Errno) {
        self.arm(Which::Next(op), errno, When::Before);
    }

    pub(super) fn fail_next_after(&self, op: Op, errno: Errno) {
        self.arm(Which::Next(op), errno, When::After);
    }

    /// The next operation of this kind waits until what is returned is dropped.
    #[must_use]
    pub(super) fn hold(&self, op: Op) -> mpsc::Sender<()> {
        let (gate, held) = mpsc::channel();
        *self.gate.lock().unwrap() = Some((op, held));
        gate
    }

    /// Waits until an operation waits at [`hold`](Script::hold).
    pub(super) async fn reached(&self) {
        while self.gate.lock().unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    }

    fn arm(&self, which: Which, errno: Errno, when: When) {
        *self.fault.lock().unwrap() = Some(Fault { which, errno, when });
        *self.failed.lock().unwrap() = None;
    }

    fn strike(&self, op: Op, when: When) -> io::Result<()> {
        let mut armed = self.fault.lock().unwrap();
        let at = self.seen.lock().unwrap().len() - 1;
        let hit = armed
            .filter(|fault| fault.when == when)
            .filter(|fault| match fault.which {
                Which::Nth(nth) => nth == at,
                Which::Next(next) => next == op,
            });
        let Some(fault) = hit else { return Ok(()) };
        *armed = None;
        *self.failed.lock().unwrap() = Some(op);
        Err(fault.errno.into())
    }
}

impl Probe for Script {
    fn before(&self, op: Op, path: Option<&Path>) -> io::Result<()> {
        self.seen
            .lock()
            .unwrap()
            .push((op, path.map(Path::to_owned)));
        let gate = self.gate.lock().unwrap().take_if(|(held, _)| *held == op);
        if let Some((_, gate)) = gate {
            gate.recv().unwrap_err();
        }
        self.strike(op, When::Before)
    }

    fn after(&self, op: Op) -> io::Result<()> {
        self.strike(op, When::After)
    }
}
