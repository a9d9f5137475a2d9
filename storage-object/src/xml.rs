//! What S3 says, and is told, in XML.

use serde::{Deserialize, Serialize};

use crate::errors::Failure;

/// What is read of any answer. An answer to a copy, or to the end of an upload, can be an error though its
/// status is 200 (S3 has sent it by the time it knows).
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Answer {
    code: Option<String>,
    #[serde(rename = "ETag")]
    pub(crate) e_tag: Option<String>,
    #[serde(rename = "ChecksumSHA256")]
    checksum_sha256: Option<String>,
    #[serde(rename = "ChecksumCRC64NVME")]
    checksum_crc64nvme: Option<String>,
    #[serde(rename = "Upload")]
    pub(crate) uploads: Vec<Upload>,
    pub(crate) is_truncated: bool,
    pub(crate) next_key_marker: Option<String>,
    pub(crate) next_upload_id_marker: Option<String>,
}

/// An upload that was begun and not completed.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) upload_id: String,
}

/// A part of an upload that is to be completed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct UploadedPart {
    #[serde(rename = "PartNumber")]
    pub(crate) number: usize,
    #[serde(rename = "ETag")]
    pub(crate) e_tag: String,
    #[serde(rename = "ChecksumSHA256", skip_serializing_if = "Option::is_none")]
    checksum_sha256: Option<String>,
    #[serde(rename = "ChecksumCRC64NVME", skip_serializing_if = "Option::is_none")]
    checksum_crc64nvme: Option<String>,
}

impl UploadedPart {
    pub(crate) fn new(number: usize, e_tag: String) -> Self {
        Self {
            number,
            e_tag,
            checksum_sha256: None,
            checksum_crc64nvme: None,
        }
    }

    /// The part that was made by a copy.
    pub(crate) fn copied(number: usize, answer: Answer) -> Result<Self, Failure> {
        let e_tag = answer
            .e_tag
            .ok_or_else(|| Failure::Nonsense("a copied part has no ETag".into()))?;
        Ok(Self {
            number,
            e_tag,
            checksum_sha256: answer.checksum_sha256,
            checksum_crc64nvme: answer.checksum_crc64nvme,
        })
    }
}

/// Reads an answer whose status was a success.
pub(crate) fn answer(body: &[u8]) -> Result<Answer, Failure> {
    let answer: Answer =
        quick_xml::de::from_reader(body).map_err(|error| Failure::Nonsense(error.to_string()))?;
    match answer.code {
        Some(code) => Err(Failure::Status {
            status: http::StatusCode::INTERNAL_SERVER_ERROR,
            code: plain(&code).unwrap_or_default(),
        }),
        None => Ok(answer),
    }
}

/// S3's word for an error.
pub(crate) fn error_code(body: &[u8]) -> Option<String> {
    let answer: Answer = quick_xml::de::from_reader(body).ok()?;
    plain(&answer.code?)
}

fn plain(code: &str) -> Option<String> {
    let is_plain = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then(|| code.to_owned())
}

/// Tells S3 which parts an upload is made of.
pub(crate) fn complete(parts: Vec<UploadedPart>) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct CompleteMultipartUpload {
        #[serde(rename = "Part")]
        parts: Vec<UploadedPart>,
    }
    quick_xml::se::to_string(&CompleteMultipartUpload { parts })
        .map_err(|error| Failure::Nonsense(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // From the S3 API reference: UploadPartCopy, ListMultipartUploads, Error responses.

    #[test]
    fn a_copied_part_has_its_tag() {
        let answer = answer(
            br#"<?xml version="1.0" encoding="UTF-8"?>
            <CopyPartResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
               <LastModified>2011-04-11T20:34:56.000Z</LastModified>
               <ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag>
               <ChecksumSHA256>abc=</ChecksumSHA256>
            </CopyPartResult>"#,
        );
        let part = UploadedPart::copied(3, answer.unwrap()).unwrap();
        assert_eq!(part.e_tag, "\"9b2cf535f27731c974343645a3985328\"");
        assert_eq!(
            complete(vec![part, UploadedPart::new(4, "a<b".into())]).unwrap(),
            "<CompleteMultipartUpload><Part><PartNumber>3</PartNumber><ETag>\"9b2cf535f27731c974343645a3985328\"</ETag>\
            <ChecksumSHA256>abc=</ChecksumSHA256></Part><Part><PartNumber>4</PartNumber><ETag>a&lt;b</ETag></Part></CompleteMultipartUpload>"
        );
    }

    #[test]
    fn uploads_are_listed() {
        let answer = answer(
            br#"<?xml version="1.0" encoding="UTF-8"?>
            <ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
              <Bucket>bucket</Bucket>
              <KeyMarker></KeyMarker>
              <NextKeyMarker>my-movie.m2ts</NextKeyMarker>
              <NextUploadIdMarker>YW55IGlkZWEgd2h5IGVsdmluZydzIHVwbG9hZCBmYWlsZWQ</NextUploadIdMarker>
              <MaxUploads>3</MaxUploads>
              <IsTruncated>true</IsTruncated>
              <Upload>
                <Key>my-divisor</Key>
                <UploadId>XMgbGlrZSBlbHZpbmcncyBub3QgaGF2aW5nIG11Y2ggbHVjaw</UploadId>
                <Owner><ID>b1d16700c70b0b05597d7acd6a3f92be</ID></Owner>
                <StorageClass>STANDARD</StorageClass>
                <Initiated>2010-11-10T20:48:33.000Z</Initiated>
              </Upload>
              <Upload>
                <Key>my-movie.m2ts</Key>
                <UploadId>VXBsb2FkIElEIGZvciBlbHZpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA</UploadId>
              </Upload>
            </ListMultipartUploadsResult>"#,
        )
        .unwrap();
        let keys: Vec<_> = answer.uploads.iter().map(|upload| &*upload.key).collect();
        assert_eq!(keys, ["my-divisor", "my-movie.m2ts"]);
        assert!(answer.is_truncated);
        assert_eq!(answer.next_key_marker.as_deref(), Some("my-movie.m2ts"));
    }

    #[test]
    fn an_error_is_one_whatever_the_status_was() {
        let body = br#"<?xml version="1.0" encoding="UTF-8"?>
            <Error><Code>InternalError</Code><Message>We encountered an internal error.</Message>
            <RequestId>656c76696e6727732072657175657374</RequestId></Error>"#;
        assert_eq!(error_code(body).as_deref(), Some("InternalError"));
        let error = answer(body).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the object store answered 500 Internal Server Error InternalError"
        );
        assert!(answer(b"no XML").is_err() || answer(b"no XML").unwrap() == Answer::default());
    }

    #[test]
    fn a_code_of_other_characters_is_not_repeated() {
        assert_eq!(error_code(b"<Error><Code>a b\n</Code></Error>"), None);
        assert_eq!(error_code(b""), None);
    }
}
