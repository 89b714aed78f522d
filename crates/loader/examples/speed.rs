//! How fast gold gets into `ClickHouse`, beside `INSERT … FORMAT Parquet` of the same files:
//! `cargo run --profile demo -p goldrecord-loader --example speed -- http://localhost:8123 5000000`.

#![allow(
    clippy::large_futures,
    reason = "one task, with all the stack it needs"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Field, Schema};
use goldrecord_lake::{Lake, Outcome, Proposal, TableSpec, WriteOptions, builds};
use goldrecord_loader::{LoaderSettings, Silent, load};

const DATABASE: &str = "speed";

/// So many rows of something like the top songs of a month.
fn songs(rows: usize) -> RecordBatch {
    let number = |i: usize, k: u64| (i as u64).wrapping_mul(k) >> 40;
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "date",
            Arc::new(
                (0..rows)
                    .map(|i| Some(20_727 + (i * 30 / rows) as i32))
                    .collect::<Date32Array>(),
            ),
        ),
        (
            "rank",
            Arc::new(
                (0..rows)
                    .map(|i| Some((i % (rows / 30).max(1)) as i64))
                    .collect::<Int64Array>(),
            ),
        ),
        (
            "song_id",
            Arc::new(
                (0..rows)
                    .map(|i| {
                        Some(format!(
                            "{:016x}",
                            (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
                        ))
                    })
                    .collect::<StringArray>(),
            ),
        ),
        (
            "song",
            Arc::new(
                (0..rows)
                    .map(|i| {
                        Some(format!(
                            "Song number {}",
                            number(i, 0x9E37_79B9_7F4A_7C15) % 50_000
                        ))
                    })
                    .collect::<StringArray>(),
            ),
        ),
        (
            "artist",
            Arc::new(
                (0..rows)
                    .map(|i| {
                        Some(format!(
                            "Artist {}",
                            number(i, 0xC2B2_AE3D_27D4_EB4F) % 5_000
                        ))
                    })
                    .collect::<StringArray>(),
            ),
        ),
        (
            "listens",
            Arc::new(
                (0..rows)
                    .map(|i| Some((number(i, 0x1656_67B1_9E37_79F9) % 1_000) as i64))
                    .collect::<Int64Array>(),
            ),
        ),
        (
            "listeners",
            Arc::new(
                (0..rows)
                    .map(|i| Some((number(i, 0x1656_67B1_9E37_79F9) % 700) as i64))
                    .collect::<Int64Array>(),
            ),
        ),
        (
            "seconds",
            Arc::new(
                (0..rows)
                    .map(|i| Some(number(i, 0x27D4_EB2F_1656_67C5) as f64 / 7.0))
                    .collect::<Float64Array>(),
            ),
        ),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, a)| Field::new(*name, a.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns.into_iter().map(|(_, a)| a).collect(),
    )
    .expect("as many values as rows")
}

async fn execute(url: &str, sql: Vec<u8>) {
    let answer = reqwest::Client::new()
        .post(format!("{url}/?wait_end_of_query=1&async_insert=0"))
        .body(sql)
        .send()
        .await
        .expect("an answer");
    let ok = answer.status().is_success();
    let text = answer.text().await.expect("a text");
    assert!(ok, "{text}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, rows] = arguments.as_slice() else {
        return Err("give ClickHouse's address and a number of rows".into());
    };
    let rows: usize = rows.parse()?;
    for sql in [
        "DROP DATABASE IF EXISTS speed",
        "DROP DATABASE IF EXISTS speed_data",
    ] {
        execute(url, sql.into()).await;
    }
    let folder = tempfile::tempdir()?;
    let lake = Lake::open(folder.path().to_str().ok_or("a folder with a name")?)?;
    let settings = LoaderSettings {
        url: url.clone(),
        database: DATABASE.to_owned(),
        ..LoaderSettings::default()
    };

    let batch = songs(rows);
    let table = lake.table("gold/songs");
    let spec = TableSpec {
        schema: batch.schema(),
        partition_columns: vec![],
        properties: BTreeMap::new(),
        description: None,
    };
    let mut snapshot = table.create(&spec).await?;
    let adds = table
        .write(&snapshot, vec![batch], &WriteOptions::default())
        .await?;
    let files: Vec<String> = adds.iter().map(|a| a.path.clone()).collect();
    let proposal = Proposal {
        operation: "WRITE".to_owned(),
        adds,
        data_change: true,
        ..Proposal::default()
    };
    let Outcome::Committed { version } = table.commit(&mut snapshot, &proposal).await? else {
        return Err("refused".into());
    };
    let builds::Opened::Ours { build, .. } = builds::open(&lake, &settings.target).await? else {
        return Err("taken".into());
    };
    let tables = BTreeMap::from([("gold/songs".to_owned(), version)]);
    builds::close(
        &lake,
        &build,
        builds::Status::Published,
        tables,
        BTreeMap::new(),
    )
    .await?;

    let start = Instant::now();
    let report = load(&settings, &lake, &Silent).await?;
    let ours = start.elapsed().as_secs_f64();
    println!(
        "loader: {rows} rows, {} bytes sent, {ours:.2} s, {:.0} rows/s",
        report.bytes_sent(),
        rows as f64 / ours
    );

    execute(url, b"CREATE TABLE speed_data.plain AS speed_data.songs ENGINE = MergeTree ORDER BY (date, song_id, song, artist) SETTINGS allow_nullable_key = 1".to_vec()).await;
    let start = Instant::now();
    for file in files {
        let mut body = b"INSERT INTO speed_data.plain (date, rank, song_id, song, artist, listens, listeners, seconds) FORMAT Parquet\n".to_vec();
        body.extend(std::fs::read(folder.path().join("gold/songs").join(file))?);
        execute(url, body).await;
    }
    let theirs = start.elapsed().as_secs_f64();
    println!(
        "INSERT … FORMAT Parquet: {theirs:.2} s, {:.0} rows/s; the loader is at {:.2}×",
        rows as f64 / theirs,
        theirs / ours
    );
    for sql in ["DROP DATABASE speed", "DROP DATABASE speed_data"] {
        execute(url, sql.into()).await;
    }
    Ok(())
}
