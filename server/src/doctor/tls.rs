//! The certificate of HTTPS, and its key.

use jiff::{SignedDuration, Timestamp};

use super::Findings;
use crate::{options::Config, tls};

const TLS: &str = "tls";

/// So long before its end a certificate should have been renewed.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

pub(super) fn look(config: &Config, findings: &mut Findings) {
    let Some(files) = &config.tls else {
        findings.ok(TLS, "none: HTTPS, if any, ends in front of the server");
        return;
    };
    let examined = match tls::examine(files) {
        Ok(examined) => examined,
        Err(error) => {
            findings.problem(
                TLS,
                error,
                "set tls-cert and tls-key to files that belong together",
            );
            return;
        }
    };
    if examined.exposed {
        let found = format!("{}: every user of this machine may use it", files.key);
        let advice = format!("chmod o= {}", files.key.path.display());
        findings.problem(TLS, found, &advice);
    }
    validity(&files.cert, examined.validity, Timestamp::now(), findings);
}

fn validity(
    cert: &impl std::fmt::Display,
    validity: Option<(Timestamp, Timestamp)>,
    now: Timestamp,
    findings: &mut Findings,
) {
    let renew = "renew it; a running server takes the new one by itself";
    match validity {
        None => findings.warning(TLS, format!("{cert}: it does not tell its days"), renew),
        Some((from, _)) if now < from => findings.problem(
            TLS,
            format!("{cert}: it is good from {from} on, and not yet"),
            "look at the clock, or at the certificate",
        ),
        Some((_, until)) if until < now => {
            findings.problem(TLS, format!("{cert}: it has expired, at {until}"), renew);
        }
        Some((_, until)) if until - SOON < now => {
            findings.warning(TLS, format!("{cert}: it ends soon, at {until}"), renew);
        }
        Some((_, until)) => findings.ok(TLS, format!("{cert}: it is good until {until}")),
    }
}
