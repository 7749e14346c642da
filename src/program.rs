//! Programs: the only file that runs any, each with a limit of time and of output, and a clean environment.
//!
//! What it is given is what the caller names, beside a search path and, where the caller says so, the variables that
//! say how a person reaches other machines ([`PERSONAL`]). A program that hangs is ended when its time is over; one that
//! prints without end, when it has printed enough.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // the door to programs

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use thiserror::Error;

/// Where programs are looked for.
const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
/// What says how a person reaches other machines: keys, proxies, the configuration of git and ssh.
pub const PERSONAL: [&str; 19] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "SSH_AUTH_SOCK",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_SSL_CAINFO",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];
/// How often a program without output is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A program to be run.
#[derive(Debug)]
pub struct Program {
    command: Command,
    input: Vec<u8>,
    time: Duration,
    output: u64,
    stop: Option<&'static AtomicBool>,
}

/// What a program left.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained.
    pub stderr: Vec<u8>,
}

/// Why a program did not come to its end.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// It is not there, or cannot be run.
    #[error("does not start: {0}")]
    NotStarted(io::Error),
    /// Its time was over.
    #[error("ran for more than {} seconds and was ended", .0.as_secs())]
    TooLong(Duration),
    /// It printed too much.
    #[error("printed more than {0} bytes")]
    TooMuch(u64),
    /// The process that runs it ends.
    #[error("the server ends")]
    Stopped,
    /// The system lost it.
    #[error("was lost: {0}")]
    Lost(io::Error),
}

impl Program {
    /// A program by its name or path, with the most time that it may take and the most bytes that it may print.
    pub fn new(name: impl AsRef<Path>, time: Duration, output: u64) -> Self {
        let mut command = Command::new(name.as_ref());
        command.env_clear().env("PATH", SEARCH_PATH).env("LC_ALL", "C");
        Self { command, input: Vec::new(), time, output, stop: None }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.command.arg(argument.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// The variables of this process that say how a person reaches other machines.
    #[must_use]
    pub fn personal(mut self) -> Self {
        for name in PERSONAL {
            if let Some(value) = std::env::var_os(name) {
                self.command.env(name, value);
            }
        }
        self
    }

    /// The directory that it is started in.
    #[must_use]
    pub fn directory(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// What it reads.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// It is ended when this turns true.
    #[must_use]
    pub fn until(mut self, stop: &'static AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// It does not start, or was ended before it came to its end.
    pub fn run(mut self) -> Result<Output, ProgramError> {
        let stdin = if self.input.is_empty() { Stdio::null() } else { Stdio::piped() };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().map_err(ProgramError::NotStarted)?;
        let ended = self.wait(&mut child);
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        ended
    }

    fn wait(&mut self, child: &mut Child) -> Result<Output, ProgramError> {
        let end = Instant::now() + self.time;
        feed(child, std::mem::take(&mut self.input));
        let (stdout, stderr) =
            (collected(child.stdout.take(), self.output), collected(child.stderr.take(), self.output));
        let stdout = self.received(&stdout, end)?;
        let stderr = self.received(&stderr, end)?;
        if stdout.len() as u64 > self.output {
            return Err(ProgramError::TooMuch(self.output));
        }
        // It may close its output and go on.
        loop {
            match child.try_wait().map_err(ProgramError::Lost)? {
                Some(status) => return Ok(Output { status, stdout, stderr }),
                None => self.goes_on(end)?,
            }
            std::thread::sleep(LOOK);
        }
    }

    fn received(&self, stream: &Receiver<Vec<u8>>, end: Instant) -> Result<Vec<u8>, ProgramError> {
        loop {
            match stream.recv_timeout(LOOK) {
                Ok(bytes) => return Ok(bytes),
                Err(RecvTimeoutError::Timeout) => self.goes_on(end)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
            }
        }
    }

    fn goes_on(&self, end: Instant) -> Result<(), ProgramError> {
        match self.stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Err(ProgramError::Stopped),
            _ if Instant::now() > end => Err(ProgramError::TooLong(self.time)),
            _ => Ok(()),
        }
    }
}

/// A program that does not read its input must not hold us up, so it is fed beside.
fn feed(child: &mut Child, input: Vec<u8>) {
    if let Some(mut stdin) = child.stdin.take() {
        // It may end without reading all; its status tells whether that was well.
        std::thread::spawn(move || drop(stdin.write_all(&input)));
    }
}

/// What comes from a stream, and one byte more than allowed; it is read beside, or the program would wait for that.
fn collected(stream: Option<impl Read + Send + 'static>, most: u64) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            let _ = stream.take(most + 1).read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, time: Duration, output: u64) -> Result<Output, ProgramError> {
        Program::new("sh", time, output).args(["-c", script]).env("who", "me").input("text\n").run()
    }

    static STOP: AtomicBool = AtomicBool::new(true);
    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_program_has_its_input_its_variables_and_nothing_else() {
        let output = sh("cat; echo \"$who$HOME\"; echo oops >&2; exit 3", LONG, 100).unwrap();
        assert_eq!((output.stdout, output.stderr), (b"text\nme\n".to_vec(), b"oops\n".to_vec()));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn a_program_that_hangs_or_talks_without_end_is_ended() {
        let moment = Duration::from_millis(200);
        assert!(matches!(sh("exec sleep 100", moment, 100), Err(ProgramError::TooLong(_))));
        // Who closes its output and goes on is not waited for either.
        assert!(matches!(sh("exec >&- 2>&-; exec sleep 100", moment, 100), Err(ProgramError::TooLong(_))));
        assert!(matches!(sh("exec yes", LONG, 100), Err(ProgramError::TooMuch(100))));
        let stopped = Program::new("sleep", LONG, 10).arg("100").until(&STOP).run();
        assert!(matches!(stopped, Err(ProgramError::Stopped)));
        assert!(matches!(Program::new("no-such-program", LONG, 10).run(), Err(ProgramError::NotStarted(_))));
    }
}
