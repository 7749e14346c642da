//! Kickstarts, for the machines that install with them: `/ks/HOST.ks`, `/ks` for who asks, the path of Rocks; and
//! what machines report meanwhile. No parameter names another host.

use std::borrow::Cow;
use std::sync::Arc;

use crate::boot::happening::{Happening, Told};
use crate::boot::order::{BootState, Order};
use crate::boot::state::Record;
use crate::boot::token::Token;
use crate::boot::{BootEntry, builds};
use crate::files::{configure_file, kickstart};
use crate::inventory::Host;
use crate::name::HostName;
use crate::server::access::{self, Reason};
use crate::server::answer::{Answer, kind};
use crate::server::request::Request;
use crate::server::serving::{Serving, new_token};
use crate::server::snapshot::Served;

/// The longest text that a machine reports, in characters.
const LONGEST_REPORT: usize = 200;

/// Whose kickstart is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'r> {
    /// Of the host of this name.
    Named(&'r str),
    /// Of who asks.
    Own,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The kickstart.
    Kickstart,
    /// What a diskless host configures itself with.
    Configure,
}

/// Gives a kickstart.
pub async fn give(serving: &Serving, request: &Request, whose: Whose<'_>, what: What) -> Answer {
    let snapshot = serving.snapshot.load_full();
    let Some(current) = snapshot.current.as_deref() else { return not_ready() };
    let is_operator = serving.is_operator(request);
    let host = match find(serving, request, current, whose) {
        Ok(host) if snapshot.lacks_pinned(host) => return lacks_pinned(),
        Ok(host) => host,
        Err(reason) => return serving.refuse(request, "", reason),
    };
    let (served, host) = snapshot.of(current, host);
    let record = serving.store.record(&host.name);
    let declared = served.declared(host);
    let entry = match next_entry(served, host, &record) {
        Ok(entry) => entry,
        Err(fault) => return Answer::failure(&fault),
    };
    if !is_operator {
        if let Err(reason) = allowed(serving, request, (current, served), host, (&entry, &record, what)) {
            return serving.refuse(request, host.name.as_str(), reason);
        }
        let told = Told { action: record.next(&declared), declared };
        let happening = Happening::Kickstart { builds: what == What::Kickstart, told: told.clone() };
        // Most of what is asked for in a storm was asked for before.
        let is_news =
            !request.is_head() && record.after(&happening, serving.store.now(), serving.store.limits()).is_some();
        if is_news {
            let client = request.client.shown();
            if let Err(error) = serving.store.happened(&host.name, happening, &client).await {
                // The machine needs its kickstart more than we need to know that it has it.
                tracing::error!(%error, host = host.name.as_str(), "a kickstart was served, which is not kept");
            }
            let after = serving.store.record(&host.name);
            if after.state == BootState::Failed || !after.is_so(&told) {
                return serving.refuse(request, host.name.as_str(), Reason::NotInstalling);
            }
        }
    }
    written(served, host, what)
}

/// What is answered to a host whose revision cannot be made.
pub fn lacks_pinned() -> Answer {
    Answer::refusal(503, "what this machine is to have cannot be made").with("retry-after", "60")
}

/// What is answered while nothing was compiled yet.
pub fn not_ready() -> Answer {
    Answer::refusal(503, "nothing is served yet").with("retry-after", "10")
}

fn written(served: &Served, host: &Host, what: What) -> Answer {
    // What has to grow is copied once more.
    let mut text = Vec::with_capacity(served.generation().about(host));
    if kickstart(served.generation(), host, &mut text).is_none() {
        return Answer::failure(&format!("the kickstart of {} is faulty", host.name));
    }
    if what == What::Configure {
        match configure_file(&served.generation().inventory, host, &text) {
            Some((_, script)) => text = script,
            None => return Answer::nothing(),
        }
    }
    Answer::whole(kind::TEXT, text).private()
}

/// The host whose kickstart is asked for.
fn find<'s>(serving: &Serving, request: &Request, current: &'s Served, whose: Whose) -> Result<&'s Host, Reason> {
    if let Whose::Named(name) = whose {
        // A machine that began before its host was renamed has the old name in its script.
        return named(serving, request, current, name).ok_or(Reason::UnknownHost);
    }
    let by_address = request.client.address().and_then(|address| current.host_at(address));
    if let Some(host) = by_address {
        return Ok(host);
    }
    let Ok(token) = access::token(request) else {
        // Whose ports it says it has decides nothing but what it is refused for.
        let claimed = request.addresses.iter().find_map(|address| current.host_with(address));
        return claimed.ok_or(Reason::UnknownHost);
    };
    owner(serving, current, &token).ok_or(Reason::WrongToken)
}

/// The host whose build has a token.
fn owner<'s>(serving: &Serving, current: &'s Served, token: &Token) -> Option<&'s Host> {
    serving.store.host_with(token).and_then(|name| current.host(name.as_str()))
}

/// The host of a name; else the one that had it when its machine began, by the token of the build, or by its address if
/// its loader brought no token.
fn named<'s>(serving: &Serving, request: &Request, current: &'s Served, name: &str) -> Option<&'s Host> {
    let had_it = |host: &&Host| serving.store.record(&host.name).was.iter().any(|was| was.as_str() == name);
    let by_token = || owner(serving, current, &access::token(request).ok()?).filter(had_it);
    let by_address = || current.host_at(request.client.address()?).filter(had_it);
    current.host(name).or_else(by_token).or_else(by_address)
}

fn allowed(
    serving: &Serving,
    request: &Request,
    (current, served): (&Served, &Served),
    host: &Host,
    (entry, record, what): (&BootEntry, &Record, What),
) -> Result<(), Reason> {
    let owners = |request: &Request| {
        let known = request.addresses.iter().filter_map(|address| current.host_with(address));
        known.map(|host| host.name.to_string()).collect()
    };
    access::hardware(request, host, owners)?;
    let is_diskless = served.generation().inventory.actions.get(&entry.action);
    let is_diskless = is_diskless.is_some_and(|action| action.way == crate::inventory::action::Way::Diskless);
    if is_diskless != (what == What::Configure) {
        return Err(Reason::NotInstalling);
    }
    access::kickstart(request, host, entry, record, serving.store.now())
}

/// What a machine reports of its installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// How far it is.
    Progress,
    /// That it is done.
    Success,
}

/// Who reports: the host, its token, and whether the build that the token was of is over. Whose token it is decides: the
/// name may be the one that the host had when its machine began, and may be another's by now, and what is served now may
/// not have the host at all.
///
/// # Errors
/// The answer to who may not report anything.
pub fn reported_by(serving: &Serving, request: &Request, name: &str) -> Result<(HostName, Token, bool), Answer> {
    let snapshot = serving.snapshot.load();
    let current = snapshot.current.as_deref().ok_or_else(not_ready)?;
    let token = access::token(request).map_err(|reason| {
        let known = if current.host(name).is_some() { name } else { "" };
        serving.refuse(request, known, reason)
    })?;
    let owner = serving.store.host_with(&token).filter(|owner| {
        owner.as_str() == name || serving.store.record(owner).was.iter().any(|was| was.as_str() == name)
    });
    let Some(owner) = owner else {
        let reason = if current.host(name).is_some() { Reason::WrongToken } else { Reason::UnknownHost };
        return Err(serving.refuse(request, name, reason));
    };
    // Said twice, because the first answer was lost.
    let is_over = matches!(serving.store.record(&owner).order, Order::Done(_));
    Ok((owner, token, is_over))
}

/// Takes a report, from who has the token of the build.
pub async fn report(serving: &Serving, request: &Request, name: &str, report: Report) -> Answer {
    let (host, token, is_over) = match reported_by(serving, request, name) {
        Ok(reported) => reported,
        Err(refusal) => return refusal,
    };
    if report == Report::Progress && !serving.may_report(&host) {
        return Answer::refusal(429, "this machine reports too much").with("retry-after", "10");
    }
    let happening = match report {
        Report::Success if is_over => return Answer::text("thank you\n"),
        Report::Progress if is_over => return serving.refuse(request, name, Reason::ExpiredToken),
        Report::Success => Happening::Success(token),
        Report::Progress => Happening::Progress { text: shortened(&request.body), token },
    };
    let happened = serving.store.happened(&host, happening, &request.client.shown()).await;
    let after = serving.store.record(&host);
    // A host that is renamed at this moment has no record of the old name: the machine says it again.
    let is_kept =
        report == Report::Progress || after.token.is_some_and(|own| own.is(&token) && after.success.is_some());
    match happened {
        Ok(()) if is_kept => {
            tracing::info!(host = host.as_str(), state = after.state.word(), "{}", after.last);
            Answer::text("thank you\n")
        }
        Ok(()) => Answer::refusal(503, "the report came at the wrong moment; send it again").with("retry-after", "5"),
        Err(error) => {
            tracing::error!(%error, host = host.as_str(), "a report could not be kept");
            Answer::refusal(503, "the report could not be kept; send it again").with("retry-after", "5")
        }
    }
}

/// Gives the token of its build to a host whose loader could not bring it one: PXELINUX and GRUB take their scripts from
/// files. Who may have the kickstart may have it.
pub async fn give_token(serving: &Serving, request: &Request, name: &str) -> Answer {
    let snapshot = serving.snapshot.load_full();
    let Some(current) = snapshot.current.as_deref() else { return not_ready() };
    let Some(host) = named(serving, request, current, name) else {
        return serving.refuse(request, "", Reason::UnknownHost);
    };
    if snapshot.lacks_pinned(host) {
        return lacks_pinned();
    }
    let (served, host) = snapshot.of(current, host);
    let record = serving.store.record(&host.name);
    let entry = match next_entry(served, host, &record) {
        Ok(entry) => entry,
        Err(fault) => return Answer::failure(&fault),
    };
    if let Err(reason) = allowed(serving, request, (current, served), host, (&entry, &record, What::Kickstart)) {
        return serving.refuse(request, name, reason);
    }
    let happening = match new_token() {
        Ok(token) => Happening::Token(token),
        Err(fault) => return Answer::failure(&fault),
    };
    if let Err(error) = serving.store.happened(&host.name, happening, &request.client.shown()).await {
        return Answer::failure(&error.to_string());
    }
    match serving.store.record(&host.name).token {
        Some(token) => Answer::text(token.reveal()).private(),
        None => Answer::refusal(503, "somebody ordered something else meanwhile").with("retry-after", "5"),
    }
}

/// One line of plain text.
fn shortened(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let plain = |c: char| if c.is_control() || c == char::REPLACEMENT_CHARACTER { ' ' } else { c };
    let line: String = text.chars().map(plain).take(LONGEST_REPORT).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { "progress".to_owned() } else { line }
}

/// What a host does at its next boot, in words and as an entry.
///
/// # Errors
/// It cannot be made: a sentence.
pub fn next_entry<'s>(served: &'s Served, host: &Host, record: &Arc<Record>) -> Result<Cow<'s, BootEntry>, String> {
    let plan = served.plan().ok_or("[site] has no `server`")?;
    let entry = plan.entry_of(host, &record.next(&served.declared(host)))?;
    // The last word: whatever the inventory makes of an action, nothing builds that was not ordered as a build.
    let may = record.may_build(&entry.action) || !builds(&served.generation().inventory, host, &entry);
    Ok(if may { entry } else { Cow::Owned(BootEntry::local()) })
}
