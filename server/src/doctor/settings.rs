//! What is set, where, and whether others can read what they must not.

use std::{fs, os::unix::fs::MetadataExt};

use super::Findings;
use crate::options::{
    Carrier, Config,
    origin::{self, Origin},
};

const CHECK: &str = "settings";

pub(super) fn look(config: &Config, findings: &mut Findings) {
    let (mut defaults, keys) = (0, origin::keys());
    for key in &keys {
        let written = config.origins.of(key);
        match written.origin {
            Origin::Default => defaults += 1,
            _ => findings.ok(CHECK, written),
        }
    }
    let all = keys.len();
    findings.ok(
        CHECK,
        format!("{defaults} of {all} settings have their defaults"),
    );
    for (name, meant) in origin::unknown_variables() {
        let advice = match meant {
            Some(meant) => format!("{meant} may be meant; see consign --help"),
            None => "see consign --help".to_owned(),
        };
        findings.warning(CHECK, format!("{name} is no setting"), &advice);
    }
    password(config, findings);
}

/// Whether others can read the password of the mail server.
fn password(config: &Config, findings: &mut Findings) {
    let relay = config.mail.as_ref().map(|mail| &mail.carrier);
    let Some(Carrier::Smtp { relay, .. }) = relay else {
        return;
    };
    if !relay.signs_in() {
        return;
    }
    match config.origins.of("mail").origin {
        Origin::Flag(flag) => findings.warning(
            CHECK,
            format!("{flag} has a password in it, which all of the machine's users can see"),
            "set CONSIGN_MAIL, or mail in consign.toml",
        ),
        Origin::File(path, _) => match fs::metadata(&path).map(|data| data.mode()) {
            Ok(mode) if mode & 0o077 != 0 => {
                let (path, mode) = (path.display(), mode & 0o777);
                findings.problem(
                    CHECK,
                    format!("{path} has a password in it, and is open to others (mode {mode:03o})"),
                    &format!("chmod 600 {path}"),
                );
            }
            _ => {}
        },
        Origin::Variable(_) | Origin::Default => {}
    }
}
