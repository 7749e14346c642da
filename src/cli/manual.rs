//! `kgen completions` and `kgen man`, from the definition of the command line.

use std::path::Path;

use clap::CommandFactory;

use crate::cli::args::Cli;
use crate::cli::session::{Failure, Session};
use crate::write::{Access, Output, WriteError};

/// Prints completions.
pub fn completions(session: &mut Session, shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kgen", &mut text);
    session.print(&String::from_utf8_lossy(&text))
}

/// Writes a page for kgen and one for each command, also for those of a command: `kgen-state-backup.1`.
pub fn pages(directory: &Path) -> Result<(), Failure> {
    let output = Output::open(directory, &[])?;
    let mut command = Cli::command();
    command.build();
    all_pages(&command, "kgen", &output)
}

fn all_pages(command: &clap::Command, name: &str, output: &Output) -> Result<(), Failure> {
    page(command, name, output)?;
    let mut inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
    inner.try_for_each(|inner| all_pages(inner, &format!("{name}-{}", inner.get_name()), output))
}

fn page(command: &clap::Command, name: &str, output: &Output) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name.to_uppercase()).render(&mut text)?;
    output.write(&format!("{name}.1"), &text, Access::Public).map_err(|error: WriteError| error.into()).map(|_| ())
}
