//! `[ranges.NAME]`: hosts that differ in nothing but their place and addresses, a rack in a few lines.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::attribute::Layer;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::address::HardwareAddress;
use crate::inventory::context::Context;
use crate::inventory::hosts::{Hosts, host};
use crate::inventory::interface::{check_links, interface};
use crate::inventory::subnet::stepped;
use crate::inventory::table::{Table, Value, named};
use crate::inventory::value::parsed;
use crate::inventory::{Host, Interface};
use crate::source::Span;

/// More hosts than this are a slip of the keyboard.
const MOST: u64 = 100_000;

/// One interface of all hosts of a range.
struct Template {
    interface: Interface,
    /// The hardware addresses, host by host; one that is given as a text counts up.
    addresses: Vec<Option<HardwareAddress>>,
    counts_up: bool,
    /// From the IP address of one host to that of the next.
    step: i64,
}

/// Reads `[ranges]` of a document: each stands for many hosts.
pub fn ranges(table: &mut Table, context: Context, hosts: &mut Hosts, diagnostics: &mut Diagnostics) {
    let none = &Arc::new(Layer::new());
    let Some(section) = table.section("ranges", diagnostics) else { return };
    for (key, span, value) in section.entries() {
        let Some(mut table) = value.table(&format!("[ranges.{key}]"), diagnostics) else { continue };
        let racks = numbers(&mut table, "rack", diagnostics);
        let ranks = numbers(&mut table, "rank", diagnostics);
        let pattern = table.text("name", diagnostics);
        let count = [&racks, &ranks].into_iter().flatten().map(length).fold(1, u64::saturating_mul);
        let templates = templates(&mut table, (count, context), diagnostics);
        let prototype = host(&mut table, (&format!("range `{key}`"), span), (context, none), hosts, diagnostics);
        table.finish(diagnostics);
        let (Some(racks), Some(ranks), Some(prototype)) = (racks, ranks, prototype) else {
            if !table_has_both(&value) {
                let fault = Diagnostic::error(span, format!("the range `{key}` has no `rack` or no `rank`"));
                diagnostics.push(fault.hint("for example `rack = 0` and `rank = \"0-41\"`"));
            }
            continue;
        };
        if count > MOST {
            let message = format!("the range `{key}` stands for {count} hosts; the limit is {MOST}");
            diagnostics.push(Diagnostic::error(span, message));
            continue;
        }
        let of_appliance =
            context.inventory.appliances.get(prototype.appliance.as_str()).and_then(|found| found.pattern.clone());
        let Some(pattern) = pattern.or(of_appliance) else {
            let fault = Diagnostic::error(span, format!("the hosts of the range `{key}` have no `name`"));
            diagnostics.push(fault.hint("write `name = \"compute-{rack}-{rank}\"` here or at the appliance"));
            continue;
        };
        let lacking = [("{rack}", length(&racks)), ("{rank}", length(&ranks))];
        if let Some((part, _)) = lacking.iter().find(|(part, count)| *count > 1 && !pattern.0.contains(part)) {
            let fault =
                Diagnostic::error(pattern.1, format!("`{}` gives many hosts one name: it lacks `{part}`", pattern.0));
            diagnostics.push(fault.hint("`{rack}` and `{rank}` stand for a host's place"));
            continue;
        }
        let own_id = templates.iter().find(|template| template.interface.client_id.is_some() && count > 1);
        if let Some(template) = own_id {
            let message = "`client_id` is one machine's, and cannot be that of a range";
            diagnostics.push(Diagnostic::error(template.interface.address_span, message));
        }
        let places = racks.flat_map(|rack| ranks.clone().map(move |rank| (rack, rank)));
        for (index, place) in places.enumerate() {
            let made = member(&prototype, (&pattern, place), &templates, (index, span), diagnostics);
            let Some(made) = made else { break }; // what is wrong with one is wrong with those after it
            hosts.read.push(made);
        }
    }
}

fn table_has_both(value: &Value) -> bool {
    value.table("", &mut Diagnostics::default()).is_some_and(|table| table.has("rack") && table.has("rank"))
}

fn length(numbers: &RangeInclusive<u32>) -> u64 {
    u64::from(numbers.end() - numbers.start()) + 1
}

/// `7`, or `"0-41"`.
fn numbers(table: &mut Table, key: &'static str, diagnostics: &mut Diagnostics) -> Option<RangeInclusive<u32>> {
    let value = table.get(key)?;
    let Some(text) = value.text() else { return table.number(key, diagnostics).map(|number| number..=number) };
    let parsed = text.split_once('-').and_then(|(first, last)| {
        let number = |text: &str| text.trim().parse::<u32>().ok();
        Some(number(first)?..=number(last)?)
    });
    let parsed = parsed.filter(|numbers| numbers.start() <= numbers.end());
    if parsed.is_none() {
        let message = format!("`{key}` is `{text}`, but has to be a number, or two with `-` between: \"0-41\"");
        diagnostics.push(Diagnostic::error(value.span, message));
    }
    parsed
}

fn templates(table: &mut Table, (count, context): (u64, Context), diagnostics: &mut Diagnostics) -> Vec<Template> {
    let mut templates = Vec::new();
    for value in table.list("interfaces", diagnostics).unwrap_or_default() {
        let Some(mut table) = value.table("an interface", diagnostics) else { continue };
        let addresses = table.texts("addresses", diagnostics);
        if let Some((_, place)) = addresses.as_ref().and_then(|list| list.first()).filter(|_| table.has("address")) {
            let message = "the interface has both `address`, which counts up, and `addresses`, which lists them";
            diagnostics.push(Diagnostic::error(*place, message));
        }
        let step = table.get("step").map(|value| (value.scalar().and_then(|text| text.parse().ok()), value.span));
        let read = interface(&mut table, &value, context, diagnostics);
        table.finish(diagnostics);
        let Some(interface) = read else { continue };
        if let Some((None, span)) = step {
            diagnostics.push(Diagnostic::error(span, "`step` has to be a whole number, such as 1 or -1"));
        }
        if let Some(list) = addresses.as_ref().filter(|list| list.len() as u64 != count) {
            let message = format!("there are {} `addresses` for {count} hosts", list.len());
            let place = list.first().map_or(value.span, |(_, place)| *place);
            diagnostics
                .push(Diagnostic::error(place, message).hint("one for each host in order; \"\" where it is not known"));
        }
        let counts_up = addresses.is_none();
        let listed = |(text, place): (String, Span)| {
            (!text.is_empty()).then(|| parsed(HardwareAddress::parse(&text), place, diagnostics)).flatten()
        };
        let addresses = match addresses {
            Some(list) => list.into_iter().map(listed).collect(),
            None => vec![interface.address],
        };
        templates.push(Template {
            interface,
            addresses,
            counts_up,
            step: step.and_then(|(step, _)| step).unwrap_or(1),
        });
    }
    let interfaces: Vec<Interface> = templates.iter().map(|template| template.interface.clone()).collect();
    check_links(&interfaces, diagnostics);
    templates
}

/// One host of a range.
fn member(
    prototype: &Host,
    ((pattern, pattern_span), (rack, rank)): (&(String, Span), (u32, u32)),
    templates: &[Template],
    (index, span): (usize, Span),
    diagnostics: &mut Diagnostics,
) -> Option<Host> {
    let text = pattern.replace("{rack}", &rack.to_string()).replace("{rank}", &rank.to_string());
    let name = named(&text, *pattern_span, diagnostics)?;
    let mut interfaces = Vec::new();
    for template in templates {
        let Some(made) = port(template, index) else {
            let message = format!("the addresses of the range end before `{text}`");
            diagnostics.push(Diagnostic::error(template.interface.ip_span, message));
            return None;
        };
        interfaces.push(made);
    }
    Some(Host { name, rack: Some(rack), rank: Some(rank), interfaces, span, ..prototype.clone() })
}

/// The interface of one host; `None` where there are no more addresses.
fn port(template: &Template, index: usize) -> Option<Interface> {
    let away = i64::try_from(index).ok()?.checked_mul(template.step)?;
    let ip = match template.interface.ip {
        Some(ip) => Some(stepped(ip, away)?),
        None => None,
    };
    let ip6 = match template.interface.ip6 {
        Some(ip6) => match stepped(ip6.into(), away)? {
            IpAddr::V6(ip6) => Some(ip6),
            IpAddr::V4(_) => None,
        },
        None => None,
    };
    let address = match (template.addresses.first(), template.counts_up) {
        (Some(Some(first)), true) => Some(first.plus(u32::try_from(index).ok()?)?),
        (_, true) => None,
        (_, false) => template.addresses.get(index).copied().flatten(),
    };
    Some(Interface { address, ip, ip6, ..template.interface.clone() })
}
