//! `kgen explain`: where a line, a package, an attribute or a module of a host comes from.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::args::Explain;
use crate::cli::args::printed::Format;
use crate::cli::session::{Failure, Session, typed_name};
use crate::explain::text::{chain_text, used_text, value_text, values_text};
use crate::explain::{Explainer, LineOrigin, ModuleOrigin, PackageOrigin, SetAttribute, UsedBy};
use crate::name::{AttributeName, ModuleName, suggestion};

/// Answers one question.
pub fn run(session: &mut Session, arguments: &Explain) -> Result<(), Failure> {
    let generation = session.generation(std::slice::from_ref(&arguments.host))?;
    session.stop_on_errors()?;
    let host = session.host(&generation.inventory, &arguments.host)?;
    let Some(explainer) = Explainer::new(&generation, host) else { return Err(Failure::Faults) };
    if let Some(line) = arguments.line {
        let lines = explainer.lines();
        let count = lines.len();
        let found = line.checked_sub(1).and_then(|index| lines.into_iter().nth(index));
        let Some(found) = found else {
            return Err(Failure::Usage(format!(
                "the kickstart of `{}` has {count} lines, so there is no line {line}",
                host.name
            )));
        };
        return answer(session, &found, |found| line_text(host.name.as_str(), found));
    }
    if let Some(name) = &arguments.package {
        let Some(package) = explainer.package(name) else {
            let known = generation
                .variant(host)
                .map(|variant| variant.profile.packages.keys().map(String::as_str).collect::<Vec<_>>());
            return Err(unknown("package", name, host.name.as_str(), &known.unwrap_or_default()));
        };
        return answer(session, &package, package_text);
    }
    if let Some(name) = &arguments.attribute {
        let name: AttributeName = typed_name(name)?;
        let values = explainer.attribute(name.as_str());
        if values.is_empty() {
            let attributes = generation.inventory.attributes(host);
            let known: Vec<_> = attributes.all().keys().map(ToString::to_string).collect();
            return Err(unknown("attribute", name.as_str(), host.name.as_str(), &known));
        }
        return answer(session, &values, |values| attribute_text(values));
    }
    if let Some(name) = &arguments.module {
        let name: ModuleName = typed_name(name)?;
        if !generation.description.modules.contains_key(&name) {
            let known: Vec<_> = generation.description.modules.keys().map(ModuleName::as_str).collect();
            let hint =
                suggestion(name.as_str(), known.iter().copied()).map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(Failure::Usage(format!("there is no module `{name}`{hint}")));
        }
        return answer(session, &explainer.module(&name), module_text);
    }
    answer(session, &explainer.modules(), |modules| overview_text(host.name.as_str(), modules))
}

fn unknown<T: AsRef<str>>(what: &str, name: &str, host: &str, known: &[T]) -> Failure {
    let near =
        crate::name::nearest(name, known.iter().map(AsRef::as_ref)).map(|near| format!("; did you mean `{near}`?"));
    Failure::Usage(format!("`{host}` has no {what} `{name}`{}", near.unwrap_or_default()))
}

fn answer<T: Serialize>(session: &Session, answer: &T, text: impl Fn(&T) -> String) -> Result<(), Failure> {
    match session.format {
        Format::Json => session.print_json(answer),
        Format::Text => session.print(&text(answer)),
    }
}

fn line_text(host: &str, line: &LineOrigin) -> String {
    let mut text = format!("{host}.ks:{}: {}\n", line.line, line.text);
    match &line.cause.source {
        Some(place) => {
            let _ = writeln!(text, "  from {place}");
        }
        None => text.push_str("  written by kgen itself\n"),
    }
    if let Some(used) = &line.cause.used {
        used_text(used, &mut text);
    }
    values_text(&line.cause.attributes, &mut text);
    text
}

fn package_text(package: &PackageOrigin) -> String {
    let mut text = format!("{} is {}\n", package.package, if package.on { "installed" } else { "left out" });
    for (verb, requests) in [("wanted", &package.wanted), ("not wanted", &package.unwanted)] {
        for (place, used) in requests {
            let _ = writeln!(text, "{verb} at {place}");
            used_text(used, &mut text);
        }
    }
    text
}

fn attribute_text(values: &[SetAttribute]) -> String {
    let mut text = String::new();
    for (index, value) in values.iter().enumerate() {
        let _ = writeln!(text, "{}{}", if index == 0 { "" } else { "  instead of " }, value_text(value));
    }
    text
}

fn module_text(module: &ModuleOrigin) -> String {
    let mut text = match &module.chain {
        None => format!("the host does not have {}\n", module.module),
        Some(chain) if chain.is_empty() => format!("{} is the module of the host's appliance\n", module.module),
        Some(chain) => {
            let mut text = format!("the host has {}\n", module.module);
            chain_text(chain, &mut text);
            text
        }
    };
    let _ = writeln!(text, "it is {}", module.files.join(" + "));
    for lost in &module.instead_of {
        let _ = writeln!(text, "  instead of {lost}");
    }
    if !module.edges.is_empty() {
        let _ = writeln!(text, "edges to {}", module.module);
    }
    for (step, has_child) in &module.edges {
        let why = match (has_child, step.holds) {
            (false, _) => format!("the host does not have {}", step.from),
            (true, Some(true)) => "followed".to_owned(),
            (true, Some(false)) => "the condition does not hold".to_owned(),
            (true, None) => "the condition has no answer".to_owned(),
        };
        let condition = step.condition.as_ref().map(|condition| format!(" if {condition}")).unwrap_or_default();
        let _ = writeln!(text, "  from {}{condition}  {}: {why}", step.from, step.place);
        if step.holds != Some(true) {
            step.values.iter().for_each(|value| {
                let _ = writeln!(text, "    {}", value_text(value));
            });
        }
    }
    text
}

fn overview_text(host: &str, modules: &[UsedBy]) -> String {
    let mut rows = vec![vec!["MODULE".to_owned(), "ROLL".to_owned(), "INHERITED BY".to_owned()]];
    for used in modules {
        let path: Vec<_> = used.chain.iter().map(|step| step.from.as_str()).collect();
        rows.push(vec![used.module.clone(), used.roll.clone(), path.join(" > ")]);
    }
    format!("{host} has {} modules, in this order\n{}", modules.len(), crate::cli::table::columns(&rows))
}
