//! Help, completions and the manual.

use std::{fs, process::Command};

use crate::person::Person;

/// The hand-over is found by who reads nothing else.
#[test]
fn the_help_leads_through_a_hand_over() {
    let person = Person::new();
    let help = person.run(&["--help"]);
    let help = help.succeeds();
    for text in [
        "Hand files over, and receive them:\n  login ",
        "\nServe:\n  serve ",
        "\nAdminister a data folder, on its own machine:\n  user ",
        "consign link make report.docx",
        "\nExit codes:\n  0    done\n",
        "\n  130  interrupted\n",
    ] {
        assert!(help.contains(text), "{text:?} is not in: {help}");
    }
    let short = person.run(&["-h"]);
    let (_, usage) = short.succeeds().split_once("Usage: ").unwrap();
    assert!(help.ends_with(usage), "{short:?}");
    let help = person.run(&["upload", "--help"]);
    assert!(
        help.succeeds().contains("Example: consign upload "),
        "{help:?}"
    );
    person.run(&["uplaod"]).fails(2, "upload");
    person.run(&["link", "edit", "x"]).fails(2, "--expires-in");
    person.run(&["get"]).fails(2, "<LINK-OR-FILE>");
}

/// Each shell that is there takes its own.
#[test]
fn completions_are_scripts_that_shells_take() {
    let person = Person::new();
    for (shell, args) in [
        ("bash", &["-n"][..]),
        ("zsh", &["-n"]),
        ("fish", &["--no-execute"]),
    ] {
        let script = person.run(&["completions", shell]);
        let script = script.succeeds();
        for command in ["upload", "revoke-link", "max-downloads"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
        person.write("script", script);
        match Command::new(shell)
            .args(args)
            .arg(person.path().join("script"))
            .output()
        {
            Ok(ran) => assert!(
                ran.status.success() && ran.stderr.is_empty(),
                "{shell}: {ran:?}"
            ),
            Err(error) => eprintln!("left out: {shell}: {error}"),
        }
    }
    person
        .run(&["completions", "command.com"])
        .fails(2, "possible values");
}

#[test]
fn the_manual_is_typeset_without_a_complaint() {
    let person = Person::new();
    person.run(&["man", "pages"]).succeeds();
    let pages: Vec<_> = fs::read_dir(person.path().join("pages"))
        .unwrap()
        .map(|page| page.unwrap())
        .collect();
    let has = |name: &str| pages.iter().any(|page| page.file_name() == name);
    for name in [
        "consign.1",
        "consign-upload.1",
        "consign-link-make.1",
        "consign-user-links.1",
        "consign-serve.1",
    ] {
        assert!(has(name), "{name}: {pages:?}");
    }
    assert!(!has("consign-help.1"));
    for page in pages {
        let text = fs::read_to_string(page.path()).unwrap();
        for section in [
            "NAME",
            "SYNOPSIS",
            "\"EXIT STATUS\"",
            "ENVIRONMENT",
            "FILES",
        ] {
            assert!(
                text.contains(&format!(".SH {section}\n")),
                "{page:?} has no {section}"
            );
        }
        match Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(page.path())
            .output()
        {
            Ok(ran) => assert!(
                ran.status.success() && ran.stderr.is_empty(),
                "{page:?}: {ran:?}"
            ),
            Err(error) => eprintln!("left out: groff: {error}"),
        }
    }
}
