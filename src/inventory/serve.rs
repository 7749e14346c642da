//! `[serve]`: how the site's server behaves. Flags of `kgen serve` win over it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::subnet::Subnet;
use crate::inventory::table::Table;
use crate::inventory::value::{parsed, within, word};
use crate::source::Span;

/// How many requests of one kind are answered at a time, and how many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Answered at a time.
    pub slots: u32,
    /// Waiting in line; who comes then is told to come again.
    pub queue: u32,
    /// At a time for one client, waiting or answered.
    pub per_client: u32,
}

/// Who gets the token of a build with a boot script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenTo {
    /// Who asks from an address of the host.
    #[default]
    Host,
    /// Who asks from the network that the host boots from: where DHCP gives machines other addresses than theirs.
    Network,
}

/// How many installed hosts one commit may arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtMost {
    /// The larger of 4 hosts and 1 % of all.
    #[default]
    Usual,
    /// A part of all hosts, in hundredths of a percent.
    Share(u32),
    /// A number of hosts.
    Hosts(u32),
}

impl AtMost {
    /// Reads `12` or `"2.5%"`.
    ///
    /// # Errors
    /// A sentence of what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{}` is no number of hosts and no share of them, such as `12` or `2.5%`", text.escape_debug());
        let Some(share) = text.trim().strip_suffix('%') else {
            return text.trim().parse().map(Self::Hosts).map_err(|_| wrong());
        };
        let (whole, part) = share.trim().split_once('.').unwrap_or((share.trim(), "0"));
        let digits = |text: &str, most: usize| {
            ((1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| text.parse::<u32>().ok())
                .flatten()
        };
        let hundredths = digits(whole, 3)
            .zip(digits(part, 2))
            .map(|(whole, value)| whole * 100 + if part.len() == 1 { value * 10 } else { value });
        hundredths.filter(|share| *share <= 10_000).map(Self::Share).ok_or_else(wrong)
    }

    /// The number of hosts that it allows of so many.
    pub fn of(self, hosts: usize) -> usize {
        match self {
            Self::Usual => (hosts / 100).max(4),
            Self::Share(hundredths) => hosts * hundredths as usize / 10_000,
            Self::Hosts(count) => count as usize,
        }
    }
}

impl fmt::Display for AtMost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => f.write_str("the larger of 4 and 1%"),
            Self::Share(share) if share % 100 == 0 => write!(f, "{}%", share / 100),
            Self::Share(share) => write!(f, "{}.{:02}%", share / 100, share % 100),
            Self::Hosts(count) => write!(f, "{count}"),
        }
    }
}

/// How an order for many hosts without a confirmation is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Brake {
    /// It is carried out with a warning.
    #[default]
    Warn,
    /// It is refused.
    Enforce,
}

/// `[serve]`.
#[derive(Clone, Debug)]
pub struct Serve {
    /// Where machines are listened to.
    pub listen: Vec<SocketAddr>,
    /// The same, with TLS.
    pub listen_tls: Vec<SocketAddr>,
    /// The chain of certificates and the key, PEM, relative to the inventory; and where they are named.
    pub tls: Option<(PathBuf, PathBuf, Span)>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Subnet>,
    /// SHA-256 of the bearer tokens of operators, 64 hexadecimal digits, by their names.
    pub operators: BTreeMap<String, String>,
    /// Directories that are served below `/install/`, by name.
    pub install: BTreeMap<String, (PathBuf, Span)>,
    /// Requests of operators and browsers.
    pub operator_slots: Slots,
    /// Boot scripts, kickstarts, reports of machines.
    pub boot_slots: Slots,
    /// Files.
    pub bulk_slots: Slots,
    /// How long a token of a build lasts, in minutes, from the script or the last progress on.
    pub token_minutes: u32,
    /// Who gets it.
    pub token_to: TokenTo,
    /// How often an installation begins without being reported as done until the host is left alone.
    pub attempts: u32,
    /// How often a source is looked at, in seconds.
    pub poll_seconds: u32,
    /// How many events are kept.
    pub events: u32,
    /// Whether kickstarts report how far they are, and success.
    pub report: bool,
    /// How many installed hosts one commit may arm.
    pub arm_at_most: AtMost,
    /// How an order for many hosts without a confirmation is treated.
    pub brake: Brake,
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], 8080))],
            listen_tls: Vec::new(),
            tls: None,
            trusted_proxies: Vec::new(),
            operators: BTreeMap::new(),
            install: BTreeMap::new(),
            operator_slots: Slots { slots: 64, queue: 256, per_client: 32 },
            boot_slots: Slots { slots: 256, queue: 4096, per_client: 16 },
            bulk_slots: Slots { slots: 128, queue: 1024, per_client: 8 },
            token_minutes: 240,
            token_to: TokenTo::Host,
            attempts: 5,
            poll_seconds: 30,
            events: 100_000,
            report: true,
            arm_at_most: AtMost::default(),
            brake: Brake::default(),
        }
    }
}

impl Serve {
    /// Whether other sockets or slots are wanted than `other` has.
    pub fn needs_restart(&self, other: &Serve) -> bool {
        let slots = |serve: &Serve| [serve.operator_slots, serve.boot_slots, serve.bulk_slots];
        self.listen != other.listen || self.listen_tls != other.listen_tls || slots(self) != slots(other)
    }
}

/// Reads `[serve]`; none where there is no such section.
pub fn serve(table: &mut Table, diagnostics: &mut Diagnostics) -> Option<Serve> {
    let mut table = table.section("serve", diagnostics)?;
    let mut serve = Serve::default();
    if let Some(listen) = sockets(&mut table, "listen", diagnostics) {
        serve.listen = listen;
    }
    serve.listen_tls = sockets(&mut table, "listen_tls", diagnostics).unwrap_or_default();
    let certificate = table.text("certificate", diagnostics);
    let key = table.text("key", diagnostics);
    serve.tls = certificate.zip(key).map(|((certificate, place), (key, _))| (certificate.into(), key.into(), place));
    if !serve.listen_tls.is_empty() && serve.tls.is_none() {
        let fault = Diagnostic::error(table.span(), "`listen_tls` needs a `certificate` and a `key`");
        diagnostics.push(fault.hint("the paths of two PEM files"));
    }
    for (text, span) in table.texts("trusted_proxies", diagnostics).unwrap_or_default() {
        serve.trusted_proxies.extend(parsed(network(&text), span, diagnostics));
    }
    serve.operators = operators(&mut table, diagnostics);
    serve.install = install(&mut table, diagnostics);
    slots(&mut table, "operator_slots", &mut serve.operator_slots, diagnostics);
    slots(&mut table, "boot_slots", &mut serve.boot_slots, diagnostics);
    slots(&mut table, "bulk_slots", &mut serve.bulk_slots, diagnostics);
    let mut number = |key, into: &mut u32, range| {
        if let Some(found) = within(&mut table, key, range, diagnostics) {
            *into = found;
        }
    };
    number("token_minutes", &mut serve.token_minutes, 1..=100_000);
    number("attempts", &mut serve.attempts, 1..=1000);
    number("poll_seconds", &mut serve.poll_seconds, 1..=86_400);
    number("events", &mut serve.events, 100..=10_000_000);
    if word(&mut table, "token_to", &["host", "network"], diagnostics).as_deref() == Some("network") {
        serve.token_to = TokenTo::Network;
    }
    serve.report = table.truth("report", diagnostics).unwrap_or(serve.report);
    serve.arm_at_most = at_most(&mut table, diagnostics).unwrap_or_default();
    if word(&mut table, "brake", &["warn", "enforce"], diagnostics).as_deref() == Some("enforce") {
        serve.brake = Brake::Enforce;
    }
    table.finish(diagnostics);
    Some(serve)
}

fn at_most(table: &mut Table, diagnostics: &mut Diagnostics) -> Option<AtMost> {
    let value = table.get("arm_at_most")?;
    let Some(text) = value.scalar() else {
        diagnostics.push(value.wrong_type("arm_at_most", "a number of hosts, or a share of them such as \"1%\""));
        return None;
    };
    parsed(AtMost::parse(&text), value.span, diagnostics)
}

/// An address, or a network of them.
///
/// # Errors
/// A sentence of what is wrong.
pub fn network(text: &str) -> Result<Subnet, String> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => Subnet::parse(&format!("{text}/32")),
        Ok(IpAddr::V6(_)) => Subnet::parse(&format!("{text}/128")),
        Err(_) => Subnet::parse(text),
    }
}

fn sockets(table: &mut Table, key: &'static str, diagnostics: &mut Diagnostics) -> Option<Vec<SocketAddr>> {
    let texts = table.texts(key, diagnostics)?;
    let socket = |(text, span): (String, Span)| {
        let read = text.parse::<SocketAddr>().map_err(|_| {
            format!("`{}` is not an address and a port, such as `10.1.1.1:80` or `[::]:80`", text.escape_debug())
        });
        parsed(read, span, diagnostics)
    };
    Some(texts.into_iter().filter_map(socket).collect())
}

fn operators(table: &mut Table, diagnostics: &mut Diagnostics) -> BTreeMap<String, String> {
    let Some(table) = table.table("operators", diagnostics) else { return BTreeMap::new() };
    let mut operators = BTreeMap::new();
    for (name, _, value) in table.entries() {
        let hash = value.text().and_then(|text| text.strip_prefix("sha256:"));
        let hash = hash.filter(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if let Some(hash) = hash {
            operators.insert(name.to_owned(), hash.to_ascii_lowercase());
            continue;
        }
        let message = format!("the token of the operator `{name}` is not `sha256:` and 64 hexadecimal digits");
        let hint = "`kgen operator NAME` makes a token, and the line that stands here";
        diagnostics.push(Diagnostic::error(value.span, message).hint(hint));
    }
    operators
}

fn install(table: &mut Table, diagnostics: &mut Diagnostics) -> BTreeMap<String, (PathBuf, Span)> {
    let Some(table) = table.table("install", diagnostics) else { return BTreeMap::new() };
    let mut trees = BTreeMap::new();
    for (name, place, value) in table.entries() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+');
        if name.starts_with('.') || name.is_empty() || !name.bytes().all(plain) || name == "sbin" {
            let message = format!("`{name}` cannot be the name of a tree below `/install/`");
            diagnostics.push(Diagnostic::error(place, message).hint("letters, digits and `._-+`; `sbin` is taken"));
        }
        match value.text().filter(|text| !text.is_empty()) {
            Some(path) => drop(trees.insert(name.to_owned(), (path.into(), value.span))),
            None => diagnostics.push(value.wrong_type(name, "the path of a directory")),
        }
    }
    trees
}

fn slots(table: &mut Table, key: &'static str, slots: &mut Slots, diagnostics: &mut Diagnostics) {
    let Some(mut table) = table.table(key, diagnostics) else { return };
    let mut number = |key, into: &mut u32, least| {
        if let Some(found) = within(&mut table, key, least..=1_000_000, diagnostics) {
            *into = found;
        }
    };
    number("slots", &mut slots.slots, 1);
    number("queue", &mut slots.queue, 0);
    number("per_client", &mut slots.per_client, 1);
    table.finish(diagnostics);
}

#[cfg(test)]
mod tests {
    use super::AtMost;

    #[test]
    fn a_bound_is_a_number_or_a_share() {
        for (text, of_1000, shown) in [
            ("0", 0, "0"),
            ("12", 12, "12"),
            ("1%", 10, "1%"),
            ("2.5%", 25, "2.50%"),
            ("0.05 %", 0, "0.05%"),
            ("100%", 1000, "100%"),
        ] {
            let read = AtMost::parse(text).unwrap();
            assert_eq!((read.of(1000), read.to_string().as_str()), (of_1000, shown), "{text}");
        }
        for text in ["", "%", "-1", "1.5", "101%", "1.234%", "1%%", "a"] {
            assert!(AtMost::parse(text).unwrap_err().contains("no number of hosts"), "{text}");
        }
        assert_eq!([40, 400, 1000].map(|hosts| AtMost::Usual.of(hosts)), [4, 4, 10]);
    }
}
