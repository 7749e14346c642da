//! A host's own values, as references to them: what makes equal what changes alike.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::attribute::Attributes;
use crate::inventory::intrinsic::Own;
use crate::inventory::{Host, Inventory};
use crate::name::AttributeName;

/// One host in both generations.
#[derive(Clone, Copy)]
pub struct Pair<'p> {
    /// In the first.
    pub old: &'p Host,
    /// In the second.
    pub new: &'p Host,
}

/// Those that are long and rare enough to be found in a finished text, where no reference says what they are. The longer
/// first, which holds the shorter.
const IN_TEXT: [&str; 4] = ["fqdn", "hostname", "hostaddr", "ksmac"];

/// The values of a host's own that are the same in both generations.
pub struct OwnValues(Vec<(String, Arc<str>)>);

impl OwnValues {
    /// All: what a kickstart refers to. Left out are those whose references stand in a text as text, where they could not
    /// be told from ours.
    pub fn all(pair: Pair, [old, new]: [&Attributes; 2], is_text: impl Fn(&str) -> bool) -> Self {
        let set = [pair.old, pair.new].into_iter().flat_map(|host| host.attributes.keys().map(AttributeName::as_str));
        let names: BTreeSet<&str> = Own::ALL.iter().map(|(name, _)| *name).chain(set).collect();
        let names = names.into_iter().filter(|name| !is_text(name));
        let same = |name: &str| {
            let value = old.shown(name).filter(|value| new.shown(name) == Some(value))?;
            Some((name.to_owned(), value.into()))
        };
        Self(names.filter_map(same).collect())
    }

    /// Those that can be found in any text.
    pub fn in_text(pair: Pair, [old, new]: [&Inventory; 2]) -> Self {
        let same = |name: &&str| {
            let value =
                old.intrinsic(pair.old, name).filter(|value| new.intrinsic(pair.new, name).as_ref() == Some(value))?;
            Some(((*name).to_owned(), value.into()))
        };
        Self(IN_TEXT.iter().filter_map(same).collect())
    }

    /// Whether this attribute is one of them.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// A text with references where a name or an address of the host stood.
    pub fn replaced_in(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for name in IN_TEXT {
            if let Some((_, value)) = self.0.iter().find(|(known, _)| known == name) {
                text = replace_words(&text, value, &reference(name));
            }
        }
        text
    }

    /// Lines with the values where references stood.
    pub fn filled<'t>(&self, lines: &[&'t str]) -> Vec<Cow<'t, str>> {
        lines.iter().map(|line| self.filled_into(line)).collect()
    }

    fn filled_into<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !text.contains('&') {
            return text.into();
        }
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&reference(name), value)).into()
    }
}

/// As a module writes it.
pub fn reference(name: &str) -> String {
    format!("&{name};")
}

/// The names whose references stand in a text.
pub fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split('&').skip(1).filter_map(|rest| Some(rest.split_once(';')?.0))
}

/// Replaces `value` where it is not a part of a longer name or address.
fn replace_words(text: &str, value: &str, with: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(value).filter(|_| !value.is_empty()) {
        let (before, after) = (&rest[..at], &rest[at + value.len()..]);
        // What is left of the text begins where the last value ended, whose last letter counts too.
        let first = before.chars().next_back().or_else(|| out.chars().next_back());
        let inside = first.is_some_and(is_part) || after.starts_with(is_part);
        out.push_str(before);
        out.push_str(if inside { value } else { with });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_where_they_are_whole() {
        let replaced = |text: &str| replace_words(text, "c-0-1", "&hostname;");
        assert_eq!(replaced("http://10.0.0.1/ks/c-0-1.ks c-0-1"), "http://10.0.0.1/ks/&hostname;.ks &hostname;");
        assert_eq!(replaced("c-0-10 xc-0-1 c-0-1c-0-1"), "c-0-10 xc-0-1 c-0-1c-0-1");
        assert_eq!(replaced(""), "");
    }

    #[test]
    fn what_was_replaced_is_filled_in_again() {
        let own = OwnValues(vec![("fqdn".into(), "c.example.org".into()), ("hostname".into(), "c".into())]);
        let text = "c.example.org, c and c.example.com";
        assert_eq!(own.replaced_in(text), "&fqdn;, &hostname; and &hostname;.example.com");
        assert_eq!(own.filled_into(&own.replaced_in(text)), text);
    }
}
