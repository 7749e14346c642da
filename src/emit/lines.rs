//! A text of lines that know what of the inventory caused them.

use crate::source::Span;

/// Lines, and for some the place that caused them and those after it.
#[derive(Debug, Default)]
pub struct Lines {
    /// The text so far.
    pub text: String,
    count: usize,
    /// From which line on which place is the cause, in order.
    causes: Vec<(usize, Span)>,
}

impl Lines {
    /// What follows is because of `span`.
    pub fn because(&mut self, span: Span) {
        self.causes.push((self.count + 1, span));
    }

    /// Appends a line.
    pub fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
        self.count += 1;
    }

    /// The place that caused a line, from 1.
    pub fn cause(&self, line: usize) -> Option<Span> {
        let after = self.causes.partition_point(|(first, _)| *first <= line);
        self.causes[..after].last().map(|(_, span)| *span)
    }
}
