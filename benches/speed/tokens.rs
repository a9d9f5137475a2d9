//! Signing and verifying a token, for each purpose: ours, and jsonwebtoken called directly.

use std::hint::black_box;

use consign_benches::direct::{Direct, NOW, claims};
use consign_core::{
    random::OsEntropy,
    token::{JwtSigner, KeyRing, Purpose, TokenSigner},
};
use criterion::{BenchmarkId, Criterion, Throughput};

/// An iteration is one token signed or verified. `sign-jsonwebtoken` and `verify-jsonwebtoken` do
/// so with the same header, the same claims and a key of the same length.
pub fn tokens(criterion: &mut Criterion) {
    let signer = JwtSigner::new(&KeyRing::generate(&OsEntropy, NOW), "bench");
    let mut group = criterion.benchmark_group("token");
    group.throughput(Throughput::Elements(1));
    for purpose in Purpose::ALL {
        let name = purpose.name();
        let claims = claims(purpose);
        group.bench_function(BenchmarkId::new("sign", name), |bencher| {
            bencher.iter(|| signer.sign(purpose, black_box(&claims)));
        });
        let token = signer
            .sign(purpose, &claims)
            .expect("the claims can be signed");
        group.bench_function(BenchmarkId::new("verify", name), |bencher| {
            bencher.iter(|| signer.verify(purpose, black_box(&token), NOW));
        });

        let direct = Direct::of(&token).expect("a token");
        group.bench_function(BenchmarkId::new("sign-jsonwebtoken", name), |bencher| {
            bencher.iter(|| direct.sign());
        });
        let token = direct.sign().expect("the claims can be signed");
        assert!(direct.verify(&token).is_ok(), "the token is good");
        group.bench_function(BenchmarkId::new("verify-jsonwebtoken", name), |bencher| {
            bencher.iter(|| direct.verify(black_box(&token)));
        });
    }
    group.finish();
}
