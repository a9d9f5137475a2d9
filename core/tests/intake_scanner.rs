//! A malware scanner is an intake that asks another first: the hook needs no more than the trait.
#![cfg(feature = "intake")]
#![allow(clippy::unwrap_used)]

use std::{
    borrow::Cow,
    io::{Cursor, SeekFrom},
};

use consign_core::{
    file::{FileName, MediaType},
    intake::{Content, Intake, IntakeError, OfficeIntake, Refusal},
};

#[path = "support/package.rs"]
mod package;

use package::{Entry, document};

/// What scanners are tried with: here only a mark to look for.
const MARK: &[u8] = b"X5O!P%@AP";

/// Looks for the mark in what another intake accepts. A real one would hand the bytes to a scanner's
/// socket: `inspect` may block, sees the whole content and comes before anything is published.
#[derive(Debug)]
struct Scanned<I>(I);

impl<I: Intake> Intake for Scanned<I> {
    fn accepts(&self) -> Cow<'static, str> {
        self.0.accepts()
    }

    fn check_name(&self, name: &FileName) -> Result<(), Refusal> {
        self.0.check_name(name)
    }

    fn check_head(&self, name: &FileName, head: &[u8]) -> Result<(), Refusal> {
        self.0.check_head(name, head)
    }

    fn inspect(
        &self,
        name: &FileName,
        content: &mut dyn Content,
    ) -> Result<MediaType, IntakeError> {
        let media_type = self.0.inspect(name, content)?;
        let mut bytes = Vec::new();
        content.seek(SeekFrom::Start(0))?;
        content.read_to_end(&mut bytes)?;
        if bytes.windows(MARK.len()).any(|window| window == MARK) {
            return Err(Refusal::new("the scanner found something").into());
        }
        Ok(media_type)
    }
}

#[test]
fn a_scanner_stands_behind_the_office_intake() {
    let intake = Scanned(OfficeIntake::default());
    let name = FileName::parse("a.docx").unwrap();
    let judge = |bytes: Vec<u8>| intake.inspect(&name, &mut Cursor::new(bytes));
    let clean = document();
    let marked = document().and(Entry::stored("word/media/1.bin", MARK));
    let accepted = OfficeIntake::default().inspect(&name, &mut Cursor::new(marked.bytes()));
    assert!(accepted.is_ok(), "it is a document: {accepted:?}");
    assert!(judge(clean.bytes()).is_ok());
    let refused = |outcome, word: &str| match outcome {
        Err(IntakeError::Refused(refusal)) => {
            assert!(refusal.reason().contains(word), "{refusal:?}");
        }
        other => panic!("it is to be refused: {other:?}"),
    };
    refused(judge(marked.bytes()), "the scanner found");
    refused(judge(b"PK\x03\x04".to_vec()), "incomplete");
}
