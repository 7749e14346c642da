//! The inventory as one TOML file, LANGUAGE section 6. After it: [`super::check`].

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::attribute::{Entry, Layer, Value as AttributeValue};
use crate::command;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::address::{HardwareAddress, Subnet};
use crate::inventory::table::{Table, Value, named, with_document};
use crate::inventory::{Appliance, Host, Interface, Inventory, Network, Site, check, is_intrinsic};
use crate::name::{ApplianceName, NetworkName, suggestion};
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
    for piece in read.collect::<Option<Vec<_>>>()? {
        let (hosts, faults) = piece;
        diagnostics.append(faults);
        for host in hosts {
            if inventory.hosts.insert(host.name.clone(), host).is_some() {
                return None;
            }
        }
    }
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
        inventory.networks = networks(&mut table, diagnostics);
        inventory.appliances = appliances(&mut table, &mut defaults, diagnostics);
        let hosts = hosts(&mut table, &defaults, &inventory, diagnostics);
        inventory.hosts = hosts.into_iter().map(|host| (host.name.clone(), host)).collect();
        table.finish(diagnostics);
        (inventory, defaults)
    })
}

/// What hosts have that say nothing else: from the site and by appliance.
#[derive(Default)]
struct Defaults {
    site: Platform,
    appliances: BTreeMap<ApplianceName, Platform>,
    /// `name =` of appliances.
    patterns: BTreeMap<ApplianceName, (String, Span)>,
}

/// What a machine is, as far as a scope says.
#[derive(Clone, Default)]
struct Platform {
    arch: Option<Arc<str>>,
    os: Option<Arc<str>>,
    target: Option<Arc<str>>,
}

impl Platform {
    fn read(table: &mut Table, diagnostics: &mut Diagnostics) -> Self {
        let word = |(text, _): (String, Span)| Arc::from(text);
        Self {
            arch: table.text("arch", diagnostics).and_then(|found| plain_word("arch", found, diagnostics)).map(word),
            os: table.text("os", diagnostics).and_then(|found| plain_word("os", found, diagnostics)).map(word),
            target: table.text("target", diagnostics).and_then(|found| target(found, diagnostics)).map(Arc::from),
        }
    }
}

/// Architectures and systems are words that stand in paths and conditions.
fn plain_word(key: &str, (text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<(String, Span)> {
    let plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if !plain {
        let message = format!("`{}` cannot be the value of `{key}`", text.escape_debug());
        diagnostics
            .push(Diagnostic::error(span, message).hint("letters, digits, `_`, `-` and `.`, for example `x86_64`"));
    }
    plain.then_some((text, span))
}

fn target((text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<String> {
    if command::versions().any(|version| version == text) {
        return Some(text);
    }
    let known: Vec<_> = command::versions().collect();
    let fault = Diagnostic::error(span, format!("the target version `{}` is not known", text.escape_debug()));
    diagnostics.push(fault.maybe_hint(suggestion(&text, known.iter().copied())));
    None
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
    if name.is_none() {
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
        let message =
            format!("`server` is `{}`, but has to be an address such as `http://10.1.1.1:8080`", text.escape_debug());
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
            None => diagnostics.push(value.wrong_type("rolls", "a list of texts")),
        }
    }
    Some(rolls)
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

/// The attributes of one scope: `attributes = {..}` in `table`.
fn layer(table: &mut Table, diagnostics: &mut Diagnostics) -> Layer {
    let mut layer = Layer::new();
    let Some(values) = table.table("attributes", diagnostics) else { return layer };
    for (key, span, value) in values.entries() {
        let Some(name) = named(key, span, diagnostics) else { continue };
        if is_intrinsic(key) {
            let fault = Diagnostic::error(span, format!("the attribute `{key}` is kgen's own and cannot be set"));
            diagnostics
                .push(fault.hint("it follows from the host's entry; `kgen list attributes` shows which there are"));
            continue;
        }
        if let Some(value) = attribute_value(key, &value, diagnostics) {
            layer.insert(name, Entry { value, span: Some(span) });
        }
    }
    layer
}

fn attribute_value(key: &str, value: &Value, diagnostics: &mut Diagnostics) -> Option<AttributeValue> {
    if let Some(text) = value.scalar() {
        return Some(AttributeValue::Plain(text.into()));
    }
    if !value.is_table() {
        diagnostics.push(value.wrong_type(key, "a text, a number, a truth value or { secret = \"name\" }"));
        return None;
    }
    let mut table = value.table(&format!("the attribute `{key}`"), diagnostics)?;
    let secret = table.text("secret", diagnostics);
    let span = table.span();
    table.finish(diagnostics);
    let Some((name, place)) = secret else {
        diagnostics.push(Diagnostic::error(span, format!("the attribute `{key}` is a table without `secret`")));
        return None;
    };
    let plain =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if !plain {
        let message = format!("`{}` cannot be the name of a secret", name.escape_debug());
        diagnostics.push(Diagnostic::error(place, message).hint("letters, digits, `_` and `-`"));
        return None;
    }
    Some(AttributeValue::secret(&name))
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

fn networks(table: &mut Table, diagnostics: &mut Diagnostics) -> BTreeMap<NetworkName, Network> {
    let Some(networks) = table.table("networks", diagnostics) else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for (key, span, value) in networks.entries() {
        let Some(name) = named(key, span, diagnostics) else { continue };
        let Some(mut table) = value.table(&format!("[networks.{key}]"), diagnostics) else { continue };
        let subnet = table.text("subnet", diagnostics);
        if subnet.is_none() {
            diagnostics.push(Diagnostic::error(span, format!("the network `{key}` has no `subnet`")));
        }
        let subnet = subnet.and_then(|(text, place)| parsed(Subnet::parse(&text), place, diagnostics));
        let gateway = table.text("gateway", diagnostics).and_then(|found| ip_address(&found, diagnostics));
        let mut nameservers = Vec::new();
        for server in table.list("nameservers", diagnostics).unwrap_or_default() {
            match server.text() {
                Some(text) => nameservers.extend(ip_address(&(text.to_owned(), server.span), diagnostics)),
                None => diagnostics.push(server.wrong_type("nameservers", "a list of addresses in quotes")),
            }
        }
        table.finish(diagnostics);
        if let Some(subnet) = subnet {
            read.insert(name, Network { subnet, gateway, nameservers, span });
        }
    }
    read
}

fn parsed<T>(result: Result<T, String>, span: Span, diagnostics: &mut Diagnostics) -> Option<T> {
    result.map_err(|message| diagnostics.push(Diagnostic::error(span, message))).ok()
}

fn ip_address((text, span): &(String, Span), diagnostics: &mut Diagnostics) -> Option<IpAddr> {
    let address = text.parse().map_err(|_| format!("`{}` is not an IP address", text.escape_debug()));
    parsed(address, *span, diagnostics)
}

fn appliances(
    table: &mut Table,
    defaults: &mut Defaults,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<ApplianceName, Appliance> {
    let Some(appliances) = table.table("appliances", diagnostics) else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for (key, span, value) in appliances.entries() {
        let Some(name) = named::<crate::name::ApplianceKind>(key, span, diagnostics) else { continue };
        let Some(mut table) = value.table(&format!("[appliances.{key}]"), diagnostics) else { continue };
        // Most appliances have the name of their module.
        let module = match table.name("module", diagnostics) {
            Some(module) => Some(module),
            None => named(key, span, diagnostics).map(|module| (module, span)),
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

fn hosts(table: &mut Table, defaults: &Defaults, inventory: &Inventory, diagnostics: &mut Diagnostics) -> Vec<Host> {
    let Some(hosts) = table.table("hosts", diagnostics) else { return Vec::new() };
    let mut read = Vec::new();
    // Hosts without attributes of their own, which most are, share one empty layer.
    let none = Arc::new(Layer::new());
    for (key, span, value) in hosts.entries() {
        let Some(name) = named(key, span, diagnostics) else { continue };
        let Some(mut table) = value.table(&format!("[hosts.{key}]"), diagnostics) else { continue };
        let appliance =
            table.text("appliance", diagnostics).and_then(|found| known_appliance(found, inventory, diagnostics));
        let own = Platform::read(&mut table, diagnostics);
        let rack = table.number("rack", diagnostics);
        let rank = table.number("rank", diagnostics);
        let interfaces = interfaces(&mut table, inventory, diagnostics);
        let attributes = layer(&mut table, diagnostics);
        let attributes = if attributes.is_empty() { Arc::clone(&none) } else { Arc::new(attributes) };
        let has_appliance = table.get("appliance").is_some();
        table.finish(diagnostics);
        let Some(appliance) = appliance else {
            if !has_appliance {
                let names = inventory.appliances.keys().map(ApplianceName::as_str);
                let fault = Diagnostic::error(span, format!("the host `{key}` has no `appliance`"));
                diagnostics.push(fault.maybe_hint(suggestion("", names)));
            }
            continue;
        };
        let Some((arch, os, target)) = platform(&own, &appliance, defaults, (key, span), diagnostics) else { continue };
        read.push(Host { name, appliance, arch, os, target, rack, rank, interfaces, attributes, number: 0, span });
    }
    read
}

fn known_appliance(
    (text, span): (String, Span),
    inventory: &Inventory,
    diagnostics: &mut Diagnostics,
) -> Option<ApplianceName> {
    if let Some((name, _)) = inventory.appliances.get_key_value(text.as_str()) {
        return Some(name.clone());
    }
    let names = inventory.appliances.keys().map(ApplianceName::as_str);
    let fault = Diagnostic::error(span, format!("there is no appliance `{}`", text.escape_debug()));
    diagnostics.push(fault.maybe_hint(suggestion(&text, names)));
    None
}

/// What the machine is: from the host, its appliance, the site.
fn platform(
    own: &Platform,
    appliance: &ApplianceName,
    defaults: &Defaults,
    (name, span): (&str, Span),
    diagnostics: &mut Diagnostics,
) -> Option<(Arc<str>, Arc<str>, Arc<str>)> {
    let of_appliance = defaults.appliances.get(appliance).cloned().unwrap_or_default();
    let scopes = [own, &of_appliance, &defaults.site];
    let first = |pick: fn(&Platform) -> &Option<Arc<str>>| scopes.iter().find_map(|scope| pick(scope).clone());
    let mut missing = |key: &str, example: &str| {
        let fault = Diagnostic::error(span, format!("the host `{name}` has no `{key}`"));
        diagnostics
            .push(fault.hint(format!("write `{key} = \"{example}\"` at the host, its appliance or under [site]")));
    };
    let arch = first(|scope| &scope.arch);
    let target = first(|scope| &scope.target);
    if arch.is_none() {
        missing("arch", "x86_64");
    }
    if target.is_none() {
        missing("target", "RHEL9");
    }
    Some((arch?, first(|scope| &scope.os).unwrap_or_else(|| "linux".into()), target?))
}

fn interfaces(table: &mut Table, inventory: &Inventory, diagnostics: &mut Diagnostics) -> Vec<Interface> {
    let mut read = Vec::new();
    for value in table.list("interfaces", diagnostics).unwrap_or_default() {
        let Some(mut table) = value.table("an interface", diagnostics) else { continue };
        let span = table.span();
        let name = table.text("name", diagnostics).and_then(|found| plain_word("name", found, diagnostics));
        let network = table.text("network", diagnostics).and_then(|found| known_network(found, inventory, diagnostics));
        let address = table
            .text("address", diagnostics)
            .and_then(|(text, place)| parsed(HardwareAddress::parse(&text), place, diagnostics));
        let ip = table.text("ip", diagnostics).and_then(|found| ip_address(&found, diagnostics));
        let named = table.get("name").is_some();
        table.finish(diagnostics);
        match name {
            Some((name, _)) => read.push(Interface { name, network, address, ip, span }),
            None if !named => diagnostics
                .push(Diagnostic::error(span, "an interface has no `name`").hint("for example `name = \"eth0\"`")),
            None => {}
        }
    }
    read
}

fn known_network(
    (text, span): (String, Span),
    inventory: &Inventory,
    diagnostics: &mut Diagnostics,
) -> Option<NetworkName> {
    if let Some((name, _)) = inventory.networks.get_key_value(text.as_str()) {
        return Some(name.clone());
    }
    let names = inventory.networks.keys().map(NetworkName::as_str);
    let fault = Diagnostic::error(span, format!("there is no network `{}`", text.escape_debug()));
    diagnostics.push(fault.maybe_hint(suggestion(&text, names)));
    None
}
