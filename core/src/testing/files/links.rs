use std::num::NonZeroU32;

use super::{
    super::{
        ANSWERS, at_once, promise, promise_eq,
        samples::{sample_entry, sample_lease, sample_link},
        walk,
    },
    Store, add, add_many, events, remove, trail,
};
use crate::{
    event::{Author, EventKind},
    id::{LinkId, UserId},
    link::{Edit, Lease, LinkEdit, ManagedLink},
    store::{Change, Outcome},
    time::Timestamp,
};

const BY: Author = Author::Administrator;
const AT: Timestamp = Timestamp::from_millis(5);

/// Adds the link of [`sample_link`], whose file is there.
async fn add_link(store: &Store, link: &ManagedLink) {
    promise_eq!(
        apply(store, Change::AddLink(link.clone())).await,
        Outcome::LinkSet(link.clone()),
        "AddLink: adds a link of a new id and a new secret, as given"
    );
}

async fn apply(store: &Store, change: Change) -> Outcome {
    store.apply(change).await.expect(ANSWERS)
}

async fn edit(store: &Store, id: LinkId, edit: LinkEdit) -> Outcome {
    let (by, at) = (BY, AT);
    apply(store, Change::EditLink { id, edit, by, at }).await
}

async fn revoke(store: &Store, id: LinkId) -> Outcome {
    let (by, at) = (BY, AT);
    apply(store, Change::RevokeLink { id, by, at }).await
}

fn opening(lease: Lease, revision: u32) -> Change {
    Change::OpenLease {
        lease,
        revision,
        code: None,
        by: Author::Anonymous,
    }
}

async fn by_id(store: &Store, id: LinkId) -> Option<ManagedLink> {
    store.link(id).await.expect(ANSWERS)
}

async fn links(store: &Store, made_by: UserId) -> Vec<ManagedLink> {
    walk(2, None, async |before| {
        store.links(made_by, before, 2).await
    })
    .await
}

/// The link is so in every read.
async fn is_everywhere(store: &Store, link: &ManagedLink, statement: &str) {
    promise_eq!(
        by_id(store, link.id).await.as_ref(),
        Some(link),
        "{statement}"
    );
    let by_secret = store.link_of(link.secret).await.expect(ANSWERS);
    promise_eq!(by_secret.as_ref(), Some(link), "{statement}");
    let listed = links(store, link.made_by).await;
    promise!(listed.contains(link), "{statement}");
}

pub async fn links_are_found_by_id_and_by_secret(store: Store) {
    add_many(&store, 3).await;
    let bare = ManagedLink {
        max_downloads: None,
        password: None,
        recipient: None,
        note: None,
        ..sample_link(2)
    };
    let several = ManagedLink {
        files: [2, 1, 3].map(|n| sample_entry(n).id).into(),
        expires_at: Timestamp::from_millis(0),
        ..sample_link(3)
    };
    for link in [sample_link(1), bare, several] {
        add_link(&store, &link).await;
        is_everywhere(&store, &link, "link, link_of, links: the link as added").await;
    }
    promise_eq!(
        by_id(&store, sample_link(4).id).await,
        None,
        "link: no other"
    );
    let unknown = store.link_of(sample_link(4).secret).await.expect(ANSWERS);
    promise_eq!(unknown, None, "link_of: no other");
}

pub async fn links_are_listed_by_maker_newest_first(store: Store) {
    add_many(&store, 9).await;
    for n in [4, 1, 7, 2, 8, 5] {
        add_link(&store, &sample_link(n)).await;
    }
    let (maker, other) = (sample_link(1).made_by, sample_link(2).made_by);
    promise_eq!(
        links(&store, maker).await,
        [7, 4, 1].map(sample_link),
        "links: those of the user, from the greatest id on"
    );
    promise_eq!(
        links(&store, other).await,
        [8, 5, 2].map(sample_link),
        "links: those of the user alone"
    );
    let page = store.links(maker, Some(sample_link(6).id), 9).await;
    promise_eq!(
        page.expect(ANSWERS).items,
        [4, 1].map(sample_link),
        "links: before an id that need not exist"
    );
    promise_eq!(
        links(&store, sample_link(3).made_by).await,
        [],
        "links: none of somebody who has none"
    );
}

pub async fn a_link_hands_over_files_that_there_are(store: Store) {
    let (first, second) = (sample_entry(1), sample_entry(2));
    add(&store, &first).await;
    let link = ManagedLink {
        files: [first.id, second.id].into(),
        ..sample_link(1)
    };
    promise_eq!(
        apply(&store, Change::AddLink(link.clone())).await,
        Outcome::NoSuchFile(second.id),
        "AddLink: `NoSuchFile` when one of its files is missing"
    );
    promise_eq!(
        by_id(&store, link.id).await,
        None,
        "AddLink: and then nothing is written"
    );
    add(&store, &second).await;
    add_link(&store, &link).await;
    remove(&store, second.id).await;
    is_everywhere(
        &store,
        &link,
        "RemoveFile: the links to it stay as they are",
    )
    .await;
}

pub async fn two_links_never_share_an_id_or_a_secret(store: Store) {
    add_many(&store, 2).await;
    let link = sample_link(1);
    add_link(&store, &link).await;
    for other in [
        ManagedLink {
            id: link.id,
            ..sample_link(2)
        },
        ManagedLink {
            secret: link.secret,
            ..sample_link(2)
        },
    ] {
        promise_eq!(
            apply(&store, Change::AddLink(other)).await,
            Outcome::Exists,
            "AddLink: `Exists` when its id or its secret is taken"
        );
    }
    is_everywhere(&store, &link, "AddLink: a refused one changes nothing").await;
    promise_eq!(
        links(&store, sample_link(2).made_by).await,
        [],
        "AddLink: a refused one is nowhere"
    );
}

pub async fn edits_are_seen_by_every_read(store: Store) {
    add_many(&store, 2).await;
    let (link, other) = (sample_link(1), sample_link(2));
    add_link(&store, &link).await;
    add_link(&store, &other).await;
    let edits = LinkEdit {
        expires_at: Edit::Set(Timestamp::from_millis(77)),
        password: Edit::Set(None),
        recipient: Edit::Set(None),
        ..LinkEdit::default()
    };
    let edited = link.edited(&edits);
    promise_eq!(
        edit(&store, link.id, edits).await,
        Outcome::LinkSet(edited.clone()),
        "EditLink: the link as `ManagedLink::edited` has it"
    );
    is_everywhere(&store, &edited, "EditLink: every read has the edited link").await;
    is_everywhere(&store, &other, "EditLink: no other is changed").await;
    promise_eq!(
        edit(&store, sample_link(3).id, LinkEdit::default()).await,
        Outcome::Missing,
        "EditLink: `Missing` when there is none"
    );
}

pub async fn a_link_is_revoked_once(store: Store) {
    add_many(&store, 1).await;
    let link = sample_link(1);
    add_link(&store, &link).await;
    let revoked = link.revoked(AT).expect("it was not before");
    promise_eq!(
        revoke(&store, link.id).await,
        Outcome::LinkSet(revoked.clone()),
        "RevokeLink: the link as `ManagedLink::revoked` has it"
    );
    is_everywhere(&store, &revoked, "RevokeLink: every read has it").await;
    promise_eq!(
        revoke(&store, link.id).await,
        Outcome::Exists,
        "RevokeLink: `Exists` when it was revoked before"
    );
    promise_eq!(
        revoke(&store, sample_link(2).id).await,
        Outcome::Missing,
        "RevokeLink: `Missing` when there is none"
    );
    promise_eq!(
        apply(&store, opening(sample_lease(1, 1), revoked.revision)).await,
        Outcome::NotOpen,
        "OpenLease: `NotOpen` when the link is revoked"
    );
}

pub async fn leases_are_counted_up_to_the_budget(store: Store) {
    add_many(&store, 1).await;
    let link = ManagedLink {
        max_downloads: NonZeroU32::new(2),
        expires_at: Timestamp::from_millis(1000),
        ..sample_link(1)
    };
    add_link(&store, &link).await;
    let late = Lease {
        opened_at: Timestamp::from_millis(1000),
        ..sample_lease(9, 1)
    };
    promise_eq!(
        apply(&store, opening(late, link.revision)).await,
        Outcome::NotOpen,
        "OpenLease: `NotOpen` from the link's end on"
    );
    for downloads in [1, 2] {
        let lease = sample_lease(downloads, 1);
        let counted = ManagedLink {
            downloads,
            ..link.clone()
        };
        promise_eq!(
            apply(&store, opening(lease.clone(), link.revision)).await,
            Outcome::LinkSet(counted.clone()),
            "OpenLease: counts as a download of its link"
        );
        is_everywhere(&store, &counted, "OpenLease: every read has the count").await;
        promise_eq!(
            store.lease(lease.id).await.expect(ANSWERS),
            Some(lease),
            "lease: the lease as opened"
        );
    }
    promise_eq!(
        apply(&store, opening(sample_lease(3, 1), link.revision)).await,
        Outcome::NotOpen,
        "OpenLease: `NotOpen` when the budget is spent"
    );
    promise_eq!(
        store.lease(sample_lease(3, 1).id).await.expect(ANSWERS),
        None,
        "OpenLease: a refused one is not there"
    );
}

pub async fn a_lease_is_opened_of_the_link_that_was_judged(store: Store) {
    add_many(&store, 2).await;
    let link = sample_link(1);
    add_link(&store, &link).await;
    promise_eq!(
        apply(&store, opening(sample_lease(1, 2), link.revision)).await,
        Outcome::Missing,
        "OpenLease: `Missing` when there is no such link"
    );
    edit(&store, link.id, LinkEdit::default()).await;
    promise_eq!(
        apply(&store, opening(sample_lease(1, 1), link.revision)).await,
        Outcome::Stale,
        "OpenLease: `Stale` when the link was edited since"
    );
    let revision = link.revision + 1;
    apply(&store, opening(sample_lease(1, 1), revision)).await;
    add_link(
        &store,
        &ManagedLink {
            max_downloads: None,
            ..sample_link(2)
        },
    )
    .await;
    promise_eq!(
        apply(&store, opening(sample_lease(1, 2), sample_link(2).revision)).await,
        Outcome::Exists,
        "OpenLease: `Exists` when another lease has its id"
    );
    let other = by_id(&store, sample_link(2).id).await;
    promise_eq!(
        other.map(|link| link.downloads),
        Some(0),
        "OpenLease: a refused one is not counted"
    );
}

pub async fn leases_are_forgotten_once_they_have_ended(store: Store) {
    add_many(&store, 1).await;
    let link = ManagedLink {
        max_downloads: None,
        ..sample_link(1)
    };
    add_link(&store, &link).await;
    // The later opened ends first.
    let ends = [(1, 30), (2, 20), (3, 10)];
    for (n, end) in ends {
        let lease = Lease {
            expires_at: Timestamp::from_millis(end),
            ..sample_lease(n, 1)
        };
        apply(&store, opening(lease, link.revision)).await;
    }
    let forget = |end| Change::ForgetLeases {
        ended_before: Timestamp::from_millis(end),
    };
    promise_eq!(
        apply(&store, forget(10)).await,
        Outcome::Missing,
        "ForgetLeases: `Missing` when none has ended before"
    );
    promise_eq!(
        apply(&store, forget(21)).await,
        Outcome::Forgotten(2),
        "ForgetLeases: all that ended before"
    );
    for (n, end) in ends {
        let found = store.lease(sample_lease(n, 1).id).await.expect(ANSWERS);
        promise_eq!(
            found.is_some(),
            end >= 21,
            "ForgetLeases: those alone that ended before"
        );
    }
    let link = by_id(&store, link.id).await.expect("it is there");
    promise_eq!(link.downloads, 3, "ForgetLeases: links are still counted");
}

pub async fn changes_of_links_leave_a_trail(store: Store) {
    add_many(&store, 1).await;
    let link = sample_link(1);
    let before = trail(&store).await.len();
    add_link(&store, &link).await;
    edit(&store, link.id, LinkEdit::default()).await;
    let lease = sample_lease(1, 1);
    apply(&store, opening(lease.clone(), link.revision + 1)).await;
    revoke(&store, link.id).await;
    // These change nothing, and so tell nothing.
    revoke(&store, link.id).await;
    apply(&store, Change::AddLink(link.clone())).await;
    apply(&store, opening(sample_lease(2, 1), link.revision)).await;
    apply(
        &store,
        Change::ForgetLeases {
            ended_before: Timestamp::from_millis(u64::MAX),
        },
    )
    .await;
    let told = events(trail(&store).await).split_off(before);
    let (kinds, by): (Vec<_>, Vec<_>) =
        told.into_iter().map(|event| (event.kind, event.by)).unzip();
    let expected = [
        EventKind::LinkMade {
            link: link.id,
            files: link.files.to_vec(),
        },
        EventKind::LinkEdited { link: link.id },
        EventKind::LinkLeased {
            link: link.id,
            lease: lease.id,
            recipient: lease.recipient,
        },
        EventKind::LinkRevoked { link: link.id },
    ];
    promise_eq!(kinds, expected, "events: one for each change that is made");
    promise_eq!(
        by,
        [Author::User(link.made_by), BY, Author::Anonymous, BY],
        "events: by whom"
    );
}

pub async fn concurrent_leases_never_exceed_the_budget(store: Store) {
    add_many(&store, 1).await;
    let link = ManagedLink {
        max_downloads: NonZeroU32::new(5),
        ..sample_link(1)
    };
    add_link(&store, &link).await;
    let racers = (1..=16).map(|n| {
        let (store, change) = (store.clone(), opening(sample_lease(n, 1), link.revision));
        async move { apply(&store, change).await }
    });
    let outcomes = at_once(racers).await;
    let opened = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::LinkSet(_)));
    promise_eq!(opened.count(), 5, "OpenLease: never more than the budget");
    let link = by_id(&store, link.id).await.expect("it is there");
    promise_eq!(link.downloads, 5, "OpenLease: each is counted once");
}
