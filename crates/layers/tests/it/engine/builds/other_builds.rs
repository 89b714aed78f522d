//! Builds that are interrupted, overtaken, or overtake another one.

use goldrecord_lake::{Fence, Proposal, TxnStep};
use goldrecord_layers::Error;
use goldrecord_layers::reporter::Event;
use goldrecord_service::Shutdown;

use super::filled;
use crate::engine::support::{Hook, of, row};

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_build_goes_on_where_it_stopped() {
    let bench = filled(&[]).await;
    let shutdown = Shutdown::new();
    let stop = Hook(|event: &Event<'_>| {
        if matches!(event, Event::NodeFinished { node, .. } if node.name == "fct") {
            shutdown.request();
        }
    });
    let error = bench.try_build(&stop, &shutdown, false).await.unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
    assert_eq!(
        bench
            .query("show tables")
            .await
            .iter()
            .filter(|line| line.contains("fct"))
            .count(),
        0,
        "nothing is published"
    );
    let report = bench.build().await;
    assert_eq!(of(&report, "fct").way.as_deref(), Some("unchanged"));
    assert_eq!(of(&report, "days").way.as_deref(), Some("full"));
    assert!(report.published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_a_newer_one_overtook_commits_nothing_more() {
    let bench = filled(&[]).await;
    bench.build().await;
    // As a newer build does.
    let table = bench.lake.table("gold/days");
    let mut snapshot = bench.snapshot("gold/days").await;
    let newer = Proposal {
        operation: "REPLACE".into(),
        fences: vec![Fence {
            app_id: "layers/build".into(),
            value: 99,
        }],
        data_change: true,
        ..Proposal::default()
    };
    table.commit(&mut snapshot, &newer).await.unwrap();
    bench.events(&[row("b", 10, 1, "Home")]).await;
    assert_eq!(
        bench.failure().await,
        "build 2 was superseded by build 99, which has written gold.days: nothing more of it is committed"
    );
    assert_eq!(bench.rows("gold/days").await, ["1970-01-11|1|1"]);
    assert_eq!(
        bench.query("select events from days").await,
        ["1"],
        "readers see the build before"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_build_still_committed_is_read_again() {
    let bench = filled(&[]).await;
    bench.build().await;
    bench.events(&[row("b", 11, 1, "Home")]).await;
    let overtaken = std::sync::atomic::AtomicBool::new(false);
    let table = bench.lake.table("gold/days");
    // As an older build does between our planning and our commit: all rows go.
    let hook = Hook(|event: &Event<'_>| {
        let staged = matches!(event, Event::NodeStarted { node, .. } if node.name == "nothing");
        if staged && !overtaken.swap(true, std::sync::atomic::Ordering::Relaxed) {
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    let mut snapshot = table.latest().await.unwrap().unwrap();
                    let removes = snapshot.files.keys().cloned().collect();
                    let late = Proposal {
                        operation: "REPLACE".into(),
                        removes,
                        data_change: true,
                        txns: snapshot
                            .txns
                            .iter()
                            .filter(|(app_id, _)| app_id.as_str() != "layers/build")
                            .map(|(app_id, version)| TxnStep {
                                app_id: app_id.clone(),
                                expect: Some(*version),
                                next: *version + 1,
                            })
                            .collect(),
                        ..Proposal::default()
                    };
                    table.commit(&mut snapshot, &late).await.unwrap();
                });
            });
        }
    });
    bench.write(
        "tests/nothing.sql",
        "select * from {{ ref('days') }} where events < 0",
    );
    let report = bench
        .try_build(&hook, &Shutdown::new(), true)
        .await
        .unwrap();
    assert!(report.published, "{report:?}");
    assert!(overtaken.into_inner());
    assert_eq!(
        bench.rows("gold/days").await,
        ["1970-01-11|1|1", "1970-01-12|1|1"]
    );
}
