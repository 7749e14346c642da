//! What packages say of each other: a name, and a range of versions.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::dist::nevra::Evr;

/// How a version is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

impl Comparison {
    /// The sign in the text of a package.
    pub fn of_sign(sign: &str) -> Option<Self> {
        Some(match sign {
            "<" => Self::Less,
            "<=" | "=<" => Self::LessOrEqual,
            "=" | "==" => Self::Equal,
            ">=" | "=>" => Self::GreaterOrEqual,
            ">" => Self::Greater,
            _ => return None,
        })
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        }
    }

    fn takes_less(self) -> bool {
        matches!(self, Self::Less | Self::LessOrEqual)
    }

    fn takes_equal(self) -> bool {
        matches!(self, Self::LessOrEqual | Self::Equal | Self::GreaterOrEqual)
    }

    fn takes_greater(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual)
    }
}

/// A capability that a package has or wants: `libc.so.6()(64bit)`, `kernel >= 5.14`, `/bin/sh`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relation {
    /// The name; that of a file begins with `/`.
    pub name: Arc<str>,
    /// The versions; all, if it says none.
    pub version: Option<(Comparison, Evr)>,
}

impl Relation {
    /// Whether two ranges of versions have one in common (rpmds.c: `rpmdsCompare`). The names are the caller's.
    pub fn meets(&self, other: &Self) -> bool {
        let (Some((one, one_evr)), Some((two, two_evr))) = (&self.version, &other.version) else { return true };
        match one_evr.compare_as_far(two_evr) {
            Ordering::Less => one.takes_greater() || two.takes_less(),
            Ordering::Greater => one.takes_less() || two.takes_greater(),
            Ordering::Equal => {
                (one.takes_equal() && two.takes_equal())
                    || (one.takes_less() && two.takes_less())
                    || (one.takes_greater() && two.takes_greater())
            }
        }
    }

    /// Whether it is the path of a file.
    pub fn is_file(&self) -> bool {
        self.name.starts_with('/')
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.version {
            Some((comparison, evr)) => write!(f, " {} {evr}", comparison.sign()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(text: &str) -> Relation {
        let words: Vec<&str> = text.split(' ').collect();
        let version = words.get(2).map(|evr| (Comparison::of_sign(words[1]).unwrap(), Evr::parse(evr)));
        Relation { name: words[0].into(), version }
    }

    #[test]
    fn ranges_meet_where_they_have_a_version_in_common() {
        for (wanted, provided, meets) in [
            ("a", "a = 1-1", true),
            ("a = 1", "a", true),
            ("a = 1", "a = 1-5", true),
            ("a > 1", "a = 1-5", false),
            ("a >= 1-6", "a = 1-5", false),
            ("a < 2", "a >= 2", false),
            ("a <= 2", "a >= 2", true),
            ("a < 2", "a > 1", true),
            ("a = 1:1", "a = 1", false),
            ("a >= 1~rc1", "a = 1", true),
            ("a < 1", "a = 1~rc1-1", true),
            ("a > 1", "a = 1^git1-1", true),
        ] {
            assert_eq!(relation(wanted).meets(&relation(provided)), meets, "{wanted} by {provided}");
        }
    }
}
