//! Text to elements, by the events of `quick-xml`. What is wrong is worded in [`super::fault`].

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::name::AttributeName;
use crate::source::{FileId, Sources, Span};
use crate::syntax::entity::{self, Entities};
use crate::syntax::xml::{Attribute, Element, Node, fault};
use crate::text::{Form, Origin, Segment, Text};

/// Deepest nesting of elements.
pub const MAX_DEPTH: usize = 64;
/// Longest value of one XML attribute, in bytes.
pub const MAX_ATTRIBUTE_BYTES: usize = 64 << 10;

/// Parses a whole file: one root element. Reports and gives `None` where it is not well-formed.
pub fn parse_document(file: FileId, sources: &Sources, diagnostics: &mut Diagnostics) -> Option<Element> {
    let nodes = Parser::new(file, &sources.file(file).text).parse(diagnostics)?;
    let mut root = None;
    for node in nodes {
        match node {
            Node::Element(element) if root.is_none() => root = Some(element),
            Node::Element(element) => {
                let first = root.as_ref().map_or(element.span, |root: &Element| root.span);
                let fault = Diagnostic::error(
                    element.span,
                    format!("`<{}>` is a second root element; a file has one", element.name),
                );
                diagnostics.push(fault.related(first, "the first"));
                return None;
            }
            Node::Text(text) if !text.is_blank() => {
                let place = text.trimmed().span().unwrap_or_else(|| Span::new(file, 0, 0));
                diagnostics.push(Diagnostic::error(place, "text stands outside of the root element"));
                return None;
            }
            Node::Text(_) => {}
        }
    }
    if root.is_none() {
        let fault =
            Diagnostic::error(Span::new(file, 0, 0), "the file has no root element; it is empty or was cut off");
        diagnostics.push(fault.hint("a module is at least `<kickstart></kickstart>`, a graph `<graph></graph>`"));
    }
    root
}

/// Parses content without a root: an included file, the output of a program.
pub fn parse_fragment(file: FileId, sources: &Sources, diagnostics: &mut Diagnostics) -> Option<Vec<Node>> {
    Parser::new(file, &sources.file(file).text).parse(diagnostics)
}

struct Parser<'s> {
    file: FileId,
    source: &'s str,
    entities: Entities,
    /// Open elements; the children of the innermost are last in `content`.
    open: Vec<Element>,
    content: Vec<Vec<Node>>,
}

impl<'s> Parser<'s> {
    fn new(file: FileId, source: &'s str) -> Self {
        Self { file, source, entities: Entities::default(), open: Vec::new(), content: vec![Vec::new()] }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    fn parse(mut self, diagnostics: &mut Diagnostics) -> Option<Vec<Node>> {
        match self.run() {
            Ok(nodes) => Some(nodes),
            Err(fault) => {
                diagnostics.push(*fault);
                None
            }
        }
    }

    fn run(&mut self) -> Result<Vec<Node>, Box<Diagnostic>> {
        let mut reader = Reader::from_str(self.source);
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        loop {
            let at = offset(reader.buffer_position());
            let event = reader
                .read_event()
                .map_err(|error| fault::syntax(&error, self.file, self.source, offset(reader.error_position()), at))?;
            let end = offset(reader.buffer_position());
            match event {
                Event::Start(tag) => self.start(&tag, at, end)?,
                Event::Empty(tag) => {
                    self.start(&tag, at, end)?;
                    self.close();
                }
                Event::End(tag) => self.end(tag.name().as_ref(), at, end)?,
                Event::Text(text) => self.literal(&text, at)?,
                Event::CData(text) => self.literal(&text, at + "<![CDATA[".len())?,
                Event::GeneralRef(name) => self.reference(&name, at, end)?,
                Event::DocType(doctype) => {
                    let start = self.offset_of(&doctype).unwrap_or(at);
                    self.entities = entity::declared(&doctype, self.file, start)?;
                }
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
                Event::Eof => break,
            }
        }
        if let Some(open) = self.open.last() {
            let fault = Diagnostic::error(open.span, format!("`<{}>` is never closed; the file ends in it", open.name));
            let end = self.span(self.source.len(), self.source.len());
            return Err(Box::new(fault.related(end, "the file ends here")));
        }
        Ok(self.content.pop().unwrap_or_default())
    }

    /// Where a piece that the reader borrowed from the source stands.
    fn offset_of(&self, piece: &str) -> Option<usize> {
        let start = (piece.as_ptr() as usize).checked_sub(self.source.as_ptr() as usize)?;
        (start + piece.len() <= self.source.len()).then_some(start)
    }

    fn start(&mut self, tag: &BytesStart, at: usize, end: usize) -> Result<(), Box<Diagnostic>> {
        let name = tag.name().as_ref().to_owned();
        let name_span = self.span(at + 1, at + 1 + name.len());
        if !is_xml_name(&name) {
            return Err(Box::new(Diagnostic::error(name_span, format!("`{name}` cannot be the name of an element"))));
        }
        if self.open.len() >= MAX_DEPTH {
            let fault = Diagnostic::error(name_span, format!("elements are nested more than {MAX_DEPTH} deep"));
            return Err(Box::new(fault));
        }
        let mut attributes = Vec::new();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| fault::attribute(&error, self.file, self.source, at + 1, end))?;
            attributes.push(self.attribute(attribute.key.as_ref(), &attribute.value, at, end)?);
        }
        let span = self.span(at, end);
        self.open.push(Element { name, name_span, span, attributes, children: Vec::new() });
        self.content.push(Vec::new());
        Ok(())
    }

    fn attribute(&mut self, name: &str, value: &str, at: usize, end: usize) -> Result<Attribute, Box<Diagnostic>> {
        let start = self.offset_of(value).unwrap_or(at);
        let name_start = self.offset_of(name).unwrap_or(at);
        let name_span = self.span(name_start, name_start + name.len());
        let value_span = self.span(start, (start + value.len()).min(end));
        if !is_xml_name(name) {
            return Err(Box::new(Diagnostic::error(name_span, format!("`{name}` cannot be the name of an attribute"))));
        }
        if value.len() > MAX_ATTRIBUTE_BYTES {
            let message =
                format!("the value of `{name}` has {} bytes; the limit is {MAX_ATTRIBUTE_BYTES}", value.len());
            let fault = Diagnostic::error(name_span, message);
            return Err(Box::new(fault.hint("long text belongs into an element")));
        }
        if let Some(angle) = value.find('<') {
            let place = self.span(start + angle, start + angle + 1);
            let fault = Diagnostic::error(place, format!("`<` cannot stand in the value of `{name}`"));
            return Err(Box::new(fault.hint("write `&lt;`; or a `\"` is missing before")));
        }
        let mut text = Text::default();
        let mut rest = 0;
        while let Some(found) = value[rest..].find('&') {
            self.push_normalized(&mut text, &value[rest..rest + found], start + rest)?;
            let name_start = rest + found + 1;
            let Some(length) = value[name_start..].find(';') else {
                return Err(fault::bare_ampersand(self.file, start + rest + found));
            };
            let place = self.span(start + rest + found, start + name_start + length + 1);
            self.expand(&value[name_start..name_start + length], place, &mut text)?;
            rest = name_start + length + 1;
        }
        self.push_normalized(&mut text, &value[rest..], start + rest)?;
        Ok(Attribute { name: name.to_owned(), name_span, value: text, value_span })
    }

    /// White space in attribute values is a blank (XML 1.0 section 3.3.3).
    fn push_normalized(&self, text: &mut Text, piece: &str, start: usize) -> Result<(), Box<Diagnostic>> {
        self.check_characters(piece, start)?;
        let origin = Origin::Verbatim(self.span(start, start + piece.len()));
        text.push(piece.replace(['\n', '\t'], " "), origin);
        Ok(())
    }

    fn end(&mut self, name: &str, at: usize, end: usize) -> Result<(), Box<Diagnostic>> {
        let place = self.span(at, end);
        match self.open.last() {
            Some(open) if open.name == name => {
                self.close();
                Ok(())
            }
            Some(open) => {
                let fault =
                    Diagnostic::error(place, format!("`</{name}>` stands where `</{}>` is expected", open.name));
                Err(Box::new(fault.related(open.span, format!("`<{}>` is opened here", open.name))))
            }
            None => Err(Box::new(Diagnostic::error(place, format!("`</{name}>` closes nothing")))),
        }
    }

    fn close(&mut self) {
        if let (Some(mut element), Some(children)) = (self.open.pop(), self.content.pop()) {
            element.children = children;
            self.siblings().push(Node::Element(element));
        }
    }

    fn siblings(&mut self) -> &mut Vec<Node> {
        if self.content.is_empty() {
            self.content.push(Vec::new());
        }
        let last = self.content.len() - 1;
        &mut self.content[last]
    }

    /// The text that is being read: adjacent text, CDATA and references are one node.
    fn text(&mut self) -> &mut Text {
        let siblings = self.siblings();
        if !matches!(siblings.last(), Some(Node::Text(_))) {
            siblings.push(Node::Text(Text::default()));
        }
        match siblings.last_mut() {
            Some(Node::Text(text)) => text,
            _ => unreachable!("a text node was pushed just now"),
        }
    }

    fn literal(&mut self, text: &str, at: usize) -> Result<(), Box<Diagnostic>> {
        self.check_characters(text, at)?;
        let origin = Origin::Verbatim(self.span(at, at + text.len()));
        self.text().push(text, origin);
        Ok(())
    }

    fn check_characters(&self, text: &str, at: usize) -> Result<(), Box<Diagnostic>> {
        let forbidden = |c: char| (c < ' ' && !matches!(c, '\n' | '\t')) || matches!(c, '\u{FFFE}' | '\u{FFFF}');
        match text.find(forbidden) {
            None => Ok(()),
            Some(found) => {
                let code = text[found..].chars().next().map_or(0, u32::from);
                let place = self.span(at + found, at + found + text[found..].chars().next().map_or(1, char::len_utf8));
                Err(Box::new(Diagnostic::error(
                    place,
                    format!("the control character U+{code:04X} cannot stand in XML"),
                )))
            }
        }
    }

    fn reference(&mut self, name: &str, at: usize, end: usize) -> Result<(), Box<Diagnostic>> {
        let mut text = Text::default();
        self.expand(name, self.span(at, end), &mut text)?;
        self.text().segments.append(&mut text.segments);
        Ok(())
    }

    /// `&name;`: a character, the file's own entity, else the host's attribute.
    fn expand(&mut self, name: &str, place: Span, text: &mut Text) -> Result<(), Box<Diagnostic>> {
        if let Some(expansion) = self.entities.expand(name, place)? {
            for piece in expansion {
                match piece {
                    entity::Piece::Text(literal) => text.push(literal, Origin::Verbatim(place).for_entity()),
                    entity::Piece::Attribute(name) => {
                        text.segments.push(Segment::Attribute { name, form: Form::Plain, span: place });
                    }
                }
            }
            return Ok(());
        }
        match AttributeName::new(name) {
            Some(name) => text.segments.push(Segment::Attribute { name, form: Form::Plain, span: place }),
            None if name.contains(char::is_whitespace) => {
                return Err(fault::bare_ampersand(self.file, place.start as usize));
            }
            None => {
                let fault =
                    Diagnostic::error(place, format!("`&{name};` is neither a character nor the name of an attribute"));
                return Err(Box::new(fault.hint("a plain `&` is written `&amp;`")));
            }
        }
        Ok(())
    }
}

impl Origin {
    /// The text of an entity stands at the reference, but not letter for letter.
    fn for_entity(self) -> Self {
        self.span().map_or(self, Origin::Because)
    }
}

/// Files are far below 4 GiB, so the reader's 64 bit positions fit.
fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn is_xml_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::encoding::decode;

    fn parse(text: &str) -> Result<Element, String> {
        let mut sources = Sources::default();
        let mut diagnostics = Diagnostics::default();
        let text = decode(text.as_bytes())?;
        let file = sources.add("x.xml", text);
        let root = parse_document(file, &sources, &mut diagnostics);
        match diagnostics.sorted().first() {
            None => root.ok_or_else(|| "nothing".to_owned()),
            Some(fault) => {
                let place = sources.location(fault.span.unwrap());
                Err(format!("{}:{}: {}", place.line, place.column, fault.message))
            }
        }
    }

    fn text_of(element: &Element) -> String {
        match element.children.first() {
            Some(Node::Text(text)) => text.literals(),
            _ => String::new(),
        }
    }

    #[test]
    fn text_cdata_and_references_are_one_text() {
        let root = parse("<a>x &lt; &#65;<![CDATA[<&y;]]><!-- c -->&host;z<?p i?></a>").unwrap();
        let [Node::Text(text)] = root.children.as_slice() else { panic!("one text node") };
        assert_eq!(text.literals(), "x < A<&y;z");
        let names: Vec<_> = text.attributes().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["host"]);
    }

    #[test]
    fn entities_of_the_file_win_over_attributes() {
        let root = parse("<!DOCTYPE a SYSTEM \"kickstart.dtd\" [<!-- > --><!ENTITY ssh \"openssh&#45;x\">]>\n<a b='&ssh;-&c;'>&ssh;-clients</a>").unwrap();
        assert_eq!(text_of(&root), "openssh-x-clients");
        assert_eq!(root.attributes[0].value.literals(), "openssh-x-");
        assert_eq!(root.attributes[0].value.attributes().count(), 1);
    }

    #[test]
    fn what_is_not_well_formed_is_told_at_its_place() {
        for (text, fault) in [
            ("", "1:1: the file has no root element; it is empty or was cut off"),
            ("<a>\n<b></a>", "2:4: `</a>` stands where `</b>` is expected"),
            ("<a>\n<b>", "2:1: `<b>` is never closed; the file ends in it"),
            ("<a/>\njunk", "2:1: text stands outside of the root element"),
            ("<a/><b/>", "1:5: `<b>` is a second root element; a file has one"),
            ("</a>", "1:1: `</a>` closes nothing"),
            ("<a>b && c</a>", "1:6: `&` starts a reference that no `;` ends"),
            ("<a b=\"<\"/>", "1:7: `<` cannot stand in the value of `b`"),
            ("<a b='1' b='2'/>", "1:10: the element has the attribute `b` twice"),
            ("<a b=1/>", "1:6: the value of an attribute stands in quotes"),
            ("<a>\u{1}</a>", "1:4: the control character U+0001 cannot stand in XML"),
            ("<a>&9;</a>", "1:4: `&9;` is neither a character nor the name of an attribute"),
            ("<1a/>", "1:2: `1a` cannot be the name of an element"),
            ("<a", "1:1: this tag has no `>`; the file ends in it"),
            ("<a><![CDATA[x</a>", "1:4: this CDATA section has no `]]>`; the file ends in it"),
            (
                "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
                "1:23: the entity `x` is external; kgen never fetches one",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), fault, "{text:?}");
        }
    }

    #[test]
    fn entity_bombs_and_deep_nesting_are_bounded() {
        let mut bomb = String::from("<!DOCTYPE a [<!ENTITY l0 \"lollollollol\">");
        for level in 1..12 {
            let previous = format!("&l{};", level - 1).repeat(10);
            bomb.push_str(&format!("<!ENTITY l{level} \"{previous}\">"));
        }
        assert!(parse(&format!("{bomb}]><a>&l11;</a>")).unwrap_err().contains("expand to more than"));
        assert!(parse("<!DOCTYPE a [<!ENTITY x \"&x;\">]><a>&x;</a>").unwrap_err().contains("refers to itself"));
        assert!(parse(&"<a>".repeat(100_000)).unwrap_err().contains("nested more than"));
    }
}
