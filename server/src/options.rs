//! The server's settings: from flags, the environment and a file, in this order.

mod mail;
pub(crate) mod origin;
mod stores;
mod tls;
mod values;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use consign_core::{Consign, Settings, quota::Quota};
use consign_http::PublicUrl;
use serde::Deserialize;

pub(crate) use self::{
    mail::{Carrier, MailConfig},
    stores::{Blobs, Database, Metadata, Place, StoreConfig},
    tls::{Named, TlsConfig},
    values::{ForwardedHeader, Log, LogFormat, Span, Veiled},
};
use self::{
    origin::Origins,
    values::{Clients, Count, Networks, Operations, Passwords, Sender, Size, Switch, Url, Whom},
};
use crate::{BoxError, proxies::Proxies};

/// The file of settings that is read when no other is named, if it is there.
const DEFAULT_FILE: &str = "consign.toml";

/// Milliseconds.
const SECOND: u64 = 1000;
const MAX_LINK: u64 = Consign::MAX_LINK_LIFETIME.as_secs() * SECOND;
const MAX_FILE: u64 = Consign::MAX_FILE_LIFETIME.as_secs() * SECOND;
const MAX_MANAGED: u64 = 3650 * 24 * 60 * 60 * SECOND;

/// What ASVS 5.0 and NIST SP 800-63B-4 ask for where a password is all that is asked for.
const STRICT_PASSWORD: usize = 15;

/// More descriptors than any machine gives out.
const MAX_CONNECTIONS: usize = 1 << 28;

/// What can be set. Each has a flag, a variable of the environment and a key in the file, all of
/// one name.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Options {
    #[command(flatten)]
    #[serde(skip)]
    pub(crate) folder: Folder,

    /// What the folder's flags say, where the file tells it.
    #[arg(skip)]
    data: Option<PathBuf>,
    #[arg(skip)]
    metadata: Option<Veiled>,
    #[arg(skip)]
    blobs: Option<Veiled>,
    #[arg(skip)]
    cluster_key: Option<PathBuf>,

    /// Where to listen [default: 127.0.0.1:5000]
    #[arg(long, env = "CONSIGN_LISTEN", value_name = "HOST:PORT")]
    listen: Option<String>,

    /// How the world reaches the server; links begin with it [default: http:// or, with TLS,
    /// https://, and the bound address]
    #[arg(long, env = "CONSIGN_PUBLIC_URL", value_name = "URL")]
    public_url: Option<Url>,

    /// The largest file taken [default: 5GiB]
    #[arg(long, env = "CONSIGN_MAX_UPLOAD", value_name = "SIZE")]
    max_upload: Option<Size>,

    /// What the files of one user may take [default: no limit]
    #[arg(long, env = "CONSIGN_QUOTA_BYTES", value_name = "SIZE")]
    quota_bytes: Option<Size>,

    /// How many files one user may have, each version counted [default: no limit]
    #[arg(long, env = "CONSIGN_QUOTA_FILES", value_name = "COUNT")]
    quota_files: Option<Count<0, { usize::MAX }>>,

    /// Whom a file is for, unless its upload says otherwise [default: everybody]
    #[arg(long, env = "CONSIGN_AUDIENCE", value_name = "WHOM")]
    audience: Option<Whom>,

    /// How long a file is there, unless its upload says otherwise, at most 100 years [default: for ever]
    #[arg(long, env = "CONSIGN_FILE_LIFETIME", value_name = "TIME")]
    file_lifetime: Option<Span<SECOND, MAX_FILE>>,

    /// How long a removed file can be had back; 0s removes for good at once [default: 7d]
    #[arg(long, env = "CONSIGN_REMOVAL_GRACE", value_name = "TIME")]
    removal_grace: Option<Span<0, MAX_FILE>>,

    /// What uploads leave free of the disk; 0 fills it [default: 64MiB]
    #[arg(long, env = "CONSIGN_MIN_FREE", value_name = "SIZE")]
    min_free: Option<Size>,

    /// How long a login lasts [default: 1h]
    #[arg(long, env = "CONSIGN_ACCESS_LIFETIME", value_name = "TIME")]
    access_lifetime: Option<Span<SECOND>>,

    /// How long a download link lasts, at most 7 days [default: 15m]
    #[arg(long, env = "CONSIGN_LINK_LIFETIME", value_name = "TIME")]
    link_lifetime: Option<Span<SECOND, MAX_LINK>>,

    /// How long a managed link can last, at most 10 years [default: 90d]
    #[arg(long, env = "CONSIGN_MANAGED_LINK_LIFETIME", value_name = "TIME")]
    managed_link_lifetime: Option<Span<SECOND, MAX_MANAGED>>,

    /// How long downloads by a managed link can go on once they have begun, at most 7 days [default: 1d]
    #[arg(long, env = "CONSIGN_LEASE_LIFETIME", value_name = "TIME")]
    lease_lifetime: Option<Span<SECOND, MAX_LINK>>,

    /// Characters that a password has at least; 15 or more where passwords are strict [default: 8]
    #[arg(long, env = "CONSIGN_MIN_PASSWORD", value_name = "COUNT")]
    min_password: Option<Count<0, { Consign::MAX_PASSWORD }>>,

    /// Which passwords are taken [default: usual]
    #[arg(long, env = "CONSIGN_PASSWORDS", value_name = "WHICH")]
    passwords: Option<Passwords>,

    /// Who may register an operations user without being invited by one [default: first]
    #[arg(long, env = "CONSIGN_OPERATIONS_REGISTRATION", value_name = "WHO")]
    operations_registration: Option<Operations>,

    /// Who may register a client without being invited by an operations user [default: open]
    #[arg(long, env = "CONSIGN_CLIENT_REGISTRATION", value_name = "WHO")]
    client_registration: Option<Clients>,

    /// Connections at once, at most; of HTTP/2, requests at once [default: 16384]
    #[arg(long, env = "CONSIGN_MAX_CONNECTIONS", value_name = "COUNT")]
    max_connections: Option<Count<1, MAX_CONNECTIONS>>,

    /// Connections at once from one address, at most; of IPv6 from one /64 [default: 512, and never
    /// more than half of those there are]
    #[arg(
        long,
        env = "CONSIGN_MAX_CONNECTIONS_PER_ADDRESS",
        value_name = "COUNT"
    )]
    max_connections_per_address: Option<Count<1, MAX_CONNECTIONS>>,

    /// Whether logins, registrations and downloads are limited in number by address and by account;
    /// off is for load tests [default: on]
    #[arg(long, env = "CONSIGN_RATE_LIMITS", value_name = "SWITCH")]
    rate_limits: Option<Switch>,

    /// Proxies that are believed in what they say of a client's address, as addresses or networks
    /// with commas between them [default: none]
    #[arg(long, env = "CONSIGN_TRUSTED_PROXIES", value_name = "NETWORKS")]
    trusted_proxies: Option<Networks>,

    /// The header in which they say it [default: x-forwarded-for]
    #[arg(long, env = "CONSIGN_FORWARDED_HEADER", value_name = "HEADER")]
    forwarded_header: Option<ForwardedHeader>,

    /// How long a client may take over the head of a request [default: 15s]
    #[arg(long, env = "CONSIGN_HEADER_TIMEOUT", value_name = "TIME")]
    header_timeout: Option<Span<1>>,

    /// How long a client may neither send nor take any bytes in the middle of a request [default: 30s]
    #[arg(long, env = "CONSIGN_BODY_TIMEOUT", value_name = "TIME")]
    body_timeout: Option<Span<1>>,

    /// Bytes a second that a client sends, or takes, at least on average once it has had the time
    /// above; 0 asks for none [default: 1KiB]
    #[arg(long, env = "CONSIGN_MIN_RATE", value_name = "SIZE")]
    min_rate: Option<Size>,

    /// How long a connection may wait for its next request [default: 60s]
    #[arg(long, env = "CONSIGN_IDLE_TIMEOUT", value_name = "TIME")]
    idle_timeout: Option<Span<1>>,

    /// How long running requests may take to finish when the server is stopped [default: 10s]
    #[arg(long, env = "CONSIGN_SHUTDOWN_TIMEOUT", value_name = "TIME")]
    shutdown_timeout: Option<Span>,

    /// Where mail goes: smtp://, smtp+starttls:// or smtps:// and user:password@host:port, of which the
    /// host is needed; or folder:DIR, to write it into files. A password is told to the environment
    /// or the file, for a flag is seen by others [default: none]
    #[arg(long, env = "CONSIGN_MAIL", hide_env_values = true, value_name = "URL")]
    mail: Option<Veiled>,

    /// Whom mail is from: an address, or a name and one: Consign <files@example.org>
    #[arg(long, env = "CONSIGN_MAIL_FROM", value_name = "ADDRESS")]
    mail_from: Option<Sender>,

    /// A file of certificates, in PEM, that alone are trusted to vouch for the mail server [default: those
    /// of the operating system]
    #[arg(long, env = "CONSIGN_MAIL_CA", value_name = "FILE")]
    mail_ca: Option<PathBuf>,

    /// A certificate for HTTPS, with those that vouch for it behind it, in PEM. It is read anew when it
    /// changes, and at SIGHUP [default: none, and HTTP]
    #[arg(long, env = "CONSIGN_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key, in PEM
    #[arg(long, env = "CONSIGN_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// What is told on standard error [default: info]
    #[arg(long, env = "CONSIGN_LOG", value_name = "LEVEL")]
    log: Option<Log>,

    /// How it is told [default: text]
    #[arg(long, env = "CONSIGN_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,

    /// Where figures for Prometheus and probes are to be had: /metrics, /livez and /readyz. Anybody who
    /// reaches it reads them [default: nowhere]
    #[arg(long, env = "CONSIGN_METRICS_LISTEN", value_name = "HOST:PORT")]
    metrics_listen: Option<String>,
}

/// Which folder and which stores, and which file of settings.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Folder {
    /// The folder that holds everything that is nowhere else [default: ./consign-data]
    #[arg(long, env = "CONSIGN_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// Where users and the catalogue are: redb:PATH, a file; or
    /// postgres://USER:PASSWORD@HOST/DATABASE, which several nodes can share. A password is told to the
    /// environment or the file, for a flag is seen by others [default: consign.redb in the data folder]
    #[arg(
        long,
        env = "CONSIGN_METADATA",
        hide_env_values = true,
        value_name = "STORE"
    )]
    metadata: Option<Veiled>,

    /// Where the files are: fs:PATH, a folder; or s3://BUCKET/PREFIX, of which the usual variables tell
    /// the rest, AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL among them [default: files in the data folder]
    #[arg(long, env = "CONSIGN_BLOBS", value_name = "STORE")]
    blobs: Option<Veiled>,

    /// The file of the key that seals the keys in a shared database: made by the first node, and copied to
    /// the others [default: cluster-key in the data folder]
    #[arg(long, env = "CONSIGN_CLUSTER_KEY", value_name = "FILE")]
    cluster_key: Option<PathBuf>,

    /// A file of settings [default: ./consign.toml, if it is there]
    #[arg(long, env = "CONSIGN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The settings in force.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) stores: StoreConfig,
    pub(crate) listen: String,
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    /// Whether requests are limited in number.
    pub(crate) rate_limits: bool,
    pub(crate) proxies: Proxies,
    pub(crate) mail: Option<MailConfig>,
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) log: Log,
    pub(crate) log_format: LogFormat,
    pub(crate) metrics_listen: Option<String>,
    /// Where each of them came from.
    pub(crate) origins: Origins,
}

/// Bounds on connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    /// Connections from one address, where that is set.
    pub(crate) per_address: Option<usize>,
    pub(crate) header: Duration,
    pub(crate) body: Duration,
    /// Bytes a second.
    pub(crate) rate: u64,
    pub(crate) idle: Duration,
    pub(crate) shutdown: Duration,
}

impl Folder {
    /// With these stores in the place of those that it names.
    pub(crate) fn instead(mut self, metadata: &Option<String>, blobs: &Option<String>) -> Self {
        let veiled = |text: &Option<String>| text.clone().map(Veiled);
        self.metadata = veiled(metadata).or(self.metadata);
        self.blobs = veiled(blobs).or(self.blobs);
        self
    }

    /// The settings of a command that serves nothing.
    pub(crate) fn resolve(self) -> Result<Config, BoxError> {
        let options = Options {
            folder: self,
            ..Options::default()
        };
        options.resolve()
    }
}

impl Options {
    /// The settings in force: what is not set here is the file's to say, then the default's.
    pub(crate) fn resolve(self) -> Result<Config, BoxError> {
        let (file, origins) = read(self.folder.config.as_deref())?;
        let public_url = self.public_url.or(file.public_url);
        let defaults = Settings::default();
        let seconds = Duration::from_secs;
        let strict = matches!(self.passwords.or(file.passwords), Some(Passwords::Strict));
        let shortest = self.min_password.or(file.min_password);
        let shortest = shortest.map_or(defaults.min_password, |count| count.0);
        let settings = Settings {
            max_upload: self
                .max_upload
                .or(file.max_upload)
                .map_or(defaults.max_upload, |size| size.0),
            quota: Quota {
                bytes: self.quota_bytes.or(file.quota_bytes).map(|size| size.0),
                files: self
                    .quota_files
                    .or(file.quota_files)
                    .map(|count| count.0 as u64),
            },
            audience: self
                .audience
                .or(file.audience)
                .map_or(defaults.audience, Into::into),
            file_lifetime: self.file_lifetime.or(file.file_lifetime).map(|span| span.0),
            removal_grace: self
                .removal_grace
                .or(file.removal_grace)
                .map_or(defaults.removal_grace, |span| span.0),
            min_free: self
                .min_free
                .or(file.min_free)
                .map_or(defaults.min_free, |size| size.0),
            access_lifetime: self
                .access_lifetime
                .or(file.access_lifetime)
                .map_or(defaults.access_lifetime, |span| span.0),
            link_lifetime: self
                .link_lifetime
                .or(file.link_lifetime)
                .map_or(defaults.link_lifetime, |span| span.0),
            managed_link_lifetime: self
                .managed_link_lifetime
                .or(file.managed_link_lifetime)
                .map_or(defaults.managed_link_lifetime, |span| span.0),
            lease_lifetime: self
                .lease_lifetime
                .or(file.lease_lifetime)
                .map_or(defaults.lease_lifetime, |span| span.0),
            min_password: if strict {
                shortest.max(STRICT_PASSWORD)
            } else {
                shortest
            },
            refuse_common_passwords: strict,
            operations_registration: self
                .operations_registration
                .or(file.operations_registration)
                .map_or(defaults.operations_registration, Into::into),
            client_registration: self
                .client_registration
                .or(file.client_registration)
                .map_or(defaults.client_registration, Into::into),
            event_delay: defaults.event_delay,
        };
        let span = |given: Option<Span<1>>, file: Option<Span<1>>, default| {
            given.or(file).map_or(default, |span| span.0)
        };
        let data = self.folder.data.or(file.data);
        let data = data.unwrap_or_else(|| "consign-data".into());
        Ok(Config {
            stores: StoreConfig::new(
                &data,
                self.folder.metadata.or(file.metadata),
                self.folder.blobs.or(file.blobs),
                self.folder.cluster_key.or(file.cluster_key),
                &origins,
            )?,
            data,
            listen: self
                .listen
                .or(file.listen)
                .unwrap_or_else(|| "127.0.0.1:5000".into()),
            public_url: public_url.map(|url| url.0),
            settings,
            limits: Limits {
                connections: self
                    .max_connections
                    .or(file.max_connections)
                    .map_or(16_384, |count| count.0),
                per_address: self
                    .max_connections_per_address
                    .or(file.max_connections_per_address)
                    .map(|count| count.0),
                header: span(self.header_timeout, file.header_timeout, seconds(15)),
                body: span(self.body_timeout, file.body_timeout, seconds(30)),
                rate: self.min_rate.or(file.min_rate).map_or(1024, |size| size.0),
                idle: span(self.idle_timeout, file.idle_timeout, seconds(60)),
                shutdown: self
                    .shutdown_timeout
                    .or(file.shutdown_timeout)
                    .map_or(seconds(10), |span| span.0),
            },
            rate_limits: self.rate_limits.or(file.rate_limits) != Some(Switch::Off),
            proxies: Proxies::new(
                self.trusted_proxies
                    .or(file.trusted_proxies)
                    .map_or_else(Vec::new, |networks| networks.0),
                self.forwarded_header
                    .or(file.forwarded_header)
                    .unwrap_or(ForwardedHeader::XForwardedFor),
            ),
            mail: MailConfig::new(
                self.mail.or(file.mail),
                self.mail_from.or(file.mail_from),
                self.mail_ca.or(file.mail_ca),
                &origins,
            )?,
            tls: TlsConfig::new(
                Named::new(self.tls_cert.or(file.tls_cert), origins.of("tls-cert")),
                Named::new(self.tls_key.or(file.tls_key), origins.of("tls-key")),
            )?,
            log: self.log.or(file.log).unwrap_or(Log::Info),
            log_format: self
                .log_format
                .or(file.log_format)
                .unwrap_or(LogFormat::Text),
            metrics_listen: self.metrics_listen.or(file.metrics_listen),
            origins,
        })
    }
}

fn read(named: Option<&Path>) -> Result<(Options, Origins), BoxError> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
            return Ok(Default::default());
        }
        Err(error) if named.is_none() => return Err(format!("{}: {error}", path.display()).into()),
        Err(error) => {
            let written = Origins::default().of("config");
            return Err(format!("{}: {error}: {written}", path.display()).into());
        }
    };
    match toml::from_str(&text) {
        Ok(options) => Ok((options, Origins::of_file(path, &text))),
        Err(error) => Err(origin::bad_file(path, &text, &error).into()),
    }
}
