//! `kgen compile`: all files of a site to a directory.

use std::path::Path;

use crate::cli::args::{Compile, Format};
use crate::cli::publish::{Counts, publish, remove};
use crate::cli::review::review;
use crate::cli::session::{Failure, Session};
use crate::files::{BootPlan, SCRIPT_FOLDERS, check_boot_files, kickstart_path};
use crate::generation::{Generation, HostFaults};
use crate::inventory::Host;
use crate::lint;
use crate::source::files_below;
use crate::write::Output;
use rayon::prelude::*;

/// Compiles, checks every host, has the real readers look at everything if asked to, and only then writes.
pub fn run(session: &mut Session, arguments: &Compile) -> Result<(), Failure> {
    let generation = session.generation(&arguments.hosts)?;
    check_hosts(session, &generation);
    let plan = boot_plan(session, &generation)?;
    if session.is_strict() {
        lint::lint(&generation, &mut session.diagnostics);
    }
    session.stop_on_errors()?;
    let everything = arguments.hosts.is_empty();
    if arguments.check_with_readers {
        review(session, &generation, plan.as_ref(), everything)?;
        session.stop_on_errors()?;
    }
    let folders: Vec<&str> = ["ks"].into_iter().chain(SCRIPT_FOLDERS.iter().map(|(folder, _)| *folder)).collect();
    let folders = if plan.is_some() { &folders[..] } else { &folders[..1] };
    let output = Output::open(&arguments.output, folders)?;
    let mut counts = Counts::default();
    // Scripts name what is copied.
    if everything && let Some((from, _)) = &generation.inventory.site.boot_files {
        copy_boot_files(&session.directory.join(from), &output, &mut counts)?;
    }
    let progress = session.progress();
    let written = publish(&generation, plan.as_ref(), everything, &output, &progress);
    progress.clear();
    counts.append(written?);
    if everything {
        counts.removed = remove(&generation, plan.as_ref(), arguments.prune, &output)?;
    }
    report(session, arguments, &generation, &counts)
}

fn report(session: &Session, arguments: &Compile, generation: &Generation, counts: &Counts) -> Result<(), Failure> {
    let compiled: Vec<&Host> =
        generation.inventory.hosts.values().filter(|host| generation.variant(host).is_some()).collect();
    let (hosts, variants) = (compiled.len(), generation.variants.len());
    if session.format == Format::Json {
        return session.print_json(&serde_json::json!({
            "hosts": hosts, "variants": variants, "generation": generation.id,
            "new": counts.new, "changed": counts.changed, "unchanged": counts.same, "removed": counts.removed,
        }));
    }
    let mut summary = format!(
        "{hosts} hosts, {variants} variants, generation {}: {} new, {} changed, {} unchanged",
        generation.id, counts.new, counts.changed, counts.same
    );
    if arguments.prune || !counts.removed.is_empty() {
        summary.push_str(&format!(", {} removed", counts.removed.len()));
    }
    let example = compiled.first().map(|host| arguments.output.join(kickstart_path(host)));
    let example = example.map(|path| format!("look at {}\n", path.display())).unwrap_or_default();
    session.print(&format!("{summary}\n{example}"))
}

/// The files that the site keeps to boot with, beside the scripts.
fn copy_boot_files(from: &Path, output: &Output, counts: &mut Counts) -> Result<(), Failure> {
    for path in files_below(from, &[])? {
        let name = path.strip_prefix(from).unwrap_or(&path);
        counts.add(output.copy(&path, &format!("boot/{}", name.display()))?);
    }
    Ok(())
}

/// What every machine does at its next boot; reports what is wrong with it, and files that it needs and that are not
/// among the site's boot files.
pub fn boot_plan(session: &mut Session, generation: &Generation) -> Result<Option<BootPlan>, Failure> {
    let Some(plan) = BootPlan::new(&generation.inventory, &mut session.diagnostics) else { return Ok(None) };
    if let Some((from, place)) = &generation.inventory.site.boot_files {
        let from = session.directory.join(from);
        if !from.is_dir() {
            let message = format!("there is no directory {} with boot files", from.display());
            session.diagnostics.push(crate::diagnostic::Diagnostic::error(*place, message));
            return Ok(Some(plan));
        }
        let there = files_below(&from, &[])?;
        let names = there.iter().filter_map(|path| Some(path.strip_prefix(&from).ok()?.to_string_lossy().into_owned()));
        check_boot_files(&generation.inventory, &plan, &names.collect(), &mut session.diagnostics);
    }
    Ok(Some(plan))
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
