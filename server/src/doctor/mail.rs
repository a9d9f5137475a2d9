//! Whether mail would be taken. None is sent.

use std::path::Path;

use rustix::fs::Access;

use super::Findings;
use crate::options::{Carrier, Config};

const CHECK: &str = "mail";

pub(super) async fn look(config: &Config, findings: &mut Findings) {
    let Some(mail) = &config.mail else {
        findings.ok(CHECK, "none is sent: the recipients of links sign in");
        return;
    };
    let (relay, roots) = match &mail.carrier {
        Carrier::Folder(folder) => return written_into(folder, findings),
        Carrier::Smtp { relay, roots } => (relay, roots.as_deref()),
    };
    let courier = match mail.smtp(relay, roots) {
        Ok(courier) => courier,
        Err(error) => {
            let advice = "set mail-ca to a file of certificates in PEM, or install ca-certificates";
            return findings.problem(CHECK, crate::chain(&*error), advice);
        }
    };
    match courier.probe().await {
        Ok(()) => {
            let how = match (relay.is_encrypted(), relay.signs_in()) {
                (true, true) => "encrypted, and signs the server in",
                (true, false) => "encrypted",
                (false, true) => "unencrypted, and signs the server in",
                (false, false) => "unencrypted",
            };
            findings.ok(CHECK, format!("the mail server answers, {how}"));
        }
        Err(error) => findings.problem(
            CHECK,
            crate::chain(&error),
            "see that the host, the port, the scheme and the login of mail are right, and that nothing is in between",
        ),
    }
}

fn written_into(folder: &Path, findings: &mut Findings) {
    let shown = folder.display();
    let found = format!("it is written into {shown}, for somebody to carry");
    if !folder.exists() {
        let advice = "the server makes it when it starts";
        findings.warning(CHECK, format!("{shown} is not there"), advice);
    } else if let Err(error) = rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        findings.problem(
            CHECK,
            format!("{shown}: {error}"),
            "let this user write to it",
        );
    } else if !folder.is_dir() {
        findings.problem(
            CHECK,
            format!("{shown} is not a folder"),
            "set mail to another",
        );
    } else {
        findings.ok(CHECK, found);
    }
}
