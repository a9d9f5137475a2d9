//! What [`LimitStore`] promises.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use super::{ANSWERS, at_once, promise, promise_eq, promise_matches};
use crate::{
    limit::{Failures, LimitKey, Rate},
    store::{AttemptEnd, Attempted, LimitStore},
    time::Timestamp,
};

#[macro_export]
#[doc(hidden)]
macro_rules! __limit_store_suite {
    ($(#[$attribute:meta])* $make:path) => {
        $crate::testing::limit_store_suite!($(#[$attribute])* limit_store, $make);
    };
    ($(#[$attribute:meta])* $name:ident, $make:path) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__suite_tests!(
                {$(#[$attribute])*}
                limits,
                $make,
                [
                    a_burst_passes_and_then_one_each_period,
                    a_refusal_takes_nothing,
                    periods_count_as_whole_milliseconds,
                    rates_of_any_size_and_times_of_any_age_are_kept,
                    keys_are_counted_apart,
                    a_clock_that_is_behind_is_no_way_around_the_rate,
                    concurrent_takes_never_exceed_the_rate,
                    what_is_given_back_can_be_taken_again,
                    concurrent_gifts_all_count,
                    after_the_free_failures_attempts_wait,
                    attempts_under_way_count,
                    concurrent_attempts_all_count,
                    success_ends_the_row,
                    undone_restores_the_row,
                    undone_takes_one_failure_where_others_came,
                    undone_after_the_row_has_ended_changes_nothing,
                    concurrent_undone_attempts_leave_nothing,
                    a_clock_that_is_set_back_makes_nobody_wait_for_ever,
                    failures_are_no_part_of_what_is_taken,
                    forget_forgets_only_what_is_quiet,
                    what_is_forgotten_counts_from_the_beginning,
                ]
            );
        }
    };
}

pub use super::model::limits as behaves_like_the_model;

type Store = Arc<dyn LimitStore>;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub async fn a_burst_passes_and_then_one_each_period(store: Store) {
    let statement = "take: a burst passes, and then one each period, by Rate::take";
    let rate = rate(3, 1000);
    promise_eq!(taken(&store, 1, rate, NOW, 9).await, 3, "{statement}");
    let early = NOW + millis(999);
    promise_eq!(take(&store, 1, rate, early).await, wait(1), "{statement}");
    promise_eq!(
        taken(&store, 1, rate, NOW + millis(1000), 9).await,
        1,
        "{statement}"
    );
    let later = NOW + millis(1_000_000);
    promise_eq!(taken(&store, 1, rate, later, 9).await, 3, "{statement}");
}

pub async fn a_refusal_takes_nothing(store: Store) {
    let rate = rate(2, 1000);
    taken(&store, 1, rate, NOW, 2).await;
    for n in 0..20 {
        promise_eq!(
            take(&store, 1, rate, NOW + millis(n)).await,
            wait(1000 - n),
            "take: how long to wait until there is one, and then nothing is taken"
        );
    }
    promise_eq!(
        take(&store, 1, rate, NOW + millis(1000)).await,
        None,
        "take: after the wait that was told there is one"
    );
}

pub async fn periods_count_as_whole_milliseconds(store: Store) {
    for (key, micros, counted) in [(1, 1, 1), (2, 1000, 1), (3, 1001, 2), (4, 1999, 2)] {
        let rate = Rate::new(burst(2), Duration::from_micros(micros));
        taken(&store, key, rate, NOW, 2).await;
        promise_eq!(
            take(&store, key, rate, NOW).await,
            wait(counted),
            "take: by Rate::take, which rounds periods up to whole milliseconds"
        );
    }
}

pub async fn rates_of_any_size_and_times_of_any_age_are_kept(store: Store) {
    let statement = "take: rates of any size, at any time";
    let slow = Rate::new(NonZeroU32::MAX, Duration::MAX);
    promise_eq!(take(&store, 1, slow, NOW).await, None, "{statement}");
    let once = Rate::new(burst(1), Duration::from_secs(365 * 24 * 60 * 60));
    promise_eq!(take(&store, 2, once, NOW).await, None, "{statement}");
    let left = once.period() - millis(1);
    promise_eq!(
        take(&store, 2, once, NOW + millis(1)).await,
        Some(left),
        "{statement}"
    );
    let start = Timestamp::from_millis(0);
    promise_eq!(take(&store, 3, once, start).await, None, "{statement}");
    promise_eq!(
        take(&store, 3, once, start).await,
        Some(once.period()),
        "{statement}"
    );
}

pub async fn keys_are_counted_apart(store: Store) {
    let statement = "one key's count is no other's";
    let rate = rate(1, 1000);
    for n in 0..20 {
        promise_eq!(take(&store, n, rate, NOW).await, None, "take: {statement}");
    }
    fail(&store, 1, Failures::FREE, NOW).await;
    promise_eq!(
        begin(&store, 2, NOW).await,
        Attempted::Begun { before: None },
        "begin_attempt: {statement}"
    );
}

pub async fn a_clock_that_is_behind_is_no_way_around_the_rate(store: Store) {
    let rate = rate(2, 1000);
    taken(&store, 1, rate, NOW, 2).await;
    let behind = NOW - millis(30_000);
    promise_eq!(
        take(&store, 1, rate, behind).await,
        wait(31_000),
        "take: a node whose clock is behind within MAX_SKEW waits longer"
    );
    let set_back = Timestamp::from_secs(5);
    promise_eq!(
        taken(&store, 1, rate, set_back, 9).await,
        2,
        "take: a clock that was set back further begins anew"
    );
}

pub async fn concurrent_takes_never_exceed_the_rate(store: Store) {
    let rate = rate(5, 60_000);
    for key in [1, 2] {
        let takes = (0..16).map(|_| {
            let store = Arc::clone(&store);
            async move { take(&store, key, rate, NOW).await }
        });
        let waits = at_once(takes).await;
        let had = waits.iter().filter(|wait| wait.is_none()).count();
        promise_eq!(
            had,
            5,
            "take: of those that are taken at the same time no more are had than there are, and no fewer"
        );
    }
}

pub async fn what_is_given_back_can_be_taken_again(store: Store) {
    let statement = "give_back: one that was taken is there again, and no more than that";
    let rate = rate(3, 1000);
    taken(&store, 1, rate, NOW, 3).await;
    taken(&store, 2, rate, NOW, 3).await;
    give_back(&store, 1, rate).await;
    promise_eq!(taken(&store, 1, rate, NOW, 9).await, 1, "{statement}");
    promise_eq!(taken(&store, 2, rate, NOW, 9).await, 0, "{statement}");
    promise_eq!(take(&store, 1, rate, NOW).await, wait(1000), "{statement}");
    let later = NOW + millis(60_000);
    for _ in 0..5 {
        give_back(&store, 1, rate).await;
        give_back(&store, 3, rate).await;
    }
    for key in [1, 3] {
        promise_eq!(
            taken(&store, key, rate, later, 9).await,
            3,
            "give_back: where all are there already, they are no more for it"
        );
    }
    let start = Timestamp::from_millis(0);
    taken(&store, 4, rate, start, 1).await;
    give_back(&store, 4, rate).await;
    give_back(&store, 4, rate).await;
    promise_eq!(taken(&store, 4, rate, start, 9).await, 3, "{statement}");
}

pub async fn concurrent_gifts_all_count(store: Store) {
    let rate = rate(16, 60_000);
    taken(&store, 1, rate, NOW, 16).await;
    let gifts = (0..16).map(|_| {
        let store = Arc::clone(&store);
        async move { give_back(&store, 1, rate).await }
    });
    at_once(gifts).await;
    promise_eq!(
        taken(&store, 1, rate, NOW, 20).await,
        16,
        "give_back: each of those at the same time counts"
    );
}

pub async fn after_the_free_failures_attempts_wait(store: Store) {
    let statement =
        "begin_attempt: by Failures::one_more, which is failed unless it is told otherwise";
    fail(&store, 1, Failures::FREE, NOW).await;
    let mut now = NOW;
    for (n, secs) in (0..).zip([1, 2, 4]) {
        let delay = Duration::from_secs(secs);
        promise_eq!(
            begin(&store, 1, now).await,
            Attempted::Wait(delay),
            "{statement}"
        );
        promise_eq!(
            begin(&store, 1, now + (delay - millis(1))).await,
            Attempted::Wait(millis(1)),
            "{statement}"
        );
        let before = failures(Failures::FREE + n, now);
        now = now + delay;
        promise_eq!(
            begin(&store, 1, now).await,
            Attempted::Begun { before },
            "{statement}"
        );
    }
}

pub async fn attempts_under_way_count(store: Store) {
    for n in 0..Failures::FREE {
        let before = failures(n, NOW).filter(|before| before.count > 0);
        promise_eq!(
            begin(&store, 1, NOW).await,
            Attempted::Begun { before },
            "begin_attempt: an attempt counts as failed until it is ended"
        );
    }
    promise_matches!(
        begin(&store, 1, NOW).await,
        Attempted::Wait(_),
        "begin_attempt: attempts that are under way count"
    );
}

pub async fn concurrent_attempts_all_count(store: Store) {
    let statement = "begin_attempt: attempts at the same time are no way around the count";
    let free = 6;
    fail(&store, 1, Failures::FREE - free, NOW).await;
    let attempts = at_once((0..16).map(|_| {
        let store = Arc::clone(&store);
        async move { begin(&store, 1, NOW).await }
    }));
    let attempts = attempts.await;
    let mut befores: Vec<_> = attempts
        .iter()
        .filter_map(|attempt| match attempt {
            Attempted::Begun { before } => Some(before.map_or(0, |before| before.count)),
            Attempted::Wait(_) => None,
        })
        .collect();
    befores.sort_unstable();
    let expected: Vec<_> = (Failures::FREE - free..Failures::FREE).collect();
    promise_eq!(befores, expected, "{statement}");
}

pub async fn success_ends_the_row(store: Store) {
    fail(&store, 1, Failures::FREE - 1, NOW).await;
    begin(&store, 1, NOW).await;
    end(&store, 1, AttemptEnd::Succeeded).await;
    promise_eq!(
        begin(&store, 1, NOW).await,
        Attempted::Begun { before: None },
        "end_attempt: `Succeeded` ends the row of failures"
    );
}

pub async fn undone_restores_the_row(store: Store) {
    let statement = "end_attempt: `Undone` is as if the attempt had not been, where no other came";
    fail(&store, 1, Failures::FREE, NOW).await;
    let later = NOW + Failures::FIRST_DELAY;
    for _ in 0..3 {
        let before = failures(Failures::FREE, NOW);
        promise_eq!(
            begin(&store, 1, later).await,
            Attempted::Begun { before },
            "{statement}"
        );
        end(&store, 1, AttemptEnd::Undone { before }).await;
    }
    begin(&store, 2, NOW).await;
    end(&store, 2, AttemptEnd::Undone { before: None }).await;
    promise_eq!(
        begin(&store, 2, NOW).await,
        Attempted::Begun { before: None },
        "{statement}"
    );
}

pub async fn undone_takes_one_failure_where_others_came(store: Store) {
    fail(&store, 1, 1, NOW).await;
    let (one, two) = (NOW + millis(1), NOW + millis(2));
    let Attempted::Begun { before } = begin(&store, 1, one).await else {
        panic!("begin_attempt: the first failures cost nothing");
    };
    fail(&store, 1, 1, two).await;
    end(&store, 1, AttemptEnd::Undone { before }).await;
    promise_eq!(
        begin(&store, 1, two).await,
        Attempted::Begun {
            before: failures(2, two)
        },
        "end_attempt: `Undone` is one failure less; the last is that of another which came meanwhile"
    );
}

pub async fn undone_after_the_row_has_ended_changes_nothing(store: Store) {
    let undone = AttemptEnd::Undone { before: None };
    for end_of_nothing in [undone, AttemptEnd::Succeeded, undone] {
        end(&store, 1, end_of_nothing).await;
        begin(&store, 1, NOW).await;
        begin(&store, 1, NOW).await;
        end(&store, 1, AttemptEnd::Succeeded).await;
        end(&store, 1, end_of_nothing).await;
        promise_eq!(
            begin(&store, 1, NOW).await,
            Attempted::Begun { before: None },
            "end_attempt: of a row that has ended there is nothing to end"
        );
        end(&store, 1, AttemptEnd::Succeeded).await;
    }
}

pub async fn concurrent_undone_attempts_leave_nothing(store: Store) {
    let attempts = (0..16).map(|_| {
        let store = Arc::clone(&store);
        async move {
            let Attempted::Begun { before } = begin(&store, 1, NOW).await else {
                panic!("begin_attempt: the first failures cost nothing");
            };
            end(&store, 1, AttemptEnd::Undone { before }).await;
        }
    });
    at_once(attempts).await;
    promise_eq!(
        begin(&store, 1, NOW).await,
        Attempted::Begun { before: None },
        "end_attempt: each `Undone` is one failure less, also of those at the same time"
    );
}

pub async fn a_clock_that_is_set_back_makes_nobody_wait_for_ever(store: Store) {
    let statement = "begin_attempt: a refused one leaves the failures as of then";
    fail(&store, 1, Failures::FREE, NOW).await;
    let back = Timestamp::from_secs(5);
    promise_eq!(
        begin(&store, 1, back).await,
        Attempted::Wait(Failures::FIRST_DELAY),
        "{statement}"
    );
    promise_eq!(
        begin(&store, 1, back + Failures::FIRST_DELAY).await,
        Attempted::Begun {
            before: failures(Failures::FREE, back)
        },
        "{statement}"
    );
}

pub async fn failures_are_no_part_of_what_is_taken(store: Store) {
    let statement = "what is taken of a key and its failures are counted apart";
    let rate = rate(1, 1000);
    promise_eq!(take(&store, 1, rate, NOW).await, None, "{statement}");
    promise_eq!(
        begin(&store, 1, NOW).await,
        Attempted::Begun { before: None },
        "{statement}"
    );
    promise_eq!(take(&store, 1, rate, NOW).await, wait(1000), "{statement}");
    end(&store, 1, AttemptEnd::Succeeded).await;
    promise_eq!(take(&store, 1, rate, NOW).await, wait(1000), "{statement}");
}

pub async fn forget_forgets_only_what_is_quiet(store: Store) {
    let statement = "forget: keys of which all is there again, and failures that are a day old";
    let rate = rate(2, 1000);
    for key in 0..3 {
        taken(&store, key, rate, NOW, 2).await;
    }
    let later = NOW + millis(1000);
    taken(&store, 0, rate, later, 1).await;
    fail(&store, 1, Failures::FREE, NOW).await;
    fail(&store, 2, 1, later).await;
    promise_eq!(forget(&store, NOW + millis(1999)).await, 0, "{statement}");
    promise_eq!(forget(&store, NOW + millis(2000)).await, 2, "{statement}");
    promise_eq!(
        take(&store, 0, rate, later).await,
        wait(1000),
        "{statement}"
    );
    promise_eq!(
        begin(&store, 1, NOW).await,
        Attempted::Wait(Failures::FIRST_DELAY),
        "{statement}"
    );
    promise_eq!(
        forget(&store, NOW + (DAY - millis(1))).await,
        1,
        "{statement}"
    );
    promise_eq!(forget(&store, NOW + DAY).await, 1, "{statement}");
    promise_eq!(
        begin(&store, 2, NOW + DAY).await,
        Attempted::Begun {
            before: failures(1, later)
        },
        "{statement}"
    );
}

pub async fn what_is_forgotten_counts_from_the_beginning(store: Store) {
    let statement = "forget: what is forgotten counts from the beginning";
    let rate = rate(2, 1000);
    let many = 40;
    for key in 0..many {
        taken(&store, key, rate, NOW, 2).await;
        fail(&store, key, 2, NOW).await;
    }
    let later = NOW + DAY;
    promise_eq!(
        forget(&store, later).await,
        2 * many as usize,
        "{statement}"
    );
    promise_eq!(forget(&store, later).await, 0, "{statement}");
    promise_eq!(taken(&store, 7, rate, NOW, 9).await, 2, "{statement}");
    promise_eq!(
        begin(&store, 7, NOW).await,
        Attempted::Begun { before: None },
        "{statement}"
    );
}

fn rate(of_burst: u32, period: u64) -> Rate {
    Rate::new(burst(of_burst), millis(period))
}

fn burst(burst: u32) -> NonZeroU32 {
    NonZeroU32::new(burst).expect("a burst is of one at least")
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn wait(of_millis: u64) -> Option<Duration> {
    Some(millis(of_millis))
}

fn failures(count: u32, at: Timestamp) -> Option<Failures> {
    Some(Failures { count, at })
}

fn key(n: u32) -> LimitKey {
    LimitKey::of(&[b"suite", &n.to_le_bytes()])
}

async fn take(store: &Store, of: u32, rate: Rate, now: Timestamp) -> Option<Duration> {
    store.take(key(of), rate, now).await.expect(ANSWERS)
}

/// How many of these takes were had.
async fn taken(store: &Store, of: u32, rate: Rate, now: Timestamp, times: u32) -> u32 {
    let mut had = 0;
    for _ in 0..times {
        if take(store, of, rate, now).await.is_none() {
            had += 1;
        }
    }
    had
}

async fn give_back(store: &Store, of: u32, rate: Rate) {
    store.give_back(key(of), rate).await.expect(ANSWERS);
}

async fn begin(store: &Store, of: u32, now: Timestamp) -> Attempted {
    store.begin_attempt(key(of), now).await.expect(ANSWERS)
}

async fn fail(store: &Store, of: u32, times: u32, now: Timestamp) {
    for _ in 0..times {
        promise_matches!(
            begin(store, of, now).await,
            Attempted::Begun { .. },
            "begin_attempt: the first failures cost nothing but themselves"
        );
    }
}

async fn end(store: &Store, of: u32, end: AttemptEnd) {
    store.end_attempt(key(of), end).await.expect(ANSWERS);
}

/// How many it forgets at `now`, until nothing is quiet.
async fn forget(store: &Store, now: Timestamp) -> usize {
    let mut all = 0;
    for _ in 0..1000 {
        let forgotten = store.forget(now).await.expect(ANSWERS);
        all += forgotten;
        if forgotten == 0 {
            return all;
        }
    }
    promise!(false, "forget: 0 when there is nothing quiet");
    all
}
