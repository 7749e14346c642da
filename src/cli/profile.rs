//! `kgen profile`: what one host, or one module, is to become.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::attribute::Attributes;
use crate::cli::args::Profile as Arguments;
use crate::cli::args::printed::Format;
use crate::cli::session::{Failure, Session, typed_name};
use crate::compile::{self, DEFAULT_GRAPH, Input};
use crate::description::load;
use crate::diagnostic::Diagnostics;
use crate::emit::template::Templates;
use crate::eval;
use crate::expand::undefined;
use crate::generation::template_fault;
use crate::inventory::{Host, Inventory};
use crate::name::{AttributeName, GraphName, ModuleName, suggestion};
use crate::profile::{File, FileMode, Part, Profile, SectionKind, Vars};
use crate::source::{SourceTree, Sources, Span, read_file};
use crate::syntax::{EvalPolicy, Language, Strictness};
use crate::text::{Segment, Text};

/// Prints one profile.
pub fn run(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let shown = match (&arguments.module, &arguments.host) {
        (Some(module), _) => of_module(session, arguments, module)?,
        (None, Some(host)) => of_host(session, arguments, host)?,
        (None, None) => return Err(Failure::Usage("name a host, or a module with --module".to_owned())),
    };
    session.stop_on_errors()?;
    match session.format {
        Format::Json => session.print_json(&shown),
        Format::Text => session.print(&for_people(&shown)),
    }
}

fn of_module(session: &mut Session, arguments: &Arguments, module: &str) -> Result<Shown, Failure> {
    let root: ModuleName = typed_name(module)?;
    let attributes = Attributes::given(given(arguments)?);
    let language = language(Language::default(), arguments);
    let directory = arguments.description.as_deref().unwrap_or(Path::new("."));
    let tree = SourceTree::read(directory)?;
    let mut diagnostics = std::mem::take(&mut session.diagnostics);
    let description = load(&tree, None, language, session.sources()?, &mut diagnostics);
    session.diagnostics = diagnostics;
    if !description.modules.contains_key(&root) {
        session.stop_on_errors()?;
        let hint = suggestion(module, description.modules.keys().map(ModuleName::as_str))
            .map(|hint| format!("; {hint}"))
            .unwrap_or_default();
        return Err(Failure::Usage(format!("there is no module `{root}` in {}{hint}", directory.display())));
    }
    let graph: GraphName = typed_name(attributes.shown("graph").unwrap_or(DEFAULT_GRAPH))?;
    // A module alone needs no graph.
    let needless = description.graphs.is_empty() && graph.as_str() == DEFAULT_GRAPH;
    if !description.graphs.contains_key(&graph) && !needless {
        return Err(Failure::Usage(format!(
            "there is no graph `{graph}`: {} has no graphs/{graph}",
            directory.display()
        )));
    }
    let sources = Arc::clone(&session.sources);
    let input = Input { sources: &sources, runner: &eval::run, language, hosts: None };
    let (_, profile) = compile::profile(&description, (&root, &graph), &attributes, input, &mut session.diagnostics);
    let templates = Templates::new(Arc::new(Inventory::default()), None);
    let filler = Filler {
        attributes: &attributes,
        host: None,
        templates: &templates,
        language,
        sources: &sources,
        diagnostics: &mut session.diagnostics,
    };
    Ok(filler.show(&profile))
}

fn of_host(session: &mut Session, arguments: &Arguments, host: &str) -> Result<Shown, Failure> {
    let host = host.to_owned();
    if arguments.description.is_some() || arguments.attributes.is_some() || !arguments.attribute.is_empty() {
        return Err(Failure::Usage(
            "--description, --attributes and --attribute go with --module; a host has the inventory's".to_owned(),
        ));
    }
    let mut site = session.site()?;
    if let Some(inventory) = Arc::get_mut(&mut site.inventory) {
        inventory.language = language(inventory.language, arguments);
    }
    let description = session.description(&site)?;
    let inventory = Arc::clone(&site.inventory);
    let host = session.host(&inventory, &host)?;
    let attributes = inventory.attributes(host);
    compile::check_appliances(&description, &inventory, &mut session.diagnostics);
    session.diagnostics.extend(compile::missing_graph(&description, &inventory, host));
    session.stop_on_errors()?;
    let Some(appliance) = inventory.appliances.get(host.appliance.as_str()) else { return Err(Failure::Faults) };
    let Some(graph) = GraphName::new(attributes.shown("graph").unwrap_or(DEFAULT_GRAPH)) else {
        return Err(Failure::Faults);
    };
    let sources = Arc::clone(&session.sources);
    let language = inventory.language;
    let input = Input { sources: &sources, runner: &eval::run, language, hosts: None };
    let root = &appliance.module;
    let (_, profile) = compile::profile(&description, (root, &graph), &attributes, input, &mut session.diagnostics);
    let templates = Templates::new(Arc::clone(&inventory), None);
    let filler = Filler {
        attributes: &attributes,
        host: Some(host),
        templates: &templates,
        language,
        sources: &sources,
        diagnostics: &mut session.diagnostics,
    };
    Ok(filler.show(&profile))
}

fn language(mut language: Language, arguments: &Arguments) -> Language {
    let strictness = |name: &Option<String>| name.as_deref().and_then(Strictness::named);
    language.eval = arguments.eval.as_deref().and_then(EvalPolicy::named).unwrap_or(language.eval);
    language.undefined = strictness(&arguments.undefined).unwrap_or(language.undefined);
    language.unknown = strictness(&arguments.unknown).unwrap_or(language.unknown);
    language
}

/// The attributes of the command line: the file's, then the single ones.
fn given(arguments: &Arguments) -> Result<BTreeMap<AttributeName, String>, Failure> {
    let mut given = BTreeMap::new();
    if let Some(path) = &arguments.attributes {
        let bytes = read_file(path)?;
        let shown = path.display();
        let values: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::Usage(format!("{shown} is not JSON, seen in line {}", error.line())))?;
        let Some(values) = values.as_object() else {
            return Err(Failure::Usage(format!("{shown} is not a JSON object, such as {{\"timezone\": \"UTC\"}}")));
        };
        for (name, value) in values {
            let Some(text) = value.as_str() else {
                return Err(Failure::Usage(format!("`{name}` in {shown} is {value}, but has to be a text in quotes")));
            };
            given.insert(typed_name(name)?, text.to_owned());
        }
    }
    for pair in &arguments.attribute {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Failure::Usage(format!("--attribute {pair} is not NAME=VALUE")));
        };
        given.insert(typed_name(name)?, value.to_owned());
    }
    Ok(given)
}

/// A profile with the values of one host, as it is printed.
#[derive(Debug, Serialize)]
struct Shown {
    modules: Vec<String>,
    commands: Vec<ShownCommand>,
    packages: ShownPackages,
    sections: Vec<ShownSection>,
}

#[derive(Debug, Serialize)]
struct ShownCommand {
    name: String,
    text: String,
    module: String,
    file: String,
    line: usize,
}

#[derive(Debug, Serialize)]
struct ShownPackages {
    on: Vec<String>,
    off: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ShownSection {
    kind: SectionKind,
    interpreter: Option<String>,
    arguments: String,
    module: String,
    file: String,
    line: usize,
    parts: Vec<ShownPart>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum ShownPart {
    Text(String),
    File(ShownFile),
}

#[derive(Debug, Serialize)]
struct ShownFile {
    name: String,
    mode: FileMode,
    owner: Option<String>,
    perms: Option<String>,
    vars: Vars,
    expr: Option<String>,
    src: Option<String>,
    rcs: bool,
    parts: Vec<ShownPart>,
}

/// Puts the values of one host into a profile.
struct Filler<'f> {
    attributes: &'f Attributes,
    host: Option<&'f Host>,
    templates: &'f Templates,
    language: Language,
    sources: &'f Sources,
    diagnostics: &'f mut Diagnostics,
}

impl Filler<'_> {
    fn show(mut self, profile: &Profile) -> Shown {
        let module = |index: usize| profile.modules[index].name.to_string();
        let commands = profile.commands.iter().map(|command| {
            let (file, line) = self.place(command.span);
            ShownCommand {
                name: command.name.clone(),
                text: self.text(&command.text),
                module: module(command.module),
                file,
                line,
            }
        });
        let commands = commands.collect();
        let sections = profile.sections.iter().map(|section| {
            let (file, line) = self.place(section.span);
            ShownSection {
                kind: section.kind,
                interpreter: section.interpreter.as_ref().map(|text| self.text(text)),
                arguments: self.text(&section.arguments),
                module: module(section.module),
                file,
                line,
                parts: self.parts(&section.parts),
            }
        });
        let sections = sections.collect();
        let named = |on| {
            profile
                .packages
                .iter()
                .filter(move |(_, package)| package.is_on() == on)
                .map(|(name, _)| name.clone())
                .collect()
        };
        let packages = ShownPackages { on: named(true), off: named(false) };
        Shown {
            modules: profile.modules.iter().map(|module| module.name.to_string()).collect(),
            commands,
            packages,
            sections,
        }
    }

    fn place(&self, span: Span) -> (String, usize) {
        let place = self.sources.location(span);
        (place.path, place.line)
    }

    fn parts(&mut self, parts: &[Part]) -> Vec<ShownPart> {
        let shown = parts.iter().map(|part| match part {
            Part::Text(text) => ShownPart::Text(self.text(text)),
            Part::File(file) => ShownPart::File(self.file(file)),
        });
        shown.collect()
    }

    fn file(&mut self, file: &File) -> ShownFile {
        ShownFile {
            name: self.text(&file.name),
            mode: file.mode,
            owner: file.owner.as_ref().map(|text| self.text(text)),
            perms: file.perms.as_ref().map(|text| self.text(text)),
            vars: file.vars,
            expr: file.expr.as_ref().map(|text| self.text(text)),
            src: file.src.as_ref().map(|text| self.text(text)),
            rcs: file.rcs,
            parts: self.parts(&file.parts),
        }
    }

    fn text(&mut self, text: &Text) -> String {
        let mut shown = String::new();
        for segment in &text.segments {
            match segment {
                Segment::LineEnd => {}
                Segment::Literal { text, .. } => shown.push_str(text),
                Segment::Attribute { name, span, .. } => match self.attributes.shown(name.as_str()) {
                    Some(value) => shown.push_str(value),
                    None => self.diagnostics.push(undefined(name, *span, self.attributes, self.language)),
                },
                Segment::Template(template) => match self.templates.render(template, self.host, self.attributes) {
                    Ok(rendered) => shown.push_str(&rendered),
                    Err(error) => self.diagnostics.push(template_fault(template, &error, self.sources)),
                },
            }
        }
        shown
    }
}

fn for_people(shown: &Shown) -> String {
    let mut lines = vec![format!("modules ({}): {}", shown.modules.len(), shown.modules.join(" "))];
    lines.push(format!("\ncommands ({})", shown.commands.len()));
    lines.extend(
        shown
            .commands
            .iter()
            .map(|command| format!("  {} {}   # {}:{}", command.name, command.text.trim(), command.file, command.line)),
    );
    lines.push(format!("\npackages ({} on, {} off)", shown.packages.on.len(), shown.packages.off.len()));
    lines.extend(shown.packages.on.iter().map(|name| format!("  {name}")));
    lines.extend(shown.packages.off.iter().map(|name| format!("  -{name}")));
    lines.push(format!("\nscripts ({})", shown.sections.len()));
    for section in &shown.sections {
        let kind = serde_json::to_value(section.kind)
            .ok()
            .and_then(|kind| kind.as_str().map(str::to_owned))
            .unwrap_or_default();
        lines.push(format!("  {kind:<9}  {:<20}  {}:{}", section.module, section.file, section.line));
    }
    lines.join("\n") + "\n"
}
