//! What is served first: what was held, else the newest, else the last good one; and what hosts are pinned to.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::server::making::Making;
use crate::server::snapshot::{Broken, Past, Pin, Served, Snapshot};
use crate::store::Store;
use crate::store::clock::wall;

/// The setting that holds which commit is being compiled.
pub const TRYING: &str = "trying";

/// What the state keeps of what was served before.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The revision that was held.
    pub held: Option<String>,
    /// The last commit that was served.
    pub last_good: Option<String>,
    /// The commit that was being compiled when the server ended.
    pub trying: Option<String>,
    /// Whether it is known which revision was taken last.
    pub is_known: bool,
    /// Pins: targets and revisions, JSON.
    pub pins: Option<String>,
}

impl Kept {
    /// Reads it.
    pub fn read(store: &Store) -> Self {
        let [held, last_good, trying, pins] = ["held", "last_good", TRYING, "pins"].map(|name| store.setting(name));
        Self { held, last_good, trying, is_known: store.last_taken().is_some(), pins }
    }
}

/// The first snapshot: what was held, else the newest, else the last good one; and what hosts are pinned to, so that
/// none of them gets anything else before.
///
/// # Errors
/// There is nothing to be served: why.
pub fn first(making: &Making, kept: &Kept) -> Result<Snapshot, Broken> {
    let mut snapshot = Snapshot { pins: pins(making, kept), ..Snapshot::default() };
    let served = if let Some(held) = &kept.held {
        snapshot.held = Some(held.clone());
        // Somebody went back to it for a reason; the newest would be the worst to take instead.
        making.at(held).map_err(|report| Broken {
            is_unreachable: false,
            revision: held.clone(),
            report: format!("{held} is held, and cannot be served; `kgen serve --follow` takes the newest\n{report}\n"),
            at: wall(),
        })?
    } else {
        newest(making, kept).or_else(|broken| {
            let good = kept.last_good.as_deref().and_then(|revision| making.at(revision).ok());
            let Some(good) = good else { return Err(broken) };
            snapshot.broken = Some(broken);
            Ok(good)
        })?
    };
    snapshot.history.push(Past::of(&served, wall()));
    snapshot.current = Some(Arc::new(served));
    Ok(snapshot)
}

/// The revisions of pins.
fn pins(making: &Making, kept: &Kept) -> Vec<Pin> {
    let pairs: Vec<(String, String)> =
        kept.pins.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let pin = |(target, revision): (String, String)| match making.at(&revision) {
        Ok(served) => Pin { target, revision, served: Some(Arc::new(served)), fault: String::new() },
        Err(fault) => {
            tracing::error!(target, revision, "a pinned revision cannot be made, and its hosts get nothing: {fault}");
            Pin { target, revision, served: None, fault }
        }
    };
    pairs.into_iter().map(pin).collect()
}

fn newest(making: &Making, kept: &Kept) -> Result<Served, Broken> {
    // What is here is served at once, and what is newer is fetched meanwhile: the other side may not be there yet.
    // Of a state that is new or a copy, nobody knows whether what is here is not older than what was served.
    let is_here = kept.last_good.is_some() && kept.is_known && making.has_source();
    if !is_here {
        making.refresh()?;
    }
    let revision = making.open()?;
    match revision.commit() {
        Some(commit) if kept.trying.as_deref() == Some(commit) && kept.last_good.is_some() => Err(Broken {
            is_unreachable: false,
            revision: commit.to_owned(),
            report: "the server ended while it compiled this revision; `kgen refresh` tries again\n".to_owned(),
            at: wall(),
        }),
        _ => making.make(&revision),
    }
}

/// Tells if kickstarts install machines and none reports that it is done.
pub fn tell_silent(served: &Served) {
    let inventory = &served.generation().inventory;
    if !inventory.reports() && inventory.hosts.values().any(|host| served.declared(host).builds) {
        tracing::warn!(
            "kickstarts do not report success, so that hosts install until they are left alone; write [serve] into the \
             inventory"
        );
    }
}

/// Tells of changes below a directory, but not of those below `except`.
///
/// # Errors
/// The system does not tell.
pub fn watch(directory: &Path, except: &Path) -> Result<(notify::RecommendedWatcher, mpsc::Receiver<()>), String> {
    use notify::Watcher;
    let (sender, changed) = mpsc::channel(1);
    let except = except.to_path_buf();
    let tell = move |event: Result<notify::Event, notify::Error>| {
        let is_ours = |event: &notify::Event| event.paths.iter().all(|path| path.starts_with(&except));
        let is_read = |event: &notify::Event| event.kind.is_access();
        if event.is_ok_and(|event| !is_ours(&event) && !is_read(&event)) {
            // One that waits already is enough.
            let _ = sender.try_send(());
        }
    };
    let mut watcher = notify::recommended_watcher(tell).map_err(|error| error.to_string())?;
    watcher.watch(directory, notify::RecursiveMode::Recursive).map_err(|error| error.to_string())?;
    Ok((watcher, changed))
}
