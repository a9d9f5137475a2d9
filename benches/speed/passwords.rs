//! Password hashes, by their parameters.

use consign_core::password::{Password, PasswordHasher, ScryptHasher, ScryptParams};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};

use crate::site::runtime;

/// log2 N, r, p; the last but one are the usual ones.
const PARAMS: [(u8, u32, u32); 5] = [(4, 1, 1), (10, 8, 1), (15, 8, 1), (15, 8, 3), (17, 8, 1)];

/// An iteration is one hash or one verification through the hasher, on a thread of its own;
/// `scrypt`: the crate called directly with the same parameters.
pub fn passwords(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("password");
    group.throughput(Throughput::Elements(1));
    for (log_n, r, p) in PARAMS {
        if log_n >= 15 {
            group.sample_size(10).sampling_mode(SamplingMode::Flat);
        }
        let params = match log_n {
            4 => ScryptParams::WEAK,
            _ => ScryptParams::new(log_n, r, p).expect("safe parameters"),
        };
        let hasher = ScryptHasher::new(params);
        let password = || Password::new("correct horse battery staple".to_owned());
        let name = format!("ln{log_n}-r{r}-p{p}");
        group.bench_function(BenchmarkId::new("hash", &name), |bencher| {
            bencher.to_async(&runtime).iter(|| hasher.hash(password()));
        });
        group.bench_function(BenchmarkId::new("verify", &name), |bencher| {
            // Against nobody's hash, which takes the same time.
            bencher
                .to_async(&runtime)
                .iter(|| hasher.verify(password(), None));
        });
        group.bench_function(BenchmarkId::new("scrypt", &name), |bencher| {
            let params = scrypt::Params::new(log_n, r, p).expect("scrypt's parameters");
            bencher.iter(|| {
                let mut hash = [0; 32];
                let done = scrypt::scrypt(
                    b"correct horse battery staple",
                    &[7; 16],
                    &params,
                    &mut hash,
                );
                done.map(|()| hash)
            });
        });
    }
    group.finish();
}
