//! One connection: HTTP/1.1 or HTTP/2, with a time for everything that a client can dawdle over.

use std::{
    convert::Infallible,
    future::Future,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use crate::{
    options::Limits,
    peers::{Seat, Turns},
    proxies::Proxies,
    stream::Stream,
    watch::{Answer, Received, Watch},
};
use bytes::Bytes;
use consign_http::ClientAddress;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::watch as signal,
    time::{self, Instant, Sleep},
};
use tokio_rustls::rustls::ServerConfig;

/// Bytes that the head of a request has at most.
const MAX_HEAD: usize = 32 * 1024;

/// Requests at once on one HTTP/2 connection, at most.
const MAX_STREAMS: u32 = 16;

/// Bytes of one HTTP/2 answer that are held until the client takes them, at most.
const MAX_SEND_BUFFER: usize = 64 * 1024;

/// Bytes of an HTTP/1.1 request that are read at once at most. While so many of an answer wait for the
/// client, its next piece is not asked for.
const BUFFER: usize = 128 * 1024;

/// Browsers come by HTTPS alone for a year from their last visit on (RFC 6797, section 6.1).
const ALWAYS_HTTPS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// A connection that was accepted.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    /// How it is encrypted, if it is.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Whether browsers are told to come by HTTPS alone.
    pub(crate) always_https: bool,
    pub(crate) peer: IpAddr,
    pub(crate) seat: Seat,
    pub(crate) proxies: Arc<Proxies>,
}

/// Serves a connection until it ends, is overdue, or the server stops.
pub(crate) async fn serve<H, B>(
    accepted: Accepted,
    handler: H,
    limits: Limits,
    mut stop: signal::Receiver<bool>,
) where
    H: tower_service::Service<
            Request<Received<Incoming>>,
            Response = Response<B>,
            Error = Infallible,
        > + Clone
        + Send
        + 'static,
    H::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let Accepted {
        stream,
        tls,
        always_https,
        peer,
        seat,
        proxies,
    } = accepted;
    // Without it every answer of more than one segment waits for a delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    let watch = Watch::new(Instant::now(), limits);
    let stream = tokio::select! {
        opened = time::timeout(limits.header, Stream::open(stream, tls, &watch)) => match opened {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "a connection did not come about");
                return;
            }
            Err(_) => return,
        },
        _ = stopped(&mut stop) => return,
    };
    let io = TokioIo::new(stream);
    let turns = Turns::new(seat);
    let service = service_fn(|mut request: Request<Incoming>| {
        let mut running = watch.begin();
        // CONNECT's form of a target under another method is no path that anything answers at.
        if request.uri().path_and_query().is_none() && request.method() != Method::CONNECT {
            *request.uri_mut() = Uri::from_static("*");
        }
        let client = ClientAddress(proxies.client(peer, request.headers()));
        request.extensions_mut().insert(client);
        let (turns, mut handler) = (Arc::clone(&turns), handler.clone());
        async move {
            let turn = match turns.now() {
                Some(turn) => turn,
                None => running.queue(turns.next()).await,
            };
            // The answer may be over before the body is.
            let reading = running.and();
            let request = request.map(|body| Received::new(body, &limits, reading));
            let mut answer = handler.call(request).await?;
            if always_https {
                let headers = answer.headers_mut();
                headers.insert(header::STRICT_TRANSPORT_SECURITY, ALWAYS_HTTPS);
            }
            Ok::<_, Infallible>(answer.map(|body| Answer::new(body, &limits, running, turn)))
        }
    });
    if watch.is_http2() {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEAD as u32)
            .max_send_buf_size(MAX_SEND_BUFFER);
        let connection = pin!(builder.serve_connection(io, service));
        let graceful = http2::Connection::graceful_shutdown;
        supervise(connection, graceful, &watch, stop).await;
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            // Watched here, where waiting for a request and reading its head are told apart.
            .header_read_timeout(None)
            .max_header_size(MAX_HEAD)
            .max_buf_size(BUFFER);
        let connection = pin!(builder.serve_connection(io, service));
        let graceful = http1::Connection::graceful_shutdown;
        supervise(connection, graceful, &watch, stop).await;
    }
}

/// Drives a connection; drops it when it is overdue; lets it finish what runs when the server stops.
async fn supervise<C>(
    mut connection: Pin<&mut C>,
    graceful_shutdown: impl Fn(Pin<&mut C>),
    watch: &Watch,
    mut stop: signal::Receiver<bool>,
) where
    C: Future<Output = hyper::Result<()>>,
{
    let mut alarm = pin!(time::sleep_until(watch.deadline()));
    let mut stopping = false;
    loop {
        let driven = std::future::poll_fn(|cx| {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(ended));
            }
            // What came of a further request's head is not waited out.
            if stopping && watch.is_quiet() {
                return Poll::Ready(Some(Ok(())));
            }
            overdue(watch, &mut alarm, cx).map(|()| None)
        });
        tokio::select! {
            ended = driven => {
                match ended {
                    Some(Ok(())) => {}
                    Some(Err(error)) => tracing::debug!(%error, "a connection broke"),
                    None => tracing::debug!("a connection was closed: it took too long"),
                }
                return;
            }
            _ = stopped(&mut stop), if !stopping => {
                graceful_shutdown(connection.as_mut());
                stopping = true;
            }
        }
    }
}

/// Ready when the connection is overdue. The alarm is only ever set to an earlier time before it
/// rings, so that a busy connection does not set it anew with each request.
fn overdue(
    watch: &Watch,
    alarm: &mut Pin<&mut Sleep>,
    cx: &mut std::task::Context<'_>,
) -> Poll<()> {
    loop {
        let deadline = watch.deadline();
        let rung = alarm.is_elapsed();
        if rung && deadline <= Instant::now() {
            return Poll::Ready(());
        }
        if rung || deadline < alarm.deadline() {
            alarm.as_mut().reset(deadline);
        }
        if alarm.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
    }
}

async fn stopped(stop: &mut signal::Receiver<bool>) {
    // An error means that the server is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}
