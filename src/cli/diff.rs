//! `kgen diff`: what would change on machines from one state of the site to another.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::assemble::{Assembled, assemble_shown};
use crate::cli::args::{Diff, Format, Global};
use crate::cli::explain::{used_text, values_text};
use crate::cli::locate::{Place, locate};
use crate::cli::session::{Failure, Session};
use crate::compare::fold::{Change, Output};
use crate::compare::{Comparison, compare};
use crate::diagnostic::Diagnostics;
use crate::eval;
use crate::explain::Cause;
use crate::name::HostName;
use crate::source::git::Commit;
use crate::source::revision::{Revision, site_in};
use crate::source::{SourceError, Sources};

/// How many names of hosts a heading shows.
const NAMES: usize = 3;
/// How many lines of a file of the site are shown: with a thousand new hosts, each of them says the same.
const SITE_LINES: usize = 20;

/// A state of the site, as it is called and where it is.
struct State {
    name: String,
    place: Place,
}

/// What was made of a state, and what was read for it.
#[derive(Default)]
struct Made {
    sources: Arc<Sources>,
    diagnostics: Diagnostics,
}

/// The answer for programs.
#[derive(Serialize)]
struct Document<'d> {
    from: Side<'d>,
    to: Side<'d>,
    #[serde(flatten)]
    comparison: &'d Comparison,
}

#[derive(Serialize)]
struct Side<'d> {
    name: &'d str,
    /// None of a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'d str>,
}

/// Compiles both states and prints what changes. No secret and no boot file is read for it.
pub fn run(session: &mut Session, arguments: &Diff) -> Result<(), Failure> {
    let states = states(session.options(), &arguments.states)?;
    let (mut before, mut after) = (Made::default(), Made::default());
    let [from, to] = &states;
    let (old, new) = rayon::join(|| assembled(from, &mut before), || assembled(to, &mut after));
    let faulty = [(from, before), (to, after)].map(|(state, made)| tell_faults(session, state, made));
    let (old, new) = (old?, new?);
    let (Some(old), Some(new), [false, false]) = (old, new, faulty) else { return Err(Failure::Faults) };
    let comparison = compare(&old, &new);
    match session.format {
        Format::Json => session.print_json(&Document { from: side(from), to: side(to), comparison: &comparison })?,
        Format::Text => session.print(&text(&comparison, session.is_colored()))?,
    }
    if comparison.is_empty() { Ok(()) } else { Err(Failure::Differs) }
}

/// What the arguments name: the state before, and the state after.
fn states(options: &Global, given: &[String]) -> Result<[State; 2], Failure> {
    let (from, to) = match given {
        [] => ("HEAD", None),
        [range] if !is_site(range) => match range.split_once("..") {
            Some((from, to)) if !from.is_empty() && !to.is_empty() => (from, Some(to)),
            _ => (&**range, None),
        },
        [from, rest @ ..] => (&**from, rest.first().map(String::as_str)),
    };
    let from = state(options, from, None)?;
    let to = match to {
        Some(to) => state(options, to, Some(&from.place))?,
        None => {
            State { name: options.revision.clone().unwrap_or_else(|| "the files".to_owned()), place: locate(options)? }
        }
    };
    Ok([from, to])
}

fn is_site(text: &str) -> bool {
    site_in(Path::new(text)).is_some()
}

/// A directory with a site, else a revision: of the repository that was opened already, if one was.
fn state(options: &Global, name: &str, opened: Option<&Place>) -> Result<State, Failure> {
    let named = |options: &Global| Ok::<_, Failure>(State { name: name.to_owned(), place: locate(options)? });
    if is_site(name) {
        return named(&Global { site: Some(name.into()), revision: None, ..options.clone() });
    }
    match opened.map(|place| (&place.revision, &place.directory)) {
        Some((Revision::Commit(commit), directory)) => {
            let revision = Revision::Commit(Commit::find(&commit.repository, name, &commit.folder)?);
            Ok(State { name: name.to_owned(), place: Place::of(revision, directory.clone()) })
        }
        _ => named(&Global { revision: Some(name.to_owned()), ..options.clone() }),
    }
}

fn assembled(state: &State, made: &mut Made) -> Result<Option<Assembled>, SourceError> {
    assemble_shown(&state.place.revision, &eval::run, &mut made.sources, &mut made.diagnostics)
}

/// Prints the faults of a state, and gives whether it has any. Warnings are for `kgen check`.
fn tell_faults(session: &mut Session, state: &State, mut made: Made) -> bool {
    if session.is_strict() {
        made.diagnostics.make_strict();
    }
    if !made.diagnostics.has_errors() {
        return false;
    }
    made.diagnostics.append_to_messages(&format!(", in {}", state.name));
    session.report_of(made.sources, made.diagnostics)
}

fn side(state: &State) -> Side<'_> {
    Side { name: &state.name, commit: state.place.revision.commit() }
}

/// The answer for people.
fn text(comparison: &Comparison, colored: bool) -> String {
    let mut page = Page { text: String::new(), colored };
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
