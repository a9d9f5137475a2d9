//! What is shown to people, and what they are asked for.

use std::{
    env,
    io::{self, BufRead, IsTerminal, Write},
    sync::OnceLock,
    time::Duration,
};

use consign_client::{Error, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tokio::task::spawn_blocking;

use super::failure::{Exit, Failure};
use crate::cli::Access;

/// The terminal, or what stands in for it.
pub(crate) struct Terminal {
    bars: MultiProgress,
    /// Whether somebody watches.
    watched: bool,
    pub(crate) json: bool,
}

/// How the terminal was before anything was asked.
static BEFORE: OnceLock<Termios> = OnceLock::new();

impl Terminal {
    pub(crate) fn new(access: &Access) -> Self {
        let watched = io::stderr().is_terminal() && !access.quiet && !access.json && !is_dumb();
        if let Ok(before) = termios::tcgetattr(io::stdin()) {
            let _ = BEFORE.set(before);
        }
        Self {
            bars: MultiProgress::with_draw_target(target(watched)),
            watched,
            json: access.json,
        }
    }

    /// Has a password that was being typed not leave a terminal that shows nothing.
    pub(crate) fn restore() {
        if let Some(before) = BEFORE.get() {
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }

    /// Takes all bars away.
    pub(crate) fn clear(&self) {
        let _ = self.bars.clear();
    }

    /// A line of the result.
    pub(crate) fn result(&self, line: &str) -> Result<(), Failure> {
        let written = self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            writeln!(out, "{line}").and_then(|()| out.flush())
        });
        written.map_err(|error| match error.kind() {
            // Whoever read has enough.
            io::ErrorKind::BrokenPipe => Failure::enough(),
            _ => Failure::new(Exit::Failed, format!("cannot write: {error}")),
        })
    }

    /// A line of what was done. Where nobody reads on, the work goes on.
    pub(crate) fn acted(&self, line: &str) -> Result<(), Failure> {
        match self.result(line) {
            Err(failure) if failure.exit == Exit::Done => Ok(()),
            written => written,
        }
    }

    /// A remark beside the result, for people alone.
    pub(crate) fn remark(&self, line: &str) {
        if self.watched {
            let _ = self.bars.suspend(|| writeln!(io::stderr(), "{line}"));
        }
    }

    /// A failure of one thing among several.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.bars.suspend(|| failure.tell(self.json));
    }

    /// Whether there is somebody to ask.
    pub(crate) fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal() && !self.json
    }

    /// Asks for something that is shown as it is typed.
    pub(crate) async fn ask(&self, prompt: &str) -> io::Result<String> {
        let prompt = prompt.to_owned();
        self.asking(move || {
            eprint!("{prompt}");
            line(&mut io::stdin().lock())
        })
        .await
    }

    /// Asks for something that is not shown.
    pub(crate) async fn ask_password(&self, prompt: &str) -> io::Result<String> {
        let prompt = prompt.to_owned();
        self.asking(move || {
            // Before the question is there: who answers at once is not shown either.
            if let Some(mut modes) = BEFORE.get().cloned() {
                modes.local_modes.remove(LocalModes::ECHO);
                let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &modes);
            }
            let asked = rpassword::prompt_password(prompt);
            Self::restore();
            asked
        })
        .await
    }

    async fn asking(
        &self,
        ask: impl FnOnce() -> io::Result<String> + Send + 'static,
    ) -> io::Result<String> {
        // What goes on meanwhile does not write over the question.
        self.clear();
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
        let asked = spawn_blocking(ask).await.map_err(io::Error::other)?;
        self.bars.set_draw_target(target(self.watched));
        asked
    }

    /// A bar for one transfer.
    pub(crate) fn bar(&self, name: &str) -> Bar {
        let template = "{prefix:24!} {wide_bar} {bytes:>10}/{total_bytes:<10} {bytes_per_sec:>12} {eta:>4} {msg}";
        self.add(name, template)
    }

    /// A bar for all of them.
    pub(crate) fn total(&self, bytes: u64) -> Bar {
        let bar = self.bar("total");
        bar.bar.set_length(bytes);
        bar
    }

    fn add(&self, name: &str, template: &str) -> Bar {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        let bar = if self.watched {
            let bar = self.bars.add(bar);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
            bar
        };
        bar.set_prefix(shown(name));
        Bar { bar, total: None }
    }
}

/// The first line of standard input: a password is never an argument, which all processes see.
pub(crate) async fn first_line() -> io::Result<String> {
    let read = spawn_blocking(|| line(&mut io::stdin().lock()));
    read.await.map_err(io::Error::other)?
}

/// All lines of standard input.
pub(crate) async fn lines() -> io::Result<Vec<String>> {
    let read = spawn_blocking(|| io::stdin().lines().collect());
    read.await.map_err(io::Error::other)?
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        let error = io::Error::new(io::ErrorKind::UnexpectedEof, "standard input has no line");
        return Err(error);
    }
    let text = line.strip_suffix('\n').unwrap_or(&line);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

fn target(watched: bool) -> ProgressDrawTarget {
    if watched {
        ProgressDrawTarget::stderr_with_hz(10)
    } else {
        ProgressDrawTarget::hidden()
    }
}

fn is_dumb() -> bool {
    env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// A transfer's progress.
#[derive(Clone)]
pub(crate) struct Bar {
    bar: ProgressBar,
    /// What it is a part of.
    total: Option<ProgressBar>,
}

impl Bar {
    pub(crate) fn part_of(mut self, total: &Bar) -> Self {
        self.total = Some(total.bar.clone());
        self
    }

    /// Takes it away.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn length(&self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    fn position(&self, bytes: u64) {
        let before = self.bar.position();
        self.bar.set_position(bytes);
        self.bar.set_message("");
        if let Some(total) = &self.total {
            // It can go back.
            total.set_position(
                total
                    .position()
                    .saturating_add(bytes)
                    .saturating_sub(before),
            );
        }
    }

    fn waiting(&self, wait: Duration, why: &Error) {
        self.bar.set_message(format!(
            "{}; again in {} s",
            shown(&why.to_string()),
            wait.as_secs().max(1)
        ));
    }
}

/// A text from elsewhere, on one line and without what a terminal takes for a command.
pub(crate) fn shown(text: &str) -> String {
    let harmless = text.chars().map(|c| match c {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => '\u{fffd}',
        c => c,
    });
    harmless.collect()
}
