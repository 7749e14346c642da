//! A command's line in words, as the installer reads it.

use crate::text::{Segment, Text};

/// Stands for the value of an attribute in a line that is checked.
pub const VALUE: char = '\u{FFFC}';

/// The text with [`VALUE`] for each attribute.
pub fn line_of(text: &Text) -> String {
    let piece = |segment: &Segment| match segment {
        Segment::Literal { text, .. } => text.to_string(),
        Segment::Attribute { .. } | Segment::Template(_) | Segment::LineEnd => VALUE.to_string(),
    };
    text.segments.iter().map(piece).collect()
}

/// A line in words.
#[derive(Default)]
pub struct Split {
    /// The words.
    pub words: Vec<String>,
    /// Whether a `#` outside of quotes cuts the line.
    pub comment: bool,
    /// Whether it does so inside a word.
    pub cut: bool,
}

/// Splits a line into words as the installer does, by Python's `shlex` with comments.
///
/// # Errors
/// What is not closed.
pub fn split(line: &str) -> Result<Split, String> {
    let mut split = Split::default();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '#') => {
                (split.comment, split.cut) = (true, word.is_some());
                break;
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("a backslash at the end takes the line end with it".to_owned()),
            },
            (None, c) if c.is_whitespace() => split.words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    split.words.extend(word);
    match quote {
        Some(quote) => Err(format!("the quote `{quote}` is not closed")),
        None => Ok(split),
    }
}
