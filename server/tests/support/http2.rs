//! A client of HTTP/2.

use http_body_util::{BodyExt, Full};
use hyper::{
    Response,
    body::{Bytes, Incoming},
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};

use super::{Server, soon};

/// An HTTP/2 connection with prior knowledge, and its end.
pub struct Http2 {
    pub send: SendRequest<Full<Bytes>>,
    pub ended: JoinHandle<()>,
    pub base: String,
}

impl Http2 {
    pub async fn new(
        server: &Server,
        set: impl FnOnce(&mut http2::Builder<TokioExecutor>),
    ) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        Self::on(stream, server, set).await.unwrap()
    }

    /// On a connection that there is.
    pub async fn on(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        server: &Server,
        set: impl FnOnce(&mut http2::Builder<TokioExecutor>),
    ) -> hyper::Result<Self> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        set(&mut builder);
        let (send, connection) = builder.handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            send,
            ended: tokio::spawn(async move {
                let _ = connection.await;
            }),
            base: format!("http://{}", server.address),
        })
    }

    pub async fn begin(
        &mut self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Response<Incoming> {
        let request = request.body(Full::new(body)).unwrap();
        soon(self.send.send_request(request)).await.unwrap()
    }

    pub async fn call(&mut self, request: http::request::Builder, body: Bytes) -> Response<Bytes> {
        let (head, body) = self.begin(request, body).await.into_parts();
        Response::from_parts(head, soon(body.collect()).await.unwrap().to_bytes())
    }

    pub fn get(&self, path: &str) -> http::request::Builder {
        http::Request::get(format!("{}{path}", self.base))
    }

    pub async fn serves(&mut self) {
        let answer = self.call(self.get("/healthz"), Bytes::new()).await;
        assert_eq!(answer.status(), 200);
    }
}
