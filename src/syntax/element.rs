//! What all elements have in common: known attributes, conditions, values that must be literal.

use crate::condition::{Condition, ConditionId, Conditions};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::name::{AttributeName, Kind, Name, suggestion};
use crate::source::{Sources, Span};
use crate::syntax::Language;
use crate::syntax::xml::{Attribute, Element};
use crate::text::{Origin, Segment, Text};

/// The attributes that make an element conditional.
pub const CONDITIONS: [&str; 4] = ["arch", "os", "release", "cond"];

/// What a pass over elements reads and reports to.
pub struct Context<'a> {
    /// Texts of all files.
    pub sources: &'a mut Sources,
    /// Takes the conditions in.
    pub conditions: &'a mut Conditions,
    /// Takes the faults.
    pub diagnostics: &'a mut Diagnostics,
    /// How strict to be.
    pub language: Language,
}

impl Context<'_> {
    /// Reports what the language does not know, as strictly as the site wants.
    pub fn unknown(&mut self, span: Span, message: impl Into<String>, hint: Option<String>) {
        let severity = self.language.unknown.severity();
        self.diagnostics.push(Diagnostic::error(span, message).severity(severity).maybe_hint(hint));
    }

    /// Reports every attribute of `element` that is neither in `known` nor in `common`.
    pub fn check_attributes(&mut self, element: &Element, known: &[&'static str], common: &[&'static str]) {
        for attribute in &element.attributes {
            let name = attribute.name.as_str();
            if known.contains(&name) || common.contains(&name) {
                continue;
            }
            let all = known.iter().chain(common).copied();
            let message = format!("`<{}>` has no attribute `{name}`", element.name);
            self.unknown(attribute.name_span, message, suggestion(name, all));
        }
    }

    /// Reports an element that does not belong where it stands.
    pub fn unknown_element(&mut self, element: &Element, place: &str, known: &[&'static str]) {
        let message = format!("`<{}>` is not known in {place}", element.name);
        self.unknown(element.name_span, message, suggestion(&element.name, known.iter().copied()));
    }

    /// The condition of an element: `arch` and `os` and `release` and `cond`.
    pub fn condition(&mut self, element: &Element) -> Option<Condition> {
        let mut parts = Vec::new();
        for name in CONDITIONS {
            let Some(attribute) = find(element, name) else { continue };
            let Some(value) = self.literal(attribute) else { continue };
            if value.is_empty() {
                continue;
            }
            if name == "cond" {
                parts.extend(self.expression(attribute, &value));
            } else {
                parts.extend(AttributeName::new(name).map(|name| Condition::one_of(name, &value)));
            }
        }
        Condition::all(parts)
    }

    /// The number of a condition; nothing for none.
    pub fn intern(&mut self, condition: Option<Condition>) -> Option<ConditionId> {
        condition.map(|condition| self.conditions.intern(condition))
    }

    fn expression(&mut self, attribute: &Attribute, value: &str) -> Option<Condition> {
        match Condition::parse(value) {
            Ok(condition) => Some(condition),
            Err(error) => {
                let place = place_in(&attribute.value, error.range, attribute.value_span);
                let fault = Diagnostic::error(place, format!("the condition does not parse: {}", error.message));
                self.diagnostics.push(fault.maybe_hint(error.hint));
                None
            }
        }
    }

    /// The value of an attribute that steers the compiler, and so cannot be a host's.
    pub fn literal(&mut self, attribute: &Attribute) -> Option<String> {
        let literal = attribute.value.as_literal();
        if literal.is_none() {
            let (name, place) = attribute.value.attributes().next()?;
            let message = format!("`{}` cannot hold a host's attribute, but refers to `&{name};`", attribute.name);
            let hint = if attribute.name == "cond" {
                format!("name the attribute without `&` and `;` in the condition: `{name}`")
            } else {
                format!("write several elements, each with its own condition on `{name}`")
            };
            self.diagnostics.push(Diagnostic::error(place, message).hint(hint));
        }
        literal
    }

    /// The literal value of the attribute of this name.
    pub fn literal_of(&mut self, element: &Element, name: &str) -> Option<(String, Span)> {
        let attribute = find(element, name)?;
        Some((self.literal(attribute)?, attribute.value_span))
    }

    /// The attribute as one of a closed set of words.
    pub fn choice(&mut self, element: &Element, name: &str, choices: &[&'static str]) -> Option<&'static str> {
        let (value, span) = self.literal_of(element, name)?;
        let found = choices.iter().find(|choice| **choice == value.trim());
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
            let message =
                format!("`{name}` of `<{}>` is `{value}`, but can only be {}", element.name, words.join(" or "));
            self.unknown(span, message, None);
        }
        found.copied()
    }

    /// The attribute as a truth value; absent is `false`.
    pub fn truth(&mut self, element: &Element, name: &str) -> bool {
        let Some((value, span)) = self.literal_of(element, name) else { return false };
        match value.trim().to_ascii_lowercase().as_str() {
            "1" | "yes" | "true" | "on" | "y" | "enable" => true,
            "" | "0" | "no" | "false" | "off" | "n" | "disable" => false,
            _ => {
                let message = format!("`{name}` of `<{}>` is `{value}`, but can only be `yes` or `no`", element.name);
                self.unknown(span, message, None);
                false
            }
        }
    }

    /// A name that the text of an attribute or element must be.
    pub fn name<K: Kind>(&mut self, text: &str, span: Span) -> Option<Name<K>> {
        let name = Name::new(text);
        if name.is_none() {
            let message = match text {
                "" => format!("{} is missing here", K::WORDS),
                _ => format!("`{text}` cannot be {}", K::WORDS),
            };
            self.diagnostics.push(Diagnostic::error(span, message).hint(format!(
                "{} consists of {}",
                K::WORDS,
                K::RULE
            )));
        }
        name
    }
}

/// The attribute of this name.
pub fn find<'e>(element: &'e Element, name: &str) -> Option<&'e Attribute> {
    element.attributes.iter().find(|attribute| attribute.name == name)
}

/// Where bytes `range` of a decoded value stand in the file: `&gt;` is one byte in the value and four there.
fn place_in(value: &Text, range: std::ops::Range<usize>, whole: Span) -> Span {
    let mut before = 0;
    let mut start = None;
    for segment in &value.segments {
        let Segment::Literal { text, origin } = segment else { continue };
        let inside = |at: usize| match origin {
            Origin::Verbatim(span) => span.start as usize + at - before,
            Origin::Because(span) => span.start as usize,
            Origin::Generated => whole.start as usize,
        };
        let after = before + text.len();
        if start.is_none() && range.start < after {
            start = Some(inside(range.start));
        }
        if let Some(start) = start
            && range.end <= after
        {
            let end = if matches!(origin, Origin::Because(_)) { inside(range.end) + 1 } else { inside(range.end) };
            return Span::new(whole.file, start, end.max(start));
        }
        before = after;
    }
    let start = start.unwrap_or(whole.end as usize);
    Span::new(whole.file, start, whole.end as usize)
}
