//! `kgen dist diff`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::cli::args::dist::DistDiff;
use crate::cli::args::printed::Format;
use crate::cli::dist::chosen::{chosen, place};
use crate::cli::session::{Failure, Session};
use crate::cli::table::on_one_line;
use crate::diagnostic::Diagnostics;
use crate::dist::check::{Group, files_asked, groups, resolve};
use crate::dist::compare::{Change, ChangeKind, compare};
use crate::dist::package::Package;
use crate::dist::place::{arches, derived};
use crate::dist::repodata::REPOMD;
use crate::dist::repodata::read::Repository;
use crate::dist::tree::previous;
use crate::dist::universe::Universe;
use crate::generation::{Generation, counted};
use crate::inventory::Inventory;
use crate::name::{DistributionName, HostName};

/// One side of the comparison: its trees, by architecture; one tree has none of its own.
struct Side<'s> {
    distribution: Option<&'s DistributionName>,
    trees: BTreeMap<String, PathBuf>,
}

/// What differs for one architecture.
#[derive(Serialize)]
struct Compared {
    #[serde(skip_serializing_if = "String::is_empty")]
    arch: String,
    before: String,
    after: String,
    packages: Vec<Reaching>,
}

/// A change, and the hosts that install the package.
#[derive(Serialize)]
struct Reaching {
    #[serde(flatten)]
    change: Change,
    hosts: Vec<HostName>,
}

/// Compares two trees, and tells which hosts install what differs.
pub fn run(session: &mut Session, arguments: &DistDiff) -> Result<(), Failure> {
    let generation = session.generation(&[])?;
    session.stop_on_errors()?;
    let inventory = &generation.inventory;
    let directory = session.directory.clone();
    let (before, after) = match &arguments.after {
        Some(after) => (side(inventory, &directory, &arguments.before)?, side(inventory, &directory, after)?),
        None => before_and_now(inventory, &directory, &arguments.before)?,
    };
    let mut compared = Vec::new();
    let distributions = before.distribution.into_iter().chain(after.distribution);
    let distributions: BTreeSet<_> = distributions.flat_map(|name| derived(inventory, name)).collect();
    for (arch, old, new) in pairs(&before, &after)? {
        let changes = compare(&packages(old)?, &packages(new)?);
        let reach = reach(&generation, &distributions, &arch, [old, new])?;
        let packages = changes.into_iter().map(|change| {
            let key = (Arc::clone(&change.name), Arc::clone(&change.arch));
            let hosts = reach.get(&key).cloned().unwrap_or_default();
            Reaching { change, hosts: hosts.into_iter().collect() }
        });
        let (before, after) = (old.display().to_string(), new.display().to_string());
        compared.push(Compared { arch, before, after, packages: packages.collect() });
    }
    match session.format {
        Format::Json => session.print_json(&compared)?,
        Format::Text => session.print(&text(&compared))?,
    }
    let differs = compared.iter().any(|compared| !compared.packages.is_empty());
    if differs { Err(Failure::Differs) } else { Ok(()) }
}

/// A distribution before its last build, and as it is.
fn before_and_now<'s>(inventory: &'s Inventory, directory: &Path, name: &str) -> Result<(Side<'s>, Side<'s>), Failure> {
    let after = side(inventory, directory, name)?;
    let mut trees = BTreeMap::new();
    for (arch, tree) in &after.trees {
        let Some(old) = previous(tree) else { continue };
        trees.insert(arch.clone(), old);
    }
    if trees.is_empty() {
        return Err(Failure::Usage(format!("`{name}` was built once only; name a second tree to compare with")));
    }
    let mut after = after;
    after.trees.retain(|arch, _| trees.contains_key(arch));
    Ok((Side { distribution: after.distribution, trees }, after))
}

/// The trees of a distribution, or a directory with one.
fn side<'s>(inventory: &'s Inventory, directory: &Path, name: &str) -> Result<Side<'s>, Failure> {
    if let Some((known, _)) = inventory.distributions.get_key_value(name) {
        chosen(inventory, &[name.to_owned()])?;
        let Some(place) = place(inventory, directory, known) else { return Err(Failure::Faults) };
        let trees = arches(inventory, known, place.build).into_iter().map(|arch| {
            let tree = place.tree(&arch);
            (arch, tree)
        });
        let trees: BTreeMap<_, _> = trees.filter(|(_, tree)| tree.join(REPOMD).is_file()).collect();
        if trees.is_empty() {
            return Err(Failure::World(format!(
                "the distribution `{name}` is not built yet; hint: kgen dist build {name}"
            )));
        }
        return Ok(Side { distribution: Some(known), trees });
    }
    let tree = PathBuf::from(name);
    if !tree.join(REPOMD).is_file() {
        let message = format!("`{name}` is neither a distribution of the inventory nor a directory with `{REPOMD}`");
        return Err(Failure::Usage(message));
    }
    Ok(Side { distribution: None, trees: BTreeMap::from([(String::new(), tree)]) })
}

/// The trees of both sides that belong together.
fn pairs<'p>(before: &'p Side, after: &'p Side) -> Result<Vec<(String, &'p Path, &'p Path)>, Failure> {
    // A directory has no architecture of its own, and goes with the one that the other side has.
    let single = |side: &Side| side.trees.len() == 1;
    let nameless = |side: &Side| side.distribution.is_none();
    if single(before) && single(after) && (nameless(before) || nameless(after)) {
        let names = before.trees.keys().chain(after.trees.keys());
        let arch = names.max().cloned().unwrap_or_default();
        let trees = before.trees.values().zip(after.trees.values());
        return Ok(trees.map(|(old, new)| (arch.clone(), old.as_path(), new.as_path())).collect());
    }
    let both = before
        .trees
        .iter()
        .filter_map(|(arch, old)| Some((arch.clone(), old.as_path(), after.trees.get(arch)?.as_path())));
    let both: Vec<_> = both.collect();
    if both.is_empty() {
        return Err(Failure::Usage("the two have no architecture in common".to_owned()));
    }
    Ok(both)
}

fn packages(tree: &Path) -> Result<Vec<Package>, Failure> {
    Ok(Repository::open(tree)?.packages()?)
}

/// Hosts, by name and architecture of what they install.
type Reach = BTreeMap<(Arc<str>, Arc<str>), BTreeSet<HostName>>;

/// Which hosts install what: with the tree before, or the one after.
fn reach(
    generation: &Generation,
    distributions: &BTreeSet<&DistributionName>,
    arch: &str,
    trees: [&Path; 2],
) -> Result<Reach, Failure> {
    let mut reach = Reach::new();
    let groups = groups(generation);
    let concerned =
        |group: &&Group| distributions.contains(group.distribution) && (arch.is_empty() || *group.arch == *arch);
    let groups: Vec<&Group> = groups.iter().filter(concerned).collect();
    let arches: BTreeSet<&str> = groups.iter().map(|group| &*group.arch).collect();
    let files = distributions.iter().flat_map(|name| files_asked(generation, name)).collect();
    for (tree, arch) in trees.iter().flat_map(|tree| arches.iter().map(move |arch| (tree, arch))) {
        let universe = Universe::read(tree, arch, &files)?;
        for group in groups.iter().filter(|group| *group.arch == **arch) {
            let resolved = resolve(group, &universe, &mut Diagnostics::default());
            for id in resolved.installed {
                let key = universe.package(id).nevra.key();
                reach.entry(key).or_default().extend(group.hosts.iter().map(|host| host.name.clone()));
            }
        }
    }
    Ok(reach)
}

fn text(compared: &[Compared]) -> String {
    let mut text = String::new();
    for compared in compared {
        let count = |kind| compared.packages.iter().filter(|package| package.change.kind == kind).count();
        let kinds = [
            ChangeKind::Added,
            ChangeKind::Removed,
            ChangeKind::Upgraded,
            ChangeKind::Downgraded,
            ChangeKind::Rebuilt,
            ChangeKind::Beside,
        ];
        let counts: Vec<_> = kinds
            .into_iter()
            .map(|kind| (count(kind), kind.word()))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let counts = if counts.is_empty() { "no package differs".to_owned() } else { counts.join(", ") };
        let arch = if compared.arch.is_empty() { String::new() } else { format!("{}: ", compared.arch) };
        text.push_str(&format!("{arch}{counts}\n"));
        for package in &compared.packages {
            text.push_str(&line(package));
        }
    }
    text
}

fn line(package: &Reaching) -> String {
    let Change { name, arch, kind, before, after } = &package.change;
    let versions = match (before.is_empty(), after.is_empty()) {
        (true, _) => after.join(", "),
        (_, true) => before.join(", "),
        _ if before == after => before.join(", "),
        _ => format!("{} -> {}", before.join(", "), after.join(", ")),
    };
    let hosts = if package.hosts.is_empty() { "no host installs it".to_owned() } else { counted(&package.hosts) };
    format!("  {:<10} {}\n", kind.word(), on_one_line(&format!("{name}.{arch} {versions}: {hosts}")))
}
