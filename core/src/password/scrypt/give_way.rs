//! A thread that gives way to others.

use std::io;

/// How much other threads go before one that hashes: 0 not at all, 19 the most. With this it has a
/// thirtieth of a processor that another thread always wants, so that nobody is kept from logging in;
/// with a tenth (10) one in a hundred of the others' requests noticed.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 15;

/// How long it likes to go on once it runs, in nanoseconds: the longest that Linux takes. Whoever
/// likes to run more shortly is let in as soon as they wake, not only at the next tick, which comes up
/// to 4 ms later. Linux before 6.12 pays no heed to it.
#[cfg(target_os = "linux")]
const SLICE: u64 = 100_000_000;

/// Has this thread run when others leave it a processor: with a storm of logins, downloads go on as
/// they do without.
///
/// # Errors
/// The system's: a sandbox may forbid it. Then the thread runs as any other.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library offers this system call")]
pub(super) fn give_way() -> io::Result<()> {
    /// `struct sched_attr` in its first version: sched_setattr(2).
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_OTHER.cast_unsigned(),
        flags: 0,
        nice: NICENESS,
        priority: 0,
        runtime: SLICE,
        deadline: 0,
        period: 0,
    };
    let (this_thread, no_flags) = (0, 0);
    // SAFETY: the kernel reads `size` bytes where the pointer leads, and keeps nothing of it.
    let done = unsafe {
        libc::syscall(
            libc::SYS_sched_setattr,
            this_thread,
            &raw const attributes,
            no_flags,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn give_way() -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{fs, thread};

    use super::*;

    #[test]
    fn the_thread_that_gives_way_is_nice_and_no_other() {
        // The 19th field of proc_pid_stat(5); the second may hold spaces.
        let niceness = || {
            let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
            let (_, fields) = stat.rsplit_once(") ").unwrap();
            fields.split(' ').nth(16).unwrap().parse().unwrap()
        };
        let before: i32 = niceness();
        let work = move || {
            give_way().unwrap();
            niceness()
        };
        assert_eq!(thread::spawn(work).join().unwrap(), NICENESS);
        assert_eq!(niceness(), before);
    }
}
