//! Files that are removed, kept, had back and purged; and the sweeper, wherever it fails.

use super::*;
use crate::{
    LifetimesReport,
    audience::{Audience, Principal},
    error::ErrorKind::*,
    group::{GroupEdit, GroupName, Retention},
    id::FileId,
    quota::Quota,
    removal::Removal,
};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A world in which removed files are kept for a day, an operations user and a client.
async fn cast() -> (World, Actor, Actor) {
    let world = World::with(Settings {
        removal_grace: DAY,
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    let ann = world.newcomer("ann", Role::Client).await;
    (world, op, ann)
}

impl World {
    async fn upload_ending(&self, by: &Actor, name: &str, lifetime: Duration) -> File {
        let permit = self.consign.permit_upload(by).unwrap();
        let permit = permit.expiring_in(lifetime).unwrap();
        let body = self.rig.body(vec![Bytes::from_static(b"ends")]);
        let file = self.consign.upload(permit, file_name(name), body).await;
        file.unwrap()
    }

    async fn end_lifetimes(&self) -> Result<LifetimesReport, Error> {
        self.consign.administration().end_lifetimes().await
    }

    async fn removed(&self, by: &Actor) -> Vec<FileId> {
        let page = self.consign.removed_files(by, None, 100).await.unwrap();
        let removed = page.items.iter();
        removed.map(|removed| removed.file.entry.id).collect()
    }

    /// How many blobs and files there are, and how many removed ones.
    async fn all_kept(&self) -> [usize; 3] {
        let now = Timestamp::default();
        let removed = self.store.removed(now, None, 1000).await.unwrap().items;
        let [_, blobs, files] = self.kept().await;
        [blobs, files, removed.len()]
    }
}

#[tokio::test]
async fn a_removed_file_is_nowhere_and_can_be_had_back() {
    let (world, op, ann) = cast().await;
    let consign = &world.consign;
    let file = world.upload(&op, "a.docx", b"bytes").await.unwrap();
    let later = world.upload(&op, "a.docx", b"later").await.unwrap();
    let id = file.entry.id;
    let link = consign.link(&ann, &id.to_string()).await.unwrap();
    let opened = consign.open(&link.token).await.unwrap();
    assert_eq!(consign.delete(&op, id).await.unwrap(), file);
    assert_eq!(world.all_kept().await, [2, 1, 1], "its bytes are kept");

    assert_eq!(refusal(world.download(&link.token).await), InvalidToken);
    let read = opened.read(0..9).await.map(drop);
    assert_eq!(refusal(read), InvalidToken, "though it was opened before");
    for who in [&op, &ann] {
        assert_eq!(refusal(consign.file(who, id).await), FileNotFound);
        let listed = consign.list(who, None, 9).await.unwrap().items;
        assert_eq!(listed, std::slice::from_ref(&later));
    }
    assert_eq!(refusal(consign.delete(&op, id).await), FileNotFound);

    let removed = consign.removed_file(&op, id).await.unwrap();
    assert_eq!(removed.file, file);
    assert_eq!(removed.why, Removal::Asked);
    assert_eq!(removed.removed_by, Author::User(op.user().id));
    assert_eq!(removed.removed_at, START);
    assert_eq!(removed.kept_until, START + DAY);
    assert_eq!(world.removed(&op).await, [id]);
    for refused in [
        refusal(consign.removed_files(&ann, None, 9).await),
        refusal(consign.removed_file(&ann, id).await),
        refusal(consign.restore(&ann, id).await),
        refusal(consign.purge(&ann, id).await),
    ] {
        assert!(matches!(refused, Forbidden(_)), "{refused}");
    }

    world.clock.advance(DAY - Duration::from_millis(1));
    assert_eq!(
        world.end_lifetimes().await.unwrap(),
        LifetimesReport::default()
    );
    let administration = consign.administration();
    let restored = administration.restore_file(id).await.unwrap();
    let mut file = file;
    file.entry.restored_at = restored.entry.restored_at;
    assert_eq!(restored, file);
    assert_eq!(refusal(consign.restore(&op, id).await), FileNotFound);
    let listed = consign.list(&op, None, 9).await.unwrap().items;
    assert_eq!(listed, [later, file], "where it was");
    assert_eq!(world.removed(&op).await, []);
    let link = consign.link(&ann, &id.to_string()).await.unwrap();
    assert_eq!(world.download(&link.token).await.unwrap(), b"bytes");
}

#[tokio::test]
async fn a_link_is_good_again_with_its_file() {
    let (world, op, ann) = cast().await;
    let file = world.upload(&op, "a.docx", b"bytes").await.unwrap();
    let link = world.link(&ann, "a.docx").await;
    world.consign.delete(&op, file.entry.id).await.unwrap();
    assert_eq!(refusal(world.download(&link.token).await), InvalidToken);
    world.consign.restore(&op, file.entry.id).await.unwrap();
    assert_eq!(world.download(&link.token).await.unwrap(), b"bytes");
}

#[tokio::test]
async fn what_is_kept_no_longer_cannot_be_had_back() {
    let (world, op, _) = cast().await;
    let consign = &world.consign;
    let file = world.upload(&op, "a.docx", b"bytes").await.unwrap();
    let id = file.entry.id;
    consign.delete(&op, id).await.unwrap();
    world.clock.advance(DAY);
    // Nobody has swept yet.
    assert_eq!(world.removed(&op).await, []);
    assert_eq!(refusal(consign.removed_file(&op, id).await), FileNotFound);
    assert_eq!(refusal(consign.restore(&op, id).await), FileNotFound);
    assert_eq!(refusal(consign.purge(&op, id).await), FileNotFound);
    let restored = consign.administration().restore_file(id).await;
    assert_eq!(refusal(restored), FileNotFound);
    let purged = LifetimesReport {
        purged: 1,
        ..LifetimesReport::default()
    };
    assert_eq!(world.end_lifetimes().await.unwrap(), purged);
    assert_eq!(world.all_kept().await, [0, 0, 0]);
    let told = EventKind::FilePurged { file: id };
    let last = world.events().await.pop();
    assert_eq!(last, Some((Author::Sweeper, told)));
    assert_eq!(
        world.end_lifetimes().await.unwrap(),
        LifetimesReport::default()
    );
}

#[tokio::test]
async fn a_removed_file_is_removed_for_good_by_whoever_may() {
    let (world, op, _) = cast().await;
    let consign = &world.consign;
    for by_operator in [false, true] {
        let file = world.upload(&op, "a.docx", b"bytes").await.unwrap();
        let id = file.entry.id;
        consign.delete(&op, id).await.unwrap();
        let (gone, by) = match by_operator {
            true => (
                consign.administration().remove_file(id).await,
                Author::Administrator,
            ),
            false => (consign.purge(&op, id).await, Author::User(op.user().id)),
        };
        assert_eq!(gone.unwrap(), file);
        assert_eq!(world.all_kept().await, [0, 0, 0]);
        let told = EventKind::FilePurged { file: id };
        assert_eq!(world.events().await.pop(), Some((by, told)));
        assert_eq!(refusal(consign.purge(&op, id).await), FileNotFound);
    }
    let file = world.upload(&op, "a.docx", b"bytes").await.unwrap();
    let administration = consign.administration();
    administration.remove_file(file.entry.id).await.unwrap();
    assert_eq!(world.all_kept().await, [0, 0, 0], "the operator keeps none");
}

/// Else whoever uploads and removes by turns fills the disk.
#[tokio::test]
async fn what_is_kept_counts_towards_the_quota() {
    let (world, op, _) = cast().await;
    let consign = world.other(|_, settings| {
        settings.quota = Quota {
            files: Some(1),
            bytes: None,
        };
    });
    let upload = async || {
        let permit = consign.permit_upload(&op).unwrap();
        let body = world.rig.body(vec![Bytes::from_static(b"x")]);
        consign.upload(permit, file_name("a.docx"), body).await
    };
    let id = upload().await.unwrap().entry.id;
    consign.delete(&op, id).await.unwrap();
    assert_eq!(refusal(upload().await), OverQuota);
    consign.purge(&op, id).await.unwrap();
    upload().await.unwrap();
}

#[tokio::test]
async fn the_sweeper_ends_what_has_expired() {
    let (world, op, _) = cast().await;
    let consign = &world.consign;
    let kept = world.upload(&op, "kept.docx", b"kept").await.unwrap();
    let mut ids = Vec::new();
    for n in 0..130 {
        let file = world.upload_ending(&op, &format!("{n}.docx"), HOUR).await;
        ids.insert(0, file.entry.id);
    }
    let later = world.upload_ending(&op, "later.docx", HOUR * 2).await;
    assert_eq!(
        world.end_lifetimes().await.unwrap(),
        LifetimesReport::default()
    );
    world.clock.advance(HOUR);
    let expired = LifetimesReport {
        expired: 130,
        ..LifetimesReport::default()
    };
    assert_eq!(world.end_lifetimes().await.unwrap(), expired);
    assert_eq!(world.removed(&op).await, ids[..100]);
    assert_eq!(world.files().await, [later, kept]);
    let told = EventKind::FileRemoved {
        file: ids[0],
        why: Removal::Expired,
        kept_until: Some(START + HOUR + DAY),
    };
    assert!(world.events().await.contains(&(Author::Sweeper, told)));

    // Had back, it does not end at once again.
    let restored = consign.restore(&op, ids[0]).await.unwrap();
    assert_eq!(restored.entry.expires_at, None);
    assert_eq!(
        world.end_lifetimes().await.unwrap(),
        LifetimesReport::default()
    );
    world.clock.advance(DAY);
    let both = LifetimesReport {
        expired: 1,
        purged: 129,
        retained: 0,
    };
    assert_eq!(world.end_lifetimes().await.unwrap(), both);
}

#[tokio::test]
async fn without_a_grace_what_has_expired_is_gone_for_good() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.upload_ending(&op, "a.docx", HOUR).await;
    world.clock.advance(HOUR);
    world.end_lifetimes().await.unwrap();
    assert_eq!(world.all_kept().await, [0, 0, 0]);
}

/// Bytes that are kept are referenced: the sweep of orphans leaves them alone, however old.
#[tokio::test]
async fn the_sweep_leaves_the_bytes_of_removed_files_alone() {
    let (world, op, ann) = cast().await;
    let file = world.upload(&op, "a.docx", b"bytes").await.unwrap();
    world.consign.delete(&op, file.entry.id).await.unwrap();
    let administration = world.consign.administration();
    let report = administration.sweep(Duration::ZERO, |_| ()).await.unwrap();
    assert_eq!(report.blobs_removed, 0);
    world.consign.restore(&op, file.entry.id).await.unwrap();
    let link = world.link(&ann, "a.docx").await;
    assert_eq!(world.download(&link.token).await.unwrap(), b"bytes");
}

/// Wherever it fails, nothing is lost but the bytes of what is gone, and the next run and the sweep of
/// orphans finish it.
#[tokio::test]
async fn the_sweeper_can_fail_at_each_step() {
    let steps = {
        let (world, op, _) = due_and_ended().await;
        world.rig.disarm();
        world.end_lifetimes().await.unwrap();
        drop(op);
        world.rig.steps()
    };
    for step in ["ended", "apply", "due", "delete"] {
        assert!(steps.iter().any(|taken| taken == step), "{steps:?}");
    }
    for (n, step) in steps.into_iter().enumerate() {
        let (world, op, ids) = due_and_ended().await;
        world.rig.fail_nth(n);
        let failed = world.end_lifetimes().await;
        let [blobs, files, removed] = world.all_kept().await;
        assert!(blobs >= files + removed, "{step}: a file without its bytes");
        world.rig.disarm();
        if let Err(error) = failed {
            assert_eq!(error.kind(), Unavailable, "{step}");
        }
        world.end_lifetimes().await.unwrap();
        world.clock.advance(Duration::from_secs(1));
        let administration = world.consign.administration();
        administration.sweep(Duration::ZERO, |_| ()).await.unwrap();
        assert_eq!(world.all_kept().await, [1, 0, 1], "{step}");
        assert_eq!(world.removed(&op).await, [ids[1]], "{step}");
        world.consign.restore(&op, ids[1]).await.unwrap();
    }
}

/// A removed file that is due, and one that has expired.
async fn due_and_ended() -> (World, Actor, [FileId; 2]) {
    let (world, op, _) = cast().await;
    let due = world.upload(&op, "due.docx", b"due").await.unwrap();
    let ends = world.upload_ending(&op, "ends.docx", DAY).await;
    let ids = [due.entry.id, ends.entry.id];
    world.consign.delete(&op, ids[0]).await.unwrap();
    world.clock.advance(DAY);
    (world, op, ids)
}

/// Of the group's files, and as late as the sweeper comes.
#[tokio::test]
async fn the_sweeper_ends_what_a_group_keeps_no_longer() {
    let (world, op, ann) = cast().await;
    let consign = &world.consign;
    let three = Retention::of_days(3).ok();
    let name = GroupName::parse("Müller").unwrap();
    let group = consign.add_group(&op, name, three, None).await.unwrap();
    assert_eq!(group.retention, three);
    let member = username("ann");
    consign.add_member(&op, group.id, &member).await.unwrap();
    let upload = async || {
        let audience = Audience::of([Principal::Group(group.id)]).unwrap();
        let permit = consign.permit_upload(&op).unwrap().sharing_with(audience);
        let body = world.rig.body(vec![Bytes::from_static(b"x")]);
        let file = consign.upload(permit, file_name("a.docx"), body).await;
        file.unwrap().entry.id
    };
    let other = world.upload(&op, "b.docx", b"kept").await.unwrap();
    let first = upload().await;
    world.clock.advance(DAY);
    let second = upload().await;
    world.clock.advance(DAY * 2 - Duration::from_millis(1));
    assert_eq!(
        world.end_lifetimes().await.unwrap(),
        LifetimesReport::default()
    );
    world.clock.advance(Duration::from_millis(1));
    consign
        .file(&ann, first)
        .await
        .expect("nobody has swept yet");
    let one = LifetimesReport {
        retained: 1,
        ..LifetimesReport::default()
    };
    assert_eq!(world.end_lifetimes().await.unwrap(), one);
    assert_eq!(refusal(consign.file(&ann, first).await), FileNotFound);
    let removed = consign.removed_file(&op, first).await.unwrap();
    assert_eq!(
        (removed.why, removed.removed_by),
        (Removal::Retention, Author::Sweeper)
    );

    // Had back, its time begins anew.
    consign.restore(&op, first).await.unwrap();
    assert_eq!(
        world.end_lifetimes().await.unwrap(),
        LifetimesReport::default()
    );
    world.clock.advance(DAY);
    assert_eq!(world.end_lifetimes().await.unwrap(), one);
    assert_eq!(world.removed(&op).await, [second]);
    let longer = GroupEdit::retaining(Retention::of_days(9).ok());
    consign.edit_group(&op, group.id, longer).await.unwrap();
    world.clock.advance(DAY * 2);
    world.end_lifetimes().await.unwrap();
    consign.file(&ann, first).await.unwrap();
    consign.remove_group(&op, group.id).await.unwrap();
    world.clock.advance(DAY * 400);
    world.end_lifetimes().await.unwrap();
    let kept: Vec<_> = world
        .files()
        .await
        .iter()
        .map(|file| file.entry.id)
        .collect();
    assert_eq!(kept, [first, other.entry.id]);
}
