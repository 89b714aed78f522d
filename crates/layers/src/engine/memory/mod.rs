//! What queries hold in memory: shares of one cap, and another plan for what does not fit.
//!
//! Every query runs in a share of `[layers] memory`, with a pool of its own, so that what one holds
//! fails no other. A query that its share does not suffice for waits until it is alone, gets all of
//! the cap, and is planned anew so that every step can spill ([`Effort::Frugal`]). Beside the pool,
//! rows wait to be written: the writer's buffers are cut to a part of the share.

mod distinct;
pub(super) mod pieces;
mod pool;
mod spill;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use datafusion::config::ConfigNonZeroUsize;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManager, DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::TrackConsumersPool;
use datafusion::prelude::SessionConfig;
use goldrecord_lake::WriteOptions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) use distinct::CountsAsSums;
use pool::Pool;
use spill::Folder;

use crate::{Error, Result};

/// A share is no smaller than this: with little memory, fewer queries run side by side.
const LEAST_SHARE: usize = 64 << 20;
/// A sort reads so many of its spilled files at once, and the rest in further passes: each takes memory that cannot be spilled.
const MERGED_AT_ONCE: usize = 16;
/// How a consumer of a pool is found in an error: the largest few.
const TOLD: NonZeroUsize = NonZeroUsize::new(5).expect("five is not zero");

/// With what plan and how much memory a query is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Beside others, by the plan that is fastest.
    Usual,
    /// Alone, with all of the memory, by a plan of which every step can spill.
    Frugal,
}

impl Effort {
    /// How to go on after an error: with more effort, or not.
    pub fn after(self, what: &str, memory: usize, error: Error) -> Result<Self> {
        match (lacks(&error), self) {
            (None, _) => Err(error),
            (Some(Lacking::Disk), _) => Err(Error::SpillLimit {
                what: what.to_owned(),
                source: Box::new(error),
            }),
            (Some(Lacking::Memory), Self::Usual) => Ok(Self::Frugal),
            (Some(Lacking::Memory), Self::Frugal) => Err(Error::Memory {
                what: what.to_owned(),
                mebibytes: memory >> 20,
                source: Box::new(error),
            }),
        }
    }
}

/// What a query had too little of.
enum Lacking {
    Memory,
    Disk,
}

fn lacks(error: &Error) -> Option<Lacking> {
    let Error::Engine { source, .. } = error else {
        return None;
    };
    // Where a writer of Arrow files meets the limit, it is an I/O error to `DataFusion`.
    let root = source.find_root();
    if root.to_string().contains("The used disk space") {
        return Some(Lacking::Disk);
    }
    matches!(root, DataFusionError::ResourcesExhausted(_)).then_some(Lacking::Memory)
}

/// The memory and disk that the queries of a build share.
#[derive(Debug)]
pub struct Budget {
    memory: usize,
    turns: Arc<Semaphore>,
    shares: u32,
    spill_dir: PathBuf,
    spill_limit: u64,
    disk: OnceLock<Spilled>,
}

/// The folder that is spilled to, and what counts the bytes in it.
#[derive(Debug)]
struct Spilled {
    disk: Arc<DiskManager>,
    // Removed after the manager's own folder in it.
    _folder: Folder,
}

impl Budget {
    /// A budget for so many queries at once.
    pub fn new(
        threads: usize,
        memory: usize,
        spill_dir: Option<PathBuf>,
        spill_limit: u64,
    ) -> Self {
        let shares = threads.min(memory / LEAST_SHARE).max(1);
        Self {
            memory,
            turns: Arc::new(Semaphore::new(shares)),
            shares: u32::try_from(shares).unwrap_or(u32::MAX),
            spill_dir: spill_dir.unwrap_or_else(spill::default_dir),
            spill_limit,
            disk: OnceLock::new(),
        }
    }

    /// The whole of the memory, in bytes.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Wait for a share.
    pub async fn turn(&self, effort: Effort) -> Turn {
        let (permits, bytes) = match effort {
            Effort::Usual => (1, self.memory / self.shares as usize),
            Effort::Frugal => (self.shares, self.memory),
        };
        let permit = Arc::clone(&self.turns)
            .acquire_many_owned(permits)
            .await
            .expect("the semaphore is never closed");
        Turn {
            bytes,
            effort,
            _permit: permit,
        }
    }

    /// What counts and holds the spilled files, made at the first use. Folders of builds that
    /// were killed are removed then.
    pub fn disk(&self) -> Result<Arc<DiskManager>> {
        if let Some(spilled) = self.disk.get() {
            return Ok(Arc::clone(&spilled.disk));
        }
        let folder = Folder::make(&self.spill_dir)?;
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![folder.path().to_owned()]))
            .with_max_temp_directory_size(self.spill_limit)
            .with_max_spill_merge_fan_in(MERGED_AT_ONCE)
            .build()
            .map_err(Error::engine(format!(
                "spill to {}",
                self.spill_dir.display()
            )))?;
        let made = Spilled {
            disk: Arc::new(disk),
            _folder: folder,
        };
        // Two queries may have come here at once: one folder stays, the other goes with its owner.
        Ok(Arc::clone(&self.disk.get_or_init(|| made).disk))
    }
}

/// The right to run one query with so much memory.
#[derive(Debug)]
pub struct Turn {
    bytes: usize,
    effort: Effort,
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    /// How the query is planned.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// The memory of the query and of what writes its rows, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The pool of the query's operators: what is left beside the writer's part.
    pub fn pool(&self) -> TrackConsumersPool<Pool> {
        TrackConsumersPool::new(Pool::new(self.bytes - self.bytes / 4), TOLD)
    }

    /// How the query is planned and run, on top of the engine's own settings.
    pub fn configure(&self, mut config: SessionConfig) -> SessionConfig {
        // What a sort keeps for the moment it spills.
        let reserve = (self.bytes / 64).clamp(1 << 20, 10 << 20);
        config = config.with_sort_spill_reservation_bytes(reserve);
        // A file of its own for each batch that a repartition spills: two that are open at once wait for each other for
        // ever (apache/datafusion#24883).
        config.options_mut().execution.max_spill_file_size_bytes =
            ConfigNonZeroUsize::try_new(1).expect("one is not zero");
        match self.effort {
            Effort::Usual => config,
            Effort::Frugal => {
                // A merge join sorts both sides, and sorts spill; it is planned with two partitions or more.
                config.options_mut().optimizer.prefer_hash_join = false;
                // Operators hold at least some batches each.
                config.with_batch_size(2048).with_target_partitions(2)
            }
        }
    }

    /// How many bytes of data files are read for output partitions that are computed together; at
    /// least one partition is.
    pub fn piece(&self) -> i64 {
        match self.effort {
            // Rows take six times as much in memory as in their files, and are held once or twice.
            Effort::Usual => i64::try_from(self.bytes / 8).unwrap_or(i64::MAX),
            Effort::Frugal => 0,
        }
    }

    /// The most bytes of data files whose rows are collected in memory; none where it is short.
    pub fn collected(&self) -> i64 {
        match self.effort {
            Effort::Usual => i64::try_from(self.bytes / 16).unwrap_or(i64::MAX),
            Effort::Frugal => 0,
        }
    }

    /// How the rows are written: a quarter of the share is for rows that wait and files that are
    /// encoded, four at once.
    pub fn writing(&self) -> WriteOptions {
        let usual = WriteOptions::default();
        let part = |of: usize, most: usize| (self.bytes / of).clamp(2 << 20, most);
        WriteOptions {
            target_file_bytes: part(24, usual.target_file_bytes),
            folder_buffer_bytes: part(96, usual.folder_buffer_bytes),
            total_buffer_bytes: part(16, usual.total_buffer_bytes),
            ..usual
        }
    }
}

#[cfg(test)]
mod tests;
