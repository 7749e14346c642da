//! Which file is which module and which graph, LANGUAGE section 1; each that counts is parsed once.

use std::collections::{BTreeMap, BTreeSet};

use crate::description::module::{Module, summarize};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::Graph;
use crate::name::{GraphName, ModuleName, RollName, nearest, slip_of};
use crate::source::{FileId, SourceTree, Sources, Span};
use crate::syntax::element::Context;
use crate::syntax::encoding::decode;
use crate::syntax::graph;
use crate::syntax::module::ModuleReader;
use crate::syntax::xml::parse::parse_document;

/// The roll of files that stand in none, LANGUAGE section 2.
const BASE_ROLL: &str = "base";

pub(super) fn report_refused(tree: &SourceTree, sources: &mut Sources, diagnostics: &mut Diagnostics) {
    for (path, refusal) in &tree.refused {
        let file = sources.add(path.clone(), String::new());
        diagnostics.push(
            Diagnostic::error(Span::new(file, 0, 0), refusal.to_string())
                .hint("a description holds all its files itself"),
        );
    }
}

pub(super) fn chosen_rolls(
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

/// A folder that holds `nodes`, `graphs` and so on, ending in `/`, and the roll that it is of.
type Place = (String, Option<RollName>);

/// The places of a description: the top, then those of its rolls.
pub(super) fn places(tree: &SourceTree, rolls: &[RollName]) -> Vec<Place> {
    let of_roll = |roll: &RollName| {
        let roll = roll.clone();
        folders_of(tree, &roll).into_iter().map(move |folder| (folder, Some(roll.clone())))
    };
    std::iter::once((String::new(), None)).chain(rolls.iter().flat_map(of_roll)).collect()
}

/// Where the modules and graphs of a roll stand: in it, or further down, as on a disc (`ROLL/VERSION/ARCH/nodes`).
fn folders_of(tree: &SourceTree, roll: &RollName) -> BTreeSet<String> {
    let top = format!("rolls/{roll}/");
    let inside = tree.files.range(top.clone()..).map(|(path, _)| path).take_while(|path| path.starts_with(&top));
    let before = |path: &String| {
        let around = format!("/{}", &path[top.len()..]);
        let found = ["/nodes/", "/graphs/", "/site-nodes/"].iter().filter_map(|folder| around.find(folder)).min()?;
        Some(path[..top.len() + found].to_owned())
    };
    let folders: BTreeSet<String> = inside.filter_map(before).collect();
    if folders.is_empty() || folders.contains(&top) { BTreeSet::from([top]) } else { folders }
}

pub(super) struct Loader<'l, 'a> {
    pub(super) tree: &'l SourceTree,
    pub(super) places: Vec<Place>,
    pub(super) context: Context<'a>,
    /// Path that lost, path that won.
    pub(super) overridden: Vec<(String, String)>,
}

impl Loader<'_, '_> {
    /// The XML files directly in a folder: path and name without `.xml`.
    fn files_in(&self, folder: &str) -> Vec<(String, String)> {
        let after = self.tree.files.range(folder.to_owned()..).map(|(path, _)| path);
        let inside = after.take_while(|path| path.starts_with(folder));
        let named = |path: &String| Some((path.clone(), path[folder.len()..].strip_suffix(".xml")?.to_owned()));
        inside.filter_map(named).filter(|(_, name)| !name.contains('/')).collect()
    }

    pub(super) fn modules(&mut self) -> BTreeMap<ModuleName, Module> {
        let files = self.module_files();
        let names: Vec<String> = files.keys().cloned().collect();
        let mut modules = BTreeMap::new();
        for (name, files) in files {
            if files.plain.is_none() && files.site.is_none() && files.replacement.is_none() {
                self.report_lonely_extension(&name, &files, &names);
                continue;
            }
            if files.plain.is_none() && files.site.is_none() {
                self.report_lonely_replacement(&name, &files, &names);
            }
            if let Some(module) = self.module(&name, files) {
                modules.insert(module.name.clone(), module);
            }
        }
        modules
    }

    fn module_files(&mut self) -> BTreeMap<String, ModuleFiles> {
        let mut found: BTreeMap<String, ModuleFiles> = BTreeMap::new();
        for (prefix, roll) in self.places.clone() {
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
        for (prefix, roll) in self.places.clone() {
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

    /// A replacement of nothing is a module of its own; where the name is a slip, something else was meant.
    fn report_lonely_replacement(&mut self, name: &str, files: &ModuleFiles, names: &[String]) {
        let Some((path, _)) = &files.replacement else { return };
        let file = self.context.sources.add(path.clone(), String::new());
        let message = format!("the file replaces the module `{name}`, but there is none: it is a module of its own");
        let others = names.iter().map(String::as_str).filter(|other| *other != name);
        let found = match slip_of(name, others) {
            Some(near) => {
                Diagnostic::warning(Span::new(file, 0, 0), message).hint(format!("did you mean `replace-{near}.xml`?"))
            }
            None => Diagnostic::note(Span::new(file, 0, 0), message),
        };
        self.context.diagnostics.push(found);
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
        let mut folders = self.places.clone();
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

    pub(super) fn graphs(&mut self) -> BTreeMap<GraphName, Graph> {
        // By graph and file name: a later roll's file of the same name counts instead.
        let mut chosen: BTreeMap<(GraphName, String), (String, Option<RollName>)> = BTreeMap::new();
        for (prefix, roll) in self.places.clone() {
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
    pub(super) fn report_misplaced(&mut self) {
        let paths: Vec<String> =
            self.tree.files.keys().filter(|path| path.to_lowercase().ends_with(".xml")).cloned().collect();
        for path in paths {
            let folders = self.places.iter().filter_map(|(folder, _)| path.strip_prefix(folder.as_str()));
            let inside = folders.min_by_key(|inside| inside.len()).unwrap_or(&path);
            let parts: Vec<&str> = inside.split('/').collect();
            // A disc has other files too, beside the folders of the description.
            let is_beside = path.starts_with("rolls/") && *inside == *path;
            if is_beside {
                continue;
            }
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

    pub(super) fn report_overridden(mut self) -> Vec<(String, String)> {
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
