//! What lies in `ClickHouse`: tables, parts, views, the list of releases.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::checksum::{self, Sum};
use crate::clickhouse::ClickHouse;
use crate::columns::{Column, SLICE, VERSION};
use crate::error::{Error, Result};
use crate::names::{Names, quoted, text};
use crate::plan::TablePlan;
use crate::release::{Published, ROW_COLUMNS, Release, Row, create_releases, view_sql};
use crate::settings::LoaderSettings;

/// The most active parts that a table may hold: `ClickHouse` delays inserts from here on.
const MOST_PARTS: u64 = 1_000;

/// Rows and parts of the versions of a table's slices.
type Versions = BTreeMap<(String, u64), (u64, u64)>;

/// The rows and parts of each version of each slice of each table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// By table, then by slice and version.
    found: BTreeMap<String, Versions>,
}

impl Parts {
    /// Adds rows in so many parts.
    pub fn add(&mut self, table: &str, slice: &str, version: u64, rows: u64, parts: u64) {
        let found = self
            .found
            .entry(table.to_owned())
            .or_default()
            .entry((slice.to_owned(), version))
            .or_default();
        found.0 += rows;
        found.1 += parts;
    }

    /// The rows of one version of one slice; 0 where there are none.
    pub fn rows(&self, table: &str, slice: &str, version: u64) -> u64 {
        self.found
            .get(table)
            .and_then(|t| t.get(&(slice.to_owned(), version)))
            .map_or(0, |(rows, _)| *rows)
    }

    /// All versions of all slices: table, slice, version.
    fn iter(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.found.iter().flat_map(|(table, slices)| {
            slices
                .keys()
                .map(move |(slice, version)| (table.as_str(), slice.as_str(), *version))
        })
    }

    /// Asserts that no table holds too many parts.
    pub fn refuse_too_many(&self, names: &Names) -> Result<()> {
        for (table, slices) in &self.found {
            let parts: u64 = slices.values().map(|(_, parts)| parts).sum();
            if parts >= MOST_PARTS {
                return Err(Error::TooManyParts {
                    table: names.shown(table),
                    parts,
                    limit: MOST_PARTS,
                });
            }
        }
        Ok(())
    }
}

/// The loader's part of a server.
#[derive(Debug, Clone)]
pub struct Store {
    server: ClickHouse,
    /// Its databases.
    pub names: Names,
}

impl Store {
    /// Connects; nothing is made yet.
    pub async fn connect(settings: &LoaderSettings) -> Result<Self> {
        Ok(Self {
            server: ClickHouse::connect(settings).await?,
            names: Names::of(&settings.database),
        })
    }

    /// Makes databases and the list of releases, where missing.
    pub async fn prepare(&self) -> Result<()> {
        for database in [&self.names.readers, &self.names.data] {
            let sql = format!("CREATE DATABASE IF NOT EXISTS {}", quoted(database));
            self.server
                .execute(&format!("create database `{database}`"), &sql)
                .await?;
        }
        self.server
            .execute(
                "create the table of releases",
                &create_releases(&self.names),
            )
            .await
    }

    /// Every release that is kept, newest first. None where the loader has never run.
    pub async fn releases(&self) -> Result<Vec<Published>> {
        #[derive(Deserialize)]
        struct Count {
            n: u64,
        }
        let sql = format!(
            "SELECT count() AS n FROM system.tables WHERE database = {} AND name = '_releases'",
            text(&self.names.readers)
        );
        let tables: Vec<Count> = self
            .server
            .rows("look for the table of releases", &sql)
            .await?;
        if tables.first().is_none_or(|c| c.n == 0) {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {ROW_COLUMNS} FROM {}", self.names.releases());
        let rows: Vec<Row> = self.server.rows("read the releases", &sql).await?;
        Ok(Published::of(rows))
    }

    /// What rows are there, by table, slice and version.
    pub async fn parts(&self) -> Result<Parts> {
        #[derive(Deserialize)]
        struct Found {
            table: String,
            partition: String,
            rows: u64,
            parts: u64,
        }
        let sql = format!(
            "SELECT table, partition, sum(rows) AS rows, count() AS parts FROM system.parts WHERE database = {} AND active GROUP BY table, partition",
            text(&self.names.data)
        );
        let found: Vec<Found> = self.server.rows("list the parts", &sql).await?;
        let mut parts = Parts::default();
        for f in found {
            let (slice, version) =
                parse_partition(&f.partition).ok_or_else(|| Error::BadAnswer {
                    what: "list the parts".to_owned(),
                    why: format!("partition {}", f.partition),
                })?;
            parts.add(&f.table, slice, version, f.rows, f.parts);
        }
        Ok(parts)
    }

    /// Makes the table, or gives it the columns that it lacks. Returns the columns as they are in `ClickHouse` now.
    pub async fn shape(&self, plan: &TablePlan) -> Result<Vec<Column>> {
        #[derive(Deserialize)]
        struct Found {
            name: String,
            r#type: String,
        }
        let rows = self.names.rows(&plan.name);
        let what = format!("create {rows}");
        self.server
            .execute(&what, &create_table(&self.names, plan))
            .await?;
        let sql = format!(
            "SELECT name, type FROM system.columns WHERE database = {} AND table = {}",
            text(&self.names.data),
            text(&plan.name)
        );
        let found: Vec<Found> = self.server.rows("read the columns", &sql).await?;
        let found: BTreeMap<&str, &str> = found
            .iter()
            .map(|f| (f.name.as_str(), f.r#type.as_str()))
            .collect();
        let mut columns = plan.columns.clone();
        for column in &mut columns {
            let wanted = column.sql_type();
            let nullable = Column {
                nullable: true,
                ..column.clone()
            };
            match found.get(column.name.as_str()) {
                Some(before) if *before == wanted => {}
                // Nullable takes values that are never null.
                Some(before) if *before == nullable.sql_type() => *column = nullable,
                Some(before)
                    if column.nullable
                        && *before
                            == (Column {
                                nullable: false,
                                ..column.clone()
                            })
                            .sql_type() =>
                {
                    let sql = format!(
                        "ALTER TABLE {rows} MODIFY COLUMN {} {wanted}",
                        quoted(&column.name)
                    );
                    self.server
                        .execute(
                            &format!("let column `{}` of {rows} be null", column.name),
                            &sql,
                        )
                        .await?;
                }
                Some(before) => {
                    return Err(Error::TypeChanged {
                        table: plan.name.clone(),
                        column: column.name.clone(),
                        before: (*before).to_owned(),
                        now: wanted,
                        data: self.names.shown(&plan.name),
                    });
                }
                None => {
                    let sql = format!(
                        "ALTER TABLE {rows} ADD COLUMN IF NOT EXISTS {} {wanted}",
                        quoted(&column.name)
                    );
                    self.server
                        .execute(&format!("add column `{}` to {rows}", column.name), &sql)
                        .await?;
                }
            }
        }
        Ok(columns)
    }

    /// Inserts an Arrow stream whose columns are the table's, `_slice` and `_version` included.
    pub async fn insert(&self, table: &str, columns: &[Column], stream: &[u8]) -> Result<()> {
        let rows = self.names.rows(table);
        let list: Vec<String> = columns
            .iter()
            .map(|c| quoted(&c.name))
            .chain([quoted(SLICE), quoted(VERSION)])
            .collect();
        let sql = format!(
            "INSERT INTO {rows} ({}) FORMAT ArrowStream",
            list.join(", ")
        );
        self.server
            .insert(&format!("insert into {rows}"), &sql, stream)
            .await
    }

    /// Rows and checksum of one version of one slice, as they are in `ClickHouse`.
    pub async fn sum(
        &self,
        table: &str,
        columns: &[Column],
        slice: &str,
        version: u64,
    ) -> Result<Sum> {
        #[derive(Deserialize)]
        struct Found {
            loaded_rows: u64,
            loaded_hashes: u64,
        }
        let rows = self.names.rows(table);
        // A gold column may be called like an alias: the column is meant.
        let sql = format!(
            "SELECT count() AS loaded_rows, {} AS loaded_hashes FROM {rows} WHERE `{SLICE}` = {} AND `{VERSION}` = {version} SETTINGS prefer_column_name_to_alias = 1",
            checksum::sql(columns),
            text(slice)
        );
        let found: Vec<Found> = self.server.rows(&format!("read back {rows}"), &sql).await?;
        Ok(found.first().map_or(Sum::default(), |f| Sum {
            rows: f.loaded_rows,
            hashes: f.loaded_hashes,
        }))
    }

    /// Makes or changes the view of a table.
    pub async fn view(&self, table: &str, columns: &[String]) -> Result<()> {
        let what = format!("create the view {}", self.names.view(table));
        self.server
            .execute(&what, &view_sql(&self.names, table, columns))
            .await
    }

    /// Publishes a release: one insert, and readers see all of it.
    pub async fn publish(&self, release: &Published) -> Result<()> {
        let mut lines = Vec::new();
        for row in release.rows() {
            let line = serde_json::to_vec(&row).map_err(|e| Error::BadAnswer {
                what: "write a release".to_owned(),
                why: e.to_string(),
            })?;
            lines.extend_from_slice(&line);
            lines.push(b'\n');
        }
        let sql = format!(
            "INSERT INTO {} (release, shows, name, lake_version, columns, parts, part_rows, part_checksums, part_sources, rows, checksum) FORMAT JSONEachRow",
            self.names.releases()
        );
        self.server
            .insert(
                &format!("publish release {}", release.release),
                &sql,
                &lines,
            )
            .await
    }

    /// Forgets all releases but the newest `keep`, then drops rows that no release lists and whose attempt began before `before_ms`.
    /// Returns how many slices were dropped.
    pub async fn clean(&self, keep: usize, before_ms: u64) -> Result<u64> {
        let releases = self.releases().await?;
        let Some(current) = releases.first() else {
            return Ok(0);
        };
        if let Some(oldest) = releases.get(keep - 1).filter(|_| releases.len() > keep) {
            let sql = format!(
                "ALTER TABLE {} DELETE WHERE release < {}",
                self.names.releases(),
                oldest.release.sql()
            );
            self.server.execute("forget old releases", &sql).await?;
        }
        let kept = &releases[..releases.len().min(keep)];
        let mut listed: BTreeSet<(&str, &str, u64)> = BTreeSet::new();
        for table in kept.iter().flat_map(|r| &r.tables) {
            listed.extend(
                table
                    .slices
                    .iter()
                    .map(|s| (table.name.as_str(), s.name.as_str(), s.version)),
            );
        }
        let parts = self.parts().await?;
        let mut dropped = 0;
        for (table, slice, version) in parts.iter() {
            if !listed.contains(&(table, slice, version)) && began_ms(version) < before_ms {
                let rows = self.names.rows(table);
                let sql = format!(
                    "ALTER TABLE {rows} DROP PARTITION ({}, {version})",
                    text(slice)
                );
                self.server
                    .execute(&format!("drop slice `{slice}` of {rows}"), &sql)
                    .await?;
                dropped += 1;
            }
        }
        // A table that left the project keeps no view; its rows go with the releases that list them.
        for table in kept
            .iter()
            .skip(1)
            .flat_map(|r| &r.tables)
            .filter(|t| current.table(&t.name).is_none())
        {
            let view = self.names.view(&table.name);
            self.server
                .execute(
                    &format!("drop the view {view}"),
                    &format!("DROP VIEW IF EXISTS {view}"),
                )
                .await?;
        }
        Ok(dropped)
    }
}

/// The statement that makes a gold table.
fn create_table(names: &Names, plan: &TablePlan) -> String {
    let mut columns: Vec<String> = plan
        .columns
        .iter()
        .map(|c| format!("{} {}", quoted(&c.name), c.sql_type()))
        .collect();
    columns.push(format!("`{SLICE}` LowCardinality(String)"));
    columns.push(format!("`{VERSION}` UInt64"));
    let key: Vec<String> = plan.sorting.iter().map(|c| quoted(c)).collect();
    format!(
        "CREATE TABLE IF NOT EXISTS {} ({}) ENGINE = MergeTree PARTITION BY (`{SLICE}`, `{VERSION}`) ORDER BY ({}) SETTINGS allow_nullable_key = 1",
        names.rows(&plan.name),
        columns.join(", "),
        key.join(", ")
    )
}

/// `('2026-10',7)` → `2026-10`, 7.
fn parse_partition(partition: &str) -> Option<(&str, u64)> {
    let (slice, version) = partition
        .strip_prefix("('")?
        .strip_suffix(')')?
        .rsplit_once("',")?;
    Some((slice, version.trim().parse().ok()?))
}

/// A new number for a load attempt: the time in milliseconds, and chance, so that two that begin at once differ.
pub fn new_attempt(now_ms: u64) -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    now_ms << 20 | RandomState::new().build_hasher().finish() & 0xF_FFFF
}

/// When an attempt began, in milliseconds since 1970.
pub fn began_ms(attempt: u64) -> u64 {
    attempt >> 20
}

/// Refuses a release whose rows are not all there.
pub fn refuse_gone(
    release: Release,
    tables: &[crate::release::Listed],
    parts: &Parts,
) -> Result<()> {
    for table in tables {
        for slice in &table.slices {
            let found = parts.rows(&table.name, &slice.name, slice.version);
            if found != slice.rows {
                let (table, slice_name) = (table.name.clone(), slice.name.clone());
                return Err(Error::RowsGone {
                    release,
                    table,
                    slice: slice_name,
                    listed: slice.rows,
                    found,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_read_as_clickhouse_prints_them() {
        assert_eq!(parse_partition("('2026-10',123)"), Some(("2026-10", 123)));
        assert_eq!(parse_partition("tuple()"), None);
    }

    #[test]
    fn attempts_of_one_moment_differ_and_remember_it() {
        let (a, b) = (
            new_attempt(1_790_000_000_000),
            new_attempt(1_790_000_000_000),
        );
        assert_ne!(a, b);
        assert_eq!(began_ms(a), 1_790_000_000_000);
        assert!(a < 1 << 63);
    }

    #[test]
    fn a_thousand_parts_are_too_many() {
        let mut parts = Parts::default();
        parts.add("t", "all", 1, 10, 600);
        parts.add("t", "all", 2, 10, 399);
        parts
            .refuse_too_many(&Names::of("gold"))
            .expect("999 are fine");
        parts.add("t", "all", 3, 10, 1);
        let error = parts
            .refuse_too_many(&Names::of("gold"))
            .expect_err("1,000 are not");
        assert!(
            error
                .to_string()
                .contains("`gold_data.t` would hold 1000 parts"),
            "{error}"
        );
    }
}
