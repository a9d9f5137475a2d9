//! Whether a bucket can be used.

use std::{
    ffi::OsString,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64},
    },
};

use bytes::Bytes;
use consign_core::{id::StageId, random::OsEntropy, store::StoreError};
use object_store::{
    ClientConfigKey, GetOptions, ObjectStore, PutMode, PutOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key, Checksum},
    client::HttpClient,
    list::{PaginatedListOptions, PaginatedListStore},
};
use tokio::sync::Semaphore;
use url::{Host, Url};

use crate::{
    blobs::Inner,
    credentials::InTime,
    errors::{Failure, OpenError, Place},
    http::{Bounds, Connector},
    layout::{Layout, Piece},
    meters::Meters,
    options::Options,
    raw::Raw,
};

const PROBE: Bytes = Bytes::from_static(b"consign");

pub(crate) async fn open(url: &Url, options: Options) -> Result<Inner, OpenError> {
    let (bucket, layout) = Layout::of(url)?;
    let settings = Settings::of(&bucket, &options)?.with_credentials_in_time()?;
    let (plain, _) = settings.connect(None)?;
    let (store, http) = settings.connect(Some(Checksum::SHA256))?;
    let raw = Raw {
        http,
        base: settings.base.clone(),
        bucket,
        region: settings.region.clone(),
        credentials: Arc::clone(store.credentials()),
        is_signed: settings.is_signed,
    };
    let mut inner = Inner {
        store,
        plain,
        raw,
        layout,
        buffers: Arc::new(Semaphore::new(options.buffers)),
        options,
        is_conditional: true,
        copies: AtomicBool::new(true),
        begun_again: settings.begun_again,
    };
    if settings.is_signed && inner.raw.credentials.get_credential().await.is_err() {
        return Err(OpenError::Credentials);
    }
    inner.is_conditional = inner.probe(&settings.endpoint).await?;
    if !inner.is_conditional {
        tracing::info!(
            bucket = inner.raw.bucket,
            "the object store ignores conditions of writes: that keys are taken once rests on the catalogue"
        );
    }
    Ok(inner)
}

struct Settings {
    builder: AmazonS3Builder,
    region: String,
    /// For messages.
    endpoint: String,
    /// Where the bucket is, without a slash at its end.
    base: String,
    host: String,
    bounds: Bounds,
    meters: Arc<Meters>,
    begun_again: Arc<AtomicU64>,
    is_signed: bool,
}

impl Settings {
    fn of(bucket: &str, options: &Options) -> Result<Self, OpenError> {
        let mut builder = environment(options).with_bucket_name(bucket);
        if let Some((id, secret)) = &options.credentials {
            builder = builder
                .with_access_key_id(id)
                .with_secret_access_key(secret);
        }
        let has = |key| builder.get_config_value(&key);
        let is = |key| has(key).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let customer_key: Result<Key, _> = "aws_sse_customer_key_base64".parse();
        if customer_key.is_ok_and(|key| has(key).is_some()) {
            return Err(setting(
                "AWS_SSE_CUSTOMER_KEY_BASE64",
                "keys of the client's are not supported",
            ));
        }
        if is(Key::S3Express) || bucket.ends_with("--x-s3") {
            return Err(setting(
                "AWS_S3_EXPRESS",
                "directory buckets are not supported: they do not list names in order",
            ));
        }
        let endpoint = match &options.endpoint {
            Some(endpoint) => Some(endpoint.clone()),
            None => has(Key::S3Endpoint)
                .or_else(|| has(Key::Endpoint))
                .map(|endpoint| Url::parse(&endpoint))
                .transpose()
                .map_err(|_| setting("AWS_ENDPOINT_URL", "it is no URL"))?,
        };
        let region = options.region.clone().or_else(|| has(Key::Region));
        let region = match (region, &endpoint) {
            (Some(region), _) => region,
            (None, Some(_)) => "us-east-1".into(),
            (None, None) => {
                return Err(setting(
                    "AWS_REGION",
                    "it is not set, and nor is AWS_ENDPOINT_URL",
                ));
            }
        };
        let is_virtual = is(Key::VirtualHostedStyleRequest);
        let allows_http = is(Key::Client(ClientConfigKey::AllowHttp));
        let is_signed = !is(Key::SkipSignature);
        let base = match &endpoint {
            Some(endpoint) => base_at(endpoint, bucket, is_virtual, allows_http)?,
            None if is_virtual => format!("https://{bucket}.s3.{region}.amazonaws.com"),
            None => format!("https://s3.{region}.amazonaws.com/{bucket}"),
        };
        let url = Url::parse(&base).map_err(|_| setting("AWS_ENDPOINT_URL", "it is no URL"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let shown = url.origin().ascii_serialization();
        let at = base.strip_suffix(&format!("/{bucket}")).unwrap_or(&base);
        builder = builder
            .with_region(&region)
            .with_config(Key::S3Endpoint, if is_virtual { &base } else { at })
            .with_retry(RetryConfig {
                max_retries: 0,
                ..RetryConfig::default()
            });
        let client = [
            (ClientConfigKey::AllowHttp, "true".to_owned()),
            // Ours are shorter.
            (ClientConfigKey::Timeout, "1h".to_owned()),
            (
                ClientConfigKey::ConnectTimeout,
                format!("{}ms", options.connect_timeout.as_millis()),
            ),
        ];
        for (key, value) in client {
            builder = builder.with_config(Key::Client(key), value);
        }
        Ok(Self {
            builder,
            region,
            endpoint: shown,
            base,
            host,
            bounds: Bounds {
                request_timeout: options.request_timeout,
                retries: options.retries,
                retry_for: options.retry_for,
            },
            meters: Arc::new(Meters::new()),
            begun_again: Arc::default(),
            is_signed,
        })
    }

    fn with_credentials_in_time(mut self) -> Result<Self, OpenError> {
        let (store, _) = self.connect(None)?;
        let credentials = InTime {
            inner: Arc::clone(store.credentials()),
            limit: self.bounds.request_timeout,
        };
        self.builder = self.builder.with_credentials(Arc::new(credentials));
        Ok(self)
    }

    fn connect(&self, checksum: Option<Checksum>) -> Result<(AmazonS3, HttpClient), OpenError> {
        let last = Arc::new(Mutex::new(None));
        let mut builder = self.builder.clone().with_http_connector(Connector {
            host: self.host.clone(),
            bounds: self.bounds,
            meters: Arc::clone(&self.meters),
            begun_again: Arc::clone(&self.begun_again),
            last: Arc::clone(&last),
        });
        if let Some(checksum) = checksum {
            builder = builder.with_checksum_algorithm(checksum);
        }
        let store = builder.build().map_err(|error| {
            // It may repeat a setting's value.
            tracing::debug!(%error, "the settings of the object store are not understood");
            setting("AWS_*", "one of these variables is not understood")
        })?;
        let http = last.lock().unwrap_or_else(PoisonError::into_inner).take();
        let http = http.ok_or(setting("AWS_*", "there is no way to the object store"))?;
        Ok((store, http))
    }
}

/// What the environment says, but for what is empty, what the options say, and what is decided here.
fn environment(options: &Options) -> AmazonS3Builder {
    let variables = std::env::vars_os();
    let texts = variables.filter_map(|(name, value)| {
        let text = |text: OsString| text.into_string().ok();
        Some((text(name)?, text(value)?))
    });
    builder(texts, options)
}

fn builder(
    variables: impl IntoIterator<Item = (String, String)>,
    options: &Options,
) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in variables {
        let is_given = name.starts_with("AWS_") && !value.is_empty();
        let key = name.to_ascii_lowercase().parse();
        builder = match key {
            Ok(
                Key::Checksum | Key::ConditionalPut | Key::CopyIfNotExists | Key::UnsignedPayload,
            ) => builder,
            Ok(Key::AccessKeyId | Key::SecretAccessKey | Key::Token)
                if options.credentials.is_some() =>
            {
                builder
            }
            Ok(key) if is_given => builder.with_config(key, value),
            _ => builder,
        };
    }
    builder
}

/// Where a bucket is at an endpoint of the operator's.
fn base_at(
    endpoint: &Url,
    bucket: &str,
    is_virtual: bool,
    allows_http: bool,
) -> Result<String, OpenError> {
    let wrong = |why| Err(setting("AWS_ENDPOINT_URL", why));
    if !endpoint.username().is_empty() || endpoint.password().is_some() {
        return wrong("credentials do not belong into it");
    }
    if endpoint.query().is_some() || endpoint.fragment().is_some() {
        return wrong("it has more than a host and a path");
    }
    match (endpoint.scheme(), endpoint.host()) {
        ("https", Some(_)) => {}
        ("http", Some(host)) if allows_http || is_loopback(&host) => {}
        ("http", Some(_)) => {
            return wrong("it has no TLS: use https, or set AWS_ALLOW_HTTP=true");
        }
        _ => return wrong("it is neither http nor https"),
    }
    let endpoint = endpoint.as_str().trim_end_matches('/');
    Ok(match is_virtual {
        true => endpoint.to_owned(),
        false => format!("{endpoint}/{bucket}"),
    })
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => IpAddr::from(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::from(*address).is_loopback(),
    }
}

fn setting(name: &'static str, why: &'static str) -> OpenError {
    OpenError::Setting { name, why }
}

impl Inner {
    /// Lists, writes, reads and removes. What a crash leaves of it is a stage, to the sweeper. Tells whether
    /// the store minds conditions.
    async fn probe(&self, endpoint: &str) -> Result<bool, OpenError> {
        let place = Place {
            bucket: &self.raw.bucket,
            endpoint,
        };
        let options = PaginatedListOptions {
            max_keys: Some(1),
            ..PaginatedListOptions::default()
        };
        let listed = self.store.list_paginated(Some(self.layout.root()), options);
        listed.await.map_err(|error| place.error("list", error))?;

        let id = StageId::random(&OsEntropy);
        let path = self.layout.piece(id, Piece::Part(1));
        let write = async || {
            let options = PutOptions::from(PutMode::Create);
            self.store.put_opts(&path, PROBE.into(), options).await
        };
        match write().await {
            // It was written, and the answer was lost: nobody else knows its name.
            Err(error) if is_condition(&error) => {}
            written => drop(written.map_err(|error| place.error("write", error))?),
        }
        let again = write().await;
        let read = self.store.get_opts(&path, GetOptions::default()).await;
        let read = match read {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        let deleted = self.raw.delete(&path).await;
        let is_conditional = match again {
            Ok(_) => false,
            Err(error) if is_condition(&error) => true,
            Err(error) => return Err(place.error("write", error)),
        };
        if read.map_err(|error| place.error("read", error))? != PROBE {
            let cause = StoreError::Damaged("other bytes than were written".into());
            return Err(place.failed("read", cause));
        }
        deleted.map_err(|failure| place.failure("delete", failure))?;
        Ok(is_conditional)
    }
}

fn is_condition(error: &object_store::Error) -> bool {
    Failure::within(error).is_some_and(Failure::is_condition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_signed_whatever_the_environment_says() {
        let variables = [("AWS_UNSIGNED_PAYLOAD", "true"), ("AWS_REGION", "eu-1")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let builder = builder(variables, &Options::default());
        let is = |key| builder.get_config_value(&key);
        assert_eq!(is(Key::Region).as_deref(), Some("eu-1"));
        assert_eq!(is(Key::UnsignedPayload).as_deref(), Some("false"));
    }

    #[test]
    fn all_that_is_signed_has_its_credentials_in_time() {
        let options = Options::default().credentials("id", "secret");
        let options = options.endpoint("http://127.0.0.1:1".parse().unwrap());
        let settings = Settings::of("bucket", &options).unwrap();
        let settings = settings.with_credentials_in_time().unwrap();
        for checksum in [None, Some(Checksum::SHA256)] {
            let (store, _) = settings.connect(checksum).unwrap();
            let credentials = format!("{:?}", store.credentials());
            assert!(credentials.starts_with("InTime"), "{credentials}");
        }
    }
}
