//! One module of a description, and what a profile depends on because of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::condition::ConditionId;
use crate::name::{AttributeName, ModuleName, RollName};
use crate::source::FileId;
use crate::syntax::module::{Content, Item, ItemKind, PieceKind, Var, VarAction};
use crate::text::{Segment, TemplateText, Text};

/// One module: a file, and what extends it.
#[derive(Debug)]
pub struct Module {
    /// Its name.
    pub name: ModuleName,
    /// The roll that it belongs to.
    pub roll: RollName,
    /// Whether it is part of its roll's face.
    pub interface: bool,
    /// What it is for, in its author's words; may be empty.
    pub description: String,
    /// The file, then what extends it. Never empty.
    pub files: Vec<FileId>,
    /// The files that those include.
    pub included: Vec<FileId>,
    /// What it asks for, in order.
    pub items: Vec<Item>,
    /// Every condition in it.
    pub conditions: BTreeSet<ConditionId>,
    /// The attributes on whose values the *structure* of a profile depends, because they stand in a package's name.
    pub structural: BTreeSet<AttributeName>,
    /// Whether it has an `<eval>`.
    pub evaluates: bool,
    /// Its templates.
    pub templates: Vec<Arc<TemplateText>>,
}

/// Notes what a profile depends on.
pub(super) fn summarize(item: &Item, module: &mut Module) {
    module.conditions.extend(item.condition);
    match &item.kind {
        ItemKind::Package { names, .. } => summarize_content(names, true, module),
        ItemKind::Command { content, .. } | ItemKind::Debug(content) | ItemKind::Native { content, .. } => {
            summarize_content(content, false, module);
        }
        ItemKind::Script { content, .. } => summarize_content(content, false, module),
        ItemKind::Var(var) => summarize_var(var, module),
        ItemKind::Eval(_) => module.evaluates = true,
    }
}

fn summarize_content(content: &Content, structural: bool, module: &mut Module) {
    for piece in content {
        module.conditions.extend(piece.condition);
        match &piece.kind {
            PieceKind::Text(text) => {
                if structural {
                    module.structural.extend(text.attributes().map(|(name, _)| name.clone()));
                }
                summarize_text(text, module);
            }
            PieceKind::File(file) => summarize_content(&file.content, structural, module),
            PieceKind::Var(var) => summarize_var(var, module),
            PieceKind::Eval(_) => module.evaluates = true,
        }
    }
}

/// A variable may be put into a package's name by any later module.
fn summarize_var(var: &Var, module: &mut Module) {
    if let VarAction::Set(text) = &var.action {
        module.structural.extend(text.attributes().map(|(name, _)| name.clone()));
    }
}

fn summarize_text(text: &Text, module: &mut Module) {
    let templates = text.segments.iter().filter_map(|segment| match segment {
        Segment::Template(template) => Some(Arc::clone(template)),
        _ => None,
    });
    module.templates.extend(templates);
}
