//! Which distributions a command is for, and where they are built.

use std::path::Path;

use crate::cli::session::Failure;
use crate::dist::place::{Place, derived, in_order};
use crate::inventory::Inventory;
use crate::inventory::action::Distribution;
use crate::name::{DistributionName, suggestion};

/// Distributions that are built here, all, or those of these names and what they are built of; those first.
pub fn chosen<'i>(inventory: &'i Inventory, names: &[String]) -> Result<Vec<&'i DistributionName>, Failure> {
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
    let is_named = |name: &DistributionName| names.iter().any(|chosen| *chosen == name.as_str());
    // What others are built of goes with them.
    let is_chosen =
        |name: &&DistributionName| names.is_empty() || derived(inventory, name).iter().any(|name| is_named(name));
    Ok(built.into_iter().filter(is_chosen).collect())
}

fn no_sources(name: &str, found: &Distribution) -> Result<(), Failure> {
    match found.build {
        Some(_) => Ok(()),
        None => Err(Failure::Usage(format!("the distribution `{name}` has no `sources` in the inventory"))),
    }
}

/// Where a distribution of the inventory is built.
pub fn place<'p>(inventory: &'p Inventory, directory: &'p Path, name: &'p DistributionName) -> Option<Place<'p>> {
    Place::of(directory, name, inventory.distributions.get(name.as_str())?)
}
