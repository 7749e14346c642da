//! Storms: how many requests are answered at a time, who waits in line, who is told to come again.
//!
//! Three classes, so that a thousand machines that fetch kernels leave room for those that fetch kickstarts, and both
//! for the operator who wants to know what is going on. In a class who comes first is answered first, and no client
//! has more than its share. A permit is given back when it is dropped: it cannot leak.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::inventory::serve::{Serve, Slots};

/// How long a request waits in line.
const PATIENCE: Duration = Duration::from_secs(20);

/// What kind of request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Of operators and browsers.
    Operator,
    /// Boot scripts, kickstarts, reports.
    Boot,
    /// Files.
    Bulk,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 3] = [Class::Operator, Class::Boot, Class::Bulk];

    /// Its word, for logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Boot => "boot",
            Self::Bulk => "bulk",
        }
    }
}

/// All classes.
#[derive(Debug)]
pub struct Admission {
    operator: Line,
    boot: Line,
    bulk: Line,
}

/// One class.
#[derive(Debug)]
pub struct Line {
    free: Arc<Semaphore>,
    bounds: Slots,
    waiting: AtomicUsize,
    /// Requests of each client, waiting or being answered.
    clients: Arc<Mutex<HashMap<IpAddr, u32>>>,
    /// Requests that were told to come again.
    pub deferred: AtomicU64,
}

/// The right to be answered, for as long as it is held.
#[derive(Debug)]
pub struct Permit {
    _slot: OwnedSemaphorePermit,
    _share: Option<Share>,
}

/// One request of a client.
#[derive(Debug)]
struct Share {
    clients: Arc<Mutex<HashMap<IpAddr, u32>>>,
    client: IpAddr,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = clients.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

/// There is no room now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// How many are before it.
    pub position: usize,
    /// In how many seconds it may come again.
    pub seconds: u32,
}

/// One that waits; it counts until it is answered or goes away.
struct Waiting<'w>(&'w AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    /// With these bounds.
    pub fn new(serve: &Serve) -> Self {
        let line = |bounds: Slots| Line {
            free: Arc::new(Semaphore::new(bounds.slots as usize)),
            bounds,
            waiting: AtomicUsize::new(0),
            clients: Arc::default(),
            deferred: AtomicU64::new(0),
        };
        Self { operator: line(serve.operator_slots), boot: line(serve.boot_slots), bulk: line(serve.bulk_slots) }
    }

    /// The line of a class.
    pub fn line(&self, class: Class) -> &Line {
        match class {
            Class::Operator => &self.operator,
            Class::Boot => &self.boot,
            Class::Bulk => &self.bulk,
        }
    }
}

impl Line {
    /// Waits for a place.
    ///
    /// # Errors
    /// The line is full, the client has its share, or it waited too long.
    pub async fn admit(&self, client: Option<IpAddr>) -> Result<Permit, Busy> {
        let share = match client {
            Some(client) => Some(self.share(client).ok_or_else(|| self.busy())?),
            None => None,
        };
        if let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(Permit { _slot: slot, _share: share });
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.bounds.queue as usize {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(self.busy());
        }
        let waiting = Waiting(&self.waiting);
        let slot = tokio::time::timeout(PATIENCE, Arc::clone(&self.free).acquire_owned()).await;
        drop(waiting);
        match slot {
            Ok(Ok(slot)) => Ok(Permit { _slot: slot, _share: share }),
            _ => Err(self.busy()),
        }
    }

    fn share(&self, client: IpAddr) -> Option<Share> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry(client).or_default();
        if *count >= self.bounds.per_client {
            return None;
        }
        *count += 1;
        drop(clients);
        Some(Share { clients: Arc::clone(&self.clients), client })
    }

    /// Those who come together are sent away for different times, so that they do not come back together.
    fn busy(&self) -> Busy {
        self.deferred.fetch_add(1, Ordering::Relaxed);
        let position = self.waiting.load(Ordering::Relaxed) + 1;
        let least = (position / self.bounds.slots.max(1) as usize).clamp(1, 20);
        let least = u32::try_from(least).unwrap_or(20);
        let mut chance = [0; 2];
        let _ = getrandom::fill(&mut chance);
        Busy { position, seconds: least + u32::from(u16::from_be_bytes(chance)) % (least + 5) }
    }

    /// How many are being answered, and how many wait.
    pub fn load(&self) -> (usize, usize) {
        let free = self.free.available_permits();
        ((self.bounds.slots as usize).saturating_sub(free), self.waiting.load(Ordering::Relaxed))
    }
}
