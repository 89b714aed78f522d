//! The table `_builds` at the lake's root: which build opened, which closed how, and with which versions.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::Result;
use crate::lake::Lake;

/// A build that was opened. Its number is the fence of everything it commits.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// Counts up by one for each target.
    pub number: i64,
    /// The dbt target.
    pub target: String,
    /// When it opened, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who opened it: `host` and `pid`.
    pub info: BTreeMap<String, Value>,
}

/// What came of opening a build.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// It is open.
    Ours {
        /// The new build.
        build: Build,
        /// The one before, where it never closed: everything it would commit is fenced off now.
        superseded: Option<Build>,
    },
    /// Another build opened at the same moment.
    Taken {
        /// That one.
        by: Build,
    },
}

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Everything passed: readers see its versions.
    Published,
    /// Something failed.
    Failed,
    /// Everything passed, and readers shall not see it (another target).
    Unpublished,
}

/// The build whose versions readers see.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The build's number.
    pub number: i64,
    /// Its target.
    pub target: String,
    /// When it closed, in milliseconds since 1970.
    pub finished_at_ms: i64,
    /// The version of each table, by the table's path.
    pub tables: BTreeMap<String, i64>,
    /// What the build kept with its closing row.
    pub info: BTreeMap<String, Value>,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The build's number.
    pub number: i64,
    /// Its target.
    pub target: String,
    /// `None` for the opening row.
    pub status: Option<Status>,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The version of each table, in a closing row.
    pub tables: BTreeMap<String, i64>,
    /// What was kept with it.
    pub info: BTreeMap<String, Value>,
}

/// Opens the next build of a target.
pub async fn open(lake: &Lake, target: &str) -> Result<Opened> {
    let _ = (lake, target);
    unimplemented!()
}

/// The build of a target that is open and not closed: at work, or dead.
pub async fn running(lake: &Lake, target: &str) -> Result<Option<Build>> {
    let _ = (lake, target);
    unimplemented!()
}

/// Closes a build. Fails as superseded where a newer one has opened since.
pub async fn close(lake: &Lake, build: &Build, status: Status, tables: BTreeMap<String, i64>, info: BTreeMap<String, Value>) -> Result<()> {
    let _ = (lake, build, status, tables, info);
    unimplemented!()
}

/// The last published build of a target.
pub async fn published(lake: &Lake, target: &str) -> Result<Option<Published>> {
    let _ = (lake, target);
    unimplemented!()
}

/// The last `n` rows of a target, newest first.
pub async fn history(lake: &Lake, target: &str, n: usize) -> Result<Vec<Entry>> {
    let _ = (lake, target, n);
    unimplemented!()
}
