//! General entities of a file's internal DTD subset: declared, and expanded within bounds.
//!
//! Entities hold text. External ones and parameter entities are refused: nothing is ever fetched.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::name::AttributeName;
use crate::source::{FileId, Span};

/// Most bytes that all references of one file may expand to.
pub const MAX_EXPANSION_BYTES: usize = 1 << 20;
/// Deepest nesting of entities in entities.
const MAX_DEPTH: usize = 16;

/// What a reference expands to.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Characters.
    Text(String),
    /// An attribute of the host.
    Attribute(AttributeName),
}

/// The entities that one file declares.
#[derive(Debug, Default)]
pub struct Entities {
    declared: BTreeMap<String, (String, Span)>,
    expanded_bytes: usize,
}

impl Entities {
    /// What `&name;` stands for, or `None` where neither XML nor the file declares it.
    ///
    /// # Errors
    /// It expands to too much, refers to itself, or is no character.
    pub fn expand(&mut self, name: &str, place: Span) -> Result<Option<Vec<Piece>>, Box<Diagnostic>> {
        if let Some(c) = predefined(name) {
            return Ok(Some(vec![Piece::Text(c.to_string())]));
        }
        if let Some(number) = name.strip_prefix('#') {
            return character(number, place).map(|c| Some(vec![Piece::Text(c.to_string())]));
        }
        if !self.declared.contains_key(name) {
            return Ok(None);
        }
        let mut pieces = Vec::new();
        self.expand_into(name, place, 0, &mut pieces)?;
        Ok(Some(pieces))
    }

    fn expand_into(
        &mut self,
        name: &str,
        place: Span,
        depth: usize,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), Box<Diagnostic>> {
        let Some((value, declaration)) = self.declared.get(name).cloned() else { return Ok(()) };
        if depth >= MAX_DEPTH {
            let fault = Diagnostic::error(
                declaration,
                format!("the entity `{name}` refers to itself, or is nested more than {MAX_DEPTH} deep"),
            );
            return Err(Box::new(fault.related(place, "used here")));
        }
        let mut rest = value.as_str();
        while let Some((before, after)) = rest.split_once('&') {
            self.push(before, place, pieces)?;
            let Some((inner, after)) = after.split_once(';') else {
                return Err(Box::new(Diagnostic::error(
                    declaration,
                    format!("a `&` in the entity `{name}` has no `;`"),
                )));
            };
            rest = after;
            if let Some(c) = predefined(inner) {
                self.push(&c.to_string(), place, pieces)?;
            } else if let Some(number) = inner.strip_prefix('#') {
                self.push(&character(number, place)?.to_string(), place, pieces)?;
            } else if self.declared.contains_key(inner) {
                self.expand_into(inner, place, depth + 1, pieces)?;
            } else if let Some(attribute) = AttributeName::new(inner) {
                self.count(inner.len(), place)?;
                pieces.push(Piece::Attribute(attribute));
            } else {
                let message =
                    format!("`&{inner};` in the entity `{name}` is neither a character nor the name of an attribute");
                return Err(Box::new(Diagnostic::error(declaration, message)));
            }
        }
        self.push(rest, place, pieces)
    }

    fn push(&mut self, text: &str, place: Span, pieces: &mut Vec<Piece>) -> Result<(), Box<Diagnostic>> {
        // One byte at least for each piece: empty entities in empty entities cost time as well.
        self.count(text.len().max(1), place)?;
        match pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => pieces.push(Piece::Text(text.to_owned())),
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize, place: Span) -> Result<(), Box<Diagnostic>> {
        self.expanded_bytes += bytes;
        if self.expanded_bytes > MAX_EXPANSION_BYTES {
            let message = format!("the entities of this file expand to more than {MAX_EXPANSION_BYTES} bytes");
            return Err(Box::new(Diagnostic::error(place, message)));
        }
        Ok(())
    }
}

/// The five entities of XML 1.0 section 4.6.
fn predefined(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

fn character(number: &str, place: Span) -> Result<char, Box<Diagnostic>> {
    let code = match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    let allowed = |c: &char| *c >= ' ' || matches!(c, '\n' | '\t' | '\r');
    code.ok().and_then(char::from_u32).filter(allowed).ok_or_else(|| {
        Box::new(Diagnostic::error(place, format!("`&#{number};` is no character that can stand in XML")))
    })
}

/// Reads the declarations of `<!DOCTYPE name SYSTEM ".." [ here ]>`; `start` is where `doctype` stands.
///
/// # Errors
/// An external or parameter entity, or a declaration that does not end.
pub fn declared(doctype: &str, file: FileId, start: usize) -> Result<Entities, Box<Diagnostic>> {
    let mut entities = Entities::default();
    let Some(subset) = subset_start(doctype) else { return Ok(entities) };
    let mut at = subset;
    while at < doctype.len() {
        let rest = &doctype[at..];
        if rest.starts_with("<!--") {
            at += rest.find("-->").map_or(rest.len(), |end| end + 3);
        } else if rest.starts_with("<?") {
            at += rest.find("?>").map_or(rest.len(), |end| end + 2);
        } else if let Some(declaration) = rest.strip_prefix("<!ENTITY") {
            at += "<!ENTITY".len() + entity(declaration, file, start + at + "<!ENTITY".len(), &mut entities)?;
        } else if rest.starts_with("<!") {
            at += end_of_declaration(rest);
        } else if rest.starts_with('%') {
            let place = Span::new(file, start + at, start + at + 1);
            return Err(Box::new(Diagnostic::error(place, "parameter entities are not read")));
        } else if rest.starts_with(']') {
            break;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    Ok(entities)
}

/// After the `[`, which may also stand in the quotes of a system identifier.
fn subset_start(doctype: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in doctype.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => return Some(at + 1),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

/// The length of `<!ELEMENT ..>` and the like; a `>` in quotes does not end it.
fn end_of_declaration(text: &str) -> usize {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (None, '>') => return at + 1,
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// Reads ` name "value">`, gives its length. `at` is where `text` stands.
fn entity(text: &str, file: FileId, at: usize, entities: &mut Entities) -> Result<usize, Box<Diagnostic>> {
    let length = end_of_declaration(text);
    let body = text[..length].trim_end_matches('>');
    let leading = body.len() - body.trim_start().len();
    let trimmed = body.trim();
    let name_length = trimmed.find(char::is_whitespace).unwrap_or(trimmed.len());
    let name = &trimmed[..name_length];
    let place = Span::new(file, at + leading, at + leading + name.len().max(1));
    if name == "%" {
        return Err(Box::new(Diagnostic::error(place, "parameter entities are not read")));
    }
    let value = trimmed[name_length..].trim();
    if value.starts_with("SYSTEM") || value.starts_with("PUBLIC") {
        let message = format!("the entity `{name}` is external; kgen never fetches one");
        return Err(Box::new(
            Diagnostic::error(place, message).hint("write its text into the declaration, or use <include>"),
        ));
    }
    let quoted =
        value.chars().next().filter(|quote| matches!(quote, '"' | '\'') && value.len() >= 2 && value.ends_with(*quote));
    if quoted.is_none() || AttributeName::new(name).is_none() {
        let fault = Diagnostic::error(place, "this entity declaration is not `<!ENTITY name \"text\">`");
        return Err(Box::new(fault));
    }
    let value = &value[1..value.len() - 1];
    if value.contains('<') {
        let fault = Diagnostic::error(place, format!("the entity `{name}` holds markup; entities hold text"));
        return Err(Box::new(fault.hint("use <include mode=\"xml\"> for elements")));
    }
    // The first declaration counts (XML 1.0 section 4.2).
    entities.declared.entry(name.to_owned()).or_insert_with(|| (value.to_owned(), place));
    Ok(length)
}
