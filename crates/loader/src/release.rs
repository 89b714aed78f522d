//! Releases: their numbers, their rows, and the views that show them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::{Names, quoted, text};

/// A release's number; readers see the greatest.
///
/// The build leads, so that a loader that comes late cannot turn the chart back. `k` counts the
/// releases of a build: a rollback is one more. The attempt decides between two loaders that
/// publish the same `(build, k)` at once, of which readers then see one and not both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(i64, i64, u64)", into = "(i64, i64, u64)")]
pub struct Release {
    /// The build in the lake.
    pub build: i64,
    /// Counts from 0 within the build.
    pub k: i64,
    /// The load attempt; the version of the rows that it sent.
    pub attempt: u64,
}

impl From<(i64, i64, u64)> for Release {
    fn from((build, k, attempt): (i64, i64, u64)) -> Self {
        Self { build, k, attempt }
    }
}

impl From<Release> for (i64, i64, u64) {
    fn from(release: Release) -> Self {
        (release.build, release.k, release.attempt)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.build, self.k)
    }
}

impl Release {
    /// The number as SQL.
    pub fn sql(self) -> String {
        format!("({}, {}, {})", self.build, self.k, self.attempt)
    }

    /// The number that follows `current` when build `build` is published by `attempt`.
    pub fn next(current: Option<Self>, build: i64, attempt: u64) -> Self {
        match current {
            Some(current) if current.build == build => Self {
                build,
                k: current.k + 1,
                attempt,
            },
            _ => Self {
                build,
                k: 0,
                attempt,
            },
        }
    }
}

/// A slice of a table at one version: what a release is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// A month, or `all`.
    pub name: String,
    /// The attempt that sent it.
    pub version: u64,
    /// Its rows.
    pub rows: u64,
    /// Their checksum.
    pub checksum: u64,
    /// A digest of the lake's files that it was made of.
    pub source: u64,
}

/// One table in a release: a row of `_releases`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The gold table.
    pub name: String,
    /// The version of the lake's table.
    pub lake_version: i64,
    /// The table's columns, for the view.
    pub columns: Vec<String>,
    /// Its slices.
    pub slices: Vec<Slice>,
}

impl Listed {
    /// The rows of all slices.
    pub fn rows(&self) -> u64 {
        self.slices.iter().map(|s| s.rows).sum()
    }
}

/// A whole release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its number.
    pub release: Release,
    /// The release whose rows it shows: itself, or the one rolled back to.
    pub shows: Release,
    /// When, in milliseconds since 1970 by `ClickHouse`'s clock; 0 before it is published.
    pub at_ms: i64,
    /// Its tables, by name.
    pub tables: Vec<Listed>,
}

/// A row of `_releases` as it travels in JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    release: Release,
    shows: Release,
    name: String,
    lake_version: i64,
    columns: Vec<String>,
    parts: Vec<(String, u64)>,
    part_rows: Vec<u64>,
    part_checksums: Vec<u64>,
    part_sources: Vec<u64>,
    rows: u64,
    checksum: u64,
    /// Set by `ClickHouse`.
    #[serde(default, skip_serializing)]
    published_at_ms: i64,
}

/// The columns of `_releases` that [`Row`] reads.
pub const ROW_COLUMNS: &str = "release, shows, name, lake_version, columns, parts, part_rows, part_checksums, part_sources, rows, checksum, \
     toUnixTimestamp64Milli(published_at) AS published_at_ms";

/// The statement that makes `_releases`. It has one partition, so that an insert is one part: visible whole or not at all.
pub fn create_releases(names: &Names) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (
            release Tuple(Int64, Int64, UInt64) COMMENT 'build, k, attempt; readers see the greatest',
            shows Tuple(Int64, Int64, UInt64) COMMENT 'the release whose rows it shows; another one after a rollback',
            name String COMMENT 'the gold table',
            lake_version Int64 COMMENT 'the version of the table in the lake',
            columns Array(String) COMMENT 'the columns of the view',
            parts Array(Tuple(String, UInt64)) COMMENT 'slice and version of the rows that belong to the release',
            part_rows Array(UInt64) COMMENT 'rows of each part',
            part_checksums Array(UInt64) COMMENT 'checksum of each part, as compared with the lake',
            part_sources Array(UInt64) COMMENT 'digest of the files in the lake that each part was made of',
            rows UInt64 COMMENT 'rows of all parts',
            checksum UInt64 COMMENT 'sum of the checksums',
            published_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
        ) ENGINE = MergeTree ORDER BY (release, name)",
        names.releases()
    )
}

/// The view of a table's current release.
///
/// The subquery for the current release is the same text in every view, which is what lets a query share its result.
pub fn view_sql(names: &Names, table: &str, columns: &[String]) -> String {
    let list: Vec<String> = columns.iter().map(|c| quoted(c)).collect();
    let releases = names.releases();
    format!(
        "CREATE OR REPLACE VIEW {view} SQL SECURITY INVOKER AS SELECT {list} FROM {rows} WHERE (`_slice`, `_version`) IN \
         (SELECT tupleElement(p, 1), tupleElement(p, 2) FROM (SELECT arrayJoin(parts) AS p FROM {releases} \
         WHERE name = {name} AND release = (SELECT max(release) FROM {releases})))",
        view = names.view(table),
        list = list.join(", "),
        rows = names.rows(table),
        name = text(table),
    )
}

impl Published {
    /// The rows to insert, one per table.
    pub fn rows(&self) -> Vec<Row> {
        self.tables
            .iter()
            .map(|table| Row {
                release: self.release,
                shows: self.shows,
                name: table.name.clone(),
                lake_version: table.lake_version,
                columns: table.columns.clone(),
                parts: table
                    .slices
                    .iter()
                    .map(|s| (s.name.clone(), s.version))
                    .collect(),
                part_rows: table.slices.iter().map(|s| s.rows).collect(),
                part_checksums: table.slices.iter().map(|s| s.checksum).collect(),
                part_sources: table.slices.iter().map(|s| s.source).collect(),
                rows: table.rows(),
                checksum: table
                    .slices
                    .iter()
                    .fold(0, |sum: u64, s| sum.wrapping_add(s.checksum)),
                published_at_ms: 0,
            })
            .collect()
    }

    /// The releases that rows make up, newest first.
    pub fn of(rows: Vec<Row>) -> Vec<Self> {
        let mut releases: Vec<Self> = Vec::new();
        let mut rows = rows;
        rows.sort_by(|a, b| b.release.cmp(&a.release).then_with(|| a.name.cmp(&b.name)));
        for row in rows {
            if releases
                .last()
                .is_none_or(|last| last.release != row.release)
            {
                let (release, shows, at_ms) = (row.release, row.shows, row.published_at_ms);
                releases.push(Self {
                    release,
                    shows,
                    at_ms,
                    tables: Vec::new(),
                });
            }
            if let Some(last) = releases.last_mut() {
                last.tables.push(row.listed());
            }
        }
        releases
    }

    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&Listed> {
        self.tables.iter().find(|t| t.name == name)
    }
}

impl Row {
    fn listed(self) -> Listed {
        let slices = self
            .parts
            .into_iter()
            .zip(self.part_rows)
            .zip(self.part_checksums)
            .zip(self.part_sources)
            .map(|((((slice, version), rows), checksum), source)| Slice {
                name: slice,
                version,
                rows,
                checksum,
                source,
            })
            .collect();
        Listed {
            name: self.name,
            lake_version: self.lake_version,
            columns: self.columns,
            slices,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(build: i64, k: i64, attempt: u64) -> Release {
        Release { build, k, attempt }
    }

    #[test]
    fn a_late_loader_stays_behind() {
        let current = release(12, 3, 900);
        assert!(Release::next(Some(current), 11, 999) < current);
        assert_eq!(Release::next(Some(current), 12, 999), release(12, 4, 999));
        assert_eq!(Release::next(Some(current), 13, 999), release(13, 0, 999));
        assert_eq!(Release::next(None, 1, 5), release(1, 0, 5));
    }

    #[test]
    fn releases_survive_the_way_through_rows() {
        let slice = |slice: &str| Slice {
            name: slice.to_owned(),
            version: 7,
            rows: 2,
            checksum: u64::MAX,
            source: 9,
        };
        let table = |name: &str| Listed {
            name: name.to_owned(),
            lake_version: 3,
            columns: vec!["a".to_owned()],
            slices: vec![slice("2026-10"), slice("2026-11")],
        };
        let published = |build| Published {
            release: release(build, 0, 7),
            shows: release(build, 0, 7),
            at_ms: 0,
            tables: vec![table("a"), table("b")],
        };
        let rows = published(1)
            .rows()
            .into_iter()
            .chain(published(2).rows())
            .collect();
        assert_eq!(Published::of(rows), [published(2), published(1)]);
    }
}
