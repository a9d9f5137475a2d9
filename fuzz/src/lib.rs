//! What each fuzz target does with its bytes, as plain functions: `fuzz_targets/` hands them to
//! libFuzzer, `tests/corpus.rs` runs the corpora through them. What must hold is in `README.md`.

pub mod api_requests;
pub mod evidence;
pub mod file_name;
pub mod intake_bytes;
pub mod intake_package;
pub mod key_file;
pub mod multipart_upload;
pub mod phc_parse;
pub mod public_url;
pub mod range_conditional;
pub mod redb_record;
pub mod store_ops;
pub mod token_claims;
pub mod token_verify;

mod heap;
mod office;
#[path = "../../core/tests/support/package.rs"]
mod package;
mod recipe;
mod site;
