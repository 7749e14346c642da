//! Any bytes as a package.
#![no_main]

#[path = "../packages.rs"]
mod packages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| packages::package(data));
