//! Templates: the door to minijinja. What a template sees is the host, its attributes and the whole inventory.
//!
//! Undefined names are errors. A template that names neither `host` nor `attributes` gives the same text for
//! every host, and is rendered once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::attribute::{Attributes, Secrets, Value as AttributeValue};
use crate::emit::values::{FilesValue, HostValue, HostsValue, network, networks, shown_attributes, site};
use crate::inventory::{Host, Inventory};
use crate::name::NetworkName;
use crate::text::TemplateText;

/// A template is wrong, or names something that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Line in the template's text, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// Whether a name in it is not there.
    pub undefined: bool,
}

/// Renders templates for the hosts of one inventory.
pub struct Templates {
    environment: Environment<'static>,
    inventory: Arc<Inventory>,
    /// The texts of secrets, for the host that they belong to; without them they are shown by name.
    secrets: Option<Secrets>,
    /// What templates gave that do not look at the host, by source.
    shared: Mutex<BTreeMap<String, Result<Arc<str>, TemplateError>>>,
    /// `files`, made once for all templates.
    files: Value,
    /// Whether a prepared template reads attributes: to gather them costs more than the rest of a boot script.
    wants_attributes: bool,
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Templates")
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // A line that only holds `{% .. %}` leaves no line behind.
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    // Templates come from a git tree that others may write to; a loop must not hang the compiler.
    environment.set_fuel(Some(50_000_000));
    environment.set_debug(true);
    environment
}

/// Checks the syntax of a template.
///
/// # Errors
/// It does not parse.
pub fn check(template: &TemplateText) -> Result<(), TemplateError> {
    environment().template_from_str(&template.source).map(|_| ()).map_err(|error| describe(&error))
}

/// Plain values by name, for templates.
pub type Facts = BTreeMap<&'static str, String>;

/// What the templates of one host's boot see.
#[derive(Debug)]
pub struct Context(Value);

impl Templates {
    /// For templates that are filled in for many hosts: parsed once. What is wrong with their syntax is told when they
    /// are filled in.
    pub fn prepared(inventory: Arc<Inventory>, templates: &[&TemplateText]) -> Self {
        let mut made = Self::new(inventory, None);
        made.wants_attributes = templates.iter().any(|template| reads_attributes(template));
        for template in templates {
            let _ = made.environment.add_template_owned(template.source.clone(), template.source.clone());
        }
        made
    }

    /// What templates of boot actions see. Boot scripts are for everybody to read: there is no secret in it.
    pub fn context(
        &self,
        host: Option<&Host>,
        facts: &Facts,
        distribution: Option<&Facts>,
        on: Option<&NetworkName>,
    ) -> Context {
        let inventory = &self.inventory;
        let mut values: BTreeMap<&'static str, Value> =
            facts.iter().map(|(name, value)| (*name, Value::from(value.clone()))).collect();
        values.insert("site", site(inventory));
        if let Some(host) = host {
            if self.wants_attributes {
                values.insert("attributes", shown_attributes(inventory, host));
            }
            let inventory = Arc::clone(inventory);
            values.insert("host", Value::from_object(HostValue { inventory, name: host.name.to_string() }));
        }
        if let Some(distribution) = distribution {
            values.insert("distribution", of_facts(distribution));
        }
        if let Some(found) = on.and_then(|name| inventory.networks.get_key_value(name.as_str())) {
            values.insert("network", network(inventory, found));
        }
        Context(Value::from(values))
    }

    /// The text of a template among those that [`Templates::prepared`] was given.
    ///
    /// # Errors
    /// It does not parse, names something that is not there, or a filter refuses a value.
    pub fn render_prepared(&self, template: &TemplateText, context: &Context) -> Result<String, TemplateError> {
        if let Ok(parsed) = self.environment.get_template(&template.source) {
            return parsed.render(&context.0).map_err(|error| describe(&error));
        }
        let parsed = self.environment.template_from_str(&template.source).map_err(|error| describe(&error))?;
        parsed.render(&context.0).map_err(|error| describe(&error))
    }

    /// The text of a template that sees plain values, and the site.
    ///
    /// # Errors
    /// As [`Templates::render_prepared`].
    pub fn render_facts(&self, template: &TemplateText, facts: &Facts) -> Result<String, TemplateError> {
        self.render_prepared(template, &self.context(None, facts, None, None))
    }

    /// For the hosts of this inventory. With `secrets`, a host's own stand in what is rendered for it.
    pub fn new(inventory: Arc<Inventory>, secrets: Option<Secrets>) -> Self {
        let files = Value::from_object(FilesValue::new(Arc::clone(&inventory)));
        Self {
            files,
            environment: environment(),
            inventory,
            secrets,
            shared: Mutex::new(BTreeMap::new()),
            wants_attributes: true,
        }
    }

    /// The text that a template gives for a host.
    ///
    /// # Errors
    /// It names something that is not there, or a filter refuses a value.
    pub fn render(
        &self,
        template: &TemplateText,
        host: Option<&Host>,
        attributes: &Attributes,
    ) -> Result<Arc<str>, TemplateError> {
        let parsed = self.environment.template_from_str(&template.source).map_err(|error| describe(&error))?;
        let names = parsed.undeclared_variables(false);
        if names.contains("host") || names.contains("attributes") {
            let own = |value: &AttributeValue| match &self.secrets {
                Some(secrets) => secrets.reveal(value).map(str::to_owned),
                None => Some(value.shown().to_owned()),
            };
            let values = attributes.all().into_iter();
            let attributes: BTreeMap<String, String> =
                values.filter_map(|(name, (_, entry))| Some((name.to_string(), own(&entry.value)?))).collect();
            let host =
                host.map(|host| HostValue { inventory: Arc::clone(&self.inventory), name: host.name.to_string() });
            return self.render_with(&parsed, host.map(Value::from_object), Value::from(attributes));
        }
        let known = self.shared.lock().ok().and_then(|shared| shared.get(&template.source).cloned());
        if let Some(known) = known {
            return known;
        }
        let rendered = self.render_with(&parsed, None, Value::UNDEFINED);
        if let Ok(mut shared) = self.shared.lock() {
            shared.insert(template.source.clone(), rendered.clone());
        }
        rendered
    }

    fn render_with(
        &self,
        template: &minijinja::Template,
        host: Option<Value>,
        attributes: Value,
    ) -> Result<Arc<str>, TemplateError> {
        let inventory = &self.inventory;
        let context = minijinja::context! {
            host => host.unwrap_or(Value::UNDEFINED),
            attributes => attributes,
            hosts => Value::from_object(HostsValue(Arc::clone(inventory))),
            site => site(inventory),
            networks => networks(inventory),
            files => self.files.clone(),
            appliances => inventory.appliances.keys().map(ToString::to_string).collect::<Vec<_>>(),
        };
        template.render(context).map(Into::into).map_err(|error| describe(&error))
    }
}

fn of_facts(facts: &Facts) -> Value {
    facts.iter().map(|(name, value)| (*name, Value::from(value.clone()))).collect::<BTreeMap<_, _>>().into()
}

/// What is wrong, without the values: minijinja's own debug output would print them.
fn describe(error: &minijinja::Error) -> TemplateError {
    let undefined = error.kind() == minijinja::ErrorKind::UndefinedError;
    let message = match (error.kind(), error.detail()) {
        (minijinja::ErrorKind::OutOfFuel, _) => "it takes too long; is there an endless loop?".to_owned(),
        (_, Some(detail)) => detail.replace("invalid ", "unexpected "),
        (minijinja::ErrorKind::UndefinedError, None) => "a name in it is undefined".to_owned(),
        (kind, None) => kind.to_string().replace("invalid ", "unexpected "),
    };
    TemplateError { line: error.line().unwrap_or(1), message, undefined }
}

/// Whether a template may give another text for another host.
pub fn reads_host(template: &TemplateText) -> bool {
    let parsed = environment().template_from_str(&template.source).map(|parsed| parsed.undeclared_variables(false));
    parsed.is_ok_and(|names| names.contains("host") || names.contains("attributes"))
}

/// Whether a template reads the attributes of its host, and so may hold its secrets.
pub fn reads_attributes(template: &TemplateText) -> bool {
    template.source.contains("attributes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Sources, Span};

    fn template(source: &str) -> TemplateText {
        let span = Span::new(Sources::default().add("x", String::new()), 0, 0);
        TemplateText { source: source.to_owned(), span }
    }

    #[test]
    fn faults_have_a_line() {
        let error = check(&template("a\n{% for x in %}")).unwrap_err();
        assert_eq!(error.line, 2);
        assert!(check(&template("{{ host.name }}")).is_ok());
    }

    #[test]
    fn undefined_names_are_errors_and_endless_loops_end() {
        let templates = Templates::new(Arc::new(Inventory::default()), None);
        let attributes = Attributes::default();
        let render = |source: &str| templates.render(&template(source), None, &attributes);
        assert!(render("x\n{{ nonsense }}").unwrap_err().undefined);
        assert!(render("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}").is_err());
        assert_eq!(&*render("{{ hosts|length }}").unwrap(), "0");
    }
}
