//! `kgen dist check`, the same as a part of `kgen check`, and `kgen dist list`.

use serde::Serialize;

use crate::cli::args::dist::{DistCheck, DistList};
use crate::cli::args::printed::Format;
use crate::cli::dist::chosen::chosen;
use crate::cli::session::{Failure, Session};
use crate::cli::table::{bytes, columns};
use crate::diagnostic::Severity;
use crate::dist::check::{Trees, check, groups, resolve};
use crate::generation::Generation;

/// Checks what all hosts ask for against what their distributions have.
pub fn run(session: &mut Session, arguments: &DistCheck) -> Result<(), Failure> {
    session.notes = true;
    session.summary = true;
    let hosts = match &arguments.name {
        Some(name) => hosts_of(session, name)?,
        None => Vec::new(),
    };
    let generation = session.generation(&hosts)?;
    session.stop_on_errors()?;
    if groups(&generation).is_empty() {
        let message = "no host has a distribution with `sources`, so there is nothing to be checked";
        return Err(Failure::Usage(message.to_owned()));
    }
    let told = tell(session, &generation, Severity::Error)?;
    session.stop_on_errors()?;
    if session.format == Format::Text {
        session.print(&format!("ok: {told}\n"))?;
    }
    Ok(())
}

/// The hosts of a distribution, so that no others are compiled for it.
fn hosts_of(session: &mut Session, name: &str) -> Result<Vec<String>, Failure> {
    let inventory = session.site()?.inventory;
    session.stop_on_errors()?;
    let chosen = chosen(&inventory, &[name.to_owned()])?;
    let hosts = inventory.hosts.values().filter(|host| host.distribution.as_ref() == chosen.last().copied());
    let hosts: Vec<String> = hosts.map(|host| host.name.to_string()).collect();
    if hosts.is_empty() {
        return Err(Failure::Usage(format!("no host has the distribution `{name}`")));
    }
    // The site is read again with its description.
    session.start_over();
    Ok(hosts)
}

/// Reports what hosts ask for and their distributions do not have; gives what was checked, in words.
pub fn tell(session: &mut Session, generation: &Generation, not_built: Severity) -> Result<String, Failure> {
    let directory = session.directory.clone();
    let checked = check(generation, &directory, not_built, &mut session.diagnostics)?;
    let hosts = if checked.hosts == 1 { "host" } else { "hosts" };
    let lists = if checked.lists == 1 { "list" } else { "lists" };
    Ok(format!("the packages of {} {hosts} in {} {lists}", checked.hosts, checked.lists))
}

/// One package of a list.
#[derive(Serialize)]
struct Row {
    package: String,
    version: String,
    arch: String,
    /// Bytes to be fetched.
    size: u64,
    /// Bytes on the disk.
    installed: u64,
    /// Whether it is asked for, and not only required.
    asked: bool,
}

/// Lists what a host installs.
pub fn list(session: &mut Session, arguments: &DistList) -> Result<(), Failure> {
    let generation = session.generation(std::slice::from_ref(&arguments.host))?;
    session.stop_on_errors()?;
    let groups = groups(&generation);
    let Some(group) = groups.first() else {
        return Err(Failure::Usage(format!("the distribution of `{}` is not built here", arguments.host)));
    };
    let directory = session.directory.clone();
    let mut trees = Trees::default();
    let Some(universe) = trees.universe(&generation, &directory, group.distribution, &group.arch)? else {
        let name = group.distribution;
        let message =
            format!("the distribution `{name}` is not built for {} yet; hint: kgen dist build {name}", group.arch);
        return Err(Failure::World(message));
    };
    let resolved = resolve(group, universe, &mut session.diagnostics);
    let mut rows: Vec<Row> = resolved
        .installed
        .iter()
        .map(|id| {
            let package = universe.package(*id);
            Row {
                package: package.nevra.name.to_string(),
                version: package.nevra.evr.to_string(),
                arch: package.nevra.arch.to_string(),
                size: package.size,
                installed: package.installed,
                asked: resolved.asked.contains(id),
            }
        })
        .collect();
    rows.sort_by(|one, other| {
        (&one.package, &one.arch, &one.version).cmp(&(&other.package, &other.arch, &other.version))
    });
    if session.format == Format::Json {
        return session.print_json(&rows);
    }
    session.print(&table(&rows))
}

fn table(rows: &[Row]) -> String {
    let head = ["PACKAGE", "VERSION", "ARCH", "SIZE", "INSTALLED", "ASKED"].map(str::to_owned).to_vec();
    let cells = rows.iter().map(|row| {
        let asked = if row.asked { "yes" } else { "" };
        vec![
            row.package.clone(),
            row.version.clone(),
            row.arch.clone(),
            bytes(row.size),
            bytes(row.installed),
            asked.to_owned(),
        ]
    });
    let text = columns(&std::iter::once(head).chain(cells).collect::<Vec<_>>());
    let sum = |pick: fn(&Row) -> u64| bytes(rows.iter().map(pick).sum());
    format!("{text}{} packages, {} to fetch, {} on disk\n", rows.len(), sum(|row| row.size), sum(|row| row.installed))
}
