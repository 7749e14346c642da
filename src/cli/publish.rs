//! Files to a directory, in an order in which nothing is named before it is there, on all cores.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::cli::session::{Failure, Progress};
use crate::files::{BootPlan, SCRIPT_FOLDERS, boot_scripts, configure_file, kickstart, kickstart_path, site_files};
use crate::generation::Generation;
use crate::inventory::Host;
use crate::name::HostName;
use crate::write::{Access, Change, Output, WriteError};

/// What happened to how many files.
#[derive(Debug, Default)]
pub struct Counts {
    /// Those that were not there.
    pub new: usize,
    /// Those that had other content.
    pub changed: usize,
    /// Those that were as they should be.
    pub same: usize,
    /// Those that are gone.
    pub removed: Vec<String>,
}

impl Counts {
    /// Counts one file.
    pub fn add(&mut self, change: Change) {
        match change {
            Change::New => self.new += 1,
            Change::Changed => self.changed += 1,
            Change::Same => self.same += 1,
        }
    }
}

/// Writes the files of all hosts that were compiled, and those of the site if `everything` is to be written.
/// Kickstarts come before the scripts that name them. Memory does not grow with the output.
pub fn publish(
    generation: &Generation,
    plan: Option<&BootPlan>,
    everything: bool,
    output: &Output,
    progress: &Progress,
) -> Result<Counts, WriteError> {
    let all = generation.inventory.hosts.values();
    let hosts: Vec<&Host> = all.filter(|host| generation.variant(host).is_some()).collect();
    let done = AtomicUsize::new(0);
    let kickstarts = hosts.par_iter().map_init(Vec::new, |buffer, host| {
        let count = done.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(100) {
            progress.tell("written", count, hosts.len());
        }
        write_kickstart(generation, host, buffer, output)
    });
    let mut changes: Vec<Vec<Change>> = kickstarts.collect::<Result<_, _>>()?;
    if let Some(plan) = plan {
        let scripts = hosts.par_iter().map(|host| {
            let scripts = boot_scripts(&generation.inventory, plan, host);
            let written = scripts.iter().map(|(path, script)| output.write(path, script.as_bytes(), Access::Public));
            written.collect::<Result<Vec<_>, _>>()
        });
        changes.extend(scripts.collect::<Result<Vec<_>, _>>()?);
    }
    if everything {
        for file in site_files(&generation.inventory, plan) {
            changes.push(vec![output.write(&file.path, file.bytes(), Access::Public)?]);
        }
    }
    let mut counts = Counts::default();
    changes.into_iter().flatten().for_each(|change| counts.add(change));
    Ok(counts)
}

/// The kickstart of a host, and the script of a diskless one. What holds a secret is its owner's to read.
fn write_kickstart(
    generation: &Generation,
    host: &Host,
    buffer: &mut Vec<u8>,
    output: &Output,
) -> Result<Vec<Change>, WriteError> {
    // Faults were reported before, and stopped us.
    let Some((text, secret)) = kickstart(generation, host, buffer) else { return Ok(Vec::new()) };
    let access = if secret { Access::Private } else { Access::Public };
    let mut changes = vec![output.write(&kickstart_path(host), text, access)?];
    if let Some((path, script)) = configure_file(&generation.inventory, host, text) {
        changes.push(output.write(&path, &script, access)?);
    }
    Ok(changes)
}

/// Removes boot scripts under names that no machine has any more: whoever got the address would boot from them. Also
/// kickstarts of hosts that are gone, if they are to be.
pub fn remove(
    generation: &Generation,
    plan: Option<&BootPlan>,
    kickstarts: bool,
    output: &Output,
) -> Result<Vec<String>, Failure> {
    let inventory = &generation.inventory;
    let mut removed = Vec::new();
    if let Some(plan) = plan {
        let mut keep: BTreeSet<String> = site_files(inventory, Some(plan)).into_iter().map(|file| file.path).collect();
        let hosts: Vec<&Host> = inventory.hosts.values().collect();
        let scripts = hosts.par_iter().flat_map_iter(|host| boot_scripts(inventory, plan, host));
        keep.extend(scripts.map(|(path, _)| path).collect::<Vec<_>>());
        for (folder, is_ours) in SCRIPT_FOLDERS {
            let inside = keep.iter().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned));
            let inside: BTreeSet<String> = inside.collect();
            let ours = |name: &str, line: &str| is_ours(name) && line.starts_with('#');
            removed.extend(output.prune(folder, &inside, ours)?);
        }
    }
    if kickstarts {
        let names = |host: &HostName| [format!("{host}.ks"), format!("{host}.sh")];
        let keep: BTreeSet<String> = inventory.hosts.keys().flat_map(names).collect();
        let ours = |name: &str, line: &str| {
            let host = name.strip_suffix(".ks").or_else(|| name.strip_suffix(".sh"));
            host.is_some_and(|host| HostName::new(host).is_some())
                && (line.starts_with("# Kickstart by kgen ") || line == "#!/bin/bash")
        };
        removed.extend(output.prune("ks", &keep, ours)?);
    }
    Ok(removed)
}
