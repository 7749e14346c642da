//! What stands in scripts and commands: text, files, variables, programs.

use crate::diagnostic::Diagnostic;
use crate::profile::{FileMode, Vars};
use crate::syntax::element::{CONDITIONS, find};
use crate::syntax::module::{Content, Eval, FileElement, ModuleReader, Piece, PieceKind, Var, VarAction};
use crate::syntax::xml::{Element, Node};
use crate::text::{Form, Segment, TemplateText, Text};

/// The elements that may stand in a script or a file.
pub(super) const IN_SCRIPT: [&str; 5] = ["file", "eval", "include", "sinclude", "var"];
/// The elements that may stand in other text.
pub(super) const IN_TEXT: [&str; 4] = ["eval", "include", "sinclude", "var"];

impl ModuleReader<'_, '_> {
    pub(super) fn var(&mut self, element: &Element) -> Option<Var> {
        self.context.check_attributes(element, &["name", "val", "ref"], &CONDITIONS);
        self.check_empty(element);
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

    /// Reports what stands in an element that holds nothing.
    pub(super) fn check_empty(&mut self, element: &Element) {
        let place = format!("`<{}>`, which holds nothing", element.name);
        for node in &element.children {
            match node {
                Node::Element(child) => self.context.unknown_element(child, &place, &[]),
                Node::Text(text) if text.is_blank() => {}
                Node::Text(text) => self.stray_text(text, &place),
            }
        }
    }

    pub(super) fn eval(&mut self, element: &Element) -> Eval {
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
    pub(super) fn content(&mut self, element: &Element, known: &[&'static str], template: bool) -> Content {
        let mut content = Vec::new();
        self.pieces(&element.children, &element.name, known, template, &mut content);
        content
    }

    pub(super) fn pieces(
        &mut self,
        nodes: &[Node],
        inside: &str,
        known: &[&'static str],
        template: bool,
        content: &mut Content,
    ) {
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
                "file" => {
                    let installs = self.installs(child);
                    self.file(child).filter(|_| installs).map(|file| PieceKind::File(Box::new(file)))
                }
                "var" => self.var(child).map(PieceKind::Var),
                _ => Some(PieceKind::Eval(Box::new(self.eval(child)))),
            };
            let condition = self.context.condition(child);
            let condition = self.context.intern(condition);
            content.extend(kind.map(|kind| Piece { kind, condition }));
        }
    }

    pub(super) fn file(&mut self, element: &Element) -> Option<FileElement> {
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
        // Old trees have symbolic ones, which chmod takes; told, and kept where a site is told to go on.
        if let Some(perms) = &perms {
            self.check_perms(perms, element);
        }
        let template = self.context.truth(element, "template");
        let rcs = self.context.truth(element, "rcs");
        let mut content = Vec::new();
        if let Some((path, span)) = self.context.literal_of(element, "include") {
            let text = self.included_text(&path, span, false);
            content.extend(text.map(|text| always(PieceKind::Text(if template { templated(&text) } else { text }))));
        }
        self.pieces(&element.children, "file", &IN_SCRIPT, template, &mut content);
        let optional = |name| text_of(element, name).map(Text::trimmed).filter(|text| !text.is_empty());
        let owner = optional("owner");
        if let Some(owner) = &owner {
            self.check_owner(owner, element);
        }
        Some(FileElement {
            name,
            mode,
            owner,
            perms,
            vars,
            expr: optional("expr"),
            src: optional("src"),
            rcs,
            content,
            span: element.span,
        })
    }

    fn check_perms(&mut self, perms: &Text, element: &Element) {
        let Some(text) = perms.as_literal() else { return };
        let octal = (1..=5).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        if !octal {
            let span = find(element, "perms").map_or(element.span, |attribute| attribute.value_span);
            self.context.unknown(span, format!("`perms` is `{text}`, but can only be octal, such as `0644`"), None);
        }
    }

    /// `user` or `user:group`, by name or number.
    fn check_owner(&mut self, owner: &Text, element: &Element) {
        let Some(text) = owner.as_literal() else { return };
        let plain =
            |name: &str| !name.starts_with('-') && name.chars().all(|c| c.is_alphanumeric() || "._-$@".contains(c));
        let good = text.split(':').count() <= 2 && text.split(':').all(plain);
        if !good {
            let span = find(element, "owner").map_or(element.span, |attribute| attribute.value_span);
            self.context.unknown(span, format!("`owner` is `{text}`, but can only be `user` or `user:group`"), None);
        }
    }
}

pub(super) fn always(kind: PieceKind) -> Piece {
    Piece { kind, condition: None }
}

pub(super) fn text_of(element: &Element, name: &str) -> Option<Text> {
    find(element, name).map(|attribute| attribute.value.clone())
}

/// The text as a template. A host's attribute in it is looked up by the template, so that no value can ever be
/// read as template source.
pub(super) fn templated(text: &Text) -> Text {
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
            Segment::LineEnd => source.push('\n'),
        }
    }
    Text { segments: vec![Segment::Template(TemplateText { source, span }.into())] }
}
