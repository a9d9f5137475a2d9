//! Any text as a key file: what is read is written, and read the same.

pub fn run(bytes: &[u8]) {
    if let Some([written, again]) = consign_storage_fs::fuzzing::key_file(bytes) {
        assert!(written == again, "keys are not read as they are written");
    }
}
