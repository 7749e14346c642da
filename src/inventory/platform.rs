//! What a machine is, as far as the site, its appliance or its own entry say.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::command;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::table::Table;
use crate::name::{ActionName, DistributionName, suggestion};
use crate::source::Span;

/// What a machine is, as far as a scope says.
#[derive(Clone, Debug, Default)]
pub struct Platform {
    /// `x86_64`.
    pub arch: Option<Arc<str>>,
    /// `linux`.
    pub os: Option<Arc<str>>,
    /// `RHEL9`.
    pub target: Option<Arc<str>>,
    /// What is installed.
    pub distribution: Option<DistributionName>,
    /// What it does at boot.
    pub boot: Option<ActionName>,
    /// Keys that are there, but faulty.
    pub faulty: BTreeSet<&'static str>,
}

impl Platform {
    /// Reads `arch`, `os`, `target`, `distribution` and `boot` of a table; `used` takes the names and their places.
    pub fn read(table: &mut Table, used: &mut Used, diagnostics: &mut Diagnostics) -> Self {
        let distribution = table.name("distribution", diagnostics);
        let boot = table.name("boot", diagnostics);
        used.distributions.extend(distribution.clone());
        used.actions.extend(boot.clone());
        let word = |(text, _): (String, Span)| Arc::from(text);
        let mut platform = Self {
            arch: table.text("arch", diagnostics).and_then(|found| plain_word("arch", found, diagnostics)).map(word),
            os: table.text("os", diagnostics).and_then(|found| plain_word("os", found, diagnostics)).map(word),
            target: table.text("target", diagnostics).and_then(|found| target(found, diagnostics)).map(Arc::from),
            distribution: distribution.map(|(name, _)| name),
            boot: boot.map(|(name, _)| name),
            faulty: BTreeSet::new(),
        };
        for (key, value) in [("arch", &platform.arch), ("target", &platform.target)] {
            if table.has(key) && value.is_none() {
                platform.faulty.insert(key);
            }
        }
        platform
    }

    /// Whether it says anything of what the machine is.
    pub fn says_what(&self) -> bool {
        self.arch.is_some() || self.os.is_some() || self.target.is_some() || self.distribution.is_some()
    }
}

/// Names that are used, each with its place, to be held against what is declared.
#[derive(Default)]
pub struct Used {
    /// Of distributions.
    pub distributions: Vec<(DistributionName, Span)>,
    /// Of boot actions.
    pub actions: Vec<(ActionName, Span)>,
}

impl Used {
    /// Takes over those of a later piece.
    pub fn append(&mut self, other: Used) {
        self.distributions.extend(other.distributions);
        self.actions.extend(other.actions);
    }
}

/// Architectures and systems are words that stand in paths and conditions.
pub fn plain_word(key: &str, (text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<(String, Span)> {
    let plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if !plain {
        let message = if text.is_empty() {
            format!("`{key}` is empty")
        } else {
            format!("`{text}` cannot be the value of `{key}`")
        };
        diagnostics.push(Diagnostic::error(span, message).hint("letters, digits, `_`, `-` and `.`"));
    }
    plain.then_some((text, span))
}

/// A target version of kickstarts that is known; reported where it is not.
pub fn target((text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<String> {
    if command::versions().any(|version| version == text) {
        return Some(text);
    }
    let known: Vec<_> = command::versions().collect();
    let fault = Diagnostic::error(span, format!("the target version `{text}` is not known"));
    diagnostics.push(fault.maybe_hint(suggestion(&text, known.iter().copied())));
    None
}
