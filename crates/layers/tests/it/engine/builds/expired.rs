//! Days that retention has removed from a source, and what was built of them before.

use goldrecord_layers::engine;
use goldrecord_layers::reporter::Status;

use super::super::support::{Bench, of, row, ways};
use super::{FACT, filled};

/// Two days in bronze, both built, and the first of them gone since.
async fn with_a_day_gone() -> Bench {
    let bench = filled(&[]).await;
    bench.events(&[row("b", 11, 1, "Home")]).await;
    bench.build().await;
    bench.expire("events", 11).await;
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_built_of_days_that_are_gone_stays_and_the_next_ones_come() {
    let bench = with_a_day_gone().await;
    assert_eq!(ways(&bench.build().await)["fct"], "unchanged");
    bench.events(&[row("c", 12, 1, "Home")]).await;
    let report = bench.build().await;
    assert_eq!(ways(&report)["fct"], "append new keys");
    assert_eq!(bench.rows("silver/fct").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_build_that_would_lose_days_that_are_gone_is_refused_until_it_is_asked_for() {
    let bench = with_a_day_gone().await;
    bench.write(
        "models/fct.sql",
        &FACT.replace("page,", "upper(page) as page,"),
    );
    let manifest = bench.manifest();
    let fact = manifest.node("model.shop.fct").expect("is there");
    let told = engine::explain(&manifest, &bench.lake, fact).await.unwrap();
    assert!(
        told.next.contains("refused without --full-refresh"),
        "{told}"
    );

    let report = bench.build().await;
    assert!(!report.published, "{report:?}");
    let refused = of(&report, "fct");
    assert_eq!(refused.status, Status::Error);
    assert_eq!(
        refused.message.as_deref(),
        Some(
            "silver.fct has to be built in full (the model's SQL or configuration changed), and retention has removed \
             rows of bronze.events before 1970-01-12, which it would lose with them: run with \
             `--full-refresh --select fct` to accept that, or undo the change"
        )
    );
    assert_eq!(bench.rows("silver/fct").await.len(), 2, "nothing is lost");

    let report = bench.full_refresh().await;
    assert!(report.published, "{report:?}");
    assert_eq!(bench.rows("silver/fct").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_model_is_built_of_what_is_left() {
    let bench = with_a_day_gone().await;
    bench.write(
        "models/pages.sql",
        "select page, count(*) as n from {{ source('bronze', 'events') }} group by page",
    );
    assert_eq!(ways(&bench.build().await)["pages"], "full");
}
