//! libFuzzer's way to the target `lint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| coracle_fuzz::run("lint", bytes));
