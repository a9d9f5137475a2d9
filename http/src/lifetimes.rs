//! How long files are there, as requests say it.

use std::time::Duration;

use consign_core::{Actor, Error, ErrorKind, FileChanges, link::Edit};
use http::request;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    api::Inner, audience::Wanted, json, openapi::WantedObject, problem::Failure,
    request::RequestBody,
};

/// What a request wants to become of a file.
#[derive(Debug)]
pub(crate) struct WantedChanges {
    audience: Option<Wanted>,
    expires_in: Edit<Option<Duration>>,
}

/// One of them at least.
#[derive(Deserialize, ToSchema)]
#[schema(as = FileChanges)]
pub(crate) struct Changed {
    #[schema(value_type = WantedObject, required = false)]
    audience: Option<Value>,
    /// In how many seconds from now on the file ends; null: never.
    #[serde(default, deserialize_with = "json::nullable")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 3153600000u64)]
    expires_in: Option<Value>,
}

impl WantedChanges {
    pub(crate) async fn read(
        head: &request::Parts,
        body: &mut RequestBody,
    ) -> Result<Self, Failure> {
        let request: Changed = json::read(&head.headers, body).await?;
        let audience = request.audience.filter(|audience| audience != "");
        let expires_in = match request.expires_in {
            None if audience.is_none() => {
                let msg = "Missing required parameters: audience or expires_in is required.";
                return Err(Failure::bad_request(msg));
            }
            None => Edit::Keep,
            Some(Value::Null) => Edit::Set(None),
            Some(value) => Edit::Set(Some(seconds(json::whole(&value))?)),
        };
        let audience = audience.map(Wanted::of_json).transpose()?;
        Ok(Self {
            audience,
            expires_in,
        })
    }
}

impl Inner {
    /// The changes that are wanted, if there is everybody whom they name.
    pub(crate) async fn changes(
        &self,
        actor: &Actor,
        wanted: WantedChanges,
    ) -> Result<FileChanges, Failure> {
        let audience = match wanted.audience {
            Some(wanted) => Edit::Set(self.audience(actor, wanted).await?),
            None => Edit::Keep,
        };
        Ok(FileChanges {
            audience,
            expires_in: wanted.expires_in,
        })
    }
}

/// How long an upload is to be there, if its query says so.
pub(crate) fn of_query(query: &str) -> Result<Option<Duration>, Failure> {
    let mut said = None;
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // However it is written: one that were overlooked could keep the file for ever.
        if !percent_decode_str(name).eq(*b"expires_in") {
            continue;
        }
        let value = percent_decode_str(value).decode_utf8().ok();
        let digits = value.filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
        let lifetime = seconds(digits.and_then(|digits| digits.parse().ok()))?;
        if said.replace(lifetime).is_some() {
            return Err(invalid("expires_in: it is said once"));
        }
    }
    Ok(said)
}

/// Which numbers are taken is the service's to say.
fn seconds(given: Option<u64>) -> Result<Duration, Failure> {
    let secs = given.ok_or_else(|| invalid("expires_in: it is a whole number of seconds"))?;
    Ok(Duration::from_secs(secs))
}

fn invalid(detail: &'static str) -> Failure {
    Error::from(ErrorKind::InvalidExpiry)
        .with_detail(detail)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_say_it_once_in_digits() {
        for (query, secs) in [
            ("", None),
            ("audience=nobody&expires=5&&=", None),
            ("expires_in=5", Some(5)),
            ("a=b&expires_in=007&audience=nobody", Some(7)),
            ("%65xpires_in=%35", Some(5)),
            ("expires_in=0", Some(0)),
        ] {
            let read = of_query(query).expect("it is one");
            assert_eq!(read, secs.map(Duration::from_secs), "{query}");
        }
        for query in [
            "expires_in",
            "expires_in=",
            "expires_in=+5",
            "expires_in=-5",
            "expires_in=5s",
            "expires_in=5.0",
            "expires_in=1e3",
            "expires_in=never",
            "expires_in=null",
            "expires_in=%FF",
            "expires_in=18446744073709551616",
            "expires_in=5&expires_in=5",
            "expires_in=5&%65xpires_in=6",
        ] {
            assert!(of_query(query).is_err(), "{query}");
        }
    }
}
