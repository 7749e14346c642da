//! Many names of hosts in few words: `compute-0-[0-33],login`, as `ClusterShell` and Slurm write them.

use std::collections::BTreeMap;
use std::fmt::Write;

/// How many parts are shown.
const PARTS: usize = 32;
/// How many names a range stands for, at most.
const MOST: u32 = 100_000;

/// Text before a number, text after it, and how many digits the number has if it begins with a zero.
type Pattern<'n> = (&'n str, &'n str, usize);

/// The names of hosts, numbers that follow each other as ranges: `c[0-3,7]`. More than a few such parts are counted.
pub fn nodeset<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let mut patterns: BTreeMap<Pattern, Vec<u64>> = BTreeMap::new();
    for name in names {
        let (pattern, number) = split(name);
        patterns.entry(pattern).or_default().extend(number);
    }
    let mut text = String::new();
    let mut left_out = 0;
    for (index, ((before, after, digits), mut numbers)) in patterns.into_iter().enumerate() {
        if index >= PARTS {
            left_out += numbers.len().max(1);
            continue;
        }
        let comma = if index > 0 { "," } else { "" };
        numbers.sort_unstable();
        let _ = match &numbers[..] {
            [] => write!(text, "{comma}{before}{after}"),
            [one] => write!(text, "{comma}{before}{one:0digits$}{after}"),
            _ => write!(text, "{comma}{before}[{}]{after}", ranges(&numbers, digits)),
        };
    }
    if left_out > 0 {
        let _ = write!(text, " and {left_out} more");
    }
    text
}

/// A name around its last number.
fn split(name: &str) -> (Pattern<'_>, Option<u64>) {
    let end = name.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
    let start = name[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    let digits = &name[start..end];
    let padded = if digits.len() > 1 && digits.starts_with('0') { digits.len() } else { 0 };
    match digits.parse() {
        Ok(number) => ((&name[..start], &name[end..], padded), Some(number)),
        Err(_) => ((name, "", 0), None),
    }
}

fn ranges(numbers: &[u64], digits: usize) -> String {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    let run = |run: &[u64]| match run {
        [first, .., last] => format!("{first:0digits$}-{last:0digits$}"),
        [one] => format!("{one:0digits$}"),
        [] => String::new(),
    };
    runs.map(run).collect::<Vec<_>>().join(",")
}

/// The names that a text such as `c[0-3,7]` stands for; the text itself if it is nothing of that kind.
pub fn expanded(text: &str) -> Vec<String> {
    let parts = || {
        let (before, rest) = text.split_once('[')?;
        let (inside, after) = rest.split_once(']')?;
        let mut names = Vec::new();
        for part in inside.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let digits = if first.starts_with('0') { first.len() } else { 0 };
            let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
            let count = last.checked_sub(first).filter(|count| *count < MOST)?;
            names.extend((0..=count).map(|step| format!("{before}{:0digits$}{after}", first + step)));
        }
        Some(names)
    };
    parts().unwrap_or_else(|| vec![text.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::{expanded, nodeset};

    #[test]
    fn ranges_are_expanded_and_other_texts_are_names() {
        assert_eq!(expanded("c[0-2,7]-ib"), ["c0-ib", "c1-ib", "c2-ib", "c7-ib"]);
        assert_eq!(expanded("n[008-010]"), ["n008", "n009", "n010"]);
        for text in ["c0", "@compute", "c[", "c[a]", "c[3-1]", "c[0-4000000000]", "]["] {
            assert_eq!(expanded(text), [text]);
        }
    }

    #[test]
    fn names_are_folded_by_their_last_number() {
        for (names, folded) in [
            ("", ""),
            ("login", "login"),
            ("c0 c1 c2 c10", "c[0-2,10]"),
            ("compute-0-1 compute-0-0 compute-1-7", "compute-0-[0-1],compute-1-7"),
            ("n008 n009 n010 n11", "n11,n[008-010]"),
            ("a1-ib a2-ib", "a[1-2]-ib"),
            ("x99999999999999999999999", "x99999999999999999999999"),
        ] {
            assert_eq!(nodeset(names.split_whitespace()), folded, "{names}");
        }
    }
}
