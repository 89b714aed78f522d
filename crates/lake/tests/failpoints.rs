//! A process that dies at any step of a commit, on a real file system, and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use goldrecord_lake::{Lake, Outcome, Proposal, Refusal, TableSpec, TxnStep, WriteOptions};

/// Where the process dies, and whether the commit then stands.
const PLACES: [(&str, bool); 3] = [
    ("lake::commit::write", false),
    ("lake::commit::before_rename", false),
    ("lake::commit::after_rename", true),
];

#[tokio::test]
async fn a_writer_that_dies_anywhere_and_tries_again_commits_once() {
    let scenario = fail::FailScenario::setup();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lake = Lake::open(folder.path().to_str().expect("a path of UTF-8")).expect("opens");
    let table = lake.table("t");
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter_with_nullable([("n", column, true)]).expect("a batch");
    let spec = TableSpec {
        schema: batch.schema(),
        partition_columns: Vec::new(),
        properties: BTreeMap::new(),
        description: None,
    };
    let mut snapshot = table.create(&spec).await.expect("creates");
    for (turn, (place, stands)) in PLACES.into_iter().cycle().take(150).enumerate() {
        let expect = snapshot.txn("topic/0");
        let adds = table
            .write(&snapshot, vec![batch.clone()], &WriteOptions::default())
            .await
            .expect("writes");
        let proposal = Proposal {
            operation: "WRITE".to_owned(),
            adds,
            txns: vec![TxnStep {
                app_id: "topic/0".to_owned(),
                expect,
                next: turn as i64,
            }],
            data_change: true,
            ..Proposal::default()
        };
        fail::cfg(place, "return").expect("a failpoint");
        // Every other turn the checkpoint dies too: the commit may not care.
        fail::cfg(
            "lake::checkpoint::hint",
            if turn % 2 == 0 { "return" } else { "off" },
        )
        .expect("a failpoint");
        let died = table.commit(&mut snapshot, &proposal).await;
        assert!(died.is_err(), "{place}: {died:?}");
        fail::cfg(place, "off").expect("a failpoint");

        snapshot = table.latest().await.expect("reads").expect("is there");
        let outcome = table
            .commit(&mut snapshot, &proposal)
            .await
            .expect("answers");
        match outcome {
            Outcome::Committed { .. } => assert!(!stands, "{place}"),
            Outcome::Refused(Refusal::Txn { found, .. }) => {
                assert!(stands, "{place}");
                assert_eq!(found, Some(turn as i64));
            }
            Outcome::Refused(refusal) => panic!("{place}: {refusal}"),
        }
        assert_eq!(
            (snapshot.version, snapshot.rows()),
            (turn as i64 + 1, turn as i64 + 1)
        );
    }
    assert_eq!(table.latest().await.expect("reads"), Some(snapshot));
    scenario.teardown();
}
