//! What users of release 0.1 see of this kgen: its command lines, on a site that it took, print what they printed then; what
//! differs is kept in `differences.txt`, each hunk with its reason.
//!
//! `KGEN_UPGRADE_RECORD=FILE` writes what is printed to a file; with `KGEN_UPGRADE_BINARY` that of another kgen.
#![cfg(feature = "serve")]
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may

#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sha2::{Digest, Sha256};
use similar::{Algorithm, DiffTag, capture_diff_slices};
use support::{files, root, write};
use tempfile::TempDir;

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Run {
    directory: TempDir,
    binary: PathBuf,
    servers: Vec<Server>,
}

impl Run {
    fn new(binary: PathBuf) -> Self {
        let run = Self { directory: tempfile::tempdir().unwrap(), binary, servers: Vec::new() };
        let site = run.path("SITE");
        for (name, content) in files(&root().join("tests/upgrade/site")) {
            write(&site.join(name), content);
        }
        write(&site.join(".gitignore"), "secrets\n");
        write(&site.join("secrets/rootpw"), "$6$secret\n");
        run.git(&["init", "--quiet", "--initial-branch=main"]);
        run.commit("one");
        let inventory = std::fs::read_to_string(site.join("cluster.toml")).unwrap();
        write(&site.join("cluster.toml"), inventory.replace("\"first\"", "\"second\""));
        run.commit("two");
        run
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        // Always the same commits.
        git.env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z").env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z");
        git.current_dir(self.path("SITE")).args(["-c", "user.name=n", "-c", "user.email=e@example.org"]);
        assert!(git.args(arguments).status().unwrap().success());
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    /// What a line prints.
    fn line(&mut self, line: &str) -> String {
        let words: Vec<String> = line
            .trim_end_matches(" &")
            .split(' ')
            .map(|word| {
                ["SITE", "OUT", "STATE"]
                    .iter()
                    .fold(word.to_owned(), |word, name| word.replace(name, self.path(name).to_str().unwrap()))
            })
            .collect();
        if words[0] == "files" {
            return sums(Path::new(&words[1]));
        }
        let mut command = Command::new(&self.binary);
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.directory.path()).args(&words[1..]);
        if line.ends_with('&') {
            self.start(command);
            return String::new();
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
        let code = output.status.code().unwrap();
        format!("{}{}", self.plain(&said), if code == 0 { String::new() } else { format!("exit code {code}\n") })
    }

    fn start(&mut self, mut command: Command) {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("operators at ") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "kgen does not serve");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        self.servers.push(Server(child));
    }

    /// Without what is another each time: paths of this run, ages, who runs it.
    fn plain(&self, said: &str) -> String {
        let said = said.replace(&format!("{}/", self.directory.path().display()), "");
        let age = |word: &str| {
            let digits = word.trim_end_matches('s');
            !digits.is_empty() && digits != word && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        let line = |line: &str| {
            let words = line.split(' ').map(|word| if age(word) { "0s" } else { word });
            words.collect::<Vec<_>>().join(" ").trim_end().to_owned()
        };
        said.lines()
            .map(|text| line(text) + "\n")
            .collect::<String>()
            .replace("user 0", "user ME")
            .replace("kgen-0.1", "kgen")
    }
}

/// The files of a directory, with their checksums.
fn sums(directory: &Path) -> String {
    let sum =
        |content: &[u8]| -> String { Sha256::digest(content)[..8].iter().map(|byte| format!("{byte:02x}")).collect() };
    files(directory).into_iter().map(|(name, content)| format!("{} {}\n", sum(&content), name.display())).collect()
}

/// All lines with what they print.
fn transcript(binary: PathBuf) -> String {
    let mut run = Run::new(binary);
    let lines = std::fs::read_to_string(root().join("tests/upgrade/commands.txt")).unwrap();
    let lines = lines.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| format!("$ {line}\n{}\n", run.line(line))).collect()
}

/// What differs, in hunks that begin with the command line that prints it.
fn differences(old: &str, new: &str) -> Vec<String> {
    let commands = |text: &str| -> Vec<(String, String)> {
        let parts = text.split("\n$ ").map(|part| part.trim_start_matches("$ "));
        parts
            .map(|part| part.split_once('\n').unwrap_or((part, "")))
            .map(|(line, said)| (line.to_owned(), said.to_owned()))
            .collect()
    };
    let (old, new) = (commands(old), commands(new));
    assert_eq!(old.len(), new.len(), "the same command lines");
    let mut hunks = Vec::new();
    for ((line, before), (_, after)) in old.iter().zip(&new) {
        let [before, after] = [before, after].map(|text| text.trim_end().lines().collect::<Vec<_>>());
        for op in capture_diff_slices(Algorithm::Myers, &before, &after) {
            if op.tag() != DiffTag::Equal {
                let removed = before[op.old_range()].iter().map(|text| format!("-{text}\n"));
                let added = after[op.new_range()].iter().map(|text| format!("+{text}\n"));
                hunks.push(format!("$ {line}\n{}", removed.chain(added).collect::<String>()));
            }
        }
    }
    hunks
}

#[test]
fn the_command_lines_of_the_first_release_print_what_they_printed() {
    let binary = std::env::var_os("KGEN_UPGRADE_BINARY").map(PathBuf::from);
    let said = transcript(binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_kgen").into()));
    if let Some(file) = std::env::var_os("KGEN_UPGRADE_RECORD") {
        write(Path::new(&file), &said);
        return;
    }
    let old = std::fs::read_to_string(root().join("tests/upgrade/release-0.1.txt")).unwrap();
    let kept = std::fs::read_to_string(root().join("tests/upgrade/differences.txt")).unwrap();
    let mut known = Vec::new();
    for block in kept.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        assert!(block.starts_with("# "), "a hunk without a reason: {block}");
        let hunk: Vec<&str> = block.lines().filter(|line| !line.starts_with("# ")).collect();
        known.push(format!("{}\n", hunk.join("\n")));
    }
    let found = differences(&old, &said);
    let new: Vec<&String> = found.iter().filter(|hunk| !known.contains(hunk)).collect();
    let gone: Vec<&String> = known.iter().filter(|hunk| !found.contains(hunk)).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "not in differences.txt:\n{}\nthere, and no difference:\n{}",
        join(&new),
        join(&gone)
    );
}

fn join(hunks: &[&String]) -> String {
    hunks.iter().map(|hunk| hunk.as_str()).collect::<Vec<_>>().join("\n")
}
