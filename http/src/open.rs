//! `/l/{secret}`: a managed link, for whoever holds it.

use std::sync::LazyLock;

use consign_core::{
    ErrorKind, File, LinkProof, NewLease, code::Code, file::Sha256, id::FileId, password::Password,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::Inner,
    body::Body,
    files::{rfc3339, text},
    json::{self, given},
    landing::{Content, Dress, Words},
    openapi::{Digest, Id, Time},
    problem::{Failure, Problem},
    request::RequestBody,
};

/// Bytes that a form has at most.
const MAX_FORM: usize = 16 * 1024;

/// What is shown before a link is opened.
#[derive(Serialize, ToSchema)]
#[schema(as = DescribedLink)]
pub(crate) struct DescribedObject<'f> {
    #[schema(value_type = Time)]
    expires_at: String,
    password_required: bool,
    recipient_required: bool,
    /// Null where anything is asked for first.
    #[schema(required)]
    files: Option<Vec<HandedOver<'f>>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Lease)]
pub(crate) struct Opened<'f> {
    #[schema(format = "uri")]
    download_url: String,
    #[schema(value_type = Time)]
    expires_at: String,
    files: Vec<HandedOver<'f>>,
}

/// A file as it is told to somebody from outside, who has no need to know who uploaded it, or when.
#[derive(Serialize, ToSchema)]
#[schema(as = HandedOverFile)]
pub(crate) struct HandedOver<'f> {
    #[serde(serialize_with = "text")]
    #[schema(value_type = Id)]
    id: FileId,
    filename: &'f str,
    /// Bytes.
    size: u64,
    content_type: &'f str,
    #[serde(serialize_with = "text")]
    #[schema(value_type = Digest)]
    sha256: Sha256,
}

impl<'f> HandedOver<'f> {
    fn of(file: &'f File) -> Self {
        let entry = &file.entry;
        Self {
            id: entry.id,
            filename: entry.name.as_str(),
            size: entry.size,
            content_type: entry.media_type.as_str(),
            sha256: entry.sha256,
        }
    }
}

/// What the holder of a link shows for themselves.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = LinkProof)]
pub(crate) struct Shown {
    /// The link's, where it has one.
    #[schema(format = Password)]
    password: Option<String>,
    /// What was mailed to the link's recipient. Spaces and hyphens are no part of it.
    code: Option<String>,
}

impl Inner {
    /// `GET` and `POST /l/{secret}`: the one tells what the link is and counts nothing, for scanners of
    /// mail and previews look at links too; the other opens it.
    pub(crate) async fn open_link(
        &self,
        head: &request::Parts,
        secret: &str,
        query: &str,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let answered = match self.counted(head, secret).await {
            Err(failure) => Err(failure),
            Ok(()) if head.method == Method::POST => self.opened(head, secret, query, body).await,
            Ok(()) => self.described(head, secret, query).await,
        };
        match answered {
            Err(failure) if wants_page(&head.headers) => {
                let problem = failure.into_problem(&self.consign.accepted_types());
                let dress = self.dress(&head.headers, query);
                Ok(self.refused(&problem, secret, &dress).await)
            }
            answered => answered,
        }
    }

    /// Counts a look at a link, if that is limited.
    async fn counted(&self, head: &request::Parts, secret: &str) -> Result<(), Failure> {
        let limited = self.limits.opening();
        limited.count_address(&head.extensions).await?;
        limited.count_name(secret).await
    }

    async fn described(
        &self,
        head: &request::Parts,
        secret: &str,
        query: &str,
    ) -> Result<Response<Body>, Failure> {
        let link = self.consign.describe_link(secret).await?;
        if wants_page(&head.headers) {
            let dress = self.dress(&head.headers, query);
            return Ok(Content::Described(&link).page(StatusCode::OK, &dress));
        }
        let files = link.files.as_ref();
        let described = DescribedObject {
            expires_at: rfc3339(link.expires_at),
            password_required: link.needs_password,
            recipient_required: link.needs_recipient,
            files: files.map(|files| files.iter().map(HandedOver::of).collect()),
        };
        Ok(varied(json::response(StatusCode::OK, &described)))
    }

    async fn opened(
        &self,
        head: &request::Parts,
        secret: &str,
        query: &str,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let key = json::idempotency_key(&head.headers)?;
        let shown = Shown::read(&head.headers, body).await?;
        let code = given(shown.code).map(|code| code.parse::<Code>());
        // Told whatever the link is: what is no code opens none.
        let code = code.transpose().map_err(|_| ErrorKind::WrongCode)?;
        let actor = match head.headers.contains_key(header::AUTHORIZATION) {
            true => Some(self.actor(&head.headers).await?),
            false => None,
        };
        let proof = LinkProof {
            password: given(shown.password).map(Password::new),
            code,
            actor: actor.as_ref(),
            key,
        };
        let opened = self.consign.open_link(secret, proof).await?;
        let download_url = self.public_url.join("/download_file/", &opened.token);
        if wants_page(&head.headers) {
            return Ok(match opened.files.len() {
                1 => see_other(&download_url),
                // All of them or each: another opening would count again.
                _ => {
                    let dress = self.dress(&head.headers, query);
                    Content::Ready(&opened, &download_url).page(StatusCode::CREATED, &dress)
                }
            });
        }
        let NewLease { lease, files, .. } = opened;
        let opened = Opened {
            download_url,
            expires_at: rfc3339(lease.expires_at),
            files: files.iter().map(HandedOver::of).collect(),
        };
        Ok(varied(json::response(StatusCode::CREATED, &opened)))
    }

    /// What is wrong, on a page that asks again where that may help.
    async fn refused(&self, problem: &Problem, secret: &str, dress: &Dress<'_>) -> Response<Body> {
        let asks = problem.status() == StatusCode::UNAUTHORIZED;
        let link = match asks {
            true => self.consign.describe_link(secret).await.ok(),
            false => None,
        };
        let content = Content::Refused(problem, link.as_ref(), secret);
        let mut response = content.page(problem.status(), dress);
        response.headers_mut().extend(problem.headers());
        response
    }

    /// The site's, where there is one.
    fn dress(&self, headers: &HeaderMap, query: &str) -> Dress<'_> {
        static WORDS: LazyLock<Words> = LazyLock::new(Words::default);
        match &self.site {
            Some(site) => site.dress(headers, query),
            None => Dress {
                words: &WORDS,
                tag: "en",
                others: Vec::new(),
                style: None,
                mark: None,
                script: None,
                home: None,
            },
        }
    }
}

impl Shown {
    /// JSON, a form as browsers send it, or nothing at all.
    async fn read(headers: &HeaderMap, body: &mut RequestBody) -> Result<Self, Failure> {
        let content_type = headers.get(header::CONTENT_TYPE);
        let Some(content_type) = content_type else {
            // A body of no kind is none that was meant.
            return match body.read(MAX_FORM).await?.is_empty() {
                true => Ok(Self::default()),
                false => json::read(headers, body).await,
            };
        };
        let content_type = content_type.to_str().unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return json::read(headers, body).await;
        }
        let form = body.read(MAX_FORM).await?;
        let form = std::str::from_utf8(&form).map_err(|_| Failure::bad_request("Invalid form"))?;
        let mut shown = Self::default();
        for (name, value) in form.split('&').filter_map(|pair| pair.split_once('=')) {
            let field = match name {
                "password" => &mut shown.password,
                "code" => &mut shown.code,
                _ => continue,
            };
            let value = value.replace('+', " ");
            let value = percent_decode_str(&value).decode_utf8();
            let value = value.map_err(|_| Failure::bad_request("Invalid form"))?;
            *field = Some(value.into_owned());
        }
        Ok(shown)
    }
}

/// Whether the caller would rather see a page: browsers name HTML, and programs do not.
fn wants_page(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    let mut ranges = texts.flat_map(|text| text.split(','));
    ranges.any(|range| {
        let essence = range.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("text/html")
    })
}

/// A browser goes on to the download.
fn see_other(url: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    let location = HeaderValue::from_str(url).expect("our own URLs are visible ASCII");
    headers.insert(header::LOCATION, location);
    headers.insert(header::CONTENT_LENGTH, 0.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}

/// The answer depends on what the caller would rather see.
fn varied(mut response: Response<Body>) -> Response<Body> {
    let accept = HeaderValue::from_static("Accept");
    response.headers_mut().insert(header::VARY, accept);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_see_a_page_and_programs_do_not() {
        let wants = |accept: &'static str| {
            let value = HeaderValue::from_static(accept);
            wants_page(&HeaderMap::from_iter([(header::ACCEPT, value)]))
        };
        assert!(wants(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        ));
        assert!(wants("application/json;q=0.1, TEXT/HTML ;q=1"));
        for accept in ["*/*", "", "application/json", "text/*", "text/htmlx"] {
            assert!(!wants(accept), "{accept:?}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }
}
