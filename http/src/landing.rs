//! The page of a managed link, for people: it runs without a script, loads nothing that it needs, and tells
//! nobody its address.

mod words;

use std::fmt::{self, Write};

use consign_core::{Described, File, NewLease, time::Timestamp};
use http::{HeaderValue, Response, StatusCode, header};

pub use self::words::{Refusal, Words};
use crate::{body::Body, files::rfc3339, problem::Problem};

/// How the page looks, and in which language.
#[derive(Clone)]
pub(crate) struct Dress<'s> {
    pub(crate) words: &'s Words,
    pub(crate) tag: &'s str,
    /// The tags of the other languages, and what they call themselves.
    pub(crate) others: Vec<(&'s str, &'s str)>,
    /// A style, with the policy that lets it be.
    pub(crate) style: Option<(&'s str, &'s HeaderValue)>,
    /// Addresses, where there are such.
    pub(crate) mark: Option<String>,
    pub(crate) script: Option<String>,
    pub(crate) home: Option<String>,
}

/// What the page is about.
pub(crate) enum Content<'c> {
    /// What the link is.
    Described(&'c Described),
    /// Several files, which can be had at this address.
    Ready(&'c NewLease, &'c str),
    /// What is wrong, and the link, where asking again may help; and its secret.
    Refused(&'c Problem, Option<&'c Described>, &'c str),
}

impl Content<'_> {
    pub(crate) fn page(&self, status: StatusCode, dress: &Dress<'_>) -> Response<Body> {
        let text = Page(self, dress).to_string();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-store"),
            (header::VARY, "Accept"),
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
            ),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some((_, policy)) = dress.style {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
        }
        headers.insert(header::CONTENT_LENGTH, text.len().into());
        *response.body_mut() = Body::full(text);
        response
    }

    fn heading(&self, words: &Words) -> String {
        match self {
            Self::Described(link) => match link.files.as_deref() {
                None => words.heading_guarded.clone(),
                Some([_]) => words.heading_one.clone(),
                Some(files) => words
                    .heading_several
                    .replace("{n}", &files.len().to_string()),
            },
            Self::Ready(..) => words.ready.clone(),
            Self::Refused(problem, ..) => match words.refusals.get(problem.msg()) {
                Some(refusal) => refusal.heading.clone(),
                None => problem.msg().to_owned(),
            },
        }
    }
}

struct Page<'p>(&'p Content<'p>, &'p Dress<'p>);

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(content, dress) = self;
        let heading = content.heading(dress.words);
        let heading = Escaped(&heading);
        write!(
            f,
            "<!doctype html>\n<html lang=\"{}\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>{heading} · Consign</title>\n",
            Escaped(dress.tag)
        )?;
        if let Some(mark) = &dress.mark {
            writeln!(f, "<link rel=\"icon\" href=\"{}\">", Escaped(mark))?;
        }
        if let Some((style, _)) = dress.style {
            writeln!(f, "<style>{style}</style>")?;
        }
        if let Some(script) = &dress.script {
            writeln!(
                f,
                "<script type=\"module\" src=\"{}\"></script>",
                Escaped(script)
            )?;
        }
        f.write_str("<body class=\"alone\">\n<header>\n<p class=\"brand\">")?;
        if let Some(mark) = &dress.mark {
            let mark = Escaped(mark);
            write!(
                f,
                "<img src=\"{mark}\" alt=\"\" width=\"28\" height=\"28\"> "
            )?;
        }
        write!(f, "Consign</p>\n</header>\n<main>\n<h1>{heading}</h1>\n")?;
        match content {
            Content::Described(link) => described(f, link, dress.words)?,
            Content::Ready(lease, address) => ready(f, lease, address, dress.words)?,
            Content::Refused(problem, link, secret) => refused(f, problem, *link, secret, dress)?,
        }
        f.write_str("</main>\n")?;
        if !dress.others.is_empty() {
            f.write_str("<footer>\n")?;
            for (tag, name) in &dress.others {
                let (tag, name) = (Escaped(tag), Escaped(name));
                writeln!(
                    f,
                    "<a href=\"?lang={tag}\" lang=\"{tag}\" hreflang=\"{tag}\">{name}</a>"
                )?;
            }
            f.write_str("</footer>\n")?;
        }
        f.write_str("</body>\n</html>\n")
    }
}

fn described(f: &mut fmt::Formatter<'_>, link: &Described, words: &Words) -> fmt::Result {
    writeln!(f, "<p>{}</p>", Escaped(&words.introduction))?;
    let files = link.files.as_deref().unwrap_or_default();
    if !files.is_empty() {
        f.write_str("<ul class=\"contents\">\n")?;
        for File { entry, .. } in files {
            let size = size(entry.size, words);
            let (name, size) = (Escaped(entry.name.as_str()), Escaped(&size));
            writeln!(f, "<li>{name}, <span class=\"size\">{size}</span></li>")?;
        }
        f.write_str("</ul>\n")?;
    }
    let several = files.len() > 1;
    if several {
        let total = size(files.iter().map(|file| file.entry.size).sum(), words);
        let total = words.total.replace("{size}", &total);
        writeln!(f, "<p class=\"quiet\">{}</p>", Escaped(&total))?;
    }
    writeln!(
        f,
        "<p class=\"quiet\">{}</p>",
        Until(&words.until, link.expires_at)
    )?;
    if link.needs_recipient {
        writeln!(f, "<p>{}</p>", Escaped(&words.recipient_hint))?;
    }
    let button = match (link.needs_recipient, several) {
        (true, _) => &words.send_code,
        (false, true) => &words.download_several,
        (false, false) => &words.download,
    };
    let form = Form {
        password: link.needs_password,
        code: false,
        wrong: None,
        button,
        words,
    };
    write!(f, "{form}")
}

fn ready(
    f: &mut fmt::Formatter<'_>,
    lease: &NewLease,
    address: &str,
    words: &Words,
) -> fmt::Result {
    let until = Until(&words.ready_until, lease.lease.expires_at);
    writeln!(f, "<p>{until}</p>")?;
    let address = Escaped(address);
    let total = size(lease.files.iter().map(|file| file.entry.size).sum(), words);
    let all = words.ready_all.replace("{size}", &total);
    let all = Escaped(&all);
    writeln!(f, "<p><a class=\"button\" href=\"{address}\">{all}</a></p>")?;
    f.write_str("<ul class=\"contents\">\n")?;
    for File { entry, .. } in &lease.files {
        let size = size(entry.size, words);
        let (id, name, size) = (entry.id, Escaped(entry.name.as_str()), Escaped(&size));
        writeln!(
            f,
            "<li><a href=\"{address}?file={id}\">{name}</a>, <span class=\"size\">{size}</span></li>"
        )?;
    }
    f.write_str("</ul>\n")
}

fn refused(
    f: &mut fmt::Formatter<'_>,
    problem: &Problem,
    link: Option<&Described>,
    secret: &str,
    dress: &Dress<'_>,
) -> fmt::Result {
    let words = dress.words;
    let refusal = words.refusals.get(problem.msg());
    if let Some(refusal) = refusal {
        let role = match problem.msg() {
            "A code was sent to the recipient" => "status",
            _ => "alert",
        };
        let advice = Escaped(&refusal.advice);
        writeln!(f, "<p id=\"advice\" role=\"{role}\">{advice}</p>")?;
    }
    let Some(link) = link else { return Ok(()) };
    if problem.msg() == "The link is for its recipient, who has to sign in" {
        if let Some(home) = &dress.home {
            let (home, sign_in) = (Escaped(home), Escaped(&words.sign_in));
            let secret = Escaped(secret);
            writeln!(
                f,
                "<p><a class=\"button\" href=\"{home}#/open/{secret}\">{sign_in}</a></p>"
            )?;
        }
        return Ok(());
    }
    // The password comes first: without it no code was sent.
    let password_is_wrong = problem.msg().contains("assword");
    let form = Form {
        password: link.needs_password,
        code: link.needs_recipient && !password_is_wrong,
        wrong: match problem.msg() {
            "Wrong password" | "The link needs a password" => Some("password"),
            "Wrong code" => Some("code"),
            _ => None,
        },
        button: match link.needs_recipient && password_is_wrong {
            true => &words.send_code,
            false => &words.download,
        },
        words,
    };
    write!(f, "{form}")
}

/// It is sent to the address that it is at.
struct Form<'w> {
    password: bool,
    code: bool,
    /// The field with which something is wrong.
    wrong: Option<&'static str>,
    button: &'w str,
    words: &'w Words,
}

impl fmt::Display for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words;
        f.write_str("<form method=\"post\">\n")?;
        if self.password {
            let field = "type=\"password\" autocomplete=\"off\"";
            self.field(f, "password", field, &words.password, &words.password_hint)?;
        }
        if self.code {
            let field = "inputmode=\"numeric\" autocomplete=\"one-time-code\"";
            self.field(f, "code", field, &words.code, &words.code_hint)?;
        }
        writeln!(f, "<p><button>{}</button></p>", Escaped(self.button))?;
        if self.code {
            let another = Escaped(&words.send_another_code);
            writeln!(
                f,
                "<p><button class=\"plain\" name=\"code\" value=\"\" formnovalidate>{another}</button></p>"
            )?;
        }
        f.write_str("</form>\n")
    }
}

impl Form<'_> {
    fn field(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        attributes: &str,
        label: &str,
        hint: &str,
    ) -> fmt::Result {
        let (label, hint) = (Escaped(label), Escaped(hint));
        let wrong = match self.wrong == Some(name) {
            true => " aria-invalid=\"true\" autofocus",
            false => "",
        };
        let described = match wrong {
            "" => format!("{name}-hint"),
            _ => format!("advice {name}-hint"),
        };
        writeln!(
            f,
            "<p class=\"field\"><label for=\"{name}\">{label}</label>\n\
             <input id=\"{name}\" name=\"{name}\" {attributes} aria-describedby=\"{described}\"{wrong} required>\n\
             <span class=\"hint\" id=\"{name}-hint\">{hint}</span></p>"
        )
    }
}

/// A sentence with a time in it, which a script may put into local time.
struct Until<'w>(&'w str, Timestamp);

impl fmt::Display for Until<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = rfc3339(self.1);
        let people = format!("{} {} UTC", &machine[..10], &machine[11..16]);
        let (before, after) = self.0.split_once("{time}").unwrap_or((self.0, ""));
        let (before, after) = (Escaped(before), Escaped(after));
        write!(
            f,
            "{before}<time datetime=\"{machine}\">{people}</time>{after}"
        )
    }
}

/// A number of bytes with three digits at least, in powers of 1000.
fn size(bytes: u64, words: &Words) -> String {
    if bytes < 1000 {
        return words.bytes.replace("{n}", &bytes.to_string());
    }
    let (mut rest, mut unit) = (bytes as f64 / 1000.0, 0);
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    while rest >= 999.5 && unit + 1 < UNITS.len() {
        rest /= 1000.0;
        unit += 1;
    }
    let digits = match rest {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    let number = format!("{rest:.digits$}").replace('.', &words.decimal_point);
    format!("{number} {}", UNITS[unit])
}

/// A text that is nothing but text in HTML, in an element or a quoted attribute.
pub(crate) struct Escaped<'t>(pub(crate) &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        let words = Words {
            decimal_point: ",".into(),
            ..Words::default()
        };
        for (bytes, expected) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1,00 kB"),
            (36_624, "36,6 kB"),
            (999_499, "999 kB"),
            (999_500, "1,00 MB"),
            (5_368_709_120, "5,37 GB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(size(bytes, &words), expected);
        }
    }

    #[test]
    fn names_are_no_markup() {
        let text = Escaped("<b a='1' c=\"2\">&amp;").to_string();
        let expected = "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;";
        assert_eq!(text, expected);
    }
}
