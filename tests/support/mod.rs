//! What several tests share: programs that may be missing.
#![allow(dead_code)] // each test uses its part

use std::path::PathBuf;
use std::process::Command;

/// Whether something that a test needs is there. If not: a failure where KGEN_REQUIRE_ALL is set, as the test
/// command does in CI, else a skip that is told and counted.
pub fn found(what: &str, there: bool) -> bool {
    if !there {
        assert!(std::env::var_os("KGEN_REQUIRE_ALL").is_none(), "{what} is missing, and KGEN_REQUIRE_ALL is set");
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        eprintln!("SKIPPED {name}: {what} is missing");
    }
    there
}

/// A program by its name in PATH or in the directory that the test command installs to.
pub fn program(name: &str) -> Option<PathBuf> {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/checkers/bin").join(name);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::iter::once(own).chain(std::env::split_paths(&paths).map(|path| path.join(name)));
    let path = candidates.find(|path| path.is_file());
    found(name, path.is_some()).then_some(path).flatten()
}

/// Runs a program; gives whether it was content, and all that it said.
pub fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
