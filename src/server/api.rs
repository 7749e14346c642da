//! `/api/v1`: for operators and their programs. `openapi.json` beside this file describes it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::name::HostName;
use crate::server::answer::{Answer, kind};
use crate::server::kickstart::not_ready;
use crate::server::orders::{BootOrder, boot};
use crate::server::request::{Client, Method, Request};
use crate::server::serving::{Order, Serving};
use crate::server::snapshot::{Broken, Pin, Served, Snapshot};
use crate::server::view::{Filter, View, gone, view, views};

/// The description of this interface, `OpenAPI` 3.1.
pub const OPENAPI: &str = include_str!("openapi.json");
/// How many events one answer has, at most.
const EVENTS: u32 = 1000;
/// How long an answer waits for an event, in seconds.
const LONGEST_WAIT: u64 = 25;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RollbackOrder {
    #[serde(default)]
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinOrder {
    target: String,
    revision: String,
}

#[derive(Serialize)]
struct Done {
    done: String,
}

/// Answers what operators ask; `path` is below `/api/v1`.
pub async fn answer(serving: &Serving, request: &Request, path: &[&str]) -> Answer {
    if let (Method::Get { .. }, ["openapi.json"]) = (request.method, path) {
        return Answer::whole(kind::JSON, OPENAPI);
    }
    let operator = match serving.operator(request) {
        Ok(operator) => operator,
        Err(refusal) => return refusal, // which was told before it was admitted
    };
    match (request.method, path) {
        (Method::Get { .. }, ["hosts"]) => hosts(serving, request),
        (Method::Get { .. }, ["hosts", name]) => host(serving, name),
        (Method::Get { .. }, ["events"]) => events(serving, request).await,
        (Method::Get { .. }, ["generations"]) => generations(&serving.snapshot.load()),
        (Method::Get { .. }, ["sightings"]) => match serving.store.sightings() {
            Ok(sightings) => Answer::json(&sightings),
            Err(error) => Answer::failure(&error.to_string()),
        },
        (Method::Post, ["boot"]) => match parsed::<BootOrder>(request) {
            Ok(order) => boot(serving, request, &operator, order).await,
            Err(refusal) => refusal,
        },
        (Method::Delete, ["hosts", name]) => forget(serving, &operator, name).await,
        (Method::Post, ["accept"]) => match request.client {
            Client::Socket(_) => ordered(serving, &operator, Order::Accept).await,
            Client::Address(_) => Answer::refusal(403, "only an operator at the socket of the server accepts this"),
        },
        (Method::Post, ["refresh"]) => ordered(serving, &operator, Order::Refresh).await,
        (Method::Post, ["follow"]) => ordered(serving, &operator, Order::Follow).await,
        (Method::Post, ["rollback"]) => match parsed::<RollbackOrder>(request) {
            Ok(order) => ordered(serving, &operator, Order::Rollback(order.to)).await,
            Err(refusal) => refusal,
        },
        (Method::Post, ["pins"]) => match parsed::<PinOrder>(request) {
            Ok(order) => ordered(serving, &operator, Order::Pin(order.target, order.revision)).await,
            Err(refusal) => refusal,
        },
        (Method::Delete, ["pins", target]) => ordered(serving, &operator, Order::Unpin((*target).to_owned())).await,
        (_, ["hosts" | "events" | "generations" | "sightings" | "openapi.json"]) => not_allowed("GET, HEAD"),
        (_, ["hosts", _]) => not_allowed("GET, HEAD, DELETE"),
        (_, ["accept" | "boot" | "refresh" | "follow" | "rollback" | "pins"]) => not_allowed("POST"),
        (_, ["pins", _]) => not_allowed("DELETE"),
        _ => Answer::nothing(),
    }
}

/// The answer to a method that is not that of a route.
pub fn not_allowed(methods: &str) -> Answer {
    Answer::refusal(405, &format!("this takes {methods}")).with("allow", methods)
}

fn parsed<T: for<'d> Deserialize<'d>>(request: &Request) -> Result<T, Answer> {
    let body: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(body).map_err(|error| Answer::refusal(400, &format!("this is not what is taken: {error}")))
}

async fn ordered(serving: &Serving, operator: &str, order: Order) -> Answer {
    tracing::info!(operator, "{order:?}");
    match serving.order(order).await {
        Ok(done) => Answer::json(&Done { done }),
        Err(fault) => Answer::refusal(409, &fault),
    }
}

fn hosts(serving: &Serving, request: &Request) -> Answer {
    let snapshot = serving.snapshot.load();
    let Some(current) = snapshot.current.as_deref() else { return not_ready() };
    let filter =
        Filter { text: request.asked("q"), state: request.asked("state"), appliance: request.asked("appliance") };
    if request.asked("gone").is_some_and(|gone| gone == "true") {
        return Answer::json(&gone(serving, current));
    }
    Answer::json(&views(serving, &snapshot, current, filter))
}

fn host(serving: &Serving, name: &str) -> Answer {
    let snapshot = serving.snapshot.load();
    let Some(current) = snapshot.current.as_deref() else { return not_ready() };
    let Some(host) = current.host(name) else {
        return Answer::refusal(404, &format!("there is no host `{}`", name.escape_debug()));
    };
    Answer::json(&view(serving, &snapshot, current, host))
}

/// Forgets a host that is in no inventory any more.
async fn forget(serving: &Serving, operator: &str, name: &str) -> Answer {
    let snapshot = serving.snapshot.load_full();
    let Some(current) = snapshot.current.as_deref() else { return not_ready() };
    let is_declared = |host: HostName| serving.store.record(&host).declared.is_some();
    if current.host(name).is_some() || HostName::new(name).is_some_and(is_declared) {
        // It would be a new machine, which may be armed.
        return Answer::refusal(409, &format!("`{name}` is in the inventory; only hosts that are gone are forgotten"));
    }
    let known: Vec<View> = gone(serving, current);
    let Some(host) = HostName::new(name).filter(|_| known.iter().any(|view| view.name == name)) else {
        return Answer::refusal(404, &format!("nothing is recorded of a host `{}`", name.escape_debug()));
    };
    match serving.store.forget(&host).await {
        Ok(()) => {
            tracing::info!(operator, host = name, "forgotten");
            Answer::json(&Done { done: format!("nothing is known of {name} any more") })
        }
        Err(error) => Answer::failure(&error.to_string()),
    }
}

/// Events after one; where there is none, it waits for one if it is asked to.
async fn events(serving: &Serving, request: &Request) -> Answer {
    let number = |key| request.asked(key).map(str::parse::<u64>).transpose();
    let (Ok(after), Ok(wait), Ok(last)) = (number("after"), number("wait"), number("last")) else {
        return Answer::refusal(400, "`after`, `last` and `wait` are numbers");
    };
    let after_id = after.and_then(|after| i64::try_from(after).ok()).unwrap_or_default();
    let count = last.map_or(EVENTS, |last| u32::try_from(last).unwrap_or(EVENTS).clamp(1, EVENTS));
    let host = request.asked("host").filter(|host| !host.is_empty());
    let mut newest = serving.store.newest();
    let until = tokio::time::Instant::now() + Duration::from_secs(wait.unwrap_or(0).min(LONGEST_WAIT));
    loop {
        newest.mark_unchanged();
        match serving.store.events(host, after_id, count, last.is_some()) {
            Ok(events) if events.is_empty() => {}
            Ok(events) => return Answer::json(&events),
            Err(error) => return Answer::failure(&error.to_string()),
        }
        let mut stopping = serving.stopping.clone();
        let is_newer = tokio::select! {
            changed = tokio::time::timeout_at(until, newest.changed()) => matches!(changed, Ok(Ok(()))),
            _ = stopping.changed() => false,
        };
        if !is_newer {
            return Answer::json(&Vec::<u8>::new());
        }
    }
}

/// What is served, and what is not.
fn generations(snapshot: &Snapshot) -> Answer {
    let current = snapshot.current.as_deref();
    let pin = |pin: &Pin| {
        let generation = pin.served.as_deref().map(Served::id);
        json!({ "target": pin.target, "revision": pin.revision, "generation": generation, "fault": pin.fault })
    };
    let broken = |broken: &Broken| json!({ "revision": broken.revision, "report": broken.report, "at": broken.at });
    Answer::json(&json!({
        "generation": current.map(Served::id),
        "commit": current.and_then(|served| served.commit.as_deref()),
        "since": current.map(|served| served.made),
        "previous": snapshot.previous.as_deref().map(Served::id),
        "held": snapshot.held,
        "broken": snapshot.broken.as_ref().map(broken),
        "pending": snapshot.pending,
        "pins": snapshot.pins.iter().map(pin).collect::<Vec<_>>(),
        "history": snapshot.history,
    }))
}
