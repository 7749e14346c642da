//! Arguments of `kgen dist`.

use clap::{Args, Subcommand};

use crate::cli::args::printed::Printed;

/// `kgen dist`.
#[derive(Debug, Subcommand)]
pub enum DistCommand {
    /// Build the trees of distributions from their sources: the newest packages, indexed for dnf
    Build(DistBuild),
    /// Bring repositories here that distributions have among their sources; only what changed is fetched
    Mirror(DistMirror),
    /// Tell which packages that hosts ask for cannot be installed from their distributions, and why
    Check(DistCheck),
    /// List what a host installs, with everything that its packages require, and sizes
    List(DistList),
    /// Tell which packages differ between two trees, and which hosts install them
    Diff(DistDiff),
}

/// `kgen dist build`.
#[derive(Debug, Args)]
pub struct DistBuild {
    /// The distributions [default: all that have sources]
    pub names: Vec<String>,
    /// Only for this architecture
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// `kgen dist mirror`.
#[derive(Debug, Args)]
pub struct DistMirror {
    /// The distributions [default: all that have repositories among their sources]
    pub names: Vec<String>,
    /// Only this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Take away packages that a repository does not have any more
    #[arg(long)]
    pub delete: bool,
    /// Check all files that are here against their checksums, and fetch again what is damaged
    #[arg(long)]
    pub verify: bool,
    /// How many files are fetched at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// `kgen dist check`.
#[derive(Debug, Args)]
pub struct DistCheck {
    /// Only the hosts of this distribution
    pub name: Option<String>,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// `kgen dist list`.
#[derive(Debug, Args)]
pub struct DistList {
    /// The host
    pub host: String,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// `kgen dist diff`.
#[derive(Debug, Args)]
pub struct DistDiff {
    /// A distribution, or a directory with a tree; alone, a distribution is compared with what it was before its last
    /// build
    #[arg(value_name = "A")]
    pub before: String,
    /// A distribution, or a directory with a tree
    #[arg(value_name = "B")]
    pub after: Option<String>,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}
