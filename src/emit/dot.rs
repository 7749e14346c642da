//! A picture of the graph as text for Graphviz.

use std::fmt::Write;

use crate::picture::Picture;

/// Writes the DOT language. Nodes are named as their modules, so that the text can be worked on.
pub fn dot(picture: &Picture) -> String {
    let mut text = format!(
        "digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n",
        quoted(&picture.title)
    );
    let colors = crate::emit::svg::roll_colors(picture);
    for module in &picture.modules {
        let color = colors.get(module.roll.as_str()).copied().unwrap_or("#ffffff");
        let style = match (module.has, module.interface) {
            (true, true) => "filled,bold",
            (true, false) => "rounded,filled",
            (false, _) => "rounded,dashed",
        };
        let _ = writeln!(
            text,
            "  {} [fillcolor=\"{color}\", style=\"{style}\", tooltip={}];",
            quoted(&module.name),
            quoted(&format!("roll {}", module.roll))
        );
    }
    for edge in &picture.edges {
        let label = edge
            .condition
            .as_ref()
            .map(|condition| format!("label={}, fontsize=9, color=\"#b45309\"", quoted(condition)));
        let style = (!edge.followed).then(|| "style=dashed, color=\"#b0b0b0\"".to_owned());
        let attributes: Vec<_> = label.into_iter().chain(style).collect();
        let attributes = if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
        let _ = writeln!(text, "  {} -> {}{attributes};", quoted(&edge.from), quoted(&edge.to));
    }
    text.push_str("}\n");
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
