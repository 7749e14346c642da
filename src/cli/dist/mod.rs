//! `kgen dist`: what is built, fetched, checked and compared of distributions.

mod build;
mod check;
mod diff;
mod mirror;

use std::path::PathBuf;

use crate::cli::args::dist::DistCommand;
use crate::cli::args::printed::Format;
use crate::cli::session::{Failure, Session, Site};
use crate::dist::error::DistError;
use crate::dist::place::{Place, in_order};
use crate::inventory::Inventory;
use crate::inventory::action::Distribution;
use crate::name::{DistributionName, suggestion};

pub use check::tell as check_packages;

impl From<DistError> for Failure {
    fn from(error: DistError) -> Self {
        Failure::World(error.to_string())
    }
}

/// One match over the commands.
pub fn run(session: &mut Session, command: &DistCommand) -> Result<(), Failure> {
    match command {
        DistCommand::Build(arguments) => build::run(session, arguments),
        DistCommand::Mirror(arguments) => mirror::run(session, arguments),
        DistCommand::Check(arguments) => check::run(session, arguments),
        DistCommand::List(arguments) => check::list(session, arguments),
        DistCommand::Diff(arguments) => diff::run(session, arguments),
    }
}

/// How results of a command are printed.
pub fn format_of(command: &DistCommand) -> Format {
    match command {
        DistCommand::Build(arguments) => arguments.printed.format,
        DistCommand::Mirror(arguments) => arguments.printed.format,
        DistCommand::Check(arguments) => arguments.printed.format,
        DistCommand::List(arguments) => arguments.printed.format,
        DistCommand::Diff(arguments) => arguments.printed.format,
    }
}

/// Distributions that are built here, of these names or all, those that others are built of first.
fn chosen<'i>(inventory: &'i Inventory, names: &[String]) -> Result<Vec<&'i DistributionName>, Failure> {
    let built = in_order(inventory);
    for name in names {
        if let Some((_, found)) = inventory.distributions.get_key_value(name.as_str()) {
            no_sources(name, found)?;
        } else {
            let hint = suggestion(name, built.iter().map(|name| name.as_str()).collect::<Vec<_>>());
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(Failure::Usage(format!("there is no distribution `{name}` in the inventory{hint}")));
        }
    }
    if built.is_empty() {
        let message = "no distribution has `sources`, so there is nothing to be built";
        return Err(Failure::Usage(message.to_owned()));
    }
    let is_chosen = |name: &&DistributionName| names.is_empty() || names.iter().any(|chosen| *chosen == name.as_str());
    Ok(built.into_iter().filter(is_chosen).collect())
}

fn no_sources(name: &str, found: &Distribution) -> Result<(), Failure> {
    match found.build {
        Some(_) => Ok(()),
        None => Err(Failure::Usage(format!("the distribution `{name}` has no `sources` in the inventory"))),
    }
}

/// Where a distribution of the inventory is built.
fn place<'p>(site: &'p Site, directory: &'p std::path::Path, name: &'p DistributionName) -> Option<Place<'p>> {
    Place::of(directory, name, site.inventory.distributions.get(name.as_str())?)
}

/// The directory that the paths of an inventory are relative to; `.` where that is where we are.
fn directory(session: &Session) -> PathBuf {
    if session.directory.as_os_str().is_empty() { PathBuf::from(".") } else { session.directory.clone() }
}

/// Bytes for people.
fn bytes(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    #[allow(clippy::cast_precision_loss)] // three digits are shown
    let mut value = bytes as f64 / 1000.0;
    if value < 1.0 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if value < 10.0 { format!("{value:.1} {}", units[unit]) } else { format!("{value:.0} {}", units[unit]) }
}
