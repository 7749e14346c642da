//! Who follows the source: a new revision is compiled and checked as a whole, then it is what is served, in one step. A
//! broken one is told, and the last good one stays.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::compare::compare;
use crate::compare::text::text;
use crate::server::making::Making;
use crate::server::serving::{Order, Serving, limits};
use crate::server::snapshot::{Broken, Past, Pin, Served, Snapshot};
use crate::server::start::{TRYING, tell_silent};
use crate::server::taken::{How, InForce, guards, in_force, take, tell_waiting};
use crate::store::clock::wall;

/// How many generations the history has.
const HISTORY: usize = 50;
/// How much of a difference is kept, in bytes.
const LONGEST_DIFFERENCE: usize = 256 << 10;

/// Who follows.
#[derive(Debug)]
pub struct Follower {
    /// What generations are made with.
    pub making: Arc<Making>,
    /// What they are made for.
    pub serving: Arc<Serving>,
}

/// Who waits for an order to be carried out.
pub type Waiting = oneshot::Sender<Result<String, String>>;

/// The source being brought up to date, beside everything else: it may be far away, and hang.
#[derive(Default)]
struct Fetch {
    under_way: Option<JoinHandle<Result<(), Broken>>>,
    /// Who waits for it.
    waiting: Vec<Waiting>,
    /// Who came after it began, and waits for the next.
    next: Vec<Waiting>,
}

impl Fetch {
    fn begin(&mut self, making: &Arc<Making>) {
        if self.under_way.is_none() {
            let making = Arc::clone(making);
            self.under_way = Some(tokio::task::spawn_blocking(move || making.refresh()));
        }
    }

    fn wait(&mut self, answer: Waiting, making: &Arc<Making>) {
        if self.under_way.is_some() {
            self.next.push(answer);
        } else {
            self.waiting.push(answer);
            self.begin(making);
        }
    }

    /// How it ended; never where none is under way.
    async fn ended(&mut self) -> Result<Result<(), Broken>, String> {
        let Some(task) = &mut self.under_way else { return std::future::pending().await };
        let ended = task.await.map_err(|error| format!("a bug of kgen: {error}"));
        self.under_way = None;
        ended
    }
}

impl Follower {
    /// Follows until nobody can order anything any more. `changed` tells of changes in a directory.
    pub async fn follow(self, mut orders: mpsc::Receiver<(Order, Waiting)>, mut changed: mpsc::Receiver<()>) {
        let mut fetch = Fetch::default();
        // What was served first is what was here, which may not be the newest.
        fetch.begin(&self.making);
        loop {
            let pause = Duration::from_secs(u64::from(self.serving.serve.load().poll_seconds));
            tokio::select! {
                order = orders.recv() => match order {
                    None => return,
                    Some((Order::Refresh, answer)) => fetch.wait(answer, &self.making),
                    Some((Order::Follow, answer)) => match self.hold(None).await {
                        Ok(()) => fetch.wait(answer, &self.making),
                        Err(fault) => drop(answer.send(Err(fault))),
                    },
                    Some((order, answer)) => drop(answer.send(self.carry_out(order).await)),
                },
                ended = fetch.ended() => self.fetched(ended, &mut fetch).await,
                Some(()) = changed.recv() => {
                    // Who writes one file writes the next.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    while changed.try_recv().is_ok() {}
                    fetch.begin(&self.making);
                }
                () = tokio::time::sleep(pause) => fetch.begin(&self.making),
            }
        }
    }

    /// Takes what a fetch brought, and tells who waits for it.
    async fn fetched(&self, ended: Result<Result<(), Broken>, String>, fetch: &mut Fetch) {
        let done = match ended {
            Ok(Ok(())) => self.look(!fetch.waiting.is_empty()).await,
            Ok(Err(broken)) => Err(self.tell_broken(broken)),
            Err(fault) => Err(fault),
        };
        for answer in fetch.waiting.drain(..) {
            let _ = answer.send(done.clone());
        }
        if !fetch.next.is_empty() {
            fetch.waiting = std::mem::take(&mut fetch.next);
            fetch.begin(&self.making);
        }
    }

    async fn carry_out(&self, order: Order) -> Result<String, String> {
        match order {
            Order::Rollback(to) => self.roll_back(to).await,
            Order::Pin(target, revision) => self.pin(target, revision).await,
            Order::Unpin(target) => self.unpin(&target).await,
            Order::Accept => self.accept().await,
            Order::Refresh | Order::Follow => unreachable!("these wait for the source"),
        }
    }

    /// Looks at the source as it is here, and takes what is new. `anew` compiles also what seems to be the same, because
    /// secrets and boot files may be others.
    async fn look(&self, anew: bool) -> Result<String, String> {
        let snapshot = self.serving.snapshot.load_full();
        if let Some(held) = &snapshot.held {
            return Ok(format!("{held} is held; `kgen follow` follows the source again"));
        }
        let nothing = || Ok("nothing is new".to_owned());
        let making = Arc::clone(&self.making);
        let revision = match blocking(move || making.open()).await? {
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
        let making = Arc::clone(&self.making);
        self.trying(commit).await?;
        let made = blocking(move || making.make(&revision)).await;
        self.trying(None).await?;
        match made? {
            Ok(served) if !anew && current.is_some_and(|current| current.generation().is_same(served.generation())) => {
                self.forget_broken();
                nothing()
            }
            Ok(served) => self.take(Arc::new(served), None).await,
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

    /// Serves a generation from now on, once the records of machines follow it.
    async fn take(&self, served: Arc<Served>, held: Option<String>) -> Result<String, String> {
        let difference = self.difference(&served).await;
        let store = &self.serving.store;
        let how = if held.is_some() { How::Held } else { How::Followed };
        take(store, &self.making, &served, how).await.map_err(|error| {
            tracing::error!(%error, generation = served.id(), "not taken");
            format!("what it means for machines could not be kept, so it is not served: {error}")
        })?;
        let InForce { serve, pending } = in_force(store, &self.making, &served);
        for sentence in pending.iter().filter(|_| held.is_none()) {
            tracing::warn!("not in force until `kgen revision accept`: {sentence}");
        }
        self.keep_reports();
        self.serving.store.bound(limits(&serve), serve.events).await;
        if serve.needs_restart(&self.serving.serve.load()) {
            tracing::warn!("listen addresses or slots of [serve] changed; restart the server to apply them");
        }
        // Going back is about what machines get, not about who may order.
        if held.is_none() {
            self.serving.serve.store(Arc::new(serve));
        }
        let is_held = held.is_some();
        let (id, made) = (served.id().to_owned(), Arc::clone(&served));
        self.change(|next| {
            let is_same = next.current.as_ref().is_some_and(|current| current.id() == made.id());
            if !is_same {
                next.history.insert(0, Past::of(&made, wall()));
                next.history.truncate(HISTORY);
                next.previous.clone_from(&next.current);
                next.difference = difference;
            }
            next.current = Some(made);
            if held.is_none() {
                next.broken = None;
                next.pending = pending;
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
        if !is_held {
            tell_silent(&served);
            tell_waiting(store, &served);
        }
        Ok(format!("generation {id} is served"))
    }

    /// Kickstarts go on reporting until an operator accepts that they do not.
    fn keep_reports(&self) {
        let reports = guards(&self.serving.store).is_some_and(|guards| guards.report);
        self.making.keeps_reports.store(reports, Ordering::Relaxed);
    }

    /// Puts into force what the current generation declares and what guards against commits.
    async fn accept(&self) -> Result<String, String> {
        let snapshot = self.serving.snapshot.load_full();
        if snapshot.held.is_some() {
            return Err("a revision is held; `kgen follow` first".to_owned());
        }
        let current = snapshot.current.clone().ok_or("nothing is served yet")?;
        if self.serving.store.last_taken() != Some(current.revision()) {
            return Err("what is served is not what was taken last; `kgen status` says what is broken".to_owned());
        }
        if snapshot.pending.is_empty() {
            return Ok("nothing waits to be accepted".to_owned());
        }
        let store = &self.serving.store;
        take(store, &self.making, &current, How::Accepted).await.map_err(|error| error.to_string())?;
        self.keep_reports();
        let InForce { serve, pending } = in_force(store, &self.making, &current);
        self.serving.serve.store(Arc::new(serve));
        self.change(|next| next.pending = pending);
        // Kickstarts that reported because the generation before said so are made again without it.
        if current.assembled.declares_report != current.generation().inventory.reports()
            && let Err(fault) = self.look(true).await
        {
            tracing::error!("accepted, but kickstarts report until they are made again: {fault}");
        }
        let count = snapshot.pending.len();
        tracing::warn!(generation = current.id(), "accepted: {}", snapshot.pending.join("; "));
        Ok(format!("in force now, {count} in all:\n{}", snapshot.pending.join("\n")))
    }

    /// What changes on machines if a generation is served instead of what is served now. No secret is in it.
    async fn difference(&self, next: &Arc<Served>) -> Option<Arc<str>> {
        let current = self.serving.snapshot.load().current.clone()?;
        let next = Arc::clone(next);
        let compared = blocking(move || text(&compare(&current.assembled, &next.assembled), None, false)).await;
        compared
            .map(|mut text| {
                text.truncate(text.floor_char_boundary(LONGEST_DIFFERENCE));
                text.into()
            })
            .ok()
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
            Some(revision) => {
                if let Some(served) = before.filter(|served| served.is_called(&revision)) {
                    served
                } else {
                    let making = Arc::clone(&self.making);
                    Arc::new(blocking(move || making.at(&revision)).await??)
                }
            }
        };
        let held = served.commit.clone().unwrap_or_else(|| format!("generation {}", served.id()));
        // A directory has no revision to come back to when the server is started again.
        if served.commit.is_some() {
            self.hold(Some(held.clone())).await?;
        }
        let done = self.take(served, Some(held)).await?;
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
        let (making, name) = (Arc::clone(&self.making), revision.clone());
        let served = Arc::new(blocking(move || making.at(&name)).await??);
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
