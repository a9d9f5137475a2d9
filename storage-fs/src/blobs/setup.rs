//! Making the folders of a store.

use std::{
    fs::{self, DirBuilder, Metadata, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::{
    disk::Disk,
    layout::{Layout, Place, folder_of},
};

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A folder could not be made, made private or made durable.
    #[error("{} cannot be prepared", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder is meant to be shared: it has the sticky bit.
    #[error("{} is a shared folder; give one of its own, such as {}", .0.display(), .0.join("consign").display())]
    Shared(PathBuf),
    /// There is something else where the folder should be.
    #[error("{} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// The folders of the store are on several file systems, between which files cannot be renamed.
    #[error("{} and its folders are on several file systems", .0.display())]
    Split(PathBuf),
}

impl OpenError {
    fn at(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Makes all folders that are missing, private and durable, so that publishing a blob has one
/// folder to sync, its own.
pub(super) fn prepare(disk: &Disk, layout: &Layout) -> Result<(), OpenError> {
    let root = layout.path(Place::Root);
    let blobs = layout.path(Place::Blobs);
    let stages = layout.path(Place::Stages);
    make_root(disk, &root)?;
    make_folder(&blobs)?;
    make_folder(&stages)?;
    for byte in 0..=u8::MAX {
        make_folder(&layout.path(Place::Fan(byte)))?;
    }
    // Even if all were there: whoever made them may have been stopped before this.
    for folder in [&blobs, &root] {
        disk.sync_folder(folder).map_err(OpenError::at(folder))?;
    }
    match folder_at(&blobs)?.dev() == folder_at(&stages)?.dev() {
        true => Ok(()),
        false => Err(OpenError::Split(root)),
    }
}

/// The root may be a symbolic link to a folder, as the one who runs the store likes.
fn make_root(disk: &Disk, root: &Path) -> Result<(), OpenError> {
    match fs::metadata(root) {
        Ok(metadata) => tighten(root, &metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = folder_of(root);
            if !parent.exists() {
                make_root(disk, parent)?;
            }
            make_folder(root)?;
            disk.sync_folder(parent).map_err(OpenError::at(parent))
        }
        Err(error) => Err(OpenError::at(root)(error)),
    }
}

fn make_folder(path: &Path) -> Result<(), OpenError> {
    match DirBuilder::new().mode(0o700).create(path) {
        // The umask may have taken from the owner too.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o700)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return tighten(path, &folder_at(path)?);
        }
        Err(error) => Err(error),
    }
    .map_err(OpenError::at(path))
}

/// Takes away what others may do.
fn tighten(path: &Path, metadata: &Metadata) -> Result<(), OpenError> {
    const OTHERS: u32 = 0o077;
    const STICKY: u32 = 0o1000;

    if !metadata.is_dir() {
        return Err(OpenError::NotAFolder(path.to_owned()));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    if mode & STICKY != 0 {
        return Err(OpenError::Shared(path.to_owned()));
    }
    fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS)).map_err(OpenError::at(path))
}

fn folder_at(path: &Path) -> Result<Metadata, OpenError> {
    let metadata = fs::symlink_metadata(path).map_err(OpenError::at(path))?;
    match metadata.is_dir() {
        true => Ok(metadata),
        false => Err(OpenError::NotAFolder(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(root: &Path) -> Result<(), OpenError> {
        prepare(&Disk::default(), &Layout::new(root.to_owned()))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn an_open_root_is_made_private_and_nothing_is_loosened() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, Permissions::from_mode(0o775)).unwrap();
        prepared(&root).unwrap();
        assert_eq!(mode(&root), 0o700);

        fs::set_permissions(root.join("blobs"), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&root, Permissions::from_mode(0o500)).unwrap();
        prepared(&root).unwrap();
        assert_eq!(mode(&root.join("blobs")), 0o700);
        assert_eq!(mode(&root), 0o500);
    }

    #[test]
    fn a_missing_root_is_made_with_its_parents() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("a/b");
        prepared(&root).unwrap();
        for folder in ["", "blobs", "stages", "blobs/00", "blobs/ff"] {
            assert_eq!(mode(&root.join(folder)), 0o700);
        }
    }

    #[test]
    fn what_is_no_folder_of_ours_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let shared = scratch.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
        assert!(matches!(prepared(&shared), Err(OpenError::Shared(path)) if path == shared));
        assert_eq!(mode(&shared), 0o1777);

        let file = scratch.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(prepared(&file), Err(OpenError::NotAFolder(path)) if path == file));

        let linked = scratch.path().join("linked");
        fs::create_dir(&linked).unwrap();
        std::os::unix::fs::symlink(scratch.path(), linked.join("blobs")).unwrap();
        assert!(matches!(prepared(&linked), Err(OpenError::NotAFolder(_))));
    }
}
