//! Explanations as people read them: how a module came in, which attribute has which value and why.

use std::fmt::Write;

use crate::explain::{SetAttribute, Step, UsedBy};

/// A module and the edges that brought it in.
pub fn used_text(used: &UsedBy, text: &mut String) {
    let _ = writeln!(text, "  module {}, roll {}", used.module, used.roll);
    chain_text(&used.chain, text);
}

/// The edges of a chain, one below the other.
pub fn chain_text(chain: &[Step], text: &mut String) {
    let width = chain.iter().map(|step| step.from.len() + step.to.len()).max().unwrap_or(0) + " inherits ".len();
    for step in chain {
        let edge = format!("{} inherits {}", step.from, step.to);
        let condition = step.condition.as_ref().map(|condition| format!("  if {condition}")).unwrap_or_default();
        let _ = writeln!(text, "    {edge:<width$}  {}{condition}", step.place);
    }
}

/// Attributes with their values and places.
pub fn values_text(values: &[SetAttribute], text: &mut String) {
    for value in values {
        let _ = writeln!(text, "  {}", value_text(value));
    }
}

/// An attribute with its value and place.
pub fn value_text(attribute: &SetAttribute) -> String {
    let Some(value) = &attribute.value else { return format!("{} has no value", attribute.name) };
    let scope = attribute.scope.map(|scope| scope.to_string()).unwrap_or_default();
    let place = attribute.place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
    format!("{} = {value}  ({scope}{place})", attribute.name)
}
