//! Names that come from elsewhere.

/// The name under which a file from elsewhere can be kept in a folder: one segment, without anything that
/// a shell, a terminal or another system takes for something else.
///
/// ```
/// # use consign_client::safe_name;
/// assert_eq!(safe_name("report.docx"), "report.docx");
/// assert_eq!(safe_name("../../etc/passwd"), "passwd");
/// assert_eq!(safe_name("-rf"), "_rf");
/// ```
pub fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = last.chars().map(|c| match c {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
        c if c.is_control() || is_invisible(c) => '_',
        c => c,
    });
    let mut plain: String = plain.collect();
    let end = plain.trim_end_matches(['.', ' ']).len();
    plain.truncate(end);
    if plain.starts_with(['.', '-', ' ', '~']) {
        plain.replace_range(..1, "_");
    }
    // What the file systems take, with room for what is added while it comes.
    while plain.len() > 240 {
        plain = shortened(&plain);
    }
    if plain.is_empty() {
        "download".to_owned()
    } else {
        plain
    }
}

/// Overrides of the writing direction, and what takes no room.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// One character less, before the extension.
fn shortened(name: &str) -> String {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= 16 => {
            (stem, format!(".{extension}"))
        }
        _ => (name, String::new()),
    };
    let mut stem = stem.to_owned();
    stem.pop();
    stem + &extension
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_harmless_segment() {
        for (name, safe) in [
            ("räport \u{1f4c4}.docx", "räport \u{1f4c4}.docx"),
            ("/etc/cron.d/x.docx", "x.docx"),
            ("C:\\windows\\x.docx", "x.docx"),
            ("a\u{1b}[2J\n.docx", "a_[2J_.docx"),
            ("a\u{202e}xcod.exe", "a_xcod.exe"),
            (".bashrc", "_bashrc"),
            ("--force", "_-force"),
            ("..", "download"),
            ("a/", "download"),
            ("", "download"),
            ("CON: ", "CON_"),
        ] {
            assert_eq!(safe_name(name), safe, "{name:?}");
        }
        let long = safe_name(&format!("{}.docx", "ä".repeat(200)));
        assert!(long.len() <= 240 && long.ends_with("ä.docx"));
    }
}
