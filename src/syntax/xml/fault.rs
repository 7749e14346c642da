//! What is not well-formed, in words: the errors of `quick-xml` at their places.

use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::attributes::AttrError;

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Span};

/// A `&` at this offset that is not the start of a reference.
#[allow(clippy::unnecessary_box_returns)] // as every fault of the parser
pub fn bare_ampersand(file: FileId, at: usize) -> Box<Diagnostic> {
    let fault = Diagnostic::error(Span::new(file, at, at + 1), "`&` starts a reference that no `;` ends");
    Box::new(fault.hint("write `&amp;`, or put the text into `<![CDATA[` .. `]]>`"))
}

/// What the reader stopped at, at this offset, in the event that starts at `event_start`.
#[allow(clippy::unnecessary_box_returns)]
pub fn syntax(error: &Error, file: FileId, source: &str, at: usize, event_start: usize) -> Box<Diagnostic> {
    let at = at.min(source.len());
    if matches!(error, Error::IllFormed(IllFormedError::UnclosedReference)) {
        return bare_ampersand(file, at);
    }
    let place = Span::new(file, event_start.min(at), (event_start + 1).min(source.len()));
    let fault = match error {
        Error::Syntax(SyntaxError::UnclosedTag) => Diagnostic::error(place, "this tag has no `>`; the file ends in it"),
        Error::Syntax(SyntaxError::UnclosedComment) => {
            Diagnostic::error(place, "this comment has no `-->`; the file ends in it")
        }
        Error::Syntax(SyntaxError::UnclosedCData) => {
            Diagnostic::error(place, "this CDATA section has no `]]>`; the file ends in it")
        }
        Error::Syntax(SyntaxError::UnclosedDoctype) => {
            Diagnostic::error(place, "this document type declaration has no end")
        }
        other => match open_quote(source, event_start) {
            Some(quote) => {
                Diagnostic::error(Span::new(file, quote, quote + 1), "the value that starts here has no closing quote")
            }
            None => Diagnostic::error(place, format!("not well-formed XML: {other}")),
        },
    };
    Box::new(fault)
}

/// Where a quote opens in the tag at `start` that nothing closes before the file ends.
fn open_quote(source: &str, start: usize) -> Option<usize> {
    let mut open: Option<(usize, char)> = None;
    for (at, c) in source.get(start..)?.char_indices() {
        match open {
            Some((_, quote)) if c == quote => open = None,
            None if c == '>' => return None,
            None if matches!(c, '"' | '\'') => open = Some((start + at, c)),
            _ => {}
        }
    }
    open.map(|(at, _)| at)
}

/// What is wrong with the attributes of a tag between these offsets, the first after its `<`.
#[allow(clippy::unnecessary_box_returns)]
pub fn attribute(error: &AttrError, file: FileId, source: &str, tag: usize, end: usize) -> Box<Diagnostic> {
    let place = |at: usize| Span::new(file, (tag + at).min(end - 1), (tag + at + 1).min(end));
    let fault = match error {
        AttrError::ExpectedEq(at) => Diagnostic::error(place(*at), "an attribute needs `=` and a value in quotes"),
        AttrError::ExpectedValue(at) => Diagnostic::error(place(*at), "a value in quotes is expected after `=`"),
        AttrError::UnquotedValue(at) => Diagnostic::error(place(*at), "the value of an attribute stands in quotes"),
        AttrError::ExpectedQuote(at, quote) => {
            Diagnostic::error(place(*at), format!("the value has no closing `{}`", char::from(*quote)))
        }
        AttrError::Duplicated(at, first) => {
            let whole = |at: usize| {
                let start = (tag + at).min(source.len());
                let rest = source.get(start..).unwrap_or_default();
                let name = rest.split(|c: char| c == '=' || c.is_whitespace()).next().unwrap_or_default();
                Span::new(file, start, start + name.len())
            };
            let name = source.get(whole(*at).range()).unwrap_or_default();
            Diagnostic::error(whole(*at), format!("the element has the attribute `{name}` twice"))
                .related(whole(*first), "the first")
        }
    };
    Box::new(fault)
}
