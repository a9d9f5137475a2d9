//! Tokens made with our own keys, yet not by our signer: what remains when a signature is right.

mod forgeries;

use std::time::Duration;

use aws_lc_rs::hmac;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    id::{FileId, UserId},
    token::SigningKey,
};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://files.example.org";
const KID: &str = "0a0b0c0d";

#[test]
fn a_crafted_token_verifies_when_nothing_is_wrong_with_it() {
    for purpose in Purpose::ALL {
        let token = Crafted::new(purpose).token();
        assert_eq!(verify(purpose, &token), Ok(claims(purpose)));
    }
}

/// A token of an earlier version is a token of this one, so no update ends sessions and links.
#[test]
fn tokens_have_one_form_for_ever() {
    let token = signer()
        .sign(Purpose::Download, &claims(Purpose::Download))
        .unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    // By another implementation of HKDF and HMAC.
    assert_eq!(signature, "eG-dlm3v9oasDYnikJN3-4WOy67g3CZTUTyoUUa_8ww");
    let parts = message
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let parts: Vec<_> = parts.map(|part| String::from_utf8(part).unwrap()).collect();
    assert_eq!(
        parts[0],
        r#"{"typ":"consign-download+jwt","alg":"HS256","kid":"0a0b0c0d"}"#
    );
    assert_eq!(
        parts[1],
        r#"{"iss":"https://files.example.org","aud":"consign:download","#.to_owned()
            + r#""sub":"55555555555555555555555555555555","exp":1800000600,"nbf":1800000000,"#
            + r#""iat":1800000000,"jti":"iIiIiIiIiIiIiIiIiIiIiA","epoch":3,"#
            + r#""file":"66666666666666666666666666666666"}"#
    );
}

#[test]
fn key_type_and_audience_each_refuse_another_purpose_alone() {
    for asked in Purpose::ALL {
        for other in Purpose::ALL {
            type Spoil = fn(&mut Crafted, Purpose);
            let wrong: [(&str, Spoil); 3] = [
                ("key", |token, other| token.key = *derive(&secret(1), other)),
                ("typ", |token, other| {
                    token.header["typ"] = typ(other).into()
                }),
                ("aud", |token, other| {
                    token.claims["aud"] = audience(other).into()
                }),
            ];
            for (part, spoil) in wrong {
                let mut token = Crafted::new(asked);
                spoil(&mut token, other);
                let verified = verify(asked, &token.token());
                assert_eq!(
                    verified.is_ok(),
                    asked == other,
                    "{part}: {other:?} for {asked:?}"
                );
            }
        }
    }
}

/// All that tells the purposes apart, in every combination: only the one that is right in all is
/// taken, and `file` is there for a download and only there.
#[test]
fn the_whole_swap_matrix() {
    let each = || Purpose::ALL.into_iter();
    for asked in each() {
        for (by_key, by_typ) in each().flat_map(|key| each().map(move |typ| (key, typ))) {
            for (by_aud, by_file) in each().flat_map(|aud| each().map(move |file| (aud, file))) {
                let mut token = Crafted::new(by_file);
                token.key = *derive(&secret(1), by_key);
                token.header["typ"] = typ(by_typ).into();
                token.claims["aud"] = audience(by_aud).into();
                let has_file = |purpose| purpose == Purpose::Download;
                let right =
                    [by_key, by_typ, by_aud] == [asked; 3] && has_file(by_file) == has_file(asked);
                let verified = verify(asked, &token.token());
                assert_eq!(
                    verified.is_ok(),
                    right,
                    "{by_key:?} {by_typ:?} {by_aud:?} {by_file:?}"
                );
            }
        }
    }
}

#[test]
fn every_purpose_has_its_own_names_and_key() {
    let distinct = |of: &dyn Fn(Purpose) -> Vec<u8>| {
        let all: std::collections::BTreeSet<_> = Purpose::ALL.into_iter().map(of).collect();
        assert_eq!(all.len(), Purpose::ALL.len());
    };
    distinct(&|purpose| purpose.name().into());
    distinct(&|purpose| typ(purpose).into());
    distinct(&|purpose| audience(purpose).into());
    distinct(&|purpose| derive(&secret(1), purpose).to_vec());
    for purpose in Purpose::ALL {
        assert_ne!(*derive(&secret(1), purpose), *secret(1).expose());
        assert_ne!(*derive(&secret(1), purpose), *derive(&secret(2), purpose));
    }
}

proptest! {
    /// Half-open, to the second: good from `nbf` on, and no longer at `exp`.
    #[test]
    fn a_token_is_good_from_nbf_to_exp(
        not_before in 0..=u64::MAX / 1000,
        life in 0..100_000_u64,
        off in prop_oneof![-2..=2_i64, -100_000..100_000_i64],
        millis in 0..1000_u64,
        at_end: bool,
        purpose in prop::sample::select(Purpose::ALL.as_slice()),
    ) {
        let expires_at = not_before.saturating_add(life);
        let edge = if at_end { expires_at } else { not_before };
        let secs = edge.saturating_add_signed(off);
        let now = Timestamp::from_secs(secs.min(u64::MAX / 1000 - 1)) + Duration::from_millis(millis);
        let made = Claims { issued_at: not_before, not_before, expires_at, ..claims(purpose) };
        let token = signer().sign(purpose, &made).unwrap();
        let expected = if now.as_secs() >= expires_at {
            Err(TokenError::Expired)
        } else if now.as_secs() < not_before {
            Err(TokenError::NotYet)
        } else {
            Ok(made)
        };
        prop_assert_eq!(signer().verify(purpose, &token, now), expected);
    }
}

#[test]
fn the_boundary_of_expiry_is_exact() {
    for purpose in Purpose::ALL {
        let token = signer().sign(purpose, &claims(purpose)).unwrap();
        let (from, until) = (claims(purpose).not_before, claims(purpose).expires_at);
        let at = |millis| {
            signer()
                .verify(purpose, &token, Timestamp::from_millis(millis))
                .err()
        };
        assert_eq!(at(from * 1000 - 1), Some(TokenError::NotYet));
        assert_eq!(at(from * 1000), None);
        assert_eq!(at(until * 1000 - 1), None);
        assert_eq!(at(until * 1000), Some(TokenError::Expired));
    }
}

/// A token in the making, right in everything until a test spoils it.
struct Crafted {
    header: Value,
    claims: Value,
    key: [u8; 32],
}

impl Crafted {
    fn new(purpose: Purpose) -> Self {
        let mut claims = json!({
            "iss": ISSUER,
            "aud": audience(purpose),
            "sub": "5".repeat(32),
            "exp": NOW + 600,
            "nbf": NOW,
            "iat": NOW,
            "jti": "iIiIiIiIiIiIiIiIiIiIiA",
            "epoch": 3,
        });
        if purpose == Purpose::Download {
            claims["file"] = "6".repeat(32).into();
        }
        Self {
            header: json!({"alg": "HS256", "typ": typ(purpose), "kid": KID}),
            claims,
            key: *derive(&secret(1), purpose),
        }
    }

    fn token(&self) -> String {
        signed(&text(&self.header), &self.claims.to_string(), &self.key)
    }
}

fn claims(purpose: Purpose) -> Claims {
    Claims {
        subject: UserId::from_bytes([0x55; 16]),
        epoch: 3,
        file: (purpose == Purpose::Download).then_some(FileId::from_bytes([0x66; 16])),
        issued_at: NOW,
        not_before: NOW,
        expires_at: NOW + 600,
        id: TokenId([0x88; 16]),
    }
}

fn signer() -> JwtSigner {
    let key = SigningKey {
        id: KID.parse().unwrap(),
        secret: secret(1),
        created_at: Timestamp::from_secs(NOW),
    };
    JwtSigner::new(&KeyRing::new(key, vec![]).unwrap(), ISSUER)
}

fn verify(purpose: Purpose, token: &str) -> Result<Claims, TokenError> {
    signer().verify(purpose, token, Timestamp::from_secs(NOW))
}

#[track_caller]
fn assert_refused(purpose: Purpose, token: &str, why: &Value) {
    assert_eq!(verify(purpose, token), Err(TokenError::Invalid), "{why}");
}

fn secret(n: u8) -> Secret {
    Secret::new(std::array::from_fn(|at| {
        (at as u8).wrapping_mul(at as u8) ^ n
    }))
    .unwrap()
}

fn audience(purpose: Purpose) -> String {
    format!("consign:{}", purpose.name())
}

/// A header with its members in the order of ours, so that it is refused for what it says.
fn text(header: &Value) -> String {
    let Value::Object(members) = header else {
        return header.to_string();
    };
    let rank = |name: &str| ["typ", "alg", "kid"].iter().position(|ours| *ours == name);
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| rank(name).unwrap_or(usize::MAX));
    let members = members
        .iter()
        .map(|(name, value)| format!("{:?}:{value}", name));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn message(header: &str, claims: &str) -> String {
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    )
}

fn signed(header: &str, claims: &str, key: &[u8]) -> String {
    let message = message(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[test]
fn a_key_that_is_announced_verifies_and_does_not_sign() {
    let now = Timestamp::from_secs(NOW);
    let before = KeyRing::generate(&crate::random::OsEntropy, now);
    let announced = before.announcing(&crate::random::OsEntropy, now);
    let overlap = Duration::from_secs(60);
    let after = announced.advanced(now, overlap).unwrap();
    let [before, announced, after] =
        [before, announced, after].map(|ring| JwtSigner::new(&ring, ISSUER));
    let claims = claims(Purpose::Access);
    let by = |signer: &JwtSigner| signer.sign(Purpose::Access, &claims).unwrap();
    let verifies =
        |signer: &JwtSigner, token: &str| signer.verify(Purpose::Access, token, now).is_ok();
    for (token, expected) in [
        (by(&before), [true, true, true]),
        (by(&announced), [true, true, true]),
        (by(&after), [false, true, true]),
    ] {
        let found = [&before, &announced, &after].map(|signer| verifies(signer, &token));
        assert_eq!(found, expected);
    }
}
