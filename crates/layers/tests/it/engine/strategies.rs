//! `incremental` models: what each strategy leaves, which SQL runs, and that nothing is added twice.

use goldrecord_layers::Error;
use goldrecord_layers::reporter::{Event, Status};
use goldrecord_service::Shutdown;

use super::support::{Bench, Hook, of, row};

/// A model of the seed `changes` by a strategy.
fn model(config: &str) -> String {
    format!(
        "{{{{ config(materialized='incremental', {config}) }}}}\n\
         select id, name, amount, day from {{{{ ref('changes') }}}}\n\
         {{% if is_incremental() %}} where day >= (select max(day) from {{{{ this }}}}) {{% endif %}}"
    )
}

const FIRST: &str = "id,name,amount,day\n1,a,10,1\n2,b,20,1\n3,c,30,2\n";
const SECOND: &str = "id,name,amount,day\n1,a,10,1\n2,b,20,1\n3,cc,31,2\n4,d,40,3\n2,bb,21,3\n";

/// The rows after a first build of [`FIRST`] and a second of [`SECOND`].
async fn rows(config: &str) -> Vec<String> {
    let bench = Bench::new(&[
        ("models/m.sql", &model(config)),
        ("seeds/changes.csv", FIRST),
    ]);
    let report = bench.build().await;
    assert_eq!(of(&report, "m").way.as_deref(), Some("full"), "{report:?}");
    bench.write("seeds/changes.csv", SECOND);
    let before = bench.snapshot("silver/m").await.version;
    let report = bench.build().await;
    assert!(report.published, "{report:?}");
    assert_eq!(
        bench.snapshot("silver/m").await.version,
        before + 1,
        "one commit"
    );
    bench.rows("silver/m").await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_strategy_joins_new_rows_as_dbt_does() {
    assert_eq!(
        rows("incremental_strategy='append'").await,
        [
            "1|a|10|1",
            "2|bb|21|3",
            "2|b|20|1",
            "3|cc|31|2",
            "3|c|30|2",
            "4|d|40|3"
        ]
    );
    let replaced = ["1|a|10|1", "2|bb|21|3", "3|cc|31|2", "4|d|40|3"];
    assert_eq!(rows("unique_key='id'").await, replaced);
    assert_eq!(
        rows("incremental_strategy='merge', unique_key=['id']").await,
        replaced
    );
    assert_eq!(
        rows("incremental_strategy='delete+insert', unique_key=['id', 'day']").await,
        ["1|a|10|1", "2|bb|21|3", "2|b|20|1", "3|cc|31|2", "4|d|40|3"]
    );
    assert_eq!(
        rows("incremental_strategy='merge', unique_key='id', merge_update_columns=['amount']")
            .await,
        ["1|a|10|1", "2|b|21|1", "3|c|31|2", "4|d|40|3"]
    );
    assert_eq!(
        rows(
            "incremental_strategy='merge', unique_key='id', merge_exclude_columns=['amount'], \
              incremental_predicates=['DBT_INTERNAL_DEST.day > 1']"
        )
        .await,
        ["1|a|10|1", "2|bb|21|3", "2|b|20|1", "3|cc|30|2", "4|d|40|3"]
    );
    assert_eq!(
        rows("incremental_strategy='insert_overwrite', partition_by='day'").await,
        ["1|a|10|1", "2|bb|21|3", "2|b|20|1", "3|cc|31|2", "4|d|40|3"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_a_changed_row_stay() {
    let bench = Bench::new(&[
        (
            "models/m.sql",
            &model("unique_key='id', partition_by='day'"),
        ),
        ("seeds/changes.csv", FIRST),
    ]);
    bench.build().await;
    let before = bench.snapshot("silver/m").await;
    bench.write("seeds/changes.csv", "id,name,amount,day\n3,cc,31,2\n");
    bench.build().await;
    let after = bench.snapshot("silver/m").await;
    let kept = |day: &str| {
        let mut files = before.files.values();
        let file = files.find(|file| file.partition_values["day"].as_deref() == Some(day));
        after
            .files
            .contains_key(&file.expect("each day has a file").path)
    };
    assert!(kept("1") && !kept("2"), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn is_incremental_is_true_where_the_table_is_there_and_no_refresh_is_asked_for() {
    let kind = |config: &str| {
        format!(
            "{{{{ config(materialized='incremental'{config}) }}}} select {{% if is_incremental() %}}'more'{{% else %}}'first'{{% endif %}} as run"
        )
    };
    let bench = Bench::new(&[
        ("models/m.sql", &kind("")),
        ("models/always.sql", &kind(", full_refresh=true")),
        ("models/never.sql", &kind(", full_refresh=false")),
    ]);
    bench.build().await;
    bench.build().await;
    assert_eq!(bench.rows("silver/m").await, ["first", "more"]);
    assert_eq!(bench.rows("silver/always").await, ["first"]);
    bench.full_refresh().await;
    assert_eq!(bench.rows("silver/m").await, ["first"]);
    assert_eq!(bench.rows("silver/never").await, ["first", "more", "more"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_query_meets_the_table_by_on_schema_change() {
    for (policy, expected) in [
        ("ignore", Ok(vec!["1|a", "2|b"])),
        ("append_new_columns", Ok(vec!["1|a|", "2|b|7"])),
        (
            "fail",
            Err("m and its table have different columns; new columns: `n`"),
        ),
    ] {
        let text = |more: &str| {
            format!(
                "{{{{ config(materialized='incremental', on_schema_change='{policy}') }}}} select {more}"
            )
        };
        let bench = Bench::new(&[("models/m.sql", &text("1 as id, 'a' as name"))]);
        bench.build().await;
        bench.write("models/m.sql", &text("7 as n, 'b' as name, 2 as id"));
        match expected {
            Ok(rows) => {
                bench.build().await;
                assert_eq!(bench.rows("silver/m").await, rows, "{policy}");
            }
            Err(told) => {
                let failure = bench.failure().await;
                assert!(failure.contains(told), "{failure}");
            }
        }
    }
    let text = |select: &str| {
        format!(
            "{{{{ config(materialized='incremental', on_schema_change='sync_all_columns', unique_key='id') }}}} select {select}"
        )
    };
    let bench = Bench::new(&[("models/m.sql", &text("1 as id, 'a' as name, 1 as gone"))]);
    bench.build().await;
    bench.write(
        "models/m.sql",
        &text("2 as id, 'b' as name, cast(1.5 as double) as n"),
    );
    bench.build().await;
    assert_eq!(bench.rows("silver/m").await, ["1|a|", "2|b|1.5"]);
    bench.write("models/m.sql", &text("3 as id, 'c' as name, 0 as gone"));
    bench.build().await;
    assert_eq!(
        bench.rows("silver/m").await,
        ["1|a|", "2|b|", "3|c|0"],
        "no value comes back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_of_two_rows_with_one_key_is_refused() {
    let bench = Bench::new(&[
        (
            "models/m.sql",
            &model("incremental_strategy='merge', unique_key='id'"),
        ),
        ("seeds/changes.csv", FIRST),
    ]);
    bench.build().await;
    bench.write(
        "seeds/changes.csv",
        "id,name,amount,day\n3,x,1,2\n3,y,2,2\n",
    );
    let report = bench.build().await;
    let result = of(&report, "m");
    assert_eq!(result.status, Status::Error);
    let message = result.message.clone().expect("a message");
    assert!(
        message.contains("several new rows have the key (id) = (3)"),
        "{message}"
    );
    assert_eq!(
        bench.rows("silver/m").await,
        ["1|a|10|1", "2|b|20|1", "3|c|30|2"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn data_tests_see_the_whole_table_and_block_its_commit() {
    let bench = Bench::new(&[
        ("models/m.sql", &model("incremental_strategy='append'")),
        (
            "models/m.yml",
            "models:\n  - name: m\n    columns: [{name: id, data_tests: [unique]}]\n",
        ),
        ("seeds/changes.csv", FIRST),
    ]);
    bench.build().await;
    let before = bench.snapshot("silver/m").await.version;
    bench.write("seeds/changes.csv", "id,name,amount,day\n1,again,10,2\n");
    let report = bench.build().await;
    assert_eq!(
        of(&report, "m").status,
        Status::Error,
        "the old row has the same id"
    );
    assert_eq!(bench.snapshot("silver/m").await.version, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_goes_on_after_a_dead_one_adds_nothing_twice() {
    let bench = Bench::new(&[(
        "models/m.sql",
        "{{ config(materialized='incremental') }} select page from {{ source('bronze', 'events') }}",
    )]);
    bench.events(&[row("a", 10, 1, "Home")]).await;
    bench.build().await;
    // This one is stopped after the model's commit.
    let shutdown = Shutdown::new();
    let stop = Hook(|event: &Event<'_>| {
        if matches!(event, Event::NodeFinished { node, .. } if node.name == "m") {
            shutdown.request();
        }
    });
    let error = bench.try_build(&stop, &shutdown, false).await;
    assert!(matches!(error, Err(Error::Interrupted)), "{error:?}");
    assert_eq!(bench.rows("silver/m").await, ["Home", "Home"]);
    let report = bench.build().await;
    assert_eq!(of(&report, "m").way.as_deref(), Some("unchanged"));
    assert_eq!(bench.rows("silver/m").await, ["Home", "Home"]);
    bench.build().await;
    assert_eq!(
        bench.rows("silver/m").await.len(),
        3,
        "another build runs the SQL again, as in dbt"
    );
}
