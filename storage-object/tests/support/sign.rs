//! Requests to a real store, and whether requests are signed as AWS says.

use std::env;

use aws_lc_rs::{digest, hmac};
use http::Request;
use object_store::{
    ClientOptions,
    aws::{AwsAuthorizer, AwsCredential},
    client::{HttpConnector, HttpRequestBody, ReqwestConnector},
};
use url::Url;

/// Sends a request; gives its status, and the answer.
pub async fn send(
    endpoint: &Url,
    method: &str,
    target: &str,
    headers: &[(&'static str, &str)],
    body: &str,
) -> (u16, String) {
    let credential = AwsCredential {
        key_id: env::var("AWS_ACCESS_KEY_ID").unwrap(),
        secret_key: env::var("AWS_SECRET_ACCESS_KEY").unwrap(),
        token: None,
    };
    let region = env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".into());
    let origin = endpoint.as_str().trim_end_matches('/');
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{origin}{target}"))
        .header("content-length", body.len())
        .body(HttpRequestBody::from(body.to_owned()))
        .unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    AwsAuthorizer::new(&credential, "s3", &region)
        .try_authorize(&mut request, None)
        .unwrap();
    let options = ClientOptions::new().with_allow_http(true);
    let client = ReqwestConnector::default().connect(&options).unwrap();
    let answer = client.execute(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().bytes().await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Whether the request is signed with the key: Signature Version 4, "Authenticating requests: using the
/// authorization header". Gives the names of the headers that are.
pub fn verify<B>(request: &Request<B>, secret: &str) -> Result<Vec<String>, String> {
    let header = |name: &str| {
        let value = request.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
            .trim()
            .to_owned()
    };
    let authorization = header("authorization");
    let fields = authorization
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or("there is no signature")?;
    let field = |name: &str| {
        let mut fields = fields.split(',').map(str::trim);
        let value = fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        value.ok_or(format!("there is no {name}"))
    };
    let (_, scope) = field("Credential")?.split_once('/').ok_or("no scope")?;
    let signed: Vec<_> = field("SignedHeaders")?
        .split(';')
        .map(str::to_owned)
        .collect();
    let headers: String = (signed.iter())
        .map(|name| format!("{name}:{}\n", header(name)))
        .collect();
    let mut query: Vec<_> = request
        .uri()
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .collect();
    query.sort_unstable();
    let query: Vec<_> = (query.into_iter())
        .map(|pair| {
            if pair.contains('=') {
                pair.to_owned()
            } else {
                format!("{pair}=")
            }
        })
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        request.method(),
        request.uri().path(),
        query.join("&"),
        signed.join(";"),
        header("x-amz-content-sha256"),
    );
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        header("x-amz-date"),
        hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref()),
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part.as_bytes());
    }
    match hex(&mac(&key, to_sign.as_bytes())) == field("Signature")? {
        true => Ok(signed),
        false => Err(format!("the signature is not that of\n{canonical}")),
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text).as_ref().to_vec()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The example "GET Object" of the S3 API reference.
#[test]
fn the_published_example_is_signed() {
    let request = |range: &str| {
        Request::get("https://examplebucket.s3.amazonaws.com/test.txt")
            .header("host", "examplebucket.s3.amazonaws.com")
            .header("range", range)
            .header("x-amz-date", "20130524T000000Z")
            .header("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
                Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
            .body(())
            .unwrap()
    };
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    verify(&request("bytes=0-9"), secret).unwrap();
    verify(&request("bytes=0-8"), secret).unwrap_err();
    verify(&request("bytes=0-9"), "other").unwrap_err();
}
