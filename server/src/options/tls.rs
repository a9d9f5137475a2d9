//! Where the certificate is, and its key.

use std::{fmt, path::PathBuf};

#[cfg(test)]
use super::origin::Origin;
use super::origin::Written;
use crate::BoxError;

/// The files of a certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct TlsConfig {
    pub(crate) cert: Named,
    pub(crate) key: Named,
}

/// A file, and the setting that names it as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    written: Written,
    pub(crate) path: PathBuf,
}

impl TlsConfig {
    /// Both files or none.
    pub(super) fn new(cert: Option<Named>, key: Option<Named>) -> Result<Option<Self>, BoxError> {
        let alone = |set: &Named, missing| {
            Err(format!("{set}: {missing} is not set; both are needed for TLS, or none").into())
        };
        match (cert, key) {
            (Some(cert), Some(key)) => Ok(Some(Self { cert, key })),
            (Some(cert), None) => alone(&cert, "tls-key"),
            (None, Some(key)) => alone(&key, "tls-cert"),
            (None, None) => Ok(None),
        }
    }
}

impl Named {
    pub(super) fn new(path: Option<PathBuf>, written: Written) -> Option<Self> {
        path.map(|path| Self { written, path })
    }

    #[cfg(test)]
    pub(crate) fn flag(key: &str, path: &str) -> Self {
        let written = Written {
            key: key.to_owned(),
            value: Some(format!("{path:?}")),
            origin: Origin::Flag(format!("--{key}")),
        };
        let path = path.into();
        Self { written, path }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}
