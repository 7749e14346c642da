//! Lines with their causes, and where two lists of lines differ: the door to `similar`.

use std::hash::Hash;
use std::ops::Range;

use serde::Serialize;
use similar::{Algorithm, DiffTag, capture_diff_slices};

use crate::explain::Cause;

/// Lines that stand side by side and are replaced.
#[derive(Clone, Debug, Serialize)]
pub struct Hunk {
    /// Those of the first generation; may be empty.
    pub removed: Vec<Line>,
    /// Those of the second generation; may be empty.
    pub added: Vec<Line>,
}

/// A line, and why it is there.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Without its end; values that differ from host to host as references, secrets by name.
    pub text: String,
    /// In the generation that has the line, for the first of the hosts.
    #[serde(flatten)]
    pub cause: Cause,
}

/// Lines of the first that are replaced by lines of the second: from where, and before which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    old: (usize, usize),
    new: (usize, usize),
}

impl Difference {
    /// Those of the first.
    pub fn removed(&self) -> Range<usize> {
        self.old.0..self.old.1
    }

    /// Those of the second.
    pub fn added(&self) -> Range<usize> {
        self.new.0..self.new.1
    }

    /// From this one to the end of a later one.
    #[must_use]
    pub fn to(&self, last: &Difference) -> Self {
        Self { old: (self.old.0, last.old.1), new: (self.new.0, last.new.1) }
    }

    /// The same in the whole, of one that was found among the lines of another.
    #[must_use]
    pub fn inside(self, outer: &Difference) -> Self {
        let moved = |(start, end), by| (start + by, end + by);
        Self { old: moved(self.old, outer.old.0), new: moved(self.new, outer.new.0) }
    }

    /// Its lines, which these make of their numbers.
    pub fn hunk(&self, old: impl Fn(usize) -> Line, new: impl Fn(usize) -> Line) -> Hunk {
        Hunk { removed: self.removed().map(old).collect(), added: self.added().map(new).collect() }
    }
}

/// Which lines of the first are replaced by which of the second, in order. Equal ends are left out at once; texts that
/// have little in common are not searched for long, and then more is replaced than has to be.
pub fn differences<T: Eq + Hash>(old: &[T], new: &[T]) -> Vec<Difference> {
    let found = capture_diff_slices(Algorithm::Myers, old, new);
    let ends = |range: Range<usize>| (range.start, range.end);
    let differs = found.iter().filter(|found| found.tag() != DiffTag::Equal);
    differs.map(|found| Difference { old: ends(found.old_range()), new: ends(found.new_range()) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_replaced_are_one_difference() {
        let found = |old: &[&str], new: &[&str]| {
            differences(old, new).iter().map(|found| (found.removed(), found.added())).collect::<Vec<_>>()
        };
        assert_eq!(found(&["a", "b", "c"], &["a", "x", "y", "c"]), [(1..2, 1..3)]);
        assert_eq!(found(&["a"], &["a"]), []);
        assert_eq!(found(&[], &["a"]), [(0..0, 0..1)]);
    }

    #[test]
    fn the_differences_make_one_text_of_the_other() {
        let old: Vec<String> = (0..2000).map(|number| format!("{}", number * 7919 % 2003)).collect();
        let new: Vec<String> = (0..2000).map(|number| format!("{}", number * 104_729 % 2003)).collect();
        let (old, new): (Vec<&str>, Vec<&str>) =
            (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
        let mut made = old.clone();
        for found in differences(&old, &new).into_iter().rev() {
            made.splice(found.removed(), new[found.added()].iter().copied());
        }
        assert_eq!(made, new);
    }
}
