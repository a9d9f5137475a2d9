//! What may come twice and is done once.

use std::time::Duration;

use crate::{
    error::{Error, ErrorKind},
    once::{IdempotencyKey, Made, Once, OnceKey},
    service::Consign,
    store::{Change, Outcome},
};

/// How long it is remembered what a request has made.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// A request that is done once, where it has a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeatable(Option<(OnceKey, [u8; 32])>);

impl Repeatable {
    /// By `key`, among those of `whose` for this kind of request, which asks for all this.
    pub(super) fn new(
        key: Option<&IdempotencyKey>,
        whose: &[u8; 16],
        kind: &str,
        request: &[&[u8]],
    ) -> Self {
        Self(key.map(|key| {
            let known_by = key.hash(&[whose, kind.as_bytes()]);
            (known_by, key.digest_of(request))
        }))
    }
}

impl Consign {
    /// Makes a change, once where that can be told.
    ///
    /// # Errors
    /// [`OtherRequest`](ErrorKind::OtherRequest), and those of the store.
    pub(super) async fn apply_once(
        &self,
        repeatable: Repeatable,
        change: Change,
    ) -> Result<Outcome, Error> {
        let change = match repeatable.0 {
            None => change,
            Some((key, request)) => {
                let at = self.now();
                let once = Once {
                    key,
                    request,
                    at,
                    until: at + REMEMBERED,
                };
                let change = Box::new(change);
                Change::Once { once, change }
            }
        };
        match self.parts().files.apply(change).await? {
            Outcome::OtherRequest => Err(ErrorKind::OtherRequest.into()),
            outcome => Ok(outcome),
        }
    }

    /// Whether anything was made by the request's key before, whatever was asked for.
    pub(super) async fn is_remembered(&self, repeatable: Repeatable) -> Result<bool, Error> {
        let Some((key, _)) = repeatable.0 else {
            return Ok(false);
        };
        let done = self.parts().files.remembered(key).await?;
        Ok(done.is_some_and(|done| self.now() < done.until))
    }

    /// What this request has made before: asked where what was made can be in the way of making it.
    ///
    /// # Errors
    /// As [`apply_once`](Self::apply_once).
    pub(super) async fn made_before(&self, repeatable: Repeatable) -> Result<Option<Made>, Error> {
        let Some((key, request)) = repeatable.0 else {
            return Ok(None);
        };
        let done = self.parts().files.remembered(key).await?;
        match done.filter(|done| self.now() < done.until) {
            None => Ok(None),
            Some(done) if done.request == request => Ok(Some(done.made)),
            Some(_) => Err(ErrorKind::OtherRequest.into()),
        }
    }
}
