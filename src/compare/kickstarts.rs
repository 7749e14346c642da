//! Which kickstarts change.
//!
//! Hosts whose kickstarts are equal but for their own values are found before any text is made: by variant, and by the
//! values that are put into its text. For each such group two texts are made and compared line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::attribute::Attributes;
use crate::cohort::Variant;
use crate::compare::fold::Changed;
use crate::compare::lines::{Difference, Line, differences};
use crate::compare::own::{OwnValues, Pair, reference, references};
use crate::emit::kickstart::{Frame, kickstart};
use crate::emit::template::reads_host;
use crate::explain::{Explainer, RawLine, split};
use crate::generation::Generation;
use crate::inventory::Host;
use crate::name::HostName;
use crate::text::{Form, Segment, Text};

/// The kickstart of a variant without kgen's comments.
struct Pattern {
    text: Text,
    /// What in it may differ from host to host, each once.
    filled: Vec<Segment>,
    /// Names whose references stand in it as such.
    literal: BTreeSet<String>,
}

/// One generation, by the numbers of its variants.
struct Side<'s> {
    generation: &'s Generation,
    patterns: Vec<Pattern>,
}

/// What makes the kickstarts of two hosts change alike: variants, and what is put into their texts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    variants: [usize; 2],
    filled: Vec<Vec<Arc<str>>>,
}

/// A host with its attributes.
type HostOf<'h> = (&'h Host, &'h Attributes);

struct Member<'m> {
    pair: Pair<'m>,
    own: OwnValues,
}

/// The changes of all hosts, those that change alike as one.
pub fn changes(old: &Generation, new: &Generation, pairs: &[Pair]) -> Vec<Changed> {
    let sides = [Side::new(old), Side::new(new)];
    let chunks = pairs.par_chunks(256).map(|chunk| {
        let mut groups: BTreeMap<Key, Vec<Member>> = BTreeMap::new();
        for (key, member) in chunk.iter().filter_map(|pair| key(&sides, *pair)) {
            groups.entry(key).or_default().push(member);
        }
        groups
    });
    let mut groups: BTreeMap<Key, Vec<Member>> = BTreeMap::new();
    for (key, mut members) in chunks.collect::<Vec<_>>().into_iter().flatten() {
        groups.entry(key).or_default().append(&mut members);
    }
    let groups: Vec<_> = groups.into_iter().collect();
    groups.par_iter().flat_map_iter(|(key, members)| changed(&sides, key, members)).collect()
}

impl<'s> Side<'s> {
    fn new(generation: &'s Generation) -> Self {
        let reports = generation.inventory.reports();
        let pattern = |variant: &Variant| {
            let frame = Frame { generation: None, reports, attempt: variant.kickstart.delimiters.0 };
            Pattern::new(kickstart(&variant.profile, frame, &generation.sources).text)
        };
        Self { generation, patterns: generation.variants.par_iter().map(pattern).collect() }
    }

    /// What a piece of a text is for a host, secrets by name.
    fn piece(&self, segment: &Segment, (host, attributes): HostOf) -> Arc<str> {
        match segment {
            Segment::Literal { text, .. } => Arc::clone(text),
            Segment::Attribute { name, form, .. } => {
                let value = attributes.shown(name.as_str()).unwrap_or_default();
                if *form == Form::SingleQuoted { value.replace('\'', "'\\''").into() } else { value.into() }
            }
            Segment::Template(template) => self.generation.shown(template, host, attributes).unwrap_or_default(),
            Segment::LineEnd => Arc::default(),
        }
    }

    fn lines(&self, variant: usize, host: &Host, own: &OwnValues) -> Vec<RawLine> {
        let (pattern, attributes) = (&self.patterns[variant], self.generation.inventory.attributes(host));
        let of = (host, &attributes);
        split(&pattern.text, |segment| pattern.referring(segment, self.piece(segment, of), own).to_string())
    }
}

impl Pattern {
    fn new(text: Text) -> Self {
        let mut seen = BTreeSet::new();
        let own = |segment: &&Segment| match segment {
            Segment::Attribute { name, form, .. } => seen.insert((name.clone(), *form)),
            Segment::Template(template) => reads_host(template),
            Segment::Literal { .. } | Segment::LineEnd => false,
        };
        let filled = text.segments.iter().filter(own).cloned().collect();
        let sources = text.segments.iter().filter_map(|segment| match segment {
            Segment::Template(template) => Some(&*template.source),
            _ => None,
        });
        let all = sources.chain([&*text.literals()]).flat_map(references).map(str::to_owned).collect();
        Self { filled, literal: all, text }
    }

    /// A piece with references for what is the host's own. A template that gives all hosts the same has none.
    fn referring(&self, segment: &Segment, piece: Arc<str>, own: &OwnValues) -> Arc<str> {
        match segment {
            Segment::Attribute { name, .. } if own.has(name.as_str()) => reference(name.as_str()).into(),
            Segment::Template(_) if self.filled.contains(segment) => own.replaced_in(&piece).into(),
            _ => piece,
        }
    }
}

/// What a host's kickstarts are made of; none where it was not compiled.
fn key<'k>(sides: &[Side; 2], pair: Pair<'k>) -> Option<(Key, Member<'k>)> {
    let [old, new] = sides;
    let variants = [old.generation.variant_number(pair.old)?, new.generation.variant_number(pair.new)?];
    let patterns = [&old.patterns[variants[0]], &new.patterns[variants[1]]];
    let attributes = [old.generation.inventory.attributes(pair.old), new.generation.inventory.attributes(pair.new)];
    let pieces = |side: usize, host: &Host| -> Vec<Arc<str>> {
        let of = (host, &attributes[side]);
        patterns[side].filled.iter().map(|segment| sides[side].piece(segment, of)).collect()
    };
    let pieces = [pieces(0, pair.old), pieces(1, pair.new)];
    let values: BTreeSet<&str> = pieces.iter().flatten().flat_map(|piece| references(piece)).collect();
    let is_text = |name: &str| values.contains(name) || patterns.iter().any(|pattern| pattern.literal.contains(name));
    let own = OwnValues::all(pair, attributes.each_ref(), is_text);
    let filled = pieces.into_iter().zip(patterns).map(|(pieces, pattern)| {
        let all = pieces.into_iter().zip(&pattern.filled);
        all.map(|(piece, segment)| pattern.referring(segment, piece, &own)).collect()
    });
    let filled = filled.collect();
    Some((Key { variants, filled }, Member { pair, own }))
}

/// The changes of hosts that change alike: one for all of them, but where a line is the same as before for some, because
/// their own values are what stood there, or stands there now, as such.
fn changed(sides: &[Side; 2], key: &Key, members: &[Member]) -> Vec<Changed> {
    let Some(Member { pair, own }) = members.first() else { return Vec::new() };
    let [old, new] = sides;
    let lines = [old.lines(key.variants[0], pair.old, own), new.lines(key.variants[1], pair.new, own)];
    let texts = lines.each_ref().map(|lines| lines.iter().map(|line| &*line.text).collect::<Vec<_>>());
    let found = differences(&texts[0], &texts[1]);
    let mut groups: BTreeMap<Vec<Difference>, Vec<HostName>> = BTreeMap::new();
    for member in members {
        groups.entry(real(&found, &texts, &member.own)).or_default().push(member.pair.old.name.clone());
    }
    groups.remove(&Vec::new());
    let explainers = [Explainer::new(old.generation, pair.old), Explainer::new(new.generation, pair.new)];
    let line = |side: usize, index: usize| {
        let mut cause = explainers[side].as_ref().map(|by| by.cause_of(&lines[side][index])).unwrap_or_default();
        cause.attributes.retain(|set| !own.has(&set.name));
        Line { text: lines[side][index].text.clone(), cause }
    };
    let of = |(found, hosts): (Vec<Difference>, Vec<HostName>)| {
        let hunks = found.into_iter().map(|found| found.hunk(|index| line(0, index), |index| line(1, index)));
        Changed { hosts, hunks: hunks.collect() }
    };
    groups.into_iter().map(of).collect()
}

/// What differs with the values of a host filled in. From the first difference to the last is looked at again, because a
/// line may have changed places with one that is the same only for this host.
fn real(found: &[Difference], texts: &[Vec<&str>; 2], own: &OwnValues) -> Vec<Difference> {
    let Some(all) = found.first().zip(found.last()).map(|(first, last)| first.to(last)) else { return Vec::new() };
    let refers = |found: &Difference| {
        texts[0][found.removed()].iter().chain(&texts[1][found.added()]).any(|line| line.contains('&'))
    };
    if !found.iter().any(refers) {
        return found.to_vec();
    }
    let (old, new) = (own.filled(&texts[0][all.removed()]), own.filled(&texts[1][all.added()]));
    differences(&old, &new).into_iter().map(|inner| inner.inside(&all)).collect()
}
