//! One revision of a site, from its files to a generation that is checked as a whole.
//!
//! The passes of [`crate::compile`] read no disk; this is what they are given, and what is looked at when they are
//! done: every host filled in once, every boot script made, every boot file there. `kgen check`, `kgen compile` and
//! `kgen serve` all take a site this way, so that what is checked is what is served.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::attribute::{Secrets, Value};
use crate::boot::Handing;
use crate::compile::{Input, compile};
use crate::description::{Description, load};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::expand::Runner;
use crate::files::{BootPlan, check_boot_files};
use crate::generation::{Generation, HostFaults};
use crate::inventory::{Host, Inventory, file};
use crate::source::error::SourceError;
use crate::source::revision::Revision;
use crate::source::{Sources, Span, files_below, read_secret};

/// What a generation is made with, beside the revision.
#[derive(Clone, Copy)]
pub struct Means<'m> {
    /// The directory that paths of the inventory are relative to.
    pub directory: &'m Path,
    /// The text of a secret that is given elsewhere than in a file.
    pub secret: &'m dyn Fn(&str) -> Option<String>,
    /// For `<eval>`.
    pub runner: Runner<'m>,
    /// How hosts come to their kickstarts.
    pub handing: Handing,
    /// How far the site may reach into this machine.
    pub reach: Reach,
    /// Whether kickstarts report also if the inventory does not say so: the generation before did.
    pub keeps_reports: bool,
}

/// A generation, and what its machines do when they boot.
#[derive(Debug)]
pub struct Assembled {
    /// The generation.
    pub generation: Generation,
    /// What every machine does at its next boot; none where the site does not say where its server is.
    pub plan: Option<BootPlan>,
    /// Whether the inventory itself says that kickstarts report.
    pub declares_report: bool,
}

/// Reads, compiles and checks a revision. `None` where something is wrong that leaves nothing to be checked; all that
/// is wrong is in `diagnostics`, and what has errors is not to be used.
///
/// # Errors
/// Something cannot be read.
pub fn assemble(
    revision: &Revision,
    means: Means,
    sources: &mut Arc<Sources>,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Assembled>, SourceError> {
    let mut declares_report = false;
    let prepare = |inventory: &mut Inventory, diagnostics: &mut Diagnostics| {
        declares_report = inventory.reports();
        if means.keeps_reports {
            inventory.serve.get_or_insert_default().report = true;
        }
        check_served(inventory, means, diagnostics);
        read_secrets(inventory, means, diagnostics)
    };
    let made = generation(revision, means.runner, prepare, sources, diagnostics)?;
    let Some(generation) = made else { return Ok(None) };
    let plan = boot_plan(&generation, means, diagnostics)?;
    Ok(Some(Assembled { generation, plan, declares_report }))
}

/// Reads and compiles a revision, and fills in every host; `prepare` gives the texts of the secrets that the inventory
/// names, and may change it before it is compiled.
fn generation(
    revision: &Revision,
    runner: Runner,
    prepare: impl FnOnce(&mut Inventory, &mut Diagnostics) -> Result<Secrets, SourceError>,
    sources: &mut Arc<Sources>,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Generation>, SourceError> {
    let mut read = Sources::default();
    let made = read_both(revision, &mut read, diagnostics);
    *sources = Arc::new(read);
    let Some((mut inventory, description)) = made? else { return Ok(None) };
    let secrets = prepare(&mut inventory, diagnostics)?;
    let inventory = Arc::new(inventory);
    let input = Input { sources, runner, language: inventory.language, hosts: None };
    let generation = compile(Arc::new(description), inventory, secrets, input, diagnostics);
    check_hosts(&generation, diagnostics);
    Ok(Some(generation))
}

/// The same to be looked at, never to be given to a machine: it is made of the revision alone. What stands for a secret is
/// its name, and boot files are not looked for.
///
/// # Errors
/// Something cannot be read.
pub fn assemble_shown(
    revision: &Revision,
    runner: Runner,
    sources: &mut Arc<Sources>,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Assembled>, SourceError> {
    let names = |inventory: &mut Inventory, _: &mut Diagnostics| {
        let mut secrets = Secrets::default();
        secrets_of(inventory).keys().for_each(|name| secrets.insert(*name, Value::secret(name).shown()));
        Ok(secrets)
    };
    let made = generation(revision, runner, names, sources, diagnostics)?;
    let Some(generation) = made else { return Ok(None) };
    let plan = BootPlan::new(&generation.inventory, Handing::Files, diagnostics);
    let declares_report = generation.inventory.reports();
    Ok(Some(Assembled { generation, plan, declares_report }))
}

fn read_both(
    revision: &Revision,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Result<Option<(Inventory, Description)>, SourceError> {
    let Some(inventory) = read_inventory(revision.inventory()?, sources, diagnostics) else { return Ok(None) };
    let description = read_description(revision, &inventory, sources, diagnostics)?;
    Ok(Some((inventory, description)))
}

/// How far a site may reach into this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It is a directory of this machine: wherever it names.
    Anywhere,
    /// It is in git, and its owner asks: the same, but it is told what a server would refuse.
    Told,
    /// It is in git and a server takes it. Whoever writes to the repository decides what machines install, but not which
    /// files of the server anybody sees.
    Confined,
}

/// How far a revision may reach; `serves` says whether a server takes it.
pub fn reach(revision: &Revision, serves: bool) -> Reach {
    match revision {
        Revision::Directory(_) => Reach::Anywhere,
        Revision::Commit(_) if serves => Reach::Confined,
        Revision::Commit(_) => Reach::Told,
    }
}

/// What a path of the inventory is for, and where such a path of a site in git has to begin: what is served, what is
/// secret and what proves who we are lie apart.
#[derive(Clone, Copy)]
struct Use<'u> {
    key: &'u str,
    place: Option<Span>,
    below: &'static str,
}

/// Reads an inventory from its files. `None` where there is nothing to go on with, which was told.
pub fn read_inventory(
    files: Vec<(String, Vec<u8>)>,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Option<Inventory> {
    let mut ids = Vec::new();
    for (path, bytes) in files {
        match String::from_utf8(bytes) {
            Ok(text) => ids.push(sources.add(path, text.replace("\r\n", "\n"))),
            Err(error) => {
                let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                let file = sources.add(path, String::new());
                let message = format!("the inventory is not UTF-8 (first seen in line {line})");
                diagnostics.push(Diagnostic::error(Span::new(file, 0, 0), message));
                return None;
            }
        }
    }
    let inventory = file::read(&ids, sources, diagnostics);
    // Without a [site] nothing else can be read, and that it is missing was told.
    (!inventory.site.name.is_empty() || !diagnostics.has_errors()).then_some(inventory)
}

/// Reads the description of an inventory.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn read_description(
    revision: &Revision,
    inventory: &Inventory,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Result<Description, SourceError> {
    let tree = revision
        .description(&inventory.site.description)
        .map_err(|error| SourceError::OfSite { source: Box::new(error) })?;
    Ok(load(&tree, inventory.site.rolls.as_deref(), inventory.language, sources, diagnostics))
}

/// A path of the inventory as a path of this machine; none where it is not the site's to name, which is told.
fn local_path(path: &Path, used: Use, means: Means, diagnostics: &mut Diagnostics) -> Option<PathBuf> {
    let plain = |part: std::path::Component| matches!(part, std::path::Component::Normal(_));
    let good = path.components().all(plain) && path.starts_with(used.below);
    if means.reach != Reach::Anywhere && !good {
        let Use { key, below, .. } = used;
        let message =
            format!("`{key}` is `{}`; a server takes of a site in git only what is below `{below}`", path.display());
        let hint = format!("write `{below}/..`, and put it there, in the directory that --local names");
        let severity = if means.reach == Reach::Confined { Severity::Error } else { Severity::Warning };
        let fault = used.place.map(|place| Diagnostic::error(place, message).severity(severity).hint(hint));
        diagnostics.extend(fault);
        if means.reach == Reach::Confined {
            return None;
        }
    }
    Some(means.directory.join(path))
}

/// Reports directories and certificates of `[serve]` that are not the site's to name, or not there.
pub fn check_served(inventory: &Inventory, means: Means, diagnostics: &mut Diagnostics) {
    let Some(serve) = &inventory.serve else { return };
    for (name, (path, place)) in &serve.install {
        let used = Use { key: name, place: Some(*place), below: "served" };
        let Some(directory) = local_path(path, used, means, diagnostics) else { continue };
        if !directory.is_dir() {
            let message = format!("there is no directory {} to be served at /install/{name}", directory.display());
            diagnostics.push(Diagnostic::warning(*place, message));
        }
    }
    if let Some((certificate, key, place)) = &serve.tls {
        for (what, path) in [("certificate", certificate), ("key", key)] {
            local_path(path, Use { key: what, place: Some(*place), below: "tls" }, means, diagnostics);
        }
    }
}

/// The names of the secrets that an inventory refers to, each with the first place.
fn secrets_of(inventory: &Inventory) -> BTreeMap<&str, Option<Span>> {
    let layers = [&inventory.attributes].into_iter().chain(inventory.os.values());
    let layers = layers.chain(inventory.appliances.values().map(|appliance| &appliance.attributes));
    let layers = layers.chain(inventory.hosts.values().map(|host| &host.attributes));
    let mut names = BTreeMap::new();
    for entry in layers.flat_map(|layer| layer.values()) {
        if let Value::Secret { name, .. } = &entry.value {
            names.entry(&**name).or_insert(entry.span);
        }
    }
    names
}

/// The secrets that the inventory names: those that are given, else from the secrets directory.
///
/// # Errors
/// One is there and cannot be read.
pub fn read_secrets(
    inventory: &Inventory,
    means: Means,
    diagnostics: &mut Diagnostics,
) -> Result<Secrets, SourceError> {
    let mut secrets = Secrets::default();
    let used = Use { key: "secrets", place: inventory.site.span, below: "secrets" };
    let Some(directory) = local_path(&inventory.site.secrets, used, means, diagnostics) else {
        return Ok(secrets);
    };
    for (name, span) in secrets_of(inventory) {
        if let Some(text) = (means.secret)(name) {
            secrets.insert(name, &text);
            continue;
        }
        let path = directory.join(name);
        let Some(found) = read_secret(&path)? else { continue };
        if let Some(span) = span.filter(|_| found.is_open) {
            let message = format!("the file of this secret, {}, can be read by others", path.display());
            diagnostics.push(Diagnostic::note(span, message).hint(format!("chmod 600 {}", path.display())));
        }
        secrets.insert(name, &found.text);
    }
    Ok(secrets)
}

/// What every machine does at its next boot; reports what is wrong with it, and files that it needs and that are not
/// among the site's boot files.
///
/// # Errors
/// The boot files cannot be read.
pub fn boot_plan(
    generation: &Generation,
    means: Means,
    diagnostics: &mut Diagnostics,
) -> Result<Option<BootPlan>, SourceError> {
    let inventory = &generation.inventory;
    let Some(plan) = BootPlan::new(inventory, means.handing, diagnostics) else { return Ok(None) };
    let Some((path, place)) = &inventory.site.boot_files else { return Ok(Some(plan)) };
    let used = Use { key: "boot_files", place: Some(*place), below: "served" };
    let Some(from) = local_path(path, used, means, diagnostics) else { return Ok(Some(plan)) };
    if !from.is_dir() {
        let message = format!("there is no directory {} with boot files", from.display());
        diagnostics.push(Diagnostic::error(*place, message));
        return Ok(Some(plan));
    }
    let there = files_below(&from, &[])?;
    let names = there.iter().filter_map(|path| Some(path.strip_prefix(&from).ok()?.to_string_lossy().into_owned()));
    check_boot_files(inventory, &plan, &names.collect(), diagnostics);
    Ok(Some(plan))
}

/// Fills in every host once, so that faults of single hosts are found before anything is written or served.
pub fn check_hosts(generation: &Generation, diagnostics: &mut Diagnostics) {
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
    faults.report(diagnostics);
}
