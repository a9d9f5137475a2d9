//! The courier that writes mail into files.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use consign_core::{
    mail::{Courier, DeliveryError, Mail},
    time::{Clock, SystemClock},
};
use tokio::task;

use crate::message::{self, Mailbox};

/// Writes each mail into a file that mail programs open, for development: nobody is sent anything.
///
/// Files are named by their time, in milliseconds since the Unix epoch, and the mail's id:
/// `1735689600000-<32 digits>.eml`. They appear whole, can be read by their owner alone, and are not
/// synced.
#[derive(Debug)]
pub struct FolderCourier {
    folder: PathBuf,
    from: Mailbox,
    clock: Arc<dyn Clock>,
}

impl FolderCourier {
    /// A courier that writes mail from this address into this folder, which it makes if it is missing.
    pub fn open(folder: impl Into<PathBuf>, from: Mailbox) -> io::Result<Self> {
        Self::with_clock(folder, from, Arc::new(SystemClock))
    }

    /// The same, by another clock.
    pub fn with_clock(
        folder: impl Into<PathBuf>,
        from: Mailbox,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let folder = folder.into();
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::metadata(&folder)?.is_dir() {
                    return Err(io::Error::other("is not a folder"));
                }
            }
            made => made?,
        }
        Ok(Self {
            folder,
            from,
            clock,
        })
    }
}

#[async_trait]
impl Courier for FolderCourier {
    async fn deliver(&self, mail: &Mail) -> Result<(), DeliveryError> {
        let now = self.clock.now();
        let written = message::write(mail, &self.from, now)?;
        let name = format!("{:013}-{}.eml", now.as_millis(), mail.id);
        let folder = self.folder.clone();
        let done = task::spawn_blocking(move || write_whole(&folder, &name, &written.bytes)).await;
        done.map_err(io::Error::other)
            .flatten()
            .map_err(|error| DeliveryError::Temporary(error.into()))
    }
}

fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!(".{name}.part"));
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&unfinished)?.write_all(bytes)?;
        fs::rename(&unfinished, folder.join(name))
    };
    // What an earlier process left there.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}
