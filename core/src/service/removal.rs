//! Files that are removed, had back, and gone for good; and the sweeper's part in that.

use futures_util::future::join_all;

use crate::{
    error::{Error, ErrorKind},
    event::Author,
    file::{File, Seq},
    id::{BlobKey, FileId},
    link::Edit,
    policy::{self, Action},
    removal::{Ended, Purge, Removal, RemovedFile},
    service::{Actor, Administration, Consign, lifetimes::end},
    store::{Change, Outcome, Page},
    time::Timestamp,
};

/// Files that the sweeper has removed at once; a store can make that one transaction.
const AT_ONCE: usize = 64;

/// Files that are looked at in one go, where those of others are passed over.
const LOOKED_AT: usize = 1000;

fn may_have_back(actor: &Actor, removed: &RemovedFile) -> bool {
    policy::may(actor.user(), [], Action::Delete, &removed.file.entry)
}

impl Consign {
    /// Removes a file. Every link to it is dead from then on. For [a while](crate::Settings::removal_grace) it can
    /// be had back.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`FileNotFound`](ErrorKind::FileNotFound).
    pub async fn delete(&self, actor: &Actor, id: FileId) -> Result<File, Error> {
        self.seen(actor, Action::Delete, id).await?;
        let at = self.now();
        let change = Change::RemoveFile {
            id,
            why: Removal::Asked,
            keep_until: self.keep_until(at),
            by: Author::User(actor.user().id),
            at,
        };
        match self.remove(change).await? {
            Outcome::Removed(file) => Ok(file),
            _ => Err(ErrorKind::FileNotFound.into()),
        }
    }

    /// At most `limit` removed files that the actor can have back, by position, newest first, older than
    /// position `before`.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden).
    pub async fn removed_files(
        &self,
        actor: &Actor,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<RemovedFile, Seq>, Error> {
        actor.demand(Action::Delete)?;
        let (files, limit) = (&self.parts().files, limit.max(1));
        let (mut items, mut before) = (Vec::new(), before);
        // Those of others are passed over: of these there may be whole pages.
        loop {
            let page = files
                .removed(self.now(), before, limit.max(LOOKED_AT))
                .await?;
            let own = page.items.into_iter();
            items.extend(own.filter(|removed| may_have_back(actor, removed)));
            before = page.next;
            if before.is_none() || items.len() > limit {
                let mut page = Page::cut(items, limit, |removed: &RemovedFile| removed.file.seq);
                page.next = page.next.or(before);
                return Ok(page);
            }
        }
    }

    /// A removed file that the actor can have back.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`FileNotFound`](ErrorKind::FileNotFound).
    pub async fn removed_file(&self, actor: &Actor, id: FileId) -> Result<RemovedFile, Error> {
        actor.demand(Action::Delete)?;
        let removed = self.kept(id).await?;
        match may_have_back(actor, &removed) {
            true => Ok(removed),
            false => Err(ErrorKind::FileNotFound.into()),
        }
    }

    /// Has a removed file be there again, as it was: links to it that have not ended are good again. One that has
    /// expired ends as [a new one](crate::Settings::file_lifetime).
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`FileNotFound`](ErrorKind::FileNotFound).
    pub async fn restore(&self, actor: &Actor, id: FileId) -> Result<File, Error> {
        let removed = self.removed_file(actor, id).await?;
        self.bring_back(removed, Author::User(actor.user().id))
            .await
    }

    /// Removes a removed file for good.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`FileNotFound`](ErrorKind::FileNotFound).
    pub async fn purge(&self, actor: &Actor, id: FileId) -> Result<File, Error> {
        self.removed_file(actor, id).await?;
        let change = Change::PurgeFile {
            id,
            purge: Purge::Now,
            by: Author::User(actor.user().id),
            at: self.now(),
        };
        match self.remove(change).await? {
            Outcome::Purged(removed) => Ok(removed.file),
            _ => Err(ErrorKind::FileNotFound.into()),
        }
    }

    async fn kept(&self, id: FileId) -> Result<RemovedFile, Error> {
        let removed = self.parts().files.removed_file(id).await?;
        let kept = removed.filter(|removed| removed.is_kept(self.now()));
        kept.ok_or_else(|| ErrorKind::FileNotFound.into())
    }

    async fn bring_back(&self, removed: RemovedFile, by: Author) -> Result<File, Error> {
        let at = self.now();
        let entry = &removed.file.entry;
        let expires_at = match entry.is_there(at) {
            true => Edit::Keep,
            false => {
                let lifetime = self.settings().file_lifetime;
                Edit::Set(lifetime.map(|lifetime| end(at, lifetime)))
            }
        };
        let change = Change::RestoreFile {
            id: entry.id,
            expires_at,
            by,
            at,
        };
        match self.parts().files.apply(change).await? {
            Outcome::Restored(file) => Ok(file),
            Outcome::Missing | Outcome::Stale => Err(ErrorKind::FileNotFound.into()),
            outcome => Err(outcome.unexpected()),
        }
    }

    fn keep_until(&self, at: Timestamp) -> Option<Timestamp> {
        let grace = self.settings().removal_grace;
        (!grace.is_zero()).then(|| at + grace)
    }

    /// First the catalogue lets go of a file, then its bytes are removed: the other way round a crash would
    /// leave a file without bytes.
    async fn remove(&self, change: Change) -> Result<Outcome, Error> {
        let kept = matches!(
            &change,
            Change::RemoveFile {
                keep_until: Some(_),
                ..
            }
        );
        let outcome = self.parts().files.apply(change).await?;
        match &outcome {
            Outcome::Removed(file) if !kept => self.drop_bytes(file.entry.blob).await,
            Outcome::Purged(removed) => self.drop_bytes(removed.file.entry.blob).await,
            _ => {}
        }
        Ok(outcome)
    }

    async fn drop_bytes(&self, blob: BlobKey) {
        if let Err(error) = self.parts().blobs.delete(blob).await {
            tracing::warn!(%blob, %error, "a file's bytes remain; the sweeper will remove them");
        }
    }
}

impl Administration {
    /// Removes a file for good, also one that was removed before. Every link to it dies.
    pub async fn remove_file(&self, id: FileId) -> Result<File, Error> {
        let consign = self.consign();
        let (by, at) = (Author::Administrator, consign.now());
        let remove = Change::RemoveFile {
            id,
            why: Removal::Asked,
            keep_until: None,
            by,
            at,
        };
        if let Outcome::Removed(file) = consign.remove(remove).await? {
            return Ok(file);
        }
        let purge = Purge::Now;
        match consign
            .remove(Change::PurgeFile { id, purge, by, at })
            .await?
        {
            Outcome::Purged(removed) => Ok(removed.file),
            _ => Err(ErrorKind::FileNotFound.into()),
        }
    }

    /// At most `limit` removed files that can be had back, by position, newest first, older than position `before`.
    pub async fn removed_files(
        &self,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<RemovedFile, Seq>, Error> {
        let consign = self.consign();
        let files = &consign.parts().files;
        Ok(files.removed(consign.now(), before, limit.max(1)).await?)
    }

    /// As [`Consign::restore`].
    ///
    /// # Errors
    /// [`FileNotFound`](ErrorKind::FileNotFound).
    pub async fn restore_file(&self, id: FileId) -> Result<File, Error> {
        let consign = self.consign();
        let removed = consign.kept(id).await?;
        consign.bring_back(removed, Author::Administrator).await
    }

    /// Removes the files that have expired or whose groups keep them no longer, and purges the removed ones that are not kept any more: the sweeper's
    /// part that is done often. What it does is told in the trail as the [sweeper's](Author::Sweeper).
    ///
    /// It may run on any number of nodes at once. When it fails, what it has done is done, and the rest is there for the
    /// next time.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn end_lifetimes(&self) -> Result<LifetimesReport, Error> {
        let mut report = LifetimesReport::default();
        let ended = self.end_what_is_over(&mut report).await;
        self.consign().0.meters.ended(&report);
        ended.map(|()| report)
    }

    async fn end_what_is_over(&self, report: &mut LifetimesReport) -> Result<(), Error> {
        let consign = self.consign();
        let files = &consign.parts().files;
        let (now, by) = (consign.now(), Author::Sweeper);
        loop {
            let ended = files.ended(now, AT_ONCE).await?;
            let changes = ended.iter().map(|Ended { file, why }| Change::RemoveFile {
                id: *file,
                why: *why,
                keep_until: consign.keep_until(now),
                by,
                at: now,
            });
            let outcomes = join_all(changes.map(|change| consign.remove(change))).await;
            let before = *report;
            for (ended, outcome) in ended.iter().zip(outcomes) {
                if let Outcome::Removed(_) = outcome? {
                    report.count(ended.why);
                }
            }
            // What others have ended or edited meanwhile is theirs.
            if *report == before {
                break;
            }
        }
        loop {
            let due = files.due(now, AT_ONCE).await?;
            let changes = due.iter().map(|removed| Change::PurgeFile {
                id: removed.file.entry.id,
                purge: Purge::Due,
                by,
                at: now,
            });
            let outcomes = join_all(changes.map(|change| consign.remove(change))).await;
            let before = *report;
            for outcome in outcomes {
                if let Outcome::Purged(_) = outcome? {
                    report.purged += 1;
                }
            }
            if *report == before {
                return Ok(());
            }
        }
    }
}

/// What the sweeper has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LifetimesReport {
    /// Files removed that had expired.
    pub expired: u64,
    /// Files removed whose groups kept them no longer.
    pub retained: u64,
    /// Removed files that are gone for good.
    pub purged: u64,
}

impl LifetimesReport {
    /// Files removed, whatever their end was.
    pub fn removed(&self) -> u64 {
        self.expired + self.retained
    }

    fn count(&mut self, why: Removal) {
        match why {
            Removal::Asked => {}
            Removal::Expired => self.expired += 1,
            Removal::Retention => self.retained += 1,
        }
    }
}
