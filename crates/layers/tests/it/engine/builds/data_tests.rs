//! Tests of the data: what fails is neither committed nor published.

use goldrecord_layers::reporter::Status;

use super::filled;
use crate::engine::support::{of, row};

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_test_shows_its_rows_and_blocks_commit_and_publishing() {
    let tests = "version: 2\nmodels:\n  - name: fct\n    columns:\n      - name: page\n        tests: [{accepted_values: {values: [Home]}}]\n";
    let bench = filled(&[("models/schema.yml", tests)]).await;
    assert!(bench.build().await.published);
    bench.events(&[row("b", 10, 1, "Help")]).await;
    let report = bench.build().await;
    assert!(!report.published);
    let test = report
        .results
        .iter()
        .find(|result| result.status == Status::Fail)
        .expect("the test fails");
    assert_eq!(test.failures, Some(1));
    assert!(
        test.failing_rows.as_ref().unwrap().contains("Help"),
        "{test:?}"
    );
    assert_eq!(of(&report, "fct").status, Status::Error);
    assert_eq!(of(&report, "days").status, Status::Skipped);
    assert_eq!(
        bench.snapshot("silver/fct").await.rows(),
        1,
        "nothing was committed"
    );
    // Twice: what is not committed was deleted, and the test is not taken for passed.
    assert!(!bench.build().await.published);
    bench.write(
        "models/schema.yml",
        &tests.replace("[Home]", "[Home, Help]"),
    );
    let report = bench.build().await;
    assert!(report.published, "{report:?}");
    assert_eq!(of(&report, "fct").way.as_deref(), Some("append new keys"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_over_two_models_blocks_the_last_of_them() {
    let test = "select f.event_date from {{ ref('fct') }} f left join {{ ref('days') }} d using (event_date) where d.events < 2";
    let bench = filled(&[("tests/at_least_two.sql", test)]).await;
    let report = bench.build().await;
    assert_eq!(of(&report, "fct").status, Status::Success);
    assert_eq!(of(&report, "days").status, Status::Error);
    assert!(!report.published);
    assert_eq!(bench.snapshot("gold/days").await.rows(), 0);
    bench.events(&[row("b", 10, 1, "Home")]).await;
    assert!(bench.build().await.published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_severity_warn_only_warns() {
    let test = "{{ config(severity='warn') }} select * from {{ ref('fct') }}";
    let bench = filled(&[("tests/nothing.sql", test)]).await;
    let report = bench.build().await;
    assert_eq!(of(&report, "nothing").status, Status::Warn);
    assert!(report.published);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_whole_builds_only() {
    let tests = "version: 2\nmodels:\n  - name: days\n    columns: [{name: event_date, tests: [{accepted_values: {values: ['1970-01-11']}}]}]\n";
    let bench = filled(&[("models/schema.yml", tests)]).await;
    assert!(bench.build().await.published);
    bench.events(&[row("b", 11, 1, "Home")]).await;
    assert!(
        !bench.build().await.published,
        "the second day is not accepted"
    );
    assert_eq!(
        bench.snapshot("silver/fct").await.rows(),
        2,
        "the fact is committed"
    );
    assert_eq!(
        bench.query("select count(*) from silver.fct").await,
        ["1"],
        "and not published"
    );
}
