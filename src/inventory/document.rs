//! One file of an inventory, or a piece of it, as a tree with places: TOML, JSON, or a table of hosts (CSV).
//!
//! All forms become the tree of the toml library, so that what reads them, [`super::table`], knows one form.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::hostfile;
use crate::inventory::table::Origin;
use crate::source::{FileId, Sources, Span};

/// How a file is written, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.toml`, and everything else.
    Toml,
    /// `.json`: the same tables.
    Json,
    /// `.csv`: hosts, a line for each interface.
    Csv,
}

impl Format {
    /// The form of a file of this name.
    pub fn of(path: &str) -> Self {
        match path.rsplit_once('.').map(|(_, end)| end) {
            Some("json") => Format::Json,
            Some("csv") => Format::Csv,
            _ => Format::Toml,
        }
    }
}

/// A parsed file, or piece of one.
#[derive(Debug)]
pub struct Document<'t> {
    /// What it says.
    pub table: DeTable<'t>,
    /// Where it begins.
    pub origin: Origin,
}

/// Parses `range` of a file, which is a document of its own. Reports every fault of syntax; `None` if there are any.
pub fn parse<'s>(
    (file, range): (FileId, Range<usize>),
    sources: &'s Sources,
    diagnostics: &mut Diagnostics,
) -> Option<Document<'s>> {
    let source = sources.file(file);
    let origin = Origin { file, start: range.start };
    let text = &source.text[range];
    let table = match Format::of(&source.path) {
        Format::Toml => toml(text, origin, diagnostics)?,
        Format::Json => json(text, origin, diagnostics)?,
        Format::Csv => hostfile::parse((&source.text, text), origin, diagnostics)?,
    };
    Some(Document { table, origin })
}

fn toml<'t>(text: &'t str, origin: Origin, diagnostics: &mut Diagnostics) -> Option<DeTable<'t>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let range = error.span().unwrap_or(0..0);
        let span = origin.span(range.start..range.end.max(range.start));
        diagnostics.push(syntax_fault(text, origin, span, error.message()));
    }
    // What stands after a fault of syntax may have been misread; its other faults would be noise.
    errors.is_empty().then(|| document.into_inner())
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

fn json<'t>(text: &'t str, origin: Origin, diagnostics: &mut Diagnostics) -> Option<DeTable<'t>> {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let (text, origin) = (&text[mark..], Origin { start: origin.start + mark, ..origin });
    let mut reader = Json { text, origin, diagnostics, faulty: false, depth: 0 };
    let whole = match serde_json::from_str::<&RawValue>(text) {
        Ok(whole) => whole,
        Err(error) => {
            reader.syntax(&error);
            return None;
        }
    };
    let value = reader.value(whole)?;
    let faulty = reader.faulty;
    let DeValue::Table(table) = value.into_inner() else {
        diagnostics.push(Diagnostic::error(origin.span(0..0), "the inventory is not a JSON object"));
        return None;
    };
    (!faulty).then_some(table)
}

/// JSON read level by level: what a level holds is a piece of the text, and so has a place.
struct Json<'t, 'd> {
    text: &'t str,
    origin: Origin,
    diagnostics: &'d mut Diagnostics,
    faulty: bool,
    depth: usize,
}

/// Tables in tables in tables; an inventory has five.
const DEEPEST: usize = 32;

/// The members of an object in their order, also those that are there twice.
struct Members<'t>(Vec<(Cow<'t, str>, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<'t>(std::marker::PhantomData<&'t ()>);
        impl<'de: 't, 't> serde::de::Visitor<'de> for Visitor<'t> {
            type Value = Members<'t>;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members<'t>, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<Key>()? {
                    members.push((key.0, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor(std::marker::PhantomData))
    }
}

/// A text, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Key<'t>(#[serde(borrow)] Cow<'t, str>);

impl<'t> Json<'t, '_> {
    fn fault(&mut self, range: Range<usize>, message: String) {
        self.faulty = true;
        self.diagnostics.push(Diagnostic::error(self.origin.span(range), message));
    }

    fn syntax(&mut self, error: &serde_json::Error) {
        let lines = self.text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let at = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let at = self.text.floor_char_boundary(at.min(self.text.len()));
        let said = error.to_string();
        let said = said.split(" at line ").next().unwrap_or_default().replace("invalid ", "unexpected ");
        self.fault(at..at, format!("the file is not JSON: {said}"));
    }

    /// Where a piece of the text stands.
    fn range(&self, piece: &str) -> Range<usize> {
        let start = (piece.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        if start > self.text.len() { 0..0 } else { start..start + piece.len() }
    }

    /// What the library made of a piece; what it could not is a fault, such as a text with half of a character.
    fn read<T: Deserialize<'t>>(&mut self, piece: &'t str) -> Option<T> {
        let read = serde_json::from_str(piece);
        if let Err(error) = &read {
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or_default().replace("invalid ", "unexpected ");
            self.fault(self.range(piece), format!("the file is not JSON: {said}"));
        }
        read.ok()
    }

    fn value(&mut self, raw: &'t RawValue) -> Option<Spanned<DeValue<'t>>> {
        let (piece, range) = (raw.get(), self.range(raw.get()));
        if self.depth > DEEPEST {
            self.fault(range.start..range.start, format!("there are more than {DEEPEST} levels of brackets"));
            return None;
        }
        self.depth += 1;
        let value = self.content(piece, range.clone());
        self.depth -= 1;
        Some(Spanned::new(range, value?))
    }

    fn content(&mut self, piece: &'t str, range: Range<usize>) -> Option<DeValue<'t>> {
        Some(match piece.as_bytes().first() {
            Some(b'{') => DeValue::Table(self.members(piece)?),
            Some(b'[') => {
                let elements: Vec<&'t RawValue> = self.read(piece)?;
                DeValue::Array(elements.into_iter().filter_map(|element| self.value(element)).collect())
            }
            Some(b'"') => DeValue::String(self.read::<Key>(piece)?.0),
            Some(b't' | b'f') => DeValue::Boolean(piece == "true"),
            Some(b'n') => {
                self.fault(range, "`null` says nothing; leave the key out".to_owned());
                return None;
            }
            // Numbers of JSON are numbers of TOML.
            _ => {
                let Ok(number) = DeValue::parse(piece) else {
                    self.fault(range, format!("`{piece}` is a number that cannot be read"));
                    return None;
                };
                number.into_inner()
            }
        })
    }

    fn members(&mut self, piece: &'t str) -> Option<DeTable<'t>> {
        let Members(members) = self.read(piece)?;
        let mut table = DeTable::new();
        let mut places: std::collections::BTreeMap<Cow<'t, str>, Range<usize>> = std::collections::BTreeMap::new();
        for (key, raw) in members {
            let place = match &key {
                Cow::Borrowed(key) => self.range(key),
                Cow::Owned(_) => self.range(raw.get()),
            };
            if let Some(first) = places.get(&key) {
                self.faulty = true;
                let fault = Diagnostic::error(self.origin.span(place), format!("`{key}` is there twice"));
                self.diagnostics.push(fault.related(self.origin.span(first.clone()), "the first"));
                continue;
            }
            places.insert(key.clone(), place.clone());
            if let Some(value) = self.value(raw) {
                table.insert(Spanned::new(place, key), value);
            }
        }
        Some(table)
    }
}
