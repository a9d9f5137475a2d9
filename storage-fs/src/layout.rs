//! Where things lie. No path is made anywhere else.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use consign_core::{
    id::{BlobKey, StageId},
    random::OsEntropy,
};

/// The paths under one root. They are built from digits alone, so none leads out of it.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Root,
    Blobs,
    Stages,
    /// The folder of the blobs whose key begins with this byte.
    Fan(u8),
    Blob(BlobKey),
    Stage(StageId),
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn path(&self, place: Place) -> PathBuf {
        match place {
            Place::Root => self.root.clone(),
            Place::Blobs => self.root.join("blobs"),
            Place::Stages => self.root.join("stages"),
            Place::Fan(byte) => self.path(Place::Blobs).join(format!("{byte:02x}")),
            Place::Blob(key) => {
                let digits = key.to_string();
                self.path(Self::fan(key)).join(&digits[2..])
            }
            Place::Stage(id) => self.path(Place::Stages).join(id.to_string()),
        }
    }

    /// The folder that holds the blob.
    pub(crate) fn fan(key: BlobKey) -> Place {
        Place::Fan(key.as_bytes()[0])
    }

    /// The blob that a file of this name in this folder is; `None` for a foreign name.
    pub(crate) fn blob_named(fan: u8, name: &OsStr) -> Option<BlobKey> {
        format!("{fan:02x}{}", name.to_str()?).parse().ok()
    }

    /// The stage that a file of this name is; `None` for a foreign name.
    pub(crate) fn stage_named(name: &OsStr) -> Option<StageId> {
        name.to_str()?.parse().ok()
    }
}

/// A new name beside `path`, for what is going to take its place.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", StageId::random(&OsEntropy)));
    path.with_file_name(name)
}

/// Whether [`beside`] made this name, for what was going to take the place of `path`.
pub(crate) fn is_beside(path: &Path, name: &OsStr) -> bool {
    let own = path.file_name().unwrap_or_default().as_encoded_bytes();
    let rest = name.as_encoded_bytes().strip_prefix(b".");
    let rest = rest.and_then(|rest| rest.strip_prefix(own)?.strip_prefix(b"."));
    let id = rest.and_then(|rest| std::str::from_utf8(rest).ok());
    id.is_some_and(|id| id.parse::<StageId>().is_ok())
}

/// The folder that holds `path`.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_blobs_path_is_two_folders_down_and_names_it(bytes: [u8; 16]) {
            let key = BlobKey::from_bytes(bytes);
            let path = Layout::new("root".into()).path(Place::Blob(key));
            let parts: Vec<_> = path.components().collect();
            prop_assert_eq!(parts.len(), 4);
            prop_assert!(parts.iter().all(|part| matches!(part, Component::Normal(_))));
            prop_assert_eq!(parts[1].as_os_str(), "blobs");
            prop_assert_eq!(parts[2].as_os_str().to_string_lossy(), format!("{:02x}", bytes[0]));
            prop_assert_eq!(Layout::blob_named(bytes[0], parts[3].as_os_str()), Some(key));
        }

        #[test]
        fn a_stages_path_is_one_folder_down_and_names_it(bytes: [u8; 16]) {
            let id = StageId::from_bytes(bytes);
            let path = Layout::new("root".into()).path(Place::Stage(id));
            prop_assert_eq!(path.parent(), Some(Path::new("root/stages")));
            prop_assert_eq!(Layout::stage_named(path.file_name().unwrap()), Some(id));
        }

        #[test]
        fn other_names_are_foreign(name in ".{0,40}") {
            if let Some(id) = Layout::stage_named(OsStr::new(&name)) {
                prop_assert_eq!(id.to_string(), name);
            }
        }
    }

    #[test]
    fn the_folder_of_a_bare_name_is_the_present_one() {
        assert_eq!(folder_of(Path::new("keys.json")), Path::new("."));
        assert_eq!(folder_of(Path::new("data/keys.json")), Path::new("data"));
        assert_eq!(
            beside(Path::new("data/keys.json")).parent(),
            Some(Path::new("data"))
        );
    }
}
