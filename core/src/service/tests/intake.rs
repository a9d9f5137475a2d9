use std::{borrow::Cow, io};

use crate::{
    file::{FileName, MediaType},
    intake::{Content, Intake, IntakeError, Refusal},
};

/// Takes `.docx` and names without an extension, unless the content begins with what it should do.
#[derive(Debug)]
pub struct StubIntake;

pub const MEDIA_TYPE: &str =
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
pub const REFUSE_HEAD: &[u8] = b"refuse the head";
pub const REFUSE_ALL: &[u8] = b"refuse it all";
pub const CANNOT_READ: &[u8] = b"cannot read";
pub const PANIC: &[u8] = b"panic";

impl Intake for StubIntake {
    fn accepts(&self) -> Cow<'static, str> {
        ".docx files".into()
    }

    fn check_name(&self, name: &FileName) -> Result<(), Refusal> {
        match name.extension() {
            None | Some("docx") => Ok(()),
            Some(_) => Err(Refusal::new("not a .docx")),
        }
    }

    fn check_head(&self, _: &FileName, head: &[u8]) -> Result<(), Refusal> {
        if head.starts_with(REFUSE_HEAD) {
            return Err(Refusal::new("a refused head"));
        }
        Ok(())
    }

    fn inspect(&self, _: &FileName, content: &mut dyn Content) -> Result<MediaType, IntakeError> {
        let mut bytes = Vec::new();
        io::Read::read_to_end(content, &mut bytes).map_err(IntakeError::Io)?;
        assert!(!bytes.starts_with(PANIC), "asked to panic");
        if bytes.starts_with(REFUSE_ALL) {
            return Err(Refusal::new("refused content").into());
        }
        if bytes.starts_with(CANNOT_READ) {
            return Err(IntakeError::Io(io::Error::other("cannot read")));
        }
        Ok(MediaType::from_static(MEDIA_TYPE))
    }
}
