//! `<eval>`: the output of a program as text or as items, where the site allows programs at all.

use std::collections::BTreeMap;

use crate::condition::{ConditionId, Conditions};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expand::{Expander, Program, append};
use crate::profile::Part;
use crate::source::{SourceTree, Sources, Span};
use crate::syntax::EvalPolicy;
use crate::syntax::element::Context;
use crate::syntax::module::{Content, Eval, Item, ItemKind, ModuleReader, PieceKind, Var, VarAction};
use crate::syntax::xml::parse::parse_fragment;
use crate::text::{Origin, Segment, Text};

impl Expander<'_, '_> {
    pub(super) fn evaluated_parts(&mut self, eval: &Eval, parts: &mut Vec<Part>) {
        let Some(output) = self.run(eval) else { return };
        if !eval.xml {
            append(parts, &Text::literal(output, Origin::Because(eval.span)));
            return;
        }
        // As in a script: the output is content, read by the same rules as the script's own.
        let wrapped = format!("<post>{output}</post>");
        for item in self.read_output(eval, &wrapped) {
            if let ItemKind::Script { content, .. } = &item.kind {
                let mut inner = self.parts(content, eval.span);
                parts.append(&mut inner);
            }
        }
    }

    pub(super) fn evaluated_items(&mut self, eval: &Eval) {
        let Some(output) = self.run(eval) else { return };
        if !eval.xml {
            if !output.trim().is_empty() {
                let fault = Diagnostic::error(eval.span, "the program gives text where a module has elements");
                self.diagnostics.push(fault.hint("write `mode=\"xml\"`, or put it into a script"));
            }
            return;
        }
        for item in self.read_output(eval, &output) {
            self.item(&item);
        }
    }

    /// Runs the program, as the site's policy has it.
    fn run(&mut self, eval: &Eval) -> Option<String> {
        match self.expansion.language.eval {
            EvalPolicy::Error => {
                let fault = Diagnostic::error(eval.span, "<eval> runs a program, and this site does not allow that");
                self.diagnostics.push(fault.hint(
                    "`template=\"yes\"` on the script sees the host, its attributes and the whole inventory without running anything; or set `eval = \"on\"` under [language]",
                ));
                return None;
            }
            EvalPolicy::Off => {
                self.diagnostics.push(Diagnostic::warning(eval.span, "<eval> gives nothing, because `eval` is `off`"));
                return None;
            }
            EvalPolicy::On => {}
        }
        let body = self.resolved(&eval.body)?;
        let environment = self.environment();
        let program = Program { shell: &eval.shell, body: &body, environment: &environment };
        match (self.expansion.runner)(&program) {
            Ok(output) => Some(output),
            Err(reason) => {
                self.diagnostics.push(Diagnostic::error(eval.span, format!("the program of this <eval> {reason}")));
                None
            }
        }
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let attributes = self.expansion.attributes.all().into_iter();
        let plain = attributes.filter(|(_, (_, entry))| !entry.value.is_secret());
        let mut environment: BTreeMap<_, _> =
            plain.map(|(name, (_, entry))| (name.to_string(), entry.value.shown().to_owned())).collect();
        for (name, text) in &self.variables {
            environment.insert(name.clone(), text.as_literal().unwrap_or_else(|| text.literals()));
        }
        environment.retain(|name, value| is_environment_name(name) && !value.contains('\0'));
        environment
    }

    /// The output of a program as items. Everything in it is at the `<eval>`: the output has no file. Conditions
    /// in it are answered at once.
    fn read_output(&mut self, eval: &Eval, output: &str) -> Vec<Item> {
        let mut sources = Sources::default();
        let mut conditions = Conditions::default();
        let mut diagnostics = Diagnostics::default();
        let file = sources.add("the output of <eval>", output.to_owned());
        let nodes = parse_fragment(file, &sources, &mut diagnostics).unwrap_or_default();
        let mut items = Vec::new();
        let tree = SourceTree::default();
        let mut context = Context {
            sources: &mut sources,
            conditions: &mut conditions,
            diagnostics: &mut diagnostics,
            language: self.expansion.language,
        };
        let mut reader = ModuleReader {
            context: &mut context,
            tree: &tree,
            include_folders: Vec::new(),
            module: String::new(),
            including: Vec::new(),
            included: Vec::new(),
        };
        reader.items(&nodes, &mut items);
        for fault in diagnostics.sorted() {
            let line = fault.span.map_or(1, |span| sources.location(span).line);
            let message = format!("in line {line} of this program's output: {}", fault.message);
            self.diagnostics.push(Diagnostic { span: Some(eval.span), related: Vec::new(), message, ..fault.clone() });
        }
        let attributes = self.expansion.attributes;
        let mut place = Rebase {
            span: eval.span,
            holds: |id| conditions.get(id).holds(&|name| attributes.shown(name)).unwrap_or(false),
        };
        items.into_iter().filter_map(|item| place.item(item)).collect()
    }
}

/// Puts items that have no file at a place that has one.
struct Rebase<F> {
    span: Span,
    holds: F,
}

impl<F: FnMut(ConditionId) -> bool> Rebase<F> {
    fn item(&mut self, mut item: Item) -> Option<Item> {
        if let Some(condition) = item.condition.take()
            && !(self.holds)(condition)
        {
            return None;
        }
        item.span = self.span;
        match &mut item.kind {
            ItemKind::Package { names: content, .. }
            | ItemKind::Command { content, .. }
            | ItemKind::Script { content, .. }
            | ItemKind::Debug(content)
            | ItemKind::Native { content, .. } => self.content(content),
            ItemKind::Var(var) => self.var(var),
            ItemKind::Eval(eval) => eval.span = self.span,
        }
        Some(item)
    }

    fn content(&mut self, content: &mut Content) {
        content.retain_mut(|piece| piece.condition.take().is_none_or(|condition| (self.holds)(condition)));
        for piece in content {
            match &mut piece.kind {
                PieceKind::Text(text) => self.text(text),
                PieceKind::File(file) => {
                    file.span = self.span;
                    let texts = [file.owner.as_mut(), file.perms.as_mut(), file.expr.as_mut(), file.src.as_mut()];
                    texts.into_iter().flatten().chain([&mut file.name]).for_each(|text| self.text(text));
                    self.content(&mut file.content);
                }
                PieceKind::Var(var) => self.var(var),
                PieceKind::Eval(eval) => eval.span = self.span,
            }
        }
    }

    fn var(&mut self, var: &mut Var) {
        var.span = self.span;
        if let VarAction::Set(text) = &mut var.action {
            self.text(text);
        }
    }

    fn text(&self, text: &mut Text) {
        for segment in &mut text.segments {
            match segment {
                Segment::Literal { origin, .. } => *origin = Origin::Because(self.span),
                Segment::Attribute { span, .. } => *span = self.span,
                Segment::Template(_) | Segment::LineEnd => {}
            }
        }
    }
}

fn is_environment_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
