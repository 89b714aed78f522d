//! Tests of the data: what fails is neither committed nor published.

use std::fs;
use std::path::Path;

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

/// Deletes the data files of a table, as if nobody were to read them again.
fn forget(table: &Path) {
    for folder in fs::read_dir(table).unwrap() {
        let folder = folder.unwrap().path();
        if folder.file_name().unwrap() == "_delta_log" {
            continue;
        }
        fs::remove_dir_all(folder).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_new_rows_decide_a_test_no_others_are_read() {
    let tests = "version: 2\nmodels:\n  - name: fct\n    columns:\n      - {name: event_id, tests: [not_null]}\n      - name: page\n        tests: [{accepted_values: {values: [Home]}}]\n";
    let bench = filled(&[("models/schema.yml", tests)]).await;
    assert!(bench.build().await.published);
    forget(&bench.lake_folder().join("silver/fct"));
    bench.events(&[row("b", 11, 1, "Home")]).await;
    let report = bench.build().await;
    assert_eq!(of(&report, "fct").status, Status::Success, "{report:?}");
    bench.events(&[row("c", 12, 1, "Help")]).await;
    let report = bench.build().await;
    assert_eq!(of(&report, "fct").status, Status::Error, "{report:?}");
    // Whether an id comes twice is not decided by the new rows alone.
    let unique = tests.replace("[not_null]", "[not_null, unique]");
    bench.write(
        "models/schema.yml",
        &unique.replace("[Home]", "[Home, Help]"),
    );
    let report = bench.build().await;
    let test = of(&report, "unique_fct_event_id");
    assert_eq!(test.status, Status::Error, "{report:?}");
    assert!(
        test.message.as_ref().unwrap().contains("no longer there"),
        "{test:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_partitions_decide_a_test_only_those_that_got_rows_are_read() {
    let once = "select event_date, page, count(*) as n from {{ ref('fct') }} group by event_date, page having count(*) > 1";
    let bench = filled(&[("tests/once.sql", once)]).await;
    assert!(bench.build().await.published);
    bench.events(&[row("b", 11, 1, "Home")]).await;
    assert!(bench.build().await.published);
    fs::remove_dir_all(bench.lake_folder().join("silver/fct/event_date=1970-01-11")).unwrap();
    bench.events(&[row("c", 11, 1, "Help")]).await;
    assert!(bench.build().await.published, "the other day is not read");
    bench.events(&[row("d", 11, 1, "Home")]).await;
    let report = bench.build().await;
    assert_eq!(of(&report, "once").failures, Some(1), "{report:?}");
    assert_eq!(of(&report, "fct").status, Status::Error);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_tables_that_a_test_reads_the_one_that_changed_is_read_by_its_new_rows() {
    let lost = "select f.page from {{ ref('fct') }} f left join {{ ref('kinds') }} k on k.page = f.page where k.page is null";
    let anti = "select f.page from {{ ref('fct') }} f where not exists (select 1 from {{ ref('kinds') }} k where k.page = f.page)";
    let kinds = "page,label\nHome,start\nHelp,question\n";
    let bench = filled(&[("seeds/kinds.csv", kinds), ("tests/known.sql", anti)]).await;
    assert!(bench.build().await.published);
    fs::remove_dir_all(bench.lake_folder().join("silver/fct/event_date=1970-01-11")).unwrap();
    bench.events(&[row("b", 11, 1, "Help")]).await;
    assert!(bench.build().await.published, "the first day is not read");
    bench.events(&[row("c", 11, 1, "Error")]).await;
    let report = bench.build().await;
    assert_eq!(of(&report, "known").failures, Some(1), "{report:?}");
    assert!(!report.published);
    // It has failed, so all is read; and where both change, all is.
    bench.write("seeds/kinds.csv", &format!("{kinds}Error,mistake\n"));
    let report = bench.build().await;
    let message = of(&report, "known").message.clone();
    assert!(message.unwrap().contains("no longer there"), "{report:?}");
    bench.write("tests/known.sql", lost);
    let report = bench.build().await;
    assert_eq!(of(&report, "known").status, Status::Error, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_tells_the_time_runs_every_time() {
    let timeless = "select * from {{ ref('fct') }} where event_date < date '1900-01-01'";
    let clock = "select * from {{ ref('fct') }} where current_date < date '1900-01-01'";
    let bench = filled(&[("tests/timeless.sql", timeless), ("tests/clock.sql", clock)]).await;
    assert!(bench.build().await.published);
    let report = bench.build().await;
    assert_eq!(
        of(&report, "timeless").message.as_deref(),
        Some("unchanged since it passed")
    );
    assert_eq!(of(&report, "clock").message, None);
}
