//! Lists that come in pages.

use crate::problem::Failure;

/// Items on a page, unless fewer are asked for: also the most that can be.
const PAGE: usize = 1000;

/// Where a page begins and how many items it has at most, by the query that asks for it.
pub(crate) fn page<C>(
    query: &str,
    read: impl Fn(&str) -> Option<C>,
) -> Result<(Option<C>, usize), Failure> {
    let (mut cursor, mut limit) = (None, PAGE);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "cursor" => {
                let read = read(value).ok_or_else(|| Failure::bad_request("Invalid cursor"))?;
                cursor = Some(read);
            }
            "limit" => {
                limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=PAGE).contains(limit))
                    .ok_or_else(|| Failure::bad_request("limit must be between 1 and 1000"))?;
            }
            _ => {}
        }
    }
    Ok((cursor, limit))
}
