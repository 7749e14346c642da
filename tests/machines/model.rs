//! A model: machines with network ports, a git history of inventories, a server with its state, and people. It plays at
//! random, and knows by itself which machine was given an order when.
//!
//! Two things have to hold. No machine that reported success is told to install itself without an order that was given
//! after it. No order ends without an event that says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kgen::boot::happening::{Declared, Happening, Limits, Served, Told};
use kgen::boot::machine::Identities;
use kgen::boot::matching::{Candidate, Records};
use kgen::boot::order::Hold;
use kgen::boot::state::Record;
use kgen::boot::taking::{Basis, Step, Taking, restored, take};
use kgen::boot::token::Token;
use kgen::name::{ActionName, HostName};

const STEPS: usize = 200;
const LIMITS: Limits = Limits { token: 10_000, attempts: 4 };
const ACTIONS: [&str; 5] = ["local", "install", "again", "rescue", "install"];

struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    fn one<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        if of.is_empty() { None } else { Some(&of[self.below(of.len())]) }
    }
}

fn declared(word: &str) -> Declared {
    Declared { action: ActionName::new(word).unwrap(), builds: ["install", "again"].contains(&word) }
}

/// A host of an inventory: some of the ports of one machine, and a word.
#[derive(Clone, Debug, PartialEq)]
struct Host {
    ports: BTreeSet<String>,
    action: &'static str,
    protect: bool,
}

type Inventory = BTreeMap<String, Host>;

struct Commit {
    parent: Option<usize>,
    inventory: Inventory,
}

/// What the server keeps on its disk.
#[derive(Clone, Default)]
struct Disk {
    records: Records,
    last: Option<usize>,
    taken: BTreeSet<usize>,
}

/// A machine: its ports, and when it was ordered to install and when it reported success, in steps.
struct Machine {
    ports: Vec<String>,
    ordered: Option<usize>,
    installed: Option<usize>,
    /// The token and the host of a build that it is at.
    building: Option<(Token, String)>,
}

struct World {
    chance: Chance,
    machines: Vec<Machine>,
    commits: Vec<Commit>,
    head: usize,
    disk: Disk,
    copies: Vec<Disk>,
    current: usize,
    held: bool,
    pins: BTreeMap<String, usize>,
    install_new: bool,
    step: usize,
    now: u64,
    tokens: u8,
    /// What happened, for whoever has to find out why.
    log: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let machine = |number: usize| Machine {
            ports: (0..2).map(|port| format!("m{number}p{port}")).collect(),
            ordered: None,
            installed: None,
            building: None,
        };
        let machines: Vec<Machine> = (0..8).map(machine).collect();
        let install_new = chance.below(2) == 0;
        let mut inventory = Inventory::new();
        for (number, machine) in machines.iter().take(5).enumerate() {
            let action = *chance.one(&ACTIONS).unwrap();
            inventory.insert(format!("c{number}"), Host { ports: some(&mut chance, machine), action, protect: false });
        }
        let commits = vec![Commit { parent: None, inventory }];
        let mut world = Self {
            chance,
            machines,
            commits,
            head: 0,
            disk: Disk::default(),
            copies: Vec::new(),
            current: 0,
            held: false,
            pins: BTreeMap::new(),
            install_new,
            step: 0,
            now: 1000,
            tokens: 0,
            log: Vec::new(),
        };
        world.follow();
        world
    }

    fn descends(&self, mut commit: usize, other: usize) -> bool {
        loop {
            if commit == other {
                return true;
            }
            let Some(parent) = self.commits[commit].parent else { return false };
            commit = parent;
        }
    }

    /// Changes an inventory as people do, with their mistakes.
    fn commit(&mut self) {
        let mut inventory = self.commits[self.head].inventory.clone();
        let names: Vec<String> = inventory.keys().cloned().collect();
        let fresh = format!("x{}", self.commits.len());
        match (self.chance.below(10), self.chance.one(&names).cloned(), self.chance.one(&names).cloned()) {
            (0 | 1, Some(one), _) => {
                let host = inventory.remove(&one).unwrap();
                inventory.insert(fresh, host);
            }
            (2, Some(one), Some(other)) if one != other => {
                let (mine, yours) = (inventory[&one].ports.clone(), inventory[&other].ports.clone());
                inventory.get_mut(&one).unwrap().ports = yours;
                inventory.get_mut(&other).unwrap().ports = mine;
            }
            (3, Some(one), _) => {
                let ports = self.free(&inventory);
                inventory.get_mut(&one).unwrap().ports = ports;
            }
            (4, _, _) => {
                let ports = self.free(&inventory);
                let action = *self.chance.one(&ACTIONS).unwrap();
                inventory.insert(fresh, Host { ports, action, protect: false });
            }
            (5, Some(one), _) => drop(inventory.remove(&one)),
            (6, Some(one), _) => {
                // Another port of the same machine.
                let machine = self.machines.iter().position(|machine| owns(machine, &inventory[&one]));
                if let Some(machine) = machine {
                    let ports = some(&mut self.chance, &self.machines[machine]);
                    if !inventory.iter().any(|(name, host)| *name != one && !host.ports.is_disjoint(&ports)) {
                        inventory.get_mut(&one).unwrap().ports = ports;
                    }
                }
            }
            (7, Some(one), _) => {
                let host = inventory.get_mut(&one).unwrap();
                host.protect = !host.protect;
            }
            (_, Some(one), _) => inventory.get_mut(&one).unwrap().action = self.chance.one(&ACTIONS).unwrap(),
            _ => {}
        }
        self.commits.push(Commit { parent: Some(self.head), inventory });
        self.head = self.commits.len() - 1;
    }

    /// Ports of a machine that no host has a port of; none if there is no such machine.
    fn free(&mut self, inventory: &Inventory) -> BTreeSet<String> {
        let is_free = |machine: &&Machine| !inventory.values().any(|host| owns(machine, host));
        let free: Vec<&Machine> = self.machines.iter().filter(is_free).collect();
        match self.chance.one(&free) {
            Some(machine) => some(&mut self.chance, machine),
            None => BTreeSet::new(),
        }
    }

    fn follow(&mut self) {
        if self.held {
            return;
        }
        let head = self.head;
        let basis = Basis::of(
            self.disk.last.map(|_| "last"),
            self.disk.taken.contains(&head),
            self.disk.last.is_some_and(|last| self.descends(head, last)),
        );
        self.order_by_commit(&basis, head);
        self.take(basis, head);
        self.disk.last = Some(head);
        self.disk.taken.insert(head);
        self.current = head;
    }

    /// Keeps which machines a commit orders, as the definition has it and whatever the records say.
    fn order_by_commit(&mut self, basis: &Basis, commit: usize) {
        let (Basis::Order, Some(last)) = (basis, self.disk.last) else { return };
        let (before, after) = (&self.commits[last].inventory, &self.commits[commit].inventory);
        for machine in &mut self.machines {
            let actions = |inventory: &Inventory| -> Vec<&'static str> {
                inventory.values().filter(|host| owns(machine, host)).map(|host| host.action).collect()
            };
            let (then, now) = (actions(before), actions(after));
            let changed = now.iter().any(|word| declared(word).builds && !then.contains(word));
            if changed && (!then.is_empty() || self.install_new) {
                machine.ordered = Some(self.step);
            }
        }
    }

    fn take(&mut self, basis: Basis, commit: usize) {
        let hosts = self.commits[commit].inventory.iter().map(|(name, host)| Candidate {
            name: HostName::new(name).unwrap(),
            machine: Identities::parse(&host.ports.iter().cloned().collect::<Vec<_>>().join(" ")),
            declared: declared(host.action),
            protect: host.protect,
        });
        let loosens = self.chance.below(4) == 0;
        let taking = Taking {
            hosts: hosts.collect(),
            basis: basis.clone(),
            install_new: self.install_new,
            arm_at_most: self.chance.below(4),
            loosens,
        };
        self.log.push(format!("{}: take {commit} {basis:?} {:?}", self.step, self.commits[commit].inventory));
        let steps = take(&self.disk.records, &taking, self.now);
        let again = self.apply(steps, &basis);
        // Taking the same again changes nothing.
        let still = Taking { basis: Basis::Held, ..taking };
        let more = take(&again, &still, self.now);
        assert_eq!(more, [], "{}", self.log.join("\n"));
    }

    /// Puts steps on the disk; an order that ends has an event, and what is no order gives none.
    fn apply(&mut self, steps: Vec<Step>, basis: &Basis) -> Records {
        for step in &steps {
            let before = self.disk.records.get(step.from.as_ref().unwrap_or(&step.host));
            let open = before.and_then(|record| record.order.open().cloned());
            let now = step.record.order.open();
            if open.is_some() && now != open.as_ref() {
                assert!(!step.events.is_empty(), "an order ends in silence: {step:?}\n{}", self.log.join("\n"));
            }
            if *basis != Basis::Order {
                assert!(now.is_none() || open.as_ref() == now, "{basis:?} orders: {step:?}\n{}", self.log.join("\n"));
            }
            self.log.push(format!("   {:?} -> {}: {}", step.from, step.host, step.events.join("; ")));
        }
        for from in steps.iter().filter_map(|step| step.from.clone()) {
            self.disk.records.remove(&from);
        }
        for step in steps {
            self.disk.records.insert(step.host, Arc::new(step.record));
        }
        self.disk.records.clone()
    }

    /// What a host of the current generation gets: its pin's, else the current one's.
    fn declared(&self, name: &str) -> Option<Declared> {
        let current = self.commits[self.current].inventory.get(name)?;
        let pinned = self.pins.get(name).and_then(|commit| self.commits[*commit].inventory.get(name));
        Some(declared(pinned.unwrap_or(current).action))
    }

    fn happens(&mut self, name: &str, happening: &Happening) -> bool {
        let host = HostName::new(name).unwrap();
        let record = self.disk.records.get(&host).map(|record| (**record).clone()).unwrap_or_default();
        let Some(after) = record.after(happening, self.now, LIMITS) else { return false };
        assert!(self.disk.records.contains_key(&host), "each host of what is served has a record");
        self.disk.records.insert(host, Arc::new(after));
        true
    }

    fn record(&self, name: &str) -> Record {
        self.disk.records.get(&HostName::new(name).unwrap()).map(|record| (**record).clone()).unwrap_or_default()
    }

    /// A person orders something for a host, and so for the machines that it is.
    fn operate(&mut self) {
        let names: Vec<String> = self.commits[self.current].inventory.keys().cloned().collect();
        let Some(name) = self.chance.one(&names).cloned() else { return };
        let declared = self.declared(&name).unwrap();
        let by = "me".to_owned();
        let (happening, builds) = match self.chance.below(5) {
            0 => (Happening::Released { declared, by }, false),
            1 => {
                let builds = declared.builds && matches!(self.record(&name).hold, Hold::Waiting(_));
                (Happening::Adopted { machine: self.record(&name).machine, declared, by }, builds)
            }
            _ => {
                let word = self.chance.one(&ACTIONS).unwrap();
                let Declared { action, builds } = self::declared(word);
                let machine = self.record(&name).machine;
                (Happening::Ordered { action, builds, machine, by }, builds)
            }
        };
        self.log.push(format!("{}: {name}: {happening:?}", self.step));
        self.happens(&name, &happening);
        let host = self.commits[self.current].inventory[&name].clone();
        for machine in self.machines.iter_mut().filter(|machine| builds && owns(machine, &host)) {
            machine.ordered = Some(self.step);
        }
    }

    /// A machine starts from one of its ports, and does what it is told.
    fn boot(&mut self) {
        // Most often one that was ordered to install.
        let hosts = &self.commits[self.current].inventory;
        let builds = |host: &Host| declared(host.action).builds;
        let is_armed = |name: &String, host: &Host| {
            let record = self.record(name);
            record.order.open().is_some_and(|action| declared(action.as_str()).builds) || builds(host)
        };
        let armed: Vec<usize> = (0..self.machines.len())
            .filter(|number| {
                hosts.iter().any(|(name, host)| owns(&self.machines[*number], host) && is_armed(name, host))
            })
            .collect();
        let any = self.chance.below(self.machines.len());
        let number = match self.chance.one(&armed).copied() {
            Some(number) if self.chance.below(4) > 0 => number,
            _ => any,
        };
        let port = self.chance.one(&self.machines[number].ports).unwrap().clone();
        let found = self.commits[self.current].inventory.iter().find(|(_, host)| host.ports.contains(&port));
        let Some(name) = found.map(|(name, _)| name.clone()) else { return };
        let declared = self.declared(&name).unwrap();
        let next = self.record(&name).next(&declared);
        let builds = self::declared(next.as_str()).builds;
        self.tokens = self.tokens.wrapping_add(1);
        let told = Told { action: next.clone(), declared };
        let token = builds.then(|| Token::new([self.tokens; 16]));
        self.happens(
            &name,
            &Happening::Script(Served { told: told.clone(), builds, local: next.as_str() == "local", token }),
        );
        let record = self.record(&name);
        if !builds || record.next(&told.declared) != next {
            self.machines[number].building = None;
            return;
        }
        self.happens(&name, &Happening::Kickstart { builds, told });
        self.log.push(format!("{}: machine {number} installs as {name}", self.step));
        let machine = &mut self.machines[number];
        assert!(
            machine.installed.is_none_or(|at| machine.ordered.is_some_and(|ordered| ordered > at)),
            "machine {number} installed at {:?}, was ordered at {:?} and installs again as {name}:\n{}",
            machine.installed,
            machine.ordered,
            self.log.join("\n")
        );
        machine.building = record.token.map(|token| (token, name));
    }

    /// A machine that installs itself reports success; the report is for the record that has its token.
    fn succeed(&mut self) {
        let building: Vec<usize> =
            (0..self.machines.len()).filter(|number| self.machines[*number].building.is_some()).collect();
        let Some(number) = self.chance.one(&building).copied() else { return };
        let Some((token, _)) = self.machines[number].building.take() else { return };
        let owner = self.disk.records.iter().find(|(_, record)| record.token.is_some_and(|own| own.is(&token)));
        let Some(name) = owner.map(|(name, _)| name.to_string()) else { return };
        self.log.push(format!("{}: machine {number} reports success as {name}", self.step));
        if self.happens(&name, &Happening::Success(token)) {
            self.machines[number].installed = Some(self.step);
        }
    }

    fn play(&mut self) {
        self.step += 1;
        self.now += [10, 1000, 100_000, 800_000_000_000][self.chance.below(4)];
        match self.chance.below(40) {
            0..=3 => {
                self.commit();
                if self.chance.below(4) > 0 {
                    self.follow();
                }
            }
            4 => self.follow(),
            5 => {
                self.head = self.commits[self.head].parent.unwrap_or(self.head);
                self.follow();
            }
            6 => {
                let commit = self.chance.below(self.commits.len());
                self.held = true;
                self.take(Basis::Held, commit);
                self.current = commit;
            }
            7 => {
                self.held = false;
                self.follow();
            }
            8 => {
                let names: Vec<String> = self.commits[self.current].inventory.keys().cloned().collect();
                let commit = self.chance.below(self.commits.len());
                if let Some(name) = self.chance.one(&names) {
                    self.pins.insert(name.clone(), commit);
                }
            }
            9 => self.pins.clear(),
            10 => self.copies.push(self.disk.clone()),
            11 => {
                let Some(copy) = self.chance.one(&self.copies).cloned() else { return };
                self.disk = Disk { last: None, ..copy };
                self.log.push(format!("{}: a copy is put back", self.step));
                let steps = restored(&self.disk.records, self.now);
                self.apply(steps, &Basis::NoOrder("restored"));
                self.restart();
            }
            12 if self.chance.below(3) == 0 => {
                self.log.push(format!("{}: the state is lost", self.step));
                self.disk = Disk::default();
                self.restart();
            }
            12 | 13 => self.restart(),
            14..=18 => self.operate(),
            19..=29 => self.boot(),
            _ => self.succeed(),
        }
    }

    /// The server ends at any moment and is started again.
    fn restart(&mut self) {
        if self.held {
            self.take(Basis::Held, self.current);
        } else {
            self.follow();
        }
    }
}

/// Some of a machine's ports, at least one.
fn some(chance: &mut Chance, machine: &Machine) -> BTreeSet<String> {
    let ports = &machine.ports;
    match chance.below(4) {
        0 => BTreeSet::from([ports[0].clone()]),
        1 => BTreeSet::from([ports[1].clone()]),
        _ => ports.iter().cloned().collect(),
    }
}

fn owns(machine: &Machine, host: &Host) -> bool {
    machine.ports.iter().any(|port| host.ports.contains(port))
}

#[test]
fn no_machine_that_reported_success_installs_again_without_an_order_given_after_it() {
    let seeds = std::env::var("KGEN_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(300);
    let (mut installed, mut ordered) = (0, 0);
    for seed in 1..=seeds {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.play();
        }
        installed += world.machines.iter().filter(|machine| machine.installed.is_some()).count();
        ordered += world.machines.iter().filter(|machine| machine.ordered.is_some()).count();
    }
    println!("{seeds} sequences of {STEPS} steps; {ordered} machines were ordered to install, {installed} did");
    assert!(installed as u64 > seeds, "only {installed}: this tests nothing");
}
