//! Attributes: names with the values in force for one host, by scope, each with the place that set it.
//!
//! Scopes are shared: the site's layer is one `Arc` for all hosts. Secrets are references; their values are
//! kept apart in [`Secrets`], print nowhere, and are looked up only when an output is written.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::name::AttributeName;
use crate::source::Span;

/// Where a value was set. Later scopes win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// For all hosts.
    Site,
    /// For hosts of one operating system.
    Os,
    /// For hosts of one appliance.
    Appliance,
    /// For one host.
    Host,
    /// By kgen, from the host itself; cannot be set.
    Intrinsic,
    /// On the command line (`kgen profile --attribute`).
    Given,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Scope::Site => "site",
            Scope::Os => "os",
            Scope::Appliance => "appliance",
            Scope::Host => "host",
            Scope::Intrinsic => "intrinsic",
            Scope::Given => "given",
        })
    }
}

/// A value: text, or the name of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text; may be empty, and may hold any character.
    Plain(Arc<str>),
    /// The name under which [`Secrets`] has the text, and that text as it is shown: `(secret NAME)`.
    Secret {
        /// Key in [`Secrets`].
        name: Arc<str>,
        /// What is shown instead.
        shown: Arc<str>,
    },
}

impl Value {
    /// A reference to a secret.
    pub fn secret(name: &str) -> Self {
        Value::Secret { name: name.into(), shown: format!("(secret {name})").into() }
    }

    /// The value for people, conditions and everything but the finished output.
    pub fn shown(&self) -> &str {
        match self {
            Value::Plain(text) => text,
            Value::Secret { shown, .. } => shown,
        }
    }

    /// Whether it is a secret.
    pub fn is_secret(&self) -> bool {
        matches!(self, Value::Secret { .. })
    }
}

/// One value and the place that set it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// Where it was set; intrinsic and given values have no place.
    pub span: Option<Span>,
}

impl Entry {
    /// A plain value without a place.
    pub fn plain(text: impl Into<Arc<str>>) -> Self {
        Self { value: Value::Plain(text.into()), span: None }
    }
}

/// The values of one scope.
pub type Layer = BTreeMap<AttributeName, Entry>;

/// Texts of secrets by name. Does not print.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    texts: BTreeMap<String, Arc<str>>,
}

impl Secrets {
    /// Keeps a secret.
    pub fn insert(&mut self, name: impl Into<String>, text: &str) {
        self.texts.insert(name.into(), text.into());
    }

    /// Whether the secret is known.
    pub fn contains(&self, name: &str) -> bool {
        self.texts.contains_key(name)
    }

    /// The text of a value, for an output that may hold it; `None` for a secret that nobody gave.
    pub fn reveal<'a>(&'a self, value: &'a Value) -> Option<&'a str> {
        match value {
            Value::Plain(text) => Some(text),
            Value::Secret { name, .. } => self.texts.get(&**name).map(|text| &**text),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} not shown)", self.texts.len())
    }
}

/// All attributes of one host: layers from low to high precedence.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    layers: Vec<(Scope, Arc<Layer>)>,
}

impl Attributes {
    /// Attributes of these layers; a later layer wins.
    pub fn new(layers: Vec<(Scope, Arc<Layer>)>) -> Self {
        Self { layers }
    }

    /// Attributes of one layer of plain values.
    pub fn given(values: impl IntoIterator<Item = (AttributeName, String)>) -> Self {
        let layer = values.into_iter().map(|(name, text)| (name, Entry::plain(text))).collect();
        Self::new(vec![(Scope::Given, Arc::new(layer))])
    }

    /// The value in force.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entry(name).map(|(_, entry)| &entry.value)
    }

    /// The value in force as it may be shown.
    pub fn shown(&self, name: &str) -> Option<&str> {
        self.get(name).map(Value::shown)
    }

    /// The value in force with scope and place.
    pub fn entry(&self, name: &str) -> Option<(Scope, &Entry)> {
        self.layers.iter().rev().find_map(|(scope, layer)| Some((*scope, layer.get(name)?)))
    }

    /// Every value of this name, the one in force first.
    pub fn entries<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (Scope, &'a Entry)> {
        self.layers.iter().rev().filter_map(move |(scope, layer)| Some((*scope, layer.get(name)?)))
    }

    /// All names with the values in force, by name.
    pub fn all(&self) -> BTreeMap<&AttributeName, (Scope, &Entry)> {
        let mut all = BTreeMap::new();
        for (scope, layer) in &self.layers {
            all.extend(layer.iter().map(|(name, entry)| (name, (*scope, entry))));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(values: &[(&str, &str)]) -> Arc<Layer> {
        let entry = |(name, text): &(&str, &str)| (AttributeName::new(name).unwrap(), Entry::plain(*text));
        Arc::new(values.iter().map(entry).collect())
    }

    #[test]
    fn the_host_wins_over_appliance_os_and_site() {
        let attributes = Attributes::new(vec![
            (Scope::Site, layer(&[("a", "site"), ("b", "site")])),
            (Scope::Appliance, layer(&[("a", "appliance")])),
            (Scope::Host, layer(&[("a", "host")])),
        ]);
        assert_eq!(attributes.shown("a"), Some("host"));
        assert_eq!(attributes.shown("b"), Some("site"));
        assert_eq!(attributes.shown("c"), None);
        let scopes: Vec<_> = attributes.entries("a").map(|(scope, _)| scope).collect();
        assert_eq!(scopes, [Scope::Host, Scope::Appliance, Scope::Site]);
        assert_eq!(attributes.all().len(), 2);
    }

    #[test]
    fn a_secret_does_not_print() {
        let mut secrets = Secrets::default();
        secrets.insert("rootpw", "$6$hash");
        let value = Value::secret("rootpw");
        assert_eq!(value.shown(), "(secret rootpw)");
        assert_eq!(secrets.reveal(&value), Some("$6$hash"));
        assert!(!format!("{secrets:?} {value:?}").contains("hash"));
    }
}
