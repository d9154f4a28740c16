//! libFuzzer's way to the target `whiteouts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| coracle_fuzz::run("whiteouts", bytes));
