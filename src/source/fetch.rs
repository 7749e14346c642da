//! Repositories that are elsewhere: brought here by the program `git`, which knows the site's keys and proxies.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::program::Program;
use crate::source::error::SourceError;

/// Where the revision is kept that the other side calls its own.
pub const REMOTE_HEAD: &str = "refs/kgen/HEAD";
/// How long a repository may take to come. The first time, all of it comes.
const TIME_LIMIT: Duration = Duration::from_mins(5);
/// The most that git may say, in bytes.
const MOST_SAID: u64 = 4 << 20;
/// What git may speak: no other program, and nothing that runs one.
const PROTOCOLS: &str = "file:git:http:https:ssh";

/// Set when the process ends: whoever is waited for then is waited for no longer.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Ends what is being fetched, and lets nothing begin.
pub fn stop() {
    STOPPED.store(true, Ordering::Relaxed);
}

/// Whether a text names a repository that is elsewhere: a URL, or `user@host:path`.
pub fn is_remote(text: &str) -> bool {
    let scp = || text.split_once(':').is_some_and(|(host, path)| !path.is_empty() && !host.contains('/'));
    text.contains("://") || (scp() && !Path::new(text).exists())
}

/// Brings all branches and tags of `url` to the bare repository `mirror`, which is made if it is not there.
///
/// # Errors
/// git is not there, the other side refuses, or it takes longer than five minutes. What was there stays.
pub fn fetch(url: &str, mirror: &Path) -> Result<(), SourceError> {
    if url.starts_with('-') {
        return Err(SourceError::Fetch { url: url.to_owned(), message: "this is an option, not a place".to_owned() });
    }
    if !mirror.join("HEAD").is_file() {
        run(git().args(["init", "--quiet", "--bare", "--"]).arg(mirror), url)?;
    }
    let fetch = git().arg("--git-dir").arg(mirror).args([
        "fetch",
        "--quiet",
        "--prune",
        "--force",
        "--no-auto-gc",
        "--no-write-fetch-head",
    ]);
    let all = ["--", url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
    run(fetch.args(all).arg(format!("+HEAD:{REMOTE_HEAD}")), url)
}

/// The program git, which asks nobody, and speaks only what it may.
fn git() -> Program {
    let git = Program::new("git", TIME_LIMIT, MOST_SAID).personal().until(&STOPPED);
    git.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ALLOW_PROTOCOL", PROTOCOLS).env("GIT_ASKPASS", "true")
}

fn run(git: Program, url: &str) -> Result<(), SourceError> {
    let fail = |message: String| SourceError::Fetch { url: without_password(url), message };
    let output = git.run().map_err(|error| fail(format!("the program git {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).replace(url, &without_password(url));
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
    Err(fail(lines.join("; ")))
}

/// A URL as it may be shown.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        // The name before it is a token often enough; of ssh it is a name.
        Some((_, host)) if scheme.starts_with("http") => format!("{scheme}://{host}{}", &rest[end..]),
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{host}{}", &rest[end..])
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_elsewhere_are_known_by_their_form() {
        for remote in ["https://example.org/site.git", "ssh://git@example.org/site", "git@example.org:site.git"] {
            assert!(is_remote(remote), "{remote}");
        }
        for local in ["site", "./site:x", "/srv/site.git", "../a"] {
            assert!(!is_remote(local), "{local}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_password("https://me:word@example.org/x"), "https://example.org/x");
        assert_eq!(without_password("ssh://git:word@example.org/x"), "ssh://git@example.org/x");
        assert_eq!(without_password("https://example.org/a@b"), "https://example.org/a@b");
    }
}
