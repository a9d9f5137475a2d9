use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn rate(burst: u32, period: Duration) -> Rate {
    Rate::new(NonZeroU32::new(burst).unwrap(), period)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn failures(count: u32, at: Timestamp) -> Option<Failures> {
    Some(Failures { count, at })
}

#[test]
fn a_burst_passes_and_then_one_each_period() {
    let rate = rate(3, millis(1000));
    let mut full_at = None;
    for n in 1..=3 {
        full_at = Some(rate.take(full_at, NOW).unwrap());
        assert_eq!(full_at, Some(NOW + millis(n * 1000)));
    }
    assert_eq!(rate.take(full_at, NOW), Err(millis(1000)));
    assert_eq!(rate.take(full_at, NOW + millis(999)), Err(millis(1)));
    full_at = Some(rate.take(full_at, NOW + millis(1000)).unwrap());
    assert_eq!(rate.take(full_at, NOW + millis(1000)), Err(millis(1000)));
    // No more is saved up than a burst.
    let later = NOW + millis(1_000_000);
    for _ in 0..3 {
        full_at = Some(rate.take(full_at, later).unwrap());
    }
    assert!(rate.take(full_at, later).is_err());
}

#[test]
fn a_period_counts_as_whole_milliseconds() {
    for (period, counted) in [
        (Duration::ZERO, 1),
        (Duration::from_nanos(1), 1),
        (Duration::from_micros(1000), 1),
        (Duration::from_micros(1001), 2),
        (millis(16), 16),
        (Duration::MAX, u64::MAX),
    ] {
        assert_eq!(rate(1, period).period_millis(), counted, "{period:?}");
    }
    assert_eq!(rate(1, Duration::ZERO).period(), Duration::from_nanos(1));
    let rate = rate(2, Duration::from_micros(1500));
    let one = rate.take(None, NOW).unwrap();
    let two = rate.take(Some(one), NOW).unwrap();
    assert_eq!(rate.take(Some(two), NOW), Err(millis(2)));
}

#[test]
fn a_rate_of_any_size_is_one() {
    let rate = rate(u32::MAX, Duration::MAX);
    let end = Timestamp::from_millis(u64::MAX);
    assert_eq!(rate.take(None, NOW), Ok(end));
    assert_eq!(rate.take(Some(end), end), Ok(end));
}

#[test]
fn a_clock_that_is_behind_waits_and_one_that_was_set_back_begins_anew() {
    let rate = rate(2, millis(1000));
    let taken = NOW + millis(2000);
    assert_eq!(
        rate.take(Some(taken), NOW - MAX_SKEW),
        Err(MAX_SKEW + millis(1000)),
        "another node's clock is no way around the rate"
    );
    let back = NOW - MAX_SKEW - millis(1);
    assert_eq!(rate.take(Some(taken), back), Ok(back + millis(1000)));
}

proptest! {
    /// However the takes lie, no more are had in any time than the burst and one each period.
    #[test]
    fn no_more_is_had_than_the_rate(
        burst in 1..20_u32,
        period in 1..50_u64,
        steps in prop::collection::vec(0..60_u64, 1..200),
    ) {
        let rate = rate(burst, millis(period));
        let (mut now, mut full_at, mut had) = (NOW, None, Vec::new());
        for step in steps {
            now = now + millis(step);
            match rate.take(full_at, now) {
                Ok(next) => {
                    full_at = Some(next);
                    had.push(now);
                }
                Err(wait) => {
                    prop_assert!(rate.take(full_at, now + wait - millis(1)).is_err());
                    prop_assert!(rate.take(full_at, now + wait).is_ok());
                }
            }
        }
        for (n, from) in had.iter().enumerate() {
            for (m, until) in had.iter().enumerate().skip(n) {
                let allowed = u64::from(burst) + until.saturating_since(*from).as_millis() as u64 / period;
                let between = (m - n) as u64;
                prop_assert!(between < allowed);
            }
        }
    }
}

#[test]
fn after_a_hundred_failures_the_delay_grows_to_its_most() {
    let mut row = None;
    for _ in 0..100 {
        row = Some(Failures::one_more(row, NOW).unwrap());
    }
    let (mut now, mut delays) = (NOW, Vec::new());
    for _ in 0..40 {
        let delay = Failures::one_more(row, now).expect_err("it has to wait");
        let short = now + (delay - millis(1));
        assert_eq!(Failures::one_more(row, short), Err(millis(1)));
        now = now + delay;
        row = Some(Failures::one_more(row, now).unwrap());
        delays.push(delay.as_secs());
    }
    assert_eq!(delays[..11], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]);
    assert!(delays[11..].iter().all(|delay| *delay == 900));
    assert!(Failures::one_more(failures(u32::MAX, NOW), now + Failures::MAX_DELAY).is_ok());
}

#[test]
fn one_less_is_as_before_unless_another_came() {
    let before = failures(100, NOW);
    let later = NOW + Failures::FIRST_DELAY;
    let begun = Failures::one_more(before, later).unwrap();
    assert_eq!(begun.one_less(before), before);
    assert_eq!(Failures { count: 1, at: NOW }.one_less(None), None);
    assert_eq!(Failures { count: 0, at: NOW }.one_less(None), None);
    let another = Failures {
        count: 102,
        ..begun
    };
    assert_eq!(another.one_less(before), failures(101, later));
}

#[test]
fn a_clock_that_is_set_back_makes_nobody_wait_for_ever() {
    let back = Timestamp::from_secs(5);
    let row = failures(100, NOW).map(|row| row.as_of(back));
    assert_eq!(row, failures(100, back));
    assert_eq!(Failures::one_more(row, back), Err(Failures::FIRST_DELAY));
    let then = back + Failures::FIRST_DELAY;
    assert!(Failures::one_more(row, then).is_ok());
    assert_eq!(row.map(|row| row.as_of(then)), row);
}

#[test]
fn keys_are_of_their_parts_and_tell_nothing_of_them() {
    let key = LimitKey::of(&[b"login", b"name", b"ann"]);
    assert_eq!(key, LimitKey::of(&[b"login", b"name", b"ann"]));
    for other in [
        &[&b"login"[..], b"name", b"bob"][..],
        &[b"login", b"nameann"],
        &[b"login", b"namea", b"nn"],
        &[b"login", b"name", b"ann", b""],
        &[],
    ] {
        assert_ne!(LimitKey::of(other), key);
    }
}
