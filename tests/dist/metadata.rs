//! Real dnf reads the index of a tree, and answers all questions as it does from what createrepo_c writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::made::Site;
use crate::support::{entries, program, root, run};

/// dnf that knows nothing but one repository.
pub struct Dnf {
    program: PathBuf,
    scratch: tempfile::TempDir,
    tree: PathBuf,
}

impl Dnf {
    pub fn of(tree: &Path) -> Option<Self> {
        Some(Self {
            program: program("dnf")?,
            scratch: tempfile::tempdir().unwrap(),
            tree: tree.canonicalize().unwrap(),
        })
    }

    /// Whether it was content, and what it said.
    pub fn try_ask(&self, words: &[&str]) -> (bool, String) {
        let scratch = |name: &str| self.scratch.path().join(name).display().to_string();
        let mut command = Command::new(&self.program);
        command.args(["-q", "-y", "--releasever=9", "--forcearch=x86_64", "--repo=kgen"]);
        command.arg(format!("--repofrompath=kgen,file://{}", self.tree.display()));
        command.arg(format!("--installroot={}", scratch("root")));
        ["root", "log"].iter().for_each(|name| fs::create_dir_all(scratch(name)).unwrap());
        let set = [
            ("cachedir", scratch("cache")),
            ("logdir", scratch("log")),
            ("persistdir", scratch("persist")),
            ("reposdir", "/nonexistent".to_owned()),
            ("pluginpath", "/nonexistent".to_owned()),
            ("metadata_expire", "0".to_owned()),
            ("gpgcheck", "0".to_owned()),
            ("skip_if_unavailable", "0".to_owned()),
            ("module_platform_id", "platform:el9".to_owned()),
            ("tsflags", "noscripts".to_owned()),
        ];
        for (name, value) in set {
            command.arg(format!("--setopt={name}={value}"));
        }
        run(command.args(words).env("LC_ALL", "C.UTF-8"))
    }

    pub fn ask(&self, words: &[&str]) -> String {
        let (good, said) = self.try_ask(words);
        assert!(good, "dnf {words:?}: {said}");
        said
    }
}

/// Packages that rpmbuild makes of a spec file.
fn built(directory: &Path) -> Option<()> {
    program("rpmbuild")?;
    let script = root().join("tests/dist/packages.py");
    let spec = root().join("tests/dist/metadata.spec");
    let (good, said) = run(Command::new("python3").arg(script).arg("spec").arg(spec).arg(directory));
    assert!(good, "{said}");
    Some(())
}

const GROUPS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<comps>
  <group>
    <id>tools</id><name>Tools</name><name xml:lang="de">Werkzeuge</name>
    <description>Tools &amp; more</description><default>true</default><uservisible>true</uservisible>
    <packagelist>
      <packagereq type="mandatory">tool</packagereq>
      <packagereq type="default">shell</packagereq>
      <packagereq type="optional">empty</packagereq>
    </packagelist>
  </group>
  <environment>
    <id>small-environment</id><name>Small</name><description>Small</description><display_order>1</display_order>
    <grouplist><groupid>tools</groupid></grouplist>
  </environment>
</comps>
"#;

const EVERYTHING: &str = "%{name} %{epoch} %{version} %{release} %{arch} %{size} %{installsize} %{buildtime} %{summary} %{description} %{url} %{license} %{vendor} %{packager} %{group} %{sourcerpm} %{debug_name} %{reponame}";
const QUESTIONS: &[&[&str]] = &[
    &["repoquery"],
    &["repoquery", "--qf", EVERYTHING],
    &["repoquery", "-l"],
    &["repoquery", "--provides"],
    &["repoquery", "--requires"],
    &["repoquery", "--requires-pre"],
    &["repoquery", "--conflicts"],
    &["repoquery", "--obsoletes"],
    &["repoquery", "--recommends"],
    &["repoquery", "--suggests"],
    &["repoquery", "--supplements"],
    &["repoquery", "--enhances"],
    &["repoquery", "--changelogs"],
    &["repoquery", "--whatprovides", "/usr/share/doc/everything/README"],
    &["repoquery", "--whatprovides", "feature"],
    &["repoquery", "--requires", "--resolve", "--recursive", "everything"],
    &["repoquery", "--unsatisfied"],
    &["info", "everything"],
    &["group", "list", "--hidden"],
    &["group", "info", "tools"],
    &["group", "info", "small-environment"],
];

/// What dnf answers to all questions.
fn answers(tree: &Path) -> Option<BTreeMap<String, String>> {
    let dnf = Dnf::of(tree)?;
    Some(QUESTIONS.iter().map(|words| (words.join(" "), dnf.ask(words))).collect())
}

#[test]
fn dnf_answers_everything_as_it_does_with_the_metadata_of_createrepo() {
    let Some(createrepo) = program("createrepo_c") else { return };
    for compression in ["gzip", "zstd"] {
        let keys =
            format!("sources = [{{ name = \"base\", directory = \"base\" }}]\ncompression = \"{compression}\"\n");
        let site = Site::new(&keys, &[]);
        fs::create_dir(site.at("base")).unwrap();
        let Some(()) = built(&site.at("base")) else { return };
        site.file("base/comps.xml", GROUPS);
        site.build();
        let other = tempfile::tempdir().unwrap();
        for package in entries(&site.at("base")) {
            let name = package.file_name().unwrap().to_string_lossy().into_owned();
            let folder = other.path().join("Packages").join(&name[..1]);
            fs::create_dir_all(&folder).unwrap();
            if name.ends_with(".rpm") {
                fs::copy(&package, folder.join(name)).unwrap();
            }
        }
        let (good, said) =
            run(Command::new(&createrepo).arg("-q").arg("-g").arg(site.at("base/comps.xml")).arg(other.path()));
        assert!(good, "{said}");
        let (Some(ours), Some(theirs)) = (answers(&site.tree()), answers(other.path())) else { return };
        for (question, answer) in &ours {
            assert!(!answer.is_empty() || theirs[question].is_empty(), "{question}");
            assert_eq!(*answer, theirs[question], "{compression}: {question}");
        }
        assert!(ours["group info tools"].contains("Mandatory Packages:\n   tool"), "{}", ours["group info tools"]);
    }
}

#[test]
fn dnf_installs_from_a_tree_what_kgen_says_that_it_will() {
    let site = Site::new("sources = [{ name = \"base\", directory = \"base\" }]\n", &["everything"]);
    fs::create_dir(site.at("base")).unwrap();
    let Some(()) = built(&site.at("base")) else { return };
    site.build();
    let Some(dnf) = Dnf::of(&site.tree()) else { return };
    dnf.ask(&["install", "--setopt=install_weak_deps=1", "everything"]);
    let rpm = program("rpm").unwrap();
    let (_, installed) =
        run(Command::new(rpm).arg("--root").arg(dnf.scratch.path().join("root")).args(["-qa", "--qf", "%{NAME}\n"]));
    let mut installed: Vec<&str> = installed.lines().filter(|name| *name != "gpg-pubkey").collect();
    installed.sort();
    let listed: Vec<serde_json::Value> =
        serde_json::from_str(&site.dist(&["list", "c0", "--format", "json"]).out).unwrap();
    let listed: Vec<&str> = listed.iter().map(|row| row["package"].as_str().unwrap()).collect();
    assert_eq!(listed, installed);
    assert_eq!(listed, ["early", "everything", "shell", "tool"]);
}

#[test]
fn advisories_and_modules_are_passed_on() {
    let site = Site::new(&format!("sources = [{{ name = \"up\", url = \"file://{}\" }}]\n", "SITE"), &[]);
    let inventory = fs::read_to_string(site.at("cluster.toml")).unwrap();
    site.file("cluster.toml", inventory.replace("SITE", &site.at("upstream").display().to_string()));
    site.put("upstream/Packages", "foo-2-1.x86_64", &[]);
    site.put("upstream/Packages", "bar-2-1.x86_64", &[]);
    let (Some(createrepo), Some(modify)) = (program("createrepo_c"), program("modifyrepo_c")) else { return };
    assert!(run(Command::new(createrepo).arg("-q").arg(site.at("upstream"))).0);
    site.file("updateinfo.xml", r#"<?xml version="1.0" encoding="UTF-8"?>
<updates><update status="final" from="security@example.org" type="security" version="1">
<id>EX-2024:1</id><title>foo &amp; bar</title><issued date="2024-01-01 00:00:00"/><updated date="2024-01-02 00:00:00"/>
<rights/><release>1</release><severity>Important</severity><summary>s</summary><description>d</description>
<references><reference href="https://example.org/1" id="CVE-2024-1" type="cve" title="t"/></references>
<pkglist><collection short="c"><name>c</name>
<package name="bar" version="2" release="1" epoch="0" arch="x86_64" src="bar-2-1.src.rpm"><filename>bar-2-1.x86_64.rpm</filename></package>
</collection></pkglist></update></updates>
"#);
    site.file("modules.yaml", "---\ndocument: modulemd\nversion: 2\ndata:\n  name: foo\n  stream: \"2\"\n  version: 1\n  context: aaaa\n  arch: x86_64\n  summary: s\n  description: d\n  license:\n    module: [MIT]\n  artifacts:\n    rpms: [foo-0:2-1.x86_64]\n...\n");
    for (file, kind) in [("updateinfo.xml", "updateinfo"), ("modules.yaml", "modules")] {
        assert!(
            run(Command::new(&modify)
                .arg(format!("--mdtype={kind}"))
                .arg(site.at(file))
                .arg(site.at("upstream/repodata")))
            .0
        );
    }
    site.dist(&["mirror"]).says(0, &["el9 up: 2 packages"]);
    site.build();
    let Some(dnf) = Dnf::of(&site.tree()) else { return };
    let advisories = dnf.ask(&["repoquery", "--advisory=EX-2024:1"]);
    assert!(advisories.contains("bar-0:2-1.x86_64"), "{advisories}");
    assert_eq!(dnf.ask(&["repoquery", "--cve=CVE-2024-2"]), "");
    let modules = dnf.ask(&["module", "list"]);
    assert!(modules.contains("foo") && modules.contains(" 2 "), "{modules}");
}
