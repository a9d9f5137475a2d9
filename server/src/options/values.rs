//! Values as people write them.

use std::{convert::Infallible, fmt, net::IpAddr, str::FromStr, time::Duration};

use clap::ValueEnum;
use consign_core::{ClientRegistration, OperationsRegistration, audience::Audience};
use consign_http::PublicUrl;
use consign_mail_smtp::Mailbox;
use ipnet::IpNet;
use serde::Deserialize;

/// A text as it was written. A password may be in it, so whoever reads it must not repeat it, as those who
/// read flags and files do of what they refuse: it is judged later.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Veiled(pub(super) String);

impl Veiled {
    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl FromStr for Veiled {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Veiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Veiled(…)")
    }
}

/// A time, as people write it: `15m`, `1h 30m`, `90s`. Its bounds are milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span<const LEAST: u64 = 0, const MOST: u64 = { u64::MAX }>(pub(crate) Duration);

impl<const LEAST: u64, const MOST: u64> FromStr for Span<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let span: jiff::Span = text.parse().ok()?;
            let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours());
            Duration::try_from(span.ok()?).ok()
        };
        let span =
            parse().ok_or_else(|| format!("{text:?} is not a time such as 90s, 15m, 1h or 7d"))?;
        if span < Duration::from_millis(LEAST) {
            return Err(format!("{text:?} is less than {}", words(LEAST)));
        }
        if span > Duration::from_millis(MOST) {
            return Err(format!("{text:?} is more than {}", words(MOST)));
        }
        Ok(Self(span))
    }
}

impl<const LEAST: u64, const MOST: u64> TryFrom<String> for Span<LEAST, MOST> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Milliseconds, as people write them.
fn words(millis: u64) -> String {
    match millis {
        _ if millis.is_multiple_of(86_400_000) => format!("{}d", millis / 86_400_000),
        _ if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        _ => format!("{millis}ms"),
    }
}

/// A number within bounds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "usize")]
pub(super) struct Count<const LEAST: usize, const MOST: usize>(pub(super) usize);

impl<const LEAST: usize, const MOST: usize> FromStr for Count<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count: usize = text
            .parse()
            .map_err(|_| format!("{text:?} is not a number"))?;
        count.try_into()
    }
}

impl<const LEAST: usize, const MOST: usize> TryFrom<usize> for Count<LEAST, MOST> {
    type Error = String;

    fn try_from(count: usize) -> Result<Self, String> {
        if (LEAST..=MOST).contains(&count) {
            Ok(Self(count))
        } else {
            Err(format!("{count} is not between {LEAST} and {MOST}"))
        }
    }
}

/// How the world reaches the server.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Url(pub(super) PublicUrl);

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = text.parse();
        url.map(Self)
            .map_err(|error| format!("{text:?} is {error}"))
    }
}

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Whom mail is from.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Sender(pub(super) Mailbox);

impl FromStr for Sender {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mailbox = text.parse();
        mailbox
            .map(Self)
            .map_err(|error| format!("{text:?} is {error}"))
    }
}

impl TryFrom<String> for Sender {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A number of bytes, as people write it: `5GiB`, `100MB`, `4096`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "SizeText")]
pub(super) struct Size(pub(super) u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum SizeText {
    Bytes(u64),
    Text(String),
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size: bytesize::ByteSize = text
            .parse()
            .map_err(|_| format!("{text:?} is not a size such as 500MB or 5GiB"))?;
        Ok(Self(size.as_u64()))
    }
}

impl TryFrom<SizeText> for Size {
    type Error = String;

    fn try_from(text: SizeText) -> Result<Self, String> {
        match text {
            SizeText::Bytes(bytes) => Ok(Self(bytes)),
            SizeText::Text(text) => text.parse(),
        }
    }
}

/// Networks, as people write them: `10.0.0.0/8, 192.0.2.7, 2001:db8::/32`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "NetworksText")]
pub(super) struct Networks(pub(super) Vec<IpNet>);

#[derive(Deserialize)]
#[serde(untagged)]
enum NetworksText {
    One(String),
    Several(Vec<String>),
}

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim);
        let parts = parts.filter(|part| !part.is_empty());
        parts.map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<NetworksText> for Networks {
    type Error = String;

    fn try_from(text: NetworksText) -> Result<Self, String> {
        match text {
            NetworksText::One(text) => text.parse(),
            NetworksText::Several(parts) => parts.join(",").parse(),
        }
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    // Addresses are compared in their own form, not as IPv6 may write those of IPv4.
    let address = text
        .parse()
        .map(|address: IpAddr| address.to_canonical().into());
    let network = address.or_else(|_| text.parse()).ok();
    network
        .filter(|network: &IpNet| network.addr().to_canonical() == network.addr())
        .ok_or_else(|| format!("{text:?} is not an address or a network such as 10.0.0.0/8"))
}

/// The header in which a proxy tells its client's address.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ForwardedHeader {
    /// X-Forwarded-For, as most proxies set it
    XForwardedFor,
    /// Forwarded (RFC 7239)
    Forwarded,
}

/// On or off.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Switch {
    On,
    Off,
}

/// Which passwords are taken.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Passwords {
    /// Any that is long enough
    Usual,
    /// Those of 15 characters or more that are not guessed first
    Strict,
}

#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Operations {
    /// Anyone, while there is no operations user
    First,
    /// Anyone
    Open,
    /// Only those invited by an operations user
    Closed,
}

impl From<Operations> for OperationsRegistration {
    fn from(who: Operations) -> Self {
        match who {
            Operations::First => Self::First,
            Operations::Open => Self::Open,
            Operations::Closed => Self::Closed,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Clients {
    /// Anyone
    Open,
    /// Only those invited by an operations user
    Closed,
}

impl From<Clients> for ClientRegistration {
    fn from(who: Clients) -> Self {
        match who {
            Clients::Open => Self::Open,
            Clients::Closed => Self::Closed,
        }
    }
}

/// Whom a file is for of which nothing else is said.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Whom {
    /// Every client
    Everybody,
    /// No client yet
    Nobody,
}

impl From<Whom> for Audience {
    fn from(whom: Whom) -> Self {
        match whom {
            Whom::Everybody => Self::everybody(),
            Whom::Nobody => Self::nobody(),
        }
    }
}

/// What is told on standard error.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Log {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How it is told.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}
