//! `POST /upload`.

use consign_core::{
    Error, ErrorKind,
    file::{FileName, InvalidFileName},
};
use http::{HeaderMap, Response, StatusCode, header, request};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::Inner,
    audience::{Names, Wanted},
    body::Body,
    files::FileObject,
    json, lifetimes,
    multipart::{MultipartError, Upload},
    problem::Failure,
    request::RequestBody,
};

/// Bytes that a form has at most around its file, by the length that its headers tell.
const MAX_AROUND: u64 = 2 << 20;

#[derive(Serialize, ToSchema)]
pub(crate) struct Uploaded<'f> {
    #[schema(pattern = "^File .* uploaded successfully$")]
    msg: String,
    file: FileObject<'f>,
}

impl Inner {
    pub(crate) async fn upload(
        &self,
        head: &request::Parts,
        query: &str,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let actor = self.actor(&head.headers).await?;
        let permit = self.consign.permit_upload(&actor)?;
        let audience = match Wanted::of_query(query)? {
            Some(wanted) => self.audience(&actor, wanted).await?,
            None => self.consign.default_audience(&actor),
        };
        // What is shown is looked up first, so that what was done is not told as a failure.
        let mut names = Names::default();
        let shown = self.audience_object(&actor, &audience, &mut names).await?;
        let wanted = audience.clone();
        let mut permit = permit.sharing_with(audience);
        if let Some(lifetime) = lifetimes::of_query(query)? {
            permit = permit.expiring_in(lifetime)?;
        }
        if let Some(key) = json::idempotency_key(&head.headers)? {
            permit = permit.once(key);
        }
        let limit = self.consign.settings().max_upload;
        // A body that ends well has no more than this beside its file.
        let expected = length(&head.headers)
            .unwrap_or_default()
            .saturating_sub(MAX_AROUND);
        if expected > limit {
            return Err(ErrorKind::TooLarge { limit }.into());
        }
        let no_file = || Failure::bad_request("key name should be file");
        let upload = Upload::of(&head.headers, body, limit).ok_or_else(no_file)?;
        let part = match upload.file().await {
            Ok(part) => part.ok_or_else(no_file)?,
            Err(MultipartError::Broken(cause)) => return Err(Failure::incomplete(cause)),
            Err(MultipartError::TooLarge) => return Err(ErrorKind::TooLarge { limit }.into()),
            Err(MultipartError::NameNotUtf8) => return Err(invalid(InvalidFileName::Encoding)),
        };
        if part.filename.is_empty() {
            return Err(Failure::bad_request("No selected file"));
        }
        let name = FileName::from_upload(&part.filename).map_err(invalid)?;
        let file = self
            .consign
            .upload(permit.expecting(expected), name, part.into_stream())
            .await?;
        // One that was sent before may be for others since.
        let shown = match file.entry.audience == wanted {
            true => shown,
            false => {
                let audience = &file.entry.audience;
                self.audience_object(&actor, audience, &mut names).await?
            }
        };
        let answer = Uploaded {
            msg: format!("File {} uploaded successfully", file.entry.name),
            file: FileObject::of(&file).with_audience(shown),
        };
        Ok(json::response(StatusCode::OK, &answer))
    }
}

fn invalid(why: InvalidFileName) -> Failure {
    let detail = why.to_string();
    Error::new(ErrorKind::InvalidFileName, why)
        .with_detail(detail)
        .into()
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
