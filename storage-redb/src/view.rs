//! Which files someone sees, as an index.

use consign_core::{
    audience::{Principal, Scope},
    file::FileEntry,
};

/// The files for one principal. What someone sees is all files, or those of some views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View([u8; View::LEN]);

impl View {
    /// Bytes of its key.
    pub(crate) const LEN: usize = 17;

    fn of(principal: Principal) -> Self {
        let (kind, id) = match &principal {
            Principal::Everybody => (0, &[0; 16]),
            Principal::User(id) => (1, id.as_bytes()),
            Principal::Group(id) => (2, id.as_bytes()),
        };
        let mut key = [kind; Self::LEN];
        key[1..].copy_from_slice(id);
        Self(key)
    }

    pub(crate) fn key(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// All that have a file.
    pub(crate) fn that_have(entry: &FileEntry) -> impl Iterator<Item = Self> {
        let principals = entry.audience.principals().iter();
        principals.map(|principal| Self::of(*principal))
    }

    /// Those that make up a scope; `None` where that is all files.
    pub(crate) fn of_scope(scope: &Scope) -> Option<Vec<Self>> {
        match scope {
            Scope::All => None,
            Scope::For(principals) => Some(principals.iter().map(|of| Self::of(*of)).collect()),
        }
    }
}
