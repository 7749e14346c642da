//! What holds for any input, tried with random ones: conditions read back as they print, nothing that people write
//! makes kgen panic, orders are kept, the nearest scope wins, bash recreates every file byte for byte, and `kgen diff` tells
//! of every change and of nothing else.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

mod conditions;
mod diff;
#[path = "../fuzz/entries.rs"]
mod entries;
mod files;
mod orders;
mod panics;
mod scopes;
#[path = "../support/mod.rs"]
mod support;

use proptest::test_runner::{Config, RngSeed};

/// The same cases in every run, or others with PROPTEST_RNG_SEED; PROPTEST_CASES makes them more.
fn cases(cases: u32) -> Config {
    let given = |name| std::env::var_os(name).is_some();
    let found = Config { failure_persistence: None, ..Config::default() };
    Config {
        cases: if given("PROPTEST_CASES") { found.cases } else { cases },
        rng_seed: if given("PROPTEST_RNG_SEED") { found.rng_seed } else { RngSeed::Fixed(2026) },
        ..found
    }
}

/// A text of TOML.
fn toml_text(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// Text for XML, in an element or in double quotes.
fn xml_text(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\r' => "&#13;".to_owned(),
        c => c.to_string(),
    });
    escaped.collect()
}

/// The start of an inventory of one host.
const HEAD: &str = "site = { name = \"s\", target = \"RHEL9\", arch = \"x86_64\" }\nhosts.c0.appliance = \"a\"\n";

/// A site of the host `c0` with these attributes.
fn site(attributes: &[(&str, &str)]) -> String {
    let head = format!("{HEAD}appliances.a = {{}}\n");
    let set = attributes.iter().map(|(name, value)| format!("attributes.{name} = {}\n", toml_text(value)));
    std::iter::once(head).chain(set).collect()
}

/// Compiles a site whose one module holds this.
fn run(inventory: &str, module: &str) -> entries::Run {
    let module = format!("<kickstart>{module}</kickstart>");
    entries::run(inventory, &[("nodes/a.xml", module.as_bytes()), ("graphs/default/g.xml", b"<graph/>")])
}
