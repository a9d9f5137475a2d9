//! Files as the catalogue knows them, and the names people give them.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    audience::Audience,
    group::Retention,
    id::{BlobKey, FileId, UserId, deserialize_hex, serialize_hex},
    link::Edit,
    time::Timestamp,
};

/// A stored file: one version of what was uploaded under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The catalogue's position for it: later additions have larger ones.
    pub seq: Seq,
    /// What was added.
    pub entry: FileEntry,
}

/// What an upload adds to the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Names this version, and no other.
    pub id: FileId,
    /// Where its bytes are.
    pub blob: BlobKey,
    /// The name it was uploaded under.
    pub name: FileName,
    /// Bytes.
    pub size: u64,
    /// What the intake found it to be.
    pub media_type: MediaType,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
    /// CRC-32 of its bytes, as zip has it; `None` where it came before that was kept.
    pub crc32: Option<u32>,
    /// When it was added.
    pub uploaded_at: Timestamp,
    /// The user who added it.
    pub uploaded_by: UserId,
    /// That user's name at the time.
    pub uploader: Arc<str>,
    /// Whom it is for. This may change later, as its end may, and a CRC-32 be added. It is no client's business who else has a
    /// file: what is shown to one leaves it out.
    pub audience: Audience,
    /// From when on it [is not there](Self::is_there) for anybody; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// When it was brought back last, if it was removed.
    pub restored_at: Option<Timestamp>,
}

impl FileEntry {
    /// From when on a [retention](crate::group::Group::retention) counts.
    pub fn retained_from(&self) -> Timestamp {
        self.restored_at.unwrap_or(self.uploaded_at)
    }

    /// Whether the shortest retention of its groups is over.
    pub fn is_over(&self, shortest: Option<Retention>, now: Timestamp) -> bool {
        shortest.is_some_and(|shortest| self.retained_from() + shortest.duration() <= now)
    }

    /// Whether it has not expired yet.
    pub fn is_there(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// What it is after an edit.
    #[must_use]
    pub fn edited(&self, edit: &FileEdit) -> Self {
        Self {
            audience: edit.audience.clone().or(self.audience.clone()),
            expires_at: edit.expires_at.clone().or(self.expires_at),
            ..self.clone()
        }
    }
}

/// A change of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileEdit {
    /// Whom it is for.
    pub audience: Edit<Audience>,
    /// From when on it is not there for anybody.
    pub expires_at: Edit<Option<Timestamp>>,
}

impl FileEdit {
    /// Has it be for others.
    pub fn sharing_with(audience: Audience) -> Self {
        Self {
            audience: Edit::Set(audience),
            ..Self::default()
        }
    }

    /// Gives it another end.
    pub fn expiring_at(end: Option<Timestamp>) -> Self {
        Self {
            expires_at: Edit::Set(end),
            ..Self::default()
        }
    }
}

/// A position in the catalogue or in its trail, given by the store; strictly increasing.
pub type Seq = u64;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256(pub [u8; 32]);

/// As its text where people read it, else as its bytes.
impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_hex(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_hex(deserializer).map(Self)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::id::write_hex(f, &self.0)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A media type (RFC 9110, section 8.3.1): `type/subtype`, without parameters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaType(Text);

#[derive(Clone, Debug)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl PartialEq for MediaType {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for MediaType {}

impl MediaType {
    /// A media type known at compile time.
    ///
    /// # Panics
    /// When `text` is not a media type.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(is_media_type(text), "not a media type");
        Self(Text::Static(text))
    }

    /// The media type's text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for MediaType {
    type Error = InvalidMediaType;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_media_type(&text) {
            Ok(Self(Text::Shared(text.into())))
        } else {
            Err(InvalidMediaType)
        }
    }
}

impl From<MediaType> for String {
    fn from(media_type: MediaType) -> Self {
        media_type.as_str().to_owned()
    }
}

/// The text is not a media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a media type")]
pub struct InvalidMediaType;

const fn is_media_type(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut slash) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'/' if slash == 0 && at > 0 => slash = at,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {}
            b'!' | b'#' | b'$' | b'&' | b'-' | b'^' | b'_' | b'.' | b'+' => {}
            _ => return false,
        }
        at += 1;
    }
    slash > 0 && slash + 1 < bytes.len() && bytes.len() <= 255
}

/// The name of a file: the last segment of a path, fit for any file system people use.
///
/// 1 to 255 bytes of UTF-8, without separators, control characters, bidirectional overrides, or
/// the names that Windows keeps for devices; it does not begin with a dot, a hyphen or a space, nor
/// end with a dot or a space. Letters are kept as they were typed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(Arc<str>);

impl FileName {
    /// Bytes that a name has at most.
    pub const MAX_LEN: usize = 255;

    /// A name as an upload gives it, cleaned where that is certain: of a path (`C:\docs\a.docx`,
    /// `../a.docx`) only the last segment is the name, and white space around it is no part of it.
    ///
    /// # Errors
    /// When what remains is not a valid name.
    pub fn from_upload(text: &str) -> Result<Self, InvalidFileName> {
        let last = text.rsplit(['/', '\\']).next().unwrap_or(text);
        Self::parse(last.trim())
    }

    /// A name exactly as given.
    ///
    /// # Errors
    /// When it is not a valid name.
    pub fn parse(text: &str) -> Result<Self, InvalidFileName> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the last dot, as typed; `None` without a dot.
    pub fn extension(&self) -> Option<&str> {
        self.0.rsplit_once('.').map(|(_, extension)| extension)
    }

    fn check(text: &str) -> Result<(), InvalidFileName> {
        use InvalidFileName::*;
        if text.is_empty() {
            return Err(Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(TooLong);
        }
        if text.chars().any(is_forbidden) {
            return Err(Character);
        }
        if text.starts_with(['.', '-', ' ']) || text.ends_with(['.', ' ']) {
            return Err(Edge);
        }
        if is_device(text) {
            return Err(Device);
        }
        Ok(())
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for FileName {
    type Error = InvalidFileName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::check(&text)?;
        Ok(Self(text.into()))
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.as_str().to_owned()
    }
}

/// Why a text is no [`FileName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFileName {
    /// Nothing is left of it.
    #[error("the file name is empty")]
    Empty,
    /// It has more than [`FileName::MAX_LEN`] bytes.
    #[error("the file name has more than 255 bytes")]
    TooLong,
    /// It has a separator, a control character or a bidirectional override.
    #[error("the file name has a character that file names must not have")]
    Character,
    /// It begins or ends with a character that misleads people or programs.
    #[error("the file name begins with a dot, a hyphen or a space, or ends with a dot or a space")]
    Edge,
    /// Windows keeps it for a device.
    #[error("the file name is one that Windows keeps for a device")]
    Device,
    /// Its bytes are not UTF-8.
    #[error("the file name is not UTF-8")]
    Encoding,
}

fn is_forbidden(c: char) -> bool {
    matches!(c, '/' | '\\') || is_misleading(c)
}

/// Controls, separators of lines and paragraphs, and what overrides the direction of writing: a name
/// that holds one shows as another.
pub(crate) fn is_misleading(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}'
        )
}

/// Windows opens a device whatever extension follows its name.
fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or(text).trim_end();
    let upper = stem.to_ascii_uppercase();
    let numbered = |prefix: &str| {
        upper.strip_prefix(prefix).is_some_and(|rest| {
            let mut rest = rest.chars();
            matches!(rest.next(), Some('0'..='9' | '¹' | '²' | '³')) && rest.next().is_none()
        })
    };
    matches!(
        upper.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) || numbered("COM")
        || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_segment_is_a_name() {
        for (given, name) in [
            ("a.docx", "a.docx"),
            ("../../etc/x.docx", "x.docx"),
            ("C:\\Users\\Ann\\Q3 report.xlsx", "Q3 report.xlsx"),
            ("\\\\host\\share\\x.pptx", "x.pptx"),
            ("  spaced.docx ", "spaced.docx"),
            ("Übersicht – März.docx", "Übersicht – März.docx"),
        ] {
            assert_eq!(FileName::from_upload(given).unwrap().as_str(), name);
        }
    }

    #[test]
    fn misleading_names_are_refused() {
        use InvalidFileName::*;
        for (given, why) in [
            ("", Empty),
            ("folder/", Empty),
            ("..", Edge),
            (".docx", Edge),
            ("-rf.docx", Edge),
            ("a.docx.", Edge),
            ("a\nb.docx", Character),
            ("a\0.docx", Character),
            ("a\u{85}b.docx", Character),
            ("evil\u{202E}xcod.exe", Character),
            ("CON", Device),
            ("con.docx", Device),
            ("CON .docx", Device),
            ("lpt1.tar.docx", Device),
            ("COM².docx", Device),
        ] {
            assert_eq!(FileName::from_upload(given), Err(why), "{given:?}");
        }
        assert_eq!(FileName::from_upload(&"é".repeat(128)), Err(TooLong));
        assert!(FileName::from_upload("COM10.docx").is_ok());
        assert!(FileName::from_upload("CONTRACT.docx").is_ok());
    }

    #[test]
    fn media_types_are_checked() {
        for text in [
            "application/pdf",
            "image/svg+xml",
            "application/vnd.ms-excel",
        ] {
            assert!(MediaType::try_from(text.to_owned()).is_ok(), "{text}");
        }
        for text in ["", "pdf", "/pdf", "a/", "a/b/c", "a/b; c=d", "a/b\r\nx: y"] {
            assert!(MediaType::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
