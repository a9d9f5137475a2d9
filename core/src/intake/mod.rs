//! What may be stored: the [`Intake`] trait, and [`OfficeIntake`] as its default.

use std::{
    borrow::Cow,
    fmt, io,
    io::{Read, Seek},
};

use crate::file::{FileName, MediaType};

#[cfg(feature = "intake")]
mod magic;
#[cfg(feature = "intake")]
mod ooxml;

#[cfg(feature = "intake")]
pub use ooxml::OfficeIntake;

/// How many of a file's first bytes [`Intake::check_head`] sees, unless the file is shorter.
pub const HEAD_LEN: usize = 8 * 1024;

/// Decides what may be stored.
///
/// The service asks three times, from the cheapest to the dearest, so that what is certainly wrong
/// is refused before it is received whole. Only [`inspect`](Intake::inspect) gives the verdict.
pub trait Intake: fmt::Debug + Send + Sync + 'static {
    /// What it accepts, in words that fit between "Only" and "are allowed.": `.pdf and .png`.
    fn accepts(&self) -> Cow<'static, str>;

    /// Looks at the name alone, before a byte is stored.
    fn check_name(&self, name: &FileName) -> Result<(), Refusal>;

    /// Looks at the first [`HEAD_LEN`] bytes, or at all of a shorter file, while the rest arrives.
    fn check_head(&self, name: &FileName, head: &[u8]) -> Result<(), Refusal>;

    /// Looks at the whole staged content and gives the verdict: the file's media type. The service
    /// has asked the other two before.
    ///
    /// Called on a thread that may block. Memory must stay bounded whatever the content says of itself.
    fn inspect(&self, name: &FileName, content: &mut dyn Content)
    -> Result<MediaType, IntakeError>;
}

/// A staged file's bytes, as [`Intake::inspect`] reads them.
pub trait Content: Read + Seek + Send {}

impl<T: Read + Seek + Send> Content for T {}

/// Why a file may not be stored, in words for the person who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Cow<'static, str>);

impl Refusal {
    /// A refusal with its reason: one sentence without a full stop.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.0
    }
}

/// Why [`Intake::inspect`] gave no media type.
#[derive(Debug)]
pub enum IntakeError {
    /// The content may not be stored.
    Refused(Refusal),
    /// The staged content could not be read; nothing is known about it.
    Io(io::Error),
}

impl From<io::Error> for IntakeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Refusal> for IntakeError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
