//! Files made to exhaust or to mislead kgen: bombs, nesting, sizes, links and paths to elsewhere, bytes that are no
//! text.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::program;
use crate::{LONG_LIMIT, Run, SITE, Site};

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
