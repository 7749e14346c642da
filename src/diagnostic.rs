//! What is wrong in what people wrote, and where: for people in the manner of rustc, for programs as JSON.
//!
//! A pass reports to one [`Diagnostics`] and goes on, so that one run shows every fault of every file.
//! Failures of the world (disk, sockets) are not diagnostics: each door has its own error type.

use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::source::{FileId, Sources, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing may be made from this.
    Error,
    /// Probably not what was meant; an error under `--strict`.
    Warning,
    /// Worth knowing; shown by `kgen check`.
    Note,
}

/// One fault, with its place, the places it is related to, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Where; `None` for what has no place in a file (an argument of the command line).
    pub span: Option<Span>,
    /// How bad.
    pub severity: Severity,
    /// One sentence of fact: lower case, no final dot, names in backticks.
    pub message: String,
    /// A word or two at the carets; may be empty.
    pub label: String,
    /// Other places that belong to it, with what is there.
    pub related: Vec<(Span, String)>,
    /// The next action.
    pub hint: Option<String>,
    /// Whether it holds for some hosts only; who knows them adds their names.
    pub per_host: bool,
}

/// What people wrote may hold what a terminal obeys, or what nobody sees; in a message it is written out.
fn printable(text: String) -> String {
    const LONGEST: usize = 400;
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    };
    if !text.contains(hidden) && text.len() <= LONGEST {
        return text;
    }
    let escape = |c: char| if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() };
    let written: String = text.chars().map(escape).collect();
    match written.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}\u{2026}", &written[..end]),
        None => written,
    }
}

impl Diagnostic {
    fn new(severity: Severity, span: Option<Span>, message: impl Into<String>) -> Self {
        let message = printable(message.into());
        Self { span, severity, message, label: String::new(), related: Vec::new(), hint: None, per_host: false }
    }

    /// An error at a place.
    pub fn error(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, Some(span), message)
    }

    /// A warning at a place.
    pub fn warning(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, Some(span), message)
    }

    /// A note at a place.
    pub fn note(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, Some(span), message)
    }

    /// Sets the words at the carets.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = printable(label.into());
        self
    }

    /// Adds a related place.
    #[must_use]
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push((span, printable(message.into())));
        self
    }

    /// Sets the next action.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(printable(hint.into()));
        self
    }

    /// Says that it holds for some hosts only.
    #[must_use]
    pub fn for_some_hosts(mut self) -> Self {
        self.per_host = true;
        self
    }

    /// Sets the next action where there is one.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.map(printable).or(self.hint);
        self
    }

    /// Error or warning, as the site's `[language]` section has it.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }
}

/// What all passes of one run reported.
#[derive(Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Reports one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Reports what is there.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        self.list.extend(diagnostics);
    }

    /// Takes over what another pass or thread reported.
    pub fn append(&mut self, mut other: Diagnostics) {
        self.list.append(&mut other.list);
    }

    /// Adds the names of hosts to what holds for some hosts only.
    pub fn name_hosts(&mut self, hosts: &str) {
        for diagnostic in self.list.iter_mut().filter(|diagnostic| diagnostic.per_host) {
            diagnostic.message = format!("{}, for {hosts}", diagnostic.message);
            diagnostic.per_host = false;
        }
    }

    /// Says in each message what else it is about.
    pub fn append_to_messages(&mut self, words: &str) {
        self.list.iter_mut().for_each(|diagnostic| diagnostic.message.push_str(words));
    }

    /// How many of this severity were reported.
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// Whether nothing may be made from this.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Makes errors of warnings (`--strict`).
    pub fn make_strict(&mut self) {
        for diagnostic in &mut self.list {
            if diagnostic.severity == Severity::Warning {
                diagnostic.severity = Severity::Error;
            }
        }
    }

    /// All, by place, each once. Two threads may find the same fault; the order is that of the files.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<_> = self.list.iter().collect();
        sorted.sort();
        sorted.dedup();
        sorted
    }
}

/// A diagnostic as one line of JSON: the stable form for programs.
#[derive(Serialize)]
struct Line<'a> {
    severity: Severity,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'a str,
    #[serde(flatten)]
    place: Option<Place>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Related<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

#[derive(Serialize)]
struct Related<'a> {
    message: &'a str,
    #[serde(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Place {
    path: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

impl Place {
    fn of(span: Span, sources: &Sources) -> Self {
        let start = sources.location(span);
        let end = sources.location(Span { start: span.end, ..span });
        Self { path: start.path, line: start.line, column: start.column, end_line: end.line, end_column: end.column }
    }
}

/// One line of JSON, without the line end.
pub fn to_json(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let related = diagnostic.related.iter();
    let line = Line {
        severity: diagnostic.severity,
        message: &diagnostic.message,
        label: &diagnostic.label,
        place: diagnostic.span.map(|span| Place::of(span, sources)),
        related: related.map(|(span, message)| Related { message, place: Place::of(*span, sources) }).collect(),
        hint: diagnostic.hint.as_deref(),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// The diagnostic for people, with source lines and carets, ending in a line end.
pub fn to_text(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut group = level.primary_title(&diagnostic.message).elements(snippets(diagnostic, sources));
    if diagnostic.span.is_some_and(|span| sources.file(span.file).text.is_empty()) {
        let path = diagnostic.span.map(|span| sources.file(span.file).path.as_str()).unwrap_or_default();
        group = group.element(Origin::path(path));
    }
    let hint =
        diagnostic.hint.as_deref().map(|hint| Group::with_title(Level::HELP.with_name("hint").secondary_title(hint)));
    let report: Vec<_> = std::iter::once(group).chain(hint).collect();
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.render(&report);
    text.push('\n');
    // The renderer marks a snippet whose place stands in a line of its own as one of another file.
    if text.contains(":::") { text.split_inclusive('\n').filter(|line| !is_empty_place(line)).collect() } else { text }
}

/// Whether a line is `:::` and nothing else, in whatever colour.
fn is_empty_place(line: &str) -> bool {
    let plain = line.split('\x1b').enumerate().map(|(index, part)| match index {
        0 => part,
        _ => part.split_once('m').map_or("", |(_, rest)| rest),
    });
    plain.collect::<String>().trim() == ":::"
}

/// A line that is longer than this is shown in part, in bytes.
const LONGEST_LINE: usize = 1000;
/// How much of such a line is shown before a mark, and of the mark and what comes after it, in bytes.
const SHOWN: usize = 60;

/// One snippet per file, the file of the fault first. A snippet holds only the lines from its first mark to
/// its last: rendering costs by the length of the source, and an inventory may have fifteen megabytes. Of a long line it
/// holds what is around the mark.
fn snippets<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Vec<Element<'a>> {
    let mut marks: BTreeMap<FileId, Vec<(Span, &str, AnnotationKind)>> = BTreeMap::new();
    let primary = diagnostic.span.map(|span| (span, diagnostic.label.as_str(), AnnotationKind::Primary));
    let context = diagnostic.related.iter().map(|(span, message)| (*span, message.as_str(), AnnotationKind::Context));
    for mark in primary.into_iter().chain(context) {
        marks.entry(mark.0.file).or_default().push(mark);
    }
    let first = diagnostic.span.map(|span| span.file);
    let mut files: Vec<_> = marks.into_iter().filter(|(file, _)| !sources.file(*file).text.is_empty()).collect();
    files.sort_by_key(|(file, _)| (Some(*file) != first, *file));
    let shown = files.into_iter().flat_map(|(file, marks)| {
        let is_long = |(span, ..): &(Span, &str, AnnotationKind)| {
            let found = sources.file(file);
            let line = found.line_of(shown_range(found, *span).start);
            found.lines(line, line).len() > LONGEST_LINE
        };
        if marks.iter().any(is_long) {
            marks.iter().flat_map(|mark| part_of_line(*mark, sources)).collect()
        } else {
            vec![snippet(file, &marks, sources).into()]
        }
    });
    shown.collect()
}

/// A mark in a long line with what is around it, and its place.
fn part_of_line<'a>((span, label, kind): (Span, &'a str, AnnotationKind), sources: &'a Sources) -> [Element<'a>; 2] {
    let file = sources.file(span.file);
    let range = shown_range(file, span);
    let line = file.lines(file.line_of(range.start), file.line_of(range.start));
    let from = file.text.floor_char_boundary(range.start.saturating_sub(SHOWN).max(line.start));
    let until = file.text.ceil_char_boundary((range.start + 2 * SHOWN).min(line.end));
    let [before, after] = [from > line.start, until < line.end].map(|cut| if cut { "..." } else { "" });
    let text = format!("{before}{}{after}", &file.text[from..until]);
    let start = range.start - from + before.len();
    let annotation = kind.span(start..(range.end.min(until) - from + before.len()).max(start));
    let annotation = if label.is_empty() { annotation } else { annotation.label(label) };
    let place = sources.location(Span { start: u32::try_from(range.start).unwrap_or(u32::MAX), ..span });
    let origin = Origin::path(&file.path).line(place.line).char_column(place.column);
    [origin.into(), Snippet::source(text).line_start(place.line).annotation(annotation).into()]
}

fn snippet<'a>(
    file: FileId,
    marks: &[(Span, &'a str, AnnotationKind)],
    sources: &'a Sources,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let file = sources.file(file);
    let lines: Vec<_> = marks.iter().map(|(span, ..)| shown_range(file, *span)).collect();
    let first = lines.iter().map(|range| file.line_of(range.start)).min().unwrap_or(1);
    let last = lines.iter().map(|range| file.line_of(range.end)).max().unwrap_or(1);
    let window = file.lines(first, last);
    let annotations = marks.iter().zip(lines).map(|((_, label, kind), range)| {
        let inside = range.start - window.start..range.end.min(window.end) - window.start;
        let annotation = kind.span(inside);
        if label.is_empty() { annotation } else { annotation.label(*label) }
    });
    Snippet::source(&file.text[window.clone()]).path(&file.path).line_start(first).annotations(annotations)
}

/// A span cut to its first line: a fault in a long element is marked where the element starts.
fn shown_range(file: &crate::source::SourceFile, span: Span) -> Range<usize> {
    let length = file.text.len();
    let start = (span.start as usize).min(length);
    let line = file.line_of(start);
    let line_end = file.lines(line, line).end;
    // The end of a file is shown on its last line that has text.
    let start = if start == length && start > 0 { file.text.trim_end().len() } else { start };
    let start = file.text.floor_char_boundary(start);
    start..file.text.ceil_char_boundary((span.end as usize).clamp(start, line_end.max(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> (Sources, FileId) {
        let mut sources = Sources::default();
        let id = sources.add("graphs/default/base.xml", "<graph>\n  <to>shh</to>\n</graph>\n".into());
        (sources, id)
    }

    #[test]
    fn a_fault_shows_its_line_its_place_and_the_next_action() {
        let (sources, id) = sources();
        let fault =
            Diagnostic::error(Span::new(id, 14, 17), "edge from `client` to `shh`, but there is no module `shh`")
                .hint("did you mean `ssh` (nodes/ssh.xml)?");
        let text = to_text(&fault, &sources, false);
        assert_eq!(
            text,
            "error: edge from `client` to `shh`, but there is no module `shh`\n --> graphs/default/base.xml:2:7\n  |\n2 |   <to>shh</to>\n  |       ^^^\n  |\nhint: did you mean `ssh` (nodes/ssh.xml)?\n"
        );
    }

    #[test]
    fn of_a_long_line_the_part_around_the_fault_is_shown() {
        let mut sources = Sources::default();
        let line = format!("{}<to>shh</to>{}", "ä".repeat(1000), "b".repeat(1000));
        let id = sources.add("g.xml", format!("<graph>\n{line}\n</graph>\n"));
        let fault = Diagnostic::error(Span::new(id, 2012, 2015), "m").related(Span::new(id, 0, 1), "here");
        let text = to_text(&fault, &sources, false);
        assert!(text.starts_with("error: m\n --> g.xml:2:1005\n  |\n2 | ...ääää"), "{text}");
        assert!(text.len() < 800 && text.contains("ä<to>shh</to>bbb") && !text.contains(" ::: \n"), "{text}");
        let marked = text.lines().find(|line| line.contains("^^^")).unwrap();
        let column = text.lines().find_map(|line| Some(line[..line.find("shh")?].chars().count())).unwrap();
        assert_eq!(marked.find('^'), Some(column), "{text}");
        assert!(to_text(&fault, &sources, true).contains("shh"));
        assert!(to_json(&fault, &sources).contains(r#""line":2,"column":1005"#));
    }

    #[test]
    fn json_has_place_and_hint() {
        let (sources, id) = sources();
        let fault = Diagnostic::warning(Span::new(id, 14, 17), "m").hint("h");
        assert_eq!(
            to_json(&fault, &sources),
            r#"{"severity":"warning","message":"m","path":"graphs/default/base.xml","line":2,"column":7,"end_line":2,"end_column":10,"hint":"h"}"#
        );
    }

    #[test]
    fn no_place_in_a_file_breaks_the_rendering() {
        let (mut sources, id) = sources();
        let empty = sources.add("empty.xml", String::new());
        for span in [
            Span::new(id, 0, 0),
            Span::new(id, 0, 999),
            Span::new(id, 999, 999),
            Span::new(id, 8, 31),
            Span::new(empty, 0, 0),
        ] {
            let fault = Diagnostic::error(span, "m").related(Span::new(id, 3, 4), "here");
            assert!(to_text(&fault, &sources, false).starts_with("error: m\n"), "{span:?}");
        }
    }
}
