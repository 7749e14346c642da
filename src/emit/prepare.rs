//! Text made ready to be filled in for one host after another: look the values up, copy the bytes.
//!
//! Literal runs lie side by side in one buffer, and neighbours are one copy. This is where the speed of a
//! hundred thousand hosts comes from; nothing is cached per host.

use std::ops::Range;
use std::sync::Arc;

use crate::name::AttributeName;
use crate::source::Span;
use crate::text::{Form, Segment, TemplateText, Text};

/// A text with its literal bytes joined and its attributes numbered.
#[derive(Debug)]
pub struct Prepared {
    literals: String,
    steps: Vec<Step>,
    /// The attributes in it, each once.
    pub slots: Vec<Slot>,
}

/// An attribute that a text refers to.
#[derive(Debug)]
pub struct Slot {
    /// Its name.
    pub name: AttributeName,
    /// Where it is referred to first.
    pub span: Span,
}

#[derive(Debug)]
enum Step {
    Literal(Range<usize>),
    Attribute(usize, Form),
    Template(Arc<TemplateText>),
    LineEnd,
}

impl Prepared {
    /// Prepares a text. Attributes for which `constant` has a value become literal.
    pub fn new<'a>(text: &Text, constant: impl Fn(&AttributeName) -> Option<&'a str>) -> Self {
        let mut prepared = Self { literals: String::new(), steps: Vec::new(), slots: Vec::new() };
        for segment in &text.segments {
            match segment {
                Segment::Literal { text, .. } => prepared.literal(text),
                Segment::Attribute { name, form, span } => match (constant(name), form) {
                    (Some(value), Form::Plain) => prepared.literal(value),
                    (Some(value), Form::SingleQuoted) => prepared.literal(&value.replace('\'', "'\\''")),
                    (None, form) => {
                        let slot = prepared.slot(name, *span);
                        prepared.steps.push(Step::Attribute(slot, *form));
                    }
                },
                Segment::Template(template) => prepared.steps.push(Step::Template(Arc::clone(template))),
                Segment::LineEnd => prepared.steps.push(Step::LineEnd),
            }
        }
        prepared
    }

    fn literal(&mut self, text: &str) {
        let start = self.literals.len();
        self.literals.push_str(text);
        match self.steps.last_mut() {
            Some(Step::Literal(last)) => last.end = self.literals.len(),
            _ => self.steps.push(Step::Literal(start..self.literals.len())),
        }
    }

    fn slot(&mut self, name: &AttributeName, span: Span) -> usize {
        let known = self.slots.iter().position(|slot| slot.name == *name);
        known.unwrap_or_else(|| {
            self.slots.push(Slot { name: name.clone(), span });
            self.slots.len() - 1
        })
    }

    /// Appends the text for one host to `out`. `value` appends the value of a slot, by its index in
    /// [`Prepared::slots`]; `render` gives the text of a template.
    ///
    /// # Errors
    /// What `value` or `render` gives; `out` is then not to be used.
    pub fn fill<E>(
        &self,
        mut value: impl FnMut(usize, &mut Vec<u8>) -> Result<(), E>,
        render: impl Fn(&TemplateText) -> Result<Arc<str>, E>,
        out: &mut Vec<u8>,
    ) -> Result<(), E> {
        for step in &self.steps {
            match step {
                Step::Literal(range) => out.extend_from_slice(&self.literals.as_bytes()[range.clone()]),
                Step::Attribute(slot, form) => {
                    let start = out.len();
                    value(*slot, out)?;
                    if *form == Form::SingleQuoted {
                        quote(start, out);
                    }
                }
                Step::Template(template) => out.extend_from_slice(render(template)?.as_bytes()),
                Step::LineEnd => {
                    if out.last() != Some(&b'\n') {
                        out.push(b'\n');
                    }
                }
            }
        }
        Ok(())
    }

    /// About how many bytes the text of a host has: values are short, but nobody knows that of templates.
    pub fn about(&self) -> usize {
        const VALUE: usize = 64;
        self.literals.len() + self.steps.len() * VALUE
    }

    /// Whether a template stands in it.
    pub fn has_templates(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Template(_)))
    }
}

/// Inside single quotes only a single quote has to be written differently (POSIX shell, section 2.2.2).
fn quote(start: usize, out: &mut Vec<u8>) {
    if out[start..].contains(&b'\'') {
        let value = out.split_off(start);
        for byte in value {
            match byte {
                b'\'' => out.extend_from_slice(b"'\\''"),
                other => out.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;
    use crate::text::Origin;

    #[test]
    fn values_are_put_between_the_literals() {
        let mut sources = Sources::default();
        let span = Span::new(sources.add("x", String::new()), 0, 0);
        let name = AttributeName::new("who").unwrap();
        let mut text = Text::literal("a", Origin::Generated);
        text.push("b ", Origin::Generated);
        for form in [Form::Plain, Form::SingleQuoted] {
            text.segments.push(Segment::Attribute { name: name.clone(), form, span });
            text.push(".", Origin::Generated);
        }
        let prepared = Prepared::new(&text, |_| None);
        assert_eq!((prepared.slots.len(), prepared.steps.len()), (1, 5));
        let mut out = Vec::new();
        let render = |_: &TemplateText| Err::<Arc<str>, ()>(());
        let value = |_, out: &mut Vec<u8>| {
            out.extend_from_slice(b"it's");
            Ok(())
        };
        prepared.fill(value, render, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "ab it's.it'\\''s.");
    }
}
