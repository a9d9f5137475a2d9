//! Any text as a stored password hash: it is bounded before anything is computed with it, and what
//! is computed is scrypt's.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use consign_core::password::{
    HashError, Password, PasswordHash, PasswordHasher, ScryptHasher, ScryptParams, Verdict,
    stored_params,
};

use crate::{heap, site};

const PASSWORD: &str = "password";

/// Blocks of 128 bytes that a run computes at most.
const CHEAP: u64 = 1 << 11;

static HASHER: LazyLock<ScryptHasher> =
    LazyLock::new(|| ScryptHasher::with_bounds(ScryptParams::WEAK, 1, 1));

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (params, taken) = heap::taken_by(|| stored_params(text));
    assert!(
        taken <= 16 * 1024 + 4 * text.len(),
        "reading took {taken} bytes"
    );
    let Some((log_n, r, p)) = params else {
        // Tiny next to what even a modest hash takes.
        let (verdict, taken) = heap::taken_by(|| verify(text));
        assert!(
            matches!(verdict, Err(HashError::Unusable(_))),
            "{verdict:?}"
        );
        assert!(
            taken <= 64 * 1024 + 8 * text.len(),
            "a refusal took {taken} bytes"
        );
        return;
    };
    let blocks = u64::from(r) << log_n;
    assert!(blocks * 128 <= 256 << 20, "too much memory");
    assert!(blocks * u64::from(p) <= 8 << 20, "too much work");
    let fields: Vec<_> = text.split('$').collect();
    let ["", "scrypt", stored, salt, hash] = fields[..] else {
        panic!("{text:?} is no PHC string of scrypt");
    };
    assert_eq!(stored, format!("ln={log_n},r={r},p={p}"));
    if blocks * u64::from(p) > CHEAP {
        return;
    }
    let salt = STANDARD_NO_PAD.decode(salt).expect("a salt is base64");
    let hash = STANDARD_NO_PAD.decode(hash).expect("a hash is base64");
    let mut expected = vec![0; hash.len()];
    let params = scrypt::Params::new(log_n, r, p).expect("they are scrypt's");
    scrypt::scrypt(PASSWORD.as_bytes(), &salt, &params, &mut expected).expect("a good length");
    match verify(text) {
        Ok(Verdict::Wrong) => assert_ne!(hash, expected, "the password was not let in"),
        Ok(verdict) => {
            assert_eq!(hash, expected, "another password was let in");
            // N = 2^4, r = 1, p = 1 are the present ones.
            let old = blocks * u64::from(p) < 16;
            assert_eq!(verdict == Verdict::RightButOld, old);
        }
        Err(error) => panic!("{text:?} was read, and then {error}"),
    }
}

fn verify(text: &str) -> Result<Verdict, HashError> {
    let stored = Some(PasswordHash::new(text.to_owned()));
    site::block_on(HASHER.verify(Password::new(PASSWORD.to_owned()), stored))
}
