use super::{
    super::{
        ANSWERS, promise, promise_eq, promise_matches,
        samples::{sample_lease, sample_link, sample_mail},
    },
    Store, add_many, trail,
};
use crate::{
    code::{CodeHash, Codes, NoCode},
    event::Author,
    link::{Edit, LinkEdit, ManagedLink},
    mail::MailId,
    outbox::Queued,
    store::{Change, Outcome},
    time::Timestamp,
};

/// A link of any number of leases, which begins at 0 as far as codes go.
async fn link(store: &Store, n: u32) -> ManagedLink {
    let link = ManagedLink {
        max_downloads: None,
        ..sample_link(n)
    };
    promise_matches!(
        apply(store, Change::AddLink(link.clone())).await,
        Outcome::LinkSet(_),
        "AddLink: adds a link"
    );
    link
}

async fn apply(store: &Store, change: Change) -> Outcome {
    store.apply(change).await.expect(ANSWERS)
}

/// Sends a code, which is this number, by the mail of another.
fn sending(link: &ManagedLink, code: u8, mail: u32, at: u64) -> Change {
    Change::SendCode {
        link: link.id,
        revision: link.revision,
        code: CodeHash([code; 32]),
        mail: sample_mail(mail),
        at: Timestamp::from_secs(at),
    }
}

fn opening(link: &ManagedLink, code: u8, lease: u32, at: u64) -> Change {
    let mut lease = sample_lease(lease, 0);
    lease.link = link.id;
    lease.opened_at = Timestamp::from_secs(at);
    Change::OpenLease {
        lease,
        revision: link.revision,
        code: Some(CodeHash([code; 32])),
        by: Author::Anonymous,
    }
}

async fn mails(store: &Store) -> Vec<Queued> {
    store.mails(100).await.expect(ANSWERS)
}

pub async fn a_code_is_kept_with_the_mail_that_brings_it(store: Store) {
    add_many(&store, 1).await;
    let link = link(&store, 1).await;
    let before = trail(&store).await.len();
    promise_eq!(
        apply(&store, sending(&link, 7, 1, 0)).await,
        Outcome::CodeSent,
        "SendCode: keeps a code"
    );
    promise_eq!(
        mails(&store).await,
        [sample_mail(1)],
        "SendCode: and the mail that brings it"
    );
    promise_eq!(trail(&store).await.len(), before, "SendCode: is no event");
    promise_eq!(
        apply(&store, opening(&link, 8, 1, 10)).await,
        Outcome::WrongCode,
        "OpenLease: `WrongCode` when it is another"
    );
    let none = store.lease(sample_lease(1, 0).id).await.expect(ANSWERS);
    promise_eq!(none, None, "OpenLease: and then it opens nothing");
    promise_matches!(
        apply(&store, opening(&link, 7, 1, 10)).await,
        Outcome::LinkSet(ManagedLink { downloads: 1, .. }),
        "OpenLease: opens by the code that is good"
    );
    promise_eq!(
        apply(&store, opening(&link, 7, 2, 11)).await,
        Outcome::WrongCode,
        "OpenLease: and uses it up"
    );
}

pub async fn a_code_ends_after_its_time_or_too_many_wrong_ones(store: Store) {
    add_many(&store, 2).await;
    let (late, guessed) = (link(&store, 1).await, link(&store, 2).await);
    let end = Codes::LASTS.as_secs();
    apply(&store, sending(&late, 7, 1, 0)).await;
    promise_eq!(
        apply(&store, opening(&late, 7, 1, end)).await,
        Outcome::WrongCode,
        "OpenLease: no code is good from its end on"
    );
    apply(&store, sending(&guessed, 7, 2, 0)).await;
    for n in 0..=Codes::WRONG {
        promise_eq!(
            apply(&store, opening(&guessed, 8, n.into(), 1)).await,
            Outcome::WrongCode,
            "OpenLease: wrong ones are counted"
        );
    }
    promise_eq!(
        apply(&store, opening(&guessed, 7, 9, 1)).await,
        Outcome::WrongCode,
        "OpenLease: a code outlives few wrong ones"
    );
    apply(&store, sending(&guessed, 9, 3, 60)).await;
    promise_matches!(
        apply(&store, opening(&guessed, 9, 9, 61)).await,
        Outcome::LinkSet(_),
        "SendCode: the next is good again"
    );
}

pub async fn an_edit_of_the_recipient_withdraws_the_code(store: Store) {
    add_many(&store, 1).await;
    let known = link(&store, 1).await;
    apply(&store, sending(&known, 7, 1, 0)).await;
    let (by, at) = (Author::Administrator, Timestamp::from_secs(1));
    let id = known.id;
    let mut edited = known;
    for (edit, answer) in [
        (LinkEdit::default(), true),
        (
            LinkEdit {
                recipient: Edit::Set(None),
                ..LinkEdit::default()
            },
            false,
        ),
    ] {
        let change = Change::EditLink {
            id,
            edit: edit.clone(),
            by,
            at,
        };
        apply(&store, change).await;
        edited = edited.edited(&edit);
        if answer {
            continue;
        }
        promise_eq!(
            apply(&store, opening(&edited, 7, 1, 2)).await,
            Outcome::WrongCode,
            "EditLink: with another recipient the code is none any more"
        );
    }
    promise_matches!(
        apply(&store, sending(&edited, 7, 2, 2)).await,
        Outcome::NoCode(NoCode::TooMany { .. }),
        "EditLink: but when it was sent still counts"
    );
}

pub async fn a_code_is_sent_for_the_link_that_was_judged(store: Store) {
    add_many(&store, 2).await;
    let known = link(&store, 1).await;
    promise_eq!(
        apply(&store, sending(&sample_link(2), 7, 1, 0)).await,
        Outcome::Missing,
        "SendCode: `Missing` when there is no such link"
    );
    promise_eq!(
        apply(
            &store,
            sending(&known.edited(&LinkEdit::default()), 7, 1, 0)
        )
        .await,
        Outcome::Stale,
        "SendCode: `Stale` when its revision is another"
    );
    let ended = ManagedLink {
        expires_at: Timestamp::from_secs(5),
        ..sample_link(2)
    };
    apply(&store, Change::AddLink(ended.clone())).await;
    promise_eq!(
        apply(&store, sending(&ended, 7, 1, 5)).await,
        Outcome::NotOpen,
        "SendCode: `NotOpen` when it opens nothing"
    );
    promise_eq!(mails(&store).await, [], "SendCode: no mail goes without");
    apply(&store, sending(&known, 7, 1, 0)).await;
    promise_eq!(
        apply(&store, sending(&known, 8, 2, 59)).await,
        Outcome::NoCode(NoCode::JustSent),
        "SendCode: `NoCode` as `Codes::with` has it"
    );
    promise_eq!(
        apply(&store, sending(&known, 8, 1, 60)).await,
        Outcome::Exists,
        "SendCode: `Exists` when another mail has the id"
    );
    promise_eq!(
        mails(&store).await,
        [sample_mail(1)],
        "SendCode: what is refused sends nothing"
    );
    promise_matches!(
        apply(&store, opening(&known, 7, 1, 61)).await,
        Outcome::LinkSet(_),
        "SendCode: and leaves the code as it was"
    );
}

pub async fn mails_wait_in_the_order_in_which_they_are_due(store: Store) {
    add_many(&store, 3).await;
    for n in [2, 3, 1] {
        let link = link(&store, n).await;
        apply(&store, sending(&link, 7, n, 0)).await;
    }
    promise_eq!(
        mails(&store).await,
        [1, 2, 3].map(sample_mail),
        "mails: those that are due first come first"
    );
    let two = store.mails(2).await.expect(ANSWERS);
    promise_eq!(two.len(), 2, "mails: at most so many");
    let at = Timestamp::from_secs(100);
    let (id, attempts) = (sample_mail(1).mail.id, 0);
    let tried = sample_mail(1).tried(at);
    promise_eq!(
        apply(&store, Change::TryMail { id, attempts, at }).await,
        Outcome::MailSet(tried.clone()),
        "TryMail: the mail as `Queued::tried` has it"
    );
    promise_eq!(
        mails(&store).await,
        [sample_mail(2), sample_mail(3), tried],
        "TryMail: it waits where it is due now"
    );
    promise_eq!(
        apply(&store, Change::TryMail { id, attempts, at }).await,
        Outcome::Stale,
        "TryMail: `Stale` when it was tried since"
    );
    let id = sample_mail(2).mail.id;
    promise_eq!(
        apply(&store, Change::DropMail { id }).await,
        Outcome::MailSet(sample_mail(2)),
        "DropMail: it waits no more"
    );
    for id in [id, MailId::from_bytes([9; 16])] {
        for change in [
            Change::DropMail { id },
            Change::TryMail { id, attempts, at },
        ] {
            promise_eq!(
                apply(&store, change).await,
                Outcome::Missing,
                "DropMail, TryMail: `Missing` when it does not wait"
            );
        }
    }
    promise!(
        mails(&store).await.len() == 2,
        "DropMail: the others wait on"
    );
}
