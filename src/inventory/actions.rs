//! Reads `[distributions]`, `[boot]` and `[loaders]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::Inventory;
use crate::inventory::action::{BootAction, Distribution, Loaders, Media, Steps, Way, Words, is_plain_path};
use crate::inventory::check_distributions;
use crate::inventory::distributions::build;
use crate::inventory::platform::target;
use crate::inventory::table::{Table, named};
use crate::inventory::value::{within, word};
use crate::name::{ActionName, ApplianceName, DistributionName, HostName, suggestion};
use crate::source::Span;
use crate::text::TemplateText;

/// The keys of the tables in an action that hold what differs.
const SCOPES: [&str; 4] = ["distribution", "arch", "appliance", "host"];

fn template((source, span): (String, Span)) -> TemplateText {
    TemplateText { source, span }
}

fn words(table: &mut Table, key: &'static str, diagnostics: &mut Diagnostics) -> Option<Words> {
    let is_cut = table.get(key).is_some_and(|value| value.text().is_some());
    let templates = table.texts(key, diagnostics)?.into_iter().map(template).collect();
    Some(Words { templates, is_cut })
}

/// Reads `[distributions]`.
pub fn distributions(table: &mut Table, diagnostics: &mut Diagnostics) -> BTreeMap<DistributionName, Distribution> {
    let Some(section) = table.section("distributions", diagnostics) else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for (key, span, value) in section.entries() {
        let Some(name) = named(key, span, diagnostics) else { continue };
        let Some(mut table) = value.table(&format!("[distributions.{key}]"), diagnostics) else { continue };
        let target = table.text("target", diagnostics).and_then(|found| target(found, diagnostics)).map(Arc::from);
        let all = media(&mut table, diagnostics);
        let mut by_arch = BTreeMap::new();
        if let Some(arches) = table.table("arch", diagnostics) {
            for (arch, _, value) in arches.entries() {
                let title = format!("[distributions.{key}.arch.{arch}]");
                let Some(mut table) = value.table(&title, diagnostics) else { continue };
                by_arch.insert(arch.to_owned(), media(&mut table, diagnostics));
                table.finish(diagnostics);
            }
        }
        let build = build(&name, &mut table, diagnostics);
        table.finish(diagnostics);
        read.insert(name, Distribution { target, media: all, by_arch, build, span });
    }
    check_distributions::check(&read, diagnostics);
    read
}

fn media(table: &mut Table, diagnostics: &mut Diagnostics) -> Media {
    let mut part = |key| table.text(key, diagnostics).map(template);
    let (url, kernel, stage2, packages) = (part("url"), part("kernel"), part("stage2"), part("packages"));
    let initrds = table.texts("initrds", diagnostics).map(|texts| texts.into_iter().map(template).collect());
    Media { url, kernel, initrds, stage2, packages }
}

/// Reads `[boot]`, over what is there already.
pub fn actions(table: &mut Table, actions: &mut BTreeMap<ActionName, BootAction>, diagnostics: &mut Diagnostics) {
    let Some(section) = table.section("boot", diagnostics) else { return };
    for (key, span, value) in section.entries() {
        let Some(name) = named(key, span, diagnostics) else { continue };
        let title = format!("[boot.{key}]");
        let Some(mut table) = value.table(&title, diagnostics) else { continue };
        let way = word(&mut table, "kind", &Way::NAMES, diagnostics).and_then(|word| Way::named(&word));
        let own = steps(&mut table, diagnostics);
        let scopes = SCOPES.map(|scope| {
            let Some(entries) = table.table(scope, diagnostics) else { return BTreeMap::new() };
            let mut read = BTreeMap::new();
            for (name, _, value) in entries.entries() {
                let title = format!("[boot.{key}.{scope}.{name}]");
                let Some(mut table) = value.table(&title, diagnostics) else { continue };
                read.insert(name.to_owned(), steps(&mut table, diagnostics));
                table.finish(diagnostics);
            }
            read
        });
        table.finish(diagnostics);
        let action = actions.entry(name).or_insert_with(|| BootAction {
            way: Way::Kernel,
            steps: Steps::default(),
            scopes: Default::default(),
            span,
        });
        action.way = way.unwrap_or(action.way);
        if key == "local" && action.way != Way::Local {
            let message = "`local` is what a machine does that is to be left alone; it cannot be of another kind";
            diagnostics.push(Diagnostic::error(span, message).hint("give the action another name"));
            action.way = Way::Local;
        }
        action.span = span;
        action.steps.replace_with(own);
        action.scopes = scopes;
    }
}

fn steps(table: &mut Table, diagnostics: &mut Diagnostics) -> Steps {
    let writable = table.texts("writable", diagnostics);
    if let (Some([]), Some(value)) = (writable.as_deref(), table.get("writable")) {
        let fault = Diagnostic::error(value.span, "a root in which nothing can be written to does not start");
        diagnostics.push(fault.hint("at least `/etc`, `/var` and `/tmp`, or `/` for all of it"));
    }
    for (path, span) in writable.iter().flatten() {
        let plain = path.starts_with('/')
            && !path.contains("..")
            && path.bytes().all(|byte| byte.is_ascii_graphic() && !b",\"'$\\".contains(&byte));
        if !plain {
            let fault =
                Diagnostic::error(*span, format!("`{path}` is not the path of a directory that can be writable"));
            diagnostics.push(fault.hint("an absolute path without spaces, such as `/var`"));
        }
    }
    Steps {
        title: table.text("title", diagnostics).and_then(|found| title(found, diagnostics)),
        kernel: table.text("kernel", diagnostics).map(template),
        initrds: words(table, "initrds", diagnostics),
        more_initrds: words(table, "more_initrds", diagnostics),
        arguments: words(table, "arguments", diagnostics),
        more_arguments: words(table, "more_arguments", diagnostics),
        target: table.text("target", diagnostics).map(template),
        root: table.text("root", diagnostics).map(template),
        overlay_mib: within(table, "overlay_mib", 16..=4_194_304, diagnostics),
        writable,
    }
}

/// A title stands in menus and messages of every loader.
fn title((text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<String> {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || " .,_-+/()".contains(c));
    if !plain {
        let fault = Diagnostic::error(span, format!("`{}` cannot be shown by every boot loader", text.escape_debug()));
        diagnostics.push(fault.hint("letters, digits, spaces and `.,_-+/()`"));
    }
    plain.then_some(text)
}

/// Reads `[loaders]`.
pub fn loaders(table: &mut Table, diagnostics: &mut Diagnostics) -> Loaders {
    let mut loaders = Loaders::default();
    for (key, file) in Loaders::DEFAULTS {
        loaders.files.insert(key, (file.to_owned(), None));
    }
    let Some(mut table) = table.section("loaders", diagnostics) else { return loaders };
    for (key, _) in Loaders::DEFAULTS {
        let Some((path, span)) = table.text(key, diagnostics) else { continue };
        if is_plain_path(&path) {
            loaders.files.insert(key, (path, Some(span)));
        } else {
            let fault = Diagnostic::error(span, format!("`{}` is not the path of a loader", path.escape_debug()));
            diagnostics.push(fault.hint("relative to the boot files: letters, digits and `._-+/`"));
        }
    }
    table.finish(diagnostics);
    loaders
}

/// Reports names in actions, hosts, appliances and the site that are declared nowhere.
pub fn check(inventory: &Inventory, used: &[(ActionName, Span)], diagnostics: &mut Diagnostics) {
    for (name, span) in used {
        if !inventory.actions.contains_key(name) {
            let known = inventory.actions.keys().map(ActionName::as_str);
            let fault = Diagnostic::error(*span, format!("there is no boot action `{name}`"));
            diagnostics.push(fault.maybe_hint(suggestion(name.as_str(), known.collect::<Vec<_>>())));
        }
    }
    for (name, action) in &inventory.actions {
        let [distributions, _, appliances, hosts] = &action.scopes;
        let unknown = |what: &str, key: &str, known: Vec<&str>| {
            let fault = Diagnostic::error(
                action.span,
                format!("[boot.{name}] speaks of the {what} `{key}`, but there is none"),
            );
            fault.maybe_hint(suggestion(key, known))
        };
        for key in distributions.keys().filter(|key| !inventory.distributions.contains_key(key.as_str())) {
            diagnostics.push(unknown(
                "distribution",
                key,
                inventory.distributions.keys().map(DistributionName::as_str).collect(),
            ));
        }
        for key in appliances.keys().filter(|key| !inventory.appliances.contains_key(key.as_str())) {
            diagnostics.push(unknown(
                "appliance",
                key,
                inventory.appliances.keys().map(ApplianceName::as_str).collect(),
            ));
        }
        for key in hosts.keys().filter(|key| !inventory.hosts.contains_key(key.as_str())) {
            diagnostics.push(unknown("host", key, inventory.hosts.keys().map(HostName::as_str).collect()));
        }
    }
}
