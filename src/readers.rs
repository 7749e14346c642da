//! The real readers of what kgen writes: each file goes to the program that will read it, before anything is published.
//!
//! A missing program is reported and skipped. A refusal is a fault at the place in our sources that caused the line; a
//! program that hangs counts as a refusal.
#![allow(clippy::disallowed_methods)] // copies what a reader is to read without some lines

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::program::{Program, ProgramError};

/// How long a reader may take for one file.
const TIME_LIMIT: Duration = Duration::from_mins(1);
/// The most that a reader may say, in bytes.
const MOST_SAID: u64 = 4 << 20;

/// A reader and the files that it reads.
struct Reader {
    program: &'static str,
    arguments: &'static [&'static str],
    /// Whether it reads a file of this path below the output directory.
    reads: fn(&str) -> bool,
}

const READERS: [Reader; 9] = [
    Reader { program: "dhcpd", arguments: &["-t", "-4", "-cf"], reads: |path| path == "dhcp/dhcpd.conf" },
    Reader { program: "kea-dhcp4", arguments: &["-t"], reads: |path| path == "dhcp/kea-dhcp4.json" },
    Reader { program: "kea-dhcp6", arguments: &["-t"], reads: |path| path == "dhcp/kea-dhcp6.json" },
    Reader { program: "dnsmasq", arguments: &["--test", "-C"], reads: |path| path.contains("/dnsmasq") },
    Reader {
        program: "named-checkzone",
        arguments: &[],
        reads: |path| path.starts_with("dns/") && path.ends_with(".zone"),
    },
    Reader {
        program: "grub-script-check",
        arguments: &[],
        reads: |path| path.starts_with("boot/grub") && path.contains("grub.cfg"),
    },
    Reader { program: "named-checkconf", arguments: &[], reads: |path| path == "dns/named.conf" },
    Reader { program: "bash", arguments: &["-n"], reads: |path| path.starts_with("ks/") && path.ends_with(".sh") },
    Reader { program: "ksvalidator", arguments: &[], reads: |path| path.ends_with(".ks") },
];

/// What a reader refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reader.
    pub program: &'static str,
    /// The line that it names, from 1.
    pub line: Option<usize>,
    /// What it says, in a line.
    pub message: String,
}

/// What came of reading one file.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Nobody reads such files.
    Unread,
    /// Its reader is content.
    Good(&'static str),
    /// Its reader is not there.
    Missing(&'static str),
    /// Its reader is not content.
    Refused(Refusal),
}

/// Has a file read by its reader. `path` is its path below the output directory, `place` where it lies now, `version`
/// that of a kickstart.
pub fn read(path: &str, place: &Path, version: Option<&str>) -> Read {
    let Some(reader) = READERS.iter().find(|reader| (reader.reads)(path)) else { return Read::Unread };
    let program = Program::new(program(reader.program), TIME_LIMIT, MOST_SAID).personal();
    let program = program.args(reader.arguments.iter().copied());
    let program = match reader.program {
        "ksvalidator" => program.args(version.iter().flat_map(|version| ["-v", *version])),
        "named-checkzone" => program.arg(path.trim_start_matches("dns/").trim_end_matches(".zone")),
        _ => program,
    };
    let place = &elsewhere(reader.program, place);
    // ksvalidator leaves files behind where TMPDIR says; there they go away with ours.
    let folder = place.parent().unwrap_or(Path::new("."));
    let program = program.arg(place).env("TMPDIR", folder).env("KEA_PIDFILE_DIR", folder);
    let output = match program.env("KEA_LOCKFILE_DIR", "none").run() {
        Ok(output) => output,
        Err(ProgramError::NotStarted(_)) => return Read::Missing(reader.program),
        Err(error) => {
            return Read::Refused(Refusal { program: reader.program, line: None, message: format!("it {error}") });
        }
    };
    if output.status.success() {
        return Read::Good(reader.program);
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said).replace(&*place.to_string_lossy(), path);
    // That a command does nothing any more is no refusal, though the program ends as if it were; kgen warns of it.
    let telling = |line: &&str| !line.is_empty() && !line.starts_with("Checking ") && !line.contains("deprecated");
    if reader.program == "ksvalidator" && said.lines().find(telling).is_none() {
        return Read::Good(reader.program);
    }
    let (line, message) = complaint(&said, path);
    Read::Refused(Refusal { program: reader.program, line, message })
}

/// Kea refuses a file that names an interface which this machine has not; it may be for another. The file is then read
/// without these lines, in a copy beside it.
fn elsewhere(program: &str, place: &Path) -> PathBuf {
    let text = std::fs::read_to_string(place).unwrap_or_default();
    if program != "kea-dhcp6" || !text.contains("\"interface\":") {
        return place.to_path_buf();
    }
    let lines = text.lines().map(|line| if line.trim_start().starts_with("\"interface\":") { "" } else { line });
    let copy = place.with_extension("read");
    // Where the copy cannot be written, the reader says of the file itself what it does not like.
    if std::fs::write(&copy, lines.collect::<Vec<_>>().join("\n")).is_ok() { copy } else { place.to_path_buf() }
}

/// A program by its name; servers are in a directory that is not in everybody's path.
fn program(name: &str) -> PathBuf {
    let own = Path::new("/usr/sbin").join(name);
    if own.is_file() { own } else { name.into() }
}

/// The line of ours that a reader names, and the sentence in which it does.
fn complaint(said: &str, path: &str) -> (Option<usize>, String) {
    let known = said.lines().find_map(|line| Some((line_number(line, path)?, line)));
    let sentence = known.map(|(_, line)| line).or_else(|| {
        let telling = |line: &&str| ["rror", "ad ", "annot", "nknown"].iter().any(|word| line.contains(word));
        said.lines().find(telling).or_else(|| said.lines().find(|line| !line.trim().is_empty()))
    });
    let mut sentence = sentence.unwrap_or("says nothing").to_owned();
    if sentence.trim_end().ends_with(':') {
        // The matter comes after the announcement.
        let mut after = said.lines().skip_while(|line| *line != sentence).skip(1);
        sentence.extend(after.find(|line| !line.trim().is_empty()).map(|line| format!(" {line}")));
    }
    let plain: String = sentence.chars().filter(|c| !c.is_control()).collect();
    (known.map(|(line, _)| line), plain.trim().to_owned())
}

/// `FILE line 7`, `FILE:7`, `line 7 of FILE`, `at line 7`.
fn line_number(text: &str, path: &str) -> Option<usize> {
    let number = |rest: &str| {
        let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    };
    let after_path = text.find(path).and_then(|at| {
        let rest = &text[at + path.len()..];
        rest.strip_prefix(':').or_else(|| rest.strip_prefix(" line ")).and_then(number)
    });
    after_path.or_else(|| text.find("line ").and_then(|at| number(&text[at + 5..])))
}

#[cfg(test)]
mod tests {
    use super::line_number;

    #[test]
    fn readers_name_lines_in_their_own_ways() {
        for (said, line) in [
            ("dhcp/dhcpd.conf line 7: semicolon expected.", Some(7)),
            ("Configuration error: dhcp/kea-dhcp4.json:12.3-5: syntax error", Some(12)),
            ("dnsmasq: bad option at line 3 of dhcp/dnsmasq.conf", Some(3)),
            ("dns/a.zone:9: unknown RR type", Some(9)),
            ("Syntax error at line 4", Some(4)),
            ("no place here", None),
        ] {
            let path =
                ["dhcp/dhcpd.conf", "dhcp/kea-dhcp4.json", "dns/a.zone"].into_iter().find(|path| said.contains(path));
            assert_eq!(line_number(said, path.unwrap_or("x")), line, "{said}");
        }
    }
}
