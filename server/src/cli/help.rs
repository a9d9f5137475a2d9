//! The help that everything can be found from.

use clap::CommandFactory;

use super::Cli;

/// The commands, as those look for them who use them.
const GROUPS: [(&str, &[&str]); 4] = [
    (
        "Hand files over, and receive them",
        &[
            "login",
            "upload",
            "ls",
            "link",
            "get",
            "downloads",
            "edit",
            "rm",
            "whoami",
            "logout",
            "register",
        ],
    ),
    ("Serve", &["serve"]),
    (
        "Administer a data folder, on its own machine",
        &[
            "user", "file", "keys", "audit", "receipt", "migrate", "sweep", "doctor",
        ],
    ),
    ("Set up a shell", &["completions", "man", "help"]),
];

/// A hand-over from beginning to end.
pub(crate) const WALK: &str = "\
A hand-over:
  consign login https://files.example.org       sign in; --username says as whom
  consign upload report.docx figures.xlsx       upload, with a bar and with retries
  consign link make report.docx figures.xlsx    the URL to hand on
  consign get https://files.example.org/l/8f3a… download and verify; needs no account
  consign downloads report.docx                 did they download it?";

/// What commands end with.
pub(crate) const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "done"),
    ("1", "failed for another reason, or for several"),
    ("2", "the command does not make sense"),
    ("3", "sign-in needed or refused"),
    (
        "4",
        "not there: no such file, link, group or user, or not any more",
    ),
    (
        "5",
        "refused by the server as it is (400, 403, 409, 413 and the like)",
    ),
    ("6", "not reachable or busy, after some attempts"),
    ("7", "bytes are not what they should be"),
    ("130", "interrupted"),
];

/// Variables of the environment, for those who hand files over and receive them.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("CONSIGN_URL", "the server"),
    ("CONSIGN_TOKEN", "an access token"),
    ("CONSIGN_USERNAME", "who signs in"),
    (
        "CONSIGN_PASSWORD",
        "their password: signs in whenever that is needed",
    ),
    ("CONSIGN_LINK_PASSWORD", "the password of a link, for get"),
    ("CONSIGN_PROFILE", "the name of the sign-in in client.toml"),
    (
        "CONSIGN_CA",
        "a file of certificates (PEM) to trust besides the system's",
    ),
    (
        "HTTPS_PROXY, HTTP_PROXY, NO_PROXY",
        "the proxy to go through, and where not to",
    ),
    (
        "NO_COLOR",
        "no colours in the help; there are none elsewhere",
    ),
];

/// What is kept on disk.
pub(crate) const FILES: &[(&str, &str)] = &[
    (
        "$XDG_CONFIG_HOME/consign/client.toml",
        "sign-ins; ~/.config where that is not set; for its owner alone",
    ),
    (
        "$XDG_STATE_HOME/consign/links/",
        "links that are being fetched; ~/.local/state where that is not set; for their owner alone",
    ),
    (
        "NAME.part, NAME.part-etag",
        "a download that is not whole yet",
    ),
];

/// The command line, with its help.
pub(crate) fn command() -> clap::Command {
    let command = Cli::command();
    let mut template = "{about}\n\n{usage-heading} {usage}\n".to_owned();
    for (title, names) in GROUPS {
        template.push_str(&format!("\n{title}:\n"));
        for name in names {
            let subcommand = command.find_subcommand(name);
            let about = subcommand.and_then(|command| command.get_about().map(ToString::to_string));
            let about = about.unwrap_or_else(|| "Print this, or the help of a command".to_owned());
            template.push_str(&format!("  {name:<12} {about}\n"));
        }
    }
    template.push_str(&format!("\n{WALK}\n\n{{after-help}}"));
    let mut after = "Exit codes:\n".to_owned();
    for (code, meaning) in EXIT_CODES {
        after.push_str(&format!("  {code:<4} {meaning}\n"));
    }
    after.push_str(
        "\nEach command says more with --help. `consign serve --help` has the server's settings.",
    );
    command.help_template(template).after_help(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_once() {
        let mut command = command();
        command.build();
        let mut grouped: Vec<_> = GROUPS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        let mut names: Vec<_> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        grouped.sort_unstable();
        names.sort_unstable();
        assert_eq!(grouped, names);
        command.debug_assert();
    }

    #[test]
    fn every_command_of_the_hand_over_has_an_example() {
        for name in GROUPS[0].1 {
            let command = command();
            let command = command.find_subcommand(name).unwrap();
            let leaves: Vec<_> = match command.has_subcommands() {
                true => command.get_subcommands().collect(),
                false => vec![command],
            };
            for leaf in leaves {
                let example = leaf
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(example.contains(&format!("consign {name}")), "{name}");
            }
        }
    }
}
