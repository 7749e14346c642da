//! `kgen inventory`: an inventory in another form, and back.

use std::path::Path;

use crate::cli::args::{InventoryCommand, TableFormat};
use crate::cli::session::{Failure, Session};
use crate::inventory::{export, hostfile};
use crate::source::read_file;
use crate::source::revision::Revision;
use crate::write::{Access, Output};

/// Writes, or reads.
pub fn run(session: &mut Session, command: &InventoryCommand) -> Result<(), Failure> {
    match command {
        InventoryCommand::Export { format } => print(session, *format),
        InventoryCommand::Import { file, replace } => import(session, file, *replace),
    }
}

fn print(session: &mut Session, format: TableFormat) -> Result<(), Failure> {
    let site = session.site()?;
    session.stop_on_errors()?;
    if format == TableFormat::Json {
        return session.print_json(&export::json(&site.inventory));
    }
    let (table, lossy) = hostfile::write(&site.inventory);
    if let Some(first) = lossy.first() {
        session.remark(&format!(
            "warning: the table cannot hold all of {}{first}`: attributes, IPv6 addresses, bridges, parents of VLANs, \
             what a machine is; `kgen inventory export --format json` does",
            if lossy.len() > 1 { format!("{} hosts, such as `", lossy.len()) } else { "`".to_owned() }
        ));
    }
    session.print(&table)
}

/// Reads the site with the file, as if it were there already, and writes it only if nothing is wrong.
fn import(session: &mut Session, file: &Path, replace: bool) -> Result<(), Failure> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.ends_with(".json") && !name.ends_with(".csv") {
        return Err(Failure::Usage(format!("`{name}` is neither a .json nor a .csv file")));
    }
    if name.starts_with('.') {
        return Err(Failure::Usage(format!(
            "`{name}` starts with a dot, and such files are not read; give it another name"
        )));
    }
    let content = read_file(file)?;
    let Revision::Directory(inventory) = session.revision()? else {
        return Err(Failure::Usage(
            "a revision in git is not written to; import into its working directory".to_owned(),
        ));
    };
    let directory = inventory.with_extension("d");
    let place = directory.join(&name);
    if place.exists() && !replace {
        return Err(Failure::Usage(format!("{} is there already; replace it with --replace", place.display())));
    }
    let shown = |path: &Path| path.display().to_string();
    let mut files = session.revision()?.inventory()?;
    files.retain(|(path, _)| *path != shown(&place));
    files.push((shown(file), content.clone()));
    let site = session.site_of(files)?;
    session.stop_on_errors()?;
    let change = Output::open(&directory, &[])?.write(&name, &content, Access::Public)?;
    let hosts = site.inventory.hosts.len();
    session.print(&format!("{}: {}; the site has {hosts} hosts\n", place.display(), change.word()))
}
