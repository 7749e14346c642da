//! `kgen diff`: what would change on machines from one state of the site to another.

#[cfg(feature = "serve")]
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use crate::assemble::{Assembled, assemble_shown};
use crate::cli::args::printed::Format;
#[cfg(feature = "serve")]
use crate::cli::args::server::Remote;
use crate::cli::args::{Check, Diff, Global};
use crate::cli::locate::{Place, locate};
#[cfg(feature = "serve")]
use crate::cli::remote::ask;
use crate::cli::session::{Failure, Session};
use crate::compare::orders::{lines, orders};
use crate::compare::text::text;
use crate::compare::{Comparison, compare};
use crate::diagnostic::Diagnostics;
use crate::eval;
use crate::source::Sources;
use crate::source::error::SourceError;
use crate::source::git::Commit;
use crate::source::revision::{Revision, site_in};

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
    let named = arguments.states.clone();
    #[cfg(feature = "serve")]
    let named = if arguments.served { [vec![served(arguments)?], named].concat() } else { named };
    #[cfg(feature = "serve")]
    let installed = if arguments.served { Some(installed(&arguments.remote)?) } else { None };
    #[cfg(not(feature = "serve"))]
    let installed = None;
    let states = states(session.options(), &named)?;
    let (mut before, mut after) = (Made::default(), Made::default());
    let [from, to] = &states;
    let (old, new) = rayon::join(|| assembled(from, &mut before), || assembled(to, &mut after));
    let faulty = [(from, before), (to, after)].map(|(state, made)| tell_faults(session, state, made));
    let (old, new) = (old?, new?);
    let (Some(old), Some(new), [false, false]) = (old, new, faulty) else { return Err(Failure::Faults) };
    let comparison = compare(&old, &new);
    match session.format {
        Format::Json => session.print_json(&Document { from: side(from), to: side(to), comparison: &comparison })?,
        Format::Text => session.print(&text(&comparison, installed.as_ref(), session.is_colored()))?,
    }
    if comparison.is_empty() { Ok(()) } else { Err(Failure::Differs) }
}

/// The commit that a server serves.
#[cfg(feature = "serve")]
fn served(arguments: &Diff) -> Result<String, Failure> {
    if arguments.states.len() > 1 || arguments.states.iter().any(|state| state.contains("..")) {
        return Err(Failure::Usage("--served is the first state; name one more at most".to_owned()));
    }
    served_commit(&arguments.remote)
}

#[cfg(feature = "serve")]
fn served_commit(remote: &Remote) -> Result<String, Failure> {
    let answer = ask(remote, "GET", "/api/v1/generations", None)?;
    let commit = answer["commit"].as_str().map(str::to_owned);
    commit.ok_or_else(|| Failure::Usage("the server serves a directory, of which there is no commit".to_owned()))
}

/// The hosts of a server that reported success.
#[cfg(feature = "serve")]
fn installed(remote: &Remote) -> Result<BTreeSet<String>, Failure> {
    let hosts = ask(remote, "GET", "/api/v1/hosts", None)?;
    let all = hosts.as_array().into_iter().flatten();
    let installed = all.filter(|host| host["installed"].as_u64().is_some_and(|at| at > 0));
    Ok(installed.filter_map(|host| host["name"].as_str().map(str::to_owned)).collect())
}

/// `kgen check --against`: what the site means for orders after another revision, in lines or as a line of JSON.
pub fn against(session: &mut Session, arguments: &Check) -> Result<String, Failure> {
    let given = arguments.against.clone();
    #[cfg(feature = "serve")]
    let (given, installed) = match given {
        None if arguments.served => (Some(served_commit(&arguments.remote)?), Some(installed(&arguments.remote)?)),
        given => (given, arguments.served.then(|| installed(&arguments.remote)).transpose()?),
    };
    #[cfg(not(feature = "serve"))]
    let installed = None;
    let Some(revision) = given else { return Ok(String::new()) };
    let [from, to] = states(session.options(), &[revision])?;
    let (mut before, mut after) = (Made::default(), Made::default());
    let (old, new) = rayon::join(|| assembled(&from, &mut before), || assembled(&to, &mut after));
    // The check itself reports the faults of the files.
    let faulty = tell_faults(session, &from, before);
    match (old?, new?) {
        (Some(old), Some(new)) if !faulty => {
            let orders = orders(&old, &new);
            Ok(match session.format {
                Format::Text => lines(&orders, installed.as_ref()),
                Format::Json => format!("{}\n", json!({ "orders": orders })),
            })
        }
        _ => Err(Failure::Faults),
    }
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
