//! Who signed in where: `client.toml` in the folder of settings, for its owner alone.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use consign_client::{IdempotencyKey, Token};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::failure::{Exit, Failure};

const FILE: &str = "client.toml";

/// How long after its last attempt a download goes on.
const GIVEN_UP: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// The sign-ins of one user of the machine.
#[derive(Default, Deserialize, Serialize)]
struct Profiles {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// A sign-in.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Profile {
    pub(crate) url: Url,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) insecure_http: bool,
}

/// The file that they are in.
pub(crate) struct Store {
    folder: PathBuf,
}

impl Profile {
    pub(crate) fn at(url: Url) -> Self {
        Self {
            url,
            username: None,
            token: None,
            expires_at: None,
            ca: None,
            insecure_http: false,
        }
    }

    pub(crate) fn token(&self) -> Option<Token> {
        self.token.as_deref().map(Token::new)
    }

    pub(crate) fn signed_in(&mut self, username: &str, token: &Token, until: Timestamp) {
        self.username = Some(username.to_owned());
        self.token = Some(token.reveal().to_owned());
        self.expires_at = Some(until.to_string());
    }

    pub(crate) fn signed_out(&mut self) {
        self.token = None;
        self.expires_at = None;
    }

    /// Whether its token is at its end, as far as this machine's clock tells.
    pub(crate) fn has_ended(&self) -> bool {
        let end = self.expires_at.as_deref();
        let end = end.and_then(|end| end.parse::<Timestamp>().ok());
        end.is_some_and(|end| end <= Timestamp::now())
    }
}

impl Store {
    /// The file in `$XDG_CONFIG_HOME/consign`, or `~/.config/consign`.
    pub(crate) fn new() -> Result<Self, Failure> {
        let folder = base("XDG_CONFIG_HOME", ".config").ok_or_else(|| {
            let text = "there is no place for settings: neither XDG_CONFIG_HOME nor HOME is set";
            Failure::new(Exit::Failed, text)
        })?;
        Ok(Self { folder })
    }

    pub(crate) fn profile(&self, name: &str) -> Result<Option<Profile>, Failure> {
        Ok(self.read()?.profiles.remove(name))
    }

    /// Changes a profile, and nothing else that was changed meanwhile.
    pub(crate) fn update(
        &self,
        name: &str,
        change: impl FnOnce(&mut Option<Profile>),
    ) -> Result<(), Failure> {
        let at = |error: io::Error| failed(&self.folder, &error);
        private_folder(&self.folder).map_err(at)?;
        let folder = fs::File::open(&self.folder).map_err(at)?;
        folder.lock().map_err(at)?;
        let mut all = self.read()?;
        let mut profile = all.profiles.remove(name);
        change(&mut profile);
        if let Some(profile) = profile {
            all.profiles.insert(name.to_owned(), profile);
        }
        let text = toml::to_string(&all).map_err(|error| {
            Failure::new(Exit::Failed, format!("{FILE} cannot be written: {error}"))
        })?;
        let path = self.folder.join(FILE);
        write_private(&path, text.as_bytes()).map_err(|error| failed(&path, &error))
    }

    fn read(&self) -> Result<Profiles, Failure> {
        let path = self.folder.join(FILE);
        let (text, mode) = match read_with_mode(&path) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Profiles::default()),
            Err(error) => return Err(failed(&path, &error)),
        };
        // What the parser says may repeat a token.
        let profiles: Profiles = toml::from_str(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let text = format!(
                "{}, line {line}: not as `consign login` writes it",
                path.display()
            );
            Failure::new(Exit::Failed, text)
        })?;
        let keeps_tokens = profiles
            .profiles
            .values()
            .any(|profile| profile.token.is_some());
        if keeps_tokens && mode & 0o077 != 0 {
            let text = format!(
                "{} can be read by others, and holds a token",
                path.display()
            );
            let hint = format!(
                "`chmod 600 {}`, and sign in anew if others may have read it",
                path.display()
            );
            return Err(Failure::new(Exit::Failed, text).hint(hint));
        }
        Ok(profiles)
    }
}

/// A link that is being fetched, so that it is opened once however often that is tried.
#[derive(Deserialize, Serialize)]
pub(crate) struct Opening {
    key: String,
    pub(crate) lease: Option<consign_client::Lease>,
}

/// Where one link's [`Opening`] is kept: in `$XDG_STATE_HOME/consign/links`, or
/// `~/.local/state/consign/links`.
pub(crate) struct OpeningFile(Option<PathBuf>);

impl Opening {
    pub(crate) fn new() -> Self {
        Self {
            key: IdempotencyKey::random().reveal().to_owned(),
            lease: None,
        }
    }

    pub(crate) fn key(&self) -> IdempotencyKey {
        IdempotencyKey::kept(self.key.clone())
    }
}

impl OpeningFile {
    /// The file for the link of this digest.
    pub(crate) fn of(digest: &str) -> Self {
        let folder = base("XDG_STATE_HOME", ".local/state").map(|base| base.join("links"));
        Self(folder.map(|folder| folder.join(digest)))
    }

    /// What is kept, unless it is of no use any more.
    pub(crate) fn read(&self) -> Option<Opening> {
        let (text, mode) = read_with_mode(self.0.as_deref()?).ok()?;
        let opening: Opening = serde_json::from_str(&text).ok()?;
        let now = Timestamp::now();
        let good = opening
            .lease
            .as_ref()
            .is_none_or(|lease| lease.expires_at > now);
        (good && mode & 0o077 == 0).then_some(opening)
    }

    /// Keeps it. Where that cannot be, the download goes on but cannot be resumed by another command.
    pub(crate) fn write(&self, opening: &Opening) {
        let Some(path) = &self.0 else { return };
        let Some(folder) = path.parent() else { return };
        tidy(folder);
        let text = serde_json::to_vec(opening).unwrap_or_default();
        let _ = private_folder(folder).and_then(|()| write_private(path, &text));
    }

    pub(crate) fn remove(&self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes what was given up: no lease lasts longer than a week.
fn tidy(folder: &Path) {
    let is_old = |entry: &fs::DirEntry| {
        let written = entry.metadata().and_then(|about| about.modified()).ok()?;
        Some(written.elapsed().ok()? > GIVEN_UP)
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_old(&entry) == Some(true) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A folder for this program (XDG Base Directory Specification 0.8): relative paths are to be ignored.
fn base(variable: &str, otherwise: &str) -> Option<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = set(variable).or_else(|| Some(set("HOME")?.join(otherwise)))?;
    Some(base.join("consign"))
}

fn private_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

fn read_with_mode(path: &Path) -> io::Result<(String, u32)> {
    let file = fs::File::open(path)?;
    let mode = file.metadata()?.mode();
    Ok((io::read_to_string(file)?, mode))
}

/// Writes a file for its owner alone, at once or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}", IdempotencyKey::random().reveal()));
    let new = PathBuf::from(new);
    let mut options = fs::OpenOptions::new();
    let written = options.write(true).create_new(true).mode(0o600).open(&new);
    let written = written.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&new, path));
    if moved.is_err() {
        let _ = fs::remove_file(&new);
    }
    moved
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {error}", path.display()))
}
