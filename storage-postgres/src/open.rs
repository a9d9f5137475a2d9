//! Opening: how a connection is made, and what can be in the way.

use std::{error::Error, fmt, time::Duration};

use consign_core::store::BoxError;
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgDatabaseError},
    raw_sql,
};
use tokio::time::Instant;
use url::Url;

use crate::{
    fault::{Fault, within},
    gate::Gate,
    options::Options,
    schema::{STEPS, Steps},
};

/// How long a connection may do nothing within a transaction: one whose node hangs holds up all others.
const IDLE: Duration = Duration::from_secs(5);

/// The oldest release that is known to do.
const OLDEST: i32 = 15;

/// What may stand behind the `?` of a URL, besides `options[NAME]`. Anything else the driver tells the log, with its
/// value, which may be a password under a mistyped name.
pub const PARAMETERS: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// Whether this may stand behind the `?` of a URL: one of [`PARAMETERS`], or `options[NAME]`.
pub fn is_parameter(name: &str) -> bool {
    let setting = name.strip_prefix("options[");
    PARAMETERS.contains(&name) || setting.is_some_and(|rest| rest.ends_with(']'))
}

/// Why a database was not opened. No text shows a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is no URL of a PostgreSQL database.
    #[error(
        "not a URL of a PostgreSQL database, such as postgres://consign@db.example.org/consign"
    )]
    Url(#[source] BoxError),
    /// The name of the schema is none that a schema can have here.
    #[error("not the name of a schema: 1 to 63 lower-case letters, digits and underscores")]
    SchemaName,
    /// Nothing answers there, or not in time.
    #[error("the database at {place} cannot be reached")]
    Unreachable {
        /// Its host and port, or its socket.
        place: String,
        /// What is in the way.
        source: BoxError,
    },
    /// It took too long for what it was asked, or was told to end it.
    #[error("the database at {place} gave up what it was asked")]
    GaveUp {
        /// Its host and port, or its socket.
        place: String,
        /// In the database's words.
        source: BoxError,
    },
    /// There is no such user, or not with this password, or not from here.
    #[error("the database at {place} refuses the user {user}")]
    Refused {
        /// Its host and port, or its socket.
        place: String,
        /// Whom it refuses.
        user: String,
        /// In the database's words.
        source: BoxError,
    },
    /// The server has no database of this name.
    #[error("there is no database {database} at {place}")]
    NoDatabase {
        /// The server's host and port, or its socket.
        place: String,
        /// The database's name.
        database: String,
    },
    /// The server is older than what the store was made for.
    #[error("the database is PostgreSQL {found}: 15 or newer is needed")]
    TooOld {
        /// Its version.
        found: String,
    },
    /// The database takes no writes: it is a standby, or was made to be so.
    #[error("the database is read-only")]
    ReadOnly,
    /// The database keeps texts in another encoding than UTF-8.
    #[error("the database's encoding is {0}: it has to be UTF8")]
    Encoding(String),
    /// The user may not make the schema, or its tables.
    #[error("the database's user may not make the schema {schema} and its tables, or use them")]
    NotPermitted {
        /// The schema's name.
        schema: String,
        /// In the database's words.
        source: BoxError,
    },
    /// The schema is of a later program.
    #[error("the schema {schema} is of version {found}, this program knows {known}")]
    Newer {
        /// The schema's name.
        schema: String,
        /// Its version.
        found: i32,
        /// The latest version that is known.
        known: i32,
    },
    /// The schema holds other things than a store's.
    #[error("the schema {schema} is not of this program: it holds other tables")]
    Foreign {
        /// The schema's name.
        schema: String,
    },
    /// The schema lacks what it should have.
    #[error("the schema {schema} is damaged: {text}")]
    Damaged {
        /// The schema's name.
        schema: String,
        /// What is wrong.
        text: String,
    },
    /// Anything else.
    #[error("the database cannot be opened")]
    Failed(#[source] BoxError),
}

/// Where the database is, and how it is used.
pub(crate) struct Place {
    pub(crate) connect: PgConnectOptions,
    pub(crate) options: Options,
    /// What the schema's tables are.
    pub(crate) steps: Steps,
    gate: Gate,
}

impl Place {
    pub(crate) fn new(url: &str, options: Options) -> Result<Self, OpenError> {
        if !options.has_plain_schema() {
            return Err(OpenError::SchemaName);
        }
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return Err(OpenError::Url("it begins with postgres://".into()));
        }
        let parsed = Url::parse(url).map_err(|error| OpenError::Url(error.into()))?;
        if parsed.query_pairs().any(|(name, _)| !is_parameter(&name)) {
            let known = PARAMETERS.join(", ");
            let why = format!("behind the ? there can be {known}, and no other");
            return Err(OpenError::Url(why.into()));
        }
        let connect =
            PgConnectOptions::from_url(&parsed).map_err(|error| OpenError::Url(error.into()))?;
        let millis = |time: Duration| time.as_millis().to_string();
        let connect = connect
            .application_name(&options.application_name)
            .disable_statement_logging()
            .options([
                ("search_path", options.schema.clone()),
                ("statement_timeout", millis(options.statement_timeout)),
                ("lock_timeout", millis(options.acquire_timeout)),
                ("idle_in_transaction_session_timeout", millis(IDLE)),
                // A node that is gone without a word is noticed within half a minute.
                ("tcp_keepalives_idle", "10".to_owned()),
                ("tcp_keepalives_interval", "5".to_owned()),
                ("tcp_keepalives_count", "3".to_owned()),
                ("tcp_user_timeout", "20000".to_owned()),
                // What the writer's lock rests on: a statement sees what was committed before it began.
                ("default_transaction_isolation", "read committed".to_owned()),
                ("client_min_messages", "warning".to_owned()),
                ("jit", "off".to_owned()),
            ]);
        Ok(Self {
            connect,
            options,
            steps: STEPS,
            gate: Gate::default(),
        })
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Result<PgConnection, Fault> {
        self.connect_since(Instant::now()).await
    }

    /// A new connection for whoever asked then: where none can be made, one at a time tries, for all who wait.
    pub(crate) async fn connect_since(&self, asked: Instant) -> Result<PgConnection, Fault> {
        let most = self.options.acquire_timeout;
        let connecting = async {
            let mut connection = PgConnection::connect_with(&self.connect).await?;
            settle(&mut connection).await?;
            Ok::<_, sqlx::Error>(connection)
        };
        let attempt = async {
            let made = within(most, connecting).await;
            made.map_err(Fault::of_connecting)
        };
        self.gate.pass(asked, most, attempt).await
    }

    /// How long a transaction may take, connecting with it.
    pub(crate) fn longest(&self) -> Duration {
        self.options.acquire_timeout + self.patience()
    }

    /// How long an answer to one statement is waited for: the database gives up before.
    pub(crate) fn patience(&self) -> Duration {
        self.options.statement_timeout + Duration::from_secs(1)
    }

    fn name(&self) -> String {
        match self.connect.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", self.connect.get_host(), self.connect.get_port()),
        }
    }

    /// Why no connection was made, or nothing else on it at first.
    pub(crate) fn told(&self, fault: Fault) -> OpenError {
        let schema = self.options.schema.clone();
        let error = match fault {
            Fault::Damaged(text) => return OpenError::Damaged { schema, text },
            Fault::Closed(why) => return OpenError::Failed(why.into()),
            Fault::Busy(error)
            | Fault::Connection(error)
            | Fault::Unreachable(error)
            | Fault::Again(error)
            | Fault::Exists(error)
            | Fault::Full(error)
            | Fault::Other(error) => error,
        };
        let place = self.name();
        let code = error.as_database_error().and_then(|told| told.code());
        let code = code.map(|code| code.into_owned()).unwrap_or_default();
        let source = words(&error);
        match code.as_str() {
            "28P01" | "28000" => OpenError::Refused {
                place,
                user: self.connect.get_username().to_owned(),
                source,
            },
            "55P03" => OpenError::Failed("others hold what is needed".into()),
            "57014" => OpenError::GaveUp { place, source },
            "3D000" => OpenError::NoDatabase {
                place,
                database: self.connect.get_database().unwrap_or_default().to_owned(),
            },
            "42501" => OpenError::NotPermitted { schema, source },
            "25006" => OpenError::ReadOnly,
            _ => match &*error {
                sqlx::Error::Configuration(_) => OpenError::Url(source),
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) => {
                    OpenError::Unreachable { place, source }
                }
                _ if code.starts_with("57P") || code.starts_with("53") => {
                    OpenError::Unreachable { place, source }
                }
                _ => OpenError::Failed(source),
            },
        }
    }
}

/// Shows no credentials.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("at", &self.name())
            .field("database", &self.connect.get_database())
            .field("options", &self.options)
            .finish()
    }
}

/// What was answered rests on what is on disk, whatever the database's own setting; what nobody waits for any more is
/// given up, where the server's system can see that.
pub(crate) async fn settle(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let sql = "SELECT set_config('synchronous_commit', 'on', false) \
        WHERE current_setting('synchronous_commit') = 'off'; \
        SELECT set_config('client_connection_check_interval', '1s', false) \
        WHERE current_setting('client_connection_check_interval', true) IS NOT NULL \
        AND version() ~ 'linux|darwin|freebsd'";
    raw_sql(sql).execute(connection).await.map(|_| ())
}

/// Whether the server is one that does.
pub(crate) async fn check_server(
    place: &Place,
    connection: &mut PgConnection,
) -> Result<(), OpenError> {
    let sql = "SELECT current_setting('server_version_num')::integer AS number, \
        current_setting('server_version') AS version, current_setting('server_encoding') AS encoding, \
        pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS read_only";
    let row = within(place.patience(), sqlx::query(sql).fetch_one(connection)).await;
    let row = row.map_err(|fault| place.told(fault))?;
    let failed = |error: sqlx::Error| OpenError::Failed(error.into());
    let number: i32 = row.try_get("number").map_err(failed)?;
    if number / 10_000 < OLDEST {
        let found = row.try_get("version").map_err(failed)?;
        return Err(OpenError::TooOld { found });
    }
    let encoding: String = row.try_get("encoding").map_err(failed)?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding(encoding));
    }
    match row.try_get("read_only").map_err(failed)? {
        true => Err(OpenError::ReadOnly),
        false => Ok(()),
    }
}

/// In as few words as say it, on one line.
fn words(error: &sqlx::Error) -> BoxError {
    let told = error.as_database_error();
    if let Some(told) = told.and_then(|told| told.try_downcast_ref::<PgDatabaseError>()) {
        return one_line(told.message()).into();
    }
    match error {
        sqlx::Error::Io(error) => one_line(&error.to_string()).into(),
        sqlx::Error::Tls(error) | sqlx::Error::Configuration(error) => {
            let cause: &(dyn Error + 'static) = &**error;
            one_line(&cause.to_string()).into()
        }
        other => one_line(&other.to_string()).into(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
