//! A few seconds of fuzzing in every test run: the entries of `fuzz/`, the same inputs each time. The seeds are the
//! files that kgen ships and the catalogue of faults, torn and put together again at random.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

#[path = "fuzz/entries.rs"]
mod entries;
#[cfg(feature = "dist")]
#[path = "fuzz/packages.rs"]
mod packages;
#[cfg(feature = "serve")]
#[path = "fuzz/requests.rs"]
mod requests;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// What is put in beside pieces of other seeds: what the readers look for, and what is easily cut in half.
const WORDS: &[&str] = &[
    "<",
    ">",
    "/>",
    "</",
    "&",
    ";",
    "&#0;",
    "&#xD800;",
    "&a;",
    "&x",
    "\"",
    "'",
    "=",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<!DOCTYPE a [",
    "<!ENTITY x \"",
    "ü",
    "漢",
    "\u{1F600}",
    "e\u{301}",
    "\u{feff}",
    "\u{200b}",
    "\0",
    "\u{1}",
    "\r\n",
    "\t",
    "KGEN_EOF",
    "KGEN_EOF_1",
    "%end",
    "%post",
    "{{",
    "}}",
    "{% for h in hosts %}",
    "[[",
    "]]",
    "[hosts.",
    "\"\"\"",
    "'''",
    "{",
    "}",
    ",",
    "(",
    ")",
    "not ",
    " and ",
    " or ",
    " in ",
    " is None",
    "==",
    "<=",
    "-",
    "9223372036854775808",
    "1e308",
    "1e-9",
    "0x",
    "..",
    "../",
    "/etc/passwd",
    "compute-{rack}-{rank}",
    "10.1.0.0/33",
    "::1",
    "<file name=\"",
    "<include file=\"x\" mode=\"xml\"/>",
    "<var name=\"v\" val=\"",
    "<eval>",
    "cond=\"",
];

/// Xorshift: small, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A range of at most `longest` within `0..length`.
    fn range(&mut self, length: usize, longest: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..(start + self.below(longest)).min(length)
    }
}

fn mutate(chance: &mut Chance, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut data = chance.pick(seeds).clone();
    for _ in 0..=chance.below(4) {
        let place = chance.range(data.len(), 24);
        match chance.below(7) {
            0 => drop(data.splice(place, std::iter::empty())),
            1 => data.truncate(place.start),
            2 => {
                let piece = data[place.clone()].to_vec();
                drop(data.splice(place.end..place.end, piece));
            }
            3 => {
                let other = chance.pick(seeds);
                let piece = other[chance.range(other.len(), 80)].to_vec();
                drop(data.splice(place, piece));
            }
            4 if !data.is_empty() => {
                let at = chance.below(data.len());
                data[at] ^= 1 << chance.below(8);
            }
            _ => drop(data.splice(place.start..place.start, chance.pick(WORDS).bytes())),
        }
    }
    data
}

/// Files of the package that end so, and sections of the catalogue of faults whose names do; only small ones,
/// because what is found in a large one is found in a small one sooner.
fn seeds(folders: &[&str], ends: &str, start: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for folder in folders {
        collect(&root.join(folder), ends, &mut texts);
    }
    let mut cases = Vec::new();
    collect(&root.join("tests/diagnostics"), ".txt", &mut cases);
    for case in cases {
        let sections = case.split("=== ").filter_map(|section| section.split_once('\n'));
        texts.extend(sections.filter(|(name, _)| name.ends_with(ends)).map(|(_, text)| text.to_owned()));
    }
    texts.retain(|text| text.len() < 3000 && text.contains(start));
    texts.into_iter().map(String::into_bytes).collect()
}

fn collect(folder: &Path, ends: &str, texts: &mut Vec<String>) {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, ends, texts);
        } else if path.to_str().is_some_and(|path| path.ends_with(ends)) {
            texts.push(fs::read_to_string(&path).unwrap());
        }
    }
}

/// What stands in `cond=".."`, as it is for the parser.
fn conditions() -> Vec<Vec<u8>> {
    let files = seeds(&["graphs", "nodes", "examples"], ".xml", "cond=\"");
    let texts = files.into_iter().map(|file| String::from_utf8(file).unwrap());
    let mut found = Vec::new();
    for text in texts {
        let values = text.split("cond=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
        found.extend(values.map(|value| value.replace("&lt;", "<").replace("&gt;", ">").into_bytes()));
    }
    found
}

/// Runs an entry over as many inputs, and shows the input that it does not survive.
fn fuzz(seeds: &[Vec<u8>], inputs: usize, entry: fn(&[u8])) {
    assert!(seeds.len() > 20, "{} seeds", seeds.len());
    let mut chance = Chance(0x6b67_656e_2026_0001);
    let random = (0..inputs).map(|_| mutate(&mut chance, seeds));
    for data in seeds.iter().cloned().chain(random) {
        let survived = catch_unwind(|| entry(&data));
        assert!(survived.is_ok(), "by this input:\n{}", data.escape_ascii());
    }
}

#[test]
fn no_module_breaks_kgen() {
    fuzz(&seeds(&["nodes", "examples"], ".xml", "<kickstart"), 250, entries::module);
}

#[test]
fn no_graph_breaks_kgen() {
    fuzz(&seeds(&["graphs", "examples"], ".xml", "<graph"), 250, entries::graph);
}

#[test]
fn no_condition_breaks_kgen() {
    fuzz(&conditions(), 10_000, entries::condition);
}

#[test]
fn no_inventory_breaks_kgen() {
    fuzz(&seeds(&["examples"], ".toml", "site"), 250, entries::inventory);
}

#[test]
fn no_part_of_an_inventory_breaks_kgen() {
    let mut parts = seeds(&[], ".csv", ",");
    parts.extend(seeds(&[], ".json", "{"));
    fuzz(&parts, 2_000, entries::part);
}

/// Packages with different headers.
#[cfg(feature = "dist")]
fn packages() -> Vec<Vec<u8>> {
    let of = |number: u32| {
        let mut builder = rpm::PackageBuilder::new("seed", "1.0~rc1", "MIT", "x86_64", "a seed");
        builder.using_config(rpm::BuildConfig::v4().compression(rpm::CompressionType::None).source_date(1_700_000_000));
        builder.release(number.to_string()).epoch(number % 3);
        for relation in 0..number % 5 {
            builder.requires(rpm::Dependency::greater_eq(format!("r{relation}"), "1-1"));
            builder.provides(rpm::Dependency::any(format!("(a{relation} if b)")));
            builder.with_file_contents("x", rpm::FileOptions::new(format!("/usr/bin/f{relation}"))).unwrap();
        }
        let mut bytes = Vec::new();
        builder.build().unwrap().write(&mut bytes).unwrap();
        bytes
    };
    (0..25).map(of).collect()
}

#[test]
#[cfg(feature = "dist")]
fn no_package_breaks_kgen() {
    fuzz(&packages(), 3_000, packages::package);
}

/// Files of an index, each with other relations.
#[cfg(feature = "dist")]
fn metadata() -> Vec<Vec<u8>> {
    let entry = |name: &str| format!("<rpm:entry name=\"{name}\" flags=\"GE\" epoch=\"0\" ver=\"1\" rel=\"2\"/>");
    let relations = [
        "a",
        "/usr/bin/a",
        "(a if b else c)",
        "((a or b) and (c without d))",
        "(a with b &lt; 2)",
        "libc.so.6()(64bit)",
    ];
    let primary = |relation: &&str| {
        let (name, entry) = (relation.len(), entry(relation));
        format!(
            "<metadata xmlns:rpm=\"r\" packages=\"1\"><package type=\"rpm\"><name>n{name}</name><arch>noarch</arch><version epoch=\"1\" ver=\"1\" rel=\"1\"/><checksum type=\"sha256\" pkgid=\"YES\">ab</checksum><size package=\"1\" installed=\"2\" archive=\"3\"/><location href=\"a/b.rpm\"/><format><rpm:provides>{entry}</rpm:provides><rpm:requires>{entry}</rpm:requires><rpm:conflicts>{entry}</rpm:conflicts><file>/usr/bin/a</file></format></package></metadata>"
        )
    };
    let others = [
        "<repomd><revision>1</revision><data type=\"primary\"><checksum type=\"sha256\">ab</checksum><location href=\"repodata/p.xml.gz\"/><timestamp>1</timestamp><size>1</size></data></repomd>",
        "<comps><group><id>a</id><name>A</name><packagelist><packagereq type=\"mandatory\">p</packagereq></packagelist></group><environment><id>e</id><name>E</name><grouplist><groupid>a</groupid></grouplist></environment></comps>",
        "---\ndocument: modulemd\nversion: 2\ndata:\n  name: m\n  stream: \"1\"\n  version: 1\n  artifacts:\n    rpms: [a-0:1-1.x86_64]\n...\n",
        "1.0~rc1^git2 1.0^git1~rc2",
    ];
    let all = relations.iter().map(primary).chain(others.map(str::to_owned));
    let all: Vec<_> = all.map(String::into_bytes).collect();
    all.iter().cycle().take(30).cloned().collect()
}

#[test]
#[cfg(feature = "dist")]
fn no_file_of_an_index_breaks_kgen() {
    fuzz(&metadata(), 4_000, packages::metadata);
}

/// Targets and what proxies say, of whom some are good.
#[cfg(feature = "serve")]
fn requests() -> Vec<Vec<u8>> {
    let targets = [
        "/",
        "/healthz",
        "/metrics",
        "/ks",
        "//ks//compute-0-0.ks?token=00112233445566778899aabbccddeeff",
        "/ks/c0/progress?token=x&token=y",
        "/install/sbin/kickstart.cgi?arch=x86_64&np=4",
        "/install/el9/%2e%2e/secrets",
        "/install/el9/packages/a%20b.rpm",
        "/boot/ipxe/52-54-00-00-00-0a.ipxe",
        "/boot/grub/grub.cfg-01-52-54-00-00-00-0a",
        "/boot/pxelinux.cfg/0A37000B",
        "/boot/%252e%252e/%c0%af",
        "/api/v1/events?after=1&wait=20&host=c0",
        "/api/v1/pins/%40compute",
        "/hosts/c0?line=5",
        "/graph/all%20modules.svg",
        "http://evil.example/ks/c0.ks",
        "*",
        "/%00/%zz/%",
    ];
    let forwarded =
        ["", "\n10.1.0.7", "\n10.1.0.7, 10.9.0.2\n10.9.0.3", "\ngarbage", "\n::ffff:10.1.0.7,", "\n[::1]:80"];
    let all = targets.iter().flat_map(|target| forwarded.map(|lines| format!("{target}{lines}").into_bytes()));
    all.collect()
}

#[cfg(feature = "serve")]
#[test]
fn no_request_breaks_kgen() {
    fuzz(&requests(), 20_000, requests::request);
}
