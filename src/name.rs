//! Names that cannot be mixed up: a module's name is not a host's name.
//!
//! One generic type, one zero-sized kind for each sort of name. Cheap to clone, ordered by text.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// What a sort of name may consist of.
pub trait Kind {
    /// The sort in words with its article, for messages: "a module name".
    const WORDS: &'static str;
    /// Whether `text` may be such a name.
    fn accepts(text: &str) -> bool;
    /// What `accepts` allows, in words.
    const RULE: &'static str;
}

/// A name of one kind; never empty, and never a path.
pub struct Name<K> {
    text: Arc<str>,
    kind: PhantomData<fn() -> K>,
}

/// The name of a module: `ssh` of `nodes/ssh.xml`.
pub type ModuleName = Name<ModuleKind>;
/// The name of a roll.
pub type RollName = Name<RollKind>;
/// The name of a graph: a directory below `graphs/`.
pub type GraphName = Name<GraphKind>;
/// The short name of a host.
pub type HostName = Name<HostKind>;
/// The name of an appliance in the inventory.
pub type ApplianceName = Name<ApplianceKind>;
/// The name of a network in the inventory.
pub type NetworkName = Name<NetworkKind>;
/// The name of a boot action.
pub type ActionName = Name<ActionKind>;
/// The name of a distribution.
pub type DistributionName = Name<DistributionKind>;
/// The name of an attribute, as it stands in `&name;` and in conditions.
pub type AttributeName = Name<AttributeKind>;

impl<K: Kind> Name<K> {
    /// `text` as a name, or `None` where [`Kind::accepts`] says no.
    pub fn new(text: &str) -> Option<Self> {
        K::accepts(text).then(|| Self { text: text.into(), kind: PhantomData })
    }
}

impl<K> Name<K> {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

const FILE_RULE: &str = "letters, digits, `_`, `-`, `.` and `+`, not starting with `.` or `-`";
const HOST_RULE: &str = "letters, digits, `-` and `.`, at most 63 between dots, each part starting and ending with a letter or digit (RFC 1123)";
const ATTRIBUTE_RULE: &str = "a letter or `_`, then letters, digits, `_`, `-` and `.`";

/// Names of modules.
#[derive(Debug)]
pub struct ModuleKind;

impl Kind for ModuleKind {
    const WORDS: &'static str = "a module name";
    const RULE: &'static str = FILE_RULE;
    fn accepts(text: &str) -> bool {
        is_file_name(text)
    }
}

/// Names of rolls.
#[derive(Debug)]
pub struct RollKind;

impl Kind for RollKind {
    const WORDS: &'static str = "a roll name";
    const RULE: &'static str = FILE_RULE;
    fn accepts(text: &str) -> bool {
        is_file_name(text)
    }
}

/// Names of graphs.
#[derive(Debug)]
pub struct GraphKind;

impl Kind for GraphKind {
    const WORDS: &'static str = "a graph name";
    const RULE: &'static str = FILE_RULE;
    fn accepts(text: &str) -> bool {
        is_file_name(text)
    }
}

/// Names of hosts.
#[derive(Debug)]
pub struct HostKind;

impl Kind for HostKind {
    const WORDS: &'static str = "a host name";
    const RULE: &'static str = HOST_RULE;
    fn accepts(text: &str) -> bool {
        is_host_name(text)
    }
}

/// Names of appliances.
#[derive(Debug)]
pub struct ApplianceKind;

impl Kind for ApplianceKind {
    const WORDS: &'static str = "an appliance name";
    const RULE: &'static str = FILE_RULE;
    fn accepts(text: &str) -> bool {
        is_file_name(text)
    }
}

/// Names of networks.
#[derive(Debug)]
pub struct NetworkKind;

impl Kind for NetworkKind {
    const WORDS: &'static str = "a network name";
    const RULE: &'static str = FILE_RULE;
    fn accepts(text: &str) -> bool {
        is_file_name(text)
    }
}

/// Names of boot actions.
#[derive(Debug)]
pub struct ActionKind;

impl Kind for ActionKind {
    const WORDS: &'static str = "the name of a boot action";
    const RULE: &'static str = FILE_RULE;
    fn accepts(text: &str) -> bool {
        is_file_name(text)
    }
}

/// Names of distributions.
#[derive(Debug)]
pub struct DistributionKind;

impl Kind for DistributionKind {
    const WORDS: &'static str = "the name of a distribution";
    const RULE: &'static str = FILE_RULE;
    fn accepts(text: &str) -> bool {
        is_file_name(text)
    }
}

/// Names of attributes.
#[derive(Debug)]
pub struct AttributeKind;

impl Kind for AttributeKind {
    const WORDS: &'static str = "an attribute name";
    const RULE: &'static str = ATTRIBUTE_RULE;
    fn accepts(text: &str) -> bool {
        is_attribute_name(text)
    }
}

fn is_file_name(text: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
    !text.is_empty() && text.len() <= 200 && !text.starts_with(['.', '-']) && text.chars().all(inside)
}

fn is_host_name(text: &str) -> bool {
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let label = |part: &str| {
        let bytes = part.as_bytes();
        (1..=63).contains(&bytes.len())
            && alphanumeric(bytes.first())
            && alphanumeric(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_attribute_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

impl<K> Clone for Name<K> {
    fn clone(&self) -> Self {
        Self { text: Arc::clone(&self.text), kind: PhantomData }
    }
}

impl<K> PartialEq for Name<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<K> Eq for Name<K> {}

impl<K> PartialOrd for Name<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Name<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl<K> std::hash::Hash for Name<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl<K> Borrow<str> for Name<K> {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl<K> fmt::Display for Name<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl<K> fmt::Debug for Name<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl<K> serde::Serialize for Name<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// The known name that `text` was probably meant to be: at most a third of its letters differ, and not all.
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = text.chars().count();
    // What is this long is no slip of the keyboard, and comparing costs by the square.
    if length > 100 {
        return None;
    }
    let allowed = (length / 3).clamp(1, 4).min(length.saturating_sub(1));
    let distance = |name: &str| strsim::damerau_levenshtein(&text.to_lowercase(), &name.to_lowercase());
    let scored = known.into_iter().filter(|name| *name != text).map(|name| (distance(name), name));
    scored.filter(|(far, _)| *far <= allowed).min().map(|(_, name)| name)
}

/// The known name that `text` is a slip of: one or two letters off, and long enough for that to be no chance.
pub fn slip_of<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = nearest(text, known)?;
    let allowed = if text.len() >= 6 { 2 } else { usize::from(text.len() >= 4) };
    (strsim::damerau_levenshtein(text, near) <= allowed).then_some(near)
}

/// `did you mean ..` for the nearest known name, or the list of what is known where it is short.
pub fn suggestion<'a>(text: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(name) = nearest(text, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let names: Vec<_> = known.into_iter().take(26).map(|name| format!("`{name}`")).collect();
    (!names.is_empty() && names.len() <= 25).then(|| format!("known here: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path() {
        for bad in ["", ".", "..", "a/b", "../x", "-x", "a b", "a\0", "a\n"] {
            assert!(ModuleName::new(bad).is_none(), "{bad:?}");
            assert!(HostName::new(bad).is_none(), "{bad:?}");
        }
        assert_eq!(ModuleName::new("411-base_x+1.0").unwrap().as_str(), "411-base_x+1.0");
    }

    #[test]
    fn host_names_follow_rfc_1123() {
        for good in ["compute-0-0", "a", "n1.rack2", "9x"] {
            assert!(HostName::new(good).is_some(), "{good:?}");
        }
        let long = "x".repeat(64);
        for bad in ["a_b", "a-", ".a", "a..b", "ä", long.as_str()] {
            assert!(HostName::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn the_nearest_name_is_near_enough_to_be_meant() {
        assert_eq!(nearest("shh", ["ssh", "grub"]), Some("ssh"));
        assert_eq!(nearest("pakage", ["package", "post", "pre"]), Some("package"));
        assert_eq!(nearest("zebra", ["ssh", "grub"]), None);
        assert_eq!(nearest("x", ["a-long-name"]), None);
    }
}
