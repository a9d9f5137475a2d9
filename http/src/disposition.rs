//! `Content-Disposition`: written on downloads, read from the parts of an upload.

use std::collections::HashMap;
use std::fmt;

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// The `Content-Disposition` of a download: always `attachment`, always with a name. RFC 6266.
///
/// A name of printable ASCII without `"`, `\` and `%` needs `filename=` alone. Any other name is
/// also sent whole in `filename*=` (RFC 8187), and `filename=` is then a rendering for old clients:
/// one `_` for each character outside ASCII and for a `%` that two hex digits follow, which
/// some clients would decode (RFC 6266, appendix D); extension and spaces survive.
/// Control characters become `_` in both, so that no name adds a line to the response.
pub(crate) fn attachment(name: &str) -> HeaderValue {
    let name = name.replace(char::is_control, "_");
    let mut value = format!("attachment; filename=\"{}\"", fallback(&name));
    let plain = |byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'%');
    if !name.bytes().all(plain) {
        value.push_str("; filename*=UTF-8''");
        value.extend(utf8_percent_encode(&name, NOT_ATTR_CHAR));
    }
    // Only printable ASCII was written, so this never falls back.
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("attachment"))
}

/// The `Content-Disposition` of one part of a multipart body. RFC 7578, section 4.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disposition {
    /// What the part is, in lower case: `form-data` in a form.
    pub(crate) kind: String,
    /// The form field's name.
    pub(crate) name: Option<String>,
    /// The file's name as its sender wrote it: unchecked, and perhaps with control characters or a
    /// path. `None` is a part that is no file; `Some("")` a file field in which no file was chosen.
    pub(crate) filename: Option<String>,
}

/// Reads the value of a part's `Content-Disposition` header, in time linear in its length.
///
/// What senders really do differs from the grammar of RFC 9110, section 5.6, and is read so:
/// - In a quoted string `\"` and `\\` stand for `"` and `\`; any other backslash stands for itself,
///   because Internet Explorer sends whole paths and escapes nothing.
/// - In a quoted string of a `form-data` part `%22`, `%0D` and `%0A` stand for `"`, CR and LF. That
///   is the whole of the multipart/form-data encoding of the WHATWG's HTML (browsers, and curl since
///   7.81): `%` itself is not escaped, so any other percent sequence is what the user typed.
/// - `filename*` (RFC 8187; UTF-8 or ISO-8859-1) wins over `filename` in either order. One that
///   cannot be decoded gives way to `filename`; without a `filename` it is an error.
/// - Bytes above ASCII are UTF-8, quoted or not. Unknown parameters are read over, a `name*` and
///   the `filename*0` of RFC 2231 among them.
///
/// # Errors
/// [`Error::NotUtf8`] for a name in another encoding, [`Error::Duplicate`] for any parameter given
/// twice, [`Error::Malformed`] for everything else that is no such header.
pub(crate) fn parse(value: &[u8]) -> Result<Disposition, Error> {
    if value.iter().any(|&b| b.is_ascii_control() && b != b'\t') {
        return Err(Error::Malformed);
    }
    let mut input = Input { rest: value };
    input.skip_space();
    let kind = input.token()?;
    let is_form = kind == "form-data";
    let mut parameters = HashMap::new();
    loop {
        input.skip_space();
        if input.rest.is_empty() {
            break;
        }
        input.expect(b';')?;
        input.skip_space();
        // Empty parameters and a trailing semicolon are allowed: RFC 9110, section 5.6.6.
        if matches!(input.rest, [] | [b';', ..]) {
            continue;
        }
        let name = input.token()?;
        input.skip_space();
        input.expect(b'=')?;
        input.skip_space();
        if parameters.insert(name, input.value(is_form)?).is_some() {
            return Err(Error::Duplicate);
        }
    }
    let name = parameters.remove("name").map(Value::text).transpose()?;
    let plain = parameters.remove("filename").map(Value::text);
    let extended = parameters.remove("filename*").map(Value::extended);
    let filename = match (extended, plain) {
        (Some(Ok(filename)), _) => Some(filename),
        (_, Some(filename)) => Some(filename?),
        (Some(Err(error)), None) => return Err(error),
        (None, None) => None,
    };
    Ok(Disposition {
        kind,
        name,
        filename,
    })
}

/// Why a part's `Content-Disposition` was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// It does not follow the grammar.
    Malformed,
    /// It names a parameter twice, so that two readers could choose two different values.
    Duplicate,
    /// The field's or the file's name is not UTF-8.
    NotUtf8,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed Content-Disposition",
            Self::Duplicate => "repeated parameter in Content-Disposition",
            Self::NotUtf8 => "name in Content-Disposition is not UTF-8",
        })
    }
}

impl std::error::Error for Error {}

/// Everything but the `attr-char` of RFC 8187, section 3.2.1.
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The inside of the quoted `filename` for a name free of control characters.
fn fallback(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (at, ch) in name.char_indices() {
        match ch {
            '"' | '\\' => out.extend(['\\', ch]),
            '%' if matches!(name.as_bytes()[at..], [_, a, b, ..] if is_hex(a) && is_hex(b)) => {
                out.push('_');
            }
            ' '..='~' => out.push(ch),
            _ => out.push('_'),
        }
    }
    out
}

/// What is left to read of a header's value.
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn skip_space(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => self.rest = rest,
            _ => return Err(Error::Malformed),
        }
        Ok(())
    }

    /// A token, in lower case: every token read this way is compared without regard to case.
    fn token(&mut self) -> Result<String, Error> {
        match self.take_while(is_tchar) {
            [] => Err(Error::Malformed),
            token => Ok(token
                .iter()
                .map(|byte| char::from(byte.to_ascii_lowercase()))
                .collect()),
        }
    }

    /// A quoted string, unescaped, or whatever stands before the next semicolon.
    fn value(&mut self, is_form: bool) -> Result<Value<'a>, Error> {
        if self.rest.starts_with(b"\"") {
            self.quoted(is_form).map(Value::Quoted)
        } else {
            Ok(Value::Bare(
                self.take_while(|byte| byte != b';').trim_ascii_end(),
            ))
        }
    }

    fn quoted(&mut self, is_form: bool) -> Result<Vec<u8>, Error> {
        self.expect(b'"')?;
        let mut out = Vec::new();
        loop {
            let (byte, length) = match *self.rest {
                [] => return Err(Error::Malformed),
                [b'"', ..] => break,
                [b'\\', byte @ (b'"' | b'\\'), ..] => (byte, 2),
                [b'%', b'2', b'2', ..] if is_form => (b'"', 3),
                [b'%', b'0', b'D' | b'd', ..] if is_form => (b'\r', 3),
                [b'%', b'0', b'A' | b'a', ..] if is_form => (b'\n', 3),
                [byte, ..] => (byte, 1),
            };
            out.push(byte);
            self.rest = &self.rest[length..];
        }
        self.expect(b'"')?;
        Ok(out)
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !keep(byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }
}

/// The value of a parameter, before it is known what it should be.
enum Value<'a> {
    Quoted(Vec<u8>),
    Bare(&'a [u8]),
}

impl Value<'_> {
    /// The text of an ordinary parameter.
    fn text(self) -> Result<String, Error> {
        let bytes = match self {
            Value::Quoted(bytes) => bytes,
            Value::Bare([]) => return Err(Error::Malformed),
            Value::Bare(bytes) if bytes.iter().all(|&b| is_tchar(b) || !b.is_ascii()) => {
                bytes.to_vec()
            }
            Value::Bare(_) => return Err(Error::Malformed),
        };
        String::from_utf8(bytes).map_err(|_| Error::NotUtf8)
    }

    /// The text of an `ext-value`, `charset'language'value`. RFC 8187, section 3.2.1.
    fn extended(self) -> Result<String, Error> {
        let Value::Bare(bytes) = self else {
            return Err(Error::Malformed);
        };
        let mut fields = bytes.splitn(3, |&byte| byte == b'\'');
        let (Some(charset), Some(_), Some(value)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(Error::Malformed);
        };
        if !is_ext_value(value) {
            return Err(Error::Malformed);
        }
        let bytes: Vec<u8> = percent_decode(value).collect();
        if charset.eq_ignore_ascii_case(b"UTF-8") {
            String::from_utf8(bytes).map_err(|_| Error::NotUtf8)
        } else if charset.eq_ignore_ascii_case(b"ISO-8859-1") {
            Ok(bytes.into_iter().map(char::from).collect())
        } else {
            Err(Error::Malformed)
        }
    }
}

/// Whether these are the `value-chars` of RFC 8187, section 3.2.1.
fn is_ext_value(mut rest: &[u8]) -> bool {
    loop {
        rest = match rest {
            [] => return true,
            [b'%', a, b, rest @ ..] if is_hex(*a) && is_hex(*b) => rest,
            [byte, rest @ ..] if is_attr_char(*byte) => rest,
            _ => return false,
        };
    }
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_tchar(byte: u8) -> bool {
    is_attr_char(byte) || matches!(byte, b'*' | b'\'' | b'%')
}

/// `attr-char` of RFC 8187, section 3.2.1.
fn is_attr_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte)
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

#[cfg(test)]
mod tests;
