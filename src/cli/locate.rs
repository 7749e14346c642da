//! Where the site is: what the command line names, or the nearest.

use std::path::{Path, PathBuf};

use crate::cli::args::Global;
use crate::source::error::SourceError;
use crate::source::fetch::{REMOTE_HEAD, is_remote};
use crate::source::git::{is_bare, repository_of};
use crate::source::revision::{Origin, Revision, SITE_FILES, site_in};
use crate::write::{Scratch, WriteError};

/// Where a site is read from.
#[derive(Debug)]
pub struct Place {
    /// The revision.
    pub revision: Revision,
    /// The directory that paths of the inventory are relative to.
    pub directory: PathBuf,
    /// Holds a repository that is elsewhere, for as long as it is read.
    _copy: Option<Scratch>,
}

impl Place {
    /// A revision that is here already.
    pub fn of(revision: Revision, directory: PathBuf) -> Self {
        Self { revision, directory, _copy: None }
    }
}

/// Why there is no site.
#[derive(Debug)]
pub enum NotFound {
    /// The options name none: a sentence, with a hint where to look.
    Usage(String),
    /// It cannot be read.
    Unreadable(SourceError),
    /// There is no place for a copy of it.
    NoCopy(WriteError),
}

impl From<SourceError> for NotFound {
    fn from(error: SourceError) -> Self {
        Self::Unreadable(error)
    }
}

/// The site that the options name, or the nearest from here upwards.
///
/// # Errors
/// There is none; it cannot be read.
pub fn locate(options: &Global) -> Result<Place, NotFound> {
    let copy = options.site.as_deref().filter(|site| is_remote(&site.to_string_lossy())).map(|_| Scratch::new());
    let copy = copy.transpose().map_err(NotFound::NoCopy)?;
    let (origin, directory) = origin(options, copy.as_ref().map(|copy| copy.path().join("site.git")))?;
    origin.refresh()?;
    Ok(Place { revision: origin.open()?, directory, _copy: copy })
}

/// Where the revisions of the site come from, and the directory that its paths are relative to. `copy` is where a
/// repository is kept that is elsewhere.
///
/// # Errors
/// There is no site.
pub fn origin(options: &Global, copy: Option<PathBuf>) -> Result<(Origin, PathBuf), NotFound> {
    let given = options.site.as_deref();
    let text = given.map(|site| site.to_string_lossy().into_owned()).unwrap_or_default();
    let revision = options.revision.clone();
    let local = |usual: PathBuf| options.local.clone().unwrap_or(usual);
    if let Some(repository) = copy.filter(|_| is_remote(&text)) {
        let (url, folder) = cut_folder(&text);
        let revision = revision.unwrap_or_else(|| REMOTE_HEAD.to_owned());
        let origin = Origin::Repository { repository, folder, revision, url: Some(url) };
        return Ok((origin, local(PathBuf::from("."))));
    }
    if let Some((repository, folder)) = bare(given) {
        let revision = revision.unwrap_or_else(|| "HEAD".to_owned());
        return Ok((Origin::Repository { repository, folder, revision, url: None }, local(PathBuf::from("."))));
    }
    let file = find(given).map_err(NotFound::Usage)?;
    let directory = file.parent().map(Path::to_path_buf).unwrap_or_default();
    let Some(revision) = revision else { return Ok((Origin::Directory(file), local(directory))) };
    let around = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
    let Some((repository, folder)) = repository_of(around) else {
        let place = around.display();
        return Err(NotFound::Usage(format!("{place} is in no git repository, so there is no revision `{revision}`")));
    };
    Ok((Origin::Repository { repository, folder, revision, url: None }, local(directory)))
}

/// `URL//FOLDER`: a place, and the folder of the site in the repository that is there.
fn cut_folder(text: &str) -> (String, String) {
    let start = text.find("://").map_or(0, |at| at + 3);
    match text[start..].find("//") {
        Some(at) => (text[..start + at].to_owned(), text[start + at + 2..].trim_matches('/').to_owned()),
        None => (text.to_owned(), String::new()),
    }
}

/// A repository without working files, and the folder of the site in it.
fn bare(given: Option<&Path>) -> Option<(PathBuf, String)> {
    let (path, folder) = cut_folder(&given?.to_string_lossy());
    let path = PathBuf::from(path);
    (path.is_dir() && is_bare(&path)).then_some((path, folder))
}

/// The file of the inventory. It need not be there if the directory beside it is.
fn find(given: Option<&Path>) -> Result<PathBuf, String> {
    let found = find_any(given)?;
    let others = SITE_FILES.iter().map(|name| found.with_file_name(name)).filter(|path| path.is_file());
    if given.is_none_or(Path::is_dir) && others.count() > 1 {
        let [one, other] = SITE_FILES;
        return Err(format!("there are both {one} and {other} in one directory; take away the one that is not meant"));
    }
    Ok(found)
}

fn find_any(given: Option<&Path>) -> Result<PathBuf, String> {
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

#[cfg(test)]
mod tests {
    use super::cut_folder;

    #[test]
    fn a_folder_stands_behind_two_slashes() {
        let cut = |text: &str| cut_folder(text);
        assert_eq!(cut("https://example.org/a.git//sites/x"), ("https://example.org/a.git".into(), "sites/x".into()));
        assert_eq!(cut("git@example.org:a.git"), ("git@example.org:a.git".into(), String::new()));
        assert_eq!(cut("/srv/a.git//x/"), ("/srv/a.git".into(), "x".into()));
    }
}
