//! Word, Excel and PowerPoint files, by their content.

mod end;
mod name;
mod opc;
mod package;
mod window;

use std::borrow::Cow;

use self::{name::PartName, opc::ContentTypes, package::Package, window::Window};
use super::{Content, HEAD_LEN, Intake, IntakeError, Refusal, magic};
use crate::file::{FileName, MediaType};

/// Bytes of `[Content_Types].xml` and of `_rels/.rels` at most. Genuine ones take about a hundred
/// bytes for each part; the largest of 212 examined was below 20 KB.
const MAX_LIST: u64 = 1024 * 1024;

/// Accepts .docx, .xlsx and .pptx files whose content is what their name says.
///
/// It goes by the package itself: a zip archive that every reader reads alike, in which exactly one
/// relationship leads to a main part, whose content type is that of a plain document, workbook or
/// presentation. Macro-enabled files, templates and slide shows under a plain name, encrypted and
/// old files, and archives made to trick or to exhaust their readers are refused.
///
/// ```
/// use std::io::Cursor;
/// use consign_core::{file::FileName, intake::{Intake, OfficeIntake}};
///
/// let intake = OfficeIntake::default();
/// let name = FileName::parse("report.docx")?;
/// assert!(intake.check_name(&name).is_ok());
/// assert!(intake.check_head(&name, b"%PDF-1.7").is_err());
/// assert!(intake.inspect(&name, &mut Cursor::new(b"PK\x03\x04, they say")).is_err());
/// # Ok::<(), consign_core::file::InvalidFileName>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct OfficeIntake {
    limits: Limits,
}

impl OfficeIntake {
    /// Entries that a package has at most, unless set.
    pub const MAX_ENTRIES: u64 = 10_000;

    /// Bytes that a package unpacks to at most, whatever its ratio, unless set.
    pub const MAX_UNPACKED: u64 = 512 * 1024 * 1024;

    /// Under which ratio of unpacked to packed bytes a package may unpack to more, unless set.
    pub const MAX_RATIO: u64 = 100;

    /// Sets how many entries a package may have; 10,000 unless set.
    pub fn max_entries(mut self, entries: u64) -> Self {
        self.limits.max_entries = entries;
        self
    }

    /// Sets how many bytes a package may unpack to, whatever its ratio; 512 MiB unless set.
    pub fn max_unpacked(mut self, bytes: u64) -> Self {
        self.limits.max_unpacked = bytes;
        self
    }

    /// Sets under which ratio of unpacked to packed bytes a package may unpack to more than that;
    /// 100 unless set.
    pub fn max_ratio(mut self, ratio: u64) -> Self {
        self.limits.max_ratio = ratio;
        self
    }

    fn verdict(&self, format: Format, window: &mut Window<'_>) -> Result<MediaType, Refusal> {
        let head_len = window.len().min(HEAD_LEN as u64) as usize;
        let head = window.bytes_at(0, head_len).map_err(|_| unreadable())?;
        magic::check(&head)?;
        let mut package = Package::open(window, &self.limits)?;
        let mut list = |name: &str| match PartName::of_reference(name) {
            Some(name) => package
                .read(&name, MAX_LIST)?
                .ok_or_else(|| magic::foreign(&head)),
            None => Err(unreadable()),
        };
        let types = ContentTypes::parse(&list("/[Content_Types].xml")?)?;
        let main = opc::main_part(&list("/_rels/.rels")?)?;
        if !package.contains(&main) {
            return Err(Refusal::new("the file's main part is missing"));
        }
        format.check(types.of(&main).unwrap_or_default())?;
        package.check_unpacked(&self.limits)?;
        Ok(format.media_type())
    }
}

impl Intake for OfficeIntake {
    fn accepts(&self) -> Cow<'static, str> {
        ".pptx, .docx, and .xlsx".into()
    }

    fn check_name(&self, name: &FileName) -> Result<(), Refusal> {
        Format::of(name).map(drop)
    }

    fn check_head(&self, _name: &FileName, head: &[u8]) -> Result<(), Refusal> {
        magic::check(head)
    }

    fn inspect(
        &self,
        name: &FileName,
        content: &mut dyn Content,
    ) -> Result<MediaType, IntakeError> {
        let format = Format::of(name)?;
        let mut window = Window::new(content).map_err(IntakeError::Io)?;
        let verdict = self.verdict(format, &mut window);
        match window.failure() {
            Some(error) => Err(IntakeError::Io(error)),
            None => Ok(verdict?),
        }
    }
}

#[derive(Clone, Debug)]
struct Limits {
    max_entries: u64,
    max_unpacked: u64,
    max_ratio: u64,
}

impl Limits {
    /// Whether `packed` bytes may unpack to so many.
    fn allow(&self, packed: u64, unpacked: u64) -> bool {
        unpacked <= self.max_unpacked || unpacked < packed.saturating_mul(self.max_ratio)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entries: OfficeIntake::MAX_ENTRIES,
            max_unpacked: OfficeIntake::MAX_UNPACKED,
            max_ratio: OfficeIntake::MAX_RATIO,
        }
    }
}

/// What is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Document,
    Workbook,
    Presentation,
}

impl Format {
    const ALL: [Self; 3] = [Self::Document, Self::Workbook, Self::Presentation];

    fn of(name: &FileName) -> Result<Self, Refusal> {
        let extension = name.extension().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|format| extension.eq_ignore_ascii_case(format.extension()))
            .ok_or_else(|| Refusal::new("only .docx, .xlsx and .pptx files are accepted"))
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Document => "docx",
            Self::Workbook => "xlsx",
            Self::Presentation => "pptx",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Document => "a Word document",
            Self::Workbook => "an Excel workbook",
            Self::Presentation => "a PowerPoint presentation",
        }
    }

    /// The media type of the whole file.
    fn media_type(self) -> MediaType {
        MediaType::from_static(match self {
            Self::Document => {
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
            }
            Self::Workbook => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Presentation => {
                "application/vnd.openxmlformats-officedocument.presentationml.presentation"
            }
        })
    }

    /// The content type of the main part: that of the whole file, and a suffix.
    fn is_main_type(self, content_type: &str) -> bool {
        let media_type = self.media_type();
        content_type
            .split_at_checked(media_type.as_str().len())
            .is_some_and(|(kind, suffix)| {
                kind.eq_ignore_ascii_case(media_type.as_str())
                    && suffix.eq_ignore_ascii_case(".main+xml")
            })
    }

    /// Refuses a main part of another kind.
    fn check(self, content_type: &str) -> Result<(), Refusal> {
        let content_type = content_type.trim();
        if self.is_main_type(content_type) {
            return Ok(());
        }
        let extension = self.extension();
        if let Some(other) = Self::ALL
            .into_iter()
            .find(|format| format.is_main_type(content_type))
        {
            let noun = other.noun();
            return Err(Refusal::new(format!(
                "the content is {noun}, but the name ends in .{extension}"
            )));
        }
        let lower = content_type.to_ascii_lowercase();
        let kind = if lower.contains("sheet.binary") {
            "a binary workbook (.xlsb)"
        } else if lower.contains("macroenabled") {
            "macro-enabled"
        } else if lower.contains(".template") {
            "a template"
        } else if lower.contains(".slideshow") {
            "a slide show"
        } else {
            "of another kind"
        };
        Err(Refusal::new(format!(
            "the content is {kind}, not {} (.{extension})",
            self.noun()
        )))
    }
}

/// Replaced by the content's own error, for that alone leads here.
fn unreadable() -> Refusal {
    Refusal::new("the file could not be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FileName {
        FileName::parse(text).unwrap()
    }

    #[test]
    fn names_are_accepted_by_their_extension() {
        let intake = OfficeIntake::default();
        for text in ["a.docx", "a.XLSX", "a.b.Pptx"] {
            assert!(intake.check_name(&name(text)).is_ok(), "{text}");
        }
        for text in [
            "docx",
            "a.doc",
            "a.docm",
            "a.docx.exe",
            "a.dock",
            "a.ｄocx",
            "a",
        ] {
            assert!(intake.check_name(&name(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn another_main_part_is_refused_with_its_own_reason() {
        let reason = |content_type: &str| {
            Format::Workbook
                .check(content_type)
                .err()
                .map(|r| r.reason().to_owned())
        };
        let open = "application/vnd.openxmlformats-officedocument.";
        assert_eq!(reason(&format!("{open}spreadsheetml.sheet.main+xml")), None);
        assert_eq!(
            reason(&format!("{open}SpreadsheetML.Sheet.Main+XML ")),
            None
        );
        for (content_type, word) in [
            (
                format!("{open}wordprocessingml.document.main+xml"),
                "a Word document, but the name ends in .xlsx",
            ),
            (
                format!("{open}spreadsheetml.template.main+xml"),
                "a template",
            ),
            (
                format!("{open}presentationml.slideshow.main+xml"),
                "a slide show",
            ),
            (
                "application/vnd.ms-excel.sheet.macroEnabled.main+xml".into(),
                "macro-enabled",
            ),
            (
                "application/vnd.ms-excel.template.macroEnabled.main+xml".into(),
                "macro-enabled",
            ),
            (
                "application/vnd.ms-excel.sheet.binary.macroEnabled.main".into(),
                "binary workbook",
            ),
            (
                format!("{open}spreadsheetml.sheet.main+xml; x"),
                "of another kind",
            ),
            (format!("{open}spreadsheetml.sheet"), "of another kind"),
            ("é".repeat(60), "of another kind"),
            (String::new(), "of another kind"),
        ] {
            let reason = reason(&content_type).unwrap();
            assert!(reason.contains(word), "{content_type}: {reason}");
        }
    }

    #[test]
    fn the_ratio_counts_only_above_the_size() {
        let limits = Limits {
            max_unpacked: 1000,
            max_ratio: 10,
            ..Limits::default()
        };
        assert!(limits.allow(1, 1000));
        assert!(!limits.allow(1, 1001));
        assert!(limits.allow(101, 1009));
        assert!(!limits.allow(101, 1010));
        assert!(limits.allow(u64::MAX, u64::MAX - 1));
    }
}
