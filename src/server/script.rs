//! Boot scripts and what lies beside them: `/boot/..`. By hardware address, IP address and the generic ones; then the
//! site's boot files.

use crate::boot::BootEntry;
use crate::boot::happening::{Happening, Served as Given, Told};
use crate::boot::order::BootState;
use crate::boot::state::Record;
use crate::files::Loader;
use crate::inventory::Host;
use crate::inventory::action::Way;
use crate::inventory::address::HardwareAddress;
use crate::server::access;
use crate::server::answer::{Answer, kind};
use crate::server::kickstart::{lacks_pinned, next_entry, not_ready};
use crate::server::request::Request;
use crate::server::serving::{Serving, new_token};
use crate::server::tree;

/// Gives what is at a path below `boot/` that is a script's.
pub async fn give(serving: &Serving, request: &Request, path: &str) -> Answer {
    let snapshot = serving.snapshot.load_full();
    let Some(current) = snapshot.current.as_deref() else { return not_ready() };
    // Some firmware writes hardware addresses in capitals.
    let found = current.script(path).or_else(|| current.script(&path.to_ascii_lowercase()));
    if let Some((_, host)) = found
        && snapshot.lacks_pinned(host)
    {
        return lacks_pinned();
    }
    if let Some((loader, host)) = found {
        let (served, host) = snapshot.of(current, host);
        return of_host(serving, request, (served, host), loader).await;
    }
    if let Some(bytes) = current.file(path) {
        return Answer::whole(kind_of(path), bytes.clone()).with("cache-control", "no-cache");
    }
    // What asks with an address that nobody has is seen; the generic script is what it gets next.
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let name = name.trim_end_matches(".ipxe").trim_start_matches("grub.cfg-");
    let address = if path.starts_with("ipxe/") { Some(name) } else { name.strip_prefix("01-") };
    if let Some(address) = address.and_then(|address| HardwareAddress::parse(address).ok())
        && !request.is_head()
        && current.host_with(&address).is_none()
    {
        serving.store.sighted(&address.to_string(), &request.client.shown());
    }
    Answer::nothing()
}

fn kind_of(path: &str) -> &'static str {
    if path.ends_with(".img") { kind::BYTES } else { kind::TEXT }
}

/// A file of the site that lies beside the scripts.
pub fn file(serving: &Serving, request: &Request, path: &[&str]) -> Answer {
    let snapshot = serving.snapshot.load();
    let Some(current) = snapshot.current.as_deref() else { return not_ready() };
    match &current.generation().inventory.site.boot_files {
        Some((directory, _)) => tree::give(serving, request, &serving.directory.join(directory), path),
        None => Answer::nothing(),
    }
}

async fn of_host(
    serving: &Serving,
    request: &Request,
    (served, host): (&crate::server::snapshot::Served, &Host),
    loader: Loader,
) -> Answer {
    let record = serving.store.record(&host.name);
    let entry = match next_entry(served, host, &record) {
        Ok(entry) => entry.into_owned(),
        Err(fault) => return Answer::failure(&fault),
    };
    let inventory = &served.generation().inventory;
    let whose = access::script(request.client, inventory, host, serving.serve.load().token_to);
    if entry.has_token()
        && let Err(reason) = whose
    {
        return serving.refuse(request, host.name.as_str(), reason);
    }
    let way = inventory.actions.get(&entry.action).map_or(Way::Local, |action| action.way);
    // Who only looks moves nothing, and who is somebody else neither.
    if request.is_head() || whose.is_err() {
        let entry = entry.with_token(&"0".repeat(32));
        return Answer::whole(kind::TEXT, loader.script(host.name.as_str(), &entry)).private();
    }
    let declared = served.declared(host);
    let told = Told { action: record.next(&declared), declared };
    match seen(serving, request, host, (&entry, way, told)).await {
        Ok((record, entry)) => {
            let token = record.token.map(|token| token.reveal()).unwrap_or_default();
            let script = loader.script(host.name.as_str(), &entry.with_token(&token));
            Answer::whole(kind::TEXT, script).private()
        }
        Err(fault) => {
            tracing::error!(fault, host = host.name.as_str(), "a boot script was not served");
            Answer::refusal(503, "the state of this machine could not be kept").with("retry-after", "5")
        }
    }
}

/// Keeps that the host got its script, and gives what it gets: if that was one too many, its own disk.
async fn seen(
    serving: &Serving,
    request: &Request,
    host: &Host,
    (entry, way, told): (&BootEntry, Way, Told),
) -> Result<(std::sync::Arc<Record>, BootEntry), String> {
    let builds = entry.has_token() && way == Way::Kernel;
    let token = if entry.has_token() { Some(new_token()?) } else { None };
    let given = Given { told: told.clone(), builds, local: way == Way::Local, token };
    let happened = serving.store.happened(&host.name, Happening::Script(given), &request.client.shown()).await;
    let after = serving.store.record(&host.name);
    match happened {
        Ok(()) => {}
        // What is no build can go on without a trace.
        Err(error) if token.is_none() => {
            tracing::error!(%error, host = host.name.as_str(), "a boot script was served, which is not kept");
        }
        Err(error) => return Err(error.to_string()),
    }
    if !after.is_so(&told) && after.state != BootState::Failed {
        return Err("somebody ordered something else meanwhile".to_owned());
    }
    if after.state == BootState::Failed && way != Way::Local {
        return Ok((after, BootEntry::local()));
    }
    if entry.has_token() && after.token.is_none() {
        return Err("somebody ordered something else meanwhile".to_owned());
    }
    Ok((after, entry.clone()))
}
