//! Nothing that people write makes kgen panic.

use proptest::prelude::{Strategy, any, prop};
use proptest::proptest;

use crate::{cases, entries};

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
