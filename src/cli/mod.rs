//! The command line: one match over the commands. The only place that prints, reads the environment or exits.
#![allow(clippy::disallowed_methods)] // the environment and the working directory are read here

pub mod args;
mod check;
mod compile;
mod diff;
#[cfg(feature = "dist")]
mod dist;
mod explain;
mod graph;
mod init;
mod inventory;
mod list;
mod locate;
mod manual;
#[cfg(feature = "serve")]
mod operate;
mod profile;
mod publish;
#[cfg(feature = "serve")]
mod remote;
mod review;
#[cfg(feature = "serve")]
mod serve;
mod session;
mod simulate;
#[cfg(feature = "serve")]
mod storm;
mod table;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::cli::args::printed::Format;
#[cfg(feature = "serve")]
use crate::cli::args::server::RevisionCommand;
use crate::cli::args::{Cli, Command};
use crate::cli::session::{Failure, Session};

/// Faults in what people wrote.
const FAULTS: u8 = 1;
/// Wrong use of the command line.
const USAGE: u8 = 2;
/// The world did not let us.
const WORLD: u8 = 3;

/// What was compared differs.
const DIFFERS: u8 = 4;

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked_for { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    let mut session = Session::new(cli.global, format_of(&cli.command));
    let done = match cli.command {
        Command::Compile(arguments) => compile::run(&mut session, &arguments),
        Command::Check(arguments) => check::run(&mut session, &arguments),
        Command::Profile(arguments) => profile::run(&mut session, &arguments),
        Command::Explain(arguments) => explain::run(&mut session, &arguments),
        Command::Diff(arguments) => diff::run(&mut session, &arguments),
        #[cfg(feature = "dist")]
        Command::Dist(command) => dist::run(&mut session, &command),
        Command::Simulate(arguments) => simulate::run(&mut session, &arguments),
        Command::Inventory(arguments) => inventory::run(&mut session, &arguments),
        Command::Graph(arguments) => graph::run(&mut session, &arguments),
        Command::List(arguments) => list::run(&mut session, &arguments),
        Command::Init(arguments) => init::run(&mut session, &arguments),
        #[cfg(feature = "serve")]
        Command::Serve(arguments) => serve::run(&session, &arguments),
        #[cfg(feature = "serve")]
        Command::Boot(arguments) => operate::boot(&session, &arguments),
        #[cfg(feature = "serve")]
        Command::Status(arguments) => operate::status(&session, &arguments),
        #[cfg(feature = "serve")]
        Command::Events(arguments) => operate::events(&session, &arguments),
        #[cfg(feature = "serve")]
        Command::Refresh(remote) => operate::order(&session, &remote, "refresh"),
        #[cfg(feature = "serve")]
        Command::Follow(remote) => operate::order(&session, &remote, "follow"),
        #[cfg(feature = "serve")]
        Command::Rollback(arguments) => operate::rollback(&session, &arguments),
        #[cfg(feature = "serve")]
        Command::Pin(arguments) => operate::pin(&session, &arguments),
        #[cfg(feature = "serve")]
        Command::Unpin(arguments) => operate::unpin(&session, &arguments),
        #[cfg(feature = "serve")]
        Command::State(command) => operate::state(&session, &command),
        #[cfg(feature = "serve")]
        Command::Revision(RevisionCommand::Accept(remote)) => operate::order(&session, &remote, "accept"),
        #[cfg(feature = "serve")]
        Command::Storm(arguments) => storm::run(&mut session, &arguments),
        #[cfg(feature = "serve")]
        Command::Operator(arguments) => operate::operator(&session, &arguments),
        Command::Completions { shell } => manual::completions(&mut session, shell),
        Command::Man { dir } => manual::pages(&dir),
    };
    let faults = session.report();
    match done {
        Ok(()) if faults => ExitCode::from(FAULTS),
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Differs) => ExitCode::from(DIFFERS),
        Err(Failure::Faults) => ExitCode::from(FAULTS),
        Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => say(&message, USAGE),
        Err(Failure::World(message)) => say(&message, WORLD),
    }
}

fn format_of(command: &Command) -> Format {
    match command {
        Command::Compile(arguments) => arguments.printed.format,
        Command::Check(arguments) => arguments.printed.format,
        Command::Profile(arguments) => arguments.printed.format,
        Command::Explain(arguments) => arguments.printed.format,
        Command::Diff(arguments) => arguments.printed.format,
        #[cfg(feature = "dist")]
        Command::Dist(command) => dist::format_of(command),
        Command::List(arguments) => arguments.printed.format,
        Command::Simulate(arguments) => arguments.printed.format,
        #[cfg(feature = "serve")]
        Command::Status(arguments) => arguments.printed.format,
        #[cfg(feature = "serve")]
        Command::Events(arguments) => arguments.printed.format,
        #[cfg(feature = "serve")]
        Command::Storm(arguments) => arguments.printed.format,
        _ => Format::Text,
    }
}

fn say(message: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {message}");
    ExitCode::from(code)
}
