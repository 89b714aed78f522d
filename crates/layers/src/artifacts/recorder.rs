//! When each node of a build began and ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::reporter::{Event, Reporter};

/// Hears a build, notes when its nodes began and ended, and passes everything on.
pub struct Recorder<'a> {
    next: &'a dyn Reporter,
    times: Mutex<BTreeMap<String, Times>>,
}

/// When a node began, and when it ended.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The beginning.
    pub started: DateTime<Utc>,
    /// The end, when it came.
    pub completed: Option<DateTime<Utc>>,
}

impl<'a> Recorder<'a> {
    /// Pass everything on to `next`.
    pub fn before(next: &'a dyn Reporter) -> Self {
        Self {
            next,
            times: Mutex::default(),
        }
    }

    /// The times of every node that began.
    pub fn into_times(self) -> BTreeMap<String, Times> {
        self.times
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Recorder<'_> {
    fn event(&self, event: &Event<'_>) {
        let now = Utc::now();
        // A panic elsewhere leaves whole entries behind.
        let times = || self.times.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::NodeStarted { node, .. } => {
                let begun = Times {
                    started: now,
                    completed: None,
                };
                times().insert(node.unique_id.clone(), begun);
            }
            Event::NodeFinished { node, .. } => {
                if let Some(begun) = times().get_mut(&node.unique_id) {
                    begun.completed = Some(now);
                }
            }
            _ => {}
        }
        self.next.event(event);
    }
}
