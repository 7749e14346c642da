//! The database: the only file that knows SQL.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, params};

use crate::boot::happening::{Limits, Time};
use crate::boot::matching::Records;
use crate::boot::state::Record;
use crate::boot::taking::{Step, take};
use crate::name::HostName;
use crate::store::kept::{Change, Event, Revision, Sighting, StoreError};
use crate::store::row::{COLUMNS, put, record, remove, sight, signed, tell, time};
use crate::store::schema::{is_newer, migrate};

#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
    /// Events since the oldest were taken away.
    since_pruned: u32,
}

/// All that is read when the state is opened.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) records: BTreeMap<HostName, Record>,
    pub(super) settings: BTreeMap<String, String>,
    /// Revisions that were ever taken.
    pub(super) taken: HashSet<String>,
    /// The latest time that anything has.
    pub(super) newest: Time,
}

impl Loaded {
    /// The records, to be shared.
    pub(super) fn shared(&self) -> Records {
        self.records.iter().map(|(host, record)| (host.clone(), Arc::new(record.clone()))).collect()
    }
}

/// What a transaction has changed.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Records as they are now; `None` for one that is removed.
    pub(super) records: BTreeMap<HostName, Option<Record>>,
    pub(super) settings: BTreeMap<&'static str, Option<String>>,
    /// Revisions that were taken.
    pub(super) taken: Vec<String>,
    pub(super) newest: i64,
}

/// What changes are applied with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// By the clock of the state.
    pub(super) time: Time,
    /// The bounds of builds.
    pub(super) limits: Limits,
    /// How many events are kept.
    pub(super) events: u32,
}

impl Database {
    /// Opens it for writing, and for nobody else's writing.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let fail = |source| StoreError::Database { path: path.to_path_buf(), source };
        let mut connection = Connection::open(path).map_err(fail)?;
        connection.busy_timeout(Duration::from_secs(2)).map_err(fail)?;
        // Readers go on while one writes. What is acknowledged is on the disk, not in its queue.
        connection.pragma_update(None, "journal_mode", "wal").map_err(fail)?;
        connection.pragma_update(None, "synchronous", "full").map_err(fail)?;
        if is_newer(&connection).map_err(fail)? {
            return Err(StoreError::Newer(path.to_path_buf()));
        }
        migrate(&mut connection).map_err(fail)?;
        // The first change takes old events away: nobody knows how many came before.
        Ok(Self { connection, path: path.to_path_buf(), since_pruned: u32::MAX / 2 })
    }

    pub(super) fn read_only(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags);
        let connection = opened.map_err(|source| StoreError::Database { path: path.to_path_buf(), source })?;
        Ok(Self { connection, path: path.to_path_buf(), since_pruned: 0 })
    }

    fn fail(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Database { path: self.path.clone(), source }
    }

    /// All records, settings and revisions.
    pub(super) fn load(&self) -> Result<Loaded, StoreError> {
        let read = || {
            let mut hosts = self.connection.prepare(&format!("select {COLUMNS} from hosts"))?;
            let rows = hosts.query_map([], record)?.collect::<Result<Vec<_>, _>>()?;
            let mut settings = self.connection.prepare("select name, value from settings")?;
            let settings = settings.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut taken = self.connection.prepare("select revision from taken")?;
            let taken = taken.query_map([], |row| row.get(0))?;
            let newest = "select max(coalesce((select max(last_at) from hosts), 0), \
                          coalesce((select max(at) from events), 0), coalesce((select max(last) from sightings), 0))";
            Ok(Loaded {
                records: rows.into_iter().flatten().collect(),
                settings: settings.collect::<Result<_, _>>()?,
                taken: taken.collect::<Result<_, _>>()?,
                newest: self.connection.query_row(newest, [], |row| time(row, 0))?,
            })
        };
        read().map_err(|error| self.fail(error))
    }

    /// Ends what a copy of a state must not order, and keeps which file this is.
    pub(super) fn settle(&mut self, steps: &[Step], is_copy: bool, file: &str, time: Time) -> Result<(), StoreError> {
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            for step in steps {
                put(&transaction, &step.host, &step.record)?;
                step.events
                    .iter()
                    .try_for_each(|text| tell(&transaction, (&step.host, &step.record), text, "", time))?;
            }
            if is_copy {
                transaction.execute("delete from settings where name = 'taken'", [])?;
            }
            transaction.execute("replace into settings values ('file', ?1)", params![file])?;
            transaction.commit()
        };
        write(&mut self.connection).map_err(|source| StoreError::Database { path: self.path.clone(), source })
    }

    /// How many events there ever were, also those that are removed.
    pub(super) fn events_ever(&self) -> Result<i64, StoreError> {
        let query = "select coalesce((select seq from sqlite_sequence where name = 'events'), 0)";
        self.connection.query_row(query, [], |row| row.get(0)).map_err(|error| self.fail(error))
    }

    /// Brings all that waits beside the database into its file, so that a copy of the file is a copy of the state.
    pub(super) fn checkpoint(&self) -> Result<(), StoreError> {
        let busy = self.connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get::<_, i64>(0));
        match busy.map_err(|error| self.fail(error))? {
            0 => Ok(()),
            _ => Err(StoreError::NotWritten("somebody reads the state".into())),
        }
    }

    /// Writes a copy to a file that is empty or not there.
    pub(super) fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        let done = self.connection.execute("vacuum into ?1", params![file.to_string_lossy()]);
        done.map(|_| ()).map_err(|error| self.fail(error))
    }

    /// Whether it is a whole state of a kgen that is not newer.
    pub(super) fn verify(&self) -> Result<(), StoreError> {
        if is_newer(&self.connection).map_err(|error| self.fail(error))? {
            return Err(StoreError::Newer(self.path.clone()));
        }
        let check = self.connection.query_row("pragma quick_check", [], |row| row.get::<_, String>(0));
        let check = check.map_err(|error| self.fail(error))?;
        let count =
            "select count(*) from sqlite_master where type = 'table' and name in ('hosts', 'events', 'settings')";
        let tables: i64 = self.connection.query_row(count, [], |row| row.get(0)).map_err(|error| self.fail(error))?;
        match (check.as_str(), tables) {
            ("ok", 3) => Ok(()),
            ("ok", _) => Err(StoreError::NoState(self.path.clone(), "its tables are missing".to_owned())),
            (fault, _) => Err(StoreError::NoState(self.path.clone(), fault.to_owned())),
        }
    }

    /// The number of the newest event.
    pub(super) fn newest(&self) -> Result<i64, StoreError> {
        let newest = self.connection.query_row("select coalesce(max(id), 0) from events", [], |row| row.get(0));
        newest.map_err(|error| self.fail(error))
    }

    /// Applies changes in one transaction, each to what the ones before it made.
    pub(super) fn write<'c>(
        &mut self,
        changes: impl Iterator<Item = &'c Change>,
        known: &Records,
        now: Now,
    ) -> Result<Written, rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        let mut written = Written::default();
        let mut happened = 0;
        for change in changes {
            happened += apply(&transaction, change, known, now, &mut written)?;
        }
        self.since_pruned = self.since_pruned.saturating_add(happened);
        if self.since_pruned > now.events / 10 {
            let oldest = "delete from events where id <= (select max(id) from events) - ?1";
            transaction.execute(oldest, params![now.events])?;
            self.since_pruned = 0;
        }
        written.newest = transaction.query_row("select coalesce(max(id), 0) from events", [], |row| row.get(0))?;
        transaction.commit()?;
        Ok(written)
    }

    pub(super) fn events(
        &self,
        host: Option<&str>,
        after: i64,
        limit: u32,
        last: bool,
    ) -> Result<Vec<Event>, StoreError> {
        let order = if last { "desc" } else { "asc" };
        let of_host = if host.is_some() { "host = ?1" } else { "?1 = ''" };
        let query = format!(
            "select id, at, host, state, text, client from events where {of_host} and id > ?2 order by id {order} limit ?3"
        );
        let read = || {
            let mut statement = self.connection.prepare_cached(&query)?;
            let rows = statement.query_map(params![host.unwrap_or_default(), after, limit], |row| {
                Ok(Event {
                    id: row.get(0)?,
                    at: time(row, 1)?,
                    host: row.get(2)?,
                    state: row.get(3)?,
                    text: row.get(4)?,
                    client: row.get(5)?,
                })
            })?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let mut events = read().map_err(|error| self.fail(error))?;
        if last {
            events.reverse();
        }
        Ok(events)
    }

    pub(super) fn sightings(&self) -> Result<Vec<Sighting>, StoreError> {
        let read = || {
            let query = "select address, client, first, last, count from sightings order by last desc, address";
            let mut statement = self.connection.prepare_cached(query)?;
            let rows = statement.query_map([], |row| {
                Ok(Sighting {
                    address: row.get(0)?,
                    client: row.get(1)?,
                    first: time(row, 2)?,
                    last: time(row, 3)?,
                    count: time(row, 4)?,
                })
            })?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|error| self.fail(error))
    }
}

/// Applies one change; gives how many events it wrote.
fn apply(
    transaction: &Transaction,
    change: &Change,
    known: &Records,
    now: Now,
    written: &mut Written,
) -> Result<u32, rusqlite::Error> {
    let mut happened = 0;
    match change {
        Change::Happened(all, client) => {
            for (host, happening) in all {
                // A host that was renamed meanwhile has no record of this name, and gets none by that.
                let found = || known.get(host).map(|record| (**record).clone());
                let Some(before) = written.records.get(host).map_or_else(found, Clone::clone) else { continue };
                let Some(after) = before.after(happening, now.time, now.limits) else { continue };
                put(transaction, host, &after)?;
                tell(transaction, (host, &after), &after.last, client, now.time)?;
                happened += 1;
                written.records.insert(host.clone(), Some(after));
            }
        }
        Change::Taken(taking, revision) => {
            let steps = take(&together(known, &written.records), taking, now.time);
            // Before anything is put: one name may be left by one record and taken by another.
            for from in steps.iter().filter_map(|step| step.from.as_ref()) {
                remove(transaction, from)?;
                written.records.insert(from.clone(), None);
            }
            for step in steps {
                put(transaction, &step.host, &step.record)?;
                for text in &step.events {
                    tell(transaction, (&step.host, &step.record), text, "", now.time)?;
                    happened += 1;
                }
                written.records.insert(step.host, Some(step.record));
            }
            if let Some(Revision { id, guards, commit }) = revision {
                transaction.execute("insert or ignore into taken values (?1, ?2)", params![id, signed(now.time)])?;
                written.taken.push(id.clone());
                set(transaction, "taken", Some(id.clone()), written)?;
                set(transaction, "guards", Some(guards.clone()), written)?;
                if commit.is_some() {
                    set(transaction, "last_good", commit.clone(), written)?;
                }
            }
        }
        Change::Forgotten(host) => {
            remove(transaction, host)?;
            transaction.execute("delete from events where host = ?1", params![host.as_str()])?;
            written.records.insert(host.clone(), None);
        }
        Change::Sighted(seen) => sight(transaction, seen, now.time)?,
        Change::Setting(name, value) => set(transaction, name, value.clone(), written)?,
        Change::Bounds(..) | Change::Idle => {}
    }
    Ok(happened)
}

fn set(
    transaction: &Transaction,
    name: &'static str,
    value: Option<String>,
    written: &mut Written,
) -> Result<(), rusqlite::Error> {
    match &value {
        Some(value) => transaction.execute("replace into settings values (?1, ?2)", params![name, value])?,
        None => transaction.execute("delete from settings where name = ?1", params![name])?,
    };
    written.settings.insert(name, value);
    Ok(())
}

/// The records with what a transaction has changed of them so far.
fn together(known: &Records, written: &BTreeMap<HostName, Option<Record>>) -> Records {
    let mut all = known.clone();
    for (host, record) in written {
        match record {
            Some(record) => drop(all.insert(host.clone(), record.clone().into())),
            None => drop(all.remove(host)),
        }
    }
    all
}
