//! Figures and probes for those who operate the server, on a listener of their own.

mod process;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use ::metrics::{Gauge, Unit};
use bytes::Bytes;
use consign_core::Consign;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{self, JoinSet},
    time::{self, timeout},
};

use self::process::Process;
use crate::{BoxError, log::Dropped};

/// Seconds.
const DURATIONS: &[f64] = &[
    0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0,
];
/// Changes that share a commit: 256 at most.
const CHANGES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// What was recorded is put into its buckets at least so often; until then it takes memory.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

/// Connections at once. Those who look are few, and nobody else comes here.
const CONNECTIONS: usize = 16;
/// Bytes that the head of a request has at most, and how long it may take, the wait for it included.
const MAX_HEAD: usize = 8 * 1024;
const HEAD_TIME: Duration = Duration::from_secs(75);
/// A connection is closed after this time, whatever it does.
const CONNECTION_TIME: Duration = Duration::from_secs(10 * 60);

/// How long the stores may take to answer.
const STORES_TIME: Duration = Duration::from_secs(5);

/// How long to wait before accepting again when the machine has no file descriptor to spare.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The door, before anybody is let in: from now on there is a recorder.
pub(crate) struct Listener {
    listener: TcpListener,
    figures: PrometheusHandle,
}

impl Listener {
    /// Listens, and has figures recorded from now on.
    pub(crate) async fn bind(address: &str) -> Result<Self, BoxError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let durations = Matcher::Suffix("_duration_seconds".to_owned());
        let changes = Matcher::Full("consign_catalogue_commit_changes".to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(durations, DURATIONS)?
            .set_buckets_for_metric(changes, CHANGES)?
            .build_recorder();
        let figures = recorder.handle();
        ::metrics::set_global_recorder(recorder)?;
        Ok(Self { listener, figures })
    }

    /// Answers until `closing` is true, when it lets go of every connection and of the stores: that the server
    /// lives from the beginning on, the rest once `opened` has what it is about. Once `stopping` is true the
    /// server is not ready any more.
    pub(crate) async fn serve(
        self,
        opened: Opened,
        stopping: watch::Receiver<bool>,
        closing: watch::Receiver<bool>,
        dropped: Dropped,
    ) {
        match self.listener.local_addr() {
            Ok(address) => told(address),
            Err(error) => tracing::warn!(%error, "where figures are to be had is not known"),
        }
        let door = Arc::new(Door {
            opened,
            stopping,
            figures: self.figures,
            process: Process::new(dropped),
            ready: ready_gauge(),
        });
        let seats = Arc::new(Semaphore::new(CONNECTIONS));
        tokio::select! {
            () = keep_up(&door.figures) => {}
            () = accept(&self.listener, &seats, &door, closing) => {}
        }
    }
}

fn told(address: SocketAddr) {
    tracing::info!("figures and probes are at http://{address}/metrics, /livez and /readyz");
}

async fn keep_up(figures: &PrometheusHandle) {
    let mut ticks = time::interval(UPKEEP_EVERY);
    loop {
        ticks.tick().await;
        figures.run_upkeep();
    }
}

async fn accept(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
    door: &Arc<Door>,
    mut closing: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (accepted, seat) = tokio::select! {
            next = next(listener, seats) => next,
            // An error means that the server is gone.
            _ = closing.wait_for(|closing| *closing) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(Arc::clone(door).connection(stream, seat));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for figures could not be accepted");
                time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    // One that is kept open would keep the stores open.
    connections.shutdown().await;
}

async fn next(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
) -> (io::Result<(TcpStream, SocketAddr)>, OwnedSemaphorePermit) {
    let seat = Arc::clone(seats).acquire_owned().await;
    let seat = seat.expect("the semaphore is never closed");
    (listener.accept().await, seat)
}

/// Who answers.
struct Door {
    opened: Opened,
    stopping: watch::Receiver<bool>,
    figures: PrometheusHandle,
    process: Process,
    ready: Gauge,
}

impl Door {
    async fn connection(self: Arc<Self>, stream: TcpStream, _seat: OwnedSemaphorePermit) {
        let service = service_fn(|request| {
            let door = Arc::clone(&self);
            async move { Ok::<_, Infallible>(door.answer(&request).await) }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_header_size(MAX_HEAD);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        // What goes wrong with it is of no interest: whoever looks will look again.
        let _ = timeout(CONNECTION_TIME, connection).await;
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if !["/metrics", "/livez", "/readyz"].contains(&path) {
            return text(StatusCode::NOT_FOUND, "not found\n");
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allow);
            return response;
        }
        match path {
            "/metrics" => self.metrics().await,
            "/livez" => text(StatusCode::OK, "ok\n"),
            _ => match self.readiness().await {
                Ok(()) => text(StatusCode::OK, "ok\n"),
                Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, why),
            },
        }
    }

    /// Whether requests can be sent here; why not.
    async fn readiness(&self) -> Result<(), &'static str> {
        if *self.stopping.borrow() {
            return Err("stopping\n");
        }
        let Some(consign) = self.opened.get() else {
            return Err("starting\n");
        };
        match timeout(STORES_TIME, consign.check()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(error = crate::chain(&error), "not ready: a store fails");
                Err("a store fails: see the log\n")
            }
            Err(_) => Err("a store does not answer\n"),
        }
    }

    /// Looks at what is known by looking alone.
    async fn measure(&self) {
        let Some(consign) = self.opened.get() else {
            return;
        };
        let administration = consign.administration();
        match timeout(STORES_TIME, administration.measure()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "some figures are old: a store fails"),
            Err(_) => tracing::warn!("some figures are old: a store does not answer"),
        }
    }

    async fn metrics(&self) -> Response<Full<Bytes>> {
        // Both at once, for whoever scrapes waits about as long as for one of them.
        let (ready, ()) = tokio::join!(self.readiness(), self.measure());
        self.ready.set(f64::from(u8::from(ready.is_ok())));
        let (process, figures) = (self.process.clone(), self.figures.clone());
        // It reads files, and goes through all there is.
        let rendered = task::spawn_blocking(move || {
            process.measure();
            figures.render()
        });
        let Ok(rendered) = rendered.await else {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "no figures\n");
        };
        let mut response = text(StatusCode::OK, rendered);
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// What the server is about, once it is open.
pub(crate) type Opened = Arc<OnceLock<Consign>>;

fn ready_gauge() -> Gauge {
    const READY: &str = "consign_ready";
    let text = "Whether the stores answer and the server is not stopping";
    ::metrics::describe_gauge!(READY, Unit::Count, text);
    ::metrics::gauge!(READY)
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}
