//! No text verifies but a token that was signed, byte for byte, whatever is done to one.
//!
//! `CONSIGN_TOKEN_MUTATIONS` says how many texts are tried; usually 10,000.
#![cfg(feature = "jwt")]
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod mutation;

use std::{cell::RefCell, collections::BTreeMap, sync::LazyLock, time::Duration};

use consign_core::{
    id::{FileId, UserId},
    random::OsEntropy,
    time::Timestamp,
    token::{
        Claims, JwtSigner, KeyId, KeyRing, Purpose, Secret, SigningKey, TokenError, TokenId,
        TokenSigner,
    },
};
use proptest::prelude::*;

use self::mutation::{Mutation, mutation};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const CASES: u32 = 10_000;

static SIGNER: LazyLock<JwtSigner> = LazyLock::new(|| JwtSigner::new(&ring(1), "consign"));

/// Another ring under the same key's id, another issuer, and a ring that knows a later key.
static OTHERS: LazyLock<[JwtSigner; 3]> = LazyLock::new(|| {
    let later = ring(1).rotated(&OsEntropy, NOW, Duration::from_secs(60));
    [
        JwtSigner::new(&ring(2), "consign"),
        JwtSigner::new(&ring(1), "another"),
        JwtSigner::new(&later, "consign"),
    ]
});

#[test]
fn no_mutated_token_verifies() {
    let cases = std::env::var("CONSIGN_TOKEN_MUTATIONS").map_or(CASES, |text| {
        text.parse().expect("CONSIGN_TOKEN_MUTATIONS is a number")
    });
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let counts = RefCell::new(Counts::default());
    let mutations = prop::collection::vec(mutation(), 1..4);
    proptest!(config, |(
        claims in claims(),
        purpose in prop::sample::select(Purpose::ALL.as_slice()),
        mutations in mutations,
    )| {
        let tokens = tokens(purpose, claims);
        let mut text = tokens[0].clone();
        for mutation in &mutations {
            text = mutation.applied(&text, &tokens);
        }
        // Two of them are good for this purpose; a text that is byte for byte one is no forgery.
        let genuine = tokens[..2].contains(&text);
        let mut counts = counts.borrow_mut();
        counts.count(&mutations, genuine);
        // The next are good for one of the others each.
        let mut others = tokens[2..].iter();
        for asked in Purpose::ALL {
            let verified = SIGNER.verify(asked, &text, NOW);
            if genuine && asked == purpose {
                prop_assert!(verified.is_ok(), "{text}");
            } else if asked != purpose && others.next() == Some(&text) {
                prop_assert!(verified.is_ok(), "{text}");
            } else {
                prop_assert_eq!(verified, Err(TokenError::Invalid), "{}", text);
            }
        }
    });
    let counts = counts.into_inner();
    println!("{counts:?}");
    let kinds = counts.by_kind.len();
    assert!(cases < CASES || kinds == 14, "{kinds} kinds were tried");
    assert!(
        counts.unchanged < counts.texts / 10,
        "most of them must be something else than the token"
    );
}

#[derive(Debug, Default)]
struct Counts {
    texts: u64,
    unchanged: u64,
    by_kind: BTreeMap<String, u64>,
}

impl Counts {
    fn count(&mut self, mutations: &[Mutation], unchanged: bool) {
        self.texts += 1;
        self.unchanged += u64::from(unchanged);
        for mutation in mutations {
            let shown = format!("{mutation:?}");
            let kind = shown.split([',', '(']).take(match mutation {
                Mutation::Edit(..) => 2,
                _ => 1,
            });
            *self.by_kind.entry(kind.collect()).or_default() += 1;
        }
    }
}

fn claims() -> impl Strategy<Value = Claims> {
    any::<([u8; 16], [u8; 16], [u8; 16], u32)>().prop_map(|(user, file, id, epoch)| Claims {
        subject: UserId::from_bytes(user),
        epoch,
        file: Some(FileId::from_bytes(file)),
        issued_at: NOW.as_secs(),
        not_before: NOW.as_secs(),
        expires_at: NOW.as_secs() + 900,
        id: TokenId(id),
    })
}

/// Two tokens for this purpose, one for each other, and what others signed.
fn tokens(purpose: Purpose, claims: Claims) -> Vec<String> {
    let other = Claims {
        epoch: claims.epoch.wrapping_add(1),
        ..claims.clone()
    };
    let others = Purpose::ALL.into_iter().filter(|other| *other != purpose);
    let sign = |signer: &JwtSigner, purpose: Purpose, claims: &Claims| {
        let file = claims.file.filter(|_| purpose == Purpose::Download);
        let claims = Claims {
            file,
            ..claims.clone()
        };
        signer.sign(purpose, &claims).unwrap()
    };
    let mut tokens = vec![
        sign(&SIGNER, purpose, &claims),
        sign(&SIGNER, purpose, &other),
    ];
    tokens.extend(others.map(|other| sign(&SIGNER, other, &claims)));
    tokens.extend(OTHERS.iter().map(|signer| sign(signer, purpose, &claims)));
    let expired = Claims {
        expires_at: NOW.as_secs(),
        ..claims.clone()
    };
    tokens.push(sign(&OTHERS[0], purpose, &expired));
    tokens
}

fn secret(n: usize) -> [u8; 32] {
    std::array::from_fn(|at| (at * 7 + at * at * n) as u8)
}

fn ring(n: usize) -> KeyRing {
    let key = SigningKey {
        id: KeyId([1, 2, 3, 4]),
        secret: Secret::new(secret(n)).unwrap(),
        created_at: NOW,
    };
    KeyRing::new(key, vec![]).unwrap()
}
