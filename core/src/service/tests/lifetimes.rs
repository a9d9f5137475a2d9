//! Files that end: in every way that somebody asks for them.

use super::*;
use crate::{
    FileChanges, LinkProof, LinkRequest, audience::Audience, error::ErrorKind::*, link::Edit,
};

const HOUR: Duration = Duration::from_secs(60 * 60);

impl World {
    async fn upload_for(&self, by: &Actor, name: &str, lifetime: Duration) -> File {
        let permit = self.consign.permit_upload(by).unwrap();
        let permit = permit.expiring_in(lifetime).unwrap();
        let body = self.rig.body(vec![Bytes::from_static(b"bytes")]);
        let file = self.consign.upload(permit, file_name(name), body).await;
        file.unwrap()
    }
}

fn expiring_in(lifetime: impl Into<Option<Duration>>) -> FileChanges {
    FileChanges {
        expires_in: Edit::Set(lifetime.into()),
        ..FileChanges::default()
    }
}

/// Nobody sweeps here: what has ended is gone all the same.
#[tokio::test]
async fn from_its_end_on_a_file_is_not_there_for_anybody() {
    let world = World::new();
    let consign = &world.consign;
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    let older = world.upload(&op, "a.docx", b"older").await.unwrap();
    let file = world.upload_for(&op, "a.docx", HOUR).await;
    let id = file.entry.id;
    assert_eq!(file.entry.expires_at, Some(START + HOUR));
    let link = world.link(&ann, "a.docx").await;
    assert_eq!(link.file, file);
    let request = LinkRequest {
        files: vec![id.to_string()],
        ..LinkRequest::default()
    };
    let managed = consign.make_link(&op, request).await.unwrap();
    let secret = managed.secret.expose().to_string();
    let lease = consign.open_link(&secret, LinkProof::default());
    let lease = lease.await.unwrap().token;
    let opened = consign.open(&link.token).await.unwrap();

    world.clock.set(START + HOUR - Duration::from_millis(1));
    assert_eq!(world.download(&lease).await.unwrap(), b"bytes");
    let listed = consign.list(&ann, None, 9).await.unwrap();
    assert_eq!(listed.items, [file.clone(), older.clone()]);

    world.clock.set(START + HOUR);
    for token in [&link.token, &lease] {
        assert_eq!(refusal(world.download(token).await), InvalidToken);
    }
    assert_eq!(refusal(opened.read(0..9).await.map(drop)), InvalidToken);
    assert_eq!(
        refusal(consign.open_link(&secret, LinkProof::default()).await),
        LinkNotAvailable
    );
    assert_eq!(
        refusal(consign.describe_link(&secret).await),
        LinkNotAvailable
    );
    for who in [&op, &ann] {
        assert_eq!(refusal(consign.file(who, id).await), FileNotFound);
        let listed = consign.list(who, None, 9).await.unwrap();
        assert_eq!(listed.items, std::slice::from_ref(&older));
    }
    let listed = consign.administration().files(None, 9).await.unwrap();
    assert_eq!(listed.items, std::slice::from_ref(&older));
    assert_eq!(world.link(&ann, "a.docx").await.file, older);
    assert_eq!(
        refusal(consign.link(&ann, &id.to_string()).await),
        FileNotFound
    );
    assert_eq!(refusal(consign.delete(&op, id).await), FileNotFound);
    let edit = consign.edit_file(&op, id, expiring_in(None));
    assert_eq!(refusal(edit.await), FileNotFound, "nothing brings it back");
    // Whoever sets the clock back does not either.
    world.clock.set(START);
    assert_eq!(refusal(world.download(&link.token).await), InvalidToken);
    assert_eq!(refusal(consign.file(&op, id).await), FileNotFound);
}

#[tokio::test]
async fn an_end_is_set_moved_and_taken_away() {
    let world = World::new();
    let consign = &world.consign;
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    let file = world.upload(&op, "a.docx", b"a").await.unwrap();
    let id = file.entry.id;
    assert_eq!(file.entry.expires_at, None);
    let edited = consign.edit_file(&op, id, expiring_in(HOUR)).await.unwrap();
    assert_eq!(edited.entry.expires_at, Some(START + HOUR));
    assert_eq!(consign.file(&ann, id).await.unwrap(), edited);
    let both = FileChanges {
        audience: Edit::Set(Audience::nobody()),
        expires_in: Edit::Set(None),
    };
    let edited = consign.edit_file(&op, id, both).await.unwrap();
    assert_eq!(edited.entry.expires_at, None);
    assert_eq!(refusal(consign.file(&ann, id).await), FileNotFound);
    let refused = consign.edit_file(&ann, id, expiring_in(HOUR)).await;
    assert!(matches!(refusal(refused), Forbidden(_)));
    for lifetime in [
        Duration::ZERO,
        Duration::from_millis(999),
        Consign::MAX_FILE_LIFETIME + Duration::from_secs(1),
    ] {
        let edit = consign.edit_file(&op, id, expiring_in(lifetime));
        assert_eq!(refusal(edit.await), InvalidExpiry);
        let permit = consign.permit_upload(&op).unwrap();
        assert_eq!(refusal(permit.expiring_in(lifetime)), InvalidExpiry);
    }
}

#[tokio::test]
async fn a_file_ends_when_the_settings_say_unless_its_uploader_does() {
    let world = World::with(Settings {
        file_lifetime: Some(HOUR),
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    let file = world.upload(&op, "a.docx", b"a").await.unwrap();
    assert_eq!(file.entry.expires_at, Some(START + HOUR));
    let file = world.upload_for(&op, "b.docx", HOUR * 2).await;
    assert_eq!(file.entry.expires_at, Some(START + HOUR * 2));
}
