//! XML to elements with places: the door to `quick-xml`.
//!
//! What the library lets pass is checked here: elements left open at the end of the file, two roots, text
//! outside the root, `<` in an attribute. `&name;` that the file does not declare is an attribute of the host and
//! becomes a reference in a [`Text`]. Depth, sizes and entity expansion are bounded (LANGUAGE section 1).

pub mod fault;
pub mod parse;

use crate::source::Span;
use crate::text::Text;

/// One element.
#[derive(Clone, Debug)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// The name in the start tag.
    pub name_span: Span,
    /// The start tag.
    pub span: Span,
    /// Its attributes, in order.
    pub attributes: Vec<Attribute>,
    /// What stands in it, in order; adjacent text is one node.
    pub children: Vec<Node>,
}

/// One `name="value"`.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// The name's place.
    pub name_span: Span,
    /// The value, with references.
    pub value: Text,
    /// The value without its quotes.
    pub value_span: Span,
}

/// What stands in an element.
#[derive(Clone, Debug)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text and CDATA.
    Text(Text),
}
