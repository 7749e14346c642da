//! Any bytes as a request.
#![no_main]

#[path = "../requests.rs"]
mod requests;

libfuzzer_sys::fuzz_target!(|data: &[u8]| requests::request(data));
