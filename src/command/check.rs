//! The commands and section headers of a profile against the table of the target version.
//!
//! Values of attributes are not known at first, so a word with one in it is taken as it comes; [`check_filled`]
//! looks once more when they are.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::TABLE;
use crate::command::words::{VALUE, line_of, split};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::name::{nearest, suggestion};
use crate::profile::{Command, Profile, SectionKind};
use crate::source::Span;
use crate::text::{Origin, Segment, Text};

/// Checks the commands and section headers of a profile against a target version.
pub fn check(profile: &Profile, target: &str, diagnostics: &mut Diagnostics) {
    for command in &profile.commands {
        check_line(&command.name, &command.text, command.span, target, diagnostics);
    }
    for section in profile.sections.iter().filter(|section| !section.arguments.is_empty()) {
        let name = if section.kind == SectionKind::Pre { "%pre" } else { "%post" };
        check_line(name, &section.arguments, section.span, target, diagnostics);
    }
    check_together(profile, target, diagnostics);
}

/// What is wrong between commands: conflicts, and commands of which only the last counts.
fn check_together(profile: &Profile, target: &str, diagnostics: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, &Command> = BTreeMap::new();
    let mut mounts: BTreeMap<String, &Command> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for command in &profile.commands {
        let conflicts = TABLE.conflicts.iter().filter(|(.., versions)| versions.contains(target));
        for (one, other, _) in conflicts {
            let rival = if command.name == *one {
                other
            } else if command.name == *other {
                one
            } else {
                continue;
            };
            if let Some(first) = seen
                .get(rival)
                .filter(|first| first.name != command.name && told.insert((first.name.clone(), command.name.clone())))
            {
                let message = format!("`{}` and `{}` cannot be in one kickstart", first.name, command.name);
                diagnostics.push(
                    Diagnostic::error(command.span, message).related(first.span, format!("`{}` is here", first.name)),
                );
            }
        }
        mount_twice(command, &mut mounts, diagnostics);
        let repeats = TABLE.command(&command.name, target).is_none_or(|row| row.marks.contains(&"multiple"));
        match seen.get(command.name.as_str()) {
            Some(first) if !repeats => {
                let message = format!("`{}` is given twice; the installer obeys the last one", command.name);
                diagnostics.push(Diagnostic::warning(command.span, message).related(first.span, "the first"));
            }
            _ => {
                seen.insert(&command.name, command);
            }
        }
    }
}

fn mount_twice<'p>(command: &'p Command, mounts: &mut BTreeMap<String, &'p Command>, diagnostics: &mut Diagnostics) {
    if !matches!(command.name.as_str(), "part" | "partition" | "logvol") {
        return;
    }
    let line = line_of(&command.text);
    let Some(mount) = line.split_whitespace().next().filter(|word| word.starts_with('/') && !word.contains(VALUE))
    else {
        return;
    };
    let first = mounts.entry(mount.to_owned()).or_insert(command);
    if first.span != command.span {
        let message = format!("`{mount}` is mounted twice");
        diagnostics.push(Diagnostic::error(command.span, message).related(first.span, "the first"));
    }
}

fn check_line(name: &str, text: &Text, span: Span, target: &str, diagnostics: &mut Diagnostics) {
    let Some(row) = TABLE.command(name, target) else {
        diagnostics.push(not_in_version(name, span, target));
        return;
    };
    if row.marks.contains(&"deprecated") || row.marks.contains(&"discouraged") {
        let what = if row.marks.contains(&"deprecated") { "is ignored" } else { "is outdated" };
        diagnostics.push(Diagnostic::warning(span, format!("`{name}` {what} in {target}")));
    }
    let line = line_of(text);
    if line.trim().contains('\n') && name != "install" {
        let fault =
            Diagnostic::error(text.span().unwrap_or(span), format!("the text of `{name}` has more than one line"));
        diagnostics.push(fault.hint("each command is an element of its own"));
        return;
    }
    let (false, Some(bounds)) = (line.trim().contains('\n'), row.arguments) else { return };
    match split(&line) {
        Ok(split) if split.cut => {
            let fault = Diagnostic::error(
                text.span().unwrap_or(span),
                format!("a `#` outside of quotes cuts the text of `{name}`"),
            );
            diagnostics.push(fault.hint("put the word into quotes, or write a blank before a comment"));
        }
        Ok(split) => Checker { name, target, text, span, words: &split.words, diagnostics }.check(bounds),
        Err(message) => diagnostics.push(Diagnostic::error(text.span().unwrap_or(span), message)),
    }
}

fn not_in_version(name: &str, span: Span, target: &str) -> Diagnostic {
    let rows = TABLE.commands.get(name).map(Vec::as_slice).unwrap_or_default();
    let versions: BTreeSet<&str> = rows.iter().flat_map(|row| row.versions.iter().copied()).collect();
    let known: Vec<_> = TABLE.versions.iter().copied().filter(|version| versions.contains(version)).collect();
    let fault = Diagnostic::error(span, format!("`{name}` is not a command of {target}"));
    match known.as_slice() {
        [] => fault.hint("no version since RHEL7 has it; take it out"),
        known => fault.hint(format!(
            "it is one of {}; put a condition on it, such as `cond=\"target == '{}'\"`",
            known.join(", "),
            known[0]
        )),
    }
}

/// Checks the commands of a profile that hold values or templates once more, with these put in by `fill`, which
/// leaves out what may not be shown. What [`check`] tells of them is not told again.
pub fn check_filled(profile: &Profile, target: &str, fill: &dyn Fn(&Text) -> Text, diagnostics: &mut Diagnostics) {
    let literal = |command: &&Command| command.text.as_literal().is_some();
    for command in profile.commands.iter().filter(|command| !literal(command)) {
        let (mut known, mut found) = (Diagnostics::default(), Diagnostics::default());
        check_line(&command.name, &command.text, command.span, target, &mut known);
        let filled = fill(&command.text);
        // A value with a line end was told where it is put in.
        if line_of(&filled).trim().contains('\n') && !line_of(&command.text).contains('\n') {
            continue;
        }
        check_line(&command.name, &filled, command.span, target, &mut found);
        let comment = |text: &Text| split(&line_of(text)).is_ok_and(|split| split.comment);
        if comment(&filled) && !comment(&command.text) && !found.has_errors() {
            let place = command.text.attributes().next().map_or(command.span, |(_, span)| span);
            let fault = Diagnostic::error(place, format!("a value with a `#` cuts the text of `{}`", command.name));
            found.push(fault.hint("put the value into quotes"));
        }
        let known = known.sorted().into_iter().cloned().collect::<Vec<_>>();
        diagnostics.extend(found.sorted().into_iter().filter(|fault| !known.contains(fault)).cloned());
    }
}

/// Checks the words of one line.
struct Checker<'c> {
    name: &'c str,
    target: &'c str,
    text: &'c Text,
    span: Span,
    words: &'c [String],
    diagnostics: &'c mut Diagnostics,
}

impl Checker<'_> {
    fn check(&mut self, (least, most): (usize, usize)) {
        let mut arguments = 0;
        let mut given = BTreeSet::new();
        let mut open_ended = false;
        let mut index = 0;
        let mut only_arguments = false;
        while let Some(word) = self.words.get(index) {
            index += 1;
            open_ended |= word.chars().all(|c| c == VALUE);
            if word == "--" {
                only_arguments = true;
            } else if only_arguments || is_argument(word) {
                arguments += 1;
            } else if word.split('=').next().is_some_and(|option| option.contains(VALUE)) {
                open_ended = true;
            } else {
                index += self.option(word, self.words.get(index), &mut given);
            }
        }
        if open_ended {
            return;
        }
        for (option, row) in TABLE.options_of(self.name, self.target) {
            if row.marks.contains(&"required") && !given.contains(option) {
                self.fault(None, format!("`{}` needs the option `{option}`", self.name), None);
            }
        }
        if arguments < least || arguments > most {
            let wanted = match (least, most) {
                (0, 0) => "no argument".to_owned(),
                (1, 1) => "1 argument".to_owned(),
                (least, usize::MAX) => format!("at least {least} arguments"),
                (least, most) if least == most => format!("{least} arguments"),
                (least, most) => format!("{least} to {most} arguments"),
            };
            self.fault(
                None,
                format!("`{}` takes {wanted} beside its options in {}, but has {arguments}", self.name, self.target),
                None,
            );
        }
    }

    /// Checks one option, gives how many further words it took.
    fn option(&mut self, word: &str, next: Option<&String>, given: &mut BTreeSet<String>) -> usize {
        let (option, value) = word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
        let Some(row) = TABLE.option(self.name, option, self.target) else {
            self.unknown_option(option);
            return 0;
        };
        given.insert(option.to_owned());
        if row.marks.contains(&"deprecated") || row.marks.contains(&"discouraged") {
            let message = format!("the option `{option}` of `{}` is outdated in {}", self.name, self.target);
            self.diagnostics.push(Diagnostic::warning(self.place(Some(option)), message));
        }
        match (row.value, value) {
            ("flag", Some(_)) => {
                self.fault(Some(option), format!("the option `{option}` of `{}` takes no value", self.name), None);
                0
            }
            ("flag" | "optional", _) => 0,
            (kind, Some(value)) => {
                self.value(option, kind, value);
                0
            }
            (kind, None) => {
                if let Some(value) = next.filter(|next| is_argument(next)) {
                    self.value(option, kind, value);
                    return 1;
                }
                let hint = format!("write `{option}=VALUE`");
                self.fault(Some(option), format!("the option `{option}` of `{}` needs a value", self.name), Some(hint));
                0
            }
        }
    }

    fn unknown_option(&mut self, option: &str) {
        let message = format!("`{}` has no option `{option}` in {}", self.name, self.target);
        let elsewhere: Vec<_> = TABLE
            .options
            .get(self.name)
            .and_then(|options| options.get(option))
            .into_iter()
            .flatten()
            .flat_map(|row| row.versions.iter().copied())
            .collect();
        let known = TABLE.options_of(self.name, self.target).map(|(option, _)| option);
        let hint = if elsewhere.is_empty() {
            suggestion(option, known)
        } else {
            let versions: Vec<_> =
                TABLE.versions.iter().copied().filter(|version| elsewhere.contains(version)).collect();
            Some(format!("it is one of {}", versions.join(", ")))
        };
        self.fault(Some(option), message, hint);
    }

    fn value(&mut self, option: &str, kind: &str, value: &str) {
        if value.contains(VALUE) {
            return;
        }
        let list =
            |choices: &str| choices.split(',').map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ");
        let expected = if kind == "integer" {
            (value.replace('_', "").parse::<i64>().is_err()).then(|| "a whole number".to_owned())
        } else if kind == "boolean" {
            let words = ["on", "yes", "true", "1", "off", "no", "false", "0"];
            (!words.contains(&value.to_lowercase().as_str())).then(|| "`yes` or `no`".to_owned())
        } else if let Some(choices) = kind.strip_prefix("choice:") {
            (!choices.split(',').any(|choice| choice == value)).then(|| format!("one of {}", list(choices)))
        } else if let Some(choices) = kind.strip_prefix("anycase:") {
            let value = value.to_lowercase();
            (!choices.split(',').any(|choice| choice == value)).then(|| format!("one of {}", list(choices)))
        } else {
            None
        };
        if let Some(expected) = expected {
            let hint = kind
                .split_once(':')
                .and_then(|(_, choices)| nearest(value, choices.split(',')))
                .map(|near| format!("did you mean `{near}`?"));
            let message =
                format!("`{option}` of `{}` is `{value}`, but has to be {expected} in {}", self.name, self.target);
            self.fault(Some(option), message, hint);
        }
    }

    fn fault(&mut self, word: Option<&str>, message: String, hint: Option<String>) {
        let place = self.place(word);
        self.diagnostics.push(Diagnostic::error(place, message).maybe_hint(hint));
    }

    /// Where a word stands in the module, else the element.
    fn place(&self, word: Option<&str>) -> Span {
        let Some(word) = word else { return self.span };
        let found = self.text.segments.iter().find_map(|segment| match segment {
            Segment::Literal { text, origin: Origin::Verbatim(span) } => {
                let start = span.start as usize + text.find(word)?;
                Some(Span::new(span.file, start, start + word.len()))
            }
            Segment::Literal { text, origin: Origin::Because(span) } if text.contains(word) => Some(*span),
            _ => None,
        });
        found.unwrap_or(self.span)
    }
}

/// Whether argparse takes a word for an argument: no option, a lone `-`, a negative number, or text with blanks.
fn is_argument(word: &str) -> bool {
    let is_option = word.starts_with('-') && word != "-" && word.parse::<f64>().is_err();
    !is_option || (word.contains(' ') && !word.contains('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn faults(name: &str, line: &str, target: &str) -> Vec<String> {
        let span = Span::new(Sources::default().add("x", String::new()), 0, 0);
        let mut text = Text::default();
        for (index, piece) in line.split("&a;").enumerate() {
            if index > 0 {
                let name = crate::name::AttributeName::new("a").unwrap();
                text.segments.push(Segment::Attribute { name, form: crate::text::Form::Plain, span });
            }
            text.push(piece, Origin::Generated);
        }
        let mut diagnostics = Diagnostics::default();
        check_line(name, &text, span, target, &mut diagnostics);
        diagnostics.sorted().into_iter().map(|fault| fault.message.clone()).collect()
    }

    #[test]
    fn lines_that_the_installer_takes_have_no_fault() {
        for (name, line) in [
            ("timezone", "--utc UTC"),
            ("part", "/ --fstype=xfs --size 1 --grow"),
            ("network", "--bootproto=static --ip=&a; --netmask &a; --onboot=yes"),
            ("text", ""),
            ("rootpw", "--iscrypted &a;"),
            ("&a;", ""),
            ("bootloader", "--append=\"a b --c\" # comment --nonsense"),
            ("repo", "--name=x --baseurl=&a;/y"),
        ] {
            if name != "&a;" {
                assert_eq!(faults(name, line, "RHEL9"), [] as [&str; 0], "{name} {line}");
            }
        }
    }

    #[test]
    fn what_a_version_does_not_take_is_told() {
        for (name, line, target, fault) in [
            ("install", "", "RHEL9", "`install` is not a command of RHEL9"),
            ("timezone", "--utcc UTC", "RHEL9", "`timezone` has no option `--utcc` in RHEL9"),
            ("part", "/ --size=big", "RHEL9", "`--size` of `part` is `big`, but has to be a whole number in RHEL9"),
            ("part", "/ --size", "RHEL9", "the option `--size` of `part` needs a value"),
            ("autopart", "--nohome=1", "RHEL9", "the option `--nohome` of `autopart` takes no value"),
            ("repo", "--baseurl=x", "RHEL9", "`repo` needs the option `--name`"),
            ("reboot", "now", "RHEL9", "`reboot` takes no argument beside its options in RHEL9, but has 1"),
            ("network", "--hostname='x", "RHEL9", "the quote `'` is not closed"),
            ("authselect", "x", "RHEL7", "`authselect` is not a command of RHEL7"),
            ("rootpw", "--plaintext ab#c", "RHEL9", "a `#` outside of quotes cuts the text of `rootpw`"),
            ("rootpw", "--plaintext a\\", "RHEL9", "a backslash at the end takes the line end with it"),
        ] {
            assert_eq!(faults(name, line, target), [fault], "{name} {line}");
        }
    }
}
