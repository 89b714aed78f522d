//! Delta tables on HDFS or a local folder: the commit loop, snapshots and what changed.
//!
//! ```no_run
//! # async fn example(spec: goldrecord_lake::TableSpec, batch: arrow::array::RecordBatch) -> goldrecord_lake::Result<()> {
//! use goldrecord_lake::{Lake, Proposal, TxnStep, WriteOptions};
//!
//! let lake = Lake::open("hdfs://namenode:8020/lake")?;
//! let table = lake.table("bronze/listen_events");
//! let mut snapshot = table.create(&spec).await?;
//! let adds = table.write(&snapshot, vec![batch], &WriteOptions::default()).await?;
//! let proposal = Proposal {
//!     operation: "WRITE".into(),
//!     adds,
//!     txns: vec![TxnStep { app_id: "cluster/listen_events/0/0".into(), expect: Some(0), next: 512 }],
//!     data_change: true,
//!     ..Proposal::default()
//! };
//! table.commit(&mut snapshot, &proposal).await?;
//! # Ok(())
//! # }
//! ```

pub mod builds;
mod changes;
pub mod commit;
mod conform;
mod error;
mod evolve;
mod folder;
mod lake;
mod log;
mod namenodes;
mod proposal;
mod read;
mod reread;
mod snapshot;
mod store;
mod table;
mod tombstones;
mod write;

pub use conform::conform;
pub use error::{Error, Result};
pub use evolve::merge_schema;
pub use folder::{CHECKPOINT_INTERVAL, LogFile, LogFileKind, StoredFile};
pub use lake::Lake;
pub use log::schema::table_schema;
pub use proposal::{Fence, MetadataChange, Outcome, Proposal, Refusal, TxnStep};
pub use snapshot::{AddFile, Changes, EXPIRED_BEFORE, Snapshot, Stats};
pub use table::{Table, TableSpec};
pub use write::{Meter, Watch, WriteOptions, Writer};
