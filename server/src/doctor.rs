//! `consign doctor`: what is wrong, or soon will be, and what to do about it. It changes nothing.

mod folder;
mod machine;
mod mail;
mod network;
mod settings;
mod stores;
mod tls;

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;

use crate::{
    data::Paths,
    log,
    options::{Log, Options},
};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Warning,
    Problem,
}

/// What was looked at and found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    level: Level,
    check: &'static str,
    found: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, found: impl fmt::Display) {
        self.add(Level::Ok, check, found, None);
    }

    fn warning(&mut self, check: &'static str, found: impl fmt::Display, advice: &str) {
        self.add(Level::Warning, check, found, Some(advice));
    }

    fn problem(&mut self, check: &'static str, found: impl fmt::Display, advice: &str) {
        self.add(Level::Problem, check, found, Some(advice));
    }

    fn add(
        &mut self,
        level: Level,
        check: &'static str,
        found: impl fmt::Display,
        advice: Option<&str>,
    ) {
        // Paths and what others say are shown so that none looks like another line.
        let shown = |text: &str| text.replace(char::is_control, " ");
        let found = shown(&found.to_string());
        self.0.push(Finding {
            level,
            check,
            found,
            advice: advice.map(shown),
        });
    }

    fn worst(&self) -> Level {
        let levels = self.0.iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Ok)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        };
        write!(f, "{level:<8} {:<9} {}", self.check, self.found)?;
        match &self.advice {
            Some(advice) => write!(f, ": {advice}"),
            None => Ok(()),
        }
    }
}

/// Looks at all there is, and prints what was found: 0 when there is no problem, else 1.
pub(crate) async fn run(options: Options, json: bool) -> ExitCode {
    log::in_place(Log::Error);
    let mut findings = Findings::default();
    match options.resolve() {
        Ok(config) => {
            let paths = Paths::of(&config.data);
            settings::look(&config, &mut findings);
            folder::look(&config, &paths, &mut findings);
            let runs = folder::running(&paths, &mut findings).await;
            stores::look(&config, &paths, runs, &mut findings).await;
            machine::look(&config, &paths, &mut findings);
            network::look(&config, runs, &mut findings);
            tls::look(&config, &mut findings);
            mail::look(&config, &mut findings).await;
        }
        Err(error) => {
            let advice = "set it right; nothing else was looked at";
            findings.problem("settings", crate::chain(&*error), advice);
        }
    }
    // That nobody reads on changes nothing about what was found.
    let _ = print(&findings, json);
    match findings.worst() {
        Level::Problem => ExitCode::FAILURE,
        Level::Ok | Level::Warning => ExitCode::SUCCESS,
    }
}

fn print(findings: &Findings, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for finding in &findings.0 {
        match json {
            true => writeln!(out, "{}", serde_json::to_string(finding)?)?,
            false => writeln!(out, "{finding}")?,
        }
    }
    out.flush()
}
