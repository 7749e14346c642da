//! TOML tables with places: the door to the toml library.
//!
//! Reads key by key, so that one run tells every unknown key and every value of the wrong type, not the first.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::name::{Kind, Name, suggestion};
use crate::source::{FileId, Sources, Span};

/// A table that is being read; knows which of its keys were asked for.
pub struct Table<'t> {
    entries: &'t DeTable<'t>,
    origin: Origin,
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
#[derive(Clone, Copy)]
struct Origin {
    file: FileId,
    start: usize,
}

impl Origin {
    fn span(self, range: Range<usize>) -> Span {
        Span::new(self.file, self.start + range.start, self.start + range.end)
    }
}

/// Parses `range` of a file, which is a document of its own, and reads its top table. Reports every fault of
/// syntax, and gives whether there was none.
pub fn with_document<R>(
    (file, range): (FileId, Range<usize>),
    sources: &Sources,
    diagnostics: &mut Diagnostics,
    read: impl FnOnce(Table, &mut Diagnostics) -> R,
) -> Option<R> {
    let origin = Origin { file, start: range.start };
    let text = &sources.file(file).text[range];
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let range = error.span().unwrap_or(0..0);
        let span = origin.span(range.start..range.end.max(range.start));
        diagnostics.push(syntax_fault(text, origin, span, error.message()));
    }
    // What stands after a fault of syntax may have been misread; its other faults would be noise.
    errors.is_empty().then(|| {
        let span = origin.span(0..0);
        read(
            Table { entries: document.get_ref(), origin, title: "the inventory".to_owned(), span, known: Vec::new() },
            diagnostics,
        )
    })
}

/// A fault of syntax in our words. A key or table that is there twice is named, with its first place.
fn syntax_fault(text: &str, origin: Origin, span: Span, message: &str) -> Diagnostic {
    if !message.contains("duplicate key") {
        let message = message.replace("invalid ", "unexpected ");
        return Diagnostic::error(span, format!("the file is not TOML: {message}"));
    }
    let start = span.start as usize - origin.start;
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or_default().trim();
    let what = if line.starts_with('[') {
        line.split(']').next().unwrap_or(line).to_owned() + "]"
    } else {
        line.split('=').next().unwrap_or(line).trim().to_owned()
    };
    let fault = Diagnostic::error(span, format!("`{what}` is there twice"));
    let mut at = 0;
    for earlier in text[..line_start].split_inclusive('\n') {
        if line.starts_with('[') && earlier.trim_start().starts_with(&what) {
            return fault.related(origin.span(at..at + earlier.trim_end().len()), "the first");
        }
        at += earlier.len();
    }
    fault
}

impl<'t> Table<'t> {
    /// Whether the key is there, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where the table is declared.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The value of a key, which is then known.
    pub fn get(&mut self, key: &'static str) -> Option<Value<'t>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let value = self.entries.get(key)?;
        Some(Value { span: self.origin.span(value.span()), content: value.get_ref(), origin: self.origin })
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

    /// Every key with its value and the key's place; all are then known.
    pub fn entries(&self) -> impl Iterator<Item = (&'t str, Span, Value<'t>)> + use<'t> {
        let origin = self.origin;
        self.entries.iter().map(move |(key, value)| {
            let place = origin.span(key.span());
            let value = Value { span: origin.span(value.span()), content: value.get_ref(), origin };
            (&**key.get_ref(), place, value)
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
        Some(Table { entries, origin: self.origin, title: title.to_owned(), span: self.span, known: Vec::new() })
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
