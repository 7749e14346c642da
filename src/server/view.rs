//! A host as operators see it: what is declared, what was ordered, what was seen. For the API, the page and the metrics.

use std::sync::Arc;

use serde::Serialize;

use crate::boot::happening::Time;
use crate::boot::is_diskless;
use crate::boot::state::{BootState, Order, Record};
use crate::inventory::Host;
use crate::server::serving::Serving;
use crate::server::snapshot::{Served, Snapshot};

/// After how many milliseconds without a sign a machine that is under way counts as stuck.
const STUCK_AFTER: Time = 15 * 60_000;

/// A host.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Its name.
    pub name: String,
    /// Its appliance.
    pub appliance: String,
    /// Its address in the network that it boots from.
    pub address: Option<String>,
    /// The word of its state.
    pub state: &'static str,
    /// Since when; 0 where nothing was seen.
    pub since: Time,
    /// Whether it is under way and nothing was heard of it for a quarter of an hour.
    pub stuck: bool,
    /// What happened last.
    pub last: String,
    /// When.
    pub last_at: Time,
    /// What it does at its next boot.
    pub next: String,
    /// What the inventory says.
    pub declared: String,
    /// Who decides: `declared`, `ordered`, `done`.
    pub order: &'static str,
    /// How often its build began.
    pub attempts: u32,
    /// The generation that it gets.
    pub generation: String,
}

/// One host.
pub fn view(snapshot: &Snapshot, current: &Served, host: &Host, record: &Arc<Record>, now: Time) -> View {
    let (served, host) = snapshot.of(current, host);
    let inventory = &served.generation().inventory;
    let next = record.next(&host.boot);
    // Who was ordered something is armed anyway; what matters is what the inventory orders.
    let builds = served
        .plan()
        .and_then(|plan| plan.entry(host))
        .is_some_and(|entry| entry.action == next && entry.has_token() && !is_diskless(inventory, host));
    let state = record.shown(builds);
    View {
        name: host.name.to_string(),
        appliance: host.appliance.to_string(),
        address: host.boot_interface().and_then(|port| port.ip).map(|ip| ip.to_string()),
        state: state.word(),
        since: record.since,
        stuck: is_stuck(record, now),
        last: record.last.clone(),
        last_at: record.last_at,
        next: next.to_string(),
        declared: host.boot.to_string(),
        order: match record.order {
            Order::Declared => "declared",
            Order::Action(_) => "ordered",
            Order::Done(_) => "done",
        },
        attempts: record.attempts,
        generation: served.id().to_owned(),
    }
}

/// Whether a host is under way and nothing was heard of it for long.
fn is_stuck(record: &Record, now: Time) -> bool {
    record.state.is_under_way() && now.saturating_sub(record.last_at) > STUCK_AFTER
}

/// What to look for among hosts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'f> {
    /// A part of the name or the address.
    pub text: Option<&'f str>,
    /// The word of a state, or `stuck`.
    pub state: Option<&'f str>,
    /// An appliance.
    pub appliance: Option<&'f str>,
}

/// All hosts that a filter lets through, by name.
pub fn views(serving: &Serving, snapshot: &Snapshot, current: &Served, filter: Filter) -> Vec<View> {
    let records = serving.store.records();
    let none = Arc::new(Record::default());
    let now = crate::store::now();
    let hosts = current.generation().inventory.hosts.values();
    let hosts = hosts.map(|host| (host, records.get(&host.name).unwrap_or(&none)));
    // The question that is asked all the time; a view costs more than a look.
    let hosts = hosts.filter(|(_, record)| filter.state != Some("stuck") || is_stuck(record, now));
    let views = hosts.map(|(host, record)| view(snapshot, current, host, record, now));
    let has = |view: &View, text: &str| {
        view.name.contains(text) || view.address.as_deref().is_some_and(|address| address.contains(text))
    };
    let wanted = |view: &View| {
        filter.text.is_none_or(|text| has(view, text))
            && filter.state.is_none_or(|state| view.state == state || state == "stuck" && view.stuck)
            && filter.appliance.is_none_or(|appliance| view.appliance == appliance)
    };
    views.filter(wanted).collect()
}

/// How many hosts are in each state.
pub fn counts(views: &[View]) -> Vec<(&'static str, usize)> {
    let count = |word: &'static str| (word, views.iter().filter(|view| view.state == word).count());
    BootState::ALL.into_iter().map(|state| count(state.word())).collect()
}
