//! All rolls and site overrides of one revision, ready to compile.
//!
//! [`load`] decides which file is which module (LANGUAGE section 1), parses each once, and joins the graphs.
//! Before it: [`crate::source`], [`crate::syntax`]; after it: [`crate::resolve`] and [`crate::expand`].

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::condition::{ConditionId, Conditions};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::Graph;
use crate::name::{AttributeName, GraphName, ModuleName, RollName, nearest, slip_of};
use crate::source::{FileId, MAX_FILE_BYTES, Refusal, SourceTree, Sources, Span};
use crate::syntax::element::Context;
use crate::syntax::module::{Content, Item, ItemKind, ModuleReader, PieceKind, VarAction};
use crate::syntax::xml::{decode, parse_document};
use crate::syntax::{Language, graph, module};
use crate::text::{Segment, TemplateText, Text};

/// The roll of files that stand in none, LANGUAGE section 2.
const BASE_ROLL: &str = "base";

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

/// One module: a file, and what extends it.
#[derive(Debug)]
pub struct Module {
    /// Its name.
    pub name: ModuleName,
    /// The roll that it belongs to.
    pub roll: RollName,
    /// Whether it is part of its roll's face.
    pub interface: bool,
    /// What it is for, in its author's words; may be empty.
    pub description: String,
    /// The file, then what extends it. Never empty.
    pub files: Vec<FileId>,
    /// The files that those include.
    pub included: Vec<FileId>,
    /// What it asks for, in order.
    pub items: Vec<Item>,
    /// Every condition in it.
    pub conditions: BTreeSet<ConditionId>,
    /// The attributes on whose values the *structure* of a profile depends, because they stand in a package's name.
    pub structural: BTreeSet<AttributeName>,
    /// Whether it has an `<eval>`.
    pub evaluates: bool,
    /// Its templates.
    pub templates: Vec<std::sync::Arc<TemplateText>>,
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
        rolls: &rolls,
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

fn report_refused(tree: &SourceTree, sources: &mut Sources, diagnostics: &mut Diagnostics) {
    for (path, refusal) in &tree.refused {
        let file = sources.add(path.clone(), String::new());
        let message = match refusal {
            Refusal::LinkOutside => "the symbolic link leads out of the description".to_owned(),
            Refusal::BrokenLink => "the symbolic link leads nowhere, or to itself".to_owned(),
            Refusal::TooLarge => format!("the file is larger than {MAX_FILE_BYTES} bytes"),
            Refusal::TreeTooLarge => format!(
                "the files of this description are larger than {} bytes together",
                crate::source::MAX_TREE_BYTES
            ),
        };
        diagnostics
            .push(Diagnostic::error(Span::new(file, 0, 0), message).hint("a description holds all its files itself"));
    }
}

fn chosen_rolls(
    tree: &SourceTree,
    list: Option<&[(RollName, Span)]>,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Vec<RollName> {
    let in_tree: BTreeSet<&str> = tree
        .files
        .keys()
        .filter_map(|path| path.strip_prefix("rolls/")?.split_once('/'))
        .map(|(roll, _)| roll)
        .collect();
    for name in in_tree.iter().filter(|name| RollName::new(name).is_none()) {
        let file = sources.add(format!("rolls/{name}"), String::new());
        diagnostics.push(Diagnostic::error(
            Span::new(file, 0, 0),
            format!("`{name}` cannot be a roll name, so nothing in it is read"),
        ));
    }
    let Some(list) = list else {
        return in_tree.into_iter().filter_map(RollName::new).collect();
    };
    let mut chosen = Vec::new();
    for (roll, span) in list {
        if in_tree.contains(roll.as_str()) {
            chosen.push(roll.clone());
        } else {
            let hint = nearest(roll.as_str(), in_tree.iter().copied()).map(|name| format!("did you mean `{name}`?"));
            let fault =
                Diagnostic::error(*span, format!("there is no roll `{roll}`: the description has no `rolls/{roll}`"));
            diagnostics.push(fault.maybe_hint(hint));
        }
    }
    chosen
}

/// The files that make one module: paths with the roll that each stands in.
#[derive(Default)]
struct ModuleFiles {
    plain: Option<(String, Option<RollName>)>,
    site: Option<(String, Option<RollName>)>,
    replacement: Option<(String, Option<RollName>)>,
    extension: Option<(String, Option<RollName>)>,
}

struct Loader<'l, 'a> {
    tree: &'l SourceTree,
    rolls: &'l [RollName],
    context: Context<'a>,
    /// Path that lost, path that won.
    overridden: Vec<(String, String)>,
}

impl Loader<'_, '_> {
    /// The trees of this description: the one at the top, then the rolls.
    fn trees(&self) -> Vec<(String, Option<RollName>)> {
        let rolls = self.rolls.iter().map(|roll| (format!("rolls/{roll}/"), Some(roll.clone())));
        std::iter::once((String::new(), None)).chain(rolls).collect()
    }

    /// The XML files directly in a folder: path and name without `.xml`.
    fn files_in(&self, folder: &str) -> Vec<(String, String)> {
        let after = self.tree.files.range(folder.to_owned()..).map(|(path, _)| path);
        let inside = after.take_while(|path| path.starts_with(folder));
        let named = |path: &String| Some((path.clone(), path[folder.len()..].strip_suffix(".xml")?.to_owned()));
        inside.filter_map(named).filter(|(_, name)| !name.contains('/')).collect()
    }

    fn modules(&mut self) -> BTreeMap<ModuleName, Module> {
        let files = self.module_files();
        let names: Vec<String> = files.keys().cloned().collect();
        let mut modules = BTreeMap::new();
        for (name, files) in files {
            if files.plain.is_none() && files.site.is_none() && files.replacement.is_none() {
                self.report_lonely_extension(&name, &files, &names);
            } else if let Some(module) = self.module(&name, files) {
                modules.insert(module.name.clone(), module);
            }
        }
        modules
    }

    fn module_files(&mut self) -> BTreeMap<String, ModuleFiles> {
        let mut found: BTreeMap<String, ModuleFiles> = BTreeMap::new();
        for (prefix, roll) in self.trees() {
            for (path, stem) in self.files_in(&format!("{prefix}nodes/")) {
                if let Some(name) = stem.strip_prefix("extend-") {
                    found.entry(name.to_owned()).or_default().extension = Some((path, roll.clone()));
                } else if let Some(name) = stem.strip_prefix("replace-") {
                    found.entry(name.to_owned()).or_default().replacement = Some((path, roll.clone()));
                } else {
                    let entry = found.entry(stem).or_default();
                    if let Some((earlier, _)) = entry.plain.replace((path.clone(), roll.clone())) {
                        self.overridden.push((earlier, path));
                    }
                }
            }
        }
        for (prefix, roll) in self.trees() {
            for (path, stem) in self.files_in(&format!("{prefix}site-nodes/")) {
                self.site_file(&mut found, path, &stem, roll.clone());
            }
        }
        found
    }

    /// A file of `site-nodes/`. Where `nodes/` has one of the same name and kind, that one counts.
    fn site_file(
        &mut self,
        found: &mut BTreeMap<String, ModuleFiles>,
        path: String,
        stem: &str,
        roll: Option<RollName>,
    ) {
        let extension = stem.strip_prefix("extend-");
        let replacement = stem.strip_prefix("replace-");
        let entry = found.entry(extension.or(replacement).unwrap_or(stem).to_owned()).or_default();
        let place = if extension.is_some() {
            &mut entry.extension
        } else if replacement.is_some() {
            &mut entry.replacement
        } else {
            if let Some((winner, _)) = &entry.plain {
                self.overridden.push((path, winner.clone()));
                return;
            }
            &mut entry.site
        };
        match place {
            Some((winner, _)) => self.overridden.push((path, winner.clone())),
            None => *place = Some((path, roll)),
        }
    }

    fn report_lonely_extension(&mut self, name: &str, files: &ModuleFiles, names: &[String]) {
        let Some((path, _)) = &files.extension else { return };
        let file = self.context.sources.add(path.clone(), String::new());
        let others = names.iter().map(String::as_str).filter(|other| *other != name);
        let hint = nearest(name, others).map(|near| format!("did you mean `extend-{near}.xml`?"));
        let fault = Diagnostic::error(
            Span::new(file, 0, 0),
            format!("the file extends the module `{name}`, but there is none"),
        );
        self.context.diagnostics.push(fault.maybe_hint(hint));
    }

    fn module(&mut self, name: &str, files: ModuleFiles) -> Option<Module> {
        let ModuleFiles { plain, site, replacement, extension } = files;
        let original = plain.or(site);
        let mut chosen = Vec::new();
        match (replacement, original) {
            (Some(replacement), original) => {
                self.overridden.extend(original.map(|(path, _)| (path, replacement.0.clone())));
                self.overridden.extend(extension.map(|(path, _)| (path, replacement.0.clone())));
                chosen.push(replacement);
            }
            (None, Some(original)) => {
                chosen.push(original);
                chosen.extend(extension);
            }
            (None, None) => return None,
        }
        let placeholder = Span::new(self.context.sources.add(chosen[0].0.clone(), String::new()), 0, 0);
        let name: ModuleName = self.context.name(name, placeholder)?;
        let mut module = Module {
            name,
            roll: default_roll(chosen[0].1.as_ref())?,
            interface: false,
            description: String::new(),
            files: Vec::new(),
            included: Vec::new(),
            items: Vec::new(),
            conditions: BTreeSet::new(),
            structural: BTreeSet::new(),
            evaluates: false,
            templates: Vec::new(),
        };
        for (path, roll) in &chosen {
            self.read_module_file(path, roll.as_ref(), &mut module);
        }
        let items = std::mem::take(&mut module.items);
        items.iter().for_each(|item| summarize(item, &mut module));
        module.items = items;
        Some(module)
    }

    fn read_module_file(&mut self, path: &str, roll: Option<&RollName>, module: &mut Module) {
        let Some(file) = self.decoded(path) else { return };
        module.files.push(file);
        let Some(root) = parse_document(file, self.context.sources, self.context.diagnostics) else { return };
        let mut folders = self.trees();
        // The roll's own includes first, then the top's, then those of other rolls, the later before the earlier.
        folders.sort_by_key(|(_, owner)| if owner.as_ref() == roll { 0 } else { 1 + usize::from(owner.is_some()) });
        let own = folders.iter().take_while(|(_, owner)| owner.as_ref() == roll || owner.is_none()).count();
        folders[own..].reverse();
        let mut reader = ModuleReader {
            context: &mut self.context,
            tree: self.tree,
            include_folders: folders.into_iter().map(|(prefix, _)| format!("{prefix}include")).collect(),
            module: module.name.to_string(),
            including: Vec::new(),
            included: Vec::new(),
        };
        let read = reader.module(&root);
        module.included.append(&mut reader.included);
        module.roll = read.roll.unwrap_or_else(|| module.roll.clone());
        module.interface |= read.interface;
        if module.description.is_empty() {
            module.description = read.description;
        }
        module.items.extend(read.items);
    }

    fn decoded(&mut self, path: &str) -> Option<FileId> {
        match decode(self.tree.files.get(path)?) {
            Ok(text) => Some(self.context.sources.add(path, text)),
            Err(reason) => {
                let file = self.context.sources.add(path, String::new());
                self.context.diagnostics.push(
                    Diagnostic::error(Span::new(file, 0, 0), reason)
                        .hint("name the encoding in the first line: <?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>"),
                );
                None
            }
        }
    }

    fn graphs(&mut self) -> BTreeMap<GraphName, Graph> {
        // By graph and file name: a later roll's file of the same name counts instead.
        let mut chosen: BTreeMap<(GraphName, String), (String, Option<RollName>)> = BTreeMap::new();
        for (prefix, roll) in self.trees() {
            let folder = format!("{prefix}graphs/");
            let folders: BTreeSet<String> = self
                .tree
                .files
                .range(folder.clone()..)
                .take_while(|(path, _)| path.starts_with(&folder))
                .filter_map(|(path, _)| Some(path[folder.len()..].split_once('/')?.0.to_owned()))
                .collect();
            for name in folders {
                let Some(graph) = GraphName::new(&name) else {
                    self.misplaced(
                        &format!("{folder}{name}"),
                        &format!("`{name}` cannot be a graph name, so the files in it are not read"),
                    );
                    continue;
                };
                for (path, stem) in self.files_in(&format!("{folder}{name}/")) {
                    if let Some((earlier, _)) = chosen.insert((graph.clone(), stem), (path.clone(), roll.clone())) {
                        self.overridden.push((earlier, path));
                    }
                }
            }
        }
        let mut graphs: BTreeMap<GraphName, Graph> = BTreeMap::new();
        for ((name, _), (path, roll)) in chosen {
            let graph = graphs.entry(name.clone()).or_insert_with(|| Graph::new(name));
            let Some(file) = self.decoded(&path) else { continue };
            let Some(root) = parse_document(file, self.context.sources, self.context.diagnostics) else { continue };
            let read = graph::graph(&root, &mut self.context);
            if let Some(roll) = read.roll.clone().or_else(|| default_roll(roll.as_ref())) {
                graph.join(read, &roll);
            }
        }
        graphs
    }

    /// Reports XML files that stand where none is read.
    fn report_misplaced(&mut self) {
        let paths: Vec<String> =
            self.tree.files.keys().filter(|path| path.to_lowercase().ends_with(".xml")).cloned().collect();
        for path in paths {
            let parts: Vec<&str> = match path.strip_prefix("rolls/") {
                Some(inside) => inside.split('/').skip(1).collect(),
                None => path.split('/').collect(),
            };
            let read = match parts.as_slice() {
                ["nodes" | "site-nodes", _] | ["graphs", _, _] => path.ends_with(".xml"),
                ["include", ..] => true,
                _ => false,
            };
            if !read {
                self.misplaced(
                    &path,
                    "the file is not read: modules stand in `nodes/NAME.xml`, graphs in `graphs/GRAPH/NAME.xml`",
                );
            }
        }
    }

    fn misplaced(&mut self, path: &str, message: &str) {
        let file = self.context.sources.add(path, String::new());
        self.context.diagnostics.push(Diagnostic::warning(Span::new(file, 0, 0), message));
    }

    fn report_overridden(mut self) -> Vec<(String, String)> {
        for (path, winner) in &self.overridden {
            let file = self.context.sources.add(path.clone(), String::new());
            let message = format!("the file is not used; `{winner}` counts instead");
            self.context.diagnostics.push(Diagnostic::note(Span::new(file, 0, 0), message));
        }
        std::mem::take(&mut self.overridden)
    }
}

fn default_roll(roll: Option<&RollName>) -> Option<RollName> {
    roll.cloned().or_else(|| RollName::new(BASE_ROLL))
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

/// Notes what a profile depends on.
fn summarize(item: &Item, module: &mut Module) {
    module.conditions.extend(item.condition);
    match &item.kind {
        ItemKind::Package { names, .. } => summarize_content(names, true, module),
        ItemKind::Command { content, .. } | ItemKind::Debug(content) | ItemKind::Native { content, .. } => {
            summarize_content(content, false, module);
        }
        ItemKind::Script { content, .. } => summarize_content(content, false, module),
        ItemKind::Var(var) => summarize_var(var, module),
        ItemKind::Eval(_) => module.evaluates = true,
    }
}

fn summarize_content(content: &Content, structural: bool, module: &mut Module) {
    for piece in content {
        module.conditions.extend(piece.condition);
        match &piece.kind {
            PieceKind::Text(text) => {
                if structural {
                    module.structural.extend(text.attributes().map(|(name, _)| name.clone()));
                }
                summarize_text(text, module);
            }
            PieceKind::File(file) => summarize_content(&file.content, structural, module),
            PieceKind::Var(var) => summarize_var(var, module),
            PieceKind::Eval(_) => module.evaluates = true,
        }
    }
}

/// A variable may be put into a package's name by any later module.
fn summarize_var(var: &module::Var, module: &mut Module) {
    if let VarAction::Set(text) = &var.action {
        module.structural.extend(text.attributes().map(|(name, _)| name.clone()));
    }
}

fn summarize_text(text: &Text, module: &mut Module) {
    let templates = text.segments.iter().filter_map(|segment| match segment {
        Segment::Template(template) => Some(std::sync::Arc::clone(template)),
        _ => None,
    });
    module.templates.extend(templates);
}
