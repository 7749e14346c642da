//! What is counted, as Prometheus reads it.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::server::access::Reason;
use crate::server::admission::Class;

/// Of requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Route {
    /// The family of routes.
    pub route: &'static str,
    /// The status code.
    pub status: u16,
}

/// One word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Word {
    /// What it is counted by.
    pub kind: &'static str,
}

/// A generation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Id {
    /// Its id.
    pub generation: String,
}

/// All counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Route, Counter>,
    refused: Family<Word, Counter>,
    /// Requests that were told to come again, by class.
    pub deferred: Family<Word, Counter>,
    /// How long they took, from the end of the request's header to the answer's.
    pub seconds: Histogram,
    hosts: Family<Word, Gauge>,
    active: Family<Word, Gauge>,
    waiting: Family<Word, Gauge>,
    generation: Family<Id, Gauge>,
    /// Revisions that were taken.
    pub taken: Counter,
    /// Revisions that are broken.
    pub broken: Counter,
    is_broken: Gauge,
    /// Open connections.
    pub connections: Gauge<i64, std::sync::atomic::AtomicI64>,
    /// Bytes of files that were sent.
    pub file_bytes: Counter<u64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("kgen"),
            requests: Family::default(),
            refused: Family::default(),
            deferred: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.000_05, 4.0, 10)),
            hosts: Family::default(),
            active: Family::default(),
            waiting: Family::default(),
            generation: Family::default(),
            taken: Counter::default(),
            broken: Counter::default(),
            is_broken: Gauge::default(),
            connections: Gauge::default(),
            file_bytes: Counter::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "Requests, by family of routes and status", metrics.requests.clone());
        registry.register("refused", "Refusals, by reason", metrics.refused.clone());
        registry.register("deferred", "Requests told to come again, by class", metrics.deferred.clone());
        let help = "Time until an answer was ready";
        registry.register_with_unit("request", help, Unit::Seconds, metrics.seconds.clone());
        registry.register("hosts", "Hosts by boot state", metrics.hosts.clone());
        registry.register("active", "Requests being answered, by class", metrics.active.clone());
        registry.register("waiting", "Requests that wait, by class", metrics.waiting.clone());
        registry.register("generation", "The generation that is served", metrics.generation.clone());
        registry.register("revisions_taken", "Revisions that were taken", metrics.taken.clone());
        registry.register(
            "revisions_broken",
            "Revisions that were not, because they are broken",
            metrics.broken.clone(),
        );
        registry.register("revision_broken", "Whether the newest revision is broken", metrics.is_broken.clone());
        registry.register("connections", "Open connections", metrics.connections.clone());
        registry.register_with_unit("files_sent", "Sent of files", Unit::Bytes, metrics.file_bytes.clone());
        metrics
    }
}

/// What is measured when somebody asks.
#[derive(Debug, Default)]
pub struct Measured {
    /// Hosts by state.
    pub hosts: Vec<(&'static str, i64)>,
    /// Requests by class: being answered, waiting.
    pub load: Vec<(Class, usize, usize)>,
    /// The id of what is served.
    pub generation: Option<String>,
    /// Whether the newest revision is broken.
    pub is_broken: bool,
}

impl Metrics {
    /// Counts an answer.
    pub fn answered(&self, route: &'static str, status: u16) {
        self.requests.get_or_create(&Route { route, status }).inc();
    }

    /// Counts a refusal.
    pub fn refused(&self, reason: Reason) {
        self.refused.get_or_create(&Word { kind: reason.word() }).inc();
    }

    /// Counts one that was told to come again.
    pub fn deferred(&self, class: Class) {
        self.deferred.get_or_create(&Word { kind: class.word() }).inc();
    }

    /// All of it, with what was measured just now.
    pub fn text(&self, measured: &Measured) -> String {
        let set = |family: &Family<Word, Gauge>, kind, value: usize| {
            family.get_or_create(&Word { kind }).set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        for (state, count) in &measured.hosts {
            self.hosts.get_or_create(&Word { kind: state }).set(*count);
        }
        for (class, active, waiting) in &measured.load {
            set(&self.active, class.word(), *active);
            set(&self.waiting, class.word(), *waiting);
        }
        self.generation.clear();
        if let Some(generation) = &measured.generation {
            self.generation.get_or_create(&Id { generation: generation.clone() }).set(1);
        }
        self.is_broken.set(i64::from(measured.is_broken));
        let mut out = String::new();
        // Writing to a text does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}
