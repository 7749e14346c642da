//! Module files: what `nodes/NAME.xml` says, LANGUAGE section 4. After it: [`crate::expand`].
//!
//! Nothing here depends on a host. Includes are put in where they stand; conditions are numbered; everything
//! that the language does not know is reported.

use crate::command;
use crate::condition::{Condition, ConditionId};
use crate::diagnostic::Diagnostic;
use crate::name::{RollName, suggestion};
use crate::profile::{FileMode, SectionKind, Vars};
use crate::source::{FileId, SourceTree, Span};
use crate::syntax::element::{CONDITIONS, Context, find};
use crate::syntax::xml::{Element, Node, decode, parse_fragment};
use crate::text::{Form, Origin, Segment, TemplateText, Text};

/// One file of a module.
#[derive(Debug, Default)]
pub struct ModuleFile {
    /// `roll=` of the root.
    pub roll: Option<RollName>,
    /// `interface=` of the root: the module is part of the roll's face, drawn as a box.
    pub interface: bool,
    /// The text of `<description>`, trimmed.
    pub description: String,
    /// Its items, in order.
    pub items: Vec<Item>,
}

/// One element with its condition.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// When it is there; always if there is none.
    pub condition: Option<ConditionId>,
    /// The element.
    pub span: Span,
}

/// What an element is.
#[derive(Clone, Debug)]
pub enum ItemKind {
    /// `<package>`.
    Package {
        /// Names, separated by white space.
        names: Content,
        /// `type="meta"`.
        group: bool,
        /// `disable`.
        disabled: bool,
    },
    /// A child of `<main>`.
    Command {
        /// The command.
        name: String,
        /// What follows it.
        content: Content,
    },
    /// `<pre>`, `<post>`, `<configure>`, `<boot>`, `<ansible>`.
    Script {
        /// When it runs.
        kind: SectionKind,
        /// `interpreter=`.
        interpreter: Option<Text>,
        /// `arg=`.
        arguments: Text,
        /// Its text.
        content: Content,
    },
    /// `<debug>`.
    Debug(Content),
    /// `<native>`.
    Native {
        /// `lang=`.
        language: String,
        /// Its text.
        content: Content,
    },
    /// `<var>` outside of text.
    Var(Var),
    /// `<eval mode="xml">`: its output is items.
    Eval(Box<Eval>),
}

/// Text with elements in it.
pub type Content = Vec<Piece>;

/// A piece of content with its condition.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// When it is there.
    pub condition: Option<ConditionId>,
}

/// What stands in content.
#[derive(Clone, Debug)]
pub enum PieceKind {
    /// Text.
    Text(Text),
    /// `<file>`.
    File(Box<FileElement>),
    /// `<var>`.
    Var(Var),
    /// `<eval>`.
    Eval(Box<Eval>),
}

/// `<file>`.
#[derive(Clone, Debug)]
pub struct FileElement {
    /// `name=`.
    pub name: Text,
    /// `mode=`.
    pub mode: FileMode,
    /// `owner=`.
    pub owner: Option<Text>,
    /// `perms=`.
    pub perms: Option<Text>,
    /// `vars=`.
    pub vars: Vars,
    /// `expr=`.
    pub expr: Option<Text>,
    /// `src=`.
    pub src: Option<Text>,
    /// `rcs=`.
    pub rcs: bool,
    /// Its text.
    pub content: Content,
    /// The element.
    pub span: Span,
}

/// `<var>`.
#[derive(Clone, Debug)]
pub struct Var {
    /// `name=`.
    pub name: String,
    /// What is done with it.
    pub action: VarAction,
    /// The element.
    pub span: Span,
}

/// What a `<var>` does.
#[derive(Clone, Debug)]
pub enum VarAction {
    /// `val=`.
    Set(Text),
    /// `ref=`.
    Copy(String),
    /// Neither: its value stands here.
    Insert,
}

/// `<eval>`.
#[derive(Clone, Debug)]
pub struct Eval {
    /// `shell=`: the program that reads the body.
    pub shell: String,
    /// `mode="xml"`.
    pub xml: bool,
    /// The program's text.
    pub body: Text,
    /// The element.
    pub span: Span,
}

const TOP: [&str; 17] = [
    "package",
    "main",
    "pre",
    "post",
    "configure",
    "boot",
    "eval",
    "include",
    "sinclude",
    "var",
    "debug",
    "ansible",
    "native",
    "description",
    "changelog",
    "copyright",
    "file",
];
const IN_SCRIPT: [&str; 5] = ["file", "eval", "include", "sinclude", "var"];
const IN_TEXT: [&str; 4] = ["eval", "include", "sinclude", "var"];

/// Reads module files; one for all files of a description.
pub struct ModuleReader<'c, 'a> {
    /// Takes conditions and faults.
    pub context: &'c mut Context<'a>,
    /// Where included files are.
    pub tree: &'c SourceTree,
    /// Folders that are searched for includes, first to last: `rolls/hpc/include`.
    pub include_folders: Vec<String>,
    /// The module's name, for the files that it writes on its own account.
    pub module: String,
    /// Files that are being included, outermost first.
    pub including: Vec<String>,
    /// Every file that was included.
    pub included: Vec<FileId>,
}

impl ModuleReader<'_, '_> {
    /// Gives a module file its meaning. Reports everything that has none.
    pub fn module(&mut self, root: &Element) -> ModuleFile {
        let mut file = ModuleFile::default();
        if root.name != "kickstart" {
            let message = format!("the root element of a module is `<kickstart>`, not `<{}>`", root.name);
            self.context.unknown(root.name_span, message, None);
            return file;
        }
        self.context.check_attributes(root, &["roll", "interface"], &[]);
        file.roll = self.context.literal_of(root, "roll").and_then(|(text, span)| self.context.name(text.trim(), span));
        file.interface = find(root, "interface").is_some();
        file.description = description(root);
        self.items(&root.children, &mut file.items);
        file
    }

    /// The items of a module or of an included or computed piece of one.
    pub fn items(&mut self, nodes: &[Node], items: &mut Vec<Item>) {
        for node in nodes {
            match node {
                Node::Element(element) => self.item(element, items),
                Node::Text(text) if text.is_blank() => {}
                Node::Text(text) => self.stray_text(text, "a module, outside of its elements"),
            }
        }
    }

    fn stray_text(&mut self, text: &Text, place: &str) {
        if let Some(span) = text.clone().trimmed().span() {
            self.context.unknown(span, format!("text means nothing in {place}"), None);
        }
    }

    fn item(&mut self, element: &Element, items: &mut Vec<Item>) {
        let kind = match element.name.as_str() {
            "description" | "changelog" | "copyright" => return,
            "include" | "sinclude" => return self.include_items(element, items),
            "main" => return self.main(element, items),
            "package" => self.package(element),
            "pre" => self.script(element, SectionKind::Pre),
            "post" | "configure" => self.script(element, SectionKind::Post),
            "boot" => self.boot(element),
            "ansible" => self.ansible(element),
            "debug" => {
                self.context.check_attributes(element, &[], &CONDITIONS);
                Some(ItemKind::Debug(self.content(element, &IN_TEXT, false)))
            }
            "native" => self.native(element),
            "var" => self.var(element).map(ItemKind::Var),
            "eval" => Some(ItemKind::Eval(Box::new(self.eval(element)))),
            name if TOP.contains(&name) || command::is_known(name) => {
                let place = if command::is_known(name) { "<main>" } else { "a script such as <post>" };
                let message = format!("`<{name}>` cannot stand in a module by itself");
                return self.context.unknown(element.name_span, message, Some(format!("put it into {place}")));
            }
            _ => return self.context.unknown_element(element, "a module", &TOP[..16]),
        };
        let condition = self.context.condition(element);
        let condition = self.context.intern(condition);
        if let Some(kind) = kind {
            items.push(Item { kind, condition, span: element.span });
        }
    }

    fn package(&mut self, element: &Element) -> Option<ItemKind> {
        self.context.check_attributes(element, &["type", "disable", "phase"], &CONDITIONS);
        let group = self.context.choice(element, "type", &["meta"]).is_some();
        let disabled = self.disabled(element);
        let installs = self.installs(element);
        let names = self.content(element, &IN_TEXT, false);
        let blank = |piece: &Piece| matches!(&piece.kind, PieceKind::Text(text) if text.is_blank());
        if names.iter().all(blank) {
            // An element in it that is not known was told, and is what is wrong.
            if element.children.iter().any(|node| matches!(node, Node::Element(_))) {
                return None;
            }
            self.context.unknown(element.span, "the package has no name", None);
            return None;
        }
        installs.then_some(ItemKind::Package { names, group, disabled })
    }

    /// The attribute itself disables, whatever its value; that surprises where the value says no.
    fn disabled(&mut self, element: &Element) -> bool {
        let Some((value, span)) = self.context.literal_of(element, "disable") else { return false };
        if matches!(value.trim(), "0" | "no" | "false" | "off") {
            let warning = Diagnostic::warning(span, format!("`disable=\"{value}\"` disables the package too"));
            self.context.diagnostics.push(warning.hint("take the attribute out to install the package"));
        }
        true
    }

    /// `phase` is a comma list; what is only for `reconfigure` is not installed.
    fn installs(&mut self, element: &Element) -> bool {
        let Some((phases, span)) = self.context.literal_of(element, "phase") else { return true };
        let mut installs = false;
        for phase in phases.split(',').map(str::trim).filter(|phase| !phase.is_empty()) {
            match phase {
                "pre" | "post" => installs = true,
                "reconfigure" => {}
                other => {
                    let message = format!("the phase `{other}` is not known");
                    self.context.unknown(span, message, suggestion(other, ["pre", "post", "reconfigure"]));
                }
            }
        }
        installs
    }

    fn main(&mut self, element: &Element, items: &mut Vec<Item>) {
        self.context.check_attributes(element, &[], &CONDITIONS);
        let outer = self.context.condition(element);
        self.commands(&element.children, outer.as_ref(), items);
    }

    fn commands(&mut self, nodes: &[Node], outer: Option<&Condition>, items: &mut Vec<Item>) {
        for node in nodes {
            match node {
                Node::Element(child) => self.command(child, outer, items),
                Node::Text(text) if text.is_blank() => {}
                Node::Text(text) => self.stray_text(text, "<main>, outside of its commands"),
            }
        }
    }

    fn command(&mut self, element: &Element, outer: Option<&Condition>, items: &mut Vec<Item>) {
        let inner = self.context.condition(element);
        let condition = Condition::all(outer.cloned().into_iter().chain(inner));
        if matches!(element.name.as_str(), "include" | "sinclude") {
            let Some(nodes) = self.included_xml(element) else { return };
            self.commands(&nodes, condition.as_ref(), items);
            self.including.pop();
            return;
        }
        let condition = self.context.intern(condition);
        if element.name == "native" {
            let kind = self.native(element);
            items.extend(kind.map(|kind| Item { kind, condition, span: element.span }));
            return;
        }
        if !command::is_known(&element.name) {
            let message = format!("`<{}>` is not a kickstart command", element.name);
            return self.context.unknown(element.name_span, message, suggestion(&element.name, command::names()));
        }
        // `partition` was an attribute of the original's `<clearpart>` that nothing read.
        let known: &[&str] = if element.name == "clearpart" { &["template", "partition"] } else { &["template"] };
        self.context.check_attributes(element, known, &CONDITIONS);
        let template = self.context.truth(element, "template");
        let name = if element.name == "lilo" { "bootloader".to_owned() } else { element.name.clone() };
        let content = self.content(element, &IN_TEXT, template);
        items.push(Item { kind: ItemKind::Command { name, content }, condition, span: element.span });
    }

    fn script(&mut self, element: &Element, kind: SectionKind) -> Option<ItemKind> {
        self.context.check_attributes(element, &["interpreter", "arg", "phase", "template"], &CONDITIONS);
        let template = self.context.truth(element, "template");
        let installs = self.installs(element);
        let interpreter = text_of(element, "interpreter").map(Text::trimmed).filter(|text| !text.is_empty());
        let arguments = text_of(element, "arg").unwrap_or_default().trimmed();
        let content = self.content(element, &IN_SCRIPT, template);
        installs.then_some(ItemKind::Script { kind, interpreter, arguments, content })
    }

    fn boot(&mut self, element: &Element) -> Option<ItemKind> {
        self.context.check_attributes(element, &["order", "phase", "template"], &CONDITIONS);
        let order = self.context.literal_of(element, "order");
        let kind = match order.as_ref().map_or("pre", |(text, _)| text.trim()) {
            "pre" => SectionKind::BootPre,
            "post" => SectionKind::BootPost,
            other => {
                let span = order.as_ref().map_or(element.span, |(_, span)| *span);
                let fault = Diagnostic::error(
                    span,
                    format!("`order` of `<boot>` is `{other}`, but can only be `pre` or `post`"),
                );
                self.context.diagnostics.push(fault.hint("`pre` runs before services start, `post` after"));
                return None;
            }
        };
        let template = self.context.truth(element, "template");
        let installs = self.installs(element);
        let content = self.content(element, &IN_SCRIPT, template);
        installs.then_some(ItemKind::Script { kind, interpreter: None, arguments: Text::default(), content })
    }

    fn native(&mut self, element: &Element) -> Option<ItemKind> {
        self.context.check_attributes(element, &["lang"], &CONDITIONS);
        let Some((language, span)) = self.context.literal_of(element, "lang") else {
            let fault = Diagnostic::error(element.span, "`<native>` has no `lang`, so it belongs to no output");
            self.context.diagnostics.push(fault.hint("write `<native lang=\"kickstart\">`"));
            return None;
        };
        if language != "kickstart" {
            let message =
                format!("`lang` of `<native>` is `{language}`, but the only output that takes text is `kickstart`");
            self.context.unknown(span, message, None);
            return None;
        }
        Some(ItemKind::Native { language, content: self.content(element, &IN_TEXT, false) })
    }

    /// A playbook is written and run in `%post`, so it is a script that writes a file.
    fn ansible(&mut self, element: &Element) -> Option<ItemKind> {
        self.context.check_attributes(element, &["playbook", "args"], &CONDITIONS);
        let playbook = self.context.literal_of(element, "playbook");
        let (name, content) = match playbook {
            Some((name, span)) => {
                let text = self.included_text(&format!("ansible/{name}"), span, false)?;
                (name.rsplit('/').next().unwrap_or(&name).to_owned(), vec![always(PieceKind::Text(text))])
            }
            None => (format!("{}.yml", self.module), self.content(element, &IN_TEXT, false)),
        };
        let path = Text::literal(format!("/var/lib/kgen/ansible/{name}"), Origin::Because(element.span));
        let mut run = Text::literal(
            "\nansible-playbook --connection=local --inventory=localhost, ",
            Origin::Because(element.span),
        );
        if let Some(arguments) = text_of(element, "args").map(Text::trimmed).filter(|text| !text.is_empty()) {
            run.extend(&arguments);
            run.push(" ", Origin::Because(element.span));
        }
        run.extend(&path);
        run.push("\n", Origin::Because(element.span));
        let file = FileElement {
            name: path,
            mode: FileMode::Create,
            owner: None,
            perms: Some(Text::literal("0600", Origin::Because(element.span))),
            vars: Vars::Literal,
            expr: None,
            src: None,
            rcs: false,
            content,
            span: element.span,
        };
        let directory = Text::literal("\nmkdir -p /var/lib/kgen/ansible\n", Origin::Because(element.span));
        let pieces = [PieceKind::Text(directory), PieceKind::File(Box::new(file)), PieceKind::Text(run)];
        Some(ItemKind::Script {
            kind: SectionKind::Post,
            interpreter: None,
            arguments: Text::default(),
            content: pieces.into_iter().map(always).collect(),
        })
    }

    fn var(&mut self, element: &Element) -> Option<Var> {
        self.context.check_attributes(element, &["name", "val", "ref"], &CONDITIONS);
        let Some((name, _)) = self.context.literal_of(element, "name").filter(|(name, _)| !name.is_empty()) else {
            self.context.diagnostics.push(Diagnostic::error(element.span, "`<var>` has no `name`"));
            return None;
        };
        let action = match (text_of(element, "val"), self.context.literal_of(element, "ref")) {
            (Some(_), Some((_, span))) => {
                let fault =
                    Diagnostic::error(span, format!("the variable `{name}` has `val` and `ref`; it can have one"));
                self.context.diagnostics.push(fault);
                return None;
            }
            (Some(value), None) => VarAction::Set(value),
            (None, Some((other, _))) => VarAction::Copy(other),
            (None, None) => VarAction::Insert,
        };
        Some(Var { name, action, span: element.span })
    }

    fn eval(&mut self, element: &Element) -> Eval {
        self.context.check_attributes(element, &["shell", "mode"], &CONDITIONS);
        let shell = self.context.literal_of(element, "shell").map_or_else(|| "sh".to_owned(), |(shell, _)| shell);
        let xml = self.context.choice(element, "mode", &["quote", "xml"]) == Some("xml");
        let mut body = Text::default();
        for node in &element.children {
            match node {
                Node::Text(text) => body.extend(text),
                Node::Element(child) => self.context.unknown_element(child, "`<eval>`, which holds text", &[]),
            }
        }
        Eval { shell, xml, body, span: element.span }
    }

    /// The text and elements in an element.
    fn content(&mut self, element: &Element, known: &[&'static str], template: bool) -> Content {
        let mut content = Vec::new();
        self.pieces(&element.children, &element.name, known, template, &mut content);
        content
    }

    fn pieces(&mut self, nodes: &[Node], inside: &str, known: &[&'static str], template: bool, content: &mut Content) {
        for node in nodes {
            let child = match node {
                Node::Text(text) => {
                    let text = if template { templated(text) } else { text.clone() };
                    content.push(always(PieceKind::Text(text)));
                    continue;
                }
                Node::Element(child) => child,
            };
            let kind = match child.name.as_str() {
                name if !known.contains(&name) => {
                    self.context.unknown_element(child, &format!("`<{inside}>`"), known);
                    continue;
                }
                "include" | "sinclude" => {
                    self.include_pieces(child, inside, known, template, content);
                    continue;
                }
                "file" => self.file(child).map(|file| PieceKind::File(Box::new(file))),
                "var" => self.var(child).map(PieceKind::Var),
                _ => Some(PieceKind::Eval(Box::new(self.eval(child)))),
            };
            let condition = self.context.condition(child);
            let condition = self.context.intern(condition);
            content.extend(kind.map(|kind| Piece { kind, condition }));
        }
    }

    fn file(&mut self, element: &Element) -> Option<FileElement> {
        const KNOWN: [&str; 11] =
            ["name", "mode", "owner", "perms", "vars", "expr", "src", "include", "rcs", "template", "phase"];
        self.context.check_attributes(element, &KNOWN, &CONDITIONS);
        let name = text_of(element, "name").unwrap_or_default().trimmed();
        if name.is_empty() {
            self.context.unknown(element.span, "`<file>` has no `name`", None);
            return None;
        }
        let mode = match self.context.choice(element, "mode", &["create", "append", "pipe"]) {
            Some("append") => FileMode::Append,
            Some("pipe") => FileMode::Pipe,
            _ => FileMode::Create,
        };
        let vars = match self.context.choice(element, "vars", &["literal", "expanded"]) {
            Some("expanded") => Vars::Expanded,
            _ => Vars::Literal,
        };
        let perms = text_of(element, "perms").map(Text::trimmed).filter(|text| !text.is_empty());
        self.check_perms(perms.as_ref(), element);
        let template = self.context.truth(element, "template");
        let rcs = self.context.truth(element, "rcs");
        let mut content = Vec::new();
        if let Some((path, span)) = self.context.literal_of(element, "include") {
            let text = self.included_text(&path, span, false);
            content.extend(text.map(|text| always(PieceKind::Text(if template { templated(&text) } else { text }))));
        }
        self.pieces(&element.children, "file", &IN_SCRIPT, template, &mut content);
        let optional = |name| text_of(element, name).map(Text::trimmed).filter(|text| !text.is_empty());
        Some(FileElement {
            name,
            mode,
            owner: optional("owner"),
            perms,
            vars,
            expr: optional("expr"),
            src: optional("src"),
            rcs,
            content,
            span: element.span,
        })
    }

    fn check_perms(&mut self, perms: Option<&Text>, element: &Element) {
        let Some(text) = perms.and_then(Text::as_literal) else { return };
        let octal = (1..=5).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        if !octal {
            let span = find(element, "perms").map_or(element.span, |attribute| attribute.value_span);
            self.context.unknown(span, format!("`perms` is `{text}`, but can only be octal, such as `0644`"), None);
        }
    }

    fn include_items(&mut self, element: &Element, items: &mut Vec<Item>) {
        if self.context.choice(element, "mode", &["quote", "xml"]) == Some("quote") {
            let message = format!("`<{}>` gives text here, where a module has elements", element.name);
            self.context.unknown(
                element.span,
                message,
                Some("write `mode=\"xml\"`, or put it into a script".to_owned()),
            );
            return;
        }
        let first = items.len();
        if let Some(nodes) = self.included_xml(element) {
            self.items(&nodes, items);
            self.including.pop();
        }
        self.items(&element.children, items);
        let outer = self.context.condition(element);
        for item in items.iter_mut().skip(first) {
            item.condition = self.both(outer.as_ref(), item.condition);
        }
    }

    fn include_pieces(
        &mut self,
        element: &Element,
        inside: &str,
        known: &[&'static str],
        template: bool,
        content: &mut Content,
    ) {
        let first = content.len();
        if self.context.choice(element, "mode", &["quote", "xml"]) == Some("xml") {
            if let Some(nodes) = self.included_xml(element) {
                self.pieces(&nodes, inside, known, template, content);
                self.including.pop();
            }
        } else {
            self.context.check_attributes(element, &["file", "mode"], &CONDITIONS);
            if let Some((path, span)) = self.include_path(element) {
                let text = self.included_text(&path, span, element.name == "sinclude");
                content
                    .extend(text.map(|text| always(PieceKind::Text(if template { templated(&text) } else { text }))));
            }
        }
        self.pieces(&element.children, inside, known, template, content);
        let outer = self.context.condition(element);
        for piece in content.iter_mut().skip(first) {
            piece.condition = self.both(outer.as_ref(), piece.condition);
        }
    }

    fn both(&mut self, outer: Option<&Condition>, inner: Option<ConditionId>) -> Option<ConditionId> {
        let inner_condition = inner.map(|id| self.context.conditions.get(id).clone());
        match outer {
            None => inner,
            Some(outer) => self.context.intern(Condition::all(std::iter::once(outer.clone()).chain(inner_condition))),
        }
    }

    fn include_path(&mut self, element: &Element) -> Option<(String, Span)> {
        let path = self.context.literal_of(element, "file").filter(|(path, _)| !path.trim().is_empty());
        if path.is_none() && find(element, "file").is_none_or(|file| file.value.as_literal().is_some()) {
            let message = format!("`<{}>` has no `file`", element.name);
            self.context.diagnostics.push(Diagnostic::error(element.span, message));
        }
        path
    }

    /// The elements of an included file. Where it gives `Some`, the caller pops `including` when it is done.
    fn included_xml(&mut self, element: &Element) -> Option<Vec<Node>> {
        self.context.check_attributes(element, &["file", "mode"], &CONDITIONS);
        let (path, span) = self.include_path(element)?;
        let found = self.find_include(&path, span, element.name == "sinclude")?;
        if self.including.contains(&found) {
            let mut cycle: Vec<_> = self.including.iter().map(String::as_str).collect();
            cycle.push(&found);
            let fault = Diagnostic::error(span, format!("`{found}` includes itself: {}", cycle.join(" -> ")));
            self.context.diagnostics.push(fault);
            return None;
        }
        let text = self.decode_include(&found, span)?;
        let file = self.context.sources.add(found.clone(), text);
        self.included.push(file);
        let nodes = parse_fragment(file, self.context.sources, self.context.diagnostics)?;
        self.including.push(found);
        Some(nodes)
    }

    fn included_text(&mut self, path: &str, span: Span, optional: bool) -> Option<Text> {
        let found = self.find_include(path, span, optional)?;
        let text = self.decode_include(&found, span)?;
        let file = self.context.sources.add(found, text.clone());
        self.included.push(file);
        let whole = Span::new(file, 0, text.len());
        Some(Text::literal(text, Origin::Verbatim(whole)))
    }

    fn decode_include(&mut self, path: &str, span: Span) -> Option<String> {
        match decode(self.tree.files.get(path)?) {
            Ok(text) => Some(text),
            Err(reason) => {
                let fault = Diagnostic::error(span, format!("`{path}` cannot be included: {reason}"));
                self.context.diagnostics.push(fault);
                None
            }
        }
    }

    /// The path in the tree of an included file. It never leaves the include folders.
    fn find_include(&mut self, path: &str, span: Span, optional: bool) -> Option<String> {
        let path = path.trim();
        let leaves = path.starts_with('/') || path.split('/').any(|part| matches!(part, ".." | "." | ""));
        if leaves {
            let fault = Diagnostic::error(span, format!("`{path}` is not a file below `include/`"));
            self.context.diagnostics.push(fault.hint("included files are named relative to `include/`, without `..`"));
            return None;
        }
        let candidates = self.include_folders.iter().map(|folder| format!("{folder}/{path}"));
        let found = candidates.into_iter().find(|candidate| self.tree.files.contains_key(candidate));
        if found.is_none() && !optional {
            let folders = self.include_folders.clone();
            let below = folders.iter().flat_map(|folder| {
                let prefix = format!("{folder}/");
                self.tree.files.keys().filter_map(move |file| file.strip_prefix(prefix.as_str()))
            });
            let near = crate::name::nearest(path, below).map(|name| format!("did you mean `{name}`?"));
            let hint = near.unwrap_or_else(|| "write <sinclude> where the file may be missing".to_owned());
            let fault = Diagnostic::error(span, format!("there is no file `{path}` to include")).hint(hint);
            self.context.diagnostics.push(fault);
        }
        found
    }
}

fn always(kind: PieceKind) -> Piece {
    Piece { kind, condition: None }
}

fn text_of(element: &Element, name: &str) -> Option<Text> {
    find(element, name).map(|attribute| attribute.value.clone())
}

fn description(root: &Element) -> String {
    let elements = root.children.iter().filter_map(|node| match node {
        Node::Element(element) if element.name == "description" => Some(element),
        _ => None,
    });
    let texts = elements.flat_map(|element| &element.children).filter_map(|node| match node {
        Node::Text(text) => Some(text.literals()),
        Node::Element(_) => None,
    });
    texts.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text as a template. A host's attribute in it is looked up by the template, so that no value can ever be
/// read as template source.
fn templated(text: &Text) -> Text {
    let Some(span) = text.span() else { return Text::default() };
    let mut source = String::new();
    for segment in &text.segments {
        match segment {
            Segment::Literal { text, .. } => source.push_str(text),
            Segment::Attribute { name, form: Form::Plain | Form::SingleQuoted, .. } => {
                source.push_str("{{ attributes[\"");
                source.push_str(name.as_str());
                source.push_str("\"] }}");
            }
            Segment::Template(inner) => source.push_str(&inner.source),
        }
    }
    Text { segments: vec![Segment::Template(TemplateText { source, span }.into())] }
}
