use consign_core::{
    audience::{Audience, Principal},
    code::{CodeHash, Codes, GoodCode},
    event::{Author, Event, EventKind, Transfers},
    file::{File, FileEntry, FileName, Sha256},
    group::{Group, GroupName, Retention},
    id::{FileId, GroupId, LeaseId, LinkId, UserId},
    link::ManagedLink,
    once::{Made, Remembered},
    outbox::Queued,
    removal::{Removal, RemovedFile},
    testing::{
        sample_checkpoint, sample_download, sample_entry, sample_event, sample_group, sample_lease,
        sample_link, sample_mail, sample_user,
    },
    time::Timestamp,
    trail::{Checkpoint, EntryHash, Head, WriterId},
    user::{Role, Status, User},
};
use proptest::prelude::*;

use super::*;

fn limited(n: u32) -> FileEntry {
    let principals = [
        Principal::User(UserId::from_bytes([1; 16])),
        Principal::Group(sample_group(n)),
    ];
    FileEntry {
        audience: Audience::of(principals).unwrap(),
        expires_at: Some(Timestamp::from_millis(5)),
        restored_at: Some(Timestamp::from_millis(6)),
        ..sample_entry(n)
    }
}

fn gone(entry: FileEntry) -> RemovedFile {
    RemovedFile {
        file: File { seq: 9, entry },
        why: Removal::Expired,
        removed_by: Author::Sweeper,
        removed_at: Timestamp::from_millis(5),
        kept_until: Timestamp::from_millis(9),
    }
}

fn vouched(n: u32) -> Checkpoint {
    sample_checkpoint(Head {
        writer: WriterId::ONLY,
        number: n.into(),
        hash: EntryHash([n as u8; 32]),
    })
}

fn sample(n: u32) -> Group {
    Group {
        id: sample_group(n),
        name: GroupName::parse("Müller & Co.").unwrap(),
        created_by: UserId::from_bytes([2; 16]),
        created_at: Timestamp::from_secs(n.into()),
        retention: Retention::of_days(n % 3).ok(),
    }
}

fn any_kind() -> impl Strategy<Value = EventKind> {
    let id = any::<[u8; 16]>();
    let role = prop_oneof![Just(Role::Operations), Just(Role::Client)];
    let status = prop_oneof![Just(Status::Active), Just(Status::Disabled)];
    (0..31_u32, id, role, status, any::<[u8; 32]>()).prop_map(|(kind, id, role, status, sha256)| {
        let (user, file, group) = (
            UserId::from_bytes(id),
            FileId::from_bytes(id),
            GroupId::from_bytes(id),
        );
        let link = LinkId::from_bytes(id);
        let called = GroupName::parse("Müller & Co.").unwrap();
        let (name, sha256) = (FileName::parse("ä.docx").unwrap(), Sha256(sha256));
        match kind {
            0 => EventKind::UserRegistered { user, role },
            1 => EventKind::StatusChanged { user, status },
            2 => EventKind::RoleChanged { user, role },
            3 => EventKind::PasswordChanged { user },
            4 => EventKind::SessionsEnded { user },
            5 => EventKind::FileAdded { file, name, sha256 },
            6 => EventKind::FileRemoved {
                file,
                why: match id[0] {
                    0..50 => Removal::Asked,
                    50..99 => Removal::Retention,
                    _ => Removal::Expired,
                },
                kept_until: (id[1] > 99).then_some(Timestamp::from_millis(id[2].into())),
            },
            7 => EventKind::AudienceChanged {
                file,
                audience: Audience::of([Principal::User(user), Principal::Group(group)]).unwrap(),
            },
            8 => EventKind::GroupAdded {
                group,
                name: called,
            },
            9 => EventKind::GroupRenamed {
                group,
                name: called,
            },
            10 => EventKind::GroupRemoved { group },
            11 => EventKind::MemberAdded { group, user },
            12 => EventKind::MemberRemoved { group, user },
            13 => EventKind::LinkMade {
                link,
                files: vec![file; 2],
            },
            14 => EventKind::LinkEdited { link },
            15 => EventKind::LinkRevoked { link },
            16 | 17 => EventKind::LinkLeased {
                link,
                lease: LeaseId::from_bytes(id),
                recipient: (kind == 16).then(|| "ann@example.org".parse().unwrap()),
            },
            18 => EventKind::SignedIn { user, times: 1 },
            19 => EventKind::SignInFailed {
                user: (id[0] > 9).then_some(user),
                times: u64::from(id[1]) << 20,
            },
            20 => EventKind::Crowded {
                signed_in: 1,
                failed: u64::MAX,
                downloads: Transfers {
                    started: 2,
                    completed: 1,
                    bytes: 1 << 40,
                },
            },
            21 | 22 => EventKind::ExpiryChanged {
                file,
                expires_at: (kind == 21).then_some(Timestamp::from_millis(id[0].into())),
            },
            23 => EventKind::FileRestored { file },
            24 => EventKind::FilePurged { file },
            25 | 26 => EventKind::RetentionChanged {
                group,
                retention: Retention::of_days(25 - kind.min(25) + u32::from(id[0])).ok(),
            },
            _ => sample_download(kind).kind,
        }
    })
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes: Vec<u8>) {
        check(&bytes);
    }

    #[test]
    fn a_damaged_record_is_a_record_or_an_error(n: u32, kind in any_kind(), at: usize, to: u8, cut: usize) {
        let event_of_kind = Event { kind, ..sample_event(n) };
        for mut bytes in [
            user(&sample_user(n, Role::Client)).unwrap(),
            file(&sample_entry(n)).unwrap(),
            file(&limited(n)).unwrap(),
            removed(&gone(limited(n))).unwrap(),
            group(&sample(n)).unwrap(),
            link(&sample_link(n)).unwrap(),
            lease(&sample_lease(n, 1)).unwrap(),
            event(&event_of_kind).unwrap(),
            trail::checkpoint(&vouched(n)).unwrap(),
        ] {
            let (at, cut) = (at % bytes.len(), cut % bytes.len());
            bytes[at] = to;
            check(&bytes);
            bytes.truncate(cut);
            check(&bytes);
        }
    }

    #[test]
    fn events_are_kept(at: u64, author in 0..4, id: [u8; 16], kind in any_kind()) {
        let by = match author {
            0 => Author::Anonymous,
            1 => Author::User(UserId::from_bytes(id)),
            2 => Author::Sweeper,
            _ => Author::Administrator,
        };
        let written = Event { at: Timestamp::from_millis(at), by, kind };
        prop_assert_eq!(to_event(&event(&written).unwrap()), Ok(written));
    }

    #[test]
    fn users_and_files_are_kept(n: u32, size: u64, role in prop_oneof![Just(Role::Operations), Just(Role::Client)]) {
        let written = User {
            status: Status::Disabled,
            confined: n % 2 == 0,
            address_proved: n % 5 == 0,
            owner: (n % 3 == 0).then_some(UserId::from_bytes([7; 16])),
            ..sample_user(n, role)
        };
        prop_assert_eq!(to_user(written.id, &user(&written).unwrap()), Ok(written));
        let entry = FileEntry { size, ..sample_entry(n) };
        let unsummed = FileEntry { crc32: None, ..sample_entry(n) };
        for entry in [entry, unsummed, limited(n)] {
            let bytes = file(&entry).unwrap();
            let written = gone(entry.clone());
            prop_assert_eq!(to_removed(9, &removed(&written).unwrap()), Ok(written));
            prop_assert_eq!(to_file(9, &bytes), Ok(File { seq: 9, entry }));
        }
        let written = sample(n);
        prop_assert_eq!(to_group(written.id, &group(&written).unwrap()), Ok(written));
    }

    #[test]
    fn codes_and_mails_are_kept(hash: [u8; 32], good: bool, sent: Vec<u64>, n: u32, attempts: u32) {
        let good = good.then_some(GoodCode {
            hash: CodeHash(hash),
            until: Timestamp::from_millis(n.into()),
            wrong: 3,
        });
        let sent = sent.into_iter().map(Timestamp::from_millis).collect();
        let written = Codes { good, sent };
        prop_assert_eq!(to_codes(&codes(&written).unwrap()), Ok(written));
        let written = Queued { attempts, ..sample_mail(n) };
        prop_assert_eq!(to_mail(written.mail.id, &mail(&written).unwrap()), Ok(written));
    }

    #[test]
    fn what_was_done_is_kept(kind in 0..4, id: [u8; 16], request: [u8; 32], until: u64) {
        let made = match kind {
            0 => Made::File(FileId::from_bytes(id)),
            1 => Made::Group(GroupId::from_bytes(id)),
            2 => Made::Link(LinkId::from_bytes(id)),
            _ => Made::Lease(LeaseId::from_bytes(id)),
        };
        let until = Timestamp::from_millis(until);
        let written = Remembered { request, made, until };
        prop_assert_eq!(to_remembered(&remembered(&written).unwrap()), Ok(written));
    }

    #[test]
    fn links_and_leases_are_kept(n: u32, bare: bool, downloads: u32) {
        let mut written = ManagedLink { downloads, ..sample_link(n) };
        let mut opened = sample_lease(n, n);
        if bare {
            written = ManagedLink {
                files: [1, 2].map(|n| sample_entry(n).id).into(),
                max_downloads: None,
                password: None,
                recipient: None,
                note: None,
                revoked_at: Some(Timestamp::from_millis(n.into())),
                ..written
            };
            opened.recipient = None;
        }
        prop_assert_eq!(to_link(written.id, &link(&written).unwrap()), Ok(written));
        prop_assert_eq!(to_lease(opened.id, &lease(&opened).unwrap()), Ok(opened));
        let written = vouched(n);
        let bytes = trail::checkpoint(&written).unwrap();
        prop_assert_eq!(trail::to_checkpoint(n.into(), &bytes), Ok(written));
    }
}

#[test]
fn longer_bytes_and_other_versions_are_no_record() {
    let mut bytes = event(&sample_event(1)).unwrap();
    bytes.push(0);
    assert_eq!(to_event(&bytes), Err(Undecodable::Shape));
    bytes.pop();
    bytes[0] = VERSION + 1;
    assert_eq!(to_event(&bytes), Err(Undecodable::Version));
    assert_eq!(to_event(&[]), Err(Undecodable::Version));
}

/// A change of these bytes is a change of the format: it needs a new version.
#[test]
fn the_format_stays_as_it_is() {
    let bytes = event(&Event {
        at: Timestamp::from_millis(300),
        by: Author::User(UserId::from_bytes([2; 16])),
        kind: EventKind::RoleChanged {
            user: UserId::from_bytes([3; 16]),
            role: Role::Client,
        },
    });
    let mut expected = vec![1, 0xAC, 0x02, 1];
    expected.extend([2; 16]);
    expected.push(2);
    expected.extend([3; 16]);
    expected.push(1);
    assert_eq!(bytes.unwrap(), expected);

    // What was written before any removed file was kept.
    let removed_before = [&[1, 7, 2, 6][..], &[3; 16]].concat();
    let read = to_event(&removed_before).unwrap();
    let for_good = EventKind::FileRemoved {
        file: FileId::from_bytes([3; 16]),
        why: Removal::Asked,
        kept_until: None,
    };
    assert_eq!((read.by, read.kind), (Author::Administrator, for_good));

    // Version 2 of a group is what version 1 has, and its retention.
    let retaining = sample(1);
    let mut written = group(&retaining).unwrap();
    assert_eq!(written.split_off(written.len() - 2), [1, 1]);
    written[0] = 1;
    let before = Group {
        retention: None,
        ..retaining
    };
    assert_eq!(to_group(before.id, &written), Ok(before));

    // Version 4 of a file is what version 1 has, whom it is for, its CRC-32, its end, and when it was restored.
    let written = file(&limited(1)).unwrap();
    let mut end = vec![2, 1];
    end.extend([1; 16]);
    end.push(2);
    end.extend(sample_group(1).as_bytes());
    let summed_until = written.len() - 4;
    assert_eq!(&written[summed_until..], [1, 5, 1, 6]);
    let limited_until = summed_until - 2;
    assert_eq!(&written[limited_until..summed_until], [1, 1]);
    let first_until = limited_until - end.len();
    assert_eq!(&written[first_until..limited_until], end);
    for (version, until, entry) in [
        (1, first_until, sample_entry(1)),
        (2, limited_until, limited(1)),
        (3, summed_until, limited(1)),
    ] {
        let mut before = written[..until].to_vec();
        before[0] = version;
        let entry = FileEntry {
            crc32: entry.crc32.filter(|_| version == 3),
            expires_at: None,
            restored_at: None,
            ..entry
        };
        assert_eq!(to_file(9, &before), Ok(File { seq: 9, entry }));
    }
}
