//! Tokens, by the `TokenSigner` and by jsonwebtoken called directly.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use consign_benches::direct::{Direct, NOW, claims};
use consign_core::{
    random::OsEntropy,
    token::{JwtSigner, KeyRing, Purpose, TokenSigner},
};

use crate::BoxError;

const ISSUER: &str = "consign";

/// Calls between two looks at the clock.
const BATCH: u32 = 64;

/// Tells the nanoseconds of each in every round, a JSON line a purpose and round.
pub(crate) fn compare(rounds: u32, millis: u64) -> Result<(), BoxError> {
    let time = Duration::from_millis(millis);
    let signer = JwtSigner::new(&KeyRing::generate(&OsEntropy, NOW), ISSUER);
    for round in 0..=rounds {
        for purpose in Purpose::ALL {
            let claims = claims(purpose);
            let token = signer.sign(purpose, &claims)?;
            signer.verify(purpose, &token, NOW)?;
            let direct = Direct::of(&token)?;
            let bare = direct.sign()?;
            direct.verify(&bare)?;

            let sign = nanoseconds(
                time,
                || signer.sign(purpose, black_box(&claims)).is_ok(),
                || direct.sign().is_ok(),
            );
            let verify = nanoseconds(
                time,
                || signer.verify(purpose, black_box(&token), NOW).is_ok(),
                || direct.verify(black_box(&bare)).is_ok(),
            );
            // The first round warms up.
            if round > 0 {
                println!(
                    "{{\"purpose\": \"{}\", \"sign\": {sign:?}, \"verify\": {verify:?}}}",
                    purpose.name()
                );
            }
        }
    }
    Ok(())
}

/// What one call of each takes: the medians over batches that take turns for `time`.
fn nanoseconds(
    time: Duration,
    mut ours: impl FnMut() -> bool,
    mut bare: impl FnMut() -> bool,
) -> [f64; 2] {
    let (begun, mut batches) = (Instant::now(), [Vec::new(), Vec::new()]);
    while begun.elapsed() < time {
        batches[0].push(batch(&mut ours));
        batches[1].push(batch(&mut bare));
    }
    batches.map(|mut batches| {
        batches.sort_by(f64::total_cmp);
        batches[batches.len() / 2]
    })
}

fn batch(call: &mut impl FnMut() -> bool) -> f64 {
    let begun = Instant::now();
    for _ in 0..BATCH {
        assert!(black_box(call()), "a call failed");
    }
    begun.elapsed().as_nanos() as f64 / f64::from(BATCH)
}
