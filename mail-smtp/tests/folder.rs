//! Mail in files.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use consign_core::{
    mail::{Courier, DeliveryError},
    time::{ManualClock, Timestamp},
};
use consign_mail_smtp::FolderCourier;
use support::mail;

fn courier(folder: &Path) -> FolderCourier {
    let clock = ManualClock::new(Timestamp::from_secs(784_887_151));
    let from = "Consign <files@example.org>".parse().unwrap();
    FolderCourier::with_clock(folder, from, Arc::new(clock)).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect()
}

const NAME: &str = "0784887151000-abababababababababababababababab.eml";

#[tokio::test]
async fn a_mail_becomes_a_file_that_only_its_owner_reads() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("mail");
    let courier = courier(&folder);
    assert_eq!(
        fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    courier.deliver(&mail("A file", "Hello\n")).await.unwrap();
    assert_eq!(names(&folder), [NAME]);
    let file = folder.join(NAME);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let expected = "Date: Tue, 15 Nov 1994 08:12:31 +0000\r\n\
        Message-ID: <abababababababababababababababab@example.org>\r\n\
        From: Consign <files@example.org>\r\n\
        To: ann@example.org\r\n\
        Subject: A file\r\n\
        Auto-Submitted: auto-generated\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: 7bit\r\n\
        \r\n\
        Hello\r\n";
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);

    // What was left of an attempt is not in the way, nor is what it became.
    let part = folder.join(format!(".{NAME}.part"));
    fs::write(&part, "half").unwrap();
    fs::set_permissions(&part, fs::Permissions::from_mode(0o644)).unwrap();
    courier.deliver(&mail("A file", "Hello\n")).await.unwrap();
    assert_eq!(names(&folder), [NAME]);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test]
async fn what_cannot_be_written_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("mail");
    let courier = courier(&folder);
    fs::create_dir(folder.join(NAME)).unwrap();
    let error = courier.deliver(&mail("A file", "")).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Temporary(_)), "{error:?}");
    assert_eq!(names(&folder), [NAME]);
    fs::remove_dir_all(&folder).unwrap();
    courier.deliver(&mail("A file", "")).await.unwrap_err();
}

#[test]
fn a_folder_that_cannot_be_had_is_told_at_once() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, "").unwrap();
    let from = || "files@example.org".parse().unwrap();
    assert!(FolderCourier::open(&file, from()).is_err());
    assert!(FolderCourier::open(file.join("below"), from()).is_err());
    assert!(FolderCourier::open(scratch.path().join("no/such"), from()).is_err());
    assert!(FolderCourier::open(scratch.path(), from()).is_ok());
}
