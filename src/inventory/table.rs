//! Tables with places, of one file or of several that are merged.
//!
//! Reads key by key, so that one run tells every unknown key and every value of the wrong type, not the first. What
//! a file says, in whatever form, is a tree of the toml library: [`crate::inventory::document`] makes it.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::name::{Kind, Name, suggestion};
use crate::source::{FileId, Span};

/// A table that is being read; knows which of its keys were asked for.
pub struct Table<'t> {
    /// The same table of several files; no key is in two of them.
    parts: Vec<(&'t DeTable<'t>, Origin)>,
    /// Name for messages: `[hosts.compute-0-0]`.
    title: String,
    span: Span,
    known: Vec<&'static str>,
}

/// A value with its place.
pub struct Value<'t> {
    content: &'t DeValue<'t>,
    /// Where it stands.
    pub span: Span,
    origin: Origin,
}

/// Where a parsed text begins: the file, and the offset in it.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The file.
    pub file: FileId,
    /// The offset.
    pub start: usize,
}

impl Origin {
    /// The place of a range of the parsed text.
    pub fn span(self, range: Range<usize>) -> Span {
        Span::new(self.file, self.start + range.start, self.start + range.end)
    }
}

impl<'t> Table<'t> {
    /// The top tables of several files, whose sections may each be in many.
    pub fn top(parts: Vec<(&'t DeTable<'t>, Origin)>, span: Span) -> Self {
        Table { parts, title: "the inventory".to_owned(), span, known: Vec::new() }
    }

    /// Whether the key is there, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.parts.iter().any(|(entries, _)| entries.contains_key(key))
    }

    /// Where the table is declared.
    pub fn span(&self) -> Span {
        self.span
    }

    fn know(&mut self, key: &'static str) {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
    }

    /// The value of a key, which is then known.
    pub fn get(&mut self, key: &'static str) -> Option<Value<'t>> {
        self.know(key);
        let (value, origin) = self.parts.iter().find_map(|(entries, origin)| Some((entries.get(key)?, *origin)))?;
        Some(Value { span: origin.span(value.span()), content: value.get_ref(), origin })
    }

    /// A table that each of the files may have a part of. Reports keys that are in two parts.
    pub fn section(&mut self, key: &'static str, diagnostics: &mut Diagnostics) -> Option<Table<'t>> {
        self.know(key);
        let title = format!("[{key}]");
        let mut section: Option<Table<'t>> = None;
        for (entries, origin) in &self.parts {
            let Some(value) = entries.get(key) else { continue };
            let value = Value { span: origin.span(value.span()), content: value.get_ref(), origin: *origin };
            let Some(part) = value.table(&title, diagnostics) else { continue };
            match &mut section {
                None => section = Some(part),
                Some(section) => {
                    // A host may be in a piece that is read later: that it is twice is told when all are there.
                    if key != "hosts" {
                        section.report_twice(&part, diagnostics);
                    }
                    section.parts.extend(part.parts);
                }
            }
        }
        section
    }

    fn report_twice(&self, other: &Table, diagnostics: &mut Diagnostics) {
        let first = |key: &str| {
            let mut keys = self.entries().map(|(name, place, _)| (name, place));
            keys.find(|(name, _)| *name == key).map(|(_, place)| place)
        };
        // Each key is looked for in a tree before it is looked for in a list.
        for (key, place, _) in other.entries().filter(|(key, ..)| self.has(key)) {
            let fault = Diagnostic::error(place, format!("`{key}` of {} is there twice", self.title));
            diagnostics.push(match first(key) {
                Some(first) => fault.related(first, "the first"),
                None => fault,
            });
        }
    }

    /// A text.
    pub fn text(&mut self, key: &'static str, diagnostics: &mut Diagnostics) -> Option<(String, Span)> {
        let value = self.get(key)?;
        let text = value.text();
        if text.is_none() {
            diagnostics.push(value.wrong_type(key, "a text in quotes"));
        }
        text.map(|text| (text.to_owned(), value.span))
    }

    /// A whole number that is not negative.
    pub fn number(&mut self, key: &'static str, diagnostics: &mut Diagnostics) -> Option<u32> {
        let value = self.get(key)?;
        let number =
            value.content.as_integer().and_then(|integer| u32::from_str_radix(integer.as_str(), integer.radix()).ok());
        if number.is_none() {
            let fault = match value.scalar() {
                Some(found) if value.text().is_none() => Diagnostic::error(
                    value.span,
                    format!("`{key}` is {found}, but has to be a whole number from 0 to {}", u32::MAX),
                ),
                _ => value.wrong_type(key, "a whole number"),
            };
            diagnostics.push(fault);
        }
        number
    }

    /// A name.
    pub fn name<K: Kind>(&mut self, key: &'static str, diagnostics: &mut Diagnostics) -> Option<(Name<K>, Span)> {
        let (text, span) = self.text(key, diagnostics)?;
        Some((named(&text, span, diagnostics)?, span))
    }

    /// The elements of a list.
    pub fn list(&mut self, key: &'static str, diagnostics: &mut Diagnostics) -> Option<Vec<Value<'t>>> {
        let value = self.get(key)?;
        let list = value.list();
        if list.is_none() {
            diagnostics.push(value.wrong_type(key, "a list"));
        }
        list
    }

    /// A table in this one.
    pub fn table(&mut self, key: &'static str, diagnostics: &mut Diagnostics) -> Option<Table<'t>> {
        let value = self.get(key)?;
        value.table(&format!("[{key}]"), diagnostics)
    }

    /// A truth value.
    pub fn truth(&mut self, key: &'static str, diagnostics: &mut Diagnostics) -> Option<bool> {
        let value = self.get(key)?;
        let truth = value.content.as_bool();
        if truth.is_none() {
            diagnostics.push(value.wrong_type(key, "true or false"));
        }
        truth
    }

    /// The texts of a list, or the one text that stands in its place.
    pub fn texts(&mut self, key: &'static str, diagnostics: &mut Diagnostics) -> Option<Vec<(String, Span)>> {
        let value = self.get(key)?;
        if let Some(text) = value.text() {
            return Some(vec![(text.to_owned(), value.span)]);
        }
        let Some(list) = value.list() else {
            diagnostics.push(value.wrong_type(key, "a text in quotes or a list of texts"));
            return None;
        };
        let mut texts = Vec::new();
        for value in list {
            match value.text() {
                Some(text) => texts.push((text.to_owned(), value.span)),
                None => diagnostics.push(value.wrong_type(&format!("an entry of {key}"), "a text in quotes")),
            }
        }
        Some(texts)
    }

    /// Every key with its value and the key's place; all are then known.
    pub fn entries(&self) -> impl Iterator<Item = (&'t str, Span, Value<'t>)> + use<'t> {
        self.parts.clone().into_iter().flat_map(|(entries, origin)| {
            entries.iter().map(move |(key, value)| {
                let place = origin.span(key.span());
                let value = Value { span: origin.span(value.span()), content: value.get_ref(), origin };
                (&**key.get_ref(), place, value)
            })
        })
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self, diagnostics: &mut Diagnostics) {
        for (key, span, _) in self.entries() {
            if !self.known.contains(&key) {
                let fault = Diagnostic::error(span, format!("`{key}` is not known in {}", self.title));
                diagnostics.push(fault.maybe_hint(suggestion(key, self.known.iter().copied())));
            }
        }
    }
}

impl<'t> Value<'t> {
    /// The text, where it is one.
    pub fn text(&self) -> Option<&'t str> {
        self.content.as_str()
    }

    /// Text, number or truth value as text.
    pub fn scalar(&self) -> Option<String> {
        match self.content {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Boolean(truth) => Some(truth.to_string()),
            DeValue::Integer(integer) if integer.radix() == 10 => Some(integer.as_str().to_owned()),
            DeValue::Float(float) => Some(float.as_str().to_owned()),
            _ => None,
        }
    }

    /// The elements, where it is a list.
    pub fn list(&self) -> Option<Vec<Value<'t>>> {
        let list = self.content.as_array()?;
        let origin = self.origin;
        Some(
            list.iter()
                .map(|value| Value { span: origin.span(value.span()), content: value.get_ref(), origin })
                .collect(),
        )
    }

    /// The table, reported where it is none.
    pub fn table(&self, title: &str, diagnostics: &mut Diagnostics) -> Option<Table<'t>> {
        let Some(entries) = self.content.as_table() else {
            let message = format!("{title} is {}, but has to be a table", self.type_name());
            diagnostics.push(Diagnostic::error(self.span, message));
            return None;
        };
        let parts = vec![(entries, self.origin)];
        Some(Table { parts, title: title.to_owned(), span: self.span, known: Vec::new() })
    }

    /// The table, where it is one.
    pub fn is_table(&self) -> bool {
        self.content.is_table()
    }

    fn type_name(&self) -> &'static str {
        match self.content {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "a truth value",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }

    /// The fault of a value that is not what its key takes.
    pub fn wrong_type(&self, key: &str, expected: &str) -> Diagnostic {
        Diagnostic::error(self.span, format!("`{key}` is {}, but has to be {expected}", self.type_name()))
    }
}

/// A text as a name; reported where it cannot be one.
pub fn named<K: Kind>(text: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<Name<K>> {
    let name = Name::new(text);
    if name.is_none() {
        let fault = Diagnostic::error(span, format!("`{text}` cannot be {}", K::WORDS));
        diagnostics.push(fault.hint(format!("{} consists of {}", K::WORDS, K::RULE)));
    }
    name
}
