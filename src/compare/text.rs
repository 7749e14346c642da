//! What changes, as people read it.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::compare::Comparison;
use crate::compare::fold::{Change, Output};
use crate::compare::orders::lines;
use crate::explain::Cause;
use crate::explain::text::{used_text, values_text};
use crate::name::HostName;

/// How many names of hosts a heading shows.
const NAMES: usize = 3;
/// How many lines of a file of the site are shown: with a thousand new hosts, each of them says the same.
const SITE_LINES: usize = 20;

/// What changes, like a unified diff with headings; in colours for a terminal. First what it means for orders: `installed`
/// are the hosts that reported success, where a server was asked.
pub fn text(comparison: &Comparison, installed: Option<&BTreeSet<String>>, colored: bool) -> String {
    let mut page = Page { text: String::new(), colored };
    lines(&comparison.orders, installed).lines().for_each(|line| page.paint("1", line));
    for (hosts, what) in [(&comparison.new, "new"), (&comparison.gone, "gone")] {
        if !hosts.is_empty() {
            page.paint("1", &format!("{what}: {}", counted(hosts)));
        }
    }
    comparison.changes.iter().for_each(|change| page.change(change));
    if comparison.is_empty() {
        page.text.push_str("nothing changes\n");
    }
    page.text
}

/// `142 hosts: a, b, c and 139 others`.
fn counted(hosts: &[HostName]) -> String {
    let shown: Vec<&str> = hosts.iter().take(NAMES).map(HostName::as_str).collect();
    let others = match hosts.len() - shown.len() {
        0 => String::new(),
        1 => " and 1 other".to_owned(),
        others => format!(" and {others} others"),
    };
    let word = if hosts.len() == 1 { "host" } else { "hosts" };
    format!("{} {word}: {}{others}", hosts.len(), shown.join(", "))
}

struct Page {
    text: String,
    colored: bool,
}

impl Page {
    /// A line in an SGR colour (ECMA-48, 8.3.117), where there are colours. Whoever wrote it does not command the terminal.
    fn paint(&mut self, color: &str, line: &str) {
        let line = line.replace(|c: char| c.is_control() && c != '\t', "?");
        let (start, end) = if self.colored { (format!("\x1b[{color}m"), "\x1b[0m") } else { (String::new(), "") };
        let _ = writeln!(self.text, "{start}{line}{end}");
    }

    fn change(&mut self, change: &Change) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let (heading, most) = match &change.output {
            Output::Kickstart => (format!("kickstart of {}", counted(&change.hosts)), usize::MAX),
            Output::BootScript => (format!("boot script of {}", counted(&change.hosts)), usize::MAX),
            Output::File { path } => (path.clone(), SITE_LINES),
        };
        self.paint("1", &heading);
        let mut told = BTreeSet::new();
        let mut shown = 0;
        for hunk in &change.hunks {
            let mut before = None;
            let removed = hunk.removed.iter().map(|line| ('-', "31", line));
            let lines = removed.chain(hunk.added.iter().map(|line| ('+', "32", line)));
            for (sign, color, line) in lines.take(most - shown) {
                self.cause(&line.cause, before.replace(&line.cause), &mut told);
                self.paint(color, &format!("{sign}{}", line.text));
                shown += 1;
            }
        }
        let all: usize = change.hunks.iter().map(|hunk| hunk.removed.len() + hunk.added.len()).sum();
        if all > shown {
            let _ = writeln!(self.text, "  and {} more lines; --format json has them all", all - shown);
        }
    }

    /// Why a line is there, without what is so of the line before it. The edges of a module are told once.
    fn cause(&mut self, cause: &Cause, before: Option<&Cause>, told: &mut BTreeSet<String>) {
        let (mut text, mut used) = (String::new(), String::new());
        if before.is_none() && cause.source.is_none() {
            text.push_str("@@\n");
        }
        let place =
            cause.source.as_ref().filter(|place| before.and_then(|before| before.source.as_ref()) != Some(place));
        place.iter().for_each(|place| text.push_str(&format!("@@ {place}\n")));
        cause.used.iter().for_each(|by| used_text(by, &mut used));
        if told.insert(used.clone()) {
            text.push_str(&used);
        }
        let known = before.map(|before| &before.attributes[..]).unwrap_or_default();
        let new: Vec<_> = cause.attributes.iter().filter(|set| !known.contains(set)).cloned().collect();
        values_text(&new, &mut text);
        text.lines().for_each(|line| self.paint("36", line));
    }
}
