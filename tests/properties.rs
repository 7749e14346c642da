//! What holds for any input, tried with random ones: conditions read back as they print, nothing that people write
//! makes kgen panic, orders are kept, the nearest scope wins, and bash recreates every file byte for byte.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

#[path = "fuzz/entries.rs"]
mod entries;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::prelude::{Just, Strategy, any, prop};
use proptest::test_runner::{Config, RngSeed, TestCaseError};
use proptest::{prop_assert, prop_assert_eq, prop_oneof, proptest};

use kgen::condition::Condition;
use kgen::description::{Description, load};
use kgen::diagnostic::Diagnostics;
use kgen::name::ModuleName;
use kgen::resolve::{Answers, resolve};
use kgen::source::{SourceTree, Sources};
use kgen::syntax::Language;

/// The same cases in every run, or others with PROPTEST_RNG_SEED; PROPTEST_CASES makes them more.
fn cases(cases: u32) -> Config {
    let given = |name| std::env::var_os(name).is_some();
    let found = Config { failure_persistence: None, ..Config::default() };
    Config {
        cases: if given("PROPTEST_CASES") { found.cases } else { cases },
        rng_seed: if given("PROPTEST_RNG_SEED") { found.rng_seed } else { RngSeed::Fixed(2026) },
        ..found
    }
}

// -- conditions -------------------------------------------------------------------------------------------------

/// An expression as people write it, with more blanks and parentheses than needed.
fn expression() -> impl Strategy<Value = String> {
    let operand = prop_oneof![
        Just("None".to_owned()),
        Just("True".to_owned()),
        Just("[]".to_owned()),
        Just("a.b".to_owned()),
        "[a-z_][a-z0-9_]{0,6}".prop_filter("a word of the language", |word| !KEYWORDS.contains(&word.as_str())),
        any::<i64>().prop_map(|number| number.saturating_abs().to_string()),
        any::<i32>().prop_map(|number| number.to_string()),
        (any::<u16>(), any::<u16>()).prop_map(|(whole, part)| format!("{whole}.{part}")),
        (0_u8..20).prop_map(|zeros| format!("0.{}1", "0".repeat(zeros.into()))),
        "[^'\\x00]{0,8}".prop_map(|text| format!("'{text}'")),
        "[^\"\\x00]{0,8}".prop_map(|text| format!("\"{text}\"")),
    ];
    operand.prop_recursive(5, 40, 4, |inner| {
        let sign = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">=", " in ", " not in "]);
        let word = prop::sample::select(vec!["and", "or"]);
        let list = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (inner.clone(), sign.clone(), inner.clone()).prop_map(|(l, s, r)| format!("({l}) {s} ({r})")),
            (inner.clone(), sign.clone(), inner.clone(), sign, inner.clone())
                .prop_map(|(a, s, b, t, c)| format!("({a}){s}({b}){t}({c})")),
            (inner.clone(), word.clone(), inner.clone()).prop_map(|(l, w, r)| format!("{l} {w} {r}")),
            (inner.clone(), word, inner.clone()).prop_map(|(l, w, r)| format!("({l} {w} {r})")),
            inner.clone().prop_map(|inner| format!("not {inner}")),
            inner.clone().prop_map(|inner| format!("({inner}) is not None")),
            inner.prop_map(|inner| format!("( {inner} )")),
            list.clone().prop_map(|items| format!("[{}]", items.join(" , "))),
            list.prop_map(|items| format!("({},)", items.join(",")).replace("(,)", "()")),
        ]
    })
}

/// Words of conditions, and what is not one.
const WORDS: &[&str] =
    &["(", ")", "[", "]", ",", "not", "in", "is", "None", "a", "'", "\"", "=", "<", "-", "1", ".", "ü", "e9", " "];

const KEYWORDS: [&str; 9] = ["and", "or", "in", "is", "not", "if", "else", "lambda", "for"];

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn a_condition_reads_back_as_it_prints(text in expression()) {
        let parsed = Condition::parse(&text);
        prop_assert!(parsed.is_ok(), "{text}: {parsed:?}");
        let printed = parsed.as_ref().map(ToString::to_string).unwrap_or_default();
        prop_assert_eq!(Condition::parse(&printed), parsed, "{}", printed);
    }

    #[test]
    fn a_condition_answers_as_its_print_does(text in expression(), value in "on|no|[0-9]{1,3}|[a-c]|") {
        let condition = Condition::parse(&text).unwrap();
        let again = Condition::parse(&condition.to_string()).map_err(|fault| TestCaseError::fail(fault.message))?;
        let lookup = |_: &str| Some(value.as_str());
        prop_assert_eq!(condition.holds(&lookup), again.holds(&lookup));
    }

    #[test]
    fn no_text_makes_the_reader_of_conditions_panic(
        text in "\\PC*",
        pieces in prop::collection::vec(prop::sample::select(WORDS), 0..20),
    ) {
        entries::condition(text.as_bytes());
        entries::condition(pieces.concat().as_bytes());
        entries::condition(pieces.join(" ").as_bytes());
    }
}

// -- no panic ---------------------------------------------------------------------------------------------------

const XML: &[&str] = &[
    "<kickstart>",
    "</kickstart>",
    "<graph>",
    "</graph>",
    "<package>",
    "</package>",
    "<main>",
    "</main>",
    "<post>",
    "</post>",
    "<post arg=\"--nochroot\" cond=\"a == 'ü'\">",
    "<file name=\"/etc/ü &a;\" mode=\"append\">",
    "</file>",
    "<file name='x'/>",
    "<var name=\"v\" val=\"&a;\"/>",
    "<var name='v'/>",
    "<edge from=\"a\" to=\"b\"/>",
    "<edge from=\"a\" cond=\"b &lt; 'é\">",
    "<to>b</to>",
    "<to arch=\"x86_64, ü\"> c </to>",
    "</edge>",
    "<order head=\"a\" tail=\"b\"/>",
    "<order tail=\"HEAD\"><head>b</head></order>",
    "<timezone>--utc &a;</timezone>",
    "<url>--url=\"",
    "<eval shell=\"sh\">",
    "</eval>",
    "<include file=\"x\"/>",
    "<sinclude file=\"../ü\"/>",
    "<boot order=\"ü\">",
    "</boot>",
    "<native lang=\"kickstart\">",
    "</native>",
    "<post template=\"yes\">",
    "{{ host.name }}",
    "{% for h in ",
    " %}",
    "&a;",
    "&undefined;",
    "&#233;",
    "&",
    "<!-- é -->",
    "<![CDATA[",
    "]]>",
    "\n",
    "é",
    "漢字",
    "\u{200b}",
    "\"",
    "'",
    "<",
    "text",
    "%end\n",
    "KGEN_EOF\n",
];

/// Paths of files in a description.
const PATHS: &str = "(rolls/(x|ü)/|)(site-)?nodes/(extend-|replace-)?[ab ü].xml|graphs/[a-c]/[ab].xml|include/.{1,3}";

const TOML: &[&str] = &[
    "site = { name = \"s\", target = \"RHEL9\", arch = \"x86_64\" }\n",
    "appliances.a = {}\n",
    "hosts.c0.appliance = \"a\"\n",
    "hosts.c1 = { appliance = \"ä\" }\n",
    "attributes.a = \"ü\n",
    "attributes.a = \"\"\"\n",
    "[networks.n]\n",
    "subnet = \"10.1.0.0/99\"\n",
    "subnet = \"::1/64\"\n",
    "gateway = \"é\"\n",
    "[hosts.ü]\n",
    "[hosts.\"c 0\"]\n",
    "rack = -1\n",
    "rank = 99999999999\n",
    "interfaces = [ { name = \"eth0\", network = \"n\", address = \"52:54:00:00:00:0g\" } ]\n",
    "interfaces = 3\n",
    "[appliances.b]\nname = \"c-{rack}-{é}\"\n",
    "attributes = { b = { secret = \"ü\" } }\n",
    "[language]\neval = \"maybe\"\n",
    "rolls = [\"ü\", 1]\n",
    "\"",
    "'''",
    "\u{feff}",
    "\r\n",
    "# ü\n",
    "é = 1\n",
    "= 1\n",
    "[[hosts]]\n",
];

fn fragments(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(words), 0..24).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn no_bytes_make_kgen_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
        entries::module(&data);
        entries::graph(&data);
        entries::inventory(&data);
    }

    #[test]
    fn no_description_of_random_files_makes_kgen_panic(
        files in prop::collection::vec((PATHS, fragments(XML)), 0..6),
    ) {
        let files: Vec<_> = files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
        entries::description(&files);
    }

    #[test]
    fn no_site_of_plausible_fragments_makes_kgen_panic(
        module in fragments(&XML[8..]),
        graph in fragments(&XML[16..]),
        included in fragments(XML),
        inventory in fragments(TOML),
    ) {
        let inside = format!("<kickstart>{module}</kickstart>");
        let edges = format!("<graph>{graph}</graph>");
        for inventory in [entries::INVENTORY, &inventory] {
            entries::run(inventory, &[
                ("nodes/a.xml", inside.as_bytes()),
                ("nodes/b.xml", module.as_bytes()),
                ("include/x", included.as_bytes()),
                ("graphs/default/g.xml", edges.as_bytes()),
                ("graphs/default/h.xml", entries::GRAPH.as_bytes()),
            ]);
        }
    }
}

// -- order ------------------------------------------------------------------------------------------------------

/// Modules in an order that contradicts nothing, and constraints that agree with it.
#[derive(Clone, Debug)]
struct Orders {
    /// Names in the hidden order; `HEAD` and `TAIL` are among them.
    hidden: Vec<String>,
    /// Pairs of positions, the first before the second.
    pairs: BTreeSet<(usize, usize)>,
    /// The modules that the host has.
    present: BTreeSet<String>,
}

fn orders() -> impl Strategy<Value = Orders> {
    let names =
        prop::collection::btree_set("[a-z]{1,2}", 2..14).prop_map(|names| names.into_iter().collect::<Vec<_>>());
    let shuffled = names.prop_shuffle();
    let pairs = prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..20);
    (shuffled, pairs, any::<u16>(), 0_usize..4, 0_usize..4).prop_map(|(mut hidden, pairs, present, first, last)| {
        let present = hidden.iter().enumerate().filter(|(at, _)| present >> at & 1 == 1);
        let present = present.map(|(_, name)| name.clone()).collect();
        hidden.insert(first.min(hidden.len()), "HEAD".to_owned());
        hidden.insert(hidden.len() - last.min(hidden.len() - first.min(hidden.len() - 1) - 1), "TAIL".to_owned());
        let ends = pairs.into_iter().map(|(a, b)| (a.index(hidden.len()), b.index(hidden.len())));
        let pairs = ends.filter(|(a, b)| a != b).map(|(a, b)| (a.min(b), a.max(b))).collect();
        Orders { hidden, pairs, present }
    })
}

impl Orders {
    /// The graph files; `split` says into how many, and `turn` where each list starts.
    fn files(&self, split: usize, turn: usize) -> Vec<(String, String)> {
        let edges = self.present.iter().map(|name| format!("<edge from=\"root\" to=\"m-{name}\"/>"));
        let title = |at: usize| match self.hidden[at].as_str() {
            anchor @ ("HEAD" | "TAIL") => anchor.to_owned(),
            name => format!("m-{name}"),
        };
        let pairs = self.pairs.iter().map(|(a, b)| format!("<order head=\"{}\" tail=\"{}\"/>", title(*a), title(*b)));
        let mut lines: Vec<_> = edges.chain(pairs).collect();
        let middle = if lines.is_empty() { 0 } else { turn % lines.len() };
        lines.rotate_left(middle);
        if turn % 2 == 1 {
            lines.reverse();
        }
        let mut files = vec![String::new(); split];
        lines.iter().enumerate().for_each(|(at, line)| files[at % split].push_str(line));
        let named = files.into_iter().enumerate();
        named.map(|(at, lines)| (format!("graphs/default/{at}.xml"), format!("<graph>{lines}</graph>"))).collect()
    }

    /// The modules of a host, as kgen orders them, without the root.
    fn resolved(&self, split: usize, turn: usize) -> Vec<String> {
        let mut files = self.files(split, turn);
        let modules = self.hidden.iter().map(|name| format!("nodes/m-{name}.xml"));
        files.extend(modules.chain(["nodes/root.xml".to_owned()]).map(|path| (path, "<kickstart/>".to_owned())));
        let (description, mut diagnostics) = loaded(&files);
        let graph = &description.graphs["default"];
        let root = ModuleName::new("root").unwrap();
        let resolution = resolve(graph, &root, &Answers::default(), &mut diagnostics);
        assert!(!diagnostics.has_errors(), "{diagnostics:?}");
        let names = resolution.modules.iter().filter_map(|module| module.name.as_str().strip_prefix("m-"));
        names.map(str::to_owned).collect()
    }

    /// All that has to stand before each, through anything.
    fn before(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut before: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        // In the hidden order, so that what is before the first of a pair is known already.
        for at in 0..self.hidden.len() {
            for (a, _) in self.pairs.iter().filter(|(_, b)| *b == at) {
                let mut all = before.get(self.hidden[*a].as_str()).cloned().unwrap_or_default();
                all.insert(&self.hidden[*a]);
                before.entry(&self.hidden[at]).or_default().extend(all);
            }
        }
        before
    }

    /// Before HEAD, between, in no order, after TAIL.
    fn zone(&self, name: &str) -> u8 {
        let before = self.before();
        let is_before = |a: &str, b: &str| before.get(b).is_some_and(|names| names.contains(a));
        let at = self.hidden.iter().position(|found| found == name).unwrap();
        if !self.pairs.iter().any(|(a, b)| *a == at || *b == at) {
            2
        } else if is_before(name, "HEAD") {
            0
        } else if is_before("TAIL", name) {
            3
        } else {
            1
        }
    }
}

fn loaded(files: &[(String, String)]) -> (Description, Diagnostics) {
    let mut tree = SourceTree::default();
    tree.files.extend(files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())));
    let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
    let description = load(&tree, None, Language::default(), &mut sources, &mut diagnostics);
    (description, diagnostics)
}

proptest! {
    #![proptest_config(cases(800))]

    #[test]
    fn every_order_is_kept_also_through_absent_modules(orders in orders()) {
        let resolved = orders.resolved(1, 0);
        prop_assert_eq!(resolved.iter().cloned().collect::<BTreeSet<_>>(), orders.present.clone());
        for (tail, heads) in orders.before() {
            let place = |name: &str| resolved.iter().position(|found| found == name);
            for head in heads {
                if let (Some(head_at), Some(tail_at)) = (place(head), place(tail)) {
                    prop_assert!(head_at < tail_at, "{head} before {tail} in {resolved:?}");
                }
            }
        }
    }

    #[test]
    fn modules_stand_by_their_anchors(orders in orders()) {
        let zones: Vec<_> = orders.resolved(1, 0).iter().map(|name| orders.zone(name)).collect();
        prop_assert!(zones.is_sorted(), "{zones:?}");
    }

    #[test]
    fn what_orders_leave_open_is_by_name(orders in orders()) {
        let before = orders.before();
        let mut left = orders.present.clone();
        let mut expected: Vec<String> = Vec::new();
        while !left.is_empty() {
            let zone = left.iter().map(|name| orders.zone(name)).min().unwrap();
            let any_left = |names: &BTreeSet<&str>| names.iter().any(|name| left.contains(*name));
            let waits = |name: &String| before.get(name.as_str()).is_some_and(any_left);
            let next = left.iter().find(|name| orders.zone(name) == zone && !waits(name)).unwrap().clone();
            left.remove(&next);
            expected.push(next);
        }
        prop_assert_eq!(orders.resolved(1, 0), expected);
    }

    #[test]
    fn the_order_does_not_depend_on_files_or_lines(orders in orders(), split in 1_usize..4, turn in 0_usize..40) {
        prop_assert_eq!(orders.resolved(split, turn), orders.resolved(1, 0));
    }
}

// -- attributes -------------------------------------------------------------------------------------------------

/// A text of TOML.
fn toml_text(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// Text for XML, in an element or in double quotes.
fn xml_text(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\r' => "&#13;".to_owned(),
        c => c.to_string(),
    });
    escaped.collect()
}

/// The start of an inventory of one host.
const HEAD: &str = "site = { name = \"s\", target = \"RHEL9\", arch = \"x86_64\" }\nhosts.c0.appliance = \"a\"\n";

/// A site of the host `c0` with these attributes.
fn site(attributes: &[(&str, &str)]) -> String {
    let head = format!("{HEAD}appliances.a = {{}}\n");
    let set = attributes.iter().map(|(name, value)| format!("attributes.{name} = {}\n", toml_text(value)));
    std::iter::once(head).chain(set).collect()
}

/// Compiles a site whose one module holds this.
fn run(inventory: &str, module: &str) -> entries::Run {
    let module = format!("<kickstart>{module}</kickstart>");
    entries::run(inventory, &[("nodes/a.xml", module.as_bytes()), ("graphs/default/g.xml", b"<graph/>")])
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn the_nearest_scope_wins(values in prop::array::uniform4(prop::option::of("[a-z]{0,3}"))) {
        let [site, os, appliance, host] = &values;
        let layer = |title: &str, value: &Option<String>| match value {
            Some(value) => format!("[{title}]\nx = {}\n", toml_text(value)),
            None => String::new(),
        };
        let inventory = [
            HEAD.to_owned(),
            layer("attributes", site),
            layer("os.linux.attributes", os),
            layer("appliances.a.attributes", appliance),
            if appliance.is_none() { "[appliances.a]\n".to_owned() } else { String::new() },
            layer("hosts.c0.attributes", host),
        ].concat();
        let module = "<post cond=\"x is not None\">value '&x;'</post><post cond=\"x is None\">none</post>";
        let run = run(&inventory, module);
        let kickstart = run.kickstarts.get("c0").ok_or_else(|| TestCaseError::fail(run.told.concat()))?;
        let nearest = [host, appliance, os, site].into_iter().flatten().next();
        let expected = nearest.map_or("none".to_owned(), |value| format!("value '{value}'"));
        prop_assert!(kickstart.lines().any(|line| line == expected), "{expected}\n{kickstart}");
    }
}

// -- files, as bash makes them ----------------------------------------------------------------------------------

/// A line of a file: what could end a here-document, what a shell would expand, anything else.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "KGEN_EOF",
            "KGEN_EOF_1",
            "KGEN_EOF_2",
            "KGEN_EOF_7",
            "KGEN_EOF ",
            " KGEN_EOF",
            "KGEN_EOF\r",
            "EOF",
            "KGEN_",
            "",
            "$HOME `id` $(id)",
            "\\",
            "it's \"quoted\"",
            "cat <<EOF",
            "%include x",
            " % end",
            "KGEN_EOF_99999999999999999999",
        ])
        .prop_map(str::to_owned),
        "[ -~é漢]{0,12}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    let line = prop_oneof![line(), "_|1|_1|KGEN_EOF|EOF|KGEN|OF_12?|\\PC{0,4}"];
    prop::collection::vec(line, 0..3).prop_map(|lines| lines.join("\n"))
}

/// Pieces of a file's text: a text, or the value of the attribute of this number.
type Body = Vec<Result<String, usize>>;

fn body() -> impl Strategy<Value = Body> {
    let text = prop::collection::vec(line(), 0..4).prop_map(|lines| Ok(lines.join("\n")));
    prop::collection::vec(prop_oneof![2 => text, 1 => (0_usize..3).prop_map(Err), 1 => Just(Ok("\n".to_owned()))], 0..6)
}

fn file_name() -> impl Strategy<Value = String> {
    let plain = "[a-zA-Z0-9 '\"$`!*?\\[\\]{}();&|<>#~=,:@%+_.é漢\\\\-]{1,20}";
    plain.prop_filter("a name of its own", |name| name.trim() == name && ![".", ".."].contains(&name.as_str()))
}

/// The body as an element's text.
fn as_xml(body: &Body) -> String {
    body.iter()
        .map(|piece| piece.as_ref().map_or_else(|number| format!("&v{number};"), |text| xml_text(text)))
        .collect()
}

/// What ends in a value gets a line end of its own, because kgen cannot know whether the value has one.
fn end_line(body: &mut Body) {
    body.retain(|piece| piece != &Ok(String::new()));
    if matches!(body.last(), Some(Err(_))) {
        body.push(Ok("\n".to_owned()));
    }
}

/// The body as the file is to hold it. A line end after the start tag is layout; a last line has its end.
fn as_file(body: &Body, values: &[String]) -> String {
    let mut literal = true;
    let mut text = String::new();
    for piece in body {
        match piece {
            Ok(piece) if literal && !piece.is_empty() => {
                text.push_str(piece.strip_prefix('\n').unwrap_or(piece));
                literal = false;
            }
            Ok(piece) => text.push_str(piece),
            Err(number) => {
                text.push_str(&values[*number]);
                literal = false;
            }
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The script of the only `%post` of a kickstart.
fn script_of(kickstart: &str) -> &str {
    let (_, script) = kickstart.split_once("%post --interpreter=/bin/bash\n").unwrap();
    script.strip_suffix("%end\n").unwrap()
}

/// Runs a script in an empty directory, and gives the files that are there then.
fn bash(script: &str) -> BTreeMap<String, Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let work = directory.path().join("work");
    fs::create_dir(&work).unwrap();
    let path = directory.path().join("script");
    fs::write(&path, script).unwrap();
    let (content, said) = support::run(Command::new("bash").arg(&path).current_dir(&work));
    assert!(content && said.is_empty(), "{said}\n{script}");
    files_in(&work)
}

fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// Compiles one script for a host with these values; `None` where kgen refuses because a section would end.
fn script(content: &str, values: &[String]) -> Result<Option<String>, TestCaseError> {
    let names: Vec<_> = (0..values.len()).map(|number| format!("v{number}")).collect();
    let attributes: Vec<_> = names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
    let run = run(&site(&attributes), &format!("<post>{content}</post>"));
    match run.kickstarts.get("c0") {
        Some(kickstart) if !run.told.iter().any(|told| told.starts_with("error")) => {
            Ok(Some(script_of(kickstart).to_owned()))
        }
        _ if run.told.iter().any(|told| told.contains("end a section") || told.contains("ends a section")) => Ok(None),
        _ => Err(TestCaseError::fail(format!("{}\n{content}\n{values:?}", run.told.concat()))),
    }
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn bash_recreates_each_file(name in file_name(), mut body in body(), values in prop::collection::vec(value(), 3)) {
        end_line(&mut body);
        let element = format!("<file name=\"{}\">{}</file>", xml_text(&name), as_xml(&body));
        if let Some(script) = script(&element, &values)? {
            let expected = BTreeMap::from([(name, as_file(&body, &values))]);
            let made: BTreeMap<_, _> =
                bash(&script).into_iter().map(|(name, content)| (name, String::from_utf8(content).unwrap())).collect();
            prop_assert_eq!(made, expected, "{}", script);
        }
    }

    #[test]
    fn bash_recreates_a_file_that_a_file_creates(mut body in body(), values in prop::collection::vec(value(), 3)) {
        end_line(&mut body);
        let element = format!(
            "<file name=\"outer\">\ncat <![CDATA[> before <<'EOF']]>\nx\nEOF\n\
             <file name=\"inner\">{}</file></file>\nbash outer\n",
            as_xml(&body)
        );
        if let Some(script) = script(&element, &values)? {
            let made = bash(&script);
            let inner = String::from_utf8_lossy(&made["inner"]).into_owned();
            prop_assert_eq!(inner, as_file(&body, &values), "{}", script);
            prop_assert_eq!(made["before"].as_slice(), b"x\n");
        }
    }

    #[test]
    fn a_name_is_one_word_whatever_stands_in_it(before in file_name(), value in file_name(), perms in "0[67][04]0") {
        let values = [value.clone()];
        let element = format!("<file name=\"x{}&v0;\" perms=\"{perms}\">y</file>", xml_text(&before));
        if let Some(script) = script(&element, &values)? {
            let expected = BTreeMap::from([(format!("x{before}{value}"), b"y\n".to_vec())]);
            prop_assert_eq!(bash(&script), expected, "{}", script);
        }
    }
}
