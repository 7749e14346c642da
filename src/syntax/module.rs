//! What a module file says, LANGUAGE section 4: items, with their conditions and places.
//!
//! Made by [`crate::syntax::items`]; nothing here depends on a host. After it: [`crate::expand`].

use crate::condition::ConditionId;
use crate::name::RollName;
use crate::profile::{FileMode, SectionKind, Vars};
use crate::source::{FileId, SourceTree, Span};
use crate::syntax::element::Context;
use crate::text::Text;

/// One file of a module.
#[derive(Debug, Default)]
pub struct ModuleFile {
    /// `roll=` of the root.
    pub roll: Option<RollName>,
    /// `interface=` of the root: the module is part of the roll's face, drawn as a box.
    pub interface: bool,
    /// The text of `<description>`, trimmed.
    pub description: String,
    /// Its items, in order.
    pub items: Vec<Item>,
}

/// One element with its condition.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// When it is there; always if there is none.
    pub condition: Option<ConditionId>,
    /// The element.
    pub span: Span,
}

/// What an element is.
#[derive(Clone, Debug)]
pub enum ItemKind {
    /// `<package>`.
    Package {
        /// Names, separated by white space.
        names: Content,
        /// `type="meta"`.
        group: bool,
        /// `disable`.
        disabled: bool,
    },
    /// A child of `<main>`.
    Command {
        /// The command.
        name: String,
        /// What follows it.
        content: Content,
    },
    /// `<pre>`, `<post>`, `<configure>`, `<boot>`, `<ansible>`.
    Script {
        /// When it runs.
        kind: SectionKind,
        /// `interpreter=`.
        interpreter: Option<Text>,
        /// `arg=`.
        arguments: Text,
        /// Its text.
        content: Content,
    },
    /// `<debug>`.
    Debug(Content),
    /// `<native>`.
    Native {
        /// `lang=`.
        language: String,
        /// Its text.
        content: Content,
    },
    /// `<var>` outside of text.
    Var(Var),
    /// `<eval mode="xml">`: its output is items.
    Eval(Box<Eval>),
}

/// Text with elements in it.
pub type Content = Vec<Piece>;

/// A piece of content with its condition.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// When it is there.
    pub condition: Option<ConditionId>,
}

/// What stands in content.
#[derive(Clone, Debug)]
pub enum PieceKind {
    /// Text.
    Text(Text),
    /// `<file>`.
    File(Box<FileElement>),
    /// `<var>`.
    Var(Var),
    /// `<eval>`.
    Eval(Box<Eval>),
}

/// `<file>`.
#[derive(Clone, Debug)]
pub struct FileElement {
    /// `name=`.
    pub name: Text,
    /// `mode=`.
    pub mode: FileMode,
    /// `owner=`.
    pub owner: Option<Text>,
    /// `perms=`.
    pub perms: Option<Text>,
    /// `vars=`.
    pub vars: Vars,
    /// `expr=`.
    pub expr: Option<Text>,
    /// `src=`.
    pub src: Option<Text>,
    /// `rcs=`.
    pub rcs: bool,
    /// Its text.
    pub content: Content,
    /// The element.
    pub span: Span,
}

/// `<var>`.
#[derive(Clone, Debug)]
pub struct Var {
    /// `name=`.
    pub name: String,
    /// What is done with it.
    pub action: VarAction,
    /// The element.
    pub span: Span,
}

/// What a `<var>` does.
#[derive(Clone, Debug)]
pub enum VarAction {
    /// `val=`.
    Set(Text),
    /// `ref=`.
    Copy(String),
    /// Neither: its value stands here.
    Insert,
}

/// `<eval>`.
#[derive(Clone, Debug)]
pub struct Eval {
    /// `shell=`: the program that reads the body.
    pub shell: String,
    /// `mode="xml"`.
    pub xml: bool,
    /// The program's text.
    pub body: Text,
    /// The element.
    pub span: Span,
}

/// Reads module files; one for all files of a description.
pub struct ModuleReader<'c, 'a> {
    /// Takes conditions and faults.
    pub context: &'c mut Context<'a>,
    /// Where included files are.
    pub tree: &'c SourceTree,
    /// Folders that are searched for includes, first to last: `rolls/hpc/include`.
    pub include_folders: Vec<String>,
    /// The module's name, for the files that it writes on its own account.
    pub module: String,
    /// Files that are being included, outermost first.
    pub including: Vec<String>,
    /// Every file that was included.
    pub included: Vec<FileId>,
}
