//! How long a commit takes, and opening a table after many:
//! `cargo run --profile demo -p goldrecord-lake --example commits -- hdfs://localhost:8020/bench 100`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use goldrecord_lake::{Lake, Outcome, Proposal, TableSpec, TxnStep, WriteOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(commits)) = (arguments.next(), arguments.next()) else {
        return Err("usage: commits LAKE COMMITS".into());
    };
    let commits: i64 = commits.parse()?;
    let lake = Lake::open(&url)?;
    lake.remove_all("commits").await?;
    let table = lake.table("commits");
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let spec = TableSpec {
        schema: Arc::clone(&schema),
        partition_columns: Vec::new(),
        properties: std::collections::BTreeMap::new(),
        description: None,
    };
    let mut snapshot = table.create(&spec).await?;
    let mut took = Vec::new();
    for number in 0..commits {
        let rows = Arc::new(Int64Array::from_iter_values(
            number * 1_000..(number + 1) * 1_000,
        ));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![rows])?;
        let adds = table
            .write(&snapshot, vec![batch], &WriteOptions::default())
            .await?;
        let proposal = Proposal {
            operation: "WRITE".into(),
            adds,
            txns: vec![TxnStep {
                app_id: "bench/topic/0/0".into(),
                expect: (number > 0).then_some(number),
                next: number + 1,
            }],
            data_change: true,
            ..Proposal::default()
        };
        let begun = Instant::now();
        let outcome = table.commit(&mut snapshot, &proposal).await?;
        took.push(begun.elapsed());
        assert!(
            matches!(outcome, Outcome::Committed { .. }),
            "nobody else writes here: {outcome:?}"
        );
    }
    took.sort_unstable();
    let at = |part: usize| {
        took.get(took.len() * part / 100)
            .copied()
            .unwrap_or(Duration::ZERO)
    };
    println!("commit: median {:?}, p99 {:?}", at(50), at(99));
    let begun = Instant::now();
    let opened = table.latest().await?.ok_or("the table is gone")?;
    println!("opening version {}: {:?}", opened.version, begun.elapsed());
    Ok(())
}
