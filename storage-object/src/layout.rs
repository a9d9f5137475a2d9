//! What the objects are called.

use consign_core::id::{BlobKey, StageId};
use object_store::path::Path;
use url::Url;

use crate::errors::OpenError;

/// Parts that a stage has at most, as an upload of S3.
pub(crate) const MOST_PARTS: usize = 10_000;

/// The names of a store's objects: nothing but the digits of keys, ids and numbers becomes part of one.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// What all names begin with: empty, or with a slash at its end.
    root: String,
}

/// An object of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The bytes of the part of this number, from 1.
    Part(usize),
    /// It is empty, and says under which key the stage is being published.
    Target(BlobKey),
}

impl Layout {
    /// Reads `s3://bucket/prefix`; gives the bucket, too.
    pub(crate) fn of(url: &Url) -> Result<(String, Self), OpenError> {
        if url.scheme() != "s3" {
            return Err(OpenError::Url("it does not begin with s3://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OpenError::Url("credentials do not belong into it"));
        }
        if url.port().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(OpenError::Url("it has more than a bucket and a prefix"));
        }
        let bucket = url.host_str().filter(|bucket| is_bucket(bucket));
        let bucket = bucket.ok_or(OpenError::Url("it has no bucket's name"))?;
        let path = url.path().trim_matches('/');
        let is_prefix = path.len() <= 512 && path.split('/').all(is_segment);
        match path {
            "" => Ok((bucket.into(), Self { root: "".into() })),
            path if is_prefix => Ok((
                bucket.into(),
                Self {
                    root: format!("{path}/"),
                },
            )),
            _ => Err(OpenError::Url(
                "its prefix may have letters, digits, dots, dashes, underscores and slashes",
            )),
        }
    }

    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    pub(crate) fn blobs(&self) -> String {
        format!("{}blobs/", self.root)
    }

    pub(crate) fn blob(&self, key: BlobKey) -> Path {
        Path::from(format!("{}blobs/{key}", self.root))
    }

    pub(crate) fn blob_named(&self, path: &Path) -> Option<BlobKey> {
        let name = path.as_ref().strip_prefix(&*self.root)?;
        name.strip_prefix("blobs/")?.parse().ok()
    }

    pub(crate) fn stages(&self) -> String {
        format!("{}stages/", self.root)
    }

    pub(crate) fn stage(&self, id: StageId) -> String {
        format!("{}stages/{id}/", self.root)
    }

    /// What all objects of a stage lie before, and those of the next behind: `0` follows `/`.
    pub(crate) fn after_stage(&self, id: StageId) -> String {
        format!("{}stages/{id}0", self.root)
    }

    pub(crate) fn piece(&self, id: StageId, piece: Piece) -> Path {
        let stage = self.stage(id);
        Path::from(match piece {
            Piece::Part(number) => format!("{stage}{number:05}"),
            Piece::Target(key) => format!("{stage}to-{key}"),
        })
    }

    pub(crate) fn piece_named(&self, path: &Path) -> Option<(StageId, Piece)> {
        let name = path.as_ref().strip_prefix(&*self.root)?;
        let (id, name) = name.strip_prefix("stages/")?.split_once('/')?;
        let piece = match name.strip_prefix("to-") {
            Some(key) => Piece::Target(key.parse().ok()?),
            None => {
                let number = name.parse().ok()?;
                let is_one = (1..=MOST_PARTS).contains(&number) && name == format!("{number:05}");
                is_one.then_some(Piece::Part(number))?
            }
        };
        Some((id.parse().ok()?, piece))
    }
}

fn is_bucket(name: &str) -> bool {
    let is_character =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    (3..=255).contains(&name.len()) && name.bytes().all(is_character)
}

fn is_segment(segment: &str) -> bool {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(is_character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(url: &str) -> Result<(String, Layout), OpenError> {
        Layout::of(&Url::parse(url).unwrap())
    }

    #[test]
    fn names_are_read_as_they_are_made() {
        for (url, root) in [
            ("s3://bucket", ""),
            ("s3://bucket/", ""),
            ("s3://bucket/a", "a/"),
            ("s3://bucket/a/B_2.c/", "a/B_2.c/"),
        ] {
            let (bucket, layout) = layout(url).unwrap();
            assert_eq!(bucket, "bucket");
            assert_eq!(layout.root(), root);
            let (key, id) = (
                BlobKey::from_bytes([0xab; 16]),
                StageId::from_bytes([0xcd; 16]),
            );
            let blob = layout.blob(key);
            assert_eq!(
                blob.as_ref(),
                format!("{root}blobs/abababababababababababababababab")
            );
            assert_eq!(layout.blob_named(&blob), Some(key));
            assert_eq!(layout.piece_named(&blob), None);
            for piece in [Piece::Part(1), Piece::Part(MOST_PARTS), Piece::Target(key)] {
                let path = layout.piece(id, piece);
                assert_eq!(layout.piece_named(&path), Some((id, piece)));
                assert_eq!(layout.blob_named(&path), None);
                assert!(path.as_ref().starts_with(&layout.stage(id)));
                assert!(*path.as_ref() < *layout.after_stage(id));
            }
        }
    }

    #[test]
    fn other_names_are_not_ours() {
        let (_, layout) = layout("s3://bucket/a").unwrap();
        for name in [
            "blobs/abababababababababababababababab",
            "a/blobs/ABABABABABABABABABABABABABABABAB",
            "a/blobs/abababababababababababababababab/1",
            "a/stages/abababababababababababababababab",
            "a/stages/abababababababababababababababab/1",
            "a/stages/abababababababababababababababab/00000",
            "a/stages/abababababababababababababababab/10001",
            "a/stages/abababababababababababababababab/+0001",
            "a/stages/abababababababababababababababab/to-1",
        ] {
            let path = Path::from(name);
            assert_eq!(layout.blob_named(&path), None, "{name}");
            assert_eq!(layout.piece_named(&path), None, "{name}");
        }
    }

    #[test]
    fn other_urls_are_refused_and_not_repeated() {
        for url in [
            "http://bucket/a",
            "s3:///a",
            "s3://me:secret@bucket/a",
            "s3://bucket:80/a",
            "s3://bucket/a?secret",
            "s3://bucket/a#secret",
            "s3://bucket/a//b",
            "s3://bucket/a%2Fb",
            "s3://bucket/a b",
            "s3://no/a",
        ] {
            let error = layout(url).unwrap_err().to_string();
            assert!(
                !error.contains("secret") && !error.contains('\n'),
                "{error}"
            );
        }
    }
}
