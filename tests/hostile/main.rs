//! A hostile world, met by the real program: files made to exhaust or to mislead it, disks that are full or not
//! there, a kill at any moment, two runs at once. It always ends soon, says what is wrong, and leaves whole files.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

mod disks;
mod input;
mod interruption;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const KGEN: &str = env!("CARGO_BIN_EXE_kgen");
const SITE: &str =
    "site = { name = \"s\", target = \"RHEL9\", arch = \"x86_64\" }\nappliances.a = {}\nhosts.c0.appliance = \"a\"\n";
/// What kgen may take for any input here, in a debug build.
const LIMIT: Duration = Duration::from_secs(5);
/// What it may take until it gives a template up, which is by steps and not by the clock.
const LONG_LIMIT: Duration = Duration::from_secs(30);
/// Address space, in KiB.
const MEMORY: &str = "1500000";

/// A site in a directory of its own.
struct Site {
    directory: tempfile::TempDir,
}

/// What a run gave.
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Site {
    /// One host `c0`, whose module `a` holds this.
    fn with(module: &str) -> Self {
        let site = Self { directory: tempfile::tempdir().unwrap() };
        site.file("cluster.toml", SITE);
        site.file("graphs/default/g.xml", "<graph/>");
        site.file("nodes/a.xml", format!("<kickstart>{module}</kickstart>"));
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(KGEN);
        command.args(arguments).current_dir(self.directory.path()).env_clear().stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().unwrap())
    }

    /// Runs with little memory, and fails where that is not soon done.
    fn bounded(&self, arguments: &[&str]) -> Run {
        self.within(LIMIT, arguments)
    }

    fn within(&self, limit: Duration, arguments: &[&str]) -> Run {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v $0; exec timeout 60 \"$@\"", MEMORY, KGEN]).args(arguments);
        let start = Instant::now();
        let run = Run::of(command.current_dir(self.directory.path()).output().unwrap());
        let took = start.elapsed();
        assert!(took < limit, "{arguments:?} took {took:?}: {}", run.start_of_err());
        run.assert_ended();
        run
    }

    fn check(&self) -> Run {
        self.bounded(&["check"])
    }
}

impl Run {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let run = Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) };
        assert!(output.status.signal().is_none(), "ended by {:?}: {}", output.status.signal(), run.start_of_err());
        run
    }

    fn start_of_err(&self) -> String {
        self.err.chars().take(1000).collect()
    }

    /// An end that kgen chose itself.
    fn assert_ended(&self) {
        assert!(matches!(self.code, Some(0..=3)), "{:?}: {}", self.code, self.start_of_err());
        assert!(!self.err.contains("panicked"), "{}", self.start_of_err());
    }

    fn assert_says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.start_of_err());
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not said: {}", self.start_of_err());
        }
    }

    fn assert_silent_of(&self, word: &str) {
        assert!(!self.out.contains(word) && !self.err.contains(word), "`{word}` is told: {} {}", self.out, self.err);
    }
}

/// Contents by name.
type Files = BTreeMap<String, Vec<u8>>;

/// The kickstarts of a directory.
fn kickstarts(directory: &Path) -> Files {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let files = entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    files.filter(|(name, _)| name.ends_with(".ks")).collect()
}

/// Names of files that a run had not finished.
fn leftovers(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with(".ks")).collect()
}
