//! Bronze whose records in columns got fields while files of before were there.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, Date32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray,
    StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use goldrecord_lake::{MetadataChange, Outcome, Proposal, TableSpec, WriteOptions};

use crate::engine::support::{Bench, ways};

/// One event with a record, a list, and a map of records, each of these fields that hold their place's number.
fn event(day: i32, fields: &[&str]) -> RecordBatch {
    let columns: Vec<ArrayRef> = (0..fields.len())
        .map(|place| Arc::new(Int64Array::from(vec![place as i64])) as ArrayRef)
        .collect();
    let fields: Fields = fields
        .iter()
        .map(|name| Field::new(*name, DataType::Int64, true))
        .collect();
    let record: ArrayRef = Arc::new(StructArray::new(fields, columns, None));
    let one = || OffsetBuffer::new(vec![0, 1].into());
    let of = |name: &str| Field::new(name, record.data_type().clone(), true);
    let list = ListArray::new(Arc::new(of("element")), one(), Arc::clone(&record), None);
    let pair = vec![Field::new("key", DataType::Utf8, false), of("value")];
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["k"]));
    let pairs = StructArray::new(pair.into(), vec![keys, Arc::clone(&record)], None);
    let entries = Arc::new(Field::new("key_value", pairs.data_type().clone(), false));
    let map = MapArray::new(entries, one(), pairs, None, false);
    RecordBatch::try_from_iter_with_nullable([
        (
            "_kind",
            Arc::new(StringArray::from(vec!["good"])) as ArrayRef,
            true,
        ),
        ("r", record, true),
        ("l", Arc::new(list), true),
        ("m", Arc::new(map), true),
        ("event_date", Arc::new(Date32Array::from(vec![day])), true),
    ])
    .unwrap()
}

/// The event comes, and what its records have more comes to the table's.
async fn commit(bench: &Bench, batch: RecordBatch) {
    let table = bench.lake.table("bronze/events");
    let spec = TableSpec {
        schema: batch.schema(),
        partition_columns: vec!["event_date".into()],
        properties: BTreeMap::new(),
        description: None,
    };
    let mut snapshot = table.create(&spec).await.unwrap();
    let change = MetadataChange {
        schema: batch.schema(),
        ..MetadataChange::of(&snapshot)
    };
    let options = WriteOptions::default();
    let planned = snapshot.planned(&change);
    let adds = table.write(&planned, vec![batch], &options);
    let proposal = Proposal {
        operation: "WRITE".into(),
        adds: adds.await.unwrap(),
        metadata: (change != MetadataChange::of(&snapshot)).then_some(change),
        data_change: true,
        ..Proposal::default()
    };
    let outcome = table.commit(&mut snapshot, &proposal).await.unwrap();
    assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_before_a_records_fields_are_read_with_nulls_for_them() {
    let model = "{{ config(partition_by='event_date') }}
select r, l, r['a'] as a, r['new'] as new, m['k']['new'] as of_map, l[1]['new'] as of_list, event_date
from {{ source('bronze', 'events') }}
";
    let old = "select r['a'] as a, m['k']['a'] as of_map, event_date from {{ source('bronze', 'events') }}\n";
    let bench = Bench::new(&[("models/old.sql", old)]);
    commit(&bench, event(10, &["a", "b"])).await;
    bench.build().await;
    // Before what was there, and between.
    commit(&bench, event(11, &["first", "b", "new", "a"])).await;
    bench.write("models/whole.sql", model);
    let report = bench.build().await;
    assert!(report.published, "{report:?}");
    let before = "first: , b: 1, new: , a: 0";
    let after = "first: 0, b: 1, new: 2, a: 3";
    assert_eq!(
        bench.rows("silver/whole").await,
        [
            format!("{{{before}}}|[{{{before}}}]|0||||1970-01-11"),
            format!("{{{after}}}|[{{{after}}}]|3|2|2|2|1970-01-12"),
        ]
    );
    assert_eq!(
        bench.rows("silver/old").await,
        ["0|0|1970-01-11", "3|3|1970-01-12"]
    );
    let count =
        "select count(*) from bronze.events where m['k']['new'] is null and r['new'] is null";
    assert_eq!(bench.query(count).await, ["1"]);
    let maps = "select m from bronze.events order by event_date";
    assert_eq!(
        bench.query(maps).await,
        [before, after].map(|record| format!("{{k: {{{record}}}}}"))
    );
    // A table of records goes on with those of its files that are there already.
    commit(&bench, event(12, &["first", "b", "new", "a"])).await;
    let report = bench.build().await;
    assert_ne!(ways(&report)["whole"], "full", "{report:?}");
    assert_eq!(bench.rows("silver/whole").await.len(), 3);
    // It is made anew where they get more fields.
    commit(&bench, event(13, &["first", "b", "new", "a", "last"])).await;
    let report = bench.build().await;
    assert_eq!(ways(&report)["whole"], "full", "{report:?}");
    assert_eq!(bench.rows("silver/whole").await.len(), 4);
}
