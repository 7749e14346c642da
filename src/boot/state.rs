//! Where a host is between being told to install and running: what was ordered, what it was seen to do, what that means
//! for its next boot. Pure: the caller brings the time and the chance.
//!
//! ```text
//! armed --script--> script served --kickstart--> kickstart fetched --progress--> installing --success--> installed
//!   ^                     |  ^_______________________|___________________________|  (it booted again)         |
//!   |                     `--> failed, after too many attempts                        its own disk --> local <-'
//!   `--- an order: a person's, or a commit that names another action for this machine
//! ```
//!
//! Nothing builds without an order on the disk, and a success that carries the token of the build ends it: no machine
//! installs itself twice by itself. What the inventory names is an order only where [`crate::boot::taking`] says so.
//! Without one, a host whose action builds boots from its own disk, and waits.

use crate::boot::happening::{Declared, Happening, Limits, Served, Time, Told};
use crate::boot::machine::Identities;
use crate::boot::order::{BootState, Hold, Order};
use crate::boot::token::{Token, TokenFault};
use crate::inventory::action;
use crate::name::{ActionName, HostName};

/// All that is known of a machine at run time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What it is to do.
    pub order: Order,
    /// Whether the order of an operator is one to build.
    pub may_build: bool,
    /// What keeps it from that.
    pub hold: Hold,
    /// What it was last seen to do.
    pub state: BootState,
    /// Since when.
    pub since: Time,
    /// The number of its builds so far.
    pub build: u32,
    /// The token of its last build.
    pub token: Option<Token>,
    /// When the token ends.
    pub expires: Time,
    /// How often the build began.
    pub attempts: u32,
    /// The last event, in words.
    pub last: String,
    /// When that was.
    pub last_at: Time,
    /// What the machine is known by.
    pub machine: Identities,
    /// What machines of this record were known by before.
    pub former: Identities,
    /// Names that the host had since it was ordered to do something: its machine may have them in its script.
    pub was: Vec<HostName>,
    /// What the generation that was taken last names; `None` if the host is not in it.
    pub declared: Option<Declared>,
    /// Whether the inventory protects it from orders.
    pub protect: bool,
    /// When it last reported success.
    pub success: Option<Time>,
}

/// Within how many milliseconds two fetches of a kickstart are of the same installation.
pub const SAME_FETCH: Time = 60_000;

impl Record {
    /// What the host does at its next boot, if the generation that it gets names `declared`.
    pub fn next(&self, declared: &Declared) -> ActionName {
        if self.state == BootState::Failed || matches!(self.hold, Hold::Doubtful(_)) {
            return action::local();
        }
        match &self.order {
            Order::Done(_) => action::local(),
            Order::Action(action) => action.clone(),
            Order::Inventory(action) if *action == declared.action => action.clone(),
            // Nobody ordered this.
            _ if declared.builds => action::local(),
            _ => declared.action.clone(),
        }
    }

    /// Whether this action may build: it is ordered, and as one that does.
    pub fn may_build(&self, action: &ActionName) -> bool {
        match &self.order {
            Order::Action(ordered) => self.may_build && ordered == action,
            Order::Inventory(ordered) => ordered == action,
            Order::Declared | Order::Done(_) => false,
        }
    }

    /// The state as people see it.
    pub fn shown(&self) -> BootState {
        match self.hold {
            Hold::Free => self.state,
            Hold::Waiting(_) => BootState::Waiting,
            Hold::Doubtful(_) => BootState::Doubtful,
        }
    }

    /// Whether the token can be given to the machine with one more script: it lasts for another build.
    fn has_fresh_token(&self, now: Time, limits: Limits) -> bool {
        self.token.is_some() && self.expires.saturating_sub(now) > limits.token / 2
    }

    /// What the record is after something happened; `None` if nothing changes.
    #[must_use]
    pub fn after(&self, happening: &Happening, now: Time, limits: Limits) -> Option<Record> {
        match happening {
            Happening::Ordered { action, builds, machine, by } => (*machine == self.machine).then(|| {
                let armed = self.armed(Order::Action(action.clone()), format!("{by} ordered {action}"), now);
                Record { may_build: *builds, ..armed }
            }),
            Happening::Released { declared, by } => Some(self.released(declared, by, now)),
            Happening::Adopted { machine, declared, by } => {
                let waits = declared.builds && matches!(self.hold, Hold::Waiting(_)) && *machine == self.machine;
                let last = format!("{by} adopted it: {}", declared.action);
                waits.then(|| self.armed(Order::Inventory(declared.action.clone()), last, now))
            }
            Happening::Refused { why } => Some(Record { last: why.clone(), ..self.clone() }),
            Happening::Script(served) => self.is_so(&served.told).then(|| self.served(served, now, limits)).flatten(),
            Happening::Token(token) => {
                (!self.has_fresh_token(now, limits)).then(|| self.with_token(*token, now, limits))
            }
            Happening::Kickstart { builds, told } => {
                self.is_so(told).then(|| self.fetched(*builds, now, limits)).flatten()
            }
            Happening::Progress { text, token } => self.is_of_build(token).then(|| self.progressed(text, now, limits)),
            Happening::Success(token) => {
                (self.is_of_build(token) && self.state != BootState::Installed).then(|| self.succeeded(now))
            }
        }
    }

    /// Whether a report is of the build that is under way: somebody may have ordered something else meanwhile. When the
    /// token was given does not count: the clock of the server may have been set, and the machine is still the same.
    pub fn is_of_build(&self, token: &Token) -> bool {
        !matches!(self.order, Order::Done(_)) && self.token.is_some_and(|own| own.is(token))
    }

    /// A success ends what was ordered, also if the order was taken back while the machine installed.
    fn succeeded(&self, now: Time) -> Record {
        let waits = matches!(self.hold, Hold::Waiting(_));
        let named = self.order.open().or_else(|| Some(&self.declared.as_ref()?.action)).cloned();
        let order = match named {
            Some(action) if waits || self.order.open().is_some() => Order::Done(action),
            _ => self.order.clone(),
        };
        Record {
            order,
            hold: if waits { Hold::Free } else { self.hold.clone() },
            last: "success".to_owned(),
            expires: 0,
            success: Some(now),
            ..self.moved(BootState::Installed, now)
        }
    }

    pub(super) fn moved(&self, state: BootState, now: Time) -> Record {
        let since = if state == self.state { self.since } else { now };
        Record { state, since, last_at: now, ..self.clone() }
    }

    /// Armed since now, also if it was before.
    pub(super) fn armed(&self, order: Order, last: String, now: Time) -> Record {
        let (hold, was) = (Hold::Free, Vec::new());
        Record {
            order,
            hold,
            was,
            last,
            token: None,
            attempts: 0,
            expires: 0,
            since: now,
            ..self.moved(BootState::Armed, now)
        }
    }

    fn released(&self, declared: &Declared, by: &str, now: Time) -> Record {
        let last = format!("{by} left it to the inventory");
        let free = Record {
            hold: Hold::Free,
            last,
            token: None,
            expires: 0,
            attempts: 0,
            since: now,
            ..self.moved(BootState::Idle, now)
        };
        free.without_order(declared, "the inventory's action was not ordered again")
    }

    /// The same without an order: what does not build is done, a machine that is installed stays so, and any other
    /// waits. A doubt is only a person's to end.
    #[must_use]
    pub(super) fn without_order(&self, declared: &Declared, why: &str) -> Record {
        let (order, hold) = match (declared.builds, self.success) {
            (false, _) => (Order::Declared, Hold::Free),
            (true, Some(_)) => (Order::Done(declared.action.clone()), Hold::Free),
            (true, None) => (Order::Declared, Hold::Waiting(why.to_owned())),
        };
        let hold = if matches!(self.hold, Hold::Doubtful(_)) { self.hold.clone() } else { hold };
        Record { order, hold, ..self.clone() }
    }

    /// Whether what a machine is told is still what it is to do.
    pub fn is_so(&self, told: &Told) -> bool {
        self.next(&told.declared) == told.action
    }

    fn served(&self, served: &Served, now: Time, limits: Limits) -> Option<Record> {
        let state = match (served.local, self.state) {
            (true, BootState::Failed) => BootState::Failed,
            (true, _) => BootState::Local,
            // One too many: whatever it does to its disk, it does not come to an end.
            (false, _) if served.builds && self.attempts >= limits.attempts => BootState::Failed,
            (false, _) => BootState::ScriptServed,
        };
        let token = served.token.filter(|_| state == BootState::ScriptServed && !self.has_fresh_token(now, limits));
        if state == self.state && token.is_none() {
            return None;
        }
        let last = match state {
            BootState::Failed => format!("began {} times without success; it is left alone", self.attempts),
            BootState::Local => "told to boot from its own disk".to_owned(),
            _ => "boot script served".to_owned(),
        };
        let next = Record { last, ..self.moved(state, now) };
        Some(token.map_or_else(|| next.clone(), |token| next.with_token(token, now, limits)))
    }

    fn with_token(&self, token: Token, now: Time, limits: Limits) -> Record {
        Record { token: Some(token), expires: now + limits.token, build: self.build + 1, ..self.clone() }
    }

    fn fetched(&self, builds: bool, now: Time, limits: Limits) -> Option<Record> {
        let is_under_way = matches!(self.state, BootState::KickstartFetched | BootState::Installing);
        // Installers ask twice. One that asks again later began again: its loader did not get its script from here.
        if is_under_way && now.saturating_sub(self.last_at) < SAME_FETCH {
            return None;
        }
        if builds && self.attempts >= limits.attempts {
            let last = format!("began {} times without success; it is left alone", self.attempts);
            return Some(Record { last, ..self.moved(BootState::Failed, now) });
        }
        let attempts = if builds { self.attempts + 1 } else { self.attempts };
        let last = "kickstart fetched".to_owned();
        Some(Record { attempts, last, ..self.moved(BootState::KickstartFetched, now) })
    }

    fn progressed(&self, text: &str, now: Time, limits: Limits) -> Record {
        let last = text.to_owned();
        // What has ended does not begin again: it would open the kickstart.
        let expires = if now > self.expires { self.expires } else { self.expires.max(now + limits.token) };
        Record { expires, last, ..self.moved(BootState::Installing, now) }
    }
}

impl Record {
    /// Whether this token opens the kickstart of the host's build.
    ///
    /// # Errors
    /// It is another, or has ended.
    pub fn accepts(&self, token: &Token, now: Time) -> Result<(), TokenFault> {
        match &self.token {
            Some(own) if !own.is(token) => Err(TokenFault::Wrong),
            Some(_) if now > self.expires || matches!(self.order, Order::Done(_)) => Err(TokenFault::Expired),
            Some(_) => Ok(()),
            None => Err(TokenFault::Wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { token: 1000, attempts: 2 };

    fn action(name: &str) -> ActionName {
        ActionName::new(name).unwrap()
    }

    fn install() -> Declared {
        Declared { action: action("install"), builds: true }
    }

    fn ordered(name: &str) -> Happening {
        let builds = ["install", "again"].contains(&name);
        Happening::Ordered { action: action(name), builds, machine: Identities::default(), by: "me".into() }
    }

    /// A machine that was ordered to install.
    fn armed() -> Record {
        Record::default().after(&ordered("install"), 5, LIMITS).unwrap()
    }

    fn told(action: &str) -> Told {
        Told { action: self::action(action), declared: install() }
    }

    fn script(bits: u8) -> Happening {
        let token = Some(Token::new([bits; 16]));
        Happening::Script(Served { told: told("install"), builds: true, local: false, token })
    }

    fn kickstart() -> Happening {
        Happening::Kickstart { builds: true, told: told("install") }
    }

    fn progress(bits: u8) -> Happening {
        Happening::Progress { text: "packages".into(), token: Token::new([bits; 16]) }
    }

    fn disk() -> Happening {
        Happening::Script(Served { told: told("local"), builds: false, local: true, token: None })
    }

    fn through(record: Record, happenings: &[Happening], start: Time) -> Record {
        let step = |(now, record): (Time, Record), happening: &Happening| {
            let next = record.after(happening, now, LIMITS).unwrap_or(record);
            (now + 10, next)
        };
        happenings.iter().fold((start, record), step).1
    }

    fn success(bits: u8) -> Happening {
        Happening::Success(Token::new([bits; 16]))
    }

    #[test]
    fn a_host_that_reports_success_boots_from_its_disk_until_somebody_orders_something() {
        let record = through(armed(), &[script(1), kickstart(), progress(1), success(1)], 10);
        assert_eq!((record.state, record.next(&install())), (BootState::Installed, action("local")));
        assert_eq!((record.after(&success(1), 99, LIMITS), record.success), (None, Some(40)));
        let record = through(record, &[disk()], 100);
        assert_eq!((record.state, record.next(&install())), (BootState::Local, action("local")));
        let record = through(record, &[ordered("install")], 200);
        let rescue = Declared { action: action("rescue"), builds: false };
        assert_eq!((record.state, record.next(&rescue), record.token), (BootState::Armed, action("install"), None));
    }

    #[test]
    fn what_the_inventory_names_builds_nothing_without_an_order() {
        let rescue = Declared { action: action("rescue"), builds: false };
        assert_eq!(Record::default().next(&install()), action("local"));
        assert_eq!(Record::default().next(&rescue), action("rescue"));
        let ordered = Record { order: Order::Inventory(action("install")), ..Record::default() };
        let again = Declared { action: action("again"), builds: true };
        let next = [&install(), &again, &rescue].map(|declared| ordered.next(declared));
        assert_eq!(next, [action("install"), action("local"), action("rescue")], "a pin or a rollback orders nothing");
        let doubtful = Record { hold: Hold::Doubtful("c1".into()), ..armed() };
        assert_eq!(doubtful.next(&rescue), action("local"));
    }

    #[test]
    fn an_order_is_for_the_machine_and_for_what_it_was_shown_for() {
        let machine = Identities::parse("52:54:00:00:00:0a");
        let record = Record { machine, ..Record::default() };
        assert_eq!(record.after(&ordered("install"), 5, LIMITS), None, "another machine has the name by now");
        let rescue = through(Record::default(), &[ordered("rescue")], 5);
        assert!(!rescue.may_build(&action("rescue")), "also if the action builds by now");
        assert!(armed().may_build(&action("install")) && !armed().may_build(&action("again")));
    }

    #[test]
    fn an_order_that_is_taken_back_arms_nobody() {
        let released = Happening::Released { declared: install(), by: "me".into() };
        let new = through(armed(), std::slice::from_ref(&released), 20);
        assert_eq!((new.shown(), new.next(&install())), (BootState::Waiting, action("local")));
        let machine = Identities::default();
        let adopted = Happening::Adopted { machine, declared: install(), by: "me".into() };
        let other = Record { machine: Identities::parse("52:54:00:00:00:0a"), ..new.clone() };
        assert_eq!(other.after(&adopted, 30, LIMITS), None, "another machine has the name by now");
        let adopted_now = through(new, std::slice::from_ref(&adopted), 30);
        assert_eq!((adopted_now.shown(), adopted_now.next(&install())), (BootState::Armed, action("install")));
        let installed = through(armed(), &[script(1), success(1), ordered("rescue"), released], 10);
        assert_eq!(
            (installed.order.clone(), installed.next(&install())),
            (Order::Done(action("install")), action("local"))
        );
        assert_eq!(installed.after(&adopted, 90, LIMITS), None, "it does not wait");
    }

    #[test]
    fn a_host_whose_loader_brings_no_token_is_left_alone_too() {
        let kickstart = kickstart();
        let twice = through(armed(), &[kickstart.clone(), kickstart.clone()], 10);
        assert_eq!((twice.state, twice.attempts), (BootState::KickstartFetched, 1));
        let again = through(twice, std::slice::from_ref(&kickstart), 10 + SAME_FETCH * 2);
        assert_eq!((again.state, again.attempts), (BootState::KickstartFetched, 2));
        let last = through(again, &[kickstart], 10 + SAME_FETCH * 4);
        assert_eq!((last.state, last.attempts), (BootState::Failed, 2));
    }

    #[test]
    fn the_token_of_a_build_that_is_done_ends_for_good() {
        let token = Token::new([1; 16]);
        let done = through(armed(), &[script(1), success(1)], 10);
        assert_eq!(done.accepts(&token, 30), Err(TokenFault::Expired));
        let other = through(done, &[ordered("again")], 40);
        assert_eq!((other.token, other.accepts(&token, 50)), (None, Err(TokenFault::Wrong)));
    }

    #[test]
    fn what_a_machine_is_told_while_somebody_orders_something_else_does_not_count() {
        let record = through(Record::default(), &[ordered("local")], 10);
        assert_eq!(record.after(&script(1), 20, LIMITS), None);
        assert_eq!(record.after(&kickstart(), 20, LIMITS), None);
        assert_eq!(through(record, &[disk()], 20).state, BootState::Local);
    }

    #[test]
    fn a_report_of_another_build_changes_nothing() {
        let again = through(armed(), &[script(1), progress(1), ordered("install")], 10);
        for bits in [1, 2] {
            assert_eq!(again.after(&progress(bits), 60, LIMITS), None);
            assert_eq!(again.after(&success(bits), 60, LIMITS), None);
        }
    }

    #[test]
    fn reports_of_the_current_build_count_after_the_time_of_its_token() {
        let record = through(armed(), &[script(1)], 10);
        let years = 800_000_000_000;
        assert_eq!(record.accepts(&Token::new([1; 16]), years), Err(TokenFault::Expired), "it opens no kickstart");
        let later = record.after(&progress(1), years, LIMITS).unwrap();
        assert_eq!(later.after(&success(1), years * 2, LIMITS).unwrap().state, BootState::Installed);
    }

    #[test]
    fn a_host_that_never_succeeds_is_left_alone_after_some_attempts() {
        let round = [script(1), kickstart()];
        let record = through(armed(), &[&round[..], &round[..], &round[..1]].concat(), 10);
        assert_eq!((record.state, record.attempts), (BootState::Failed, 2));
        assert_eq!(record.next(&install()), action("local"));
        assert_eq!(through(record, &[disk()], 500).state, BootState::Failed);
    }

    #[test]
    fn a_token_is_kept_while_it_lasts_and_progress_makes_it_last_longer() {
        let record = through(armed(), &[script(1), script(2)], 10);
        assert!(record.accepts(&Token::new([1; 16]), 900).is_ok());
        assert_eq!(record.accepts(&Token::new([2; 16]), 900), Err(TokenFault::Wrong));
        assert_eq!(record.accepts(&Token::new([1; 16]), 1011), Err(TokenFault::Expired));
        let longer = through(record.clone(), &[progress(1)], 900);
        assert!(longer.accepts(&Token::new([1; 16]), 1900).is_ok());
        let replaced = through(record, &[script(3)], 900);
        assert!(replaced.accepts(&Token::new([3; 16]), 1500).is_ok());
        assert_eq!(replaced.build, 2);
    }
}
