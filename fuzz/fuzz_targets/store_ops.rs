#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| consign_fuzz::store_ops::run(bytes));
