use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::{EvidenceKeys, EvidenceSigner, PublicKey, Signature};

/// Signs with an Ed25519 key.
#[derive(Debug)]
pub struct Ed25519Signer {
    pair: Ed25519KeyPair,
    retired: Vec<PublicKey>,
}

impl Ed25519Signer {
    /// A signer that has these keys.
    pub fn new(keys: &EvidenceKeys) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(keys.seed.expose());
        Self {
            pair: pair.expect("any 32 bytes are a seed"),
            retired: keys.retired.clone(),
        }
    }
}

impl EvidenceSigner for Ed25519Signer {
    fn key(&self) -> PublicKey {
        let bytes = self.pair.public_key().as_ref().try_into();
        PublicKey(bytes.expect("a public key has 32 bytes"))
    }

    fn keys(&self) -> Vec<PublicKey> {
        let retired = self.retired.iter().copied();
        std::iter::once(self.key()).chain(retired).collect()
    }

    fn sign(&self, bytes: &[u8]) -> Signature {
        let signature = self.pair.sign(bytes);
        let bytes = signature.as_ref().try_into();
        Signature(bytes.expect("a signature has 64 bytes"))
    }
}

pub(super) fn verifies(key: &PublicKey, bytes: &[u8], signature: &Signature) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, key.0);
    key.verify(bytes, &signature.0).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{id::parse_hex, time::Timestamp, token::Secret};

    fn keys(seed: [u8; 32]) -> EvidenceKeys {
        EvidenceKeys {
            seed: Secret::new(seed).unwrap(),
            created_at: Timestamp::from_millis(1),
            retired: vec![],
        }
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn a_known_key_signs_as_it_is_known_to() {
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        let signer = Ed25519Signer::new(&keys(parse_hex(seed).unwrap()));
        assert_eq!(signer.key(), PublicKey(parse_hex(public).unwrap()));
        let signed = signer.sign(&[0x72]);
        assert_eq!(signed, Signature(parse_hex(signature).unwrap()));
        assert!(signer.key().verifies(&[0x72], &signed));
        assert!(!signer.key().verifies(&[0x73], &signed));
    }

    #[test]
    fn no_secret_is_shown() {
        let keys = keys(std::array::from_fn(|at| (at * at) as u8));
        let shown = format!("{:?} {keys:?}", Ed25519Signer::new(&keys));
        let seed = keys.seed;
        assert!(
            !shown.contains(&format!("{:?}", seed.expose())[..12]),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn keys_and_signatures_have_one_text(key: [u8; 32], half: [u8; 32]) {
            let (key, signature) = (PublicKey(key), Signature([half, key].concat().try_into().unwrap()));
            prop_assert_eq!(key.to_string().parse(), Ok(key));
            prop_assert_eq!(signature.to_string().parse(), Ok(signature));
            prop_assert_eq!(key.id().to_string().parse(), Ok(key.id()));
            let other = format!("{key}=");
            prop_assert!(other.parse::<PublicKey>().is_err());
        }
    }
}
