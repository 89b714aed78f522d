//! How often writers of one table commit, and whether each gets its turn; then, opening the table:
//! `cargo run --profile demo -p goldrecord-lake --example commits -- hdfs://localhost:8020/bench 20 1 3 8`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use goldrecord_lake::{Lake, Outcome, Proposal, TableSpec, TxnStep, WriteOptions};
use goldrecord_testkit::Hdfs;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, seconds, writers @ ..] = arguments.as_slice() else {
        return Err("usage: commits LAKE|hdfs SECONDS WRITERS...".into());
    };
    // An HDFS of its own, which ends with it.
    let hdfs = (url == "hdfs").then(Hdfs::start).transpose()?;
    let own = hdfs.as_ref().map(|hdfs| format!("{}/bench", hdfs.url()));
    let url = own.unwrap_or_else(|| url.clone());
    let seconds = Duration::from_secs(seconds.parse()?);
    println!("| writers | commits/s | p50 | p99 | longest | slowest / fastest writer |");
    println!("|---:|---:|---:|---:|---:|---:|");
    for count in writers {
        measure(&url, count.parse()?, seconds).await?;
    }
    Ok(())
}

/// Lets so many writers commit to one new table for so long, each as soon as its last commit is made.
async fn measure(url: &str, writers: usize, lasts: Duration) -> Result<(), AnyError> {
    let lake = Lake::open(url)?;
    lake.remove_all("commits").await?;
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let spec = TableSpec {
        schema: Arc::clone(&schema),
        partition_columns: Vec::new(),
        properties: std::collections::BTreeMap::new(),
        description: None,
    };
    lake.table("commits").create(&spec).await?;
    let begun = Instant::now();
    let runs: Vec<_> = (0..writers)
        .map(|writer| tokio::spawn(write(url.to_owned(), writer, Arc::clone(&schema), lasts)))
        .collect();
    let mut by_writer = Vec::new();
    for run in runs {
        by_writer.push(run.await??);
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let mut all: Vec<Duration> = by_writer.concat();
    all.sort_unstable();
    let counts = by_writer.iter().map(Vec::len);
    let (least, most) = (counts.clone().min(), counts.clone().max());
    println!(
        "| {writers} | {:.1} | {} | {} | {} | {:.2} ({}) |",
        all.len() as f64 / elapsed,
        show(&all, 50),
        show(&all, 99),
        show(&all, 100),
        least.unwrap_or(0) as f64 / most.unwrap_or(0).max(1) as f64,
        counts
            .map(|count| count.to_string())
            .collect::<Vec<_>>()
            .join(", "),
    );
    if writers > 1 {
        for (writer, took) in by_writer.iter_mut().enumerate() {
            took.sort_unstable();
            println!(
                "| – of these, {writer} | {:.1} | {} | {} | {} | |",
                took.len() as f64 / elapsed,
                show(took, 50),
                show(took, 99),
                show(took, 100),
            );
        }
    }
    let begun = Instant::now();
    let opened = lake
        .table("commits")
        .latest()
        .await?
        .ok_or("the table is gone")?;
    eprintln!(
        "opening version {} took {} ms",
        opened.version,
        begun.elapsed().as_millis()
    );
    Ok(())
}

/// One writer, with clients of its own: how long each of its commits took.
async fn write(
    url: String,
    writer: usize,
    schema: SchemaRef,
    lasts: Duration,
) -> Result<Vec<Duration>, AnyError> {
    let table = Lake::open(&url)?.table("commits");
    let mut snapshot = table.latest().await?.ok_or("the table is gone")?;
    let begun = Instant::now();
    let mut took = Vec::new();
    while begun.elapsed() < lasts {
        let number = took.len() as i64;
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
                app_id: format!("bench/topic/{writer}/0"),
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
            "nobody else has this number: {outcome:?}"
        );
    }
    Ok(took)
}

/// The value below which `part` of a hundred lie, of values in their order.
fn show(sorted: &[Duration], part: usize) -> String {
    let at = (sorted.len() * part / 100).min(sorted.len().saturating_sub(1));
    sorted
        .get(at)
        .map_or_else(|| "–".to_owned(), |took| format!("{} ms", took.as_millis()))
}
