//! Which files of the site change.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::assemble::Assembled;
use crate::compare::fold::{Change, Output};
use crate::compare::lines::{Difference, Hunk, Line, differences};
use crate::explain::Cause;
use crate::files::{SiteFile, site_files};
use crate::source::Sources;

/// The changes of all files, by path.
pub fn changes(old: &Assembled, new: &Assembled) -> Vec<Change> {
    let files = |side: &Assembled| {
        let made = site_files(&side.generation.inventory, side.plan.as_ref());
        made.into_iter().map(|file| (file.path.clone(), file)).collect::<BTreeMap<String, SiteFile>>()
    };
    let (before, after) = rayon::join(|| files(old), || files(new));
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort();
    paths.dedup();
    let change = |path: &&String| {
        let side = [
            Side { file: before.get(*path), sources: &old.generation.sources },
            Side { file: after.get(*path), sources: &new.generation.sources },
        ];
        let hunks = hunks(&side);
        (!hunks.is_empty()).then(|| Change { output: Output::File { path: (*path).clone() }, hosts: Vec::new(), hunks })
    };
    paths.par_iter().filter_map(change).collect()
}

/// A file that need not be there.
struct Side<'s> {
    file: Option<&'s SiteFile>,
    sources: &'s Sources,
}

impl Side<'_> {
    fn bytes(&self) -> &[u8] {
        self.file.map(SiteFile::bytes).unwrap_or_default()
    }

    fn lines(&self) -> Vec<&str> {
        match str::from_utf8(self.bytes()) {
            Ok("") => Vec::new(),
            Ok(text) => text.strip_suffix('\n').unwrap_or(text).split('\n').collect(),
            Err(_) => vec!["(no text)"],
        }
    }

    fn line(&self, index: usize, text: &str) -> Line {
        let cause = self.file.and_then(|file| file.cause(index + 1));
        let source = cause.map(|span| self.sources.location(span).into());
        Line { text: text.to_owned(), cause: Cause { source, ..Cause::default() } }
    }
}

fn hunks([old, new]: &[Side; 2]) -> Vec<Hunk> {
    if old.bytes() == new.bytes() {
        return Vec::new();
    }
    let (before, after) = (old.lines(), new.lines());
    let hunk =
        |found: Difference| found.hunk(|index| old.line(index, before[index]), |index| new.line(index, after[index]));
    differences(&before, &after).into_iter().map(hunk).collect()
}
