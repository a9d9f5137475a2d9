//! Any header and any claims under a good signature, as if the key had leaked to someone who writes
//! tokens by hand: what verifies is what the claims are defined to be.
//!
//! Input: a byte for the purpose whose key signs, the header's JSON up to a line feed, the claims'.

use aws_lc_rs::{hkdf, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use consign_core::token::{Claims, Purpose, TokenSigner};
use serde_json::{Value, json};

use crate::token_verify::{ISSUER, NOW, SIGNER, secret};

pub fn run(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else {
        return;
    };
    let purpose = Purpose::ALL[usize::from(*which) % Purpose::ALL.len()];
    let Some(line) = rest.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (header, claims) = (&rest[..line], &rest[line + 1..]);
    let token = signed(purpose, header, claims);
    for asked in Purpose::ALL {
        if let Ok(read) = SIGNER.verify(asked, &token, NOW) {
            assert_eq!(asked, purpose, "signed with another purpose's key");
            check(purpose, header, claims, &read);
        }
    }
}

fn check(purpose: Purpose, header: &[u8], claims: &[u8], read: &Claims) {
    let header: Value = serde_json::from_slice(header).expect("a header is JSON");
    let typ = format!("consign-{}+jwt", purpose.name());
    assert_eq!(
        header,
        json!({"alg": "HS256", "typ": typ, "kid": "01020304"})
    );
    let claims: Value = serde_json::from_slice(claims).expect("claims are JSON");
    let mut expected = json!({
        "iss": ISSUER,
        "aud": format!("consign:{}", purpose.name()),
        "sub": read.subject.to_string(),
        "exp": read.expires_at,
        "nbf": read.not_before,
        "iat": read.issued_at,
        "jti": URL_SAFE_NO_PAD.encode(read.id.0),
        "epoch": read.epoch,
    });
    if let Some(file) = read.file {
        expected["file"] = file.to_string().into();
    }
    // A null is as good as none.
    let mut claims = claims;
    if let Some(claims) = claims.as_object_mut() {
        claims.retain(|name, value| name != "file" || !value.is_null());
    }
    assert_eq!(claims, expected);
    assert_eq!(read.file.is_some(), purpose == Purpose::Download);
    assert!(read.not_before <= NOW.as_secs() && NOW.as_secs() < read.expires_at);
}

/// A token by the published rules, made without the signer.
pub fn signed(purpose: Purpose, header: &[u8], claims: &[u8]) -> String {
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"consign token v1")
        .extract(&secret())
        .expand(&[purpose.name().as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|expanded| expanded.fill(&mut key))
        .expect("as many bytes as the hash has");
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
}
