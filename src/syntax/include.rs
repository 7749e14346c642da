//! Included files: found below `include/` and nowhere else, put in where they stand.

use crate::condition::{Condition, ConditionId};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::content::{always, templated};
use crate::syntax::element::{CONDITIONS, find};
use crate::syntax::encoding::decode;
use crate::syntax::module::{Content, Item, ModuleReader, PieceKind};
use crate::syntax::xml::parse::parse_fragment;
use crate::syntax::xml::{Element, Node};
use crate::text::{Origin, Text};

impl ModuleReader<'_, '_> {
    pub(super) fn include_items(&mut self, element: &Element, items: &mut Vec<Item>) {
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
        self.check_empty(element);
        // Where a site is told to go on, what stands inside counts, as it did for the original.
        self.items(&element.children, items);
        let outer = self.context.condition(element);
        for item in items.iter_mut().skip(first) {
            item.condition = self.both(outer.as_ref(), item.condition);
        }
    }

    pub(super) fn include_pieces(
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
        self.check_empty(element);
        self.pieces(&element.children, inside, known, template, content);
        let outer = self.context.condition(element);
        for piece in content.iter_mut().skip(first) {
            piece.condition = self.both(outer.as_ref(), piece.condition);
        }
    }

    pub(super) fn both(&mut self, outer: Option<&Condition>, inner: Option<ConditionId>) -> Option<ConditionId> {
        let inner_condition = inner.map(|id| self.context.conditions.get(id).clone());
        match outer {
            None => inner,
            Some(outer) => self.context.intern(Condition::all(std::iter::once(outer.clone()).chain(inner_condition))),
        }
    }

    pub(super) fn include_path(&mut self, element: &Element) -> Option<(String, Span)> {
        let path = self.context.literal_of(element, "file").filter(|(path, _)| !path.trim().is_empty());
        if path.is_none() && find(element, "file").is_none_or(|file| file.value.as_literal().is_some()) {
            let message = format!("`<{}>` has no `file`", element.name);
            self.context.diagnostics.push(Diagnostic::error(element.span, message));
        }
        path
    }

    /// The elements of an included file. Where it gives `Some`, the caller pops `including` when it is done.
    pub(super) fn included_xml(&mut self, element: &Element) -> Option<Vec<Node>> {
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

    pub(super) fn included_text(&mut self, path: &str, span: Span, optional: bool) -> Option<Text> {
        let found = self.find_include(path, span, optional)?;
        let text = self.decode_include(&found, span)?;
        let file = self.context.sources.add(found, text.clone());
        self.included.push(file);
        let whole = Span::new(file, 0, text.len());
        Some(Text::literal(text, Origin::Verbatim(whole)))
    }

    pub(super) fn decode_include(&mut self, path: &str, span: Span) -> Option<String> {
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
    pub(super) fn find_include(&mut self, path: &str, span: Span, optional: bool) -> Option<String> {
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
            let folder = self.include_folders.first().map_or("include", String::as_str);
            let hint = near.unwrap_or_else(|| format!("write {folder}/{path}"));
            let fault = Diagnostic::error(span, format!("there is no file `{path}` to include")).hint(hint);
            self.context.diagnostics.push(fault);
        }
        found
    }
}
