//! `kgen init`: a starter site, from the binary alone.

use std::fmt::Write;
use std::io::Read;

use crate::cli::args::Init;
use crate::cli::session::{Failure, Session};
use crate::shipped;
use crate::write::{Access, new_tree};

/// The inventory of a starter site.
const INVENTORY: &str = include_str!("init.toml");

/// Writes the inventory, the shipped description, and secrets that are this site's own.
pub fn run(session: &mut Session, arguments: &Init) -> Result<(), Failure> {
    let mut files: Vec<(String, Vec<u8>, Access)> =
        shipped::files().into_iter().map(|(path, content)| (path, content, Access::Public)).collect();
    files.push(("cluster.toml".to_owned(), INVENTORY.as_bytes().to_vec(), Access::Public));
    files.push((".gitignore".to_owned(), b"/secrets/\n/out/\n/mirror/\n/served/\n".to_vec(), Access::Public));
    // A locked password: root enters with a key until somebody writes a hash here.
    files.push(("secrets/rootpw".to_owned(), b"*\n".to_vec(), Access::Private));
    files.push(("secrets/munge_key".to_owned(), random_key()?.into_bytes(), Access::Private));
    let count = files.len();
    new_tree(&arguments.dir, &files)?;
    let dir = arguments.dir.display();
    session.print(&format!(
        "wrote {count} files to {dir}\n\
         next: put your machines into {dir}/cluster.toml, then\n\
         \x20 kgen check --site {dir}\n\
         \x20 kgen compile --site {dir} -o {dir}/out\n"
    ))
}

/// 256 random bits in hexadecimal. It goes into a secret, never into an output that has to be the same twice.
fn random_key() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| Failure::World(format!("cannot read /dev/urandom: {error}")))?;
    let mut key = bytes.iter().fold(String::new(), |mut key, byte| {
        let _ = write!(key, "{byte:02x}");
        key
    });
    key.push('\n');
    Ok(key)
}
