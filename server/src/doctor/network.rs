//! Where it listens, how the world reaches it, and whom it believes.

use std::net::{IpAddr, TcpListener, ToSocketAddrs};

use super::Findings;
use crate::options::Config;

const LISTEN: &str = "listen";
const URL: &str = "url";
const PROXIES: &str = "proxies";

pub(super) fn look(config: &Config, runs: bool, findings: &mut Findings) {
    // Held until both were tried: they cannot have one address.
    let mut held = Vec::new();
    for (key, address) in [
        ("listen", Some(&config.listen)),
        ("metrics-listen", config.metrics_listen.as_ref()),
    ] {
        let Some(address) = address else { continue };
        let written = config.origins.of(key);
        // The server has it, and nobody else can.
        if runs {
            findings.ok(
                LISTEN,
                format!("{key} is {address}, not tried: a server is running"),
            );
            continue;
        }
        match TcpListener::bind(address) {
            Ok(listener) => {
                held.push(listener);
                findings.ok(LISTEN, format!("{key} is {address}, which is free"));
            }
            Err(error) => findings.problem(
                LISTEN,
                format!("{written}: cannot listen on {address}: {error}"),
                "set it to an address of this machine that nobody else has",
            ),
        }
    }
    let metrics = config.metrics_listen.as_deref().map(addresses);
    if metrics.is_some_and(|all| all.iter().any(|address| !address.is_loopback())) {
        findings.warning(
            LISTEN,
            "figures are told to whoever reaches metrics-listen",
            "see that only your own network does",
        );
    }
    url(config, findings);
    proxies(config, findings);
}

fn url(config: &Config, findings: &mut Findings) {
    let all = addresses(&config.listen);
    let local = all.iter().all(IpAddr::is_loopback);
    let Some(url) = &config.public_url else {
        if all.iter().any(IpAddr::is_unspecified) {
            let found = format!("links begin with {}, which leads nowhere", config.listen);
            let advice = "set public-url to how the world reaches the server";
            findings.problem(URL, found, advice);
        } else if local {
            findings.ok(
                URL,
                "links are good on this machine alone: public-url is not set",
            );
        } else if config.tls.is_some() {
            findings.warning(
                URL,
                "links begin with https:// and the address: public-url is not set",
                "set public-url to the name that the certificate is for",
            );
        } else {
            let found = "links begin with http:// and the address: public-url is not set";
            findings.warning(
                URL,
                found,
                "set public-url, with https:// and a certificate, here or of a proxy",
            );
        }
        return;
    };
    let url = url.to_string();
    let own = ["http://127.", "http://localhost", "http://[::1]"];
    if url.starts_with("https://") || own.iter().any(|own| url.starts_with(own)) {
        findings.ok(URL, format!("links begin with {url}"));
    } else {
        findings.warning(
            URL,
            format!("links begin with {url}: they, and passwords, go unencrypted"),
            "put a proxy with a certificate before it, and set public-url to https://",
        );
    }
}

fn proxies(config: &Config, findings: &mut Findings) {
    let trusted = config.proxies.trusted();
    if let Some(all) = trusted.iter().find(|network| network.prefix_len() == 0) {
        findings.problem(
            PROXIES,
            format!("trusted-proxies has {all}: anybody is believed to be whom they say"),
            "name the proxies' own addresses",
        );
        return;
    }
    let url = config.public_url.as_ref().map(ToString::to_string);
    let behind = config.tls.is_none() && url.is_some_and(|url| url.starts_with("https://"));
    match (trusted.is_empty(), behind) {
        (true, true) => findings.warning(
            PROXIES,
            "public-url is https://, which a proxy must serve, and trusted-proxies names none",
            "set trusted-proxies: until then all clients count as one address, that of the proxy",
        ),
        (true, false) => findings.ok(PROXIES, "none is trusted"),
        (false, _) => findings.ok(PROXIES, format!("{} networks are trusted", trusted.len())),
    }
}

fn addresses(address: &str) -> Vec<IpAddr> {
    let found = address.to_socket_addrs();
    found.map_or_else(
        |_| Vec::new(),
        |all| all.map(|address| address.ip()).collect(),
    )
}
