//! What several tests share: programs that may be missing, and sites that are compiled by the program itself.
#![allow(dead_code)] // each test uses its part
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Whether something that a test can do without is there. If not: a skip that is told and counted, by the file
/// that `KGEN_SKIPS` names too, because the test runner does not show what a test that passes says.
pub fn found(what: &str, there: bool) -> bool {
    if !there {
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        let line = format!("SKIPPED {name}: {what} is missing");
        eprintln!("{line}");
        if let Some(list) = std::env::var_os("KGEN_SKIPS") {
            let mut list = fs::OpenOptions::new().create(true).append(true).open(list).unwrap();
            list.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
    }
    there
}

/// A program by its name in PATH or in a directory that the test command installs to. If it is missing: a
/// failure where `KGEN_REQUIRE_ALL` is set, as the test command does in CI, else a skip.
pub fn program(name: &str) -> Option<PathBuf> {
    let own = ["target/checkers/bin", "target/tools/bin"].map(|directory| root().join(directory).join(name));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    // Servers are in a directory that is not in everybody's path.
    let servers = Path::new("/usr/sbin").join(name);
    let others = std::env::split_paths(&paths).map(|path| path.join(name));
    let mut candidates = own.into_iter().chain([servers]).chain(others);
    let path = candidates.find(|path| path.is_file());
    let required = std::env::var_os("KGEN_REQUIRE_ALL").is_some();
    assert!(path.is_some() || !required, "{name} is missing, and KGEN_REQUIRE_ALL is set");
    found(name, path.is_some()).then_some(path).flatten()
}

/// Runs a program; gives whether it was content, and all that it said.
pub fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The project's directory.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Whether tests run that take too long for every run: where `KGEN_ALL_BOOTS` or `CI` is set.
pub fn all_boots() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    found("KGEN_ALL_BOOTS", set("KGEN_ALL_BOOTS") || set("CI"))
}

/// kgen, with nothing of this environment but the search path that `<eval>` needs.
pub fn kgen() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kgen"));
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// Runs `kgen COMMAND --site SITE` and gives its standard output.
pub fn kgen_of(site: &Path, arguments: &[&str]) -> String {
    let output = kgen().args(arguments).arg("--site").arg(site).output().unwrap();
    let faults = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kgen {arguments:?} of {}:\n{faults}", site.display());
    String::from_utf8(output.stdout).unwrap()
}

/// Compiles a site to a directory.
pub fn compile(site: &Path, output: &Path) {
    kgen_of(site, &["compile", "-o", output.to_str().unwrap()]);
}

/// What `kgen list` says of a site.
pub fn list(site: &Path, what: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(&kgen_of(site, &["list", what, "--format", "json"])).unwrap();
    list.as_array().unwrap().clone()
}

/// What a directory holds, in the order of names; empty where there is none.
pub fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// All files below a directory: content by relative path.
pub fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for path in entries(directory) {
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            files.extend(self::files(&path).into_iter().map(|(inner, content)| (name.join(inner), content)));
        } else {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

/// Writes a file, and the directories above it.
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The directories of the golden cases.
pub fn golden_cases() -> Vec<PathBuf> {
    entries(&root().join("tests/golden"))
}

/// The directories of the examples that are sites.
pub fn examples() -> Vec<PathBuf> {
    let mut examples = entries(&root().join("examples"));
    examples.retain(|example| example.join("cluster.toml").exists());
    examples
}
