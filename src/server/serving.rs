//! What all routes share: what is served, what is known of machines, what is counted.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};

use crate::boot::happening::Limits;
use crate::boot::token::Token;
use crate::inventory::serve::Serve;
use crate::name::HostName;
use crate::server::access::{Reason, operator};
use crate::server::admission::Admission;
use crate::server::answer::Answer;
use crate::server::metrics::Metrics;
use crate::server::request::{Client, Request};
use crate::server::snapshot::Snapshot;
use crate::store::Store;

/// How many refusals are told one by one until the next summary.
pub const TOLD_REFUSALS: u64 = 200;

/// How many reports of one host are taken until the next summary.
const MOST_REPORTS: u32 = 100;

/// A server at work.
#[derive(Debug)]
pub struct Serving {
    /// What is served now.
    pub snapshot: ArcSwap<Snapshot>,
    /// The settings in force: those of the inventory when the server was started or reloaded, and flags.
    pub serve: ArcSwap<Serve>,
    /// What is known of machines.
    pub store: Store,
    /// Who is answered, who waits.
    pub admission: Admission,
    /// Turns true when the server stops.
    pub stopping: watch::Receiver<bool>,
    /// What is counted.
    pub metrics: Metrics,
    /// Reports of hosts since the same moment.
    pub reports: Mutex<HashMap<HostName, u32>>,
    /// Refusals and failures since it was last told how many there were.
    pub refused: AtomicU64,
    /// What paths of the inventory are relative to.
    pub directory: PathBuf,
    /// To who follows the source.
    pub orders: mpsc::Sender<(Order, oneshot::Sender<Result<String, String>>)>,
}

/// What an operator wants of what is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Look at the source now.
    Refresh,
    /// Go back: to a revision, or to what was served before.
    Rollback(Option<String>),
    /// Follow the source again.
    Follow,
    /// Give a host, or the hosts of `@APPLIANCE`, a revision of their own.
    Pin(String, String),
    /// Take that away.
    Unpin(String),
    /// Put into force what the current generation loosens.
    Accept,
}

/// What the inventory bounds.
pub fn limits(serve: &Serve) -> Limits {
    Limits { token: u64::from(serve.token_minutes) * 60_000, attempts: serve.attempts }
}

/// 128 bits that nobody can guess.
///
/// # Errors
/// The machine has no source of chance.
pub fn new_token() -> Result<Token, String> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| format!("no source of chance: {error}"))?;
    Ok(Token::new(bits))
}

impl Serving {
    /// Refuses: the log and the metrics get the reason, who asks does not.
    pub fn refuse(&self, request: &Request, host: &str, reason: Reason) -> Answer {
        self.metrics.refused(reason);
        // Whoever asks a thousand times does not fill the disk with it.
        if self.may_tell() {
            let (client, id) = (request.client.shown(), format!("{:x}", request.id));
            tracing::warn!(reason = reason.word(), host, client, request = id, "refused");
        }
        match reason {
            Reason::NotOperator => Answer::refusal(401, "this is for operators").with("www-authenticate", "Bearer"),
            _ => Answer::refusal(403, "access denied"),
        }
    }

    /// Whether a host may report once more now: one that tells a thousand things would push out what others told.
    pub fn may_report(&self, host: &HostName) -> bool {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let count = reports.entry(host.clone()).or_default();
        *count += 1;
        *count <= MOST_REPORTS
    }

    /// Whether one more line may go to the log until the next summary.
    pub fn may_tell(&self) -> bool {
        self.refused.fetch_add(1, Ordering::Relaxed) < TOLD_REFUSALS
    }

    /// The operator who asks.
    ///
    /// # Errors
    /// The answer to who is none.
    pub fn operator(&self, request: &Request) -> Result<String, Answer> {
        operator(request, &self.serve.load()).map_err(|reason| self.refuse(request, "", reason))
    }

    /// Whether an operator asks; nothing is refused or counted.
    pub fn is_operator(&self, request: &Request) -> bool {
        (request.bearer.is_some() || matches!(request.client, Client::Socket(_)))
            && operator(request, &self.serve.load()).is_ok()
    }

    /// Passes an order on, and waits until it is carried out.
    ///
    /// # Errors
    /// A sentence: why it is not.
    pub async fn order(&self, order: Order) -> Result<String, String> {
        let (answer, done) = oneshot::channel();
        let gone = || "the server is being stopped".to_owned();
        self.orders.send((order, answer)).await.map_err(|_| gone())?;
        done.await.map_err(|_| gone())?
    }
}
