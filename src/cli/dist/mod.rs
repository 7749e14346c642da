//! `kgen dist`: what is built, fetched, checked and compared of distributions.

mod build;
pub mod check;
mod chosen;
mod diff;
mod mirror;

use crate::cli::args::dist::DistCommand;
use crate::cli::args::printed::Format;
use crate::cli::session::{Failure, Session};
use crate::dist::error::DistError;

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
