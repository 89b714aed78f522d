//! What a table last read of each upstream, and what became of the upstream since.
//!
//! The ledger lies in the table itself: its commits carry `layers/<upstream table id>` = the
//! upstream's version, and its properties the fingerprint of the SQL and configuration behind it.

use arrow::datatypes::Schema;
use goldrecord_lake::{AddFile, Changes, Lake, Snapshot, TxnStep};

use super::project::PlannedTable;
use super::relations::Rows;
use super::ways::{Change, ChangeKind, Way};
use crate::Result;

/// The table property that holds the fingerprint of what filled the table.
pub const FINGERPRINT: &str = "goldrecord.fingerprint";
/// The fence that every commit of a build carries: the build's number.
pub const BUILD: &str = "layers/build";

/// A table that a model reads, at the version that this build reads.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its full name in plans: `lake.bronze.listen_events`.
    pub name: String,
    /// Its path in the lake: `bronze/listen_events`.
    pub path: String,
    /// Which of its rows are read.
    pub rows: Rows,
    /// The version read.
    pub snapshot: Snapshot,
}

/// What came and went in an upstream since its reader read it last.
#[derive(Clone, Debug)]
pub struct Difference {
    /// In short.
    pub change: Change,
    /// Files that came, of those that can hold the rows read.
    pub added: Vec<AddFile>,
    /// Files that went.
    pub removed: Vec<AddFile>,
}

impl Upstream {
    /// The transaction id under which readers keep the version they read.
    pub fn app_id(&self) -> String {
        format!("layers/{}", self.snapshot.table_id)
    }

    /// The step that a reader's commit makes: from what it read last to what it read now.
    pub fn step(&self, reader: &Snapshot) -> TxnStep {
        let app_id = self.app_id();
        TxnStep {
            expect: reader.txn(&app_id),
            next: self.snapshot.version,
            app_id,
        }
    }

    /// The files that hold the rows read.
    pub fn files(&self) -> Vec<AddFile> {
        let rows = self.rows.in_table(&self.snapshot);
        self.snapshot
            .files
            .values()
            .filter(|file| rows.are_in(file))
            .cloned()
            .collect()
    }

    /// What came and went since `reader` read it.
    pub async fn difference(&self, lake: &Lake, reader: &Snapshot) -> Result<Difference> {
        let unknown = |why: String| Difference {
            change: Change {
                table: self.name.clone(),
                kind: ChangeKind::Unknown(why),
            },
            added: Vec::new(),
            removed: Vec::new(),
        };
        let Some(since) = reader.txn(&self.app_id()) else {
            return Ok(unknown(
                "it was not read before, or was made anew since".to_owned(),
            ));
        };
        if since > self.snapshot.version {
            return Ok(unknown(format!(
                "version {since} was read before, which is newer than this one"
            )));
        }
        let changes = if since == self.snapshot.version {
            Changes::Known {
                added: Vec::new(),
                removed: Vec::new(),
                schema_changed: false,
            }
        } else {
            lake.table(&self.path)
                .changes(since, self.snapshot.version)
                .await?
        };
        let (mut added, mut removed) = match changes {
            Changes::Known { added, removed, .. } => (added, removed),
            Changes::Unknown { why } => return Ok(unknown(why)),
        };
        let rows = self.rows.in_table(&self.snapshot);
        added.retain(|file| rows.are_in(file));
        removed.retain(|file| rows.are_in(file));
        let has_partitions = |file: &AddFile| {
            self.snapshot
                .partition_columns
                .iter()
                .all(|name| file.partition_values.contains_key(name))
        };
        if !added.iter().chain(&removed).all(has_partitions) {
            return Ok(unknown("its partition columns were changed".to_owned()));
        }
        let kind = match (added.is_empty(), removed.is_empty()) {
            (true, true) => ChangeKind::None,
            (false, true) => ChangeKind::Added,
            (_, false) => ChangeKind::Removed,
        };
        Ok(Difference {
            change: Change {
                table: self.name.clone(),
                kind,
            },
            added,
            removed,
        })
    }
}

/// What came and went in each upstream since the table read it last; nothing where there is no
/// table yet.
pub async fn differences(
    lake: &Lake,
    upstreams: &[Upstream],
    live: Option<&Snapshot>,
) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    if let Some(live) = live {
        for upstream in upstreams {
            differences.push(upstream.difference(lake, live).await?);
        }
    }
    Ok(differences)
}

/// The way to bring a table up to date, given what it is now and what changed.
pub fn decide(
    live: Option<&Snapshot>,
    planned: &PlannedTable,
    partition_by: &[String],
    differences: &[Difference],
    full_refresh: bool,
) -> Way {
    let full = |why: &str| Way::Full {
        why: why.to_owned(),
    };
    let Some(live) = live else {
        return full("the table is new");
    };
    let Some(then) = live.properties.get(FINGERPRINT) else {
        return full("the table was never filled");
    };
    if full_refresh {
        return full("a full refresh was asked for");
    }
    if *then != planned.fingerprint {
        return full("the model's SQL or configuration changed");
    }
    if !same_columns(&live.schema, &planned.schema) || live.partition_columns != partition_by {
        return full("the table's columns changed");
    }
    let changes: Vec<Change> = differences
        .iter()
        .map(|difference| difference.change.clone())
        .collect();
    planned.shape.choose(&changes)
}

/// The upstream of which rows went by their age that a table still holds what came of, where building it `way` would
/// lose that; and the first day that the upstream has left, since 1970-01-01.
pub fn loses<'a>(
    live: Option<&Snapshot>,
    way: &Way,
    upstreams: &'a [Upstream],
) -> Option<(&'a Upstream, i64)> {
    let holds_rows = live.is_some_and(|live| live.rows() > 0);
    if !holds_rows || !matches!(way, Way::Full { .. }) {
        return None;
    }
    upstreams.iter().find_map(|upstream| {
        // Only events have a day to be removed by.
        let days = upstream.rows.in_table(&upstream.snapshot) != Rows::Bad;
        let before = upstream.snapshot.expired_before().filter(|_| days)?;
        Some((upstream, before))
    })
}

/// Whether two tables have the same columns, comments aside.
pub fn same_columns(a: &Schema, b: &Schema) -> bool {
    a.fields().len() == b.fields().len()
        && a.fields()
            .iter()
            .zip(b.fields())
            .all(|(a, b)| a.name() == b.name() && a.data_type().equals_datatype(b.data_type()))
}
