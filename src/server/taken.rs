//! A generation becomes the current one: what it orders, and what of it guards against it and is not in force.
//!
//! Before anything of it is served the records of machines follow it on the disk ([`crate::boot::taking`]). Until they do,
//! and if they cannot, nothing builds that was not ordered before.

use std::collections::BTreeMap;

use crate::boot::order::Hold;
use crate::boot::taking::{Basis, Taking};
use crate::inventory::guards::Guards;
use crate::inventory::serve::Serve;
use crate::name::HostName;
use crate::nodeset::nodeset;
use crate::server::making::Making;
use crate::server::snapshot::{CONTENT, Served};
use crate::store::Store;
use crate::store::kept::{Revision, StoreError};

/// The setting that holds the guards in force.
pub const GUARDS: &str = "guards";
/// The setting that says that a release without identities of machines wrote the state.
pub const UPGRADE: &str = "upgrade";

/// How a generation is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The server follows its source.
    Followed,
    /// An operator went back to it, or it stands in for one that is broken: the next is not compared with it.
    Held,
    /// An operator accepts what it loosens; it was taken before.
    Accepted,
}

/// What counts from now on.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The settings of the server.
    pub serve: Serve,
    /// What the generation declares and what is not in force: sentences.
    pub pending: Vec<String>,
}

/// The guards that the state holds.
pub fn guards(store: &Store) -> Option<Guards> {
    serde_json::from_str(&store.setting(GUARDS)?).ok()
}

/// The settings of a generation, as far as they do not loosen the guards; flags win over both.
pub fn in_force(store: &Store, making: &Making, served: &Served) -> InForce {
    let inventory = &served.generation().inventory;
    let declared = Guards::of(inventory);
    let flags = &making.overrides;
    let guards = guards(store).map_or_else(|| declared.clone(), |before| before.tightened(&declared));
    let mut serve = inventory.serve.clone().unwrap_or_default();
    guards.put_into(&mut serve);
    let declared = flags.over_guards(Guards { report: served.assembled.declares_report, ..declared });
    let mut pending = flags.over_guards(guards).pending(&declared);
    let records = store.records();
    let loosened = |host: &&HostName| records.get(*host).is_some_and(|record| record.protect);
    let hosts = inventory.hosts.values().filter(|host| !host.protect).map(|host| &host.name).filter(loosened);
    let hosts = nodeset(hosts.map(HostName::as_str));
    if !hosts.is_empty() {
        pending.push(format!("{hosts} without `protect`"));
    }
    InForce { serve: flags.over(Some(&serve)), pending }
}

/// Keeps which generation is the current one, and arms the machines that it orders to be.
///
/// # Errors
/// The disk refuses; then nothing has changed, and the generation is not to be served.
pub async fn take(store: &Store, making: &Making, served: &Served, how: How) -> Result<(), StoreError> {
    let inventory = &served.generation().inventory;
    let before = guards(store);
    let declared = Guards { report: served.assembled.declares_report, ..Guards::of(inventory) };
    let tightened = before.as_ref().map_or_else(|| declared.clone(), |before| before.tightened(&declared));
    let (basis, guards) = match how {
        How::Followed => (basis(store, making, served), tightened),
        How::Held => (Basis::Held, tightened),
        How::Accepted => (Basis::NoOrder("what it loosens was accepted, which orders nothing"), declared),
    };
    let flags = &making.overrides;
    let arm_at_most = flags.arm_at_most.unwrap_or(guards.arm_at_most);
    let taking = Taking {
        hosts: served.candidates(),
        install_new: flags.install_new.unwrap_or(guards.install_new),
        // A share is one of those that may be lost: hosts that are made up count for nothing.
        arm_at_most: arm_at_most.of(store.records().values().filter(|record| record.success.is_some()).count()),
        loosens: how == How::Accepted,
        basis,
    };
    let text = serde_json::to_string(&guards).unwrap_or_default();
    let revision =
        (how != How::Held).then(|| Revision { id: served.revision(), guards: text, commit: served.commit.clone() });
    store.take(taking, revision).await
}

/// Whether a generation that the server follows may order anything.
fn basis(store: &Store, making: &Making, served: &Served) -> Basis {
    let id = served.revision();
    let last = store.last_taken();
    let follows = |last: &str| match &served.commit {
        Some(commit) => making.descends(commit, last),
        None => last.starts_with(CONTENT),
    };
    let descends = last.as_deref().is_some_and(follows);
    Basis::of(last.as_deref(), store.was_taken(&id), descends)
}

/// Gives the records of a release without identities those of the generation that it served last, by name, so that what
/// was renamed since is seen; and of the present one, if the other cannot be made any more.
///
/// # Errors
/// The disk refuses.
pub async fn upgrade(store: &Store, making: &Making, present: &Served) -> Result<(), StoreError> {
    if store.setting(UPGRADE).is_none() {
        return Ok(());
    }
    let last = store.setting("last_good").filter(|last| present.commit.as_ref() != Some(last));
    let last = last.and_then(|commit| making.at(&commit).ok());
    let served = last.as_ref().unwrap_or(present);
    let hosts = served.candidates();
    tracing::info!(generation = served.id(), "machines of an older state are known by what this generation declares");
    let taking = Taking { hosts, basis: Basis::Upgrade, install_new: false, arm_at_most: 0, loosens: false };
    store.take(taking, None).await?;
    if store.setting(GUARDS).is_none() {
        let guards = Guards::of(&served.generation().inventory);
        store.set(GUARDS, serde_json::to_string(&guards).ok()).await?;
    }
    store.set(UPGRADE, None).await
}

/// Tells the log who waits, and for what.
pub fn tell_waiting(store: &Store, served: &Served) {
    let mut waiting: BTreeMap<String, Vec<HostName>> = BTreeMap::new();
    for (host, record) in store.records() {
        if served.host(host.as_str()).is_none() {
            continue;
        }
        match &record.hold {
            Hold::Free => {}
            Hold::Waiting(why) => waiting.entry(format!("waiting: {why}; kgen boot --adopt")).or_default().push(host),
            Hold::Doubtful(_) => waiting.entry("doubtful; kgen boot HOST ACTION".to_owned()).or_default().push(host),
        }
    }
    for (why, hosts) in waiting {
        let count = hosts.len();
        tracing::warn!(count, "{} boot from their own disk: {why}", nodeset(hosts.iter().map(HostName::as_str)));
    }
}
