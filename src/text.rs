//! Text that is not finished: literal runs and references to attributes, each with its origin.
//!
//! Everything a profile or an output says is a [`Text`]. It is made once per variant; giving it to a host is
//! looking its attributes up and copying bytes, which is what [`crate::emit`] prepares.

use std::sync::Arc;

use crate::name::AttributeName;
use crate::source::Span;

/// Where a piece of text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// kgen itself: headers, blank lines.
    Generated,
    /// Written because of the element at this place.
    Because(Span),
    /// Stands in a file: the text begins at the span's start, and has a line end where the file has one.
    Verbatim(Span),
}

impl Origin {
    /// The place, where there is one.
    pub fn span(self) -> Option<Span> {
        match self {
            Origin::Generated => None,
            Origin::Because(span) | Origin::Verbatim(span) => Some(span),
        }
    }
}

/// How the value of an attribute is written into its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is.
    Plain,
    /// Inside a shell word in single quotes: `'` becomes `'\''`.
    SingleQuoted,
}

/// A minijinja template, not yet rendered.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateText {
    /// The source; `&name;` of the module stands in it as `{{ attributes["name"] }}`.
    pub source: String,
    /// Where its text begins.
    pub span: Span,
}

/// A piece of a [`Text`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// Bytes that are the same for all hosts of a variant.
    Literal {
        /// The bytes.
        text: Arc<str>,
        /// Where they come from.
        origin: Origin,
    },
    /// The value that an attribute has for the host.
    Attribute {
        /// Its name.
        name: AttributeName,
        /// How it is written.
        form: Form,
        /// The reference, `&name;`.
        span: Span,
    },
    /// The output of a template for the host.
    Template(Arc<TemplateText>),
    /// A line end, unless what stands before ends a line already: only the finished value tells.
    LineEnd,
}

/// Literal runs and references, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text {
    /// The pieces.
    pub segments: Vec<Segment>,
}

impl Text {
    /// Text of one literal piece; empty text has no piece.
    pub fn literal(text: impl Into<Arc<str>>, origin: Origin) -> Self {
        let mut result = Self::default();
        result.push(text, origin);
        result
    }

    /// Appends a literal piece.
    pub fn push(&mut self, text: impl Into<Arc<str>>, origin: Origin) {
        let text = text.into();
        if !text.is_empty() {
            self.segments.push(Segment::Literal { text, origin });
        }
    }

    /// Appends a copy of `other`.
    pub fn extend(&mut self, other: &Text) {
        self.segments.extend(other.segments.iter().cloned());
    }

    /// Appends `other`, its attributes written in `form`.
    pub fn extend_in(&mut self, other: &Text, form: Form) {
        self.segments.extend(other.segments.iter().map(|segment| match segment {
            Segment::Attribute { name, span, .. } => Segment::Attribute { name: name.clone(), form, span: *span },
            other => other.clone(),
        }));
    }

    /// The whole text where it is literal, which most is.
    pub fn as_literal(&self) -> Option<String> {
        let literal = |segment: &Segment| match segment {
            Segment::Literal { text, .. } => Some(Arc::clone(text)),
            _ => None,
        };
        self.segments.iter().map(literal).collect::<Option<Vec<_>>>().map(|pieces| pieces.concat())
    }

    /// The literal pieces joined, attributes and templates left out.
    pub fn literals(&self) -> String {
        let literal = |segment: &Segment| match segment {
            Segment::Literal { text, .. } => text.to_string(),
            _ => String::new(),
        };
        self.segments.iter().map(literal).collect()
    }

    /// The attributes that are referred to, with the place of each reference.
    pub fn attributes(&self) -> impl Iterator<Item = (&AttributeName, Span)> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Attribute { name, span, .. } => Some((name, *span)),
            _ => None,
        })
    }

    /// Whether nothing at all stands here.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Whether nothing but white space stands here.
    pub fn is_blank(&self) -> bool {
        self.segments.iter().all(|segment| matches!(segment, Segment::Literal { text, .. } if text.trim().is_empty()))
    }

    /// The place of the first piece that has one.
    pub fn span(&self) -> Option<Span> {
        self.segments.iter().find_map(|segment| match segment {
            Segment::Literal { origin, .. } => origin.span(),
            Segment::Attribute { span, .. } => Some(*span),
            Segment::Template(template) => Some(template.span),
            Segment::LineEnd => None,
        })
    }

    /// Ends the last line, if there is one that is open.
    pub fn end_line(&mut self, origin: Origin) {
        match self.segments.last() {
            None => {}
            Some(Segment::Literal { text, .. }) if text.ends_with('\n') => {}
            Some(Segment::Literal { .. }) => self.push("\n", origin),
            Some(_) => self.segments.push(Segment::LineEnd),
        }
    }

    /// Without the line end after a start tag.
    #[must_use]
    pub fn without_first_line_end(mut self) -> Self {
        match self.segments.first_mut() {
            Some(Segment::Literal { text, origin }) if text.starts_with('\n') => {
                (*origin, *text) = (origin.after(1), text[1..].into());
                if text.is_empty() {
                    self.segments.remove(0);
                }
            }
            Some(Segment::Template(template)) if template.source.starts_with('\n') => {
                let span = Span { start: template.span.start + 1, ..template.span };
                *template = TemplateText { source: template.source[1..].to_owned(), span }.into();
            }
            _ => {}
        }
        self
    }

    /// Without the blanks before an end tag that stands on a line of its own: they are the module's layout.
    #[must_use]
    pub fn without_last_indent(mut self) -> Self {
        let cut = |text: &str| {
            let trimmed = text.trim_end_matches([' ', '\t']);
            (trimmed.len() < text.len() && trimmed.ends_with('\n')).then(|| trimmed.to_owned())
        };
        match self.segments.last_mut() {
            Some(Segment::Literal { text, .. }) => {
                if let Some(trimmed) = cut(text) {
                    *text = trimmed.into();
                }
            }
            Some(Segment::Template(template)) => {
                if let Some(source) = cut(&template.source) {
                    *template = TemplateText { source, span: template.span }.into();
                }
            }
            _ => {}
        }
        self
    }

    /// Without white space at both ends. A literal that loses its start keeps its line numbers right.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        if let [Segment::Template(template)] = self.segments.as_slice() {
            let cut = template.source.len() - template.source.trim_start().len();
            let span = Span { start: template.span.start + u32::try_from(cut).unwrap_or(0), ..template.span };
            let source = template.source.trim().to_owned();
            return Self { segments: vec![Segment::Template(TemplateText { source, span }.into())] };
        }
        while let Some(Segment::Literal { text, origin }) = self.segments.first_mut() {
            let cut = text.len() - text.trim_start().len();
            if cut > 0 {
                (*origin, *text) = (origin.after(cut), text[cut..].into());
            }
            if !text.is_empty() {
                break;
            }
            self.segments.remove(0);
        }
        while let Some(Segment::Literal { text, origin }) = self.segments.last_mut() {
            let cut = text.len() - text.trim_end().len();
            if cut > 0 {
                (*origin, *text) = (origin.before(cut), text.trim_end().into());
            }
            if !text.is_empty() {
                break;
            }
            self.segments.pop();
        }
        self
    }
}

impl Origin {
    /// The origin of what is left after the first `cut` bytes are taken away.
    ///
    /// The offset in the file is right for text that stands there as it is; where the file has `&lt;` for `<` it
    /// is short by the difference, on the same line.
    #[must_use]
    pub fn after(self, cut: usize) -> Self {
        match self {
            Origin::Verbatim(span) => {
                let start = (span.start as usize + cut).min(span.end as usize);
                Origin::Verbatim(Span::new(span.file, start, span.end as usize))
            }
            other => other,
        }
    }

    /// The origin of what is left without the last `cut` bytes.
    #[must_use]
    pub fn before(self, cut: usize) -> Self {
        match self {
            Origin::Verbatim(span) => {
                let end = (span.end as usize).saturating_sub(cut).max(span.start as usize);
                Origin::Verbatim(Span::new(span.file, span.start as usize, end))
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    #[test]
    fn trimming_keeps_the_place_of_what_is_left() {
        let mut sources = Sources::default();
        let file = sources.add("x", "\n  abc \n".into());
        let text = Text::literal("\n  abc \n", Origin::Verbatim(Span::new(file, 0, 8))).trimmed();
        assert_eq!(text.as_literal().as_deref(), Some("abc"));
        assert_eq!(sources.location(text.span().unwrap()).to_string(), "x:2:3");
    }

    #[test]
    fn blank_text_trims_to_nothing() {
        assert!(Text::literal(" \n ", Origin::Generated).trimmed().is_empty());
        assert!(Text::literal("", Origin::Generated).is_empty());
    }
}
