//! The tables of the state, and how an older state becomes a newer one.

use rusqlite::Connection;

/// What makes version N of version N - 1. A step is never changed once it was released.
const STEPS: [&str; 2] = [
    "
    create table hosts (
        name text primary key,
        ordered text not null,      -- declared, action, done
        action text not null,       -- the action of that order
        state text not null,
        since integer not null,     -- times are milliseconds since 1970
        build integer not null,
        token text,
        expires integer not null,
        attempts integer not null,
        last text not null,
        last_at integer not null
    ) strict, without rowid;
    create table events (
        id integer primary key autoincrement,
        at integer not null,
        host text not null,
        state text not null,
        text text not null,
        client text not null
    ) strict;
    create index events_of_host on events (host, id);
    create table sightings (
        address text primary key,   -- what it asked with
        client text not null,
        first integer not null,
        last integer not null,
        count integer not null
    ) strict, without rowid;
    create table settings (name text primary key, value text not null) strict, without rowid;
",
    "
    alter table hosts add column hold text not null default '';         -- waiting, doubtful
    alter table hosts add column why text not null default '';          -- of the hold
    alter table hosts add column machine text not null default '';      -- identities, blanks between them
    alter table hosts add column former text not null default '';       -- those of before
    alter table hosts add column was text not null default '';          -- names that it had since the order
    alter table hosts add column declared text not null default '';     -- the action of the generation taken last
    alter table hosts add column builds integer not null default 0;     -- whether that action builds
    alter table hosts add column protect integer not null default 0;
    alter table hosts add column success integer not null default 0;    -- when it last reported success
    -- `ordered` is also: run (an operator's action that does not build), inventory.
    update hosts set success = coalesce(
        (select max(at) from events where host = name and events.state = 'installed'),
        case ordered when 'done' then max(last_at, 1) else 0 end);
    create table taken (revision text primary key, at integer not null) strict, without rowid;
    insert into taken select value, 0 from settings where name = 'last_good';
    -- A state that was used by a release without identities.
    insert into settings select 'upgrade', '1' where exists (select 1 from hosts) or exists (select 1 from settings);
",
];

/// Brings a state to the version of this program, all steps or none.
pub fn migrate(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for (step, number) in STEPS.iter().zip(1..).skip(version(&change)?) {
        change.execute_batch(step)?;
        change.pragma_update(None, "user_version", number)?;
    }
    change.commit()
}

/// Whether a state was written by a newer program than this.
pub fn is_newer(connection: &Connection) -> Result<bool, rusqlite::Error> {
    Ok(version(connection)? > STEPS.len())
}

fn version(connection: &Connection) -> Result<usize, rusqlite::Error> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(version as usize)
}
