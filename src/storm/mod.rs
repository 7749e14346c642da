//! Machines that go through their whole life against a running server, many at once: what each of them got.
//!
//! A machine is a task. [`players`] says who they are, [`life`] what each does, [`script`] how it understands boot scripts, [`client`] how it asks;
//! [`operator`] is somebody who wants to know meanwhile how things are, [`tally`] counts what all of them see.

pub mod client;
pub mod life;
pub mod operator;
pub mod players;
pub mod script;
pub mod tally;

use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::storm::life::{Chance, Life};
use crate::storm::players::{Machine, Options, Storm};
use crate::storm::tally::{Fault, Report, Tally};

/// Descriptors that are no connections.
const OWN_DESCRIPTORS: u64 = 64;

/// Has all machines live.
///
/// # Errors
/// A sentence: they cannot begin.
pub fn storm(options: Options) -> Result<Report, String> {
    let threads = |count| tokio::runtime::Builder::new_multi_thread().worker_threads(count).enable_all().build();
    let runtime = threads(2).map_err(|error| format!("no threads: {error}"))?;
    // An operator does not wait for our own machines.
    let beside = threads(1).map_err(|error| format!("no threads: {error}"))?;
    runtime.block_on(run(options, beside.handle()))
}

async fn run(options: Options, beside: &tokio::runtime::Handle) -> Result<Report, String> {
    if !options.forwarded {
        can_bind(&options.machines)?;
    }
    let storm = Arc::new(Storm { options, tally: Tally::default(), room: Semaphore::new(descriptors()) });
    let asked = Arc::new(Mutex::new(operator::Asked::default()));
    let operator = storm.options.operator.clone().map(|socket| beside.spawn(operator::ask(socket, Arc::clone(&asked))));
    let started = Instant::now();
    for round in 0..storm.options.rounds {
        if let (Some(socket), true) = (&storm.options.operator, round > 0) {
            let names = storm.options.machines.iter().map(|machine| machine.name.as_str());
            operator::order_install(socket, names).await?;
        }
        live(&storm, round).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    if let Some(operator) = operator {
        operator.abort();
    }
    let machines = storm.options.machines.len() * storm.options.rounds as usize;
    let asked = storm.options.operator.is_some().then_some(asked);
    let operator = match asked {
        Some(asked) => Some(asked.lock().await.report()),
        None => None,
    };
    Ok(storm.tally.report(machines, seconds, operator))
}

/// One round: every machine lives once.
async fn live(storm: &Arc<Storm>, round: u32) {
    let mut lives = JoinSet::new();
    for index in 0..storm.options.machines.len() {
        let chance = Chance::new(storm.options.seed ^ u64::from(round) << 32 ^ index as u64);
        lives.spawn(Life::new(Arc::clone(storm), index, chance).live());
    }
    while let Some(ended) = lives.join_next().await {
        match ended {
            Ok((_, Ok(()))) => storm.tally.finished(),
            Ok((machine, Err(fault))) => storm.tally.failed(&storm.options.machines[machine].name, fault),
            Err(bug) => storm.tally.failed("a machine", Fault::new("a bug of kgen", &bug.to_string())),
        }
    }
}

/// Whether the addresses of the machines are ours to ask from.
fn can_bind(machines: &[Machine]) -> Result<(), String> {
    let refused = |machine: &&Machine| std::net::UdpSocket::bind((machine.ip, 0)).is_err();
    let mut refused = machines.iter().filter(refused);
    let Some(first) = refused.next() else { return Ok(()) };
    let others = refused.count();
    Err(format!(
        "this machine does not have the address {} of `{}`, nor those of {others} others; \
         with --forwarded it speaks for them, if the server names it in `trusted_proxies`",
        first.ip, first.name
    ))
}

/// How many connections there is room for.
fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // What the process may give itself it is not given by default.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(descriptors.saturating_sub(OWN_DESCRIPTORS)).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS)
}
