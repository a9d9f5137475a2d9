use std::{cmp::Ordering, collections::VecDeque};

use super::{CopyError, PAGE, Side};
use crate::store::{Row, RowKey, RowKind, RowStore, StoreError};

/// All rows of a kind, page by page.
pub(super) struct Walk<'s> {
    store: &'s dyn RowStore,
    kind: RowKind,
    page: VecDeque<Row>,
    next: Option<RowKey>,
    begun: bool,
}

impl<'s> Walk<'s> {
    pub(super) fn of(store: &'s dyn RowStore, kind: RowKind) -> Self {
        Self {
            store,
            kind,
            page: VecDeque::new(),
            next: None,
            begun: false,
        }
    }

    /// The row that comes next, which stays there.
    pub(super) async fn peek(&mut self) -> Result<Option<&Row>, StoreError> {
        if self.page.is_empty() && (!self.begun || self.next.is_some()) {
            let page = self.store.rows(self.kind, self.next.as_ref(), PAGE).await?;
            self.begun = true;
            self.page = page.items.into();
            self.next = page.next;
        }
        Ok(self.page.front())
    }

    pub(super) async fn next(&mut self) -> Result<Option<Row>, StoreError> {
        self.peek().await?;
        Ok(self.page.pop_front())
    }
}

/// The rows of a kind on both sides.
pub(super) struct Both<'s> {
    from: Walk<'s>,
    to: Walk<'s>,
}

/// What has to be done so that the target has the next row as the source has it.
pub(super) enum Step {
    /// Nothing: it has.
    Same(Row),
    /// Put it: it lacks it, or has another.
    Put(Row),
    /// Take it out: the source has none.
    Gone(RowKey),
}

impl<'s> Both<'s> {
    pub(super) fn of(from: &'s Side, to: &'s Side, kind: RowKind) -> Self {
        Self {
            from: Walk::of(&*from.rows, kind),
            to: Walk::of(&*to.rows, kind),
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Step>, CopyError> {
        let (from, to) = (self.from.peek().await, self.to.peek().await);
        let from = from.map_err(CopyError::Source)?.map(Row::key);
        let to = to.map_err(CopyError::Target)?.map(Row::key);
        let order = match (&from, &to) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(from), Some(to)) => from.cmp(to),
        };
        let theirs = match order {
            Ordering::Less => None,
            Ordering::Equal | Ordering::Greater => {
                self.to.next().await.map_err(CopyError::Target)?
            }
        };
        if order == Ordering::Greater {
            return Ok(to.map(Step::Gone));
        }
        let row = self.from.next().await.map_err(CopyError::Source)?;
        Ok(
            row.map(|row| match theirs.is_some_and(|theirs| theirs == row) {
                true => Step::Same(row),
                false => Step::Put(row),
            }),
        )
    }
}
