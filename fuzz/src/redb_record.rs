//! Any bytes as a record of the database: what is read is written, and read the same.

pub fn run(bytes: &[u8]) {
    consign_storage_redb::fuzzing::records(bytes);
}
