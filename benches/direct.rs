//! Tokens by jsonwebtoken called directly: the anchor of what a `TokenSigner` takes.

use std::hint::black_box;

use consign_core::{
    id::{FileId, UserId},
    random::OsEntropy,
    time::Timestamp,
    token::{Claims, Purpose, TokenId},
};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, dangerous, errors::Result,
};
use serde::{Deserialize, Serialize};

/// When tokens are signed and verified.
pub const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The claims of a new token.
pub fn claims(purpose: Purpose) -> Claims {
    Claims {
        subject: UserId::random(&OsEntropy),
        epoch: 1,
        file: (purpose == Purpose::Download).then(|| FileId::random(&OsEntropy)),
        issued_at: NOW.as_secs(),
        not_before: NOW.as_secs(),
        expires_at: NOW.as_secs() + 900,
        id: TokenId::random(&OsEntropy),
    }
}

/// The claims on the wire.
#[derive(Serialize, Deserialize)]
pub struct Wire {
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

/// The header, the claims, the key's length and what is required of a token of ours, with all made
/// beforehand that can be.
pub struct Direct {
    header: Header,
    wire: Wire,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Direct {
    /// With the header and the claims of `token`.
    ///
    /// # Errors
    /// When it is no token.
    pub fn of(token: &str) -> Result<Self> {
        let header = jsonwebtoken::decode_header(token)?;
        let wire = dangerous::insecure_decode::<Wire>(token)?.claims;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        validation.set_issuer(&[&wire.iss]);
        validation.set_audience(&[&wire.aud]);
        Ok(Self {
            header,
            wire,
            encoding: EncodingKey::from_secret(&[7; 32]),
            decoding: DecodingKey::from_secret(&[7; 32]),
            validation,
        })
    }

    /// Signs the claims.
    ///
    /// # Errors
    /// When they cannot be.
    pub fn sign(&self) -> Result<String> {
        jsonwebtoken::encode(&self.header, black_box(&self.wire), &self.encoding)
    }

    /// Verifies what [`sign`](Self::sign) gave.
    ///
    /// # Errors
    /// When that is not what it is.
    pub fn verify(&self, token: &str) -> Result<Wire> {
        Ok(jsonwebtoken::decode(token, &self.decoding, &self.validation)?.claims)
    }
}
