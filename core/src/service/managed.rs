//! Managed links: made, edited and revoked by their makers.

use std::{num::NonZeroU32, time::Duration};

use crate::{
    error::{Error, ErrorKind},
    event::Author,
    file::File,
    id::LinkId,
    link::{Edit, LinkEdit, LinkSecret, ManagedLink, Note},
    once::{IdempotencyKey, Made},
    password::{Password, PasswordHash},
    policy::Action,
    service::{Actor, Consign, lifetimes::end, once::Repeatable},
    store::{Change, Outcome, Page},
    user::{Email, User},
};

/// What a managed link is to be.
#[derive(Clone, Debug, Default)]
pub struct LinkRequest {
    /// What it hands over: ids, or names, of which the newest version counts that its maker sees.
    pub files: Vec<String>,
    /// How long it lasts; for a week, or [as long as any](crate::Settings::managed_link_lifetime) if that
    /// is shorter, unless it is said.
    pub expires_in: Option<Duration>,
    /// How many leases there can be of it.
    pub max_downloads: Option<NonZeroU32>,
    /// What is asked for before anything is told of it.
    pub password: Option<Password>,
    /// Whom it is for.
    pub recipient: Option<Email>,
    /// What its maker writes down for themselves.
    pub note: Option<Note>,
    /// Makes it once, however often it is asked for within a day: each time the same link, with the same
    /// secret.
    pub key: Option<IdempotencyKey>,
}

/// What is to become of a managed link.
#[derive(Clone, Debug, Default)]
pub struct LinkChanges {
    /// How long it lasts from now on.
    pub expires_in: Edit<Duration>,
    /// How many leases there can be of it, those counted that there were.
    pub max_downloads: Edit<Option<NonZeroU32>>,
    /// What is asked for before anything is told of it.
    pub password: Edit<Option<Password>>,
    /// Whom it is for. Leases of another recipient are no good any more.
    pub recipient: Edit<Option<Email>>,
    /// What its maker writes down for themselves.
    pub note: Edit<Option<Note>>,
}

/// A managed link that was just made.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// The link.
    pub link: ManagedLink,
    /// Its secret, which is told this once.
    pub secret: LinkSecret,
}

impl Consign {
    /// Makes a managed link to files that the actor sees.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden); [`InvalidLink`](ErrorKind::InvalidLink) for what it cannot
    /// be, and [`FileNotFound`](ErrorKind::FileNotFound), whose details name the property;
    /// [`PasswordTooShort`](ErrorKind::PasswordTooShort) and the like;
    /// [`OtherRequest`](ErrorKind::OtherRequest).
    pub async fn make_link(&self, actor: &Actor, request: LinkRequest) -> Result<NewLink, Error> {
        actor.demand(Action::ManageLinks)?;
        let parts = self.parts();
        let key = request.key.clone();
        let repeatable = request.repeatable(actor);
        // Asked first: a link that is there can be had again though it could not be made now.
        if let Some(made) = self.made_before(repeatable).await? {
            return self.made_link(made, key.as_ref()).await;
        }
        let week = Duration::from_secs(7 * 24 * 60 * 60);
        let longest = self.settings().managed_link_lifetime;
        let lifetime = self.checked_lifetime(request.expires_in.unwrap_or(week.min(longest)))?;
        let files = self.files_for(actor.user(), &request.files).await?;
        let password = match request.password {
            Some(password) => Some(self.hash_for(actor, password).await?),
            None => None,
        };
        let now = self.now();
        let id = LinkId::at(now, &*parts.entropy);
        let secret = match &key {
            Some(key) => secret_of(key, id),
            None => LinkSecret::random(&*parts.entropy),
        };
        let link = ManagedLink {
            id,
            secret: secret.hash(),
            files: files.iter().map(|file| file.entry.id).collect(),
            made_by: actor.user().id,
            made_at: now,
            expires_at: end(now, lifetime),
            max_downloads: request.max_downloads,
            downloads: 0,
            password,
            recipient: request.recipient,
            note: request.note,
            revoked_at: None,
            revision: 0,
        };
        match self.apply_once(repeatable, Change::AddLink(link)).await? {
            Outcome::LinkSet(link) => Ok(NewLink { link, secret }),
            Outcome::Repeated(made) => self.made_link(made, key.as_ref()).await,
            Outcome::NoSuchFile(id) => Err(no_file(&id.to_string())),
            outcome => Err(outcome.unexpected()),
        }
    }

    /// A link that was made before, as it is now.
    async fn made_link(&self, made: Made, key: Option<&IdempotencyKey>) -> Result<NewLink, Error> {
        let (Made::Link(id), Some(key)) = (made, key) else {
            return Err(Outcome::Repeated(made).unexpected());
        };
        let link = self.parts().files.link(id).await?;
        let link = link.ok_or(ErrorKind::LinkNotFound)?;
        let secret = secret_of(key, id);
        Ok(NewLink { link, secret })
    }

    /// At most `limit` of the actor's own links, newest first, before the link `before`.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden).
    pub async fn links(
        &self,
        actor: &Actor,
        before: Option<LinkId>,
        limit: usize,
    ) -> Result<Page<ManagedLink, LinkId>, Error> {
        actor.demand(Action::ManageLinks)?;
        let files = &self.parts().files;
        Ok(files.links(actor.user().id, before, limit.max(1)).await?)
    }

    /// A link of the actor's own.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden), [`LinkNotFound`](ErrorKind::LinkNotFound).
    pub async fn managed_link(&self, actor: &Actor, id: LinkId) -> Result<ManagedLink, Error> {
        actor.demand(Action::ManageLinks)?;
        let link = self.parts().files.link(id).await?;
        let own = link.filter(|link| link.made_by == actor.user().id);
        own.ok_or_else(|| ErrorKind::LinkNotFound.into())
    }

    /// Changes a link of the actor's own, which takes effect at the next request for it.
    ///
    /// # Errors
    /// As [`managed_link`](Self::managed_link), and for what it cannot be as
    /// [`make_link`](Self::make_link).
    pub async fn edit_link(
        &self,
        actor: &Actor,
        id: LinkId,
        changes: LinkChanges,
    ) -> Result<ManagedLink, Error> {
        self.managed_link(actor, id).await?;
        let password = match changes.password {
            Edit::Keep => Edit::Keep,
            Edit::Set(None) => Edit::Set(None),
            Edit::Set(Some(password)) => Edit::Set(Some(self.hash_for(actor, password).await?)),
        };
        let at = self.now();
        let expires_at = match changes.expires_in {
            Edit::Keep => Edit::Keep,
            Edit::Set(lifetime) => Edit::Set(end(at, self.checked_lifetime(lifetime)?)),
        };
        let edit = LinkEdit {
            expires_at,
            max_downloads: changes.max_downloads,
            password,
            recipient: changes.recipient,
            note: changes.note,
        };
        let by = Author::User(actor.user().id);
        let change = Change::EditLink { id, edit, by, at };
        match self.parts().files.apply(change).await? {
            Outcome::LinkSet(link) => Ok(link),
            Outcome::Missing => Err(ErrorKind::LinkNotFound.into()),
            outcome => Err(outcome.unexpected()),
        }
    }

    /// Revokes a link of the actor's own, with all its leases, for ever. One that was revoked before stays
    /// so.
    ///
    /// # Errors
    /// As [`managed_link`](Self::managed_link).
    pub async fn revoke_link(&self, actor: &Actor, id: LinkId) -> Result<ManagedLink, Error> {
        let link = self.managed_link(actor, id).await?;
        let by = Author::User(actor.user().id);
        Ok(self.revoke(id, by).await?.unwrap_or(link))
    }

    /// The hash of a link's password. It may have waited for its turn: whoever was logged out or disabled
    /// meanwhile decides nothing more.
    async fn hash_for(&self, actor: &Actor, password: Password) -> Result<PasswordHash, Error> {
        let hash = self.hash(password).await?;
        let user = actor.user();
        self.present(user.id, user.session_epoch).await?;
        Ok(hash)
    }

    /// The link revoked, unless it was before.
    pub(super) async fn revoke(
        &self,
        id: LinkId,
        by: Author,
    ) -> Result<Option<ManagedLink>, Error> {
        let at = self.now();
        match self
            .parts()
            .files
            .apply(Change::RevokeLink { id, by, at })
            .await?
        {
            Outcome::LinkSet(link) => Ok(Some(link)),
            Outcome::Exists => Ok(None),
            Outcome::Missing => Err(ErrorKind::LinkNotFound.into()),
            outcome => Err(outcome.unexpected()),
        }
    }

    /// The files that a new link is to hand over, each once.
    async fn files_for(&self, user: &User, targets: &[String]) -> Result<Vec<File>, Error> {
        if !(1..=ManagedLink::MAX_FILES).contains(&targets.len()) {
            let max = ManagedLink::MAX_FILES;
            return Err(invalid(format!("files: 1 to {max} are needed")));
        }
        let mut files: Vec<File> = Vec::with_capacity(targets.len());
        for target in targets {
            let file = self.find(user, Action::ManageLinks, target).await?;
            let file = file.ok_or_else(|| no_file(target))?;
            if files.iter().any(|other| other.entry.id == file.entry.id) {
                return Err(invalid(format!("files: {target:?} is there twice")));
            }
            files.push(file);
        }
        Ok(files)
    }

    fn checked_lifetime(&self, lifetime: Duration) -> Result<Duration, Error> {
        let max = self.settings().managed_link_lifetime;
        if lifetime < Duration::from_secs(1) || lifetime > max {
            let max = max.as_secs();
            return Err(invalid(format!("expires_in: 1 to {max} seconds are taken")));
        }
        Ok(lifetime)
    }
}

impl LinkRequest {
    fn repeatable(&self, actor: &Actor) -> Repeatable {
        let expires_in = self.expires_in.map(|time| time.as_millis().to_le_bytes());
        let max_downloads = self.max_downloads.map(|max| max.get().to_le_bytes());
        // What is absent is told from what is empty by its length.
        let mut request: Vec<&[u8]> = Vec::new();
        let optional = [
            expires_in.as_ref().map(<[u8; 16]>::as_slice),
            max_downloads.as_ref().map(<[u8; 4]>::as_slice),
            self.password.as_ref().map(|text| text.expose().as_bytes()),
            self.recipient.as_ref().map(|text| text.as_str().as_bytes()),
            self.note.as_ref().map(|text| text.as_str().as_bytes()),
        ];
        for part in optional {
            request.extend([
                part.map_or(&[0_u8][..0], |_| &[1]),
                part.unwrap_or_default(),
            ]);
        }
        request.extend(self.files.iter().map(String::as_bytes));
        let maker = actor.user().id;
        Repeatable::new(self.key.as_ref(), maker.as_bytes(), "link", &request)
    }
}

/// The secret of a link that may be asked for again: the key is as good as it.
fn secret_of(key: &IdempotencyKey, id: LinkId) -> LinkSecret {
    let mut secret = [0; 20];
    secret.copy_from_slice(&key.secret(id.as_bytes())[..20]);
    LinkSecret::from_bytes(secret)
}

fn invalid(detail: String) -> Error {
    Error::from(ErrorKind::InvalidLink).with_detail(detail)
}

fn no_file(target: &str) -> Error {
    Error::from(ErrorKind::FileNotFound).with_detail(format!("files: there is no {target:?}"))
}
