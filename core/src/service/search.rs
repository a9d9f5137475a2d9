//! Files by a part of their names.

use crate::{
    error::Error,
    file::{File, Seq},
    service::{Actor, Consign},
    store::Page,
};

/// Files that are looked at at once, and how often that is done for one page.
const AT_ONCE: usize = 1000;
const TIMES: usize = 10;

impl Consign {
    /// As [`list`](Self::list), of files whose names contain `text`, whatever the case of its letters.
    ///
    /// Ten thousand files are looked at for one page, so that it can come short, or empty, with another after
    /// it.
    ///
    /// # Errors
    /// [`Forbidden`](crate::ErrorKind::Forbidden).
    pub async fn search(
        &self,
        actor: &Actor,
        text: &str,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<File, Seq>, Error> {
        self.search_by(AT_ONCE, actor, text, before, limit).await
    }

    pub(super) async fn search_by(
        &self,
        at_once: usize,
        actor: &Actor,
        text: &str,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Page<File, Seq>, Error> {
        let turn = self.0.searching.acquire().await;
        let _turn = turn.expect("the semaphore is never closed");
        let (wanted, limit) = (text.to_lowercase(), limit.max(1));
        let (mut found, mut next) = (Vec::new(), before);
        for _ in 0..TIMES {
            let page = self.list(actor, next, at_once).await?;
            next = page.next;
            let last = page.items.last().map(|file| file.seq);
            for file in page.items {
                if !file.entry.name.as_str().to_lowercase().contains(&wanted) {
                    continue;
                }
                let seq = file.seq;
                found.push(file);
                if found.len() == limit {
                    let more = next.is_some() || last != Some(seq);
                    let next = more.then_some(seq);
                    return Ok(Page { items: found, next });
                }
            }
            if next.is_none() {
                break;
            }
        }
        Ok(Page { items: found, next })
    }
}
