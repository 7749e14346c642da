//! Templates: the door to minijinja. What a template sees is the host, its attributes and the whole inventory.
//!
//! Undefined names are errors. A template that names neither `host` nor `attributes` gives the same text for
//! every host, and is rendered once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::attribute::{Attributes, Secrets, Value as AttributeValue};
use crate::inventory::{Host, Inventory};
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

impl Templates {
    /// For the hosts of this inventory. With `secrets`, a host's own stand in what is rendered for it.
    pub fn new(inventory: Arc<Inventory>, secrets: Option<Secrets>) -> Self {
        Self { environment: environment(), inventory, secrets, shared: Mutex::new(BTreeMap::new()) }
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
            appliances => inventory.appliances.keys().map(ToString::to_string).collect::<Vec<_>>(),
        };
        template.render(context).map(Into::into).map_err(|error| describe(&error))
    }
}

fn site(inventory: &Inventory) -> Value {
    let site = &inventory.site;
    let pairs = [
        ("name", site.name.clone()),
        ("domain", site.domain.clone().unwrap_or_default()),
        ("server", site.server.clone().unwrap_or_default()),
    ];
    Value::from(BTreeMap::from(pairs))
}

fn networks(inventory: &Inventory) -> Value {
    let describe = |(name, network): (&crate::name::NetworkName, &crate::inventory::network::Network)| {
        let mut values = BTreeMap::from([
            ("name", Value::from(name.to_string())),
            ("subnet", Value::from(network.subnet.to_string())),
            ("netmask", Value::from(network.subnet.netmask().to_string())),
            ("prefix", Value::from(network.subnet.prefix)),
        ]);
        values.insert("gateway", network.gateway.map_or(Value::from(()), |gateway| Value::from(gateway.to_string())));
        Value::from(values)
    };
    inventory.networks.iter().map(describe).collect()
}

/// The list `hosts`. Hosts are looked at one by one: ten thousand are not copied for one template.
#[derive(Debug)]
struct HostsValue(Arc<Inventory>);

impl Object for HostsValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let host = self.0.hosts.values().nth(key.as_usize()?)?;
        Some(Value::from_object(HostValue { inventory: Arc::clone(&self.0), name: host.name.to_string() }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let this = Arc::clone(self);
        let names: Vec<_> = this.0.hosts.keys().map(ToString::to_string).collect();
        Enumerator::Iter(Box::new(
            names.into_iter().map(move |name| Value::from_object(HostValue { inventory: Arc::clone(&this.0), name })),
        ))
    }
}

/// One host.
#[derive(Debug)]
struct HostValue {
    inventory: Arc<Inventory>,
    name: String,
}

impl Object for HostValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let host = self.inventory.hosts.get(self.name.as_str())?;
        let inventory = &self.inventory;
        let text = |name: &str| inventory.intrinsic(host, name).map(Value::from);
        match key.as_str()? {
            "name" => text("hostname"),
            "address" => Some(text("hostaddr").unwrap_or(Value::from(()))),
            "mac" => Some(text("ksmac").unwrap_or(Value::from(()))),
            "rack" => Some(host.rack.map_or(Value::from(()), Value::from)),
            "rank" => Some(host.rank.map_or(Value::from(()), Value::from)),
            "interfaces" => Some(host.interfaces.iter().map(interface).collect()),
            "attributes" => Some(shown_attributes(inventory, host)),
            name @ ("fqdn" | "appliance" | "arch" | "os" | "target") => text(name),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&[
            "name",
            "fqdn",
            "appliance",
            "arch",
            "os",
            "target",
            "rack",
            "rank",
            "address",
            "mac",
            "interfaces",
            "attributes",
        ])
    }
}

fn interface(interface: &crate::inventory::Interface) -> Value {
    let optional = |text: Option<String>| text.map_or(Value::from(()), Value::from);
    Value::from(BTreeMap::from([
        ("name", Value::from(interface.name.clone())),
        ("network", optional(interface.network.as_ref().map(ToString::to_string))),
        ("mac", optional(interface.address.as_ref().map(ToString::to_string))),
        ("address", optional(interface.ip.map(|ip| ip.to_string()))),
    ]))
}

/// Another host's secrets are nobody's business: they are not there, and asking for one is an error.
fn shown_attributes(inventory: &Inventory, host: &Host) -> Value {
    let attributes = inventory.attributes(host);
    let plain = attributes.all().into_iter().filter(|(_, (_, entry))| !entry.value.is_secret());
    let values = plain.map(|(name, (_, entry))| (name.to_string(), entry.value.shown().to_owned()));
    Value::from(values.collect::<BTreeMap<String, String>>())
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
