//! What to send: a table's slices, and which of them are in `ClickHouse` already.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Schema};
use goldrecord_lake::{AddFile, Snapshot};
use xxhash_rust::xxh3::Xxh3Default;

use crate::columns::{Column, columns, sorting};
use crate::error::{Error, Result};
use crate::release::{Listed, Published, Slice};
use crate::store::Parts;

/// Below so many rows a table is one slice; it is sent faster than its parts are merged.
const SMALL: i64 = 200_000;

/// The slice of a table that is not cut.
pub const ALL: &str = "all";

/// One slice of a table, as the lake has it.
#[derive(Debug, Clone, PartialEq)]
pub struct SlicePlan {
    /// A month, or `all`.
    pub name: String,
    /// Its files in the lake.
    pub files: Vec<AddFile>,
    /// A digest of the table, its columns and these files.
    pub source: u64,
    /// The same rows where an earlier attempt has sent them.
    pub kept: Option<Slice>,
}

/// One gold table.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// Its name, without the schema.
    pub name: String,
    /// The table at the build's version.
    pub snapshot: Snapshot,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The columns it is sorted by in `ClickHouse`.
    pub sorting: Vec<String>,
    /// Its slices.
    pub slices: Vec<SlicePlan>,
}

/// What a plan looks at of a table in the lake.
#[derive(Debug, Clone, Copy)]
struct Gold<'a> {
    table_id: &'a str,
    schema: &'a Schema,
    partition_columns: &'a [String],
    files: &'a BTreeMap<String, AddFile>,
}

impl TablePlan {
    /// Plans a table, given everything published before (the current release first) and what is in `ClickHouse`.
    pub fn of(
        name: &str,
        snapshot: Snapshot,
        published: &[Published],
        parts: &Parts,
    ) -> Result<Self> {
        let columns = columns(name, &snapshot.schema)?;
        let gold = Gold {
            table_id: &snapshot.table_id,
            schema: &snapshot.schema,
            partition_columns: &snapshot.partition_columns,
            files: &snapshot.files,
        };
        let slices = slices(name, gold, &columns, published, parts);
        let sorting = sorting(&columns, &snapshot.partition_columns);
        Ok(Self {
            name: name.to_owned(),
            snapshot,
            columns,
            sorting,
            slices,
        })
    }

    /// The rows that must be sent.
    pub fn rows_to_send(&self) -> u64 {
        self.slices.iter().map(SlicePlan::rows_to_send).sum()
    }
}

impl SlicePlan {
    fn rows_to_send(&self) -> u64 {
        if self.kept.is_some() {
            return 0;
        }
        self.files
            .iter()
            .map(|f| f.stats.num_records.max(0) as u64)
            .sum()
    }
}

/// Refuses a table that has lost all its rows since `current`.
pub fn refuse_emptied(
    table: &str,
    rows: i64,
    current: Option<&Published>,
    allowed: &[String],
) -> Result<()> {
    let Some(current) = current else {
        return Ok(());
    };
    let before = current.table(table).map_or(0, Listed::rows);
    if rows == 0 && before > 0 && !allowed.iter().any(|name| name == table) {
        return Err(Error::Emptied {
            table: table.to_owned(),
            rows: before,
            release: current.release,
        });
    }
    Ok(())
}

/// The table's slices, each with the version that holds the same rows already, if one does.
fn slices(
    name: &str,
    gold: Gold<'_>,
    columns: &[Column],
    published: &[Published],
    parts: &Parts,
) -> Vec<SlicePlan> {
    let mut slices = Vec::new();
    for (slice, files) in cut(gold) {
        let source = digest(gold.table_id, columns, &files);
        let kept = published
            .iter()
            .filter_map(|release| release.table(name))
            .flat_map(|table| &table.slices)
            .find(|old| {
                old.name == slice
                    && old.source == source
                    && parts.rows(name, &old.name, old.version) == old.rows
            })
            .cloned();
        slices.push(SlicePlan {
            name: slice,
            files,
            source,
            kept,
        });
    }
    slices
}

/// A table's files by slice: by month of its first partition column that is a day, if the table is large.
fn cut(gold: Gold<'_>) -> BTreeMap<String, Vec<AddFile>> {
    let rows: i64 = gold.files.values().map(|f| f.stats.num_records).sum();
    let is_day = |name: &String| {
        gold.schema
            .field_with_name(name)
            .is_ok_and(|f| *f.data_type() == DataType::Date32)
    };
    let day = gold
        .partition_columns
        .iter()
        .find(|name| is_day(name))
        .filter(|_| rows > SMALL);
    let mut slices: BTreeMap<String, Vec<AddFile>> = BTreeMap::new();
    for file in gold.files.values() {
        let slice = match day {
            None => ALL.to_owned(),
            Some(column) => match file.partition_values.get(column) {
                // `2026-10-31` is in `2026-10`.
                Some(Some(value)) => value
                    .rsplit_once('-')
                    .map_or(value.clone(), |(month, _)| month.to_owned()),
                _ => "none".to_owned(),
            },
        };
        slices.entry(slice).or_default().push(file.clone());
    }
    slices
}

/// Changes when a file comes or goes, when the table is made anew, or when its columns change. `files` are in the order of their paths.
fn digest(table_id: &str, columns: &[Column], files: &[AddFile]) -> u64 {
    let mut hasher = Xxh3Default::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add(table_id);
    for column in columns {
        add(&column.name);
        add(&column.sql_type());
    }
    for file in files {
        add(&file.path);
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;
    use goldrecord_lake::Stats;

    use crate::release::Release;

    fn file(path: &str, day: Option<&str>, rows: i64) -> AddFile {
        AddFile {
            path: path.to_owned(),
            partition_values: BTreeMap::from([("date".to_owned(), day.map(str::to_owned))]),
            size: 1,
            modification_time: 0,
            data_change: true,
            stats: Stats {
                num_records: rows,
                ..Stats::default()
            },
        }
    }

    fn plan(files: &[AddFile], published: &[Published], parts: &Parts) -> Vec<SlicePlan> {
        let schema = Schema::new(vec![
            Field::new("date", DataType::Date32, true),
            Field::new("n", DataType::Int64, true),
        ]);
        let gold = Gold {
            table_id: "id",
            schema: &schema,
            partition_columns: &["date".to_owned()],
            files: &files.iter().map(|f| (f.path.clone(), f.clone())).collect(),
        };
        slices(
            "t",
            gold,
            &columns("t", &schema).expect("columns load"),
            published,
            parts,
        )
    }

    fn names(plan: &[SlicePlan]) -> Vec<&str> {
        plan.iter().map(|s| s.name.as_str()).collect()
    }

    fn rows_to_send(plan: &[SlicePlan]) -> u64 {
        plan.iter().map(SlicePlan::rows_to_send).sum()
    }

    /// A release that holds what `plan` would send, and the parts that it left.
    fn sent(plan: &[SlicePlan]) -> (Published, Parts) {
        let number = Release {
            build: 1,
            k: 0,
            attempt: 7,
        };
        let slices: Vec<Slice> = plan
            .iter()
            .map(|s| Slice {
                name: s.name.clone(),
                version: 7,
                rows: 9,
                checksum: 0,
                source: s.source,
            })
            .collect();
        let mut parts = Parts::default();
        for slice in &slices {
            parts.add("t", &slice.name, slice.version, slice.rows, 1);
        }
        let listed = Listed {
            name: "t".to_owned(),
            lake_version: 4,
            columns: vec![],
            slices,
        };
        (
            Published {
                release: number,
                shows: number,
                at_ms: 0,
                tables: vec![listed],
            },
            parts,
        )
    }

    #[test]
    fn small_tables_are_one_slice_and_large_ones_a_slice_a_month() {
        let small = [
            file("a", Some("2026-10-31"), 5),
            file("b", Some("2026-11-01"), 5),
        ];
        assert_eq!(names(&plan(&small, &[], &Parts::default())), ["all"]);
        let large = [
            file("a", Some("2026-10-31"), SMALL),
            file("b", Some("2026-11-01"), 5),
            file("c", None, 1),
        ];
        assert_eq!(
            names(&plan(&large, &[], &Parts::default())),
            ["2026-10", "2026-11", "none"]
        );
    }

    #[test]
    fn only_slices_whose_files_changed_are_sent() {
        let before = [
            file("a", Some("2026-10-31"), SMALL),
            file("b", Some("2026-11-01"), 5),
        ];
        let (published, parts) = sent(&plan(&before, &[], &Parts::default()));
        assert_eq!(
            rows_to_send(&plan(&before, std::slice::from_ref(&published), &parts)),
            0
        );
        let after = [
            file("a", Some("2026-10-31"), SMALL),
            file("b", Some("2026-11-01"), 5),
            file("c", Some("2026-11-02"), 8),
        ];
        let next = plan(&after, &[published], &parts);
        assert_eq!(
            next.iter().map(|s| s.kept.is_some()).collect::<Vec<_>>(),
            [true, false]
        );
        assert_eq!(rows_to_send(&next), 13);
    }

    #[test]
    fn slices_whose_rows_are_gone_are_sent_again() {
        let files = [file("a", Some("2026-10-31"), 5)];
        let (published, _) = sent(&plan(&files, &[], &Parts::default()));
        assert_eq!(
            rows_to_send(&plan(&files, &[published], &Parts::default())),
            5
        );
    }

    #[test]
    fn a_table_that_lost_its_rows_is_refused_until_it_is_allowed() {
        let (published, _) = sent(&plan(&[file("a", None, 5)], &[], &Parts::default()));
        let error = refuse_emptied("t", 0, Some(&published), &[]).expect_err("refused");
        assert!(
            error
                .to_string()
                .contains("`t` is empty and had 9 rows in release 1.0"),
            "{error}"
        );
        refuse_emptied("t", 0, Some(&published), &["t".to_owned()]).expect("allowed");
        refuse_emptied("t", 0, None, &[]).expect("the first release may hold empty tables");
    }
}
