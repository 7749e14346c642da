//! One compiled state of description and inventory: what answers for every host.
//!
//! Made by [`crate::compile`]. For one more host of a variant, values are looked up and bytes copied: the
//! attributes that all hosts of a cohort share are bytes of its text already.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::attribute::{Attributes, Secrets, Value};
use crate::cohort::{Cohort, SlotValue, Variant};
use crate::command::check::check_filled;
use crate::description::Description;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::emit::kickstart::{Break, Frame, kickstart};
use crate::emit::prepare::{Prepared, Slot};
use crate::emit::script::is_directive;
use crate::emit::shell::ends_in_backslash;
use crate::emit::template::{self, TemplateError, Templates, reads_attributes};
use crate::expand::undefined;
use crate::inventory::{Host, Inventory};
use crate::name::{AttributeName, HostName};
use crate::source::{Sources, Span};
use crate::text::{Origin, Segment, TemplateText, Text};

/// One compiled state of description and inventory.
#[derive(Debug)]
pub struct Generation {
    /// Content hash of description and inventory, in hexadecimal.
    pub id: String,
    /// What was compiled.
    pub description: Arc<Description>,
    /// For whom.
    pub inventory: Arc<Inventory>,
    /// Profiles that hosts share.
    pub variants: Vec<Variant>,
    /// Texts of all files.
    pub sources: Arc<Sources>,
    cohorts: Vec<Cohort>,
    /// Index in `cohorts` by the host's number; a host that was not compiled has none.
    cohort_of: Vec<Option<usize>>,
    templates: Templates,
    /// The same for what is looked at: secrets by name.
    shown: Templates,
    secrets: Secrets,
}

/// Faults of single hosts, those that are the same folded into one.
#[derive(Debug, Default)]
pub struct HostFaults {
    hosts: BTreeMap<Diagnostic, Vec<HostName>>,
}

impl HostFaults {
    /// Takes a fault of one host.
    pub fn add(&mut self, fault: Diagnostic, host: &HostName) {
        self.hosts.entry(fault).or_default().push(host.clone());
    }

    /// Takes over what another thread found.
    pub fn append(&mut self, other: HostFaults) {
        for (fault, hosts) in other.hosts {
            self.hosts.entry(fault).or_default().extend(hosts);
        }
    }

    /// Whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.hosts.keys().any(|fault| fault.severity == Severity::Error)
    }

    /// As diagnostics that name the first host and count the others.
    pub fn report(self, diagnostics: &mut Diagnostics) {
        for (mut fault, mut hosts) in self.hosts {
            hosts.sort();
            hosts.dedup();
            fault.message = format!("{}, for {}", fault.message, counted(&hosts));
            diagnostics.push(fault);
        }
    }
}

/// The first of some hosts, and how many others there are.
pub fn counted(hosts: &[HostName]) -> String {
    let Some(first) = hosts.first() else { return "no host".to_owned() };
    match hosts.len() - 1 {
        0 => format!("`{first}`"),
        1 => format!("`{first}` and 1 other host"),
        others => format!("`{first}` and {others} other hosts"),
    }
}

impl Generation {
    /// Puts together what the passes made.
    pub fn new(
        id: String,
        (description, inventory): (Arc<Description>, Arc<Inventory>),
        (variants, cohorts): (Vec<Variant>, Vec<Cohort>),
        sources: Arc<Sources>,
        secrets: Secrets,
    ) -> Self {
        let mut cohort_of = vec![None; inventory.hosts.len()];
        for (index, cohort) in cohorts.iter().enumerate() {
            for host in &cohort.hosts {
                cohort_of[*host] = Some(index);
            }
        }
        let templates = Templates::new(Arc::clone(&inventory), Some(secrets.clone()));
        let shown = Templates::new(Arc::clone(&inventory), None);
        Self { id, description, inventory, variants, sources, cohorts, cohort_of, templates, shown, secrets }
    }

    fn cohort(&self, host: &Host) -> Option<&Cohort> {
        self.cohorts.get((*self.cohort_of.get(host.number)?)?)
    }

    /// The variant of a host; none where it was not compiled.
    pub fn variant(&self, host: &Host) -> Option<&Variant> {
        self.variants.get(self.variant_number(host)?)
    }

    /// The index of a host's variant in [`Generation::variants`].
    pub fn variant_number(&self, host: &Host) -> Option<usize> {
        Some(self.cohort(host)?.variant)
    }

    /// Whether the kickstart of a host holds a secret.
    pub fn holds_secret(&self, host: &Host) -> bool {
        self.cohort(host).is_some_and(|cohort| cohort.holds_secret)
    }

    /// Checks commands with the values of hosts put in: once for each cohort, and for each host where a value of
    /// its own stands in a command. Secrets are left out, so that no message can show one.
    pub fn check_commands(&self, faults: &mut HostFaults) {
        let hosts: Vec<&Host> = self.inventory.hosts.values().collect();
        for cohort in &self.cohorts {
            let variant = &self.variants[cohort.variant];
            let named: BTreeSet<&AttributeName> = variant
                .profile
                .commands
                .iter()
                .flat_map(|command| command.text.attributes())
                .map(|(name, _)| name)
                .collect();
            let differs = |host: &&&Host| host.attributes.keys().any(|name| named.contains(name));
            let members = cohort.hosts.iter().filter_map(|number| hosts.get(*number));
            let chosen = members.clone().take(1).chain(members.skip(1).filter(differs));
            for host in chosen {
                let filling = Filling { generation: self, host, attributes: OnceCell::new() };
                let mut found = Diagnostics::default();
                check_filled(&variant.profile, &host.target, &|text| filling.shown(variant, text), &mut found);
                found.sorted().into_iter().for_each(|fault| faults.add(fault.clone(), &host.name));
            }
        }
    }

    /// The text of an attribute, secret or not: to be looked at, never to be shown.
    pub fn hidden_value<'a>(&'a self, attributes: &'a Attributes, name: &str) -> Option<&'a str> {
        attributes.get(name).and_then(|value| self.secrets.reveal(value))
    }

    /// The text of a template for a host, secrets by name.
    ///
    /// # Errors
    /// It names something that is not there, or a filter refuses a value.
    pub fn shown(&self, template: &TemplateText, host: &Host, own: &Attributes) -> Result<Arc<str>, TemplateError> {
        self.shown.render(template, Some(host), own)
    }

    /// Whether it was made of the same: secrets are not part of the id, which everybody may see.
    pub fn is_same(&self, other: &Generation) -> bool {
        self.id == other.id && self.secrets == other.secrets
    }

    /// About how many bytes the kickstart of a host has.
    pub fn about(&self, host: &Host) -> usize {
        self.cohort(host).map_or(0, |cohort| cohort.prepared.about())
    }

    /// Appends a host's kickstart to `out`, and gives whether it is whole. Where it is not, `faults` says why, and
    /// nothing of `out` is to be used.
    pub fn emit(&self, host: &Host, out: &mut Vec<u8>, faults: &mut HostFaults) -> bool {
        let Some(cohort) = self.cohort(host) else { return false };
        let variant = &self.variants[cohort.variant];
        let filling = Filling { generation: self, host, attributes: OnceCell::new() };
        let start = out.len();
        let mut whole = true;
        // Most values cannot end anything, and are seen not to at a glance.
        let mut suspicious = cohort.prepared.has_templates();
        let value = |index: usize, out: &mut Vec<u8>| {
            let slot = &cohort.prepared.slots[index];
            let start = out.len();
            whole &= filling.value(slot, &cohort.values[index], out, faults);
            let text = str::from_utf8(&out[start..]).unwrap_or_default();
            suspicious |= variant.kickstart.must_be_checked(text);
            Ok::<(), Option<Diagnostic>>(())
        };
        let filled = cohort.prepared.fill(value, |template| filling.template(variant, template), out);
        if let Err(fault) = filled {
            fault.into_iter().for_each(|fault| faults.add(fault, &host.name));
            return false;
        }
        whole && (!suspicious || filling.recheck(variant, start, out, faults))
    }
}

/// One host's kickstart being written.
struct Filling<'f> {
    generation: &'f Generation,
    host: &'f Host,
    /// Made only if a value is not the host's own: it costs more than copying the text.
    attributes: OnceCell<Attributes>,
}

impl Filling<'_> {
    fn attributes(&self) -> &Attributes {
        self.attributes.get_or_init(|| self.generation.inventory.attributes(self.host))
    }

    /// Appends the value of a slot; reports one that is missing, or has a line end where it may not.
    fn value(&self, slot: &Slot, value: &SlotValue, out: &mut Vec<u8>, faults: &mut HostFaults) -> bool {
        if value.own.is_some_and(|own| self.generation.inventory.write_own(self.host, own, out)) {
            return true;
        }
        let found = self.attributes().get(slot.name.as_str());
        let Some(text) = found.and_then(|value| self.generation.secrets.reveal(value)) else {
            let fault = match found {
                None => undefined(&slot.name, slot.span, self.attributes(), self.generation.inventory.language),
                Some(value) => unknown_secret(&slot.name, value.shown(), slot.span),
            };
            let severity = fault.severity;
            faults.add(fault, &self.host.name);
            return severity != Severity::Error;
        };
        if value.one_line && text.contains(['\n', '\r']) {
            let message =
                format!("the value of `{}` has more than one line, but stands in a line of the kickstart", slot.name);
            faults.add(Diagnostic::error(slot.span, message), &self.host.name);
            return false;
        }
        if value.at_end && ends_in_backslash(text) {
            let message =
                format!("the value of `{}` ends in a backslash, which would join the end of the file to it", slot.name);
            faults.add(Diagnostic::error(slot.span, message), &self.host.name);
            return false;
        }
        out.extend_from_slice(text.as_bytes());
        true
    }

    /// The text of a template; no fault where its syntax is wrong, because that was told once for all hosts.
    fn template(&self, variant: &Variant, template: &TemplateText) -> Result<Arc<str>, Option<Diagnostic>> {
        let rendered = self.generation.templates.render(template, Some(self.host), self.attributes());
        let text = rendered.map_err(|error| {
            let told = template::check(template).is_err();
            (!told).then(|| template_fault(template, &error, &self.generation.sources))
        })?;
        if text.contains(['\n', '\r']) && variant.kickstart.templates_on_one_line.contains(&template.span) {
            let message = "the output of this template has more than one line, but stands in a line of the kickstart";
            return Err(Some(Diagnostic::error(template.span, message)));
        }
        Ok(text)
    }

    /// A text with the host's values in it, secrets and what is missing left as references.
    fn shown(&self, variant: &Variant, text: &Text) -> Text {
        let piece = |segment: &Segment| match segment {
            Segment::Attribute { name, span, .. } => match self.attributes().get(name.as_str()) {
                Some(Value::Plain(value)) => {
                    Segment::Literal { text: Arc::clone(value), origin: Origin::Because(*span) }
                }
                _ => segment.clone(),
            },
            Segment::Template(template) if !reads_attributes(template) => match self.template(variant, template) {
                Ok(text) => Segment::Literal { text, origin: Origin::Because(template.span) },
                Err(_) => segment.clone(),
            },
            other => other.clone(),
        };
        Text { segments: text.segments.iter().map(piece).collect() }
    }

    /// Looks at the finished text of a host with an unusual value: a here-document gets another delimiter, a
    /// section that would end early is an error.
    fn recheck(&self, variant: &Variant, start: usize, out: &mut Vec<u8>, faults: &mut HostFaults) -> bool {
        let mut broken = variant.kickstart.broken(&String::from_utf8_lossy(&out[start..]));
        let mut attempt = variant.kickstart.delimiters.0;
        while broken == Some(Break::HereDocument) && attempt < 1000 {
            attempt += 100;
            let reports = self.generation.inventory.reports();
            let frame = Frame { generation: Some(&self.generation.id), reports, attempt };
            let again = kickstart(&variant.profile, frame, &self.generation.sources);
            let prepared = Prepared::new(&again.text, |_| None);
            out.truncate(start);
            let value = |index: usize, out: &mut Vec<u8>| {
                let found = self.attributes().get(prepared.slots[index].name.as_str());
                let text = found.and_then(|value| self.generation.secrets.reveal(value));
                out.extend_from_slice(text.unwrap_or_default().as_bytes());
                Ok::<(), Option<Diagnostic>>(())
            };
            if let Err(fault) = prepared.fill(value, |template| self.template(variant, template), out) {
                fault.into_iter().for_each(|fault| faults.add(fault, &self.host.name));
                return false;
            }
            broken = again.broken(&String::from_utf8_lossy(&out[start..]));
        }
        if broken.is_some() {
            faults.add(self.breaking(variant), &self.host.name);
        }
        broken.is_none()
    }

    /// The fault of a value that ends a section: the first whose line is a directive that the module did not write.
    fn breaking(&self, variant: &Variant) -> Diagnostic {
        let mut line = String::new();
        for segment in &variant.kickstart.text.segments {
            let (text, place) = match segment {
                Segment::Literal { text, .. } => (text.to_string(), None),
                Segment::LineEnd => ("\n".to_owned(), None),
                Segment::Attribute { name, span, .. } => {
                    let value = self.attributes().get(name.as_str());
                    let text = value.and_then(|value| self.generation.secrets.reveal(value)).unwrap_or_default();
                    (text.to_owned(), Some((*span, format!("the value of `{name}`"))))
                }
                Segment::Template(template) => {
                    let rendered = self.template(variant, template).map(|text| text.to_string()).unwrap_or_default();
                    (rendered, Some((template.span, "the output of this template".to_owned())))
                }
            };
            line.push_str(&text);
            if let Some((span, what)) = place
                && line.lines().any(is_directive)
            {
                return Diagnostic::error(span, format!("{what} would end a section of the kickstart early"))
                    .hint("no line of it may start with `%end`, `%post` or another section's name");
            }
            line = line.rsplit('\n').next().unwrap_or_default().to_owned();
        }
        Diagnostic::error(self.host.span, "a value of this host would end a section of the kickstart early")
    }
}

/// The fault of a template, at its line: references in it are longer than in the file, but on the same line.
pub fn template_fault(template: &TemplateText, error: &TemplateError, sources: &Sources) -> Diagnostic {
    let file = sources.file(template.span.file);
    let line = file.line_of(template.span.start as usize) + error.line.saturating_sub(1);
    let range = file.lines(line, line);
    let text = &file.text[range.clone()];
    let start = range.start + text.len() - text.trim_start().len();
    let span = Span::new(template.span.file, start, start + text.trim().len());
    let fault = Diagnostic::error(span, format!("the template does not work: {}", error.message));
    if error.undefined {
        return fault.hint("templates see `host`, `attributes`, `hosts`, `site`, `networks`, `files` and `appliances`; test with `is defined` what may be missing");
    }
    fault
}

fn unknown_secret(name: &AttributeName, shown: &str, span: Span) -> Diagnostic {
    let secret = shown.trim_start_matches("(secret ").trim_end_matches(')');
    let variable = secret.to_uppercase().replace('-', "_");
    Diagnostic::error(span, format!("the attribute `{name}` is the secret `{secret}`, which has no text"))
        .hint(format!("write it into the file `{secret}` of the secrets directory, or set KGEN_SECRET_{variable}"))
}
