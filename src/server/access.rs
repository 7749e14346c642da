//! Who gets what, DESIGN section 6. Pure: each refusal has a code for the log and the metrics, and the machine hears
//! the same sentence for all of them.

use std::fmt::Write;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::boot::BootEntry;
use crate::boot::happening::Time;
use crate::boot::state::Record;
use crate::boot::token::{Token, TokenFault};
use crate::inventory::serve::{Serve, TokenTo};
use crate::inventory::subnet::Subnet;
use crate::inventory::{Host, Interface, Inventory};
use crate::server::request::{Client, Request};

/// Why somebody does not get something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is no such host, or none at that address.
    UnknownHost,
    /// The address is not the host's.
    ForeignAddress,
    /// The hardware address that it tells is another host's.
    ForeignHardware,
    /// What the host is to do at its next boot needs no such thing.
    NotInstalling,
    /// There is no token, and one is needed.
    NoToken,
    /// The token is not that of the host's build.
    WrongToken,
    /// The token has ended.
    ExpiredToken,
    /// No operator has this credential.
    NotOperator,
}

impl Reason {
    /// Its code.
    pub fn word(self) -> &'static str {
        match self {
            Self::UnknownHost => "unknown-host",
            Self::ForeignAddress => "foreign-address",
            Self::ForeignHardware => "foreign-hardware",
            Self::NotInstalling => "not-installing",
            Self::NoToken => "no-token",
            Self::WrongToken => "wrong-token",
            Self::ExpiredToken => "expired-token",
            Self::NotOperator => "not-operator",
        }
    }
}

impl From<TokenFault> for Reason {
    fn from(fault: TokenFault) -> Self {
        match fault {
            TokenFault::Wrong => Self::WrongToken,
            TokenFault::Expired => Self::ExpiredToken,
        }
    }
}

/// Whether an address is the host's own.
fn is_own(host: &Host, client: Client) -> bool {
    client.address().is_some_and(|address| host.interfaces.iter().flat_map(Interface::ips).any(|own| own == address))
}

/// Whether the ports that an installer tells of are this host's, as far as they are anybody's.
///
/// # Errors
/// One of them is another host's.
pub fn hardware(request: &Request, host: &Host, owner: impl Fn(&Request) -> Vec<String>) -> Result<(), Reason> {
    let others = owner(request);
    if others.iter().all(|name| name == host.name.as_str()) { Ok(()) } else { Err(Reason::ForeignHardware) }
}

/// The token of a request.
///
/// # Errors
/// It has none, or what it has is none.
pub fn token(request: &Request) -> Result<Token, Reason> {
    let text = request.asked("token").ok_or(Reason::NoToken)?;
    Token::parse(text).ok_or(Reason::WrongToken)
}

/// Whether a machine gets a kickstart: it installs with it, and asks from its own address or with the token of its
/// build.
///
/// # Errors
/// Why not.
pub fn kickstart(request: &Request, host: &Host, entry: &BootEntry, record: &Record, now: Time) -> Result<(), Reason> {
    if !entry.has_token() {
        return Err(Reason::NotInstalling);
    }
    if is_own(host, request.client) {
        return Ok(());
    }
    match token(request) {
        Ok(token) => Ok(record.accepts(&token, now)?),
        Err(Reason::NoToken) => Err(Reason::ForeignAddress),
        Err(reason) => Err(reason),
    }
}

/// Whether a machine gets the token of its build with its script.
///
/// # Errors
/// Why not.
pub fn script(client: Client, inventory: &Inventory, host: &Host, token_to: TokenTo) -> Result<(), Reason> {
    let in_network = || {
        let network = inventory.boot_network(host);
        let contains = |subnet: Subnet| client.address().is_some_and(|address| subnet.contains(address));
        network.is_some_and(|network| contains(network.subnet) || network.subnet6.is_some_and(contains))
    };
    let good = is_own(host, client) || (token_to == TokenTo::Network && in_network());
    if good { Ok(()) } else { Err(Reason::ForeignAddress) }
}

/// The operator who asks: who is at the socket, or has a bearer token.
///
/// # Errors
/// Nobody has it, or there is none.
pub fn operator(request: &Request, serve: &Serve) -> Result<String, Reason> {
    if let Client::Socket(user) = request.client {
        return Ok(format!("user {user}"));
    }
    let bearer = request.bearer.as_deref().ok_or(Reason::NotOperator)?;
    let hash = hash(bearer);
    let same = |known: &str| known.bytes().zip(hash.bytes()).fold(0, |all, (one, other)| all | (one ^ other)) == 0;
    let found = serve.operators.iter().rfind(|(_, known)| known.len() == hash.len() && same(known));
    found.map(|(name, _)| name.clone()).ok_or(Reason::NotOperator)
}

/// What is kept of an operator's token. It is 256 random bits, so that nothing slower is needed.
pub fn hash(token: &str) -> String {
    hexadecimal(&Sha256::digest(token))
}

/// Two digits for each byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// The address of who asks behind proxies: the last that no trusted proxy has, from the right. What stands left of it
/// anybody could have written.
pub fn client_address(peer: IpAddr, forwarded: &[&str], proxies: &[Subnet]) -> IpAddr {
    let mut address = peer.to_canonical();
    let all = forwarded.iter().flat_map(|line| line.split(','));
    for hop in all.collect::<Vec<_>>().into_iter().rev() {
        if !proxies.iter().any(|proxy| proxy.contains(address)) {
            break;
        }
        let Ok(before) = hop.trim().parse::<IpAddr>() else { break };
        address = before.to_canonical();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let proxies = [Subnet::parse("10.9.0.0/24").unwrap()];
        let seen = |peer: &str, lines: &[&str]| client_address(ip(peer), lines, &proxies).to_string();
        assert_eq!(seen("10.1.0.5", &["10.1.0.1"]), "10.1.0.5");
        assert_eq!(seen("10.9.0.1", &["10.1.0.1"]), "10.1.0.1");
        assert_eq!(seen("::ffff:10.9.0.1", &["10.1.0.1"]), "10.1.0.1");
        assert_eq!(seen("10.9.0.1", &["10.1.0.7, 10.1.0.1", "10.9.0.2"]), "10.1.0.1");
        assert_eq!(seen("10.9.0.1", &["10.1.0.1, nonsense"]), "10.9.0.1");
        assert_eq!(seen("10.9.0.1", &[]), "10.9.0.1");
    }
}
