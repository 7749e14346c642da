//! Repositories that are elsewhere: brought here by the program `git`, which knows the site's keys and proxies.
#![allow(clippy::disallowed_types)] // the door to that program, with a time limit

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::source::error::SourceError;

/// Where the revision is kept that the other side calls its own.
pub const REMOTE_HEAD: &str = "refs/kgen/HEAD";
/// How long a repository may take to come. The first time, all of it comes.
const TIME_LIMIT: Duration = Duration::from_mins(5);
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
        run(Command::new("git").args(["init", "--quiet", "--bare", "--"]).arg(mirror), url)?;
    }
    let mut git = Command::new("git");
    git.arg("--git-dir").arg(mirror).args([
        "fetch",
        "--quiet",
        "--prune",
        "--force",
        "--no-auto-gc",
        "--no-write-fetch-head",
    ]);
    git.args(["--", url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]).arg(format!("+HEAD:{REMOTE_HEAD}"));
    run(&mut git, url)
}

fn run(git: &mut Command, url: &str) -> Result<(), SourceError> {
    let fail = |message: String| SourceError::Fetch { url: without_password(url), message };
    git.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ALLOW_PROTOCOL", PROTOCOLS).env("GIT_ASKPASS", "true");
    git.env("LC_ALL", "C");
    git.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = git.spawn().map_err(|error| fail(format!("the program git does not start: {error}")))?;
    // What it says is read while it runs, or it would wait for somebody to read it.
    let said = child.stderr.take().map(|stderr| std::thread::spawn(move || beginning(stderr)));
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if STOPPED.load(Ordering::Relaxed) => return Err(fail(ended(child, "the server ends"))),
            Ok(None) if started.elapsed() < TIME_LIMIT => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => return Err(fail(ended(child, "it takes longer than 5 minutes"))),
            Err(error) => return Err(fail(error.to_string())),
        }
    }
    if child.wait().map_err(|error| fail(error.to_string()))?.success() {
        return Ok(());
    }
    let said = said.and_then(|said| said.join().ok()).unwrap_or_default();
    let said = said.replace(url, &without_password(url));
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
    Err(fail(lines.join("; ")))
}

/// Ends a program, and gives why.
fn ended(mut child: Child, why: &str) -> String {
    let _ = child.kill();
    let _ = child.wait();
    why.to_owned()
}

/// The first lines of what a program says; the rest is read and forgotten.
fn beginning(mut stream: impl Read) -> String {
    let mut text = Vec::new();
    let _ = stream.by_ref().take(16 << 10).read_to_end(&mut text);
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
    String::from_utf8_lossy(&text).into_owned()
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
