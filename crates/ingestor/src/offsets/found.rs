//! What a table holds of a partition's epoch, row by row.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array as _, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use futures::StreamExt as _;
use goldrecord_lake::{AddFile, Snapshot, Table};

use super::cut::{Cut, Held, expired_below};
use crate::bronze::{EVENT_DATE, Kind};
use crate::error::{Error, Result};
use crate::rewrite::{column, failed, rewrite};

const COLUMNS: [&str; 6] = [
    "_kind",
    "_partition",
    "_epoch",
    "_offset",
    "_offset_end",
    "_error_text",
];

/// A partition's epoch in one version of its table.
#[derive(Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "an epoch is known by its number")]
pub(super) struct Epoch<'a> {
    pub(super) table: &'a Table,
    pub(super) snapshot: &'a Snapshot,
    pub(super) partition: i32,
    pub(super) epoch: i32,
}

/// Rows by what they are, as numbers of offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) good: i64,
    pub(super) bad: i64,
    pub(super) gaps: i64,
    pub(super) expired: i64,
}

/// A file that holds rows to be cut.
pub(super) struct Touched {
    pub(super) file: AddFile,
    /// The rows that go.
    pub(super) dropped: u64,
    /// How many rows each of its rows of expired days stands for afterwards, in their order.
    pub(super) expired: Vec<i64>,
}

/// What setting an epoch back takes.
pub(super) struct Survey {
    /// Where the epoch began, if a row says so.
    pub(super) start: Option<i64>,
    pub(super) touched: Vec<Touched>,
    /// What goes.
    pub(super) cut: Tally,
}

/// What one file holds.
#[derive(Default)]
struct OfFile {
    dropped: u64,
    shortened: bool,
    /// Offsets accounted for below the one set back to, but for those that expired.
    below: i64,
    /// Least offset and number of rows of each row of expired days.
    expired: Vec<(i64, i64)>,
}

impl Epoch<'_> {
    /// Looks for all rows at or after `to`.
    pub(super) async fn survey(&self, to: i64) -> Result<Survey> {
        let (mut start, mut cut) = (None, Tally::default());
        let mut found: Vec<(&AddFile, OfFile)> = Vec::new();
        for file in self.files().filter(|file| !has_day(file)) {
            let of_file = self.survey_file(file, to, &mut start, &mut cut).await?;
            found.push((file, of_file));
        }
        let expired: Vec<(i64, i64)> = expired(&found);
        for file in self.files().filter(|file| has_day(file)) {
            // What expired below is what everything else below leaves; otherwise rows below do not matter.
            let reaches = bound(file, "_offset", Bound::Greatest).is_none_or(|last| last >= to);
            if reaches || !expired.is_empty() {
                let of_file = self.survey_file(file, to, &mut start, &mut cut).await?;
                found.push((file, of_file));
            }
        }
        let below: i64 = found.iter().map(|(_, of_file)| of_file.below).sum();
        let left = expired_below(&expired, to - start.unwrap_or(to) - below);
        cut.expired = expired.iter().map(|(_, rows)| rows).sum::<i64>() - left.iter().sum::<i64>();
        let mut left = left.into_iter();
        let mut touched = Vec::new();
        for (file, mut of_file) in found {
            let rows: Vec<i64> = left.by_ref().take(of_file.expired.len()).collect();
            for ((_, before), after) in of_file.expired.iter().zip(&rows) {
                of_file.dropped += u64::from(*after == 0);
                of_file.shortened |= before != after;
            }
            if of_file.dropped > 0 || of_file.shortened {
                touched.push(Touched {
                    file: file.clone(),
                    dropped: of_file.dropped,
                    expired: rows,
                });
            }
        }
        Ok(Survey {
            start,
            touched,
            cut,
        })
    }

    async fn survey_file(
        &self,
        file: &AddFile,
        to: i64,
        start: &mut Option<i64>,
        cut: &mut Tally,
    ) -> Result<OfFile> {
        let mut found = OfFile::default();
        self.each(file, |held| {
            match held.kind {
                "start" => *start = Some(held.offset),
                "expired" => found.expired.push((held.offset, held.offsets())),
                _ => {
                    let left = match held.below(to)? {
                        Cut::Keep => held.offsets(),
                        Cut::Drop => {
                            found.dropped += 1;
                            0
                        }
                        Cut::Shorten { end, .. } => {
                            found.shortened = true;
                            end - held.offset
                        }
                    };
                    found.below += left;
                    let gone = held.offsets() - left;
                    match held.kind {
                        "good" => cut.good += gone,
                        "bad" => cut.bad += gone,
                        _ => cut.gaps += gone,
                    }
                }
            }
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Writes a file anew without what is at or after `to`. `None`: no row is left.
    pub(super) async fn cut(&self, touched: &Touched, to: i64) -> Result<Option<AddFile>> {
        let mut expired = touched.expired.iter().copied();
        let (table, snapshot) = (self.table, self.snapshot);
        rewrite(
            table,
            snapshot,
            snapshot,
            &touched.file,
            touched.dropped,
            |batch| {
                self.cut_batch(&batch, to, &mut expired)
                    .map_err(|why| unreadable(table, why))
            },
        )
        .await
    }

    fn cut_batch(
        &self,
        batch: &RecordBatch,
        to: i64,
        expired: &mut impl Iterator<Item = i64>,
    ) -> Result<RecordBatch, String> {
        let rows = Rows::of(batch)?;
        let mut keep = vec![true; batch.num_rows()];
        let mut shortened = BTreeMap::new();
        for (row, keep) in keep.iter_mut().enumerate() {
            let Some(held) = rows.get(row, self.partition, self.epoch) else {
                continue;
            };
            let cut = match held.kind {
                "expired" => match expired.next() {
                    None => return Err("it holds more rows of expired days than before".to_owned()),
                    Some(0) => Cut::Drop,
                    Some(left) => Cut::Shorten {
                        end: held.offset + left,
                        text: held.text.map(str::to_owned),
                    },
                },
                _ => held.below(to)?,
            };
            match cut {
                Cut::Keep => {}
                Cut::Drop => *keep = false,
                Cut::Shorten { end, text } => {
                    shortened.insert(row, (end, text));
                }
            }
        }
        let batch = if shortened.is_empty() {
            batch.clone()
        } else {
            shorten(batch, &rows, &shortened).map_err(|error| error.to_string())?
        };
        filter_record_batch(&batch, &BooleanArray::from(keep)).map_err(|error| error.to_string())
    }

    /// The files that can hold rows of the partition.
    fn files(&self) -> impl Iterator<Item = &AddFile> {
        let holds = |file: &&AddFile| {
            let partition = i64::from(self.partition);
            bound(file, "_partition", Bound::Least).is_none_or(|least| least <= partition)
                && bound(file, "_partition", Bound::Greatest).is_none_or(|last| last >= partition)
        };
        self.snapshot.files.values().filter(holds)
    }

    /// Hands over every row of the epoch in a file.
    async fn each(
        &self,
        file: &AddFile,
        mut visit: impl FnMut(&Held<'_>) -> Result<(), String>,
    ) -> Result<()> {
        each(self.table, self.snapshot, file, |rows, row| {
            match rows.get(row, self.partition, self.epoch) {
                Some(held) => visit(&held),
                None => Ok(()),
            }
        })
        .await
    }
}

/// Where each partition's epochs began, by partition and epoch.
pub(super) async fn starts(
    table: &Table,
    snapshot: &Snapshot,
) -> Result<BTreeMap<(i32, i32), i64>> {
    let mut starts = BTreeMap::new();
    // No kind of row without a day comes after it.
    let holds = |file: &&AddFile| {
        let last = file.stats.max_values.get("_kind");
        let last = last.and_then(serde_json::Value::as_str);
        !has_day(file) && last.is_none_or(|last| last >= Kind::Start.name())
    };
    for file in snapshot.files.values().filter(holds) {
        each(table, snapshot, file, |rows, row| {
            if rows.kind.value(row) == Kind::Start.name() {
                let of = (rows.partition.value(row), rows.epoch.value(row));
                starts.insert(of, rows.offset.value(row));
            }
            Ok(())
        })
        .await?;
    }
    Ok(starts)
}

/// Hands over every row of a file.
async fn each(
    table: &Table,
    snapshot: &Snapshot,
    file: &AddFile,
    mut visit: impl FnMut(&Rows<'_>, usize) -> Result<(), String>,
) -> Result<()> {
    let failed = failed(table);
    let batches = table.read(file, snapshot, Some(&COLUMNS)).await;
    let mut batches = batches.map_err(&failed)?;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(&failed)?;
        let visited = Rows::of(&batch)
            .and_then(|rows| (0..batch.num_rows()).try_for_each(|row| visit(&rows, row)));
        visited.map_err(|why| unreadable(table, why))?;
    }
    Ok(())
}

fn unreadable(table: &Table, why: String) -> Error {
    Error::RowsDiffer {
        table: table.path().to_owned(),
        why,
    }
}

fn expired(found: &[(&AddFile, OfFile)]) -> Vec<(i64, i64)> {
    let rows = found.iter().flat_map(|(_, of_file)| &of_file.expired);
    rows.copied().collect()
}

/// Only events have a day.
fn has_day(file: &AddFile) -> bool {
    matches!(file.partition_values.get(EVENT_DATE), Some(Some(_)))
}

#[derive(Clone, Copy)]
enum Bound {
    Least,
    Greatest,
}

/// A whole number that a column of a file does not pass, as its log says it.
fn bound(file: &AddFile, column: &str, which: Bound) -> Option<i64> {
    let values = match which {
        Bound::Least => &file.stats.min_values,
        Bound::Greatest => &file.stats.max_values,
    };
    values.get(column).and_then(serde_json::Value::as_i64)
}

/// A batch's columns.
struct Rows<'a> {
    kind: &'a StringArray,
    partition: &'a Int32Array,
    epoch: &'a Int32Array,
    offset: &'a Int64Array,
    end: &'a Int64Array,
    text: &'a StringArray,
}

impl<'a> Rows<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, String> {
        let other = |name: &str| format!("column `{name}` is not of the type that it always has");
        Ok(Self {
            kind: column(batch, "_kind").map_err(other)?,
            partition: column(batch, "_partition").map_err(other)?,
            epoch: column(batch, "_epoch").map_err(other)?,
            offset: column(batch, "_offset").map_err(other)?,
            end: column(batch, "_offset_end").map_err(other)?,
            text: column(batch, "_error_text").map_err(other)?,
        })
    }

    /// The row, if it is of this partition's epoch.
    fn get(&self, row: usize, partition: i32, epoch: i32) -> Option<Held<'a>> {
        let own = self.partition.value(row) == partition && self.epoch.value(row) == epoch;
        own.then(|| Held {
            kind: self.kind.value(row),
            offset: self.offset.value(row),
            end: self.end.is_valid(row).then(|| self.end.value(row)),
            text: self.text.is_valid(row).then(|| self.text.value(row)),
        })
    }
}

/// The batch with other ends and texts in some rows.
fn shorten(
    batch: &RecordBatch,
    rows: &Rows<'_>,
    shortened: &BTreeMap<usize, (i64, Option<String>)>,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let count = 0..batch.num_rows();
    let ends: Int64Array = count
        .clone()
        .map(|row| match shortened.get(&row) {
            Some((end, _)) => Some(*end),
            None => rows.end.is_valid(row).then(|| rows.end.value(row)),
        })
        .collect();
    let texts: StringArray = count
        .map(|row| match shortened.get(&row) {
            Some((_, text)) => text.as_deref(),
            None => rows.text.is_valid(row).then(|| rows.text.value(row)),
        })
        .collect();
    let schema = batch.schema();
    let mut columns = batch.columns().to_vec();
    columns[schema.index_of("_offset_end")?] = Arc::new(ends);
    columns[schema.index_of("_error_text")?] = Arc::new(texts);
    RecordBatch::try_new(schema, columns)
}
