//! Module files to items: packages, commands, scripts. Everything that the language does not know is reported.
//!
//! Text in them is read by [`crate::syntax::content`], included files by [`crate::syntax::include`].

use crate::command;
use crate::condition::Condition;
use crate::diagnostic::Diagnostic;
use crate::name::suggestion;
use crate::profile::{FileMode, SectionKind, Vars};
use crate::syntax::content::{IN_SCRIPT, IN_TEXT, always, text_of};
use crate::syntax::element::{CONDITIONS, find};
use crate::syntax::module::{FileElement, Item, ItemKind, ModuleFile, ModuleReader, Piece, PieceKind};
use crate::syntax::xml::{Element, Node};
use crate::text::{Origin, Text};

const TOP: [&str; 17] = [
    "package",
    "main",
    "pre",
    "post",
    "configure",
    "boot",
    "eval",
    "include",
    "sinclude",
    "var",
    "debug",
    "ansible",
    "native",
    "description",
    "changelog",
    "copyright",
    "file",
];

impl ModuleReader<'_, '_> {
    /// Gives a module file its meaning. Reports everything that has none.
    pub fn module(&mut self, root: &Element) -> ModuleFile {
        let mut file = ModuleFile::default();
        if root.name != "kickstart" {
            let message = format!("the root element of a module is `<kickstart>`, not `<{}>`", root.name);
            self.context.unknown(root.name_span, message, None);
            return file;
        }
        self.context.check_attributes(root, &["roll", "interface"], &[]);
        file.roll = self.context.literal_of(root, "roll").and_then(|(text, span)| self.context.name(text.trim(), span));
        file.interface = find(root, "interface").is_some();
        file.description = description(root);
        self.items(&root.children, &mut file.items);
        file
    }

    /// The items of a module or of an included or computed piece of one.
    pub fn items(&mut self, nodes: &[Node], items: &mut Vec<Item>) {
        for node in nodes {
            match node {
                Node::Element(element) => self.item(element, items),
                Node::Text(text) if text.is_blank() => {}
                Node::Text(text) => self.stray_text(text, "a module, outside of its elements"),
            }
        }
    }

    pub(super) fn stray_text(&mut self, text: &Text, place: &str) {
        if let Some(span) = text.clone().trimmed().span() {
            self.context.unknown(span, format!("text means nothing in {place}"), None);
        }
    }

    fn item(&mut self, element: &Element, items: &mut Vec<Item>) {
        let kind = match element.name.as_str() {
            "description" | "changelog" | "copyright" => return,
            "include" | "sinclude" => return self.include_items(element, items),
            "main" => return self.main(element, items),
            "package" => self.package(element),
            "pre" => self.script(element, SectionKind::Pre),
            "post" | "configure" => self.script(element, SectionKind::Post),
            "boot" => self.boot(element),
            "ansible" => self.ansible(element),
            "debug" => {
                self.context.check_attributes(element, &[], &CONDITIONS);
                Some(ItemKind::Debug(self.content(element, &IN_TEXT, false)))
            }
            "native" => self.native(element),
            "var" => self.var(element).map(ItemKind::Var),
            "eval" => Some(ItemKind::Eval(Box::new(self.eval(element)))),
            name if TOP.contains(&name) || command::is_known(name) => {
                let place = if command::is_known(name) { "<main>" } else { "a script such as <post>" };
                let message = format!("`<{name}>` cannot stand in a module by itself");
                return self.context.unknown(element.name_span, message, Some(format!("put it into {place}")));
            }
            _ => return self.context.unknown_element(element, "a module", &TOP[..16]),
        };
        let condition = self.context.condition(element);
        let condition = self.context.intern(condition);
        if let Some(kind) = kind {
            items.push(Item { kind, condition, span: element.span });
        }
    }

    fn package(&mut self, element: &Element) -> Option<ItemKind> {
        self.context.check_attributes(element, &["type", "disable", "phase"], &CONDITIONS);
        let group = self.context.choice(element, "type", &["meta"]).is_some();
        let disabled = self.disabled(element);
        let installs = self.installs(element);
        let names = self.content(element, &IN_TEXT, false);
        let blank = |piece: &Piece| matches!(&piece.kind, PieceKind::Text(text) if text.is_blank());
        if names.iter().all(blank) {
            // An element in it that is not known was told, and is what is wrong.
            if element.children.iter().any(|node| matches!(node, Node::Element(_))) {
                return None;
            }
            self.context.unknown(element.span, "the package has no name", None);
            return None;
        }
        installs.then_some(ItemKind::Package { names, group, disabled })
    }

    /// The attribute itself disables, whatever its value; that surprises where the value says no.
    fn disabled(&mut self, element: &Element) -> bool {
        let Some((value, span)) = self.context.literal_of(element, "disable") else { return false };
        if matches!(value.trim(), "0" | "no" | "false" | "off") {
            let warning = Diagnostic::warning(span, format!("`disable=\"{value}\"` disables the package too"));
            self.context.diagnostics.push(warning.hint("take the attribute out to install the package"));
        }
        true
    }

    /// `phase` is a comma list; what is only for `reconfigure` is not installed.
    pub(super) fn installs(&mut self, element: &Element) -> bool {
        let Some((phases, span)) = self.context.literal_of(element, "phase") else { return true };
        let mut installs = false;
        for phase in phases.split(',').map(str::trim).filter(|phase| !phase.is_empty()) {
            match phase {
                "pre" | "post" => installs = true,
                "reconfigure" => {}
                other => {
                    let message = format!("the phase `{other}` is not known");
                    self.context.unknown(span, message, suggestion(other, ["pre", "post", "reconfigure"]));
                }
            }
        }
        installs
    }

    fn main(&mut self, element: &Element, items: &mut Vec<Item>) {
        self.context.check_attributes(element, &[], &CONDITIONS);
        let outer = self.context.condition(element);
        self.commands(&element.children, outer.as_ref(), items);
    }

    fn commands(&mut self, nodes: &[Node], outer: Option<&Condition>, items: &mut Vec<Item>) {
        for node in nodes {
            match node {
                Node::Element(child) => self.command(child, outer, items),
                Node::Text(text) if text.is_blank() => {}
                Node::Text(text) => self.stray_text(text, "<main>, outside of its commands"),
            }
        }
    }

    fn command(&mut self, element: &Element, outer: Option<&Condition>, items: &mut Vec<Item>) {
        let inner = self.context.condition(element);
        let condition = Condition::all(outer.cloned().into_iter().chain(inner));
        if matches!(element.name.as_str(), "include" | "sinclude") {
            let Some(nodes) = self.included_xml(element) else { return };
            self.commands(&nodes, condition.as_ref(), items);
            self.including.pop();
            return;
        }
        let condition = self.context.intern(condition);
        if element.name == "native" {
            let kind = self.native(element);
            items.extend(kind.map(|kind| Item { kind, condition, span: element.span }));
            return;
        }
        if !command::is_known(&element.name) {
            let message = format!("`<{}>` is not a kickstart command", element.name);
            return self.context.unknown(element.name_span, message, suggestion(&element.name, command::names()));
        }
        // `partition` was an attribute of the original's `<clearpart>` that nothing read.
        let known: &[&str] = if element.name == "clearpart" { &["template", "partition"] } else { &["template"] };
        self.context.check_attributes(element, known, &CONDITIONS);
        let template = self.context.truth(element, "template");
        let name = if element.name == "lilo" { "bootloader".to_owned() } else { element.name.clone() };
        let content = self.content(element, &IN_TEXT, template);
        items.push(Item { kind: ItemKind::Command { name, content }, condition, span: element.span });
    }

    fn script(&mut self, element: &Element, kind: SectionKind) -> Option<ItemKind> {
        self.context.check_attributes(element, &["interpreter", "arg", "phase", "template"], &CONDITIONS);
        let template = self.context.truth(element, "template");
        let installs = self.installs(element);
        let interpreter = text_of(element, "interpreter").map(Text::trimmed).filter(|text| !text.is_empty());
        let arguments = text_of(element, "arg").unwrap_or_default().trimmed();
        let content = self.content(element, &IN_SCRIPT, template);
        installs.then_some(ItemKind::Script { kind, interpreter, arguments, content })
    }

    fn boot(&mut self, element: &Element) -> Option<ItemKind> {
        self.context.check_attributes(element, &["order", "phase", "template"], &CONDITIONS);
        let order = self.context.literal_of(element, "order");
        let kind = match order.as_ref().map_or("pre", |(text, _)| text.trim()) {
            "pre" => SectionKind::BootPre,
            "post" => SectionKind::BootPost,
            other => {
                let span = order.as_ref().map_or(element.span, |(_, span)| *span);
                let fault = Diagnostic::error(
                    span,
                    format!("`order` of `<boot>` is `{other}`, but can only be `pre` or `post`"),
                );
                self.context.diagnostics.push(fault.hint("`pre` runs before services start, `post` after"));
                return None;
            }
        };
        let template = self.context.truth(element, "template");
        let installs = self.installs(element);
        let content = self.content(element, &IN_SCRIPT, template);
        installs.then_some(ItemKind::Script { kind, interpreter: None, arguments: Text::default(), content })
    }

    fn native(&mut self, element: &Element) -> Option<ItemKind> {
        self.context.check_attributes(element, &["lang"], &CONDITIONS);
        let Some((language, span)) = self.context.literal_of(element, "lang") else {
            let fault = Diagnostic::error(element.span, "`<native>` has no `lang`, so it belongs to no output");
            self.context.diagnostics.push(fault.hint("write `<native lang=\"kickstart\">`"));
            return None;
        };
        if language != "kickstart" {
            let message =
                format!("`lang` of `<native>` is `{language}`, but the only output that takes text is `kickstart`");
            self.context.unknown(span, message, None);
            return None;
        }
        Some(ItemKind::Native { language, content: self.content(element, &IN_TEXT, false) })
    }

    /// A playbook is written and run in `%post`, so it is a script that writes a file.
    fn ansible(&mut self, element: &Element) -> Option<ItemKind> {
        self.context.check_attributes(element, &["playbook", "args"], &CONDITIONS);
        let playbook = self.context.literal_of(element, "playbook");
        let (name, content) = match playbook {
            Some((name, span)) => {
                let text = self.included_text(&format!("ansible/{name}"), span, false)?;
                (name.rsplit('/').next().unwrap_or(&name).to_owned(), vec![always(PieceKind::Text(text))])
            }
            None => (format!("{}.yml", self.module), self.content(element, &IN_TEXT, false)),
        };
        let path = Text::literal(format!("/var/lib/kgen/ansible/{name}"), Origin::Because(element.span));
        let mut run = Text::literal(
            "\nansible-playbook --connection=local --inventory=localhost, ",
            Origin::Because(element.span),
        );
        if let Some(arguments) = text_of(element, "args").map(Text::trimmed).filter(|text| !text.is_empty()) {
            run.extend(&arguments);
            run.push(" ", Origin::Because(element.span));
        }
        run.extend(&path);
        run.push("\n", Origin::Because(element.span));
        let file = FileElement {
            name: path,
            mode: FileMode::Create,
            owner: None,
            perms: Some(Text::literal("0600", Origin::Because(element.span))),
            vars: Vars::Literal,
            expr: None,
            src: None,
            rcs: false,
            content,
            span: element.span,
        };
        let directory = Text::literal("\nmkdir -p /var/lib/kgen/ansible\n", Origin::Because(element.span));
        let pieces = [PieceKind::Text(directory), PieceKind::File(Box::new(file)), PieceKind::Text(run)];
        Some(ItemKind::Script {
            kind: SectionKind::Post,
            interpreter: None,
            arguments: Text::default(),
            content: pieces.into_iter().map(always).collect(),
        })
    }
}

fn description(root: &Element) -> String {
    let elements = root.children.iter().filter_map(|node| match node {
        Node::Element(element) if element.name == "description" => Some(element),
        _ => None,
    });
    let texts = elements.flat_map(|element| &element.children).filter_map(|node| match node {
        Node::Text(text) => Some(text.literals()),
        Node::Element(_) => None,
    });
    texts.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}
