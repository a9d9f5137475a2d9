//! JSON Web Tokens (RFC 7519), by the best current practices (RFC 8725).

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::hkdf;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Claims, KeyId, KeyRing, Purpose, Secret, TokenError, TokenId, TokenSigner};
use crate::time::Timestamp;

/// The only algorithm, whatever a token says (RFC 8725, section 3.1).
const ALGORITHM: Algorithm = Algorithm::HS256;

/// Longer texts are no tokens of ours; they are not looked at.
const MAX_LEN: usize = 1024;

/// Signs JSON Web Tokens with HMAC-SHA-256.
///
/// Each purpose has its own `typ`, its own `aud` and its own key, derived from the ring's keys by
/// HKDF (RFC 5869), so that no token can stand in for one of another purpose. `kid` selects among
/// the ring's keys and nothing else. Clones share their keys.
#[derive(Clone)]
pub struct JwtSigner {
    issuer: Arc<str>,
    keys: Arc<RwLock<Arc<Keys>>>,
}

impl JwtSigner {
    /// A signer whose tokens say that `issuer` made them. Signers of one ring and another issuer
    /// do not believe each other's tokens.
    pub fn new(ring: &KeyRing, issuer: &str) -> Self {
        let keys = Arc::new(Keys::of(ring, issuer));
        Self {
            issuer: issuer.into(),
            keys: Arc::new(RwLock::new(keys)),
        }
    }

    /// Signs and verifies with the keys of `ring` from now on.
    pub fn replace(&self, ring: &KeyRing) {
        let keys = Arc::new(Keys::of(ring, &self.issuer));
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    fn keys(&self) -> Arc<Keys> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&keys)
    }
}

impl TokenSigner for JwtSigner {
    fn sign(&self, purpose: Purpose, claims: &Claims) -> Result<String, TokenError> {
        let keys = self.keys();
        let key = keys.current.purpose(purpose);
        let wire = WireClaims {
            iss: self.issuer.to_string(),
            aud: key.audience.clone(),
            sub: claims.subject.to_string(),
            exp: claims.expires_at,
            nbf: claims.not_before,
            iat: claims.issued_at,
            jti: URL_SAFE_NO_PAD.encode(claims.id.0),
            epoch: claims.epoch,
            file: claims.file.map(|file| file.to_string()),
        };
        jsonwebtoken::encode(&key.header, &wire, &key.encoding).map_err(|_| TokenError::Signing)
    }

    fn verify(&self, purpose: Purpose, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        if token.len() > MAX_LEN {
            return Err(TokenError::Invalid);
        }
        let keys = self.keys();
        let header = WireHeader::of(token).ok_or(TokenError::Invalid)?;
        if header.alg != "HS256" || header.typ != typ(purpose) {
            return Err(TokenError::Invalid);
        }
        let key = keys.named(&header.kid, now).ok_or(TokenError::Invalid)?;
        let key = key.purpose(purpose);
        let wire: WireClaims = jsonwebtoken::decode(token, &key.decoding, &key.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        let claims = wire.into_claims().ok_or(TokenError::Invalid)?;
        if claims.file.is_some() != (purpose == Purpose::Download) {
            return Err(TokenError::Invalid);
        }
        if now.as_secs() >= claims.expires_at {
            return Err(TokenError::Expired);
        }
        if now.as_secs() < claims.not_before {
            return Err(TokenError::NotYet);
        }
        Ok(claims)
    }
}

impl fmt::Debug for JwtSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtSigner")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

struct Keys {
    current: DerivedKeys,
    retired: Vec<(DerivedKeys, Timestamp)>,
}

impl Keys {
    fn of(ring: &KeyRing, issuer: &str) -> Self {
        let derive = |id, secret| DerivedKeys::of(id, secret, issuer);
        Self {
            current: derive(ring.current().id, &ring.current().secret),
            retired: ring
                .retired()
                .iter()
                .map(|(key, until)| (derive(key.id, &key.secret), *until))
                .collect(),
        }
    }

    fn named(&self, kid: &str, now: Timestamp) -> Option<&DerivedKeys> {
        if self.current.kid == kid {
            return Some(&self.current);
        }
        let mut retired = self.retired.iter();
        let (key, until) = retired.find(|(key, _)| key.kid == kid)?;
        (now < *until).then_some(key)
    }
}

/// One key of the ring, as the keys of all purposes.
struct DerivedKeys {
    kid: String,
    purposes: [PurposeKey; Purpose::ALL.len()],
}

struct PurposeKey {
    purpose: Purpose,
    audience: String,
    header: Header,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl DerivedKeys {
    fn of(id: KeyId, secret: &Secret, issuer: &str) -> Self {
        let kid = id.to_string();
        let purposes = Purpose::ALL.map(|purpose| PurposeKey::of(&kid, secret, purpose, issuer));
        Self { kid, purposes }
    }

    fn purpose(&self, purpose: Purpose) -> &PurposeKey {
        let mut keys = self.purposes.iter();
        keys.find(|key| key.purpose == purpose)
            .expect("there is one for each of Purpose::ALL")
    }
}

impl PurposeKey {
    fn of(kid: &str, secret: &Secret, purpose: Purpose, issuer: &str) -> Self {
        let key = derive(secret, purpose);
        let audience = format!("consign:{}", purpose.name());
        let mut validation = Validation::new(ALGORITHM);
        // It would read the wall clock; `verify` asks the caller's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[&audience]);
        Self {
            purpose,
            audience,
            header: Header {
                typ: Some(typ(purpose).to_owned()),
                kid: Some(kid.to_owned()),
                ..Header::new(ALGORITHM)
            },
            encoding: EncodingKey::from_secret(&*key),
            decoding: DecodingKey::from_secret(&*key),
            validation,
        }
    }
}

/// Explicit typing (RFC 8725, section 3.11).
fn typ(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Access => "consign-access+jwt",
        Purpose::Download => "consign-download+jwt",
    }
}

fn derive(secret: &Secret, purpose: Purpose) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"consign token v1")
        .extract(secret.expose())
        .expand(&[purpose.name().as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|expanded| expanded.fill(&mut *key))
        .expect("HKDF gives as many bytes as its hash has");
    key
}

/// The header that our tokens have: no other parameter is known, so none can be made to matter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHeader {
    alg: String,
    typ: String,
    kid: String,
}

impl WireHeader {
    fn of(token: &str) -> Option<Self> {
        let (header, _) = token.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
    }
}

/// The claims on the wire: all required, whole numbers for times.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireClaims {
    iss: String,
    aud: String,
    sub: String,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    epoch: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl WireClaims {
    fn into_claims(self) -> Option<Claims> {
        let id = URL_SAFE_NO_PAD.decode(self.jti).ok()?;
        Some(Claims {
            subject: self.sub.parse().ok()?,
            epoch: self.epoch,
            file: match self.file {
                Some(file) => Some(file.parse().ok()?),
                None => None,
            },
            issued_at: self.iat,
            not_before: self.nbf,
            expires_at: self.exp,
            id: TokenId(id.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests;
