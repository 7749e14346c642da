//! `kgen storm`: many machines at once against a running server.

use std::fmt::Write as _;

use crate::boot::keys;
use crate::cli::args::printed::Format;
use crate::cli::args::server::Storm;
use crate::cli::session::{Failure, Session};
use crate::cli::table::columns;
use crate::inventory::{Host, Inventory};
use crate::storm::client::target;
use crate::storm::players::{Machine, Options};
use crate::storm::storm;
use crate::storm::tally::{Report, Times};

/// Has machines of the inventory boot and install.
pub fn run(session: &mut Session, arguments: &Storm) -> Result<(), Failure> {
    let inventory = session.site()?.inventory;
    session.stop_on_errors()?;
    let machines: Vec<_> = inventory.hosts.values().filter_map(|host| machine(&inventory, host)).collect();
    let wanted = arguments.machines.unwrap_or(machines.len());
    if wanted == 0 || wanted > machines.len() {
        let message = format!("{} hosts have an address that they boot with, {wanted} are wanted", machines.len());
        return Err(Failure::Usage(message));
    }
    if arguments.rounds > 1 && arguments.operator_socket.is_none() {
        return Err(Failure::Usage("--rounds needs --operator-socket: somebody has to order the others".to_owned()));
    }
    let url = arguments.server.clone().or_else(|| inventory.site.server.clone());
    let url = url.ok_or_else(|| Failure::Usage("[site] has no `server`; name one with --server".to_owned()))?;
    let options = Options {
        target: target(&url, servers(&inventory)).map_err(Failure::Usage)?,
        machines: machines.into_iter().take(wanted).collect(),
        within: arguments.within,
        forwarded: arguments.forwarded,
        rounds: arguments.rounds,
        files: arguments.files.clone(),
        seed: arguments.seed,
        operator: arguments.operator_socket.clone(),
    };
    let report = storm(options).map_err(Failure::World)?;
    match session.format {
        Format::Json => session.print_json(&report)?,
        Format::Text => session.print(&text(&report))?,
    }
    let lost = report.machines - report.finished;
    match lost {
        0 => Ok(()),
        lost => Err(Failure::World(format!("{lost} of {} did not get everything that is theirs", report.machines))),
    }
}

/// A host as a machine that asks; none of what has no address to boot with.
fn machine(inventory: &Inventory, host: &Host) -> Option<Machine> {
    let hardware = keys(inventory, host).hyphenated.into_iter().next()?;
    let port = host.boot_interface()?;
    Some(Machine { name: host.name.to_string(), hardware, ip: port.ips().next()? })
}

/// The beginnings of URLs that mean this server.
fn servers(inventory: &Inventory) -> Vec<String> {
    let of_networks = inventory.networks.values().filter_map(|network| network.url.clone());
    of_networks.chain(inventory.site.server.clone()).collect()
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "{} of {} machines got everything that is theirs, in {:.1} s, {:.1} MB\n",
        report.finished,
        report.machines,
        report.seconds,
        megabytes(report.bytes)
    );
    if report.without_kickstart > 0 {
        let _ = writeln!(text, "{} of them had nothing to install with a kickstart", report.without_kickstart);
    }
    let _ = writeln!(text, "{} generations were seen\n", report.generations.len());
    let head = ["STAGE", "ANSWERED", "DEFERRED", "RETRIED", "MB", "P50 MS", "P90", "P99", "MAX"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for stage in &report.stages {
        let word = format!("{:?}", stage.stage).to_lowercase();
        let counts = [stage.answered.to_string(), stage.deferred.to_string(), stage.retried.to_string()];
        let row = [word].into_iter().chain(counts).chain([format!("{:.1}", megabytes(stage.bytes))]);
        rows.push(row.chain(shown(&stage.milliseconds)).collect());
    }
    if let Some(operator) = &report.operator {
        let row = ["operator".to_owned(), operator.answered.to_string(), String::new(), operator.failed.to_string()];
        rows.push(row.into_iter().chain([String::new()]).chain(shown(&operator.milliseconds)).collect());
    }
    text.push_str(&columns(&rows));
    for (why, count) in &report.retried {
        let _ = writeln!(text, "asked again {count} times: {why}");
    }
    for (reason, failures) in &report.failures {
        let _ = writeln!(text, "{} machines: {reason}", failures.count);
        for example in &failures.examples {
            let _ = writeln!(text, "    {example}");
        }
    }
    text
}

fn shown(times: &Times) -> [String; 4] {
    [times.p50, times.p90, times.p99, times.max].map(|time| format!("{time:.1}"))
}

#[allow(clippy::cast_precision_loss)] // for people
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
