//! `kgen compile --check-with-readers`: every output goes to its real reader before anything is published.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::cli::publish::publish;
use crate::cli::session::{Failure, Progress, Session};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::explain::Explainer;
use crate::files::{BootPlan, SiteFile, boot_scripts, kickstart_path, site_files};
use crate::generation::Generation;
use crate::inventory::Host;
use crate::readers::{Read, Refusal, read};
use crate::source::Span;
use crate::write::{Output, Scratch};

/// Writes everything to a directory of its own and has it read there. A refusal is a fault at the place in our sources
/// that caused the line; readers that are not there are told.
pub fn review(
    session: &mut Session,
    generation: &Generation,
    plan: Option<&BootPlan>,
    everything: bool,
) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let output = Output::open(scratch.path(), &["ks"])?;
    publish(generation, plan, everything, &output, &Progress::silent())?;
    let mut paths = Vec::new();
    for host in generation.inventory.hosts.values().filter(|host| generation.variant(host).is_some()) {
        paths.push((kickstart_path(host), Some(host)));
        let script = format!("ks/{}.sh", host.name);
        paths.extend(scratch.path().join(&script).is_file().then_some((script, Some(host))));
        // The same script under another name needs no second look.
        let scripts = plan.map(|plan| boot_scripts(&generation.inventory, plan, host)).unwrap_or_default();
        let of_grub = scripts.into_iter().find(|(path, _)| path.starts_with("boot/grub/"));
        paths.extend(of_grub.map(|(path, _)| (path, Some(host))));
    }
    let site = if everything { site_files(&generation.inventory, plan) } else { Vec::new() };
    paths.extend(site.iter().map(|file| (file.path.clone(), None)));
    let progress = session.progress();
    let done = std::sync::atomic::AtomicUsize::new(0);
    let read = paths.par_iter().map(|(path, host)| {
        progress.tell("read", done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1, paths.len());
        read(path, &scratch.path().join(path), host.map(|host| &*host.target))
    });
    let read: Vec<Read> = read.collect();
    progress.clear();
    let mut missing: BTreeSet<&str> = BTreeSet::new();
    let mut good: BTreeMap<&str, usize> = BTreeMap::new();
    for ((path, host), read) in paths.iter().zip(&read) {
        match read {
            Read::Unread => {}
            Read::Good(program) => *good.entry(program).or_default() += 1,
            Read::Missing(program) => drop(missing.insert(program)),
            Read::Refused(refusal) => {
                let file = site.iter().find(|file| file.path == *path);
                refused(generation, (path, *host, file), refusal, &mut session.diagnostics);
            }
        }
    }
    let read: Vec<String> = good.iter().map(|(program, count)| format!("{program} {count}")).collect();
    session.remark(&format!("read: {}", if read.is_empty() { "nothing".to_owned() } else { read.join(", ") }));
    if !missing.is_empty() {
        let missing: Vec<&str> = missing.into_iter().collect();
        let message = format!("not everything was read: there is no {} here", missing.join(", "));
        let place = generation.inventory.site.span;
        session.diagnostics.extend(place.map(|place| Diagnostic::warning(place, message)));
    }
    Ok(())
}

/// The fault of a file that its reader refuses.
fn refused(
    generation: &Generation,
    (path, host, file): (&str, Option<&Host>, Option<&SiteFile>),
    refusal: &Refusal,
    diagnostics: &mut Diagnostics,
) {
    let line = refusal.line.map(|line| format!(" in line {line}")).unwrap_or_default();
    let message = format!("{} refuses {path}{line}: {}", refusal.program, refusal.message);
    let inventory = &generation.inventory;
    let of_kickstart = |host: &Host| Explainer::new(generation, host)?.cause(refusal.line?);
    let place: Option<Span> = match (host, file) {
        (Some(host), _) if path.starts_with("ks/") => of_kickstart(host).or(Some(host.span)),
        (Some(host), _) => Some(host.span),
        (None, Some(file)) => refusal.line.and_then(|line| file.cause(line)),
        (None, None) => None,
    };
    if let Some(place) = place.or(inventory.site.span) {
        diagnostics.push(Diagnostic::error(place, message));
    }
}
