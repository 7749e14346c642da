//! Packages and sites for tests, made without any program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use rpm::{BuildConfig, CompressionType, Dependency, FileOptions, Package, PackageBuilder};
use serde_json::Value;

use crate::support::{kgen, write};

/// When all packages of tests were built.
pub const BUILT: u32 = 1_700_000_000;

fn dependency(text: &str) -> Dependency {
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        [name, sign, version] if !text.starts_with('(') => match sign {
            "=" => Dependency::eq(name, version),
            "<" => Dependency::less(name, version),
            "<=" => Dependency::less_eq(name, version),
            ">" => Dependency::greater(name, version),
            ">=" => Dependency::greater_eq(name, version),
            other => panic!("{other}"),
        },
        _ => Dependency::any(text),
    }
}

/// `NAME-[EPOCH:]VERSION-RELEASE.ARCH` and lines such as `requires: a >= 1`, `file: /usr/bin/a`.
pub fn package(nevra: &str, says: &[&str]) -> Package {
    let (rest, arch) = nevra.rsplit_once('.').unwrap();
    let (rest, release) = rest.rsplit_once('-').unwrap();
    let (name, version) = rest.rsplit_once('-').unwrap();
    let (epoch, version) = version.split_once(':').unwrap_or(("0", version));
    let mut builder = PackageBuilder::new(name, version, "MIT", arch, "a package for tests");
    let config = BuildConfig::v4().compression(CompressionType::None).source_date(BUILT);
    builder.using_config(config).release(release).epoch(epoch.parse().unwrap()).build_host("test.example.org");
    builder.description(format!("{name} for tests"));
    for line in says {
        let (kind, what) = line.split_once(": ").unwrap();
        match kind {
            "requires" => builder.requires(dependency(what)),
            "provides" => builder.provides(dependency(what)),
            "conflicts" => builder.conflicts(dependency(what)),
            "obsoletes" => builder.obsoletes(dependency(what)),
            "recommends" => builder.recommends(dependency(what)),
            "file" => builder.with_file_contents(format!("{nevra}\n"), FileOptions::new(what)).unwrap(),
            other => panic!("{other}"),
        };
    }
    builder.build().unwrap()
}

/// The name of a package's file.
pub fn file_name(nevra: &str) -> String {
    let (name, rest) = nevra.split_once(':').map_or((nevra.to_owned(), None), |(before, after)| {
        (before.rsplit_once('-').unwrap().0.to_owned(), Some(after))
    });
    rest.map_or_else(|| format!("{name}.rpm"), |rest| format!("{name}-{rest}.rpm"))
}

/// Writes a package into a directory; gives its path.
pub fn put(directory: &Path, nevra: &str, says: &[&str]) -> PathBuf {
    let path = directory.join(file_name(nevra));
    fs::create_dir_all(directory).unwrap();
    package(nevra, says).write_file(&path).unwrap();
    path
}

/// A site in a directory of its own, with one appliance and one host of x86_64.
pub struct Site(tempfile::TempDir);

impl Site {
    /// `[distributions.el9]` holds `keys`; the host asks for `packages`, each an element.
    pub fn new(keys: &str, packages: &[&str]) -> Self {
        let site = Self::with(&format!("[distributions.el9]\ntarget = \"RHEL9\"\n{keys}\n"));
        site.ask(packages);
        site
    }

    /// With whatever else is in the inventory.
    pub fn with(inventory: &str) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        let head = "[site]\nname = \"s\"\ntarget = \"RHEL9\"\narch = \"x86_64\"\ndistribution = \"el9\"\n[appliances.client]\n[hosts.c0]\nappliance = \"client\"\n";
        site.file("cluster.toml", format!("{head}{inventory}"));
        site.file("graphs/default/g.xml", "<graph/>");
        site.ask(&[]);
        site
    }

    /// What the host asks for.
    pub fn ask(&self, packages: &[&str]) {
        let elements: Vec<String> = packages
            .iter()
            .map(|name| match (name.strip_prefix('@'), name.strip_prefix('-')) {
                (Some(group), _) => format!("<package type=\"meta\">{group}</package>"),
                (_, Some(off)) => format!("<package disable=\"yes\">{off}</package>"),
                _ => format!("<package>{name}</package>"),
            })
            .collect();
        self.file("nodes/client.xml", format!("<kickstart>\n{}\n</kickstart>\n", elements.join("\n")));
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        write(&self.at(path), content);
    }

    /// Writes a package below the site.
    pub fn put(&self, directory: &str, nevra: &str, says: &[&str]) -> PathBuf {
        put(&self.at(directory), nevra, says)
    }

    /// The tree of a distribution.
    pub fn tree(&self) -> PathBuf {
        self.at("served/dist/el9/x86_64")
    }

    /// Runs `kgen dist ..` there.
    pub fn dist(&self, arguments: &[&str]) -> Run {
        self.run(&[&["dist"], arguments].concat())
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(kgen().args(arguments).current_dir(self.path()).output().unwrap())
    }

    /// Builds, and gives what that reports.
    pub fn build(&self) -> Value {
        let run = self.dist(&["build", "--format", "json"]);
        assert_eq!(run.code, 0, "{}", run.err);
        serde_json::from_str(&run.out).unwrap()
    }

    /// The names of the packages in the tree.
    pub fn packages(&self) -> Vec<String> {
        let mut names: Vec<String> = walkdir::WalkDir::new(self.tree().join("Packages"))
            .into_iter()
            .filter_map(|entry| entry.ok().filter(|entry| !entry.file_type().is_dir()))
            .map(|entry| entry.file_name().to_string_lossy().trim_end_matches(".rpm").to_owned())
            .collect();
        names.sort();
        names
    }
}

/// What a run of kgen did.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().expect("an exit code"), out: text(output.stdout), err: text(output.stderr) }
    }

    /// It ended so, and said these words.
    pub fn says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        for word in words {
            assert!(self.err.contains(word) || self.out.contains(word), "{word} is not in {self:#?}");
        }
        assert!(!self.err.contains("panicked"), "{self:#?}");
    }
}
