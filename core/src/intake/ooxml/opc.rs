//! The two lists that say what a package is: its parts' content types and its relationships
//! (ECMA-376 part 2).

use std::{borrow::Cow, collections::HashMap};

use quick_xml::{
    NsReader, XmlVersion,
    events::{BytesDecl, BytesStart, Event},
    name::{Namespace, ResolveResult},
};

use super::name::PartName;
use crate::intake::Refusal;

const CONTENT_TYPES: &str = "http://schemas.openxmlformats.org/package/2006/content-types";
const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";

/// The types of the relationship to the main part, transitional and strict.
const OFFICE_DOCUMENT: [&str; 2] = [
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument",
    "http://purl.oclc.org/ooxml/officeDocument/relationships/officeDocument",
];

/// Attributes of one element at most; the schemas know four.
const MAX_ATTRIBUTES: usize = 32;

/// The content types of a package's parts.
#[derive(Debug, Default)]
pub(super) struct ContentTypes {
    by_name: HashMap<PartName, String>,
    by_extension: HashMap<String, String>,
}

impl ContentTypes {
    pub(super) fn parse(xml: &[u8]) -> Result<Self, Refusal> {
        let mut types = Self::default();
        each_child(xml, CONTENT_TYPES, "Types", |name, element| {
            let content_type = || attribute(element, "ContentType")?.ok_or_else(malformed);
            match name {
                "Default" => {
                    let extension = attribute(element, "Extension")?.ok_or_else(malformed)?;
                    insert_once(
                        &mut types.by_extension,
                        extension.to_ascii_lowercase(),
                        content_type()?,
                    )
                }
                "Override" => {
                    let name = attribute(element, "PartName")?.ok_or_else(malformed)?;
                    let name = PartName::of_reference(&name).ok_or_else(malformed)?;
                    insert_once(&mut types.by_name, name, content_type()?)
                }
                _ => Err(malformed()),
            }
        })?;
        Ok(types)
    }

    /// The content type of a part: its own, or else its extension's.
    pub(super) fn of(&self, part: &PartName) -> Option<&str> {
        let by_extension = || {
            self.by_extension
                .get(std::str::from_utf8(part.extension()?).ok()?)
        };
        self.by_name
            .get(part)
            .or_else(by_extension)
            .map(String::as_str)
    }
}

/// The target of the only relationship to a main part in `_rels/.rels`.
pub(super) fn main_part(xml: &[u8]) -> Result<PartName, Refusal> {
    let mut main = None;
    each_child(xml, RELATIONSHIPS, "Relationships", |name, element| {
        if name != "Relationship" {
            return Err(malformed());
        }
        let kind = attribute(element, "Type")?.ok_or_else(malformed)?;
        if !OFFICE_DOCUMENT
            .iter()
            .any(|office| kind.trim().eq_ignore_ascii_case(office))
        {
            return Ok(());
        }
        let mode = attribute(element, "TargetMode")?;
        if mode.is_some_and(|mode| !mode.trim().eq_ignore_ascii_case("Internal")) {
            return Err(Refusal::new("the file's main part lies outside of it"));
        }
        let target = attribute(element, "Target")?.ok_or_else(malformed)?;
        let target = PartName::of_reference(&target).ok_or_else(|| {
            Refusal::new("the file's main part has a name that leads outside of it or is malformed")
        })?;
        match main.replace(target) {
            None => Ok(()),
            Some(_) => Err(Refusal::new("the file has more than one main part")),
        }
    })?;
    main.ok_or_else(|| {
        Refusal::new("the file has no main part, so it is not a Word, Excel or PowerPoint file")
    })
}

/// Calls `child` with the local name of each child of the root, where both are in `namespace`.
///
/// These lists are flat; anything else in them is refused, for readers may differ about it.
fn each_child(
    xml: &[u8],
    namespace: &str,
    root: &str,
    mut child: impl FnMut(&str, &BytesStart<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let text = decode(xml).ok_or_else(malformed)?;
    let mut reader = NsReader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    let (mut depth, mut roots) = (0, 0);
    loop {
        let (resolved, event) = reader.read_resolved_event().map_err(|_| malformed())?;
        match event {
            Event::Start(element) => {
                if resolved != ResolveResult::Bound(Namespace(namespace)) {
                    return Err(malformed());
                }
                check_attributes(&element)?;
                let local = element.local_name();
                match (depth, roots) {
                    (0, 0) if local.as_ref() == root => roots = 1,
                    (1, _) => child(local.as_ref(), &element)?,
                    _ => return Err(malformed()),
                }
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            Event::DocType(_) | Event::GeneralRef(_) => {
                return Err(Refusal::new(
                    "the file's list of parts or of relationships declares or uses entities",
                ));
            }
            Event::Decl(declaration) if !says_unicode(&declaration) => return Err(malformed()),
            Event::Eof if depth == 0 && roots == 1 => return Ok(()),
            Event::Eof => return Err(malformed()),
            _ => {}
        }
    }
}

/// The text of UTF-8, or of UTF-16 after a byte order mark; packages know no other encoding.
fn decode(xml: &[u8]) -> Option<Cow<'_, str>> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units = pairs.iter().map(|&pair| unit(pair));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.ok().filter(|_| rest.is_empty()).map(Cow::Owned)
    };
    match xml {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => std::str::from_utf8(rest).ok().map(Cow::Borrowed),
        _ => std::str::from_utf8(xml).ok().map(Cow::Borrowed),
    }
}

/// A reader that believes a declaration of something else would read other text than was decoded.
fn says_unicode(declaration: &BytesDecl<'_>) -> bool {
    match declaration.encoding() {
        None => true,
        Some(Ok(encoding)) => ["utf-8", "utf-16", "us-ascii"]
            .iter()
            .any(|known| encoding.eq_ignore_ascii_case(known)),
        Some(Err(_)) => false,
    }
}

/// Attributes that are malformed, or there twice, are refused, those among them that no one asks for:
/// of two namespaces readers take one or the other.
fn check_attributes(element: &BytesStart<'_>) -> Result<(), Refusal> {
    // The check for duplicates below takes time in the square of the count.
    let mut unchecked = element.attributes();
    if unchecked.with_checks(false).nth(MAX_ATTRIBUTES).is_some() {
        return Err(malformed());
    }
    match element.attributes().all(|attribute| attribute.is_ok()) {
        true => Ok(()),
        false => Err(malformed()),
    }
}

/// An attribute's value with character references replaced; entities beyond XML's own five fail. The
/// element's attributes have been checked.
fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, Refusal> {
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| malformed())?;
        if attribute.key.as_ref() == name {
            let text = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|_| malformed())?;
            return Ok(Some(text.into_owned()));
        }
    }
    Ok(None)
}

/// A second entry for the same key would let readers choose; a mere repetition is harmless.
fn insert_once<K: Eq + std::hash::Hash>(
    map: &mut HashMap<K, String>,
    key: K,
    value: String,
) -> Result<(), Refusal> {
    match map.insert(key, value.clone()) {
        Some(earlier) if earlier != value => Err(Refusal::new(
            "the file gives one of its parts two content types",
        )),
        _ => Ok(()),
    }
}

fn malformed() -> Refusal {
    Refusal::new("the file's list of parts or of relationships is malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str =
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument";

    fn types(children: &str) -> String {
        format!(
            "<?xml version='1.0' encoding='UTF-8'?><Types xmlns='{CONTENT_TYPES}'>{children}</Types>"
        )
    }

    fn relationships(children: &str) -> String {
        format!("<Relationships xmlns='{RELATIONSHIPS}'>{children}</Relationships>")
    }

    fn of(xml: &str, part: &str) -> Option<String> {
        let part = PartName::of_reference(part).unwrap();
        ContentTypes::parse(xml.as_bytes())
            .unwrap()
            .of(&part)
            .map(str::to_owned)
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        std::iter::once(0xFEFF)
            .chain(text.encode_utf16())
            .flat_map(bytes)
            .collect()
    }

    #[test]
    fn a_part_has_its_own_type_or_its_extensions() {
        let xml = types(
            "<Default Extension='XML' ContentType='a/default'/>
             <Override PartName='/Word/Document.xml' ContentType='a/own'/>",
        );
        assert_eq!(of(&xml, "/word/document.xml").as_deref(), Some("a/own"));
        assert_eq!(of(&xml, "/word/styles.Xml").as_deref(), Some("a/default"));
        assert_eq!(of(&xml, "/word/image.png"), None);
        assert_eq!(of(&xml, "/word/xml"), None);
    }

    #[test]
    fn prefixes_encodings_and_references_do_not_matter() {
        let xml = format!(
            "\u{FEFF}<ct:Types xmlns:ct='{CONTENT_TYPES}'><!-- c -->
             <ct:Override PartName='/a&#x2F;b&amp;.xml' ContentType='a/b'></ct:Override></ct:Types>"
        );
        assert_eq!(of(&xml, "/a/b&.xml").as_deref(), Some("a/b"));
        let xml = types("<Override PartName='/é' ContentType='a/b'/>");
        for bytes in [utf16(&xml, u16::to_le_bytes), utf16(&xml, u16::to_be_bytes)] {
            let name = PartName::of_reference("/é").unwrap();
            assert_eq!(ContentTypes::parse(&bytes).unwrap().of(&name), Some("a/b"));
        }
    }

    #[test]
    fn lists_that_readers_could_read_differently_are_refused() {
        let many: String = (0..=MAX_ATTRIBUTES).map(|i| format!(" a{i}=''")).collect();
        for xml in [
            String::new(),
            "text".into(),
            "<Types/>".into(),
            "<Types xmlns='urn:else'/>".into(),
            types("<Other/>"),
            types("<Default Extension='x'/>"),
            types("<Override ContentType='a/b'/>"),
            types("<Override PartName='/../a' ContentType='a/b'/>"),
            types("<Override PartName='/a' PartName='/b' ContentType='a/b'/>"),
            types("<x:Override xmlns:x='urn:else' PartName='/a' ContentType='a/b'/>"),
            types(
                "<Default Extension='x' ContentType='a/b'><Override PartName='/a' ContentType='a/b'/></Default>",
            ),
            types(
                "<Default Extension='x' ContentType='a/b'/><Default Extension='X' ContentType='a/c'/>",
            ),
            types(
                "<Override PartName='/a' ContentType='a/b'/><Override PartName='/A' ContentType='a/c'/>",
            ),
            types(&format!("<Default Extension='x' ContentType='a/b'{many}/>")),
            types("").replace("<Types", "<Types xmlns='urn:else'"),
            types("").replace("<Types", "<Types a='' a=''"),
            types("").replace("<Types", "<Types a"),
            types("") + &types(""),
            types("<Default"),
            types("").replace("</Types>", ""),
            types("").replace("UTF-8", "UTF-7"),
            types("&lt;"),
            types("<Override PartName='/&e;' ContentType='a/b'/>"),
            types("").replace("<Types", "<!DOCTYPE Types [<!ENTITY e 'x'>]><Types"),
        ] {
            assert!(ContentTypes::parse(xml.as_bytes()).is_err(), "{xml}");
        }
        assert!(ContentTypes::parse(b"\xFF\xFE<\0T").is_err());
        assert!(ContentTypes::parse(b"\xFF\xFE\0\xD8").is_err());
        assert!(
            ContentTypes::parse(&types("").replace("0'", "0\u{e9}'").into_bytes()[..20]).is_err()
        );
    }

    #[test]
    fn repeating_a_type_is_harmless() {
        let twice = types(
            "<Default Extension='x' ContentType='a/b'/><Default Extension='X' ContentType='a/b'/>",
        );
        assert_eq!(of(&twice, "/1.x").as_deref(), Some("a/b"));
    }

    #[test]
    fn the_main_part_is_the_target_of_one_relationship() {
        let strict = OFFICE_DOCUMENT[1];
        for (children, expected) in [
            (
                format!("<Relationship Id='a' Type='{MAIN}' Target='word/document.xml'/>"),
                true,
            ),
            (
                format!(
                    "<Relationship Id='a' Type='{strict}' Target='/word/document.xml' TargetMode='Internal'/>"
                ),
                true,
            ),
            (
                format!(
                    "<Relationship Type='urn:x' Target='x'/><Relationship Type='{MAIN}' Target='./Word/Document.xml'/>"
                ),
                true,
            ),
            (String::new(), false),
            (
                "<Relationship Id='a' Type='urn:x' Target='word/document.xml'/>".into(),
                false,
            ),
            (format!("<Relationship Type='{MAIN}'/>"), false),
            (
                format!("<Relationship Type='{MAIN}' Target='../word/document.xml'/>"),
                false,
            ),
            (
                format!(
                    "<Relationship Type='{MAIN}' Target='http://example.com/a' TargetMode='External'/>"
                ),
                false,
            ),
            (
                format!(
                    "<Relationship Type='{MAIN}' Target='a'/><Relationship Type='{MAIN}' Target='a'/>"
                ),
                false,
            ),
            (
                format!(
                    "<Relationship Type='{MAIN}' Target='a'/><Relationship Type='{strict}' Target='b'/>"
                ),
                false,
            ),
        ] {
            let main = main_part(relationships(&children).as_bytes());
            assert_eq!(main.is_ok(), expected, "{children}");
            if let Ok(main) = main {
                assert_eq!(Some(main), PartName::of_entry(b"word/document.xml"));
            }
        }
    }
}
