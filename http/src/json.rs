//! JSON in and out.

use bytes::Bytes;
use consign_core::once::{IdempotencyKey, InvalidKey};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    body::Body,
    problem::{Failure, Problem},
    request::RequestBody,
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Bytes that a JSON body has at most.
const MAX_LEN: usize = 64 * 1024;

/// That something was done, where there is nothing to show of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done {
    msg: &'static str,
}

impl Done {
    pub(crate) fn of(msg: &'static str) -> Self {
        Self { msg }
    }
}

/// Reads a JSON object.
pub(crate) async fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &mut RequestBody,
) -> Result<T, Failure> {
    if !is_json(headers) {
        let msg = "Content-Type must be application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, msg).into());
    }
    let bytes = body.read(MAX_LEN).await?;
    // RFC 8259, section 8.1. serde lets members that nobody asks for be anything.
    let Ok(text) = std::str::from_utf8(&bytes) else {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "Invalid JSON");
        return Err(problem.with_detail("it is not UTF-8").into());
    };
    // serde would take an array for the members in their order.
    let object = text.trim_ascii_start().starts_with('{');
    if !object && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "Invalid JSON");
        return Err(problem.with_detail("it is not an object").into());
    }
    // What serde says of the error may repeat what was sent, so it is not passed on.
    serde_json::from_str(text).map_err(|error| {
        let place = format!("at line {}, column {}", error.line(), error.column());
        let problem = Problem::new(StatusCode::BAD_REQUEST, "Invalid JSON");
        problem.with_detail(place).into()
    })
}

/// What is there, be it null.
pub(crate) fn nullable<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A whole number, however it is written: 30 and 30.0 are one number in JSON (RFC 8259, section 6), and some
/// writers know but one kind.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    /// From here on they are not all there (2^53).
    const LEAST_INEXACT: f64 = 9_007_199_254_740_992.0;
    let float = || {
        let number = value.as_f64()?;
        let is_whole = number.fract() == 0.0 && (0.0..LEAST_INEXACT).contains(&number);
        is_whole.then_some(number as u64)
    };
    value.as_u64().or_else(float)
}

/// The key of a request that is done once (draft-ietf-httpapi-idempotency-key-header-07, section 2), in
/// quotes, as a structured field has it, or without.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Failure> {
    let mut lines = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    let text = line.to_str().unwrap_or_default().trim();
    let quoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let key = quoted.unwrap_or(text).parse();
    match key.map_err(|error: InvalidKey| error.to_string()) {
        Ok(key) if lines.next().is_none() => Ok(Some(key)),
        told => {
            let problem = Problem::new(StatusCode::BAD_REQUEST, "Invalid Idempotency-Key");
            let detail = told
                .err()
                .unwrap_or_else(|| "there is more than one".to_owned());
            Err(problem.with_detail(detail).into())
        }
    }
}

/// What is absent, null or empty is missing.
pub(crate) fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// An answer in JSON. Nobody may keep it: it is made for one caller.
pub(crate) fn response(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let bytes =
        serde_json::to_vec(value).expect("our own answers have string keys and no failing parts");
    written(status, bytes)
}

/// As [`response`], of what is JSON already.
pub(crate) fn written(status: StatusCode, bytes: Vec<u8>) -> Response<Body> {
    let length = bytes.len();
    let mut response = Response::new(Body::full(Bytes::from(bytes)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.len() > 5 && essence.to_ascii_lowercase().ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        for (text, number) in [
            ("0", Some(0)),
            ("30", Some(30)),
            ("30.0", Some(30)),
            ("3e1", Some(30)),
            ("-0.0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("9007199254740991.0", Some(9_007_199_254_740_991)),
            ("9007199254740992.0", None),
            ("1e300", None),
            ("30.5", None),
            ("-1", None),
            ("-1.0", None),
            ("18446744073709551616", None),
            ("\"30\"", None),
            ("null", None),
            ("true", None),
            ("[30]", None),
        ] {
            let value = serde_json::from_str(text).expect("it is JSON");
            assert_eq!(whole(&value), number, "{text}");
        }
    }
}
