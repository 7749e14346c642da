//! Programs of `<eval>`. Used at compile time only, and only where the site allows it.

use std::time::Duration;

use crate::expand::Program as Asked;
use crate::program::{Program, ProgramError};

/// How long one program may run.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The most that one program may print, in bytes.
const MAX_OUTPUT_BYTES: u64 = 4 << 20;

/// Runs a program with a clean environment and its text as input; gives what it printed.
///
/// # Errors
/// Why there is no output, as the end of a sentence that starts with the program.
pub fn run(asked: &Asked) -> Result<String, String> {
    let shell = asked.shell.trim();
    let program = Program::new(shell, TIME_LIMIT, MAX_OUTPUT_BYTES).directory("/".as_ref()).input(asked.body);
    let program = asked.environment.iter().fold(program, |program, (name, value)| program.env(name, value));
    let output = program.run().map_err(|error| match error {
        ProgramError::NotStarted(error) => format!("cannot be run by `{shell}`: {error}"),
        error => error.to_string(),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().lines().last().map(|line| format!(": {line}")).unwrap_or_default();
        return Err(format!("ended with {}{said}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| "printed text that is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn sh(body: &str) -> Result<String, String> {
        let environment = BTreeMap::from([("who".to_owned(), "me".to_owned())]);
        run(&Asked { shell: "sh", body, environment: &environment })
    }

    #[test]
    fn a_program_sees_its_attributes_and_nothing_else() {
        assert_eq!(sh("echo \"$who$HOME\"").unwrap(), "me\n");
    }

    #[test]
    fn a_failure_is_told() {
        assert_eq!(sh("echo oops >&2; exit 3").unwrap_err(), "ended with exit status: 3: oops");
        let missing = Asked { shell: "no-such-shell", body: "", environment: &BTreeMap::new() };
        assert!(run(&missing).unwrap_err().starts_with("cannot be run by `no-such-shell`"));
    }
}
