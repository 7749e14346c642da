//! What may stand in a boot script, of whatever loader.

use crate::diagnostic::Diagnostic;
use crate::inventory::action::is_plain_path;
use crate::inventory::network::parts;
use crate::source::Span;

/// A file that a loader loads: a URL, or a path relative to the boot files.
///
/// # Errors
/// It is neither, or holds what some loader would not take as it is.
pub fn location(text: String, span: Span) -> Result<String, Box<Diagnostic>> {
    let (scheme, host, path) = parts(&text);
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%@+".contains(&byte);
    let is_url = ["http://", "https://", "tftp://", "nfs://"].contains(&scheme)
        && !host.is_empty()
        && path.bytes().all(inside)
        && host.bytes().all(inside);
    if is_url || is_plain_path(&text) {
        return Ok(text);
    }
    let fault = Diagnostic::error(span, format!("`{}` is not a file that a boot loader can load", text.escape_debug()));
    Err(Box::new(fault.hint(
        "a URL of http, https, tftp or nfs, or a path relative to the boot files: letters, digits and `-._~:/[]%@+`",
    )))
}

/// Why a text cannot be an argument of a kernel in the script of some loader. No loader's quoting can carry all of
/// them to the kernel unchanged: GRUB escapes quotes and backslashes, iPXE reads `${` and single `;`, `&&`, `||`.
pub fn unfit_argument(text: &str) -> Option<&'static str> {
    let operator = |word: &str| matches!(word, ";" | "&&" | "||") || word.starts_with('#');
    if text.chars().any(char::is_control) {
        Some("holds a line end or another control character")
    } else if !text.is_ascii() {
        Some("holds a character that is not ASCII")
    } else if text.contains(['"', '\'', '\\']) {
        Some("holds a quote or a backslash, which GRUB would give to the kernel changed")
    } else if text.contains("${") {
        Some("holds `${`, which iPXE would read as a setting")
    } else if text.split(' ').any(operator) {
        Some("holds `;`, `&&`, `||` or `#` as a word of its own, which iPXE would read as the end of the command")
    } else if text.contains("  ") || text.starts_with(' ') || text.ends_with(' ') {
        Some("begins or ends with a space or holds several side by side, which iPXE would take for one")
    } else if text == "-" {
        Some("is a single `-`, which PXELINUX would read as none")
    } else {
        None
    }
}

/// Whether a text may be the address of an iSCSI disk.
pub fn is_san(text: &str) -> bool {
    text.starts_with("iscsi:") && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/[]%@+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::unfit_argument;

    #[test]
    fn what_could_end_a_command_of_some_loader_is_no_argument() {
        for text in ["a\nb", "a\"b", "a'b", "a\\b", "a${net0/mac}", ";", "a && b", "||", "#x", "a  b", "-", "ü", " a"]
        {
            assert!(unfit_argument(text).is_some(), "{text:?}");
        }
        for text in ["inst.ks=http://10.1.1.1/ks/a.ks", "a=$b;c&&d||e", "x=a b", "--", "a#b", "a=`id`"] {
            assert_eq!(unfit_argument(text), None, "{text:?}");
        }
    }
}
