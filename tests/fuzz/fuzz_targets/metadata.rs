//! Any bytes as a file of an index.
#![no_main]

#[path = "../packages.rs"]
mod packages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| packages::metadata(data));
