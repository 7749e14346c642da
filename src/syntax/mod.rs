//! Text to trees: XML files to modules and graph files. Knows no host; every element keeps its place.
//!
//! [`xml`] is the door to the XML library and gives elements with spans; [`items`] (with [`content`] and
//! [`mod@include`]) makes a [`module`] of them, [`graph`] a graph file, and both report everything that means nothing. Before it: [`crate::source`]; after it:
//! [`crate::description`].

pub mod content;
pub mod element;
pub mod encoding;
pub mod entity;
pub mod graph;
pub mod include;
pub mod items;
pub mod module;
pub mod xml;

/// How strict a description is read, LANGUAGE section 4 (`[language]` in the inventory).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Language {
    /// What `<eval>` does.
    pub eval: EvalPolicy,
    /// Severity of an attribute without a value in text.
    pub undefined: Strictness,
    /// Severity of an unknown element or attribute.
    pub unknown: Strictness,
}

impl Default for Language {
    fn default() -> Self {
        Self { eval: EvalPolicy::Error, undefined: Strictness::Error, unknown: Strictness::Error }
    }
}

/// What `<eval>` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EvalPolicy {
    /// It is a fault.
    #[default]
    Error,
    /// It gives nothing, with a warning.
    Off,
    /// The program runs at compile time.
    On,
}

impl EvalPolicy {
    /// The names of the policies, as people write them.
    pub const NAMES: [&'static str; 3] = ["error", "off", "on"];

    /// A policy by its name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "error" => Some(Self::Error),
            "off" => Some(Self::Off),
            "on" => Some(Self::On),
            _ => None,
        }
    }
}

/// Error or warning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// The default.
    #[default]
    Error,
    /// For old trees.
    Warn,
}

impl Strictness {
    /// The names, as people write them.
    pub const NAMES: [&'static str; 2] = ["error", "warn"];

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "error" => Some(Self::Error),
            "warn" => Some(Self::Warn),
            _ => None,
        }
    }

    /// The severity of what this is the strictness for.
    pub fn severity(self) -> crate::diagnostic::Severity {
        match self {
            Self::Error => crate::diagnostic::Severity::Error,
            Self::Warn => crate::diagnostic::Severity::Warning,
        }
    }
}
