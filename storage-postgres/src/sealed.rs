//! What nodes share and no dump gives away: bytes that were sealed before they came here.

use std::fmt;

use consign_core::store::StoreError;
use sqlx::query;

use crate::{
    PgStore,
    column::{Columns, position},
    fault::Fault,
    page,
};

/// Sealed bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// How often there were others of this name, and one more.
    pub version: u64,
    /// As they were given.
    pub bytes: Vec<u8>,
}

impl PgStore {
    /// What is kept by this name.
    ///
    /// # Errors
    /// As reads of the store.
    pub async fn sealed(&self, name: &str) -> Result<Option<Sealed>, StoreError> {
        let sql = "SELECT version, bytes FROM sealed WHERE name = $1";
        page::one(self.row(|| query(sql).bind(name)).await?, sealed)
    }

    /// Keeps bytes by a name in place of those of the version `before`, where `None` is that there are none; whether
    /// that was so. Durable when it returns `true`; nothing was written when it returns `false`.
    ///
    /// # Errors
    /// As writes of the store: after [`StoreError::Unavailable`] it is not known whether it was kept.
    pub async fn set_sealed(
        &self,
        name: &str,
        before: Option<u64>,
        bytes: &[u8],
    ) -> Result<bool, StoreError> {
        let ask = match before {
            None => {
                let sql = "INSERT INTO sealed (name, version, bytes) VALUES ($1, 1, $2) \
                    ON CONFLICT DO NOTHING RETURNING version";
                query(sql).bind(name).bind(bytes)
            }
            Some(before) => {
                let sql = "UPDATE sealed SET version = version + 1, bytes = $2 \
                    WHERE name = $1 AND version = $3 RETURNING version";
                query(sql).bind(name).bind(bytes).bind(position(before))
            }
        };
        let rows = self.rows_once(ask).await.map_err(Fault::error)?;
        Ok(!rows.is_empty())
    }
}

/// Shows no byte.
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("version", &self.version)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

fn sealed(row: &Columns<'_>) -> Result<Sealed, Fault> {
    Ok(Sealed {
        version: row.small("version")?,
        bytes: row.get("bytes")?,
    })
}
