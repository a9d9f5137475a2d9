use std::{fmt, ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::{
    audience::Scope,
    error::{Error, ErrorKind},
    file::{File, FileName},
    id::{FileId, UserId},
    link::Lease,
    policy::Action,
    service::{Actor, Consign, metered::Opened},
    store::{ByteStream, Change, ReadGrant, StoreError},
    time::Timestamp,
    token::{Claims, Purpose},
    user::User,
};

/// A download link: whoever holds its token has the file until it expires.
#[derive(Clone)]
pub struct Link {
    /// The token: a secret.
    pub token: String,
    /// The file that it opens: this version of it, whatever is uploaded later under its name.
    pub file: File,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("file", &self.file.entry.id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Consign {
    /// A link to the file of this id, or else to the newest file of this name, among those that the
    /// actor sees. Nothing is stored.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), then [`FileNotFound`](ErrorKind::FileNotFound).
    pub async fn link(&self, actor: &Actor, file: &str) -> Result<Link, Error> {
        actor.demand(Action::Link)?;
        let file = self.find(actor.user(), Action::Link, file).await?;
        let file = file.ok_or(ErrorKind::FileNotFound)?;
        let lifetime = self.settings().link_lifetime;
        let (expires_at, claims) = self.claims(actor.user(), Some(file.entry.id), lifetime);
        let token = self.parts().signer.sign(Purpose::Download, &claims)?;
        Ok(Link {
            token,
            file,
            expires_at,
        })
    }

    /// Opens a download link, or a lease of a managed link to one file.
    ///
    /// # Errors
    /// As [`open_all`](Self::open_all), also for a lease of several files.
    pub async fn open(&self, token: &str) -> Result<AuthorizedFile, Error> {
        let mut files = self.open_all(token).await?;
        match (files.pop(), files.is_empty()) {
            (Some(file), true) => Ok(file),
            _ => Err(ErrorKind::InvalidToken.into()),
        }
    }

    /// Opens a download link, or a lease of a managed link: one file or several, in the link's order. This
    /// is the only way to a stored file's bytes.
    ///
    /// # Errors
    /// [`InvalidToken`](ErrorKind::InvalidToken) when it is forged or expired, when its maker was
    /// disabled or may no longer have the file, or when the file is gone; of a download link also when
    /// its maker was logged out, and of a lease when its link was revoked or is at its end, or its
    /// recipient is another now or disabled. Those of several files that are gone are left out.
    pub async fn open_all(&self, token: &str) -> Result<Vec<AuthorizedFile>, Error> {
        match self.verify(Purpose::Download, token) {
            Ok(claims) => Ok(vec![self.linked(&claims).await?]),
            Err(error) => {
                // What is good for the one purpose never is for the other.
                let claims = self.verify(Purpose::Lease, token).map_err(|_| error)?;
                let (lease, files) = self.leased(&claims).await?;
                let opened = files.into_iter().map(|file| {
                    let by = OpenedBy::Lease(lease.clone());
                    self.authorized(file, by)
                });
                Ok(opened.collect())
            }
        }
    }

    async fn linked(&self, claims: &Claims) -> Result<AuthorizedFile, Error> {
        let maker = self.present(claims.subject, claims.epoch).await?;
        let id = claims.file.ok_or(ErrorKind::InvalidToken)?;
        let file = self.there(id).await?;
        let file = file.ok_or(ErrorKind::InvalidToken)?;
        if !self.may(&maker, Action::Open, &file.entry).await? {
            return Err(ErrorKind::InvalidToken.into());
        }
        Ok(self.authorized(file, OpenedBy::Link(maker.id)))
    }

    /// Only where the permission check has run.
    fn authorized(&self, file: File, by: OpenedBy) -> AuthorizedFile {
        AuthorizedFile {
            grant: ReadGrant::new(file.entry.blob),
            consign: self.clone(),
            opened: Arc::new(Opened {
                counter: Arc::clone(&self.0.counter),
                by,
                file,
            }),
        }
    }

    /// An id names one version for ever, so it goes before a name that looks like one.
    pub(super) async fn find(
        &self,
        user: &User,
        action: Action,
        target: &str,
    ) -> Result<Option<File>, Error> {
        let files = &self.parts().files;
        if let Ok(id) = target.parse::<FileId>()
            && let Some(file) = self.there(id).await?
            && self.may(user, action, &file.entry).await?
        {
            return Ok(Some(file));
        }
        let Ok(name) = FileName::parse(target) else {
            return Ok(None);
        };
        match files.newest(&name, &Scope::All, self.now()).await? {
            // Most see the newest of all: then it need not be asked what else they see.
            Some(file) if !self.may(user, action, &file.entry).await? => {}
            newest => return Ok(newest),
        }
        let mut scope = self.scope(user).await?;
        loop {
            let newest = files.newest(&name, &scope, self.now()).await?;
            if self.is_still(user, &mut scope).await? {
                return Ok(newest);
            }
        }
    }
}

/// A file that its holder may read: the proof that the permission check ran.
#[derive(Debug)]
pub struct AuthorizedFile {
    grant: ReadGrant,
    consign: Consign,
    opened: Arc<Opened>,
}

/// What somebody opened a file by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenedBy {
    /// A download link of this user's.
    Link(UserId),
    /// A lease of a managed link.
    Lease(Lease),
}

impl AuthorizedFile {
    /// What is known of the file.
    pub fn file(&self) -> &File {
        &self.opened.file
    }

    /// What it was opened by.
    pub fn opened_by(&self) -> &OpenedBy {
        &self.opened.by
    }

    /// Its bytes from `range.start` up to, and without, `range.end`; cut to the file's size. What is taken
    /// of them is counted, and told in the trail.
    ///
    /// # Errors
    /// [`InvalidToken`](ErrorKind::InvalidToken) when the file was removed, or has expired, since it was opened.
    pub async fn read(&self, range: Range<u64>) -> Result<ByteStream, Error> {
        let end = range.end.min(self.opened.file.entry.size);
        let range = range.start.min(end)..end;
        let bytes = self.uncounted(range.clone()).await?;
        Ok(self.opened.metered(bytes, range))
    }

    /// As [`read`](Self::read), for what nobody takes away.
    pub(super) async fn uncounted(&self, range: Range<u64>) -> Result<ByteStream, Error> {
        if self.is_gone().await? {
            return Err(ErrorKind::InvalidToken.into());
        }
        match self.consign.parts().blobs.open(&self.grant, range).await {
            Err(StoreError::Missing) if self.is_gone().await? => {
                Err(ErrorKind::InvalidToken.into())
            }
            bytes => Ok(bytes?),
        }
    }

    pub(super) async fn keep_crc32(&self, crc32: u32) -> Result<(), Error> {
        let id = self.file().entry.id;
        // That it was removed meanwhile shows when its bytes are asked for.
        let change = Change::SetCrc32 { id, crc32 };
        self.consign.parts().files.apply(change).await?;
        Ok(())
    }

    async fn is_gone(&self) -> Result<bool, Error> {
        let file = self.consign.there(self.file().entry.id).await?;
        Ok(file.is_none())
    }

    /// All its bytes, of a file that has `limit` at most.
    ///
    /// # Errors
    /// [`TooLarge`](ErrorKind::TooLarge).
    pub async fn read_all(&self, limit: u64) -> Result<Bytes, Error> {
        let size = self.file().entry.size;
        if size > limit {
            return Err(ErrorKind::TooLarge { limit }.into());
        }
        let mut bytes = BytesMut::new();
        let mut chunks = self.read(0..size).await?;
        while let Some(chunk) = chunks.next().await {
            bytes.extend_from_slice(&chunk.map_err(StoreError::from_io)?);
        }
        Ok(bytes.freeze())
    }
}
