//! The data folder, the database and the keys.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

use consign_storage_redb::{Look, OpenError, RedbStore};
use rustix::{
    fs::{Access, StatVfsMountFlags},
    process,
};
use tokio::task;

use super::Findings;
use crate::{admin, data::Paths, options::Config};

const FOLDER: &str = "folder";
const DATABASE: &str = "database";
const KEYS: &str = "keys";

/// Of what a copy left that did not come to its end.
pub(super) const INCOMPLETE: &str = "it is a copy that is not complete, and no server takes it";
pub(super) const FINISH: &str =
    "stop the server that it is made from, and run `consign migrate` to it again";

/// File systems that forget, and those of other machines: statfs(2).
const MEMORY: &[(u32, &str)] = &[(0x0102_1994, "tmpfs"), (0x8584_58f6, "ramfs")];
const REMOTE: &[(u32, &str)] = &[
    (0x0000_6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0000_517b, "smb"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "ceph"),
    (0x6573_5546, "fuse"),
];

pub(super) fn look(config: &Config, paths: &Paths, findings: &mut Findings) {
    let (folder, shown) = (&paths.folder, paths.folder.display());
    let metadata = match fs::metadata(folder) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let from = config.origins.of("data").origin;
            let above = folder
                .parent()
                .filter(|above| !above.as_os_str().is_empty());
            let above = above.unwrap_or(Path::new("."));
            match rustix::fs::access(above, Access::WRITE_OK | Access::EXEC_OK) {
                Ok(()) => findings.warning(
                    FOLDER,
                    format!("{shown} is not there (data is from {from})"),
                    "the server makes it when it is started first; if it was started before, set data",
                ),
                Err(error) => findings.problem(
                    FOLDER,
                    format!("{shown} is not there, and cannot be made in {}: {error}", above.display()),
                    "make it, or set data to another",
                ),
            }
            return;
        }
        Err(error) => {
            findings.problem(FOLDER, format!("{shown}: {error}"), "let this user into it");
            return;
        }
    };
    if !metadata.is_dir() {
        findings.problem(
            FOLDER,
            format!("{shown} is not a folder"),
            "set data to a folder",
        );
        return;
    }
    let (owner, user) = (metadata.uid(), process::geteuid().as_raw());
    if owner == user {
        findings.ok(
            FOLDER,
            format!("{shown} is there, and belongs to this user"),
        );
    } else {
        findings.problem(
            FOLDER,
            format!("{shown} belongs to user {owner}, and this is user {user}"),
            "run consign as its owner, or chown -R it",
        );
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 == 0 {
        findings.ok(FOLDER, format!("it is closed to others (mode {mode:03o})"));
    } else {
        findings.warning(
            FOLDER,
            format!("others can look into it (mode {mode:03o})"),
            &format!("chmod 700 {shown}"),
        );
    }
    file_system(folder, findings);
}

fn file_system(folder: &Path, findings: &mut Findings) {
    #[allow(clippy::unnecessary_cast)] // its width differs between machines
    let kind = rustix::fs::statfs(folder).map(|system| system.f_type as u32);
    let of = |all: &[(u32, &'static str)]| {
        let kind = kind.ok()?;
        all.iter()
            .find(|(other, _)| *other == kind)
            .map(|(_, name)| *name)
    };
    match (of(MEMORY), of(REMOTE)) {
        (Some(name), _) => findings.warning(
            FOLDER,
            format!("it is on {name}, which is gone when the machine stops"),
            "set data to a folder on a disk",
        ),
        (_, Some(name)) => findings.warning(
            FOLDER,
            format!("it is on {name}, whose locks and syncs may not hold what they promise"),
            "set data to a folder on a disk of this machine",
        ),
        _ => findings.ok(FOLDER, "it is on a file system of this machine"),
    }
    let read_only = rustix::fs::statvfs(folder)
        .is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY));
    let writable = rustix::fs::access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK);
    match writable {
        _ if read_only => findings.problem(
            FOLDER,
            "its file system is read-only",
            "mount it for writing",
        ),
        Err(error) => findings.problem(
            FOLDER,
            format!("it cannot be written to: {error}"),
            "let this user write to it",
        ),
        Ok(()) => match File::open(folder).and_then(|folder| folder.sync_all()) {
            Ok(()) => findings.ok(FOLDER, "it can be written to, and synced"),
            Err(error) => findings.problem(
                FOLDER,
                format!("it cannot be synced: {error}"),
                "set data to a folder on a file system that syncs folders, such as ext4 or xfs",
            ),
        },
    }
}

/// Whether a server runs on it.
pub(super) async fn running(paths: &Paths, findings: &mut Findings) -> bool {
    if !paths.folder.is_dir() {
        return false;
    }
    match admin::status(paths).await {
        Ok(Some(told)) => findings.ok(DATABASE, format!("a server has it open: {told}")),
        Ok(None) => return false,
        Err(error) => findings.problem(
            DATABASE,
            format!("the running server says: {}", crate::chain(&*error)),
            "look into its log",
        ),
    }
    true
}

/// Whether the database is good, of which no server runs here.
pub(super) async fn database(path: &Path, findings: &mut Findings) {
    let shown = path.display();
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            findings.warning(
                DATABASE,
                format!("{shown} is not there"),
                "the server makes it when it is started first; if it was started before, set data, or restore a copy",
            );
            return;
        }
        Err(error) => {
            findings.problem(
                DATABASE,
                format!("{shown}: {error}"),
                "let this user read it",
            );
            return;
        }
        Ok(_) => closed(path, DATABASE, findings),
    }
    let path = path.to_owned();
    let looked = task::spawn_blocking(move || RedbStore::look(path)).await;
    match looked {
        Ok(Ok(Look::Good)) => findings.ok(DATABASE, "it opens, and no server has it open"),
        Ok(Ok(Look::Older)) => findings.warning(
            DATABASE,
            "it is of an older version",
            "keep a copy: the server brings it up to this version when it starts",
        ),
        Ok(Ok(Look::Incomplete)) => findings.problem(DATABASE, INCOMPLETE, FINISH),
        Ok(Ok(_)) => findings.warning(
            DATABASE,
            "it was not closed well, or was cut short",
            "start the server: it repairs and verifies it, which takes a while if it is large",
        ),
        Ok(Err(OpenError::InUse)) => findings.problem(
            DATABASE,
            "a process has it open that does not answer at its socket",
            "look for a server that starts, ends or hangs",
        ),
        Ok(Err(error @ OpenError::Schema { .. })) => {
            findings.problem(DATABASE, error, "run the version of consign that wrote it");
        }
        Ok(Err(error)) => findings.problem(
            DATABASE,
            crate::chain(&error),
            "look at the disk, and restore a copy",
        ),
        Err(error) => findings.problem(DATABASE, error, "look at the disk, and restore a copy"),
    }
}

/// The secrets: there, for nobody else, and what they are to be.
pub(super) fn keys(paths: &Paths, findings: &mut Findings) {
    for (path, lost) in [
        (
            &paths.keys,
            "a new one is made, and all sessions and links end",
        ),
        (
            &paths.evidence,
            "a new one is made, and what was signed before can be verified only by whoever has the old public key",
        ),
    ] {
        let shown = path.display();
        match fs::read(path) {
            Ok(bytes) => {
                closed(path, KEYS, findings);
                match serde_json::from_slice::<serde_json::Map<_, _>>(&bytes) {
                    Ok(_) => findings.ok(KEYS, format!("{shown} is there, and can be read")),
                    // What serde says of it might repeat some of it.
                    Err(_) => findings.problem(
                        KEYS,
                        format!("{shown} is damaged"),
                        &format!("restore a copy; or remove it: {lost}"),
                    ),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => findings.problem(
                KEYS,
                format!("{shown} is not there, though the database is"),
                &format!("restore a copy; without one {lost}"),
            ),
            Err(error) => {
                findings.problem(KEYS, format!("{shown}: {error}"), "let this user read it");
            }
        }
    }
}

/// Whether a file is closed to others.
fn closed(path: &Path, check: &'static str, findings: &mut Findings) {
    let Ok(mode) = fs::metadata(path).map(|data| data.mode() & 0o777) else {
        return;
    };
    if mode & 0o077 != 0 {
        let shown = path.display();
        findings.problem(
            check,
            format!("{shown} is open to others (mode {mode:03o})"),
            &format!("chmod 600 {shown}"),
        );
    }
}
