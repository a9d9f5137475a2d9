//! Sealing: AES-256-GCM (NIST SP 800-38D) with a random nonce.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf,
};
use consign_core::token::Secret;
use zeroize::Zeroizing;

/// The first byte of what is sealed so.
const FORM: u8 = 1;

/// These bytes, for whoever has the key, as the version `version` of what is called `name`: as nothing else
/// do they open.
pub(super) fn seal(key: &Secret, name: &str, version: u64, bytes: &[u8]) -> Option<Vec<u8>> {
    let sealing = RandomizedNonceKey::new(&AES_256_GCM, key.expose()).ok()?;
    // All the room at once: a buffer that grows leaves copies behind.
    let mut text = Vec::with_capacity(bytes.len() + AES_256_GCM.tag_len());
    text.extend_from_slice(bytes);
    let bound = Aad::from(bound(name, version));
    let nonce = sealing.seal_in_place_append_tag(bound, &mut text).ok()?;
    let mut sealed = vec![FORM];
    sealed.extend_from_slice(nonce.as_ref());
    sealed.append(&mut text);
    Some(sealed)
}

/// What was sealed; `None` where it was by another key, as something else, or is damaged.
pub(super) fn open(
    key: &Secret,
    name: &str,
    version: u64,
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let opening = RandomizedNonceKey::new(&AES_256_GCM, key.expose()).ok()?;
    let (nonce, text) = sealed.strip_prefix(&[FORM])?.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = Zeroizing::new(text.to_vec());
    let bound = Aad::from(bound(name, version));
    let len = opening.open_in_place(nonce, bound, &mut text).ok()?.len();
    text.truncate(len);
    Some(text)
}

/// A secret of its own for each use, of which none tells the key (HKDF, RFC 5869).
pub(super) fn derived(key: &Secret, of: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut secret = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"consign cluster key 1")
        .extract(key.expose())
        .expand(&[of], hkdf::HKDF_SHA256)
        .and_then(|expanded| expanded.fill(&mut *secret))
        .expect("HKDF gives as many bytes as its hash has");
    secret
}

fn bound(name: &str, version: u64) -> Vec<u8> {
    [
        b"consign sealed 1 ",
        &version.to_be_bytes()[..],
        name.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> Secret {
        Secret::new(std::array::from_fn(|at| seed ^ (at * at) as u8)).unwrap()
    }

    #[test]
    fn what_is_derived_is_of_one_key_and_one_use() {
        let secret = derived(&key(1), b"a");
        assert_eq!(*secret, *derived(&key(1), b"a"));
        assert_ne!(*secret, *derived(&key(2), b"a"));
        assert_ne!(*secret, *derived(&key(1), b"b"));
        assert_ne!(*secret, *key(1).expose());
    }

    #[test]
    fn what_is_sealed_opens_as_itself_alone() {
        let sealed = seal(&key(1), "ring", 7, b"a secret").unwrap();
        assert!(!sealed.windows(8).any(|part| part == b"a secret"));
        assert_eq!(**open(&key(1), "ring", 7, &sealed).unwrap(), *b"a secret");
        assert!(open(&key(2), "ring", 7, &sealed).is_none(), "another key");
        assert!(open(&key(1), "rings", 7, &sealed).is_none(), "another name");
        assert!(open(&key(1), "ring", 6, &sealed).is_none(), "an older one");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&key(1), "ring", 7, &changed).is_none(), "byte {at}");
            assert!(
                open(&key(1), "ring", 7, &sealed[..at]).is_none(),
                "{at} bytes"
            );
        }
        let again = seal(&key(1), "ring", 7, b"a secret").unwrap();
        assert_ne!(sealed, again, "no nonce comes twice");
    }
}
