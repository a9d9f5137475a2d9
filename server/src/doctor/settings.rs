//! What is set, where, and whether others can read what they must not.

use std::{fs, os::unix::fs::MetadataExt};

use super::Findings;
use crate::options::{
    Carrier, Config, Metadata,
    origin::{self, Origin, Written},
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
    passwords(config, findings);
}

/// Whether others can read the passwords of the mail server and of the database.
fn passwords(config: &Config, findings: &mut Findings) {
    let relay = config.mail.as_ref().map(|mail| &mail.carrier);
    let mail = matches!(relay, Some(Carrier::Smtp { relay, .. }) if relay.signs_in());
    let metadata = match &config.stores.metadata.is {
        Metadata::Postgres(database) => database.has_password(),
        Metadata::Redb(_) => false,
    };
    for (key, is_in) in [("mail", mail), ("metadata", metadata)] {
        if is_in {
            password(&config.origins.of(key), findings);
        }
    }
}

fn password(written: &Written, findings: &mut Findings) {
    let key = &written.key;
    match &written.origin {
        Origin::Flag(flag) => findings.warning(
            CHECK,
            format!("{flag} has a password in it, which all of the machine's users can see"),
            &format!(
                "set CONSIGN_{}, or {key} in consign.toml",
                key.to_uppercase()
            ),
        ),
        Origin::File(path, _) => match fs::metadata(path).map(|data| data.mode()) {
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
