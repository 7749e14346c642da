//! Who takes part in a storm, and what all of them share.

use std::net::IpAddr;
use std::path::PathBuf;

use tokio::sync::Semaphore;

use crate::storm::client::Target;
use crate::storm::tally::Tally;

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The name of its host.
    pub name: String,
    /// Its hardware address as iPXE writes it in paths: `52-54-00-..`.
    pub hardware: String,
    /// Its IP address.
    pub ip: IpAddr,
}

/// A storm.
#[derive(Debug)]
pub struct Options {
    /// Which server.
    pub target: Target,
    /// The machines.
    pub machines: Vec<Machine>,
    /// In how many seconds they are switched on.
    pub within: u64,
    /// Whether they ask through us, as a proxy that the server trusts; else from their own addresses.
    pub forwarded: bool,
    /// How often each is installed. From the second time on an operator orders it.
    pub rounds: u32,
    /// Paths that each fetches while it installs itself.
    pub files: Vec<String>,
    /// Decides who comes when.
    pub seed: u64,
    /// The socket of an operator who asks all the time how things are.
    pub operator: Option<PathBuf>,
}

/// What the machines of a storm share.
#[derive(Debug)]
pub struct Storm {
    /// What it is.
    pub options: Options,
    /// What they saw.
    pub tally: Tally,
    /// How many connections may be open.
    pub room: Semaphore,
}
