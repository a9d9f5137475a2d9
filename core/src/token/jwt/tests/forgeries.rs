use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn headers_that_are_not_ours_are_refused() {
    let foreign = [
        json!({"alg": "none"}),
        json!({"alg": "None"}),
        json!({"alg": "NONE"}),
        json!({"alg": ""}),
        json!({"alg": null}),
        json!({"alg": 256}),
        json!({"alg": ["HS256"]}),
        json!({"alg": "hs256"}),
        json!({"alg": "HS384"}),
        json!({"alg": "HS512"}),
        json!({"alg": "RS256"}),
        json!({"alg": "PS256"}),
        json!({"alg": "ES256"}),
        json!({"alg": "EdDSA"}),
        json!({"typ": null}),
        json!({"typ": "JWT"}),
        json!({"typ": "at+jwt"}),
        json!({"typ": "CONSIGN-ACCESS+JWT"}),
        json!({"typ": "application/consign-access+jwt"}),
        json!({"kid": null}),
        json!({"kid": ""}),
        json!({"kid": "0a0b0c0e"}),
        json!({"kid": "0A0B0C0D"}),
        json!({"kid": "0a0b0c0d "}),
        json!({"kid": "0a0b0c0d\u{0}"}),
        json!({"kid": "../../dev/null"}),
        json!({"kid": "/etc/passwd"}),
        json!({"kid": "' OR '1'='1"}),
        json!({"kid": "a".repeat(600)}),
        json!({"kid": 168_496_141}),
        json!({"kid": ["0a0b0c0d"]}),
        json!({"crit": ["exp"]}),
        json!({"crit": []}),
        json!({"b64": false, "crit": ["b64"]}),
        json!({"jku": "https://evil.example/keys"}),
        json!({"x5u": "https://evil.example/cert"}),
        json!({"x5c": ["MIIB"]}),
        json!({"x5t": "AAAA"}),
        json!({"jwk": {"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}),
        json!({"zip": "DEF"}),
        json!({"cty": "JWT"}),
        json!({"enc": "A256GCM"}),
        json!({"nonce": "1"}),
    ];
    for changes in foreign {
        let mut token = Crafted::new(Purpose::Access);
        merge(&mut token.header, &changes);
        assert_refused(Purpose::Access, &token.token(), &changes);
    }
    for name in ["alg", "typ", "kid"] {
        let mut token = Crafted::new(Purpose::Access);
        remove(&mut token.header, name);
        assert_refused(Purpose::Access, &token.token(), &json!({"without": name}));
    }
}

#[test]
fn a_header_that_is_no_object_or_says_things_twice_is_refused() {
    let ours = Crafted::new(Purpose::Access);
    let twice = |member: &str| format!("{{{member},{}", &text(&ours.header)[1..]);
    let headers = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        format!(r#"["HS256","consign-access+jwt","{KID}"]"#),
        r#""HS256""#.to_owned(),
        "{".to_owned(),
        format!("{}}}", text(&ours.header)),
        format!("{}\0", text(&ours.header)),
        twice(r#""alg":"none""#),
        twice(r#""alg":"HS256""#),
        twice(&format!(r#""kid":"{KID}""#)),
        twice(r#""typ":"consign-download+jwt""#),
    ];
    for header in headers {
        let token = signed(&header, &ours.claims.to_string(), &ours.key);
        assert_refused(Purpose::Access, &token, &json!(header));
    }
}

/// HMAC of another length under our key, and no signature at all.
#[test]
fn another_algorithms_signature_is_refused_whatever_the_header_says() {
    let ours = Crafted::new(Purpose::Access);
    for named in ["HS256", "HS384", "HS512", "none"] {
        let mut header = ours.header.clone();
        header["alg"] = named.into();
        let message = message(&text(&header), &ours.claims.to_string());
        for algorithm in [
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            hmac::HMAC_SHA384,
            hmac::HMAC_SHA512,
        ] {
            let tag = hmac::sign(&hmac::Key::new(algorithm, &ours.key), message.as_bytes());
            for len in [0, 1, 16, 31, 32, tag.as_ref().len()] {
                let tag = &tag.as_ref()[..len.min(tag.as_ref().len())];
                let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
                assert_refused(Purpose::Access, &token, &header);
            }
        }
    }
    let message = message(&text(&ours.header), &ours.claims.to_string());
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &ours.key),
        message.as_bytes(),
    );
    for len in 0..32 {
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(&tag.as_ref()[..len]));
        assert_refused(Purpose::Access, &token, &json!(len));
    }
}

/// The ring's own secret, which no purpose uses, and keys that anyone can guess.
#[test]
fn keys_that_are_no_purposes_are_refused() {
    for key in [
        secret(1).expose().to_vec(),
        secret(2).expose().to_vec(),
        vec![],
        vec![0; 32],
    ] {
        for purpose in Purpose::ALL {
            let ours = Crafted::new(purpose);
            let token = signed(&text(&ours.header), &ours.claims.to_string(), &key);
            assert_refused(purpose, &token, &json!(key));
        }
    }
}

#[test]
fn claims_of_another_form_are_refused() {
    let times = ["exp", "nbf", "iat"];
    let values = [
        json!(null),
        json!(true),
        json!("1800000600"),
        json!(1_800_000_600.0),
        json!(1_800_000_600.5),
        json!(-1),
        json!([1_800_000_600]),
        json!({}),
    ];
    let wrong_times = times
        .iter()
        .flat_map(|name| values.iter().map(move |value| (*name, value.clone())));
    let user = "5".repeat(32);
    let wrong_texts = [
        ("iss", json!("https://files.example.org/")),
        ("iss", json!("")),
        ("iss", json!([ISSUER])),
        ("iss", json!([ISSUER, "https://evil.example"])),
        ("iss", json!(1)),
        ("aud", json!("consign")),
        ("aud", json!("")),
        ("aud", json!([audience(Purpose::Access)])),
        ("aud", json!(Purpose::ALL.map(audience))),
        ("aud", json!({"0": audience(Purpose::Access)})),
        ("sub", json!("")),
        ("sub", json!("admin")),
        ("sub", json!(user.to_uppercase() + "A")),
        ("sub", json!("A".repeat(32))),
        ("sub", json!([user])),
        ("sub", json!(5)),
        ("jti", json!("")),
        ("jti", json!("AAAAAAAAAAAAAAAAAAAAAA==")),
        ("jti", json!("AAAAAAAAAAAAAAAAAAAAAB")),
        ("jti", json!("AAAAAAAAAAAAAAAAAAAAAAA")),
        ("jti", json!("A".repeat(43))),
        ("jti", json!("+/////////////////////w")),
        ("jti", json!(1)),
        ("epoch", json!(-1)),
        ("epoch", json!(1.0)),
        ("epoch", json!(4_294_967_296_u64)),
        ("epoch", json!("3")),
        ("epoch", json!(null)),
        ("file", json!("6".repeat(32))),
        ("file", json!("")),
        ("role", json!("operations")),
        ("scope", json!("*")),
        ("admin", json!(true)),
    ];
    for (name, value) in wrong_times.chain(wrong_texts) {
        let mut token = Crafted::new(Purpose::Access);
        token.claims[name] = value;
        assert_refused(Purpose::Access, &token.token(), &token.claims);
    }
    for name in ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "epoch"] {
        for purpose in Purpose::ALL {
            let mut token = Crafted::new(purpose);
            remove(&mut token.claims, name);
            assert_refused(purpose, &token.token(), &token.claims);
        }
    }
}

#[test]
fn a_link_without_a_file_or_with_half_a_file_is_refused() {
    for file in [
        json!(null),
        json!(""),
        json!("6".repeat(31)),
        json!(["6".repeat(32)]),
        json!(6),
    ] {
        let mut token = Crafted::new(Purpose::Download);
        token.claims["file"] = file;
        assert_refused(Purpose::Download, &token.token(), &token.claims);
    }
    let mut token = Crafted::new(Purpose::Download);
    remove(&mut token.claims, "file");
    assert_refused(Purpose::Download, &token.token(), &token.claims);
}

#[test]
fn claims_that_are_no_object_or_say_things_twice_are_refused() {
    let ours = Crafted::new(Purpose::Access);
    let twice = |member: &str| format!("{{{member},{}", &ours.claims.to_string()[1..]);
    let claims = [
        String::new(),
        "{}".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        json!([
            ISSUER,
            audience(Purpose::Access),
            "5".repeat(32),
            NOW + 600,
            NOW,
            NOW,
            "iIiIiIiIiIiIiIiIiIiIiA",
            3
        ])
        .to_string(),
        "{".to_owned(),
        format!("{} {{}}", ours.claims),
        twice(r#""exp":9999999999"#),
        twice(&format!(r#""sub":"{}""#, "7".repeat(32))),
        ours.claims.to_string().replace(&NOW.to_string(), "1e9"),
        ours.claims
            .to_string()
            .replace(&NOW.to_string(), "18446744073709551616"),
    ];
    for claims in claims {
        let token = signed(&text(&ours.header), &claims, &ours.key);
        assert_refused(Purpose::Access, &token, &json!(claims));
    }
}

#[test]
fn a_token_over_the_limit_is_refused_and_none_of_ours_comes_near_it() {
    let mut token = Crafted::new(Purpose::Access);
    let header = text(&token.header);
    // White space in JSON means nothing, so only the length is wrong.
    let padded = |spaces| {
        signed(
            &header,
            &format!("{}{}", token.claims, " ".repeat(spaces)),
            &token.key,
        )
    };
    let room = (0..2000)
        .rfind(|&spaces| padded(spaces).len() <= MAX_LEN)
        .unwrap();
    assert_eq!(
        verify(Purpose::Access, &padded(room)),
        Ok(claims(Purpose::Access))
    );
    assert!(padded(room + 3).len() > MAX_LEN);
    assert_refused(Purpose::Access, &padded(room + 3), &json!("too long"));

    token = Crafted::new(Purpose::Download);
    token.claims["exp"] = u64::MAX.into();
    token.claims["nbf"] = u64::MAX.into();
    token.claims["iat"] = u64::MAX.into();
    token.claims["epoch"] = u32::MAX.into();
    assert!(
        token.token().len() < MAX_LEN * 2 / 3,
        "{}",
        token.token().len()
    );
}

proptest! {
    /// Whatever is signed with our key and is not our claims is refused without a panic.
    #[test]
    fn arbitrary_signed_content_is_refused(header in ".{0,60}", claims in ".{0,60}") {
        let ours = Crafted::new(Purpose::Access);
        for (header, claims) in [(&header, &claims), (&text(&ours.header), &claims)] {
            let token = signed(header, claims, &ours.key);
            prop_assert_eq!(verify(Purpose::Access, &token), Err(TokenError::Invalid));
        }
    }
}

fn merge(into: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().unwrap() {
        into[name] = value.clone();
    }
}

fn remove(from: &mut Value, name: &str) {
    assert!(from.as_object_mut().unwrap().remove(name).is_some());
}
