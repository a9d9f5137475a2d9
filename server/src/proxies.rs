//! Where a request comes from, when it comes through proxies.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::options::ForwardedHeader;

/// Addresses that are looked at in one request's headers, at most: more proxies are in no row.
const MAX_HOPS: usize = 32;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that are believed, and where they tell a client's address.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
}

impl Proxies {
    pub(crate) fn new(trusted: Vec<IpNet>, header: ForwardedHeader) -> Self {
        Self { trusted, header }
    }

    /// The networks that are trusted.
    pub(crate) fn trusted(&self) -> &[IpNet] {
        &self.trusted
    }

    /// Whether the address is a trusted proxy's.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted
            .iter()
            .any(|network| network.contains(&address))
    }

    /// The client's address: the last of those that the header tells which is no trusted proxy's,
    /// for what stands before it anyone can have written. Of a peer that is not trusted the header
    /// tells nothing. Where an address cannot be read, it is the one behind it, a trusted proxy's.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let told = match self.header {
            ForwardedHeader::XForwardedFor => addresses(headers, X_FORWARDED_FOR, x_forwarded_for),
            ForwardedHeader::Forwarded => addresses(headers, header::FORWARDED, forwarded),
        };
        for address in told {
            let Some(address) = address else { break };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

/// The addresses of a header's lines, the last first; `None` for what is none.
fn addresses(
    headers: &HeaderMap,
    name: HeaderName,
    parse: fn(&[u8], &mut Vec<Option<IpAddr>>),
) -> Vec<Option<IpAddr>> {
    let mut told = Vec::new();
    // Lines of one name are one line (RFC 9110, section 5.3); this one is read from its end.
    for line in headers.get_all(name).iter().rev() {
        parse(line.as_bytes(), &mut told);
        if told.len() >= MAX_HOPS {
            break;
        }
    }
    told.truncate(MAX_HOPS);
    told
}

fn x_forwarded_for(line: &[u8], told: &mut Vec<Option<IpAddr>>) {
    let parts = line.rsplit(|byte| *byte == b',').take(MAX_HOPS);
    told.extend(parts.map(|part| {
        // Alone: what a client wrote before it makes it no less readable.
        let text = str::from_utf8(part).ok()?.trim();
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        let address = bare.unwrap_or(text).parse().ok();
        // Some proxies tell the port as well.
        address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
    }));
}

/// The library tells neither elements nor parameters apart where they hold quotes, in which a client
/// may have written anything; so it is given one parameter at a time.
fn forwarded(line: &[u8], told: &mut Vec<Option<IpAddr>>) {
    let elements = str::from_utf8(line)
        .ok()
        .and_then(|line| unquoted(line, ','));
    let Some(elements) = elements else {
        told.push(None);
        return;
    };
    told.extend(elements.into_iter().rev().take(MAX_HOPS).map(|element| {
        let parameters = unquoted(element, ';')?;
        let mut told = parameters.into_iter().map(str::trim).filter(|parameter| {
            let name = parameter.split('=').next().unwrap_or_default();
            name.eq_ignore_ascii_case("for")
        });
        let (Some(parameter), None) = (told.next(), told.next()) else {
            return None;
        };
        let node = rfc7239::parse(parameter).next()?.ok()?.forwarded_for?;
        node.ip().copied()
    }));
}

/// The parts of a line between those `marks` that stand in no quotes (RFC 9110, section 5.6.4);
/// `None` when a quote has no end.
fn unquoted(line: &str, mark: char) -> Option<Vec<&str>> {
    let (mut parts, mut from) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if c == mark && !quoted => {
                parts.push(&line[from..at]);
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&line[from..]);
    (!quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8:aa::/48", "192.0.2.1/32"];
        let trusted = trusted.map(|network| network.parse().unwrap()).to_vec();
        let mut headers = HeaderMap::new();
        for line in lines {
            let name = match header {
                ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
                ForwardedHeader::Forwarded => header::FORWARDED,
            };
            headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let proxies = Proxies::new(trusted, header);
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_last_address_that_is_no_proxys_counts() {
        let client = |peer, lines| client(ForwardedHeader::XForwardedFor, peer, lines);
        for (peer, lines, expected) in [
            // Who is not trusted says nothing of anybody.
            ("198.51.100.7", &["203.0.113.9"][..], "198.51.100.7"),
            ("10.1.1.1", &["203.0.113.9"], "203.0.113.9"),
            // What a client wrote itself stands before what the proxy saw.
            ("10.1.1.1", &["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
            ("10.1.1.1", &["1.2.3.4", "203.0.113.9 "], "203.0.113.9"),
            (
                "10.1.1.1",
                &["203.0.113.9, 10.2.2.2,192.0.2.1"],
                "203.0.113.9",
            ),
            ("::ffff:10.1.1.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            ("2001:db8:aa::1", &["2001:db8:bb::2"], "2001:db8:bb::2"),
            ("10.1.1.1", &["[2001:db8:bb::2]:443"], "2001:db8:bb::2"),
            ("10.1.1.1", &["[2001:db8:bb::2]"], "2001:db8:bb::2"),
            ("10.1.1.1", &["203.0.113.9:5000"], "203.0.113.9"),
            // Nothing is told, or nothing that can be read: it is the proxy's.
            ("10.1.1.1", &[], "10.1.1.1"),
            ("10.1.1.1", &[""], "10.1.1.1"),
            ("10.1.1.1", &["203.0.113.9, nobody"], "10.1.1.1"),
            ("10.1.1.1", &["203.0.113.9, nobody, 10.2.2.2"], "10.2.2.2"),
            ("10.1.1.1", &["203.0.113.9, \u{e9}"], "10.1.1.1"),
            ("10.1.1.1", &["\u{e9}, 203.0.113.9"], "203.0.113.9"),
            ("10.1.1.1", &["10.2.2.2"], "10.2.2.2"),
        ] {
            assert_eq!(client(peer, lines), expected, "{peer} {lines:?}");
        }
        let many = vec!["10.2.2.2"; 100].join(",");
        let lines = vec![many.as_str(); 100];
        assert_eq!(client("10.1.1.1", &lines), "10.2.2.2");
        let far = format!("203.0.113.9,{many}");
        assert_eq!(client("10.1.1.1", &[&far]), "10.2.2.2", "no row is as long");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        let client = |peer, lines| client(ForwardedHeader::Forwarded, peer, lines);
        for (peer, lines, expected) in [
            (
                "10.1.1.1",
                &["for=203.0.113.9;proto=https"][..],
                "203.0.113.9",
            ),
            (
                "10.1.1.1",
                &["For=\"[2001:db8:bb::2]:4711\""],
                "2001:db8:bb::2",
            ),
            ("10.1.1.1", &["for=1.2.3.4, for=203.0.113.9"], "203.0.113.9"),
            (
                "10.1.1.1",
                &["for=1.2.3.4", "for=203.0.113.9, for=10.9.9.9"],
                "203.0.113.9",
            ),
            ("10.1.1.1", &["for=203.0.113.9, for=unknown"], "10.1.1.1"),
            ("10.1.1.1", &["for=203.0.113.9, for=_hidden"], "10.1.1.1"),
            ("10.1.1.1", &["for=203.0.113.9, by=10.9.9.9"], "10.1.1.1"),
            ("10.1.1.1", &["nonsense"], "10.1.1.1"),
            // A client's Host, which the proxy passes on in quotes.
            (
                "10.1.1.1",
                &["for=203.0.113.9;host=\"x,for=1.2.3.4\""],
                "203.0.113.9",
            ),
            (
                "10.1.1.1",
                &["for=203.0.113.9;host=\"x;for=1.2.3.4\""],
                "203.0.113.9",
            ),
            (
                "10.1.1.1",
                &["for=203.0.113.9;host=\"a\\\",for=1.2.3.4\""],
                "203.0.113.9",
            ),
            ("10.1.1.1", &["host=\"x, for=1.2.3.4"], "10.1.1.1"),
            ("10.1.1.1", &["for=1.2.3.4;for=203.0.113.9"], "10.1.1.1"),
            ("198.51.100.7", &["for=203.0.113.9"], "198.51.100.7"),
        ] {
            assert_eq!(client(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn one_header_is_believed_and_not_the_other() {
        let mut headers = HeaderMap::new();
        headers.insert(header::FORWARDED, HeaderValue::from_static("for=1.2.3.4"));
        let proxies = |header| Proxies::new(vec!["10.0.0.0/8".parse().unwrap()], header);
        let peer = "10.1.1.1".parse().unwrap();
        let told = |header| proxies(header).client(peer, &headers).to_string();
        assert_eq!(told(ForwardedHeader::XForwardedFor), "10.1.1.1");
        assert_eq!(told(ForwardedHeader::Forwarded), "1.2.3.4");
    }
}
