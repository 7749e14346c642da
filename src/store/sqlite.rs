//! The database: the only file that knows SQL.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row, Transaction, params};

use crate::boot::happening::{Limits, Time};
use crate::boot::state::{BootState, Order, Record};
use crate::boot::token::Token;
use crate::name::{ActionName, HostName};
use crate::store::kept::{Change, Event, Sighting, StoreError};
use crate::store::schema::{is_newer, migrate};

/// How many unknown machines are remembered.
const SIGHTINGS: u32 = 1000;

#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
    /// Events since the oldest were taken away.
    since_pruned: u32,
}

/// All records and settings.
type Loaded = (HashMap<HostName, Record>, BTreeMap<String, String>);

/// What a transaction has changed.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) records: HashMap<HostName, Record>,
    pub(super) settings: BTreeMap<&'static str, Option<String>>,
    pub(super) newest: i64,
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

    /// All records and settings.
    pub(super) fn load(&self) -> Result<Loaded, StoreError> {
        let read = || {
            let mut hosts = self.connection.prepare(
                "select name, ordered, action, state, since, build, token, expires, attempts, last, last_at from hosts",
            )?;
            let rows = hosts.query_map([], record)?.collect::<Result<Vec<_>, _>>()?;
            let mut settings = self.connection.prepare("select name, value from settings")?;
            let pair = |row: &Row| Ok((row.get(0)?, row.get(1)?));
            let settings = settings.query_map([], pair)?.collect::<Result<_, _>>()?;
            Ok((rows.into_iter().flatten().collect(), settings))
        };
        read().map_err(|error| self.fail(error))
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
        known: &dyn Fn(&HostName) -> Record,
        (now, limits, events): (Time, Limits, u32),
    ) -> Result<Written, rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        let mut written = Written::default();
        let mut happened = 0;
        for change in changes {
            match change {
                Change::Happened(all, client) => {
                    for (host, happening) in all {
                        let before = written.records.get(host).cloned().unwrap_or_else(|| known(host));
                        let Some(after) = before.after(happening, now, limits) else { continue };
                        put(&transaction, host, &after)?;
                        tell(&transaction, host, &after, client)?;
                        happened += 1;
                        written.records.insert(host.clone(), after);
                    }
                }
                Change::Sighted(seen) => sight(&transaction, seen, now)?,
                Change::Setting(name, value) => {
                    match value {
                        Some(value) => {
                            transaction.execute("replace into settings values (?1, ?2)", params![name, value])?
                        }
                        None => transaction.execute("delete from settings where name = ?1", params![name])?,
                    };
                    written.settings.insert(name, value.clone());
                }
                Change::Bounds(..) => {}
            }
        }
        self.since_pruned = self.since_pruned.saturating_add(happened);
        if self.since_pruned > events / 10 {
            let oldest = "delete from events where id <= (select max(id) from events) - ?1";
            transaction.execute(oldest, params![events])?;
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

/// `SQLite` has signed numbers only.
fn time(row: &Row, column: usize) -> Result<u64, rusqlite::Error> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
}

fn signed(time: Time) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// A row of `hosts`; none of a name that no host can have, which somebody else wrote.
fn record(row: &Row) -> Result<Option<(HostName, Record)>, rusqlite::Error> {
    let action = ActionName::new(&row.get::<_, String>(2)?);
    let order = match (row.get::<_, String>(1)?.as_str(), action) {
        ("action", Some(action)) => Order::Action(action),
        ("done", Some(action)) => Order::Done(action),
        _ => Order::Declared,
    };
    let record = Record {
        order,
        state: BootState::named(&row.get::<_, String>(3)?).unwrap_or_default(),
        since: time(row, 4)?,
        build: row.get(5)?,
        token: row.get::<_, Option<String>>(6)?.and_then(|token| Token::parse(&token)),
        expires: time(row, 7)?,
        attempts: row.get(8)?,
        last: row.get(9)?,
        last_at: time(row, 10)?,
    };
    Ok(HostName::new(&row.get::<_, String>(0)?).map(|host| (host, record)))
}

fn put(transaction: &Transaction, host: &HostName, record: &Record) -> Result<(), rusqlite::Error> {
    let (ordered, action) = match &record.order {
        Order::Declared => ("declared", ""),
        Order::Action(action) => ("action", action.as_str()),
        Order::Done(action) => ("done", action.as_str()),
    };
    let mut statement =
        transaction.prepare_cached("replace into hosts values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
    statement.execute(params![
        host.as_str(),
        ordered,
        action,
        record.state.word(),
        signed(record.since),
        record.build,
        record.token.map(|token| token.reveal()),
        signed(record.expires),
        record.attempts,
        record.last,
        signed(record.last_at),
    ])?;
    Ok(())
}

fn tell(transaction: &Transaction, host: &HostName, record: &Record, client: &str) -> Result<(), rusqlite::Error> {
    let insert = "insert into events (at, host, state, text, client) values (?1, ?2, ?3, ?4, ?5)";
    let mut statement = transaction.prepare_cached(insert)?;
    statement.execute(params![signed(record.last_at), host.as_str(), record.state.word(), record.last, client])?;
    Ok(())
}

fn sight(transaction: &Transaction, seen: &[(String, String, u64)], now: Time) -> Result<(), rusqlite::Error> {
    let mut insert = transaction.prepare_cached(
        "insert into sightings values (?1, ?2, ?3, ?3, ?4)
         on conflict (address) do update set client = ?2, last = ?3, count = count + ?4",
    )?;
    for (address, client, count) in seen {
        insert.execute(params![address, client, signed(now), signed(*count)])?;
    }
    // Whoever asks with a thousand addresses takes the place of the oldest.
    let oldest =
        "delete from sightings where address in (select address from sightings order by last desc limit -1 offset ?1)";
    transaction.execute(oldest, params![SIGHTINGS])?;
    Ok(())
}
