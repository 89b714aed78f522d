//! Rows written and read back, with their statistics.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array,
    Int64Array, ListArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Fields, Int32Type, Schema};
use goldrecord_lake::{TableSpec, WriteOptions};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::json;

use crate::lakes::{append, committed, local, numbers, read, rows, spec, write};

/// A batch with a column of every type.
pub fn of_every_type() -> RecordBatch {
    let long_text = "a".repeat(100);
    let inner = StructArray::from(vec![(
        Arc::new(Field::new("x", arrow::datatypes::DataType::Int64, true)),
        Arc::new(Int64Array::from(vec![Some(5), None, Some(-3)])) as ArrayRef,
    )]);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
    ]);
    RecordBatch::try_from_iter_with_nullable(vec![
        (
            "text",
            Arc::new(StringArray::from(vec![
                Some("b"),
                None,
                Some(long_text.as_str()),
            ])) as ArrayRef,
            true,
        ),
        (
            "whole",
            Arc::new(Int32Array::from(vec![Some(3), Some(-7), None])),
            true,
        ),
        (
            "ratio",
            Arc::new(Float64Array::from(vec![0.5, -1.25, 8.0])),
            true,
        ),
        (
            "flag",
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            true,
        ),
        (
            "day",
            Arc::new(Date32Array::from(vec![0, 20_000, 19_999])),
            true,
        ),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![1, 1_700_000_000_000_001, -1])
                    .with_timezone("UTC"),
            ),
            true,
        ),
        (
            "money",
            Arc::new(
                Decimal128Array::from(vec![1234, -5, 0])
                    .with_precision_and_scale(10, 2)
                    .expect("fits"),
            ),
            true,
        ),
        (
            "raw",
            Arc::new(BinaryArray::from_vec(vec![b"\xff", b"", b"x"])),
            true,
        ),
        (
            "nothing",
            Arc::new(Int64Array::from(vec![None, None, None])),
            true,
        ),
        ("inner", Arc::new(inner), true),
        ("list", Arc::new(list), true),
    ])
    .expect("a batch")
}

#[tokio::test]
async fn every_type_is_read_back_and_has_statistics() {
    let test = local();
    let table = test.lake.table("t");
    let batch = of_every_type();
    let spec = TableSpec {
        schema: batch.schema(),
        partition_columns: vec![],
        ..spec()
    };
    let mut snapshot = table.create(&spec).await.expect("creates");
    let proposal = append(write(&table, &snapshot, batch.clone()).await);
    committed(&table, &mut snapshot, &proposal).await;
    let snapshot = table.latest().await.expect("reads").expect("is there");
    let file = snapshot.files.values().next().expect("one file");
    let back = concat_batches(&snapshot.schema, &read(&table, &snapshot, file, None).await)
        .expect("one schema");
    for (index, field) in snapshot.schema.fields().iter().enumerate() {
        let written =
            arrow::compute::cast(batch.column(index), field.data_type()).expect("the same type");
        assert_eq!(&written, back.column(index), "{}", field.name());
    }
    let stats = &file.stats;
    assert_eq!(stats.num_records, 3);
    let json = json!({"min": stats.min_values, "max": stats.max_values, "nulls": stats.null_count});
    assert_eq!(
        json,
        json!({
            "min": {
                "text": "a".repeat(32), "whole": -7, "ratio": -1.25, "day": "1970-01-01",
                "at": "1969-12-31T23:59:59.999Z", "money": -0.05, "inner": {"x": -3},
            },
            "max": {
                "text": "b", "whole": 3, "ratio": 8.0, "day": "2024-10-04",
                "at": "2023-11-14T22:13:20.001Z", "money": 12.34, "inner": {"x": 5},
            },
            "nulls": {
                "text": 1, "whole": 1, "ratio": 0, "flag": 1, "day": 0, "at": 0, "money": 0, "raw": 0,
                "nothing": 3, "inner": {"x": 1},
            },
        })
    );
}

#[tokio::test]
async fn rows_go_to_the_folder_of_their_day() {
    let test = local();
    let table = test.lake.table("t");
    let mut snapshot = table.create(&spec()).await.expect("creates");
    let days = [Some(3), None, Some(1)];
    let batches: Vec<_> = (0..30)
        .map(|i| rows(days[i % 3], i as i64 * 10..i as i64 * 10 + 10))
        .collect();
    let mixed = concat_batches(&snapshot.schema, &batches).expect("one schema");
    let proposal = append(write(&table, &snapshot, mixed).await);
    let folders: Vec<&str> = proposal
        .adds
        .iter()
        .filter_map(|add| add.path.split('/').next())
        .collect();
    assert_eq!(
        folders,
        [
            "day=1970-01-02",
            "day=1970-01-04",
            "day=__HIVE_DEFAULT_PARTITION__"
        ]
    );
    committed(&table, &mut snapshot, &proposal).await;
    assert_eq!(
        numbers(&table, &snapshot).await,
        (0..300).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_stream_makes_files_near_the_target_and_loses_nothing() {
    let test = local();
    let table = test.lake.table("t");
    let mut snapshot = table.create(&spec()).await.expect("creates");
    let options = WriteOptions {
        target_file_bytes: 20_000,
        folder_buffer_bytes: 30_000,
        total_buffer_bytes: 100_000,
        ..WriteOptions::default()
    };
    let mut writer = table.writer(&snapshot, options);
    for chunk in 0..300i64 {
        let first = chunk * 100;
        writer
            .push(rows(Some((chunk % 7) as i32), first..first + 100))
            .await
            .expect("takes");
    }
    let proposal = append(writer.finish().await.expect("finishes"));
    assert!(proposal.adds.len() > 7, "{}", proposal.adds.len());
    committed(&table, &mut snapshot, &proposal).await;
    assert_eq!(snapshot.rows(), 30_000);
    assert_eq!(
        numbers(&table, &snapshot).await,
        (0..30_000).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_tells_what_it_holds_until_it_holds_nothing() {
    let test = local();
    let table = test.lake.table("t");
    let snapshot = table.create(&spec()).await.expect("creates");
    let (now, most) = (Arc::new(AtomicIsize::new(0)), Arc::new(AtomicIsize::new(0)));
    let (told, peak) = (Arc::clone(&now), Arc::clone(&most));
    let options = WriteOptions {
        folder_buffer_bytes: 10_000,
        ..WriteOptions::default()
    };
    let mut writer = table
        .writer(&snapshot, options)
        .metered(Arc::new(move |by| {
            let held = told.fetch_add(by, Ordering::SeqCst) + by;
            assert!(held >= 0, "never less than nothing: {held}");
            peak.fetch_max(held, Ordering::SeqCst);
        }));
    for chunk in 0..20i64 {
        let (first, place) = (chunk * 100, (chunk % 3) as i32);
        writer
            .push(rows(Some(place), first..first + 100))
            .await
            .expect("takes");
        assert!(
            now.load(Ordering::SeqCst) > 0,
            "rows wait, or are being encoded"
        );
    }
    writer.finish().await.expect("finishes");
    assert_eq!(now.load(Ordering::SeqCst), 0);
    assert!(most.load(Ordering::SeqCst) > 10_000);
}

#[tokio::test]
async fn large_values_do_not_make_pages_of_a_thousand() {
    let test = local();
    let table = test.lake.table("t");
    let column = Field::new("text", arrow::datatypes::DataType::Utf8, true);
    let spec = TableSpec {
        schema: Arc::new(Schema::new(vec![column])),
        partition_columns: Vec::new(),
        ..spec()
    };
    let snapshot = table.create(&spec).await.expect("creates");
    // Of different bytes, so that they stay large.
    let values = (0..20u32).map(|n| {
        let mut state = n + 1;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b' ' + (state >> 24) as u8 % 95)
        };
        (0..1 << 20).map(|_| next()).collect::<String>()
    });
    let column: ArrayRef = Arc::new(StringArray::from_iter_values(values));
    let batch = RecordBatch::try_new(Arc::clone(&snapshot.schema), vec![column]).expect("rows");
    let mut writer = table.writer(&snapshot, WriteOptions::default());
    writer.push(batch).await.expect("takes");
    let files = writer.finish().await.expect("finishes");
    let root = test.lake.url().trim_start_matches("file://").to_owned();
    let file = std::fs::File::open(format!("{root}/t/{}", files[0].path)).expect("it is there");
    let reader = SerializedFileReader::new(file).expect("it is Parquet");
    let group = reader.get_row_group(0).expect("one row group");
    let pages = group.get_column_page_reader(0).expect("one column");
    let most = pages
        .map(|page| page.expect("a page").num_values())
        .max()
        .expect("pages");
    assert!(most <= 2, "{most} values of a megabyte in one page");
}

#[tokio::test]
async fn an_aborted_writer_leaves_no_files() {
    let test = local();
    let table = test.lake.table("t");
    let snapshot = table.create(&spec()).await.expect("creates");
    let options = WriteOptions {
        target_file_bytes: 1,
        folder_buffer_bytes: 1,
        ..WriteOptions::default()
    };
    let mut writer = table.writer(&snapshot, options);
    for first in [0, 10, 20] {
        writer
            .push(rows(Some(1), first..first + 10))
            .await
            .expect("takes");
    }
    writer.abort().await.expect("aborts");
    let root = test.lake.url().trim_start_matches("file://").to_owned() + "/t/day=1970-01-02";
    let left = std::fs::read_dir(root).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_tables_name_and_a_value_may_hold_strange_characters() {
    let test = local();
    let table = test.lake.table("t");
    let places = [
        "São Paulo",
        "a/b",
        "100%",
        "x=y",
        "tab\tnew\nline",
        "..",
        "#?*{}",
    ];
    let schema = Arc::new(Schema::new(Fields::from(vec![
        Field::new("n", arrow::datatypes::DataType::Int64, true),
        Field::new("place name", arrow::datatypes::DataType::Utf8, true),
    ])));
    let spec = TableSpec {
        schema: schema.clone(),
        partition_columns: vec!["place name".to_owned()],
        ..spec()
    };
    let mut snapshot = table.create(&spec).await.expect("creates");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..places.len() as i64)),
        Arc::new(StringArray::from(places.to_vec())),
    ];
    let batch = RecordBatch::try_new(schema, columns).expect("a batch");
    let proposal = append(write(&table, &snapshot, batch).await);
    committed(&table, &mut snapshot, &proposal).await;
    let mut seen = Vec::new();
    for file in snapshot.files.values() {
        for batch in read(&table, &snapshot, file, Some(&["place name"])).await {
            let column = arrow::array::AsArray::as_string::<i32>(batch.column(0));
            seen.extend(column.iter().flatten().map(str::to_owned));
        }
    }
    seen.sort();
    let mut places = places.to_vec();
    places.sort_unstable();
    assert_eq!(seen, places);
}
