//! Who learns of which downloads, and has receipts of them.

use super::*;
use crate::{
    LinkProof, LinkRequest,
    event::Transfers,
    receipt::{InvalidReceipt, Receipt},
    store::DownloadsOf,
};

const ISSUER: &str = "https://files.example.org";

/// Ann's link for Bob to a file, which Bob has had by a lease, and Ann by a download link.
struct Handed {
    world: World,
    file: File,
    link: crate::id::LinkId,
    op: Actor,
    ann: Actor,
    bob: Actor,
    other: Actor,
}

impl Handed {
    async fn new() -> Self {
        let world = World::new();
        let op = world.newcomer("op", Role::Operations).await;
        let ann = world.newcomer("ann", Role::Client).await;
        let bob = world.newcomer("bob", Role::Client).await;
        let other = world.newcomer("cid", Role::Client).await;
        let file = world.upload(&op, "a.docx", b"0123456789").await.unwrap();
        let request = LinkRequest {
            files: vec!["a.docx".to_owned()],
            recipient: Some("Bob@Example.org".parse().unwrap()),
            ..LinkRequest::default()
        };
        let new = world.consign.make_link(&ann, request).await.unwrap();
        let proof = LinkProof {
            actor: Some(&bob),
            ..LinkProof::default()
        };
        let secret = new.secret.expose();
        let lease = world.consign.open_link(&secret, proof).await.unwrap();
        world.download(&lease.token).await.unwrap();
        let link = world.link(&ann, "a.docx").await;
        world.download(&link.token).await.unwrap();
        let link = new.link.id;
        Self {
            world,
            file,
            link,
            op,
            ann,
            bob,
            other,
        }
    }

    /// The positions of Bob's download and of Ann's.
    async fn positions(&self) -> [u64; 2] {
        let of = DownloadsOf::File(self.file.entry.id);
        let page = self.world.store.downloads(of, None, 10).await.unwrap();
        let positions: Vec<_> = page.items.iter().map(|entry| entry.seq).collect();
        positions.try_into().unwrap()
    }

    async fn receipt(&self, actor: &Actor, position: u64) -> Result<Receipt, Error> {
        self.world.consign.receipt(actor, position, ISSUER).await
    }
}

#[tokio::test]
async fn whether_it_was_downloaded_is_one_call() {
    let handed = Handed::new().await;
    let (consign, file) = (&handed.world.consign, handed.file.entry.id);
    let of_file = async |actor| consign.downloads_of_file(actor, file, None, 10).await;
    let of_link = async |actor| {
        consign
            .downloads_of_link(actor, handed.link, None, 10)
            .await
    };
    let sum = |count| Transfers {
        started: count,
        completed: count,
        bytes: 10 * count,
    };
    for (actor, seen) in [
        (&handed.op, 2),
        (&handed.ann, 1),
        (&handed.bob, 0),
        (&handed.other, 0),
    ] {
        let found = of_file(actor).await.unwrap();
        assert_eq!(found.sum, sum(seen));
        assert_eq!(found.page.items.len() as u64, seen);
    }
    for actor in [&handed.op, &handed.ann] {
        assert_eq!(of_link(actor).await.unwrap().sum, sum(1));
    }
    for actor in [&handed.bob, &handed.other] {
        assert_eq!(refusal(of_link(actor).await), ErrorKind::LinkNotFound);
    }
    consign.delete(&handed.op, file).await.unwrap();
    assert_eq!(of_file(&handed.op).await.unwrap().sum, sum(2), "it was");
    let page = consign.downloads_of_file(&handed.op, file, None, 1).await;
    let page = page.unwrap().page;
    let rest = consign.downloads_of_file(&handed.op, file, page.next, 1);
    assert_eq!(rest.await.unwrap().page.next, None);
}

#[tokio::test]
async fn receipts_are_for_those_whom_it_concerns() {
    let handed = Handed::new().await;
    handed.world.consign.flush_events().await.unwrap();
    let [bobs, anns] = handed.positions().await;
    for (actor, may) in [
        (&handed.op, [true, true]),
        (&handed.ann, [true, true]),
        (&handed.bob, [true, false]),
        (&handed.other, [false, false]),
    ] {
        for (position, may) in [bobs, anns].into_iter().zip(may) {
            let receipt = handed.receipt(actor, position).await;
            match may {
                true => drop(receipt.unwrap()),
                false => assert_eq!(refusal(receipt), ErrorKind::DownloadNotFound),
            }
        }
    }
    for position in [0, 1, anns + 1, u64::MAX] {
        let refused = handed.receipt(&handed.op, position).await;
        assert_eq!(refusal(refused), ErrorKind::DownloadNotFound, "{position}");
    }
    let consign = handed.world.other(|parts, _| parts.evidence = None);
    let refused = consign.receipt(&handed.op, bobs, ISSUER).await;
    assert_eq!(refusal(refused), ErrorKind::NoEvidence);
}

#[tokio::test]
async fn a_receipt_says_who_had_what() {
    let handed = Handed::new().await;
    handed.world.consign.flush_events().await.unwrap();
    let keys = handed.world.consign.evidence_keys().unwrap();
    let [bobs, anns] = handed.positions().await;
    let text = handed.receipt(&handed.ann, bobs).await.unwrap().text();
    let said = Receipt::verified(&text, &keys).unwrap().statement;
    let entry = &handed.file.entry;
    assert_eq!(said.file.sha256, entry.sha256.to_string());
    assert_eq!((said.file.id, said.file.size), (entry.id.to_string(), 10));
    assert_eq!((said.bytes, said.completed), (10, 1));
    assert_eq!(said.client.recipient.as_deref(), Some("Bob@Example.org"));
    assert_eq!(said.client.link, Some(handed.link.to_string()));
    assert_eq!(said.client.user, None);
    assert_eq!(said.issuer, ISSUER);
    assert_eq!(said.completed_at, "2027-01-15T08:00:00Z");
    let text = handed.receipt(&handed.ann, anns).await.unwrap().text();
    let said = Receipt::verified(&text, &keys).unwrap().statement;
    assert_eq!(said.client.username.as_deref(), Some("ann"));
    assert_eq!((said.client.link, said.client.recipient), (None, None));
    let other = [crate::evidence::PublicKey([1; 32])];
    let refused = Receipt::verified(&text, &other);
    assert!(
        matches!(refused, Err(InvalidReceipt::Key(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_was_not_completed_has_no_receipt() {
    let world = World::new();
    let op = world.newcomer("op", Role::Operations).await;
    world.upload(&op, "a.docx", b"0123456789").await.unwrap();
    let ann = world.newcomer("ann", Role::Client).await;
    let link = world.link(&ann, "a.docx").await;
    let file = world.consign.open(&link.token).await.unwrap();
    let part = file.read(0..9).await.unwrap();
    part.try_collect::<Vec<Bytes>>().await.unwrap();
    let found = world
        .consign
        .downloads_of_file(&op, file.file().entry.id, None, 9);
    let found = found.await.unwrap();
    assert_eq!(found.sum.completed, 0);
    let position = found.page.items[0].seq;
    let refused = world.consign.receipt(&op, position, ISSUER).await;
    assert_eq!(refusal(refused), ErrorKind::DownloadNotFound);
}
