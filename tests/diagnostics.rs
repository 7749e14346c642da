//! The catalogue of faults: each file of `tests/diagnostics/` is a small site and what kgen says of it, in full.
//!
//! A file holds sections that start with `=== NAME`. `=== command` is the command line after `kgen`; `=== exit`
//! the exit code; `=== stdout` and `=== stderr` (if given) all that is printed; every other section is a file.
//! In a file's text `\u{..}` stands for a character that an editor would not show. KGEN_UPDATE=1 rewrites the
//! results, which then have to be read before they are committed.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Case {
    path: PathBuf,
    sections: Vec<(String, String)>,
}

impl Case {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let mut sections: Vec<(String, String)> = Vec::new();
        for line in text.split_inclusive('\n') {
            match line.strip_prefix("=== ") {
                Some(name) => sections.push((name.trim().to_owned(), String::new())),
                None => {
                    sections.last_mut().unwrap_or_else(|| panic!("{path:?}: text before a section")).1.push_str(line)
                }
            }
        }
        Self { path, sections }
    }

    fn section(&self, name: &str) -> Option<&str> {
        self.sections.iter().find(|(found, _)| found == name).map(|(_, text)| text.as_str())
    }

    /// Runs the case in a directory of its own: exit code, stdout, stderr.
    fn run(&self) -> BTreeMap<&'static str, String> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in
            self.sections.iter().filter(|(name, _)| !RESULTS.contains(&name.as_str()) && name != "command")
        {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, unescape(text)).unwrap();
            // What `kgen check` says of a secret that others can read must not depend on the umask.
            if name.starts_with("secrets/") {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            }
        }
        let command = self.section("command").unwrap_or("check");
        let output = Command::new(env!("CARGO_BIN_EXE_kgen"))
            .args(command.split_whitespace())
            .current_dir(directory.path())
            .env_clear()
            .output()
            .unwrap();
        let here = directory.path().canonicalize().unwrap().display().to_string();
        let clean = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&here, "HERE");
        BTreeMap::from([
            ("exit", format!("{}\n", output.status.code().expect("an exit code"))),
            ("stdout", clean(output.stdout)),
            ("stderr", clean(output.stderr)),
        ])
    }

    fn update(&self, results: &BTreeMap<&'static str, String>) {
        let inputs = self.sections.iter().filter(|(name, _)| !RESULTS.contains(&name.as_str()));
        let mut text: String = inputs.map(|(name, text)| format!("=== {name}\n{text}")).collect();
        for name in RESULTS {
            if !results[name].is_empty() {
                text.push_str(&format!("=== {name}\n{}", results[name]));
            }
        }
        fs::write(&self.path, text).unwrap();
    }
}

const RESULTS: [&str; 3] = ["exit", "stdout", "stderr"];

/// `\u{1}` in a case is that character.
fn unescape(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').expect("a closed \\u{..}");
        result.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        result.push_str(rest);
    }
    result
}

fn cases() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(Case::read).collect()
}

#[test]
fn every_fault_is_told_as_the_catalogue_has_it() {
    let mut wrong = Vec::new();
    for case in cases() {
        let results = case.run();
        if std::env::var_os("KGEN_UPDATE").is_some() {
            case.update(&results);
            continue;
        }
        for name in RESULTS {
            let expected = case.section(name).unwrap_or_default();
            if results[name] != expected {
                let file = case.path.file_name().unwrap().to_string_lossy();
                wrong.push(format!("{file}, {name}:\n--- expected\n{expected}--- found\n{}", results[name]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_catalogue_has_sixty_distinct_faults() {
    let mut messages = BTreeSet::new();
    for case in cases() {
        let lines = case.section("stderr").unwrap_or_default().lines();
        let kinds = lines
            .filter(|line| line.starts_with("error: ") || line.starts_with("warning: ") || line.starts_with("note: "));
        // A fault is what is said with the names left out.
        messages.extend(kinds.map(|line| line.split('`').step_by(2).collect::<Vec<_>>().join("`..`")));
    }
    assert!(messages.len() >= 60, "{} distinct faults", messages.len());
}

#[test]
fn messages_follow_the_house_style() {
    for case in cases() {
        for line in case.section("stderr").unwrap_or_default().lines() {
            let Some(message) =
                ["error: ", "warning: ", "note: ", "hint: "].iter().find_map(|kind| line.strip_prefix(kind))
            else {
                continue;
            };
            let file = case.path.display();
            assert!(!message.ends_with('.'), "{file}: a final dot: {message}");
            let first = message.chars().next().unwrap();
            let name = message.split_whitespace().next().unwrap_or_default();
            assert!(
                !first.is_uppercase() || name.chars().all(|c| !c.is_lowercase()),
                "{file}: starts with a capital: {message}"
            );
            // What clap says of a command line is clap's.
            if message.starts_with("invalid value") || message.starts_with("the following required") {
                continue;
            }
            assert!(!message.contains("invalid") && !message.contains("failed"), "{file}: says not what: {message}");
        }
    }
}
