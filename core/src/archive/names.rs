//! Names that are told apart wherever an archive is unpacked.

use std::collections::{HashMap, HashSet};

use crate::file::FileName;

/// Bytes of an extension with its dot: what is longer is no extension, and may be shortened.
const MAX_EXTENSION: usize = 32;

/// The names, each with a number where an earlier one is equal to it. A name that has none is as it was.
pub(super) fn distinct<'a>(names: impl Iterator<Item = &'a FileName> + Clone) -> Vec<FileName> {
    let mut taken: HashSet<String> = names.clone().map(folded).collect();
    // For each name that was met, the number that is tried next.
    let mut next = HashMap::new();
    let distinct = |name: &FileName| {
        let Some(number) = next.get_mut(&folded(name)) else {
            next.insert(folded(name), 2);
            return name.clone();
        };
        loop {
            let candidate = numbered(name, *number);
            *number += 1;
            if taken.insert(folded(&candidate)) {
                return candidate;
            }
        }
    };
    names.map(distinct).collect()
}

/// The form in which names are compared. By way of lower case, as the Kelvin sign has no upper case, but
/// its lower case has; in upper case, as a small sigma has two forms.
fn folded(name: &FileName) -> String {
    name.as_str().to_lowercase().to_uppercase()
}

/// The name with a number before its extension, and without the end of what stands there where it would
/// be too long.
fn numbered(name: &FileName, number: u64) -> FileName {
    let number = format!(" ({number})");
    let extension = match name.as_str().rfind('.').map(|dot| &name.as_str()[dot..]) {
        Some(extension) if extension.len() <= MAX_EXTENSION => extension,
        _ => "",
    };
    let stem = &name.as_str()[..name.as_str().len() - extension.len()];
    let room = FileName::MAX_LEN - number.len() - extension.len();
    let text = format!("{}{number}{extension}", shortened(stem, room));
    FileName::parse(&text).expect("it begins and ends as names do, and no device has a number so")
}

fn shortened(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told_apart(names: &[&str]) -> Vec<String> {
        let names: Vec<_> = names
            .iter()
            .map(|name| FileName::parse(name).unwrap())
            .collect();
        distinct(names.iter())
            .into_iter()
            .map(String::from)
            .collect()
    }

    #[test]
    fn equal_names_are_numbered() {
        for (given, expected) in [
            (
                &["a.docx", "b.docx", "a.docx", "a.docx"][..],
                &["a.docx", "b.docx", "a (2).docx", "a (3).docx"][..],
            ),
            (&["a", "a"], &["a", "a (2)"]),
            (&["a.tar.gz", "a.tar.gz"], &["a.tar.gz", "a.tar (2).gz"]),
            // Another's own name is left to it, whether it comes before or after.
            (
                &["a (2).docx", "a.docx", "a.docx", "a.docx", "a (3).docx"],
                &[
                    "a (2).docx",
                    "a.docx",
                    "a (4).docx",
                    "a (5).docx",
                    "a (3).docx",
                ],
            ),
            (
                &["a.docx", "a.docx", "a (2).docx", "a (2).docx"],
                &["a.docx", "a (3).docx", "a (2).docx", "a (2) (2).docx"],
            ),
            // Letters keep their case.
            (
                &["Über.docx", "über.DOCX", "ÜBER (2).docx"],
                &["Über.docx", "über (3).DOCX", "ÜBER (2).docx"],
            ),
            (&["ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"], &["ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς (2)"]),
            (&["10 \u{212A}", "10 k"], &["10 \u{212A}", "10 k (2)"]),
            (
                &["COM1x.docx", "COM1x.docx"],
                &["COM1x.docx", "COM1x (2).docx"],
            ),
        ] {
            assert_eq!(told_apart(given), expected);
        }
    }

    #[test]
    fn a_long_name_gives_way_to_its_number() {
        let (e, x) = ("é".repeat(127), "x".repeat(253));
        let stem = format!("{}.docx", "é".repeat(125));
        let dotted = format!("a.{x}");
        for (given, expected) in [
            (&e, format!("{} (2)", "é".repeat(125))),
            (&stem, format!("{} (2).docx", "é".repeat(123))),
            (&dotted, format!("a.{} (2)", "x".repeat(249))),
        ] {
            assert_eq!(told_apart(&[given, given]), [given.clone(), expected]);
        }
    }

    proptest! {
        #[test]
        fn names_are_told_apart_and_otherwise_kept(
            given in prop::collection::vec("[aAſK\u{212A}]( \\([23]\\)){0,2}(\\.[bB])?", 0..12),
            long in any::<bool>(),
        ) {
            let given: Vec<_> = given
                .into_iter()
                .map(|name| if long { "é".repeat(118) + &name } else { name })
                .map(|name| FileName::parse(&name).unwrap())
                .collect();
            let distinct = distinct(given.iter());
            let forms: HashSet<_> = distinct.iter().map(folded).collect();
            prop_assert_eq!(forms.len(), given.len());
            for (at, (given_name, name)) in given.iter().zip(&distinct).enumerate() {
                let is_first = given[..at].iter().all(|earlier| folded(earlier) != folded(given_name));
                prop_assert_eq!(given_name == name, is_first);
            }
        }
    }
}
