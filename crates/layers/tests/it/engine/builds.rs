//! Builds as a whole: what is written, tested, published, skipped, refused.

use goldrecord_lake::{Fence, Proposal, TxnStep};
use goldrecord_layers::reporter::{Event, Silent, Status};
use goldrecord_layers::{Error, engine};
use goldrecord_service::Shutdown;

use super::support::{Bench, Hook, of, row, ways};

const FACT: &str = r#"{{ config(partition_by='event_date') }}
select "eventId" as event_id, "userId" as user_id, page, event_date
from (
    select *, row_number() over (partition by "eventId", event_date order by ts, page) as copy
    from {{ source('bronze', 'events') }}
)
where copy = 1
"#;
const DAYS: &str = "{{ config(partition_by='event_date', schema='gold') }}
select event_date, count(*) as events, count(distinct user_id) as users from {{ ref('fct') }} group by event_date
";
const SCHEMA_NAME: &str = "{% macro generate_schema_name(custom_schema_name, node) -%}
{{ target.schema if custom_schema_name is none else custom_schema_name }}
{%- endmacro %}";

fn shop(more: &[(&str, &str)]) -> Bench {
    let mut files = vec![
        ("models/fct.sql", FACT),
        ("models/days.sql", DAYS),
        ("macros/generate_schema_name.sql", SCHEMA_NAME),
    ];
    files.extend(more);
    Bench::new(&files)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_fills_every_table_and_readers_see_it() {
    let bench = shop(&[]);
    bench
        .bronze(
            "events",
            &[
                row("a", 10, 1, "Home"),
                row("b", 10, 2, "Home"),
                row("b", 10, 2, "Home"),
                row("c", 11, 1, "Help"),
            ],
            false,
        )
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
    let bench = shop(&[("models/schema.yml", tests)]);
    bench
        .bronze("events", &[row("a", 10, 1, "Home")], false)
        .await;
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
        .bronze(
            "events",
            &[row("a", 10, 1, "Home"), row("b", 11, 1, "Home")],
            false,
        )
        .await;
    let report = bench.build().await;
    assert_eq!(of(&report, "fct").way.as_deref(), Some("full"));
    // A new event, a producer's second send, and one that comes late.
    bench
        .bronze(
            "events",
            &[
                row("c", 12, 3, "Home"),
                row("b", 11, 1, "Home"),
                row("d", 10, 2, "Help"),
            ],
            false,
        )
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
    let bench = shop(&[]);
    bench
        .bronze("events", &[row("a", 10, 1, "Home")], false)
        .await;
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
async fn a_model_that_does_not_compile_stops_the_build_before_any_write() {
    let bench = shop(&[(
        "models/broken.sql",
        "select event_date,\n    user_ids\nfrom {{ ref('fct') }}\n",
    )]);
    bench
        .bronze("events", &[row("a", 10, 1, "Home")], false)
        .await;
    let error = bench
        .try_build(&Silent, &Shutdown::new(), false)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "broken: no column `user_ids`\n --> models/broken.sql:2:5\n  |\n2 |     user_ids\n  |     ^\n = did you mean `user_id`?"
    );
    assert_eq!(
        bench.lake.tables().await.unwrap(),
        ["bronze/events"],
        "not even the build's row"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_sql_is_said_with_its_place() {
    for (sql, says) in [
        (
            "select cout(*) as n\nfrom {{ ref('fct') }}",
            "no function `cout`",
        ),
        (
            "select 1 as n from silver.fcts",
            "no relation `silver.fcts`",
        ),
        ("select event_date frm {{ ref('fct') }} x y", "broken.sql:1"),
        (
            "select page + date '2020-01-01' as x\nfrom {{ ref('fct') }}",
            "broken",
        ),
        ("select null as nothing", "has no type"),
        ("select page, page from {{ ref('fct') }}", "page"),
        (
            "{{ config(partition_by='dat') }} select event_date as date, 1 as n from {{ ref('fct') }}",
            "did you mean `date`?",
        ),
        (
            "{{ config(materialized='incremental') }} select 1 as n",
            "is not supported yet",
        ),
    ] {
        let bench = shop(&[("models/broken.sql", sql)]);
        bench.bronze("events", &[], false).await;
        let error = bench
            .try_build(&Silent, &Shutdown::new(), false)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(says) && error.contains("models/broken.sql"),
            "{sql}: {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_source_is_named_with_what_makes_it() {
    let bench = shop(&[]);
    let error = bench
        .try_build(&Silent, &Shutdown::new(), false)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "fct reads bronze.events, which does not exist: start the ingestor, which makes it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_test_shows_its_rows_and_blocks_commit_and_publishing() {
    let tests = "version: 2\nmodels:\n  - name: fct\n    columns:\n      - name: page\n        tests: [{accepted_values: {values: [Home]}}]\n";
    let bench = shop(&[("models/schema.yml", tests)]);
    bench
        .bronze("events", &[row("a", 10, 1, "Home")], false)
        .await;
    assert!(bench.build().await.published);
    bench
        .bronze("events", &[row("b", 10, 1, "Help")], false)
        .await;
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
    let bench = shop(&[("tests/at_least_two.sql", test)]);
    bench
        .bronze("events", &[row("a", 10, 1, "Home")], false)
        .await;
    let report = bench.build().await;
    assert_eq!(of(&report, "fct").status, Status::Success);
    assert_eq!(of(&report, "days").status, Status::Error);
    assert!(!report.published);
    assert_eq!(bench.snapshot("gold/days").await.rows(), 0);
    bench
        .bronze("events", &[row("b", 10, 1, "Home")], false)
        .await;
    assert!(bench.build().await.published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_severity_warn_only_warns() {
    let test = "{{ config(severity='warn') }} select * from {{ ref('fct') }}";
    let bench = shop(&[("tests/nothing.sql", test)]);
    bench
        .bronze("events", &[row("a", 10, 1, "Home")], false)
        .await;
    let report = bench.build().await;
    assert_eq!(of(&report, "nothing").status, Status::Warn);
    assert!(report.published);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_build_goes_on_where_it_stopped() {
    let bench = shop(&[]);
    bench
        .bronze("events", &[row("a", 10, 1, "Home")], false)
        .await;
    let shutdown = Shutdown::new();
    let stop = Hook {
        call: |event: &Event<'_>| {
            if matches!(event, Event::NodeFinished { node, .. } if node.name == "fct") {
                shutdown.request();
            }
        },
        notes: std::sync::Mutex::default(),
    };
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
    let bench = shop(&[]);
    bench
        .bronze("events", &[row("a", 10, 1, "Home")], false)
        .await;
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
    bench
        .bronze("events", &[row("b", 10, 1, "Home")], false)
        .await;
    let error = bench
        .try_build(&Silent, &Shutdown::new(), false)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
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
    let bench = shop(&[]);
    bench
        .bronze("events", &[row("a", 10, 1, "Home")], false)
        .await;
    bench.build().await;
    bench
        .bronze("events", &[row("b", 11, 1, "Home")], false)
        .await;
    let overtaken = std::sync::atomic::AtomicBool::new(false);
    let table = bench.lake.table("gold/days");
    let hook = Hook {
        // As an older build does between our planning and our commit: all rows go.
        call: |event: &Event<'_>| {
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
        },
        notes: std::sync::Mutex::default(),
    };
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

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_whole_builds_only() {
    let tests = "version: 2\nmodels:\n  - name: days\n    columns: [{name: event_date, tests: [{accepted_values: {values: ['1970-01-11']}}]}]\n";
    let bench = shop(&[("models/schema.yml", tests)]);
    bench
        .bronze("events", &[row("a", 10, 1, "Home")], false)
        .await;
    assert!(bench.build().await.published);
    bench
        .bronze("events", &[row("b", 11, 1, "Home")], false)
        .await;
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
        .bronze(
            "events",
            &[
                row("a", 10, 1, "Home"),
                row("b", 10, 1, "Help"),
                row("c", 11, 1, "Home"),
            ],
            false,
        )
        .await;
    bench.build().await;
    bench
        .bronze("events", &[row("d", 11, 1, "Home")], false)
        .await;
    let report = bench.build().await;
    assert_eq!(of(&report, "home_days").way.as_deref(), Some("replace"));
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
    bench.bronze("events", &[], false).await;
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
async fn a_cell_of_another_type_is_shown_with_its_line() {
    let bench = shop(&[
        ("seeds/levels.csv", "level,rank\nfree,1\npaid,two\n"),
        (
            "seeds/seeds.yml",
            "version: 2\nseeds:\n  - name: levels\n    config: {column_types: {rank: integer}}\n",
        ),
    ]);
    bench.bronze("events", &[], false).await;
    let error = bench
        .try_build(&Silent, &Shutdown::new(), false)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("levels: `two` in column `rank` is no Int32")
            && error.contains("seeds/levels.csv:3"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_records_stand_apart_from_the_events() {
    let bench = shop(&[(
        "models/bad.sql",
        "select count(*) as n from {{ source('bronze', 'events$quarantine') }}",
    )]);
    bench
        .bronze(
            "events",
            &[
                row("a", 10, 1, "Home"),
                row("", 10, 1, "(bad)"),
                row("", 10, 1, "(bad)"),
            ],
            false,
        )
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
    bench
        .bronze("events", &[row("", 10, 1, "(bad)")], false)
        .await;
    let report = bench.build().await;
    assert_eq!(of(&report, "fct").way.as_deref(), Some("unchanged"));
    assert_eq!(bench.rows("silver/bad").await, ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_which_way_and_what_changed() {
    let bench = shop(&[]);
    bench
        .bronze("events", &[row("a", 10, 1, "Home")], false)
        .await;
    let manifest = bench.manifest();
    let fct = manifest.node("model.shop.fct").unwrap();
    let told = engine::explain(&manifest, &bench.lake, fct).await.unwrap();
    assert_eq!(
        told.usually,
        "append new keys: one row per (event_id, event_date)"
    );
    assert_eq!(told.next, "full: the table is new");
    bench.build().await;
    bench
        .bronze("events", &[row("b", 11, 1, "Home")], false)
        .await;
    let told = engine::explain(&manifest, &bench.lake, fct).await.unwrap();
    assert_eq!(
        told.to_string(),
        "silver.fct\n  way:        append new keys: one row per (event_id, event_date)\n  next build: append new keys: the query over the added files, rows whose (event_id, event_date) is not there yet\n  since then: bronze.events: 1 files came (1 rows), 0 went (0 rows) in 1970-01-12"
    );
}
