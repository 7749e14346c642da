-- The state of a server of release 0.1, as `sqlite3 state.sqlite .dump` writes it, and its version.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE hosts (
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
INSERT INTO hosts VALUES('c0','done','install','local',1796079361299,1,'848d3b6b179f2cdcad757bc72a5c8465',0,1,'told to boot from its own disk',1796079361299);
INSERT INTO hosts VALUES('c1','declared','','installing',1796079361370,1,'0d48e7a6cefb5ac7975a129892f78cf5',1796093761370,1,'packages are installed',1796079361370);
INSERT INTO hosts VALUES('disk','action','install','armed',1796079361313,0,NULL,0,0,'user 0 ordered install',1796079361313);
INSERT INTO hosts VALUES('sick','declared','','script-served',1796079361389,0,NULL,0,0,'boot script served',1796079361389);
CREATE TABLE events (
        id integer primary key autoincrement,
        at integer not null,
        host text not null,
        state text not null,
        text text not null,
        client text not null
    ) strict;
INSERT INTO events VALUES(1,1796079361241,'c0','script-served','boot script served','127.1.0.5');
INSERT INTO events VALUES(2,1796079361261,'c0','kickstart-fetched','kickstart fetched','127.1.0.5');
INSERT INTO events VALUES(3,1796079361279,'c0','installed','success','127.1.0.5');
INSERT INTO events VALUES(4,1796079361299,'c0','local','told to boot from its own disk','127.1.0.5');
INSERT INTO events VALUES(5,1796079361313,'disk','armed','user 0 ordered install','user 0');
INSERT INTO events VALUES(6,1796079361334,'c1','script-served','boot script served','127.1.0.6');
INSERT INTO events VALUES(7,1796079361355,'c1','kickstart-fetched','kickstart fetched','127.1.0.6');
INSERT INTO events VALUES(8,1796079361370,'c1','installing','packages are installed','127.1.0.6');
INSERT INTO events VALUES(9,1796079361389,'sick','script-served','boot script served','127.1.0.8');
CREATE TABLE sightings (
        address text primary key,   -- what it asked with
        client text not null,
        first integer not null,
        last integer not null,
        count integer not null
    ) strict, without rowid;
CREATE TABLE settings (name text primary key, value text not null) strict, without rowid;
INSERT INTO settings VALUES('last_good','23f64cd3850b08ed727243e619b2a7f224897259');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('events',9);
CREATE INDEX events_of_host on events (host, id);
COMMIT;
PRAGMA user_version=1;
