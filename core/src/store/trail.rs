use crate::{
    event::{Author, Event, EventKind},
    id::{FileId, LinkId, UserId},
};

/// Which downloads are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DownloadsOf {
    /// Those of a file.
    File(FileId),
    /// Those by the leases of a managed link.
    Link(LinkId),
    /// Those of a file by download links of this user.
    FileBy(FileId, UserId),
}

impl DownloadsOf {
    /// All that an event is among.
    pub fn that_have(event: &Event) -> impl Iterator<Item = Self> + use<> {
        let of = match &event.kind {
            EventKind::Download(download) => {
                let link = download.by_lease.as_ref().map(|by| Self::Link(by.link));
                let by = match event.by {
                    Author::User(user) if link.is_none() => Some(Self::FileBy(download.file, user)),
                    _ => None,
                };
                [Some(Self::File(download.file)), link, by]
            }
            _ => [None; 3],
        };
        of.into_iter().flatten()
    }
}
