use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_core::Stream;

use crate::{
    audience::{Audience, Principal},
    error::{Error, ErrorKind},
    file::{File, FileEntry, FileName, MediaType, Seq},
    id::{BlobKey, FileId},
    intake::{self, IntakeError},
    once::{IdempotencyKey, Made},
    policy::{self, Action},
    quota::Quota,
    service::room::UploadRoom,
    service::{
        Actor, Consign,
        lifetimes::{self, end},
        once::Repeatable,
    },
    store::{BodyError, Change, Outcome, Page, Received, StagedContent, StoreError, receive},
    user::User,
};

/// Leave to upload a file: the proof that the permission check ran.
#[derive(Debug)]
pub struct UploadPermit {
    uploader: User,
    expected: u64,
    audience: Audience,
    lifetime: Option<Duration>,
    key: Option<IdempotencyKey>,
}

impl UploadPermit {
    /// The file is added once, however often it is sent within a day: each time it is the same version.
    #[must_use]
    pub fn once(self, key: IdempotencyKey) -> Self {
        let key = Some(key);
        Self { key, ..self }
    }

    /// The file is for these, and not for whom it is
    /// [unless said otherwise](crate::Settings::audience).
    #[must_use]
    pub fn sharing_with(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// The file expires so long after its upload, and not as
    /// [the settings](crate::Settings::file_lifetime) say. What is left of a second at its end is cut off.
    ///
    /// # Errors
    /// [`InvalidExpiry`](ErrorKind::InvalidExpiry) when it is shorter than a second or longer than
    /// [`Consign::MAX_FILE_LIFETIME`].
    pub fn expiring_in(self, lifetime: Duration) -> Result<Self, Error> {
        let lifetime = Some(lifetimes::checked(lifetime)?);
        Ok(Self { lifetime, ..self })
    }

    /// At least this many bytes will come: where there is no room for them, the upload is refused
    /// before the first.
    #[must_use]
    pub fn expecting(self, bytes: u64) -> Self {
        Self {
            expected: bytes,
            ..self
        }
    }
}

impl Consign {
    /// Asks whether the actor may upload, before a byte of the file is taken.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden).
    pub fn permit_upload(&self, actor: &Actor) -> Result<UploadPermit, Error> {
        actor.demand(Action::Upload)?;
        Ok(UploadPermit {
            uploader: actor.user().clone(),
            expected: 0,
            audience: self.default_audience(actor),
            lifetime: self.settings().file_lifetime,
            key: None,
        })
    }

    /// Whom a file of the actor's is for unless they say otherwise: as the
    /// [settings](crate::Settings::audience) have it, but for nobody where it must not be for everybody.
    pub fn default_audience(&self, actor: &Actor) -> Audience {
        let audience = self.settings().audience.clone();
        let reaches = policy::may_share_with_all(actor.user());
        match audience == Audience::everybody() && !reaches {
            true => Audience::nobody(),
            false => audience,
        }
    }

    /// What may be uploaded, in words: see [`Intake::accepts`](crate::intake::Intake::accepts).
    pub fn accepted_types(&self) -> String {
        self.parts().intake.accepts().into_owned()
    }

    /// Stores a file. When it returns, the file survives a power cut; when it fails, nothing of it
    /// is kept, unless a store is [`Unavailable`](ErrorKind::Unavailable): then nobody can tell. Dropped before the body has ended, nothing of it is kept either, once what was
    /// received has been removed in the background.
    ///
    /// [`store::body`](crate::store::body) makes a body of bytes in memory.
    ///
    /// # Errors
    /// [`UnsupportedType`](ErrorKind::UnsupportedType), [`TooLarge`](ErrorKind::TooLarge),
    /// [`Incomplete`](ErrorKind::Incomplete), [`Full`](ErrorKind::Full),
    /// [`UserNotFound`](ErrorKind::UserNotFound) and [`GroupNotFound`](ErrorKind::GroupNotFound) for those it is to be for,
    /// [`OverQuota`](ErrorKind::OverQuota), [`OtherRequest`](ErrorKind::OtherRequest);
    /// [`FileNotFound`](ErrorKind::FileNotFound) when it was added before and is gone;
    /// [`InvalidToken`](ErrorKind::InvalidToken) or [`Forbidden`](ErrorKind::Forbidden) when
    /// the uploader was logged out, disabled or demoted while the file came in.
    pub async fn upload<S>(
        &self,
        permit: UploadPermit,
        name: FileName,
        body: S,
    ) -> Result<File, Error>
    where
        S: Stream<Item = Result<Bytes, BodyError>>,
    {
        let parts = self.parts();
        parts.intake.check_name(&name)?;
        let check_head = |head: &[u8]| Ok(parts.intake.check_head(&name, head)?);
        let limit = self.settings().max_upload;
        if permit.expected > limit {
            return Err(ErrorKind::TooLarge { limit }.into());
        }
        // What was added before takes no more room, and is for whom it was then. It is not added again,
        // though its key be forgotten meanwhile.
        let is_known = self.is_known(&permit).await?;
        let (room, quota) = match is_known {
            true => (Quota::NONE, Quota::NOTHING),
            false => {
                self.check_audience(&permit.uploader, &permit.audience)
                    .await?;
                (self.settings().quota, self.settings().quota)
            }
        };
        // Reserved as the upload begins, so that uploads at the same time stay within the quota.
        let mut room = UploadRoom::reserve(self, permit.uploader.id, room, permit.expected).await?;
        let received = receive(
            &parts.blobs,
            &self.0.held,
            body,
            limit,
            &mut room,
            intake::HEAD_LEN,
            check_head,
        )
        .await?;
        room.settle(received.stored());
        let (received, verdict) = self.inspect(received, name.clone()).await?;
        let media_type = match self.settle(verdict, &permit, is_known).await {
            Ok(media_type) => media_type,
            Err(error) => {
                received.discard().await;
                return Err(error);
            }
        };
        let uploaded_at = self.now();
        let entry = FileEntry {
            id: FileId::random(&*parts.entropy),
            blob: BlobKey::random(&*parts.entropy),
            name,
            size: received.size(),
            media_type,
            sha256: received.sha256(),
            crc32: Some(received.crc32()),
            uploaded_at,
            uploaded_by: permit.uploader.id,
            uploader: permit.uploader.username.as_str().into(),
            audience: permit.audience.clone(),
            expires_at: permit.lifetime.map(|lifetime| end(uploaded_at, lifetime)),
            restored_at: None,
        };
        // From here on it is finished whether or not anybody still waits for the answer: half-way,
        // nobody could say whether the file is there.
        let consign = self.clone();
        let repeatable = repeatable(&entry, permit.lifetime, permit.key.as_ref());
        tokio::spawn(async move {
            consign
                .finish(received, entry, quota, repeatable, room)
                .await
        })
        .await
        .map_err(|failure| Error::new(ErrorKind::Internal, failure))?
    }

    /// At most `limit` files that the actor sees, newest first, older than position `before`.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden).
    pub async fn list(
        &self,
        actor: &Actor,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<File, Seq>, Error> {
        actor.demand(Action::List)?;
        let files = &self.parts().files;
        let mut scope = self.scope(actor.user()).await?;
        loop {
            let page = files.list(&scope, self.now(), before, limit.max(1)).await?;
            if self.is_still(actor.user(), &mut scope).await? {
                return Ok(page);
            }
        }
    }

    async fn inspect(
        &self,
        received: Received,
        name: FileName,
    ) -> Result<(Received, Result<MediaType, IntakeError>), Error> {
        let turn = Arc::clone(&self.0.inspecting).acquire_owned().await;
        let turn = turn.expect("the semaphore is never closed");
        let intake = Arc::clone(&self.parts().intake);
        // The turn ends when the work does, even if nobody waits for it any more.
        let look = move |content: &mut StagedContent| {
            let _turn = turn;
            intake.inspect(&name, content)
        };
        received.inspect(look).await
    }

    /// The verdict, if the uploader may still upload: a body can take hours to come in.
    async fn settle(
        &self,
        verdict: Result<MediaType, IntakeError>,
        permit: &UploadPermit,
        is_known: bool,
    ) -> Result<MediaType, Error> {
        let media_type = verdict.map_err(|error| match error {
            IntakeError::Refused(refusal) => refusal.into(),
            IntakeError::Io(error) => Error::from(StoreError::from_io(error)),
        })?;
        let before = &permit.uploader;
        let user = self.present(before.id, before.session_epoch).await?;
        if !policy::allows(&user, Action::Upload) {
            return Err(ErrorKind::Forbidden(Action::Upload).into());
        }
        // They may have been confined since, or have lost a client.
        if !is_known {
            self.check_audience(&user, &permit.audience).await?;
        }
        Ok(media_type)
    }

    /// Whether something was uploaded by the permit's key before. The catalogue asks whether it was the same.
    async fn is_known(&self, permit: &UploadPermit) -> Result<bool, Error> {
        let Some(key) = &permit.key else {
            return Ok(false);
        };
        let uploader = permit.uploader.id;
        let repeatable = Repeatable::new(Some(key), uploader.as_bytes(), "upload", &[]);
        self.is_remembered(repeatable).await
    }

    /// Its `room` is kept until the catalogue has said whether it counts the file.
    async fn finish(
        &self,
        received: Received,
        entry: FileEntry,
        quota: Quota,
        repeatable: Repeatable,
        mut room: UploadRoom,
    ) -> Result<File, Error> {
        let parts = self.parts();
        let blob = entry.blob;
        let _hold = self.0.held.hold_blob(blob);
        received.publish(blob).await?;
        room.is_recorded();
        let change = Change::AddFile { entry, quota };
        let (refused, before) = match self.apply_once(repeatable, change).await {
            Ok(Outcome::Added(file)) => {
                self.0.meters.uploads.increment(1);
                self.0.meters.upload_bytes.increment(file.entry.size);
                return Ok(file);
            }
            Ok(Outcome::Repeated(Made::File(id))) => (ErrorKind::FileNotFound.into(), Some(id)),
            Ok(Outcome::OverQuota) => (ErrorKind::OverQuota.into(), None),
            Ok(Outcome::NoSuchGroup(_)) => (ErrorKind::GroupNotFound.into(), None),
            Ok(outcome) => (outcome.unexpected(), None),
            // Whether the catalogue took the file is not known: the sweeper will see.
            Err(error)
                if !matches!(
                    error.kind(),
                    ErrorKind::Full | ErrorKind::Busy | ErrorKind::OtherRequest
                ) =>
            {
                return Err(error);
            }
            Err(error) => (error, None),
        };
        if let Err(error) = parts.blobs.delete(blob).await {
            tracing::warn!(%blob, %error, "refused bytes remain; the sweeper will remove them");
        }
        match before {
            Some(id) => Ok(self.there(id).await?.ok_or(refused)?),
            None => Err(refused),
        }
    }
}

/// What is asked for is this content under this name for these, for so long.
fn repeatable(
    entry: &FileEntry,
    lifetime: Option<Duration>,
    key: Option<&IdempotencyKey>,
) -> Repeatable {
    let principals = entry.audience.principals().iter();
    let audience = principals.flat_map(|principal| {
        let (kind, id) = match principal {
            Principal::Everybody => (0, [0; 16]),
            Principal::User(id) => (1, *id.as_bytes()),
            Principal::Group(id) => (2, *id.as_bytes()),
        };
        [kind].into_iter().chain(id)
    });
    let audience: Vec<u8> = audience.collect();
    // A length of its own tells one that has no end.
    let lifetime = lifetime.map(|lifetime| lifetime.as_millis().to_le_bytes());
    let lifetime = lifetime.as_ref().map_or(&[][..], |bytes| bytes);
    let name = entry.name.as_str().as_bytes();
    let request = [name, &entry.sha256.0, &audience, lifetime];
    Repeatable::new(key, entry.uploaded_by.as_bytes(), "upload", &request)
}
