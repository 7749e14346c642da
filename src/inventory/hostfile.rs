//! Hosts as a table with the columns of Stacki's hostfile: a line for each interface of a host.
//!
//! Read into the tree that a TOML file gives; written from a checked inventory. `BOX` and `INSTALLACTION` are host
//! attributes, `OSACTION` is the boot action, `CHANNEL` names the bond that an interface is a part of.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use csv::{ReaderBuilder, StringRecord, WriterBuilder};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::table::Origin;
use crate::inventory::{Host, Interface, Inventory, Link};
use crate::name::suggestion;

/// The columns, in their usual order.
pub const COLUMNS: [&str; 18] = [
    "NAME",
    "INTERFACE HOSTNAME",
    "DEFAULT",
    "APPLIANCE",
    "RACK",
    "RANK",
    "IP",
    "MAC",
    "INTERFACE",
    "NETWORK",
    "CHANNEL",
    "OPTIONS",
    "VLAN",
    "INSTALLACTION",
    "OSACTION",
    "GROUPS",
    "BOX",
    "COMMENT",
];

/// What Stacki writes where nothing special is meant.
const NOTHING: [&str; 2] = ["", "default"];

type Cell<'p> = Spanned<DeValue<'p>>;

/// Parses lines of a table; `whole` is the file that begins with the names of its columns.
pub fn parse<'p>(
    (whole, piece): (&str, &'p str),
    origin: Origin,
    diagnostics: &mut Diagnostics,
) -> Option<DeTable<'p>> {
    if let Some(open) = unclosed_quote(piece) {
        diagnostics.push(Diagnostic::error(origin.span(open..open + 1), "the quote that begins here has no end"));
        return None;
    }
    let columns = columns(whole, origin, diagnostics)?;
    // A remark looks like the name of a host; in another column it would hide what follows it.
    let remark = (columns.first() == Some(&"NAME")).then_some(b'#');
    let mut hosts: BTreeMap<String, Rows<'p>> = BTreeMap::new();
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).comment(remark).from_reader(piece.as_bytes());
    let mut record = StringRecord::new();
    let mut faulty = false;
    let mut is_head = origin.start == 0;
    loop {
        let start = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) if is_head => is_head = false,
            Ok(true) => {
                let start = record.position().map_or(start, |at| usize::try_from(at.byte()).unwrap_or(start));
                let end = usize::try_from(reader.position().byte()).unwrap_or(piece.len());
                let line = Line::new(piece, start..end.min(piece.len()));
                faulty |= !row(&columns, &record, &line, (&mut hosts, diagnostics), origin);
            }
            Err(error) => {
                diagnostics.push(Diagnostic::error(origin.span(start..start), format!("the file is not CSV: {error}")));
                return None;
            }
        }
    }
    let table = hosts.into_iter().map(|(name, rows)| rows.finish(&name)).collect::<DeTable<'p>>();
    let mut top = DeTable::new();
    top.insert(Spanned::new(0..0, Cow::Borrowed("hosts")), Spanned::new(0..0, DeValue::Table(table)));
    (!faulty).then_some(top)
}

/// Where a quote begins that has no end.
fn unclosed_quote(text: &str) -> Option<usize> {
    let quotes = text.bytes().enumerate().filter(|(_, byte)| *byte == b'"');
    quotes.fold(None, |open, (at, _)| if open.is_some() { None } else { Some(at) })
}

/// The columns of a file by position; `None` where one of them is not known.
fn columns(whole: &str, origin: Origin, diagnostics: &mut Diagnostics) -> Option<Vec<&'static str>> {
    let origin = Origin { start: 0, ..origin };
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).comment(Some(b'#')).from_reader(whole.as_bytes());
    let mut record = StringRecord::new();
    let there = reader.read_record(&mut record).is_ok_and(|there| there);
    let start = record.position().map_or(0, |at| usize::try_from(at.byte()).unwrap_or(0));
    let line = Line::new(whole, start..usize::try_from(reader.position().byte()).unwrap_or(0).min(whole.len()));
    let names: Vec<String> =
        record.iter().map(|field| field.trim().trim_start_matches('\u{feff}').to_uppercase()).collect();
    if !there || !names.iter().any(|name| name == "NAME") {
        let fault = Diagnostic::error(origin.span(line.range), "the first line does not name the columns");
        diagnostics.push(fault.hint(format!("it says which of these there are: {}", COLUMNS.join(","))));
        return None;
    }
    let mut columns = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let place = origin.span(line.field(index));
        let Some(column) = COLUMNS.iter().find(|column| *column == name) else {
            let fault = Diagnostic::error(place, format!("there is no column `{name}`"));
            diagnostics.push(fault.maybe_hint(suggestion(name, COLUMNS)));
            continue;
        };
        if columns.contains(column) {
            diagnostics.push(Diagnostic::error(place, format!("the column {name} is there twice")));
            return None;
        }
        columns.push(*column);
    }
    (columns.len() == record.len()).then_some(columns)
}

/// One line of the file, and where its fields stand in it.
struct Line<'l> {
    text: &'l str,
    range: Range<usize>,
}

impl<'l> Line<'l> {
    fn new(piece: &'l str, range: Range<usize>) -> Self {
        let text = piece[range.clone()].trim_end();
        Self { text, range: range.start..range.start + text.len() }
    }

    /// Where a field stands; the whole line where quotes make that hard to say.
    fn field(&self, index: usize) -> Range<usize> {
        if self.text.contains('"') {
            return self.range.clone();
        }
        let start: usize = self.text.split(',').take(index).map(|field| field.len() + 1).sum();
        let Some(field) = self.text.split(',').nth(index) else { return self.range.clone() };
        let lead = field.len() - field.trim_start().len();
        let start = self.range.start + start + lead;
        start..start + field.trim().len()
    }
}

/// What was read of one host.
#[derive(Default)]
struct Rows<'p> {
    place: Range<usize>,
    keys: BTreeMap<&'static str, Cell<'p>>,
    attributes: BTreeMap<&'static str, Cell<'p>>,
    interfaces: Vec<BTreeMap<&'static str, Cell<'p>>>,
    /// Names of bonds, with the ports that say to be a part of them.
    bonds: BTreeMap<String, Vec<Cell<'p>>>,
}

/// Takes one line in; gives whether it could be.
fn row<'p>(
    columns: &[&'static str],
    record: &StringRecord,
    line: &Line<'p>,
    (hosts, diagnostics): (&mut BTreeMap<String, Rows<'p>>, &mut Diagnostics),
    origin: Origin,
) -> bool {
    if record.len() > columns.len() {
        let message = format!("the line has {} fields, but there are {} columns", record.len(), columns.len());
        diagnostics.push(Diagnostic::error(origin.span(line.range.clone()), message));
        return false;
    }
    let found = columns.iter().zip(record).enumerate();
    let mut cells: BTreeMap<&str, (String, Range<usize>)> = found
        .filter(|(_, (_, field))| !field.trim().is_empty())
        .map(|(index, (column, field))| (*column, (field.trim().to_owned(), line.field(index))))
        .collect();
    let Some((name, place)) = cells.remove("NAME") else {
        diagnostics.push(Diagnostic::error(origin.span(line.range.clone()), "the line has no NAME"));
        return false;
    };
    let rows = hosts.entry(name).or_insert_with(|| Rows { place, ..Rows::default() });
    rows.take(cells, line, origin, diagnostics)
}

fn text_cell<'p>(text: String, range: Range<usize>) -> Cell<'p> {
    Spanned::new(range, DeValue::String(Cow::Owned(text)))
}

/// A number where the text is one; what it has to be is said by who reads it.
fn number_cell<'p>(text: String, range: Range<usize>, line: &Line<'p>) -> Cell<'p> {
    // The toml library makes numbers of borrowed digits only: those that stand in the line.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| line.text.find(&text)).flatten();
    let digits = digits.map(|at| line.text[at..at + text.len()].trim_start_matches('0'));
    match digits.map(|digits| DeValue::parse(if digits.is_empty() { "0" } else { digits })) {
        Some(Ok(number)) => Spanned::new(range, number.into_inner()),
        _ => text_cell(text, range),
    }
}

impl<'p> Rows<'p> {
    /// Takes the cells of one line in. What a host has once may be said in one line or in all, but not differently.
    fn take(
        &mut self,
        cells: BTreeMap<&str, (String, Range<usize>)>,
        line: &Line<'p>,
        origin: Origin,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        let mut interface: BTreeMap<&'static str, Cell<'p>> = BTreeMap::new();
        let mut good = true;
        for (column, (text, range)) in cells {
            if NOTHING.contains(&text.as_str()) && matches!(column, "INSTALLACTION" | "OSACTION") {
                continue;
            }
            let (keys, key, cell) = match column {
                "APPLIANCE" => (&mut self.keys, "appliance", text_cell(text, range)),
                "RACK" => (&mut self.keys, "rack", number_cell(text, range, line)),
                "RANK" => (&mut self.keys, "rank", number_cell(text, range, line)),
                "COMMENT" => (&mut self.keys, "comment", text_cell(text, range)),
                "OSACTION" => (&mut self.keys, "boot", text_cell(text, range)),
                "GROUPS" => {
                    let names = text.split([',', ' ']).filter(|name| !name.is_empty());
                    let list = names.map(|name| text_cell(name.to_owned(), range.clone())).collect();
                    (&mut self.keys, "groups", Spanned::new(range, DeValue::Array(list)))
                }
                "BOX" => (&mut self.attributes, "box", text_cell(text, range)),
                "INSTALLACTION" => (&mut self.attributes, "install_action", text_cell(text, range)),
                "INTERFACE HOSTNAME" => (&mut interface, "hostname", text_cell(text, range)),
                "DEFAULT" => (&mut interface, "default", truth_cell(&text, range)),
                "IP" => (&mut interface, "ip", text_cell(text, range)),
                "MAC" => (&mut interface, "address", text_cell(text, range)),
                "INTERFACE" => (&mut interface, "name", text_cell(text, range)),
                "NETWORK" => (&mut interface, "network", text_cell(text, range)),
                "CHANNEL" => (&mut interface, "channel", text_cell(text, range)),
                "OPTIONS" => (&mut interface, "options", text_cell(text, range)),
                _ => (&mut interface, "vlan", number_cell(text, range, line)),
            };
            match keys.get(key) {
                Some(first) if shown(first.get_ref()) != shown(cell.get_ref()) => {
                    let message = format!("{column} is another than in an earlier line of this host");
                    let fault = Diagnostic::error(origin.span(cell.span()), message);
                    diagnostics.push(fault.related(origin.span(first.span()), "the earlier"));
                    good = false;
                }
                _ => drop(keys.insert(key, cell)),
            }
        }
        if let Some(bond) = interface.remove("channel") {
            let name = interface.get("name").cloned().unwrap_or_else(|| text_cell(String::new(), line.range.clone()));
            self.bonds.entry(shown(bond.get_ref())).or_default().push(name);
        }
        // A line may hold nothing but what the host has once.
        if !interface.is_empty() {
            self.interfaces.push(interface);
        }
        good
    }

    fn finish(mut self, name: &str) -> (Spanned<Cow<'p, str>>, Cell<'p>) {
        let place = self.place;
        let mut interfaces = DeArray::new();
        for mut interface in self.interfaces {
            let name = interface.get("name").map(|name| shown(name.get_ref())).unwrap_or_default();
            if let Some(members) = self.bonds.remove(&name) {
                interface.insert("bond", Spanned::new(place.clone(), DeValue::Array(members.into_iter().collect())));
            }
            interfaces.push(Spanned::new(place.clone(), DeValue::Table(table(interface))));
        }
        // A bond without a line of its own has no address either.
        for (bond, members) in self.bonds {
            let own = BTreeMap::from([
                ("name", text_cell(bond, place.clone())),
                ("bond", Spanned::new(place.clone(), DeValue::Array(members.into_iter().collect()))),
            ]);
            interfaces.push(Spanned::new(place.clone(), DeValue::Table(table(own))));
        }
        if !self.attributes.is_empty() {
            self.keys.insert("attributes", Spanned::new(place.clone(), DeValue::Table(table(self.attributes))));
        }
        self.keys.insert("interfaces", Spanned::new(place.clone(), DeValue::Array(interfaces)));
        let host = Spanned::new(place.clone(), DeValue::Table(table(self.keys)));
        (Spanned::new(place, Cow::Owned(name.to_owned())), host)
    }
}

fn truth_cell<'p>(text: &str, range: Range<usize>) -> Cell<'p> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "y" | "1" => Spanned::new(range, DeValue::Boolean(true)),
        "false" | "no" | "n" | "0" => Spanned::new(range, DeValue::Boolean(false)),
        _ => text_cell(text.to_owned(), range),
    }
}

fn shown(value: &DeValue) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Array(list) => list.iter().map(|value| shown(value.get_ref())).collect::<Vec<_>>().join(","),
        _ => String::new(),
    }
}

fn table<'p>(cells: BTreeMap<&'static str, Cell<'p>>) -> DeTable<'p> {
    let named = |(key, cell): (&'static str, Cell<'p>)| (Spanned::new(cell.span(), Cow::Borrowed(key)), cell);
    cells.into_iter().map(named).collect()
}

/// The hosts of an inventory as a table, and the names of those of which it cannot hold everything.
pub fn write(inventory: &Inventory) -> (String, Vec<String>) {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    let mut lossy = Vec::new();
    let mut put = |fields: &[String]| drop(writer.write_record(fields)); // memory does not fail
    put(&COLUMNS.map(str::to_owned));
    for host in inventory.hosts.values() {
        let mut interfaces: Vec<Option<&Interface>> = host.interfaces.iter().map(Some).collect();
        if interfaces.is_empty() {
            interfaces.push(None);
        }
        interfaces.into_iter().for_each(|interface| put(&fields(inventory, host, interface)));
        if !fits(inventory, host) {
            lossy.push(host.name.to_string());
        }
    }
    let bytes = writer.into_inner().unwrap_or_default();
    (String::from_utf8_lossy(&bytes).into_owned(), lossy)
}

fn fields(inventory: &Inventory, host: &Host, interface: Option<&Interface>) -> [String; 18] {
    let own = |name: &str| host.attributes.get(name).map(|entry| entry.value.shown().to_owned()).unwrap_or_default();
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    let of = |pick: &dyn Fn(&Interface) -> Option<String>| interface.and_then(pick).unwrap_or_default();
    let bond = |port: &Interface| {
        let mut bonds = host
            .interfaces
            .iter()
            .filter(|bond| matches!(&bond.link, Link::Bond(members) if members.contains(&port.name)));
        bonds.next().map(|bond| bond.name.clone())
    };
    let vlan = |port: &Interface| match port.link {
        Link::Vlan { id, .. } => Some(id.to_string()),
        _ => None,
    };
    let action = (host.boot != inventory.default_boot(&host.appliance)).then(|| host.boot.to_string());
    [
        host.name.to_string(),
        of(&|port| port.hostname.as_ref().map(ToString::to_string)),
        of(&|port| port.default.then(|| "True".to_owned())),
        host.appliance.to_string(),
        number(host.rack),
        number(host.rank),
        of(&|port| port.ip.map(|ip| ip.to_string())),
        of(&|port| port.address.map(|address| address.to_string())),
        of(&|port| Some(port.name.clone())),
        of(&|port| port.network.as_ref().map(ToString::to_string)),
        of(&bond),
        of(&|port| port.options.clone()),
        of(&vlan),
        own("install_action"),
        action.unwrap_or_default(),
        host.groups.join(","),
        own("box"),
        host.comment.clone().unwrap_or_default(),
    ]
}

/// Whether the columns hold all that a host has of its own.
fn fits(inventory: &Inventory, host: &Host) -> bool {
    let attributes = host.attributes.iter();
    let only_columns = attributes
        .filter(|(name, entry)| !matches!(name.as_str(), "box" | "install_action") || entry.value.is_secret());
    let says = |text: &str| !NOTHING.contains(&text) && text.trim() == text;
    let parent = |port: &Interface, parent: &str| port.name.rsplit_once('.').is_some_and(|(above, _)| above == parent);
    let port = |port: &Interface| {
        let link = match &port.link {
            Link::Bridge(_) => false,
            Link::Vlan { parent: above, .. } => parent(port, above),
            Link::Port | Link::Bond(_) => true,
        };
        link && port.ip6.is_none() && port.client_id.is_none() && port.options.as_deref().is_none_or(says)
    };
    let plain = host.uuid.is_none() && host.comment.as_deref().is_none_or(says) && host.boot.as_str() != "default";
    plain && only_columns.count() == 0 && host.interfaces.iter().all(port) && inventory.has_platform_of_appliance(host)
}
