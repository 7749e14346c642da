//! Programs of `<eval>`: the only file that runs any. Used at compile time only, and only where the site allows it.
#![allow(clippy::disallowed_types)] // the door to programs, with a time limit

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::expand::Program;

/// How long one program may run.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The most that one program may print, in bytes.
const MAX_OUTPUT_BYTES: u64 = 4 << 20;

/// Runs a program with a clean environment and its text as input; gives what it printed.
///
/// # Errors
/// Why there is no output, as the end of a sentence that starts with the program.
pub fn run(program: &Program) -> Result<String, String> {
    let shell = program.shell.trim();
    let mut child = Command::new(shell)
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .envs(program.environment)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot be run by `{shell}`: {error}"))?;
    feed(&mut child, program.body);
    let output = collect(child.stdout.take());
    let errors = collect(child.stderr.take());
    let Ok(text) = output.recv_timeout(TIME_LIMIT) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("ran for more than {} seconds and was ended", TIME_LIMIT.as_secs()));
    };
    let status = child.wait().map_err(|error| format!("was lost: {error}"))?;
    if !status.success() {
        let said = errors.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        let said =
            String::from_utf8_lossy(&said).trim().lines().last().map(|line| format!(": {line}")).unwrap_or_default();
        return Err(format!("ended with {status}{said}"));
    }
    if text.len() as u64 > MAX_OUTPUT_BYTES {
        return Err(format!("printed more than {MAX_OUTPUT_BYTES} bytes"));
    }
    String::from_utf8(text).map_err(|_| "printed text that is not UTF-8".to_owned())
}

/// A program that does not read its input must not hold us up, so it is fed beside.
fn feed(child: &mut Child, body: &str) {
    if let Some(mut stdin) = child.stdin.take() {
        let body = body.to_owned();
        std::thread::spawn(move || {
            // It may end without reading all; its status tells whether that was well.
            let _ = stdin.write_all(body.as_bytes());
        });
    }
}

fn collect(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(stream) = stream {
            let _ = stream.take(MAX_OUTPUT_BYTES + 1).read_to_end(&mut text);
        }
        let _ = sender.send(text);
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn sh(body: &str) -> Result<String, String> {
        let environment = BTreeMap::from([("who".to_owned(), "me".to_owned())]);
        run(&Program { shell: "sh", body, environment: &environment })
    }

    #[test]
    fn a_program_sees_its_attributes_and_nothing_else() {
        assert_eq!(sh("echo \"$who$HOME\"").unwrap(), "me\n");
    }

    #[test]
    fn a_failure_is_told() {
        assert_eq!(sh("echo oops >&2; exit 3").unwrap_err(), "ended with exit status: 3: oops");
        let missing = Program { shell: "no-such-shell", body: "", environment: &BTreeMap::new() };
        assert!(run(&missing).unwrap_err().starts_with("cannot be run by `no-such-shell`"));
    }
}
