//! `sources.json`: how fresh the tables of sources are, in dbt's schema.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Invocation, time};
use crate::manifest::{Age, Freshness};

/// How one source's table was found.
#[derive(Clone, Debug)]
pub struct SourceResult {
    /// The table.
    pub unique_id: String,
    /// When its newest row came and what its age comes to, or why that could not be told.
    pub found: Result<Loaded, String>,
    /// When it was looked at.
    pub started: DateTime<Utc>,
    /// How long that took.
    pub elapsed: Duration,
}

/// A table's newest row.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// When it came.
    pub max_loaded_at: DateTime<Utc>,
    /// When it was looked for.
    pub snapshotted_at: DateTime<Utc>,
    /// What its age comes to.
    pub age: Age,
    /// What was expected.
    pub criteria: Freshness,
}

impl Loaded {
    /// Its age in seconds.
    pub fn seconds(&self) -> f64 {
        let age = self.snapshotted_at - self.max_loaded_at;
        age.as_seconds_f64()
    }
}

/// The file's content.
pub fn sources_json(results: &[SourceResult], elapsed: Duration, invocation: &Invocation) -> Value {
    let results: Vec<Value> = results.iter().map(one).collect();
    json!({
        "metadata": invocation.metadata("sources/v3"),
        "results": results,
        "elapsed_time": elapsed.as_secs_f64(),
    })
}

fn one(result: &SourceResult) -> Value {
    let loaded = match &result.found {
        Ok(loaded) => loaded,
        Err(message) => {
            return json!({"unique_id": result.unique_id, "error": message, "status": "runtime error"});
        }
    };
    let completed = result.started + result.elapsed;
    json!({
        "unique_id": result.unique_id,
        "max_loaded_at": time(loaded.max_loaded_at),
        "snapshotted_at": time(loaded.snapshotted_at),
        "max_loaded_at_time_ago_in_s": loaded.seconds(),
        "status": loaded.age,
        "criteria": loaded.criteria.to_json(),
        "adapter_response": {},
        "timing": [{"name": "execute", "started_at": time(result.started), "completed_at": time(completed)}],
        "thread_id": "main",
        "execution_time": result.elapsed.as_secs_f64(),
    })
}
