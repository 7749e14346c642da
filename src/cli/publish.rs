//! Files to a directory, in an order in which nothing is named before it is there, on all cores.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::boot::is_diskless;
use crate::cli::session::{Failure, Progress};
use crate::files::{
    BootPlan, SCRIPT_FOLDERS, SITE_FOLDERS, SiteFile, boot_scripts, configure_file, kickstart, kickstart_path,
    site_files,
};
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
    /// Takes over other counts.
    pub fn append(&mut self, other: Counts) {
        self.new += other.new;
        self.changed += other.changed;
        self.same += other.same;
        self.removed.extend(other.removed);
    }

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
    let site = if everything { site_files(&generation.inventory, plan) } else { Vec::new() };
    // Scripts name initrds, and DHCP names scripts.
    let (initrds, others): (Vec<_>, Vec<_>) = site.into_iter().partition(|file| file.path.ends_with(".img"));
    let write = |file: &SiteFile| Ok::<_, WriteError>(vec![output.write(&file.path, file.bytes(), Access::Public)?]);
    let first: Vec<Vec<Change>> = initrds.iter().map(write).collect::<Result<_, _>>()?;
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
    changes.extend(first);
    changes.extend(others.iter().map(write).collect::<Result<Vec<_>, _>>()?);
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

/// Whether a file begins as kgen begins one of its name.
fn is_written(name: &str, line: &str) -> bool {
    if name.ends_with(".zone") { line.starts_with("; ") } else { !name.ends_with(".ipxe") || line == "#!ipxe" }
}

/// Removes what no longer is: boot scripts under names that no machine has any more, because whoever got the address
/// would boot from them, files of the site that it no longer has, and scripts of hosts that have a disk now. Also
/// kickstarts of hosts that are gone, if they are to be.
pub fn remove(
    generation: &Generation,
    plan: Option<&BootPlan>,
    kickstarts: bool,
    output: &Output,
) -> Result<Vec<String>, Failure> {
    let inventory = &generation.inventory;
    let mut keep: BTreeSet<String> = site_files(inventory, plan).into_iter().map(|file| file.path).collect();
    let hosts: Vec<&Host> = inventory.hosts.values().collect();
    if let Some(plan) = plan {
        let scripts = hosts.par_iter().flat_map_iter(|host| boot_scripts(inventory, plan, host));
        keep.extend(scripts.map(|(path, _)| path).collect::<Vec<_>>());
    }
    let mut removed = Vec::new();
    for (folder, is_ours) in SCRIPT_FOLDERS.into_iter().chain(SITE_FOLDERS) {
        let inside = keep.iter().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned));
        let inside: BTreeSet<String> = inside.collect();
        removed.extend(output.prune(folder, &inside, |name, line| is_ours(name) && is_written(name, line))?);
    }
    let diskless = hosts.iter().filter(|host| is_diskless(inventory, host)).map(|host| format!("{}.sh", host.name));
    let mut keep: BTreeSet<String> = diskless.collect();
    let ours = |name: &str, line: &str, end: &str, first: &str| {
        name.strip_suffix(end).is_some_and(|host| HostName::new(host).is_some()) && line.starts_with(first)
    };
    removed.extend(output.prune("ks", &keep, |name, line| ours(name, line, ".sh", "#!/bin/bash"))?);
    if kickstarts {
        keep.extend(inventory.hosts.keys().map(|host| format!("{host}.ks")));
        removed.extend(output.prune("ks", &keep, |name, line| ours(name, line, ".ks", "# Kickstart by kgen "))?);
    }
    Ok(removed)
}
