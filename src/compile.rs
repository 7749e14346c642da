//! The passes, in order: description and inventory to a generation that answers for every host.
//!
//! Hosts with the same appliance that answer every condition alike are one variant and share profile and text.
//! For one more host of a variant, values are looked up and bytes copied. Nothing here reads or writes a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::attribute::{Attributes, Secrets};
use crate::cohort::{Variant, cohorts};
use crate::command::check;
use crate::condition::{ConditionId, Conditions, Truth};
use crate::description::Description;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::emit::kickstart::{Frame, kickstart};
use crate::emit::script::{check_sections, is_shell};
use crate::emit::{shell, template};
use crate::expand::{Expansion, Runner, expand};
use crate::generation::{Generation, HostFaults, counted, template_fault};
use crate::graph::Graph;
use crate::inventory::{Host, Inventory};
use crate::name::{AttributeName, GraphName, HostName, ModuleName, suggestion};
use crate::profile::{Profile, Section};
use crate::resolve::{Answers, Resolution, resolve};
use crate::source::Sources;
use crate::syntax::{EvalPolicy, Language};

/// The graph of hosts that name no other.
pub const DEFAULT_GRAPH: &str = "default";

/// What makes two hosts of one variant: everything that their profile depends on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    root: ModuleName,
    graph: GraphName,
    target: Arc<str>,
    /// Answers to the conditions that the appliance can meet.
    truths: Vec<Truth>,
    /// Values of the attributes that stand in names of packages.
    structural: Vec<Option<String>>,
    /// The host itself, where a program is run for it.
    host: Option<HostName>,
}

/// What can be asked of a host of one appliance in one graph.
struct Questions {
    conditions: Vec<ConditionId>,
    structural: Vec<AttributeName>,
    evaluates: bool,
}

/// What [`compile`] reads beside description and inventory.
#[derive(Clone, Copy)]
pub struct Input<'i> {
    /// Texts of all files.
    pub sources: &'i Arc<Sources>,
    /// For `<eval>`.
    pub runner: Runner<'i>,
    /// How strict to be.
    pub language: Language,
    /// Only these hosts; all if there is no list.
    pub hosts: Option<&'i BTreeSet<HostName>>,
}

/// What all variants of one generation have in common.
struct Common<'c> {
    description: &'c Description,
    id: &'c str,
    reports: bool,
    input: Input<'c>,
}

/// Compiles description and inventory. Reports every fault that a profile can have; those of single hosts
/// come from [`Generation::emit`].
pub fn compile(
    description: Arc<Description>,
    inventory: Arc<Inventory>,
    secrets: Secrets,
    input: Input,
    diagnostics: &mut Diagnostics,
) -> Generation {
    check_templates(&description, input.sources, diagnostics);
    check_secrets(&description, &inventory, diagnostics);
    check_appliances(&description, &inventory, diagnostics);
    let id = generation_id(&description, &inventory);
    let wanted = |host: &&Host| input.hosts.is_none_or(|hosts| hosts.contains(&host.name));
    let hosts: Vec<&Host> = inventory.hosts.values().filter(wanted).collect();
    let groups = groups(&description, &inventory, &hosts, diagnostics);
    let common = Common { description: &description, id: &id, reports: inventory.reports(), input };
    let made = groups.par_iter().map(|(key, members)| {
        let mut faults = Diagnostics::default();
        let attributes = inventory.attributes(members[0]);
        let variant = variant(&common, key, &attributes, &mut faults);
        let names: Vec<HostName> = members.iter().map(|host| host.name.clone()).collect();
        faults.name_hosts(&counted(&names));
        (variant, faults)
    });
    let mut variants = Vec::new();
    for (variant, faults) in made.collect::<Vec<_>>() {
        variants.push(variant);
        diagnostics.append(faults);
    }
    let members: Vec<Vec<&Host>> = groups.into_iter().map(|(_, members)| members).collect();
    let cohorts = cohorts(&inventory, &variants, &members, &secrets);
    Generation::new(id, (description, Arc::clone(&inventory)), (variants, cohorts), Arc::clone(input.sources), secrets)
}

/// SHA-256 over both, the first 16 digits: no clock, no order, no machine in it.
fn generation_id(description: &Description, inventory: &Inventory) -> String {
    let hash = Sha256::new().chain_update(description.digest).chain_update(inventory.digest).finalize();
    hash.iter().take(8).fold(String::new(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

fn check_templates(description: &Description, sources: &Sources, diagnostics: &mut Diagnostics) {
    for template in description.modules.values().flat_map(|module| &module.templates) {
        if let Err(error) = template::check(template) {
            diagnostics.push(template_fault(template, &error, sources));
        }
    }
}

/// A condition that compares a secret would decide by what is shown instead of it.
fn check_secrets(description: &Description, inventory: &Inventory, diagnostics: &mut Diagnostics) {
    let hosts = inventory.hosts.values().map(|host| &host.attributes);
    let scopes = inventory.os.values().chain(inventory.appliances.values().map(|appliance| &appliance.attributes));
    let layers = scopes.chain(hosts).chain([&inventory.attributes]);
    let secret = layers.flat_map(|layer| layer.iter()).filter(|(_, entry)| entry.value.is_secret());
    let secret: BTreeSet<&AttributeName> = secret.map(|(name, _)| name).collect();
    for (id, place) in description.condition_places() {
        let compared = description.conditions.get(id).compared_attributes();
        for name in compared.iter().filter(|name| secret.contains(name)) {
            let fault =
                Diagnostic::error(place, format!("the condition compares the attribute `{name}`, which is a secret"));
            diagnostics.push(fault.hint(format!("`{name} is not None` tests whether there is one")));
        }
    }
}

/// Reports appliances that start at a module that is not there.
pub fn check_appliances(description: &Description, inventory: &Inventory, diagnostics: &mut Diagnostics) {
    for (name, appliance) in &inventory.appliances {
        if !description.modules.contains_key(&appliance.module) {
            let message =
                format!("the appliance `{name}` starts at the module `{}`, but there is none", appliance.module);
            let modules = description.modules.keys().map(ModuleName::as_str);
            let near =
                crate::name::nearest(appliance.module.as_str(), modules).map(|near| format!("did you mean `{near}`?"));
            let hint = near.unwrap_or_else(|| {
                format!("write nodes/{}.xml, or name another module with `module =`", appliance.module)
            });
            diagnostics.push(Diagnostic::error(appliance.module_span, message).hint(hint));
        }
    }
}

/// Hosts by key, the groups in the order of their first hosts.
fn groups<'h>(
    description: &Description,
    inventory: &Inventory,
    hosts: &[&'h Host],
    diagnostics: &mut Diagnostics,
) -> Vec<(Key, Vec<&'h Host>)> {
    let mut questions: BTreeMap<(ModuleName, GraphName), Questions> = BTreeMap::new();
    for appliance in
        inventory.appliances.values().filter(|appliance| description.modules.contains_key(&appliance.module))
    {
        for graph in description.graphs.values() {
            let asked = questions_of(description, graph, &appliance.module);
            questions.insert((appliance.module.clone(), graph.name.clone()), asked);
        }
    }
    // Chunks keep the order of hosts, and with it which group comes first, whatever thread is faster.
    let chunks = hosts.par_chunks(1024).map(|chunk| {
        let mut grouped: BTreeMap<Option<Key>, Vec<&Host>> = BTreeMap::new();
        for host in chunk {
            grouped.entry(key(description, inventory, &questions, host)).or_default().push(host);
        }
        grouped
    });
    let mut grouped: BTreeMap<Option<Key>, Vec<&Host>> = BTreeMap::new();
    for chunk in chunks.collect::<Vec<_>>() {
        for (key, mut members) in chunk {
            grouped.entry(key).or_default().append(&mut members);
        }
    }
    let mut faults = HostFaults::default();
    for host in grouped.remove(&None).unwrap_or_default() {
        if let Some(fault) = missing_graph(description, inventory, host) {
            faults.add(fault, &host.name);
        }
    }
    faults.report(diagnostics);
    let mut groups: Vec<_> = grouped.into_iter().filter_map(|(key, members)| Some((key?, members))).collect();
    groups.sort_by_key(|(_, members)| members.first().map(|host| host.number));
    groups
}

/// The key of a host; none where it cannot be compiled.
fn key(
    description: &Description,
    inventory: &Inventory,
    questions: &BTreeMap<(ModuleName, GraphName), Questions>,
    host: &Host,
) -> Option<Key> {
    let attributes = inventory.attributes(host);
    let appliance = inventory.appliances.get(host.appliance.as_str())?;
    let graph = GraphName::new(graph_name(&attributes))?;
    let ((root, graph), asked) = questions.get_key_value(&(appliance.module.clone(), graph))?;
    let evaluates = asked.evaluates && inventory.language.eval == EvalPolicy::On;
    Some(Key {
        root: root.clone(),
        graph: graph.clone(),
        target: Arc::clone(&host.target),
        truths: asked.conditions.iter().map(|id| truth(&description.conditions, *id, &attributes)).collect(),
        structural: asked.structural.iter().map(|name| attributes.shown(name.as_str()).map(str::to_owned)).collect(),
        host: evaluates.then(|| host.name.clone()),
    })
}

fn graph_name(attributes: &Attributes) -> &str {
    attributes.shown("graph").unwrap_or(DEFAULT_GRAPH)
}

/// The fault of a host whose graph is not there; none where only its appliance's module is missing.
pub fn missing_graph(description: &Description, inventory: &Inventory, host: &Host) -> Option<Diagnostic> {
    let attributes = inventory.attributes(host);
    let graph = graph_name(&attributes);
    if description.graphs.contains_key(graph) {
        return None;
    }
    let place = attributes.entry("graph").and_then(|(_, entry)| entry.span);
    let place = place.or_else(|| inventory.appliances.get(host.appliance.as_str()).map(|appliance| appliance.span));
    let known = description.graphs.keys().map(GraphName::as_str);
    let hint = suggestion(graph, known).unwrap_or_else(|| format!("write edges into graphs/{graph}/NAME.xml"));
    let message = format!("there is no graph `{graph}`: the description has no `graphs/{graph}`");
    Some(Diagnostic::error(place.unwrap_or(host.span), message).hint(hint))
}

/// All that a traversal from `root` can ask, whatever the answers are.
fn questions_of(description: &Description, graph: &Graph, root: &ModuleName) -> Questions {
    let mut conditions = BTreeSet::new();
    let mut structural = BTreeSet::new();
    let mut evaluates = false;
    for (name, _) in graph.reach(root, |_| true) {
        conditions.extend(graph.edges_from(&name).iter().filter_map(|edge| graph.edge(*edge).condition));
        if let Some(module) = description.modules.get(&name) {
            conditions.extend(&module.conditions);
            structural.extend(module.structural.iter().cloned());
            evaluates |= module.evaluates;
        }
    }
    Questions { conditions: conditions.into_iter().collect(), structural: structural.into_iter().collect(), evaluates }
}

fn truth(conditions: &Conditions, id: ConditionId, attributes: &Attributes) -> Truth {
    match conditions.get(id).holds(&|name| attributes.shown(name)) {
        Ok(true) => Truth::True,
        Ok(false) => Truth::False,
        Err(_) => Truth::Fault,
    }
}

/// What these attributes answer to every condition of a description.
pub fn answers(conditions: &Conditions, attributes: &Attributes) -> Answers {
    let mut answers = Answers::default();
    for id in conditions.ids() {
        let held = conditions.get(id).holds(&|name| attributes.shown(name));
        answers.truths.push(match &held {
            Ok(true) => Truth::True,
            Ok(false) => Truth::False,
            Err(_) => Truth::Fault,
        });
        if let Err(error) = held {
            answers.faults.insert(id, error.message);
        }
    }
    answers
}

fn variant(common: &Common, key: &Key, attributes: &Attributes, diagnostics: &mut Diagnostics) -> Variant {
    let Common { description, id, reports, input } = common;
    let (resolution, profile) = profile(description, (&key.root, &key.graph), attributes, *input, diagnostics);
    check::check(&profile, &key.target, diagnostics);
    check_sections(&profile, diagnostics);
    let kickstart = kickstart(&profile, Frame { generation: Some(id), reports: *reports, attempt: 0 }, input.sources);
    let by_shell = |section: &&Section| {
        section.interpreter.as_ref().is_none_or(|program| program.as_literal().is_none_or(|program| is_shell(&program)))
    };
    let scripts = profile.sections.iter().filter(by_shell);
    let references = scripts.flat_map(|section| shell::references(&section.parts)).collect();
    Variant { graph: key.graph.clone(), resolution, profile, kickstart, references }
}

/// The profile for one set of attributes: resolve, then expand.
pub fn profile(
    description: &Description,
    (root, graph): (&ModuleName, &GraphName),
    attributes: &Attributes,
    input: Input,
    diagnostics: &mut Diagnostics,
) -> (Resolution, Profile) {
    let answers = answers(&description.conditions, attributes);
    let empty = Graph::new(graph.clone());
    let graph = description.graphs.get(graph).unwrap_or(&empty);
    let resolution = resolve(graph, root, &answers, diagnostics);
    let expansion = Expansion {
        description,
        sources: input.sources,
        answers: &answers,
        attributes,
        language: input.language,
        runner: input.runner,
    };
    let profile = expand(&resolution, expansion, diagnostics);
    (resolution, profile)
}
