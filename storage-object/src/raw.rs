//! The few requests that the `object_store` crate does not make, or makes otherwise.

use std::fmt;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH},
};
use object_store::{
    aws::{AwsAuthorizer, AwsCredentialProvider},
    client::{HttpClient, HttpRequest, HttpRequestBody},
    path::Path,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    errors::Failure,
    meters::COPY_SOURCE,
    xml::{self, Answer, Upload, UploadedPart},
};

const COPY_IF_MATCH: HeaderName = HeaderName::from_static("x-amz-copy-source-if-match");

/// What signatures leave as it is (Signature Version 4, `UriEncode`).
const STRICT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const STRICT_PATH: AsciiSet = STRICT.remove(b'/');

/// Makes requests, and signs them.
pub(crate) struct Raw {
    pub(crate) http: HttpClient,
    /// Where the bucket is, without a slash at its end.
    pub(crate) base: String,
    pub(crate) bucket: String,
    pub(crate) region: String,
    pub(crate) credentials: AwsCredentialProvider,
    pub(crate) is_signed: bool,
}

impl Raw {
    pub(crate) async fn delete(&self, path: &Path) -> Result<(), Failure> {
        match self
            .send(Method::DELETE, Some(path), &[], &[], Bytes::new())
            .await
        {
            Err(failure) if failure.is_missing() => Ok(()),
            deleted => deleted.map(drop),
        }
    }

    /// Makes a part of an upload of an object that is there, as long as it is still the one of this tag.
    pub(crate) async fn copy_part(
        &self,
        from: &Path,
        e_tag: Option<&str>,
        to: &Path,
        upload: &str,
        number: usize,
    ) -> Result<UploadedPart, Failure> {
        let source = utf8_percent_encode(from.as_ref(), &STRICT_PATH);
        let mut headers = vec![(COPY_SOURCE, format!("{}/{source}", self.bucket))];
        headers.extend(e_tag.map(|e_tag| (COPY_IF_MATCH, e_tag.to_owned())));
        let query = [("partNumber", &*number.to_string()), ("uploadId", upload)];
        let body = self
            .send(Method::PUT, Some(to), &query, &headers, Bytes::new())
            .await?;
        UploadedPart::copied(number, xml::answer(&body)?)
    }

    /// Makes the parts an object, unless there is one of its name.
    pub(crate) async fn complete(
        &self,
        path: &Path,
        upload: &str,
        parts: Vec<UploadedPart>,
    ) -> Result<(), Failure> {
        let headers = [
            (IF_NONE_MATCH, "*".to_owned()),
            (CONTENT_TYPE, "application/xml".to_owned()),
        ];
        let body = xml::complete(parts)?.into();
        let query = [("uploadId", upload)];
        let body = self
            .send(Method::POST, Some(path), &query, &headers, body)
            .await?;
        xml::answer(&body).map(drop)
    }

    /// Gives up an upload; one that does not exist is no error.
    pub(crate) async fn abort(&self, path: &Path, upload: &str) -> Result<(), Failure> {
        let query = [("uploadId", upload)];
        match self
            .send(Method::DELETE, Some(path), &query, &[], Bytes::new())
            .await
        {
            Err(failure) if failure.is_missing() => Ok(()),
            aborted => aborted.map(drop),
        }
    }

    /// The uploads of this object that were not completed.
    pub(crate) async fn uploads(&self, path: &Path) -> Result<Vec<Upload>, Failure> {
        let mut uploads = Vec::new();
        let (mut key_marker, mut upload_marker) = (String::new(), String::new());
        loop {
            let query = [
                ("key-marker", &*key_marker),
                ("prefix", path.as_ref()),
                ("upload-id-marker", &*upload_marker),
                ("uploads", ""),
            ];
            let given = |(name, value): &(&str, &str)| !value.is_empty() || *name == "uploads";
            let query: Vec<_> = query.into_iter().filter(given).collect();
            let body = self
                .send(Method::GET, None, &query, &[], Bytes::new())
                .await?;
            let Answer {
                uploads: found,
                is_truncated,
                next_key_marker,
                next_upload_id_marker,
                ..
            } = xml::answer(&body)?;
            let is_end = !is_truncated || found.is_empty();
            uploads.extend(
                found
                    .into_iter()
                    .filter(|upload| upload.key == path.as_ref()),
            );
            match next_key_marker {
                Some(next) if !is_end => {
                    key_marker = next;
                    upload_marker = next_upload_id_marker.unwrap_or_default();
                }
                _ => return Ok(uploads),
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        path: Option<&Path>,
        query: &[(&str, &str)],
        headers: &[(HeaderName, String)],
        body: Bytes,
    ) -> Result<Bytes, Failure> {
        let mut request = self.request(method, path, query, headers, body)?;
        if self.is_signed {
            let credential = self.credentials.get_credential().await;
            let credential = credential.map_err(|error| {
                tracing::debug!(error = %error, "there are no credentials");
                Failure::within(&error).map_or(Failure::NoCredentials, Failure::clone)
            })?;
            AwsAuthorizer::new(&credential, "s3", &self.region)
                .try_authorize(&mut request, None)
                .map_err(nonsense)?;
        }
        let answer = self.http.execute(request).await;
        let answer = answer.map_err(|error| match Failure::within(&error) {
            Some(failure) => failure.clone(),
            None => nonsense(error),
        })?;
        answer.into_body().bytes().await.map_err(nonsense)
    }

    fn request(
        &self,
        method: Method,
        path: Option<&Path>,
        query: &[(&str, &str)],
        headers: &[(HeaderName, String)],
        body: Bytes,
    ) -> Result<HttpRequest, Failure> {
        let mut uri = self.base.clone();
        if let Some(path) = path {
            uri.push('/');
            uri.extend(utf8_percent_encode(path.as_ref(), &STRICT_PATH));
        }
        for (n, (name, value)) in query.iter().enumerate() {
            uri.push(if n == 0 { '?' } else { '&' });
            uri.extend([name, "="]);
            uri.extend(utf8_percent_encode(value, &STRICT));
        }
        let mut request = http::Request::builder().method(method.clone()).uri(uri);
        if matches!(method, Method::PUT | Method::POST) {
            request = request.header(CONTENT_LENGTH, body.len());
        }
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(nonsense)?;
            request = request.header(name, value);
        }
        request.body(HttpRequestBody::from(body)).map_err(nonsense)
    }
}

/// Shows no credential.
impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

fn nonsense(error: impl std::error::Error) -> Failure {
    Failure::Nonsense(error.to_string())
}
