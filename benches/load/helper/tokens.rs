//! Tokens, by the `TokenSigner` and by jsonwebtoken called directly.
//!
//! Directly means: the same header, the same claims on the wire, the same key length and the same
//! required claims, with all that can be made beforehand made beforehand.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use consign_core::{
    id::{FileId, UserId},
    random::OsEntropy,
    time::Timestamp,
    token::{Claims, JwtSigner, KeyRing, Purpose, TokenId, TokenSigner},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::BoxError;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
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

/// The claims on the wire.
#[derive(Serialize, Deserialize)]
struct Wire {
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

struct Direct {
    header: Header,
    wire: Wire,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Direct {
    /// With the header and the claims of `token`.
    fn of(token: &str) -> Result<Self, BoxError> {
        let header = jsonwebtoken::decode_header(token)?;
        let wire = jsonwebtoken::dangerous::insecure_decode::<Wire>(token)?.claims;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        validation.set_issuer(&[&wire.iss]);
        validation.set_audience(&[&wire.aud]);
        Ok(Self {
            header,
            wire,
            encoding: EncodingKey::from_secret(&[7; 32]),
            decoding: DecodingKey::from_secret(&[7; 32]),
            validation,
        })
    }

    fn sign(&self) -> jsonwebtoken::errors::Result<String> {
        jsonwebtoken::encode(&self.header, black_box(&self.wire), &self.encoding)
    }

    fn verify(&self, token: &str) -> jsonwebtoken::errors::Result<Wire> {
        Ok(jsonwebtoken::decode(token, &self.decoding, &self.validation)?.claims)
    }
}
