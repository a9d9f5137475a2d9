//! A mail server to test against: it keeps the mail that it is given, and misbehaves as it is told.
//!
//! ```
//! use consign_mail_smtp::testing::{Reaction, SmtpSink, Step};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let sink = SmtpSink::start().await;
//! sink.react(Step::Rcpt, Reaction::answer("550 5.1.1 no such user"));
//! println!("--mail {}", sink.url());
//! // …
//! sink.behave();
//! assert!(sink.received().is_empty());
//! # }
//! ```

mod session;

use std::{
    collections::HashMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use mail_parser::MessageParser;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// A mail server on an address of its own. It ends when it is dropped.
pub struct SmtpSink {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
    /// Keeps the port while nobody listens.
    _port: TcpSocket,
}

/// Where in a conversation something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The server's greeting; with implicit TLS, after the handshake.
    Connect,
    /// `EHLO`, each time.
    Hello,
    /// `STARTTLS`.
    StartTls,
    /// `AUTH`.
    Auth,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`.
    Data,
    /// The end of the mail.
    Content,
    /// `QUIT`.
    Quit,
}

/// What happens instead of the usual answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Another answer, of one line or more without the last line's end. After one of 421 the
    /// connection is closed; one of 2xx or 3xx goes on as usual.
    Answer(String),
    /// The connection is closed.
    Close,
    /// At [`Step::Content`]: the mail is taken, and the connection closed without a word.
    TakeAndClose,
    /// Nothing at all, until the client leaves.
    Stall,
    /// The usual answer, and this in the same breath.
    Inject(String),
}

impl Reaction {
    /// Another answer.
    pub fn answer(text: impl Into<String>) -> Self {
        Self::Answer(text.into())
    }
}

/// The server's certificate, and the key to it.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, in DER.
    pub certificate: Vec<u8>,
    /// Its key, as PKCS #8 in DER.
    pub key: Vec<u8>,
}

/// A mail that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it, by the envelope.
    pub from: String,
    /// Whom it is for, by the envelope.
    pub to: Vec<String>,
    /// What followed the address in `MAIL FROM`.
    pub parameters: String,
    /// The mail, as it was before its dots were doubled.
    pub content: Vec<u8>,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// What came with `AUTH`, if it did.
    pub auth: Option<String>,
}

impl Received {
    /// A header, unfolded and otherwise as it was sent.
    pub fn header(&self, name: &str) -> Option<String> {
        let message = MessageParser::default().parse(&self.content)?;
        let raw = message.header_raw(name.to_owned())?;
        Some(raw.replace("\r\n", "").trim().to_owned())
    }

    /// What it is about, decoded.
    pub fn subject(&self) -> String {
        let message = MessageParser::default().parse(&self.content);
        let subject = message.as_ref().and_then(|message| message.subject());
        subject.unwrap_or_default().to_owned()
    }

    /// What it says, decoded; lines end with `\n`.
    pub fn text(&self) -> String {
        let message = MessageParser::default().parse(&self.content);
        let text = message.as_ref().and_then(|message| message.body_text(0));
        text.unwrap_or_default().replace("\r\n", "\n")
    }
}

struct Shared {
    tls: Option<TlsAcceptor>,
    implicit: bool,
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    reactions: HashMap<Step, Reaction>,
    connections: usize,
    received: Vec<Received>,
}

impl SmtpSink {
    /// One without TLS.
    pub async fn start() -> Self {
        Self::launch("smtp", None)
    }

    /// One with STARTTLS.
    pub async fn with_starttls(identity: Identity) -> Self {
        Self::launch("smtp+starttls", Some(identity))
    }

    /// One with TLS from the first byte.
    pub async fn with_tls(identity: Identity) -> Self {
        Self::launch("smtps", Some(identity))
    }

    fn launch(scheme: &'static str, identity: Option<Identity>) -> Self {
        let port = bind((Ipv4Addr::LOCALHOST, 0).into());
        let address = port.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            tls: identity.map(acceptor),
            implicit: scheme == "smtps",
            state: watch::Sender::default(),
        });
        Self {
            address,
            scheme,
            accepting: tokio::spawn(accept(listen(address), Arc::clone(&shared))),
            shared,
            _port: port,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it is reached by, without a login. Its certificate must be for 127.0.0.1.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Answers so at this step, from now on.
    pub fn react(&self, step: Step, reaction: Reaction) {
        self.shared.state.send_modify(|state| {
            state.reactions.insert(step, reaction);
        });
    }

    /// Answers as usual, from now on.
    pub fn behave(&self) {
        let forget = |state: &mut State| state.reactions.clear();
        self.shared.state.send_modify(forget);
    }

    /// Refuses connections, and cuts those there are, until it [admits](Self::admit) them.
    pub async fn refuse(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }

    /// Takes connections again.
    pub fn admit(&mut self) {
        self.accepting.abort();
        let listener = listen(self.address);
        self.accepting = tokio::spawn(accept(listener, Arc::clone(&self.shared)));
    }

    /// The mail that was taken, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.shared.state.borrow().received.clone()
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.shared.state.borrow().connections
    }

    /// Waits until so many mails were taken, and gives them.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut states = self.shared.state.subscribe();
        let state = states.wait_for(|state| state.received.len() >= count).await;
        state.expect("the sender is in self").received.clone()
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for SmtpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SmtpSink").field(&self.url()).finish()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        shared.state.send_modify(|state| state.connections += 1);
        sessions.spawn(session::run(stream, Arc::clone(&shared)));
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let listener = bind(address).listen(128);
    listener.expect("a bound socket can listen")
}

/// A socket that shares its port with others, of which those that listen are connected to.
fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("there are sockets");
    socket.set_reuseport(true).expect("ports can be shared");
    socket.bind(address).expect("there is a free port");
    socket
}

fn acceptor(identity: Identity) -> TlsAcceptor {
    let certificates = vec![CertificateDer::from(identity.certificate)];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has all versions")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .expect("the key is the certificate's");
    TlsAcceptor::from(Arc::new(config))
}
