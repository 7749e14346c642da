//! The inventory from its files, LANGUAGE section 6: one, or several that are merged. After it: [`super::check`].

use std::collections::BTreeSet;
use std::ops::Range;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use sha2::{Digest, Sha256};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::context::{Context, Defaults};
use crate::inventory::document::{Document, Format, parse};
use crate::inventory::hosts::{Hosts, hosts};
use crate::inventory::platform::Used;
use crate::inventory::table::{Origin, Table};
use crate::inventory::value::layer;
use crate::inventory::{Host, Inventory, action, actions, check, networks, range, serve, site};
use crate::source::{FileId, Sources, Span};

/// From this size on, a file is read in pieces.
const LARGE: usize = 512 << 10;
/// The size of a piece, at least.
const PIECE: usize = 256 << 10;

/// What is read as a document of its own: a file, or a piece of a large one.
type Piece = (FileId, Range<usize>);

/// Reads an inventory from its files, which are merged: the first holds `[site]`, and each entry is in one of them
/// only. Reports every fault; what is left is usable for finding more.
pub fn read(files: &[FileId], sources: &mut Sources, diagnostics: &mut Diagnostics) -> Inventory {
    let built_in = sources.add("kgen's own boot actions", action::BUILT_IN.to_owned());
    let cut: Vec<Vec<Piece>> = files.iter().map(|file| pieces(*file, sources)).collect();
    let whole = || files.iter().map(|file| vec![(*file, 0..sources.file(*file).text.len())]).collect::<Vec<_>>();
    let in_pieces = if cut.iter().any(|pieces| pieces.len() > 1) { merged(&cut, built_in, sources) } else { None };
    let (mut inventory, found) = in_pieces.or_else(|| merged(&whole(), built_in, sources)).unwrap_or_default();
    diagnostics.append(found);
    for (number, host) in inventory.hosts.values_mut().enumerate() {
        host.number = number;
    }
    inventory.digest = digest(files, sources);
    inventory
}

/// SHA-256 over the texts; of one file, over its text alone.
fn digest(files: &[FileId], sources: &Sources) -> [u8; 32] {
    let texts: Vec<&str> = files.iter().map(|file| sources.file(*file).text.as_str()).collect();
    if let [text] = texts[..] {
        return Sha256::digest(text).into();
    }
    let all = texts.iter().fold(Sha256::new(), |all, text| all.chain_update(Sha256::digest(text)));
    all.finalize().into()
}

/// Where a file can be cut, so that what it says need not all be in memory: before `[hosts.NAME]` on a line of its
/// own, or between lines of a table. The tree of a whole file of a hundred thousand hosts would be thirty times as
/// large as the file. One piece where cutting does not pay, or where a line might be part of a text.
fn pieces(file: FileId, sources: &Sources) -> Vec<Piece> {
    let source = sources.file(file);
    let text = source.text.as_str();
    let cuts = match Format::of(&source.path) {
        Format::Toml if text.len() >= LARGE => cuts_before_hosts(text),
        Format::Csv => cuts_between_lines(text),
        Format::Toml | Format::Json => None,
    };
    let cuts = cuts.unwrap_or_else(|| vec![0, text.len()]);
    cuts.windows(2).map(|pair| (file, pair[0]..pair[1])).collect()
}

fn cuts_before_hosts(text: &str) -> Option<Vec<usize>> {
    if text.contains("\"\"\"") || text.contains("'''") {
        return None;
    }
    let mut cuts = vec![0];
    let mut from = text.find("\n[hosts.")?;
    // The first piece is small: all that hosts refer to stands before them.
    while let Some(found) = text.get(from..)?.find("\n[hosts.") {
        let header = from + found + 1;
        let line = text[header..].lines().next()?;
        let name = line.trim_end().strip_prefix("[hosts.")?.strip_suffix(']').unwrap_or(".");
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            cuts.push(header);
            from = header + PIECE;
            while !text.is_char_boundary(from.min(text.len())) {
                from += 1;
            }
        } else {
            from = header;
        }
        if from >= text.len() {
            break;
        }
    }
    cuts.push(text.len());
    Some(cuts)
}

/// Between lines of a table that begin with different names. The first piece is empty: a table has hosts only.
fn cuts_between_lines(text: &str) -> Option<Vec<usize>> {
    let is_first = text.split([',', '\n']).next().is_some_and(|name| name.trim().eq_ignore_ascii_case("NAME"));
    if text.contains('"') || !is_first || !names_are_together(text) {
        return None;
    }
    let mut cuts = vec![0];
    let mut from = PIECE;
    while from < text.len() {
        let line = text[text.floor_char_boundary(from)..].find('\n').map(|at| text.floor_char_boundary(from) + at + 1);
        let Some(mut start) = line.filter(|start| *start < text.len()) else { break };
        let name = |at: usize| text[at..].split([',', '\n']).next();
        let before = text[..start - 1].rfind('\n').map_or(0, |at| at + 1);
        let own = name(before);
        while start < text.len() && name(start) == own {
            start = text[start..].find('\n').map_or(text.len(), |at| start + at + 1);
        }
        if start < text.len() {
            cuts.push(start);
        }
        from = start + PIECE;
    }
    cuts.push(text.len());
    Some(cuts)
}

/// Whether the lines of each host stand side by side.
fn names_are_together(text: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut last = "";
    text.lines().all(|line| {
        let name = line.split(',').next().unwrap_or_default().trim();
        name == std::mem::replace(&mut last, name) || seen.insert(name)
    })
}

/// Reads files that are cut in pieces: the first piece of each together, then hosts on all cores. `None` where pieces
/// are not what they seem, a fault of syntax or a table after the hosts: files are then read whole, which tells what
/// is wrong.
fn merged(files: &[Vec<Piece>], built_in: FileId, sources: &Sources) -> Option<(Inventory, Diagnostics)> {
    let mut diagnostics = Diagnostics::default();
    let is_cut = files.iter().any(|pieces| pieces.len() > 1);
    let parsed = files.iter().map(|pieces| {
        let first = pieces.first()?;
        parse(first.clone(), sources, &mut diagnostics)
    });
    let heads: Vec<Option<Document>> = parsed.collect();
    if is_cut && diagnostics.has_errors() {
        return None;
    }
    let heads: Vec<Document> = heads.into_iter().flatten().collect();
    let own = parse((built_in, 0..sources.file(built_in).text.len()), sources, &mut diagnostics)?;
    // What stands after a fault of syntax may be what hosts refer to; to miss it would be noise.
    if diagnostics.has_errors() {
        return Some((Inventory::default(), diagnostics));
    }
    let place = Span::new(files.first()?.first()?.0, 0, 0);
    let (mut inventory, defaults, mut found) = head(&own, &heads, place, &mut diagnostics);
    let rest: Vec<Piece> = files.iter().flat_map(|pieces| pieces.iter().skip(1).cloned()).collect();
    let context = Context { defaults: &defaults, inventory: &inventory };
    let read = rest.par_iter().map(|piece| only_hosts(piece, context, sources));
    let mut lacking = std::mem::take(&mut found.lacking);
    let mut used = std::mem::take(&mut found.used);
    let mut all = found.read;
    for (hosts, faults) in read.collect::<Option<Vec<_>>>()? {
        diagnostics.append(faults);
        lacking.append(hosts.lacking);
        used.append(hosts.used);
        all.extend(hosts.read);
    }
    lacking.report(&mut diagnostics);
    take_hosts(&mut inventory, all, &mut diagnostics);
    networks::find_servers(&mut inventory);
    check::check(&inventory, &used, &mut diagnostics);
    Some((inventory, diagnostics))
}

/// Reads a piece that has hosts and nothing else.
fn only_hosts(piece: &Piece, context: Context, sources: &Sources) -> Option<(Hosts, Diagnostics)> {
    let mut faults = Diagnostics::default();
    let document = parse(piece.clone(), sources, &mut faults);
    let Some(document) = document else {
        // A table says what is wrong in any piece; other files are read again whole.
        let is_table = Format::of(&sources.file(piece.0).path) == Format::Csv;
        return is_table.then(|| (Hosts::default(), faults));
    };
    let mut table = top(std::slice::from_ref(&document), Span::new(piece.0, piece.1.start, piece.1.start));
    let only_hosts = table.entries().all(|(key, ..)| key == "hosts");
    only_hosts.then(|| (hosts(&mut table, context, &mut faults), faults))
}

fn top<'d>(documents: &'d [Document<'d>], place: Span) -> Table<'d> {
    let parts: Vec<(_, Origin)> = documents.iter().map(|document| (&document.table, document.origin)).collect();
    Table::top(parts, place)
}

/// Reads all that is no piece of hosts.
fn head(
    own: &Document,
    documents: &[Document],
    place: Span,
    diagnostics: &mut Diagnostics,
) -> (Inventory, Defaults, Hosts) {
    let mut inventory = Inventory::default();
    let mut defaults = Defaults::default();
    let mut used = Used::default();
    actions::actions(&mut top(std::slice::from_ref(own), place), &mut inventory.actions, diagnostics);
    let mut table = top(documents, place);
    inventory.site = site::site(&mut table, (&mut defaults, &mut used), diagnostics);
    inventory.language = site::language(&mut table, diagnostics);
    inventory.attributes = layer(&mut table, diagnostics).into();
    inventory.os = site::operating_systems(&mut table, diagnostics);
    inventory.networks = networks::networks(&mut table, &mut defaults, diagnostics);
    inventory.distributions = actions::distributions(&mut table, diagnostics);
    actions::actions(&mut table, &mut inventory.actions, diagnostics);
    inventory.loaders = actions::loaders(&mut table, diagnostics);
    inventory.serve = serve::serve(&mut table, diagnostics);
    inventory.appliances = site::appliances(&mut table, (&mut defaults, &mut used), diagnostics);
    let context = Context { defaults: &defaults, inventory: &inventory };
    let mut hosts = hosts(&mut table, context, diagnostics);
    range::ranges(&mut table, context, &mut hosts, diagnostics);
    used.append(std::mem::take(&mut hosts.used));
    hosts.used = used;
    table.finish(diagnostics);
    (inventory, defaults, hosts)
}

/// Hosts by name. One that is there twice would be lost, and is told.
fn take_hosts(inventory: &mut Inventory, hosts: Vec<Host>, diagnostics: &mut Diagnostics) {
    for host in hosts {
        if let Some(first) = inventory.hosts.get(host.name.as_str()) {
            let fault = Diagnostic::error(host.span, format!("the host `{}` is there twice", host.name));
            diagnostics.push(fault.related(first.span, "the first"));
        } else {
            inventory.hosts.insert(host.name.clone(), host);
        }
    }
}
