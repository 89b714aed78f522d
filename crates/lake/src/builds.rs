//! The table `_builds` at the lake's root: which build opened, which closed how, and with which versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::commit::now_ms;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::proposal::{Outcome, Proposal, TxnStep};
use crate::snapshot::{AddFile, Snapshot};
use crate::table::{Table, TableSpec};
use crate::write::WriteOptions;

/// Where the table lies.
pub const TABLE: &str = "_builds";
const TARGET: &str = "target";

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

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Failed => "failed",
            Self::Unpublished => "unpublished",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Published, Self::Failed, Self::Unpublished]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

/// Opens the next build of a target.
pub async fn open(lake: &Lake, target: &str) -> Result<Opened> {
    let table = lake.table(TABLE);
    let mut snapshot = table.create(&spec()).await?;
    let superseded = running_in(&table, &snapshot, target).await?;
    let before = snapshot.txn(&fence(target));
    let build = Build {
        number: before.unwrap_or(0) + 1,
        target: target.to_owned(),
        at_ms: now_ms(),
        info: BTreeMap::from([
            ("host".to_owned(), json!(host())),
            ("pid".to_owned(), json!(std::process::id())),
        ]),
    };
    let step = TxnStep {
        app_id: fence(target),
        expect: before,
        next: build.number,
    };
    match commit_row(&table, &mut snapshot, &Entry::opening(&build), step).await? {
        Outcome::Committed { .. } => Ok(Opened::Ours { build, superseded }),
        Outcome::Refused(_) => {
            match entries(&table, &snapshot, target, 1, |entry| entry.status.is_none())
                .await?
                .pop()
            {
                Some(entry) => Ok(Opened::Taken {
                    by: entry.into_build(),
                }),
                None => Err(Error::BrokenLog {
                    table: TABLE.to_owned(),
                    version: snapshot.version,
                    why: format!("target `{target}` has a number and no opening row"),
                }),
            }
        }
    }
}

/// The build of a target that is open and not closed: at work, or dead.
pub async fn running(lake: &Lake, target: &str) -> Result<Option<Build>> {
    let table = lake.table(TABLE);
    match table.latest().await? {
        Some(snapshot) => running_in(&table, &snapshot, target).await,
        None => Ok(None),
    }
}

async fn running_in(table: &Table, snapshot: &Snapshot, target: &str) -> Result<Option<Build>> {
    let newest = entries(table, snapshot, target, 1, |_| true).await?.pop();
    Ok(newest
        .filter(|entry| entry.status.is_none())
        .map(Entry::into_build))
}

/// Closes a build. Fails as superseded where a newer one has opened since.
pub async fn close(
    lake: &Lake,
    build: &Build,
    status: Status,
    tables: BTreeMap<String, i64>,
    info: BTreeMap<String, Value>,
) -> Result<()> {
    let table = lake.table(TABLE);
    let mut snapshot = table.latest().await?.ok_or_else(|| Error::NoTable {
        table: TABLE.to_owned(),
        lake: lake.url().to_owned(),
    })?;
    let step = TxnStep {
        app_id: fence(&build.target),
        expect: Some(build.number),
        next: build.number,
    };
    let entry = Entry {
        number: build.number,
        target: build.target.clone(),
        status: Some(status),
        at_ms: now_ms(),
        tables,
        info,
    };
    match commit_row(&table, &mut snapshot, &entry, step).await? {
        Outcome::Committed { .. } => Ok(()),
        Outcome::Refused(_) => Err(Error::Superseded {
            target: build.target.clone(),
            ours: build.number,
            found: snapshot.txn(&fence(&build.target)).unwrap_or_default(),
        }),
    }
}

/// The last published build of a target.
pub async fn published(lake: &Lake, target: &str) -> Result<Option<Published>> {
    let table = lake.table(TABLE);
    match table.latest().await? {
        Some(snapshot) => published_in(&table, &snapshot, target).await,
        None => Ok(None),
    }
}

/// What builds need of the lake.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Needs {
    /// The last published build of every target.
    pub published: Vec<Published>,
    /// The builds, of every target, that are open and not closed: at work, or dead.
    pub running: Vec<Build>,
}

/// What the builds of all targets need.
pub async fn needs(lake: &Lake) -> Result<Needs> {
    let table = lake.table(TABLE);
    let mut needs = Needs::default();
    let Some(snapshot) = table.latest().await? else {
        return Ok(needs);
    };
    let targets = snapshot.files.values();
    let targets: BTreeSet<&String> = targets
        .filter_map(|file| file.partition_values.get(TARGET)?.as_ref())
        .collect();
    for target in targets {
        let published = published_in(&table, &snapshot, target).await?;
        let running = running_in(&table, &snapshot, target).await?;
        needs.published.extend(published);
        needs.running.extend(running);
    }
    Ok(needs)
}

async fn published_in(
    table: &Table,
    snapshot: &Snapshot,
    target: &str,
) -> Result<Option<Published>> {
    let is_published = |entry: &Entry| entry.status == Some(Status::Published);
    let newest = entries(table, snapshot, target, 1, is_published)
        .await?
        .pop();
    Ok(newest.map(|entry| Published {
        number: entry.number,
        target: entry.target,
        finished_at_ms: entry.at_ms,
        tables: entry.tables,
        info: entry.info,
    }))
}

/// The last `n` rows of a target, newest first.
pub async fn history(lake: &Lake, target: &str, n: usize) -> Result<Vec<Entry>> {
    let table = lake.table(TABLE);
    match table.latest().await? {
        Some(snapshot) => entries(&table, &snapshot, target, n, |_| true).await,
        None => Ok(Vec::new()),
    }
}

/// The number that fences a target's builds.
fn fence(target: &str) -> String {
    format!("build/{target}")
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

fn spec() -> TableSpec {
    let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    TableSpec {
        schema: Arc::new(Schema::new(vec![
            field("number", DataType::Int64),
            field("target", DataType::Utf8),
            field("event", DataType::Utf8),
            field("status", DataType::Utf8),
            field("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            field("tables", DataType::Utf8),
            field("info", DataType::Utf8),
        ])),
        // A file's target and number are then known without reading it.
        partition_columns: vec!["target".to_owned()],
        properties: BTreeMap::new(),
        description: Some("Builds of silver and gold: when each opened, how it closed, which versions it published.".to_owned()),
    }
}

impl Entry {
    fn opening(build: &Build) -> Self {
        Self {
            number: build.number,
            target: build.target.clone(),
            status: None,
            at_ms: build.at_ms,
            tables: BTreeMap::new(),
            info: build.info.clone(),
        }
    }

    fn into_build(self) -> Build {
        Build {
            number: self.number,
            target: self.target,
            at_ms: self.at_ms,
            info: self.info,
        }
    }

    fn to_batch(&self) -> Result<RecordBatch> {
        let text = |value: Option<String>| Arc::new(StringArray::from(vec![value])) as ArrayRef;
        let event = if self.status.is_some() {
            "closed"
        } else {
            "opened"
        };
        let at = TimestampMicrosecondArray::from(vec![self.at_ms * 1000]).with_timezone("UTC");
        let columns = vec![
            Arc::new(Int64Array::from(vec![self.number])) as ArrayRef,
            text(Some(self.target.clone())),
            text(Some(event.to_owned())),
            text(self.status.map(|status| status.name().to_owned())),
            Arc::new(at),
            text(Some(json!(self.tables).to_string())),
            text(Some(json!(self.info).to_string())),
        ];
        RecordBatch::try_new(spec().schema, columns).map_err(|error| unfit(&error.to_string()))
    }

    fn from_batch(batch: &RecordBatch) -> Result<Vec<Self>> {
        let text = |column: usize, row: usize| {
            let column = batch.column(column).as_string::<i32>();
            (!column.is_null(row)).then(|| column.value(row).to_owned())
        };
        (0..batch.num_rows())
            .map(|row| {
                let json = |column: usize| text(column, row).unwrap_or_else(|| "{}".to_owned());
                let status = match text(3, row) {
                    None => None,
                    Some(name) => Some(
                        Status::from_name(&name)
                            .ok_or_else(|| unfit(&format!("status `{name}` is not known")))?,
                    ),
                };
                Ok(Self {
                    number: batch.column(0).as_primitive::<Int64Type>().value(row),
                    target: text(1, row).unwrap_or_default(),
                    status,
                    at_ms: batch
                        .column(4)
                        .as_primitive::<TimestampMicrosecondType>()
                        .value(row)
                        / 1000,
                    tables: serde_json::from_str(&json(5))
                        .map_err(|error| unfit(&error.to_string()))?,
                    info: serde_json::from_str(&json(6))
                        .map_err(|error| unfit(&error.to_string()))?,
                })
            })
            .collect()
    }
}

fn unfit(why: &str) -> Error {
    Error::Unfit {
        table: TABLE.to_owned(),
        why: why.to_owned(),
    }
}

async fn commit_row(
    table: &Table,
    snapshot: &mut Snapshot,
    entry: &Entry,
    step: TxnStep,
) -> Result<Outcome> {
    let adds = table
        .write(snapshot, vec![entry.to_batch()?], &WriteOptions::default())
        .await?;
    let proposal = Proposal {
        operation: if entry.status.is_some() {
            "CLOSE BUILD"
        } else {
            "OPEN BUILD"
        }
        .to_owned(),
        adds,
        txns: vec![step],
        data_change: true,
        ..Proposal::default()
    };
    let outcome = table.commit(snapshot, &proposal).await?;
    if let Outcome::Refused(_) = outcome {
        table.discard(&proposal.adds).await?;
    }
    Ok(outcome)
}

/// The newest `n` rows of a target that are wanted, newest first. Files are read from the newest on, so that
/// the table may grow for years.
async fn entries(
    table: &Table,
    snapshot: &Snapshot,
    target: &str,
    n: usize,
    wanted: impl Fn(&Entry) -> bool,
) -> Result<Vec<Entry>> {
    let of_target = |file: &&AddFile| {
        file.partition_values.get(TARGET).and_then(Option::as_deref) == Some(target)
    };
    let Some(last) = n.checked_sub(1) else {
        return Ok(Vec::new());
    };
    let number = |file: &AddFile| file.stats.max_values.get("number").and_then(Value::as_i64);
    let mut files: Vec<&AddFile> = snapshot.files.values().filter(of_target).collect();
    files.sort_by_key(|file| std::cmp::Reverse(number(file)));
    let mut found: Vec<Entry> = Vec::new();
    for file in files {
        // A compacted file holds many builds; what is left to read is of this number at most.
        let rest = number(file);
        if found
            .get(last)
            .is_some_and(|entry| Some(entry.number) > rest)
        {
            break;
        }
        let mut batches = table.read(file, snapshot, None).await?;
        while let Some(batch) = batches.next().await {
            found.extend(Entry::from_batch(&batch?)?.into_iter().filter(&wanted));
        }
        // Of one build, the closing row is the newer.
        found.sort_by_key(|entry| std::cmp::Reverse((entry.number, entry.status.is_some())));
    }
    found.truncate(n);
    Ok(found)
}
