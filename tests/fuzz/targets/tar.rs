//! libFuzzer's way to the target `tar`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| coracle_fuzz::run("tar", bytes));
