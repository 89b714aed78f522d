//! The engine: plans a project over a lake, writes what changed, tests it, publishes it.
//!
//! - [`lineage`] and [`ways`] decide, from a model's plan, how little must be computed.
//! - [`state`] knows what a table last read, [`touched`] which partitions that concerns.
//! - [`project`] plans everything before anything is written; [`stage`] writes files that no
//!   commit names yet; [`build`] tests and commits them, and closes the build.

mod build;
mod catalog;
mod checks;
mod column_lineage;
mod conform;
mod constraints;
mod contract;
mod copies;
mod explain;
pub(crate) mod failures;
mod freshness;
mod incremental;
pub(crate) mod introspect;
mod kept;
pub(crate) mod lineage;
mod memory;
mod new_rows;
mod order;
mod plan;
pub(crate) mod project;
mod reads;
pub(crate) mod relations;
mod scan;
mod seeds;
pub(crate) mod session;
mod show;
mod single_distinct;
mod snapshots;
mod stage;
mod state;
mod touched;
mod unions;
mod unit_tests;
pub(crate) mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

pub use build::build;
pub use catalog::{Catalog, Stored, Table, catalog};
pub use column_lineage::columns as column_lineage;
pub use explain::{Explanation, explain};
pub use freshness::newest;
pub use kept::Kept;
pub use show::show;

use crate::Result;
use crate::manifest::{Manifest, Node};
use crate::microbatch::Window;
use crate::reporter::BatchResults;
use chrono::{DateTime, Utc};
use goldrecord_lake::Lake;

/// What to build, and with what.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// Unique ids of the models, seeds and tests to run; others in it are passed over.
    pub selected: BTreeSet<String>,
    /// How many models at once; a query has as many partitions, up to one for each core.
    pub threads: usize,
    /// Bytes that queries may hold in memory together before they spill to disk.
    pub memory: usize,
    /// What was read of files, for later queries and builds.
    pub kept: Arc<Kept>,
    /// Where they spill; without it `$TMPDIR`, else `/var/tmp`.
    pub spill_dir: Option<PathBuf>,
    /// How many bytes of that disk they may take together.
    pub spill_limit: u64,
    /// Compute every selected table anew.
    pub full_refresh: bool,
    /// What microbatch models compute instead of the batches until now.
    pub event_time: Option<Window>,
    /// The end of the time that microbatch models compute; else when the build starts.
    pub now: Option<DateTime<Utc>>,
    /// Of microbatch models that failed in part in the build that is tried again: how their batches ended.
    pub retried: BTreeMap<String, BatchResults>,
    /// Start no other node after the first failure.
    pub fail_fast: bool,
    /// Whether readers see the result when everything passed: the target is the configuration's.
    pub publish: bool,
}

impl Default for BuildOptions {
    fn default() -> Self {
        let memory = 2 << 30;
        Self {
            selected: BTreeSet::new(),
            threads: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            memory,
            kept: Kept::beside(memory),
            spill_dir: None,
            spill_limit: 100 << 30,
            full_refresh: false,
            event_time: None,
            now: None,
            retried: BTreeMap::new(),
            fail_fast: false,
            publish: true,
        }
    }
}

/// The path in the lake of the table that a source, model or seed stands for.
pub(crate) fn path_of(node: &Node) -> String {
    project::place(node).0
}

/// Plan the selected nodes over a lake and write nothing: everything wrong with them is the error.
pub async fn plan_all(manifest: &Manifest, lake: &Lake, selected: &BTreeSet<String>) -> Result<()> {
    let engine = session::Engine::new(lake, &BuildOptions::default())?;
    project::Project::plan(manifest, lake, &engine, selected).await?;
    Ok(())
}
