//! Whatever text comes as a token: what verifies is, letter for letter, what the signer would write.

use std::sync::LazyLock;

use consign_core::{
    time::Timestamp,
    token::{JwtSigner, KeyId, KeyRing, Purpose, Secret, SigningKey, TokenSigner},
};

pub const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

pub const ISSUER: &str = "fuzz";

pub const KEY_ID: [u8; 4] = [1, 2, 3, 4];

/// A fixed key, so that the tokens in the corpus are valid ones.
pub fn secret() -> [u8; 32] {
    std::array::from_fn(|at| (at as u8).wrapping_mul(29) ^ (at as u8 >> 2))
}

pub static SIGNER: LazyLock<JwtSigner> = LazyLock::new(|| {
    let key = SigningKey {
        id: KeyId(KEY_ID),
        secret: Secret::new(secret()).expect("it does not look constant"),
        created_at: NOW,
    };
    JwtSigner::new(&KeyRing::new(key, vec![]).expect("one key"), ISSUER)
});

pub fn run(bytes: &[u8]) {
    let Ok(token) = std::str::from_utf8(bytes) else {
        return;
    };
    let verified = Purpose::ALL.map(|purpose| SIGNER.verify(purpose, token, NOW));
    assert!(
        verified.iter().filter(|claims| claims.is_ok()).count() <= 1,
        "good for two purposes"
    );
    for (purpose, claims) in Purpose::ALL.into_iter().zip(verified) {
        if let Ok(claims) = claims {
            assert!(claims.not_before <= NOW.as_secs() && NOW.as_secs() < claims.expires_at);
            let again = SIGNER.sign(purpose, &claims).expect("it was signed before");
            assert_eq!(again, token, "a token has a second spelling");
        }
    }
}
