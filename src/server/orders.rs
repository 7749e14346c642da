//! What operators order machines to do at their next boot, with a brake: who is armed is shown first, an order for many
//! hosts is confirmed, and hosts that are protected need a word more.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::boot::builds;
use crate::boot::happening::Happening;
use crate::boot::order::Hold;
use crate::boot::state::Record;
use crate::inventory::action::local;
use crate::inventory::serve::Brake;
use crate::inventory::{Host, Inventory};
use crate::name::{ActionName, HostName};
use crate::nodeset::{expanded, nodeset};
use crate::server::answer::Answer;
use crate::server::kickstart::not_ready;
use crate::server::request::Request;
use crate::server::serving::Serving;
use crate::server::snapshot::{Served, Snapshot};

/// Orders for more hosts than this are confirmed.
const UNCONFIRMED: usize = 20;
/// The word that leaves hosts to the inventory.
const DECLARED: &str = "declared";

/// An order, as operators send it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootOrder {
    /// Names of hosts, or `@APPLIANCE`. With `adopt`, none are all that wait.
    #[serde(default)]
    hosts: Vec<String>,
    /// The boot action, or `declared`.
    #[serde(default)]
    action: Option<String>,
    /// Lets hosts that wait do what the inventory names.
    #[serde(default)]
    adopt: bool,
    /// For how many hosts the operator confirmed it.
    #[serde(default)]
    confirm: Option<usize>,
    /// Shows what would happen.
    #[serde(default)]
    dry_run: bool,
    /// The word that orders for protected hosts need.
    #[serde(default)]
    protected: bool,
}

/// What an order means.
#[derive(Debug, Serialize)]
struct Meaning {
    /// How many hosts do what: a sentence.
    done: String,
    /// Which hosts, and what is lost by it.
    says: String,
    /// Names of hosts.
    hosts: Vec<HostName>,
    /// How many of them reported success, and would be installed again.
    wiped: usize,
    /// Whether it has to be confirmed.
    needs_confirm: bool,
    /// What an order that was carried out should not have lacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// One host of an order.
struct Ordered<'s> {
    host: &'s Host,
    record: Arc<Record>,
    happening: Happening,
    /// Whether it installs itself by this.
    builds: bool,
}

impl Ordered<'_> {
    fn is_protected(&self, word: &str) -> bool {
        (self.host.protect || self.record.protect) && word != local().as_str() && word != DECLARED
    }
}

/// Carries out an order, for all of its hosts or for none.
pub async fn boot(serving: &Serving, request: &Request, operator: &str, order: BootOrder) -> Answer {
    let snapshot = serving.snapshot.load_full();
    let Some(current) = snapshot.current.as_deref() else { return not_ready() };
    let all = match meant(serving, (&snapshot, current), &order, operator) {
        Ok(all) => all,
        Err(fault) => return Answer::refusal(400, &fault),
    };
    let word = order.action.as_deref().unwrap_or("what the inventory names");
    let mut meaning = meaning(&all, word);
    if order.dry_run {
        return Answer::json(&meaning);
    }
    let client = request.client.shown();
    let protected: Vec<&Ordered> = all.iter().filter(|one| one.is_protected(word)).collect();
    if !protected.is_empty() && !order.protected {
        let names = nodeset(protected.iter().map(|one| one.host.name.as_str()));
        let why = format!("{names} is protected; --protected (`protected` of the API) orders it all the same");
        return refused(serving, &protected, (operator, word, &why), &client).await;
    }
    let count = all.len();
    let unconfirmed = match order.confirm {
        Some(confirmed) if confirmed != count => {
            Some(format!("it was confirmed for {confirmed} hosts, and is for {count} now"))
        }
        Some(_) => None,
        None => meaning.needs_confirm.then(|| {
            format!("an order for more than {UNCONFIRMED} hosts needs --yes (`confirm` of the API): {}", meaning.says)
        }),
    };
    if let Some(why) = unconfirmed {
        // A number that is wrong is never a slip of an older script.
        if order.confirm.is_some() || serving.serve.load().brake == Brake::Enforce {
            return refused(serving, &all.iter().collect::<Vec<_>>(), (operator, word, &why), &client).await;
        }
        tracing::warn!(operator, action = word, hosts = count, "not confirmed, and carried out all the same");
        meaning.warning = Some(format!("{why}; a later release refuses it, as `brake = \"enforce\"` does today"));
    }
    let happened = all.iter().map(|one| (one.host.name.clone(), one.happening.clone())).collect();
    match serving.store.all_happened(happened, &client).await {
        Ok(()) => {
            let is_other = |one: &&Ordered| serving.store.record(&one.host.name).machine != one.record.machine;
            let others = nodeset(all.iter().filter(is_other).map(|one| one.host.name.as_str()));
            if !others.is_empty() {
                let why = format!("{others} became another machine meanwhile, and has no order; look again");
                return Answer::refusal(409, &why);
            }
            tracing::info!(operator, action = word, hosts = count, "ordered");
            Answer::json(&meaning)
        }
        Err(error) => Answer::failure(&error.to_string()),
    }
}

/// Refuses an order, which is an event of its hosts.
async fn refused(
    serving: &Serving,
    hosts: &[&Ordered<'_>],
    (operator, word, why): (&str, &str, &str),
    client: &str,
) -> Answer {
    tracing::warn!(operator, action = word, hosts = hosts.len(), "refused: {why}");
    let short = why.split([';', ':']).next().unwrap_or_default();
    let told = Happening::Refused { why: format!("{operator}'s order of {word} was refused: {short}") };
    let all = hosts.iter().map(|one| (one.host.name.clone(), told.clone())).collect();
    if let Err(error) = serving.store.all_happened(all, client).await {
        return Answer::failure(&error.to_string());
    }
    Answer::refusal(409, &format!("nothing is ordered: {why}"))
}

/// What an order says to whom.
fn meant<'s>(
    serving: &Serving,
    (snapshot, current): (&'s Snapshot, &'s Served),
    order: &BootOrder,
    operator: &str,
) -> Result<Vec<Ordered<'s>>, String> {
    match (&order.action, order.adopt) {
        (Some(_), true) => return Err("`adopt` lets hosts do what the inventory names; it takes no action".to_owned()),
        (None, false) => return Err("no action is named".to_owned()),
        _ => {}
    }
    let hosts = match (order.adopt, order.hosts.is_empty()) {
        (true, true) => current.generation().inventory.hosts.values().collect(),
        _ => chosen(current, &order.hosts)?,
    };
    let action = order.action.as_deref().filter(|word| *word != DECLARED);
    let action = action.map(|word| named(&current.generation().inventory, word)).transpose()?;
    let by = operator.to_owned();
    let mut all = Vec::new();
    for host in hosts {
        let (served, host) = snapshot.of(current, host);
        let record = serving.store.record(&host.name);
        let declared = served.declared(host);
        let waits = matches!(record.hold, Hold::Waiting(_)) && declared.builds;
        let (happening, builds) = match &action {
            Some(action) => {
                let builds = is_build(served, host, action)?;
                let machine = record.machine.clone();
                (Happening::Ordered { action: action.clone(), builds, machine, by: by.clone() }, builds)
            }
            None if order.adopt && waits => {
                let machine = record.machine.clone();
                (Happening::Adopted { machine, declared, by: by.clone() }, true)
            }
            None if order.adopt && order.hosts.is_empty() => continue,
            // Of an appliance those that wait are meant.
            None if order.adopt && !order.hosts.iter().any(|name| name == host.name.as_str()) => continue,
            None if order.adopt => return Err(not_waiting(host, &record)),
            None => {
                // A pin is not what the inventory says.
                let declared = record.declared.clone().unwrap_or(declared);
                (Happening::Released { declared, by: by.clone() }, false)
            }
        };
        let one = Ordered { host, record, happening, builds };
        // All that wait are all that may be let go without a word more.
        if order.adopt && order.hosts.is_empty() && one.is_protected("") && !order.protected {
            continue;
        }
        all.push(one);
    }
    if all.is_empty() { Err("no host waits that is not protected".to_owned()) } else { Ok(all) }
}

fn not_waiting(host: &Host, record: &Record) -> String {
    match record.hold {
        Hold::Doubtful(_) => format!("`{0}` is doubtful; `kgen boot {0} ACTION` says what it is to do", host.name),
        _ => format!("`{}` does not wait: it is {}", host.name, record.shown()),
    }
}

/// Who does what: `34 hosts: install: c[0-33]; 31 are installed and would be wiped`.
fn meaning(all: &[Ordered], word: &str) -> Meaning {
    let count = all.len();
    let names = nodeset(all.iter().map(|one| one.host.name.as_str()));
    let wiped = all.iter().filter(|one| one.builds && one.record.success.is_some()).count();
    let unknown = all.iter().filter(|one| one.builds && one.record.success.is_none()).count();
    let plural = if count == 1 { "host" } else { "hosts" };
    let done = format!("{count} {plural}: {word} at the next boot");
    let mut says = format!("{done}: {names}");
    if wiped > 0 {
        let are = if wiped == 1 { "is" } else { "are" };
        says.push_str(&format!("; {wiped} {are} installed and would be wiped"));
    }
    if unknown > 0 {
        let have = if unknown == 1 { "has" } else { "have" };
        says.push_str(&format!("; {unknown} {have} never reported success, and would be wiped too"));
    }
    let protected: Vec<&str> =
        all.iter().filter(|one| one.is_protected(word)).map(|one| one.host.name.as_str()).collect();
    if !protected.is_empty() {
        says.push_str(&format!("; {} is protected, and needs --protected", nodeset(protected)));
    }
    Meaning {
        done,
        says,
        hosts: all.iter().map(|one| one.host.name.clone()).collect(),
        wiped,
        // The way to safety is free.
        needs_confirm: count > UNCONFIRMED && word != local().as_str() && word != DECLARED,
        warning: None,
    }
}

/// The hosts of these names, each once; `@NAME` are all of an appliance.
fn chosen<'s>(current: &'s Served, names: &[String]) -> Result<Vec<&'s Host>, String> {
    let inventory = &current.generation().inventory;
    let mut hosts: Vec<&Host> = Vec::new();
    let names: Vec<String> = names.iter().flat_map(|name| expanded(name)).collect();
    for name in &names {
        if let Some(appliance) = name.strip_prefix('@') {
            let before = hosts.len();
            hosts.extend(inventory.hosts.values().filter(|host| host.appliance.as_str() == appliance));
            if hosts.len() == before {
                return Err(format!("there is no host of an appliance `{}`", appliance.escape_debug()));
            }
        } else {
            let known = inventory.hosts.keys().map(HostName::as_str);
            let near = || crate::name::nearest(name, known).map(|near| format!("; did you mean `{near}`?"));
            let none = || format!("there is no host `{}`{}", name.escape_debug(), near().unwrap_or_default());
            hosts.push(current.host(name).ok_or_else(none)?);
        }
    }
    hosts.sort_by_key(|host| host.number);
    hosts.dedup_by_key(|host| host.number);
    if hosts.is_empty() { Err("no host is named".to_owned()) } else { Ok(hosts) }
}

fn named(inventory: &Inventory, word: &str) -> Result<ActionName, String> {
    let actions = &inventory.actions;
    let known = || actions.keys().map(ActionName::as_str).collect::<Vec<_>>();
    ActionName::new(word).filter(|action| actions.contains_key(action)).ok_or_else(|| {
        format!("there is no boot action `{}`; there are {}, and declared", word.escape_debug(), known().join(", "))
    })
}

/// Whether a host installs itself by an action.
fn is_build(served: &Served, host: &Host, action: &ActionName) -> Result<bool, String> {
    let plan = served.plan().ok_or("[site] has no `server`, so there is nothing to boot from")?;
    let entry = plan.entry_of(host, action).map_err(|fault| format!("{}: {fault}", host.name))?;
    Ok(builds(&served.generation().inventory, host, &entry))
}
