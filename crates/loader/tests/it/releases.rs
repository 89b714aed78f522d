//! What readers see, release by release.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use goldrecord_loader::{Outcome, rollback, status};

use crate::bench::{OCTOBER, batch, bench, rows};

#[tokio::test]
async fn every_type_arrives_as_it_is_in_the_lake() {
    let Some(mut bench) = bench("types") else {
        return;
    };
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        (
            "date",
            Arc::new(Date32Array::from(vec![Some(OCTOBER), None, Some(-1)])),
            true,
        ),
        (
            "yes",
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            true,
        ),
        (
            "tiny",
            Arc::new(Int8Array::from(vec![Some(-128), None, Some(127)])),
            true,
        ),
        (
            "small",
            Arc::new(Int16Array::from(vec![Some(-1), None, Some(1)])),
            true,
        ),
        (
            "int",
            Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])),
            true,
        ),
        (
            "long",
            Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX])),
            false,
        ),
        (
            "float",
            Arc::new(Float32Array::from(vec![Some(1.5), None, Some(f32::NAN)])),
            true,
        ),
        (
            "double",
            Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(0.1)])),
            true,
        ),
        (
            "money",
            Arc::new(
                Decimal128Array::from(vec![Some(-1230), None, Some(5)])
                    .with_precision_and_scale(18, 2)
                    .unwrap(),
            ),
            true,
        ),
        (
            "large",
            Arc::new(
                Decimal128Array::from(vec![Some(10_i128.pow(30)), None, Some(-1)])
                    .with_precision_and_scale(38, 6)
                    .unwrap(),
            ),
            true,
        ),
        (
            "text",
            Arc::new(StringArray::from(vec![
                Some("it's \\ \"Ü\""),
                None,
                Some(""),
            ])),
            true,
        ),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_790_812_800_000_001), None, Some(-1)])
                    .with_timezone("UTC"),
            ),
            true,
        ),
    ];
    bench.replace("types", &batch(&columns)).await;
    bench.publish().await;
    let report = bench.load().await.unwrap();
    assert_eq!((report.outcome, report.rows()), (Outcome::Published, 3));
    let found = bench
        .query("SELECT date, yes, tiny, small, int, long, float, double, toString(money), large, text, at FROM DB.types ORDER BY long FORMAT CSV")
        .await;
    assert_eq!(
        found.replace('"', "'"),
        "'2026-10-01',true,-128,-1,-2147483648,-9223372036854775808,1.5,-0,'-12.3',1000000000000000000000000,'it's \\ ''Ü''','2026-10-01 00:00:00.000001'\n\
         \\N,\\N,\\N,\\N,\\N,0,\\N,\\N,\\N,\\N,\\N,\\N\n\
         '1969-12-31',false,127,1,2147483647,9223372036854775807,nan,0.1,'0.05',-0.000001,'','1969-12-31 23:59:59.999999'"
    );
}

#[tokio::test]
async fn a_second_load_of_the_same_build_changes_nothing() {
    let Some(mut bench) = bench("again") else {
        return;
    };
    bench.replace("days", &rows(0..40, 1)).await;
    bench.replace("empty", &rows(0..0, 1)).await;
    bench.publish().await;
    let first = bench.load().await.unwrap();
    assert_eq!((first.outcome, first.rows_sent()), (Outcome::Published, 40));
    let second = bench.load().await.unwrap();
    assert_eq!(
        (second.outcome, second.release, second.rows_sent()),
        (Outcome::Unchanged, first.release, 0)
    );
    assert_eq!(
        bench
            .query("SELECT count(), uniq(release) FROM DB._releases")
            .await,
        "2\t1"
    );
    // A new build of the same tables is a release of its own, of the rows that are there.
    bench.publish().await;
    let third = bench.load().await.unwrap();
    assert_eq!(
        (third.outcome, third.rows(), third.rows_sent()),
        (Outcome::Published, 40, 0)
    );
    assert!(third.release > first.release);
}

#[tokio::test]
async fn only_the_months_that_changed_are_sent() {
    let Some(mut bench) = bench("months") else {
        return;
    };
    let month = |day: i32, n: i64| {
        let rows = 110_000;
        batch(&[
            (
                "date",
                Arc::new(Date32Array::from_value(OCTOBER + day, rows)) as ArrayRef,
                true,
            ),
            ("n", Arc::new(Int64Array::from_value(n, rows)), true),
        ])
    };
    bench.replace("large", &month(0, 1)).await;
    bench.append("large", &month(31, 2)).await;
    bench.publish().await;
    let first = bench.load().await.unwrap();
    assert_eq!(
        (first.rows_sent(), first.tables[0].slices_sent),
        (220_000, 2)
    );
    bench.append("large", &rows_like_large()).await;
    bench.publish().await;
    let second = bench.load().await.unwrap();
    assert_eq!(
        (second.rows_sent(), second.tables[0].slices_kept),
        (110_001, 1)
    );
    assert_eq!(
        bench.query("SELECT count(), sum(n) FROM DB.large").await,
        "220001\t330007"
    );
}

fn rows_like_large() -> arrow::array::RecordBatch {
    batch(&[
        (
            "date",
            Arc::new(Date32Array::from(vec![OCTOBER + 32])) as ArrayRef,
            true,
        ),
        ("n", Arc::new(Int64Array::from(vec![7])), true),
    ])
}

#[tokio::test]
async fn a_rollback_shows_the_release_before_and_the_next_build_goes_on() {
    let Some(mut bench) = bench("back") else {
        return;
    };
    let seen = "SELECT max(n), (SELECT max(n) FROM DB.other) FROM DB.days";
    for n in 1..=3 {
        bench.replace("days", &rows(0..5, n)).await;
        bench.replace("other", &rows(0..5, n * 10)).await;
        bench.publish().await;
        bench.load().await.unwrap();
    }
    assert_eq!(bench.query(seen).await, "3\t30");
    let (release, shows) = rollback(&bench.settings).await.unwrap();
    assert_eq!(
        (release.to_string(), shows.to_string()),
        ("3.1".to_owned(), "2.0".to_owned())
    );
    assert_eq!(bench.query(seen).await, "2\t20");
    // The build that was rolled back is not loaded again.
    assert_eq!(bench.load().await.unwrap().outcome, Outcome::HeldBack);
    assert_eq!(bench.query(seen).await, "2\t20");
    assert_eq!(
        rollback(&bench.settings).await.unwrap().1.to_string(),
        "1.0"
    );
    assert_eq!(bench.query(seen).await, "1\t10");
    let error = rollback(&bench.settings).await.unwrap_err().to_string();
    assert!(error.contains("nothing to roll back to"), "{error}");
    // A build whose rows were sent before the rollback finds them there.
    bench.publish().await;
    let next = bench.load().await.unwrap();
    assert_eq!((next.outcome, next.rows_sent()), (Outcome::Published, 0));
    assert_eq!(bench.query(seen).await, "3\t30");
}

#[tokio::test]
async fn old_releases_and_rows_that_none_lists_are_dropped() {
    let Some(mut bench) = bench("old") else {
        return;
    };
    bench.settings.keep_releases = 2;
    bench.settings.orphan_age = Duration::ZERO;
    for n in 1..=4 {
        bench.replace("days", &rows(0..5, n)).await;
        bench.publish().await;
        bench.load().await.unwrap();
    }
    let kept: Vec<String> = status(&bench.settings)
        .await
        .unwrap()
        .releases
        .iter()
        .map(|r| r.release.to_string())
        .collect();
    assert_eq!(kept, ["4.0", "3.0"]);
    assert_eq!(
        bench
            .query("SELECT arraySort(groupUniqArray(n)) FROM DB_data.days")
            .await,
        "[3,4]"
    );
    // Rows that nobody published stay as long as they might still be published.
    bench.settings.orphan_age = Duration::from_hours(1);
    bench.replace("days", &rows(0..5, 5)).await;
    bench.publish().await;
    assert_eq!(bench.load().await.unwrap().slices_dropped, 0);
    assert_eq!(bench.query("SELECT uniq(n) FROM DB_data.days").await, "3");
}

#[tokio::test]
async fn a_new_column_appears_and_a_changed_type_is_refused() {
    let Some(mut bench) = bench("columns") else {
        return;
    };
    let date: ArrayRef = Arc::new(Date32Array::from(vec![OCTOBER]));
    let n: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    bench
        .replace(
            "t",
            &batch(&[
                ("date", Arc::clone(&date), true),
                ("n", Arc::clone(&n), true),
            ]),
        )
        .await;
    bench.publish().await;
    bench.load().await.unwrap();
    let more: ArrayRef = Arc::new(StringArray::from(vec!["new"]));
    bench
        .replace(
            "t",
            &batch(&[
                ("more", more, true),
                ("date", Arc::clone(&date), true),
                ("n", n, false),
            ]),
        )
        .await;
    bench.publish().await;
    bench.load().await.unwrap();
    assert_eq!(
        bench.query("SELECT * FROM DB.t").await,
        "new\t2026-10-01\t1"
    );
    // Going back shows the old columns.
    rollback(&bench.settings).await.unwrap();
    assert_eq!(bench.query("SELECT * FROM DB.t").await, "2026-10-01\t1");

    let text: ArrayRef = Arc::new(StringArray::from(vec!["one"]));
    bench
        .replace("t", &batch(&[("date", date, true), ("n", text, true)]))
        .await;
    bench.publish().await;
    let error = bench.load().await.unwrap_err().to_string();
    assert!(
        error.contains(
            "column `n` of gold table `t` is Nullable(String) now and Nullable(Int64) in ClickHouse"
        ),
        "{error}"
    );
    assert_eq!(
        bench.query("SELECT * FROM DB.t").await,
        "2026-10-01\t1",
        "readers keep what they had"
    );
    // The mend that the message names.
    bench.query("DROP TABLE DB_data.t").await;
    bench.load().await.unwrap();
    assert_eq!(bench.query("SELECT * FROM DB.t").await, "2026-10-01\tone");
    let error = rollback(&bench.settings).await.unwrap_err().to_string();
    assert!(
        error.contains("cannot come back: slice `all` of `t` should have 1 rows and has 0"),
        "{error}"
    );
}

#[tokio::test]
async fn a_table_that_left_the_project_leaves_the_readers() {
    let Some(mut bench) = bench("left") else {
        return;
    };
    bench.replace("stays", &rows(0..5, 1)).await;
    bench.replace("leaves", &rows(0..5, 1)).await;
    bench.publish().await;
    bench.load().await.unwrap();
    bench.forget("leaves");
    bench.publish().await;
    bench.load().await.unwrap();
    assert_eq!(bench.query("SELECT groupArray(name) FROM system.tables WHERE database = 'DB' AND engine = 'View'").await, "['stays']");
    rollback(&bench.settings).await.unwrap();
    assert_eq!(bench.query("SELECT count() FROM DB.leaves").await, "5");
}
