//! All rolls and site overrides of one revision, ready to compile.
//!
//! [`load`] decides which file is which module (LANGUAGE section 1), parses each once, and joins the graphs.
//! Before it: [`crate::source`], [`crate::syntax`]; after it: [`crate::resolve`] and [`crate::expand`].

mod loader;
mod module;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::condition::{ConditionId, Conditions};
use crate::description::loader::{Loader, chosen_rolls, places, report_refused};
pub use crate::description::module::Module;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::Graph;
use crate::name::{GraphName, ModuleName, RollName, nearest, slip_of};
use crate::source::{SourceTree, Sources, Span};
use crate::syntax::Language;
use crate::syntax::element::Context;
use crate::syntax::module::{Content, ItemKind, PieceKind};

/// All modules and graphs of one revision.
#[derive(Debug)]
pub struct Description {
    /// By name.
    pub modules: BTreeMap<ModuleName, Module>,
    /// By name; `default` unless a host's attribute `graph` says otherwise.
    pub graphs: BTreeMap<GraphName, Graph>,
    /// Every condition of edges and elements.
    pub conditions: Conditions,
    /// The rolls in the order in which they count; the tree at the top has no name of its own here.
    pub rolls: Vec<RollName>,
    /// Files that do not count, each with the file that counts instead.
    pub overridden: Vec<(String, String)>,
    /// SHA-256 over all paths and contents.
    pub digest: [u8; 32],
}

impl Description {
    /// Where each condition stands first.
    pub fn condition_places(&self) -> BTreeMap<ConditionId, Span> {
        let mut places = BTreeMap::new();
        for graph in self.graphs.values() {
            for edge in graph.edges().map(|id| graph.edge(id)) {
                if let Some(id) = edge.condition {
                    places.entry(id).or_insert(edge.from_span.max(edge.to_span));
                }
            }
        }
        for item in self.modules.values().flat_map(|module| &module.items) {
            if let Some(id) = item.condition {
                places.entry(id).or_insert(item.span);
            }
            if let ItemKind::Script { content, .. } = &item.kind {
                file_conditions(content, &mut places);
            }
        }
        places
    }
}

/// Where the conditions of files in a script stand.
fn file_conditions(content: &Content, places: &mut BTreeMap<ConditionId, Span>) {
    for piece in content {
        if let PieceKind::File(file) = &piece.kind {
            if let Some(id) = piece.condition {
                places.entry(id).or_insert(file.span);
            }
            file_conditions(&file.content, places);
        }
    }
}

/// Reads a whole tree. `rolls` is the inventory's list; `None` takes all rolls in name order.
///
/// Reports every fault of every file; what is left is usable for finding more.
pub fn load(
    tree: &SourceTree,
    rolls: Option<&[(RollName, Span)]>,
    language: Language,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Description {
    report_refused(tree, sources, diagnostics);
    let rolls = chosen_rolls(tree, rolls, sources, diagnostics);
    let mut conditions = Conditions::default();
    let mut loader = Loader {
        tree,
        places: places(tree, &rolls),
        context: Context { sources, conditions: &mut conditions, diagnostics, language },
        overridden: Vec::new(),
    };
    let modules = loader.modules();
    let graphs = loader.graphs();
    loader.report_misplaced();
    let overridden = loader.report_overridden();
    let description = Description { modules, graphs, conditions, rolls, overridden, digest: digest(tree) };
    check_edges(&description, sources, diagnostics);
    description
}

/// The content hash of a tree: every path and every byte.
fn digest(tree: &SourceTree) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (path, content) in &tree.files {
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path);
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    hash.finalize().into()
}

/// Edges to modules that exist nowhere, and inheritance cycles.
fn check_edges(description: &Description, sources: &Sources, diagnostics: &mut Diagnostics) {
    for graph in description.graphs.values() {
        for id in graph.edges() {
            let (from, to) = graph.ends(id);
            let edge = graph.edge(id);
            for (end, span) in [(from, edge.from_span), (to, edge.to_span)] {
                if !description.modules.contains_key(end) {
                    diagnostics.push(missing_module(description, sources, (from, to), end, span));
                }
            }
        }
        for (module, span) in graph.ordered_modules().filter(|(module, _)| !description.modules.contains_key(*module)) {
            let message = format!("an order names the module `{module}`, but there is none");
            let found = match slip_of(module.as_str(), description.modules.keys().map(ModuleName::as_str)) {
                Some(near) => Diagnostic::warning(span, message).hint(format!("did you mean `{near}`?")),
                None => Diagnostic::note(span, message),
            };
            diagnostics.push(found);
        }
        for cycle in graph.cycles() {
            let mut names: Vec<_> = cycle.iter().map(|id| format!("`{}`", graph.ends(*id).0)).collect();
            names.extend(names.first().cloned());
            let Some(first) = cycle.first() else { continue };
            let drawn = names.join(" -> ");
            let note =
                Diagnostic::note(graph.edge(*first).span, format!("modules inherit each other in a circle: {drawn}"));
            diagnostics.push(note.hint("this does no harm; each module is taken once"));
        }
    }
}

fn missing_module(
    description: &Description,
    sources: &Sources,
    (from, to): (&ModuleName, &ModuleName),
    missing: &ModuleName,
    span: Span,
) -> Diagnostic {
    let fault = Diagnostic::error(span, format!("edge from `{from}` to `{to}`, but there is no module `{missing}`"));
    let near = nearest(missing.as_str(), description.modules.keys().map(ModuleName::as_str));
    let file = |module: &Module| module.files.first().map(|file| sources.file(*file).path.clone());
    match near.and_then(|name| Some((name, file(description.modules.get(name)?)?))) {
        Some((name, path)) => fault.hint(format!("did you mean `{name}` ({path})?")),
        None => fault.hint(format!("write nodes/{missing}.xml, or take the edge out")),
    }
}
