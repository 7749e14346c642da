//! Where a host is between being told to install and running: what was ordered, what it was seen to do, what that means
//! for its next boot. Pure: who calls brings the time and the chance.
//!
//! ```text
//! armed --script--> script served --kickstart--> kickstart fetched --progress--> installing --success--> installed
//!   ^                     |  ^_______________________|___________________________|  (it booted again)         |
//!   |                     `--> failed, after too many attempts                        its own disk --> local <-'
//!   `--- an operator orders an action, or the inventory names another one
//! ```
//!
//! Nothing but a success that carries the token of the build ends an order, and a host whose order has ended boots from
//! its own disk until somebody orders something: no host installs itself twice by itself.

use std::fmt;

use crate::boot::happening::{Happening, Limits, Served, Time, Told};
use crate::boot::token::{Token, TokenFault};
use crate::inventory::action;
use crate::name::ActionName;

/// What a host was last seen to do about its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BootState {
    /// Nothing was ordered that is to be waited for, and nothing was seen.
    #[default]
    Idle,
    /// An action was ordered; the host has not asked yet.
    Armed,
    /// It has its boot script.
    ScriptServed,
    /// It has its kickstart.
    KickstartFetched,
    /// It reports progress.
    Installing,
    /// It reported success.
    Installed,
    /// It was told to boot from its own disk.
    Local,
    /// It began too often without reporting success.
    Failed,
}

impl BootState {
    /// All of them, in order.
    pub const ALL: [BootState; 8] = [
        Self::Idle,
        Self::Armed,
        Self::ScriptServed,
        Self::KickstartFetched,
        Self::Installing,
        Self::Installed,
        Self::Local,
        Self::Failed,
    ];

    /// The word for it, as the API and the store have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Armed => "armed",
            Self::ScriptServed => "script-served",
            Self::KickstartFetched => "kickstart-fetched",
            Self::Installing => "installing",
            Self::Installed => "installed",
            Self::Local => "local",
            Self::Failed => "failed",
        }
    }

    /// The state of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether a machine is on its way, and stuck if nothing is heard of it for long.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::ScriptServed | Self::KickstartFetched | Self::Installing)
    }
}

impl fmt::Display for BootState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Who decides what a host does at its next boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The inventory.
    #[default]
    Declared,
    /// An operator.
    Action(ActionName),
    /// Nobody any more: what was ordered is done, while the inventory named this action.
    Done(ActionName),
}

/// All that is known of a host at run time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What it is to do.
    pub order: Order,
    /// What it was last seen to do.
    pub state: BootState,
    /// Since when.
    pub since: Time,
    /// The number of its builds so far.
    pub build: u32,
    /// That of its last build.
    pub token: Option<Token>,
    /// When that ends.
    pub expires: Time,
    /// How often the build began.
    pub attempts: u32,
    /// What it reported last, and when something of it was last seen.
    pub last: String,
    /// When.
    pub last_at: Time,
}

/// Within how many milliseconds two fetches of a kickstart are of the same installation.
const SAME_FETCH: Time = 60_000;

impl Record {
    /// What the host does at its next boot, if the inventory says `declared`.
    pub fn next(&self, declared: &ActionName) -> ActionName {
        match (&self.order, self.state) {
            (Order::Done(_), _) | (_, BootState::Failed) => action::local(),
            (Order::Action(action), _) => action.clone(),
            (Order::Declared, _) => declared.clone(),
        }
    }

    /// The state as people see it: who is to install itself by the inventory's word is armed.
    pub fn shown(&self, builds: bool) -> BootState {
        if self.state == BootState::Idle && builds { BootState::Armed } else { self.state }
    }

    /// Whether the token can be given to the machine with one more script: it lasts for another build.
    fn has_fresh_token(&self, now: Time, limits: Limits) -> bool {
        self.token.is_some() && self.expires.saturating_sub(now) > limits.token / 2
    }

    /// What the record is after something happened; none where nothing changes.
    #[must_use]
    pub fn after(&self, happening: &Happening, now: Time, limits: Limits) -> Option<Record> {
        match happening {
            Happening::Ordered { action, by } => Some(self.ordered(action.as_ref(), by, now)),
            Happening::Script(served) => self.is_so(&served.told).then(|| self.served(served, now, limits)).flatten(),
            Happening::Token(token) => {
                (!self.has_fresh_token(now, limits)).then(|| self.with_token(*token, now, limits))
            }
            Happening::Kickstart { builds, told } => {
                self.is_so(told).then(|| self.fetched(*builds, now, limits)).flatten()
            }
            Happening::Progress { text, token } => {
                self.is_of_build(token, now).then(|| self.progressed(text, now, limits))
            }
            Happening::Success { declared, token } => self.is_of_build(token, now).then(|| Record {
                order: Order::Done(declared.clone()),
                last: "success".to_owned(),
                expires: 0,
                ..self.moved(BootState::Installed, now)
            }),
            Happening::Taken { declared } => {
                let other = matches!(&self.order, Order::Done(then) if then != declared);
                other.then(|| Record {
                    order: Order::Declared,
                    last: format!("the inventory says {declared} now"),
                    token: None,
                    expires: 0,
                    attempts: 0,
                    ..self.moved(BootState::Idle, now)
                })
            }
        }
    }

    /// Whether a report is of the build that is under way: somebody may have ordered something else meanwhile.
    fn is_of_build(&self, token: &Token, now: Time) -> bool {
        !matches!(self.order, Order::Done(_)) && self.accepts(token, now).is_ok()
    }

    fn moved(&self, state: BootState, now: Time) -> Record {
        let since = if state == self.state { self.since } else { now };
        Record { state, since, last_at: now, ..self.clone() }
    }

    fn ordered(&self, action: Option<&ActionName>, by: &str, now: Time) -> Record {
        let order = action.map_or(Order::Declared, |action| Order::Action(action.clone()));
        let state = if action.is_some() { BootState::Armed } else { BootState::Idle };
        let last = match action {
            Some(action) => format!("{by} ordered {action}"),
            None => format!("{by} left it to the inventory"),
        };
        // The same state anew: it is armed since now.
        Record { order, last, token: None, expires: 0, attempts: 0, since: now, ..self.moved(state, now) }
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
        Record { last, expires: self.expires.max(now + limits.token), ..self.moved(BootState::Installing, now) }
    }
}

impl Record {
    /// Whether this token is the one of the host's build.
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

    fn told(action: &str) -> Told {
        Told { action: self::action(action), declared: self::action("install") }
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

    #[test]
    fn a_host_that_reports_success_boots_from_its_disk_until_somebody_orders_something() {
        let install = action("install");
        let kickstart = kickstart();
        let success = Happening::Success { declared: install.clone(), token: Token::new([1; 16]) };
        let build = [script(1), kickstart, progress(1), success.clone()];
        let record = through(Record::default(), &build, 10);
        assert_eq!((record.state, record.next(&install)), (BootState::Installed, action("local")));
        assert_eq!(record.after(&success, 99, LIMITS), None);
        let record = through(record, &[disk()], 100);
        assert_eq!((record.state, record.next(&install)), (BootState::Local, action("local")));
        let same = Happening::Taken { declared: install.clone() };
        assert_eq!(record.after(&same, 200, LIMITS), None);
        let ordered = Happening::Ordered { action: Some(install.clone()), by: "me".into() };
        let record = through(record, &[ordered], 200);
        assert_eq!((record.state, record.next(&action("local")), record.token), (BootState::Armed, install, None));
    }

    #[test]
    fn a_host_whose_loader_brings_no_token_is_left_alone_too() {
        let kickstart = kickstart();
        let twice = through(Record::default(), &[kickstart.clone(), kickstart.clone()], 10);
        assert_eq!((twice.state, twice.attempts), (BootState::KickstartFetched, 1));
        let again = through(twice, std::slice::from_ref(&kickstart), 10 + SAME_FETCH * 2);
        assert_eq!((again.state, again.attempts), (BootState::KickstartFetched, 2));
        let last = through(again, &[kickstart], 10 + SAME_FETCH * 4);
        assert_eq!((last.state, last.attempts), (BootState::Failed, 2));
    }

    #[test]
    fn the_token_of_a_build_that_is_done_ends_for_good() {
        let token = Token::new([1; 16]);
        let success = Happening::Success { declared: action("install"), token };
        let done = through(Record::default(), &[script(1), success], 10);
        assert_eq!(done.accepts(&token, 30), Err(TokenFault::Expired));
        let other = through(done, &[Happening::Taken { declared: action("again") }], 40);
        assert_eq!((other.token, other.accepts(&token, 50)), (None, Err(TokenFault::Wrong)));
    }

    #[test]
    fn what_a_machine_is_told_while_somebody_orders_something_else_does_not_count() {
        let ordered = Happening::Ordered { action: Some(action("local")), by: "me".into() };
        let record = through(Record::default(), &[ordered], 10);
        assert_eq!(record.after(&script(1), 20, LIMITS), None);
        assert_eq!(record.after(&kickstart(), 20, LIMITS), None);
        assert_eq!(through(record, &[disk()], 20).state, BootState::Local);
    }

    #[test]
    fn a_report_of_another_build_changes_nothing() {
        let record = through(Record::default(), &[script(1), progress(1)], 10);
        let ordered = Happening::Ordered { action: Some(action("install")), by: "me".into() };
        let again = through(record, &[ordered], 50);
        for bits in [1, 2] {
            assert_eq!(again.after(&progress(bits), 60, LIMITS), None);
            let success = Happening::Success { declared: action("install"), token: Token::new([bits; 16]) };
            assert_eq!(again.after(&success, 60, LIMITS), None);
        }
    }

    #[test]
    fn another_word_in_the_inventory_is_an_order_too() {
        let done = Record { order: Order::Done(action("install")), state: BootState::Local, ..Record::default() };
        let record = through(done, &[Happening::Taken { declared: action("local") }], 5);
        assert_eq!((record.order.clone(), record.state), (Order::Declared, BootState::Idle));
        assert_eq!(record.next(&action("install")), action("install"));
    }

    #[test]
    fn a_host_that_never_succeeds_is_left_alone_after_some_attempts() {
        let round = [script(1), kickstart()];
        let record = through(Record::default(), &[&round[..], &round[..], &round[..1]].concat(), 10);
        assert_eq!((record.state, record.attempts), (BootState::Failed, 2));
        assert_eq!(record.next(&action("install")), action("local"));
        assert_eq!(through(record, &[disk()], 500).state, BootState::Failed);
    }

    #[test]
    fn a_token_is_kept_while_it_lasts_and_progress_makes_it_last_longer() {
        let record = through(Record::default(), &[script(1), script(2)], 10);
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
