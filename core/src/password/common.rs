//! Passwords that are guessed first.

use std::{collections::HashSet, sync::LazyLock};

use super::Password;

/// The 5,000 most common ones, the most common first, in lower case: from the frequency list of
/// zxcvbn (Dropbox; MIT licence), which was made of leaked ones.
const LIST: &str = include_str!("common.txt");

static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| LIST.lines().collect());

/// A shorter text is common when it is all there is, over and over.
const SHORT: usize = 8;

impl Password {
    /// Whether it is one of those that are guessed first: a common one, in letters of any case; one
    /// with digits and signs around it; one of these, or a text of fewer than eight characters, over and over.
    pub fn is_common(&self) -> bool {
        let lower: Vec<char> = self.expose().to_lowercase().chars().collect();
        is_listed(&lower)
            || repeated(&lower).is_some_and(|unit| unit.len() < SHORT || is_listed(unit))
    }
}

/// Whether the text is on the list, as it is or without what is around its letters.
fn is_listed(text: &[char]) -> bool {
    let listed = |text: &[char]| COMMON.contains(&*text.iter().collect::<String>());
    let letter = |c: &char| c.is_alphabetic();
    let bare = text
        .iter()
        .position(letter)
        .zip(text.iter().rposition(letter));
    listed(text) || bare.is_some_and(|(first, last)| listed(&text[first..=last]))
}

/// What the text repeats twice or more; the last time it may lack its end.
fn repeated(text: &[char]) -> Option<&[char]> {
    // The length of the longest beginning that is an end too (Knuth, Morris and Pratt), so that this
    // takes a time linear in the text, which a caller chose.
    let mut borders = vec![0; text.len()];
    for at in 1..text.len() {
        let mut border = borders[at - 1];
        while border > 0 && text[at] != text[border] {
            border = borders[border - 1];
        }
        borders[at] = border + usize::from(text[at] == text[border]);
    }
    let period = text.len() - borders.last()?;
    (text.len() > 1 && period <= text.len().div_ceil(2)).then(|| &text[..period])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_common(text: &str) -> bool {
        Password::new(text.to_owned()).is_common()
    }

    #[test]
    fn the_list_is_as_it_is_read() {
        assert_eq!(LIST.lines().count(), 5000);
        assert_eq!(COMMON.len(), 5000, "each once");
        assert!(
            COMMON
                .iter()
                .all(|text| *text == text.to_lowercase().trim())
        );
        for text in LIST.lines() {
            assert!(is_common(text) && is_common(&text.to_uppercase()), "{text}");
        }
    }

    #[test]
    fn what_is_made_of_common_ones_is_common() {
        for text in [
            "password",
            "PassWord",
            "password12345678",
            "!!!Password2026!",
            "passwordpassword",
            "iloveyou iloveyou",
            "LetMeInLetMeInLetMeIn",
            "qwertyuiop123456",
            "111111111111111",
            "abcabcabcabcabca",
            "ééééééééééééééé",
            "               ",
        ] {
            assert!(is_common(text), "{text:?}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_not() {
        for text in [
            "",
            "correct horse battery staple",
            "my password is a long one",
            "kJ8#mQz!pL2vRt9w",
            "12 monkeys in the house",
            "pass-word-less-world",
            "名前名前と言う長い合言葉です",
            "cantaloupe cantata",
        ] {
            assert!(!is_common(text), "{text:?}");
        }
    }

    #[test]
    fn a_repetition_is_found_by_its_shortest_unit() {
        for (text, unit) in [
            ("", None),
            ("a", None),
            ("ab", None),
            ("aa", Some("a")),
            ("abab", Some("ab")),
            ("abcab", Some("abc")),
            ("abca", None),
            ("aabaab", Some("aab")),
            ("aabaaab", Some("aaba")),
            ("aabaaac", None),
        ] {
            let text: Vec<char> = text.chars().collect();
            let found = repeated(&text).map(|unit| unit.iter().collect::<String>());
            assert_eq!(found.as_deref(), unit, "{text:?}");
        }
    }
}
