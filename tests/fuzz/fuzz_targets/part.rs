//! Any bytes as a table of hosts, and as an inventory in JSON.
#![no_main]

#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::part(data));
