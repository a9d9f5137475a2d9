//! Test data: the same number gives the same value, another number another.

use std::{
    borrow::Cow,
    io,
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;

use crate::{
    audience::Audience,
    event::{Author, ByLease, Download, Event, EventKind, Transfers},
    evidence::{KeyId, Signature},
    file::{FileEntry, FileName, MediaType, Sha256},
    id::{BlobKey, FileId, GroupId, LeaseId, LinkId, UserId},
    intake::{Content, Intake, IntakeError, Refusal},
    link::{Lease, ManagedLink, SecretHash},
    mail::{Mail, MailId, Text},
    outbox::Queued,
    password::PasswordHash,
    random::Entropy,
    time::Timestamp,
    trail::{Checkpoint, Head},
    user::{Email, Role, Status, User, Username},
};

/// Repeatable bytes for tests: the same seed gives the same ones.
///
/// They are easily guessed; nothing that guards anything may come from them.
#[derive(Debug)]
pub struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    /// The sequence of this seed, from its beginning.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014), whose state may be advanced by many threads.
    fn next(&self) -> u64 {
        const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
        let state = self.0.fetch_add(GAMMA, Ordering::Relaxed);
        let mut z = state.wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// An active user of this role. Users of different numbers share nothing that must be unique.
pub fn sample_user(n: u32, role: Role) -> User {
    User {
        id: UserId::from_bytes(id_bytes(n)),
        username: username(&format!("user{n}")),
        email: email(&format!("user{n}@example.org")),
        role,
        status: Status::Active,
        password: sample_hash(n),
        session_epoch: n,
        created_at: Timestamp::from_secs(1_700_000_000)
            + std::time::Duration::from_millis(n.into()),
        confined: false,
        address_proved: false,
        owner: None,
    }
}

/// A password hash, of a password that nobody knows.
pub fn sample_hash(n: u32) -> PasswordHash {
    let phc = format!("$scrypt$ln=15,r=8,p=3$c2FsdHNhbHRzYWx0c2FsdA${n:A>43}");
    PasswordHash::new(phc)
}

/// An entry of the catalogue. Entries of different numbers have different ids, blobs and names.
pub fn sample_entry(n: u32) -> FileEntry {
    FileEntry {
        id: FileId::from_bytes(id_bytes(n)),
        blob: sample_key(n),
        name: file_name(&format!("report {n}.docx")),
        size: u64::from(n) * 1000,
        media_type: MediaType::from_static("application/vnd.example"),
        sha256: Sha256(std::array::from_fn(|at| id_bytes(n)[at % 16])),
        crc32: Some(n),
        uploaded_at: Timestamp::from_secs(1_700_000_000)
            + std::time::Duration::from_millis(n.into()),
        uploaded_by: UserId::from_bytes(id_bytes(n % 3)),
        uploader: format!("user{}", n % 3).into(),
        audience: Audience::everybody(),
        expires_at: None,
        restored_at: None,
    }
}

/// A group's id.
pub fn sample_group(n: u32) -> GroupId {
    GroupId::from_bytes(id_bytes(n))
}

/// A link to the file of [`sample_entry`] of the same number, with all that a link can have but an end
/// before the last time. Links of different numbers have different ids and secrets; ids are in the order
/// of their numbers.
pub fn sample_link(n: u32) -> ManagedLink {
    ManagedLink {
        id: LinkId::from_bytes(id_bytes(n)),
        secret: SecretHash(std::array::from_fn(|at| !id_bytes(n)[at % 16])),
        files: [FileId::from_bytes(id_bytes(n))].into(),
        made_by: UserId::from_bytes(id_bytes(n % 3)),
        made_at: Timestamp::from_millis(n.into()),
        expires_at: Timestamp::from_millis(u64::MAX),
        max_downloads: NonZeroU32::new(n.saturating_add(1)),
        downloads: 0,
        password: Some(sample_hash(n)),
        recipient: Some(email(&format!("recipient{n}@example.org"))),
        note: String::from("a note").try_into().ok(),
        revoked_at: None,
        revision: n,
    }
}

/// A lease of the link of [`sample_link`] of this number. Ids are in the order of the leases' numbers.
pub fn sample_lease(n: u32, link: u32) -> Lease {
    Lease {
        id: LeaseId::from_bytes(id_bytes(n)),
        link: LinkId::from_bytes(id_bytes(link)),
        opened_at: Timestamp::from_millis(n.into()),
        expires_at: Timestamp::from_millis(u64::from(n) + 10),
        recipient: Some(email("recipient@example.org")),
    }
}

/// A mail that waits. Mails are due in the order of their numbers.
pub fn sample_mail(n: u32) -> Queued {
    let mail = Mail {
        id: MailId::from_bytes(id_bytes(n)),
        to: email(&format!("recipient{n}@example.org")),
        subject: "A sample".parse().expect("it is a subject"),
        text: Text::new(format!("number {n}")),
    };
    let due = Timestamp::from_millis(n.into());
    Queued::new(mail, due, Timestamp::from_millis(u64::MAX))
}

/// A blob's key; keys are in the order of their numbers.
pub fn sample_key(n: u32) -> BlobKey {
    BlobKey::from_bytes(id_bytes(n))
}

/// An event of the trail.
pub fn sample_event(n: u32) -> Event {
    Event {
        at: Timestamp::from_secs(1_700_000_000) + std::time::Duration::from_millis(n.into()),
        by: Author::Administrator,
        kind: EventKind::SessionsEnded {
            user: UserId::from_bytes(id_bytes(n)),
        },
    }
}

/// A download of the file of [`sample_entry`] of a third of the number: by a lease of the link of
/// [`sample_link`] of as many, or by a download link of its uploader.
pub fn sample_download(n: u32) -> Event {
    let (file, link) = (sample_entry(n / 3), sample_link(n / 3));
    let by_lease = ByLease {
        link: link.id,
        lease: LeaseId::from_bytes(id_bytes(n)),
        recipient: (n % 3 == 1).then_some(link.recipient).flatten(),
    };
    let by_lease = (!n.is_multiple_of(3)).then_some(by_lease);
    let by = match by_lease {
        Some(_) => Author::Anonymous,
        None => Author::User(file.uploaded_by),
    };
    let transfers = Transfers {
        started: 1 + u64::from(n % 5),
        completed: u64::from(n % 2),
        bytes: file.size + u64::from(n),
    };
    let download = Download {
        file: file.id,
        name: file.name,
        sha256: file.sha256,
        size: file.size,
        by_lease,
        transfers,
    };
    Event {
        at: Timestamp::from_millis(n.into()),
        by,
        kind: EventKind::Download(download),
    }
}

/// A checkpoint of this end of a chain, whose signature means nothing.
pub fn sample_checkpoint(head: Head) -> Checkpoint {
    Checkpoint {
        at: Timestamp::from_millis(head.number),
        hash: head.hash,
        key: KeyId([7; 8]),
        number: head.number,
        signature: Signature([7; 64]),
        writer: head.writer,
    }
}

/// Bytes in which a displaced or repeated part is noticed.
pub fn sample_bytes(seed: u64, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    SeededEntropy::new(seed).fill(&mut bytes);
    bytes.into()
}

pub(super) fn username(text: &str) -> Username {
    text.parse().expect("a sample is a valid username")
}

pub(super) fn email(text: &str) -> Email {
    text.parse().expect("a sample is a valid e-mail address")
}

pub(super) fn file_name(text: &str) -> FileName {
    FileName::parse(text).expect("a sample is a valid file name")
}

/// Sixteen bytes in the order of their numbers, with no byte like another.
fn id_bytes(n: u32) -> [u8; 16] {
    let mut bytes = std::array::from_fn(|at| 0xF0 ^ at as u8);
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// An [`Intake`] that takes whatever it can read, and reads all of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyContent;

impl Intake for AnyContent {
    fn accepts(&self) -> Cow<'static, str> {
        "all".into()
    }

    fn check_name(&self, _: &FileName) -> Result<(), Refusal> {
        Ok(())
    }

    fn check_head(&self, _: &FileName, _: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }

    fn inspect(&self, _: &FileName, content: &mut dyn Content) -> Result<MediaType, IntakeError> {
        io::copy(content, &mut io::sink()).map_err(IntakeError::Io)?;
        Ok(MediaType::from_static("application/octet-stream"))
    }
}
