//! What the entries of an inventory are read against: what is declared before them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::inventory::Inventory;
use crate::inventory::platform::Platform;

/// What hosts have that say nothing else: from the site and by appliance.
pub struct Defaults {
    /// Of all hosts.
    pub site: Platform,
    /// The operating system of those that name none.
    pub linux: Arc<str>,
    /// `appliance NAME` and `network NAME` of everything that is declared, however faulty: a fault there is told
    /// there, and not once more for each host.
    pub declared: BTreeSet<String>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { site: Platform::default(), linux: "linux".into(), declared: BTreeSet::new() }
    }
}

/// What a host is read against.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// What hosts have that say nothing else.
    pub defaults: &'c Defaults,
    /// What is declared.
    pub inventory: &'c Inventory,
}
