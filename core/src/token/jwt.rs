//! JSON Web Tokens (RFC 7519), by the best current practices (RFC 8725).

use std::{
    borrow::Cow,
    fmt,
    marker::PhantomData,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::hkdf;
use base64::{
    DecodeSliceError, Engine, display::Base64Display, engine::general_purpose::URL_SAFE_NO_PAD,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};
use zeroize::Zeroizing;

use super::{
    Claims, KeyId, KeyRing, Purpose, Secret, SigningKey, TokenError, TokenId, TokenSigner,
};
use crate::{
    id::{FileId, UserId},
    time::Timestamp,
};

/// The only algorithm, whatever a token says (RFC 8725, section 3.1).
const ALGORITHM: Algorithm = Algorithm::HS256;

/// Longer texts are no tokens of ours; they are not looked at.
const MAX_LEN: usize = 1024;

/// Bytes that a token has with an issuer of usual length: reserved at once.
const TOKEN_LEN: usize = 512;

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
        let keys = Arc::new(Keys::of(ring));
        Self {
            issuer: issuer.into(),
            keys: Arc::new(RwLock::new(keys)),
        }
    }

    /// Signs and verifies with the keys of `ring` from now on.
    pub fn replace(&self, ring: &KeyRing) {
        let keys = Arc::new(Keys::of(ring));
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
        let wire = WireClaims::of(claims, &self.issuer, &key.audience);
        let claims = serde_json::to_vec(&wire).map_err(|_| TokenError::Signing)?;
        let mut token = String::with_capacity(TOKEN_LEN);
        token.push_str(&key.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = crypto::sign(token.as_bytes(), &key.encoding, ALGORITHM);
        token.push('.');
        token.push_str(&signature.map_err(|_| TokenError::Signing)?);
        Ok(token)
    }

    fn verify(&self, purpose: Purpose, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        if token.len() > MAX_LEN {
            return Err(TokenError::Invalid);
        }
        let keys = self.keys();
        let claims = signed_claims(&keys, &self.issuer, purpose, token, now);
        let claims = claims.ok_or(TokenError::Invalid)?;
        if now.as_secs() >= claims.expires_at {
            return Err(TokenError::Expired);
        }
        if now.as_secs() < claims.not_before {
            return Err(TokenError::NotYet);
        }
        Ok(claims)
    }
}

/// The claims of a token that one of the keys has signed for `purpose`, whatever their times.
fn signed_claims(
    keys: &Keys,
    issuer: &str,
    purpose: Purpose,
    token: &str,
    now: Timestamp,
) -> Option<Claims> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let key = keys.of_header(purpose, header, now)?;
    let genuine = crypto::verify(signature, message.as_bytes(), &key.decoding, ALGORITHM);
    if !genuine.ok()? {
        return None;
    }
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    // serde would take a list of their values too.
    let object = claims.starts_with(b"{").then_some(&claims)?;
    let wire: WireClaims<'_> = serde_json::from_slice(object).ok()?;
    if wire.iss != issuer || wire.aud != key.audience {
        return None;
    }
    let claims = wire.claims();
    let names_a_file = purpose == Purpose::Download;
    (claims.file.is_some() == names_a_file).then_some(claims)
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
    next: Option<DerivedKeys>,
}

impl Keys {
    fn of(ring: &KeyRing) -> Self {
        let retired = ring.retired().iter();
        Self {
            current: DerivedKeys::of(ring.current()),
            retired: retired
                .map(|(key, until)| (DerivedKeys::of(key), *until))
                .collect(),
            next: ring.next().map(DerivedKeys::of),
        }
    }

    /// The key whose tokens for `purpose` begin with this header.
    fn of_header(&self, purpose: Purpose, header: &str, now: Timestamp) -> Option<&PurposeKey> {
        let mut unended = [Some(&self.current), self.next.as_ref()]
            .into_iter()
            .flatten()
            .map(|key| key.purpose(purpose));
        if let Some(key) = unended.find(|key| key.header == header) {
            return Some(key);
        }
        let retired = self.retired.iter();
        let mut retired = retired.map(|(key, until)| (key.purpose(purpose), until));
        let (key, until) = retired.find(|(key, _)| key.header == header)?;
        (now < *until).then_some(key)
    }
}

/// One key of the ring, as the keys of all purposes.
struct DerivedKeys {
    purposes: [PurposeKey; Purpose::ALL.len()],
}

struct PurposeKey {
    purpose: Purpose,
    audience: String,
    /// The first part of each of its tokens. One that begins with any other is none: a header whose
    /// parameters were read could make them matter (RFC 8725, sections 3.1 and 3.10).
    header: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl DerivedKeys {
    fn of(key: &SigningKey) -> Self {
        let purposes = Purpose::ALL.map(|purpose| PurposeKey::of(key.id, &key.secret, purpose));
        Self { purposes }
    }

    fn purpose(&self, purpose: Purpose) -> &PurposeKey {
        let mut keys = self.purposes.iter();
        keys.find(|key| key.purpose == purpose)
            .expect("there is one for each of Purpose::ALL")
    }
}

impl PurposeKey {
    fn of(id: KeyId, secret: &Secret, purpose: Purpose) -> Self {
        let key = derive(secret, purpose);
        Self {
            purpose,
            audience: format!("consign:{}", purpose.name()),
            header: URL_SAFE_NO_PAD.encode(header(id, purpose)),
            encoding: EncodingKey::from_secret(&*key),
            decoding: DecodingKey::from_secret(&*key),
        }
    }
}

/// A token's header (RFC 7515, section 4.1), in the one form that there is of it: other spaces, or
/// another order, would make it another's.
fn header(key: KeyId, purpose: Purpose) -> String {
    let typ = typ(purpose);
    format!(r#"{{"typ":"{typ}","alg":"HS256","kid":"{key}"}}"#)
}

/// Explicit typing (RFC 8725, section 3.11).
fn typ(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Access => "consign-access+jwt",
        Purpose::Download => "consign-download+jwt",
        Purpose::Lease => "consign-lease+jwt",
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

/// The claims on the wire: all required, whole numbers for times.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireClaims<'t> {
    #[serde(borrow)]
    iss: Cow<'t, str>,
    #[serde(borrow)]
    aud: Cow<'t, str>,
    sub: Text<UserId>,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: Text<Base64>,
    epoch: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<Text<FileId>>,
}

impl<'t> WireClaims<'t> {
    fn of(claims: &Claims, issuer: &'t str, audience: &'t str) -> Self {
        Self {
            iss: issuer.into(),
            aud: audience.into(),
            sub: Text(claims.subject),
            exp: claims.expires_at,
            nbf: claims.not_before,
            iat: claims.issued_at,
            jti: Text(Base64(claims.id.0)),
            epoch: claims.epoch,
            file: claims.file.map(Text),
        }
    }

    fn claims(&self) -> Claims {
        Claims {
            subject: self.sub.0,
            epoch: self.epoch,
            file: self.file.as_ref().map(|file| file.0),
            issued_at: self.iat,
            not_before: self.nbf,
            expires_at: self.exp,
            id: TokenId(self.jti.0.0),
        }
    }
}

/// A value that is a string on the wire.
struct Text<T>(T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parse<T>(PhantomData<T>);

        impl<T: FromStr> Visitor<'_> for Parse<T> {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an identifier")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<T>, E> {
                let parsed = text.parse().map(Text);
                parsed.map_err(|_| E::custom("not an identifier"))
            }
        }

        deserializer.deserialize_str(Parse(PhantomData))
    }
}

/// 128 bits in base64url without padding (RFC 4648, section 5).
struct Base64([u8; 16]);

impl fmt::Display for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Base64Display::new(&self.0, &URL_SAFE_NO_PAD).fmt(f)
    }
}

impl FromStr for Base64 {
    type Err = DecodeSliceError;

    fn from_str(text: &str) -> Result<Self, DecodeSliceError> {
        // The decoder asks for room in whole groups of three bytes.
        let mut bytes = [0; 18];
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes)?;
        let exact = bytes[..len].try_into();
        exact
            .map(Self)
            .map_err(|_| DecodeSliceError::OutputSliceTooSmall)
    }
}

#[cfg(test)]
mod tests;
