//! Tokens, as anyone sees them who has no key.
#![cfg(feature = "jwt")]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use consign_core::{
    id::{FileId, UserId},
    random::OsEntropy,
    time::Timestamp,
    token::{
        Claims, JwtSigner, KeyId, KeyRing, KeySource, MemoryKeys, Purpose, Secret, SigningKey,
        TokenError, TokenId, TokenSigner,
    },
};
use proptest::prelude::*;
use serde_json::Value;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// Made by another program, from RFC 5869, RFC 7515 and the secret of [`secret`]: a change of the
/// derivation or the wire format would void every token in the world.
const GOLDEN: &str = "eyJ0eXAiOiJjb25zaWduLWRvd25sb2FkK2p3dCIsImFsZyI6IkhTMjU2Iiwia2lkIjoiMDEwMjAzMDQifQ.eyJpc3MiOiJjb25zaWduIiwiYXVkIjoiY29uc2lnbjpkb3dubG9hZCIsInN1YiI6IjExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExIiwiZXhwIjoxODAwMDAwOTAwLCJuYmYiOjE4MDAwMDAwMDAsImlhdCI6MTgwMDAwMDAwMCwianRpIjoiTXpNek16TXpNek16TXpNek16TXpNdyIsImVwb2NoIjo3LCJmaWxlIjoiMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIifQ.qWZ1HcKnFGe7KWoi5uwZDPlJ8p8i4QO5t2HwyNby9is";

#[test]
fn the_wire_format_stays() {
    let signer = JwtSigner::new(&ring(), "consign");
    assert_eq!(
        signer.verify(Purpose::Download, GOLDEN, NOW),
        Ok(claims(Purpose::Download))
    );
    let [made, golden] = [&sign(&signer, Purpose::Download), GOLDEN].map(parts);
    assert_eq!(made, golden);
}

#[test]
fn a_token_is_fit_for_a_path_segment() {
    for purpose in Purpose::ALL {
        let token = sign(&signer(), purpose);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        assert!(token.chars().all(plain), "{token}");
    }
}

#[test]
fn every_change_of_one_bit_is_refused() {
    let signer = signer();
    for purpose in Purpose::ALL {
        let token = sign(&signer, purpose).into_bytes();
        for at in 0..token.len() {
            for bit in 0..8 {
                let mut spoilt = token.clone();
                spoilt[at] ^= 1 << bit;
                // A front end hands over text; what is not UTF-8 never gets this far.
                let spoilt = String::from_utf8_lossy(&spoilt);
                let verified = signer.verify(purpose, &spoilt, NOW);
                assert_eq!(verified, Err(TokenError::Invalid), "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let token = sign(&signer(), Purpose::Access);
    for len in 0..token.len() {
        for part in [&token[..len], &token[token.len() - len..]] {
            assert_eq!(
                signer().verify(Purpose::Access, part, NOW),
                Err(TokenError::Invalid)
            );
        }
    }
}

/// The last character of a segment can have bits that no byte of it uses: of their values only
/// one is a spelling of the segment, or one signature would have several.
#[test]
fn no_segment_has_a_second_spelling() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for purpose in Purpose::ALL {
        let signer = signer();
        let token = sign(&signer, purpose);
        let ends: Vec<usize> = token
            .match_indices('.')
            .map(|(at, _)| at)
            .chain([token.len()])
            .collect();
        for end in ends {
            for &last in ALPHABET {
                let mut other = token.clone().into_bytes();
                other[end - 1] = last;
                let other = String::from_utf8(other).unwrap();
                assert_eq!(
                    signer.verify(purpose, &other, NOW).is_ok(),
                    other == token,
                    "{other}"
                );
            }
            for extra in ["=", "==", "A", "AA", " ", "\n", "%3D"] {
                let other = format!("{}{extra}{}", &token[..end], &token[end..]);
                assert_eq!(
                    signer.verify(purpose, &other, NOW),
                    Err(TokenError::Invalid)
                );
            }
        }
        let standard = token.replace('-', "+").replace('_', "/");
        assert_eq!(
            signer.verify(purpose, &standard, NOW).is_ok(),
            standard == token
        );
        for other in [
            format!(".{token}"),
            format!("{token}."),
            format!("{token}.e30"),
            format!("Bearer {token}"),
        ] {
            assert_eq!(
                signer.verify(purpose, &other, NOW),
                Err(TokenError::Invalid)
            );
        }
    }
}

proptest! {
    #[test]
    fn what_was_signed_is_what_is_verified(
        (subject, id, file) in any::<([u8; 16], [u8; 16], [u8; 16])>(),
        epoch: u32,
        issued_at: u64,
        life in 1..=u64::MAX / 1000,
        purpose in prop::sample::select(Purpose::ALL.as_slice()),
        issuer in ".{0,40}",
    ) {
        let claims = Claims {
            subject: UserId::from_bytes(subject),
            epoch,
            file: (purpose == Purpose::Download).then_some(FileId::from_bytes(file)),
            issued_at,
            not_before: 0,
            expires_at: life,
            id: TokenId(id),
        };
        let signer = JwtSigner::new(&ring(), &issuer);
        let token = signer.sign(purpose, &claims).unwrap();
        let before_end = Timestamp::from_secs(life - 1);
        prop_assert_eq!(signer.verify(purpose, &token, before_end), Ok(claims));
        for other in Purpose::ALL.into_iter().filter(|other| *other != purpose) {
            prop_assert_eq!(signer.verify(other, &token, before_end), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn a_changed_token_is_refused(
        at: prop::sample::Index,
        cut in 0..4_usize,
        insert in ".{0,4}",
        purpose in prop::sample::select(Purpose::ALL.as_slice()),
    ) {
        let token = sign(&signer(), purpose);
        let at = at.index(token.len());
        let changed = format!("{}{insert}{}", &token[..at], &token[(at + cut).min(token.len())..]);
        let expected = if changed == token { Ok(claims(purpose)) } else { Err(TokenError::Invalid) };
        prop_assert_eq!(signer().verify(purpose, &changed, NOW), expected);
    }

    #[test]
    fn arbitrary_text_is_refused(text in "(.{0,80}|[A-Za-z0-9_.-]{0,200}|eyJ[A-Za-z0-9_-]{9}\\.\\PC{4}\\.)") {
        for purpose in Purpose::ALL {
            prop_assert_eq!(signer().verify(purpose, &text, NOW), Err(TokenError::Invalid));
        }
    }

    /// Parts of two good tokens do not make a third.
    #[test]
    fn spliced_tokens_are_refused(pick in prop::array::uniform3(0..4_usize), purpose in prop::sample::select(Purpose::ALL.as_slice())) {
        let other = Claims { epoch: 8, ..claims(purpose) };
        let next = JwtSigner::new(&ring().rotated(&OsEntropy, NOW, HOUR), "consign");
        next.replace(&ring());
        let tokens = [
            sign(&signer(), Purpose::Access),
            sign(&signer(), Purpose::Download),
            signer().sign(purpose, &other).unwrap(),
            JwtSigner::new(&ring(), "another").sign(purpose, &claims(purpose)).unwrap(),
        ];
        let segments: Vec<Vec<&str>> = tokens.iter().map(|token| token.split('.').collect()).collect();
        let spliced = [segments[pick[0]][0], segments[pick[1]][1], segments[pick[2]][2]].join(".");
        let whole = tokens[..3].contains(&spliced);
        if !whole {
            prop_assert_eq!(signer().verify(purpose, &spliced, NOW), Err(TokenError::Invalid));
        }
    }
}

#[test]
fn another_issuers_token_is_refused() {
    for purpose in Purpose::ALL {
        let token = sign(&JwtSigner::new(&ring(), "consign"), purpose);
        for issuer in ["", "Consign", "consign ", "https://consign", "consig"] {
            let other = JwtSigner::new(&ring(), issuer);
            assert_eq!(
                other.verify(purpose, &token, NOW),
                Err(TokenError::Invalid),
                "{issuer:?}"
            );
        }
    }
}

#[test]
fn another_rings_token_is_refused_though_its_key_has_the_same_id() {
    let mut key = ring().current().clone();
    key.secret = Secret::new(std::array::from_fn(|at| (at * at * 3) as u8)).unwrap();
    let other = JwtSigner::new(&KeyRing::new(key, vec![]).unwrap(), "consign");
    for purpose in Purpose::ALL {
        let token = sign(&other, purpose);
        assert_eq!(other.verify(purpose, &token, NOW), Ok(claims(purpose)));
        assert_eq!(
            signer().verify(purpose, &token, NOW),
            Err(TokenError::Invalid)
        );
    }
}

#[test]
fn a_retired_key_verifies_until_its_time_and_signs_no_more() {
    let overlap = Duration::from_secs(600);
    let old = signer();
    let token = sign(&old, Purpose::Access);
    let ring = ring().rotated(&OsEntropy, NOW, overlap);
    let new = JwtSigner::new(&ring, "consign");
    let at = |time| new.verify(Purpose::Access, &token, time);
    let until = NOW + overlap;
    assert_eq!(at(NOW), Ok(claims(Purpose::Access)));
    assert_eq!(
        at(Timestamp::from_millis(until.as_millis() - 1)),
        Ok(claims(Purpose::Access))
    );
    assert_eq!(at(until), Err(TokenError::Invalid));
    assert!(
        claims(Purpose::Access).expires_at > until.as_secs(),
        "only the key's time is over"
    );

    let token = sign(&new, Purpose::Access);
    assert_eq!(
        old.verify(Purpose::Access, &token, NOW),
        Err(TokenError::Invalid)
    );
    assert_eq!(
        new.verify(Purpose::Access, &token, NOW),
        Ok(claims(Purpose::Access))
    );
    assert!(header(&token).contains(&ring.current().id.to_string()));
}

#[test]
fn rotating_twice_keeps_both_old_keys() {
    let first = ring();
    let second = first.rotated(&OsEntropy, NOW, HOUR);
    let third = second.rotated(&OsEntropy, NOW, HOUR);
    let signer = JwtSigner::new(&third, "consign");
    for ring in [&first, &second, &third] {
        let token = sign(&JwtSigner::new(ring, "consign"), Purpose::Download);
        assert_eq!(
            signer.verify(Purpose::Download, &token, NOW),
            Ok(claims(Purpose::Download))
        );
    }
    let later = third.rotated(&OsEntropy, NOW + HOUR, HOUR);
    assert_eq!(
        later.retired().len(),
        1,
        "keys whose time is over are not kept"
    );
}

#[test]
fn replaced_keys_hold_for_every_clone_at_once() {
    let signer = signer();
    let clone = signer.clone();
    let token = sign(&signer, Purpose::Access);
    signer.replace(&KeyRing::generate(&OsEntropy, NOW));
    for signer in [&signer, &clone] {
        assert_eq!(
            signer.verify(Purpose::Access, &token, NOW),
            Err(TokenError::Invalid)
        );
    }
    let token = sign(&signer, Purpose::Access);
    assert_eq!(
        clone.verify(Purpose::Access, &token, NOW),
        Ok(claims(Purpose::Access))
    );
    signer.replace(&ring());
    assert_eq!(
        clone.verify(Purpose::Access, &token, NOW),
        Err(TokenError::Invalid)
    );
    assert_eq!(
        clone.verify(Purpose::Download, GOLDEN, NOW),
        Ok(claims(Purpose::Download))
    );
}

#[test]
fn key_ids_have_one_text() {
    for text in [
        "",
        "0102030",
        "010203040",
        "0102030G",
        "0102030A",
        "+1020304",
        "0x020304",
        " 1020304",
    ] {
        assert!(text.parse::<KeyId>().is_err(), "{text:?}");
    }
    assert_eq!("01020304".parse::<KeyId>().unwrap(), KeyId([1, 2, 3, 4]));
}

#[test]
fn no_secret_is_shown() {
    let (ring, signer) = (ring(), signer());
    let key = ring.current();
    let shown = [
        format!("{ring:?} {ring:#?} {key:?} {:?}", key.secret),
        format!("{signer:?} {signer:#?} {:?}", MemoryKeys::new(ring.clone())),
        format!("{:?}", MemoryKeys::new(ring.clone()) as MemoryKeys),
    ]
    .join(" ");
    let bytes = key.secret.expose();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{:?}", &bytes[..8]);
    for secret in [
        hex.as_str(),
        list.trim_matches(['[', ']']),
        &URL_SAFE_NO_PAD.encode(bytes)[..12],
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(
        shown.contains("01020304"),
        "a key's id is no secret: {shown}"
    );
}

#[test]
fn keys_in_memory_are_the_ones_saved() {
    let keys = MemoryKeys::new(ring());
    let next = ring().rotated(&OsEntropy, NOW, HOUR);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let loaded = runtime.block_on(async {
        keys.save(&next).await.unwrap();
        keys.load().await.unwrap()
    });
    assert_eq!(loaded.current().id, next.current().id);
    assert_eq!(
        loaded.current().secret.expose(),
        next.current().secret.expose()
    );
    assert_eq!(loaded.retired().len(), 1);
}

fn claims(purpose: Purpose) -> Claims {
    Claims {
        subject: UserId::from_bytes([0x11; 16]),
        epoch: 7,
        file: (purpose == Purpose::Download).then_some(FileId::from_bytes([0x22; 16])),
        issued_at: NOW.as_secs(),
        not_before: NOW.as_secs(),
        expires_at: NOW.as_secs() + 900,
        id: TokenId([0x33; 16]),
    }
}

fn ring() -> KeyRing {
    let key = SigningKey {
        id: KeyId([1, 2, 3, 4]),
        secret: Secret::new(std::array::from_fn(|at| (at * 7 + at * at) as u8)).unwrap(),
        created_at: NOW,
    };
    KeyRing::new(key, vec![]).unwrap()
}

fn signer() -> JwtSigner {
    JwtSigner::new(&ring(), "consign")
}

fn sign(signer: &JwtSigner, purpose: Purpose) -> String {
    signer.sign(purpose, &claims(purpose)).unwrap()
}

fn header(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

/// Header and claims, without the order of their members.
fn parts(token: &str) -> [Value; 2] {
    let mut segments = token.split('.');
    [(); 2].map(|()| {
        let segment = URL_SAFE_NO_PAD.decode(segments.next().unwrap()).unwrap();
        serde_json::from_slice(&segment).unwrap()
    })
}
