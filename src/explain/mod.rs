//! Where something comes from: a line, a package, an attribute, a module of one host.
//!
//! Everything is read off the generation: texts know their origins, resolutions the edges that admitted a
//! module, attributes the place that set them. Secrets are shown by name.

pub mod text;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::attribute::{Attributes, Entry, Scope};
use crate::cohort::Variant;
use crate::compile::answers;
use crate::generation::Generation;
use crate::graph::{EdgeId, Graph};
use crate::inventory::Host;
use crate::name::{AttributeName, ModuleName};
use crate::source::{Location, Span};
use crate::text::{Origin, Segment, Text};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Path.
    pub file: String,
    /// From 1.
    pub line: usize,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { file: location.path, line: location.line }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}:{}", self.file, self.line))
    }
}

/// One edge of a chain.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Who inherits.
    pub from: String,
    /// What.
    pub to: String,
    /// Under which condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Whether it holds for the host; none where it has no answer.
    pub holds: Option<bool>,
    /// The values that the condition reads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<SetAttribute>,
    /// Where the edge is declared.
    #[serde(flatten)]
    pub place: Place,
}

/// An attribute with the place that set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAttribute {
    /// Its name.
    pub name: String,
    /// Its value; none where the host lacks it.
    pub value: Option<String>,
    /// Where it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The place; intrinsic values have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A module of a host.
#[derive(Clone, Debug, Serialize)]
pub struct UsedBy {
    /// Its name.
    pub module: String,
    /// Its roll.
    pub roll: String,
    /// The edges that brought it in.
    pub chain: Vec<Step>,
}

/// One line of a kickstart.
#[derive(Clone, Debug, Serialize)]
pub struct LineOrigin {
    /// From 1.
    pub line: usize,
    /// Its text, secrets by name.
    pub text: String,
    /// What caused it.
    #[serde(flatten)]
    pub cause: Cause,
}

/// What caused a line.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cause {
    /// The element, or the entry of the inventory; none for kgen's own lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Place>,
    /// The module, and how it came in.
    #[serde(flatten)]
    pub used: Option<UsedBy>,
    /// The attributes that filled it.
    pub attributes: Vec<SetAttribute>,
}

/// A package of a host.
#[derive(Clone, Debug, Serialize)]
pub struct PackageOrigin {
    /// Its name.
    pub package: String,
    /// Whether it is installed; else it is listed as not to be.
    pub on: bool,
    /// The elements that want it.
    pub wanted: Vec<(Place, UsedBy)>,
    /// The elements that want it off.
    pub unwanted: Vec<(Place, UsedBy)>,
}

/// A module, whether the host has it or not.
#[derive(Clone, Debug, Serialize)]
pub struct ModuleOrigin {
    /// Its name.
    pub module: String,
    /// The edges that brought it in; none where the host does not have it.
    pub chain: Option<Vec<Step>>,
    /// Its files.
    pub files: Vec<String>,
    /// The files that those stand instead of.
    pub instead_of: Vec<String>,
    /// Every edge to it, with the answer of its condition and whether its child is among the host's modules.
    pub edges: Vec<(Step, bool)>,
}

/// Answers questions about one host.
pub struct Explainer<'g> {
    generation: &'g Generation,
    variant: &'g Variant,
    host: &'g Host,
    graph: &'g Graph,
    attributes: Attributes,
}

impl<'g> Explainer<'g> {
    /// For a host that was compiled.
    pub fn new(generation: &'g Generation, host: &'g Host) -> Option<Self> {
        let variant = generation.variant(host)?;
        let graph = generation.description.graphs.get(&variant.graph)?;
        Some(Self { generation, variant, host, graph, attributes: generation.inventory.attributes(host) })
    }

    /// The modules of the host, in order, each with its chain.
    pub fn modules(&self) -> Vec<UsedBy> {
        self.variant.profile.modules.iter().filter_map(|module| self.used(&module.name)).collect()
    }

    /// Every line of the host's kickstart.
    pub fn lines(&self) -> Vec<LineOrigin> {
        let render = |segment: &Segment| match segment {
            Segment::Literal { text, .. } => text.to_string(),
            Segment::LineEnd => String::new(),
            Segment::Attribute { name, .. } => self.attributes.shown(name.as_str()).unwrap_or_default().to_owned(),
            Segment::Template(template) => {
                let shown = self.generation.shown(template, self.host, &self.attributes);
                shown.map(|text| text.to_string()).unwrap_or_default()
            }
        };
        let lines = split(&self.variant.kickstart.text, render);
        let line = |(index, line): (usize, RawLine)| {
            let cause = self.cause_of(&line);
            LineOrigin { line: index + 1, text: line.text, cause }
        };
        lines.into_iter().enumerate().map(line).collect()
    }

    /// The place that caused a line of the kickstart, from 1; `None` for kgen's own lines.
    pub fn cause(&self, line: usize) -> Option<Span> {
        let shown = |segment: &Segment| match segment {
            Segment::Attribute { name, .. } => self.attributes.shown(name.as_str()).unwrap_or_default().to_owned(),
            Segment::Literal { text, .. } => text.to_string(),
            Segment::LineEnd | Segment::Template(_) => String::new(),
        };
        split(&self.variant.kickstart.text, shown).into_iter().nth(line.checked_sub(1)?)?.origin.map(|(span, _)| span)
    }

    /// What caused a line of this host.
    pub fn cause_of(&self, line: &RawLine) -> Cause {
        let place = line.origin.map(|(span, below)| {
            let start = self.generation.sources.location(span);
            (span, Place { file: start.path, line: start.line + below })
        });
        let module = place.as_ref().and_then(|(span, _)| self.module_of(*span));
        Cause {
            source: place.map(|(_, place)| place),
            used: module.and_then(|module| self.used(&module)),
            attributes: line.attributes.iter().map(|name| self.set(name)).collect(),
        }
    }

    /// The module among the host's whose files hold a place.
    fn module_of(&self, span: Span) -> Option<ModuleName> {
        let modules = self.variant.profile.modules.iter();
        let mut known = modules.filter_map(|used| self.generation.description.modules.get(&used.name));
        let holds = |module: &&crate::description::Module| {
            module.files.contains(&span.file) || module.included.contains(&span.file)
        };
        known.find(holds).map(|module| module.name.clone())
    }

    /// A package, if any module of the host names it.
    pub fn package(&self, name: &str) -> Option<PackageOrigin> {
        let package = self.variant.profile.packages.get(name)?;
        let requests = |requests: &[crate::profile::Request]| {
            let origin = |request: &crate::profile::Request| {
                let module = &self.variant.profile.modules[request.module];
                Some((self.place(request.span), self.used(&module.name)?))
            };
            requests.iter().filter_map(origin).collect()
        };
        Some(PackageOrigin {
            package: name.to_owned(),
            on: package.is_on(),
            wanted: requests(&package.wanted),
            unwanted: requests(&package.unwanted),
        })
    }

    /// Every value that was set for an attribute, the one in force first.
    pub fn attribute(&self, name: &str) -> Vec<SetAttribute> {
        self.attributes.entries(name).map(|(scope, entry)| self.entry(name, scope, entry)).collect()
    }

    /// A module and all edges to it.
    pub fn module(&self, name: &ModuleName) -> ModuleOrigin {
        let own: BTreeSet<_> = self.variant.profile.modules.iter().map(|module| &module.name).collect();
        let edges =
            self.graph.edges_to(name).into_iter().map(|edge| (self.step(edge), own.contains(self.graph.ends(edge).0)));
        let description = &self.generation.description;
        let files: Vec<String> = description.modules.get(name).map_or_else(Vec::new, |module| {
            module.files.iter().map(|file| self.generation.sources.file(*file).path.clone()).collect()
        });
        let lost = description.overridden.iter().filter(|(_, winner)| files.contains(winner));
        let instead_of = lost.map(|(path, _)| path.clone()).collect();
        ModuleOrigin { module: name.to_string(), chain: self.chain(name), files, instead_of, edges: edges.collect() }
    }

    fn used(&self, module: &ModuleName) -> Option<UsedBy> {
        let roll = self.variant.profile.modules.iter().find(|used| used.name == *module)?.roll.to_string();
        Some(UsedBy { module: module.to_string(), roll, chain: self.chain(module)? })
    }

    fn chain(&self, module: &ModuleName) -> Option<Vec<Step>> {
        let chain = self.variant.resolution.chain(self.graph, module.as_str())?;
        Some(chain.into_iter().map(|edge| self.step(edge)).collect())
    }

    fn step(&self, id: EdgeId) -> Step {
        let edge = self.graph.edge(id);
        let (from, to) = self.graph.ends(id);
        let conditions = &self.generation.description.conditions;
        let condition = edge.condition.map(|id| conditions.get(id));
        let holds = match condition {
            None => Some(true),
            Some(condition) => condition.holds(&|name| self.attributes.shown(name)).ok(),
        };
        let values = condition.map(|condition| condition.attributes().iter().map(|name| self.set(name)).collect());
        Step {
            from: from.to_string(),
            to: to.to_string(),
            condition: condition.map(ToString::to_string),
            holds,
            values: values.unwrap_or_default(),
            // Where several edges share an element, the child that states this one.
            place: self.place(edge.from_span.max(edge.to_span)),
        }
    }

    fn set(&self, name: &AttributeName) -> SetAttribute {
        match self.attributes.entry(name.as_str()) {
            Some((scope, entry)) => self.entry(name.as_str(), scope, entry),
            None => SetAttribute { name: name.to_string(), value: None, scope: None, place: None },
        }
    }

    fn entry(&self, name: &str, scope: Scope, entry: &Entry) -> SetAttribute {
        SetAttribute {
            name: name.to_owned(),
            value: Some(entry.value.shown().to_owned()),
            scope: Some(scope),
            place: entry.span.map(|span| self.place(span)),
        }
    }

    fn place(&self, span: Span) -> Place {
        self.generation.sources.location(span).into()
    }
}

/// The modules that a host has, for a picture; `None` for a host that was not compiled.
pub fn modules_of(generation: &Generation, host: &Host) -> Option<BTreeSet<ModuleName>> {
    let variant = generation.variant(host)?;
    Some(variant.resolution.modules.iter().map(|resolved| resolved.name.clone()).collect())
}

/// The edges whose conditions hold for a host.
pub fn edges_of(generation: &Generation, host: &Host, graph: &Graph) -> BTreeSet<EdgeId> {
    let answers = answers(&generation.description.conditions, &generation.inventory.attributes(host));
    graph.edges().filter(|edge| answers.holds(graph.edge(*edge).condition)).collect()
}

/// A line of output before its origin is looked up.
#[derive(Default)]
pub struct RawLine {
    /// Without its end.
    pub text: String,
    /// A place, and how many lines below its start.
    origin: Option<(Span, usize)>,
    attributes: Vec<AttributeName>,
}

/// Splits a text into lines, each with the origin of its first piece that has one.
pub fn split(text: &Text, render: impl Fn(&Segment) -> String) -> Vec<RawLine> {
    let mut lines = vec![RawLine::default()];
    for segment in &text.segments {
        if matches!(segment, Segment::LineEnd) {
            if lines.last().is_some_and(|line| !line.text.is_empty()) {
                lines.push(RawLine::default());
            }
            continue;
        }
        let (origin, counts) = match segment {
            Segment::Literal { origin, .. } => (origin.span(), matches!(origin, Origin::Verbatim(_))),
            Segment::Attribute { span, .. } => (Some(*span), false),
            Segment::Template(template) => (Some(template.span), false),
            Segment::LineEnd => (None, false),
        };
        for (below, piece) in render(segment).split('\n').enumerate() {
            if below > 0 {
                lines.push(RawLine::default());
            }
            let Some(line) = lines.last_mut() else { continue };
            line.text.push_str(piece);
            let says = !piece.is_empty() || matches!(segment, Segment::Attribute { .. });
            if says && line.origin.is_none() {
                line.origin = origin.map(|span| (span, if counts { below } else { 0 }));
            }
            if let Segment::Attribute { name, .. } = segment
                && !line.attributes.contains(name)
            {
                line.attributes.push(name.clone());
            }
        }
    }
    if lines.last().is_some_and(|line| line.text.is_empty()) {
        lines.pop();
    }
    lines
}
