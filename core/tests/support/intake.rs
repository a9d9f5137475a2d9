//! Asks the default intake.
#![allow(dead_code, reason = "each test crate uses its part")]

use std::io::{self, Cursor};

use consign_core::{
    file::{FileName, MediaType},
    intake::{Content, Intake, IntakeError, OfficeIntake},
};

use crate::package::Package;

/// What is accepted.
pub const EXTENSIONS: [&str; 3] = ["docx", "xlsx", "pptx"];

#[derive(Debug, PartialEq)]
pub enum Outcome {
    Accepted(MediaType),
    Refused(String),
}

pub fn inspect_with(
    intake: &OfficeIntake,
    extension: &str,
    content: &mut dyn Content,
) -> io::Result<Outcome> {
    let name = FileName::parse(&format!("file.{extension}")).expect("a valid name");
    match intake.inspect(&name, content) {
        Ok(media_type) => Ok(Outcome::Accepted(media_type)),
        Err(IntakeError::Refused(refusal)) => Ok(Outcome::Refused(refusal.reason().to_owned())),
        Err(IntakeError::Io(error)) => Err(error),
    }
}

/// Panics where the intake blames the reading, for memory can be read.
pub fn inspect(extension: &str, bytes: &[u8]) -> Outcome {
    inspect_with(&OfficeIntake::default(), extension, &mut Cursor::new(bytes))
        .expect("memory can be read")
}

/// Whether the outcome is a refusal whose reason contains `word`.
pub fn is_refused(outcome: &Outcome, word: &str) -> bool {
    matches!(outcome, Outcome::Refused(reason) if reason.contains(word))
}

pub fn accepted(extension: &str) -> Outcome {
    Outcome::Accepted(MediaType::from_static(match extension {
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    }))
}

/// Refused, and for a reason that contains `word`.
#[track_caller]
pub fn refuses(what: &str, package: &Package, word: &str) {
    refuses_bytes(what, &package.bytes(), word);
}

#[track_caller]
pub fn refuses_bytes(what: &str, bytes: &[u8], word: &str) {
    let outcome = inspect("docx", bytes);
    assert!(is_refused(&outcome, word), "{what}: {outcome:?}");
}
