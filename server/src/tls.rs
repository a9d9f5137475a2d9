//! TLS: a certificate and its key, from files that are read anew when they change.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    mem,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    task,
    time::{self, Duration, MissedTickBehavior},
};
use tokio_rustls::rustls::{
    Error, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    version::{TLS12, TLS13},
};
use x509_cert::{Certificate, der::Decode};
use zeroize::Zeroizing;

use crate::{
    BoxError,
    options::{Named, TlsConfig},
};

/// The ALPN name of HTTP/2 (RFC 9113, section 3.1).
pub(crate) const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// Bytes that a file has at most: a chain has a few thousand.
const MAX_FILE: u64 = 1 << 20;

const CERT_WANTED: &str =
    "a file in PEM is needed, of the certificate and, behind it, those that vouch for it";
const KEY_WANTED: &str = "a file in PEM is needed, of the certificate's private key (PKCS#8, PKCS#1 or SEC1, unencrypted)";

/// What new connections are served with.
pub(crate) type Current = watch::Receiver<Arc<ServerConfig>>;

/// Looks after the files: what new connections are served with is what they say.
#[derive(Debug)]
pub(crate) struct Keeper {
    files: TlsConfig,
    current: watch::Sender<Arc<ServerConfig>>,
    /// What is served with.
    served: Found,
    /// What was last seen instead.
    seen: Option<Found>,
    /// Whether it was complained about.
    told: bool,
}

/// The files' contents, or why there are none.
type Found = Result<Contents, String>;

#[derive(Clone, Debug)]
struct Contents {
    cert: Vec<u8>,
    key: Key,
    /// Whether any user of the machine may read or write the key.
    exposed: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct Key(Zeroizing<Vec<u8>>);

/// What came of a look at the files.
#[derive(Debug, PartialEq, Eq)]
enum Looked {
    /// They are as they were, or already complained about.
    Same,
    /// They are served with from now on.
    Taken,
    /// They are good for nothing yet, as they are while somebody exchanges them.
    Unsettled,
    /// They are good for nothing, and stay so.
    Refused(String),
}

impl Keeper {
    /// Reads the files for the first time.
    pub(crate) async fn open(files: TlsConfig) -> Result<Self, BoxError> {
        let contents = look(files.clone()).await?;
        let current = watch::Sender::new(contents.config(&files)?);
        contents.tell(&files, "serving HTTPS");
        Ok(Self {
            files,
            current,
            served: Ok(contents),
            seen: None,
            told: false,
        })
    }

    pub(crate) fn current(&self) -> Current {
        self.current.subscribe()
    }

    /// Looks whenever a time has passed, for ever.
    pub(crate) async fn keep(&mut self, every: Duration) {
        let mut ticks = time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let found = look(self.files.clone()).await;
            self.see(found, false);
        }
    }

    /// Looks at once, for somebody who asked.
    pub(crate) async fn reload(&mut self) {
        let found = look(self.files.clone()).await;
        if self.see(found, true) == Looked::Same {
            tracing::info!("the certificate is as it was");
        }
    }

    /// Takes what was found, or goes on with what there is. Complains once about each thing found, when
    /// it has stayed from one look to the next, and whenever somebody asked.
    fn see(&mut self, found: Found, asked: bool) -> Looked {
        if found == self.served {
            self.seen = None;
            return Looked::Same;
        }
        let again = self.seen.as_ref() == Some(&found);
        self.told &= again;
        if self.told && !asked {
            return Looked::Same;
        }
        let taken = match &found {
            Ok(contents) => contents.config(&self.files).map(|config| {
                self.current.send_replace(config);
                contents.tell(&self.files, "new connections get another certificate");
            }),
            Err(error) => Err(error.clone()),
        };
        match taken {
            Ok(()) => {
                self.served = found;
                self.seen = None;
                Looked::Taken
            }
            Err(error) => {
                self.seen = Some(found);
                if !again && !asked {
                    return Looked::Unsettled;
                }
                self.told = true;
                tracing::warn!("the certificate before is kept: {error}");
                Looked::Refused(error)
            }
        }
    }
}

/// What there is to say of the files without serving with them.
pub(crate) struct Examined {
    /// The first and the last moment of the certificate, where it tells them.
    pub(crate) validity: Option<(Timestamp, Timestamp)>,
    /// Whether any user of the machine may read or write the key.
    pub(crate) exposed: bool,
}

/// Looks at the files, and whether they belong together.
pub(crate) fn examine(files: &TlsConfig) -> Result<Examined, String> {
    let contents = Contents::read(files)?;
    contents.config(files)?;
    Ok(Examined {
        validity: contents.validity(),
        exposed: contents.exposed,
    })
}

/// Reads both files, beside the work.
async fn look(files: TlsConfig) -> Found {
    let looked = task::spawn_blocking(move || Contents::read(&files)).await;
    looked.unwrap_or_else(|error| Err(error.to_string()))
}

impl Contents {
    fn read(files: &TlsConfig) -> Found {
        let wrong = |file: &Named, error: &io::Error, wanted| format!("{file}: {error}; {wanted}");
        let cert = read(&files.cert.path);
        let (mut cert, _) = cert.map_err(|error| wrong(&files.cert, &error, CERT_WANTED))?;
        let key = read(&files.key.path);
        let (key, exposed) = key.map_err(|error| wrong(&files.key, &error, KEY_WANTED))?;
        Ok(Self {
            cert: mem::take(&mut *cert),
            key: Key(key),
            exposed,
        })
    }

    /// What they are served with, if they belong together.
    fn config(&self, files: &TlsConfig) -> Result<Arc<ServerConfig>, String> {
        let TlsConfig { cert, key } = files;
        let chain = self.chain();
        let chain = chain.map_err(|error| format!("{cert}: {error}; {CERT_WANTED}"))?;
        if chain.is_empty() {
            return Err(format!("{cert}: no certificate is in it; {CERT_WANTED}"));
        }
        let private = PrivateKeyDer::from_pem_slice(&self.key.0).map_err(|error| match error {
            pem::Error::NoItemsFound => format!("{key}: no private key is in it; {KEY_WANTED}"),
            error => format!("{key}: {error}; {KEY_WANTED}"),
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|error| match error {
                Error::InconsistentKeys(_) => {
                    format!("{key}: it is the key of another certificate than {cert}")
                }
                Error::InvalidCertificate(error) => format!("{cert}: {error}; {CERT_WANTED}"),
                error => format!("{key}: {error}; {KEY_WANTED}"),
            })?;
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
        Ok(Arc::new(config))
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
        CertificateDer::pem_slice_iter(&self.cert).collect()
    }

    /// Says how long the certificate is good, and what is odd about it.
    fn tell(&self, files: &TlsConfig, what: &str) {
        let TlsConfig { cert, key } = files;
        if self.exposed {
            let path = key.path.display();
            tracing::warn!("{key}: every user of this machine may use it: chmod o= {path}");
        }
        let Some((from, until)) = self.validity() else {
            tracing::info!("{what}");
            return;
        };
        tracing::info!(%until, "{what}");
        let now = Timestamp::now();
        if until < now {
            tracing::warn!("{cert}: the certificate has expired, at {until}");
        } else if now < from {
            tracing::warn!("{cert}: the certificate is good from {from} on, and not yet");
        }
    }

    /// The first and the last moment of the certificate.
    fn validity(&self) -> Option<(Timestamp, Timestamp)> {
        let chain = self.chain().ok()?;
        let cert = Certificate::from_der(chain.first()?).ok()?;
        let validity = cert.tbs_certificate().validity();
        let moment = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
            Timestamp::from_second(seconds).ok()
        };
        Some((moment(validity.not_before)?, moment(validity.not_after)?))
    }
}

/// Who may use a key changes nothing about what is served with.
impl PartialEq for Contents {
    fn eq(&self, other: &Self) -> bool {
        self.cert == other.cert && self.key == other.key
    }
}

impl Eq for Contents {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A file's bytes, and whether any user of the machine may read or write them.
fn read(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, bool)> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    let exposed = about.permissions().mode() & 0o006 != 0;
    // With room from the start, nothing of a key stays behind where a buffer grew.
    let room = about.len().min(MAX_FILE) as usize + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other("it is larger than a MiB"));
    }
    Ok((bytes, exposed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> TlsConfig {
        TlsConfig {
            cert: Named::flag("tls-cert", "cert.pem"),
            key: Named::flag("tls-key", "key.pem"),
        }
    }

    fn contents() -> Contents {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Contents {
            cert: made.cert.pem().into_bytes(),
            key: Key(made.signing_key.serialize_pem().into_bytes().into()),
            exposed: false,
        }
    }

    #[test]
    fn a_pair_is_exchanged_when_it_is_whole_and_complained_about_once() {
        let (old, new) = (contents(), contents());
        let current = watch::Sender::new(old.config(&files()).unwrap());
        let served = current.subscribe();
        let mut keeper = Keeper {
            files: files(),
            current,
            served: Ok(old.clone()),
            seen: None,
            told: false,
        };
        let half = Contents {
            cert: new.cert.clone(),
            ..old.clone()
        };
        let refused = |looked: Looked, why: &str| match looked {
            Looked::Refused(error) => assert!(error.contains(why), "{error}"),
            looked => panic!("{looked:?}"),
        };
        let other = "tls-key = \"key.pem\" (from --tls-key): it is the key of another certificate than \
            tls-cert = \"cert.pem\" (from --tls-cert)";
        let first = Arc::clone(&served.borrow());
        assert_eq!(keeper.see(Ok(old.clone()), false), Looked::Same);
        // Files are exchanged one after the other.
        assert_eq!(keeper.see(Ok(half.clone()), false), Looked::Unsettled);
        refused(keeper.see(Ok(half.clone()), false), other);
        assert_eq!(keeper.see(Ok(half.clone()), false), Looked::Same);
        refused(keeper.see(Ok(half.clone()), true), other);
        assert_eq!(keeper.see(Ok(half.clone()), false), Looked::Same);
        let gone = || Err("gone".to_owned());
        assert_eq!(keeper.see(gone(), false), Looked::Unsettled);
        refused(keeper.see(gone(), false), "gone");
        assert_eq!(keeper.see(gone(), false), Looked::Same);
        assert!(Arc::ptr_eq(&first, &served.borrow()));
        // Back to where they were, and there again, is told again.
        assert_eq!(keeper.see(Ok(old), false), Looked::Same);
        refused(keeper.see(gone(), true), "gone");
        assert_eq!(keeper.see(Ok(new.clone()), false), Looked::Taken);
        assert!(!Arc::ptr_eq(&first, &served.borrow()));
        assert_eq!(keeper.see(Ok(new), false), Looked::Same);
        assert_eq!(keeper.see(Ok(half), false), Looked::Unsettled);
    }

    #[test]
    fn a_key_is_not_shown() {
        let shown = format!("{:?}", contents());
        assert!(
            shown.contains("Key(…)") && !shown.contains("PRIVATE"),
            "{shown}"
        );
    }

    #[test]
    fn the_days_of_a_certificate_are_read() {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2024, 2, 29);
        params.not_after = rcgen::date_time_ymd(2051, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap().pem().into_bytes();
        let days = Contents { cert, ..contents() }.validity().unwrap();
        let day = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(days.0, day("2024-02-29T00:00:00Z"));
        assert_eq!(days.1, day("2051-01-01T00:00:00Z"));
    }
}
