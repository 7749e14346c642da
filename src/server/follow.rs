//! Who follows the source: a new revision is compiled and checked as a whole, then it is what is served, in one step. A
//! broken one is told, and the last good one stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::assemble::{Assembled, Means, assemble, reach};
use crate::boot::Handing;
use crate::boot::state::{Happening, Order as HostOrder};
use crate::compare::compare;
use crate::compare::text::text;
use crate::diagnostic::{Diagnostics, Severity, to_text};
use crate::eval;
use crate::expand::Program;
use crate::inventory::serve::Serve;
use crate::server::serving::{Order, Serving, limits};
use crate::server::snapshot::{Broken, Past, Pin, Served, Snapshot};
use crate::source::Sources;
use crate::source::revision::{Origin, Revision};
use crate::store::{Store, now};

/// How many generations the history has.
const HISTORY: usize = 50;
/// The setting that holds which commit is being compiled.
const TRYING: &str = "trying";
/// The longest report of a broken revision, in bytes.
const LONGEST_REPORT: usize = 64 << 10;
/// How much of a difference is kept, in bytes.
const LONGEST_DIFFERENCE: usize = 256 << 10;

/// What a revision is made into a generation with.
#[derive(Clone, Debug)]
pub struct Kitchen {
    /// Where revisions come from.
    pub origin: Origin,
    /// What paths of the inventory are relative to.
    pub directory: PathBuf,
    /// The text of a secret that is given elsewhere than in a file.
    pub secret: fn(&str) -> Option<String>,
    /// Whether `<eval>` may run programs.
    pub allows_eval: bool,
    /// What flags say instead of the inventory.
    pub overrides: Overrides,
}

/// Flags that win over the inventory.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Where machines are listened to.
    pub listen: Vec<std::net::SocketAddr>,
}

impl Overrides {
    /// The settings of an inventory with the flags over them.
    pub fn over(&self, serve: Option<&Serve>) -> Serve {
        let mut serve = serve.cloned().unwrap_or_default();
        if !self.listen.is_empty() {
            serve.listen.clone_from(&self.listen);
        }
        serve
    }
}

fn refuses_programs(_: &Program) -> Result<String, String> {
    Err("is not run: the server runs programs of a description only with --allow-eval".to_owned())
}

impl Kitchen {
    /// Makes a generation.
    ///
    /// # Errors
    /// It is broken: the report.
    pub fn make(&self, revision: &Revision) -> Result<Served, Broken> {
        self.compiled(revision).map_err(|broken| Broken { report: self.without_our_paths(&broken.report), ..broken })
    }

    /// Anybody may see a report: paths are those of the site, not of this machine.
    fn without_our_paths(&self, report: &str) -> String {
        let mut report = report.to_owned();
        if let Origin::Directory(file) = &self.origin {
            let directory = file.parent().unwrap_or(Path::new("")).display().to_string();
            report = report.replace(&format!("{}/", directory.trim_end_matches('/')), "");
        }
        let local = self.directory.display().to_string();
        if local.len() > 1 { report.replace(&format!("{}/", local.trim_end_matches('/')), "") } else { report }
    }

    fn compiled(&self, revision: &Revision) -> Result<Served, Broken> {
        let broken = |report: String| Broken {
            is_unreachable: false,
            revision: revision.commit().unwrap_or_default().to_owned(),
            report,
            at: now(),
        };
        let means = Means {
            directory: &self.directory,
            secret: &self.secret,
            runner: if self.allows_eval { &eval::run } else { &refuses_programs },
            handing: Handing::Server,
            reach: reach(revision, true),
        };
        let (mut sources, mut found) = (Arc::new(Sources::default()), Diagnostics::default());
        let assembled = assemble(revision, means, &mut sources, &mut found);
        let assembled = assembled.map_err(|error| broken(error.to_string()))?;
        match assembled.filter(|_| !found.has_errors()) {
            Some(assembled) if assembled.plan.is_none() => Err(broken(
                "error: [site] has no `server`: the URL where machines reach this server, such as `http://10.1.1.1:8080`\n"
                    .to_owned(),
            )),
            Some(assembled) => Ok(served(revision, assembled)),
            None => Err(broken(report(&found, &sources))),
        }
    }

    /// Brings the source up to date, and gives its newest revision.
    ///
    /// # Errors
    /// The source cannot be reached.
    pub fn newest(&self) -> Result<Revision, Broken> {
        let opened = self.origin.refresh().and_then(|()| self.origin.open());
        opened.map_err(|error| Broken {
            is_unreachable: true,
            revision: String::new(),
            report: format!("{error}\n"),
            at: now(),
        })
    }

    /// Makes another revision.
    ///
    /// # Errors
    /// There is none of this name, or it is broken: the report.
    pub fn at(&self, revision: &str) -> Result<Served, String> {
        let revision = self.origin.at(revision).map_err(|error| error.to_string())?;
        self.make(&revision).map_err(|broken| broken.report)
    }
}

fn served(revision: &Revision, assembled: Assembled) -> Served {
    let summary = match revision {
        Revision::Directory(_) => String::new(),
        Revision::Commit(commit) => commit.summary.clone(),
    };
    Served::new(assembled, revision.commit().map(str::to_owned), summary, now())
}

/// What is wrong with a revision, as `kgen check` says it.
pub fn report(found: &Diagnostics, sources: &Sources) -> String {
    let mut report = String::new();
    for diagnostic in found.sorted().into_iter().filter(|diagnostic| diagnostic.severity == Severity::Error) {
        report.push_str(&to_text(diagnostic, sources, false));
        report.push('\n');
        if report.len() > LONGEST_REPORT {
            report.truncate(report.floor_char_boundary(LONGEST_REPORT));
            report.push_str("..\n");
            break;
        }
    }
    report
}

/// Who follows.
#[derive(Debug)]
pub struct Follower {
    /// What generations are made with.
    pub kitchen: Arc<Kitchen>,
    /// What they are made for.
    pub serving: Arc<Serving>,
}

impl Follower {
    /// Follows until nobody can order anything any more. `changed` tells of changes in a directory.
    pub async fn follow(
        self,
        mut orders: mpsc::Receiver<(Order, oneshot::Sender<Result<String, String>>)>,
        mut changed: mpsc::Receiver<()>,
    ) {
        loop {
            let pause = Duration::from_secs(u64::from(self.serving.serve.load().poll_seconds));
            tokio::select! {
                order = orders.recv() => match order {
                    Some((order, answer)) => drop(answer.send(self.carry_out(order).await)),
                    None => return,
                },
                Some(()) = changed.recv() => {
                    // Who writes one file writes the next.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    while changed.try_recv().is_ok() {}
                    let _ = self.look(false).await;
                }
                () = tokio::time::sleep(pause) => drop(self.look(false).await),
            }
        }
    }

    async fn carry_out(&self, order: Order) -> Result<String, String> {
        match order {
            Order::Refresh => self.look(true).await,
            Order::Follow => {
                self.hold(None).await?;
                self.look(true).await
            }
            Order::Rollback(to) => self.roll_back(to).await,
            Order::Pin(target, revision) => self.pin(target, revision).await,
            Order::Unpin(target) => self.unpin(&target).await,
        }
    }

    /// Looks at the source, and takes what is new. `anew` compiles also what seems to be the same, because secrets and
    /// boot files may be others.
    async fn look(&self, anew: bool) -> Result<String, String> {
        let snapshot = self.serving.snapshot.load_full();
        if let Some(held) = &snapshot.held {
            return Ok(format!("{held} is held; `kgen follow` follows the source again"));
        }
        let nothing = || Ok("nothing is new".to_owned());
        let kitchen = Arc::clone(&self.kitchen);
        let revision = match blocking(move || kitchen.newest()).await? {
            Ok(revision) => revision,
            Err(broken) => return Err(self.tell_broken(broken)),
        };
        let current = snapshot.current.as_deref();
        let commit = revision.commit().map(str::to_owned);
        if commit.is_some() && !anew {
            let broken = snapshot.broken.as_ref().map(|broken| broken.revision.as_str());
            if broken.is_some() && broken == commit.as_deref() {
                return nothing();
            }
            if current.and_then(|served| served.commit.as_deref()) == commit.as_deref() {
                self.forget_broken();
                return nothing();
            }
        }
        let kitchen = Arc::clone(&self.kitchen);
        self.trying(commit).await?;
        let made = blocking(move || kitchen.make(&revision)).await;
        self.trying(None).await?;
        match made? {
            Ok(served) if !anew && current.is_some_and(|current| current.id() == served.id()) => {
                self.forget_broken();
                nothing()
            }
            Ok(served) => Ok(self.take(Arc::new(served), None).await),
            Err(broken) => Err(self.tell_broken(broken)),
        }
    }

    /// Keeps which commit is being compiled: if that ends the server, it is not tried again when it starts.
    async fn trying(&self, commit: Option<String>) -> Result<(), String> {
        if commit.is_none() && self.serving.store.setting(TRYING).is_none() {
            return Ok(());
        }
        self.serving.store.set(TRYING, commit).await.map_err(|error| error.to_string())
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut next = (*self.serving.snapshot.load_full()).clone();
        change(&mut next);
        self.serving.snapshot.store(Arc::new(next));
    }

    fn forget_broken(&self) {
        if self.serving.snapshot.load().broken.is_some() {
            self.change(|next| next.broken = None);
        }
    }

    /// Keeps why the newest revision is not served; tells it once.
    fn tell_broken(&self, broken: Broken) -> String {
        let (report, sentence) = (broken.report.clone(), broken.sentence());
        let is_known = self.serving.snapshot.load().broken.as_ref().is_some_and(|known| known.report == report);
        if !is_known {
            self.serving.metrics.broken.inc();
            tracing::error!(revision = broken.revision, "{}:\n{report}", broken.sentence());
            self.change(|next| next.broken = Some(broken));
        }
        format!("{sentence}; what was served before goes on:\n{report}")
    }

    /// Serves a generation from now on.
    async fn take(&self, served: Arc<Served>, held: Option<String>) -> String {
        let serve = self.kitchen.overrides.over(served.generation().inventory.serve.as_ref());
        self.serving.store.bound(limits(&serve), serve.events).await;
        if serve.needs_restart(&self.serving.serve.load()) {
            tracing::warn!(
                "sockets and slots of [serve] are others now; they are taken when the server is started again"
            );
        }
        self.serving.serve.store(Arc::new(serve));
        let (id, made) = (served.id().to_owned(), Arc::clone(&served));
        let difference = self.difference(&served).await;
        self.change(|next| {
            let is_same = next.current.as_ref().is_some_and(|current| current.id() == made.id());
            if !is_same {
                next.history.insert(0, past(&made));
                next.history.truncate(HISTORY);
                next.previous.clone_from(&next.current);
                next.difference = difference;
            }
            next.current = Some(made);
            if held.is_none() {
                next.broken = None;
            }
            next.held = held;
        });
        self.serving.metrics.taken.inc();
        tracing::info!(
            generation = id,
            commit = served.commit,
            hosts = served.generation().inventory.hosts.len(),
            "taken"
        );
        self.settle(&served).await;
        if let Some(commit) = &served.commit
            && let Err(error) = self.serving.store.set("last_good", Some(commit.clone())).await
        {
            tracing::error!(%error, "which revision is served is not kept");
        }
        format!("generation {id} is served")
    }

    /// What changes on machines if a generation is served instead of what is served now. No secret is in it.
    async fn difference(&self, next: &Arc<Served>) -> Option<Arc<str>> {
        let current = self.serving.snapshot.load().current.clone()?;
        let next = Arc::clone(next);
        let compared = blocking(move || text(&compare(&current.assembled, &next.assembled), false)).await;
        compared
            .map(|mut text| {
                text.truncate(text.floor_char_boundary(LONGEST_DIFFERENCE));
                text.into()
            })
            .ok()
    }

    /// Hosts whose order is done are free again where the inventory says something else now.
    async fn settle(&self, served: &Served) {
        let records = self.serving.store.records();
        let mut taken = Vec::new();
        for host in served.generation().inventory.hosts.values() {
            let Some(record) = records.get(&host.name).filter(|record| matches!(record.order, HostOrder::Done(_)))
            else {
                continue;
            };
            let happening = Happening::Taken { declared: host.boot.clone() };
            if record.after(&happening, now(), self.serving.store.limits()).is_some() {
                taken.push((host.name.clone(), happening));
            }
        }
        if !taken.is_empty()
            && let Err(error) = self.serving.store.all_happened(taken, "").await
        {
            tracing::error!(%error, "what the inventory says now is not kept");
        }
    }

    async fn hold(&self, revision: Option<String>) -> Result<(), String> {
        self.serving.store.set("held", revision.clone()).await.map_err(|error| error.to_string())?;
        self.change(|next| next.held = revision);
        Ok(())
    }

    /// Serves what was served before, or a revision, and stays there.
    async fn roll_back(&self, to: Option<String>) -> Result<String, String> {
        let snapshot = self.serving.snapshot.load_full();
        let before = snapshot.previous.clone();
        let served = match to {
            None => before.ok_or("nothing was served before; name a revision")?,
            Some(revision) => match before.filter(|served| served.is_called(&revision)) {
                Some(served) => served,
                None => {
                    let kitchen = Arc::clone(&self.kitchen);
                    Arc::new(blocking(move || kitchen.at(&revision)).await??)
                }
            },
        };
        let held = served.commit.clone().unwrap_or_else(|| format!("generation {}", served.id()));
        // A directory has no revision to come back to when the server is started again.
        if served.commit.is_some() {
            self.hold(Some(held.clone())).await?;
        }
        let done = self.take(served, Some(held)).await;
        Ok(format!("{done} and held; `kgen follow` follows the source again"))
    }

    /// What is kept of pins: targets and revisions.
    async fn keep_pins(&self, pins: &[Pin]) -> Result<(), String> {
        let pairs: Vec<_> = pins.iter().map(|pin| (&pin.target, &pin.revision)).collect();
        let text = serde_json::to_string(&pairs).map_err(|error| error.to_string())?;
        let kept = (!pairs.is_empty()).then_some(text);
        self.serving.store.set("pins", kept).await.map_err(|error| error.to_string())
    }

    async fn pin(&self, target: String, revision: String) -> Result<String, String> {
        let snapshot = self.serving.snapshot.load_full();
        let current = snapshot.current.as_ref().ok_or("nothing is served yet")?;
        let inventory = &current.generation().inventory;
        let is_known = match target.strip_prefix('@') {
            Some(appliance) => inventory.appliances.contains_key(appliance),
            None => inventory.hosts.contains_key(target.as_str()),
        };
        if !is_known {
            return Err(format!("there is no host or @appliance `{}`", target.escape_debug()));
        }
        let (kitchen, name) = (Arc::clone(&self.kitchen), revision.clone());
        let served = Arc::new(blocking(move || kitchen.at(&name)).await??);
        let id = served.id().to_owned();
        // The commit, so that a branch that moves takes nobody with it.
        let revision = served.commit.clone().unwrap_or(revision);
        let mut pins = snapshot.pins.clone();
        pins.retain(|pin| pin.target != target);
        let shown = target.clone();
        pins.push(Pin { target, revision, served: Some(served), fault: String::new() });
        self.keep_pins(&pins).await?;
        self.change(|next| next.pins = pins);
        Ok(format!("{shown} gets generation {id}"))
    }

    async fn unpin(&self, target: &str) -> Result<String, String> {
        let mut pins = self.serving.snapshot.load().pins.clone();
        let before = pins.len();
        pins.retain(|pin| pin.target != target);
        if pins.len() == before {
            return Err(format!("`{}` is not pinned", target.escape_debug()));
        }
        self.keep_pins(&pins).await?;
        self.change(|next| next.pins = pins);
        Ok(format!("{target} gets what all get"))
    }
}

/// Does something that takes long beside what answers requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| format!("a bug of kgen: {error}"))
}

/// What the state keeps of what was served before.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The revision that was held.
    pub held: Option<String>,
    /// The last commit that was served.
    pub last_good: Option<String>,
    /// The commit that was being compiled when the server ended.
    pub trying: Option<String>,
    /// Pins: targets and revisions, JSON.
    pub pins: Option<String>,
}

impl Kept {
    /// Reads it.
    pub fn read(store: &Store) -> Self {
        let [held, last_good, trying, pins] = ["held", "last_good", TRYING, "pins"].map(|name| store.setting(name));
        Self { held, last_good, trying, pins }
    }
}

/// The first snapshot: what was held, else the newest, else the last good one; and what hosts are pinned to, so that
/// none of them gets anything else before.
///
/// # Errors
/// There is nothing to be served: why.
pub fn first(kitchen: &Kitchen, kept: &Kept) -> Result<Snapshot, Broken> {
    let mut snapshot = Snapshot { pins: pins(kitchen, kept), ..Snapshot::default() };
    let served = if let Some(held) = &kept.held {
        snapshot.held = Some(held.clone());
        // Somebody went back to it for a reason; the newest would be the worst to take instead.
        kitchen.at(held).map_err(|report| Broken {
            is_unreachable: false,
            revision: held.clone(),
            report: format!("{held} is held, and cannot be served; `kgen serve --follow` takes the newest\n{report}\n"),
            at: now(),
        })?
    } else {
        newest(kitchen, kept).or_else(|broken| {
            let good = kept.last_good.as_deref().and_then(|revision| kitchen.at(revision).ok());
            let Some(good) = good else { return Err(broken) };
            snapshot.broken = Some(broken);
            Ok(good)
        })?
    };
    snapshot.history.push(past(&served));
    snapshot.current = Some(Arc::new(served));
    Ok(snapshot)
}

/// The revisions of pins.
fn pins(kitchen: &Kitchen, kept: &Kept) -> Vec<Pin> {
    let pairs: Vec<(String, String)> =
        kept.pins.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let pin = |(target, revision): (String, String)| match kitchen.at(&revision) {
        Ok(served) => Pin { target, revision, served: Some(Arc::new(served)), fault: String::new() },
        Err(fault) => {
            tracing::error!(target, revision, "a pinned revision cannot be made, and its hosts get nothing: {fault}");
            Pin { target, revision, served: None, fault }
        }
    };
    pairs.into_iter().map(pin).collect()
}

fn newest(kitchen: &Kitchen, kept: &Kept) -> Result<Served, Broken> {
    let revision = kitchen.newest()?;
    match revision.commit() {
        Some(commit) if kept.trying.as_deref() == Some(commit) && kept.last_good.is_some() => Err(Broken {
            is_unreachable: false,
            revision: commit.to_owned(),
            report: "the server ended while it compiled this revision; `kgen refresh` tries again\n".to_owned(),
            at: now(),
        }),
        _ => kitchen.make(&revision),
    }
}

fn past(served: &Served) -> Past {
    Past {
        generation: served.id().to_owned(),
        commit: served.commit.clone(),
        summary: served.summary.clone(),
        at: now(),
    }
}

/// Tells of changes below a directory, but not of those below `except`.
///
/// # Errors
/// The system does not tell.
pub fn watch(directory: &Path, except: &Path) -> Result<(notify::RecommendedWatcher, mpsc::Receiver<()>), String> {
    use notify::Watcher;
    let (sender, changed) = mpsc::channel(1);
    let except = except.to_path_buf();
    let tell = move |event: Result<notify::Event, notify::Error>| {
        let is_ours = |event: &notify::Event| event.paths.iter().all(|path| path.starts_with(&except));
        let is_read = |event: &notify::Event| event.kind.is_access();
        if event.is_ok_and(|event| !is_ours(&event) && !is_read(&event)) {
            // One that waits already is enough.
            let _ = sender.try_send(());
        }
    };
    let mut watcher = notify::recommended_watcher(tell).map_err(|error| error.to_string())?;
    watcher.watch(directory, notify::RecursiveMode::Recursive).map_err(|error| error.to_string())?;
    Ok((watcher, changed))
}
