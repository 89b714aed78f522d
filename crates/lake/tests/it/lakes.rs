//! Lakes to test on, and tables to test with.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray as _, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use futures::StreamExt as _;
use goldrecord_lake::{
    AddFile, Lake, Outcome, Proposal, Snapshot, Table, TableSpec, TxnStep, WriteOptions,
};
use tokio::runtime::Runtime;

/// A lake that is deleted when the test ends.
pub struct TestLake {
    pub lake: Lake,
    _folder: tempfile::TempDir,
}

/// A lake in a temporary folder.
pub fn local() -> TestLake {
    let folder = tempfile::tempdir().expect("a temporary folder");
    TestLake {
        lake: Lake::open(folder.path().to_str().expect("a path of UTF-8")).expect("opens"),
        _folder: folder,
    }
}

/// Runs a check in a folder of its own on a real HDFS, where one can be had. All checks run on one runtime: the client
/// keeps connections for the whole process, and one that a test's own runtime opened would break in the hands of another
/// test when the first one ends.
pub fn on_hdfs<F: Future<Output = ()>>(check: impl FnOnce(Lake) -> F) {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
    let Some(server) = goldrecord_testkit::require(goldrecord_testkit::Hdfs::shared()) else {
        return;
    };
    let url = format!("{}/lake-{}", server.url(), uuid::Uuid::new_v4());
    RUNTIME.block_on(async { check(Lake::open(&url).expect("opens")).await });
}

/// Numbers by day: the table of most tests.
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("day", DataType::Date32, true),
    ]))
}

pub fn spec() -> TableSpec {
    TableSpec {
        schema: schema(),
        partition_columns: vec!["day".to_owned()],
        properties: BTreeMap::from([("owner".to_owned(), "tests".to_owned())]),
        description: Some("numbers by day".to_owned()),
    }
}

/// Rows of one day.
pub fn rows(day: Option<i32>, numbers: std::ops::Range<i64>) -> RecordBatch {
    let count = (numbers.end - numbers.start) as usize;
    let names: Vec<String> = numbers.clone().map(|n| format!("name {n}")).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(numbers)),
        Arc::new(StringArray::from(names)),
        Arc::new(Date32Array::from(vec![day; count])),
    ];
    RecordBatch::try_new(schema(), columns).expect("a batch")
}

pub async fn write(table: &Table, snapshot: &Snapshot, batch: RecordBatch) -> Vec<AddFile> {
    table
        .write(snapshot, vec![batch], &WriteOptions::default())
        .await
        .expect("writes")
}

pub fn append(adds: Vec<AddFile>) -> Proposal {
    Proposal {
        operation: "WRITE".to_owned(),
        adds,
        data_change: true,
        ..Proposal::default()
    }
}

pub fn step(app_id: &str, expect: Option<i64>, next: i64) -> TxnStep {
    TxnStep {
        app_id: app_id.to_owned(),
        expect,
        next,
    }
}

pub async fn committed(table: &Table, snapshot: &mut Snapshot, proposal: &Proposal) -> i64 {
    match table.commit(snapshot, proposal).await.expect("commits") {
        Outcome::Committed { version } => version,
        Outcome::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

/// The numbers of all live rows, sorted.
pub async fn numbers(table: &Table, snapshot: &Snapshot) -> Vec<i64> {
    let mut numbers = Vec::new();
    for file in snapshot.files.values() {
        for batch in read(table, snapshot, file, Some(&["n"])).await {
            numbers.extend(
                batch
                    .column(0)
                    .as_primitive::<Int64Type>()
                    .values()
                    .iter()
                    .copied(),
            );
        }
    }
    numbers.sort_unstable();
    numbers
}

pub async fn read(
    table: &Table,
    snapshot: &Snapshot,
    file: &AddFile,
    columns: Option<&[&str]>,
) -> Vec<RecordBatch> {
    let batches = table.read(file, snapshot, columns).await.expect("opens");
    batches.map(|batch| batch.expect("reads")).collect().await
}
