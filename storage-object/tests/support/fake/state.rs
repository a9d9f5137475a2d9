//! What the store holds, and what it answers when all is well.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;

use super::{super::sign, Chooser, KEY_ID, Object, SECRET};

#[derive(Default)]
pub(super) struct State {
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) requests: Vec<String>,
    pub(super) chooser: Option<Chooser>,
    pub(super) count: usize,
    pub(super) keeps: bool,
    pub(super) ignores_conditions: bool,
}

#[derive(Clone, Default)]
pub(super) struct Upload {
    name: String,
    writer: Option<String>,
    parts: BTreeMap<usize, (String, Bytes)>,
}

impl State {
    pub(super) fn tag(&mut self) -> String {
        self.count += 1;
        format!("\"{:032x}\"", self.count)
    }

    pub(super) fn answer(&mut self, request: &Request<()>, body: &Bytes) -> Response<Bytes> {
        if let Err(why) = sign::verify(request, SECRET) {
            return error(
                403,
                if why.is_empty() {
                    ""
                } else {
                    "SignatureDoesNotMatch"
                },
            );
        }
        let path = percent_decode_str(request.uri().path())
            .decode_utf8()
            .unwrap();
        let Some(name) = path
            .strip_prefix("/bucket")
            .map(|name| name.trim_start_matches('/'))
        else {
            return error(404, "NoSuchBucket");
        };
        let name = name.to_owned();
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes())
                .into_owned()
                .collect();
        let upload = query.get("uploadId");
        match (request.method(), upload) {
            (&Method::GET, _) if query.contains_key("list-type") => self.list(&query),
            (&Method::GET, _) if query.contains_key("uploads") => self.list_uploads(&query),
            (&Method::GET | &Method::HEAD, _) => self.get(request, &name),
            (&Method::PUT, Some(upload)) => {
                self.put_part(request, upload, &query["partNumber"], body)
            }
            (&Method::PUT, None) => self.put(request, name, body.clone()),
            (&Method::DELETE, Some(upload)) => match self.uploads.remove(upload) {
                Some(_) => status(204),
                None => error(404, "NoSuchUpload"),
            },
            (&Method::DELETE, None) => {
                self.objects.remove(&name);
                status(204)
            }
            (&Method::POST, Some(upload)) => self.complete(request, upload, name, body),
            (&Method::POST, None) if query.contains_key("uploads") => {
                let upload = self.tag().replace('"', "");
                let writer = writer(request);
                let begun = Upload {
                    name,
                    writer,
                    ..Upload::default()
                };
                self.uploads.insert(upload.clone(), begun);
                xml(format!(
                    "<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            (&Method::POST, None) => {
                let body = String::from_utf8_lossy(body);
                let mut deleted = String::new();
                for key in body.split("<Key>").skip(1) {
                    let key = key.split('<').next().unwrap();
                    self.objects.remove(key);
                    deleted += &format!("<Deleted><Key>{key}</Key></Deleted>");
                }
                xml(format!("<DeleteResult>{deleted}</DeleteResult>"))
            }
            _ => error(405, "MethodNotAllowed"),
        }
    }

    fn put(&mut self, request: &Request<()>, name: String, bytes: Bytes) -> Response<Bytes> {
        let sum = digest::digest(&digest::SHA256, &bytes);
        let told = STANDARD
            .decode(header(request, "x-amz-checksum-sha256"))
            .unwrap();
        if told != sum.as_ref() {
            return error(400, "BadDigest");
        }
        if header(request, "x-amz-content-sha256") != sign::hex(sum.as_ref()) {
            return error(400, "XAmzContentSHA256Mismatch");
        }
        if self.refuses(request, &name) {
            return error(412, "PreconditionFailed");
        }
        let tag = self.tag();
        let answer = tagged(&tag, Bytes::new());
        let object = Object {
            bytes: self.kept(bytes),
            tag,
            writer: writer(request),
        };
        self.objects.insert(name, object);
        answer
    }

    fn refuses(&self, request: &Request<()>, name: &str) -> bool {
        let is_conditional = header(request, "if-none-match") == "*" && !self.ignores_conditions;
        is_conditional && self.objects.contains_key(name)
    }

    /// As many bytes, which take no memory of their own.
    fn kept(&self, bytes: Bytes) -> Bytes {
        static ZEROS: [u8; 16 << 20] = [0; 16 << 20];
        match self.keeps {
            true => Bytes::copy_from_slice(&bytes),
            false => Bytes::from_static(&ZEROS[..bytes.len()]),
        }
    }

    fn put_part(
        &mut self,
        request: &Request<()>,
        upload: &str,
        number: &str,
        body: &Bytes,
    ) -> Response<Bytes> {
        let source = percent_decode_str(header(request, "x-amz-copy-source"))
            .decode_utf8()
            .unwrap();
        let is_copy = !source.is_empty();
        let sum = sign::hex(digest::digest(&digest::SHA256, body).as_ref());
        if header(request, "x-amz-content-sha256") != sum {
            return error(400, "XAmzContentSHA256Mismatch");
        }
        let bytes = match is_copy {
            false => body.clone(),
            true => {
                let Some(object) = source
                    .strip_prefix("bucket/")
                    .and_then(|name| self.objects.get(name))
                else {
                    return error(404, "NoSuchKey");
                };
                let wanted = header(request, "x-amz-copy-source-if-match");
                if !wanted.is_empty() && wanted != object.tag {
                    return error(412, "PreconditionFailed");
                }
                object.bytes.clone()
            }
        };
        let tag = self.tag();
        let Some(upload) = self.uploads.get_mut(upload) else {
            return error(404, "NoSuchUpload");
        };
        upload
            .parts
            .insert(number.parse().unwrap(), (tag.clone(), bytes));
        match is_copy {
            false => tagged(&tag, Bytes::new()),
            true => xml(format!(
                "<CopyPartResult><ETag>{tag}</ETag></CopyPartResult>"
            )),
        }
    }

    fn complete(
        &mut self,
        request: &Request<()>,
        id: &str,
        name: String,
        body: &[u8],
    ) -> Response<Bytes> {
        let Some(upload) = self.uploads.get(id).cloned() else {
            return error(404, "NoSuchUpload");
        };
        if self.refuses(request, &name) {
            return error(412, "PreconditionFailed");
        }
        let body = String::from_utf8_lossy(body);
        let mut whole = BytesMut::new();
        let told: Vec<_> = body.split("<Part>").skip(1).collect();
        for (n, (part, (number, (tag, bytes)))) in told.iter().zip(&upload.parts).enumerate() {
            let is_told = part.contains(&format!("<PartNumber>{number}</PartNumber>"))
                && part
                    .replace("&quot;", "\"")
                    .contains(&format!("<ETag>{tag}</ETag>"));
            if !is_told {
                return error(400, "InvalidPart");
            }
            if bytes.len() < 5 << 20 && n + 1 < told.len() {
                return error(400, "EntityTooSmall");
            }
            if self.keeps {
                whole.extend_from_slice(bytes);
            }
        }
        self.uploads.remove(id);
        let tag = self.tag();
        let object = Object {
            bytes: whole.freeze(),
            tag: tag.clone(),
            writer: upload.writer,
        };
        self.objects.insert(name, object);
        xml(format!(
            "<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
        ))
    }

    fn get(&self, request: &Request<()>, name: &str) -> Response<Bytes> {
        let Some(object) = self.objects.get(name) else {
            return error(404, "NoSuchKey");
        };
        let wanted = header(request, "if-match");
        if !wanted.is_empty() && wanted != object.tag {
            return error(412, "PreconditionFailed");
        }
        let size = object.bytes.len();
        let mut answer = tagged(&object.tag, object.bytes.clone());
        if let Some(range) = header(request, "range").strip_prefix("bytes=") {
            let (start, end) = range.split_once('-').unwrap();
            let (start, end): (usize, u64) = (start.parse().unwrap(), end.parse().unwrap());
            if start >= size {
                return error(416, "InvalidRange");
            }
            let end = (size as u64).min(end.saturating_add(1)) as usize;
            *answer.body_mut() = object.bytes.slice(start..end);
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {start}-{}/{size}", end - 1);
            answer
                .headers_mut()
                .insert("content-range", range.parse().unwrap());
        }
        if let Some(writer) = &object.writer {
            answer
                .headers_mut()
                .insert("x-amz-meta-consign-writer", writer.parse().unwrap());
        }
        let len = answer.body().len();
        answer.headers_mut().insert("content-length", len.into());
        if request.method() == Method::HEAD {
            *answer.body_mut() = Bytes::new();
        }
        answer
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Response<Bytes> {
        let given = |name| query.get(name).map_or("", String::as_str);
        let most: usize = given("max-keys").parse().unwrap_or(1000).min(1000);
        let mut found = (self.objects.iter()).filter(|(name, _)| {
            name.starts_with(given("prefix")) && &***name > given("start-after")
        });
        let mut listed = String::new();
        for (name, object) in found.by_ref().take(most) {
            let (size, tag) = (object.bytes.len(), &object.tag);
            listed += &format!(
                "<Contents><Key>{name}</Key><Size>{size}</Size><ETag>{tag}</ETag>\
                <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            );
        }
        if found.next().is_some() {
            listed += "<IsTruncated>true</IsTruncated><NextContinuationToken>more</NextContinuationToken>";
        }
        xml(format!("<ListBucketResult>{listed}</ListBucketResult>"))
    }

    fn list_uploads(&self, query: &BTreeMap<String, String>) -> Response<Bytes> {
        let found =
            (self.uploads.iter()).filter(|(_, upload)| upload.name.starts_with(&query["prefix"]));
        let listed: String = found
            .map(|(id, upload)| {
                format!(
                    "<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>",
                    upload.name
                )
            })
            .collect();
        xml(format!(
            "<ListMultipartUploadsResult>{listed}<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
        ))
    }
}

fn header<'a>(request: &'a Request<()>, name: &str) -> &'a str {
    request
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

fn writer(request: &Request<()>) -> Option<String> {
    let writer = header(request, "x-amz-meta-consign-writer");
    (!writer.is_empty()).then(|| writer.to_owned())
}

fn status(status: u16) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .body(Bytes::new())
        .unwrap()
}

fn tagged(tag: &str, body: Bytes) -> Response<Bytes> {
    Response::builder()
        .header("etag", tag)
        .header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        .body(body)
        .unwrap()
}

fn xml(text: String) -> Response<Bytes> {
    Response::new(text.into())
}

/// As S3 does, it repeats what the request was signed with.
pub(super) fn error(status: u16, code: &str) -> Response<Bytes> {
    let body =
        format!("<Error><Code>{code}</Code><AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId></Error>");
    Response::builder()
        .status(status)
        .body(body.into())
        .unwrap()
}
