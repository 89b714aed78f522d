//! A table with a long log opens soon.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::{DataType, Field, Schema};
use futures::StreamExt as _;
use goldrecord_lake::{Lake, Table, TableSpec};
use goldrecord_testkit::{Hdfs, require};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::json;

use crate::lakes::local;

/// The worst case: as many commits as can be since the last checkpoint.
const COMMITS: i64 = 10_099;
const PARTITIONS: i64 = 100;
const DAYS: i64 = 30;

/// Commits as an ingestor's that is 30 days late. They are written without the commit loop, which would take long.
async fn make(lake: &Lake, folder: &std::path::Path) -> Table {
    let table = lake.table("t");
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let columns = (0..20).map(|n| field(&format!("column_{n}"), DataType::Int64));
    let fields: Vec<_> = columns.chain([field("day", DataType::Int64)]).collect();
    let spec = TableSpec {
        schema: Arc::new(Schema::new(fields)),
        partition_columns: vec!["day".to_owned()],
        properties: [].into(),
        description: None,
    };
    table.create(&spec).await.expect("creates");
    for number in 1..=COMMITS {
        let bounds = (0..20).map(|n| (format!("column_{n}"), json!(number)));
        let bounds: serde_json::Map<_, _> = bounds.collect();
        let stats = json!({"numRecords": 1000, "minValues": bounds, "maxValues": bounds, "nullCount": bounds});
        let day = (number % DAYS).to_string();
        let lines = [
            json!({"commitInfo": {"timestamp": number, "operation": "WRITE", "txnId": number.to_string()}}),
            json!({"txn": {
                "appId": format!("cluster/listen_events/{}/0", number % PARTITIONS),
                "version": number,
                "lastUpdated": number
            }}),
            json!({"add": {
                "path": format!("day={day}/part-{number}.parquet"),
                "partitionValues": {"day": day},
                "size": 1 << 20,
                "modificationTime": number,
                "dataChange": true,
                "stats": stats.to_string()
            }}),
        ];
        let text = lines.map(|line| line.to_string()).join("\n");
        let file = folder.join(format!("t/_delta_log/{number:020}.json"));
        std::fs::write(file, text).expect("writes");
    }
    let last = table.at(COMMITS / 100 * 100).await.expect("reads");
    table.checkpoint(&last).await.expect("writes");
    table
}

async fn opened(table: &Table) -> Duration {
    let begun = Instant::now();
    let snapshot = table.latest().await.expect("reads").expect("is there");
    let took = begun.elapsed();
    assert_eq!(snapshot.version, COMMITS);
    assert_eq!(snapshot.txns.len() as i64, PARTITIONS);
    assert_eq!(snapshot.files.len() as i64, COMMITS);
    took
}

#[test]
fn a_table_with_ten_thousand_commits_opens_within_two_seconds() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (lake, folder) = local();
        let table = make(&lake, folder.path()).await;
        let took = opened(&table).await;
        eprintln!("on a local disk: opened in {took:?}");
        assert!(took < Duration::from_secs(2));

        let Some(server) = require(Hdfs::shared()) else {
            return;
        };
        let url = format!("{}/opening-{}", server.url(), std::process::id());
        let away = Lake::open(&url).expect("opens");
        // What an opening reads: the hint, the newest checkpoint and the commits since.
        let commits = 10_000..=COMMITS;
        let names = commits.map(|version| format!("t/_delta_log/{version:020}.json"));
        let names = names.chain([
            "t/_delta_log/_last_checkpoint".to_owned(),
            format!("t/_delta_log/{:020}.checkpoint.parquet", 10_000),
        ]);
        let (from, to) = (lake.object_store(), away.object_store());
        futures::stream::iter(names)
            .map(|name| async {
                let path = Path::from(name);
                let bytes = from.get(&path).await.expect("reads").bytes().await;
                let put = to.put(&path, bytes.expect("reads").into()).await;
                put.expect("writes");
            })
            .buffer_unordered(16)
            .collect::<()>()
            .await;
        let took = opened(&away.table("t")).await;
        eprintln!("on HDFS: opened in {took:?}");
        assert!(took < Duration::from_secs(2));
        away.remove_all("").await.expect("removes");
    });
}
