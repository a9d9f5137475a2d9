use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use crate::{
    audience::Scope,
    error::{Error, ErrorKind},
    event::{Author, Recorded},
    file::{File, Seq},
    id::LinkId,
    link::ManagedLink,
    password::Password,
    service::{Actor, Consign, Registration},
    store::{Change, InsertGuard, Outcome, Page, StoreError},
    user::{Role, Status, User, UserChange, Username},
};

/// How many stages or blobs the sweeper looks at between two reports of its progress.
const SWEEP_PAGE: usize = 1000;

/// What the machine's operator may do.
///
/// No permission is checked: whoever holds this value has the machine. Give it to nothing that a
/// caller from outside reaches.
#[derive(Clone, Debug)]
pub struct Administration {
    pub(super) consign: Consign,
}

impl Administration {
    pub(super) fn of(consign: Consign) -> Self {
        Self { consign }
    }

    pub(super) fn consign(&self) -> &Consign {
        &self.consign
    }

    /// Adds a user, whatever the settings say about registration.
    pub async fn add_user(&self, registration: Registration) -> Result<User, Error> {
        let consign = &self.consign;
        let user = User {
            address_proved: true,
            ..consign.new_user(registration).await?
        };
        consign
            .insert(user, InsertGuard::None, Author::Administrator)
            .await
    }

    /// At most `limit` users, ordered by username, after the one named `after`.
    pub async fn users(
        &self,
        after: Option<&Username>,
        limit: usize,
    ) -> Result<Page<User, Username>, Error> {
        let users = &self.consign.parts().users;
        Ok(users.list(after, limit.max(1)).await?)
    }

    /// Disables or enables a user. Their sessions and links die.
    pub async fn set_status(&self, username: &Username, status: Status) -> Result<User, Error> {
        self.change(username, UserChange::Status(status)).await
    }

    /// Gives a user another role. Their sessions and links die.
    pub async fn set_role(&self, username: &Username, role: Role) -> Result<User, Error> {
        self.change(username, UserChange::Role(role)).await
    }

    /// Confines an operations user to what is their own, or no more.
    pub async fn set_confined(&self, username: &Username, confined: bool) -> Result<User, Error> {
        self.change(username, UserChange::Confined(confined)).await
    }

    /// Takes a user's address to be theirs.
    pub async fn prove_address(&self, username: &Username) -> Result<User, Error> {
        self.change(username, UserChange::AddressProved).await
    }

    /// Has a client be an operations user's, or nobody's.
    ///
    /// # Errors
    /// [`UserNotFound`](ErrorKind::UserNotFound), also where the one is no client or the other no
    /// operations user.
    pub async fn set_owner(
        &self,
        client: &Username,
        owner: Option<&Username>,
    ) -> Result<User, Error> {
        let owner = match owner {
            None => None,
            Some(name) => {
                let owner = self.user(name).await?;
                let owner = Some(owner).filter(|owner| owner.role == Role::Operations);
                Some(owner.ok_or(ErrorKind::UserNotFound)?.id)
            }
        };
        let client = Some(self.user(client).await?).filter(|user| user.role == Role::Client);
        let client = client.ok_or(ErrorKind::UserNotFound)?;
        let change = UserChange::Owner(owner);
        let consign = &self.consign;
        consign
            .change_user(client.id, change, Author::Administrator)
            .await
    }

    /// Gives a user another password. Their sessions and links die.
    pub async fn set_password(
        &self,
        username: &Username,
        password: Password,
    ) -> Result<User, Error> {
        let id = self.user(username).await?.id;
        let consign = &self.consign;
        consign
            .set_password(id, password, Author::Administrator)
            .await
    }

    /// Logs a user out everywhere.
    pub async fn end_sessions(&self, username: &Username) -> Result<User, Error> {
        self.change(username, UserChange::EndSessions).await
    }

    /// The user as an [`Actor`], without a token: for a host application that has a sign-in of its
    /// own, and has just used it.
    ///
    /// # Errors
    /// [`UserNotFound`](ErrorKind::UserNotFound), also for a user who is disabled.
    pub async fn act_as(&self, username: &Username) -> Result<Actor, Error> {
        let user = self.user(username).await?;
        if user.status != Status::Active {
            return Err(ErrorKind::UserNotFound.into());
        }
        Ok(Actor::of(user))
    }

    /// At most `limit` files, newest first, older than position `before`.
    pub async fn files(&self, before: Option<Seq>, limit: usize) -> Result<Page<File, Seq>, Error> {
        let files = &self.consign.parts().files;
        let now = self.consign.now();
        Ok(files.list(&Scope::All, now, before, limit.max(1)).await?)
    }

    /// At most `limit` events of the trail, oldest first, after position `after`.
    pub async fn events(
        &self,
        after: Option<Seq>,
        limit: usize,
    ) -> Result<Page<Recorded, Seq>, Error> {
        let files = &self.consign.parts().files;
        Ok(files.events(after, limit.max(1)).await?)
    }

    /// Removes stages that nobody has appended to, and blobs that no file references, for longer
    /// than `grace`, and forgets leases, and what was done once, that ended longer ago. One that cannot be removed is counted, and does not stop the rest. `progress` is
    /// called now and then.
    ///
    /// What this service's own uploads hold is left alone, whatever the grace. Uploads through
    /// another service over the same stores (another node, another process) are safe as long as none
    /// takes longer than `grace` between two of its chunks, or from publishing to its answer.
    pub async fn sweep(
        &self,
        grace: Duration,
        mut progress: impl FnMut(&SweepReport) + Send,
    ) -> Result<SweepReport, Error> {
        let (parts, held) = (self.consign.parts(), &self.consign.0.held);
        let begun = Instant::now();
        let before = parts.clock.now() - grace;
        let mut report = SweepReport::default();
        let mut after = None;
        loop {
            let page = parts.blobs.stages(after, SWEEP_PAGE).await?;
            for stage in &page.items {
                report.stages_seen += 1;
                if stage.modified < before && !held.holds_stage(stage.id) {
                    match parts.blobs.abort(stage.id).await {
                        Ok(()) => report.stages_removed += 1,
                        Err(error) => report.failed(&stage.id, &error),
                    }
                }
            }
            progress(&report);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut after = None;
        loop {
            let page = parts.blobs.keys(after, SWEEP_PAGE).await?;
            report.blobs_seen += page.items.len() as u64;
            // Asked in this order: what is no longer held is referenced, if ever it will be.
            let mut sizes: BTreeMap<_, _> = page
                .items
                .iter()
                .filter(|blob| blob.modified < before && !held.holds_blob(blob.key))
                .map(|blob| (blob.key, blob.size))
                .collect();
            let keys: Vec<_> = sizes.keys().copied().collect();
            for key in parts.files.unreferenced(&keys).await? {
                // Nothing goes that was not asked about.
                let Some(size) = sizes.remove(&key) else {
                    continue;
                };
                match parts.blobs.delete(key).await {
                    Ok(()) => {
                        report.blobs_removed += 1;
                        report.bytes_removed += size;
                    }
                    Err(error) => report.failed(&key, &error),
                }
            }
            progress(&report);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.drop_useless_mail().await?;
        let ended_before = before;
        for change in [
            Change::ForgetLeases { ended_before },
            Change::ForgetOnce { before },
        ] {
            while let Outcome::Forgotten(count) = parts.files.apply(change.clone()).await? {
                report.forgotten += count as u64;
                progress(&report);
            }
        }
        self.consign.0.meters.swept(&report, begun.elapsed());
        Ok(report)
    }

    /// Revokes a managed link, whoever made it; one that was revoked before stays so.
    ///
    /// # Errors
    /// [`LinkNotFound`](ErrorKind::LinkNotFound).
    pub async fn revoke_link(&self, id: LinkId) -> Result<(), Error> {
        self.consign.revoke(id, Author::Administrator).await?;
        Ok(())
    }

    /// At most `limit` managed links of a user, newest first, before the link `before`.
    pub async fn links(
        &self,
        username: &Username,
        before: Option<LinkId>,
        limit: usize,
    ) -> Result<Page<ManagedLink, LinkId>, Error> {
        let id = self.user(username).await?.id;
        let files = &self.consign.parts().files;
        Ok(files.links(id, before, limit.max(1)).await?)
    }

    async fn change(&self, username: &Username, change: UserChange) -> Result<User, Error> {
        let id = self.user(username).await?.id;
        let consign = &self.consign;
        consign.change_user(id, change, Author::Administrator).await
    }

    async fn user(&self, username: &Username) -> Result<User, Error> {
        let user = self.consign.parts().users.by_username(username).await?;
        user.ok_or_else(|| ErrorKind::UserNotFound.into())
    }
}

/// What a sweep has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Stages looked at.
    pub stages_seen: u64,
    /// Stages removed.
    pub stages_removed: u64,
    /// Blobs looked at.
    pub blobs_seen: u64,
    /// Blobs removed.
    pub blobs_removed: u64,
    /// Bytes of the blobs removed.
    pub bytes_removed: u64,
    /// Leases, and requests that were done once, forgotten.
    pub forgotten: u64,
    /// Stages and blobs that were to be removed and could not be.
    pub failures: u64,
}

impl SweepReport {
    fn failed(&mut self, what: &dyn fmt::Display, error: &StoreError) {
        tracing::warn!(%what, %error, "it could not be swept");
        self.failures += 1;
    }
}
