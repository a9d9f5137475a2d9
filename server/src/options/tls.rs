//! Where the certificate is, and its key.

use std::{
    env, fmt,
    path::{Path, PathBuf},
};

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
    setting: String,
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
    /// What a flag or its variable says, or else a key of the file of settings, `at`.
    pub(super) fn new(
        key: &str,
        given: Option<PathBuf>,
        file: Option<PathBuf>,
        at: &Path,
    ) -> Option<Self> {
        let variable = format!("CONSIGN_{}", key.to_uppercase().replace('-', "_"));
        let (setting, path) = match (given, file) {
            (Some(path), _) if env::var_os(&variable).is_some_and(|set| set == *path) => {
                (variable, path)
            }
            (Some(path), _) => (format!("--{key}"), path),
            (None, Some(path)) => (format!("{}: {key}", at.display()), path),
            (None, None) => return None,
        };
        Some(Self { setting, path })
    }

    #[cfg(test)]
    pub(crate) fn flag(key: &str, path: &str) -> Self {
        let (setting, path) = (format!("--{key}"), path.into());
        Self { setting, path }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, path } = self;
        write!(f, "{setting} = {:?}", path.display().to_string())
    }
}
