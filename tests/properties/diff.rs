//! Nothing changes between two sites just where all that is made of them is equal, but for kgen's own comments.

use std::collections::BTreeMap;
use std::sync::Arc;

use kgen::assemble::{Assembled, assemble_shown};
use kgen::compare::compare;
use kgen::diagnostic::{Diagnostics, to_text};
use kgen::files::{boot_scripts, kickstart, site_files};
use kgen::source::Sources;
use kgen::source::revision::Revision;
use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::{cases, support, toml_text, xml_text};

/// What differs from one site to another: each is chosen from a few, so that many pairs are equal in part.
#[derive(Clone, Debug)]
struct Site {
    hosts: Vec<Host>,
    shared: &'static str,
    cond: &'static str,
    boot: &'static str,
    script: Vec<&'static str>,
    comment: bool,
}

#[derive(Clone, Debug)]
struct Host {
    there: bool,
    other: bool,
    ip: u8,
    own: Option<&'static str>,
}

const VALUES: [&str; 6] = ["x", "h0", "h1.example.org", "it's", "&hostname;", "10.0.0.1"];

fn value() -> impl Strategy<Value = &'static str> {
    prop::sample::select(VALUES.to_vec())
}

/// References and texts that they may be equal to.
fn line() -> impl Strategy<Value = &'static str> {
    let lines =
        ["&hostname;", "&fqdn;", "&hostname;.&domain;", "h0", "&amp;hostname;", "&own;", "&shared;", "x", "&hostaddr;"];
    prop::sample::select(lines.to_vec())
}

fn host() -> impl Strategy<Value = Host> {
    let own = prop::option::of(value());
    (prop::bool::weighted(0.9), any::<bool>(), 1_u8..4, own).prop_map(|(there, other, ip, own)| Host {
        there,
        other,
        ip,
        own,
    })
}

fn site() -> impl Strategy<Value = Site> {
    let hosts = prop::collection::vec(host(), 3);
    let words = (
        value(),
        prop::sample::select(vec!["", "own", "shared == &quot;x&quot;"]),
        prop::sample::select(vec!["local", "install"]),
    );
    let script = prop::collection::vec(line(), 0..4);
    (hosts, words, script, any::<bool>()).prop_map(|(hosts, (shared, cond, boot), script, comment)| Site {
        hosts,
        shared,
        cond,
        boot,
        script,
        comment,
    })
}

impl Site {
    fn inventory(&self) -> String {
        let mut text = format!(
            "site = {{ name = \"s\", domain = \"example.org\", target = \"RHEL9\", arch = \"x86_64\", \
             server = \"http://10.0.0.9\", distribution = \"d\", boot = \"{}\" }}\n\
             distributions.d.url = \"{{{{ server }}}}/d\"\nnetworks.n.subnet = \"10.0.0.0/24\"\n\
             appliances.a = {{}}\nappliances.b = {{}}\n[attributes]\nown = \"site\"\nshared = {}\n",
            self.boot,
            toml_text(self.shared)
        );
        for (number, host) in self.hosts.iter().enumerate().filter(|(_, host)| host.there) {
            let own = host.own.map(|own| format!("attributes.own = {}\n", toml_text(own))).unwrap_or_default();
            text.push_str(&format!(
                "[hosts.h{number}]\nappliance = \"{}\"\nrank = {number}\n{own}interfaces = [{{ name = \"e0\", network = \"n\", \
                 address = \"52:54:00:00:00:0{number}\", ip = \"10.0.0.{}\" }}]\n",
                if host.other { "b" } else { "a" },
                number * 10 + usize::from(host.ip)
            ));
        }
        text
    }

    fn made(&self) -> Assembled {
        let directory = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| support::write(&directory.path().join(path), text);
        let lines: String = self.script.iter().map(|line| format!("echo {line}\n")).collect();
        let comment = if self.comment { "<!-- a line -->\n" } else { "" };
        let lists = "<post template=\"yes\">{{ hosts|length }} {{ host.name }} {{ attributes.own }}</post>";
        put("cluster.toml", &self.inventory());
        put("nodes/a.xml", &format!("{comment}<kickstart><post>\n{lines}</post></kickstart>"));
        put("nodes/b.xml", &format!("<kickstart>{lists}</kickstart>"));
        put("nodes/c.xml", &format!("<kickstart><package>{}</package></kickstart>", xml_text("c")));
        let cond = if self.cond.is_empty() { String::new() } else { format!(" cond=\"{}\"", self.cond) };
        put("graphs/default/g.xml", &format!("<graph><edge from=\"a\" to=\"c\"{cond}/></graph>"));
        let (mut sources, mut diagnostics) = (Arc::new(Sources::default()), Diagnostics::default());
        let revision = Revision::Directory(directory.path().join("cluster.toml"));
        let made = assemble_shown(&revision, &|_| Err(String::new()), &mut sources, &mut diagnostics).unwrap();
        let told: String = diagnostics.sorted().iter().map(|fault| to_text(fault, &sources, false)).collect();
        assert!(!diagnostics.has_errors(), "{told}");
        made.unwrap()
    }
}

/// All files that are made, without kgen's comments in kickstarts.
fn files(made: &Assembled) -> BTreeMap<String, String> {
    let (generation, inventory) = (&made.generation, &made.generation.inventory);
    let mut files = BTreeMap::new();
    for host in inventory.hosts.values() {
        let mut buffer = Vec::new();
        let (text, _) = kickstart(generation, host, &mut buffer).unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let body = text.split_once("\n\n").unwrap().1.lines();
        let body: Vec<_> = body.filter(|line| !(line.starts_with("# ") && line.contains(" (module "))).collect();
        files.insert(format!("ks/{}.ks", host.name), body.join("\n"));
        let scripts = boot_scripts(inventory, made.plan.as_ref().unwrap(), host);
        files.extend(scripts.into_iter().map(|(path, script)| (path, script.to_string())));
    }
    let of_site = site_files(inventory, made.plan.as_ref());
    files.extend(of_site.iter().map(|file| (file.path.clone(), String::from_utf8_lossy(file.bytes()).into_owned())));
    files
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn nothing_is_told_where_nothing_changes_and_something_where_something_does(old in site(), edited in site(), keep in any::<[bool; 6]>()) {
        // Most of a site stays.
        let pick = |kept: bool| if kept { &old } else { &edited };
        let new = Site {
            hosts: pick(keep[0]).hosts.clone(),
            shared: pick(keep[1]).shared,
            cond: pick(keep[2]).cond,
            boot: pick(keep[3]).boot,
            script: pick(keep[4]).script.clone(),
            comment: pick(keep[5]).comment,
        };
        let (old, new) = (old.made(), new.made());
        let compared = compare(&old, &new);
        let (before, after) = (files(&old), files(&new));
        prop_assert_eq!(compared.is_empty(), before == after, "{:#?}", compared);
        for host in old.generation.inventory.hosts.keys().filter(|host| !compared.gone.contains(*host)) {
            let path = format!("ks/{host}.ks");
            let told = compared.changes.iter().any(|change| {
                change.output == kgen::compare::fold::Output::Kickstart && change.hosts.contains(host)
            });
            prop_assert!(told == (before.get(&path) != after.get(&path)), "{} {:#?}", path, compared);
        }
        prop_assert!(compare(&new, &new).is_empty());
    }
}
