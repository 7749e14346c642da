//! Shell text: files that a script creates, here-documents that nothing can end early, quoting.

use std::collections::BTreeSet;

use crate::profile::{File, FileMode, Part, Vars};
use crate::source::Span;
use crate::text::{Form, Origin, Segment, Text};

/// The line that ends here-documents; numbered where that is not enough.
const DELIMITER: &str = "KGEN_EOF";

/// The delimiter of here-documents at one depth of nesting.
pub fn delimiter(number: usize) -> String {
    if number == 0 { DELIMITER.to_owned() } else { format!("{DELIMITER}_{number}") }
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
    let name = word(&file.name, origin);
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

/// References that stand in shell text outside of quotes, comments and here-documents of the script's own.
///
/// kgen does not quote values in scripts, because it cannot know the context; where a value would be taken
/// apart by the shell, `kgen check` warns. The reader is simple on purpose: it knows quotes, backslashes and comments.
pub fn unquoted_references(parts: &[Part]) -> Vec<(crate::name::AttributeName, Span)> {
    let mut found = Vec::new();
    let mut state = Quote::None;
    let mut previous = '\n';
    for part in parts {
        let Part::Text(text) = part else { continue };
        for segment in &text.segments {
            match segment {
                Segment::Literal { text, .. } => {
                    for c in text.chars() {
                        state = state.after(c, previous);
                        previous = if previous == '\\' { ' ' } else { c };
                    }
                }
                Segment::Attribute { name, span, .. } => {
                    if state == Quote::None {
                        found.push((name.clone(), *span));
                    }
                    previous = 'x';
                }
                Segment::Template(_) | Segment::LineEnd => {}
            }
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
    Comment,
}

impl Quote {
    fn after(self, c: char, previous: char) -> Self {
        match (self, c) {
            (Quote::Comment, '\n') => Quote::None,
            (Quote::None, '\'') if previous != '\\' => Quote::Single,
            (Quote::None, '"') if previous != '\\' => Quote::Double,
            (Quote::None, '#') if previous.is_whitespace() => Quote::Comment,
            (Quote::Single, '\'') => Quote::None,
            (Quote::Double, '"') if previous != '\\' => Quote::None,
            (state, _) => state,
        }
    }
}

/// Whether the shell would take an unquoted value apart or expand something in it.
pub fn has_metacharacters(value: &str) -> bool {
    value.chars().any(|c| c.is_whitespace() || "|&;<>()$`\\\"'*?[]#~{}!".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::AttributeName;
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
    fn only_unquoted_references_are_found() {
        let mut text = Text::default();
        for (before, name) in
            [("# &c\necho ", "a"), (" \"", "b"), ("\" '", "c"), ("' \\'", "d"), (" # it's ", "e"), ("\n", "f")]
        {
            text.push(before, Origin::Generated);
            let name = AttributeName::new(name).unwrap();
            text.segments.push(Segment::Attribute { name, form: Form::Plain, span: span() });
        }
        let found: Vec<_> =
            unquoted_references(&[Part::Text(text)]).into_iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(found, ["a", "d", "f"]);
    }
}
