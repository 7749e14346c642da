//! What changes on machines from one generation to another, and why; identical changes are folded into one.
//!
//! Compared is what a machine reads: its kickstart without kgen's comments (header, places of scripts), its boot entry,
//! and the files of the site. In what is compared a host's own values stand as references (`&hostname;`) where they are
//! the same in both generations, so that what changes alike is equal; a value that changes stands there itself. Secrets
//! are shown by name, whatever the generations were compiled with. Pure; after [`crate::assemble`], before
//! `kgen diff` and the server's pages.

mod boots;
pub mod fold;
mod kickstarts;
pub mod lines;
pub mod orders;
mod own;
mod site;
pub mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::assemble::Assembled;
use crate::compare::fold::{Change, Output, fold};
use crate::compare::orders::{Orders, orders};
use crate::compare::own::Pair;
use crate::inventory::Host;
use crate::name::HostName;

/// What changes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// What it means for orders.
    pub orders: Orders,
    /// Hosts that the first generation does not have, by name.
    pub new: Vec<HostName>,
    /// Hosts that the second generation does not have, by name.
    pub gone: Vec<HostName>,
    /// What changes for the others, and in the files of the site: kickstarts, boot scripts, files; what changes for most
    /// hosts first.
    pub changes: Vec<Change>,
}

impl Comparison {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty() && self.changes.is_empty()
    }
}

/// What changes from one generation to another. Both are whole: what has faults is not compared.
pub fn compare(old: &Assembled, new: &Assembled) -> Comparison {
    let (before, after) = (&old.generation.inventory.hosts, &new.generation.inventory.hosts);
    let only = |some: &BTreeMap<HostName, Host>, others: &BTreeMap<HostName, Host>| {
        some.keys().filter(|name| !others.contains_key(*name)).cloned().collect()
    };
    let pairs: Vec<Pair> = before.values().filter_map(|old| Some(Pair { old, new: after.get(&old.name)? })).collect();
    let of_hosts = || {
        let kickstarts = kickstarts::changes(&old.generation, &new.generation, &pairs);
        let scripts = boots::changes(old, new, &pairs);
        [fold(&Output::Kickstart, kickstarts), fold(&Output::BootScript, scripts)]
    };
    let (of_hosts, of_site) = rayon::join(of_hosts, || site::changes(old, new));
    Comparison {
        orders: orders(old, new),
        new: only(after, before),
        gone: only(before, after),
        changes: of_hosts.into_iter().flatten().chain(of_site).collect(),
    }
}
