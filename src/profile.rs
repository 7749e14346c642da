//! What a host is to become: the intermediate representation between the description and every output.
//!
//! A profile knows no XML and no output format. It is made once per variant by [`crate::expand`]; text in it
//! still refers to attributes, so that all hosts of the variant share it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::name::{ModuleName, RollName};
use crate::source::Span;
use crate::text::Text;

/// The modules of a host in order, and all that they ask for.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// In order.
    pub modules: Vec<UsedModule>,
    /// Kickstart commands, in module order.
    pub commands: Vec<Command>,
    /// By name; groups start with `@`.
    pub packages: BTreeMap<String, Package>,
    /// Scripts, in module order.
    pub sections: Vec<Section>,
    /// `<debug>`: comments.
    pub remarks: Vec<Remark>,
    /// `<native>`: text for one output format.
    pub natives: Vec<Native>,
}

/// A module of a profile.
#[derive(Clone, Debug)]
pub struct UsedModule {
    /// Its name.
    pub name: ModuleName,
    /// Its roll.
    pub roll: RollName,
    /// The file, or a file and what extends it: paths.
    pub files: Vec<String>,
}

/// One kickstart command.
#[derive(Clone, Debug)]
pub struct Command {
    /// `timezone`.
    pub name: String,
    /// What follows the name, on its line; that of `install` starts with a line end.
    pub text: Text,
    /// Index in [`Profile::modules`].
    pub module: usize,
    /// The element.
    pub span: Span,
}

/// A package or group, and who asks for it.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// The elements that want it; with one of them it is installed.
    pub wanted: Vec<Request>,
    /// The elements that want it off.
    pub unwanted: Vec<Request>,
}

impl Package {
    /// Off loses to on.
    pub fn is_on(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// The request that decides.
    pub fn request(&self) -> Option<&Request> {
        self.wanted.first().or(self.unwanted.first())
    }
}

/// One element that asks for a package.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Index in [`Profile::modules`].
    pub module: usize,
    /// The element.
    pub span: Span,
}

/// When a script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SectionKind {
    /// Before the installation.
    Pre,
    /// After the installation.
    Post,
    /// At the first boot, before services start.
    BootPre,
    /// At the first boot, after services started.
    BootPost,
}

/// One script.
#[derive(Clone, Debug)]
pub struct Section {
    /// When it runs.
    pub kind: SectionKind,
    /// The program that reads it; a shell if there is none.
    pub interpreter: Option<Text>,
    /// Options of the section: `--nochroot`.
    pub arguments: Text,
    /// Its text and files.
    pub parts: Vec<Part>,
    /// Index in [`Profile::modules`].
    pub module: usize,
    /// The element.
    pub span: Span,
}

/// A piece of a script.
#[derive(Clone, Debug)]
pub enum Part {
    /// As it stands.
    Text(Text),
    /// A file that the script creates.
    File(Box<File>),
}

/// What happens to the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileMode {
    /// Its content becomes the text.
    #[default]
    Create,
    /// The text is added at its end.
    Append,
    /// The text is a filter that it goes through.
    Pipe,
}

/// Who expands `$NAME` in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vars {
    /// Nobody.
    #[default]
    Literal,
    /// The shell.
    Expanded,
}

/// A file that a script creates.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path on the machine.
    pub name: Text,
    /// What happens to it.
    pub mode: FileMode,
    /// `user` or `user:group`.
    pub owner: Option<Text>,
    /// Octal.
    pub perms: Option<Text>,
    /// Who expands variables.
    pub vars: Vars,
    /// A shell command whose output comes before the text.
    pub expr: Option<Text>,
    /// The file that a pipe reads, if not itself.
    pub src: Option<Text>,
    /// Whether its history is kept with RCS.
    pub rcs: bool,
    /// Its text; files in it are shell text.
    pub parts: Vec<Part>,
    /// The element.
    pub span: Span,
}

/// A comment.
#[derive(Clone, Debug)]
pub struct Remark {
    /// Its text.
    pub text: Text,
    /// Index in [`Profile::modules`].
    pub module: usize,
}

/// Text for one output format only.
#[derive(Clone, Debug)]
pub struct Native {
    /// The format: `kickstart`.
    pub language: String,
    /// The text.
    pub text: Text,
    /// Index in [`Profile::modules`].
    pub module: usize,
    /// The element.
    pub span: Span,
}
