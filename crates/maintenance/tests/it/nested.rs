//! Files of before the records in their columns got fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, Int64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use arrow::util::display::array_value_to_string;
use futures::StreamExt as _;
use goldrecord_lake::{
    MetadataChange, Outcome, Proposal, Snapshot, Table, TableSpec, WriteOptions,
};

use crate::lakes::{keeping, latest, local, own, round};

/// One row: a list of maps of records, each of these fields that hold their place's number.
fn row(fields: &[&str]) -> RecordBatch {
    let columns: Vec<ArrayRef> = (0..fields.len())
        .map(|place| Arc::new(Int64Array::from(vec![place as i64])) as ArrayRef)
        .collect();
    let fields: Fields = fields
        .iter()
        .map(|name| Field::new(*name, DataType::Int64, true))
        .collect();
    let record: ArrayRef = Arc::new(StructArray::new(fields, columns, None));
    let one = || OffsetBuffer::new(vec![0, 1].into());
    let pair = vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", record.data_type().clone(), true),
    ];
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["k"]));
    let pairs = StructArray::new(pair.into(), vec![keys, record], None);
    let entries = Arc::new(Field::new("key_value", pairs.data_type().clone(), false));
    let maps: ArrayRef = Arc::new(MapArray::new(entries, one(), pairs, None, false));
    let element = Arc::new(Field::new("element", maps.data_type().clone(), true));
    let list = ListArray::new(element, one(), maps, None);
    RecordBatch::try_from_iter_with_nullable([("l", Arc::new(list) as ArrayRef, true)])
        .expect("a batch")
}

/// The row comes, and what its records have more comes to the table's.
async fn commit(table: &Table, snapshot: &mut Snapshot, batch: RecordBatch) {
    let change = MetadataChange {
        schema: batch.schema(),
        ..MetadataChange::of(snapshot)
    };
    let options = WriteOptions::default();
    let planned = snapshot.planned(&change);
    let adds = table.write(&planned, vec![batch], &options);
    let proposal = Proposal {
        operation: "WRITE".to_owned(),
        adds: adds.await.expect("writes"),
        metadata: (change != MetadataChange::of(snapshot)).then_some(change),
        data_change: true,
        ..Proposal::default()
    };
    let outcome = table.commit(snapshot, &proposal).await.expect("answers");
    assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
}

async fn shown(table: &Table, snapshot: &Snapshot) -> Vec<String> {
    let mut rows = Vec::new();
    for file in snapshot.files.values() {
        let mut batches = table.read(file, snapshot, None).await.expect("opens");
        while let Some(batch) = batches.next().await {
            let batch = batch.expect("reads");
            let cell = |row| array_value_to_string(batch.column(0), row).expect("shown");
            rows.extend((0..batch.num_rows()).map(cell));
        }
    }
    rows.sort();
    rows
}

#[tokio::test]
async fn files_of_before_a_records_fields_become_one_with_those_of_after() {
    let (lake, _folder) = local();
    let table = lake.table("t");
    let (old, new) = (row(&["a", "b"]), row(&["new", "b", "a"]));
    let spec = TableSpec {
        schema: old.schema(),
        partition_columns: Vec::new(),
        properties: BTreeMap::new(),
        description: None,
    };
    let mut snapshot = table.create(&spec).await.expect("creates");
    for batch in [old.clone(), old, new.clone(), new] {
        commit(&table, &mut snapshot, batch).await;
    }
    let (before, after) = (
        "[{k: {new: , b: 1, a: 0}}]".to_owned(),
        "[{k: {new: 0, b: 1, a: 2}}]".to_owned(),
    );
    let expected = [before.clone(), before, after.clone(), after];
    assert_eq!(shown(&table, &snapshot).await, expected);
    let report = round(&lake, keeping()).await;
    let done = &own(&report, "t").compaction;
    assert_eq!((done.files_removed, done.files_added), (4, 1), "{report}");
    assert_eq!(shown(&table, &latest(&table).await).await, expected);
}
