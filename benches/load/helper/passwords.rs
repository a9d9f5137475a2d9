//! The scrypt crate alone, at the parameters of Consign's hashes.

use std::{hint::black_box, time::Instant};

use scrypt::{Params, scrypt};

use crate::BoxError;

/// N = 2^15, r = 8, p = 3: those of `ScryptParams::default()`, which the test below holds.
const PARAMS: (u8, u32, u32) = (15, 8, 3);

/// Hashes `count` passwords one after another, after one that is not timed.
pub(crate) fn hash(count: u32) -> Result<(), BoxError> {
    let (log_n, r, p) = PARAMS;
    let params = Params::new(log_n, r, p)?;
    let mut output = [0; 32];
    let mut begun = Instant::now();
    for n in 0..=count {
        if n == 1 {
            begun = Instant::now();
        }
        scrypt(b"a long password", &n.to_le_bytes(), &params, &mut output)?;
        black_box(&output);
    }
    let rate = f64::from(count) / begun.elapsed().as_secs_f64();
    println!("{{\"hashes_per_second\": {rate}}}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use consign_core::password::ScryptParams;

    use super::*;

    #[test]
    fn the_parameters_are_those_of_consign() {
        let (log_n, r, p) = PARAMS;
        assert_eq!(ScryptParams::new(log_n, r, p), Ok(ScryptParams::default()));
    }
}
