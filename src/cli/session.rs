//! What one run of the program holds: its options, the files it read, the faults it found; and how it prints.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::assemble::{Means, Reach, boot_plan, check_served, reach, read_description, read_inventory, read_secrets};
use crate::attribute::Secrets;
use crate::boot::Handing;
use crate::cli::args::printed::Format;
use crate::cli::args::{Color, Global};
use crate::cli::locate::{NotFound, Place, locate};
use crate::compile::{Input, compile};
use crate::description::Description;
use crate::diagnostic::{Diagnostics, Severity, to_json, to_text};
use crate::files::BootPlan;
use crate::generation::Generation;
use crate::inventory::{Host, Inventory};
use crate::name::{HostName, nearest};
use crate::source::Sources;
use crate::source::error::SourceError;
use crate::source::revision::Revision;
#[cfg(feature = "serve")]
use crate::store::kept::StoreError;
use crate::write::WriteError;
use crate::{eval, name};

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// Faults were found; the session has them.
    Faults,
    /// What was compared differs, which is no failure, but not nothing.
    Differs,
    /// The reader of our output went away, which is its right.
    Closed,
    /// The command line asks for something that is not there.
    Usage(String),
    /// Disk, permissions, memory.
    World(String),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Failure::World(error.to_string())
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Failure::World(error.to_string())
    }
}

#[cfg(feature = "serve")]
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::World(error.to_string())
    }
}

impl From<NotFound> for Failure {
    fn from(error: NotFound) -> Self {
        match error {
            NotFound::Usage(message) => Failure::Usage(message),
            NotFound::Unreadable(error) => error.into(),
            NotFound::NoCopy(error) => error.into(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Closed,
            _ => Failure::World(format!("cannot write the output: {error}")),
        }
    }
}

/// One run.
#[derive(Debug)]
pub struct Session {
    /// The options of every command.
    pub options: Global,
    /// How results are printed.
    pub format: Format,
    /// What was found so far.
    pub diagnostics: Diagnostics,
    /// Texts of what was read so far; shared with a generation once there is one.
    pub sources: Arc<Sources>,
    /// The directory that paths of the inventory are relative to.
    pub directory: PathBuf,
    place: Option<Place>,
    /// Whether notes are shown.
    pub notes: bool,
    /// Whether the last line of a summary tells the counts.
    pub summary: bool,
}

/// An inventory that was read.
#[derive(Debug)]
pub struct Site {
    /// The checked inventory.
    pub inventory: Arc<Inventory>,
}

impl Session {
    /// A run with these options.
    pub fn new(options: Global, format: Format) -> Self {
        let (diagnostics, sources) = (Diagnostics::default(), Arc::new(Sources::default()));
        Self {
            options,
            format,
            diagnostics,
            sources,
            directory: PathBuf::new(),
            place: None,
            notes: false,
            summary: false,
        }
    }

    /// Whether warnings fail.
    pub fn is_strict(&self) -> bool {
        self.options.strict
    }

    /// The files, while they are still being read.
    pub fn sources(&mut self) -> Result<&mut Sources, Failure> {
        Arc::get_mut(&mut self.sources).ok_or_else(too_late)
    }

    /// Where the site is read from: what the command line names, or the nearest.
    pub fn revision(&mut self) -> Result<&Revision, Failure> {
        let place = match self.place.take() {
            Some(place) => place,
            None => locate(&self.options)?,
        };
        self.directory.clone_from(&place.directory);
        Ok(&self.place.insert(place).revision)
    }

    /// Reads the inventory.
    pub fn site(&mut self) -> Result<Site, Failure> {
        let files = self.revision()?.inventory()?;
        self.site_of(files)
    }

    /// Checks these files as an inventory.
    pub fn site_of(&mut self, files: Vec<(String, Vec<u8>)>) -> Result<Site, Failure> {
        let sources = Arc::get_mut(&mut self.sources).ok_or_else(too_late)?;
        let inventory = read_inventory(files, sources, &mut self.diagnostics).ok_or(Failure::Faults)?;
        Ok(Site { inventory: Arc::new(inventory) })
    }

    /// Reads the description of a site.
    pub fn description(&mut self, site: &Site) -> Result<Arc<Description>, Failure> {
        self.revision()?;
        let Some(place) = &self.place else { return Err(too_late()) };
        let sources = Arc::get_mut(&mut self.sources).ok_or_else(too_late)?;
        Ok(Arc::new(read_description(&place.revision, &site.inventory, sources, &mut self.diagnostics)?))
    }

    /// Prints what was found in another reading than this one, and gives whether there are errors.
    pub fn report_of(&mut self, sources: Arc<Sources>, diagnostics: Diagnostics) -> bool {
        let own =
            (std::mem::replace(&mut self.sources, sources), std::mem::replace(&mut self.diagnostics, diagnostics));
        let faults = self.report();
        (self.sources, self.diagnostics) = own;
        faults
    }

    /// Forgets what was read and found.
    pub fn start_over(&mut self) {
        self.diagnostics = Diagnostics::default();
        self.sources = Arc::new(Sources::default());
    }

    /// Reads and compiles the site for some or all hosts.
    pub fn generation(&mut self, hosts: &[String]) -> Result<Generation, Failure> {
        let site = self.site()?;
        let description = self.description(&site)?;
        let wanted = self.wanted(&site.inventory, hosts)?;
        let secrets = self.secrets(&site.inventory)?;
        let input = Input {
            sources: &Arc::clone(&self.sources),
            runner: &eval::run,
            language: site.inventory.language,
            hosts: wanted.as_ref(),
        };
        Ok(compile(description, site.inventory, secrets, input, &mut self.diagnostics))
    }

    fn wanted(
        &self,
        inventory: &Inventory,
        hosts: &[String],
    ) -> Result<Option<std::collections::BTreeSet<HostName>>, Failure> {
        if hosts.is_empty() {
            return Ok(None);
        }
        hosts.iter().map(|name| Ok(self.host(inventory, name)?.name.clone())).collect::<Result<_, _>>().map(Some)
    }

    /// The host of this name.
    pub fn host<'i>(&self, inventory: &'i Inventory, name: &str) -> Result<&'i Host, Failure> {
        if let Some(host) = inventory.hosts.get(name) {
            return Ok(host);
        }
        if self.diagnostics.has_errors() {
            return Err(Failure::Faults); // it may be one of those that could not be read
        }
        let known = inventory.hosts.keys().map(HostName::as_str);
        let hint = nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Err(Failure::Usage(format!("there is no host `{name}` in the inventory{hint}")))
    }

    /// The secrets that the inventory names: from the environment, else from the secrets directory.
    pub fn secrets(&mut self, inventory: &Inventory) -> Result<Secrets, Failure> {
        let reach = reach(self.revision()?, false);
        let directory = self.directory.clone();
        Ok(read_secrets(inventory, means(&directory, reach), &mut self.diagnostics)?)
    }

    /// What every machine does at its next boot; what is wrong with it is reported.
    pub fn boot_plan(&mut self, generation: &Generation) -> Result<Option<BootPlan>, Failure> {
        let reach = reach(self.revision()?, false);
        let directory = self.directory.clone();
        let means = means(&directory, reach);
        check_served(&generation.inventory, means, &mut self.diagnostics);
        Ok(boot_plan(generation, means, &mut self.diagnostics)?)
    }

    /// Prints a result.
    #[allow(clippy::unused_self)] // what is printed is the session's
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// Prints a result as JSON, for people who read it too.
    pub fn print_json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(value).map_err(|error| Failure::World(error.to_string()))?;
        text.push('\n');
        self.print(&text)
    }

    /// Whether results are printed in colours.
    pub fn is_colored(&self) -> bool {
        self.colored(&io::stdout())
    }

    /// The options of every command.
    pub fn options(&self) -> &Global {
        &self.options
    }

    fn colored(&self, stream: &impl IsTerminal) -> bool {
        match self.options.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => stream.is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    /// Ends the command if nothing may be made from what was read.
    pub fn stop_on_errors(&mut self) -> Result<(), Failure> {
        if self.options.strict {
            self.diagnostics.make_strict();
        }
        if self.diagnostics.has_errors() { Err(Failure::Faults) } else { Ok(()) }
    }

    /// Tells a person something that is neither a result nor a fault.
    pub fn remark(&self, text: &str) {
        if self.format == Format::Text {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Shows what is going on, where a person looks.
    pub fn progress(&self) -> Progress {
        Progress { shown: io::stderr().is_terminal() && self.format == Format::Text }
    }

    /// Prints all faults, and gives whether there are errors.
    pub fn report(&mut self) -> bool {
        if self.options.strict {
            self.diagnostics.make_strict();
        }
        let color = self.colored(&io::stderr());
        let mut out = String::new();
        for diagnostic in self.diagnostics.sorted() {
            if diagnostic.severity == Severity::Note && !self.notes {
                continue;
            }
            match self.format {
                Format::Text => {
                    out.push_str(&to_text(diagnostic, &self.sources, color));
                    out.push('\n');
                }
                Format::Json => {
                    out.push_str(&to_json(diagnostic, &self.sources));
                    out.push('\n');
                }
            }
        }
        if self.format == Format::Text {
            out.push_str(&self.counts());
        }
        // Faults are what `check` is asked for; a program reads them where results are.
        if self.format == Format::Json && self.summary {
            let _ = io::stdout().write_all(out.as_bytes());
        } else {
            let _ = io::stderr().write_all(out.as_bytes());
        }
        self.diagnostics.has_errors()
    }

    fn counts(&self) -> String {
        let sorted = self.diagnostics.sorted();
        let count = |severity| sorted.iter().filter(|diagnostic| diagnostic.severity == severity).count();
        let counted = [(Severity::Error, "error"), (Severity::Warning, "warning")];
        let parts: Vec<_> =
            counted.iter().map(|(severity, word)| (count(*severity), word)).filter(|(count, _)| *count > 0).collect();
        if parts.is_empty() {
            return String::new();
        }
        let words: Vec<_> =
            parts.iter().map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" })).collect();
        format!("{}\n", words.join(", "))
    }
}

fn too_late() -> Failure {
    Failure::World("files were read after they were compiled".to_owned())
}

/// How a command compiles: secrets are in the environment or in files, and programs may run where the site says so.
pub fn means(directory: &Path, reach: Reach) -> Means<'_> {
    Means {
        directory,
        secret: &secret_of_environment,
        runner: &eval::run,
        handing: Handing::Files,
        reach,
        keeps_reports: false,
    }
}

/// A secret that the environment holds.
pub fn secret_of_environment(name: &str) -> Option<String> {
    std::env::var(format!("KGEN_SECRET_{}", name.to_uppercase().replace('-', "_"))).ok()
}

/// A line on the terminal that says how far we are.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
}

impl Progress {
    /// One that nobody sees.
    pub fn silent() -> Self {
        Self { shown: false }
    }

    /// `done` of `all`.
    pub fn tell(&self, what: &str, done: usize, all: usize) {
        self.show(&format!("{what} {done}/{all} "));
    }

    /// Shows a line instead of the one before.
    pub fn show(&self, line: &str) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[2K{line}");
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}

/// A name as people type it on the command line.
pub fn typed_name<K: name::Kind>(text: &str) -> Result<name::Name<K>, Failure> {
    name::Name::new(text)
        .ok_or_else(|| Failure::Usage(format!("`{}` cannot be {}: {}", text.escape_debug(), K::WORDS, K::RULE)))
}
