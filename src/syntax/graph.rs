//! Graph files: edges and orders, LANGUAGE section 2. After it: [`crate::graph`].

use crate::condition::{Condition, ConditionId};
use crate::diagnostic::Diagnostic;
use crate::name::{ModuleName, RollName};
use crate::source::Span;
use crate::syntax::element::{CONDITIONS, Context, find};
use crate::syntax::xml::{Element, Node};

/// One file of `graphs/GRAPH/`.
#[derive(Debug, Default)]
pub struct GraphFile {
    /// `roll=` of the root.
    pub roll: Option<RollName>,
    /// Its edges, in order.
    pub edges: Vec<EdgeDeclaration>,
    /// Its orders, in order.
    pub orders: Vec<OrderDeclaration>,
}

/// `from` inherits `to`.
#[derive(Debug)]
pub struct EdgeDeclaration {
    /// Who inherits.
    pub from: Named<ModuleName>,
    /// What is inherited.
    pub to: Named<ModuleName>,
    /// When; always if there is none.
    pub condition: Option<ConditionId>,
    /// The element that states it.
    pub span: Span,
}

/// `head` stands before `tail`.
#[derive(Debug)]
pub struct OrderDeclaration {
    /// Who comes first.
    pub head: Named<OrderEnd>,
    /// Who comes after.
    pub tail: Named<OrderEnd>,
    /// The element that states it.
    pub span: Span,
}

/// A name with its place.
#[derive(Clone, Debug)]
pub struct Named<T> {
    /// The name.
    pub name: T,
    /// Where it is written.
    pub span: Span,
}

/// One end of an order: a module, or an anchor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderEnd {
    /// What is ordered before it comes first.
    Head,
    /// What is ordered after it comes last.
    Tail,
    /// A module.
    Module(ModuleName),
}

const DOCUMENTATION: [&str; 3] = ["description", "changelog", "copyright"];
const ELEMENTS: [&str; 5] = ["edge", "order", "description", "changelog", "copyright"];

/// Gives a graph file its meaning. Reports everything that has none.
pub fn graph(root: &Element, context: &mut Context) -> GraphFile {
    let mut file = GraphFile::default();
    if root.name != "graph" {
        let message = format!("the root element of a graph file is `<graph>`, not `<{}>`", root.name);
        context.unknown(root.name_span, message, None);
        return file;
    }
    context.check_attributes(root, &["roll"], &[]);
    file.roll = context.literal_of(root, "roll").and_then(|(text, span)| context.name(text.trim(), span));
    statements(&root.children, &mut file, context);
    file
}

fn statements(nodes: &[Node], file: &mut GraphFile, context: &mut Context) {
    for node in nodes {
        match node {
            Node::Element(element) => match element.name.as_str() {
                "edge" => edge(element, context, &mut file.edges),
                "order" => order(element, context, &mut file.orders),
                name if DOCUMENTATION.contains(&name) => {}
                _ => {
                    context.unknown_element(element, "a graph", &ELEMENTS);
                    // Where a site is told to go on, edges inside count, as they did for the original.
                    statements(&element.children, file, context);
                }
            },
            Node::Text(text) if text.is_blank() => {}
            Node::Text(text) => stray_text(text.clone().trimmed().span(), "a graph", context),
        }
    }
}

fn stray_text(span: Option<Span>, place: &str, context: &mut Context) {
    if let Some(span) = span {
        context.unknown(span, format!("text means nothing in {place}"), None);
    }
}

/// One end of an edge or order with the condition of its own element.
struct End {
    text: String,
    span: Span,
    condition: Option<Condition>,
    applies: bool,
}

fn edge(element: &Element, context: &mut Context, edges: &mut Vec<EdgeDeclaration>) {
    context.check_attributes(element, &["from", "to"], &CONDITIONS);
    let condition = context.condition(element);
    let (from, to) = ends(element, ["from", "to"], &CONDITIONS, context);
    for missing in
        [(&from, "from"), (&to, "to")].iter().filter(|(ends, name)| ends.is_empty() && says_nothing_of(element, name))
    {
        let fault = Diagnostic::error(element.span, format!("the edge has no `{}`", missing.1));
        context.diagnostics.push(fault.hint("an edge is `<edge from=\"child\" to=\"parent\"/>`; `from` inherits `to`"));
    }
    for from in &from {
        for to in &to {
            let all = [condition.clone(), from.condition.clone(), to.condition.clone()].into_iter().flatten();
            let condition = context.intern(Condition::all(all));
            // Both are looked at before either is missed, so that each is told once.
            let names = (context.name(&from.text, from.span), context.name(&to.text, to.span));
            if let (Some(from_name), Some(to_name)) = names {
                edges.push(EdgeDeclaration {
                    from: Named { name: from_name, span: from.span },
                    to: Named { name: to_name, span: to.span },
                    condition,
                    span: element.span,
                });
            }
        }
    }
}

/// Whether an end is missing, not faulty: neither an attribute nor a child says anything of it, and nothing stands
/// there that was probably meant.
fn says_nothing_of(element: &Element, name: &str) -> bool {
    find(element, name).is_none()
        && element.children.iter().all(|node| matches!(node, Node::Text(text) if text.is_blank()))
}

fn order(element: &Element, context: &mut Context, orders: &mut Vec<OrderDeclaration>) {
    context.check_attributes(element, &["head", "tail", "gen"], &[]);
    let applies = generator(element, context);
    let (heads, tails) = ends(element, ["head", "tail"], &["gen"], context);
    for missing in [(&heads, "head"), (&tails, "tail")]
        .iter()
        .filter(|(ends, name)| ends.is_empty() && says_nothing_of(element, name))
    {
        let fault = Diagnostic::error(element.span, format!("the order has no `{}`", missing.1));
        context.diagnostics.push(fault.hint("an order is `<order head=\"first\" tail=\"second\"/>`"));
    }
    for head in &heads {
        for tail in &tails {
            let names = (order_end(head, context), order_end(tail, context));
            let (Some(head_end), Some(tail_end)) = names else { continue };
            if applies && head.applies && tail.applies {
                orders.push(OrderDeclaration { head: head_end, tail: tail_end, span: element.span });
            }
        }
    }
}

fn order_end(end: &End, context: &mut Context) -> Option<Named<OrderEnd>> {
    let name = match end.text.as_str() {
        "HEAD" => OrderEnd::Head,
        "TAIL" => OrderEnd::Tail,
        text => OrderEnd::Module(context.name(text, end.span)?),
    };
    Some(Named { name, span: end.span })
}

/// `gen` other than `kgen` is for another generator.
fn generator(element: &Element, context: &mut Context) -> bool {
    context.literal_of(element, "gen").is_none_or(|(generator, _)| generator.is_empty() || generator == "kgen")
}

/// Both ends: from the attribute and from the children of each name.
fn ends(
    element: &Element,
    names: [&'static str; 2],
    known: &[&'static str],
    context: &mut Context,
) -> (Vec<End>, Vec<End>) {
    let mut both = names.map(|name| {
        let attribute = find(element, name);
        let text = attribute.and_then(|attribute| Some((context.literal(attribute)?, attribute.value_span)));
        let end =
            |(text, span): (String, Span)| End { text: text.trim().to_owned(), span, condition: None, applies: true };
        text.map(end).into_iter().collect::<Vec<_>>()
    });
    for node in &element.children {
        match node {
            Node::Element(child) => match names.iter().position(|name| *name == child.name) {
                Some(index) => both[index].extend(child_end(child, known, context)),
                None => context.unknown_element(child, &format!("`<{}>`", element.name), &names),
            },
            Node::Text(text) if text.is_blank() => {}
            Node::Text(text) => stray_text(text.clone().trimmed().span(), &format!("`<{}>`", element.name), context),
        }
    }
    both.into()
}

fn child_end(child: &Element, known: &[&'static str], context: &mut Context) -> Option<End> {
    context.check_attributes(child, known, &[]);
    let (condition, applies) =
        if known.contains(&"gen") { (None, generator(child, context)) } else { (context.condition(child), true) };
    let mut text = String::new();
    let mut span = None;
    for node in &child.children {
        match node {
            Node::Text(found) => {
                if let Some((name, place)) = found.attributes().next() {
                    let fault = Diagnostic::error(
                        place,
                        format!("a graph is not of one host, so `&{name};` has no value in it"),
                    );
                    context.diagnostics.push(fault.hint("use a condition on the edge"));
                    return None;
                }
                text.push_str(&found.literals());
                span = found.clone().trimmed().span().or(span);
            }
            Node::Element(inner) => {
                context.unknown_element(inner, &format!("`<{}>`", child.name), &[]);
                return None;
            }
        }
    }
    let text = text.trim().to_owned();
    let span = span.filter(|_| !text.is_empty()).unwrap_or(child.span);
    Some(End { text, span, condition, applies })
}
