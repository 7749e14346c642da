//! The thread that writes: takes what has come in together to the disk, then shows it to readers.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use tokio::sync::mpsc;

use crate::store::kept::Change;
use crate::store::opened::keep_events_ever;
use crate::store::sqlite::{Database, Now, Written};
use crate::store::{Answer, Shared};

/// How many changes go to the disk together, at most.
const BATCH: usize = 1024;

/// Takes changes to the disk until nobody can send any more.
pub(super) fn write(
    database: &mut Database,
    shared: &Shared,
    mut changes: mpsc::Receiver<(Change, Option<Answer>)>,
    (mut events, directory): (u32, &Path),
) {
    let mut is_behind = true;
    while let Some(first) = changes.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = changes.try_recv()
        {
            batch.push(next);
        }
        if batch.iter().all(|(change, _)| matches!(change, Change::Idle)) {
            // A copy of the file alone is then a copy of the state. Readers may be in the way: next time.
            is_behind = is_behind && database.checkpoint().is_err();
            batch.into_iter().filter_map(|(_, answer)| answer).for_each(|answer| drop(answer.send(Ok(()))));
            continue;
        }
        is_behind = true;
        for (change, _) in &batch {
            if let Change::Bounds(limits, count) = change {
                *shared.limits.write().unwrap_or_else(PoisonError::into_inner) = *limits;
                events = *count;
            }
        }
        let limits = *shared.limits.read().unwrap_or_else(PoisonError::into_inner);
        let now = Now { time: shared.clock.now(), limits, events };
        let written = {
            let known = shared.records.read().unwrap_or_else(PoisonError::into_inner);
            database.write(batch.iter().map(|(change, _)| change), &known, now)
        };
        let result = match written {
            Ok(written) => {
                keep_events_ever(directory, database);
                show(shared, written);
                Ok(())
            }
            Err(error) => Err(Arc::from(error.to_string())),
        };
        for answer in batch.into_iter().filter_map(|(_, answer)| answer) {
            let _ = answer.send(result.clone());
        }
    }
}

/// Shows readers what is on the disk now.
fn show(shared: &Shared, written: Written) {
    let mut records = shared.records.write().unwrap_or_else(PoisonError::into_inner);
    for (host, record) in written.records {
        match record {
            Some(record) => drop(records.insert(host, Arc::new(record))),
            None => drop(records.remove(&host)),
        }
    }
    drop(records);
    let mut settings = shared.settings.write().unwrap_or_else(PoisonError::into_inner);
    for (name, value) in written.settings {
        match value {
            Some(value) => drop(settings.insert(name.to_owned(), value)),
            None => drop(settings.remove(name)),
        }
    }
    drop(settings);
    shared.taken.write().unwrap_or_else(PoisonError::into_inner).extend(written.taken);
    shared.newest.send_if_modified(|newest| std::mem::replace(newest, written.newest) != written.newest);
}
