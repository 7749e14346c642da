//! Files of directories that the site serves: `/install/NAME/..`, and boot files. No listing, no redirect, nothing
//! outside of the directory, whatever links say.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::server::answer::{Answer, Body, kind};
use crate::server::request::Request;
use crate::server::serving::Serving;
use crate::source::open_below;

/// Gives the file at a path below a directory.
pub fn give(serving: &Serving, request: &Request, directory: &Path, path: &[&str]) -> Answer {
    // Hidden files are editors' and version control's own.
    if path.is_empty() || path.iter().any(|part| part.starts_with('.') && *part != ".treeinfo" && *part != ".discinfo")
    {
        return Answer::nothing();
    }
    // A file system that hangs holds up this request, and no other.
    let opened = match tokio::task::block_in_place(|| open_below(directory, path)) {
        Ok(Some(opened)) => opened,
        Ok(None) => return Answer::nothing(),
        Err(error) => return Answer::failure(&error.to_string()),
    };
    let (file, metadata) = opened;
    let tag = tag(&metadata);
    let is_known = request.if_none_match.as_deref().is_some_and(|known| {
        known.split(',').any(|known| matches!(known.trim().trim_start_matches("W/"), "*")) || known.contains(&tag)
    });
    if is_known {
        // The length of what is not sent (RFC 9110, section 8.6).
        let length = metadata.len().to_string();
        let mut answer = Answer::whole(kind_of(path), Vec::new()).with("etag", tag).with("content-length", length);
        answer.status = 304;
        return answer;
    }
    let answer = part(request, file, metadata.len(), &tag);
    let length = match &answer.body {
        Body::File { length, .. } => *length,
        Body::Whole(_) => 0,
    };
    serving.metrics.file_bytes.inc_by(if request.is_head() { 0 } else { length });
    Answer { kind: kind_of(path), ..answer.with("etag", tag).with("accept-ranges", "bytes") }
}

/// As strong as what a file system tells: another content has another time, size or number.
fn tag(metadata: &Metadata) -> String {
    format!("\"{:x}-{:x}-{:x}.{:x}\"", metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

fn kind_of(path: &[&str]) -> &'static str {
    let name = path.last().copied().unwrap_or_default();
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("ipxe" | "cfg" | "ks" | "txt" | "treeinfo") => kind::TEXT,
        Some("xml") => "application/xml",
        _ => kind::BYTES,
    }
}

/// The whole file or the part that is asked for (RFC 9110, section 14). Of several parts all is given, as it may be.
fn part(request: &Request, file: File, size: u64, tag: &str) -> Answer {
    let is_same = request.if_range.as_deref().is_none_or(|range| range == tag);
    let asked = request.range.as_deref().filter(|_| is_same).and_then(|text| range(text, size));
    let mut answer = Answer::whole(kind::BYTES, Vec::new());
    match asked {
        None => answer.body = Body::File { file, start: 0, length: size },
        Some(Asked::Beyond) => {
            answer = Answer::refusal(416, "the file is shorter than that");
            answer.headers.push(("content-range", format!("bytes */{size}")));
        }
        Some(Asked::Part(first, last)) => {
            answer.status = 206;
            answer.headers.push(("content-range", format!("bytes {first}-{last}/{size}")));
            answer.body = Body::File { file, start: first, length: last - first + 1 };
        }
    }
    answer
}

/// What is asked for of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// From the first to the last of these bytes.
    Part(u64, u64),
    /// What it does not have.
    Beyond,
}

/// The part that a header asks for; `None` of what is not understood, and then all is given.
fn range(text: &str, size: u64) -> Option<Asked> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    match (first, last) {
        ("", "") => None,
        ("", count) => {
            let count = number(count)?.min(size);
            Some(if count > 0 { Asked::Part(size - count, size - 1) } else { Asked::Beyond })
        }
        (first, last) => {
            let first = number(first)?;
            let last = if last.is_empty() { u64::MAX } else { number(last)? };
            if last < first {
                return None;
            }
            Some(if first < size { Asked::Part(first, last.min(size - 1)) } else { Asked::Beyond })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, range};

    #[test]
    fn parts_of_files() {
        assert_eq!(range("bytes=0-9", 100), Some(Asked::Part(0, 9)));
        assert_eq!(range("bytes=90-", 100), Some(Asked::Part(90, 99)));
        assert_eq!(range("bytes=90-1000", 100), Some(Asked::Part(90, 99)));
        assert_eq!(range("bytes=-10", 100), Some(Asked::Part(90, 99)));
        assert_eq!(range("bytes=-1000", 100), Some(Asked::Part(0, 99)));
        assert_eq!(range("bytes=100-", 100), Some(Asked::Beyond));
        assert_eq!(range("bytes=-0", 100), Some(Asked::Beyond));
        assert_eq!(range("bytes=0-0", 0), Some(Asked::Beyond));
        for other in ["bytes=9-0", "bytes=0-1,3-4", "bytes=a-", "lines=0-1", "bytes=", "bytes=+1-2"] {
            assert_eq!(range(other, 100), None, "{other}");
        }
    }
}
