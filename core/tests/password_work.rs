//! An unknown user costs the work that a known one costs: counted, not timed.
//!
//! Each scrypt computation takes exactly one block of 128 * N * r bytes, and nothing else here asks
//! for one of that size. So an allocator that counts such blocks counts computations. It is the
//! whole process's, so this file has one test.
#![cfg(feature = "scrypt")]
// Counting allocations has no safe way; every call goes to the system's allocator unchanged.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use consign_core::password::{
    Password, PasswordHash, PasswordHasher, ScryptHasher, ScryptParams, Verdict,
};

const LOG_N: u8 = 9;
const R: u32 = 7;
const BLOCK: usize = (128 * R as usize) << LOG_N;

static COMPUTATIONS: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

fn count(layout: Layout) {
    if layout.size() == BLOCK {
        COMPUTATIONS.fetch_add(1, Ordering::SeqCst);
    }
}

// SAFETY: every method is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { System.realloc(block, layout, size) }
    }
}

#[tokio::test]
async fn an_unknown_user_costs_the_same_work() {
    let hasher = ScryptHasher::new(ScryptParams::new(LOG_N, R, 2).unwrap());
    let password = |text: &str| Password::new(text.to_owned());
    let stored = hasher.hash(password("hunter22")).await.unwrap();
    assert_eq!(computations(), 1, "a hash");

    let verify = async |given: &str, stored: Option<&PasswordHash>| {
        let verdict = hasher
            .verify(password(given), stored.cloned())
            .await
            .unwrap();
        (verdict, computations())
    };
    assert_eq!(verify("hunter22", Some(&stored)).await, (Verdict::Right, 1));
    assert_eq!(verify("hunter23", Some(&stored)).await, (Verdict::Wrong, 1));
    assert_eq!(verify("hunter22", None).await, (Verdict::Wrong, 1));

    let absurd = PasswordHash::new(stored.expose().replace("ln=9", "ln=40"));
    assert!(
        hasher
            .verify(password("hunter22"), Some(absurd))
            .await
            .is_err()
    );
    let missing = PasswordHash::new(stored.expose().replace("ln=9,", ""));
    assert!(
        hasher
            .verify(password("hunter22"), Some(missing))
            .await
            .is_err()
    );
    assert_eq!(computations(), 0, "a hash out of bounds is refused unread");
}

/// How many there were since it was last asked.
fn computations() -> usize {
    COMPUTATIONS.swap(0, Ordering::SeqCst)
}
