//! A hostile world, met by the real program: files made to exhaust or to mislead it, disks that are full or not
//! there, a kill at any moment, two runs at once. It always ends soon, says what is wrong, and leaves whole files.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::{found, program};

const KGEN: &str = env!("CARGO_BIN_EXE_kgen");
const SITE: &str =
    "site = { name = \"s\", target = \"RHEL9\", arch = \"x86_64\" }\nappliances.a = {}\nhosts.c0.appliance = \"a\"\n";
/// What kgen may take for any input here, in a debug build.
const LIMIT: Duration = Duration::from_secs(5);
/// What it may take until it gives a template up, which is by steps and not by the clock.
const LONG_LIMIT: Duration = Duration::from_secs(30);
/// Address space, in KiB.
const MEMORY: &str = "1500000";

/// A site in a directory of its own.
struct Site {
    directory: tempfile::TempDir,
}

/// What a run gave.
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Site {
    /// One host `c0`, whose module `a` holds this.
    fn with(module: &str) -> Self {
        let site = Self { directory: tempfile::tempdir().unwrap() };
        site.file("cluster.toml", SITE);
        site.file("graphs/default/g.xml", "<graph/>");
        site.file("nodes/a.xml", format!("<kickstart>{module}</kickstart>"));
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(KGEN);
        command.args(arguments).current_dir(self.directory.path()).env_clear().stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().unwrap())
    }

    /// Runs with little memory, and fails where that is not soon done.
    fn bounded(&self, arguments: &[&str]) -> Run {
        self.within(LIMIT, arguments)
    }

    fn within(&self, limit: Duration, arguments: &[&str]) -> Run {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v $0; exec timeout 60 \"$@\"", MEMORY, KGEN]).args(arguments);
        let start = Instant::now();
        let run = Run::of(command.current_dir(self.directory.path()).output().unwrap());
        let took = start.elapsed();
        assert!(took < limit, "{arguments:?} took {took:?}: {}", run.start_of_err());
        run.assert_ended();
        run
    }

    fn check(&self) -> Run {
        self.bounded(&["check"])
    }
}

impl Run {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let run = Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) };
        assert!(output.status.signal().is_none(), "ended by {:?}: {}", output.status.signal(), run.start_of_err());
        run
    }

    fn start_of_err(&self) -> String {
        self.err.chars().take(1000).collect()
    }

    /// An end that kgen chose itself.
    fn assert_ended(&self) {
        assert!(matches!(self.code, Some(0..=3)), "{:?}: {}", self.code, self.start_of_err());
        assert!(!self.err.contains("panicked"), "{}", self.start_of_err());
    }

    fn assert_says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.start_of_err());
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not said: {}", self.start_of_err());
        }
    }

    fn assert_silent_of(&self, word: &str) {
        assert!(!self.out.contains(word) && !self.err.contains(word), "`{word}` is told: {} {}", self.out, self.err);
    }
}

// -- files ------------------------------------------------------------------------------------------------------

#[test]
fn an_entity_bomb_does_not_go_off() {
    let mut laughs = String::from("<!DOCTYPE kickstart [<!ENTITY l0 \"lollollollol\">");
    for level in 1..30 {
        laughs.push_str(&format!("<!ENTITY l{level} \"{}\">", format!("&l{};", level - 1).repeat(10)));
    }
    laughs.push_str("]><kickstart><post>&l14;</post></kickstart>");
    let long = format!("<!DOCTYPE kickstart [<!ENTITY x \"{}\">]>", "x".repeat(100_000));
    let quadratic = format!("{long}<kickstart><post>{}</post></kickstart>", "&x;".repeat(100_000));
    let attribute = format!("{long}<kickstart><post arg=\"{}\"/></kickstart>", "&x;".repeat(10_000));
    for bomb in [&laughs, &quadratic, &attribute] {
        let site = Site::with("");
        site.file("nodes/a.xml", bomb);
        site.check().assert_says(1, &["expand to more than", "nodes/a.xml"]);
    }
    let site = Site::with("<include file=\"bomb\" mode=\"xml\"/>");
    site.file("include/bomb", laughs.replace("<kickstart>", "").replace("</kickstart>", ""));
    assert_eq!(site.check().code, Some(1));
}

#[test]
fn nesting_without_end_is_told() {
    let deep = "<a>".repeat(100_000);
    for (name, before) in [("nodes/a.xml", "<kickstart>"), ("graphs/default/g.xml", "<graph>"), ("include/x", "")] {
        let site = Site::with("<include file=\"x\" mode=\"xml\"/>");
        site.file("include/x", "");
        site.file(name, format!("{before}{deep}"));
        site.check().assert_says(1, &["nested more than", name]);
    }
    let files = "<file name=\"f\">".repeat(200) + &"</file>".repeat(200);
    Site::with(&format!("<post>{files}</post>")).check().assert_ended();
}

#[test]
fn an_attribute_of_a_megabyte_is_read_or_refused() {
    let long = "x".repeat(1 << 20);
    for module in [
        format!("<post><file name=\"/{long}\">x</file></post>"),
        format!("<post arg=\"{long}\">x</post>"),
        format!("<post cond=\"{long}\">x</post>"),
        format!("<post {long}=\"x\">x</post>"),
        format!("<package>{long}</package>"),
        format!("<{long}/>"),
        format!("<post>&{long};</post>"),
        format!("<include file=\"{long}\"/>"),
    ] {
        Site::with(&module).check();
    }
    let site = Site::with("<post>&v;</post>");
    site.file("cluster.toml", format!("{SITE}attributes.v = \"{long}\"\n"));
    assert_eq!(site.bounded(&["compile", "-o", "out"]).code, Some(0));
    assert!(fs::read_to_string(site.path("out/ks/c0.ks")).unwrap().contains(&long));
}

#[test]
fn a_file_that_no_person_wrote_is_refused_by_its_size() {
    let site = Site::with("");
    for (name, bytes) in [("nodes/b.xml", (16 << 20) + 1), ("include/x", 1 << 40)] {
        File::create({
            fs::create_dir_all(site.path("include")).unwrap();
            site.path(name)
        })
        .unwrap()
        .set_len(bytes)
        .unwrap();
    }
    site.check().assert_says(1, &["nodes/b.xml", "include/x", "larger than"]);
    let site = Site::with("");
    File::create(site.path("cluster.toml")).unwrap().set_len(1 << 30).unwrap();
    site.check().assert_says(3, &["cluster.toml", "limit"]);
}

/// A text that is in a file outside of the description.
fn outside() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("passwd");
    fs::write(&path, "<kickstart><package>root-of-all-evil</package></kickstart>").unwrap();
    (directory, path)
}

const EVIL: &str = "root-of-all-evil";

#[test]
fn external_entities_are_never_fetched() {
    let (_kept, path) = outside();
    let path = path.display();
    for doctype in [
        format!("<!DOCTYPE kickstart [<!ENTITY x SYSTEM \"file://{path}\">]>"),
        format!("<!DOCTYPE kickstart [<!ENTITY x PUBLIC \"p\" \"{path}\">]>"),
        format!("<!DOCTYPE kickstart [<!ENTITY % x SYSTEM \"{path}\"> %x;]>"),
        format!("<!DOCTYPE kickstart SYSTEM \"file://{path}\">"),
        "<!DOCTYPE kickstart SYSTEM \"http://127.0.0.1:9/x.dtd\">".to_owned(),
    ] {
        let site = Site::with("");
        site.file("nodes/a.xml", format!("{doctype}<kickstart><post>&x;</post></kickstart>"));
        let run = site.bounded(&["profile", "--module", "a"]);
        run.assert_says(1, &["nodes/a.xml"]);
        run.assert_silent_of(EVIL);
    }
}

#[test]
fn no_include_leaves_the_description() {
    let (kept, path) = outside();
    let name = path.display().to_string();
    let up = format!("{}{}", "../".repeat(30), name.trim_start_matches('/'));
    for path in [&name, &up, &format!("x/{up}"), &format!("./{up}"), &format!("/{name}"), &format!("\\{name}"), "."] {
        for element in [
            format!("<include file=\"{path}\"/>"),
            format!("<include file=\"{path}\" mode=\"xml\"/>"),
            format!("<post><include file=\"{path}\"/></post>"),
            format!("<post><file name=\"f\" include=\"{path}\"/></post>"),
            format!("<ansible playbook=\"{path}\"/>"),
        ] {
            let site = Site::with(&element);
            site.file("include/x/y", "");
            let run = site.bounded(&["profile", "c0"]);
            run.assert_says(1, &["nodes/a.xml"]);
            run.assert_silent_of(EVIL);
        }
    }
    drop(kept);
}

#[test]
fn no_name_in_the_inventory_is_a_path_to_elsewhere() {
    let (kept, _) = outside();
    let up = format!("{}{}", "../".repeat(30), kept.path().display());
    for line in [
        format!("attributes.v = {{ secret = \"{up}/passwd\" }}"),
        format!("site.rolls = [\"{up}\"]"),
        format!("appliances.b.module = \"{up}/passwd\""),
        format!("attributes.graph = \"{up}\""),
        "hosts.\"../c1\".appliance = \"a\"".to_owned(),
    ] {
        let site = Site::with("<post>&v;</post>");
        let before = if line.starts_with("site.") {
            SITE.replace("site = {", "[site]\n#{").replace(" }\n", "\n")
        } else {
            SITE.to_owned()
        };
        site.file("cluster.toml", format!("{before}{line}\n"));
        let run = site.bounded(&["compile", "-o", "out"]);
        run.assert_says(1, &["cluster.toml"]);
        run.assert_silent_of(EVIL);
        assert!(!site.path("out").exists() && !site.path("c1.ks").exists());
    }
}

#[test]
fn links_are_followed_only_inside_of_the_description() {
    let (kept, path) = outside();
    let site = Site::with("<include file=\"inside\" mode=\"xml\"/>");
    site.file("include/real", "<package>good</package>");
    symlink("real", site.path("include/inside")).unwrap();
    assert!(site.bounded(&["profile", "c0"]).out.contains("good"));
    for (link, target, says) in [
        ("nodes/b.xml", path.as_path(), "leads out"),
        ("include/dir", kept.path(), "leads out"),
        ("include/root", Path::new("/"), "leads out"),
        ("rolls", kept.path(), "leads out"),
        ("nodes/self.xml", Path::new("self.xml"), "leads nowhere"),
        ("nodes/none.xml", Path::new("none"), "leads nowhere"),
        ("include/loop", Path::new(".."), "leads nowhere"),
        ("include/up", Path::new("../include"), "leads nowhere"),
    ] {
        let place = site.path(link);
        symlink(target, &place).unwrap();
        let run = site.check();
        run.assert_says(1, &[link, says]);
        run.assert_silent_of(EVIL);
        fs::remove_file(place).unwrap();
    }
    // The folder of all modules as a link to elsewhere.
    fs::remove_dir_all(site.path("nodes")).unwrap();
    fs::rename(&path, kept.path().join("a.xml")).unwrap();
    symlink(kept.path(), site.path("nodes")).unwrap();
    let run = site.bounded(&["profile", "c0"]);
    assert_eq!(run.code, Some(1), "{}", run.out);
    run.assert_silent_of(EVIL);
}

#[test]
fn what_is_no_file_is_not_read() {
    let Some(mkfifo) = program("mkfifo") else { return };
    let site = Site::with("");
    assert!(Command::new(mkfifo).arg(site.path("nodes/b.xml")).status().unwrap().success());
    symlink("/dev/zero", site.path("nodes/c.xml")).unwrap();
    site.check().assert_says(1, &["nodes/c.xml"]);
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_file() {
    let latin = b"<kickstart><post>caf\xe9</post></kickstart>";
    for (name, content, code) in [
        ("nodes/a.xml", latin.as_slice(), 1),
        ("graphs/default/g.xml", b"<graph>\xff\xfe</graph>", 1),
        ("include/x", b"\xc3", 1),
        ("cluster.toml", b"[site]\nname = \"\xe9\"\n", 1),
        ("secrets/x", b"\xe9", 3),
    ] {
        let site = Site::with("<sinclude file=\"x\" mode=\"xml\"/><post>&v;</post>");
        site.file("secrets/x", "secret");
        site.file("cluster.toml", format!("{SITE}attributes.v.secret = \"x\"\n"));
        site.file(name, content);
        site.check().assert_says(code, &[name, "UTF-8"]);
    }
}

#[test]
fn no_null_byte_gets_through() {
    for (name, content) in [
        ("nodes/a.xml", "<kickstart><post>a\0b</post></kickstart>".to_owned()),
        ("nodes/a.xml", "<kickstart><post>&#0;</post></kickstart>".to_owned()),
        ("nodes/a.xml", "\0".repeat(1000)),
        ("graphs/default/g.xml", "<graph>\0</graph>".to_owned()),
        ("cluster.toml", format!("{SITE}attributes.v = \"\0\"\n")),
        ("cluster.toml", "\0".repeat(1000)),
    ] {
        let site = Site::with("");
        site.file(name, content);
        site.check().assert_says(1, &[name]);
    }
}

/// Printable bytes that look like nothing, the same each time.
fn garbage(length: usize) -> String {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b' ' + u8::try_from((state >> 24) % 95).unwrap())
    };
    (0..length).map(|at| if at % 60 == 59 { '\n' } else { next() }).collect()
}

#[test]
fn five_megabytes_of_garbage_are_soon_told() {
    let site = Site::with("");
    site.file("cluster.toml", garbage(5 << 20));
    let run = site.bounded(&["check"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.len() < 5 << 20, "{} bytes are said", run.err.len());
    let site = Site::with("");
    site.file("nodes/a.xml", garbage(5 << 20));
    assert_eq!(site.check().code, Some(1));
    let site = Site::with(&format!("<post cond=\"{}\"/>", garbage(1 << 20).replace(['"', '<', '&'], "(")));
    assert_eq!(site.check().code, Some(1));
}

#[test]
fn what_is_wrong_for_ten_thousand_hosts_is_said_once() {
    let hosts: String =
        (0..10_000).map(|at| format!("[hosts.c{at}]\nappliance = \"a\"\nattributes.own = \"o{at}\"\n")).collect();
    for (module, says) in [
        ("<post>&missing;</post>", "the attribute `missing` has no value, for `c0` and 9999 other hosts"),
        ("<post template=\"yes\">{{ missing }}</post>", "the template does not work"),
        ("<post cond=\"own &lt; 3\">x</post>", "the text"),
        ("<timezone/>", "timezone"),
        ("<post>%end</post>", "kickstart's own"),
    ] {
        let site = Site::with(module);
        site.file("cluster.toml", format!("{}{hosts}", SITE.replace("hosts.c0.appliance = \"a\"\n", "")));
        let run = Run::of(site.command(&["check"]).output().unwrap());
        run.assert_says(1, &[says]);
        let errors = run.err.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, 1, "{module}: {}", run.start_of_err());
    }
}

#[test]
fn a_condition_without_end_is_told() {
    for text in [
        "(".repeat(100_000),
        "(".repeat(100_000) + "a" + &")".repeat(100_000),
        "[".repeat(100_000),
        "not ".repeat(100_000) + "a",
        "a and ".repeat(100_000) + "a",
        "a or ".repeat(100_000) + "a",
        "a == ".repeat(100_000) + "a",
        "a in (".to_owned() + &"1,".repeat(100_000) + ")",
        "not (".repeat(60) + "a" + &")".repeat(60),
        "-".repeat(100_000),
        "1".repeat(100_000),
    ] {
        Site::with(&format!("<post cond=\"{text}\">x</post>")).check();
        let site = Site::with("");
        site.file("graphs/default/g.xml", format!("<graph><edge from=\"a\" to=\"a\" cond=\"{text}\"/></graph>"));
        site.check();
    }
}

#[test]
fn a_template_without_end_ends() {
    let loops = |depth: usize| {
        let open: String = (0..depth).map(|at| format!("{{% for v{at} in range(10000) %}}")).collect();
        format!("{open}x{}", "{% endfor %}".repeat(depth))
    };
    for text in [
        loops(1) + &loops(4),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000)),
        "{% if x %}".repeat(10_000),
    ] {
        let site = Site::with(&format!("<post template=\"yes\"><![CDATA[{text}]]></post>"));
        site.within(LONG_LIMIT, &["check"]).assert_says(1, &["template"]);
    }
}

// -- disks ------------------------------------------------------------------------------------------------------

/// Contents by name.
type Files = BTreeMap<String, Vec<u8>>;

/// The kickstarts of a directory.
fn kickstarts(directory: &Path) -> Files {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let files = entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    files.filter(|(name, _)| name.ends_with(".ks")).collect()
}

/// Names of files that a run had not finished.
fn leftovers(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with(".ks")).collect()
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let site = Site::with("");
    site.file("file", "x");
    site.file("ks-is-file/ks", "x");
    site.file("ks-is-full/ks/c0.ks/x", "x");
    symlink("nowhere/at/all", site.path("broken")).unwrap();
    for target in [
        "file",
        "file/below",
        "ks-is-file",
        "ks-is-full",
        "broken",
        "/proc/kgen",
        "/dev/null",
        "/dev/full",
        "/sys/kgen",
    ] {
        let run = site.run(&["compile", "-o", target]);
        run.assert_says(3, &["cannot write", target]);
        assert!(!run.out.contains("hosts"), "a result is told: {}", run.out);
    }
    assert_eq!(fs::read(site.path("file")).unwrap(), b"x");
    assert_eq!(fs::read(site.path("ks-is-file/ks")).unwrap(), b"x");
    assert!(leftovers(&site.path("ks-is-full/ks")).is_empty());
    site.run(&["init", "file"]).assert_says(3, &["file"]);
    site.run(&["man", "file"]).assert_says(3, &["file"]);
}

#[test]
fn a_result_that_cannot_be_printed_is_told() {
    let site = Site::with("");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let run = Run::of(site.command(&["list", "hosts"]).stdout(full).output().unwrap());
    assert_eq!(run.code, Some(3), "{}", run.err);
    assert!(run.err.contains("space"), "{}", run.err);
}

/// A shell in a private mount namespace, where that is permitted.
fn shell_with_mounts() -> Option<Command> {
    let unshare = program("unshare")?;
    let mut trial = Command::new(&unshare);
    trial.args(["-m", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"]).stderr(Stdio::null());
    let permitted = trial.status().is_ok_and(|status| status.success());
    found("the permission to mount", permitted).then(|| {
        let mut shell = Command::new(unshare);
        shell.args(["-m", "sh", "-e", "-c"]);
        shell
    })
}

/// Compiles a small site to a disk of its own, then after `between` a larger one; gives what the second run says,
/// the files before and after, and what was left of temporary files.
fn second_compile(between: &str) -> Option<(Run, [Files; 2], Vec<String>)> {
    let mut shell = shell_with_mounts()?;
    let site = Site::with("<post>&v;</post>");
    let hosts: String = (1..5).map(|at| format!("hosts.c{at}.appliance = \"a\"\n")).collect();
    for (name, value) in [("small.toml", "x".to_owned()), ("large.toml", "y".repeat(40_000))] {
        site.file(name, format!("{SITE}{hosts}attributes.v = \"{value}\"\n"));
    }
    for name in ["disk", "before", "after"] {
        fs::create_dir(site.path(name)).unwrap();
    }
    let script = format!(
        "mount -t tmpfs -o size=64k tmpfs disk\n\
         $KGEN compile --site small.toml -o disk > said\n\
         cp -a disk/. before\n\
         {between}\n\
         code=0; $KGEN compile --site large.toml -o disk || code=$?\n\
         cp -a disk/. after\n\
         exit $code"
    );
    shell.arg(script).env("KGEN", KGEN).current_dir(site.directory.path());
    let run = Run::of(shell.output().unwrap());
    let files = ["before/ks", "after/ks"].map(|name| kickstarts(&site.path(name)));
    assert_eq!(files[0].len(), 5, "{}", run.err);
    Some((run, files, leftovers(&site.path("after/ks"))))
}

#[test]
fn a_full_disk_leaves_every_file_whole() {
    let Some((run, [before, after], left)) = second_compile("") else { return };
    run.assert_says(3, &["cannot write", "disk/ks/c", ".ks", "space"]);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (name, content) in &after {
        let is_new = content.ends_with(b"%end\n") && content.len() > 40_000;
        assert!(*content == before[name] || is_new, "{name} is neither the old nor the new file");
    }
    assert!(after.iter().any(|(name, content)| *content == before[name]), "the disk was not full");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_disk_that_is_full_before_keeps_all_old_files() {
    let Some((run, [before, after], left)) = second_compile("head -c 200000 /dev/zero > disk/filler || true") else {
        return;
    };
    run.assert_says(3, &["cannot write", "disk/ks/c", "space", "as it was"]);
    assert_eq!(before, after);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_disk_that_became_read_only_keeps_all_old_files() {
    let Some((run, [before, after], left)) = second_compile("mount -o remount,ro disk") else { return };
    run.assert_says(3, &["cannot write", "disk", "ead-only"]);
    assert_eq!(before, after);
    assert!(left.is_empty(), "{left:?}");
}

// -- interruption -----------------------------------------------------------------------------------------------

const HOSTS: usize = 300;

/// Two inventories, `0.toml` and `1.toml`, whose kickstarts all differ; and their kickstarts.
fn two_versions() -> (Site, [Files; 2]) {
    let site = Site::with("<post>&v; &hostname;</post>");
    let hosts: String = (1..HOSTS).map(|at| format!("[hosts.c{at}]\nappliance = \"a\"\n")).collect();
    let versions = ["0", "1"].map(|version| {
        let value = version.repeat(20_000);
        site.file(&format!("{version}.toml"), format!("{SITE}attributes.v = \"{value}\"\n{hosts}"));
        let run = site.run(&["compile", "--site", &format!("{version}.toml"), "-o", &format!("good-{version}")]);
        assert_eq!(run.code, Some(0), "{}", run.err);
        kickstarts(&site.path(&format!("good-{version}/ks")))
    });
    assert_eq!(versions.each_ref().map(BTreeMap::len), [HOSTS, HOSTS]);
    (site, versions)
}

fn start(site: &Site, version: usize) -> Child {
    let mut command = site.command(&["compile", "--site", &format!("{version}.toml"), "-o", "out"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// How many files were put in place of those that had these numbers on the disk.
fn replaced(directory: &Path, before: &BTreeMap<String, u64>) -> usize {
    let now = inodes(directory);
    before.iter().filter(|(name, inode)| now.get(*name) != Some(inode)).count()
}

fn inodes(directory: &Path) -> BTreeMap<String, u64> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let numbered =
        entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.ino())));
    numbered.filter(|(name, _)| name.ends_with(".ks")).collect()
}

#[test]
fn a_kill_at_any_moment_leaves_only_whole_files() {
    let (site, versions) = two_versions();
    assert_eq!(start(&site, 0).wait_with_output().unwrap().status.code(), Some(0));
    let folder = site.path("out/ks");
    let mut interrupted = 0;
    for round in 1..=20 {
        let before = inodes(&folder);
        let mut run = start(&site, round % 2);
        // Another moment each time: after so many files, from none to nearly all.
        let moment = round * 97 % HOSTS;
        while run.try_wait().unwrap().is_none() && replaced(&folder, &before) < moment {}
        run.kill().unwrap();
        interrupted += usize::from(run.wait().unwrap().signal().is_some());
        let found = kickstarts(&folder);
        assert_eq!(found.len(), HOSTS);
        for (name, content) in &found {
            let whole = versions.iter().any(|version| version[name] == *content);
            assert!(whole, "{name} is neither the old nor the new file after round {round}");
        }
    }
    assert!(interrupted >= 10, "only {interrupted} of 20 runs were met at work");
    assert_eq!(start(&site, 1).wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(kickstarts(&folder), versions[1]);
    assert!(leftovers(&folder).is_empty(), "{:?}", leftovers(&folder));
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Whether a run, which is stopped or done, holds the directory.
fn is_locked(site: &Site) -> bool {
    let lock = File::options().append(true).open(site.path("out/.kgen-lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

#[test]
fn of_two_runs_into_one_directory_one_says_so() {
    let (site, versions) = two_versions();
    for _ in 0..50 {
        let mut first = start(&site, 0);
        // Once it writes it has the lock; asking for that before would take it away.
        while first.try_wait().unwrap().is_none() && inodes(&site.path("out/ks")).is_empty() {}
        if first.try_wait().unwrap().is_none() {
            signal(&first, "-STOP");
        }
        let held = is_locked(&site);
        let second = Run::of(start(&site, 1).wait_with_output().unwrap());
        if held {
            second.assert_says(3, &["another kgen is writing to out"]);
            signal(&first, "-CONT");
        }
        assert_eq!(first.wait_with_output().unwrap().status.code(), Some(0));
        if held {
            assert_eq!(kickstarts(&site.path("out/ks")), versions[0]);
            return;
        }
        fs::remove_dir_all(site.path("out")).unwrap();
    }
    panic!("no run was met at work");
}

// -- pipes ------------------------------------------------------------------------------------------------------

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let site = Site::with("<post>x</post>");
    let hosts: String = (1..5000).map(|at| format!("[hosts.c{at}]\nappliance = \"a\"\n")).collect();
    site.file("cluster.toml", format!("{SITE}{hosts}"));
    for arguments in [
        vec!["list", "hosts"],
        vec!["list", "attributes", "--format", "json"],
        vec!["profile", "c0"],
        vec!["explain", "c0", "1"],
        vec!["graph"],
        vec!["graph", "--format", "json"],
        vec!["check"],
        vec!["compile", "-o", "out"],
        vec!["completions", "bash"],
        vec!["--help"],
        vec!["--version"],
    ] {
        let mut run = site.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(run.stdout.take());
        let run = Run::of(run.wait_with_output().unwrap());
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{arguments:?}");
    }
    assert_eq!(kickstarts(&site.path("out/ks")).len(), 5000);
}
