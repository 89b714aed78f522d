//! Gold to `ClickHouse`, by releases.
//!
//! `ClickHouse` swaps one table atomically, not several. So nothing is ever swapped. For a database
//! `gold` there are:
//!
//! - `gold_data.<table>`: the rows of every release, `PARTITION BY (_slice, _version)`. A *slice* is a
//!   month of the table's day, or the whole of a small table; a *version* names one load
//!   attempt and is never used twice.
//! - `gold._releases`: which version of each slice of each table belongs to a release; a row per
//!   table, one insert per release. That insert is the publishing, of all tables at once.
//! - `gold.<table>`: a view of the current release's rows, for readers. A query over several of
//!   them sees one release, since they share the scalar subquery that finds it. They run with
//!   the reader's rights (`SQL SECURITY INVOKER`): grant `SELECT` on `gold.*` and `gold_data.*`.
//!
//! [`load`] sends the slices whose files in the lake changed since the release before, compares
//! rows and checksums with the lake's, and publishes. A loader that dies leaves rows that no release lists: they
//! are dropped after a day. [`rollback`] publishes the release before again, and [`status`]
//! tells what is there.

mod checksum;
mod clickhouse;
mod columns;
mod error;
mod forget;
mod load;
mod names;
mod plan;
mod prepare;
mod progress;
mod release;
mod rollback;
mod send;
mod settings;
mod status;
mod store;

pub use error::{Error, Result};
pub use forget::forget;
pub use load::{LoadReport, Outcome, TableLoad, load};
pub use prepare::{Needed, prepare};
pub use progress::{Progress, Silent, Step};
pub use release::Release;
pub use rollback::rollback;
pub use settings::LoaderSettings;
pub use status::{ReleaseStatus, Status, TableStatus, status};
