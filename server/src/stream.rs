//! A connection's bytes, plain or by TLS.

use std::{
    io::{self, IoSlice, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::{self, Duration},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

use crate::{
    tls::H2,
    watch::{Watch, Watched},
};

/// How an HTTP/2 connection begins (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long to wait at first, and at most, for more of a beginning that may still become [`PREFACE`].
const PREFACE_RETRY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// How a TLS connection begins: the type of a handshake's record (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// For who speaks anything else to a port of HTTPS.
const NOT_TLS: &str = "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\
    \"msg\":\"This port speaks HTTPS: the address begins with https://\"}";

/// Bytes of such a request that are read, so that the answer is not lost with the rest.
const NOT_TLS_READ: u64 = 64 * 1024;

/// A connection, watched: the bytes that go over the wire are, so that those count as taken that were.
pub(crate) enum Stream {
    Plain(Watched<TcpStream>),
    Tls(Box<TlsStream<Watched<TcpStream>>>),
}

impl Stream {
    /// Finds out which HTTP the client speaks, after a handshake if there is to be one.
    pub(crate) async fn open(
        stream: TcpStream,
        tls: Option<Arc<ServerConfig>>,
        watch: &Arc<Watch>,
    ) -> io::Result<Self> {
        let Some(tls) = tls else {
            watch.speaks(speaks_http2(&stream).await?);
            return Ok(Self::Plain(watched(stream, watch)));
        };
        let mut first = [0];
        if stream.peek(&mut first).await? > 0 && first != [HANDSHAKE] {
            return Err(refuse(stream).await);
        }
        let stream = TlsAcceptor::from(tls)
            .accept(watched(stream, watch))
            .await?;
        watch.speaks(stream.get_ref().1.alpn_protocol() == Some(H2));
        Ok(Self::Tls(Box::new(stream)))
    }
}

/// One that ends between two messages says so: what came before is whole. One that is cut off in the
/// middle ends without a word (RFC 8446, section 6.1).
impl Drop for Stream {
    fn drop(&mut self) {
        let Self::Tls(stream) = self else { return };
        let (below, session) = stream.get_mut();
        if below.watch.is_between() {
            session.send_close_notify();
            // It is for the client's peace of mind, and worth no wait.
            let _ = session.write_tls(&mut AtOnce(&below.stream));
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buffer),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

fn watched(stream: TcpStream, watch: &Arc<Watch>) -> Watched<TcpStream> {
    Watched {
        stream,
        watch: Arc::clone(watch),
    }
}

/// Which HTTP the client speaks, from its first bytes, which stay where they are.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    let (mut retry, longest) = PREFACE_RETRY;
    loop {
        let seen = stream.peek(&mut first).await?;
        if seen == 0 || !PREFACE.starts_with(&first[..seen]) {
            return Ok(false);
        }
        if seen == PREFACE.len() {
            return Ok(true);
        }
        time::sleep(retry).await;
        retry = (retry * 2).min(longest);
    }
}

/// Tells a client that it forgot the TLS.
async fn refuse(mut stream: TcpStream) -> io::Error {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n\
        X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n\
        Content-Length: {}\r\nConnection: close\r\n\r\n{NOT_TLS}",
        NOT_TLS.len()
    );
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let mut rest = (&mut stream).take(NOT_TLS_READ);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    match told.await {
        Ok(_) => io::Error::other("the client does not speak TLS"),
        Err(error) => error,
    }
}

/// Writes what can be written without waiting.
struct AtOnce<'s>(&'s TcpStream);

impl Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
