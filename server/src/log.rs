//! The log, on standard error.

use std::io::{self, BufWriter, IsTerminal};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer, filter::Targets, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::options::{Log, LogFormat};

/// Lines that wait for a reader at most. What comes beyond is dropped: no request waits for the log.
const WAITING: usize = 16 * 1024;

/// What is written beside the work, until it is dropped.
pub(crate) struct Beside {
    dropped: Dropped,
    _worker: WorkerGuard,
}

/// How many lines nobody came to read.
#[derive(Clone)]
pub(crate) struct Dropped(ErrorCounter);

impl Dropped {
    pub(crate) fn lines(&self) -> u64 {
        self.0.dropped_lines() as u64
    }
}

impl Beside {
    pub(crate) fn dropped(&self) -> Dropped {
        self.dropped.clone()
    }

    /// Says how many lines nobody came to read.
    pub(crate) fn tell_dropped(&self) {
        let lines = self.dropped.lines();
        if lines > 0 {
            tracing::warn!(
                lines,
                "lines of the log were dropped: nobody read it in time"
            );
        }
    }
}

/// Lines are written where they arise.
pub(crate) fn in_place(log: Log) {
    begin(log, LogFormat::Text, io::stderr);
}

/// Lines are written by a thread of their own, several at once where they come fast.
pub(crate) fn beside_work(log: Log, format: LogFormat) -> Beside {
    let (writer, worker) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING)
        .lossy(true)
        .thread_name("consign-log")
        .finish(BufWriter::new(io::stderr()));
    let dropped = Dropped(writer.error_counter());
    begin(log, format, writer);
    Beside {
        dropped,
        _worker: worker,
    }
}

fn begin(log: Log, format: LogFormat, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) {
    let level = match log {
        Log::Error => tracing::Level::ERROR,
        Log::Warn => tracing::Level::WARN,
        Log::Info => tracing::Level::INFO,
        Log::Debug => tracing::Level::DEBUG,
        Log::Trace => tracing::Level::TRACE,
    };
    // Ours alone: the libraries below log what clients send.
    let ours = Targets::new()
        .with_target("consign", level)
        .with_default(tracing::Level::ERROR);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        // One object a line; of the span no more than the request's id is of use.
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed(),
    };
    tracing_subscriber::registry().with(ours).with(lines).init();
}
