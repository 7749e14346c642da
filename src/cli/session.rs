//! What one run of the program holds: its options, the files it read, the faults it found; and how it prints.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::attribute::{Secrets, Value};
use crate::cli::args::{Color, Format, Global};
use crate::cli::locate::locate;
use crate::compile::{Input, compile};
use crate::description::{Description, load};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, to_json, to_text};
use crate::generation::Generation;
use crate::inventory::{Host, Inventory, file};
use crate::name::{HostName, nearest};
use crate::source::{FileId, SourceError, SourceTree, Sources, Span, files_below, read_file};
use crate::write::WriteError;
use crate::{eval, name};

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// Faults were found; the session has them.
    Faults,
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
    options: Global,
    /// How results are printed.
    pub format: Format,
    /// What was found so far.
    pub diagnostics: Diagnostics,
    /// Texts of what was read so far; shared with a generation once there is one.
    pub sources: Arc<Sources>,
    /// The directory of the inventory that was read.
    pub directory: PathBuf,
    /// Whether notes are shown.
    pub notes: bool,
    /// Whether the last line of a summary tells the counts.
    pub summary: bool,
}

/// An inventory and where it stands.
#[derive(Debug)]
pub struct Site {
    /// The checked inventory.
    pub inventory: Arc<Inventory>,
    /// The directory of its file.
    pub directory: PathBuf,
}

impl Session {
    /// A run with these options.
    pub fn new(options: Global, format: Format) -> Self {
        let (diagnostics, sources) = (Diagnostics::default(), Arc::new(Sources::default()));
        Self { options, format, diagnostics, sources, directory: PathBuf::new(), notes: false, summary: false }
    }

    /// Whether warnings fail.
    pub fn is_strict(&self) -> bool {
        self.options.strict
    }

    /// The files, while they are still being read.
    pub fn sources(&mut self) -> Result<&mut Sources, Failure> {
        Arc::get_mut(&mut self.sources)
            .ok_or_else(|| Failure::World("files were read after they were compiled".to_owned()))
    }

    /// Reads the inventory that the command line names, or the nearest: a file, and those of the directory beside it.
    pub fn site(&mut self) -> Result<Site, Failure> {
        self.site_with(None)
    }

    /// The directory beside the inventory that holds more of it.
    pub fn parts_directory(&self) -> Result<PathBuf, Failure> {
        Ok(self.site_path()?.with_extension("d"))
    }

    /// The same as if a file were among those of the directory, under another name.
    pub fn site_with(&mut self, more: Option<(&Path, &Path)>) -> Result<Site, Failure> {
        let path = self.site_path()?;
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut ids = Vec::new();
        if path.is_file() {
            ids.push(self.site_file(&path)?);
        }
        for part in files_below(&path.with_extension("d"), &[".toml", ".json", ".csv"])? {
            if more.is_none_or(|(_, place)| place != part) {
                ids.push(self.site_file(&part)?);
            }
        }
        if let Some((file, _)) = more {
            ids.push(self.site_file(file)?);
        }
        if ids.is_empty() {
            read_file(&path)?;
        }
        let sources = Arc::get_mut(&mut self.sources)
            .ok_or_else(|| Failure::World("files were read after they were compiled".to_owned()))?;
        let inventory = file::read(&ids, sources, &mut self.diagnostics);
        // Without a [site] nothing else can be read, and that it is missing was told.
        if inventory.site.name.is_empty() && self.diagnostics.has_errors() {
            return Err(Failure::Faults);
        }
        self.directory.clone_from(&directory);
        Ok(Site { inventory: Arc::new(inventory), directory })
    }

    /// Reads one file of an inventory.
    fn site_file(&mut self, path: &Path) -> Result<FileId, Failure> {
        let shown = path.display().to_string();
        let error = match String::from_utf8(read_file(path)?) {
            Ok(text) => return Ok(self.sources()?.add(shown, text.replace("\r\n", "\n"))),
            Err(error) => error,
        };
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let file = self.sources()?.add(shown, String::new());
        let message = format!("the inventory is not UTF-8 (first seen in line {line})");
        self.diagnostics.push(Diagnostic::error(Span::new(file, 0, 0), message));
        Err(Failure::Faults)
    }

    fn site_path(&self) -> Result<PathBuf, Failure> {
        locate(self.options.site.as_deref()).map_err(Failure::Usage)
    }

    /// Reads the description of a site.
    pub fn description(&mut self, site: &Site) -> Result<Arc<Description>, Failure> {
        let path = site.directory.join(&site.inventory.site.description);
        let tree = SourceTree::read(&path)
            .map_err(|error| Failure::World(format!("the description of this site: {error}")))?;
        let rolls = site.inventory.site.rolls.clone();
        let language = site.inventory.language;
        let sources = Arc::get_mut(&mut self.sources)
            .ok_or_else(|| Failure::World("files were read after they were compiled".to_owned()))?;
        Ok(Arc::new(load(&tree, rolls.as_deref(), language, sources, &mut self.diagnostics)))
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
        let secrets = self.secrets(&site)?;
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
    pub fn secrets(&mut self, site: &Site) -> Result<Secrets, Failure> {
        let inventory = &site.inventory;
        let layers = [&inventory.attributes].into_iter().chain(inventory.os.values());
        let layers = layers.chain(inventory.appliances.values().map(|appliance| &appliance.attributes));
        let layers = layers.chain(inventory.hosts.values().map(|host| &host.attributes));
        let mut names: BTreeMap<&str, Option<Span>> = BTreeMap::new();
        for entry in layers.flat_map(|layer| layer.values()) {
            if let Value::Secret { name, .. } = &entry.value {
                names.entry(name).or_insert(entry.span);
            }
        }
        let directory = site.directory.join(&inventory.site.secrets);
        let mut secrets = Secrets::default();
        for (name, span) in names {
            let variable = format!("KGEN_SECRET_{}", name.to_uppercase().replace('-', "_"));
            if let Ok(text) = std::env::var(variable) {
                secrets.insert(name, &text);
            } else if let Some(text) = read_secret(&directory.join(name), span, &mut self.diagnostics)? {
                secrets.insert(name, &text);
            }
        }
        Ok(secrets)
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

/// One secret's text, without the line end that editors add; none where there is no such file.
fn read_secret(path: &Path, span: Option<Span>, diagnostics: &mut Diagnostics) -> Result<Option<String>, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = path.metadata() else { return Ok(None) };
    let bytes = read_file(path)?;
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(Failure::World(format!("the secret {} is not UTF-8", path.display())));
    };
    let mode = metadata.permissions().mode() & 0o077;
    if let Some(span) = span.filter(|_| mode != 0) {
        let note =
            Diagnostic::note(span, format!("the file of this secret, {}, can be read by others", path.display()));
        diagnostics.push(note.hint(format!("chmod 600 {}", path.display())));
    }
    Ok(Some(text.strip_suffix('\n').unwrap_or(&text).to_owned()))
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
        if self.shown {
            let _ = write!(io::stderr(), "\r{what} {done}/{all} ");
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
