//! Who belongs together, for programs that run something on many hosts: genders, Ansible, `ClusterShell`.
//!
//! A host is in the group of its appliance, of its architecture, of its rack, and in those that it names.

use std::collections::{BTreeMap, BTreeSet};

use crate::emit::lines::Lines;
use crate::inventory::{Host, Inventory};
use crate::name::HostName;

/// The groups of a host.
fn groups(host: &Host) -> BTreeSet<String> {
    let mut groups: BTreeSet<String> = host.groups.iter().cloned().collect();
    groups.insert(host.appliance.to_string());
    groups.insert(host.arch.to_string());
    groups.extend(host.rack.map(|rack| format!("rack{rack}")));
    groups
}

/// The database of genders, `genders(5)`: a host and its attributes.
pub fn genders(inventory: &Inventory) -> Lines {
    let mut lines = Lines::default();
    for host in inventory.hosts.values() {
        lines.because(host.span);
        let mut attributes: Vec<String> = groups(host).into_iter().map(|group| plain(&group)).collect();
        attributes.extend(host.rank.map(|rank| format!("rank={rank}")));
        attributes.dedup();
        lines.line(format!("{} {}", host.name, attributes.join(",")));
    }
    lines
}

/// Names of groups that every program takes: letters, digits, `_` and `-`.
fn plain(group: &str) -> String {
    group.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// Hosts by group; two groups whose plain names are the same are one.
fn members(inventory: &Inventory) -> BTreeMap<String, BTreeSet<&str>> {
    let mut members: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for host in inventory.hosts.values() {
        for group in groups(host) {
            members.entry(plain(&group)).or_default().insert(host.name.as_str());
        }
    }
    members
}

/// An inventory of Ansible in its INI form. In it names of groups have no `-`, as Ansible would have it.
pub fn ansible(inventory: &Inventory) -> Lines {
    let mut lines = Lines::default();
    lines.line("[all]");
    for host in inventory.hosts.values() {
        lines.because(host.span);
        let address = host.boot_interface().and_then(|port| port.ip).map(|ip| format!(" ansible_host={ip}"));
        lines.line(format!("{}{}", host.name, address.unwrap_or_default()));
    }
    let mut merged: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (group, hosts) in members(inventory) {
        merged.entry(group.replace('-', "_")).or_default().extend(hosts);
    }
    for (group, hosts) in merged.iter().filter(|(group, _)| *group != "all") {
        lines.line("");
        // A group that is called as a host would be taken for it.
        let name = if inventory.hosts.contains_key(group.as_str()) { format!("group_{group}") } else { group.clone() };
        lines.line(format!("[{name}]"));
        hosts.iter().for_each(|host| lines.line(host));
    }
    lines
}

/// A file of groups of `ClusterShell`: `groups.conf(5)`, YAML, which holds JSON.
pub fn clustershell(inventory: &Inventory) -> Lines {
    let mut lines = Lines::default();
    lines.line("kgen:");
    let all: Vec<&str> = inventory.hosts.keys().map(HostName::as_str).collect();
    let groups = members(inventory);
    let named = groups
        .iter()
        .filter(|(group, _)| *group != "all")
        .map(|(group, hosts)| (group.clone(), hosts.iter().copied().collect()));
    for (group, hosts) in [("all".to_owned(), all)].into_iter().chain(named) {
        let quoted = |text: &str| format!("\"{text}\"");
        lines.line(format!("    {}: {}", quoted(&group), quoted(&hosts.join(","))));
    }
    lines
}
