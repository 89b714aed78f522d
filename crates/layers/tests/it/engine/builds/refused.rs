//! What is wrong with a project is said before anything is written.

use super::{filled, shop};

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_not_compile_stops_the_build_before_any_write() {
    let bench = filled(&[(
        "models/broken.sql",
        "select event_date,\n    user_ids\nfrom {{ ref('fct') }}\n",
    )])
    .await;
    let error = bench.failure().await;
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
            "{{ config(materialized='incremental', incremental_strategy='mergee') }} select 1 as n",
            "there is no incremental strategy `mergee`",
        ),
    ] {
        let bench = shop(&[("models/broken.sql", sql)]);
        bench.events(&[]).await;
        let error = bench.failure().await;
        assert!(
            error.contains(says) && error.contains("models/broken.sql"),
            "{sql}: {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_source_is_named_with_what_makes_it() {
    let bench = shop(&[]);
    let error = bench.failure().await;
    assert_eq!(
        error,
        "fct reads bronze.events, which does not exist: start the ingestor, which makes it"
    );
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
    bench.events(&[]).await;
    let error = bench.failure().await;
    assert!(
        error.contains("levels: `two` in column `rank` of row 2 is no integer")
            && error.contains("seeds/levels.csv:3"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_contract_stops_the_build_before_any_write() {
    let contract = |columns: &str| {
        format!(
            "models:\n  - name: kept\n    config: {{materialized: table, contract: {{enforced: true}}}}\n    columns:\n{columns}"
        )
    };
    let promised =
        |name: &str, data_type: &str| format!("      - {{name: {name}, data_type: {data_type}}}\n");
    let (page, n) = (promised("page", "varchar"), promised("n", "bigint"));
    for (columns, says) in [
        (
            page.clone() + &promised("n", "integer"),
            "`n` is bigint and is promised to be integer",
        ),
        (page.clone(), "`n` is selected and not promised"),
        (
            page.clone() + &n + &promised("more", "date"),
            "`more` is promised and not selected",
        ),
        (page.clone() + "      - name: n\n", "`n` has no `data_type`"),
        (page.clone() + &promised("n", "bigger"), "the type `bigger`"),
    ] {
        let bench = filled(&[
            (
                "models/kept.sql",
                "select page, count(*) as n from {{ ref('fct') }} group by page",
            ),
            ("models/kept.yml", &contract(&columns)),
        ])
        .await;
        let error = bench.failure().await;
        assert!(error.contains("kept") && error.contains(says), "{error}");
        assert_eq!(bench.lake.tables().await.unwrap(), ["bronze/events"]);
    }
    let bench = filled(&[
        (
            "models/kept.sql",
            "select page, count(*) as n from {{ ref('fct') }} group by page",
        ),
        ("models/kept.yml", &contract(&(page + &n))),
    ])
    .await;
    bench.build().await;
}
