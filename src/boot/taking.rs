//! What a new generation means for the records of machines: which record is whose, and who is armed by it. Pure.
//!
//! First each host of the generation finds the record of its machine ([`crate::boot::matching`]), so that a rename, a
//! swap of ports or another board is seen as what it is. Then the action that the generation names is
//! compared with that of the generation taken last. Only a change to an action that builds is an order, only in a
//! revision that may order ([`Basis`]), and only within the bound; whatever else would build waits for a person.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::boot::happening::{Declared, Time};
use crate::boot::matching::{Candidate, Match, Records, matched, moved_from};
use crate::boot::order::{BootState, Hold, Order};
use crate::boot::state::Record;
use crate::name::HostName;

/// Whether a generation may order anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// It was never taken before, and follows the one that was taken last.
    Order,
    /// It becomes the current one, and orders nothing: why.
    NoOrder(&'static str),
    /// An operator went back to it: it orders nothing, and the next generation is not compared with it.
    Held,
    /// What a release without identities served last: records without them get them.
    Upgrade,
}

impl Basis {
    /// What a revision may do that the server follows.
    ///
    /// `last` is the one taken last, `was_taken` whether this one ever was, `descends` whether it follows `last`: the
    /// content of a directory always does.
    pub fn of(last: Option<&str>, was_taken: bool, descends: bool) -> Self {
        match last {
            None => Self::NoOrder("the state is new, or a copy"),
            Some(_) if was_taken => Self::NoOrder("this revision was served before"),
            Some(_) if !descends => Self::NoOrder("this revision does not follow the one before"),
            Some(_) => Self::Order,
        }
    }

    fn is_order(&self) -> bool {
        *self == Self::Order
    }

    /// Whether the next generation is compared with this one.
    fn is_taken(&self) -> bool {
        *self != Self::Held
    }

    fn why(&self) -> &'static str {
        match self {
            Self::Order => "nothing was recorded of this machine",
            Self::NoOrder(why) => why,
            Self::Held => "the revision is held, which orders nothing",
            Self::Upgrade => "the release before kept no identities of machines",
        }
    }
}

/// How many names that a host had are kept.
const NAMES: usize = 8;

/// A generation that becomes the current one.
#[derive(Clone, Debug)]
pub struct Taking {
    /// All of its hosts.
    pub hosts: Vec<Candidate>,
    /// What it may order.
    pub basis: Basis,
    /// Whether new machines are armed by it.
    pub install_new: bool,
    /// How many installed hosts it may arm.
    pub arm_at_most: usize,
    /// Whether hosts that are not protected any more are not: an operator accepted it.
    pub loosens: bool,
}

/// How the record of one machine changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name that the record had, if it is another now.
    pub from: Option<HostName>,
    /// The name of the record.
    pub host: HostName,
    /// The record from now on.
    pub record: Record,
    /// The events that it causes: sentences, in order.
    pub events: Vec<String>,
}

/// How the records change; without those that stay as they are.
pub fn take(records: &Records, taking: &Taking, now: Time) -> Vec<Step> {
    let matches = matched(records, &taking.hosts);
    let mut steps: Vec<Step> = taking
        .hosts
        .iter()
        .zip(&matches)
        .map(|(host, found)| Step { events: Vec::new(), ..identified(records, host, found, now) })
        .collect();
    let moved: BTreeSet<&HostName> = matches.iter().filter_map(moved_from).collect();
    let declared: BTreeSet<&str> = taking.hosts.iter().flat_map(|host| host.machine.iter()).collect();
    let names: BTreeSet<&HostName> = taking.hosts.iter().map(|host| &host.name).collect();
    let gone: Vec<(&HostName, &Arc<Record>)> =
        records.iter().filter(|(name, _)| !names.contains(name) && !moved.contains(name)).collect();
    for ((host, found), step) in taking.hosts.iter().zip(&matches).zip(&mut steps) {
        if host.machine.is_empty() {
            lose(&mut step.record, &declared);
        }
        if matches!(found, Match::New { was: Some(_) } | Match::Doubtful(_)) {
            inherit(records, host, step);
        }
        tell_match(found, step);
        without_foreign_order(host, found, step, now);
    }
    arm(records, taking, &matches, (&gone, &mut steps), now);
    for (host, step) in taking.hosts.iter().zip(&mut steps) {
        if taking.basis.is_taken() {
            step.record.declared = Some(host.declared.clone());
            step.record.protect = host.protect || (step.record.protect && !taking.loosens);
        }
    }
    steps.extend(gone.into_iter().map(|(name, record)| left(name, record, &declared, taking, now)));
    for step in &mut steps {
        if let Some(last) = step.events.last() {
            step.record.last.clone_from(last);
        }
    }
    steps.retain(|step| {
        step.from.is_some() || !step.events.is_empty() || records.get(&step.host).is_none_or(|old| **old != step.record)
    });
    steps.sort_by(|one, other| one.host.cmp(&other.host));
    steps
}

/// The record of a host with what its machine is known by now.
fn identified(records: &Records, host: &Candidate, found: &Match, now: Time) -> Step {
    let from = moved_from(found).cloned();
    let old = records.get(from.as_ref().unwrap_or(&host.name));
    let mut record = old.map(|record| (**record).clone()).unwrap_or_default();
    if let Some(from) = &from {
        record.was.retain(|name| name != from && *name != host.name);
        record.was.push(from.clone());
        let surplus = record.was.len().saturating_sub(NAMES);
        record.was.drain(..surplus);
    }
    if old.is_none() {
        (record.since, record.last_at) = (now, now);
    }
    // A host that no longer says what it is known by is still known by it.
    if !host.machine.is_empty() {
        let lost = record.machine.filtered(|identity| !host.machine.iter().any(|own| own == identity));
        record.former = record.former.union(&lost).filtered(|identity| !host.machine.iter().any(|own| own == identity));
        record.machine = host.machine.clone();
    }
    Step { from, host: host.name.clone(), record, events: Vec::new() }
}

/// What protects a machine, and that it is installed, is not lost when it comes under another name.
fn inherit(records: &Records, host: &Candidate, step: &mut Step) {
    let known = |record: &Record| host.machine.shares(&record.machine) || host.machine.shares(&record.former);
    for record in records.values().filter(|record| known(record)) {
        step.record.protect |= record.protect;
        step.record.success = step.record.success.max(record.success);
    }
}

/// Adds the events of a match, and holds a host whose machine is in doubt.
fn tell_match(found: &Match, step: &mut Step) {
    match found {
        Match::Kept | Match::New { .. } => {}
        Match::Moved(from) => step.events.push(format!("renamed from {from}; it keeps what is known of it")),
        Match::Replaced => step.events.push(format!(
            "another machine by all that it is known by; if it is a new one: kgen boot {} install",
            step.host
        )),
        Match::Doubtful(other) => {
            let why = format!("it has, or had, what {other} is known by");
            if step.record.hold != Hold::Doubtful(why.clone()) {
                step.events.push(format!(
                    "doubtful: {why}; it boots from its own disk until somebody says `kgen boot {} ACTION`",
                    step.host
                ));
            }
            step.record.hold = Hold::Doubtful(why);
        }
    }
}

/// Ends the order of a machine that is not, or not surely, the one that it was given for.
fn without_foreign_order(host: &Candidate, found: &Match, step: &mut Step, now: Time) {
    let ended = match found {
        Match::Replaced => "the machine is another one",
        Match::Doubtful(_) => "which machine it is is not sure",
        _ => return,
    };
    // What the machine that began still reports is not of this one.
    step.record.token = None;
    end_order(step, &host.declared, ended, now);
}

/// Ends an open order and adds the event that says why.
fn end_order(step: &mut Step, declared: &Declared, why: &str, now: Time) {
    let Some(action) = step.record.order.open().cloned() else { return };
    let ended = step.record.without_order(declared, &format!("the order of {action} ended: {why}"));
    step.record = Record { attempts: 0, ..ended.moved(BootState::Idle, now) };
    step.events.push(format!("the order of {action} ended: {why}"));
}

/// Compares what hosts are to do with what they were to do, and arms those that this orders.
fn arm(
    records: &Records,
    taking: &Taking,
    matches: &[Match],
    (gone, steps): (&[(&HostName, &Arc<Record>)], &mut [Step]),
    now: Time,
) {
    let mut ordered = Vec::new();
    for (index, (host, found)) in taking.hosts.iter().zip(matches).enumerate() {
        let step = &mut steps[index];
        let declared = &host.declared;
        if matches!(taking.basis, Basis::Upgrade) {
            carried_over(step, declared);
        }
        let is_new = records.get(step.from.as_ref().unwrap_or(&host.name)).is_none();
        let changed = match &step.record.declared {
            _ if is_new => declared.builds,
            // It was not in the generation before: what it was to do then is no word of now.
            None => match (&step.record.order, &step.record.hold) {
                (Order::Declared, Hold::Free) => declared.builds,
                (Order::Done(_), _) | (_, Hold::Waiting(_)) => !declared.builds,
                _ => false,
            },
            Some(before) => taking.basis.is_taken() && before != declared,
        };
        if !changed {
            continue;
        }
        let was_there = step.record.declared.is_some();
        let protected = host.protect || step.record.protect;
        let is_sure = !matches!(step.record.hold, Hold::Doubtful(_));
        match may_order(taking, (host, protected), found, (is_new, was_there)) {
            _ if !declared.builds => no_longer_builds(step, declared, now),
            Ok(()) if is_sure => ordered.push(index),
            Ok(()) => refuse(step, declared, "which machine it is is not sure", now),
            Err(why) => refuse(step, declared, &why, now),
        }
    }
    // An operator's order is not overruled, and so not counted.
    let is_free = |index: &usize| !matches!(steps[*index].record.order, Order::Action(_));
    let installed = ordered.iter().filter(|index| is_free(index) && steps[**index].record.success.is_some()).count();
    let new = ordered.iter().filter(|index| steps[**index].record.declared.is_none()).count();
    let removed = gone.iter().filter(|(_, record)| record.declared.is_some() && record.success.is_some()).count();
    let armed = installed + new.min(removed);
    for index in ordered {
        let declared = &taking.hosts[index].declared;
        if armed > taking.arm_at_most {
            let why = format!(
                "one commit would arm {armed} hosts in the place of installed ones, and arm_at_most is {}",
                taking.arm_at_most
            );
            wait(&mut steps[index], declared, &why, now);
        } else {
            order(&mut steps[index], declared, now);
        }
    }
}

/// Whether a host is armed by the action that it has now.
fn may_order(
    taking: &Taking,
    (host, protected): (&Candidate, bool),
    found: &Match,
    (is_new, was_there): (bool, bool),
) -> Result<(), String> {
    match found {
        _ if !taking.basis.is_order() => Err(taking.basis.why().to_owned()),
        Match::Replaced => Err("the machine is another one".to_owned()),
        Match::New { .. } if is_new && !taking.install_new => Err(taking.basis.why().to_owned()),
        Match::New { .. } if !host.machine.are_own() => {
            Err("it declares nothing that its machine is known by".to_owned())
        }
        Match::New { was: Some(_) } => Err("a machine of its identities was recorded before".to_owned()),
        _ if !is_new && !was_there => Err("it was not in the generation before".to_owned()),
        _ if protected => Err("it is protected".to_owned()),
        _ => Ok(()),
    }
}

/// Carries out what a commit orders; an operator's order is not overruled by it.
fn order(step: &mut Step, declared: &Declared, now: Time) {
    if let Order::Action(action) = &step.record.order {
        let told = format!("the inventory orders {}; the operator's order of {action} stays", declared.action);
        step.events.push(told);
        return;
    }
    let last = format!("the inventory orders {}", declared.action);
    step.record = step.record.armed(Order::Inventory(declared.action.clone()), last.clone(), now);
    step.events.push(last);
}

/// What the inventory names is no order: a machine that is installed stays what it is, any other waits.
fn refuse(step: &mut Step, declared: &Declared, why: &str, now: Time) {
    end_by_inventory(step, declared, now);
    step.events.push(format!("not armed for {0}: {why}; kgen boot {1} {0}", declared.action, step.host));
    if step.record.order.open().is_some() {
        return;
    }
    step.record = step.record.without_order(declared, why);
}

/// A commit orders too much: what it orders waits, also for machines that are installed.
fn wait(step: &mut Step, declared: &Declared, why: &str, now: Time) {
    end_by_inventory(step, declared, now);
    step.events.push(format!("not armed for {}: {why}; kgen boot --adopt {}", declared.action, step.host));
    if step.record.order.open().is_some() {
        return;
    }
    step.record.order = Order::Declared;
    step.record.hold = Hold::Waiting(why.to_owned());
}

/// The inventory names something else than what it ordered.
fn end_by_inventory(step: &mut Step, declared: &Declared, now: Time) {
    if matches!(step.record.order, Order::Inventory(_)) {
        end_order(step, declared, &format!("the inventory names {} now", declared.action), now);
    }
}

/// The inventory names something that does not build: hosts follow it.
fn no_longer_builds(step: &mut Step, declared: &Declared, now: Time) {
    end_by_inventory(step, declared, now);
    if matches!(step.record.hold, Hold::Waiting(_)) {
        step.record.hold = Hold::Free;
    }
    if let Order::Done(_) = step.record.order {
        let last = format!("the inventory says {} now", declared.action);
        step.record = Record { order: Order::Declared, token: None, expires: 0, attempts: 0, ..step.record.clone() };
        step.record = step.record.moved(BootState::Idle, now);
        step.events.push(last);
    }
}

/// A build that a release without identities began goes on: the machine is at work.
fn carried_over(step: &mut Step, declared: &Declared) {
    let record = &mut step.record;
    if record.order == Order::Declared && record.state.is_under_way() && declared.builds {
        record.order = Order::Inventory(declared.action.clone());
        record.declared = Some(declared.clone());
    }
}

/// A machine is known by nothing that a host of the generation declares for itself.
fn lose(record: &mut Record, declared: &BTreeSet<&str>) {
    let lost = record.machine.filtered(|identity| declared.contains(identity));
    record.machine = record.machine.filtered(|identity| !declared.contains(identity));
    record.former = record.former.union(&lost);
}

/// The record of a host that is not in the generation. It stays, and orders nothing when the host comes back.
fn left(name: &HostName, record: &Record, declared: &BTreeSet<&str>, taking: &Taking, now: Time) -> Step {
    let mut step = Step { from: None, host: name.clone(), record: record.clone(), events: Vec::new() };
    lose(&mut step.record, declared);
    if taking.basis.is_taken() {
        if let Some(action) = record.order.open().cloned() {
            let order = record.success.map_or(Order::Declared, |_| Order::Done(action.clone()));
            step.record = Record { order, attempts: 0, ..step.record.moved(BootState::Idle, now) };
            step.events.push(format!("the order of {action} ended: the host is no longer in the inventory"));
        }
        step.record.declared = None;
    }
    step
}

/// All records after the state was taken from a copy, which does not know what happened since: nothing of it may arm
/// a machine, and no token of it is worth anything.
pub fn restored(records: &Records, now: Time) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, record) in records {
        let free = Record { token: None, expires: 0, attempts: 0, ..(**record).clone() };
        let mut step = Step { from: None, host: name.clone(), record: free, events: Vec::new() };
        if let Some(action) = step.record.order.open().cloned() {
            let declared = step.record.declared.clone().unwrap_or(Declared { action, builds: true });
            end_order(&mut step, &declared, "the state is a copy, and may be older than that", now);
        }
        if let Some(last) = step.events.last() {
            step.record.last.clone_from(last);
        }
        if **record != step.record {
            steps.push(step);
        }
    }
    steps
}
