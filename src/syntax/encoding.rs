//! Bytes to text: the door to `encoding_rs`.

/// Decodes a file: byte order mark, then the encoding that the XML declaration names, else UTF-8. Line ends
/// become LF, as XML 1.0 section 2.11 has it.
///
/// # Errors
/// A sentence of what cannot be decoded.
pub fn decode(bytes: &[u8]) -> Result<String, String> {
    let bom = encoding_rs::Encoding::for_bom(bytes);
    let declared = declared_encoding(bytes);
    let encoding = match (bom, &declared) {
        (Some((encoding, _)), _) => encoding,
        (None, Some(label)) => encoding_rs::Encoding::for_label(label.as_bytes())
            .ok_or_else(|| format!("the XML declaration names the encoding `{label}`, which is not known"))?,
        (None, None) => encoding_rs::UTF_8,
    };
    let (text, _, malformed) = encoding.decode(bytes);
    if malformed {
        let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), |_| bytes.len());
        let line = bytes[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        let seen = if encoding == encoding_rs::UTF_8 { format!(" (first seen in line {line})") } else { String::new() };
        return Err(format!("the file is not {}{seen}", encoding.name()));
    }
    Ok(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.into_owned() })
}

fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..bytes.len().min(200))?;
    let head = String::from_utf8_lossy(head);
    let declaration = head.strip_prefix("<?xml")?.split("?>").next()?;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value[1..].split(quote).next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_the_declared_one() {
        let latin = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>caf\xe9</a>";
        assert!(decode(latin).unwrap().contains("café"));
        assert!(decode(b"<a>caf\xe9</a>").unwrap_err().contains("UTF-8"));
        assert!(decode(b"<?xml version='1.0' encoding='nonsense'?><a/>").unwrap_err().contains("`nonsense`"));
        assert_eq!(decode(b"\xef\xbb\xbf<a>\r\n</a>\r").unwrap(), "<a>\n</a>\n");
    }
}
