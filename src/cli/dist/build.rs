//! `kgen dist build`.

use std::path::Path;

use crate::cli::args::dist::DistBuild;
use crate::cli::args::printed::Format;
use crate::cli::dist::chosen::{chosen, place};
use crate::cli::session::{Failure, Session};
use crate::cli::table::bytes;
use crate::dist::build::{Report, build};
use crate::dist::cache::Cache;
use crate::dist::collect::Reading;
use crate::dist::place::{Place, arches};
use crate::dist::signature::Keys;
use crate::inventory::Inventory;

/// How many lines of what overrode what people are shown.
const SHOWN: usize = 40;

/// Builds the trees of distributions, each for all of its architectures.
pub fn run(session: &mut Session, arguments: &DistBuild) -> Result<(), Failure> {
    let site = session.site()?;
    session.stop_on_errors()?;
    let directory = session.directory.clone();
    let (mut reports, mut failures) = (Vec::new(), Vec::new());
    for name in chosen(&site.inventory, &arguments.names)? {
        let Some(place) = place(&site.inventory, &directory, name) else { continue };
        match of_one(session, place, &site.inventory, arguments.arch.as_deref()) {
            Ok(found) => reports.extend(found),
            // Others may be built of what is there.
            Err(Failure::World(message)) => failures.push(message),
            Err(failure) => return Err(failure),
        }
    }
    if session.format == Format::Json {
        session.print_json(&reports)?;
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::World(failures.join("\nerror: "))) }
}

fn of_one(
    session: &mut Session,
    place: Place,
    inventory: &Inventory,
    only: Option<&str>,
) -> Result<Vec<Report>, Failure> {
    let name = place.name;
    let mut arches = arches(inventory, name, place.build);
    if let Some(only) = only {
        arches.retain(|arch| arch == only);
        if arches.is_empty() {
            return Err(Failure::Usage(format!("the distribution `{name}` is not built for {only}")));
        }
    }
    if arches.is_empty() {
        let message = format!("no host has the distribution `{name}`, so it has to say its `arches`");
        return Err(Failure::Usage(message));
    }
    let paths: Vec<_> = place.build.keys.iter().map(|(path, _)| place.directory.join(path)).collect();
    let keys = Keys::read(&paths)?;
    let mut cache = Cache::open(&place.mirror())?;
    let description = place.directory.join(&inventory.site.description);
    let mut reports = Vec::new();
    let mut failed = None;
    for arch in &arches {
        match one(session, place, arch, inventory, (&cache, &keys, &description)) {
            Ok(report) => {
                if session.format == Format::Text {
                    session.print(&text(&report))?;
                }
                reports.push(report);
            }
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
    }
    // What was read is read, whatever came after it.
    let saved = cache.save();
    match failed {
        Some(failure) => Err(failure),
        None => Ok(saved.map(|()| reports)?),
    }
}

fn one(
    session: &mut Session,
    place: Place,
    arch: &str,
    inventory: &Inventory,
    (cache, keys, description): (&Cache, &Keys, &Path),
) -> Result<Report, Failure> {
    let progress = session.progress();
    let what = format!("{} {arch}: packages", place.name);
    let tell = |done: usize, all: usize| {
        if done.is_multiple_of(64) || done == all {
            progress.tell(&what, done, all);
        }
    };
    let strict = session.is_strict();
    let reading = Reading { cache, keys, description, strict, progress: &tell };
    let built = build(place, arch, inventory, &reading, &mut session.diagnostics);
    progress.clear();
    let report = built?;
    session.stop_on_errors()?;
    report.ok_or(Failure::Faults)
}

/// What people are told of a build.
fn text(report: &Report) -> String {
    let state = if report.changed { "new" } else { "unchanged" };
    let sources: Vec<_> = report.sources.iter().map(|(name, count)| format!("{count} of {name}")).collect();
    let mut text = format!(
        "{} {}: {} packages ({}), {}; {state}: {}\n",
        report.distribution,
        report.arch,
        report.packages,
        bytes(report.bytes),
        sources.join(", "),
        report.tree,
    );
    let told: Vec<_> =
        report.overridden.iter().filter(|found| found.instead_source.as_ref() != Some(&found.source)).collect();
    for found in told.iter().take(SHOWN) {
        let instead = found.instead.as_deref().zip(found.instead_source.as_deref());
        let instead = instead.map(|(package, source)| format!(" {package} of {source}")).unwrap_or_default();
        text.push_str(&format!("  {} of {} ->{instead} ({})\n", found.package, found.source, found.why));
    }
    if told.len() > SHOWN {
        text.push_str(&format!("  and {} more; --format json lists all\n", told.len() - SHOWN));
    }
    let older = report.overridden.len() - told.len();
    let mut others = Vec::new();
    if older > 0 {
        others.push(format!("{older} older in the same source"));
    }
    if report.left_out > 0 {
        others.push(format!("{} left out by the site or for other machines", report.left_out));
    }
    if report.faulty > 0 {
        others.push(format!("{} faulty", report.faulty));
    }
    if !others.is_empty() {
        text.push_str(&format!("  not in it: {}\n", others.join(", ")));
    }
    text
}
