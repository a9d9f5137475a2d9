//! A server with a certificate, and clients of TLS.

use std::{fs, io, net::SocketAddr, process::Command, sync::Arc};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{CertificateDer, ServerName},
        version::{TLS12, TLS13},
    },
};

use super::{Home, Server, soon};

pub const HTTP_1: &[&[u8]] = &[b"http/1.1"];
pub const HTTP_2: &[&[u8]] = &[b"h2"];
pub const ANY_VERSION: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// A certificate that vouches for itself, and its key.
pub struct Identity {
    pub cert: String,
    pub key: String,
    pub der: CertificateDer<'static>,
}

impl Identity {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        let mut params = Self::params();
        change(&mut params);
        Self::of(params, &rcgen::KeyPair::generate().unwrap())
    }

    pub fn params() -> rcgen::CertificateParams {
        rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap()
    }

    /// With this key.
    pub fn of(params: rcgen::CertificateParams, key: &rcgen::KeyPair) -> Self {
        let cert = params.self_signed(key).unwrap();
        Self {
            cert: cert.pem(),
            key: key.serialize_pem(),
            der: cert.der().clone(),
        }
    }

    /// Puts it where [`serve`] looks for it.
    pub fn install(&self, home: &Home) {
        self.install_cert(home);
        self.install_key(home);
    }

    pub fn install_cert(&self, home: &Home) {
        fs::write(home.path().join("cert.pem"), &self.cert).unwrap();
    }

    pub fn install_key(&self, home: &Home) {
        fs::write(home.path().join("key.pem"), &self.key).unwrap();
    }

    /// Shakes hands with a server that it vouches for.
    pub async fn connect(
        &self,
        address: SocketAddr,
        protocols: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        self.connect_on(stream, protocols, versions).await
    }

    /// The same on a connection that there is.
    pub async fn connect_on(
        &self,
        stream: TcpStream,
        protocols: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<TlsStream<TcpStream>> {
        stream.set_nodelay(true)?;
        let config = self.client(protocols, versions);
        let name = ServerName::try_from("127.0.0.1").unwrap();
        soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }

    /// How a client that trusts it, and nobody else, is set up.
    pub fn client(
        &self,
        protocols: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        self.client_with(aws_lc_rs::default_provider(), protocols, versions)
    }

    pub fn client_with(
        &self,
        provider: CryptoProvider,
        protocols: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider));
        let config = config.with_protocol_versions(versions).unwrap();
        let config = config.with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config
    }
}

/// A server in this place, with the certificate that is there.
pub fn serve(home: &Arc<Home>, flags: impl FnOnce(&mut Command)) -> Server {
    Server::on(home, |command| {
        command.args(["--tls-cert=cert.pem", "--tls-key=key.pem"]);
        flags(command);
    })
}

/// Takes plain connections and carries each over TLS, for clients that do not know it.
pub struct Carrier {
    pub address: SocketAddr,
    listener: Option<TcpListener>,
    carrying: Option<JoinHandle<()>>,
}

impl Carrier {
    pub async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener: Some(listener),
            carrying: None,
        }
    }

    /// Carries to this server from now on.
    pub fn carry(&mut self, identity: Arc<Identity>, to: SocketAddr) {
        let listener = self.listener.take().unwrap();
        self.carrying = Some(tokio::spawn(async move {
            while let Ok((plain, _)) = listener.accept().await {
                let identity = Arc::clone(&identity);
                tokio::spawn(async move {
                    // One that does not come about ends the plain one, too.
                    if let Ok(tls) = identity.connect(to, HTTP_1, ANY_VERSION).await {
                        both_ways(plain, tls).await;
                    }
                });
            }
        }));
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if let Some(carrying) = &self.carrying {
            carrying.abort();
        }
    }
}

/// Until the server ends it: an answer may come when its request cannot be sent any more.
async fn both_ways(mut plain: TcpStream, tls: TlsStream<TcpStream>) {
    plain.set_nodelay(true).unwrap();
    let (mut from_server, mut to_server) = tokio::io::split(tls);
    let (mut from_client, mut to_client) = plain.split();
    let out = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
        std::future::pending::<()>().await;
    };
    let back = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::select! {
        () = back => {}
        () = out => {}
    }
}
