//! The hosts of an inventory file, and what they have that say nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::attribute::Layer;
use crate::command;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::address::HardwareAddress;
use crate::inventory::table::{Table, named};
use crate::inventory::value::{ip_address, layer, parsed};
use crate::inventory::{Host, Interface, Inventory};
use crate::name::{ApplianceName, NetworkName, suggestion};
use crate::source::Span;

/// What hosts have that say nothing else: from the site and by appliance.
#[derive(Default)]
pub struct Defaults {
    /// Of all hosts.
    pub site: Platform,
    /// By appliance.
    pub appliances: BTreeMap<ApplianceName, Platform>,
    /// `name =` of appliances.
    pub patterns: BTreeMap<ApplianceName, (String, Span)>,
    /// `appliance NAME` and `network NAME` of everything that is declared, however faulty: a fault there is told
    /// there, and not once more for each host.
    pub declared: BTreeSet<String>,
}

/// What a machine is, as far as a scope says.
#[derive(Clone, Default)]
pub struct Platform {
    arch: Option<Arc<str>>,
    os: Option<Arc<str>>,
    target: Option<Arc<str>>,
    /// Keys that are there, but faulty.
    faulty: BTreeSet<&'static str>,
}

impl Platform {
    /// Reads `arch`, `os` and `target` of a table.
    pub fn read(table: &mut Table, diagnostics: &mut Diagnostics) -> Self {
        let word = |(text, _): (String, Span)| Arc::from(text);
        let mut platform = Self {
            arch: table.text("arch", diagnostics).and_then(|found| plain_word("arch", found, diagnostics)).map(word),
            os: table.text("os", diagnostics).and_then(|found| plain_word("os", found, diagnostics)).map(word),
            target: table.text("target", diagnostics).and_then(|found| target(found, diagnostics)).map(Arc::from),
            faulty: BTreeSet::new(),
        };
        for (key, value) in [("arch", &platform.arch), ("target", &platform.target)] {
            if table.has(key) && value.is_none() {
                platform.faulty.insert(key);
            }
        }
        platform
    }
}

/// Architectures and systems are words that stand in paths and conditions.
fn plain_word(key: &str, (text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<(String, Span)> {
    let plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if !plain {
        let message = if text.is_empty() {
            format!("`{key}` is empty")
        } else {
            format!("`{text}` cannot be the value of `{key}`")
        };
        diagnostics.push(Diagnostic::error(span, message).hint("letters, digits, `_`, `-` and `.`"));
    }
    plain.then_some((text, span))
}

fn target((text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<String> {
    if command::versions().any(|version| version == text) {
        return Some(text);
    }
    let known: Vec<_> = command::versions().collect();
    let fault = Diagnostic::error(span, format!("the target version `{text}` is not known"));
    diagnostics.push(fault.maybe_hint(suggestion(&text, known.iter().copied())));
    None
}

/// The hosts of a document, and which of them lack what they need.
#[derive(Default)]
pub struct Hosts {
    /// Those that lack nothing.
    pub read: Vec<Host>,
    /// What others lack.
    pub lacking: Lacking,
}

/// By key: the first host that lacks it, and how many do.
#[derive(Default)]
pub struct Lacking {
    hosts: BTreeMap<&'static str, (String, Span, usize)>,
}

impl Lacking {
    fn add(&mut self, key: &'static str, host: &str, span: Span) {
        self.hosts.entry(key).or_insert_with(|| (host.to_owned(), span, 0)).2 += 1;
    }

    /// Takes over those of a later piece.
    pub fn append(&mut self, other: Lacking) {
        for (key, (host, span, count)) in other.hosts {
            self.hosts.entry(key).or_insert((host, span, 0)).2 += count;
        }
    }

    /// One diagnostic for each key, whatever the number of hosts.
    pub fn report(self, diagnostics: &mut Diagnostics) {
        for (key, (host, span, count)) in self.hosts {
            let others = match count - 1 {
                0 => format!("the host `{host}` has no `{key}`"),
                1 => format!("the host `{host}` and 1 other have no `{key}`"),
                others => format!("the host `{host}` and {others} others have no `{key}`"),
            };
            let example = if key == "arch" { "x86_64" } else { "RHEL9" };
            let hint = format!("write `{key} = \"{example}\"` at the host, its appliance or under [site]");
            diagnostics.push(Diagnostic::error(span, others).hint(hint));
        }
    }
}

/// Reads `[hosts]` of a document.
pub fn hosts(table: &mut Table, defaults: &Defaults, inventory: &Inventory, diagnostics: &mut Diagnostics) -> Hosts {
    let mut hosts = Hosts::default();
    let Some(entries) = table.table("hosts", diagnostics) else { return hosts };
    // Hosts without attributes of their own, which most are, share one empty layer.
    let none = Arc::new(Layer::new());
    for (key, span, value) in entries.entries() {
        let Some(name) = named(key, span, diagnostics) else { continue };
        let Some(mut table) = value.table(&format!("[hosts.{key}]"), diagnostics) else { continue };
        let appliance = appliance(&mut table, (key, span), (defaults, inventory), diagnostics);
        let own = Platform::read(&mut table, diagnostics);
        let rack = table.number("rack", diagnostics);
        let rank = table.number("rank", diagnostics);
        let interfaces = interfaces(&mut table, defaults, inventory, diagnostics);
        let attributes = layer(&mut table, diagnostics);
        let attributes = if attributes.is_empty() { Arc::clone(&none) } else { Arc::new(attributes) };
        table.finish(diagnostics);
        let Some(appliance) = appliance else { continue };
        let Some((arch, os, target)) = platform(&own, &appliance, defaults, (key, span), &mut hosts.lacking) else {
            continue;
        };
        hosts.read.push(Host {
            name,
            appliance,
            arch,
            os,
            target,
            rack,
            rank,
            interfaces,
            attributes,
            number: 0,
            span,
        });
    }
    hosts
}

fn appliance(
    table: &mut Table,
    (host, span): (&str, Span),
    (defaults, inventory): (&Defaults, &Inventory),
    diagnostics: &mut Diagnostics,
) -> Option<ApplianceName> {
    let names = || inventory.appliances.keys().map(ApplianceName::as_str);
    let Some((text, place)) = table.text("appliance", diagnostics) else {
        if !table.has("appliance") {
            let known: Vec<_> = names().take(10).map(|name| format!("`{name}`")).collect();
            let fault = Diagnostic::error(span, format!("the host `{host}` has no `appliance`"));
            diagnostics.push(fault.hint(format!("write `appliance = \"..\"`; there are {}", known.join(", "))));
        }
        return None;
    };
    if let Some((name, _)) = inventory.appliances.get_key_value(text.as_str()) {
        return Some(name.clone());
    }
    if !defaults.declared.contains(&format!("appliance {text}")) {
        let fault = Diagnostic::error(place, format!("there is no appliance `{text}`"));
        diagnostics.push(fault.maybe_hint(suggestion(&text, names().collect::<Vec<_>>())));
    }
    None
}

/// What the machine is: from the host, its appliance, the site.
fn platform(
    own: &Platform,
    appliance: &ApplianceName,
    defaults: &Defaults,
    (name, span): (&str, Span),
    lacking: &mut Lacking,
) -> Option<(Arc<str>, Arc<str>, Arc<str>)> {
    let of_appliance = defaults.appliances.get(appliance).cloned().unwrap_or_default();
    let scopes = [own, &of_appliance, &defaults.site];
    let first = |pick: fn(&Platform) -> &Option<Arc<str>>| scopes.iter().find_map(|scope| pick(scope).clone());
    let (arch, target) = (first(|scope| &scope.arch), first(|scope| &scope.target));
    for (key, value) in [("arch", &arch), ("target", &target)] {
        if value.is_none() && !scopes.iter().any(|scope| scope.faulty.contains(key)) {
            lacking.add(key, name, span);
        }
    }
    Some((arch?, first(|scope| &scope.os).unwrap_or_else(|| "linux".into()), target?))
}

fn interfaces(
    table: &mut Table,
    defaults: &Defaults,
    inventory: &Inventory,
    diagnostics: &mut Diagnostics,
) -> Vec<Interface> {
    let mut read = Vec::new();
    for value in table.list("interfaces", diagnostics).unwrap_or_default() {
        let Some(mut table) = value.table("an interface", diagnostics) else { continue };
        let span = table.span();
        let name = table.text("name", diagnostics).and_then(|found| plain_word("name", found, diagnostics));
        let network = table
            .text("network", diagnostics)
            .and_then(|found| known_network(found, (defaults, inventory), diagnostics));
        let address = table.text("address", diagnostics);
        let ip = table.text("ip", diagnostics);
        let place = |found: &Option<(String, Span)>| found.as_ref().map_or(span, |(_, place)| *place);
        let (address_span, ip_span) = (place(&address), place(&ip));
        let address = address.and_then(|(text, place)| parsed(HardwareAddress::parse(&text), place, diagnostics));
        let ip = ip.and_then(|found| ip_address(&found, diagnostics));
        let named = table.has("name");
        table.finish(diagnostics);
        match name {
            Some((name, _)) => read.push(Interface { name, network, address, ip, address_span, ip_span }),
            None if !named => diagnostics
                .push(Diagnostic::error(span, "an interface has no `name`").hint("for example `name = \"eth0\"`")),
            None => {}
        }
    }
    read
}

fn known_network(
    (text, span): (String, Span),
    (defaults, inventory): (&Defaults, &Inventory),
    diagnostics: &mut Diagnostics,
) -> Option<NetworkName> {
    if let Some((name, _)) = inventory.networks.get_key_value(text.as_str()) {
        return Some(name.clone());
    }
    if defaults.declared.contains(&format!("network {text}")) {
        return None;
    }
    let names = inventory.networks.keys().map(NetworkName::as_str);
    let fault = Diagnostic::error(span, format!("there is no network `{text}`"));
    diagnostics.push(fault.maybe_hint(suggestion(&text, names)));
    None
}
