//! A site in a git repository, and what `kgen diff` says in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, write};

const INVENTORY: &str = r#"[site]
name = "s"
domain = "example.org"
server = "http://10.0.0.1"
target = "RHEL9"
arch = "x86_64"
distribution = "el9"
secrets = "hidden"
[distributions.el9]
url = "{{ server }}/el9"
[attributes]
rootpw = { secret = "rootpw" }
ntp = "ntp.example.org"
[networks.private]
subnet = "10.0.0.0/16"
[appliances.compute]
[appliances.login]
[hosts.c0]
appliance = "compute"
rank = 0
interfaces = [{ name = "e0", network = "private", address = "52:54:00:00:00:00", ip = "10.0.1.0" }]
[hosts.c1]
appliance = "compute"
rank = 1
interfaces = [{ name = "e0", network = "private", address = "52:54:00:00:00:01", ip = "10.0.1.1" }]
[hosts.c2]
appliance = "compute"
rank = 2
attributes = { rdma = "yes" }
interfaces = [{ name = "e0", network = "private", address = "52:54:00:00:00:02", ip = "10.0.1.2" }]
[hosts.login]
appliance = "login"
interfaces = [{ name = "e0", network = "private", address = "52:54:00:00:00:0f", ip = "10.0.1.15" }]
"#;

const COMPUTE: &str = "<kickstart>
  <main><rootpw>--iscrypted &rootpw;</rootpw></main>
  <package>gcc</package>
  <post>
echo &hostname; in rank &rank; is here
  </post>
</kickstart>
";

pub const FILES: [(&str, &str); 6] = [
    ("cluster.toml", INVENTORY),
    ("nodes/compute.xml", COMPUTE),
    ("nodes/login.xml", "<kickstart><package>vim</package></kickstart>\n"),
    ("nodes/base.xml", "<kickstart>\n  <package>bash</package>\n  <post>\nchrony &ntp;\n  </post>\n</kickstart>\n"),
    ("nodes/rdma.xml", "<kickstart>\n  <package>rdma-core</package>\n</kickstart>\n"),
    (
        "graphs/default/g.xml",
        "<graph>\n  <edge from=\"compute\" to=\"base\"/>\n  <edge from=\"login\" to=\"base\"/>\n\
         \x20 <edge from=\"compute\" to=\"rdma\" cond=\"rdma\"/>\n</graph>\n",
    ),
];

/// A site in a git repository.
pub struct Site(TempDir);

/// Exit code, standard output, standard error.
pub type Said = (i32, String, String);

impl Site {
    pub fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        FILES.iter().for_each(|(path, text)| write(&site.path().join(path), text));
        write(&site.path().join(".gitignore"), "/hidden\n");
        site.git(&["init", "-q", "-b", "main"]);
        site.commit();
        site
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn git(&self, arguments: &[&str]) {
        let own = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
        let mut git = Command::new("git");
        git.env_clear().env("PATH", "/usr/bin:/bin").args(own).args(arguments).current_dir(self.path());
        let (good, said) = support::run(&mut git);
        assert!(good, "git {arguments:?}: {said}");
    }

    pub fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", "a state"]);
    }

    /// Replaces text in a file of the site, in which it has to stand.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let path = self.path().join(path);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} is not in {}", path.display());
        fs::write(&path, text.replace(from, to)).unwrap();
    }

    pub fn diff(&self, arguments: &[&str]) -> Said {
        said(support::kgen().arg("diff").args(arguments).current_dir(self.path()))
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let (_, out, err) = self.diff(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
    }
}

pub fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

pub fn changes(code: i32, text: &str) -> Said {
    (code, text.to_owned(), String::new())
}
