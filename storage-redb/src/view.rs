//! Which files someone sees, as an index.

use consign_core::{
    audience::{Principal, Scope},
    file::FileEntry,
    id::UserId,
};

/// The files for one principal, or by one uploader. What someone sees is all files, or those of some views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View([u8; View::LEN]);

impl View {
    /// Bytes of its key.
    pub(crate) const LEN: usize = 17;

    fn of(principal: Principal) -> Self {
        match &principal {
            Principal::Everybody => Self::new(0, &[0; 16]),
            Principal::User(id) => Self::new(1, id.as_bytes()),
            Principal::Group(id) => Self::new(2, id.as_bytes()),
        }
    }

    fn by(uploader: UserId) -> Self {
        Self::new(3, uploader.as_bytes())
    }

    fn new(kind: u8, id: &[u8; 16]) -> Self {
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
        let audience = principals.map(|principal| Self::of(*principal));
        audience.chain([Self::by(entry.uploaded_by)])
    }

    /// Those that make up a scope; `None` where that is all files.
    pub(crate) fn of_scope(scope: &Scope) -> Option<Vec<Self>> {
        match scope {
            Scope::All => None,
            Scope::By(uploader) => Some(vec![Self::by(*uploader)]),
            Scope::For(principals) => Some(principals.iter().map(|of| Self::of(*of)).collect()),
        }
    }
}
