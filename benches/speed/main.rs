//! How long things take: the README beside this crate lists them.
#![allow(missing_docs, reason = "criterion's macros make public items")]

mod commits;
mod document;
mod intake;
mod listing;
mod multipart;
mod passwords;
mod ranges;
mod site;
mod tokens;
mod transfer;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    benches,
    tokens::tokens,
    passwords::passwords,
    intake::intake,
    multipart::multipart,
    transfer::upload,
    transfer::download,
    ranges::ranges,
    listing::listing,
    commits::commits,
);
criterion_main!(benches);
