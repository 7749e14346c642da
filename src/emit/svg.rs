//! A picture of the graph as SVG, left to right: the door to rust-sugiyama, which gives the places.

use std::collections::BTreeMap;
use std::fmt::Write;

use rust_sugiyama::configure::Config;
use rust_sugiyama::from_graph;

use crate::picture::{DrawnModule, Edge, Picture};

/// Pastel, far enough from each other to be told apart, dark text readable on all.
const COLORS: [&str; 12] = [
    "#cfe2ff", "#d1f0d5", "#ffe3bf", "#ead6f7", "#fbd0d6", "#cdf1f0", "#f3efb4", "#e2d9cf", "#d6dbf5", "#e1f0b9",
    "#f7d3ea", "#d9e2e7",
];
const ROW: f64 = 22.0;
const LETTER: f64 = 7.2;
const MARGIN: f64 = 30.0;
const HEAD: f64 = 64.0;

/// The colour of each roll, by name; beyond twelve rolls colours come again.
pub fn roll_colors(picture: &Picture) -> BTreeMap<&str, &'static str> {
    let rolls = picture.rolls.iter().enumerate();
    rolls.map(|(index, roll)| (roll.as_str(), COLORS[index % COLORS.len()])).collect()
}

/// Where a node is drawn: centre, and half of its width.
#[derive(Clone, Copy)]
struct Spot {
    x: f64,
    y: f64,
    half: f64,
}

/// Writes the picture.
pub fn svg(picture: &Picture) -> String {
    let spots = layout(picture);
    let width = spots.values().map(|spot| spot.x + spot.half).fold(400.0, f64::max) + MARGIN;
    let height = spots.values().map(|spot| spot.y).fold(HEAD, f64::max) + ROW + MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n{STYLE}"
    );
    let _ = writeln!(
        out,
        "<text x=\"{MARGIN}\" y=\"24\" font-size=\"16\" font-weight=\"bold\">{}</text>",
        escape(&picture.title)
    );
    legend(picture, &mut out);
    // Edges first, so that they pass behind the modules; labels last, so that nothing covers them.
    for edge in &picture.edges {
        draw_edge(edge, &spots, &mut out);
    }
    let colors = roll_colors(picture);
    for module in &picture.modules {
        draw_module(module, &spots, &colors, &mut out);
    }
    draw_labels(picture, &spots, &mut out);
    out.push_str("</svg>\n");
    out
}

const STYLE: &str = "<style>path{fill:none;stroke:#8a94a0;stroke-width:1}path.c{stroke:#d97706}path.n{stroke:#d4d8dc;stroke-dasharray:4 3}\
rect{stroke:#55606b}rect.n{fill:#fff;stroke:#c2c8ce;stroke-dasharray:4 3}rect.i{stroke-width:2}text.n{fill:#a0a8b0}\
text.c{fill:#92400e;font-size:10px;paint-order:stroke;stroke:#fff;stroke-width:3px}text.cn{fill:#a8a29e;font-size:10px;paint-order:stroke;stroke:#fff;stroke-width:3px}</style>\n";

fn legend(picture: &Picture, out: &mut String) {
    let mut x = MARGIN;
    let shown = |roll: &str| picture.modules.iter().any(|module| module.roll == roll);
    for (roll, color) in roll_colors(picture).into_iter().filter(|(roll, _)| shown(roll)) {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.0}\" y=\"36\" width=\"14\" height=\"14\" fill=\"{color}\"/><text x=\"{:.0}\" y=\"48\">{}</text>",
            x + 20.0,
            escape(roll)
        );
        x += 40.0 + text_width(roll);
    }
    if picture.modules.iter().any(|module| !module.has) {
        let _ = writeln!(
            out,
            "<rect class=\"n\" x=\"{x:.0}\" y=\"36\" width=\"14\" height=\"14\"/><text x=\"{:.0}\" y=\"48\">not of this host</text>",
            x + 20.0
        );
    }
}

/// The layout library draws top to bottom; sizes go in and places come out with their axes swapped, because
/// names are wide and side by side they would make a picture of ten screens.
fn layout(picture: &Picture) -> BTreeMap<&str, Spot> {
    let mut graph = petgraph::stable_graph::StableDiGraph::<&str, ()>::new();
    let indices: BTreeMap<&str, _> =
        picture.modules.iter().map(|module| (module.name.as_str(), graph.add_node(module.name.as_str()))).collect();
    for edge in &picture.edges {
        let ends = (indices.get(edge.from.as_str()), indices.get(edge.to.as_str()));
        if let (Some(from), Some(to)) = ends
            && from != to
            && !graph.contains_edge(*from, *to)
        {
            graph.add_edge(*from, *to, ());
        }
    }
    let config = Config { vertex_spacing: 8.0, ..Config::default() };
    let labels = picture.edges.iter().filter_map(|edge| edge.condition.as_deref());
    let gap = labels.map(|condition| text_width(&shortened(condition)) * 0.8 + 50.0).fold(100.0, f64::max);
    let size = |_, name: &&str| (ROW, text_width(name) + gap);
    let mut spots = BTreeMap::new();
    let mut top = HEAD + MARGIN;
    for (places, ..) in from_graph(&graph, &size, &config) {
        let least =
            |pick: fn(&(f64, f64)) -> f64| places.iter().map(|(_, place)| pick(place)).fold(f64::INFINITY, f64::min);
        let (left, upper) = (least(|place| place.1), least(|place| place.0));
        let mut bottom = top;
        for (index, (y, x)) in &places {
            let Some(name) = graph.node_weight(*index).copied() else { continue };
            let half = text_width(name) / 2.0 + 8.0;
            let spot = Spot { x: MARGIN + x - left + 60.0, y: top + y - upper, half };
            bottom = f64::max(bottom, spot.y);
            spots.insert(name, spot);
        }
        top = bottom + 2.0 * ROW;
    }
    spots
}

fn draw_module(module: &DrawnModule, spots: &BTreeMap<&str, Spot>, colors: &BTreeMap<&str, &str>, out: &mut String) {
    let Some(spot) = spots.get(module.name.as_str()) else { return };
    let class = match (module.has, module.interface) {
        (false, _) => "n",
        (true, true) => "i",
        (true, false) => "",
    };
    let radius = if module.interface { 0 } else { 5 };
    let color = colors.get(module.roll.as_str()).copied().unwrap_or("#fff");
    let _ = writeln!(
        out,
        "<g><title>{} (roll {})</title><rect class=\"{class}\" x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{ROW}\" rx=\"{radius}\"{}/><text class=\"{}\" x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text></g>",
        escape(&module.name),
        escape(&module.roll),
        spot.x - spot.half,
        spot.y - ROW / 2.0,
        spot.half * 2.0,
        if module.has { format!(" fill=\"{color}\"") } else { String::new() },
        if module.has { "" } else { "n" },
        spot.x,
        spot.y + 4.0,
        escape(&module.name)
    );
}

/// Start, end and the reach of a curve's handles.
type Curve = ((f64, f64), (f64, f64), f64);

fn curve(edge: &Edge, spots: &BTreeMap<&str, Spot>) -> Option<Curve> {
    let (from, to) = (spots.get(edge.from.as_str())?, spots.get(edge.to.as_str())?);
    let start = (from.x + from.half, from.y);
    let end = (to.x - to.half - 5.0, to.y);
    Some((start, end, ((end.0 - start.0).abs() / 2.0).max(40.0)))
}

fn draw_edge(edge: &Edge, spots: &BTreeMap<&str, Spot>, out: &mut String) {
    let Some((start, end, reach)) = curve(edge, spots) else { return };
    let class = match (edge.followed, &edge.condition) {
        (false, _) => "n",
        (true, Some(_)) => "c",
        (true, None) => "",
    };
    let _ = writeln!(
        out,
        "<path class=\"{class}\" d=\"M{:.0} {:.0}C{:.0} {:.0} {:.0} {:.0} {:.0} {:.0}m-5 -3l5 3l-5 3\"/>",
        start.0,
        start.1,
        start.0 + reach,
        start.1,
        end.0 - reach,
        end.1,
        end.0,
        end.1
    );
}

/// Conditions stand before the module that they admit; those of one module one above the other.
fn draw_labels(picture: &Picture, spots: &BTreeMap<&str, Spot>, out: &mut String) {
    let mut placed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for edge in &picture.edges {
        let (Some(condition), Some((_, end, _))) = (&edge.condition, curve(edge, spots)) else { continue };
        let above = placed.entry(&edge.to).or_default();
        if above.contains(&condition.as_str()) {
            continue;
        }
        #[allow(clippy::cast_precision_loss)] // a handful
        let y = end.1 - 4.0 - above.len() as f64 * 11.0;
        above.push(condition);
        let class = if edge.followed { "c" } else { "cn" };
        let shown = shortened(condition);
        let _ = writeln!(
            out,
            "<text class=\"{class}\" x=\"{:.0}\" y=\"{y:.0}\" text-anchor=\"end\"><title>{}</title>{}</text>",
            end.0 - 4.0,
            escape(condition),
            escape(&shown)
        );
    }
}

/// A condition that fits between two columns; the whole one is shown when the mouse rests on it.
fn shortened(condition: &str) -> String {
    const LONGEST: usize = 40;
    if condition.chars().count() <= LONGEST {
        return condition.to_owned();
    }
    condition.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[allow(clippy::cast_precision_loss)] // names are short
fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
