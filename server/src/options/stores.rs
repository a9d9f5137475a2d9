//! Where users, the catalogue and the files are.

use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use consign_storage_postgres::{PARAMETERS, is_parameter};
use url::Url;

use super::{
    origin::{Origins, Written},
    values::Veiled,
};
use crate::{BoxError, data::Paths};

/// Characters of a schema's name at most, as PostgreSQL has it.
const MAX_SCHEMA: usize = 63;

/// The port and the schema where none is named.
const DEFAULT_PORT: u16 = 5432;
const DEFAULT_SCHEMA: &str = "consign";

/// The stores of an installation, and the key that its nodes share.
#[derive(Clone, Debug)]
pub(crate) struct StoreConfig {
    pub(crate) metadata: Place<Metadata>,
    pub(crate) blobs: Place<Blobs>,
    pub(crate) cluster_key: Place<PathBuf>,
}

/// What a setting names, and how it was written.
#[derive(Clone, Debug)]
pub(crate) struct Place<T> {
    pub(crate) is: T,
    pub(crate) written: Written,
}

/// Where users and the catalogue are.
#[derive(Clone, Debug)]
pub(crate) enum Metadata {
    /// A file.
    Redb(PathBuf),
    /// A database that several nodes can share.
    Postgres(Database),
}

/// Where the bytes of files are.
#[derive(Clone, Debug)]
pub(crate) enum Blobs {
    /// A folder.
    Fs(PathBuf),
    /// A bucket, and a prefix in it.
    S3(Url),
}

/// A database, as a URL in which a password may be: it is shown without.
#[derive(Clone)]
pub(crate) struct Database {
    url: Url,
    pub(crate) schema: Option<String>,
}

impl StoreConfig {
    pub(super) fn new(
        data: &Path,
        metadata: Option<Veiled>,
        blobs: Option<Veiled>,
        cluster_key: Option<PathBuf>,
        origins: &Origins,
    ) -> Result<Self, BoxError> {
        let paths = Paths::of(data);
        let metadata = Place::parsed(metadata, origins.of("metadata"))?;
        let blobs = Place::parsed(blobs, origins.of("blobs"))?;
        Ok(Self {
            metadata: metadata.unwrap_or_else(|written| Place {
                is: Metadata::Redb(paths.database),
                written,
            }),
            blobs: blobs.unwrap_or_else(|written| Place {
                is: Blobs::Fs(paths.files),
                written,
            }),
            cluster_key: Place {
                is: cluster_key.unwrap_or(paths.cluster_key),
                written: origins.of("cluster-key"),
            },
        })
    }

    /// The database's file, where it is one.
    pub(crate) fn database_file(&self) -> Option<&Path> {
        match &self.metadata.is {
            Metadata::Redb(path) => Some(path),
            Metadata::Postgres(_) => None,
        }
    }

    /// The files' folder, where they are in one.
    pub(crate) fn files_folder(&self) -> Option<&Path> {
        match &self.blobs.is {
            Blobs::Fs(path) => Some(path),
            Blobs::S3(_) => None,
        }
    }

    /// Whether several nodes can have it at once.
    pub(crate) fn is_shared(&self) -> bool {
        self.database_file().is_none()
    }
}

impl<T: FromStr<Err = String>> Place<T> {
    /// What was written, or how nothing was.
    fn parsed(text: Option<Veiled>, written: Written) -> Result<Result<Self, Written>, BoxError> {
        let Some(Veiled(text)) = text else {
            return Ok(Err(written));
        };
        match text.parse() {
            Ok(is) => Ok(Ok(Self { is, written })),
            Err(error) => Err(format!("{written}: {error}").into()),
        }
    }
}

// Of both: whoever tells why a text is refused does not repeat it.

impl FromStr for Metadata {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("redb", "")) => Err("redb: and no path".into()),
            Some(("redb", path)) => Ok(Self::Redb(path.into())),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(text.parse()?)),
            _ => Err("it has to be redb:PATH or postgres://USER:PASSWORD@HOST/DATABASE".into()),
        }
    }
}

impl FromStr for Blobs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("fs", "")) => Err("fs: and no folder".into()),
            Some(("fs", path)) => Ok(Self::Fs(path.into())),
            Some(("s3", _)) => bucket(text).map(Self::S3),
            _ => Err("it has to be fs:PATH or s3://BUCKET/PREFIX".into()),
        }
    }
}

impl FromStr for Database {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let no_url = |error: url::ParseError| format!("it is no URL: {error}");
        let mut url: Url = text.parse().map_err(no_url)?;
        if !url[url::Position::AfterScheme..].starts_with("://") {
            return Err("it has to begin with postgres://".into());
        }
        if url.fragment().is_some() {
            return Err("a # ends it: one in a password is written %23".into());
        }
        let (mut schema, mut left) = (None, Vec::new());
        for (name, value) in url.query_pairs() {
            match &*name {
                "schema" => schema = Some(schema_name(&value)?),
                _ if is_parameter(&name) => left.push((name.into_owned(), value.into_owned())),
                // Not repeated: what stands behind a ? that is part of a password is no name.
                _ => {
                    let known = PARAMETERS.join(", ");
                    return Err(format!(
                        "behind the ? there can be schema, {known}, and no other"
                    ));
                }
            }
        }
        url.set_query(None);
        if !left.is_empty() {
            url.query_pairs_mut().extend_pairs(left);
        }
        Ok(Self { url, schema })
    }
}

impl Database {
    /// With the password that it may have.
    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Whether it is the same database, whoever signs in.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.place() == other.place()
    }

    /// Host, port, database and schema.
    fn place(&self) -> (String, String, String, &str) {
        let host = self.parameter("host").or(self.parameter("hostaddr"));
        let host = host.as_deref().or(self.url.host_str()).unwrap_or_default();
        let port = self.url.port().unwrap_or(DEFAULT_PORT).to_string();
        let port = self.parameter("port").map_or(port, Cow::into_owned);
        let path = self.url.path().trim_start_matches('/').to_owned();
        let name = self.parameter("dbname").map_or(path, Cow::into_owned);
        let schema = self.schema.as_deref().unwrap_or(DEFAULT_SCHEMA);
        (host.to_ascii_lowercase(), port, name, schema)
    }

    /// Whether a password is in it.
    pub(crate) fn has_password(&self) -> bool {
        let mut parameters = self.url.query_pairs();
        self.url.password().is_some() || parameters.any(|(name, _)| name == "password")
    }

    fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut parameters = self.url.query_pairs();
        parameters
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.parameter("host").or(self.parameter("hostaddr"));
        let host = host.as_deref().or(self.url.host_str()).unwrap_or_default();
        write!(f, "postgres://{}", host.escape_debug())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        let path = self.url.path();
        match self.parameter("dbname") {
            Some(name) => write!(f, "/{}", name.escape_debug()),
            None => f.write_str(path),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redb(path) => write!(f, "redb:{}", path.display()),
            Self::Postgres(database) => database.fmt(f),
        }
    }
}

impl fmt::Display for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fs(path) => write!(f, "fs:{}", path.display()),
            Self::S3(url) => url.fmt(f),
        }
    }
}

fn schema_name(name: &str) -> Result<String, String> {
    let good = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
    let begins = name.starts_with(|char: char| char.is_ascii_lowercase() || char == '_');
    if begins && name.len() <= MAX_SCHEMA && name.chars().all(good) && !name.starts_with("pg_") {
        return Ok(name.to_owned());
    }
    Err("a schema's name is of a to z, 0 to 9 and _, begins with no digit and not with pg_".into())
}

fn bucket(text: &str) -> Result<Url, String> {
    let no_url = |error: url::ParseError| format!("it is no URL: {error}");
    let mut url: Url = text.parse().map_err(no_url)?;
    if !url.username().is_empty() || url.password().is_some() {
        let why =
            "credentials are told to the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        return Err(why.into());
    }
    if url.port().is_some() {
        return Err("it names a bucket: where the server is, AWS_ENDPOINT_URL says".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("behind the prefix there can be no ? and no #".into());
    }
    let good = |char: char| char.is_ascii_alphanumeric() || ".-_".contains(char);
    // One place is written in one way.
    let prefix = match url.path().trim_matches('/') {
        "" => String::new(),
        prefix => format!("/{prefix}"),
    };
    url.set_path(&prefix);
    match url.host_str() {
        Some(name) if !name.is_empty() && name.chars().all(good) => Ok(url),
        _ => Err("it has to be s3://BUCKET or s3://BUCKET/PREFIX".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_parsed() {
        for text in [
            "redb:/var/lib/consign.redb",
            "redb:here.redb",
            "postgres://host/db",
            "postgres://host:5433/db",
            "postgres:///db",
        ] {
            let metadata: Metadata = text.parse().unwrap();
            assert_eq!(metadata.to_string(), text);
        }
        for text in [
            "fs:/srv/files",
            "fs:files",
            "s3://bucket",
            "s3://b.u-c_k/a/b",
        ] {
            let blobs: Blobs = text.parse().unwrap();
            assert_eq!(blobs.to_string(), text);
        }
    }

    #[test]
    fn a_prefix_is_one_with_its_slashes_and_without() {
        for (text, shown) in [
            ("s3://bucket/", "s3://bucket"),
            ("s3://bucket/a/b/", "s3://bucket/a/b"),
            ("s3://bucket//a//", "s3://bucket/a"),
        ] {
            let blobs: Blobs = text.parse().unwrap();
            assert_eq!(blobs.to_string(), shown);
        }
    }

    #[test]
    fn a_database_is_shown_without_its_login() {
        for (text, shown) in [
            ("postgresql://me:secret@host/db", "postgres://host/db"),
            (
                "postgres://me@host/db?password=secret",
                "postgres://host/db",
            ),
            (
                "postgres://x/y?host=/run/secret-less&dbname=z",
                "postgres:///run/secret-less/z",
            ),
            (
                "postgres://host/db?schema=other&sslmode=verify-full",
                "postgres://host/db",
            ),
        ] {
            let metadata: Metadata = text.parse().unwrap();
            assert_eq!(metadata.to_string(), shown);
            assert_eq!(format!("{metadata:?}"), format!("Postgres({shown})"));
        }
    }

    #[test]
    fn a_schema_is_taken_out_of_the_url() {
        let database: Database = "postgres://h/d?schema=t_1&sslmode=disable".parse().unwrap();
        assert_eq!(database.url(), "postgres://h/d?sslmode=disable");
        assert_eq!(database.schema.as_deref(), Some("t_1"));
        let database: Database = "postgres://h/d?schema=t_1".parse().unwrap();
        assert_eq!(database.url(), "postgres://h/d");
    }

    #[test]
    fn a_database_is_the_same_however_it_is_written() {
        let is_same = |one: &str, other: &str| {
            let [one, other] = [one, other].map(|text| text.parse::<Database>().unwrap());
            one.is_same(&other) && other.is_same(&one)
        };
        for other in [
            "postgresql://me:secret@h/d",
            "postgres://H/d",
            "postgres://h:5432/d",
            "postgres://h/d?schema=consign",
            "postgres://x/y?host=h&port=5432&dbname=d",
        ] {
            assert!(is_same("postgres://h/d", other), "{other}");
        }
        for other in [
            "postgres://i/d",
            "postgres://h:5433/d",
            "postgres://h/d?port=5433",
            "postgres://h/e",
            "postgres://h/d?schema=other",
        ] {
            assert!(!is_same("postgres://h/d", other), "{other}");
        }
    }

    #[test]
    fn what_is_refused_is_not_repeated() {
        for text in [
            "",
            "secret",
            "redb:",
            "mysql://me:secret@host/db",
            "postgres:secret",
            "postgres:/secret",
            "postgres://me:secret@host:port/db",
            "postgres://me:x#secret@host/db",
            "postgres://me:x?secret@host/db",
            "postgres://host/db?pasword=secret",
            "postgres://host/db?schema=Secret",
            "postgres://host/db?schema=pg_secret",
        ] {
            let error = text.parse::<Metadata>().unwrap_err();
            assert!(!error.to_lowercase().contains("secret"), "{text}: {error}");
        }
        for text in [
            "",
            "secret",
            "fs:",
            "s3:",
            "s3:secret",
            "s3://",
            "s3://key:secret@bucket/prefix",
            "s3://bucket:9000/secret",
            "s3://bucket/prefix?secret",
            "s3://buc%20ket/secret",
            "http://host/secret",
        ] {
            let error = text.parse::<Blobs>().unwrap_err();
            let error = error.replace("AWS_SECRET", "");
            assert!(!error.to_lowercase().contains("secret"), "{text}: {error}");
        }
    }
}
