//! What machines saw: counts, times, failures with examples; and the generations, in the order in which they came.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::time::Duration;

/// How many examples there are of a failure.
const EXAMPLES: usize = 3;

/// What a machine is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The script for any machine.
    Entry,
    /// Its own script.
    Script,
    /// Kernel and initrds.
    BootFile,
    /// Its kickstart.
    Kickstart,
    /// Telling how far it is.
    Progress,
    /// Packages and what else it installs.
    File,
    /// Telling that it is done.
    Success,
    /// Its script after that.
    NextBoot,
}

/// Why a machine did not get what is its own.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What all of the same kind are counted by.
    pub reason: &'static str,
    /// What this machine saw.
    pub detail: String,
}

impl Fault {
    /// Of a kind.
    pub fn new(reason: &'static str, detail: &str) -> Self {
        Self { reason, detail: detail.to_owned() }
    }
}

/// What all machines saw.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    stages: BTreeMap<Stage, Seen>,
    retried: BTreeMap<&'static str, u64>,
    finished: usize,
    without_kickstart: usize,
    failures: BTreeMap<&'static str, Failures>,
    /// Ids, the oldest first.
    generations: Vec<String>,
}

#[derive(Debug, Default)]
struct Seen {
    times: Vec<Duration>,
    deferred: u64,
    retried: u64,
    bytes: u64,
}

/// How often something failed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Failures {
    /// How many machines.
    pub count: usize,
    /// Some of them, and what they saw.
    pub examples: Vec<String>,
}

/// Times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Times {
    /// Half of them are no longer than this.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// All but one of a hundred.
    pub p99: f64,
    /// All.
    pub max: f64,
}

/// What one stage came to.
#[derive(Clone, Debug, Serialize)]
pub struct StageReport {
    /// Which.
    pub stage: Stage,
    /// How many questions were answered.
    pub answered: usize,
    /// How many were told to come again.
    pub deferred: u64,
    /// How many were asked again because there was no answer.
    pub retried: u64,
    /// What was sent.
    pub bytes: u64,
    /// From the wish to connect to the last byte, of those that were answered.
    pub milliseconds: Times,
}

/// What an operator saw meanwhile.
#[derive(Clone, Debug, Serialize)]
pub struct OperatorReport {
    /// How many questions were answered.
    pub answered: usize,
    /// How many were not.
    pub failed: usize,
    /// From the wish to connect to the last byte.
    pub milliseconds: Times,
}

/// What a storm came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Lives that were begun: machines, in every round.
    pub machines: usize,
    /// Those that got everything that was their own.
    pub finished: usize,
    /// Those of them that had nothing to install with a kickstart.
    pub without_kickstart: usize,
    /// The whole time.
    pub seconds: f64,
    /// What was sent.
    pub bytes: u64,
    /// By stage.
    pub stages: Vec<StageReport>,
    /// Why there was no answer, and how often.
    pub retried: BTreeMap<&'static str, u64>,
    /// What kept machines from what was theirs.
    pub failures: BTreeMap<&'static str, Failures>,
    /// Ids of the generations, the oldest first.
    pub generations: Vec<String>,
    /// What an operator saw.
    pub operator: Option<OperatorReport>,
}

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There was an answer.
    pub fn answered(&self, stage: Stage, time: Duration, bytes: u64) {
        let mut counts = self.counts();
        let seen = counts.stages.entry(stage).or_default();
        seen.times.push(time);
        seen.bytes += bytes;
    }

    /// The answer was to come again.
    pub fn deferred(&self, stage: Stage) {
        self.counts().stages.entry(stage).or_default().deferred += 1;
    }

    /// There was no answer.
    pub fn retried(&self, stage: Stage, why: &'static str) {
        let mut counts = self.counts();
        counts.stages.entry(stage).or_default().retried += 1;
        *counts.retried.entry(why).or_default() += 1;
    }

    /// A machine got everything.
    pub fn finished(&self) {
        self.counts().finished += 1;
    }

    /// It had nothing to install with a kickstart.
    pub fn without_kickstart(&self) {
        self.counts().without_kickstart += 1;
    }

    /// A machine did not get everything.
    pub fn failed(&self, machine: &str, fault: Fault) {
        let mut counts = self.counts();
        let failures = counts.failures.entry(fault.reason).or_default();
        failures.count += 1;
        if failures.examples.len() < EXAMPLES {
            failures.examples.push(format!("{machine}: {}", fault.detail));
        }
    }

    /// The number of the newest generation that anybody has seen so far.
    pub fn newest(&self) -> usize {
        self.counts().generations.len()
    }

    /// The number of a generation, from 1 on; what was never seen is the newest.
    pub fn number(&self, generation: &str) -> usize {
        let mut counts = self.counts();
        if let Some(index) = counts.generations.iter().position(|known| known == generation) {
            return index + 1;
        }
        counts.generations.push(generation.to_owned());
        counts.generations.len()
    }

    /// What it came to.
    pub fn report(&self, machines: usize, seconds: f64, operator: Option<OperatorReport>) -> Report {
        let counts = self.counts();
        let stage = |(stage, seen): (&Stage, &Seen)| StageReport {
            stage: *stage,
            answered: seen.times.len(),
            deferred: seen.deferred,
            retried: seen.retried,
            bytes: seen.bytes,
            milliseconds: times(&seen.times),
        };
        Report {
            machines,
            finished: counts.finished,
            without_kickstart: counts.without_kickstart,
            seconds,
            bytes: counts.stages.values().map(|seen| seen.bytes).sum(),
            stages: counts.stages.iter().map(stage).collect(),
            retried: counts.retried.clone(),
            failures: counts.failures.clone(),
            generations: counts.generations.clone(),
            operator,
        }
    }
}

/// The distribution of some times; zeros of none.
pub fn times(times: &[Duration]) -> Times {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |part: usize| {
        let index = (sorted.len() * part).div_ceil(100).saturating_sub(1);
        sorted.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    Times { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_nearest_rank() {
        let all: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        let times = times(&all);
        let shown = |times: Times| [times.p50, times.p90, times.p99, times.max].map(|time| format!("{time:.0}"));
        assert_eq!(shown(times), ["100", "180", "198", "200"]);
        assert_eq!(shown(super::times(&[])), ["0"; 4]);
    }
}
