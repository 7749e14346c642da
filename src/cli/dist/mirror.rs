//! `kgen dist mirror`.
#![allow(clippy::disallowed_types)] // how fast it is, for who watches; no output has it

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::cli::args::dist::DistMirror;
use crate::cli::args::printed::Format;
use crate::cli::dist::chosen::{chosen, place};
use crate::cli::session::{Failure, Progress as Shown, Session};
use crate::cli::table::bytes;
use crate::dist::fetch::Fetcher;
use crate::dist::mirror::{Options, Progress, Remote, Report, mirror};
use crate::dist::place::{Place, arches};
use crate::inventory::Inventory;
use crate::inventory::distribution::Origin;

/// How often the line that people watch is written.
const EVERY: Duration = Duration::from_millis(200);

/// Brings the repositories of distributions here.
pub fn run(session: &mut Session, arguments: &DistMirror) -> Result<(), Failure> {
    let site = session.site()?;
    session.stop_on_errors()?;
    let directory = session.directory.clone();
    let fetcher = Fetcher::default();
    let options = Options { delete: arguments.delete, verify: arguments.verify, jobs: arguments.jobs.into() };
    let (mut reports, mut failures) = (Vec::new(), Vec::new());
    for name in chosen(&site.inventory, &arguments.names)? {
        let Some(place) = place(&site.inventory, &directory, name) else { continue };
        for (source, repository) in repositories(place, &site.inventory, arguments.source.as_deref()) {
            let watched = Watched::new(format!("{name} {source}"), session.progress());
            let done = mirror(&repository, options, &fetcher, &|progress| watched.tell(progress));
            watched.shown.clear();
            let report = match done {
                Ok(report) => Report { distribution: name.to_string(), source, ..report },
                // The others are not kept waiting.
                Err(error) => {
                    failures.push(error.to_string());
                    continue;
                }
            };
            if session.format == Format::Text {
                session.print(&text(&report))?;
            }
            reports.push(report);
        }
    }
    if reports.is_empty() && failures.is_empty() {
        let message = match &arguments.source {
            Some(source) => format!("no distribution here has a source `{source}` with a `url`"),
            None => "no source has a `url`, so there is nothing to be fetched".to_owned(),
        };
        return Err(Failure::Usage(message));
    }
    if session.format == Format::Json {
        session.print_json(&reports)?;
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::World(failures.join("\nerror: "))) }
}

/// What is to be fetched: each source, once or for each architecture.
fn repositories(place: Place, inventory: &Inventory, only: Option<&str>) -> Vec<(String, Remote)> {
    let mut repositories = Vec::new();
    let arches = arches(inventory, place.name, place.build);
    for source in place.build.sources.iter().filter(|source| only.is_none_or(|only| only == source.name)) {
        let Origin::Repository(url) = &source.origin else { continue };
        let one = [String::new()];
        let arches = if url.contains("{arch}") { &arches[..] } else { &one[..] };
        for arch in arches {
            let (directory, name) = place.copy(source, url, arch);
            let shown = if arch.is_empty() { source.name.clone() } else { format!("{} {arch}", source.name) };
            repositories.push((shown, Remote { url: url.replace("{arch}", arch), directory, name }));
        }
    }
    repositories
}

/// The line that people watch: how much, how fast, how long.
struct Watched {
    what: String,
    shown: Shown,
    start: Instant,
    last: Mutex<Instant>,
}

impl Watched {
    fn new(what: String, shown: Shown) -> Self {
        let now = Instant::now();
        Self { what, shown, start: now, last: Mutex::new(now) }
    }

    fn tell(&self, progress: Progress) {
        let Ok(mut last) = self.last.try_lock() else { return };
        if last.elapsed() < EVERY {
            return;
        }
        *last = Instant::now();
        self.shown.show(&line(&self.what, progress, self.start.elapsed()));
    }
}

/// `el9 updates: 12/340 files, 45 MB of 1.2 GB, 10 MB/s, 1:55 left`.
fn line(what: &str, progress: Progress, elapsed: Duration) -> String {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = progress.bytes.saturating_mul(1000) / millis;
    let left = progress.all_bytes.saturating_sub(progress.bytes).checked_div(rate);
    let left = left.map(|seconds| format!(", {}:{:02} left", seconds / 60, seconds % 60)).unwrap_or_default();
    format!(
        "{what}: {}/{} files, {} of {}, {}/s{left} ",
        progress.files,
        progress.all_files,
        bytes(progress.bytes),
        bytes(progress.all_bytes),
        bytes(rate),
    )
}

fn text(report: &Report) -> String {
    let mut text = format!("{} {}: {} packages", report.distribution, report.source, report.packages);
    if report.fetched > 0 {
        text.push_str(&format!(", {} files fetched ({})", report.fetched, bytes(report.bytes)));
    }
    if report.deleted > 0 {
        text.push_str(&format!(", {} taken away", report.deleted));
    }
    if report.vanished > 0 {
        text.push_str(&format!(", {} vanished there and kept here (--delete takes them away)", report.vanished));
    }
    let state = if report.changed { "new" } else { "unchanged" };
    format!("{text}; {state}: {}\n", report.tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_fast_and_how_long() {
        let progress = Progress { files: 12, all_files: 340, bytes: 45_000_000, all_bytes: 1_195_000_000 };
        let shown = line("el9 updates", progress, Duration::from_secs(5));
        assert_eq!(shown, "el9 updates: 12/340 files, 45 MB of 1.2 GB, 9.0 MB/s, 2:07 left ");
        let shown = line("x", Progress::default(), Duration::ZERO);
        assert_eq!(shown, "x: 0/0 files, 0 B of 0 B, 0 B/s ");
    }
}
