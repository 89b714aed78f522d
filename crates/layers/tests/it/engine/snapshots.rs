//! Snapshots: which states a row was in, and from when to when.

use goldrecord_layers::reporter::Status;

use super::support::{Bench, of};

const FIRST: &str = "id,name,at\n1,a,2024-01-01 00:00:00\n2,b,2024-01-01 00:00:00\n";
/// 1 changed, 2 went, 3 came.
const SECOND: &str = "id,name,at\n1,aa,2024-01-02 00:00:00\n3,c,2024-01-02 00:00:00\n";

fn block(config: &str) -> String {
    format!(
        "{{% snapshot people_states %}}\n{{{{ config(unique_key='id', {config}) }}}}\nselect * from {{{{ ref('people') }}}}\n{{% endsnapshot %}}\n"
    )
}

fn bench(config: &str) -> Bench {
    Bench::new(&[
        ("snapshots/people.sql", &block(config)),
        ("seeds/people.csv", FIRST),
        (
            "models/names.sql",
            "select count(*) as n from {{ ref('people_states') }}",
        ),
    ])
}

/// The states with a clock's times left out: name, whether it has ended, and what `more` asks for.
async fn states(bench: &Bench, more: &str) -> Vec<String> {
    bench
        .query(&format!("select id, name, dbt_valid_to is null{more} from silver.people_states order by id, dbt_valid_from, name"))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_changed_enters_with_its_time_and_the_state_before_ends() {
    let bench = bench("strategy='timestamp', updated_at='at'");
    bench.build().await;
    bench.write("seeds/people.csv", SECOND);
    let report = bench.build().await;
    assert_eq!(
        of(&report, "people_states").status,
        Status::Success,
        "{report:?}"
    );
    assert_eq!(
        bench.query("select id, name, dbt_valid_from, dbt_valid_to, dbt_updated_at = dbt_valid_from from silver.people_states order by id, at").await,
        [
            "1|a|2024-01-01T00:00:00Z|2024-01-02T00:00:00Z|true",
            "1|aa|2024-01-02T00:00:00Z||true",
            "2|b|2024-01-01T00:00:00Z||true",
            "3|c|2024-01-02T00:00:00Z||true",
        ]
    );
    assert_eq!(
        bench
            .query("select count(distinct dbt_scd_id) from silver.people_states")
            .await,
        ["4"]
    );
    assert_eq!(
        bench.rows("silver/names").await,
        ["4"],
        "what reads it comes after it"
    );
    let version = bench.snapshot("silver/people_states").await.version;
    let report = bench.build().await;
    assert_eq!(
        of(&report, "people_states").way.as_deref(),
        Some("unchanged")
    );
    assert_eq!(
        bench.snapshot("silver/people_states").await.version,
        version
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_checked_where_no_time_says_what_changed() {
    for (columns, changed) in [("'all'", true), ("['name']", true), ("['id']", false)] {
        let bench = bench(&format!("strategy='check', check_cols={columns}"));
        bench.build().await;
        bench.write("seeds/people.csv", SECOND);
        let report = bench.build().await;
        assert!(report.published, "{report:?}");
        let found = states(&bench, "").await;
        if changed {
            assert_eq!(
                found,
                ["1|a|false", "1|aa|true", "2|b|true", "3|c|true"],
                "{columns}"
            );
        } else {
            assert_eq!(found, ["1|a|true", "2|b|true", "3|c|true"], "{columns}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_gone_end_or_are_told_as_deleted() {
    let ended = bench("strategy='timestamp', updated_at='at', invalidate_hard_deletes=true");
    let told = bench("strategy='timestamp', updated_at='at', hard_deletes='new_record'");
    for bench in [&ended, &told] {
        bench.build().await;
        bench.write("seeds/people.csv", SECOND);
        let report = bench.build().await;
        assert!(report.published, "{report:?}");
        bench.build().await;
    }
    assert_eq!(
        states(&ended, "").await,
        ["1|a|false", "1|aa|true", "2|b|false", "3|c|true"]
    );
    assert_eq!(
        states(&told, ", dbt_is_deleted").await,
        [
            "1|a|false|False",
            "1|aa|true|False",
            "2|b|false|False",
            "2|b|true|True",
            "3|c|true|False"
        ]
    );
    // It is there again.
    told.write(
        "seeds/people.csv",
        &format!("{SECOND}2,b,2024-01-03 00:00:00\n"),
    );
    told.build().await;
    let two = "select dbt_is_deleted, dbt_valid_to is null from silver.people_states where id = 2 order by dbt_is_deleted, dbt_valid_to nulls last";
    assert_eq!(
        told.query(two).await,
        ["False|false", "False|true", "True|false"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_may_be_declared_and_its_columns_named() {
    let yaml = "snapshots:\n  - name: states\n    relation: ref('people')\n    columns: [{name: id, data_tests: [not_null]}]\n    config:\n      schema: old\n      unique_key: [id, name]\n      strategy: check\n      check_cols: all\n      dbt_valid_to_current: \"cast('9999-12-31' as timestamp(6))\"\n      snapshot_meta_column_names: {dbt_valid_to: until}\n";
    let bench = Bench::new(&[("snapshots/states.yml", yaml), ("seeds/people.csv", FIRST)]);
    bench.build().await;
    bench.write(
        "seeds/people.csv",
        &format!("{SECOND}4,,2024-01-02 00:00:00\n"),
    );
    let report = bench.build().await;
    assert!(report.published, "{report:?}");
    assert_eq!(
        bench
            .query("select distinct until from silver_old.states")
            .await,
        ["9999-12-31T00:00:00Z"]
    );
    assert_eq!(
        bench.query("select count(*) from silver_old.states").await,
        ["5"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_snapshot_lacks_is_told() {
    for (config, told) in [
        (
            "strategy='timestamp'",
            "the snapshot people_states has the strategy timestamp and no `updated_at`",
        ),
        (
            "strategy='check'",
            "`check_cols` is neither 'all' nor a list of columns",
        ),
        ("strategy='checks'", "did you mean `check`?"),
        (
            "strategy='check', check_cols='all', hard_deletes='drop'",
            "has `hard_deletes: drop`",
        ),
    ] {
        let failure = bench(config).failure().await;
        assert!(failure.contains(told), "{failure}");
        assert!(failure.contains("snapshots/people.sql"), "{failure}");
    }
}
