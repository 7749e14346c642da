//! How results are printed: an option of many commands.

use clap::{Args, ValueEnum};

/// The option of commands that print results.
#[derive(Debug, Args)]
pub struct Printed {
    /// How results and faults are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs: JSON, faults as one line each
    Json,
}
