//! A probe that records, and strikes where it is told to.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
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
    gate: Mutex<Option<(Which, mpsc::Receiver<()>)>>,
    held: Mutex<Option<Op>>,
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
    /// Of a write; any other operation fails as `Before`.
    HalfWay,
    After,
}

impl Which {
    fn is(self, at: usize, op: Op) -> bool {
        match self {
            Self::Nth(nth) => nth == at,
            Self::Next(next) => next == op,
        }
    }
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
        self.close(Which::Next(op))
    }

    /// The operation of this number, counted from 0 since the last [`Script::clear`], waits until
    /// what is returned is dropped.
    #[must_use]
    pub(super) fn hold_nth(&self, nth: usize) -> mpsc::Sender<()> {
        self.close(Which::Nth(nth))
    }

    /// What waits, or has waited, at the last hold.
    pub(super) fn held(&self) -> Option<Op> {
        *self.held.lock().unwrap()
    }

    /// Waits until an operation waits at [`hold`](Script::hold).
    pub(super) async fn reached(&self) {
        while self.gate.lock().unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    }

    fn close(&self, which: Which) -> mpsc::Sender<()> {
        let (gate, held) = mpsc::channel();
        *self.held.lock().unwrap() = None;
        *self.gate.lock().unwrap() = Some((which, held));
        gate
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
            .filter(|fault| fault.which.is(at, op));
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
        let at = self.seen.lock().unwrap().len() - 1;
        let gate = self
            .gate
            .lock()
            .unwrap()
            .take_if(|(held, _)| held.is(at, op));
        if let Some((_, gate)) = gate {
            *self.held.lock().unwrap() = Some(op);
            gate.recv().unwrap_err();
        }
        self.strike(op, When::Before)?;
        match op {
            Op::Write => Ok(()),
            _ => self.strike(op, When::HalfWay),
        }
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let failed = self.strike(Op::Write, When::HalfWay);
        let written = match failed {
            Ok(()) => bytes,
            Err(_) => &bytes[..bytes.len() / 2],
        };
        file.write_all_at(written, offset)?;
        failed
    }

    fn after(&self, op: Op) -> io::Result<()> {
        self.strike(op, When::After)
    }
}
