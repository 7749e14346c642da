//! What a new generation means for records: a case for each row of the table in `docs/orders.md`.

use std::sync::Arc;

use kgen::boot::happening::{Declared, Happening, Limits};
use kgen::boot::machine::Identities;
use kgen::boot::matching::{Candidate, Records};
use kgen::boot::order::{BootState, Hold, Order};
use kgen::boot::state::Record;
use kgen::boot::taking::{Basis, Step, Taking, restored, take};
use kgen::boot::token::Token;
use kgen::name::{ActionName, HostName};

const LIMITS: Limits = Limits { token: 1000, attempts: 3 };

fn name(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

fn action(word: &str) -> ActionName {
    ActionName::new(word).unwrap()
}

fn declared(word: &str) -> Declared {
    Declared { action: action(word), builds: ["install", "again"].contains(&word) }
}

/// `NAME IDENTITY,.. ACTION`, with `!` behind it where it is protected.
fn host(text: &str) -> Candidate {
    let protect = text.ends_with('!');
    let words: Vec<&str> = text.trim_end_matches('!').split(' ').collect();
    let machine = Identities::parse(&words[1].replace(',', " ").replace('-', ""));
    Candidate { name: name(words[0]), machine, declared: declared(words[2]), protect }
}

/// The state of a server that follows its source.
#[derive(Default)]
struct State {
    records: Records,
    install_new: bool,
    arm_at_most: Option<usize>,
}

impl State {
    fn take(&mut self, basis: Basis, hosts: &[&str]) -> Vec<Step> {
        let taking = Taking {
            hosts: hosts.iter().map(|text| host(text)).collect(),
            basis,
            install_new: self.install_new,
            arm_at_most: self.arm_at_most.unwrap_or(4),
            loosens: false,
        };
        let steps = take(&self.records, &taking, 100);
        for from in steps.iter().filter_map(|step| step.from.as_ref()) {
            self.records.remove(from);
        }
        for step in &steps {
            self.records.insert(step.host.clone(), Arc::new(step.record.clone()));
        }
        steps
    }

    /// The first generation, with these hosts installed.
    fn of(hosts: &[&str], installed: &[&str]) -> Self {
        let mut state = Self::default();
        state.take(Basis::of(None, false, false), hosts);
        installed.iter().for_each(|host| state.install(host));
        state
    }

    fn happens(&mut self, host: &str, happening: &Happening) {
        let record = self.records[&name(host)].after(happening, 50, LIMITS).unwrap();
        self.records.insert(name(host), Arc::new(record));
    }

    fn order(&mut self, host: &str, word: &str) {
        let machine = self.record(host).machine.clone();
        let Declared { action, builds } = declared(word);
        self.happens(host, &Happening::Ordered { action, builds, machine, by: "me".into() });
    }

    fn install(&mut self, host: &str) {
        let token = Token::new([7; 16]);
        self.order(host, "install");
        self.happens(host, &Happening::Token(token));
        self.happens(host, &Happening::Success(token));
    }

    fn record(&self, host: &str) -> &Record {
        &self.records[&name(host)]
    }

    /// What a host does next, if its generation names this.
    fn next(&self, host: &str, word: &str) -> String {
        self.record(host).next(&declared(word)).to_string()
    }

    fn shown(&self, host: &str) -> &'static str {
        self.record(host).shown().word()
    }
}

fn events(steps: &[Step], host: &str) -> String {
    let found = steps.iter().find(|step| step.host.as_str() == host);
    found.map(|step| step.events.join("; ")).unwrap_or_default()
}

#[test]
fn a_new_state_arms_nobody_whatever_the_inventory_says() {
    let mut state = State { install_new: true, ..State::default() };
    let steps = state.take(Basis::of(None, false, false), &["c0 a install", "c1 b local"]);
    assert_eq!((state.shown("c0"), state.next("c0", "install").as_str()), ("waiting", "local"));
    assert!(events(&steps, "c0").contains("kgen boot c0 install"), "{steps:?}");
    assert_eq!((events(&steps, "c1").as_str(), state.shown("c1")), ("", "idle"));
}

#[test]
fn a_host_that_is_renamed_keeps_what_is_known_of_its_machine() {
    let mut state = State::of(&["c0 a,x install", "c1 b install"], &["c0"]);
    let before = state.record("c0").clone();
    let steps = state.take(Basis::Order, &["n0 a,y install", "n1 b install"]);
    assert_eq!(steps.iter().filter(|step| step.from.is_some()).count(), 2);
    assert!(events(&steps, "n0").starts_with("renamed from c0"), "{steps:?}");
    assert_eq!((state.record("n0").order.clone(), state.record("n0").success), (before.order, before.success));
    assert_eq!(state.record("n0").machine.to_string(), "a y");
    assert_eq!([state.next("n0", "install"), state.next("n1", "install")], ["local", "local"]);
    assert!(!state.records.contains_key(&name("c0")));
}

#[test]
fn names_that_move_along_a_row_are_doubtful() {
    let mut state = State::of(&["c0 a install", "c1 b install", "c2 c install"], &["c0"]);
    state.order("c2", "rescue");
    // c0 is taken out, and every other one has the name before it: ranks that shifted.
    state.take(Basis::Order, &["c0 b install", "c1 c install"]);
    let all = ["c0", "c1"].map(|host| (state.shown(host), state.next(host, "install")));
    assert_eq!(all, [("doubtful", "local".to_owned()), ("doubtful", "local".to_owned())]);
}

#[test]
fn an_order_moves_with_its_machine() {
    let mut state = State::of(&["c0 a local"], &[]);
    state.order("c0", "install");
    state.take(Basis::Order, &["n0 a local"]);
    assert_eq!(state.next("n0", "local"), "install");
}

#[test]
fn some_identities_that_stay_are_enough() {
    let mut state = State::of(&["c0 a,x install"], &["c0"]);
    let steps = state.take(Basis::Order, &["c0 a,z install"]);
    assert_eq!((events(&steps, "c0").as_str(), state.record("c0").machine.to_string().as_str()), ("", "a z"));
    assert!(matches!(state.record("c0").order, Order::Done(_)));
}

#[test]
fn another_board_is_kept_told_and_not_armed() {
    let mut state = State::of(&["c0 a local"], &[]);
    state.order("c0", "install");
    let steps = state.take(Basis::Order, &["c0 z install"]);
    assert!(events(&steps, "c0").contains("the order of install ended: the machine is another one"), "{steps:?}");
    assert_eq!((state.shown("c0"), state.next("c0", "install").as_str()), ("waiting", "local"));
    state.order("c0", "install");
    assert_eq!(state.next("c0", "install"), "install");
}

#[test]
fn machines_that_are_swapped_boot_locally_until_somebody_says_what_they_do() {
    let mut state = State::of(&["c0 a install", "c1 b rescue", "c2 c install"], &["c0"]);
    state.order("c1", "install");
    let steps = state.take(Basis::Order, &["c0 b install", "c1 a rescue", "c2 c install"]);
    for host in ["c0", "c1"] {
        assert!(events(&steps, host).contains(&format!("kgen boot {host} ACTION")), "{steps:?}");
        assert_eq!((state.shown(host), state.next(host, "rescue").as_str()), ("doubtful", "local"));
    }
    assert!(events(&steps, "c1").contains("the order of install ended"), "{steps:?}");
    assert_ne!(state.shown("c2"), "doubtful");
    // It stays so, also if a commit names another action, and is told once.
    let mut later = State { records: state.records.clone(), ..State::default() };
    later.take(Basis::Order, &["c0 b again", "c1 a install", "c2 c install"]);
    assert_eq!([later.next("c0", "again"), later.next("c1", "install")], ["local", "local"]);
    assert_eq!(state.take(Basis::Order, &["c0 b install", "c1 a rescue", "c2 c install"]), []);
    state.order("c0", "install");
    assert_eq!(state.next("c0", "install"), "install");
    state.happens("c1", &Happening::Released { declared: declared("rescue"), by: "me".into() });
    assert_eq!((state.shown("c1"), state.next("c1", "rescue").as_str()), ("idle", "rescue"));
}

#[test]
fn a_machine_that_is_taken_into_another_host_makes_both_doubtful() {
    let mut state = State::of(&["c0 a,b install", "c1 c install"], &[]);
    state.take(Basis::Order, &["c0 a install", "c1 b,c install"]);
    assert_eq!([state.shown("c0"), state.shown("c1")], ["doubtful", "doubtful"]);
    let mut state = State::of(&["c0 a,b install"], &[]);
    state.take(Basis::Order, &["n0 a install", "n1 b install"]);
    assert_eq!([state.shown("n0"), state.shown("n1")], ["doubtful", "doubtful"], "both have a part of c0");
    let mut state = State::of(&["c0 a install", "c1 b install"], &[]);
    state.take(Basis::Order, &["c0 b install"]);
    assert_eq!(state.shown("c0"), "doubtful", "the machine of a host that is gone, under the name of another");
}

#[test]
fn a_port_that_another_machine_had_makes_a_host_doubtful() {
    let mut state = State::of(&["c0 a,b install", "c1 c local"], &["c0"]);
    state.take(Basis::Order, &["c0 a install", "c1 c local"]);
    state.order("c1", "install");
    state.take(Basis::Order, &["c0 a install", "c1 b,c local"]);
    assert_eq!((state.shown("c1"), state.next("c1", "local").as_str()), ("doubtful", "local"));
}

#[test]
fn another_word_in_a_new_commit_is_an_order_and_the_same_word_is_none() {
    let mut state = State::of(&["c0 a local", "c1 b install"], &["c1"]);
    let steps = state.take(Basis::Order, &["c0 a install", "c1 b install"]);
    assert_eq!(events(&steps, "c0"), "the inventory orders install");
    assert_eq!([state.next("c0", "install"), state.next("c1", "install")], ["install", "local"]);
    // From one action that builds to another, also of a machine that is installed.
    state.take(Basis::Order, &["c0 a install", "c1 b again"]);
    assert_eq!([state.next("c0", "install"), state.next("c1", "again")], ["install", "again"]);
    let steps = state.take(Basis::Order, &["c0 a rescue", "c1 b again"]);
    assert!(events(&steps, "c0").contains("the order of install ended: the inventory names rescue now"));
    assert_eq!(state.next("c0", "rescue"), "rescue");
}

#[test]
fn what_is_no_order_arms_nobody_and_is_told() {
    let cases = [
        (Basis::of(None, false, false), "the state is new"),
        (Basis::of(Some("x"), true, true), "served before"),
        (Basis::of(Some("x"), false, false), "does not follow"),
    ];
    for (basis, why) in cases {
        let mut state = State::of(&["c0 a local", "c1 b rescue"], &["c1"]);
        let steps = state.take(basis.clone(), &["c0 a install", "c1 b install"]);
        assert_eq!([state.next("c0", "install"), state.next("c1", "install")], ["local", "local"], "{basis:?}");
        assert!(events(&steps, "c0").contains(why) && events(&steps, "c1").contains(why), "{steps:?}");
        assert_eq!([state.shown("c0"), state.shown("c1")], ["waiting", "installed"], "{basis:?}");
    }
    assert_eq!(Basis::of(Some("x"), false, true), Basis::Order);
}

#[test]
fn going_back_moves_no_mark_and_arms_nobody() {
    let mut state = State::of(&["c0 a local"], &[]);
    state.take(Basis::Held, &["c0 a install"]);
    assert_eq!(state.next("c0", "install"), "local");
    assert_eq!(state.record("c0").declared, Some(declared("local")));
    state.take(Basis::Order, &["c0 a install"]);
    assert_eq!(state.next("c0", "install"), "install");
}

#[test]
fn an_operator_s_order_is_not_overruled_by_a_commit() {
    let mut state = State::of(&["c0 a local"], &[]);
    state.order("c0", "rescue");
    let steps = state.take(Basis::Order, &["c0 a install"]);
    assert_eq!((state.next("c0", "install").as_str(), events(&steps, "c0").contains("stays")), ("rescue", true));
}

#[test]
fn what_protects_a_machine_goes_with_it_under_another_name() {
    let mut state = State::of(&["nfs a install!", "c1 b local"], &["nfs"]);
    state.take(Basis::Order, &["nfs z install!", "c1 b local"]);
    state.take(Basis::Order, &["nfs z install!", "c1 b local", "y0 a install"]);
    assert!(state.record("y0").protect && state.record("y0").success.is_some(), "{:?}", state.record("y0"));
    assert_eq!(state.next("y0", "install"), "local");
    let mut state = State::of(&["nfs a install!", "c1 b local"], &["nfs"]);
    state.take(Basis::Order, &["nfs b install!", "c1 a local"]);
    assert!(state.record("c1").protect, "swapped, until somebody says which is which");
}

#[test]
fn a_machine_that_another_one_had_a_port_of_is_not_moved_with_its_order() {
    let mut state = State::of(&["c0 a install", "c1 b local"], &["c0"]);
    state.take(Basis::Order, &["c0 z install", "c1 b local"]);
    state.order("c1", "install");
    state.take(Basis::Order, &["c0 z install", "n1 a,b local"]);
    assert_eq!((state.shown("n1"), state.next("n1", "local").as_str()), ("doubtful", "local"));
}

#[test]
fn new_machines_are_armed_only_where_the_site_says_so_and_nobody_knew_them() {
    let hosts = ["c0 a install", "new b install", "bare ip:10.0.0.9 install", "old x install"];
    for install_new in [false, true] {
        let mut state = State::of(&["c0 a install", "gone x install"], &["gone"]);
        state.take(Basis::Order, &["c0 a install", "gone y install"]);
        state.install_new = install_new;
        state.take(Basis::Order, &hosts);
        let next = ["new", "bare", "old"].map(|host| state.next(host, "install"));
        assert_eq!(next, [if install_new { "install" } else { "local" }, "local", "local"]);
        assert_eq!(state.shown("bare"), "waiting");
    }
}

#[test]
fn a_host_that_comes_back_is_not_new() {
    let mut state = State { install_new: true, ..State::of(&["c0 a install", "c1 b install"], &["c0"]) };
    state.order("c1", "install");
    let steps = state.take(Basis::Order, &["x z local"]);
    assert!(events(&steps, "c1").contains("no longer in the inventory"), "{steps:?}");
    assert_eq!(state.record("c0").declared, None);
    state.take(Basis::Order, &["c0 a install", "c1 b install", "x z local"]);
    assert_eq!([state.next("c0", "install"), state.next("c1", "install")], ["local", "local"]);
    assert_eq!([state.shown("c0"), state.shown("c1")], ["installed", "waiting"]);
}

#[test]
fn one_commit_arms_only_so_many_installed_machines() {
    let words = |word: &str| (0..6).map(|n| format!("c{n} m{n} {word}")).collect::<Vec<_>>();
    let (before, after) = (words("local"), words("install"));
    let [before, after] = [&before, &after].map(|all| all.iter().map(String::as_str).collect::<Vec<_>>());
    for (most, armed) in [(5, false), (6, true)] {
        let mut state = State::of(&before, &["c0", "c1", "c2", "c3", "c4", "c5"]);
        state.arm_at_most = Some(most);
        let steps = state.take(Basis::Order, &after);
        assert_eq!(state.next("c0", "install") == "install", armed);
        if !armed {
            assert!(events(&steps, "c0").contains("arm 6 hosts"), "{steps:?}");
            let machine = state.record("c0").machine.clone();
            state.happens("c0", &Happening::Adopted { machine, declared: declared("install"), by: "me".into() });
            assert_eq!([state.next("c0", "install"), state.next("c1", "install")], ["install", "local"]);
        }
    }
    // Machines that never reported success are none that could be lost.
    let mut state = State { arm_at_most: Some(0), ..State::of(&before, &[]) };
    state.take(Basis::Order, &after);
    assert_eq!(state.next("c5", "install"), "install");
}

#[test]
fn new_hosts_in_the_place_of_installed_ones_are_counted() {
    let old: Vec<String> = (0..6).map(|n| format!("c{n} m{n} install")).collect();
    let new: Vec<String> = (0..6).map(|n| format!("n{n} new{n} install")).collect();
    let [old, new] = [&old, &new].map(|all| all.iter().map(String::as_str).collect::<Vec<_>>());
    for (installed, armed) in [(vec!["c0", "c1", "c2", "c3", "c4"], false), (vec!["c0"], true)] {
        let mut state = State { install_new: true, ..State::of(&old, &installed) };
        state.take(Basis::Order, &new);
        assert_eq!(state.next("n0", "install") == "install", armed, "{installed:?}");
    }
}

#[test]
fn a_protected_host_is_armed_by_no_commit() {
    let mut state = State::of(&["c0 a local!", "c1 b local"], &["c0"]);
    let steps = state.take(Basis::Order, &["c0 a install", "c1 b install"]);
    assert!(events(&steps, "c0").contains("it is protected"), "the word of the generation before counts: {steps:?}");
    assert_eq!([state.next("c0", "install"), state.next("c1", "install")], ["local", "install"]);
    assert!(state.record("c0").protect, "until somebody accepts that it is not");
}

#[test]
fn a_copy_of_the_state_orders_nothing() {
    let mut state = State::of(&["c0 a install", "c1 b install"], &["c0"]);
    state.order("c0", "install");
    state.order("c1", "install");
    state.happens("c1", &Happening::Token(Token::new([9; 16])));
    let steps = restored(&state.records, 200);
    assert!(events(&steps, "c0").contains("copy") && events(&steps, "c1").contains("copy"), "{steps:?}");
    for step in steps {
        assert_eq!((step.record.next(&declared("install")), step.record.token), (action("local"), None));
    }
}

#[test]
fn records_of_the_first_release_get_what_their_machines_are_known_by_and_arm_nobody() {
    let mut records = Records::new();
    let may_build = true;
    let bare = |order: Order, state| Record { order, state, ..Record::default() };
    let working = Record { token: Some(Token::new([1; 16])), ..bare(Order::Declared, BootState::Installing) };
    records.insert(
        name("done"),
        Arc::new(Record { success: Some(1), ..bare(Order::Done(action("install")), BootState::Local) }),
    );
    records.insert(
        name("ordered"),
        Arc::new(Record { may_build, ..bare(Order::Action(action("install")), BootState::Armed) }),
    );
    records.insert(name("seen"), Arc::new(bare(Order::Declared, BootState::Local)));
    records.insert(name("working"), Arc::new(working));
    let mut state = State { records, ..State::default() };
    let hosts = ["done a install", "ordered b local", "seen c install", "working d install", "never e install"];
    state.take(Basis::Upgrade, &hosts);
    let next = ["done", "ordered", "seen", "working", "never"].map(|host| state.next(host, "install"));
    assert_eq!(next, ["local", "install", "local", "install", "local"]);
    assert_eq!([state.shown("seen"), state.shown("never")], ["waiting", "waiting"]);
    assert_eq!(state.record("done").machine.to_string(), "a");
    assert_eq!(state.record("done").hold, Hold::Free);
    // What was renamed while the server was exchanged is seen.
    state.take(Basis::of(None, false, false), &["n0 a install"]);
    assert!(matches!(state.record("n0").order, Order::Done(_)));
}
