//! libFuzzer's way to the target `plan`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| coracle_fuzz::run("plan", bytes));
