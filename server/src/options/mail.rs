//! Where mail goes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use consign_core::mail::Courier;
use consign_mail_smtp::{FolderCourier, Mailbox, Options, Relay, SmtpCourier};

use super::{
    origin::{Origins, Written},
    values::{Sender, Veiled},
};
use crate::BoxError;

/// How mail is sent.
#[derive(Clone, Debug)]
pub(crate) struct MailConfig {
    pub(crate) carrier: Carrier,
    from: Mailbox,
    /// How `mail` and `mail-ca` were written, for a message.
    written: (Written, Written),
}

#[derive(Clone, Debug)]
pub(crate) enum Carrier {
    Smtp {
        relay: Relay,
        roots: Option<PathBuf>,
    },
    Folder(PathBuf),
}

impl MailConfig {
    pub(super) fn new(
        route: Option<Veiled>,
        from: Option<Sender>,
        roots: Option<PathBuf>,
        origins: &Origins,
    ) -> Result<Option<Self>, BoxError> {
        let Some(Veiled(route)) = route else {
            return Ok(None);
        };
        let (mail, ca) = (origins.of("mail"), origins.of("mail-ca"));
        let carrier = match route.strip_prefix("folder:") {
            Some("") => return Err(format!("{mail}: folder: and no folder").into()),
            Some(_) if roots.is_some() => {
                return Err(format!("{ca}: a folder needs nobody to vouch for it").into());
            }
            Some(folder) => Carrier::Folder(folder.into()),
            None => {
                let relay = route.parse();
                let relay = relay.map_err(|error| format!("{mail}: {error}, or folder:DIR"))?;
                Carrier::Smtp { relay, roots }
            }
        };
        let Some(Sender(from)) = from else {
            let why = "it is not set, and has to be where there is";
            return Err(format!("mail-from: {why} {mail}").into());
        };
        Ok(Some(Self {
            carrier,
            from,
            written: (mail, ca),
        }))
    }

    /// Who carries the mail. Makes the folder, or reads the certificates to trust.
    pub(crate) fn courier(&self) -> Result<Arc<dyn Courier>, BoxError> {
        let from = self.from.clone();
        let (mail, _) = &self.written;
        match &self.carrier {
            Carrier::Folder(folder) => {
                let courier = FolderCourier::open(folder, from);
                let courier = courier.map_err(|e| format!("{mail}: {}: {e}", folder.display()))?;
                Ok(Arc::new(courier))
            }
            Carrier::Smtp { relay, roots } => Ok(Arc::new(self.smtp(relay, roots.as_deref())?)),
        }
    }

    /// Who hands the mail to a server.
    pub(crate) fn smtp(
        &self,
        relay: &Relay,
        roots: Option<&Path>,
    ) -> Result<SmtpCourier, BoxError> {
        let (mail, ca) = &self.written;
        let mut options = Options::default();
        let mut told = mail;
        if let Some(file) = roots {
            told = ca;
            options.roots = Some(fs::read(file).map_err(|e| format!("{told}: {e}"))?);
        }
        let courier = SmtpCourier::new(relay.clone(), self.from.clone(), options);
        Ok(courier.map_err(|e| format!("{told}: {e}"))?)
    }
}

/// A line of the settings' file, for a message: what may be a login is left out, under whatever name
/// it was written.
pub(super) fn without_login(line: &str) -> &str {
    let lower = line.to_ascii_lowercase();
    let signs = ["mail", "smtp", "metadata", "postgres", "passw", "@"];
    if !signs.iter().any(|sign| lower.contains(sign)) {
        return line;
    }
    match line.split_once('=') {
        Some((key, _)) if !key.contains(['"', '\'', ':']) => key.trim_end(),
        _ => "…",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_left_out_of_a_line() {
        for (line, told) in [
            ("log = \"loud\"", "log = \"loud\""),
            ("mail = 5", "mail"),
            ("mail = \"smtps://a:secret@host", "mail"),
            ("post = \"http://a:secret@host\"", "post"),
            ("mial = \"smtps://a:secret@host\"", "mial"),
            ("\"mail\" = \"smtps://a:secret@host\"", "…"),
            ("metadata = \"postgres://host?password=secret", "metadata"),
            ("store = \"postgres://host?x=secret", "store"),
            ("smtps://a:sec=ret@host", "…"),
            ("smtps://a:secret@host\"\"\"", "…"),
        ] {
            assert_eq!(without_login(line), told);
        }
    }
}
