//! The inventory as one TOML file, LANGUAGE section 6. After it: [`super::check`].

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::attribute::Layer;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::address::Subnet;
use crate::inventory::hosts::{Defaults, Lacking, Platform, hosts};
use crate::inventory::table::{Table, named, with_document};
use crate::inventory::value::{ip_address, layer, parsed};
use crate::inventory::{Appliance, Inventory, Network, Site, check};
use crate::name::{ApplianceName, NetworkName};
use crate::source::{FileId, Sources, Span};
use crate::syntax::{EvalPolicy, Language, Strictness};

/// From this size on, a file is read in pieces.
const LARGE: usize = 512 << 10;
/// The size of a piece, at least.
const PIECE: usize = 256 << 10;

/// Reads an inventory from one file. Reports every fault; what is left is usable for finding more.
pub fn read(file: FileId, sources: &Sources, diagnostics: &mut Diagnostics) -> Inventory {
    let text = &sources.file(file).text;
    let in_pieces = pieces(text).and_then(|pieces| read_pieces((file, &pieces), sources));
    let (mut inventory, found) = in_pieces.unwrap_or_else(|| {
        let mut faults = Diagnostics::default();
        let (inventory, defaults) = document((file, 0..text.len()), sources, &mut faults).unwrap_or_default();
        check::check(&inventory, &defaults.patterns, &mut faults);
        (inventory, faults)
    });
    diagnostics.append(found);
    for (number, host) in inventory.hosts.values_mut().enumerate() {
        host.number = number;
    }
    inventory.digest = Sha256::digest(text).into();
    inventory
}

/// Where a large file can be cut: before `[hosts.NAME]` on a line of its own. The tree of a whole file of a
/// hundred thousand hosts would be thirty times as large as the file. `None` where cutting does not pay, or where
/// a line that looks like a header might be part of a text.
fn pieces(text: &str) -> Option<Vec<Range<usize>>> {
    if text.len() < LARGE || text.contains("\"\"\"") || text.contains("'''") {
        return None;
    }
    let mut cuts = vec![0];
    let mut from = text.find("\n[hosts.")?;
    // The first piece is small: all that hosts refer to stands before them.
    while let Some(found) = text.get(from..)?.find("\n[hosts.") {
        let header = from + found + 1;
        let line = text[header..].lines().next()?;
        let name = line.trim_end().strip_prefix("[hosts.")?.strip_suffix(']').unwrap_or(".");
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            cuts.push(header);
            from = header + PIECE;
            while !text.is_char_boundary(from.min(text.len())) {
                from += 1;
            }
        } else {
            from = header;
        }
        if from >= text.len() {
            break;
        }
    }
    cuts.push(text.len());
    Some(cuts.windows(2).map(|pair| pair[0]..pair[1]).collect())
}

/// Reads a file piece by piece, hosts on all cores. `None` where the pieces are not what they seem: a fault of
/// syntax, a table after the hosts, a host in two pieces. Then the file is read whole, which tells what is wrong.
fn read_pieces((file, pieces): (FileId, &[Range<usize>]), sources: &Sources) -> Option<(Inventory, Diagnostics)> {
    let mut diagnostics = Diagnostics::default();
    let (first, rest) = pieces.split_first()?;
    let (mut inventory, defaults) = document((file, first.clone()), sources, &mut diagnostics)?;
    let read = rest.par_iter().map(|piece| {
        let mut faults = Diagnostics::default();
        let read = with_document((file, piece.clone()), sources, &mut faults, |mut table, faults| {
            let only_hosts = table.entries().all(|(key, ..)| key == "hosts");
            only_hosts.then(|| hosts(&mut table, &defaults, &inventory, faults))
        });
        Some((read??, faults))
    });
    let mut lacking = Lacking::default();
    for (hosts, faults) in read.collect::<Option<Vec<_>>>()? {
        diagnostics.append(faults);
        lacking.append(hosts.lacking);
        for host in hosts.read {
            if inventory.hosts.insert(host.name.clone(), host).is_some() {
                return None;
            }
        }
    }
    lacking.report(&mut diagnostics);
    check::check(&inventory, &defaults.patterns, &mut diagnostics);
    Some((inventory, diagnostics))
}

/// Reads a whole document, or the first piece of one.
fn document(
    place: (FileId, Range<usize>),
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) -> Option<(Inventory, Defaults)> {
    with_document(place, sources, diagnostics, |mut table, diagnostics| {
        let mut inventory = Inventory::default();
        let mut defaults = Defaults::default();
        inventory.site = site(&mut table, &mut defaults, diagnostics);
        inventory.language = language(&mut table, diagnostics);
        inventory.attributes = Arc::new(layer(&mut table, diagnostics));
        inventory.os = operating_systems(&mut table, diagnostics);
        inventory.networks = networks(&mut table, &mut defaults, diagnostics);
        inventory.appliances = appliances(&mut table, &mut defaults, diagnostics);
        let hosts = hosts(&mut table, &defaults, &inventory, diagnostics);
        hosts.lacking.report(diagnostics);
        inventory.hosts = hosts.read.into_iter().map(|host| (host.name.clone(), host)).collect();
        table.finish(diagnostics);
        (inventory, defaults)
    })
}

fn site(table: &mut Table, defaults: &mut Defaults, diagnostics: &mut Diagnostics) -> Site {
    let Some(mut table) = table.table("site", diagnostics) else {
        diagnostics.push(
            Diagnostic::error(table.span(), "the inventory has no [site]")
                .hint("it says at least `name` and `description`"),
        );
        return Site::default();
    };
    let name = table.text("name", diagnostics);
    if !table.has("name") {
        diagnostics.push(Diagnostic::error(table.span(), "[site] has no `name`"));
    }
    defaults.site = Platform::read(&mut table, diagnostics);
    let path = |found: Option<(String, Span)>, default: &str| {
        found.map_or_else(|| default.to_owned(), |(path, _)| path).into()
    };
    let site = Site {
        name: name.map(|(name, _)| name).unwrap_or_default(),
        domain: table.name::<crate::name::HostKind>("domain", diagnostics).map(|(name, _)| name.to_string()),
        description: path(table.text("description", diagnostics), "."),
        server: table.text("server", diagnostics).and_then(|found| server(found, diagnostics)),
        secrets: path(table.text("secrets", diagnostics), "secrets"),
        rolls: rolls(&mut table, diagnostics),
    };
    table.finish(diagnostics);
    site
}

fn server((text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let plain = rest.is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/[]%@".contains(c))
    });
    if !plain {
        let message = format!("`server` is `{text}`, but has to be an address such as `http://10.1.1.1:8080`");
        diagnostics.push(Diagnostic::error(span, message));
    }
    plain.then(|| text.trim_end_matches('/').to_owned())
}

fn rolls(table: &mut Table, diagnostics: &mut Diagnostics) -> Option<Vec<(crate::name::RollName, Span)>> {
    let list = table.list("rolls", diagnostics)?;
    let mut rolls = Vec::new();
    for value in list {
        match value.text() {
            Some(text) => rolls.extend(named(text, value.span, diagnostics).map(|name| (name, value.span))),
            None => diagnostics.push(value.wrong_type("an entry of rolls", "a text in quotes")),
        }
    }
    report_twice(&rolls, diagnostics);
    Some(rolls)
}

fn report_twice(rolls: &[(crate::name::RollName, Span)], diagnostics: &mut Diagnostics) {
    for (index, (roll, span)) in rolls.iter().enumerate() {
        if let Some((_, first)) = rolls[..index].iter().find(|(other, _)| other == roll) {
            let fault = Diagnostic::error(*span, format!("the roll `{roll}` is listed twice"));
            diagnostics.push(fault.related(*first, "the first"));
        }
    }
}

fn language(table: &mut Table, diagnostics: &mut Diagnostics) -> Language {
    let mut language = Language::default();
    let Some(mut table) = table.table("language", diagnostics) else { return language };
    let mut word = |table: &mut Table, key, names: &[&'static str]| {
        let (text, span) = table.text(key, diagnostics)?;
        if names.contains(&text.as_str()) {
            return Some(text);
        }
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        diagnostics
            .push(Diagnostic::error(span, format!("`{key}` is `{text}`, but can only be {}", names.join(" or "))));
        None
    };
    let eval = word(&mut table, "eval", &EvalPolicy::NAMES);
    let undefined = word(&mut table, "undefined", &Strictness::NAMES);
    let unknown = word(&mut table, "unknown", &Strictness::NAMES);
    language.eval = eval.and_then(|name| EvalPolicy::named(&name)).unwrap_or_default();
    language.undefined = undefined.and_then(|name| Strictness::named(&name)).unwrap_or_default();
    language.unknown = unknown.and_then(|name| Strictness::named(&name)).unwrap_or_default();
    table.finish(diagnostics);
    language
}

fn operating_systems(table: &mut Table, diagnostics: &mut Diagnostics) -> BTreeMap<String, Arc<Layer>> {
    let Some(systems) = table.table("os", diagnostics) else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for (name, _, value) in systems.entries() {
        let Some(mut system) = value.table(&format!("[os.{name}]"), diagnostics) else { continue };
        read.insert(name.to_owned(), Arc::new(layer(&mut system, diagnostics)));
        system.finish(diagnostics);
    }
    read
}

fn networks(
    table: &mut Table,
    defaults: &mut Defaults,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<NetworkName, Network> {
    let Some(networks) = table.table("networks", diagnostics) else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for (key, span, value) in networks.entries() {
        defaults.declared.insert(format!("network {key}"));
        let Some(name) = named(key, span, diagnostics) else { continue };
        let Some(mut table) = value.table(&format!("[networks.{key}]"), diagnostics) else { continue };
        let subnet = table.text("subnet", diagnostics);
        if !table.has("subnet") {
            diagnostics.push(Diagnostic::error(span, format!("the network `{key}` has no `subnet`")));
        }
        let subnet = subnet.and_then(|(text, place)| parsed(Subnet::parse(&text), place, diagnostics));
        let gateway = table.text("gateway", diagnostics);
        let gateway_span = gateway.as_ref().map_or(span, |(_, place)| *place);
        let gateway = gateway.and_then(|found| ip_address(&found, diagnostics));
        let mut nameservers = Vec::new();
        for server in table.list("nameservers", diagnostics).unwrap_or_default() {
            match server.text() {
                Some(text) => nameservers.extend(ip_address(&(text.to_owned(), server.span), diagnostics)),
                None => diagnostics.push(server.wrong_type("an entry of nameservers", "an address in quotes")),
            }
        }
        table.finish(diagnostics);
        if let Some(subnet) = subnet {
            read.insert(name, Network { subnet, gateway, gateway_span, nameservers, span });
        }
    }
    read
}

fn appliances(
    table: &mut Table,
    defaults: &mut Defaults,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<ApplianceName, Appliance> {
    let Some(appliances) = table.table("appliances", diagnostics) else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for (key, span, value) in appliances.entries() {
        defaults.declared.insert(format!("appliance {key}"));
        let Some(name) = named::<crate::name::ApplianceKind>(key, span, diagnostics) else { continue };
        let Some(mut table) = value.table(&format!("[appliances.{key}]"), diagnostics) else { continue };
        // Most appliances have the name of their module.
        let module = match table.name("module", diagnostics) {
            None if !table.has("module") => named(key, span, diagnostics).map(|module| (module, span)),
            module => module,
        };
        defaults.appliances.insert(name.clone(), Platform::read(&mut table, diagnostics));
        if let Some(pattern) = table.text("name", diagnostics) {
            defaults.patterns.insert(name.clone(), pattern);
        }
        let attributes = Arc::new(layer(&mut table, diagnostics));
        table.finish(diagnostics);
        if let Some((module, module_span)) = module {
            read.insert(name, Appliance { module, module_span, attributes, span });
        }
    }
    read
}
