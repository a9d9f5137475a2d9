//! The running server's door for administration: a Unix socket in the data folder, for its owner
//! alone. A request is one line of JSON, and so is each line of the answer.

use std::{
    fs, future, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    pin::pin,
};

use rustix::process;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy, sink},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};

use super::{LINES, Line, Request, execute};
use crate::{
    BoxError,
    data::{Installation, Paths},
};

/// Bytes that a request has at most.
const MAX_REQUEST: u64 = 64 * 1024;

/// Bytes of a socket's path at most: one fewer than its address holds, on Linux and elsewhere.
const MAX_PATH: usize = 100;

/// The socket of a running server. It goes when the value does.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    installation: Installation,
}

impl Socket {
    /// Opens the door to an installation. One that a killed server has left behind is replaced:
    /// whoever holds the installation is the only server.
    pub(crate) fn bind(paths: &Paths, installation: Installation) -> io::Result<Self> {
        let path = &paths.socket;
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(error)),
            _ => {}
        }
        let short = Short::of(path).map_err(named)?;
        let listener = UnixListener::bind(&short.path).map_err(named)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(named)?;
        Ok(Self {
            listener,
            path: path.clone(),
            installation,
        })
    }

    /// Answers requests, until the future is dropped.
    pub(crate) async fn serve(self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let installation = self.installation.clone();
                    tokio::spawn(async move {
                        if let Err(error) = answer(stream, &installation).await {
                            tracing::warn!(%error, "an administrator's command broke off");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "an administrator could not be let in");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The running server's socket; `None` when no server runs.
pub(crate) async fn connect(paths: &Paths) -> io::Result<Option<UnixStream>> {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    let short = Short::of(&paths.socket)?;
    match UnixStream::connect(&short.path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), ConnectionRefused | NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Has the running server carry out a request, and passes on its answer.
pub(crate) async fn forward(
    mut stream: UnixStream,
    request: &Request,
    lines: mpsc::Sender<Line>,
) -> Result<(), BoxError> {
    let mut text = serde_json::to_string(request)?;
    text.push('\n');
    stream.write_all(text.as_bytes()).await?;
    let mut answer = BufReader::new(stream).lines();
    while let Some(line) = answer.next_line().await? {
        if lines.send(serde_json::from_str(&line)?).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn answer(mut stream: UnixStream, installation: &Installation) -> Result<(), BoxError> {
    let (owner, peer) = (process::geteuid().as_raw(), stream.peer_cred()?.uid());
    if peer != owner && peer != 0 {
        return Err(format!("user {peer} is not the owner").into());
    }
    let (read, mut write) = stream.split();
    let mut line = String::new();
    let mut read = BufReader::new(read);
    (&mut read).take(MAX_REQUEST).read_line(&mut line).await?;
    let request = serde_json::from_str::<Request>(&line);
    let outlives_caller = !matches!(request, Ok(Request::Migrate(_)));
    let (lines, answer) = mpsc::channel(LINES);
    let executed = async {
        match request {
            Ok(request) => execute::execute(installation, request, false, lines).await,
            // The line may hold a password, so it is not repeated.
            Err(_) => {
                let failed = "the server does not know this command; is it of another version?";
                let _ = lines.send(Line::Failed(failed.to_owned())).await;
            }
        }
    };
    let written = async {
        // It goes when nobody reads any more, and then nothing waits to be read.
        let mut answer = answer;
        let mut gone = pin!(async {
            match outlives_caller {
                true => future::pending().await,
                false => copy(&mut read, &mut sink()).await,
            }
        });
        loop {
            let line = tokio::select! {
                line = answer.recv() => line,
                _ = &mut gone => None,
            };
            let Some(line) = line else {
                break;
            };
            let mut text = serde_json::to_string(&line)?;
            text.push('\n');
            write.write_all(text.as_bytes()).await?;
        }
        Ok::<_, BoxError>(())
    };
    let ((), written) = tokio::join!(executed, written);
    written
}

/// A path that fits a socket's address, however long the folder's is: on Linux an open folder has a
/// short name too.
struct Short {
    path: PathBuf,
    _folder: Option<fs::File>,
}

impl Short {
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= MAX_PATH {
            return Ok(Self {
                path: path.to_owned(),
                _folder: None,
            });
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let folder = fs::File::open(folder)?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
        Ok(Self {
            path: Path::new("/proc/self/fd")
                .join(number.to_string())
                .join(name),
            _folder: Some(folder),
        })
    }
}
