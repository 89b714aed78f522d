//! Opening a table whose log is long, on HDFS: `cargo run --profile demo -p goldrecord-lake --example long_log -- 10000 100 30`.
//!
//! Every commit adds a file of each day and moves every partition's number; every tenth is followed by a compaction of
//! what came since the last. The log is made in a folder, by the commit loop, and then carried to HDFS as it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::{DataType, Field, Schema};
use futures::{StreamExt as _, TryStreamExt as _};
use goldrecord_lake::{AddFile, Lake, Outcome, Proposal, Stats, Table, TableSpec, TxnStep};
use goldrecord_testkit::Hdfs;
use object_store::{ObjectStoreExt as _, path::Path};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

const TABLE: &str = "bronze/events";
/// So many commits are followed by a compaction.
const COMPACTED: i64 = 10;
/// After so many compactions a file has its size.
const FULL: i64 = 6;
const OPENED: usize = 5;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let numbers: Vec<i64> = std::env::args()
        .skip(1)
        .map(|number| number.parse())
        .collect::<Result<_, _>>()?;
    let [commits, partitions, days] = numbers.as_slice() else {
        return Err("usage: long_log COMMITS PARTITIONS DAYS".into());
    };
    let folder = tempfile::tempdir()?;
    let made = Lake::open(folder.path().to_str().ok_or("a path of text")?)?;
    let took = fill(&made.table(TABLE), *commits, *partitions, *days).await?;
    let median = |part: &[Duration]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part.get(part.len() / 2).copied().unwrap_or_default()
    };
    println!(
        "a commit in a folder: {:.1?} (median of the first hundred), {:.1?} (of the last)",
        median(&took[..took.len().min(100)]),
        median(&took[took.len().saturating_sub(100)..]),
    );

    let hdfs = Hdfs::start()?;
    let lake = Lake::open(&format!("{}/lake", hdfs.url()))?;
    let bytes = carry(&made, &lake).await?;
    println!("its log on HDFS: {} MiB", bytes >> 20);
    let mut took = Vec::new();
    for _ in 0..OPENED {
        // As a process does that begins: with connections of its own.
        let lake = Lake::open(&format!("{}/lake", hdfs.url()))?;
        let begun = Instant::now();
        let snapshot = lake
            .table(TABLE)
            .latest()
            .await?
            .ok_or("the table is gone")?;
        took.push(begun.elapsed());
        assert_eq!(
            snapshot.txns.len() as i64,
            *partitions,
            "every offset is read"
        );
        if took.len() == OPENED {
            println!(
                "version {}: {} live files, {} offsets",
                snapshot.version,
                snapshot.files.len(),
                snapshot.txns.len(),
            );
        }
    }
    took.sort_unstable();
    println!(
        "table opened and all offsets read: {:.2?} (median of {OPENED}), {:.2?} (longest)",
        took[OPENED / 2],
        took[OPENED - 1]
    );
    Ok(())
}

/// Commits what an ingestor and its maintenance would. Returns how long each commit took.
async fn fill(
    table: &Table,
    commits: i64,
    partitions: i64,
    days: i64,
) -> Result<Vec<Duration>, AnyError> {
    let schema = Schema::new(vec![
        Field::new("event_date", DataType::Date32, true),
        Field::new("ts", DataType::Int64, true),
    ]);
    let spec = TableSpec {
        schema: Arc::new(schema),
        partition_columns: vec!["event_date".into()],
        properties: BTreeMap::new(),
        description: None,
    };
    let mut snapshot = table.create(&spec).await?;
    let mut took = Vec::new();
    for number in 0..commits {
        let offset = snapshot.txn("cluster/events/0/0").unwrap_or(0);
        let compacts = number % (COMPACTED + 1) == COMPACTED;
        let small: Vec<String> = snapshot
            .files
            .keys()
            .filter(|path| compacts && !path.contains("full-"))
            .cloned()
            .collect();
        let kind = match number / (COMPACTED + 1) % FULL {
            _ if !compacts => "part",
            0 => "full",
            _ => "growing",
        };
        let moves = (0..partitions)
            .filter(|_| !compacts)
            .map(|partition| TxnStep {
                app_id: format!("cluster/events/{partition}/0"),
                expect: (offset > 0).then_some(offset),
                next: offset + 1_000,
            });
        let proposal = Proposal {
            operation: if compacts { "COMPACT" } else { "WRITE" }.into(),
            adds: (0..days).map(|day| file(kind, number, day)).collect(),
            removes: small,
            txns: moves.collect(),
            data_change: !compacts,
            ..Proposal::default()
        };
        let begun = Instant::now();
        let outcome = table.commit(&mut snapshot, &proposal).await?;
        took.push(begun.elapsed());
        assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
    }
    Ok(took)
}

/// A file as the log of a bronze table names it, statistics included.
fn file(kind: &str, number: i64, day: i64) -> AddFile {
    let date = format!("2026-10-{:02}", day % 31 + 1);
    let columns = [
        "_partition",
        "_offset",
        "_timestamp",
        "_schema_id",
        "ts",
        "userId",
        "sessionId",
    ];
    let bound = |value: i64| {
        let pairs = columns
            .iter()
            .map(|name| ((*name).to_owned(), value.into()));
        pairs.collect::<serde_json::Map<_, _>>()
    };
    AddFile {
        path: format!(
            "event_date={date}/{kind}-{number:05}-{day:02}-6f1c3e3a-8b1d-4f0e-9d57-2f4f3f2b1a00.parquet"
        ),
        partition_values: [("event_date".to_owned(), Some(date))].into(),
        size: 1 << 20,
        modification_time: 0,
        data_change: true,
        stats: Stats {
            num_records: 1_000,
            min_values: bound(number * 1_000),
            max_values: bound(number * 1_000 + 999),
            null_count: bound(0),
        },
    }
}

/// Copies the table's log. Returns its size.
async fn carry(from: &Lake, to: &Lake) -> Result<u64, AnyError> {
    const AT_ONCE: usize = 24;
    let (source, target) = (from.object_store(), to.object_store());
    let log = Path::from(format!("{TABLE}/_delta_log"));
    let files: Vec<_> = source.list(Some(&log)).try_collect().await?;
    let bytes = files.iter().map(|file| file.size).sum();
    futures::stream::iter(files)
        .map(|file| {
            let (source, target) = (Arc::clone(&source), Arc::clone(&target));
            async move {
                let content = source.get(&file.location).await?.bytes().await?;
                target.put(&file.location, content.into()).await
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(bytes)
}
