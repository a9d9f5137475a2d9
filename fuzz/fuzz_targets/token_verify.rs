//! Whatever text comes as a token: no panic, and what verifies is what the signer itself would say.
#![no_main]

use std::sync::LazyLock;

use consign_core::{
    time::Timestamp,
    token::{JwtSigner, KeyId, KeyRing, Purpose, Secret, SigningKey, TokenSigner},
};
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Of a fixed key, so that the tokens in the corpus are valid ones.
static SIGNER: LazyLock<JwtSigner> = LazyLock::new(|| {
    let secret = std::array::from_fn(|at| (at as u8).wrapping_mul(29) ^ (at as u8 >> 2));
    let key = SigningKey {
        id: KeyId([1, 2, 3, 4]),
        secret: Secret::new(secret).expect("it does not look constant"),
        created_at: NOW,
    };
    JwtSigner::new(&KeyRing::new(key, vec![]).expect("one key"), "fuzz")
});

fuzz_target!(|bytes: &[u8]| {
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
            let again = SIGNER.sign(purpose, &claims).expect("it was signed before");
            let claims_again = SIGNER.verify(purpose, &again, NOW);
            assert_eq!(claims_again, Ok(claims), "what verifies does not come back");
        }
    }
});
