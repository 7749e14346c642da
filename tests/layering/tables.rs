//! Who may use whom, DESIGN section 4: the tables that `tests/layering.rs` holds the source against.

/// Each part of kgen and what it may use, from the ground up: a part uses only parts that stand above it here.
/// A part is a file or a folder; where a file of a folder has a line of its own, that line counts for it.
#[rustfmt::skip] // a line each, as a table
pub const LAYERS: &[(&str, &[&str])] = &[
    // ground
    ("program", &[]),
    ("source", &["program"]),
    ("name", &[]),
    ("diagnostic", &["source"]),
    ("attribute", &["name", "source"]),
    ("text", &["name", "source"]),
    ("write", &[]),
    ("shipped", &[]),
    ("nodeset", &[]),
    // front end: text to profile; syntax knows no host
    ("condition", &["name"]),
    ("profile", &["name", "source", "text"]),
    ("command", &["diagnostic", "name", "profile", "source", "text"]),
    ("syntax", &["diagnostic"]),
    ("syntax::entity", &["diagnostic", "name", "source"]),
    ("syntax::encoding", &[]),
    ("syntax::xml", &["diagnostic", "name", "source", "syntax::encoding", "syntax::entity", "text"]),
    ("syntax::element", &["condition", "diagnostic", "name", "source", "syntax", "syntax::xml", "text"]),
    ("syntax::graph", &["condition", "diagnostic", "name", "source", "syntax::element", "syntax::xml"]),
    ("syntax::module", &["condition", "name", "profile", "source", "syntax::element", "text"]),
    ("syntax::content", &["diagnostic", "profile", "syntax::element", "syntax::module", "syntax::xml", "text"]),
    ("syntax::include", &[
        "condition", "diagnostic", "name", "source", "syntax::content", "syntax::element", "syntax::encoding",
        "syntax::module", "syntax::xml", "text"
    ]),
    ("syntax::items", &[
        "command", "condition", "diagnostic", "name", "profile", "syntax::content", "syntax::element",
        "syntax::module", "syntax::xml", "text"
    ]),
    ("graph", &["condition", "name", "source", "syntax::graph"]),
    ("description", &[
        "condition", "diagnostic", "graph", "name", "source", "syntax", "syntax::element", "syntax::encoding",
        "syntax::graph", "syntax::module", "syntax::xml", "text"
    ]),
    ("resolve", &["condition", "diagnostic", "graph", "name", "source", "syntax::graph"]),
    ("expand", &[
        "attribute", "condition", "description", "diagnostic", "name", "profile", "resolve", "source", "syntax",
        "syntax::element", "syntax::module", "syntax::xml", "text"
    ]),
    ("eval", &["expand", "program"]),
    ("picture", &["description", "graph", "name"]),
    // the site: of the language it knows how strict to be (`syntax`), of commands their versions, and no module
    ("inventory", &["attribute", "command", "diagnostic", "name", "source", "syntax", "text"]),
    ("dhcp", &["inventory", "name", "source"]),
    // back end: it knows no XML
    ("emit::lines", &["source"]),
    ("emit::hosts", &["emit::lines", "inventory", "source"]),
    ("emit::groups", &["emit::lines", "inventory", "name"]),
    ("emit::zones", &["emit::hosts", "emit::lines", "inventory", "source"]),
    ("emit::dnsmasq", &["dhcp", "emit::hosts", "emit::lines", "inventory", "name"]),
    ("emit::values", &[
        "emit::dnsmasq", "emit::groups", "emit::hosts", "emit::lines", "emit::zones", "inventory", "name"
    ]),
    ("emit::template", &["attribute", "emit::values", "inventory", "name", "source", "text"]),
    ("boot", &["diagnostic", "emit::template", "inventory", "name", "source", "text"]),
    ("emit", &[
        "boot", "dhcp", "diagnostic", "emit::lines", "inventory", "name", "picture", "profile",
        "source", "text"
    ]),
    // all of it together
    ("cohort", &["attribute", "emit", "emit::template", "inventory", "name", "profile", "resolve", "source", "text"]),
    ("generation", &[
        "attribute", "cohort", "command", "description", "diagnostic", "emit", "emit::template", "expand", "inventory",
        "name", "source", "text"
    ]),
    ("compile", &[
        "attribute", "cohort", "command", "condition", "description", "diagnostic", "emit", "emit::template", "expand",
        "generation", "graph", "inventory", "name", "profile", "resolve", "source", "syntax"
    ]),
    ("lint", &["command", "condition", "diagnostic", "emit", "generation", "inventory", "name", "source"]),
    ("explain", &[
        "attribute", "cohort", "compile", "description", "generation", "graph", "inventory", "name",
        "profile", "source", "text"
    ]),
    ("files", &[
        "boot", "diagnostic", "emit", "emit::dnsmasq", "emit::groups", "emit::hosts", "emit::lines",
        "emit::template", "emit::zones", "generation", "inventory", "name", "source"
    ]),
    ("assemble", &[
        "attribute", "boot", "compile", "description", "diagnostic", "expand", "files", "generation", "inventory",
        "source"
    ]),
    ("compare", &[
        "assemble", "attribute", "boot", "cohort", "emit", "emit::template", "explain", "files", "generation", "inventory",
        "name", "nodeset", "source", "text"
    ]),
    ("simulate", &["boot", "dhcp", "emit", "files", "generation", "inventory", "name"]),
    ("readers", &["program"]),
    // packages: the tree that hosts install from, and what they ask of it
    ("dist", &["diagnostic", "generation", "inventory", "name", "profile", "source", "write"]),
    // the server: what is below `server::http` knows nothing of HTTP's types
    ("store", &["boot", "name"]),
    // machines know nothing of kgen but what it sends; a test compares with what writes their scripts
    ("storm", &["emit"]),
    ("server::request", &["inventory"]),
    ("server::answer", &[]),
    ("server::admission", &["inventory"]),
    ("server::access", &["boot", "inventory", "server::request"]),
    ("server", &[
        "assemble", "boot", "compare", "compile", "diagnostic", "emit", "eval", "expand", "explain", "files", "generation",
        "inventory", "name", "nodeset", "picture", "server::access", "server::admission", "server::answer",
        "server::request", "source", "store", "write"
    ]),
    // the program
    ("cli", &[
        "assemble", "attribute", "boot", "compare", "compile", "description", "dhcp", "diagnostic", "dist", "emit", "emit::template", "eval", "expand",
        "explain", "files", "generation", "inventory", "lint", "name", "nodeset", "picture", "profile", "readers", "server",
        "server::access", "shipped", "simulate", "source", "store", "storm", "syntax", "text", "write"
    ]),
];

/// Each foreign crate and the files or folders that use it: its door, and where there are several, why.
pub const DOORS: &[(&str, &[(&str, &str)])] = &[
    ("arc_swap", &[("server", "what is served is exchanged while it is read")]),
    ("annotate_snippets", &[("diagnostic", "rendering for people")]),
    ("bytes", &[("cli::remote", "bodies"), ("server", "bodies that are not copied"), ("storm::client", "bodies")]),
    (
        "clap",
        &[
            ("cli", "runs the parser, and tells help from wrong use"),
            ("cli::args", "the arguments"),
            ("cli::manual", "the manual is made of the arguments"),
        ],
    ),
    ("clap_complete", &[("cli::args", "the names of shells are an argument"), ("cli::manual", "completions")]),
    ("clap_mangen", &[("cli::manual", "manual pages")]),
    ("csv", &[("inventory::hostfile", "hosts as a table")]),
    ("encoding_rs", &[("syntax::encoding", "files in the encoding that their declaration names")]),
    ("flate2", &[("emit::diskless", "an initrd that the kernel finds behind any other")]),
    (
        "getrandom",
        &[
            ("cli::operate", "tokens of operators"),
            ("server::admission", "who waits comes back at different times"),
            ("server::serving", "tokens of builds"),
        ],
    ),
    ("glob", &[("inventory::distribution", "patterns of names of packages")]),
    ("git2", &[("source::git", "sites in git")]),
    (
        "hyper",
        &[
            ("cli::remote", "asks a server"),
            ("server::http", "requests and answers"),
            ("server::listen", "connections"),
            ("storm::client", "asks a server as machines do"),
        ],
    ),
    ("hyper_util", &[("cli::remote", "hyper on tokio"), ("server::listen", "the same"), ("storm::client", "the same")]),
    ("listenfd", &[("server", "sockets that systemd hands over")]),
    (
        "minijinja",
        &[
            ("emit::template", "templates"),
            ("emit::values", "what templates see, as its values"),
            ("server::page", "pages"),
        ],
    ),
    ("niffler", &[("dist::repodata", "metadata, compressed in any usual way")]),
    ("notify", &[("server", "tells of changes in a directory")]),
    (
        "petgraph",
        &[
            ("emit::svg", "the graph that is laid out, in the type that rust_sugiyama takes"),
            ("graph", "inheritance and orders"),
            ("resolve", "walks the orders of a graph"),
        ],
    ),
    ("prometheus_client", &[("server::metrics", "measurements")]),
    ("quick_xml", &[("dist::repodata", "the root of a list of packages"), ("syntax::xml", "XML of descriptions")]),
    (
        "rayon",
        &[
            ("assemble", "hosts are checked on all cores"),
            ("cli::diff", "two states are compiled at once"),
            ("cli::publish", "hosts are written on all cores"),
            ("cli::review", "outputs are read on all cores"),
            ("compare", "hosts are compared on all cores"),
            ("compile", "variants are made on all cores"),
            ("dist", "packages are read on all cores, and the lists of an index written"),
            ("files", "what hosts boot is filled in on all cores"),
            ("inventory::file", "the pieces of a large inventory are read on all cores"),
        ],
    ),
    ("rpm", &[("dist::header", "headers of packages"), ("dist::signature", "their signatures")]),
    (
        "rpmrepo_metadata",
        &[
            ("dist", "groups and advisories are passed on in its types"),
            ("dist::header", "a package as metadata describes it"),
            ("dist::nevra", "compares versions as rpm does"),
            ("dist::repodata", "metadata of repositories, read and written"),
        ],
    ),
    ("rusqlite", &[("store", "the state on disk")]),
    ("rust_embed", &[("shipped", "the shipped description")]),
    ("rust_sugiyama", &[("emit::svg", "places the modules of a picture")]),
    (
        "rustix",
        &[
            ("dist::tree", "copies that share their blocks"),
            ("server", "the limit of descriptors"),
            ("storm", "the same"),
        ],
    ),
    ("rustls", &[("cli::remote", "TLS"), ("server::listen", "TLS")]),
    ("sd_notify", &[("server", "tells systemd that it serves")]),
    (
        "serde",
        &[
            ("attribute", "scopes as they are printed"),
            ("cli::diff", "the states as JSON"),
            ("cli::dist", "packages as JSON"),
            ("cli::explain", "answers as JSON"),
            ("cli::list", "lists as JSON"),
            ("cli::profile", "profiles as JSON"),
            ("cli::session", "prints whatever can be JSON"),
            ("compare", "changes as JSON"),
            ("diagnostic", "faults as JSON"),
            ("dist", "what was done as JSON; what was read of packages; documents of modules"),
            ("explain", "answers as JSON"),
            ("inventory::document", "JSON level by level"),
            ("inventory::guards", "guards as they are kept"),
            ("inventory::serve", "the values of guards"),
            ("name", "names are texts in JSON"),
            ("picture", "the graph as JSON"),
            ("profile", "kinds of sections as words in JSON"),
            ("server", "answers as JSON, and what pages show"),
            ("simulate", "stages as JSON"),
            ("store", "events as JSON"),
            ("storm", "reports as JSON"),
        ],
    ),
    (
        "serde_json",
        &[
            ("cli::compile", "the summary"),
            ("cli::diff", "what a revision means for orders"),
            ("cli::operate", "orders, and what a server answers"),
            ("cli::profile", "reads the file of --attributes"),
            ("cli::remote", "orders, and what a server answers"),
            ("cli::session", "prints every JSON"),
            ("diagnostic", "faults as lines of JSON"),
            ("dist::cache", "what was read of packages"),
            ("emit::kea", "the configuration of Kea"),
            ("inventory::document", "inventories in JSON"),
            ("inventory::export", "inventories in JSON"),
            ("server", "orders and answers"),
            ("storm", "orders"),
        ],
    ),
    ("serde_saphyr", &[("dist::modular", "documents of modules, which are YAML")]),
    (
        "sha2",
        &[
            ("compile", "the id of a generation"),
            ("description", "the digest of a tree"),
            ("dist", "packages and metadata are checked against what names them"),
            ("emit::zones", "the serial numbers of zones"),
            ("inventory::file", "the digest of an inventory"),
            ("server::access", "what is kept of operators' tokens"),
        ],
    ),
    (
        "similar",
        &[("compare::lines", "lines that differ; Myers' algorithm, bounded where texts have little in common")],
    ),
    ("strsim", &[("name", "the nearest name")]),
    ("tempfile", &[("dist::cache", "names that no other run has"), ("write", "files whole or not at all")]),
    (
        "thiserror",
        &[
            ("dist::error", "the errors of its doors"),
            ("program", "why a program does not come to its end"),
            ("source", "the errors of its door"),
            ("store", "the errors of its door"),
            ("write", "the errors of its door"),
        ],
    ),
    (
        "tokio",
        &[
            ("cli::remote", "waits for a server"),
            ("server", "waits for machines"),
            ("store", "is waited for"),
            ("storm", "machines at once"),
        ],
    ),
    ("tokio_io_timeout", &[("server::listen", "who takes nothing is not waited for")]),
    ("tokio_rustls", &[("cli::remote", "TLS"), ("server::listen", "TLS")]),
    (
        "toml",
        &[
            ("inventory::hostfile", "a table as a tree"),
            ("inventory::document", "TOML with places, and JSON as such a tree"),
            ("inventory::table", "reads the tree"),
        ],
    ),
    ("tracing", &[("server", "the log")]),
    ("tracing_subscriber", &[("cli::serve", "how the log is written")]),
    ("ureq", &[("dist::fetch", "repositories elsewhere")]),
    ("walkdir", &[("dist::tree", "compares two trees"), ("source", "trees of files")]),
    ("zstd", &[("dist::cache", "what was read of packages is kept compressed")]),
];

/// Parts of the standard library that reach the world, and who may use each. What is below `cli` prints nothing,
/// reads no environment and does not exit.
pub const WORLD: &[(&str, &[(&str, &str)])] = &[
    (
        "std::env",
        &[
            ("cli", "options from the environment, and where the program was started"),
            ("program", "passes on what says how a person reaches other machines"),
        ],
    ),
    (
        "std::fs",
        &[
            ("cli::init", "the machine's source of chance"),
            ("dist", "packages and the trees of them: read, linked, exchanged"),
            ("readers", "reads and copies what was just written"),
            ("server", "files that are sent, opened by `source`"),
            ("source", "reads files"),
            ("store", "the directory of the state"),
            ("write", "writes files"),
        ],
    ),
    (
        "std::net",
        &[
            ("boot", "addresses; nothing is sent or received"),
            ("cli::args", "the same"),
            ("dhcp", "the same"),
            ("emit", "the same"),
            ("inventory", "the same"),
            ("server", "sockets"),
            ("simulate", "the same"),
            ("storm", "sockets"),
        ],
    ),
    ("std::process", &[("cli", "exit codes"), ("main", "exit codes"), ("program", "runs programs")]),
    (
        "std::thread",
        &[
            ("dist::mirror", "several files are fetched at a time"),
            ("dist::transfer", "waits before it asks again"),
            ("program", "watches a program that runs"),
            ("server", "how many processors there are"),
            ("store", "writes beside what answers"),
        ],
    ),
    (
        "std::time",
        &[
            ("cli::dist::mirror", "how fast files come, for who watches"),
            ("dist::fetch", "how long a server may be silent"),
            ("dist::transfer", "how long it waits"),
            ("eval", "how long a program may run"),
            ("program", "the same"),
            ("readers", "how long a reader may take"),
            ("server", "how long a request may take"),
            ("source::fetch", "how long a repository may take"),
            ("store", "when something happened"),
        ],
    ),
];
