//! How long things take. Prints; asserts nothing. Run with `--ignored --nocapture`.

use std::time::Instant;

use goldrecord_lake::Lake;

use crate::lakes::{append, committed, local, rows, spec, step, write};

async fn measure(kind: &str, lake: Lake, commits: i64) {
    let table = lake.table("t");
    let mut snapshot = table.create(&spec()).await.expect("creates");
    let mut took = Vec::new();
    for number in 0..commits {
        let adds = write(&table, &snapshot, rows(Some(number as i32), 0..100)).await;
        let mut proposal = append(adds);
        proposal.txns = vec![step("topic/0", (number > 0).then_some(number), number + 1)];
        let begun = Instant::now();
        committed(&table, &mut snapshot, &proposal).await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    eprintln!(
        "{kind}: a commit takes {:?} (median), {:?} (p99)",
        took[took.len() / 2],
        took[took.len() * 99 / 100]
    );
    let begun = Instant::now();
    let opened = table.latest().await.expect("reads").expect("is there");
    eprintln!(
        "{kind}: opening after {} commits takes {:?}",
        opened.version,
        begun.elapsed()
    );
    assert_eq!(opened, snapshot);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn commits_and_opening() {
    let test = local();
    measure("local disk", test.lake.clone(), 1050).await;
    if let Ok(url) = std::env::var("GOLDRECORD_TEST_LAKE") {
        let lake = Lake::open(&url).expect("opens");
        lake.remove_all("t").await.expect("removes");
        measure("hdfs", lake, 30).await;
    }
}
