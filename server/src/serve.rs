//! `consign serve`.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
};

use consign_core::Consign;
use consign_http::{Api, PublicUrl, Rates};
use rustix::process::{self, Resource, Rlimit};
use tokio::{
    net::TcpListener,
    signal::unix::{self, SignalKind},
    sync::watch,
    task::JoinHandle,
    time::{self, Duration},
};

use crate::{
    BoxError, admin,
    connection::{self, Accepted},
    data::{self, Installation, Paths},
    log, metrics, notify,
    options::{Config, MailConfig},
    peers::Peers,
    tls::Keeper,
};

/// How often orphans are looked for, and how old they are left to become.
const SWEEP_EVERY: Duration = Duration::from_secs(6 * 60 * 60);
/// So late a file that is at its end can become a removed one; nobody has it meanwhile.
const END_EVERY: Duration = Duration::from_secs(60);
const SWEEP_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a checkpoint of the trail is made, when it has grown.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// How often the certificate is looked at.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(2);

/// How long to wait before accepting again when the machine has no file descriptor to spare.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Connections from one address unless it is set.
const PER_ADDRESS: usize = 512;

/// File descriptors for all that is not a connection or its file: the folders that are synced, at
/// most 64 at once, and what the server has open itself.
const RESERVED_FILES: u64 = 128;

/// SIGXFSZ: a write went beyond the file size limit. Unhandled it ends the process.
const SIGXFSZ: i32 = 25;

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(config: Config) -> Result<(), BoxError> {
    let logging = log::beside_work(config.log, config.log_format);
    let mut ended = Ended::listen()?;
    // Who started the server from a terminal ends it with the terminal, unless it is of use.
    let reloads = config.tls.is_some() || notify::is_heard();
    let hangups = reloads.then(|| unix::signal(SignalKind::hangup()));
    let hangups = hangups.transpose()?;
    // With a handler, a write that is too large is an error like any other.
    let _oversized = unix::signal(SignalKind::from_raw(SIGXFSZ))?;
    let files = raise_file_limit();

    let keeper = match config.tls.clone() {
        Some(files) => Some(Keeper::open(files).await?),
        None => None,
    };
    let tls = keeper.as_ref().map(Keeper::current);
    // Before all that has figures to tell.
    let figures = match &config.metrics_listen {
        Some(address) => {
            let listener = metrics::Listener::bind(address).await;
            let written = config.origins.of("metrics-listen");
            Some(listener.map_err(|error| format!("{written}: {error}"))?)
        }
        None => None,
    };
    // That the server lives is told while it opens its stores, which takes its time after a crash.
    let opened = metrics::Opened::default();
    let (leave, leaving) = watch::channel(false);
    let (close, closing) = watch::channel(false);
    let looked_at = figures.map(|figures| {
        let opened = Arc::clone(&opened);
        tokio::spawn(figures.serve(opened, leaving, closing, logging.dropped()))
    });
    let courier = config.mail.as_ref().map(MailConfig::courier).transpose()?;
    let _held = data::hold(&config)?;
    let installation = Installation::open(&config, courier).await?;
    let listener = TcpListener::bind(&config.listen).await.map_err(|error| {
        let written = config.origins.of("listen");
        format!("{written}: cannot listen on {}: {error}", config.listen)
    })?;
    let address = listener.local_addr()?;
    let base = format!(
        "{}://{address}",
        if tls.is_some() { "https" } else { "http" }
    );
    let public_url = public_url(&config, &base, address)?;
    let always_https = tls.is_some() && is_https(&public_url);
    if tls.is_some() && !always_https {
        tracing::warn!("links begin with {public_url}, and this is a server of HTTPS");
    }
    let administration = admin::Socket::bind(&Paths::of(&config.data), installation.clone())?;
    let api = Api::new(installation.consign.clone(), public_url);
    let mut api = api.with_site(consign_web::site());
    if config.rate_limits {
        api = api.with_rates(Rates::default());
    }
    let handler = warp::service(consign_http_warp::server(api));

    let (stop, stopped) = watch::channel(false);
    let (consign, keys) = (installation.consign, installation.keys);
    let upkeep = consign.administration();
    let [sweeping, ending, carrying, vouching] = [(); 4].map(|()| upkeep.clone());
    let sweeper = tokio::spawn(async move { sweeping.keep_swept(SWEEP_EVERY, SWEEP_GRACE).await });
    let ending = tokio::spawn(async move { ending.keep_lifetimes(END_EVERY).await });
    let carrier = tokio::spawn(async move { carrying.keep_mail().await });
    let checkpoints =
        tokio::spawn(async move { vouching.keep_checkpoints(CHECKPOINT_EVERY).await });
    let keeping = tokio::spawn(async move { keys.keep().await });
    let administered = tokio::spawn(administration.serve());
    // Whoever reads where the server listens finds it ready.
    let _ = opened.set(consign.clone());
    announce(&base)?;
    let status = format!("listening on {base}");
    notify::ready(&status);
    let reloader = tokio::spawn(reload(keeper, hangups, status));

    let connections = bounded(config.limits.connections, files);
    let per_address = config.limits.per_address.unwrap_or(
        // One address never has them all.
        PER_ADDRESS.min((connections / 2).max(1)),
    );
    let peers = Peers::new(connections, per_address);
    let proxies = Arc::new(config.proxies);
    loop {
        let free = tokio::select! {
            free = peers.free() => free,
            () = ended.wait() => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => (stream, peer.ip()),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            },
            () = ended.wait() => break,
        };
        // The connections of a proxy are those of many.
        let counted = (!proxies.trusts(peer)).then_some(peer);
        let Some(seat) = peers.admit(free, counted) else {
            tracing::debug!(%peer, "a connection more than one address may have was closed");
            continue;
        };
        let accepted = Accepted {
            stream,
            tls: tls.as_ref().map(|tls| Arc::clone(&tls.borrow())),
            always_https,
            peer,
            seat,
            proxies: Arc::clone(&proxies),
        };
        tokio::spawn(connection::serve(
            accepted,
            handler.clone(),
            config.limits,
            stopped.clone(),
        ));
    }

    notify::stopping();
    reloader.abort();
    leave.send_replace(true);
    tracing::info!("stopping");
    drop((listener, stopped));
    let at_work = [sweeper, ending, carrier, keeping];
    at_work.iter().for_each(JoinHandle::abort);
    stop.send_replace(true);
    // Each connection holds a receiver; the channel is closed when the last has ended.
    if time::timeout(config.limits.shutdown, stop.closed())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
    administered.abort();
    checkpoints.abort();
    close.send_replace(true);
    // The stores are closed well when the last of those who use them is gone; with the administration goes its
    // socket.
    let others = [administered, checkpoints].into_iter().chain(looked_at);
    for task in at_work.into_iter().chain(others) {
        let _ = task.await;
    }
    close_trail(&consign).await;
    logging.tell_dropped();
    Ok(())
}

/// Records what waits to be, and vouches for the trail as it is left.
async fn close_trail(consign: &Consign) {
    let closed = async {
        consign.flush_events().await?;
        consign.administration().checkpoint().await
    };
    if let Err(error) = closed.await {
        tracing::warn!(%error, "the trail's end was not recorded or not signed");
    }
}

/// The signals that end the server.
struct Ended {
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

impl Ended {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The first line on standard output, for people and for programs that wait for it.
fn announce(base: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {base}")?;
    stdout.flush()
}

/// Where links begin: as it is set, or else at `base`, where the server listens.
fn public_url(config: &Config, base: &str, address: SocketAddr) -> Result<PublicUrl, BoxError> {
    if let Some(url) = &config.public_url {
        return Ok(url.clone());
    }
    if address.ip().is_unspecified() {
        tracing::warn!("links will begin with {base}, which leads nowhere: set --public-url");
    }
    // A link-local address is good on one machine alone, and so makes no URL.
    let url = base.parse();
    url.map_err(|_| format!("links cannot begin with {base}: set --public-url").into())
}

fn is_https(url: &PublicUrl) -> bool {
    let url = url.to_string();
    url.split_once(':')
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// Keeps the certificate as its files say, and looks at them at once at SIGHUP.
async fn reload(mut keeper: Option<Keeper>, mut hangups: Option<unix::Signal>, status: String) {
    loop {
        let keeping = async {
            match &mut keeper {
                Some(keeper) => keeper.keep(CERTIFICATE_EVERY).await,
                None => std::future::pending().await,
            }
        };
        let hangup = async {
            match &mut hangups {
                Some(hangups) => hangups.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = keeping => {}
            _ = hangup => {}
        }
        notify::reloading();
        if let Some(keeper) = &mut keeper {
            keeper.reload().await;
        }
        notify::ready(&status);
    }
}

/// The limit of open files, after it was raised as far as it goes; `None` when there is none.
fn raise_file_limit() -> Option<u64> {
    let limit = process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match process::setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            limit.current
        }
    }
}

/// As many connections as there are file descriptors for: each needs one, and its file one more.
fn bounded(connections: usize, files: Option<u64>) -> usize {
    let room = room(connections, files);
    if room < connections {
        let files = files.unwrap_or_default();
        tracing::info!(
            connections = room,
            "fewer connections are served than are set: the limit of open files is {files}"
        );
    }
    room
}

/// Of so many connections those for which this limit of open files is enough; `None` is no limit.
pub(crate) fn room(connections: usize, files: Option<u64>) -> usize {
    let Some(files) = files else {
        return connections;
    };
    let room = usize::try_from(files.saturating_sub(RESERVED_FILES) / 2).unwrap_or(usize::MAX);
    connections.min(room.max(1))
}
