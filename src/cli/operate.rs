//! What operators say to a running server: what hosts do next, what is served; and what they ask it.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use serde_json::{Value, json};

use crate::cli::args::printed::Format;
use crate::cli::args::server::{Boot, Events, Operator, Pin, Remote, Rollback, StateCommand, Status, Unpin};
use crate::cli::remote::ask;
use crate::cli::session::{Failure, Session};
use crate::cli::table::columns;
use crate::nodeset::nodeset;
use crate::server::access::{hash, hexadecimal};
use crate::store::clock::wall;
use crate::store::copy::{back_up, restore};

/// How long the server waits for an event before it answers that there is none, in seconds.
const WAIT: u32 = 20;

/// `kgen boot`: shows what it means where it is for more than one host, and asks on a terminal.
pub fn boot(session: &Session, arguments: &Boot) -> Result<(), Failure> {
    let mut order = match arguments.hosts_and_action.split_last() {
        _ if arguments.adopt => json!({ "hosts": arguments.hosts_and_action, "adopt": true }),
        Some((action, hosts)) if !hosts.is_empty() => json!({ "hosts": hosts, "action": action }),
        _ => return Err(Failure::Usage("name at least one host, and then the action".to_owned())),
    };
    order["protected"] = arguments.protected.into();
    let send = |order: &Value| ask(&arguments.remote, "POST", "/api/v1/boot", Some(order));
    let is_one = matches!(&arguments.hosts_and_action[..], [host, _] if !host.starts_with('@'));
    if arguments.dry_run || arguments.adopt || !is_one {
        let mut shown = order.clone();
        shown["dry_run"] = true.into();
        let meaning = send(&shown)?;
        if arguments.dry_run {
            return session.print(&format!("{}\n", word(&meaning, "says")));
        }
        let count = meaning["hosts"].as_array().map_or(0, Vec::len);
        if !arguments.yes {
            session.remark(word(&meaning, "says"));
        }
        let is_asked = !arguments.yes && (count > 1 || arguments.adopt) && std::io::stdin().is_terminal();
        if is_asked && !agrees()? {
            session.remark("nothing is ordered");
            return Err(Failure::Faults);
        }
        if arguments.yes || is_asked {
            order["confirm"] = count.into();
        }
    }
    let answer = send(&order)?;
    if let Some(warning) = answer["warning"].as_str() {
        session.remark(&format!("warning: {warning}"));
    }
    done(session, &answer)
}

/// Whether the person at the terminal says yes.
fn agrees() -> Result<bool, Failure> {
    let mut terminal = std::io::stderr();
    terminal.write_all(b"go on? [y/N] ")?;
    terminal.flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// `kgen state`.
pub fn state(session: &Session, command: &StateCommand) -> Result<(), Failure> {
    match command {
        StateCommand::Backup { file, state } => {
            back_up(state, file)?;
            session.print(&format!("the state is copied to {}\n", file.display()))
        }
        StateCommand::Restore { file, state } => {
            let restored = restore(state, file)?;
            let replaced = restored.replaced.map(|path| format!("; the one before is {}", path.display()));
            session.print(&format!(
                "{} machines are known again; no order of the copy counts any more{}\n",
                restored.machines,
                replaced.unwrap_or_default()
            ))
        }
        StateCommand::Forget { host, remote } => {
            done(session, &ask(remote, "DELETE", &format!("/api/v1/hosts/{}", encoded(host)), None)?)
        }
    }
}

/// `kgen refresh`, `kgen follow`.
pub fn order(session: &Session, remote: &Remote, word: &str) -> Result<(), Failure> {
    done(session, &ask(remote, "POST", &format!("/api/v1/{word}"), None)?)
}

/// `kgen rollback`.
pub fn rollback(session: &Session, arguments: &Rollback) -> Result<(), Failure> {
    let order = json!({ "to": arguments.to });
    done(session, &ask(&arguments.remote, "POST", "/api/v1/rollback", Some(&order))?)
}

/// `kgen pin`.
pub fn pin(session: &Session, arguments: &Pin) -> Result<(), Failure> {
    let order = json!({ "target": arguments.target, "revision": arguments.to });
    done(session, &ask(&arguments.remote, "POST", "/api/v1/pins", Some(&order))?)
}

/// `kgen unpin`.
pub fn unpin(session: &Session, arguments: &Unpin) -> Result<(), Failure> {
    done(session, &ask(&arguments.remote, "DELETE", &format!("/api/v1/pins/{}", encoded(&arguments.target)), None)?)
}

fn done(session: &Session, answer: &Value) -> Result<(), Failure> {
    session.print(&format!("{}\n", word(answer, "done")))
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// What stands in a path or a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    let shown = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(shown).collect()
}

/// `kgen status`.
pub fn status(session: &Session, arguments: &Status) -> Result<(), Failure> {
    let path = match &arguments.host {
        Some(host) => format!("/api/v1/hosts/{}", encoded(host)),
        None if arguments.gone => "/api/v1/hosts?gone=true".to_owned(),
        None => match &arguments.state {
            Some(state) => format!("/api/v1/hosts?state={}", encoded(state)),
            None => "/api/v1/hosts".to_owned(),
        },
    };
    let answer = ask(&arguments.remote, "GET", &path, None)?;
    if session.format == Format::Json {
        return session.print_json(&answer);
    }
    let hosts: Vec<&Value> = answer.as_array().map_or_else(|| vec![&answer], |hosts| hosts.iter().collect());
    if arguments.host.is_none() {
        let generations = ask(&arguments.remote, "GET", "/api/v1/generations", None)?;
        session.print(&standing(&generations))?;
        session.print(&waiting(&hosts))?;
    }
    let mut rows = vec![["HOST", "STATE", "SINCE", "LAST EVENT", "NEXT BOOT"].map(str::to_owned).to_vec()];
    rows.extend(hosts.iter().map(|host| row(host)));
    session.print(&columns(&rows))?;
    match hosts[..] {
        [host] if arguments.host.is_some() && !word(host, "waits").is_empty() => {
            session.print(&format!("it waits: {}; {} lets it go\n", word(host, "waits"), word(host, "say")))
        }
        _ => Ok(()),
    }
}

fn row(host: &Value) -> Vec<String> {
    let stuck = if host["stuck"] == true { ", stuck" } else { "" };
    let next = match (word(host, "order"), word(host, "next")) {
        (_, "") => "not in the inventory".to_owned(),
        ("declared", next) => next.to_owned(),
        (order, next) => format!("{next} ({order})"),
    };
    let state = format!("{}{stuck}", word(host, "state"));
    vec![word(host, "name").to_owned(), state, ago(&host["since"]), word(host, "last").to_owned(), next]
}

/// Who boots from its own disk although the inventory names something else, and what to type.
fn waiting(hosts: &[&Value]) -> String {
    let mut text = String::new();
    for (state, say) in [("waiting", "kgen boot --adopt [HOST..]"), ("doubtful", "kgen boot HOST.. ACTION")] {
        let names = hosts.iter().filter(|host| word(host, "state") == state).map(|host| word(host, "name"));
        let names: Vec<&str> = names.collect();
        if !names.is_empty() {
            let _ = writeln!(text, "{} {state}: {}; `{say}` lets them go", names.len(), nodeset(names.iter().copied()));
        }
    }
    text
}

/// What is served, and what is not.
fn standing(generations: &Value) -> String {
    let mut text = format!("generation {}", word(generations, "generation"));
    if let Some(commit) = generations["commit"].as_str() {
        let _ = write!(text, " of {}", &commit[..commit.len().min(12)]);
    }
    if let Some(held) = generations["held"].as_str() {
        let _ = write!(text, "; {held} is held");
    }
    text.push('\n');
    if let Some(report) = generations["broken"]["report"].as_str() {
        let _ = write!(text, "the newest revision is broken and not served:\n{report}\n");
    }
    for pending in generations["pending"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let _ = writeln!(text, "not in force until `kgen revision accept`: {pending}");
    }
    for pin in generations["pins"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "{} is pinned to {}", word(pin, "target"), word(pin, "revision"));
    }
    text
}

fn ago(time: &Value) -> String {
    let Some(then) = time.as_u64().filter(|then| *then > 0) else { return String::new() };
    let seconds = wall().saturating_sub(then) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `kgen events`.
pub fn events(session: &Session, arguments: &Events) -> Result<(), Failure> {
    let host = arguments.host.as_deref().map(|host| format!("&host={}", encoded(host))).unwrap_or_default();
    let mut path = format!("/api/v1/events?last={}{host}", arguments.last);
    let mut after = 0;
    loop {
        let answer = ask(&arguments.remote, "GET", &path, None)?;
        for event in answer.as_array().into_iter().flatten() {
            after = event["id"].as_i64().unwrap_or(after);
            if session.format == Format::Json {
                session.print(&format!("{event}\n"))?;
            } else {
                let [host, state, text, client] = ["host", "state", "text", "client"].map(|key| word(event, key));
                session.print(&format!("{:>6} ago  {host}  {state}  {text}  {client}\n", ago(&event["at"])))?;
            }
        }
        if !arguments.follow {
            return Ok(());
        }
        path = format!("/api/v1/events?after={after}&wait={WAIT}{host}");
    }
}

/// `kgen operator`: a token, and what the inventory keeps of it.
pub fn operator(session: &Session, arguments: &Operator) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if arguments.name.is_empty() || !arguments.name.chars().all(plain) {
        return Err(Failure::Usage(format!(
            "`{}` is no name: letters, digits, `-` and `_`",
            arguments.name.escape_debug()
        )));
    }
    let mut bits = [0; 32];
    getrandom::fill(&mut bits).map_err(|error| Failure::World(format!("no source of chance: {error}")))?;
    let token = hexadecimal(&bits);
    session.remark("the line for the inventory; the token below it is the operator's, and is kept nowhere:");
    session.remark(&format!("\n[serve.operators]\n{} = \"sha256:{}\"\n", arguments.name, hash(&token)));
    session.print(&format!("{token}\n"))
}
