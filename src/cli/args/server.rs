//! The arguments of the server, and of what operators say to it.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::cli::args::printed::Printed;

/// `kgen serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where the state is kept; with a site in git also its copy, and what its paths are relative to
    #[arg(long, value_name = "DIR", default_value = "/var/lib/kgen", value_hint = ValueHint::DirPath)]
    pub state: PathBuf,
    /// The operators' socket [default: kgen.sock in the directory of the state]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub socket: Option<PathBuf>,
    /// Where machines are listened to [default: the inventory's, else all addresses, port 8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<std::net::SocketAddr>,
    /// The most connections that are open at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 16_384)]
    pub connections: usize,
    /// Follow the source even if `kgen rollback` held a revision before
    #[arg(long)]
    pub follow: bool,
    /// Run the programs of `<eval>` where the inventory allows it: whoever writes the description runs them here
    #[arg(long)]
    pub allow_eval: bool,
    /// How the log is written
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Log every request
    #[arg(long, short)]
    pub verbose: bool,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// JSON, a line each
    Json,
}

/// Which server is asked.
#[derive(Debug, Args)]
pub struct Remote {
    /// The socket of a server of this machine [default: /run/kgen/kgen.sock or /var/lib/kgen/kgen.sock]
    #[arg(long, value_name = "FILE", conflicts_with = "server", value_hint = ValueHint::AnyPath)]
    pub socket: Option<PathBuf>,
    /// A server elsewhere; `KGEN_TOKEN` holds the operator's token
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The certificates that are trusted, PEM, for https
    #[arg(long, value_name = "FILE", requires = "server", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
}

/// `kgen boot`.
#[derive(Debug, Args)]
pub struct Boot {
    /// Hosts, or @APPLIANCE for all of an appliance, and then the boot action; `declared` leaves it to the inventory
    #[arg(required = true, num_args = 2.., value_name = "HOST.. ACTION")]
    pub hosts_and_action: Vec<String>,
    /// The server.
    #[command(flatten)]
    pub remote: Remote,
}

/// `kgen status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Only this host
    pub host: Option<String>,
    /// Only hosts in this state: armed, script-served, kickstart-fetched, installing, installed, local, failed, stuck
    #[arg(long, value_name = "STATE", conflicts_with = "host")]
    pub state: Option<String>,
    /// The server.
    #[command(flatten)]
    pub remote: Remote,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// `kgen events`.
#[derive(Debug, Args)]
pub struct Events {
    /// Only of this host
    pub host: Option<String>,
    /// Wait for more
    #[arg(long, short)]
    pub follow: bool,
    /// How many of the past
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub last: u32,
    /// The server.
    #[command(flatten)]
    pub remote: Remote,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// `kgen rollback`.
#[derive(Debug, Args)]
pub struct Rollback {
    /// Branch, tag, commit, or the id of the generation before [default: what was served before]
    pub to: Option<String>,
    /// The server.
    #[command(flatten)]
    pub remote: Remote,
}

/// `kgen pin`.
#[derive(Debug, Args)]
pub struct Pin {
    /// A host, or @APPLIANCE
    pub target: String,
    /// Branch, tag or commit
    #[arg(value_name = "REVISION")]
    pub to: String,
    /// The server.
    #[command(flatten)]
    pub remote: Remote,
}

/// `kgen unpin`.
#[derive(Debug, Args)]
pub struct Unpin {
    /// A host, or @APPLIANCE
    pub target: String,
    /// The server.
    #[command(flatten)]
    pub remote: Remote,
}

/// `kgen operator`.
#[derive(Debug, Args)]
pub struct Operator {
    /// Who it is for
    pub name: String,
}

/// `kgen storm`.
#[derive(Debug, Args)]
pub struct Storm {
    /// The server, http [default: the inventory's]
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// How many hosts of the inventory [default: all]
    #[arg(long, value_name = "NUMBER")]
    pub machines: Option<usize>,
    /// In how many seconds they are switched on
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    pub within: u64,
    /// Ask as a proxy for them (X-Forwarded-For), which the server has to trust; else from their own addresses
    #[arg(long)]
    pub forwarded: bool,
    /// How often each is installed; from the second time on it is ordered through the operators' socket
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Paths that each fetches while it installs itself, such as /install/el9/vmlinuz
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub files: Vec<String>,
    /// Decides who comes when
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Ask through this operators' socket all the time which hosts are stuck, and tell how long that takes
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub operator_socket: Option<PathBuf>,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}
