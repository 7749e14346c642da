//! What is probably not meant: modules that nothing reaches, conditions that can never hold, values that the
//! shell would take apart. Warnings of `kgen check`; nothing here stops a compilation.

use std::collections::{BTreeMap, BTreeSet};

use crate::command;
use crate::condition::Condition;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::emit::shell::{Context, Reference};
use crate::generation::Generation;
use crate::inventory::Inventory;
use crate::inventory::intrinsic::is_intrinsic;
use crate::name::{AttributeName, HostName, ModuleName, slip_of};
use crate::source::Span;

/// Combinations of values that are tried for one condition; beyond that it is taken to hold.
const MAX_COMBINATIONS: usize = 4096;
/// Architectures that machines have, beside those that the inventory names.
const ARCHITECTURES: [&str; 8] = ["x86_64", "aarch64", "i386", "i686", "ia64", "ppc64le", "riscv64", "s390x"];

/// Reports what is probably not meant.
pub fn lint(generation: &Generation, diagnostics: &mut Diagnostics) {
    unreachable_modules(generation, diagnostics);
    impossible_conditions(generation, diagnostics);
    unquoted_values(generation, diagnostics);
    unlikely_architectures(&generation.inventory, diagnostics);
}

fn unreachable_modules(generation: &Generation, diagnostics: &mut Diagnostics) {
    let description = &generation.description;
    let mut reached: BTreeSet<ModuleName> = BTreeSet::new();
    for appliance in generation.inventory.appliances.values() {
        for graph in description.graphs.values() {
            reached.extend(graph.reach(&appliance.module, |_| true).into_iter().map(|(name, _)| name));
        }
    }
    let inherited = |name: &ModuleName| description.graphs.values().any(|graph| !graph.edges_to(name).is_empty());
    let inherits = |name: &ModuleName| description.graphs.values().any(|graph| !graph.edges_from(name).is_empty());
    for module in description.modules.values().filter(|module| !reached.contains(&module.name)) {
        let Some(file) = module.files.first() else { continue };
        let span = Span::new(*file, 0, 0);
        let name = &module.name;
        let found = if !inherited(name) && inherits(name) {
            // It looks like the start of an appliance that this site does not have.
            Diagnostic::note(span, format!("no appliance starts at the module `{name}`"))
        } else {
            Diagnostic::warning(span, format!("the module `{name}` is unreachable: no appliance inherits it"))
        };
        diagnostics
            .push(found.hint(format!("an edge to `{name}`, or [appliances.{name}] in the inventory, makes use of it")));
    }
}

/// The values that an attribute can have at this site; `None` where anything is possible.
struct Domains {
    declared: BTreeMap<AttributeName, BTreeSet<Option<String>>>,
}

impl Domains {
    fn new(inventory: &Inventory) -> Self {
        let mut declared: BTreeMap<AttributeName, BTreeSet<Option<String>>> = BTreeMap::new();
        let hosts = inventory.hosts.values().map(|host| &host.attributes);
        let scopes = inventory
            .os
            .values()
            .chain(inventory.appliances.values().map(|appliance| &appliance.attributes))
            .chain(hosts);
        for layer in scopes.chain([&inventory.attributes]) {
            for (name, entry) in layer.iter() {
                let value = entry.value.shown();
                let values = declared.entry(name.clone()).or_default();
                values.insert(Some(value.to_owned()));
                // A switch that is off here is one that can be turned on.
                if matches!(crate::condition::Value::read(value), crate::condition::Value::Bool(_)) {
                    values.extend([Some("yes".to_owned()), Some("no".to_owned())]);
                }
            }
        }
        for (name, values) in &mut declared {
            if !inventory.attributes.contains_key(name) {
                values.insert(None);
            }
        }
        let mut domains = Self { declared };
        domains.intrinsic("arch", ARCHITECTURES.into_iter().chain(inventory.hosts.values().map(|host| &*host.arch)));
        domains.intrinsic("os", ["linux", "sunos"].into_iter().chain(inventory.hosts.values().map(|host| &*host.os)));
        domains.intrinsic("target", command::versions());
        domains.intrinsic("target_family", ["RHEL", "F"].into_iter());
        domains.intrinsic(
            "target_major",
            command::versions().map(|version| version.trim_start_matches(char::is_alphabetic)),
        );
        domains.intrinsic("appliance", inventory.appliances.keys().map(crate::name::ApplianceName::as_str));
        domains
    }

    fn intrinsic<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a str>) {
        if let Some(name) = AttributeName::new(name) {
            self.declared.insert(name, values.map(|value| Some(value.to_owned())).collect());
        }
    }
}

fn impossible_conditions(generation: &Generation, diagnostics: &mut Diagnostics) {
    let domains = Domains::new(&generation.inventory);
    let conditions = &generation.description.conditions;
    let places = generation.description.condition_places();
    for (id, span) in places {
        let condition = conditions.get(id);
        let unknown: Vec<_> =
            condition.attributes().into_iter().filter(|name| !domains.declared.contains_key(name)).collect();
        for name in unknown.iter().filter(|name| !is_intrinsic(name.as_str())) {
            let declared = domains.declared.keys().map(AttributeName::as_str);
            if let Some(near) = slip_of(name.as_str(), declared) {
                let message = format!("the condition `{condition}` reads the attribute `{name}`, which nothing sets");
                diagnostics.push(Diagnostic::warning(span, message).hint(format!("did you mean `{near}`?")));
            } else if !condition.tested_for_none().contains(name) && !can_hold_without(condition, name, &domains) {
                let message =
                    format!("the condition `{condition}` never holds, because nothing sets the attribute `{name}`");
                diagnostics.push(Diagnostic::note(span, message));
            }
        }
        if unknown.is_empty() && !can_hold(condition, &domains) {
            let message = format!("the condition `{condition}` holds for no declared value");
            diagnostics.push(Diagnostic::warning(span, message).hint(declared_values(condition, &domains)));
        }
    }
}

fn declared_values(condition: &Condition, domains: &Domains) -> String {
    let shown =
        |value: &Option<String>| value.as_ref().map_or_else(|| "no value".to_owned(), |value| format!("`{value}`"));
    let of = |name: &AttributeName| {
        let values: Vec<_> = domains.declared.get(name).into_iter().flatten().map(shown).collect();
        format!("`{name}` is {}", values.join(" or "))
    };
    condition.attributes().iter().map(of).collect::<Vec<_>>().join("; ")
}

/// Whether a condition can hold where one of its attributes has no value; what others are set to is left open.
fn can_hold_without(condition: &Condition, name: &AttributeName, domains: &Domains) -> bool {
    if condition.attributes().iter().any(|other| other != name && !domains.declared.contains_key(other)) {
        return true;
    }
    let mut declared = domains.declared.clone();
    declared.insert(name.clone(), BTreeSet::from([None]));
    can_hold(condition, &Domains { declared })
}

fn can_hold(condition: &Condition, domains: &Domains) -> bool {
    let names: Vec<_> = condition.attributes().into_iter().collect();
    let values: Vec<Vec<&Option<String>>> =
        names.iter().map(|name| domains.declared.get(name).into_iter().flatten().collect()).collect();
    let combinations: usize = values.iter().map(Vec::len).product();
    if combinations > MAX_COMBINATIONS {
        return true;
    }
    (0..combinations).any(|mut number| {
        let mut chosen: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, values) in names.iter().zip(&values) {
            if let Some(value) = values[number % values.len()] {
                chosen.insert(name.as_str(), value);
            }
            number /= values.len();
        }
        condition.holds(&|name| chosen.get(name).copied()) == Ok(true)
    })
}

/// One warning for each reference, with the first host whose value the shell would make something else of.
fn unquoted_values(generation: &Generation, diagnostics: &mut Diagnostics) {
    let mut told: BTreeMap<Span, (AttributeName, HostName, Context)> = BTreeMap::new();
    for host in generation.inventory.hosts.values() {
        let Some(variant) = generation.variant(host).filter(|variant| !variant.references.is_empty()) else { continue };
        let attributes = generation.inventory.attributes(host);
        for Reference { name, span, context } in &variant.references {
            let value = generation.hidden_value(&attributes, name.as_str());
            if !told.contains_key(span) && value.is_some_and(|value| context.is_broken_by(value)) {
                told.insert(*span, (name.clone(), host.name.clone(), *context));
            }
        }
    }
    for (span, (name, host, context)) in told {
        let (place, hint) = match context {
            Context::Bare => ("unquoted in a script", "if it is one word, put it into quotes"),
            Context::Single => ("between single quotes", "write it into a file, or let it have no single quote"),
            Context::Double => {
                ("between double quotes", "put it between single quotes if nothing in it is to be expanded")
            }
            Context::Expanded => {
                ("in text that the shell expands", "take `vars=\"expanded\"` off if nothing in it is to be expanded")
            }
            Context::Comment => ("in a comment", "a value of several lines ends the comment"),
        };
        let message = format!(
            "the value of `{name}` for `{host}` stands {place}, and has characters that the shell interprets there"
        );
        diagnostics.push(Diagnostic::warning(span, message).hint(hint));
    }
}

/// An architecture that no machine has, but one letter off from one that many have.
fn unlikely_architectures(inventory: &Inventory, diagnostics: &mut Diagnostics) {
    let mut told = BTreeSet::new();
    for host in inventory.hosts.values().filter(|host| !ARCHITECTURES.contains(&&*host.arch)) {
        if let Some(near) = slip_of(&host.arch, ARCHITECTURES).filter(|_| told.insert(&host.arch)) {
            let message = format!("the host `{}` has the architecture `{}`, which is not known", host.name, host.arch);
            diagnostics.push(Diagnostic::warning(host.span, message).hint(format!("did you mean `{near}`?")));
        }
    }
}
