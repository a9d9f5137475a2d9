//! Signing and verifying a token, for each purpose.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use consign_core::{
    id::{FileId, UserId},
    random::OsEntropy,
    time::Timestamp,
    token::{Claims, JwtSigner, KeyRing, Purpose, TokenId, TokenSigner},
};
use criterion::{Criterion, criterion_group, criterion_main};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn tokens(criterion: &mut Criterion) {
    let signer = JwtSigner::new(&KeyRing::generate(&OsEntropy, NOW), "bench");
    for purpose in Purpose::ALL {
        let claims = claims(purpose);
        criterion.bench_function(&format!("token/sign/{}", purpose.name()), |bencher| {
            bencher.iter(|| signer.sign(purpose, black_box(&claims)));
        });
        let token = signer
            .sign(purpose, &claims)
            .expect("the claims can be signed");
        criterion.bench_function(&format!("token/verify/{}", purpose.name()), |bencher| {
            bencher.iter(|| signer.verify(purpose, black_box(&token), NOW));
        });
    }
}

fn claims(purpose: Purpose) -> Claims {
    Claims {
        subject: UserId::random(&OsEntropy),
        epoch: 1,
        file: (purpose == Purpose::Download).then(|| FileId::random(&OsEntropy)),
        issued_at: NOW.as_secs(),
        not_before: NOW.as_secs(),
        expires_at: NOW.as_secs() + 900,
        id: TokenId::random(&OsEntropy),
    }
}

criterion_group!(benches, tokens);
criterion_main!(benches);
