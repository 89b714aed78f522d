//! Lakes to keep in shape, and tables with many small commits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray as _, Date32Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use futures::StreamExt as _;
use goldrecord_lake::{Lake, Outcome, Proposal, Snapshot, Table, TableSpec, WriteOptions};
use goldrecord_maintenance::{Report, Settings, TableReport, Upkeep};
use goldrecord_service::Shutdown;

/// A lake in a temporary folder, and the folder.
pub fn local() -> (Lake, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_str().expect("a path of UTF-8");
    (Lake::open(path).expect("opens"), folder)
}

/// Everything is old enough at once.
pub fn eager() -> Settings {
    Settings {
        interval: Duration::from_secs(1),
        target_file_bytes: 1 << 20,
        compact_after: Duration::ZERO,
        keep: Duration::ZERO,
        retention: BTreeMap::new(),
    }
}

/// Everything is old enough to be compacted, nothing to be removed.
pub fn keeping() -> Settings {
    Settings {
        keep: Duration::from_hours(1),
        ..eager()
    }
}

pub async fn round(lake: &Lake, settings: Settings) -> Report {
    let mut upkeep = Upkeep::new(lake.clone(), settings, Shutdown::new(), false);
    let report = upkeep.round().await.expect("the tables are listed");
    assert_eq!(report.failure(), None);
    report
}

/// What a report says of a table.
pub fn own<'a>(report: &'a Report, table: &str) -> &'a TableReport {
    let found = report.tables.iter().find(|own| own.table == table);
    found.expect("the table is in the report")
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("day", DataType::Date32, true),
    ]))
}

/// Numbers by day.
pub async fn create(lake: &Lake, path: &str) -> (Table, Snapshot) {
    let table = lake.table(path);
    let spec = TableSpec {
        schema: schema(),
        partition_columns: vec!["day".to_owned()],
        properties: BTreeMap::new(),
        description: None,
    };
    let snapshot = table.create(&spec).await.expect("creates");
    (table, snapshot)
}

/// Rows of one day.
pub fn rows(day: Option<i32>, numbers: impl Iterator<Item = i64>) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(numbers);
    let days = vec![day; numbers.len()];
    let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(Date32Array::from(days))];
    RecordBatch::try_new(schema(), columns).expect("a batch")
}

/// Commits a batch, and takes files away.
pub async fn commit(
    table: &Table,
    snapshot: &mut Snapshot,
    batch: RecordBatch,
    removes: Vec<String>,
) -> i64 {
    let adds = table
        .write(snapshot, vec![batch], &WriteOptions::default())
        .await
        .expect("writes");
    let proposal = Proposal {
        operation: "WRITE".to_owned(),
        adds,
        removes,
        data_change: true,
        ..Proposal::default()
    };
    match table.commit(snapshot, &proposal).await.expect("commits") {
        Outcome::Committed { version } => version,
        Outcome::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

/// A table of `commits` commits of ten rows each, over two days and none.
pub async fn filled(lake: &Lake, path: &str, commits: i64) -> (Table, Snapshot) {
    let (table, mut snapshot) = create(lake, path).await;
    for number in 0..commits {
        let day = [None, Some(20_000), Some(20_001)][number as usize % 3];
        let batch = rows(day, number * 10..(number + 1) * 10);
        commit(&table, &mut snapshot, batch, Vec::new()).await;
    }
    (table, snapshot)
}

/// The numbers of all live rows by partition value and in the order of the files' writing.
pub async fn numbers(table: &Table, snapshot: &Snapshot) -> BTreeMap<Option<String>, Vec<i64>> {
    let mut files: Vec<_> = snapshot.files.values().collect();
    files.sort_by_key(|file| (file.modification_time, &file.path));
    let mut numbers: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    for file in files {
        let mut batches = table
            .read(file, snapshot, Some(&["n"]))
            .await
            .expect("opens");
        let own = numbers.entry(file.partition_values["day"].clone());
        let own = own.or_default();
        while let Some(batch) = batches.next().await {
            let batch = batch.expect("reads");
            own.extend(batch.column(0).as_primitive::<Int64Type>().values());
        }
    }
    numbers
}

pub async fn latest(table: &Table) -> Snapshot {
    table.latest().await.expect("reads").expect("is there")
}

/// The Parquet files in a table's folder, by listing.
pub async fn stored(table: &Table) -> usize {
    let files = table.stored_files().expect("lists");
    files.map(|file| file.expect("lists")).count().await
}
