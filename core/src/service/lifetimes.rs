//! How long files are there.

use std::time::Duration;

use crate::{
    audience::Audience,
    error::{Error, ErrorKind},
    event::Author,
    file::{File, FileEdit},
    id::FileId,
    link::Edit,
    policy::Action,
    service::{Actor, Consign},
    store::{Change, Outcome},
    time::Timestamp,
};

/// What is to become of a file.
#[derive(Clone, Debug, Default)]
pub struct FileChanges {
    /// Whom it is for.
    pub audience: Edit<Audience>,
    /// How long it is there from now on; `None` is for ever.
    pub expires_in: Edit<Option<Duration>>,
}

impl Consign {
    /// Changes a file, all at once. It takes effect at the next request for the file.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`InvalidExpiry`](ErrorKind::InvalidExpiry),
    /// [`FileNotFound`](ErrorKind::FileNotFound), then [`UserNotFound`](ErrorKind::UserNotFound) or
    /// [`GroupNotFound`](ErrorKind::GroupNotFound) for those it was to be for.
    pub async fn edit_file(
        &self,
        actor: &Actor,
        id: FileId,
        changes: FileChanges,
    ) -> Result<File, Error> {
        actor.demand(Action::Share)?;
        let lifetime = match changes.expires_in {
            Edit::Keep => Edit::Keep,
            Edit::Set(lifetime) => Edit::Set(lifetime.map(checked).transpose()?),
        };
        self.seen(actor, Action::Share, id).await?;
        if let Edit::Set(audience) = &changes.audience {
            self.check_audience(actor.user(), audience).await?;
        }
        let (by, at) = (Author::User(actor.user().id), self.now());
        let edit = FileEdit {
            audience: changes.audience,
            expires_at: lifetime.map(|lifetime| lifetime.map(|lifetime| end(at, lifetime))),
        };
        let change = Change::EditFile { id, edit, by, at };
        match self.parts().files.apply(change).await? {
            Outcome::FileSet(file) => Ok(file),
            Outcome::Missing => Err(ErrorKind::FileNotFound.into()),
            Outcome::NoSuchGroup(_) => Err(ErrorKind::GroupNotFound.into()),
            outcome => Err(outcome.unexpected()),
        }
    }

    /// The file of this id, unless it has expired: whatever asks for one file comes by here.
    pub(super) async fn there(&self, id: FileId) -> Result<Option<File>, Error> {
        let file = self.parts().files.by_id(id).await?;
        Ok(file.filter(|file| file.entry.is_there(self.now())))
    }
}

/// In whole seconds, as ends are told and signed.
pub(super) fn end(from: Timestamp, lifetime: Duration) -> Timestamp {
    Timestamp::from_secs((from + lifetime).as_secs())
}

pub(super) fn checked(lifetime: Duration) -> Result<Duration, Error> {
    let max = Consign::MAX_FILE_LIFETIME;
    if lifetime < Duration::from_secs(1) || lifetime > max {
        let max = max.as_secs();
        let detail = format!("expires_in: 1 to {max} seconds are taken");
        return Err(Error::from(ErrorKind::InvalidExpiry).with_detail(detail));
    }
    Ok(lifetime)
}
