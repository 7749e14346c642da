//! What guards against commits: keys of the inventory that a commit cannot loosen.
//!
//! Whoever may push to the site's git decides what machines install, but not how much of what guards against a push
//! counts: the server takes these keys from the generation before, as far as they are the tighter ones, until an operator
//! of its machine accepts the others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::inventory::Inventory;
use crate::inventory::serve::{AtMost, Brake, Serve, TokenTo};
use crate::inventory::subnet::Subnet;

/// The numbers of hosts by which two bounds are compared.
const SIZES: [usize; 8] = [1, 5, 50, 400, 500, 5000, 50_000, 500_000];

/// The guards that a generation declares, or that are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Guards {
    /// `[site] install_new`.
    pub install_new: bool,
    /// `[serve] arm_at_most`.
    pub arm_at_most: AtMost,
    /// `[serve] brake`.
    pub brake: Brake,
    /// `[serve] token_to`.
    pub token_to: TokenTo,
    /// `[serve] report`, and whether there is such a section.
    pub report: bool,
    /// `[serve.operators]`.
    pub operators: BTreeMap<String, String>,
    /// `[serve] trusted_proxies`.
    pub trusted_proxies: Vec<String>,
}

impl Guards {
    /// The guards that an inventory declares.
    pub fn of(inventory: &Inventory) -> Self {
        let usual = Serve::default();
        let serve = inventory.serve.as_ref().unwrap_or(&usual);
        Self {
            install_new: inventory.site.install_new,
            arm_at_most: serve.arm_at_most,
            brake: serve.brake,
            token_to: serve.token_to,
            report: inventory.reports(),
            operators: serve.operators.clone(),
            trusted_proxies: serve.trusted_proxies.iter().map(ToString::to_string).collect(),
        }
    }

    /// These, tightened by what a later generation declares, but not loosened.
    #[must_use]
    pub fn tightened(&self, by: &Guards) -> Self {
        // Of no number of hosts may it allow more: there may be others tomorrow.
        let is_looser = SIZES.iter().any(|hosts| by.arm_at_most.of(*hosts) > self.arm_at_most.of(*hosts));
        let known = |(name, hash): &(&String, &String)| self.operators.get(*name) == Some(hash);
        let is_trusted = |proxy: &&String| self.trusted_proxies.iter().any(|known| covers(known, proxy));
        // What a wider network takes in is trusted as it was.
        let is_inside = |proxy: &&String| {
            by.trusted_proxies.iter().any(|wider| covers(wider, proxy)) && !by.trusted_proxies.contains(proxy)
        };
        let kept: Vec<String> = self.trusted_proxies.iter().filter(is_inside).cloned().collect();
        Self {
            install_new: self.install_new && by.install_new,
            arm_at_most: if is_looser { self.arm_at_most } else { by.arm_at_most },
            brake: if self.brake == Brake::Enforce { self.brake } else { by.brake },
            token_to: if self.token_to == TokenTo::Host { self.token_to } else { by.token_to },
            report: self.report || by.report,
            operators: by.operators.iter().filter(known).map(|(name, hash)| (name.clone(), hash.clone())).collect(),
            trusted_proxies: [kept, by.trusted_proxies.iter().filter(is_trusted).cloned().collect()].concat(),
        }
    }

    /// What a later generation declares that is not in force: words for each key.
    pub fn pending(&self, declared: &Guards) -> Vec<String> {
        let mut told = Vec::new();
        let mut differs = |key: &str, own: String, other: String| {
            if own != other {
                told.push(format!("`{key} = {other}` in the place of {own}"));
            }
        };
        let brake = |brake: Brake| if brake == Brake::Warn { "\"warn\"" } else { "\"enforce\"" }.to_owned();
        let token_to = |to: TokenTo| if to == TokenTo::Host { "\"host\"" } else { "\"network\"" }.to_owned();
        differs("install_new", self.install_new.to_string(), declared.install_new.to_string());
        differs("arm_at_most", format!("\"{}\"", self.arm_at_most), format!("\"{}\"", declared.arm_at_most));
        differs("brake", brake(self.brake), brake(declared.brake));
        differs("token_to", token_to(self.token_to), token_to(declared.token_to));
        differs("report", self.report.to_string(), declared.report.to_string());
        for (name, _) in declared.operators.iter().filter(|(name, hash)| self.operators.get(*name) != Some(hash)) {
            told.push(format!("the operator `{name}`, new or with a new token"));
        }
        for proxy in declared.trusted_proxies.iter().filter(|proxy| !self.trusted_proxies.contains(proxy)) {
            told.push(format!("`trusted_proxies` with {proxy}"));
        }
        told
    }

    /// Puts the guards in force into the settings of a server.
    pub fn put_into(&self, serve: &mut Serve) {
        serve.arm_at_most = self.arm_at_most;
        serve.brake = self.brake;
        serve.token_to = self.token_to;
        serve.operators.clone_from(&self.operators);
        serve.trusted_proxies = self.trusted_proxies.iter().filter_map(|text| Subnet::parse(text).ok()).collect();
    }
}

/// Whether a subnet holds all of another.
fn covers(outer: &str, inner: &str) -> bool {
    match (Subnet::parse(outer), Subnet::parse(inner)) {
        (Ok(outer), Ok(inner)) => outer.prefix <= inner.prefix && outer.contains(inner.first),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looser_is_not_in_force_and_told() {
        let before = Guards { report: true, ..Guards::default() };
        let loose = Guards {
            install_new: true,
            arm_at_most: AtMost::Share(10_000),
            token_to: TokenTo::Network,
            report: false,
            operators: BTreeMap::from([("eve".to_owned(), "00".to_owned())]),
            trusted_proxies: vec!["10.0.0.0/8".to_owned()],
            ..Guards::default()
        };
        let now = before.tightened(&loose);
        assert_eq!(now, before);
        assert_eq!(now.pending(&loose).len(), 6, "{:#?}", now.pending(&loose));
        assert_eq!(now.pending(&before), Vec::<String>::new());
    }

    #[test]
    fn a_bound_that_is_tighter_for_few_hosts_only_is_looser() {
        let bound = |arm_at_most| Guards { arm_at_most, ..Guards::default() };
        for (before, after) in [
            (AtMost::Usual, AtMost::Share(10_000)),
            (AtMost::Hosts(1), AtMost::Share(800)),
            (AtMost::Share(10), AtMost::Hosts(3)),
            (AtMost::Usual, AtMost::Hosts(5)),
        ] {
            assert_eq!(bound(before).tightened(&bound(after)), bound(before), "{after}");
        }
        assert_eq!(bound(AtMost::Usual).tightened(&bound(AtMost::Hosts(4))), bound(AtMost::Hosts(4)));
    }

    #[test]
    fn a_proxy_in_a_wider_network_is_trusted_as_it_was() {
        let trusts = |all: &[&str]| Guards {
            trusted_proxies: all.iter().map(|text| (*text).to_owned()).collect(),
            ..Guards::default()
        };
        let (before, wider) = (trusts(&["127.9.0.0/24"]), trusts(&["127.9.0.0/16"]));
        assert_eq!(before.tightened(&wider), before);
        assert_eq!(before.pending(&wider), ["`trusted_proxies` with 127.9.0.0/16"]);
        assert_eq!(before.tightened(&trusts(&["127.9.0.0/28"])), trusts(&["127.9.0.0/28"]));
    }

    #[test]
    fn what_is_tighter_counts_at_once() {
        let before = Guards {
            install_new: true,
            operators: BTreeMap::from([("me".to_owned(), "00".to_owned()), ("you".to_owned(), "11".to_owned())]),
            trusted_proxies: vec!["10.0.0.0/8".to_owned()],
            ..Guards::default()
        };
        let tight = Guards {
            install_new: false,
            arm_at_most: AtMost::Hosts(1),
            brake: Brake::Enforce,
            operators: BTreeMap::from([("me".to_owned(), "22".to_owned())]),
            trusted_proxies: vec!["10.9.0.0/16".to_owned()],
            ..Guards::default()
        };
        let now = before.tightened(&tight);
        assert_eq!(now.pending(&tight).len(), 1, "a new token of an operator waits, the old one has ended");
        assert_eq!(Guards { operators: BTreeMap::new(), ..tight }, now);
    }
}
