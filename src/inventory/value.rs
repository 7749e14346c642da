//! Values that several tables of an inventory hold: attributes, addresses.

use std::net::IpAddr;

use crate::attribute::{Entry, Layer, Value as AttributeValue};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::intrinsic::is_intrinsic;
use crate::inventory::table::{Table, Value, named};
use crate::source::Span;

/// The attributes of one scope: `attributes = {..}` in `table`.
pub fn layer(table: &mut Table, diagnostics: &mut Diagnostics) -> Layer {
    let mut layer = Layer::new();
    let Some(values) = table.section("attributes", diagnostics) else { return layer };
    for (key, span, value) in values.entries() {
        let Some(name) = named(key, span, diagnostics) else { continue };
        if is_intrinsic(key) {
            let fault = Diagnostic::error(span, format!("the attribute `{key}` is kgen's own and cannot be set"));
            diagnostics
                .push(fault.hint("it follows from the host's entry; `kgen list attributes` shows which there are"));
            continue;
        }
        if let Some(value) = attribute_value(key, &value, diagnostics) {
            layer.insert(name, Entry { value, span: Some(span) });
        }
    }
    layer
}

fn attribute_value(key: &str, value: &Value, diagnostics: &mut Diagnostics) -> Option<AttributeValue> {
    if let Some(text) = value.scalar() {
        return Some(AttributeValue::Plain(text.into()));
    }
    if !value.is_table() {
        diagnostics.push(value.wrong_type(key, "a text, a number, a truth value or { secret = \"name\" }"));
        return None;
    }
    let mut table = value.table(&format!("the attribute `{key}`"), diagnostics)?;
    let secret = table.text("secret", diagnostics);
    let span = table.span();
    table.finish(diagnostics);
    let Some((name, place)) = secret else {
        diagnostics.push(Diagnostic::error(span, format!("the attribute `{key}` is a table without `secret`")));
        return None;
    };
    let plain =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if !plain {
        let message = format!("`{name}` cannot be the name of a secret");
        diagnostics.push(Diagnostic::error(place, message).hint("letters, digits, `_` and `-`"));
        return None;
    }
    Some(AttributeValue::secret(&name))
}

/// What was parsed; reported where it could not be.
pub fn parsed<T>(result: Result<T, String>, span: Span, diagnostics: &mut Diagnostics) -> Option<T> {
    result.map_err(|message| diagnostics.push(Diagnostic::error(span, message))).ok()
}

/// One of several words.
pub fn word(
    table: &mut Table,
    key: &'static str,
    names: &[&'static str],
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    let (text, span) = table.text(key, diagnostics)?;
    if names.contains(&text.as_str()) {
        return Some(text);
    }
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let message = format!("`{key}` is `{text}`, but can only be {}", names.join(" or "));
    diagnostics.push(Diagnostic::error(span, message));
    None
}

/// A number between two others.
pub fn within(
    table: &mut Table,
    key: &'static str,
    range: std::ops::RangeInclusive<u32>,
    diagnostics: &mut Diagnostics,
) -> Option<u32> {
    let number = table.number(key, diagnostics)?;
    if range.contains(&number) {
        return Some(number);
    }
    if let Some(value) = table.get(key) {
        let message = format!("`{key}` is {number}, but has to be from {} to {}", range.start(), range.end());
        diagnostics.push(Diagnostic::error(value.span, message));
    }
    None
}

/// IP addresses: a list, or one.
pub fn ip_addresses(table: &mut Table, key: &'static str, diagnostics: &mut Diagnostics) -> Vec<IpAddr> {
    let texts = table.texts(key, diagnostics).unwrap_or_default();
    texts.iter().filter_map(|found| ip_address(found, diagnostics)).collect()
}

/// A text as an IP address.
pub fn ip_address((text, span): &(String, Span), diagnostics: &mut Diagnostics) -> Option<IpAddr> {
    let address = text.parse().map_err(|_| format!("`{text}` is not an IP address"));
    parsed(address, *span, diagnostics)
}
