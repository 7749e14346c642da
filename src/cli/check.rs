//! `kgen check`: everything that is wrong, and nothing written.

use crate::assemble::check_hosts;
use crate::cli::args::Check;
use crate::cli::args::printed::Format;
use crate::cli::diff::against;
#[cfg(feature = "dist")]
use crate::cli::dist::check::tell;
use crate::cli::session::{Failure, Session};
#[cfg(feature = "dist")]
use crate::diagnostic::Severity;
use crate::lint;

/// Compiles every host and looks for what is probably not meant.
pub fn run(session: &mut Session, arguments: &Check) -> Result<(), Failure> {
    let against = against(session, arguments)?;
    session.notes = true;
    session.summary = true;
    let generation = session.generation(&[])?;
    check_hosts(&generation, &mut session.diagnostics);
    session.boot_plan(&generation)?;
    #[cfg(feature = "dist")]
    if !session.diagnostics.has_errors() {
        tell(session, &generation, Severity::Warning)?;
    }
    if !session.diagnostics.has_errors() {
        // What is broken is no sign of what was meant.
        lint::lint(&generation, &mut session.diagnostics);
    }
    session.stop_on_errors()?;
    session.print(&against)?;
    if session.format == Format::Text {
        let (hosts, modules) = (generation.inventory.hosts.len(), generation.description.modules.len());
        let variants = generation.variants.len();
        let counts =
            [(hosts, "host"), (variants, "variant"), (modules, "module")].map(|(count, word)| counted(count, word));
        session.print(&format!("ok: {}, generation {}\n", counts.join(", "), generation.id))?;
    }
    Ok(())
}

/// `1 host`, `2 hosts`.
fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
