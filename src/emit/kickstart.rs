//! Profile to kickstart: header, commands, `%packages`, `%pre`, `%post`, first-boot scripts, each closed by `%end`.
//!
//! The format is that of pykickstart, whose parser is Anaconda's own. After it: [`super::prepare`].

use std::collections::BTreeSet;

use crate::emit::script::{DIRECTIVES, is_directive};
use crate::emit::{report, shell};
use crate::name::AttributeName;
use crate::profile::{Part, Profile, Section, SectionKind};
use crate::source::{Sources, Span};
use crate::text::{Form, Origin, Segment, Text};

/// The interpreter of scripts that name none; the original compiler gave them bash.
const SHELL: &str = "/bin/bash";

/// A kickstart, still without the values of a host.
#[derive(Debug)]
pub struct Kickstart {
    /// The text.
    pub text: Text,
    /// How many lines of it start or end a section.
    pub directives: usize,
    /// The number of the first delimiter of here-documents, and how many lines of the text are delimiters.
    pub delimiters: (usize, usize),
    /// References whose value has to stay on its line.
    pub on_one_line: Vec<(AttributeName, Span)>,
    /// Templates whose output has to stay on its line, by their places.
    pub templates_on_one_line: BTreeSet<Span>,
    /// Attributes at the end of texts that the shell expands.
    pub at_end: BTreeSet<AttributeName>,
    /// Whether the literal text alone does not tell if a value could end something early.
    pub delicate: bool,
}

/// What a kickstart has beside its profile.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'f> {
    /// The id of the generation, for the header. Without it there are no comments of kgen's own, neither the header nor the
    /// places of scripts, and so nothing that no machine reads.
    pub generation: Option<&'f str>,
    /// Whether the machine reports how far it is.
    pub reports: bool,
    /// Here-documents are numbered from this on at least.
    pub attempt: usize,
}

/// Writes a kickstart.
pub fn kickstart(profile: &Profile, frame: Frame, sources: &Sources) -> Kickstart {
    let Frame { generation, reports, attempt } = frame;
    let scripts: String = profile.sections.iter().map(|section| shell::literals(&section.parts) + "\n").collect();
    let here = shell::free_delimiter(&scripts).max(attempt);
    let mut writer = Writer {
        profile,
        sources,
        here,
        comments: generation.is_some(),
        out: Text::default(),
        on_one_line: Vec::new(),
        templates_on_one_line: BTreeSet::new(),
    };
    generation.into_iter().for_each(|generation| writer.header(generation));
    writer.commands();
    writer.packages();
    let sections = |kind| profile.sections.iter().filter(move |section| section.kind == kind);
    writer.report(reports, report::BEGIN);
    sections(SectionKind::Pre).for_each(|section| writer.section(section));
    writer.report(reports, report::PACKAGES);
    sections(SectionKind::Post).for_each(|section| writer.section(section));
    writer.first_boot();
    writer.report(reports, report::SUCCESS);
    let Writer { out: text, on_one_line, templates_on_one_line, .. } = writer;
    let literals = text.literals();
    let count = literals.lines().filter(|line| is_delimiter(line, here)).count();
    let directives = literals.lines().filter(|line| is_directive(line)).count();
    let at_end = profile.sections.iter().flat_map(|section| shell::last_of_expanded(&section.parts)).collect();
    let delicate = shell::has_stem(&scripts) || has_loose_percent(&text);
    Kickstart { text, directives, delimiters: (here, count), on_one_line, templates_on_one_line, at_end, delicate }
}

/// More delimiters than files can be nested in each other.
const DELIMITERS: usize = 64;

/// Whether a line ends a here-document of a kickstart whose delimiters start at `first`.
fn is_delimiter(line: &str, first: usize) -> bool {
    // Most lines are none at a glance; a delimiter is made only for those that could be.
    shell::may_be_delimiter(line) && (first..first + DELIMITERS).any(|number| line == shell::delimiter(number))
}

/// A `%` at the start of a line with a value close behind it.
fn has_loose_percent(text: &Text) -> bool {
    text.segments.windows(2).any(|pair| match pair {
        [Segment::Literal { text, .. }, Segment::Attribute { .. } | Segment::Template(_)] => {
            let line = text.rsplit('\n').next().unwrap_or_default().trim_start();
            line.starts_with('%') && DIRECTIVES.iter().any(|word| word.starts_with(line))
        }
        _ => false,
    })
}

/// What in the finished bytes is not as the kickstart was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// A value is, or completes, a line that ends a section.
    Section,
    /// A value is, or completes, a line that ends a here-document.
    HereDocument,
}

impl Kickstart {
    /// Whether a value could break something, so that the finished text has to be looked at.
    pub fn must_be_checked(&self, value: &str) -> bool {
        self.delicate || value.contains('%') || shell::may_make_delimiter(value)
    }

    /// Looks whether the finished text has just the ends that kgen wrote.
    pub fn broken(&self, finished: &str) -> Option<Break> {
        if finished.lines().filter(|line| is_directive(line)).count() != self.directives {
            return Some(Break::Section);
        }
        let (first, count) = self.delimiters;
        let found = finished.lines().filter(|line| is_delimiter(line, first)).count();
        (found != count).then_some(Break::HereDocument)
    }
}

/// The name of a file may hold a line end, which would end the comment that it stands in.
fn in_comment(path: &str) -> String {
    path.replace(char::is_control, "?")
}

struct Writer<'w> {
    profile: &'w Profile,
    sources: &'w Sources,
    here: usize,
    comments: bool,
    out: Text,
    on_one_line: Vec<(AttributeName, Span)>,
    templates_on_one_line: BTreeSet<Span>,
}

impl Writer<'_> {
    fn push(&mut self, text: impl Into<std::sync::Arc<str>>, origin: Origin) {
        self.out.push(text, origin);
    }

    /// Text that has to stay on its line.
    fn inline(&mut self, text: &Text) {
        self.on_one_line.extend(text.attributes().map(|(name, span)| (name.clone(), span)));
        self.templates_on_one_line.extend(text.segments.iter().filter_map(|segment| match segment {
            Segment::Template(template) => Some(template.span),
            _ => None,
        }));
        self.out.extend(text);
    }

    /// The value of an intrinsic attribute, which is always there and never has two lines.
    fn intrinsic(&mut self, name: &str) {
        let span = self.profile.sections.first().map(|section| section.span).or_else(|| self.any_span());
        if let (Some(name), Some(span)) = (AttributeName::new(name), span) {
            self.out.segments.push(Segment::Attribute { name, form: Form::Plain, span });
        }
    }

    fn any_span(&self) -> Option<Span> {
        let packages =
            self.profile.packages.values().filter_map(|package| package.request()).map(|request| request.span);
        self.profile.commands.iter().map(|command| command.span).chain(packages).next()
    }

    fn header(&mut self, generation: &str) {
        let version = env!("CARGO_PKG_VERSION");
        self.push(format!("# Kickstart by kgen {version}\n# host: "), Origin::Generated);
        self.intrinsic("hostname");
        self.push("\n# appliance: ", Origin::Generated);
        self.intrinsic("appliance");
        self.push("\n# arch: ", Origin::Generated);
        self.intrinsic("arch");
        self.push(format!("\n# generation: {generation}\n# modules, in order:\n"), Origin::Generated);
        for module in &self.profile.modules {
            let files = in_comment(&module.files.join(" + "));
            self.push(format!("#   {} ({files}, roll {})\n", module.name, module.roll), Origin::Generated);
        }
        for remark in &self.profile.remarks {
            self.remark(&remark.text);
        }
    }

    fn remark(&mut self, text: &Text) {
        self.push("# ", Origin::Generated);
        for segment in &text.clone().trimmed().segments {
            match segment {
                Segment::Literal { text, origin } => self.push(text.replace('\n', "\n# "), *origin),
                other => self.inline(&Text { segments: vec![other.clone()] }),
            }
        }
        self.push("\n", Origin::Generated);
    }

    /// Where something comes from, as a comment above it.
    fn provenance(&mut self, module: usize, span: Span) {
        if !self.comments {
            return;
        }
        let place = self.sources.location(span);
        let used = &self.profile.modules[module];
        let path = in_comment(&place.path);
        let line = format!("# {path}:{} (module {}, roll {})\n", place.line, used.name, used.roll);
        self.push(line, Origin::Because(span));
    }

    fn commands(&mut self) {
        let profile = self.profile;
        self.push("\n", Origin::Generated);
        for command in &profile.commands {
            let origin = Origin::Because(command.span);
            self.push(command.name.clone(), origin);
            let literal = command.text.literals();
            if !command.text.is_empty() && !literal.starts_with('\n') {
                self.push(" ", origin);
            }
            self.inline(&command.text);
            self.push("\n", origin);
        }
        for native in profile.natives.iter().filter(|native| native.language == "kickstart") {
            self.inline(&native.text.clone().trimmed());
            self.push("\n", Origin::Because(native.span));
        }
    }

    fn packages(&mut self) {
        let profile = self.profile;
        self.push("\n%packages\n", Origin::Generated);
        let (on, off): (Vec<_>, Vec<_>) = profile.packages.iter().partition(|(_, package)| package.is_on());
        for (sign, packages) in [("", on), ("-", off)] {
            for (name, package) in packages {
                let origin = package.request().map_or(Origin::Generated, |request| Origin::Because(request.span));
                self.push(format!("{sign}{name}\n"), origin);
            }
        }
        self.end();
    }

    fn end(&mut self) {
        self.push("%end\n", Origin::Generated);
    }

    fn section(&mut self, section: &Section) {
        let origin = Origin::Because(section.span);
        self.push("\n", Origin::Generated);
        self.provenance(section.module, section.span);
        let kind = if section.kind == SectionKind::Pre { "%pre" } else { "%post" };
        self.push(format!("{kind} --interpreter="), origin);
        let default = Text::literal(SHELL, origin);
        let interpreter = shell::word(section.interpreter.as_ref().unwrap_or(&default), origin);
        self.inline(&interpreter);
        if !section.arguments.is_empty() {
            self.push(" ", origin);
            self.inline(&section.arguments);
        }
        self.push("\n", origin);
        self.script(&section.parts, self.here, origin);
        self.end();
    }

    /// What tells the server how far the installation is.
    fn report(&mut self, reports: bool, (section, body): (&str, &str)) {
        if reports {
            self.push(format!("\n{section} --interpreter={SHELL}\n{}{body}", report::FUNCTION), Origin::Generated);
            self.end();
        }
    }

    /// The text of a script from its first line that says something.
    fn script(&mut self, parts: &[Part], here: usize, origin: Origin) {
        let mut body = Text::default();
        shell::script(parts, here, &mut body);
        let body = body.without_first_line_end().without_last_indent();
        self.out.extend(&body);
        if !body.is_empty() {
            self.out.end_line(origin);
        }
    }

    /// First-boot scripts are files that two units run once: before services, and after them. A script that
    /// fails stays, is seen in the unit's state, and is tried again at the next boot.
    fn first_boot(&mut self) {
        let profile = self.profile;
        let of = |kind| profile.sections.iter().filter(move |section: &&Section| section.kind == kind);
        let before: Vec<_> = of(SectionKind::BootPre).collect();
        let after: Vec<_> = of(SectionKind::BootPost).collect();
        if before.is_empty() && after.is_empty() {
            return;
        }
        self.push(
            format!("\n# first-boot scripts\n%post --interpreter={SHELL}\n{FIRST_BOOT_RUNNER}"),
            Origin::Generated,
        );
        for (order, unit, sections) in [("pre", FIRST_BOOT_PRE, before), ("post", FIRST_BOOT_POST, after)] {
            if sections.is_empty() {
                continue;
            }
            self.push(unit, Origin::Generated);
            for (number, section) in sections.into_iter().enumerate() {
                self.boot_script(order, number, section);
            }
        }
        self.end();
    }

    fn boot_script(&mut self, order: &str, number: usize, section: &Section) {
        let origin = Origin::Because(section.span);
        self.provenance(section.module, section.span);
        let module = &self.profile.modules[section.module].name;
        let path = format!("/var/lib/kgen/first-boot/{order}/{number:03}-{module}");
        let delimiter = shell::delimiter(self.here);
        self.push(format!("cat > {path} <<'{delimiter}'\n#!{SHELL}\n"), origin);
        self.script(&section.parts, self.here + 1, origin);
        self.push(format!("{delimiter}\nchmod 0700 {path}\n"), origin);
    }
}

const FIRST_BOOT_RUNNER: &str = r#"mkdir -p /var/lib/kgen/first-boot/pre /var/lib/kgen/first-boot/post
cat > /var/lib/kgen/first-boot/run <<'KGEN_RUN'
#!/bin/bash
# Runs each script of a directory once; one that fails is kept and tried again at the next boot.
failed=0
for script in "/var/lib/kgen/first-boot/$1"/*; do
  [ -x "$script" ] || continue
  if "$script"; then rm -f "$script"; else echo "$script failed with $?" >&2; failed=1; fi
done
exit $failed
KGEN_RUN
chmod 0700 /var/lib/kgen/first-boot/run
"#;

const FIRST_BOOT_PRE: &str = r"cat > /etc/systemd/system/kgen-first-boot-pre.service <<'KGEN_UNIT'
[Unit]
Description=First-boot scripts before services start
DefaultDependencies=no
After=sysinit.target local-fs.target
Before=basic.target
ConditionDirectoryNotEmpty=/var/lib/kgen/first-boot/pre
[Service]
Type=oneshot
ExecStart=/bin/bash /var/lib/kgen/first-boot/run pre
[Install]
WantedBy=basic.target
KGEN_UNIT
systemctl enable kgen-first-boot-pre.service
";

const FIRST_BOOT_POST: &str = r"cat > /etc/systemd/system/kgen-first-boot-post.service <<'KGEN_UNIT'
[Unit]
Description=First-boot scripts after services started
After=multi-user.target network-online.target
Wants=network-online.target
ConditionDirectoryNotEmpty=/var/lib/kgen/first-boot/post
[Service]
Type=oneshot
ExecStart=/bin/bash /var/lib/kgen/first-boot/run post
[Install]
WantedBy=multi-user.target
KGEN_UNIT
systemctl enable kgen-first-boot-post.service
";
