//! The arguments of the server, and of what operators say to it.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use crate::cli::args::printed::Printed;
use crate::inventory::serve::{AtMost, network};
use crate::inventory::subnet::Subnet;

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
    /// What guards against commits, whatever the inventory says.
    #[command(flatten)]
    pub guards: Guards,
    /// How the log is written
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Log every request
    #[arg(long, short)]
    pub verbose: bool,
}

/// Keys of the inventory that guard against commits; a flag wins over every commit.
#[derive(Debug, Args)]
pub struct Guards {
    /// How many installed hosts one commit may arm, such as 12 or 1% [default: the inventory's]
    #[arg(long, value_name = "NUMBER|SHARE", value_parser = AtMost::parse)]
    pub arm_at_most: Option<AtMost>,
    /// Whether new machines of a commit are armed by it [default: the inventory's]
    #[arg(long, value_name = "TRUTH")]
    pub install_new: Option<bool>,
    /// How an order for many hosts without a confirmation is treated [default: the inventory's]
    #[arg(long, value_enum)]
    pub brake: Option<BrakeWord>,
    /// The addresses that get the token of a build with a boot script [default: the inventory's]
    #[arg(long, value_enum)]
    pub token_to: Option<TokenToWord>,
    /// An operator, as `kgen operator` prints it; with any, those of the inventory do not count
    #[arg(long, value_name = "NAME=sha256:HASH", value_parser = operator)]
    pub operator: Vec<(String, String)>,
    /// A proxy whose X-Forwarded-For is believed; with any, those of the inventory do not count
    #[arg(long, value_name = "ADDRESS|SUBNET", value_parser = network)]
    pub trusted_proxy: Vec<Subnet>,
}

/// How an order without a confirmation is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BrakeWord {
    /// It is carried out with a warning
    Warn,
    /// It is refused
    Enforce,
}

/// Who gets the token of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TokenToWord {
    /// The addresses of the host
    Host,
    /// The network that it boots from
    Network,
}

fn operator(text: &str) -> Result<(String, String), String> {
    let found = text.split_once("=sha256:").filter(|(name, hash)| {
        !name.is_empty() && hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    let (name, hash) = found.ok_or("a name, `=sha256:` and 64 hexadecimal digits")?;
    Ok((name.to_owned(), hash.to_ascii_lowercase()))
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
#[allow(clippy::struct_excessive_bools)] // each is a flag
pub struct Boot {
    /// Hosts, or @APPLIANCE for all of an appliance, and then the boot action; `declared` takes an order back and arms
    /// nobody. With --adopt only hosts
    #[arg(required_unless_present = "adopt", value_name = "HOST.. ACTION")]
    pub hosts_and_action: Vec<String>,
    /// Let hosts that wait do what the inventory names: those that are named, else all
    #[arg(long)]
    pub adopt: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Show what would happen, and order nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Order it also for hosts that the inventory protects
    #[arg(long)]
    pub protected: bool,
    /// The server.
    #[command(flatten)]
    pub remote: Remote,
}

/// `kgen status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Only this host
    pub host: Option<String>,
    /// Only hosts in this state: waiting, doubtful, armed, script-served, kickstart-fetched, installing, installed, local,
    /// failed, stuck
    #[arg(long, value_name = "STATE", conflicts_with = "host")]
    pub state: Option<String>,
    /// Hosts that are no longer in the inventory, and what is recorded of them
    #[arg(long, conflicts_with_all = ["host", "state"])]
    pub gone: bool,
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

/// `kgen state`.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Copy the state to a file, also while a server is at work on it
    Backup {
        /// The file; one that is there is replaced
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The directory of the state
        #[arg(long, value_name = "DIR", default_value = "/var/lib/kgen", value_hint = ValueHint::DirPath)]
        state: PathBuf,
    },
    /// Put a copy back, while no server is at work: what was ordered in it ends, its tokens are dropped
    Restore {
        /// The file
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The directory of the state
        #[arg(long, value_name = "DIR", default_value = "/var/lib/kgen", value_hint = ValueHint::DirPath)]
        state: PathBuf,
    },
    /// Have the server forget a host that is no longer in the inventory
    Forget {
        /// The host
        host: String,
        /// The server.
        #[command(flatten)]
        remote: Remote,
    },
}

/// `kgen revision`.
#[derive(Debug, Subcommand)]
pub enum RevisionCommand {
    /// Put into force what the current revision loosens of what guards against commits; only by the server's socket
    Accept(Remote),
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
