//! What is made of the rows that were found.

use std::fmt::Debug;

use consign_core::store::{Page, StoreError};
use sqlx::postgres::PgRow;

use crate::{column::Columns, fault::Fault};

/// How many rows to ask for, so that it is seen whether there is a next page.
pub(crate) fn with_next(limit: usize) -> i64 {
    most(limit.saturating_add(1))
}

/// How many rows to ask for at most.
pub(crate) fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A position that is not less than any that there is, where none is given.
pub(crate) fn before(position: Option<u64>) -> i64 {
    position
        .and_then(crate::column::position)
        .unwrap_or(i64::MAX)
}

/// A position that is less than any that there is, where none is given.
pub(crate) fn after(position: Option<u64>) -> i64 {
    position.map_or(0, |position| i64::try_from(position).unwrap_or(i64::MAX))
}

pub(crate) fn one<T>(
    row: Option<PgRow>,
    read: impl Fn(&Columns<'_>) -> Result<T, Fault>,
) -> Result<Option<T>, StoreError> {
    let read = row.map(|row| read(&Columns(&row)));
    read.transpose().map_err(Fault::error)
}

pub(crate) fn all<T>(
    rows: Vec<PgRow>,
    read: impl Fn(&Columns<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, StoreError> {
    let read: Result<_, _> = rows.iter().map(|row| read(&Columns(row))).collect();
    read.map_err(Fault::error)
}

/// The page of the first `limit` of the rows, which are one more where another page follows.
pub(crate) fn cut<T, C>(
    rows: Vec<PgRow>,
    limit: usize,
    read: impl Fn(&Columns<'_>) -> Result<T, Fault>,
    cursor: impl FnOnce(&T) -> C,
) -> Result<Page<T, C>, StoreError> {
    Ok(Page::cut(all(rows, read)?, limit, cursor))
}

/// The writer does not answer what it was not asked.
pub(crate) fn unexpected(answer: &impl Debug) -> StoreError {
    StoreError::Unavailable(format!("the writer answered something else: {answer:?}").into())
}
