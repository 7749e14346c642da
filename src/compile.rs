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
use crate::command;
use crate::condition::{ConditionId, Conditions, Truth};
use crate::description::Description;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::emit::kickstart::{Break, Kickstart, check_section_ends, kickstart};
use crate::emit::prepare::Prepared;
use crate::emit::shell;
use crate::emit::template::{self, TemplateError, Templates};
use crate::expand::{Expansion, Runner, expand, undefined};
use crate::graph::Graph;
use crate::inventory::{Host, Inventory};
use crate::name::{AttributeName, GraphName, HostName, ModuleName, suggestion};
use crate::profile::Profile;
use crate::resolve::{Answers, Resolution, resolve};
use crate::source::{Sources, Span};
use crate::syntax::{EvalPolicy, Language};
use crate::text::TemplateText;

/// The graph of hosts that name no other.
pub const DEFAULT_GRAPH: &str = "default";

/// One compiled state of description and inventory.
#[derive(Debug)]
pub struct Generation {
    /// Content hash of description and inventory, in hexadecimal.
    pub id: String,
    /// What was compiled.
    pub description: Arc<Description>,
    /// For whom.
    pub inventory: Arc<Inventory>,
    /// Profiles that hosts share.
    pub variants: Vec<Variant>,
    /// Index in `variants` by host; a host that could not be compiled has none.
    pub variant_of: BTreeMap<HostName, usize>,
    /// Texts of all files.
    pub sources: Arc<Sources>,
    templates: Templates,
    secrets: Secrets,
}

/// A profile that hosts share, and their kickstart without their values.
#[derive(Debug)]
pub struct Variant {
    /// The name of the graph that was followed.
    pub graph: GraphName,
    /// The modules and how they came in.
    pub resolution: Resolution,
    /// What the hosts are to become.
    pub profile: Profile,
    /// Their kickstart.
    pub kickstart: Kickstart,
    /// The kickstart, ready to be filled in.
    pub prepared: Prepared,
    /// References in scripts that stand outside of quotes.
    pub unquoted: Vec<(AttributeName, Span)>,
}

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
    /// Only these hosts; all if there is no list.
    pub hosts: Option<&'i BTreeSet<HostName>>,
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
    check_templates(&description, diagnostics);
    check_appliances(&description, &inventory, diagnostics);
    let id = generation_id(&description, &inventory);
    let wanted = |host: &&Host| input.hosts.is_none_or(|hosts| hosts.contains(&host.name));
    let hosts: Vec<&Host> = inventory.hosts.values().filter(wanted).collect();
    let keys = keys(&description, &inventory, &hosts, diagnostics);
    let mut numbers: BTreeMap<&Key, usize> = BTreeMap::new();
    let mut first_hosts = Vec::new();
    let mut variant_of = BTreeMap::new();
    for (host, key) in hosts.iter().zip(&keys) {
        let Some(key) = key else { continue };
        let number = *numbers.entry(key).or_insert_with(|| {
            first_hosts.push((*host, key));
            first_hosts.len() - 1
        });
        variant_of.insert(host.name.clone(), number);
    }
    let made = first_hosts.par_iter().map(|(host, key)| {
        let mut faults = Diagnostics::default();
        let attributes = inventory.attributes(host);
        (variant(&description, key, &attributes, inventory.language, &id, input, &mut faults), faults)
    });
    let mut variants = Vec::new();
    for (variant, faults) in made.collect::<Vec<_>>() {
        variants.push(variant);
        diagnostics.append(faults);
    }
    let templates = Templates::new(Arc::clone(&inventory));
    let sources = Arc::clone(input.sources);
    Generation { id, description, inventory, variants, variant_of, sources, templates, secrets }
}

/// SHA-256 over both, the first 16 digits: no clock, no order, no machine in it.
fn generation_id(description: &Description, inventory: &Inventory) -> String {
    let hash = Sha256::new().chain_update(description.digest).chain_update(inventory.digest).finalize();
    hash.iter().take(8).fold(String::new(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

fn check_templates(description: &Description, diagnostics: &mut Diagnostics) {
    for template in description.modules.values().flat_map(|module| &module.templates) {
        if let Err(error) = template::check(template) {
            diagnostics.push(template_fault(template, &error));
        }
    }
}

/// Templates stand in a file as they are, so a line in one is a line in the file.
fn template_line(template: &TemplateText, error: &TemplateError) -> Span {
    let before: usize = template.source.split_inclusive('\n').take(error.line.saturating_sub(1)).map(str::len).sum();
    let line = template.source[before..].lines().next().unwrap_or_default();
    let indent = line.len() - line.trim_start().len();
    let start = template.span.start as usize + before + indent;
    Span::new(template.span.file, start, start + line.trim().len().max(1))
}

/// The fault of a template, at its line.
pub fn template_fault(template: &TemplateText, error: &TemplateError) -> Diagnostic {
    let span = template_line(template, error);
    Diagnostic::error(span, format!("the template does not work: {}", error.message))
        .hint("templates see `host`, `attributes`, `hosts`, `site`, `networks` and `appliances`")
}

fn check_appliances(description: &Description, inventory: &Inventory, diagnostics: &mut Diagnostics) {
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

/// The key of each host; none where the host cannot be compiled.
fn keys(
    description: &Description,
    inventory: &Inventory,
    hosts: &[&Host],
    diagnostics: &mut Diagnostics,
) -> Vec<Option<Key>> {
    let mut questions: BTreeMap<(ModuleName, GraphName), Questions> = BTreeMap::new();
    for appliance in
        inventory.appliances.values().filter(|appliance| description.modules.contains_key(&appliance.module))
    {
        for graph in description.graphs.values() {
            let asked = questions_of(description, graph, &appliance.module);
            questions.insert((appliance.module.clone(), graph.name.clone()), asked);
        }
    }
    let answered = hosts.par_iter().map(|host| {
        let attributes = inventory.attributes(host);
        let appliance = inventory.appliances.get(host.appliance.as_str())?;
        let graph = graph_name(&attributes);
        let known = questions.get_key_value(&(appliance.module.clone(), GraphName::new(graph)?));
        let ((root, graph), asked) = known?;
        let evaluates = asked.evaluates && inventory.language.eval == EvalPolicy::On;
        Some(Key {
            root: root.clone(),
            graph: graph.clone(),
            target: Arc::clone(&host.target),
            truths: asked.conditions.iter().map(|id| truth(&description.conditions, *id, &attributes)).collect(),
            structural: asked
                .structural
                .iter()
                .map(|name| attributes.shown(name.as_str()).map(str::to_owned))
                .collect(),
            host: evaluates.then(|| host.name.clone()),
        })
    });
    let answered: Vec<_> = answered.collect();
    for (host, _) in hosts.iter().zip(&answered).filter(|(_, key)| key.is_none()) {
        report_graph(description, inventory, host, diagnostics);
    }
    answered
}

fn graph_name(attributes: &Attributes) -> &str {
    attributes.shown("graph").unwrap_or(DEFAULT_GRAPH)
}

fn report_graph(description: &Description, inventory: &Inventory, host: &Host, diagnostics: &mut Diagnostics) {
    let attributes = inventory.attributes(host);
    let graph = graph_name(&attributes);
    if description.graphs.contains_key(graph) {
        return; // the appliance's module is missing, which was told
    }
    let place = attributes.entry("graph").and_then(|(_, entry)| entry.span).unwrap_or(host.span);
    let fault = Diagnostic::error(
        place,
        format!("there is no graph `{}`: the description has no `graphs/{graph}`", graph.escape_debug()),
    );
    diagnostics.push(fault.maybe_hint(suggestion(graph, description.graphs.keys().map(GraphName::as_str))));
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

fn variant(
    description: &Description,
    key: &Key,
    attributes: &Attributes,
    language: Language,
    id: &str,
    input: Input,
    diagnostics: &mut Diagnostics,
) -> Variant {
    let (resolution, profile) = profile(description, (&key.root, &key.graph), attributes, language, input, diagnostics);
    command::check(&profile, &key.target, diagnostics);
    check_section_ends(&profile, diagnostics);
    let kickstart = kickstart(&profile, id, input.sources, 0);
    let prepared = Prepared::new(&kickstart.text);
    let unquoted = profile.sections.iter().flat_map(|section| shell::unquoted_references(&section.parts)).collect();
    Variant { graph: key.graph.clone(), resolution, profile, kickstart, prepared, unquoted }
}

/// The profile for one set of attributes: resolve, then expand.
pub fn profile(
    description: &Description,
    (root, graph): (&ModuleName, &GraphName),
    attributes: &Attributes,
    language: Language,
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
        language,
        runner: input.runner,
    };
    let profile = expand(&resolution, expansion, diagnostics);
    (resolution, profile)
}

/// Faults of single hosts, those that are the same folded into one.
#[derive(Debug, Default)]
pub struct HostFaults {
    hosts: BTreeMap<Diagnostic, Vec<HostName>>,
}

impl HostFaults {
    fn add(&mut self, fault: Diagnostic, host: &HostName) {
        self.hosts.entry(fault).or_default().push(host.clone());
    }

    /// Takes over what another thread found.
    pub fn append(&mut self, other: HostFaults) {
        for (fault, hosts) in other.hosts {
            self.hosts.entry(fault).or_default().extend(hosts);
        }
    }

    /// Whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.hosts.keys().any(|fault| fault.severity == Severity::Error)
    }

    /// As diagnostics that name the first host and count the others.
    pub fn report(self, diagnostics: &mut Diagnostics) {
        for (mut fault, mut hosts) in self.hosts {
            hosts.sort();
            hosts.dedup();
            let Some(first) = hosts.first() else { continue };
            let others = match hosts.len() - 1 {
                0 => String::new(),
                1 => " and 1 other host".to_owned(),
                count => format!(" and {count} other hosts"),
            };
            fault.message = format!("{}, for `{first}`{others}", fault.message);
            diagnostics.push(fault);
        }
    }
}

impl Generation {
    /// The variant of a host.
    pub fn variant(&self, host: &HostName) -> Option<&Variant> {
        self.variants.get(*self.variant_of.get(host)?)
    }

    /// Appends a host's kickstart to `out`, and gives whether it is whole. Where it is not, `faults` says why, and
    /// nothing of `out` is to be used.
    pub fn emit(&self, host: &Host, out: &mut Vec<u8>, faults: &mut HostFaults) -> bool {
        let Some(variant) = self.variant(&host.name) else { return false };
        let attributes = self.inventory.attributes(host);
        self.emit_for(variant, host, &attributes, out, faults)
    }

    fn emit_for(
        &self,
        variant: &Variant,
        host: &Host,
        attributes: &Attributes,
        out: &mut Vec<u8>,
        faults: &mut HostFaults,
    ) -> bool {
        let Some(values) = self.values(variant, host, attributes, faults) else { return false };
        let start = out.len();
        if !self.fill(&variant.prepared, &values, (host, attributes), out, faults) {
            return false;
        }
        // Most values cannot end anything, and are seen not to at a glance.
        let suspicious =
            variant.prepared.has_templates() || values.iter().any(|value| variant.kickstart.must_be_checked(value));
        !suspicious || self.recheck(variant, (host, attributes), &values, start, out, faults)
    }

    /// The values of a variant's slots for a host; reports what has none and what has a line end where it may not.
    fn values<'a>(
        &'a self,
        variant: &Variant,
        host: &Host,
        attributes: &'a Attributes,
        faults: &mut HostFaults,
    ) -> Option<Vec<&'a str>> {
        let mut good = true;
        let mut values = Vec::with_capacity(variant.prepared.slots.len());
        for slot in &variant.prepared.slots {
            let value = attributes.get(slot.name.as_str());
            let text = value.and_then(|value| self.secrets.reveal(value));
            if text.is_none() {
                let fault = match value {
                    None => undefined(&slot.name, slot.span, attributes, self.inventory.language),
                    Some(value) => unknown_secret(&slot.name, value.shown(), slot.span),
                };
                good &= fault.severity != Severity::Error;
                faults.add(fault, &host.name);
            }
            values.push(text.unwrap_or_default());
        }
        for (name, span) in &variant.kickstart.on_one_line {
            let value = attributes.get(name.as_str()).and_then(|value| self.secrets.reveal(value));
            if value.is_some_and(|value| value.contains(['\n', '\r'])) {
                let fault = Diagnostic::error(
                    *span,
                    format!("the value of `{name}` has more than one line, but stands in a line of the kickstart"),
                );
                faults.add(fault, &host.name);
                good = false;
            }
        }
        good.then_some(values)
    }

    fn fill(
        &self,
        prepared: &Prepared,
        values: &[&str],
        (host, attributes): (&Host, &Attributes),
        out: &mut Vec<u8>,
        faults: &mut HostFaults,
    ) -> bool {
        let render = |template: &TemplateText| {
            let rendered = self.templates.render(template, Some(host), attributes);
            rendered.map_err(|error| template_fault(template, &error))
        };
        match prepared.fill(values, render, out) {
            Ok(()) => true,
            Err(fault) => {
                faults.add(fault, &host.name);
                false
            }
        }
    }

    /// Looks at the finished text of a host with an unusual value: a here-document gets another delimiter, a
    /// section that would end early is an error.
    fn recheck(
        &self,
        variant: &Variant,
        (host, attributes): (&Host, &Attributes),
        values: &[&str],
        start: usize,
        out: &mut Vec<u8>,
        faults: &mut HostFaults,
    ) -> bool {
        let mut broken = variant.kickstart.broken(&String::from_utf8_lossy(&out[start..]));
        let mut attempt = variant.kickstart.delimiters.0;
        while broken == Some(Break::HereDocument) && attempt < 1000 {
            attempt += 100;
            let again = kickstart(&variant.profile, &self.id, &self.sources, attempt);
            out.truncate(start);
            if !self.fill(&Prepared::new(&again.text), values, (host, attributes), out, faults) {
                return false;
            }
            broken = again.broken(&String::from_utf8_lossy(&out[start..]));
        }
        if broken.is_some() {
            let slots = variant.prepared.slots.iter().zip(values);
            let slot = slots.clone().find(|(_, value)| value.contains('%')).or_else(|| slots.clone().next());
            let (name, span) = slot.map_or((None, host.span), |(slot, _)| (Some(&slot.name), slot.span));
            let name = name.map(|name| format!("the value of `{name}`")).unwrap_or_else(|| "a template".to_owned());
            let fault = Diagnostic::error(span, format!("{name} would end a section of the kickstart early"));
            faults
                .add(fault.hint("no line of it may start with `%end`, `%post` or another section's name"), &host.name);
        }
        broken.is_none()
    }
}

fn unknown_secret(name: &AttributeName, shown: &str, span: Span) -> Diagnostic {
    let secret = shown.trim_start_matches("(secret ").trim_end_matches(')');
    Diagnostic::error(span, format!("the attribute `{name}` is the secret `{secret}`, which nobody gave")).hint(
        format!(
            "write it into secrets/{secret} beside the inventory, or set KGEN_SECRET_{}",
            secret.to_uppercase().replace('-', "_")
        ),
    )
}
