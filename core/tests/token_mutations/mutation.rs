//! What can be done to a token by one who has no key.

use aws_lc_rs::hmac;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use proptest::{prelude::*, sample::Index};
use serde_json::{Map, Value, json};

use crate::secret;

/// What the header's `jwk` holds.
const HEADER_KEY: [u8; 32] = [0x77; 32];

/// What is done to a token.
#[derive(Clone, Debug)]
pub enum Mutation {
    Flip(Index, u8),
    Replace(Index, u8),
    Insert(Index, String),
    Remove(Index, usize),
    Head(Index),
    Tail(Index),
    Swap(Index, Index),
    Repeat(Index, usize),
    FlipCase(Index),
    /// Each segment from one of several tokens.
    Segments([usize; 3]),
    /// The segments in another order, or another number of them.
    Order(Vec<usize>),
    Recode(usize, Recoding),
    /// Members of the header or the claims set or taken away, under this signature.
    Edit(Part, Edit, Signature),
}

#[derive(Clone, Copy, Debug)]
pub enum Recoding {
    Padded,
    Standard,
    StandardPadded,
    Percent,
    Twice,
    Hex,
    LooseEnd(u8),
    Lines,
    /// The same JSON, spelt otherwise.
    Json,
    Escapes,
}

#[derive(Clone, Copy, Debug)]
pub enum Part {
    Header,
    Claims,
}

#[derive(Clone, Debug)]
pub enum Edit {
    None,
    Set(&'static str, Value),
    Remove(Index),
}

#[derive(Clone, Copy, Debug)]
pub enum Signature {
    Kept,
    None,
    Of(hmac::Algorithm, Key),
}

/// Keys that a forger may think of.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    Empty,
    Zeros,
    /// The ring's secret itself, which nobody has; it signs for no purpose all the same.
    Ring,
    Id,
    Issuer,
    /// The key that the header brings along.
    Header,
    /// The token's own signature.
    Signature,
}

pub fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    let text = prop_oneof![
        "[A-Za-z0-9_.-]{1,4}",
        "[=+/ \t\r\n\0%\"]{1,3}",
        "\\PC{1,2}",
        Just("\u{2024}".to_owned()),
    ];
    let recoding = prop_oneof![
        Just(Recoding::Padded),
        Just(Recoding::Standard),
        Just(Recoding::StandardPadded),
        Just(Recoding::Percent),
        Just(Recoding::Twice),
        Just(Recoding::Hex),
        (0..64_u8).prop_map(Recoding::LooseEnd),
        Just(Recoding::Lines),
        Just(Recoding::Json),
        Just(Recoding::Escapes),
    ];
    prop_oneof![
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        3 => (at(), text).prop_map(|(at, text)| Mutation::Insert(at, text)),
        2 => (at(), 1..9_usize).prop_map(|(at, len)| Mutation::Remove(at, len)),
        1 => at().prop_map(Mutation::Head),
        1 => at().prop_map(Mutation::Tail),
        1 => (at(), at()).prop_map(|(one, other)| Mutation::Swap(one, other)),
        1 => (at(), 1..80_usize).prop_map(|(at, len)| Mutation::Repeat(at, len)),
        1 => at().prop_map(Mutation::FlipCase),
        3 => prop::array::uniform3(0..7_usize).prop_map(Mutation::Segments),
        1 => prop::collection::vec(0..3_usize, 0..6).prop_map(Mutation::Order),
        3 => (0..3_usize, recoding).prop_map(|(segment, how)| Mutation::Recode(segment, how)),
        6 => (Just(Part::Header), header_edit(), signature())
            .prop_map(|(part, edit, signature)| Mutation::Edit(part, edit, signature)),
        4 => (Just(Part::Claims), claims_edit(), signature())
            .prop_map(|(part, edit, signature)| Mutation::Edit(part, edit, signature)),
    ]
}

fn header_edit() -> impl Strategy<Value = Edit> {
    let jwk = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(HEADER_KEY), "alg": "HS256"});
    let set = prop::sample::select(vec![
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("")),
        ("alg", json!(null)),
        ("alg", json!("hs256")),
        ("alg", json!("HS384")),
        ("alg", json!("HS512")),
        ("alg", json!("RS256")),
        ("alg", json!("ES256")),
        ("alg", json!(["HS256", "none"])),
        ("typ", json!("JWT")),
        ("typ", json!("consign-access+jwt")),
        ("typ", json!("consign-download+jwt")),
        ("typ", json!(null)),
        ("kid", json!("")),
        ("kid", json!("00000000")),
        ("kid", json!("../../../dev/null")),
        ("kid", json!("01020304\0")),
        ("kid", json!(16_909_060)),
        ("kid", json!(["01020304"])),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("jwk", jwk),
        ("jku", json!("https://evil.example/keys.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("enc", json!("A256GCM")),
    ]);
    prop_oneof![
        1 => Just(Edit::None),
        8 => set.prop_map(|(name, value)| Edit::Set(name, value)),
        1 => any::<Index>().prop_map(Edit::Remove),
    ]
}

fn claims_edit() -> impl Strategy<Value = Edit> {
    let set = prop::sample::select(vec![
        ("exp", json!(u64::MAX)),
        ("exp", json!(9_999_999_999_u64)),
        ("exp", json!("9999999999")),
        ("exp", json!(null)),
        ("nbf", json!(0)),
        ("iat", json!(0)),
        ("sub", json!("0".repeat(32))),
        ("sub", json!("")),
        ("epoch", json!(0)),
        ("epoch", json!(u32::MAX)),
        ("file", json!("0".repeat(32))),
        ("file", json!(null)),
        ("aud", json!("consign:access")),
        ("aud", json!("consign:download")),
        ("aud", json!(["consign:access", "consign:download"])),
        ("iss", json!("another")),
        ("iss", json!(["consign"])),
        ("jti", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        ("role", json!("operations")),
    ]);
    prop_oneof![
        8 => set.prop_map(|(name, value)| Edit::Set(name, value)),
        1 => any::<Index>().prop_map(Edit::Remove),
    ]
}

fn signature() -> impl Strategy<Value = Signature> {
    let algorithm = prop::sample::select(vec![
        hmac::HMAC_SHA256,
        hmac::HMAC_SHA384,
        hmac::HMAC_SHA512,
    ]);
    let key = prop::sample::select(vec![
        Key::Empty,
        Key::Zeros,
        Key::Ring,
        Key::Id,
        Key::Issuer,
        Key::Header,
        Key::Signature,
    ]);
    prop_oneof![
        2 => Just(Signature::Kept),
        1 => Just(Signature::None),
        4 => (algorithm, key).prop_map(|(algorithm, key)| Signature::Of(algorithm, key)),
    ]
}

impl Mutation {
    /// The text after it; `tokens` are those to take segments from.
    pub fn applied(&self, text: &str, tokens: &[String]) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let len = bytes.len();
        if len == 0 {
            return String::new();
        }
        match self {
            Self::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
            Self::Replace(at, byte) => bytes[at.index(len)] = *byte,
            Self::Insert(at, text) => {
                let at = at.index(len + 1);
                bytes.splice(at..at, text.bytes());
            }
            Self::Remove(at, count) => {
                let at = at.index(len);
                bytes.drain(at..(at + count).min(len));
            }
            Self::Head(at) => bytes.truncate(at.index(len)),
            Self::Tail(at) => drop(bytes.drain(..at.index(len))),
            Self::Swap(one, other) => bytes.swap(one.index(len), other.index(len)),
            Self::Repeat(at, count) => {
                let at = at.index(len);
                let end = (at + count).min(len);
                let part = bytes[at..end].to_vec();
                bytes.splice(end..end, part);
            }
            Self::FlipCase(at) => {
                let letters: Vec<usize> = (0..len)
                    .filter(|&at| bytes[at].is_ascii_alphabetic())
                    .collect();
                if !letters.is_empty() {
                    bytes[*at.get(&letters)] ^= 0x20;
                }
            }
            Self::Segments(from) => {
                let segments = [0, 1, 2].map(|n| tokens[from[n]].split('.').nth(n).unwrap());
                return segments.join(".");
            }
            Self::Order(order) => {
                let segments: Vec<&str> = text.split('.').collect();
                let picked = order.iter().filter_map(|&n| segments.get(n).copied());
                return picked.collect::<Vec<_>>().join(".");
            }
            Self::Recode(segment, how) => return recoded(text, *segment, *how),
            Self::Edit(part, edit, signature) => return edited(text, *part, edit, *signature),
        }
        // A front end hands over text; what is not UTF-8 never gets this far.
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn recoded(text: &str, which: usize, how: Recoding) -> String {
    let mut segments: Vec<String> = text.split('.').map(str::to_owned).collect();
    let Some(segment) = segments.get_mut(which) else {
        return text.to_owned();
    };
    let bytes = URL_SAFE_NO_PAD.decode(&*segment).unwrap_or_default();
    let json = || serde_json::from_slice::<Value>(&bytes).ok();
    *segment = match how {
        Recoding::Padded => URL_SAFE.encode(&bytes),
        Recoding::Standard => STANDARD.encode(&bytes).trim_end_matches('=').to_owned(),
        Recoding::StandardPadded => STANDARD.encode(&bytes),
        Recoding::Percent => segment.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        Recoding::Twice => URL_SAFE_NO_PAD.encode(&*segment),
        Recoding::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Recoding::LooseEnd(last) => {
            const ALPHABET: &[u8; 64] =
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let mut chars: Vec<char> = segment.chars().collect();
            if let Some(end) = chars.last_mut() {
                *end = ALPHABET[usize::from(last)].into();
            }
            chars.into_iter().collect()
        }
        Recoding::Lines => {
            let chars: Vec<char> = segment.chars().collect();
            let lines = chars.chunks(76).map(|line| line.iter().collect::<String>());
            lines.collect::<Vec<_>>().join("\r\n") + "\r\n"
        }
        Recoding::Json => match json() {
            Some(value) => URL_SAFE_NO_PAD.encode(serde_json::to_vec_pretty(&value).unwrap()),
            None => segment.clone(),
        },
        Recoding::Escapes => match String::from_utf8(bytes) {
            Ok(text) => URL_SAFE_NO_PAD.encode(text.replace('s', "\\u0073")),
            Err(_) => segment.clone(),
        },
    };
    segments.join(".")
}

fn edited(text: &str, part: Part, edit: &Edit, signature: Signature) -> String {
    let segments: Vec<&str> = text.split('.').collect();
    let [header, claims, kept] = segments[..] else {
        return text.to_owned();
    };
    let (mut header, mut claims) = (header.to_owned(), claims.to_owned());
    let edited = match part {
        Part::Header => &mut header,
        Part::Claims => &mut claims,
    };
    let decoded = URL_SAFE_NO_PAD.decode(&*edited).unwrap_or_default();
    let Ok(mut members) = serde_json::from_slice::<Map<String, Value>>(&decoded) else {
        return text.to_owned();
    };
    match edit {
        Edit::None => {}
        Edit::Set(name, value) => drop(members.insert((*name).to_owned(), value.clone())),
        Edit::Remove(which) if !members.is_empty() => {
            let name = which
                .get(&members.keys().cloned().collect::<Vec<_>>())
                .clone();
            members.remove(&name);
        }
        Edit::Remove(_) => {}
    }
    *edited = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&members).unwrap());
    let message = format!("{header}.{claims}");
    let signature = match signature {
        Signature::Kept => kept.to_owned(),
        Signature::None => String::new(),
        Signature::Of(algorithm, key) => {
            let key: Vec<u8> = match key {
                Key::Empty => vec![],
                Key::Zeros => vec![0; 32],
                Key::Ring => secret(1).to_vec(),
                Key::Id => b"01020304".to_vec(),
                Key::Issuer => b"consign".to_vec(),
                Key::Header => HEADER_KEY.to_vec(),
                Key::Signature => kept.as_bytes().to_vec(),
            };
            let tag = hmac::sign(&hmac::Key::new(algorithm, &key), message.as_bytes());
            URL_SAFE_NO_PAD.encode(tag)
        }
    };
    format!("{message}.{signature}")
}
