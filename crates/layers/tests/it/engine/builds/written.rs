//! What a build writes, and which way it takes.

use goldrecord_layers::engine;
use goldrecord_layers::reporter::Status;

use super::{DAYS, filled, shop};
use crate::engine::support::{Bench, of, row, ways};

#[tokio::test(flavor = "multi_thread")]
async fn a_build_fills_every_table_and_readers_see_it() {
    let bench = shop(&[]);
    bench
        .events(&[
            row("a", 10, 1, "Home"),
            row("b", 10, 2, "Home"),
            row("b", 10, 2, "Home"),
            row("c", 11, 1, "Help"),
        ])
        .await;
    let report = bench.build().await;
    assert!(report.published, "{report:?}");
    assert_eq!(report.build, Some(1));
    assert_eq!(
        bench.rows("gold/days").await,
        ["1970-01-11|2|2", "1970-01-12|1|1"]
    );
    assert_eq!(bench.query("select count(*) from silver.fct").await, ["3"]);
    assert_eq!(
        bench.query("select sum(events) from days").await,
        ["3"],
        "a unique name needs no schema"
    );
    assert_eq!(
        bench.query("select count(*) from bronze.events").await,
        ["4"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_build_rebuilds_nothing_and_says_so() {
    let tests = "version: 2\nmodels:\n  - name: fct\n    columns: [{name: event_id, tests: [unique, not_null]}]\n";
    let bench = filled(&[("models/schema.yml", tests)]).await;
    bench.build().await;
    let before = bench.snapshot("silver/fct").await;
    let report = bench.build().await;
    assert!(
        ways(&report).values().all(|way| way == "unchanged"),
        "{:?}",
        ways(&report)
    );
    assert_eq!(bench.snapshot("silver/fct").await.version, before.version);
    assert!(report.published);
    assert!(
        report
            .results
            .iter()
            .filter(|result| result.way.is_none())
            .all(|result| {
                result.status == Status::Pass
                    && result.message.as_deref() == Some("unchanged since it passed")
            }),
        "{:?}",
        report.results
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_take_the_incremental_ways() {
    let bench = shop(&[]);
    bench
        .events(&[row("a", 10, 1, "Home"), row("b", 11, 1, "Home")])
        .await;
    let report = bench.build().await;
    assert_eq!(of(&report, "fct").way.as_deref(), Some("full"));
    // A new event, a producer's second send, and one that comes late.
    bench
        .events(&[
            row("c", 12, 3, "Home"),
            row("b", 11, 1, "Home"),
            row("d", 10, 2, "Help"),
        ])
        .await;
    let report = bench.build().await;
    assert_eq!(of(&report, "fct").way.as_deref(), Some("append new keys"));
    assert_eq!(
        of(&report, "fct").rows,
        Some(2),
        "the second send is dropped"
    );
    assert_eq!(of(&report, "days").way.as_deref(), Some("replace"));
    assert_eq!(
        of(&report, "days").rows,
        Some(2),
        "the day without change is not touched"
    );
    assert_eq!(
        bench.rows("gold/days").await,
        ["1970-01-11|2|2", "1970-01-12|1|1", "1970-01-13|1|1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_model_is_rebuilt_and_what_reads_it() {
    let bench = filled(&[]).await;
    bench.build().await;
    bench.write(
        "models/days.sql",
        &DAYS.replace("count(*) as events", "count(*) * 2 as events"),
    );
    let report = bench.build().await;
    assert_eq!(of(&report, "fct").way.as_deref(), Some("unchanged"));
    assert_eq!(of(&report, "days").way.as_deref(), Some("full"));
    assert_eq!(bench.rows("gold/days").await, ["1970-01-11|2|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_planned_into_what_reads_them() {
    let bench = shop(&[
        (
            "models/homes.sql",
            "{{ config(materialized='view') }} select event_date, user_id from {{ ref('fct') }} where page = 'Home'",
        ),
        (
            "models/home_days.sql",
            "{{ config(partition_by='event_date') }} select event_date, count(*) as n from {{ ref('homes') }} group by event_date",
        ),
    ]);
    bench
        .events(&[
            row("a", 10, 1, "Home"),
            row("b", 10, 1, "Help"),
            row("c", 11, 1, "Home"),
        ])
        .await;
    bench.build().await;
    bench.events(&[row("d", 11, 1, "Home")]).await;
    let report = bench.build().await;
    assert_eq!(of(&report, "home_days").way.as_deref(), Some("merge"));
    assert_eq!(
        bench.rows("silver/home_days").await,
        ["1970-01-11|1", "1970-01-12|2"]
    );
    bench.write(
        "models/homes.sql",
        "{{ config(materialized='view') }} select event_date, user_id from {{ ref('fct') }}",
    );
    assert_eq!(
        of(&bench.build().await, "home_days").way.as_deref(),
        Some("full"),
        "the view's SQL is part of the model's"
    );
    assert_eq!(
        bench.rows("silver/home_days").await,
        ["1970-01-11|2", "1970-01-12|2"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn seeds_have_types_and_are_read_again_when_the_file_changes() {
    let bench = shop(&[
        (
            "seeds/levels.csv",
            "level,rank,since,code\nfree,1,2020-01-01,007\npaid,2,,008\n",
        ),
        (
            "models/ranked.sql",
            "select level, rank + 1 as next, code from {{ ref('levels') }} where since is not null",
        ),
    ]);
    bench.events(&[]).await;
    let report = bench.build().await;
    assert_eq!(of(&report, "levels").rows, Some(2));
    assert_eq!(bench.rows("silver/ranked").await, ["free|2|007"]);
    let report = bench.build().await;
    assert_eq!(of(&report, "levels").way.as_deref(), Some("unchanged"));
    bench.write(
        "seeds/levels.csv",
        "level,rank,since,code\nfree,5,2020-01-01,007\n",
    );
    let report = bench.build().await;
    assert_eq!(of(&report, "levels").rows, Some(1));
    assert_eq!(bench.rows("silver/ranked").await, ["free|6|007"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_records_stand_apart_from_the_events() {
    let bench = shop(&[(
        "models/bad.sql",
        "select count(*) as n from {{ source('bronze', 'events$quarantine') }}",
    )]);
    bench
        .events(&[
            row("a", 10, 1, "Home"),
            row("", 10, 1, "(bad)"),
            row("", 10, 1, "(bad)"),
        ])
        .await;
    bench.build().await;
    assert_eq!(bench.rows("silver/bad").await, ["2"]);
    assert_eq!(bench.rows("gold/days").await, ["1970-01-11|1|1"]);
    assert_eq!(
        bench
            .query(r#"select count(*) from bronze."events$quarantine""#)
            .await,
        ["2"]
    );
    assert_eq!(
        bench.query("select count(*) from bronze_raw.events").await,
        ["3"]
    );
    // More bad records are no change of the events.
    bench.events(&[row("", 10, 1, "(bad)")]).await;
    let report = bench.build().await;
    assert_eq!(of(&report, "fct").way.as_deref(), Some("unchanged"));
    assert_eq!(bench.rows("silver/bad").await, ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_which_way_and_what_changed() {
    let bench = filled(&[]).await;
    let manifest = bench.manifest();
    let fct = manifest.node("model.shop.fct").unwrap();
    let told = engine::explain(&manifest, &bench.lake, fct).await.unwrap();
    assert_eq!(
        told.usually,
        "append new keys: one row per (event_id, event_date)"
    );
    assert_eq!(told.next, "full: the table is new");
    bench.build().await;
    bench.events(&[row("b", 11, 1, "Home")]).await;
    let told = engine::explain(&manifest, &bench.lake, fct).await.unwrap();
    assert_eq!(
        told.to_string(),
        "silver.fct\n  way:        append new keys: one row per (event_id, event_date)\n  next build: append new keys: the query over the added files, rows whose (event_id, event_date) is not there yet\n  since then: bronze.events: 1 files came (1 rows), 0 went (0 rows) in 1970-01-12"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn decimals_are_summed_beside_a_count_of_distinct_values() {
    let model = "select page, count(distinct \"eventId\") as ids, sum(cast(\"userId\" as decimal(16, 2))) as total
from {{ source('bronze', 'events') }} group by page";
    let bench = Bench::new(&[("models/pages.sql", model)]);
    bench
        .events(&[
            row("a", 10, 1, "Home"),
            row("a", 10, 1, "Home"),
            row("b", 10, 2, "Home"),
        ])
        .await;
    bench.build().await;
    assert_eq!(bench.rows("silver/pages").await, ["Home|2|4.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_a_table_whose_rows_come_out_the_same_is_not_computed() {
    let pages = "{{ config(partition_by='event_date') }} select event_date, page, count(distinct user_id) as users from {{ ref('fct') }} group by event_date, page";
    let bench = shop(&[
        ("models/pages.sql", pages),
        (
            "models/names.sql",
            "select distinct page from {{ ref('pages') }}",
        ),
        (
            "models/schema.yml",
            "version: 2\nmodels:\n  - name: pages\n    columns: [{name: page, tests: [not_null]}]\n",
        ),
    ]);
    let days = || async { bench.snapshot("silver/pages").await };
    bench
        .events(&[row("a", 10, 1, "Home"), row("b", 10, 2, "Help")])
        .await;
    bench.build().await;
    let first = days().await;
    bench.events(&[row("c", 10, 1, "Home")]).await;
    let report = bench.build().await;
    assert!(report.published);
    assert_eq!(of(&report, "fct").way.as_deref(), Some("append new keys"));
    assert_eq!(of(&report, "pages").way.as_deref(), Some("same rows"));
    assert_eq!(of(&report, "names").way.as_deref(), Some("unchanged"));
    let test = of(&report, "not_null_pages_page");
    assert_eq!(
        test.message.as_deref(),
        Some("unchanged since it passed"),
        "the test need not run"
    );
    let second = days().await;
    assert!(
        second.version > first.version,
        "what it read is written down"
    );
    assert_eq!(second.files, first.files);
    // Other SQL with the same rows: it is written down too, and nothing below is computed.
    bench.write("models/pages.sql", &format!("{pages} order by page"));
    let report = bench.build().await;
    assert_eq!(of(&report, "pages").way.as_deref(), Some("same rows"));
    assert_eq!(of(&report, "names").way.as_deref(), Some("unchanged"));
    let report = bench.build().await;
    assert_eq!(of(&report, "pages").way.as_deref(), Some("unchanged"));
    bench.events(&[row("d", 10, 3, "Help")]).await;
    let report = bench.build().await;
    assert_eq!(of(&report, "pages").way.as_deref(), Some("replace"));
    assert_eq!(
        bench.rows("silver/pages").await,
        ["1970-01-11|Help|2", "1970-01-11|Home|1"]
    );
    bench.full_refresh().await;
    assert_ne!(
        days().await.files,
        second.files,
        "a full refresh writes what it finds as it was"
    );
}
