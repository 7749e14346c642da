//! What an installer needs beside packages: kernel, RAM disk, itself. `.treeinfo` lists them, in the manner of INI files.

use std::path::Path;

use crate::dist::error::DistError;
use crate::dist::package::Digested;
use crate::dist::repodata::FOLDER;
use crate::dist::repodata::list::is_inside;
use crate::dist::repodata::read::is_of;
use crate::source::open_below;

/// The file that describes a tree, by its two names.
pub const TREE_FILES: [&str; 2] = [".treeinfo", "treeinfo"];
/// The largest of these.
pub const MAX_TREE_FILE_BYTES: u64 = 1 << 20;

/// The files that it lists with their checksums, `PATH = sha256:DIGEST` in `[checksums]`. Images of whole discs are not for
/// machines that install over the network.
pub fn images(text: &str) -> Vec<(String, Digested)> {
    let section = text.lines().map(str::trim).skip_while(|line| *line != "[checksums]").skip(1);
    let lines = section.take_while(|line| !line.starts_with('['));
    let image = |line: &str| {
        let (path, checksum) = line.split_once('=')?;
        let (kind, value) = checksum.trim().split_once(':')?;
        let path = path.trim();
        let is_ours = is_inside(path)
            && !path.starts_with(FOLDER)
            && !path.starts_with("Packages/")
            && !TREE_FILES.contains(&path)
            && !path.ends_with(".iso");
        Digested::new(kind.trim(), value.trim()).filter(|_| is_ours).map(|digest| (path.to_owned(), digest))
    };
    lines.filter_map(image).collect()
}

/// Whether a file is such a description, and no page that says that there is none.
pub fn is_description(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.lines().any(|line| ["[general]", "[tree]", "[checksums]"].contains(&line.trim()))
}

/// Whether a file of a tree is the one that its description speaks of.
pub fn is_there(tree: &Path, path: &str, wanted: &Digested) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let opened = open_below(tree, &parts).ok().flatten();
    opened.is_some_and(|(mut file, _)| is_of(wanted, &mut file))
}

/// The description of a tree without what it says of the index, which is another in another tree. None where there is no
/// description.
///
/// # Errors
/// It cannot be read.
pub fn description(tree: &Path) -> Result<Option<String>, DistError> {
    use std::io::Read;
    for name in TREE_FILES {
        let Some((file, _)) = open_below(tree, &[name])? else { continue };
        let mut text = String::new();
        let read = file.take(MAX_TREE_FILE_BYTES).read_to_string(&mut text);
        read.map_err(|error| DistError::file("read", &tree.join(name), error))?;
        let lines = text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with(FOLDER));
        return Ok(Some(lines.collect()));
    }
    Ok(None)
}
