//! Any bytes as an Office file, under each extension.

pub fn run(bytes: &[u8]) {
    crate::office::judge(bytes);
}
