//! The state of a site's machines, on disk: what was ordered, what was seen, the last events.
//!
//! One thread writes. It takes what has come in together to the disk in one transaction, then shows it to readers, then
//! tells who waits: nobody sees, and no machine is told, what a crash could take back. Readers never wait for the disk.
#![allow(clippy::disallowed_methods)] // the door to the directory of the state, also for the files below

pub mod clock;
pub mod copy;
pub mod kept;
mod opened;
mod row;
mod schema;
mod sqlite;
mod writer;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::{mpsc, oneshot, watch};

use crate::boot::happening::{Happening, Limits, Time};
use crate::boot::matching::Records;
use crate::boot::state::Record;
use crate::boot::taking::Taking;
use crate::boot::token::Token;
use crate::name::HostName;
use crate::store::clock::Clock;
use crate::store::kept::{Change, Event, Revision, Sighting, StoreError};
use crate::store::opened::{Opened, keep_events_ever, open};
use crate::store::sqlite::Database;

/// How many sightings go to the disk together.
const MOST_SIGHTED: usize = 1000;

type Answer = oneshot::Sender<Result<(), Arc<str>>>;

/// The state, for as many as want it.
#[derive(Clone, Debug)]
pub struct Store {
    changes: mpsc::Sender<(Change, Option<Answer>)>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    records: RwLock<Records>,
    clock: Clock,
    taken: RwLock<HashSet<String>>,
    /// Whether the state was found to be a copy of another.
    is_copy: bool,
    settings: RwLock<BTreeMap<String, String>>,
    reader: Mutex<Database>,
    newest: watch::Sender<i64>,
    limits: RwLock<Limits>,
    /// Unknown machines that asked since they were last written: from where and how often, by address.
    sighted: Mutex<BTreeMap<String, (String, u64)>>,
}

impl Store {
    /// Opens the state in a directory, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be read or written, or another server has it open.
    pub fn open(directory: &Path, limits: Limits, events: u32) -> Result<Self, StoreError> {
        let Opened { mut writer, loaded, clock, is_copy, lock, path } = open(directory)?;
        let reader = Database::read_only(&path)?;
        let shared = Arc::new(Shared {
            records: RwLock::new(loaded.shared()),
            settings: RwLock::new(loaded.settings),
            taken: RwLock::new(loaded.taken),
            clock,
            is_copy,
            reader: Mutex::new(reader),
            newest: watch::Sender::new(writer.newest()?),
            limits: RwLock::new(limits),
            sighted: Mutex::default(),
        });
        let (sender, changes) = mpsc::channel(65_536);
        let kept = Arc::clone(&shared);
        let beside = directory.to_path_buf();
        let spawned = std::thread::Builder::new().name("state".to_owned()).spawn(move || {
            writer::write(&mut writer, &kept, changes, (events, &beside));
            keep_events_ever(&beside, &writer);
            drop(lock);
        });
        spawned.map_err(|source| StoreError::Directory { path: directory.to_path_buf(), source })?;
        Ok(Self { changes: sender, shared })
    }

    /// Now, by the clock of the state.
    pub fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// A time of the state as the wall clock has it.
    pub fn shown(&self, time: Time) -> Time {
        self.shared.clock.shown(time)
    }

    /// Whether the state was found to be a copy when it was opened: what was ordered in it has ended.
    pub fn is_copy(&self) -> bool {
        self.shared.is_copy
    }

    /// The revision that was taken last.
    pub fn last_taken(&self) -> Option<String> {
        self.setting("taken")
    }

    /// Whether a revision was ever taken.
    pub fn was_taken(&self, revision: &str) -> bool {
        self.shared.taken.read().unwrap_or_else(PoisonError::into_inner).contains(revision)
    }

    /// A generation becomes the current one: records follow their machines, and what it orders is ordered. `revision`
    /// is what the next one is compared with; `None` if an operator went back to it.
    ///
    /// # Errors
    /// The disk refuses; all records are as they were.
    pub async fn take(&self, taking: Taking, revision: Option<Revision>) -> Result<(), StoreError> {
        self.change(Change::Taken(Box::new(taking), revision)).await
    }

    /// Forgets a host: its record and its events.
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn forget(&self, host: &HostName) -> Result<(), StoreError> {
        self.change(Change::Forgotten(host.clone())).await
    }

    /// Nothing happens at the moment: what waits beside the database goes into its file.
    pub fn idle(&self) {
        let _ = self.changes.try_send((Change::Idle, None));
    }

    /// What is known of a host.
    pub fn record(&self, host: &HostName) -> Arc<Record> {
        let records = self.shared.records.read().unwrap_or_else(PoisonError::into_inner);
        records.get(host).cloned().unwrap_or_default()
    }

    /// The host whose build has this token.
    pub fn host_with(&self, token: &Token) -> Option<HostName> {
        let records = self.shared.records.read().unwrap_or_else(PoisonError::into_inner);
        let mut owners = records.iter().filter(|(_, record)| record.token.is_some_and(|own| own.is(token)));
        owners.next().map(|(host, _)| host.clone())
    }

    /// What is known of all hosts of which something is.
    pub fn records(&self) -> Records {
        self.shared.records.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The bounds of builds.
    pub fn limits(&self) -> Limits {
        *self.shared.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the bounds of builds and how many events are kept.
    pub async fn bound(&self, limits: Limits, events: u32) {
        let _ = self.change(Change::Bounds(limits, events)).await;
    }

    /// A setting.
    pub fn setting(&self, name: &str) -> Option<String> {
        self.shared.settings.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Keeps a setting, or takes it away.
    ///
    /// # Errors
    /// The disk refuses; the setting is as it was.
    pub async fn set(&self, name: &'static str, value: Option<String>) -> Result<(), StoreError> {
        self.change(Change::Setting(name, value)).await
    }

    /// Something happened to a host. When this returns it is on the disk; nothing is written where nothing changes.
    ///
    /// # Errors
    /// The disk refuses; what is known of the host is as it was.
    pub async fn happened(&self, host: &HostName, happening: Happening, client: &str) -> Result<(), StoreError> {
        if self.record(host).after(&happening, self.now(), self.limits()).is_none() {
            return Ok(());
        }
        self.all_happened(vec![(host.clone(), happening)], client).await
    }

    /// The same for several hosts: all or none.
    ///
    /// # Errors
    /// The same.
    pub async fn all_happened(&self, all: Vec<(HostName, Happening)>, client: &str) -> Result<(), StoreError> {
        self.change(Change::Happened(all, client.to_owned())).await
    }

    /// An unknown machine asked. Nobody waits for this, and whoever asks with a thousand addresses delays nobody: they go
    /// to the disk together, once in a while.
    pub fn sighted(&self, address: &str, client: &str) {
        let mut sighted = self.shared.sighted.lock().unwrap_or_else(PoisonError::into_inner);
        if sighted.len() < MOST_SIGHTED || sighted.contains_key(address) {
            let (last, count) = sighted.entry(address.to_owned()).or_default();
            client.clone_into(last);
            *count += 1;
        }
    }

    /// Takes who was sighted since the last time to the disk.
    pub fn write_sighted(&self) {
        let seen = std::mem::take(&mut *self.shared.sighted.lock().unwrap_or_else(PoisonError::into_inner));
        if !seen.is_empty() {
            let all = seen.into_iter().map(|(address, (client, count))| (address, client, count)).collect();
            // What is lost is seen again.
            let _ = self.changes.try_send((Change::Sighted(all), None));
        }
    }

    /// The last word of a server that ends: all that waits beside the database is in its file.
    pub async fn close(&self) {
        // If it cannot be, the next server finds it there.
        let _ = self.change(Change::Idle).await;
    }

    async fn change(&self, change: Change) -> Result<(), StoreError> {
        let (answer, written) = oneshot::channel();
        let lost = || StoreError::NotWritten("its writer has ended".into());
        self.changes.send((change, Some(answer))).await.map_err(|_| lost())?;
        written.await.map_err(|_| lost())?.map_err(StoreError::NotWritten)
    }

    /// Events after one, of a host or of all, the oldest first; with `last`, the newest of them.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn events(&self, host: Option<&str>, after: i64, limit: u32, last: bool) -> Result<Vec<Event>, StoreError> {
        let reader = self.shared.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut events = reader.events(host, after, limit, last)?;
        drop(reader);
        events.iter_mut().for_each(|event| event.at = self.shown(event.at));
        Ok(events)
    }

    /// Machines that asked and are in no inventory, the newest first.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn sightings(&self) -> Result<Vec<Sighting>, StoreError> {
        let reader = self.shared.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sightings = reader.sightings()?;
        drop(reader);
        for sighting in &mut sightings {
            (sighting.first, sighting.last) = (self.shown(sighting.first), self.shown(sighting.last));
        }
        Ok(sightings)
    }

    /// The number of the newest event, and when there is a newer one.
    pub fn newest(&self) -> watch::Receiver<i64> {
        self.shared.newest.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::happening::{Declared, Served, Told};
    use crate::boot::machine::Identities;
    use crate::boot::matching::Candidate;
    use crate::boot::order::BootState;
    use crate::boot::taking::Basis;
    use crate::name::ActionName;

    const LIMITS: Limits = Limits { token: 60_000, attempts: 3 };

    fn waited<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn ordered(action: &str) -> Happening {
        let machine = Identities::default();
        Happening::Ordered { action: ActionName::new(action).unwrap(), builds: true, machine, by: "me".to_owned() }
    }

    /// A generation with these hosts, which orders nothing.
    async fn taken(store: &Store, names: impl Iterator<Item = HostName>) {
        let declared = Declared { action: ActionName::new("local").unwrap(), builds: false };
        let host =
            |name| Candidate { name, machine: Identities::default(), declared: declared.clone(), protect: false };
        let hosts = names.map(host).collect();
        let taking = Taking { hosts, basis: Basis::Held, install_new: false, arm_at_most: 0, loosens: false };
        store.take(taking, None).await.unwrap();
    }

    /// What stays when the store is closed and opened again; its writer ends with the last who can send.
    fn opened_again(directory: &Path) -> Store {
        loop {
            match Store::open(directory, LIMITS, 1000) {
                Err(StoreError::InUse(_)) => std::thread::yield_now(),
                opened => return opened.unwrap(),
            }
        }
    }

    #[test]
    fn what_was_acknowledged_is_there_when_it_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let host = HostName::new("c0").unwrap();
        let token = Token::new([7; 16]);
        let install = ActionName::new("install").unwrap();
        let told = Told { action: install.clone(), declared: Declared { action: install, builds: true } };
        let script = Happening::Script(Served { told, builds: true, local: false, token: Some(token) });
        let store = Store::open(directory.path(), LIMITS, 1000).unwrap();
        waited(async {
            store.happened(&host, ordered("install"), "user 0").await.unwrap();
            assert_eq!(store.record(&host), Arc::default(), "nothing happens to a host that no generation has");
            taken(&store, [host.clone()].into_iter()).await;
            store.happened(&host, ordered("install"), "user 0").await.unwrap();
            store.happened(&host, script.clone(), "10.1.0.5").await.unwrap();
            store.happened(&host, script.clone(), "10.1.0.5").await.unwrap();
            store.set("held", Some("abc".to_owned())).await.unwrap();
        });
        let before = store.record(&host);
        drop(store);
        let store = opened_again(directory.path());
        assert_eq!(store.record(&host), before);
        assert_eq!((before.state, before.token), (BootState::ScriptServed, Some(token)));
        assert_eq!(store.setting("held").as_deref(), Some("abc"));
        let events = store.events(Some("c0"), 0, 100, false).unwrap();
        assert_eq!(events.iter().map(|event| &*event.state).collect::<Vec<_>>(), ["armed", "script-served"]);
        assert_eq!(store.host_with(&token), Some(host));
    }

    #[test]
    fn old_events_and_sightings_make_room() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), LIMITS, 100).unwrap();
        let all = |count: usize| {
            let name = |number| HostName::new(&format!("c{number}")).unwrap();
            (0..count).map(|number| (name(number), ordered("install"))).collect::<Vec<_>>()
        };
        waited(async {
            taken(&store, all(100).into_iter().map(|(name, _)| name)).await;
            for _ in 0..5 {
                store.all_happened(all(100), "").await.unwrap();
            }
            for part in [0..800, 800..1500] {
                for number in part {
                    store.sighted(&format!("52:54:00:00:{:02x}:{:02x}", number / 256, number % 256), "10.1.0.9");
                }
                store.write_sighted();
            }
            store.set("done", None).await.unwrap();
        });
        assert_eq!(store.events(None, 0, 10_000, false).unwrap().len(), 100);
        assert_eq!(store.sightings().unwrap().len(), 1000);
    }

    #[test]
    fn a_state_is_one_server_s_and_not_that_of_a_newer_one() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), LIMITS, 100).unwrap();
        assert!(matches!(Store::open(directory.path(), LIMITS, 100), Err(StoreError::InUse(_))));
        drop(store);
        drop(opened_again(directory.path()));
        let path = directory.path().join("state.sqlite");
        rusqlite::Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let newer = loop {
            match Store::open(directory.path(), LIMITS, 100) {
                Err(StoreError::InUse(_)) => std::thread::yield_now(),
                other => break other,
            }
        };
        assert!(matches!(newer, Err(StoreError::Newer(_))), "{newer:?}");
    }
}
