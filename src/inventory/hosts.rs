//! The hosts of an inventory file, and what they have that say nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::attribute::Layer;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::context::Context;
use crate::inventory::platform::{Platform, Used};
use crate::inventory::table::{Table, named};
use crate::inventory::value::layer;
use crate::inventory::{Host, interface};
use crate::name::{ApplianceName, DistributionName, suggestion};
use crate::source::Span;

/// The hosts of a document, what they use, and which of them lack what they need.
#[derive(Default)]
pub struct Hosts {
    /// Those that lack nothing.
    pub read: Vec<Host>,
    /// The names in them.
    pub used: Used,
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
                0 => format!("the {host} has no `{key}`"),
                1 => format!("the {host} and 1 other have no `{key}`"),
                others => format!("the {host} and {others} others have no `{key}`"),
            };
            let example = if key == "arch" { "x86_64" } else { "RHEL9" };
            let hint = format!("write `{key} = \"{example}\"` at the host, its appliance or under [site]");
            diagnostics.push(Diagnostic::error(span, others).hint(hint));
        }
    }
}

/// Reads `[hosts]` of a document.
pub fn hosts(table: &mut Table, context: Context, diagnostics: &mut Diagnostics) -> Hosts {
    let mut hosts = Hosts::default();
    // Hosts without attributes of their own, which most are, share one empty layer.
    let none = Arc::new(Layer::new());
    if let Some(entries) = table.section("hosts", diagnostics) {
        for (key, span, value) in entries.entries() {
            let Some(name) = named(key, span, diagnostics) else { continue };
            let Some(mut table) = value.table(&format!("[hosts.{key}]"), diagnostics) else { continue };
            let rack = table.number("rack", diagnostics);
            let rank = table.number("rank", diagnostics);
            let uuid = table.text("uuid", diagnostics).and_then(|found| uuid(found, diagnostics));
            let interfaces = interface::interfaces(&mut table, context, diagnostics);
            let host = host(&mut table, (&format!("host `{key}`"), span), (context, &none), &mut hosts, diagnostics);
            table.finish(diagnostics);
            hosts.read.extend(host.map(|host| Host { name, rack, rank, uuid, interfaces, ..host }));
        }
    }
    hosts
}

/// Reads what a host, or a range of them, says that is not its place: everything but name, rack, rank and interfaces, which are still empty.
pub fn host(
    table: &mut Table,
    (key, span): (&str, Span),
    (context, none): (Context, &Arc<Layer>),
    hosts: &mut Hosts,
    diagnostics: &mut Diagnostics,
) -> Option<Host> {
    let appliance = appliance(table, (key, span), context, diagnostics);
    let own = Platform::read(table, &mut hosts.used, diagnostics);
    let attributes = layer(table, diagnostics);
    let attributes = if attributes.is_empty() { Arc::clone(none) } else { Arc::new(attributes) };
    let groups = groups(table, diagnostics);
    let comment = table.text("comment", diagnostics).map(|(text, _)| text);
    let protect = table.truth("protect", diagnostics);
    let appliance = appliance?;
    let says_platform = own.says_what();
    let what = platform(&own, &appliance, context, (key, span), &mut hosts.lacking)?;
    let protect =
        protect.unwrap_or_else(|| context.inventory.appliances.get(appliance.as_str()).is_some_and(|of| of.protect));
    let boot = own.boot.unwrap_or_else(|| context.inventory.default_boot(&appliance));
    Some(Host {
        name: named("unnamed", span, diagnostics)?,
        appliance,
        arch: what.arch,
        os: what.os,
        target: what.target,
        distribution: what.distribution,
        boot,
        protect,
        groups,
        comment,
        rack: None,
        rank: None,
        uuid: None,
        interfaces: Vec::new(),
        attributes,
        says_platform,
        number: 0,
        span,
    })
}

/// A UUID as people and firmware write it (RFC 9562, section 4).
fn uuid((text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<Arc<str>> {
    let lower = text.to_ascii_lowercase();
    if is_uuid(&lower) {
        return Some(lower.into());
    }
    let fault = Diagnostic::error(span, format!("`{}` is not a UUID", text.escape_debug()));
    diagnostics.push(fault.hint("such as `4c4c4544-0042-3510-8052-b4c04f4e4d32`"));
    None
}

/// Whether a text is a UUID in lower case.
pub fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.into_iter().all(digits)
}

fn groups(table: &mut Table, diagnostics: &mut Diagnostics) -> Vec<String> {
    let mut read: Vec<String> = Vec::new();
    for (text, span) in table.texts("groups", diagnostics).unwrap_or_default() {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        if text.is_empty() || !plain || text.starts_with('-') {
            let fault = Diagnostic::error(span, format!("`{}` cannot be the name of a group", text.escape_debug()));
            diagnostics.push(fault.hint("letters, digits, `_`, `-` and `.`, not starting with `-`"));
        } else if !read.contains(&text) {
            read.push(text);
        }
    }
    read.sort();
    read
}

fn appliance(
    table: &mut Table,
    (host, span): (&str, Span),
    Context { defaults, inventory }: Context,
    diagnostics: &mut Diagnostics,
) -> Option<ApplianceName> {
    let names = || inventory.appliances.keys().map(ApplianceName::as_str);
    let Some((text, place)) = table.text("appliance", diagnostics) else {
        if !table.has("appliance") {
            let known: Vec<_> = names().take(10).map(|name| format!("`{name}`")).collect();
            let fault = Diagnostic::error(span, format!("the {host} has no `appliance`"));
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

/// What a machine is.
struct What {
    arch: Arc<str>,
    os: Arc<str>,
    target: Arc<str>,
    distribution: Option<DistributionName>,
}

/// What the machine is: from the host, its appliance, the site; the target from the distribution too.
fn platform(
    own: &Platform,
    appliance: &ApplianceName,
    Context { defaults, inventory }: Context,
    (name, span): (&str, Span),
    lacking: &mut Lacking,
) -> Option<What> {
    let of_appliance = inventory.appliances.get(appliance.as_str()).map(|appliance| &appliance.platform);
    let scopes: Vec<&Platform> = [Some(own), of_appliance, Some(&defaults.site)].into_iter().flatten().collect();
    let first = |pick: fn(&Platform) -> &Option<Arc<str>>| scopes.iter().find_map(|scope| pick(scope).clone());
    let (arch, target) = (first(|scope| &scope.arch), first(|scope| &scope.target));
    let distribution = scopes.iter().find_map(|scope| scope.distribution.clone());
    let known = distribution.as_ref().and_then(|name| inventory.distributions.get(name.as_str()));
    let target = target.or_else(|| known.and_then(|distribution| distribution.target.clone()));
    for (key, value) in [("arch", &arch), ("target", &target)] {
        if value.is_none() && !scopes.iter().any(|scope| scope.faulty.contains(key)) {
            lacking.add(key, name, span);
        }
    }
    let (arch, target) = (arch?, target?);
    // One distribution for a version is the one that is meant.
    let mut fitting = inventory.distributions.iter().filter(|(_, other)| other.target.as_ref() == Some(&target));
    let only = fitting.next().filter(|_| fitting.next().is_none()).map(|(name, _)| name.clone());
    let os = first(|scope| &scope.os).unwrap_or_else(|| Arc::clone(&defaults.linux));
    Some(What { arch, os, target, distribution: distribution.or(only) })
}
