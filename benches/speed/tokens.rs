//! Signing and verifying a token, for each purpose: ours, and jsonwebtoken called directly.

use std::hint::black_box;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use consign_core::{
    id::{FileId, UserId},
    random::OsEntropy,
    time::Timestamp,
    token::{Claims, JwtSigner, KeyRing, Purpose, TokenId, TokenSigner},
};
use criterion::{BenchmarkId, Criterion, Throughput};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde::{Deserialize, Serialize};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

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

        let header = jsonwebtoken::decode_header(&token).expect("a token");
        let wire = WireClaims::of(&token);
        let key = EncodingKey::from_secret(&[7; 32]);
        group.bench_function(BenchmarkId::new("sign-jsonwebtoken", name), |bencher| {
            bencher.iter(|| jsonwebtoken::encode(&header, black_box(&wire), &key));
        });
        let token = jsonwebtoken::encode(&header, &wire, &key).expect("the claims can be signed");
        let key = DecodingKey::from_secret(&[7; 32]);
        let validation = validation(&wire);
        let verify = || jsonwebtoken::decode::<WireClaims>(black_box(&token), &key, &validation);
        assert!(verify().is_ok(), "the token is good");
        group.bench_function(BenchmarkId::new("verify-jsonwebtoken", name), |bencher| {
            bencher.iter(verify);
        });
    }
    group.finish();
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

/// What is asked of a token but its times, which are those of `NOW`.
fn validation(wire: &WireClaims) -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
    validation.set_issuer(&[&wire.iss]);
    validation.set_audience(&[&wire.aud]);
    validation
}

/// The claims as a token has them.
#[derive(Serialize, Deserialize)]
struct WireClaims {
    iss: String,
    aud: String,
    sub: String,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    epoch: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl WireClaims {
    fn of(token: &str) -> Self {
        let payload = token.split('.').nth(1).expect("three parts");
        let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64");
        serde_json::from_slice(&payload).expect("our claims")
    }
}
