//! The rows of the tables: records, events, sightings.

use rusqlite::{Row, Transaction, params};

use crate::boot::happening::{Declared, Time};
use crate::boot::machine::Identities;
use crate::boot::order::{BootState, Hold, Order};
use crate::boot::state::Record;
use crate::boot::token::Token;
use crate::name::{ActionName, HostName};

/// How many unknown machines are remembered.
const SIGHTINGS: u32 = 1000;

/// The columns of [`record`], in order.
pub(super) const COLUMNS: &str = "name, ordered, action, state, since, build, token, expires, attempts, last, last_at, \
                                  hold, why, machine, former, declared, builds, protect, success, was";

/// `SQLite` has signed numbers only.
pub(super) fn time(row: &Row, column: usize) -> Result<u64, rusqlite::Error> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
}

pub(super) fn signed(time: Time) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

fn text(row: &Row, column: usize) -> Result<String, rusqlite::Error> {
    row.get(column)
}

/// A row of `hosts`; `None` if no host can have its name: somebody else wrote it.
pub(super) fn record(row: &Row) -> Result<Option<(HostName, Record)>, rusqlite::Error> {
    let order = match (text(row, 1)?.as_str(), ActionName::new(&text(row, 2)?)) {
        ("action" | "run", Some(action)) => Order::Action(action),
        ("inventory", Some(action)) => Order::Inventory(action),
        ("done", Some(action)) => Order::Done(action),
        _ => Order::Declared,
    };
    let hold = match text(row, 11)?.as_str() {
        "waiting" => Hold::Waiting(text(row, 12)?),
        "doubtful" => Hold::Doubtful(text(row, 12)?),
        _ => Hold::Free,
    };
    let builds = row.get::<_, i64>(16)? != 0;
    let record = Record {
        may_build: text(row, 1)? == "action",
        order,
        hold,
        state: BootState::named(&text(row, 3)?).unwrap_or_default(),
        since: time(row, 4)?,
        build: row.get(5)?,
        token: row.get::<_, Option<String>>(6)?.and_then(|token| Token::parse(&token)),
        expires: time(row, 7)?,
        attempts: row.get(8)?,
        last: row.get(9)?,
        last_at: time(row, 10)?,
        machine: Identities::parse(&text(row, 13)?),
        former: Identities::parse(&text(row, 14)?),
        declared: ActionName::new(&text(row, 15)?).map(|action| Declared { action, builds }),
        protect: row.get::<_, i64>(17)? != 0,
        success: Some(time(row, 18)?).filter(|at| *at > 0),
        was: text(row, 19)?.split_whitespace().filter_map(HostName::new).collect(),
    };
    Ok(HostName::new(&text(row, 0)?).map(|host| (host, record)))
}

/// Writes a row of `hosts`.
pub(super) fn put(transaction: &Transaction, host: &HostName, record: &Record) -> Result<(), rusqlite::Error> {
    let (ordered, action) = match &record.order {
        Order::Declared => ("declared", ""),
        Order::Action(action) if record.may_build => ("action", action.as_str()),
        Order::Action(action) => ("run", action.as_str()),
        Order::Inventory(action) => ("inventory", action.as_str()),
        Order::Done(action) => ("done", action.as_str()),
    };
    let (hold, why) = match &record.hold {
        Hold::Free => ("", ""),
        Hold::Waiting(why) => ("waiting", why.as_str()),
        Hold::Doubtful(why) => ("doubtful", why.as_str()),
    };
    let mut statement = transaction.prepare_cached(&format!(
        "replace into hosts ({COLUMNS}) values \
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)"
    ))?;
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
        hold,
        why,
        record.machine.to_string(),
        record.former.to_string(),
        record.declared.as_ref().map_or("", |declared| declared.action.as_str()),
        record.declared.as_ref().is_some_and(|declared| declared.builds),
        record.protect,
        signed(record.success.unwrap_or_default()),
        record.was.iter().map(HostName::as_str).collect::<Vec<_>>().join(" "),
    ])?;
    Ok(())
}

/// Removes a row of `hosts`.
pub(super) fn remove(transaction: &Transaction, host: &HostName) -> Result<(), rusqlite::Error> {
    transaction.prepare_cached("delete from hosts where name = ?1")?.execute(params![host.as_str()]).map(|_| ())
}

/// Writes an event.
pub(super) fn tell(
    transaction: &Transaction,
    (host, record): (&HostName, &Record),
    text: &str,
    client: &str,
    now: Time,
) -> Result<(), rusqlite::Error> {
    let insert = "insert into events (at, host, state, text, client) values (?1, ?2, ?3, ?4, ?5)";
    let mut statement = transaction.prepare_cached(insert)?;
    statement.execute(params![signed(now), host.as_str(), record.shown().word(), text, client])?;
    Ok(())
}

pub(super) fn sight(
    transaction: &Transaction,
    seen: &[(String, String, u64)],
    now: Time,
) -> Result<(), rusqlite::Error> {
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
