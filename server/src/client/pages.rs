//! `completions` and `man`, from the commands themselves.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

use super::failure::Failure;
use crate::cli;

pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "consign", &mut script);
    match io::stdout().lock().write_all(&script) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::enough()),
        written => Ok(written?),
    }
}

/// A page for each command: `consign.1`, `consign-upload.1`, `consign-link-make.1`.
pub(super) fn manual(folder: &Path) -> Result<(), Failure> {
    let at = |error: io::Error| Failure::from(error).about(folder.display().to_string());
    fs::create_dir_all(folder).map_err(at)?;
    let mut command = cli::command().disable_help_subcommand(true);
    command.build();
    pages(&command, "consign", folder).map_err(at)
}

fn pages(command: &Command, name: &str, folder: &Path) -> io::Result<()> {
    for subcommand in command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        pages(
            subcommand,
            &format!("{name}-{}", subcommand.get_name()),
            folder,
        )?;
    }
    let is_all = name == "consign";
    let mut of_page = command
        .clone()
        .name(name.to_owned())
        .bin_name(name.replace('-', " "));
    if is_all {
        // They are `consign serve`'s.
        of_page = of_page
            .long_about(None::<&str>)
            .mut_args(|arg| arg.hide(true));
    }
    let man = Man::new(of_page)
        .title(name.to_uppercase())
        .manual("Consign");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if !is_all && command.get_arguments().next().is_some() {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let examples = command.get_after_help().map(ToString::to_string);
    match examples {
        _ if is_all => verbatim(cli::WALK).to_writer(&mut page)?,
        Some(examples) => verbatim(&examples).to_writer(&mut page)?,
        None => {}
    }
    section("EXIT STATUS", cli::EXIT_CODES).to_writer(&mut page)?;
    section("ENVIRONMENT", cli::ENVIRONMENT).to_writer(&mut page)?;
    section("FILES", cli::FILES).to_writer(&mut page)?;
    fs::write(
        folder.join(format!("{name}.1")),
        ascii(&String::from_utf8_lossy(&page)),
    )
}

/// Letters that not every typesetter takes as they are.
fn ascii(page: &str) -> String {
    let escaped = page.chars().map(|c| match c {
        c if c.is_ascii() => c.to_string(),
        c => format!("\\[u{:04X}]", u32::from(c)),
    });
    escaped.collect()
}

fn section(title: &str, rows: &[(&str, &str)]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (name, meaning) in rows {
        roff.control("TP", []);
        roff.text([roman(*name)]);
        roff.text([roman(*meaning)]);
    }
    roff
}

/// Examples, line by line.
fn verbatim(examples: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    roff.control("nf", []);
    for line in examples.lines() {
        let line = line.trim_start();
        let line = line
            .strip_prefix("Example: ")
            .or(line.strip_prefix("Examples: "))
            .unwrap_or(line);
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}
