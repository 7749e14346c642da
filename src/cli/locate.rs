//! Where the inventory is: what the command line names, or the nearest.

use std::path::{Path, PathBuf};

/// The names of the inventory's file, the usual first. Beside it, `cluster.d` may hold more of it.
const SITE_FILES: [&str; 2] = ["cluster.toml", "cluster.json"];

/// The file of the inventory, in `given` if it is a directory, or the nearest from here upwards. It need not be there
/// if the directory beside it is.
///
/// # Errors
/// A sentence: there is none, nor a hint where to look.
pub fn locate(given: Option<&Path>) -> Result<PathBuf, String> {
    let found = find(given)?;
    let others = SITE_FILES.iter().map(|name| found.with_file_name(name)).filter(|path| path.is_file());
    if given.is_none_or(Path::is_dir) && others.count() > 1 {
        let [one, other] = SITE_FILES;
        return Err(format!("there are both {one} and {other} in one directory; take away the one that is not meant"));
    }
    Ok(found)
}

fn find(given: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = given {
        let inside = || site_in(path).unwrap_or_else(|| path.join(SITE_FILES[0]));
        return Ok(if path.is_dir() { inside() } else { path.to_path_buf() });
    }
    let here = std::env::current_dir().map_err(|error| format!("there is no current directory: {error}"))?;
    let found = here.ancestors().find_map(site_in);
    let found = found.map(|path| path.strip_prefix(&here).map(Path::to_path_buf).unwrap_or(path));
    found.ok_or_else(|| {
        format!(
            "there is no {} in {} or above it; name one with --site, or start one with `kgen init`",
            SITE_FILES[0],
            here.display()
        )
    })
}

fn site_in(directory: &Path) -> Option<PathBuf> {
    let files = SITE_FILES.map(|name| directory.join(name));
    let found = files.iter().find(|path| path.is_file());
    found.or_else(|| files.first().filter(|path| path.with_extension("d").is_dir())).cloned()
}
