//! The texts of the page at `/`.

/// The page in a language: its tag in the place of `{language}`, and each text, by its key, in the element
/// whose last attribute is `data-t="key"`. A script finds them there when another language is chosen.
pub(crate) fn filled<'m>(page: &str, tag: &str, text: impl Fn(&str) -> Option<&'m str>) -> String {
    const MARK: &str = "data-t=\"";
    let mut filled = String::new();
    let mut parts = page.split(MARK);
    filled.push_str(parts.next().unwrap_or_default());
    for part in parts {
        filled.push_str(MARK);
        let (key, rest) = part.split_once("\">").unwrap_or((part, ""));
        filled.push_str(key);
        filled.push_str("\">");
        for c in text(key).unwrap_or_default().chars() {
            match c {
                '&' => filled.push_str("&amp;"),
                '<' => filled.push_str("&lt;"),
                c => filled.push(c),
            }
        }
        filled.push_str(rest);
    }
    filled.replace("{language}", tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_filled_in() {
        let page =
            "<html lang=\"{language}\"><p class=\"x\" data-t=\"a.b\"></p><p data-t=\"c\"></p>";
        let texts = |key: &str| (key == "a.b").then_some("1 < 2 & 3");
        let expected = "<html lang=\"de\"><p class=\"x\" data-t=\"a.b\">1 &lt; 2 &amp; 3</p><p data-t=\"c\"></p>";
        assert_eq!(filled(page, "de", texts), expected);
    }
}
