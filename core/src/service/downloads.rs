use crate::{
    error::{Error, ErrorKind},
    event::{Recorded, Transfers},
    file::Seq,
    id::{FileId, LinkId},
    policy::{self, Action},
    service::{Actor, Consign},
    store::{DownloadsOf, Page},
};
#[cfg(feature = "evidence")]
use crate::{
    event::{Author, Download, EventKind},
    receipt::{Client, Receipt},
    user::Email,
};

/// Who downloaded what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloads {
    /// The entries of the trail that tell of it, oldest first.
    pub page: Page<Recorded, Seq>,
    /// What all of them come to, whatever is on the page.
    pub sum: Transfers,
}

impl Consign {
    /// The downloads of a file, at most `limit` entries after position `after`: all of them for operations
    /// users, those by their own download links for a client. The file may be gone.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`FileNotFound`](ErrorKind::FileNotFound) where there is none
    /// and never was such a download.
    pub async fn downloads_of_file(
        &self,
        actor: &Actor,
        file: FileId,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Downloads, Error> {
        actor.demand(Action::List)?;
        let of = match self.knows_all_of(actor, file).await? {
            true => DownloadsOf::File(file),
            false => DownloadsOf::FileBy(file, actor.user().id),
        };
        let downloads = self.downloads(of, after, limit).await?;
        if downloads.sum == Transfers::default() {
            self.seen(actor, Action::List, file).await?;
        }
        Ok(downloads)
    }

    /// The downloads by a managed link's leases, at most `limit` entries after position `after`: for its
    /// maker, and for operations users.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`LinkNotFound`](ErrorKind::LinkNotFound).
    pub async fn downloads_of_link(
        &self,
        actor: &Actor,
        link: LinkId,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Downloads, Error> {
        actor.demand(Action::ManageLinks)?;
        if !self.may_ask_of(actor, link).await? {
            return Err(ErrorKind::LinkNotFound.into());
        }
        self.downloads(DownloadsOf::Link(link), after, limit).await
    }

    async fn downloads(
        &self,
        of: DownloadsOf,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Downloads, Error> {
        self.told_now().await;
        let files = &self.parts().files;
        // What comes meanwhile is missing on the page rather than in the sum.
        let page = files.downloads(of, after, limit.max(1)).await?;
        let sum = files.downloaded(of).await?;
        Ok(Downloads { page, sum })
    }

    /// Whether the actor may know who else downloads a file: one who is confined, of a file of theirs that
    /// is there.
    async fn knows_all_of(&self, actor: &Actor, file: FileId) -> Result<bool, Error> {
        let user = actor.user();
        if policy::allows(user, Action::ReadAudit) {
            return Ok(true);
        }
        let file = self.there(file).await?;
        Ok(file.is_some_and(|file| policy::may(user, [], Action::Share, &file.entry)))
    }

    async fn may_ask_of(&self, actor: &Actor, link: LinkId) -> Result<bool, Error> {
        let link = self.parts().files.link(link).await?;
        let may = policy::allows(actor.user(), Action::ReadAudit);
        Ok(link.is_some_and(|link| may || link.made_by == actor.user().id))
    }
}

#[cfg(feature = "evidence")]
impl Consign {
    /// A signed receipt, by `issuer`, of a download that was completed: the entry of the trail at this
    /// position. It is for operations users, for the maker of the link, and for the client whose download it
    /// was.
    ///
    /// # Errors
    /// [`NoEvidence`](ErrorKind::NoEvidence); [`DownloadNotFound`](ErrorKind::DownloadNotFound), also where
    /// it is not for the actor.
    pub async fn receipt(
        &self,
        actor: &Actor,
        position: Seq,
        issuer: &str,
    ) -> Result<Receipt, Error> {
        let parts = self.parts();
        let signer = parts.evidence.as_ref().ok_or(ErrorKind::NoEvidence)?;
        self.told_now().await;
        let missing = || Error::from(ErrorKind::DownloadNotFound);
        let before = position.checked_sub(1).ok_or_else(missing)?;
        let page = parts.files.events(Some(before), 1).await?;
        let entry = page.items.into_iter().next();
        let entry = entry.filter(|entry| entry.seq == position);
        let entry = entry.ok_or_else(missing)?;
        let EventKind::Download(download) = &entry.event.kind else {
            return Err(missing());
        };
        if download.transfers.completed == 0 || !self.is_for(actor, &entry, download).await? {
            return Err(missing());
        }
        let user = match entry.event.by {
            Author::User(id) => parts.users.by_id(id).await?,
            Author::Anonymous | Author::Administrator | Author::Sweeper => None,
        };
        // Whose clients others are is not told to one who is confined.
        let user =
            user.filter(|user| user.id == actor.user().id || policy::may_name(actor.user(), user));
        let client = Client::of(download, user.as_ref());
        let now = parts.clock.now();
        Ok(Receipt::sign(
            &entry, download, client, issuer, now, &**signer,
        ))
    }

    async fn is_for(
        &self,
        actor: &Actor,
        entry: &Recorded,
        download: &Download,
    ) -> Result<bool, Error> {
        let user = actor.user();
        let theirs = entry.event.by == Author::User(user.id);
        if theirs || self.knows_all_of(actor, download.file).await? {
            return Ok(true);
        }
        let Some(by) = &download.by_lease else {
            return Ok(false);
        };
        let is_recipient = |recipient: &Email| {
            user.address_proved && recipient.unique_key() == user.email.unique_key()
        };
        Ok(by.recipient.as_ref().is_some_and(is_recipient)
            || self.may_ask_of(actor, by.link).await?)
    }
}
