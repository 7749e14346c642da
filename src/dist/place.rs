//! Where the parts of a distribution lie on this machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::inventory::Inventory;
use crate::inventory::action::Distribution;
use crate::inventory::distribution::{Build, Origin, PackageSource};
use crate::name::DistributionName;

/// Where a repository lies that has the same packages for all architectures.
const ANY: &str = "all";

/// A distribution that is built here.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// The directory that paths of the inventory are relative to.
    pub directory: &'p Path,
    /// Its name.
    pub name: &'p DistributionName,
    /// How it is built.
    pub build: &'p Build,
}

impl<'p> Place<'p> {
    /// That of a distribution; none of one that is not built here.
    pub fn of(directory: &'p Path, name: &'p DistributionName, distribution: &'p Distribution) -> Option<Self> {
        Some(Self { directory, name, build: distribution.build.as_ref()? })
    }

    /// The trees, one below it for each architecture.
    pub fn trees(&self) -> PathBuf {
        self.directory.join(&self.build.tree)
    }

    /// The tree of one architecture.
    pub fn tree(&self, arch: &str) -> PathBuf {
        self.trees().join(arch)
    }

    /// What is fetched, and what was read of packages.
    pub fn mirror(&self) -> PathBuf {
        self.directory.join(&self.build.mirror)
    }

    /// Where the copy of a repository lies: the directory, and the name of the tree in it.
    pub fn copy(&self, source: &PackageSource, url: &str, arch: &str) -> (PathBuf, String) {
        let tree = if url.contains("{arch}") { arch } else { ANY };
        (self.mirror().join(self.name.as_str()).join(&source.name), tree.to_owned())
    }
}

/// The architectures that a distribution is built for: what it says; else those of the hosts that have it or one that is
/// built of it; else those of what it is built of.
pub fn arches(inventory: &Inventory, name: &DistributionName, build: &Build) -> Vec<String> {
    let arches: BTreeSet<String> = if build.arches.is_empty() {
        derived(inventory, name).into_iter().flat_map(|name| arches_of(inventory, name)).collect()
    } else {
        own_arches(inventory, name, build)
    };
    if !arches.is_empty() {
        return arches.into_iter().collect();
    }
    let is_parent = |other: &&DistributionName| derived(inventory, other).contains(&name) && *other != name;
    let parents = inventory.distributions.keys().filter(is_parent);
    parents.flat_map(|name| arches_of(inventory, name)).collect::<BTreeSet<_>>().into_iter().collect()
}

fn arches_of(inventory: &Inventory, name: &DistributionName) -> BTreeSet<String> {
    let build = inventory.distributions.get(name.as_str()).and_then(|found| found.build.as_ref());
    build.map(|build| own_arches(inventory, name, build)).unwrap_or_default()
}

fn own_arches(inventory: &Inventory, name: &DistributionName, build: &Build) -> BTreeSet<String> {
    if !build.arches.is_empty() {
        return build.arches.iter().map(|(arch, _)| arch.clone()).collect();
    }
    let hosts = inventory.hosts.values().filter(|host| host.distribution.as_ref() == Some(name));
    hosts.map(|host| host.arch.to_string()).collect()
}

/// A distribution and all that are built of it, of those, and so on.
pub fn derived<'i>(inventory: &'i Inventory, name: &DistributionName) -> Vec<&'i DistributionName> {
    let known = inventory.distributions.get_key_value(name.as_str());
    let mut found: Vec<&DistributionName> = known.into_iter().map(|(name, _)| name).collect();
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        at += 1;
        for (other, distribution) in &inventory.distributions {
            let sources = distribution.build.iter().flat_map(|build| &build.sources);
            let is_child = sources.into_iter().any(|source| source.origin == Origin::Distribution(parent.clone()));
            if is_child && !found.contains(&other) {
                found.push(other);
            }
        }
    }
    found
}

/// Distributions that are built here, those that others are built of first.
pub fn in_order(inventory: &Inventory) -> Vec<&DistributionName> {
    let mut order: Vec<&DistributionName> = Vec::new();
    for name in inventory.distributions.keys() {
        visit(inventory, name, &mut order);
    }
    order
}

/// That nothing is built of itself was checked.
fn visit<'i>(inventory: &'i Inventory, name: &DistributionName, order: &mut Vec<&'i DistributionName>) {
    let Some((name, found)) = inventory.distributions.get_key_value(name.as_str()) else { return };
    let Some(build) = found.build.as_ref().filter(|_| !order.contains(&name)) else { return };
    for source in &build.sources {
        if let Origin::Distribution(parent) = &source.origin {
            visit(inventory, parent, order);
        }
    }
    order.push(name);
}
