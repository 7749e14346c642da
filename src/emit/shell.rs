//! Shell text: files that a script creates, here-documents that nothing can end early, quoting.

use std::collections::BTreeSet;

use crate::name::AttributeName;
use crate::profile::{File, FileMode, Part, Vars};
use crate::source::Span;
use crate::text::{Form, Origin, Segment, Text};

/// The line that ends here-documents; numbered where that is not enough.
const DELIMITER: &str = "KGEN_EOF";

/// The delimiter of here-documents at one depth of nesting.
pub fn delimiter(number: usize) -> String {
    if number == 0 { DELIMITER.to_owned() } else { format!("{DELIMITER}_{number}") }
}

/// Whether a line could be one of the delimiters.
pub fn may_be_delimiter(line: &str) -> bool {
    line.starts_with(DELIMITER)
}

/// Whether one line of an attribute's value could become part of a delimiter's line.
///
/// A delimiter is `KGEN_EOF`, then possibly `_` and digits. A line of a value that is no piece of such a word
/// cannot complete one, whatever stands around it. A lone number is not looked at: it only counts where the
/// literal text has the stem, which [`has_stem`] tells.
pub fn may_make_delimiter(value: &str) -> bool {
    const NUMBERED: &str = "KGEN_EOF_";
    value.split('\n').any(|line| {
        let stem = line.trim_end_matches(|c: char| c.is_ascii_digit());
        (1..=NUMBERED.len()).contains(&stem.len()) && NUMBERED.contains(stem)
    })
}

/// Whether a literal text has what a delimiter starts with.
pub fn has_stem(literals: &str) -> bool {
    literals.contains(DELIMITER)
}

/// The smallest number from which on no line of `texts` (attributes left out) is a delimiter.
pub fn free_delimiter(texts: &str) -> usize {
    let used: BTreeSet<usize> = texts
        .lines()
        .filter_map(|line| line.strip_prefix(DELIMITER))
        .map(|rest| rest.strip_prefix('_').and_then(|number| number.parse().ok()).unwrap_or(0))
        .collect();
    used.last().map_or(0, |last| last.saturating_add(1))
}

/// All literal text of a script, files in it included.
pub fn literals(parts: &[Part]) -> String {
    let texts = parts.iter().map(|part| match part {
        Part::Text(text) => text.literals(),
        Part::File(file) => literals(&file.parts),
    });
    texts.collect()
}

/// Writes shell text. `here` is the number of the delimiter for here-documents at this depth.
pub fn script(parts: &[Part], here: usize, out: &mut Text) {
    for part in parts {
        match part {
            Part::Text(text) => out.extend(text),
            Part::File(file) => create(file, here, out),
        }
    }
}

/// Writes shell text that creates, extends or filters a file.
fn create(file: &File, here: usize, out: &mut Text) {
    let origin = Origin::Because(file.span);
    let name = word(&path(&file.name, origin), origin);
    let mut body = Text::default();
    script(&file.parts, here + 1, &mut body);
    out.end_line(origin);
    if file.rcs {
        keep_original(&name, out, origin);
    }
    match file.mode {
        FileMode::Pipe => pipe(file, &name, &body, out),
        FileMode::Create | FileMode::Append => write(file, &name, body, here, out),
    }
    if let Some(owner) = &file.owner {
        line(&["chown ", " "], &[&word(owner, origin), &name], out, origin);
    }
    if let Some(perms) = &file.perms {
        line(&["chmod ", " "], &[&word(perms, origin), &name], out, origin);
    }
    if file.rcs {
        line(&["echo 'kgen' | ci -q ", " && co -q -f -l "], &[&name, &name], out, origin);
    }
}

/// A name that no program takes for an option.
fn path(name: &Text, origin: Origin) -> Text {
    if !name.literals().starts_with('-') {
        return name.clone();
    }
    let mut path = Text::literal("./", origin);
    path.extend(name);
    path
}

fn write(file: &File, name: &Text, body: Text, here: usize, out: &mut Text) {
    let origin = Origin::Because(file.span);
    let mut redirect = if file.mode == FileMode::Append { " >> " } else { " > " };
    if let Some(expr) = &file.expr {
        out.extend(expr);
        line(&[redirect], &[name], out, origin);
        redirect = if body.is_empty() { redirect } else { " >> " };
    }
    if body.is_empty() {
        if file.expr.is_none() && file.mode == FileMode::Create {
            line(&[": > "], &[name], out, origin);
        } else {
            line(&["touch "], &[name], out, origin);
        }
        return;
    }
    let body = body.without_first_line_end().without_last_indent();
    let delimiter = delimiter(here);
    let quoted = if file.vars == Vars::Expanded { delimiter.clone() } else { format!("'{delimiter}'") };
    out.push("cat", origin);
    out.push(redirect, origin);
    out.extend(name);
    out.push(format!(" <<{quoted}\n"), origin);
    out.extend(&body);
    out.end_line(origin);
    out.push(format!("{delimiter}\n"), origin);
}

/// The text is a filter; the file goes through it by way of a neighbour, so that it is never half written.
fn pipe(file: &File, name: &Text, body: &Text, out: &mut Text) {
    let origin = Origin::Because(file.span);
    if body.is_blank() {
        return line(&["touch "], &[name], out, origin);
    }
    let source = file.src.as_ref().map_or_else(|| name.clone(), |source| word(source, origin));
    let mut new = name.clone();
    new.push(".kgen-new", origin);
    out.push("cat ", origin);
    out.extend(&source);
    out.push(" | (\n", origin);
    out.extend(&body.clone().trimmed());
    // `cat` into the file keeps its owner and mode, which `mv` over it would not.
    line(&["\n) > ", " && cat ", " > ", " && rm -f "], &[&new, &new, name, &new], out, origin);
}

/// The first state of a file goes into RCS before it is touched, as the original compiler did.
fn keep_original(name: &Text, out: &mut Text, origin: Origin) {
    line(&["[ -f ", " ] || : > "], &[name, name], out, origin);
    line(&["mkdir -p -m 700 \"$(dirname ", ")/RCS\""], &[name], out, origin);
    line(&["echo 'original' | ci -q ", " && co -q -f -l "], &[name, name], out, origin);
}

/// `pieces[0] words[0] pieces[1] words[1] ..` and a line end.
fn line(pieces: &[&str], words: &[&Text], out: &mut Text, origin: Origin) {
    for (index, piece) in pieces.iter().enumerate() {
        out.push(*piece, origin);
        if let Some(word) = words.get(index) {
            out.extend(word);
        }
    }
    out.push("\n", origin);
}

/// A text as one shell word: bare where that is safe, else in single quotes.
pub fn word(text: &Text, origin: Origin) -> Text {
    let safe = |c: char| c.is_alphanumeric() || "/._-+:,@%=".contains(c);
    if text.as_literal().is_some_and(|literal| !literal.is_empty() && literal.chars().all(safe)) {
        return text.clone();
    }
    let mut word = Text::literal("'", origin);
    for segment in &text.segments {
        match segment {
            Segment::Literal { text, origin } => word.push(text.replace('\'', "'\\''"), *origin),
            other => word.extend_in(&Text { segments: vec![other.clone()] }, Form::SingleQuoted),
        }
    }
    word.push("'", origin);
    word
}

/// Whether a text's last line ends in a backslash that the shell would not read as a plain one.
pub fn ends_in_backslash(text: &str) -> bool {
    let line = text.strip_suffix('\n').unwrap_or(text);
    (line.len() - line.trim_end_matches('\\').len()) % 2 == 1
}

/// The attributes that stand last in files whose text the shell expands.
pub fn last_of_expanded(parts: &[Part]) -> Vec<AttributeName> {
    let mut found = Vec::new();
    for part in parts {
        let Part::File(file) = part else { continue };
        found.extend(last_of_expanded(&file.parts));
        if let (Vars::Expanded, Some(Part::Text(text))) = (file.vars, file.parts.last()) {
            let mut segments = text.segments.iter().rev();
            let blank = |segment: &&Segment| matches!(segment, Segment::Literal { text, .. } if text.trim().is_empty());
            if let Some(Segment::Attribute { name, .. }) = segments.find(|segment| !blank(segment)) {
                found.push(name.clone());
            }
        }
    }
    found
}

/// Where a reference stands in shell text: what the shell makes of the value depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    /// Outside of quotes.
    Bare,
    /// Between single quotes.
    Single,
    /// Between double quotes.
    Double,
    /// In a comment.
    Comment,
    /// In the text of a file that the shell expands.
    Expanded,
}

impl Context {
    /// Whether the shell would take such a value apart, or expand something in it, here.
    pub fn is_broken_by(self, value: &str) -> bool {
        match self {
            Context::Bare => value.chars().any(|c| c.is_whitespace() || "|&;<>()$`\\\"'*?[]#~{}!".contains(c)),
            Context::Single => value.contains('\''),
            Context::Double => value.contains(['$', '`', '\\', '"']),
            Context::Expanded => value.contains(['$', '`', '\\']),
            Context::Comment => value.contains('\n'),
        }
    }

    fn after(self, c: char, previous: char) -> Self {
        match (self, c) {
            (Context::Comment, '\n') => Context::Bare,
            (Context::Bare, '\'') if previous != '\\' => Context::Single,
            (Context::Bare, '"') if previous != '\\' => Context::Double,
            (Context::Bare, '#') if previous.is_whitespace() => Context::Comment,
            (Context::Single, '\'') => Context::Bare,
            (Context::Double, '"') if previous != '\\' => Context::Bare,
            (state, _) => state,
        }
    }
}

/// A reference in shell text.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The attribute.
    pub name: AttributeName,
    /// The reference.
    pub span: Span,
    /// Where it stands.
    pub context: Context,
}

/// The references of a script, each with what is around it.
///
/// kgen does not quote values in scripts, because only the author knows what they are; where the shell would make
/// something else of a value, `kgen check` warns. The reader is simple on purpose: quotes, backslashes, comments.
pub fn references(parts: &[Part]) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut state = Context::Bare;
    let mut previous = '\n';
    for part in parts {
        match part {
            Part::Text(text) => scan(text, &mut state, &mut previous, &mut found),
            Part::File(file) => file_references(file, &mut found),
        }
    }
    found
}

fn file_references(file: &File, found: &mut Vec<Reference>) {
    if let Some(expr) = &file.expr {
        scan(expr, &mut Context::Bare, &mut ' ', found);
    }
    for part in &file.parts {
        match part {
            Part::Text(text) if file.mode == FileMode::Pipe => scan(text, &mut Context::Bare, &mut '\n', found),
            Part::Text(text) if file.vars == Vars::Expanded => {
                let reference = |(name, span): (&AttributeName, Span)| Reference {
                    name: name.clone(),
                    span,
                    context: Context::Expanded,
                };
                found.extend(text.attributes().map(reference));
            }
            Part::Text(_) | Part::File(_) => {}
        }
    }
}

fn scan(text: &Text, state: &mut Context, previous: &mut char, found: &mut Vec<Reference>) {
    for segment in &text.segments {
        match segment {
            Segment::Literal { text, .. } => {
                for c in text.chars() {
                    *state = state.after(c, *previous);
                    *previous = if *previous == '\\' { ' ' } else { c };
                }
            }
            Segment::Attribute { name, span, .. } => {
                found.push(Reference { name: name.clone(), span: *span, context: *state });
                *previous = 'x';
            }
            Segment::Template(_) | Segment::LineEnd => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn span() -> Span {
        Span::new(Sources::default().add("x", String::new()), 0, 0)
    }

    fn file(name: &str, body: &str) -> File {
        let literal = |text: &str| Text::literal(text, Origin::Generated);
        let parts = if body.is_empty() { Vec::new() } else { vec![Part::Text(literal(body))] };
        File {
            name: literal(name),
            mode: FileMode::Create,
            owner: None,
            perms: None,
            vars: Vars::Literal,
            expr: None,
            src: None,
            rcs: false,
            parts,
            span: span(),
        }
    }

    fn shell(file: File) -> String {
        let mut out = Text::default();
        script(&[Part::File(Box::new(file))], 0, &mut out);
        out.literals()
    }

    #[test]
    fn a_file_is_a_here_document() {
        let mut motd = file("/etc/motd", "\nhello\n");
        motd.perms = Some(Text::literal("0644", Origin::Generated));
        assert_eq!(shell(motd), "cat > /etc/motd <<'KGEN_EOF'\nhello\nKGEN_EOF\nchmod 0644 /etc/motd\n");
        assert_eq!(shell(file("/etc/my file's", "x")), "cat > '/etc/my file'\\''s' <<'KGEN_EOF'\nx\nKGEN_EOF\n");
        assert_eq!(shell(file("/etc/empty", "")), ": > /etc/empty\n");
    }

    #[test]
    fn a_file_in_a_file_has_a_delimiter_of_its_own() {
        let mut outer = file("/outer", "a\n");
        outer.parts.push(Part::File(Box::new(file("/inner", "b"))));
        assert_eq!(
            shell(outer),
            "cat > /outer <<'KGEN_EOF'\na\ncat > /inner <<'KGEN_EOF_1'\nb\nKGEN_EOF_1\nKGEN_EOF\n"
        );
    }

    #[test]
    fn a_delimiter_is_never_a_line_of_the_text() {
        assert_eq!(free_delimiter("x\nKGEN_EOFX\n"), 1);
        assert_eq!(free_delimiter("x\nEOF\n"), 0);
        assert_eq!(free_delimiter("KGEN_EOF\nKGEN_EOF_7\n"), 8);
        for value in ["KGEN_EOF", "EOF", "x\nKGEN_EOF\n", "EOF_1", "_", "N"] {
            assert!(may_make_delimiter(value), "{value:?}");
        }
        for value in ["", "x", "compute-0-0", "10.1.1.1", "0", "EOFX", "42"] {
            assert!(!may_make_delimiter(value), "{value:?}");
        }
    }

    #[test]
    fn a_reference_knows_what_is_around_it() {
        let mut text = Text::default();
        for (before, name) in
            [("# &c\necho ", "a"), (" \"", "b"), ("\" '", "c"), ("' \\'", "d"), (" # it's ", "e"), ("\n", "f")]
        {
            text.push(before, Origin::Generated);
            let name = AttributeName::new(name).unwrap();
            text.segments.push(Segment::Attribute { name, form: Form::Plain, span: span() });
        }
        let found: Vec<_> = references(&[Part::Text(text)]).into_iter().map(|found| found.context).collect();
        let words = found.iter().map(|context| format!("{context:?}")).collect::<Vec<_>>().join(" ");
        assert_eq!(words, "Bare Double Single Bare Comment Bare");
    }
}
