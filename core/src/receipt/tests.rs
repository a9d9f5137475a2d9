use proptest::prelude::*;

use super::*;
use crate::{
    event::{Event, EventKind},
    evidence::{Ed25519Signer, EvidenceKeys},
    testing::{SeededEntropy, sample_download, sample_user},
    trail,
    user::Role,
};

fn signer(seed: u64) -> Ed25519Signer {
    let now = Timestamp::from_millis(1);
    Ed25519Signer::new(&EvidenceKeys::generate(&SeededEntropy::new(seed), now))
}

fn receipt(n: u32) -> Receipt {
    let event = sample_download(n);
    let EventKind::Download(download) = &event.kind else {
        panic!("it is a download");
    };
    let user = sample_user(n, Role::Client);
    let client = Client::of(download, n.is_multiple_of(3).then_some(&user));
    let writer = WriterId::ONLY;
    let entry = Recorded {
        seq: 9,
        writer,
        number: 9,
        hash: trail::link(EntryHash::NONE, writer, 9, &event),
        event: Event {
            at: Timestamp::from_millis(1_800_000_000_123),
            ..event.clone()
        },
    };
    let now = Timestamp::from_secs(1_800_000_060);
    let issuer = "https://files.example.org";
    Receipt::sign(&entry, download, client, issuer, now, &signer(1))
}

/// A change of this text is a change of the format: receipts that were given would be good no more.
#[test]
fn what_is_signed_stays_as_it_is() {
    let receipt = receipt(1);
    let Statement {
        entry, file, key, ..
    } = &receipt.statement;
    let (hash, id, sha256) = (entry.hash, &file.id, &file.sha256);
    let lease = receipt.statement.client.lease.as_deref().unwrap();
    let link = receipt.statement.client.link.as_deref().unwrap();
    let expected = format!(
        "consign receipt 1\n{{\"bytes\":1,\"client\":{{\"lease\":\"{lease}\",\"link\":\"{link}\",\
         \"recipient\":\"recipient0@example.org\",\"user\":null,\"username\":null}},\"completed\":1,\
         \"completed_at\":\"2027-01-15T08:00:00.123Z\",\
         \"entry\":{{\"hash\":\"{hash}\",\"number\":9,\"writer\":0}},\
         \"file\":{{\"id\":\"{id}\",\"name\":\"report 0.docx\",\"sha256\":\"{sha256}\",\"size\":0}},\
         \"format\":\"consign receipt 1\",\"issued_at\":\"2027-01-15T08:01:00Z\",\
         \"issuer\":\"https://files.example.org\",\"key\":\"{key}\"}}"
    );
    assert_eq!(receipt.statement.signed_text(), expected);
}

#[test]
fn a_receipt_is_verified_by_its_key_alone() {
    let text = receipt(3).text();
    let (key, other) = (signer(1).key(), signer(2).key());
    assert_eq!(Receipt::verified(&text, &[other, key]).unwrap(), receipt(3));
    let refused = Receipt::verified(&text, &[other]);
    assert!(
        matches!(refused, Err(InvalidReceipt::Key(_))),
        "{refused:?}"
    );
    // White space between its members says nothing.
    let spaced: serde_json::Value = serde_json::from_str(&text).unwrap();
    let spaced = serde_json::to_string_pretty(&spaced).unwrap();
    assert!(Receipt::verified(&spaced, &[key]).is_ok());
    for (text, expected) in [
        (text.replace("receipt 1", "receipt 2"), "form"),
        (text.replace("\"completed\":1", "\"completed\":2"), "wrong"),
        (
            text.replace("\"bytes\"", "\"more\":1,\"bytes\""),
            "not a receipt",
        ),
        (
            text.replace("\"bytes\"", "\"bytes\":7,\"bytes\""),
            "not a receipt",
        ),
        (String::new(), "not a receipt"),
    ] {
        let refused = Receipt::verified(&text, &[key]).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}: {text}");
    }
}

proptest! {
    /// Any byte. One that changes nothing of what is said is none: another way to write a letter.
    #[test]
    fn no_other_byte_is_left_unseen(n in 0..9_u32, at: prop::sample::Index, to: u8) {
        let good = receipt(n);
        let mut bytes = good.text().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let text = String::from_utf8(bytes).unwrap_or_default();
        if let Ok(verified) = Receipt::verified(&text, &[signer(1).key()]) {
            prop_assert_eq!(verified, good);
        }
    }
}
