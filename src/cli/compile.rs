//! `kgen compile`: the kickstarts of all hosts to files.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::cli::args::Compile;
use crate::cli::session::{Failure, Progress, Session};
use crate::generation::{Generation, HostFaults};
use crate::inventory::Host;
use crate::lint;
use crate::name::HostName;
use crate::write::{Access, Change, Output, WriteError};

/// The folder of kickstarts below the output directory.
const FOLDER: &str = "ks";

/// Compiles, checks every host, and only then writes.
pub fn run(session: &mut Session, arguments: &Compile) -> Result<(), Failure> {
    let generation = session.generation(&arguments.hosts)?;
    check_hosts(session, &generation);
    if session.is_strict() {
        lint::lint(&generation, &mut session.diagnostics);
    }
    session.stop_on_errors()?;
    let output = Output::open(&arguments.output, &[FOLDER])?;
    let hosts: Vec<&Host> =
        generation.inventory.hosts.values().filter(|host| generation.variant(host).is_some()).collect();
    let progress = session.progress();
    let changes = write_all(&generation, &hosts, &output, &progress);
    progress.clear();
    let changes = changes?;
    let removed = if arguments.prune { prune(&output, &hosts)? } else { Vec::new() };
    let count = |change| changes.iter().filter(|found| **found == change).count();
    let mut summary = format!(
        "{} hosts, {} variants, generation {}: {} new, {} changed, {} unchanged",
        hosts.len(),
        generation.variants.len(),
        generation.id,
        count(Change::New),
        count(Change::Changed),
        count(Change::Same)
    );
    if arguments.prune {
        summary.push_str(&format!(", {} removed", removed.len()));
    }
    let first = hosts.first().map(|host| arguments.output.join(FOLDER).join(format!("{}.ks", host.name)));
    if session.format == crate::cli::args::Format::Json {
        return session.print_json(&serde_json::json!({
            "hosts": hosts.len(), "variants": generation.variants.len(), "generation": generation.id,
            "new": count(Change::New), "changed": count(Change::Changed), "unchanged": count(Change::Same), "removed": removed,
        }));
    }
    let example = first.map(|path| format!("look at {}\n", path.display())).unwrap_or_default();
    session.print(&format!("{summary}\n{example}"))
}

/// Fills in every host once, so that faults of single hosts are found before anything is written.
pub fn check_hosts(session: &mut Session, generation: &Generation) {
    let hosts: Vec<&Host> = generation.inventory.hosts.values().collect();
    let checked = hosts.par_chunks(256).map(|hosts| {
        let mut faults = HostFaults::default();
        let mut buffer = Vec::new();
        for host in hosts {
            buffer.clear();
            generation.emit(host, &mut buffer, &mut faults);
        }
        faults
    });
    let mut faults = checked.reduce(HostFaults::default, |mut all, faults| {
        all.append(faults);
        all
    });
    generation.check_commands(&mut faults);
    faults.report(&mut session.diagnostics);
}

/// Writes all hosts with a buffer for each thread: memory does not grow with the output.
fn write_all(
    generation: &Generation,
    hosts: &[&Host],
    output: &Output,
    progress: &Progress,
) -> Result<Vec<Change>, WriteError> {
    let done = AtomicUsize::new(0);
    let written = hosts.par_iter().map_init(Vec::new, |buffer, host| {
        buffer.clear();
        let mut faults = HostFaults::default();
        if !generation.emit(host, buffer, &mut faults) {
            return Ok(Change::Same); // reported by `check_hosts`, which stopped us before
        }
        // A kickstart that holds a secret is its owner's to read.
        let access = if generation.holds_secret(host) { Access::Private } else { Access::Public };
        let change = output.write(&format!("{FOLDER}/{}.ks", host.name), buffer, access)?;
        let count = done.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(100) {
            progress.tell("written", count, hosts.len());
        }
        Ok(change)
    });
    written.collect()
}

/// Files of hosts that are gone, if kgen wrote them.
fn prune(output: &Output, hosts: &[&Host]) -> Result<Vec<String>, WriteError> {
    let keep: BTreeSet<String> = hosts.iter().map(|host| format!("{}.ks", host.name)).collect();
    let ours = |name: &str, line: &str| {
        name.strip_suffix(".ks").is_some_and(|host| HostName::new(host).is_some())
            && line.starts_with("# Kickstart by kgen ")
    };
    output.prune(FOLDER, &keep, ours)
}
