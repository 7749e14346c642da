//! `[site]`, `[language]`, `[os]` and `[appliances]`: what holds for all hosts or many.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;

use crate::attribute::Layer;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::context::Defaults;
use crate::inventory::network::parts;
use crate::inventory::platform::{Platform, Used};
use crate::inventory::table::{Table, named};
use crate::inventory::value::{layer, word};
use crate::inventory::{Appliance, Site};
use crate::name::{ApplianceName, HostName};
use crate::source::Span;
use crate::syntax::{EvalPolicy, Language, Strictness};

/// Reads `[site]`.
pub fn site(table: &mut Table, (defaults, used): (&mut Defaults, &mut Used), diagnostics: &mut Diagnostics) -> Site {
    let Some(mut table) = table.section("site", diagnostics) else {
        diagnostics
            .push(Diagnostic::error(table.span(), "the inventory has no [site]").hint("it says at least `name`"));
        return Site::default();
    };
    let name = table.text("name", diagnostics);
    if !table.has("name") {
        diagnostics.push(Diagnostic::error(table.span(), "[site] has no `name`"));
    }
    defaults.site = Platform::read(&mut table, used, diagnostics);
    let unknown = table.name("unknown", diagnostics);
    used.actions.extend(unknown.clone());
    let path = |found: Option<(String, Span)>, default: &str| {
        found.map_or_else(|| default.to_owned(), |(path, _)| path).into()
    };
    let site = Site {
        name: name.map(|(name, _)| name).unwrap_or_default(),
        domain: table
            .name::<crate::name::HostKind>("domain", diagnostics)
            .map(|(name, _)| name.as_str().to_lowercase()),
        description: path(table.text("description", diagnostics), "."),
        server: table.text("server", diagnostics).and_then(|found| server(found, diagnostics)),
        secrets: path(table.text("secrets", diagnostics), "secrets"),
        rolls: rolls(&mut table, diagnostics),
        unknown,
        install_new: table.truth("install_new", diagnostics).unwrap_or_default(),
        arch: defaults.site.arch.clone(),
        distribution: defaults.site.distribution.clone(),
        boot: defaults.site.boot.clone(),
        boot_files: table.text("boot_files", diagnostics).map(|(path, span)| (path.into(), span)),
        tftp_root: table.text("tftp_root", diagnostics).and_then(|found| tftp_root(found, diagnostics)),
        span: Some(table.span()),
    };
    table.finish(diagnostics);
    site
}

/// A directory of the server, as dnsmasq's configuration can hold it.
fn tftp_root((text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<String> {
    let plain =
        text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
    if !plain {
        let fault = Diagnostic::error(span, format!("`tftp_root` is `{}`", text.escape_debug()));
        diagnostics.push(fault.hint("an absolute path: letters, digits and `/._-+`"));
    }
    plain.then_some(text)
}

fn server((text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<String> {
    let good = is_server(&text);
    if !good {
        let message = format!("`server` is `{text}`, but has to be an address such as `http://10.1.1.1:8080`");
        diagnostics.push(Diagnostic::error(span, message));
    }
    good.then(|| text.trim_end_matches('/').to_owned())
}

/// Whether a text is the URL of a server: `http`, a host, a port or none, a path or none.
fn is_server(text: &str) -> bool {
    let (scheme, host, rest) = parts(text);
    let (port, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match inside {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => HostName::new(host).is_some(),
    };
    let is_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/%@".contains(c);
    ["http://", "https://"].contains(&scheme) && is_host && is_port && path.chars().all(plain)
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

/// Reads `[language]`.
pub fn language(table: &mut Table, diagnostics: &mut Diagnostics) -> Language {
    let mut language = Language::default();
    let Some(mut table) = table.section("language", diagnostics) else { return language };
    let eval = word(&mut table, "eval", &EvalPolicy::NAMES, diagnostics);
    let undefined = word(&mut table, "undefined", &Strictness::NAMES, diagnostics);
    let unknown = word(&mut table, "unknown", &Strictness::NAMES, diagnostics);
    language.eval = eval.and_then(|name| EvalPolicy::named(&name)).unwrap_or_default();
    language.undefined = undefined.and_then(|name| Strictness::named(&name)).unwrap_or_default();
    language.unknown = unknown.and_then(|name| Strictness::named(&name)).unwrap_or_default();
    table.finish(diagnostics);
    language
}

/// Reads `[os.NAME.attributes]`.
pub fn operating_systems(table: &mut Table, diagnostics: &mut Diagnostics) -> BTreeMap<String, Arc<Layer>> {
    let Some(systems) = table.section("os", diagnostics) else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for (name, _, value) in systems.entries() {
        let Some(mut system) = value.table(&format!("[os.{name}]"), diagnostics) else { continue };
        read.insert(name.to_owned(), Arc::new(layer(&mut system, diagnostics)));
        system.finish(diagnostics);
    }
    read
}

/// Reads `[appliances]`.
pub fn appliances(
    table: &mut Table,
    (defaults, used): (&mut Defaults, &mut Used),
    diagnostics: &mut Diagnostics,
) -> BTreeMap<ApplianceName, Appliance> {
    let Some(appliances) = table.section("appliances", diagnostics) else { return BTreeMap::new() };
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
        let platform = Platform::read(&mut table, used, diagnostics);
        let pattern = table.text("name", diagnostics);
        let protect = table.truth("protect", diagnostics).unwrap_or_default();
        let attributes = Arc::new(layer(&mut table, diagnostics));
        table.finish(diagnostics);
        if let Some((module, module_span)) = module {
            read.insert(name, Appliance { module, module_span, attributes, platform, protect, pattern, span });
        }
    }
    read
}
