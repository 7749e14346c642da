//! The description that kgen ships, inside the binary: the door to rust-embed.

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "nodes/"]
#[prefix = "nodes/"]
struct Nodes;

#[derive(RustEmbed)]
#[folder = "graphs/"]
#[prefix = "graphs/"]
struct Graphs;

#[derive(RustEmbed)]
#[folder = "dtd/"]
#[prefix = "dtd/"]
struct Dtd;

/// All files: path relative to a description, and content; by path.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = of::<Nodes>().chain(of::<Graphs>()).chain(of::<Dtd>()).collect();
    files.sort();
    files
}

fn of<F: RustEmbed>() -> impl Iterator<Item = (String, Vec<u8>)> {
    F::iter().filter_map(|path| Some((path.to_string(), F::get(&path)?.data.into_owned())))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_binary_holds_the_description() {
        let files = super::files();
        for path in ["nodes/ssh.xml", "graphs/default/base.xml", "dtd/kickstart.dtd"] {
            assert!(files.iter().any(|(found, _)| found == path), "{path}");
        }
    }
}
