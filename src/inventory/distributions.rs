//! Reads how distributions are built.

use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::distribution::{Build, Compression, Faulty, Links, Origin, PackageSource, Pattern, Pin};
use crate::inventory::platform::plain_word;
use crate::inventory::table::{Table, Value};
use crate::inventory::value::{within, word};
use crate::name::{DistributionName, suggestion};
use crate::source::Span;

/// The priority of a source that names none; the lower number wins, as with dnf.
const PRIORITY: u32 = 99;

/// Keys of `[distributions.NAME]` that say how it is built; without `sources` they say nothing.
const KEYS: [&str; 14] = [
    "arches",
    "tree",
    "mirror",
    "exclude",
    "several",
    "multilib",
    "pins",
    "streams",
    "groups",
    "keys",
    "faulty",
    "links",
    "compression",
    "sources",
];

/// Reads how a distribution is built; none where no key speaks of it.
pub fn build(name: &DistributionName, table: &mut Table, diagnostics: &mut Diagnostics) -> Option<Build> {
    let speaks = KEYS.iter().find(|key| table.has(key)).copied();
    let build = Build {
        sources: sources(table, diagnostics),
        arches: arches(table, diagnostics),
        tree: path(table, "tree", diagnostics).unwrap_or_else(|| format!("served/dist/{name}").into()),
        mirror: path(table, "mirror", diagnostics).unwrap_or_else(|| "mirror".into()),
        exclude: patterns(table, "exclude", diagnostics).unwrap_or_default(),
        several: several(table, diagnostics),
        multilib: patterns(table, "multilib", diagnostics).unwrap_or_default(),
        pins: pins(table, diagnostics),
        streams: patterns(table, "streams", diagnostics),
        groups: paths(table, "groups", diagnostics),
        keys: paths(table, "keys", diagnostics),
        faulty: one_of(table, "faulty", &Faulty::NAMES, Faulty::ALL, diagnostics),
        links: one_of(table, "links", &Links::NAMES, Links::ALL, diagnostics),
        compression: one_of(table, "compression", &Compression::NAMES, Compression::ALL, diagnostics),
    };
    let key = speaks?;
    if !table.has("sources") {
        let message = format!("`{key}` of the distribution `{name}` says how it is built, but there are no `sources`");
        let hint = "write where its packages are: sources = [{ name = \"base\", directory = \"packages\" }]";
        diagnostics.push(Diagnostic::error(table.span(), message).hint(hint));
        return None;
    }
    check_pins(&build, diagnostics);
    Some(build)
}

/// What a word stands for; the first where there is none.
fn one_of<T: Copy + Default, const N: usize>(
    table: &mut Table,
    key: &'static str,
    names: &[&'static str],
    all: [T; N],
    diagnostics: &mut Diagnostics,
) -> T {
    let found = word(table, key, names, diagnostics);
    let number = found.and_then(|found| names.iter().position(|name| *name == found));
    number.and_then(|number| all.get(number).copied()).unwrap_or_default()
}

fn sources(table: &mut Table, diagnostics: &mut Diagnostics) -> Vec<PackageSource> {
    let mut sources: Vec<PackageSource> = Vec::new();
    for value in table.list("sources", diagnostics).unwrap_or_default() {
        let Some(source) = source(&value, diagnostics) else { continue };
        if let Some(first) = sources.iter().find(|other| other.name == source.name) {
            let fault = Diagnostic::error(source.span, format!("the source `{}` is there twice", source.name));
            diagnostics.push(fault.related(first.span, "the first"));
        }
        sources.push(source);
    }
    sources
}

fn source(value: &Value, diagnostics: &mut Diagnostics) -> Option<PackageSource> {
    let mut table = value.table("a source of packages", diagnostics)?;
    let origins = origins(&mut table, diagnostics);
    let name = table.text("name", diagnostics).and_then(|found| path_word("name", found, diagnostics));
    let source = PackageSource {
        name: name.map(|(name, _)| name).or_else(|| default_name(origins.first()?)).unwrap_or_default(),
        origin: origins.first().cloned().unwrap_or(Origin::Directory(PathBuf::new())),
        priority: within(&mut table, "priority", 1..=1_000_000, diagnostics).unwrap_or(PRIORITY),
        exclude: patterns(&mut table, "exclude", diagnostics).unwrap_or_default(),
        only: patterns(&mut table, "only", diagnostics),
        span: value.span,
    };
    let asked = ["url", "directory", "distribution", "roll"].iter().filter(|key| table.has(key)).count();
    let (has_name, is_named) = (table.has("name"), !source.name.is_empty());
    table.finish(diagnostics);
    if asked != 1 {
        let message =
            format!("a source of packages has one of `url`, `directory`, `distribution` and `roll`, not {asked}");
        diagnostics.push(Diagnostic::error(value.span, message));
        return None;
    }
    if !is_named && !has_name && !origins.is_empty() {
        let fault = Diagnostic::error(value.span, "this source of packages has no `name`");
        diagnostics.push(fault.hint("a short word: pins and messages call it so"));
    }
    (is_named && !origins.is_empty()).then_some(source)
}

/// All that it names; more than one is a fault.
fn origins(table: &mut Table, diagnostics: &mut Diagnostics) -> Vec<Origin> {
    let url = table.text("url", diagnostics).and_then(|found| url(found, diagnostics));
    let directory = path(table, "directory", diagnostics);
    let distribution = table.name("distribution", diagnostics).map(|(name, _)| name);
    let roll = table.name("roll", diagnostics).map(|(name, _)| name);
    let found = [
        url.map(Origin::Repository),
        directory.map(Origin::Directory),
        distribution.map(Origin::Distribution),
        roll.map(Origin::Roll),
    ];
    found.into_iter().flatten().collect()
}

/// Distributions and rolls have names already.
fn default_name(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Distribution(name) => Some(name.to_string()),
        Origin::Roll(name) => Some(name.to_string()),
        Origin::Repository(_) | Origin::Directory(_) => None,
    }
}

fn url((text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<String> {
    if text.contains('@') {
        let message = "a URL of a repository holds no user and no password: the inventory is read by many";
        diagnostics.push(
            Diagnostic::error(span, message).hint("fetch it where it needs none, or through a proxy that knows them"),
        );
        return None;
    }
    let rest = ["http://", "https://", "file:///"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`|".contains(&byte);
    let braces = text.replace("{arch}", "").contains(['{', '}']);
    if rest.is_none_or(str::is_empty) || !text.bytes().all(plain) || braces || text.contains(['?', '#']) {
        let message = format!("`{}` is not the URL of a repository", text.escape_debug());
        let hint = "`http://`, `https://` or `file:///`, and the directory that holds `repodata`; `{arch}` stands for the architecture";
        diagnostics.push(Diagnostic::error(span, message).hint(hint));
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn arches(table: &mut Table, diagnostics: &mut Diagnostics) -> Vec<(String, Span)> {
    let texts = table.texts("arches", diagnostics).unwrap_or_default();
    texts.into_iter().filter_map(|found| path_word("arches", found, diagnostics)).collect()
}

/// A word that becomes the name of a directory.
fn path_word(key: &str, (text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<(String, Span)> {
    if text.starts_with('.') {
        let message = format!("`{}` cannot be the value of `{key}`", text.escape_debug());
        diagnostics.push(Diagnostic::error(span, message).hint("it names a directory, and cannot begin with a dot"));
        return None;
    }
    plain_word(key, (text, span), diagnostics)
}

fn path(table: &mut Table, key: &'static str, diagnostics: &mut Diagnostics) -> Option<PathBuf> {
    let (text, span) = table.text(key, diagnostics)?;
    if text.is_empty() {
        diagnostics.push(Diagnostic::error(span, format!("`{key}` is empty, but has to be a path")));
        return None;
    }
    Some(text.into())
}

fn paths(table: &mut Table, key: &'static str, diagnostics: &mut Diagnostics) -> Vec<(PathBuf, Span)> {
    let texts = table.texts(key, diagnostics).unwrap_or_default();
    texts.into_iter().map(|(text, span)| (text.into(), span)).collect()
}

fn pattern((text, span): &(String, Span), diagnostics: &mut Diagnostics) -> Option<Pattern> {
    let read = Pattern::new(text).map_err(|message| diagnostics.push(Diagnostic::error(*span, message)));
    read.ok()
}

fn patterns(table: &mut Table, key: &'static str, diagnostics: &mut Diagnostics) -> Option<Vec<Pattern>> {
    let texts = table.texts(key, diagnostics)?;
    Some(texts.iter().filter_map(|found| pattern(found, diagnostics)).collect())
}

fn several(table: &mut Table, diagnostics: &mut Diagnostics) -> Vec<(Pattern, u32)> {
    let Some(table) = table.table("several", diagnostics) else { return Vec::new() };
    let mut several = Vec::new();
    for (name, place, value) in table.entries() {
        let number =
            value.scalar().and_then(|text| text.parse::<u32>().ok()).filter(|number| (1..=1000).contains(number));
        if number.is_none() {
            let message = format!("how many versions of `{name}` are kept has to be a whole number from 1 to 1000");
            diagnostics.push(Diagnostic::error(value.span, message));
        }
        several.extend(pattern(&(name.to_owned(), place), diagnostics).zip(number));
    }
    several
}

fn pins(table: &mut Table, diagnostics: &mut Diagnostics) -> Vec<Pin> {
    let Some(table) = table.table("pins", diagnostics) else { return Vec::new() };
    let mut pins = Vec::new();
    for (name, place, value) in table.entries() {
        let Some(packages) = pattern(&(name.to_owned(), place), diagnostics) else { continue };
        if let Some(source) = value.text() {
            pins.push(Pin { packages, source: Some(source.to_owned()), version: None, span: value.span });
            continue;
        }
        if !value.is_table() {
            diagnostics.push(value.wrong_type(name, "the name of a source, or { source, version }"));
            continue;
        }
        let Some(mut table) = value.table(&format!("the pin of `{name}`"), diagnostics) else { continue };
        let source = table.text("source", diagnostics).map(|(source, _)| source);
        let version = table.text("version", diagnostics);
        let version = version.and_then(|found| pattern(&found, diagnostics));
        table.finish(diagnostics);
        if source.is_none() && version.is_none() {
            diagnostics
                .push(Diagnostic::error(value.span, format!("the pin of `{name}` has neither `source` nor `version`")));
        }
        pins.push(Pin { packages, source, version, span: value.span });
    }
    pins
}

fn check_pins(build: &Build, diagnostics: &mut Diagnostics) {
    let known: Vec<&str> = build.sources.iter().map(|source| source.name.as_str()).collect();
    for pin in &build.pins {
        let Some(source) = pin.source.as_deref().filter(|source| !known.contains(source)) else { continue };
        let fault = Diagnostic::error(
            pin.span,
            format!("`{}` is pinned to `{source}`, but there is no such source", pin.packages),
        );
        diagnostics.push(fault.maybe_hint(suggestion(source, known.iter().copied())));
    }
}
