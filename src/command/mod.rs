//! Kickstart commands and their options by target version: the table, and the check against it.
//!
//! The table is data, `commands.txt`, made from pykickstart by `tests/kickstart_table.py`; a test compares both.
//! [`check`] holds a profile against it.

pub mod check;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("commands.txt")));

/// Commands of installers before RHEL 7: known, so that an old tree can be read, but valid for no target.
const HISTORIC: [&str; 12] = [
    "autostep",
    "device",
    "deviceprobe",
    "install",
    "interactive",
    "key",
    "langsupport",
    "lilo",
    "lilocheck",
    "monitor",
    "mouse",
    "upgrade",
];

pub(super) struct Table {
    pub(super) versions: Vec<&'static str>,
    pub(super) commands: BTreeMap<&'static str, Vec<CommandRow>>,
    pub(super) options: BTreeMap<&'static str, BTreeMap<&'static str, Vec<OptionRow>>>,
    pub(super) conflicts: Vec<(&'static str, &'static str, BTreeSet<&'static str>)>,
}

pub(super) struct CommandRow {
    /// `None`: the line is not parsed by the installer's parser, so nothing in it is checked.
    pub(super) arguments: Option<(usize, usize)>,
    pub(super) marks: Vec<&'static str>,
    pub(super) versions: BTreeSet<&'static str>,
}

pub(super) struct OptionRow {
    pub(super) value: &'static str,
    pub(super) marks: Vec<&'static str>,
    pub(super) versions: BTreeSet<&'static str>,
}

impl Table {
    fn read(text: &'static str) -> Self {
        let mut table =
            Table { versions: Vec::new(), commands: BTreeMap::new(), options: BTreeMap::new(), conflicts: Vec::new() };
        for line in text.lines() {
            if let Some(versions) = line.strip_prefix("# versions:") {
                table.versions = versions.split_whitespace().collect();
            } else if !line.starts_with('#') {
                table.line(&line.split_whitespace().collect::<Vec<_>>());
            }
        }
        table
    }

    fn line(&mut self, words: &[&'static str]) {
        let is_range = |word: &&'static str| {
            let start = word.split("..").next().unwrap_or_default();
            self.versions.contains(&start)
        };
        let Some(ranges) = words.iter().position(is_range) else { return };
        let versions = words[ranges..].iter().flat_map(|range| self.expand(range)).collect();
        match &words[..ranges] {
            ["command" | "section", name, arguments, marks @ ..] => {
                let row = CommandRow { arguments: bounds(arguments), marks: marks.to_vec(), versions };
                self.commands.entry(name).or_default().push(row);
            }
            ["option", command, option, value, marks @ ..] => {
                let row = OptionRow { value, marks: marks.to_vec(), versions };
                self.options.entry(command).or_default().entry(option).or_default().push(row);
            }
            ["conflict", one, other] => self.conflicts.push((one, other, versions)),
            _ => {}
        }
    }

    /// `RHEL8`, `RHEL7..RHEL9`, `RHEL8..`: the versions of that family.
    fn expand(&self, range: &str) -> Vec<&'static str> {
        let (first, last) = range.split_once("..").unwrap_or((range, range));
        let family = |version: &str| version.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        let all: Vec<_> = self.versions.iter().copied().filter(|version| family(version) == family(first)).collect();
        let start = all.iter().position(|version| *version == first).unwrap_or(0);
        let end = all.iter().position(|version| *version == last).unwrap_or(all.len().saturating_sub(1));
        all.get(start..=end).unwrap_or_default().to_vec()
    }

    pub(super) fn command(&self, name: &str, version: &str) -> Option<&CommandRow> {
        self.commands.get(name)?.iter().find(|row| row.versions.contains(version))
    }

    pub(super) fn option(&self, command: &str, option: &str, version: &str) -> Option<&OptionRow> {
        self.options.get(command)?.get(option)?.iter().find(|row| row.versions.contains(version))
    }

    pub(super) fn options_of<'t>(
        &'t self,
        command: &'t str,
        version: &'t str,
    ) -> impl Iterator<Item = (&'static str, &'t OptionRow)> + Clone {
        let rows = self.options.get(command).into_iter().flatten();
        rows.filter_map(move |(option, rows)| Some((*option, rows.iter().find(|row| row.versions.contains(version))?)))
    }
}

/// `2`, `1..2`, `1..` as bounds; `text` as none.
fn bounds(arguments: &str) -> Option<(usize, usize)> {
    match arguments.split_once("..") {
        Some((least, "")) => Some((least.parse().ok()?, usize::MAX)),
        Some((least, most)) => Some((least.parse().ok()?, most.parse().ok()?)),
        None => arguments.parse().ok().map(|count| (count, count)),
    }
}

/// The target versions, oldest first in each family.
pub fn versions() -> impl Iterator<Item = &'static str> {
    TABLE.versions.iter().copied()
}

/// Whether this is or was a kickstart command.
pub fn is_known(name: &str) -> bool {
    TABLE.commands.contains_key(name) && !name.starts_with('%') || HISTORIC.contains(&name)
}

/// All kickstart commands, by name.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    TABLE.commands.keys().copied().filter(|name| !name.starts_with('%'))
}
