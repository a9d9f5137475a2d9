use std::time::Duration;

/// How a store uses its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub(crate) max_connections: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) schema: String,
    pub(crate) application_name: String,
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            max_connections: 16,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            schema: "consign".to_owned(),
            application_name: "consign".to_owned(),
        }
    }

    /// Connections for reads at most, 1 at least; by default 16. Writes have one of their own besides, and each
    /// duty that is held.
    #[must_use]
    pub fn max_connections(mut self, most: u32) -> Self {
        self.max_connections = most.max(1);
        self
    }

    /// How long to wait for a connection, for a place among the writes and for a lock at most; by default 5 s.
    #[must_use]
    pub fn acquire_timeout(mut self, most: Duration) -> Self {
        self.acquire_timeout = at_least_a_moment(most);
        self
    }

    /// How long a statement may take at most; by default 10 s.
    #[must_use]
    pub fn statement_timeout(mut self, most: Duration) -> Self {
        self.statement_timeout = at_least_a_moment(most);
        self
    }

    /// The schema that holds the tables; by default `consign`. Installations that share a database have one each.
    /// 1 to 63 lower-case letters, digits and underscores, no digit first, and not `pg_` before it.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// What the database's own views call the connections; by default `consign`.
    #[must_use]
    pub fn application_name(mut self, name: impl Into<String>) -> Self {
        self.application_name = name.into();
        self
    }

    /// Whether the schema's name needs no quotes anywhere.
    pub(crate) fn has_plain_schema(&self) -> bool {
        let name = self.schema.as_str();
        let plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        (1..=63).contains(&name.len())
            && name.bytes().all(plain)
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.starts_with("pg_")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// To the database a time-out of nothing is none.
fn at_least_a_moment(time: Duration) -> Duration {
    time.clamp(Duration::from_millis(1), Duration::from_secs(24 * 60 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_needs_no_quotes() {
        for name in ["consign", "t_0", "_x", &"a".repeat(63)] {
            assert!(Options::new().schema(name).has_plain_schema(), "{name}");
        }
        for name in [
            "",
            "0a",
            "A",
            "a b",
            "a\"b",
            "a;b",
            "pg_x",
            "ü",
            &"a".repeat(64),
        ] {
            assert!(!Options::new().schema(name).has_plain_schema(), "{name}");
        }
    }

    #[test]
    fn no_time_out_is_none() {
        let options = Options::new().statement_timeout(Duration::ZERO);
        assert!(options.statement_timeout >= Duration::from_millis(1));
    }
}
