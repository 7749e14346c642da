//! From the modules of a host to its profile: conditions answered, variables put in, packages joined.
//!
//! Before it: [`crate::resolve`]; after it: [`crate::emit`].

mod evaluated;

use std::collections::BTreeMap;

use crate::attribute::Attributes;
use crate::condition::ConditionId;
use crate::description::{Description, Module};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::name::{AttributeName, nearest};
use crate::profile::{Command, File, Native, Part, Profile, Remark, Request, Section, UsedModule};
use crate::resolve::{Answers, Resolution};
use crate::source::{Sources, Span};
use crate::syntax::Language;
use crate::syntax::module::{Content, FileElement, Item, ItemKind, PieceKind, Var, VarAction};
use crate::text::{Origin, Segment, Text};

/// A program that an `<eval>` wants to run.
#[derive(Debug)]
pub struct Program<'p> {
    /// The interpreter.
    pub shell: &'p str,
    /// Its input.
    pub body: &'p str,
    /// The environment: attributes and variables, secrets excepted.
    pub environment: &'p BTreeMap<String, String>,
}

/// Runs a program and gives its output, or why there is none. The compiler itself runs nothing.
pub type Runner<'r> = &'r (dyn Fn(&Program) -> Result<String, String> + Sync);

/// What expansion reads.
#[derive(Clone, Copy)]
pub struct Expansion<'e> {
    /// The modules.
    pub description: &'e Description,
    /// Texts, for the paths of modules.
    pub sources: &'e Sources,
    /// The host's answers.
    pub answers: &'e Answers,
    /// The host's attributes: for what changes the structure of the profile.
    pub attributes: &'e Attributes,
    /// How strict to be.
    pub language: Language,
    /// For `<eval>`.
    pub runner: Runner<'e>,
}

/// The profile of a host with these modules. All hosts of its variant share it.
pub fn expand(resolution: &Resolution, expansion: Expansion, diagnostics: &mut Diagnostics) -> Profile {
    let mut expander =
        Expander { expansion, diagnostics, profile: Profile::default(), variables: BTreeMap::new(), module: 0 };
    for resolved in &resolution.modules {
        // A module without a file was reported at its edge.
        let Some(module) = expansion.description.modules.get(&resolved.name) else { continue };
        expander.module(module);
    }
    expander.profile
}

struct Expander<'e, 'd> {
    expansion: Expansion<'e>,
    diagnostics: &'d mut Diagnostics,
    profile: Profile,
    /// `<var>`: shared by the modules in their order.
    variables: BTreeMap<String, Text>,
    /// Index of the module at work.
    module: usize,
}

impl Expander<'_, '_> {
    fn module(&mut self, module: &Module) {
        self.module = self.profile.modules.len();
        let files = module.files.iter().map(|file| self.expansion.sources.file(*file).path.clone()).collect();
        self.profile.modules.push(UsedModule { name: module.name.clone(), roll: module.roll.clone(), files });
        for item in &module.items {
            self.item(item);
        }
    }

    fn holds(&mut self, condition: Option<ConditionId>, span: Span) -> bool {
        if let Some(fault) = self.expansion.answers.fault(condition) {
            let fault = Diagnostic::error(span, format!("the condition of this element has no answer: {fault}"));
            let hint = "test `is not None` first, or compare texts with texts and numbers with numbers";
            self.diagnostics.push(fault.hint(hint).for_some_hosts());
        }
        self.expansion.answers.holds(condition)
    }

    fn item(&mut self, item: &Item) {
        if !self.holds(item.condition, item.span) {
            return;
        }
        let (module, span) = (self.module, item.span);
        match &item.kind {
            ItemKind::Package { names, group, disabled } => self.packages(names, *group, *disabled, span),
            ItemKind::Command { name, content } => {
                let text = trim_line(name, self.text(content, span));
                self.profile.commands.push(Command { name: name.clone(), text, module, span });
            }
            ItemKind::Script { kind, interpreter, arguments, content } => {
                let parts = self.parts(content, span);
                let (interpreter, arguments) = (interpreter.clone(), arguments.clone());
                self.profile.sections.push(Section { kind: *kind, interpreter, arguments, parts, module, span });
            }
            ItemKind::Debug(content) => {
                let text = self.text(content, span);
                self.profile.remarks.push(Remark { text, module });
            }
            ItemKind::Native { language, content } => {
                let text = self.text(content, span);
                self.profile.natives.push(Native { language: language.clone(), text, module, span });
            }
            ItemKind::Var(var) => {
                if self.var(var).is_some() {
                    let message = format!("the variable `{}` is put where text means nothing", var.name);
                    let severity = self.expansion.language.unknown.severity();
                    let hint = "give it a value with `val`, or put it into a script";
                    self.diagnostics.push(Diagnostic::error(var.span, message).severity(severity).hint(hint));
                }
            }
            ItemKind::Eval(eval) => self.evaluated_items(eval),
        }
    }

    /// Names depend on the values of attributes; where they do, those values are part of the variant's key.
    fn packages(&mut self, names: &Content, group: bool, disabled: bool, span: Span) {
        let text = self.text(names, span);
        let Some(names) = self.resolved(&text) else { return };
        for name in names.split_whitespace() {
            let bare = name.strip_prefix('@').unwrap_or(name);
            let plain = bare.chars().all(|c| c.is_alphanumeric() || "+-._^@*?[]/()<>=~:".contains(c));
            if !plain || bare.starts_with('-') || bare.is_empty() {
                let fault =
                    Diagnostic::error(span, format!("`{}` cannot be the name of a package", name.escape_debug()));
                self.diagnostics
                    .push(fault.hint("to leave a package out write `<package disable=\"1\">name</package>`"));
                continue;
            }
            let key = if group && !name.starts_with('@') { format!("@{name}") } else { name.to_owned() };
            let package = self.profile.packages.entry(key).or_default();
            let requests = if disabled { &mut package.unwanted } else { &mut package.wanted };
            requests.push(Request { module: self.module, span });
        }
    }

    /// The text with this host's values put in; reports attributes that have none.
    fn resolved(&mut self, text: &Text) -> Option<String> {
        let mut resolved = String::new();
        for segment in &text.segments {
            match segment {
                Segment::Literal { text, .. } => resolved.push_str(text),
                Segment::Attribute { name, span, .. } => match self.expansion.attributes.get(name.as_str()) {
                    Some(value) if value.is_secret() => {
                        let message = format!("the attribute `{name}` is a secret, and cannot stand here");
                        let hint = "a secret is put into text only when a kickstart is written";
                        self.diagnostics.push(Diagnostic::error(*span, message).hint(hint));
                        return None;
                    }
                    Some(value) => resolved.push_str(value.shown()),
                    None => {
                        let fault = undefined(name, *span, self.expansion.attributes, self.expansion.language);
                        self.diagnostics.push(fault.for_some_hosts());
                    }
                },
                Segment::LineEnd => {}
                Segment::Template(template) => {
                    self.diagnostics.push(Diagnostic::error(template.span, "a template cannot stand here"));
                    return None;
                }
            }
        }
        Some(resolved)
    }

    /// Content without files.
    fn text(&mut self, content: &Content, span: Span) -> Text {
        let mut text = Text::default();
        for part in self.parts(content, span) {
            if let Part::Text(piece) = part {
                text.extend(&piece);
            }
        }
        text
    }

    fn parts(&mut self, content: &Content, span: Span) -> Vec<Part> {
        let mut parts = Vec::new();
        for piece in content {
            if !self.holds(piece.condition, piece_span(&piece.kind).unwrap_or(span)) {
                continue;
            }
            match &piece.kind {
                PieceKind::Text(text) => append(&mut parts, text),
                PieceKind::File(file) => {
                    let file = self.file(file);
                    parts.push(Part::File(Box::new(file)));
                }
                PieceKind::Var(var) => {
                    if let Some(text) = self.var(var) {
                        append(&mut parts, &text);
                    }
                }
                PieceKind::Eval(eval) => self.evaluated_parts(eval, &mut parts),
            }
        }
        parts
    }

    fn file(&mut self, element: &FileElement) -> File {
        File {
            name: element.name.clone(),
            mode: element.mode,
            owner: element.owner.clone(),
            perms: element.perms.clone(),
            vars: element.vars,
            expr: element.expr.clone(),
            src: element.src.clone(),
            rcs: element.rcs,
            parts: self.parts(&element.content, element.span),
            span: element.span,
        }
    }

    /// The text of a variable where it is to stand; nothing where it is given a value.
    fn var(&mut self, var: &Var) -> Option<Text> {
        match &var.action {
            VarAction::Set(text) => {
                self.variables.insert(var.name.clone(), text.clone());
                None
            }
            VarAction::Copy(other) => {
                let text = self.variable(other, var.span);
                self.variables.insert(var.name.clone(), text);
                None
            }
            VarAction::Insert => Some(self.variable(&var.name, var.span)),
        }
    }

    fn variable(&mut self, name: &str, span: Span) -> Text {
        if let Some(text) = self.variables.get(name) {
            return text.clone();
        }
        let near =
            nearest(name, self.variables.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        let hint = near
            .unwrap_or_else(|| "a module before this one has to set it; an attribute is written `&name;`".to_owned());
        let severity = self.expansion.language.undefined.severity();
        let message = format!("the variable `{name}` has no value here");
        self.diagnostics.push(Diagnostic::error(span, message).severity(severity).hint(hint));
        Text::default()
    }
}

/// Reports an attribute that has no value for a host.
pub fn undefined(name: &AttributeName, span: Span, attributes: &Attributes, language: Language) -> Diagnostic {
    let known = attributes.all();
    let near = nearest(name.as_str(), known.keys().map(|known| known.as_str()))
        .map(|near| format!("did you mean `&{near};`?"));
    let hint = near.unwrap_or_else(|| {
        format!("set `{name}` under [attributes], or put the text under `cond=\"{name} is not None\"`")
    });
    Diagnostic::error(span, format!("the attribute `{name}` has no value"))
        .severity(language.undefined.severity())
        .hint(hint)
}

fn append(parts: &mut Vec<Part>, text: &Text) {
    if text.is_empty() {
        return;
    }
    match parts.last_mut() {
        Some(Part::Text(last)) => last.extend(text),
        _ => parts.push(Part::Text(text.clone())),
    }
}

fn piece_span(kind: &PieceKind) -> Option<Span> {
    match kind {
        PieceKind::Text(text) => text.span(),
        PieceKind::File(file) => Some(file.span),
        PieceKind::Var(var) => Some(var.span),
        PieceKind::Eval(eval) => Some(eval.span),
    }
}

/// Without white space at its ends, so that a command that stands on lines of its own is still one line.
/// `install` of old installers has its text on the lines after it.
fn trim_line(name: &str, text: Text) -> Text {
    let span = text.span();
    let trimmed = text.trimmed();
    if name != "install" || trimmed.is_empty() {
        return trimmed;
    }
    let mut lines = Text::literal("\n", span.map_or(Origin::Generated, Origin::Because));
    lines.extend(&trimmed);
    lines
}
