use proptest::prelude::*;

use super::*;
use crate::{
    audience::{Audience, Principal},
    event::{Author, EventKind, Recorded, Transfers},
    file::FileName,
    group::{GroupName, Retention},
    id::{FileId, GroupId, LeaseId, LinkId, UserId},
    removal::Removal,
    testing::{sample_download, sample_entry, sample_event},
    time::Timestamp,
    user::{Role, Status},
};

const ID: [u8; 16] = [0xAB; 16];
const HEX: &str = "abababababababababababababababab";

fn text(kind: EventKind) -> String {
    let event = Event {
        at: Timestamp::from_millis(7),
        by: Author::Anonymous,
        kind,
    };
    let text = event.text();
    let framed = text.strip_prefix("{\"at\":7,").map(str::to_owned);
    framed.unwrap_or(text)
}

/// A change of these texts is a change of the format: what was chained before would be found to be edited.
#[test]
fn the_text_of_each_kind_stays_as_it_is() {
    let (user, file, link) = (
        UserId::from_bytes(ID),
        FileId::from_bytes(ID),
        LinkId::from_bytes(ID),
    );
    let (group, lease) = (GroupId::from_bytes(ID), LeaseId::from_bytes(ID));
    let name = FileName::parse("é \"a\".docx").unwrap();
    let sha256 = crate::file::Sha256([1; 32]);
    let called = GroupName::parse("Müller").unwrap();
    let role = Role::Client;
    let audience = Audience::of([Principal::User(user), Principal::Group(group)]).unwrap();
    let downloads = Transfers {
        started: 1,
        completed: 2,
        bytes: u64::MAX,
    };
    let recipient = Some("Ann@example.org".parse().unwrap());
    let by = r#""by":"anonymous""#;
    let ones = "01".repeat(32);
    let cases = [
        (
            EventKind::UserRegistered { user, role },
            format!(r#"{by},"kind":"user registered","role":"client","user":"{HEX}"}}"#),
        ),
        (
            EventKind::StatusChanged {
                user,
                status: Status::Disabled,
            },
            format!(r#"{by},"kind":"status changed","status":"disabled","user":"{HEX}"}}"#),
        ),
        (
            EventKind::RoleChanged { user, role },
            format!(r#"{by},"kind":"role changed","role":"client","user":"{HEX}"}}"#),
        ),
        (
            EventKind::PasswordChanged { user },
            format!(r#"{by},"kind":"password changed","user":"{HEX}"}}"#),
        ),
        (
            EventKind::SessionsEnded { user },
            format!(r#"{by},"kind":"sessions ended","user":"{HEX}"}}"#),
        ),
        (
            EventKind::FileAdded { file, name, sha256 },
            format!(
                r#"{by},"file":"{HEX}","kind":"file added","name":"é \"a\".docx","sha256":"{ones}"}}"#
            ),
        ),
        (
            EventKind::FileRemoved {
                file,
                why: Removal::Asked,
                kept_until: None,
            },
            format!(
                r#"{by},"file":"{HEX}","kept_until":null,"kind":"file removed","reason":"removed"}}"#
            ),
        ),
        (
            EventKind::FileRemoved {
                file,
                why: Removal::Expired,
                kept_until: Some(Timestamp::from_millis(1_500)),
            },
            format!(
                r#"{by},"file":"{HEX}","kept_until":1500,"kind":"file removed","reason":"expired"}}"#
            ),
        ),
        (
            EventKind::FileRestored { file },
            format!(r#"{by},"file":"{HEX}","kind":"file restored"}}"#),
        ),
        (
            EventKind::FilePurged { file },
            format!(r#"{by},"file":"{HEX}","kind":"file purged"}}"#),
        ),
        (
            EventKind::AudienceChanged { file, audience },
            format!(
                r#""audience":["user {HEX}","group {HEX}"],{by},"file":"{HEX}","kind":"audience changed"}}"#
            ),
        ),
        (
            EventKind::ExpiryChanged {
                file,
                expires_at: Some(Timestamp::from_millis(1_500)),
            },
            format!(r#"{by},"expires_at":1500,"file":"{HEX}","kind":"expiry changed"}}"#),
        ),
        (
            EventKind::ExpiryChanged {
                file,
                expires_at: None,
            },
            format!(r#"{by},"expires_at":null,"file":"{HEX}","kind":"expiry changed"}}"#),
        ),
        (
            EventKind::GroupAdded {
                group,
                name: called.clone(),
            },
            format!(r#"{by},"group":"{HEX}","kind":"group added","name":"Müller"}}"#),
        ),
        (
            EventKind::GroupRenamed {
                group,
                name: called,
            },
            format!(r#"{by},"group":"{HEX}","kind":"group renamed","name":"Müller"}}"#),
        ),
        (
            EventKind::RetentionChanged {
                group,
                retention: Retention::of_days(30).ok(),
            },
            format!(r#"{by},"group":"{HEX}","kind":"retention changed","retention_days":30}}"#),
        ),
        (
            EventKind::RetentionChanged {
                group,
                retention: None,
            },
            format!(r#"{by},"group":"{HEX}","kind":"retention changed","retention_days":null}}"#),
        ),
        (
            EventKind::FileRemoved {
                file,
                why: Removal::Retention,
                kept_until: None,
            },
            format!(
                r#"{by},"file":"{HEX}","kept_until":null,"kind":"file removed","reason":"retention"}}"#
            ),
        ),
        (
            EventKind::GroupRemoved { group },
            format!(r#"{by},"group":"{HEX}","kind":"group removed"}}"#),
        ),
        (
            EventKind::MemberAdded { group, user },
            format!(r#"{by},"group":"{HEX}","kind":"member added","user":"{HEX}"}}"#),
        ),
        (
            EventKind::MemberRemoved { group, user },
            format!(r#"{by},"group":"{HEX}","kind":"member removed","user":"{HEX}"}}"#),
        ),
        (
            EventKind::LinkMade {
                link,
                files: vec![file, file],
            },
            format!(r#"{by},"files":["{HEX}","{HEX}"],"kind":"link made","link":"{HEX}"}}"#),
        ),
        (
            EventKind::LinkEdited { link },
            format!(r#"{by},"kind":"link edited","link":"{HEX}"}}"#),
        ),
        (
            EventKind::LinkRevoked { link },
            format!(r#"{by},"kind":"link revoked","link":"{HEX}"}}"#),
        ),
        (
            EventKind::LinkLeased {
                link,
                lease,
                recipient,
            },
            format!(
                r#"{by},"kind":"link leased","lease":"{HEX}","link":"{HEX}","recipient":"Ann@example.org"}}"#
            ),
        ),
        (
            EventKind::LinkLeased {
                link,
                lease,
                recipient: None,
            },
            format!(
                r#"{by},"kind":"link leased","lease":"{HEX}","link":"{HEX}","recipient":null}}"#
            ),
        ),
        (
            EventKind::SignedIn { user, times: 3 },
            format!(r#"{by},"kind":"signed in","times":3,"user":"{HEX}"}}"#),
        ),
        (
            EventKind::SignInFailed {
                user: None,
                times: 1,
            },
            format!(r#"{by},"kind":"sign-in failed","times":1,"user":null}}"#),
        ),
        (
            EventKind::Crowded {
                signed_in: 1,
                failed: 2,
                downloads,
            },
            format!(
                r#"{by},"bytes":18446744073709551615,"completed":2,"failed":2,"kind":"crowded","signed_in":1,"started":1}}"#
            ),
        ),
    ];
    for (kind, expected) in cases {
        assert_eq!(text(kind), expected);
    }
    let (entry, lease) = (sample_entry(1), LeaseId::from_bytes([0; 16]));
    let EventKind::Download(mut download) = sample_download(4).kind else {
        panic!("it is a download");
    };
    download.by_lease.as_mut().unwrap().lease = lease;
    let (id, sha256) = (entry.id, entry.sha256);
    assert_eq!(
        text(EventKind::Download(download)),
        format!(
            r#""by":"anonymous","bytes":1004,"completed":0,"file":"{id}","kind":"download","lease":"{lease}","link":"{id}","name":"report 1.docx","recipient":"recipient1@example.org","sha256":"{sha256}","size":1000,"started":5}}"#
        )
    );
    let by = |by| Event {
        by,
        ..sample_event(1)
    };
    assert!(
        by(Author::Administrator)
            .text()
            .contains(r#","by":"administrator","#)
    );
    assert!(
        by(Author::User(UserId::from_bytes(ID)))
            .text()
            .contains(&format!(r#","by":"{HEX}","#))
    );
}

/// Computed by `sha256sum`, of the text that the module's page tells.
#[test]
fn an_entrys_hash_stays_as_it_is() {
    let event = Event {
        at: Timestamp::from_millis(1_800_000_000_000),
        by: Author::Administrator,
        kind: EventKind::FileRemoved {
            file: FileId::from_bytes(ID),
            why: Removal::Asked,
            kept_until: None,
        },
    };
    let first = link(EntryHash::NONE, WriterId::ONLY, 1, &event);
    assert_eq!(first.to_string(), FIRST);
    let second = link(first, WriterId(7), 2, &event);
    assert_eq!(second.to_string(), SECOND);
    assert_eq!(first.to_string().parse(), Ok(first));
}

const FIRST: &str = "560e6b30878d58e8e9b85896b526943905f44e3c1f98e10fcc81bf2712a6eef4";
const SECOND: &str = "1abd240388d1953fcff458537d6dd1ceff5ecf2e9eeb949f9cf5f687b7d760e2";

#[cfg(feature = "evidence")]
mod chains {
    use super::*;
    use crate::{
        evidence::{Ed25519Signer, EvidenceKeys, EvidenceSigner, KeyId, Signature},
        testing::SeededEntropy,
    };

    fn signer(n: u8) -> Ed25519Signer {
        let entropy = SeededEntropy::new(n.into());
        Ed25519Signer::new(&EvidenceKeys::generate(&entropy, Timestamp::from_millis(1)))
    }

    fn event(n: u32) -> Event {
        match n % 2 {
            0 => sample_event(n),
            _ => sample_download(n),
        }
    }

    /// Chains of these writers, entry by entry, and a checkpoint behind every third and behind the last
    /// of each.
    fn trail(writers: &[u8]) -> Vec<Line> {
        let mut ends = [(0_u64, EntryHash::NONE); 4];
        let mut lines = Vec::new();
        for (n, writer) in (0..).zip(writers) {
            let (number, hash) = &mut ends[usize::from(*writer)];
            let id = WriterId(u32::from(*writer));
            *number += 1;
            *hash = link(*hash, id, *number, &event(n));
            let recorded = Recorded {
                seq: 0,
                writer: id,
                number: *number,
                hash: *hash,
                event: event(n),
            };
            let head = recorded.head();
            lines.push(Line::Entry(recorded));
            let is_last = !writers[n as usize + 1..].contains(writer);
            if n % 3 == 2 || is_last {
                let at = Timestamp::from_millis(n.into());
                lines.push(Line::Checkpoint(Checkpoint::sign(head, at, &signer(0))));
            }
        }
        lines
    }

    #[derive(Clone, Debug, PartialEq)]
    enum Line {
        Entry(Recorded),
        Checkpoint(Checkpoint),
    }

    fn verify(lines: &[Line]) -> Result<Verified, Flaw> {
        let mut verifier = Verifier::new(vec![signer(0).key()]);
        for line in lines {
            match line {
                Line::Entry(recorded) => verifier.recorded(recorded)?,
                Line::Checkpoint(checkpoint) => verifier.checkpoint(checkpoint)?,
            }
        }
        verifier.finish()
    }

    fn export(lines: &[Line]) -> Vec<String> {
        let lines = lines.iter().map(|line| match line {
            Line::Entry(recorded) => ExportedLine::of_entry(recorded),
            Line::Checkpoint(checkpoint) => ExportedLine::of_checkpoint(checkpoint),
        });
        lines.collect()
    }

    /// `None` where a line cannot be read.
    fn verify_export(lines: &[impl AsRef<str>]) -> Option<Result<Verified, Flaw>> {
        let mut verifier = Verifier::new(vec![signer(0).key()]);
        for line in lines {
            let line = ExportedLine::parse(line.as_ref()).ok()?;
            if let Err(flaw) = verifier.line(&line) {
                return Some(Err(flaw));
            }
        }
        Some(verifier.finish())
    }

    fn any_writers() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0..4_u8, 1..30)
    }

    proptest! {
        #[test]
        fn a_sound_trail_is_verified_and_so_is_its_export(writers in any_writers()) {
            let lines = trail(&writers);
            let verified = verify(&lines).unwrap();
            prop_assert_eq!(verified.entries, writers.len() as u64);
            prop_assert_eq!(verified.unvouched, 0);
            prop_assert_eq!(verify_export(&export(&lines)), Some(Ok(verified)));
        }

        /// Checkpoints may come before the entries that they are of.
        #[test]
        fn checkpoints_may_come_first(writers in any_writers()) {
            let mut lines = trail(&writers);
            lines.sort_by_key(|line| matches!(line, Line::Entry(_)));
            prop_assert!(verify(&lines).is_ok());
        }

        #[test]
        fn no_removal_is_left_unseen(writers in any_writers(), at: prop::sample::Index, count in 1..4_usize) {
            let mut lines = trail(&writers);
            let entries: Vec<_> = (0..lines.len()).filter(|at| matches!(lines[*at], Line::Entry(_))).collect();
            let at = entries[at.index(entries.len())];
            // What stands behind it of checkpoints is left.
            let mut left = count;
            let mut n = 0;
            lines.retain(|line| {
                n += 1;
                let goes = n > at && left > 0 && matches!(line, Line::Entry(_));
                left -= usize::from(goes);
                !goes
            });
            prop_assert!(verify(&lines).is_err());
        }

        #[test]
        fn no_exchange_is_left_unseen(writers in any_writers(), one: prop::sample::Index, other: prop::sample::Index, numbers: bool) {
            let mut lines = trail(&writers);
            let entries: Vec<_> = (0..lines.len()).filter(|at| matches!(lines[*at], Line::Entry(_))).collect();
            let one = entries[one.index(entries.len())];
            let entry = |at: usize| match &lines[at] {
                Line::Entry(recorded) => recorded.clone(),
                Line::Checkpoint(_) => unreachable!("it is an entry"),
            };
            let first = entry(one);
            let others = entries.into_iter().filter(|at| *at != one && entry(*at).writer == first.writer);
            let others: Vec<_> = others.collect();
            prop_assume!(!others.is_empty());
            let other = others[other.index(others.len())];
            let second = entry(other);
            if numbers {
                lines.swap(one, other);
            } else {
                lines[one] = Line::Entry(Recorded { number: first.number, ..second.clone() });
                lines[other] = Line::Entry(Recorded { number: second.number, ..first });
            }
            prop_assert!(verify(&lines).is_err());
        }

        #[test]
        fn no_insertion_is_left_unseen(writers in any_writers(), at: prop::sample::Index, forged: bool, n: u32) {
            let mut lines = trail(&writers);
            let at = at.index(lines.len());
            let before = lines[..=at].iter().rev().find_map(|line| match line {
                Line::Entry(recorded) => Some(recorded.clone()),
                Line::Checkpoint(_) => None,
            }).expect("the first is an entry");
            let event = event(n);
            let number = before.number + 1;
            let hash = match forged {
                true => link(before.hash, before.writer, number, &event),
                false => before.hash,
            };
            let new = Recorded { number, hash, event, ..before };
            // The end of a chain that nobody has vouched for can go on; elsewhere it is seen.
            prop_assume!(lines[at + 1..].iter().any(|line| match line {
                Line::Entry(later) => later.writer == new.writer,
                Line::Checkpoint(later) => later.writer == new.writer,
            }));
            lines.insert(at + 1, Line::Entry(new));
            prop_assert!(verify(&lines).is_err());
        }

        /// Whoever rewrites all that follows has no key for the checkpoints.
        #[test]
        fn no_chain_written_anew_is_left_unseen(writers in any_writers(), at: prop::sample::Index, n: u32) {
            let mut events: Vec<_> = (0..writers.len() as u32).map(event).collect();
            let at = at.index(events.len());
            prop_assume!(events[at] != event(n));
            events[at] = event(n);
            let mut ends = [EntryHash::NONE; 4];
            let mut events = events.into_iter();
            let lines: Vec<_> = trail(&writers).into_iter().map(|line| match line {
                Line::Entry(recorded) => {
                    let end = &mut ends[recorded.writer.0 as usize];
                    let event = events.next().unwrap();
                    *end = link(*end, recorded.writer, recorded.number, &event);
                    Line::Entry(Recorded { hash: *end, event, ..recorded })
                }
                checkpoint => checkpoint,
            }).collect();
            let rewritten = matches!(verify(&lines), Err(Flaw::Rewritten { .. }));
            prop_assert!(rewritten);
            let signed_anew: Vec<_> = lines.into_iter().map(|line| match line {
                Line::Checkpoint(checkpoint) => {
                    let head = Head { hash: ends[checkpoint.writer.0 as usize], ..checkpoint.head() };
                    Line::Checkpoint(Checkpoint::sign(head, checkpoint.at, &signer(1)))
                }
                entry => entry,
            }).collect();
            let unknown = matches!(verify(&signed_anew), Err(Flaw::UnknownKey { .. }));
            prop_assert!(unknown);
        }

        /// Any byte of an export.
        #[test]
        fn no_other_byte_is_left_unseen(writers in any_writers(), at: prop::sample::Index, to: u8) {
            let text = export(&trail(&writers)).join("\n");
            let mut bytes = text.clone().into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            let Ok(text) = String::from_utf8(bytes) else {
                return Ok(());
            };
            let lines: Vec<_> = text.split('\n').collect();
            prop_assert!(!matches!(verify_export(&lines), Some(Ok(_))), "{}", text);
        }
    }

    #[test]
    fn what_is_wrong_is_told_and_where() {
        let lines = trail(&[0, 0, 1, 0]);
        let Line::Entry(second) = lines[1].clone() else {
            panic!("the second is an entry");
        };
        let Some(Line::Checkpoint(last)) = lines.last().cloned() else {
            panic!("the last is a checkpoint");
        };
        let (writer, number) = (second.writer, second.number);
        let with = |at: usize, line| {
            let mut lines = lines.clone();
            lines[at] = line;
            verify(&lines).unwrap_err()
        };
        let edited = Recorded {
            event: sample_event(99),
            ..second.clone()
        };
        assert_eq!(
            with(1, Line::Entry(edited)),
            Flaw::Edited { writer, number }
        );
        let first = lines[0].clone();
        assert_eq!(with(1, first), Flaw::Repeated { writer, number: 1 });
        let mut without = lines.clone();
        without.remove(1);
        assert_eq!(
            verify(&without).unwrap_err(),
            Flaw::Missing { writer, number }
        );
        let at = lines.len() - 1;
        let number = last.number;
        let changed = |change: fn(&mut Checkpoint)| {
            let mut checkpoint = last.clone();
            change(&mut checkpoint);
            with(at, Line::Checkpoint(checkpoint))
        };
        assert_eq!(
            changed(|checkpoint| checkpoint.signature = Signature([1; 64])),
            Flaw::Signature { writer, number }
        );
        let key = KeyId([3; 8]);
        assert_eq!(
            changed(|checkpoint| checkpoint.key = KeyId([3; 8])),
            Flaw::UnknownKey {
                writer,
                number,
                key
            }
        );
        let of_other = Head {
            hash: EntryHash([5; 32]),
            ..last.head()
        };
        let of_other = Checkpoint::sign(of_other, last.at, &signer(0));
        assert_eq!(
            with(at, Line::Checkpoint(of_other)),
            Flaw::Rewritten { writer, number }
        );
        let mut gone = lines.clone();
        gone.remove(at - 1);
        assert_eq!(verify(&gone).unwrap_err(), Flaw::Gone { writer, number });
        let flaw = Flaw::Gone { writer, number };
        assert_eq!(
            flaw.to_string(),
            "entry 3 of writer 0 is gone: a checkpoint was made of it"
        );
    }
}
