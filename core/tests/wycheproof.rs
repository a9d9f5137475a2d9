//! Project Wycheproof's vectors, from the folder that `CONSIGN_CORPORA` names.
#![cfg(feature = "jwt")]
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use consign_core::{
    random::OsEntropy,
    time::Timestamp,
    token::{JwtSigner, KeyId, KeyRing, Purpose, Secret, SigningKey, TokenError, TokenSigner},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::Value;

/// Every vector's token, valid or not for its own key, is refused by us, and none makes us panic.
/// Most fall at the header, which is not ours; what a right header does not save is in the tests
/// beside the signer.
#[test]
fn no_wycheproof_token_is_taken() {
    let Some(vectors) = wycheproof("json_web_signature_test.json") else {
        return;
    };
    let now = Timestamp::from_secs(1_800_000_000);
    let mut count = 0;
    for (group, test) in tests_of(&vectors) {
        let signer = JwtSigner::new(&ring(group, now), "");
        let token = match &test["jws"] {
            Value::String(token) => token.clone(),
            json => json.to_string(),
        };
        for purpose in Purpose::ALL {
            let verified = signer.verify(purpose, &token, now);
            assert_eq!(verified, Err(TokenError::Invalid), "{}", test["tcId"]);
        }
        count += 1;
    }
    assert!(count > 300, "{count}");
}

/// The HS256 of the library that we sign and verify with, on full-length tags of 256 bits.
#[test]
fn wycheproof_hmac_sha256() {
    let Some(vectors) = wycheproof("hmac_sha256_test.json") else {
        return;
    };
    let bytes = |test: &Value, name: &str| from_hex(test[name].as_str().unwrap());
    let mut count = 0;
    for (group, test) in tests_of(&vectors) {
        if group["tagSize"] != 256 {
            continue;
        }
        let (key, tag, message) = (bytes(test, "key"), bytes(test, "tag"), bytes(test, "msg"));
        let valid = test["result"] == "valid";
        let encoded = URL_SAFE_NO_PAD.encode(&tag);
        let verified = jsonwebtoken::crypto::verify(
            &encoded,
            &message,
            &DecodingKey::from_secret(&key),
            Algorithm::HS256,
        );
        assert_eq!(verified.unwrap(), valid, "{}", test["tcId"]);
        if valid {
            let signed = jsonwebtoken::crypto::sign(
                &message,
                &EncodingKey::from_secret(&key),
                Algorithm::HS256,
            );
            assert_eq!(signed.unwrap(), encoded, "{}", test["tcId"]);
        }
        count += 1;
    }
    assert!(count > 80, "{count}");
}

/// A ring of the group's own key, where that is one we could have.
fn ring(group: &Value, now: Timestamp) -> KeyRing {
    let of_group = group["private"]["k"].as_str().and_then(|key| {
        let bytes = URL_SAFE_NO_PAD.decode(key).ok()?.try_into().ok()?;
        Secret::new(bytes).ok()
    });
    let generated = KeyRing::generate(&OsEntropy, now);
    let Some(secret) = of_group else {
        return generated;
    };
    let current = SigningKey {
        id: KeyId([0; 4]),
        secret,
        created_at: now,
    };
    KeyRing::new(current, vec![]).unwrap()
}

fn wycheproof(name: &str) -> Option<Value> {
    let Some(corpora) = std::env::var_os("CONSIGN_CORPORA") else {
        println!("skipped: CONSIGN_CORPORA, the folder of the corpora, is not set");
        return None;
    };
    let file = PathBuf::from(corpora).join("wycheproof").join(name);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    Some(serde_json::from_str(&text).unwrap())
}

fn tests_of(vectors: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = vectors["testGroups"].as_array().unwrap().iter();
    groups.flat_map(|group| {
        let tests = group["tests"].as_array().unwrap().iter();
        tests.map(move |test| (group, test))
    })
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}
