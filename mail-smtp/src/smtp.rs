//! The courier that speaks SMTP.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use consign_core::{
    mail::{BoxError, Courier, DeliveryError, Mail},
    time::{Clock, SystemClock},
};
use lettre::transport::smtp::{
    client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
    extension::ClientId,
};
use tokio::{net::TcpStream, time};

use crate::{
    SmtpError, Stage,
    dialogue::{Dialogue, within},
    message::{self, Mailbox},
    relay::{Relay, Security},
    unbuffered::Unbuffered,
};

/// Hands mail to a server.
///
/// Each mail has a connection of its own. Mail is rare here, and a connection that is kept is one that
/// the server may have closed in the meantime: that costs a failed delivery, which is told from a lost
/// answer only by trying again. Connections at once are as many as deliveries at once.
///
/// What a server says to the recipient or the mail with a code of 5xx is
/// [permanent](DeliveryError::Permanent), but for a login that it asks for; all else is
/// [temporary](DeliveryError::Temporary), a wrong password too: it is not the mail's fault.
#[derive(Debug)]
pub struct SmtpCourier {
    relay: Relay,
    from: Mailbox,
    tls: Tls,
    options: Options,
}

/// Whom a [`SmtpCourier`] trusts, and how long it waits.
///
/// A delivery takes no longer than `connect`, `accept` and seven times `command`. The defaults are
/// below those of RFC 5321, section 4.5.3.2, which are meant for servers among themselves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The certificates, in PEM (RFC 7468), of those who vouch for the server; none but them. Without it,
    /// those that the operating system knows.
    pub roots: Option<Vec<u8>>,
    /// How long making a connection takes at most, names looked up.
    pub connect: Duration,
    /// How long the server takes over a command at most.
    pub command: Duration,
    /// How long the server takes over a mail at most, until it has said whether it is taken. When it
    /// takes longer the mail comes twice.
    pub accept: Duration,
    /// What the date of a mail comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            roots: None,
            connect: Duration::from_secs(10),
            command: Duration::from_secs(30),
            accept: Duration::from_secs(120),
            clock: Arc::new(SystemClock),
        }
    }
}

impl SmtpCourier {
    /// A courier that hands mail from this address to this server. It does not connect yet.
    ///
    /// Reads the operating system's certificates, if it needs them.
    pub fn new(relay: Relay, from: Mailbox, options: Options) -> Result<Self, SetupError> {
        let tls = match (relay.is_encrypted(), &options.roots) {
            (true, roots) => Tls(Some(tls(&relay.host, roots.as_deref())?)),
            (false, Some(_)) => return Err(SetupError::NotEncrypted),
            (false, None) => Tls(None),
        };
        Ok(Self {
            relay,
            from,
            tls,
            options,
        })
    }

    async fn dialogue(&self) -> Result<Dialogue, SmtpError> {
        let Options {
            connect, command, ..
        } = self.options;
        let server = (&*self.relay.host, self.relay.port);
        // RFC 5321, section 4.1.4: a name of one's own, if there is one that others can look up.
        let name = ClientId::Domain(self.from.address().domain().to_owned());
        let connection = match (self.relay.security, self.tls.0.clone()) {
            (Security::StartTls, Some(tls)) => {
                let stream = time::timeout(connect, TcpStream::connect(server)).await;
                let stream = stream.map_err(|_| SmtpError::TimedOut(Stage::Connect))?;
                let stream = stream.map_err(|e| SmtpError::Broken(Stage::Connect, e.into()))?;
                let stream = Box::new(Unbuffered::new(stream));
                let greeted = AsyncSmtpConnection::connect_with_transport(stream, &name);
                let mut connection = within(command, Stage::Connect, greeted).await?;
                let encrypted = connection.starttls(tls, &name);
                within(command, Stage::StartTls, encrypted).await?;
                connection
            }
            (_, tls) => {
                let limit = connect.saturating_add(command);
                let greeted =
                    AsyncSmtpConnection::connect_tokio1(server, Some(connect), &name, tls, None);
                within(limit, Stage::Connect, greeted).await?
            }
        };
        Ok(Dialogue::new(connection, command))
    }

    /// Sees whether the server is there and would have mail handed to it: connects, encrypts, greets and signs in,
    /// as for a mail, and sends none.
    ///
    /// # Errors
    /// As a delivery's.
    pub async fn probe(&self) -> Result<(), SmtpError> {
        let mut dialogue = self.dialogue().await?;
        if let Some(login) = &self.relay.login {
            dialogue.sign_in(login).await?;
        }
        dialogue.end().await;
        Ok(())
    }

    async fn hand_over(&self, mail: &Mail) -> Result<(), SmtpError> {
        let mail = message::write(mail, &self.from, self.options.clock.now())?;
        let mut dialogue = self.dialogue().await?;
        if let Some(login) = &self.relay.login {
            dialogue.sign_in(login).await?;
        }
        let sent = dialogue
            .send(self.from.address(), &mail, self.options.accept)
            .await;
        if matches!(sent, Ok(()) | Err(SmtpError::Refused { .. })) {
            dialogue.end().await;
        }
        sent
    }
}

#[async_trait]
impl Courier for SmtpCourier {
    async fn deliver(&self, mail: &Mail) -> Result<(), DeliveryError> {
        self.hand_over(mail).await.map_err(Into::into)
    }
}

/// Why there is no courier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The certificates to trust cannot be read.
    #[error("the certificates to trust are not certificates in PEM")]
    BadRoots(#[source] BoxError),
    /// The operating system knows no certificates to trust.
    #[error("the operating system has no certificates to trust")]
    NoRoots,
    /// There are certificates to trust, and no encryption to trust them for.
    #[error("certificates to trust are of no use without encryption: use smtps or smtp+starttls")]
    NotEncrypted,
    /// TLS cannot be set up.
    #[error("encryption cannot be set up")]
    Tls(#[source] BoxError),
}

struct Tls(Option<TlsParameters>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "on" } else { "off" })
    }
}

fn tls(host: &str, roots: Option<&[u8]>) -> Result<TlsParameters, SetupError> {
    let builder = TlsParameters::builder(host.to_owned());
    let Some(pem) = roots else {
        if rustls_native_certs::load_native_certs().certs.is_empty() {
            return Err(SetupError::NoRoots);
        }
        return builder.build().map_err(|e| SetupError::Tls(e.into()));
    };
    // Without it the certificates in a file would be none, and so would be those that are trusted.
    let begin = b"-----BEGIN CERTIFICATE-----";
    if !pem.windows(begin.len()).any(|window| window == begin) {
        return Err(SetupError::BadRoots("there is none".into()));
    }
    let roots = Certificate::from_pem(pem).map_err(|e| SetupError::BadRoots(e.into()))?;
    let builder = builder.certificate_store(CertificateStore::None);
    let tls = builder.add_root_certificate(roots).build();
    tls.map_err(|e| SetupError::BadRoots(e.into()))
}
