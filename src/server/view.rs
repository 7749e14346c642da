//! A host as operators see it: what is declared, what was ordered, what was seen. For the API, the page and the metrics.

use std::sync::Arc;

use serde::Serialize;

use crate::boot::happening::Time;
use crate::boot::order::{BootState, Hold, Order};
use crate::boot::state::Record;
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
    /// Since when; 0 if nothing was seen.
    pub since: Time,
    /// Whether it is under way and nothing was heard of it for a quarter of an hour.
    pub stuck: bool,
    /// What happened last.
    pub last: String,
    /// When.
    pub last_at: Time,
    /// What it does at its next boot.
    pub next: String,
    /// What the inventory says; empty of a host that is not in it.
    pub declared: String,
    /// Who decides: `declared`, `ordered`, `inventory`, `done`.
    pub order: &'static str,
    /// Why it boots from its own disk although the inventory names something else; empty if it does not.
    pub waits: String,
    /// What an operator types to end that; empty if it does not wait.
    pub say: String,
    /// When it last reported success; 0 if it never did.
    pub installed: Time,
    /// Whether orders for it need a word more.
    pub protect: bool,
    /// What its machine is known by, blanks between.
    pub machine: String,
    /// How often its build began.
    pub attempts: u32,
    /// The generation that it gets; empty of a host that is not in it.
    pub generation: String,
}

/// One host.
pub fn view(serving: &Serving, snapshot: &Snapshot, current: &Served, host: &Host) -> View {
    one(serving, snapshot, current, (host, &serving.store.record(&host.name)))
}

fn one(serving: &Serving, snapshot: &Snapshot, current: &Served, (host, record): (&Host, &Arc<Record>)) -> View {
    let (served, host) = snapshot.of(current, host);
    View {
        appliance: host.appliance.to_string(),
        address: host.boot_interface().and_then(|port| port.ip).map(|ip| ip.to_string()),
        next: record.next(&served.declared(host)).to_string(),
        declared: host.boot.to_string(),
        generation: served.id().to_owned(),
        protect: host.protect || record.protect,
        ..recorded(serving, host.name.as_str(), record)
    }
}

/// What is recorded of a host, whether it is in the inventory or not.
fn recorded(serving: &Serving, name: &str, record: &Record) -> View {
    let store = &serving.store;
    let (waits, say) = match &record.hold {
        Hold::Free => (String::new(), String::new()),
        Hold::Waiting(why) => (why.clone(), format!("kgen boot --adopt {name}")),
        Hold::Doubtful(why) => (why.clone(), format!("kgen boot {name} ACTION")),
    };
    View {
        name: name.to_owned(),
        appliance: String::new(),
        address: None,
        state: record.shown().word(),
        since: store.shown(record.since),
        stuck: is_stuck(record, store.now()),
        last: record.last.clone(),
        last_at: store.shown(record.last_at),
        next: String::new(),
        declared: String::new(),
        order: match record.order {
            Order::Declared => "declared",
            Order::Action(_) => "ordered",
            Order::Inventory(_) => "inventory",
            Order::Done(_) => "done",
        },
        waits,
        say,
        installed: store.shown(record.success.unwrap_or_default()),
        protect: record.protect,
        machine: record.machine.to_string(),
        attempts: record.attempts,
        generation: String::new(),
    }
}

/// What is recorded of hosts that are not in the inventory any more, by name.
pub fn gone(serving: &Serving, current: &Served) -> Vec<View> {
    let records = serving.store.records();
    let gone = records.iter().filter(|(name, _)| current.host(name.as_str()).is_none());
    let mut views: Vec<View> = gone.map(|(name, record)| recorded(serving, name.as_str(), record)).collect();
    views.sort_by(|one, other| one.name.cmp(&other.name));
    views
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
    let now = serving.store.now();
    let hosts = current.generation().inventory.hosts.values();
    let hosts = hosts.map(|host| (host, records.get(&host.name).unwrap_or(&none)));
    // The question that is asked all the time; a view costs more than a look.
    let hosts = hosts.filter(|(_, record)| filter.state != Some("stuck") || is_stuck(record, now));
    let views = hosts.map(|(host, record)| one(serving, snapshot, current, (host, record)));
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
