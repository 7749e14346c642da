//! `kgen compile`: all files of a site to a directory.

use std::path::Path;

use crate::assemble::check_hosts;
use crate::cli::args::Compile;
use crate::cli::args::printed::Format;
#[cfg(feature = "dist")]
use crate::cli::dist::check::tell;
use crate::cli::publish::{Counts, publish, remove};
use crate::cli::review::review;
use crate::cli::session::{Failure, Session};
#[cfg(feature = "dist")]
use crate::diagnostic::Severity;
use crate::files::{SCRIPT_FOLDERS, kickstart_path};
use crate::generation::Generation;
use crate::inventory::Host;
use crate::lint;
use crate::source::files_below;
use crate::write::Output;

/// Compiles, checks every host, has the real readers look at everything if asked to, and only then writes.
pub fn run(session: &mut Session, arguments: &Compile) -> Result<(), Failure> {
    let generation = session.generation(&arguments.hosts)?;
    check_hosts(&generation, &mut session.diagnostics);
    let plan = session.boot_plan(&generation)?;
    #[cfg(feature = "dist")]
    if !session.diagnostics.has_errors() {
        tell(session, &generation, Severity::Note)?;
    }
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
