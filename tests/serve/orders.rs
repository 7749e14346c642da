//! What arms a machine and what does not: renames, new commits, new machines, bounds, protection, the brake on people.

use serde_json::json;

use crate::lab::{C0, C1, DISK, Server, Site, until};

/// Installs a host: order, script, success, and the boot after it.
fn install(server: &Server, host: (&str, &str, &str)) {
    let (name, address, _) = host;
    assert!(server.kgen(&["boot", name, "install"]).status.success());
    let (_, token) = server.script(host);
    assert_eq!(server.post(address, &format!("/ks/{name}/success?token={token}"), b"").status, 200);
    assert!(boots_locally(server, host));
}

fn boots_locally(server: &Server, host: (&str, &str, &str)) -> bool {
    !server.script(host).0.contains("inst.ks=")
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// What is told of a host, joined.
fn told(server: &Server, host: &str) -> String {
    let all = server.operator("GET", &format!("/api/v1/events?last=1000&host={host}"), "").json();
    let texts: Vec<_> =
        all.as_array().unwrap().iter().map(|event| event["text"].as_str().unwrap().to_owned()).collect();
    texts.join("\n")
}

/// More hosts that install, `n0` and so on.
fn more(site: &Site, count: usize, boot: &str) {
    let mut text = std::fs::read_to_string(site.inventory()).unwrap();
    for number in 0..count {
        text.push_str(&format!(
            "\n[hosts.n{number}]\nappliance = \"compute\"\nboot = \"{boot}\"\ninterfaces = [{{ name = \"eth0\", network = \
             \"lab\", address = \"52:54:00:00:04:{number:02x}\", ip = \"127.4.0.{}\" }}]\n",
            number + 1
        ));
    }
    crate::support::write(&site.inventory(), text);
}

/// A host of [`more`], as its machine asks.
fn machine(number: usize) -> (String, String, String) {
    let path = format!("/boot/ipxe/52-54-00-00-04-{number:02x}.ipxe");
    (format!("n{number}"), format!("127.4.0.{}", number + 1), path)
}

fn as_host(machine: &(String, String, String)) -> (&str, &str, &str) {
    (&machine.0, &machine.1, &machine.2)
}

#[test]
fn a_rename_of_installed_machines_wipes_none_of_them() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    install(&server, C0);
    let (_, token) = server.script(C1);
    site.edit("[hosts.c0]", "[hosts.first]").edit("[hosts.c1]", "[hosts.second]");
    site.commit("other names");
    server.order("/api/v1/refresh", "");
    assert!(boots_locally(&server, C0));
    assert_eq!((server.host("first")["order"].as_str(), server.state("first")), (Some("done"), "local".to_owned()));
    assert!(told(&server, "first").contains("renamed from c0"), "{}", told(&server, "first"));
    // One that is at it goes on, under the name that it knows.
    assert!(server.get(C1.1, &format!("/ks/c1.ks?token={token}")).text().contains("second"));
    assert_eq!(server.post(C1.1, &format!("/ks/c1/progress?token={token}"), b"packages").status, 200);
    assert_eq!(server.post(C1.1, &format!("/ks/c1/success?token={token}"), b"").status, 200);
    assert_eq!(server.host("second")["next"], "local");
    assert!(server.post(C1.1, &format!("/ks/nobody/success?token={token}"), b"").status == 403);
    assert_eq!(server.operator("GET", "/api/v1/hosts/c0", "").status, 404);
}

#[test]
fn a_first_start_arms_nobody_and_says_what_to_type() {
    let site = Site::in_git().waiting();
    let server = Server::of_git(&site);
    assert!(boots_locally(&server, C0));
    assert_eq!(server.get(C0.1, "/ks/c0.ks").status, 403);
    server.tells("kgen boot --adopt");
    let status = said(&server.kgen(&["status"]));
    assert!(status.contains("2 waiting: c[0-1]; `kgen boot --adopt [HOST..]` lets them go"), "{status}");
    assert_eq!(server.host("c0")["say"], "kgen boot --adopt c0");
    let adopted = server.kgen(&["boot", "--adopt", "c0"]);
    assert!(adopted.status.success() && said(&adopted).contains("1 host: what the inventory names"), "{adopted:?}");
    assert!(!boots_locally(&server, C0) && boots_locally(&server, C1));
    assert!(!server.kgen(&["boot", "--adopt", "c0"]).status.success(), "it does not wait any more");
    assert!(server.kgen(&["boot", "--adopt", "--yes"]).status.success());
    assert!(!boots_locally(&server, C1));
    assert!(server.host("disk")["last"].as_str().unwrap().is_empty(), "who was to do nothing else is not touched");
}

#[test]
fn a_commit_orders_and_what_is_no_new_commit_does_not() {
    let site = Site::in_git();
    let first = site.git(&["rev-parse", "HEAD"]);
    let server = Server::of_git(&site);
    install(&server, C0);
    site.edit("boot = \"local\"", "boot = \"install\"");
    let second = site.commit("disk installs");
    server.order("/api/v1/refresh", "");
    assert!(!boots_locally(&server, DISK));
    assert_eq!(server.host("disk")["order"], "inventory");
    let (_, token) = server.script(DISK);
    assert_eq!(server.post(DISK.1, &format!("/ks/disk/success?token={token}"), b"").status, 200);
    // None of these is an order: going back, pinning, following again, a branch that goes back and comes again, a start.
    let rests = |what: &str| {
        for host in [C0, DISK] {
            assert!(boots_locally(&server, host), "{what}: {}", server.host(host.0));
        }
    };
    server.order("/api/v1/rollback", &json!({ "to": first }).to_string());
    rests("rollback");
    server.order("/api/v1/follow", "");
    rests("follow");
    server.order("/api/v1/pins", &json!({ "target": "disk", "revision": second }).to_string());
    rests("pin");
    server.order("/api/v1/pins", &json!({ "target": "disk", "revision": first }).to_string());
    assert!(server.kgen(&["unpin", "disk"]).status.success());
    rests("unpin");
    site.git(&["reset", "--quiet", "--hard", &first]);
    server.order("/api/v1/refresh", "");
    rests("a branch that goes back");
    site.git(&["reset", "--quiet", "--hard", &second]);
    server.order("/api/v1/refresh", "");
    rests("and comes again");
    assert!(told(&server, "disk").contains("served before"), "{}", told(&server, "disk"));
    assert_eq!(server.stop(), Some(0));
    let server = Server::of_git(&site);
    assert!(boots_locally(&server, C0) && boots_locally(&server, DISK));
    // The same word elsewhere.
    site.edit("[hosts.disk]\nappliance = \"compute\"\nboot = \"install\"", "[hosts.disk]\nappliance = \"compute\"");
    site.edit("[appliances.compute]\n", "[appliances.compute]\nboot = \"install\"\n");
    site.commit("the same word at the appliance");
    server.order("/api/v1/refresh", "");
    assert!(boots_locally(&server, DISK));
    site.edit("[appliances.compute]\nboot = \"install\"\n", "[appliances.compute]\nboot = \"again\"\n");
    site.commit("another word");
    server.order("/api/v1/refresh", "");
    assert!(!boots_locally(&server, DISK) && boots_locally(&server, C0));
}

#[test]
fn a_revision_that_does_not_compile_takes_nothing() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    install(&server, C0);
    site.edit("boot = \"local\"", "boot = \"install\"").edit("[site]\n", "[site]\nnonsense = 1\n");
    site.commit("broken");
    assert_ne!(server.operator("POST", "/api/v1/refresh", "").status, 200);
    assert!(boots_locally(&server, DISK));
    site.edit("nonsense = 1\n", "");
    site.commit("mended");
    server.order("/api/v1/refresh", "");
    assert!(!boots_locally(&server, DISK), "the order of both commits is compared with what was taken");
}

#[test]
fn a_directory_orders_by_content_that_was_never_served() {
    let site = Site::new();
    let server = Server::start(&site);
    site.edit("boot = \"local\"", "boot = \"install\"");
    until("disk is armed", || server.host("disk")["next"] == "install");
    let (_, token) = server.script(DISK);
    assert_eq!(server.post(DISK.1, &format!("/ks/disk/success?token={token}"), b"").status, 200);
    site.edit(
        "boot = \"install\"\ninterfaces = [{ name = \"eth0\", network = \"lab\", address = \"52:54:00:00:00:0c\"",
        "boot = \"local\"\ninterfaces = [{ name = \"eth0\", network = \"lab\", address = \"52:54:00:00:00:0c\"",
    );
    until("the old word", || server.host("disk")["declared"] == "local");
    site.edit("boot = \"local\"", "boot = \"install\"");
    until("and the new one again", || server.host("disk")["declared"] == "install");
    assert_eq!(server.host("disk")["next"], "local");
}

#[test]
fn swapped_machines_boot_locally_until_somebody_says_what_they_do() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    install(&server, C0);
    site.edit("52:54:00:00:00:0a", "52:54:00:00:00:ff").edit("52:54:00:00:00:0b", "52:54:00:00:00:0a");
    site.edit("52:54:00:00:00:ff", "52:54:00:00:00:0b");
    site.commit("swapped");
    server.order("/api/v1/refresh", "");
    for (name, path) in [("c0", C1.2), ("c1", C0.2)] {
        let address = if name == "c0" { C0.1 } else { C1.1 };
        assert!(boots_locally(&server, (name, address, path)), "{name}");
        assert_eq!(server.state(name), "doubtful");
    }
    let status = said(&server.kgen(&["status"]));
    assert!(status.contains("2 doubtful: c[0-1]; `kgen boot HOST.. ACTION`"), "{status}");
    assert!(!server.kgen(&["boot", "--adopt", "c1"]).status.success(), "nobody adopts a machine that is not sure");
    assert!(server.kgen(&["boot", "c1", "install"]).status.success());
    assert!(!boots_locally(&server, (C1.0, C1.1, C0.2)));
}

#[test]
fn new_machines_install_with_one_word_in_the_inventory() {
    for word in ["", "install_new = true\n"] {
        let site = Site::in_git();
        site.edit("[site]\n", &format!("[site]\n{word}# how new machines are taken\n"));
        site.commit("how new machines are taken");
        let server = Server::of_git(&site);
        more(&site, 30, "install");
        site.commit("thirty new machines");
        server.order("/api/v1/refresh", "");
        let local = boots_locally(&server, as_host(&machine(7)));
        assert_eq!(local, word.is_empty(), "{}", server.host("n7"));
        if word.is_empty() {
            assert!(told(&server, "n7").contains("not armed for install"), "{}", told(&server, "n7"));
        }
    }
}

#[test]
fn one_commit_arms_a_bounded_number_of_installed_machines() {
    let site = Site::in_git();
    more(&site, 6, "local");
    site.commit("six more");
    let server = Server::of_git(&site);
    for number in 0..6 {
        install(&server, as_host(&machine(number)));
    }
    let text = std::fs::read_to_string(site.inventory()).unwrap().replace("boot = \"local\"", "boot = \"again\"");
    crate::support::write(&site.inventory(), text);
    site.commit("all at once");
    server.order("/api/v1/refresh", "");
    assert!((0..6).all(|number| boots_locally(&server, as_host(&machine(number)))));
    assert_eq!(server.state("n0"), "waiting");
    assert!(told(&server, "n0").contains("arm_at_most is 4"), "{}", told(&server, "n0"));
    let shown = said(&server.kgen(&["boot", "--adopt", "--dry-run"]));
    assert!(shown.contains("n[0-5]") && shown.contains("6 are installed and would be wiped"), "{shown}");
    assert!(server.kgen(&["boot", "--adopt", "--yes"]).status.success());
    assert!((0..6).all(|number| !boots_locally(&server, as_host(&machine(number)))));
}

#[test]
fn an_order_for_many_hosts_is_shown_and_confirmed() {
    let site = Site::in_git();
    more(&site, 34, "local");
    site.commit("a rack");
    site.serve("brake = \"enforce\"");
    site.commit("with the brake on");
    let server = Server::of_git(&site);
    install(&server, as_host(&machine(3)));
    let hosts: Vec<String> = (0..34).map(|number| format!("n{number}")).collect();
    let order = |more: serde_json::Value| {
        let mut order = json!({ "hosts": hosts, "action": "install" });
        more.as_object().unwrap().iter().for_each(|(key, value)| order[key] = value.clone());
        server.operator("POST", "/api/v1/boot", &order.to_string())
    };
    let shown = order(json!({ "dry_run": true })).json();
    let sentence = shown["says"].as_str().unwrap();
    assert!(sentence.contains("34 hosts: install at the next boot: n[0-33]; 1 is installed"), "{sentence}");
    assert_eq!((&shown["wiped"], &shown["needs_confirm"]), (&json!(1), &json!(true)));
    assert!(boots_locally(&server, as_host(&machine(3))), "nothing was ordered");
    for wrong in [json!({}), json!({ "confirm": 33 }), json!({ "confirm": 35 })] {
        let answer = order(wrong.clone());
        assert_eq!(answer.status, 409, "{wrong}: {answer:?}");
    }
    assert!(told(&server, "n9").contains("order of install was refused"), "{}", told(&server, "n9"));
    assert!(boots_locally(&server, as_host(&machine(9))));
    let mut words = vec!["boot"];
    words.extend(hosts.iter().map(String::as_str).chain(["install"]));
    let refused = server.kgen(&words);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(said(&refused).contains("n[0-33]") && said(&refused).contains("--yes"), "{}", said(&refused));
    words.push("--yes");
    assert!(server.kgen(&words).status.success());
    assert!(!boots_locally(&server, as_host(&machine(9))));
}

#[test]
fn without_the_brake_an_order_for_many_hosts_is_warned_of() {
    let site = Site::in_git();
    more(&site, 21, "local");
    site.commit("a rack");
    let server = Server::of_git(&site);
    let ordered = server.kgen(&["boot", "@compute", "rescue"]);
    assert!(ordered.status.success() && said(&ordered).contains("a later release refuses it"), "{}", said(&ordered));
    server.tells("not confirmed");
}

/// A person at a terminal, who types something.
#[test]
fn a_person_at_a_terminal_is_asked() {
    let Some(script) = crate::support::program("script") else { return };
    let server = Server::start(&Site::new());
    for (typed, next) in [("n\n", "local"), ("\n", "local"), ("y\n", "install")] {
        server.order("/api/v1/boot", r#"{"hosts": ["disk", "sick"], "action": "local"}"#);
        let line =
            format!("{} boot disk sick install --socket {}", env!("CARGO_BIN_EXE_kgen"), server.socket.display());
        let mut terminal = std::process::Command::new(&script);
        terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        let mut child =
            terminal.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let shown = said(&output);
        assert!(shown.contains("2 hosts: install at the next boot: disk,sick") && shown.contains("go on?"), "{shown}");
        assert_eq!(server.host("disk")["next"], next, "{typed:?}: {shown}");
    }
}

#[test]
fn a_protected_host_needs_a_word_more() {
    let site = Site::in_git();
    site.edit("[hosts.disk]\n", "[hosts.disk]\nprotect = true\n");
    site.commit("disk is protected");
    let server = Server::of_git(&site);
    let refused = server.kgen(&["boot", "disk", "c1", "install"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("disk is protected; --protected"), "{}", said(&refused));
    assert!(told(&server, "disk").contains("was refused: disk is protected"), "{}", told(&server, "disk"));
    assert_eq!(told(&server, "c1").matches("ordered").count(), 0, "all or nobody");
    // A commit does not arm it either, nor takes the protection away and arms it in one.
    site.edit(
        "protect = true\nappliance = \"compute\"\nboot = \"local\"",
        "appliance = \"compute\"\nboot = \"install\"",
    );
    site.commit("not protected, and installs");
    server.order("/api/v1/refresh", "");
    assert!(boots_locally(&server, DISK) && server.host("disk")["protect"] == true, "{}", server.host("disk"));
    assert_eq!(server.generations()["pending"][0], "disk without `protect`");
    assert!(server.kgen(&["boot", "disk", "local"]).status.success(), "the way to safety is free");
    assert!(server.kgen(&["boot", "disk", "install", "--protected"]).status.success());
    assert!(!boots_locally(&server, DISK));
    assert!(server.kgen(&["revision", "accept"]).status.success());
    assert_eq!(server.host("disk")["protect"], false);
}

#[test]
fn an_action_that_comes_to_build_is_not_what_was_ordered() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    install(&server, C0);
    assert!(server.kgen(&["boot", "c0", "rescue"]).status.success());
    let evil = "[boot.rescue]\narguments = \"inst.ks={{ kickstart }}\"\n\n[appliances.compute]";
    site.edit("[appliances.compute]", evil);
    let evil = site.commit("rescue installs");
    server.order("/api/v1/refresh", "");
    assert!(boots_locally(&server, C0), "{}", server.host("c0"));
    assert_eq!(server.get(C0.1, "/ks/c0.ks").status, 403);
    server.order("/api/v1/pins", &json!({ "target": "c0", "revision": evil }).to_string());
    assert!(boots_locally(&server, C0));
    // `local` is what machines do that are to be left alone.
    site.edit("[boot.rescue]\n", "[boot.local]\nkind = \"kernel\"\nkernel = \"vmlinuz\"\n");
    site.commit("local installs");
    let refused = server.operator("POST", "/api/v1/refresh", "");
    assert!(refused.status == 409 && refused.text().contains("`local`"), "{refused:?}");
    // However a template writes the URL.
    assert!(server.kgen(&["unpin", "c0"]).status.success());
    site.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    let tls = "[boot.tls]\nkernel = \"vmlinuz\"\narguments = 'inst.ks={{ kickstart | replace(\"http://\", \"https://\") }}'\n\n\
               [appliances.compute]";
    site.edit("[appliances.compute]", tls);
    site.commit("an action of the site");
    server.order("/api/v1/refresh", "");
    let shown = said(&server.kgen(&["boot", "c0", "tls", "--dry-run"]));
    assert!(shown.contains("1 is installed and would be wiped"), "{shown}");
}

#[test]
fn a_success_counts_wherever_what_is_served_is() {
    let site = Site::in_git();
    let first = site.git(&["rev-parse", "HEAD"]);
    more(&site, 1, "local");
    site.commit("one more");
    let server = Server::of_git(&site);
    let new = machine(0);
    assert!(server.kgen(&["boot", "n0", "install"]).status.success());
    let (_, token) = server.script(as_host(&new));
    server.order("/api/v1/rollback", &json!({ "to": first }).to_string());
    assert_eq!(server.post(&new.1, &format!("/ks/n0/success?token={token}"), b"").status, 200, "it is not served now");
    server.order("/api/v1/follow", "");
    assert!(boots_locally(&server, as_host(&new)), "{}", server.host("n0"));
    // And if another has its old name by now.
    let (_, token) = server.script(C1);
    site.edit("[hosts.c1]", "[hosts.second]");
    site.commit("renamed");
    server.order("/api/v1/refresh", "");
    let text = std::fs::read_to_string(site.inventory()).unwrap();
    let entry = "\n[hosts.c1]\nappliance = \"compute\"\ninterfaces = [{ name = \"eth0\", network = \"lab\", address = \
                 \"52:54:00:00:09:09\", ip = \"127.9.9.9\" }]\n";
    crate::support::write(&site.inventory(), text + entry);
    site.commit("another c1");
    server.order("/api/v1/refresh", "");
    assert_eq!(server.post(C1.1, &format!("/ks/c1/success?token={token}"), b"").status, 200);
    assert_eq!(server.host("second")["next"], "local");
}

#[test]
fn a_machine_without_a_token_goes_on_under_the_name_that_it_knows() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    assert_eq!(server.get(C0.1, "/ks/c0.ks").status, 200);
    site.edit("[hosts.c0]", "[hosts.first]");
    site.commit("renamed");
    server.order("/api/v1/refresh", "");
    assert_eq!(server.get(C0.1, "/ks/c0.ks").status, 200);
    let token = server.post(C0.1, "/ks/c0/token", b"").text().trim().to_owned();
    assert_eq!(server.post(C0.1, &format!("/ks/c0/success?token={token}"), b"").status, 200);
    assert_eq!(server.host("first")["next"], "local");
    assert_eq!(server.get(C1.1, "/ks/c0.ks").status, 403, "its own address only");
}

#[test]
fn hosts_that_are_made_up_make_no_room_for_a_commit() {
    let site = Site::in_git();
    more(&site, 6, "local");
    site.serve("arm_at_most = \"1%\"");
    site.commit("six more");
    let server = Server::of_git(&site);
    (0..6).for_each(|number| install(&server, as_host(&machine(number))));
    let text = std::fs::read_to_string(site.inventory()).unwrap();
    let fakes = "\n[ranges.fake]\nname = \"f{rank}\"\nappliance = \"compute\"\nrack = 9\nrank = \"0-999\"\n";
    crate::support::write(&site.inventory(), text + fakes);
    site.commit("a thousand that nobody has");
    server.order("/api/v1/refresh", "");
    let text = std::fs::read_to_string(site.inventory()).unwrap().replace("boot = \"local\"", "boot = \"again\"");
    crate::support::write(&site.inventory(), text);
    site.commit("and all of the others at once");
    server.order("/api/v1/refresh", "");
    assert!((0..6).all(|number| boots_locally(&server, as_host(&machine(number)))));
}

#[test]
fn hosts_are_named_as_they_are_shown() {
    let server = Server::start(&Site::new());
    assert!(server.kgen(&["boot", "c[0-1]", "rescue"]).status.success());
    assert_eq!(
        (server.host("c0")["next"].as_str(), server.host("c1")["next"].as_str()),
        (Some("rescue"), Some("rescue"))
    );
    assert!(said(&server.kgen(&["boot", "c[0-2]", "rescue"])).contains("there is no host `c2`"));
}

#[test]
fn records_of_hosts_that_are_gone_stay_until_they_are_forgotten() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    install(&server, C0);
    let entry = "[hosts.c0]\nappliance = \"compute\"\nboot = \"install\"\ninterfaces = [{ name = \"eth0\", network = \"lab\", \
                 address = \"52:54:00:00:00:0a\", ip = \"127.1.0.5\" }]\n";
    site.edit(entry, "");
    site.commit("without c0");
    server.order("/api/v1/refresh", "");
    assert!(!said(&server.kgen(&["status"])).contains("c0 "));
    let gone = said(&server.kgen(&["status", "--gone"]));
    assert!(gone.contains("c0 ") && gone.contains("not in the inventory"), "{gone}");
    assert_eq!(server.kgen(&["state", "forget", "c1"]).status.code(), Some(1), "it is there");
    assert_eq!(server.kgen(&["state", "forget", "nobody"]).status.code(), Some(2));
    // A host that comes back is the machine that it was.
    site.edit("[hosts.c1]", &format!("{entry}\n[hosts.c1]"));
    site.commit("with it again");
    server.order("/api/v1/refresh", "");
    assert!(boots_locally(&server, C0) && server.host("c0")["order"] == "done", "{}", server.host("c0"));
    site.edit(entry, "");
    site.commit("without it for good");
    server.order("/api/v1/refresh", "");
    assert!(server.kgen(&["state", "forget", "c0"]).status.success());
    assert!(!said(&server.kgen(&["status", "--gone"])).contains("c0 "));
    assert_eq!(told(&server, "c0"), "");
}

#[test]
fn a_check_against_what_is_served_knows_who_is_installed() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    install(&server, C0);
    site.edit("boot = \"install\"", "boot = \"again\"").edit("boot = \"local\"", "boot = \"install\"");
    site.edit("[hosts.c0]", "[hosts.first]");
    let command = |word: &str, more: &[&str]| {
        let mut command = crate::support::kgen();
        command.args([word, "--served", "--site"]).arg(site.path("site")).args(more);
        command.arg("--local").arg(site.state()).arg("--socket").arg(&server.socket);
        said(&command.output().unwrap())
    };
    let expected = "the same machine under a new name: first, before c0\nboot of 1 host: install to again: first\n\
                    boot of 1 host: local to install: disk\n1 installed host would install: first\n\
                    1 host that never reported success would install\n";
    assert!(command("check", &[]).starts_with(expected), "{}", command("check", &[]));
    assert!(command("diff", &[]).starts_with(expected), "{}", command("diff", &[]));
}
