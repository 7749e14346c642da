//! What may stand in a script of a kickstart: no line that its format takes for itself, files only where a shell
//! reads.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::emit::shell;
use crate::profile::{Part, Profile, Vars};
use crate::source::Span;
use crate::text::{Origin, Segment, Text};

/// The words that start or end a section where they are the first of a line, inside scripts too (pykickstart,
/// `KickstartParser._readSection`).
pub const DIRECTIVES: [&str; 12] = [
    "%addon",
    "%anaconda",
    "%certificate",
    "%end",
    "%include",
    "%ksappend",
    "%onerror",
    "%packages",
    "%post",
    "%pre",
    "%pre-install",
    "%traceback",
];

/// Whether a line of a script would be taken for a directive of the kickstart.
pub fn is_directive(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('%')
        && line.split_whitespace().next().is_some_and(|word| DIRECTIVES.contains(&word) && word != "%include")
}

/// Reports what no value is needed for: lines of scripts that would end their section, files in scripts that no
/// shell reads, an interpreter that is named twice.
pub fn check_sections(profile: &Profile, diagnostics: &mut Diagnostics) {
    for section in &profile.sections {
        check_parts(&section.parts, section.span, diagnostics);
        if section.arguments.literals().contains("--interpreter") {
            let place = section.arguments.span().unwrap_or(section.span);
            let fault = Diagnostic::error(place, "the interpreter of a script is named by `interpreter`, not in `arg`");
            diagnostics.push(fault);
        }
        let file = section.parts.iter().find_map(|part| match part {
            Part::File(file) => Some(file),
            Part::Text(_) => None,
        });
        let interpreter = section.interpreter.as_ref().and_then(Text::as_literal);
        if let (Some(file), Some(interpreter)) = (file, interpreter.filter(|program| !is_shell(program))) {
            let message = format!("`<file>` is written as shell text, but this script is read by `{interpreter}`");
            diagnostics.push(Diagnostic::error(file.span, message).hint("put the file into a script of its own"));
        }
    }
}

/// Whether a program reads shell text; options may follow its path.
pub fn is_shell(interpreter: &str) -> bool {
    let program = interpreter.split_whitespace().next().unwrap_or_default();
    matches!(program.rsplit('/').next(), Some("sh" | "bash" | "dash" | "ksh" | "zsh" | "busybox"))
}

fn check_parts(parts: &[Part], element: Span, diagnostics: &mut Diagnostics) {
    for part in parts {
        let text = match part {
            Part::File(file) => {
                if file.vars == Vars::Expanded && shell::ends_in_backslash(&shell::literals(&file.parts)) {
                    let message = "the file ends in a backslash, which would join the end of the text to it";
                    diagnostics.push(
                        Diagnostic::error(file.span, message).hint("write the backslash twice, or a line after it"),
                    );
                }
                check_parts(&file.parts, file.span, diagnostics);
                continue;
            }
            Part::Text(text) => text,
        };
        let Some(line) = text.literals().lines().find(|line| is_directive(line)).map(str::to_owned) else { continue };
        let place = text.segments.iter().find_map(|segment| match segment {
            Segment::Literal { text, origin: Origin::Verbatim(span) } => {
                let at = text.find(line.trim())?;
                Some(Span::new(span.file, span.start as usize + at, span.start as usize + at + line.trim().len()))
            }
            _ => None,
        });
        let message = format!("the line `{}` is read as the kickstart's own, not as part of the script", line.trim());
        let hint = "write it in another way, so that the line does not start with `%`";
        diagnostics.push(Diagnostic::error(place.unwrap_or(element), message).hint(hint));
    }
}
