//! How the tree of a distribution is built: `sources` and what else `[distributions.NAME]` says of packages.
//!
//! Read here and checked against the rest of the inventory; [`crate::dist`] builds from it.

use std::fmt;
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::platform::plain_word;
use crate::inventory::table::{Table, Value};
use crate::inventory::value::{within, word};
use crate::name::{DistributionName, RollName, suggestion};
use crate::source::Span;

/// The priority of a source that names none; the lower number wins, as with dnf.
const PRIORITY: u32 = 99;

/// What a tree of packages is built of.
#[derive(Debug)]
pub struct Build {
    /// Where packages come from, the first first.
    pub sources: Vec<PackageSource>,
    /// Architectures that it is built for; none says those of the hosts that have the distribution.
    pub arches: Vec<(String, Span)>,
    /// The directory of the trees, one below it for each architecture; relative to the inventory.
    pub tree: PathBuf,
    /// The directory of what is fetched from elsewhere and of what was read of packages; relative to the inventory.
    pub mirror: PathBuf,
    /// Packages that are left out of all sources.
    pub exclude: Vec<Pattern>,
    /// Which packages are kept in several versions, and in how many.
    pub several: Vec<(Pattern, u32)>,
    /// Which packages of 32 bits are kept beside those of 64.
    pub multilib: Vec<Pattern>,
    /// Which source, or which version, some packages have to come from.
    pub pins: Vec<Pin>,
    /// Which streams of modules are kept, as `NAME:STREAM`; all, if nothing is said.
    pub streams: Option<Vec<Pattern>>,
    /// Files of groups (comps) that the site adds.
    pub groups: Vec<(PathBuf, Span)>,
    /// Public keys (`OpenPGP`, in ASCII) that packages have to be signed with; with none, signatures are not looked at.
    pub keys: Vec<(PathBuf, Span)>,
    /// What is done with packages that are damaged, misnamed or not signed.
    pub faulty: Faulty,
    /// How packages come into the tree.
    pub links: Links,
    /// How metadata is compressed.
    pub compression: Compression,
}

/// One source of packages.
#[derive(Debug)]
pub struct PackageSource {
    /// Its name, by which pins and messages call it.
    pub name: String,
    /// Where the packages are.
    pub origin: Origin,
    /// The lower number wins, whatever the versions.
    pub priority: u32,
    /// Packages that are left out.
    pub exclude: Vec<Pattern>,
    /// The only packages that are taken, if it says so.
    pub only: Option<Vec<Pattern>>,
    /// Where it is declared.
    pub span: Span,
}

/// Where the packages of a source are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A repository elsewhere, which `kgen dist mirror` brings here: `http`, `https` or `file`.
    Repository(String),
    /// A directory, relative to the inventory, and all below it.
    Directory(PathBuf),
    /// The tree of another distribution.
    Distribution(DistributionName),
    /// A roll of the description.
    Roll(RollName),
}

/// What some packages have to be.
#[derive(Debug)]
pub struct Pin {
    /// Which packages.
    pub packages: Pattern,
    /// The source that they come from.
    pub source: Option<String>,
    /// Their version, or version and release.
    pub version: Option<Pattern>,
    /// Where it is declared.
    pub span: Span,
}

impl Faulty {
    /// The words for them in an inventory.
    pub const NAMES: [&'static str; 2] = ["leave-out", "refuse"];
    const ALL: [Self; 2] = [Self::LeaveOut, Self::Refuse];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl Links {
    /// The words for them in an inventory.
    pub const NAMES: [&'static str; 4] = ["hard", "reflink", "symbolic", "copy"];
    const ALL: [Self; 4] = [Self::Hard, Self::Reflink, Self::Symbolic, Self::Copy];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl Compression {
    /// The words for them in an inventory.
    pub const NAMES: [&'static str; 2] = ["gzip", "zstd"];
    const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// What is done with packages that are damaged, misnamed or not signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Faulty {
    /// They are told and left out.
    #[default]
    LeaveOut,
    /// Nothing is built.
    Refuse,
}

/// How packages come into a tree. Nothing is copied unless it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Another name of the same file; on one file system.
    #[default]
    Hard,
    /// A copy that shares its blocks, where the file system can.
    Reflink,
    /// A name that leads to the file, wherever it is.
    Symbolic,
    /// A copy.
    Copy,
}

/// How metadata is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// What every reader knows.
    #[default]
    Gzip,
    /// Smaller and faster; for dnf of Enterprise Linux 8 and later.
    Zstd,
}

/// A name with `*`, `?` and `[..]`, as shells read it.
#[derive(Clone, Debug)]
pub struct Pattern(glob::Pattern);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('/') {
            return Err(format!("`{}` is not the name of packages", text.escape_debug()));
        }
        let read = glob::Pattern::new(text);
        read.map(Self).map_err(|_| format!("`{}` is no pattern: `*`, `?` and `[..]` are known", text.escape_debug()))
    }

    /// Whether it fits the whole text.
    pub fn fits(&self, text: &str) -> bool {
        self.0.matches(text)
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether one of some patterns fits.
pub fn any_fits(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.fits(text))
}

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
