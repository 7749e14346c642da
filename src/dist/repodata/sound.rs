//! Whether an XML file of an index can be given to the library that takes it apart, which takes much for granted: it ends
//! the program, or never ends, where a file stops inside of an element, or says what it does not know.

use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// What is said of what is no text.
const FORBIDDEN: &str = "it holds a character that XML may not hold";
/// How deep elements may stand in each other; real ones are six deep.
const MAX_DEPTH: usize = 64;
/// What a file in the list of a package can be.
const FILE_TYPES: [&str; 3] = ["file", "dir", "ghost"];

/// Reads a file to its end; `counted` says whether its root tells how many packages there are. Gives how many elements of
/// that name stand in it.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check(xml: impl BufRead, counted: bool) -> Result<usize, String> {
    let mut reader = Reader::from_reader(xml);
    reader.config_mut().enable_all_checks(true);
    let mut buffer = Vec::new();
    let (mut depth, mut has_root, mut packages) = (0_usize, false, 0);
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(|error| error.to_string())? {
            Event::Start(element) => {
                check_element(&element, counted && !has_root)?;
                has_root = true;
                packages += usize::from(depth == 1 && element.name().as_ref() == "package");
                depth += 1;
            }
            Event::Empty(element) => {
                check_element(&element, counted && !has_root)?;
                has_root = true;
            }
            Event::End(_) => depth = depth.checked_sub(1).ok_or("an element ends that did not begin")?,
            Event::DocType(_) if has_root => return Err("a document type stands inside of it".to_owned()),
            Event::Eof if depth > 0 => return Err("it ends inside of an element".to_owned()),
            Event::Eof if !has_root => return Err("it has no element at all".to_owned()),
            Event::Eof => return Ok(packages),
            Event::Text(text) if !text.chars().all(is_character) => return Err(FORBIDDEN.to_owned()),
            Event::CData(text) if !text.chars().all(is_character) => return Err(FORBIDDEN.to_owned()),
            Event::GeneralRef(reference) => check_reference(&reference)?,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} elements stand in each other"));
        }
    }
}

/// What XML may hold (XML 1.0, section 2.2).
fn is_character(c: char) -> bool {
    !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{7f}'..='\u{9f}')
}

fn check_reference(reference: &BytesRef) -> Result<(), String> {
    match reference.resolve_char_ref() {
        Ok(Some(c)) if !is_character(c) => Err(FORBIDDEN.to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn check_element(element: &BytesStart, is_counted_root: bool) -> Result<(), String> {
    let attribute = |name| element.try_get_attribute(name).map_err(|error: AttrError| error.to_string());
    if is_counted_root && attribute("packages")?.is_none() {
        return Err("its root element does not say how many `packages` there are".to_owned());
    }
    let is_file = element.name().as_ref() == "file";
    let kind = if is_file { attribute("type")? } else { None };
    match kind.filter(|kind| !FILE_TYPES.contains(&kind.value.as_ref())) {
        Some(kind) => Err(format!("a file is of the unknown type `{}`", kind.value.escape_debug())),
        None => Ok(()),
    }
}
