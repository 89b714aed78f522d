//! Constraints of contracts that are enforced: no row that breaks one is committed.

use goldrecord_layers::reporter::{BuildReport, Status};

use super::super::support::{Bench, of, row, ways};
use super::{filled, shop};

const KEPT: &str = "select event_id, user_id as amount, event_date from {{ ref('fct') }}\n";

/// The YAML of the model `kept` with these constraints of `amount`, and of the model.
fn contract(of_amount: &str, of_model: &str) -> String {
    format!(
        "models:
  - name: kept
    config: {{contract: {{enforced: true}}}}
    constraints: [{of_model}]
    columns:
      - {{name: event_id, data_type: varchar}}
      - name: amount
        data_type: bigint
        constraints: [{of_amount}]
      - {{name: event_date, data_type: date}}
"
    )
}

fn message(report: &BuildReport, name: &str) -> String {
    let result = of(report, name);
    assert_eq!(result.status, Status::Error, "{result:?}");
    result.message.clone().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_breaks_a_check_is_not_committed() {
    let yaml = contract("{type: check, expression: 'amount < 5'}", "");
    let bench = shop(&[("models/kept.sql", KEPT), ("models/kept.yml", &yaml)]);
    bench
        .events(&[
            row("a", 10, 1, "Home"),
            row("b", 10, 7, "Home"),
            row("c", 10, 8, "Home"),
        ])
        .await;
    let report = bench.build().await;
    assert_eq!(
        message(&report, "kept"),
        "kept breaks its contract: the check `amount < 5` does not hold in 2 of the 3 rows that come; nothing is committed
 --> models/kept.yml:9:24
  |
9 |         constraints: [{type: check, expression: 'amount < 5'}]
  |                        ^
 = leave such rows out in the `select`, mend what it reads, or take the constraint away"
    );
    assert!(!report.published);
    assert!(bench.rows("silver/kept").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_where_none_may_be_is_not_committed() {
    let sql = "select event_id, nullif(user_id, 7) as amount, event_date from {{ ref('fct') }}\n";
    for yaml in [
        contract("{type: not_null}", ""),
        contract("", "{type: not_null, columns: [event_id, amount]}"),
    ] {
        let bench = shop(&[("models/kept.sql", sql), ("models/kept.yml", &yaml)]);
        bench
            .events(&[row("a", 10, 1, "Home"), row("b", 10, 7, "Home")])
            .await;
        let said = message(&bench.build().await, "kept");
        assert!(
            said.starts_with(
                "kept breaks its contract: `amount` is null (not_null) in 1 of the 2 rows that come"
            ),
            "{said}"
        );
        assert!(!said.contains("`event_id` is null"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_check_cannot_tell_of_a_null_holds() {
    let sql = "select event_id, cast(null as bigint) as amount, event_date from {{ ref('fct') }}\n";
    let yaml = contract("{type: check, expression: 'amount > 5 -- or unknown'}", "");
    let bench = filled(&[("models/kept.sql", sql), ("models/kept.yml", &yaml)]).await;
    assert_eq!(of(&bench.build().await, "kept").status, Status::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_appended_or_replaced_are_held_against_constraints_too() {
    let yaml = contract("{type: check, name: small, expression: 'amount < 3'}", "");
    let by_day = "{{ config(partition_by='event_date') }}\nselect min(event_id) as event_id, count(distinct user_id) as amount, event_date from {{ ref('fct') }} group by event_date\n";
    for (sql, way) in [(KEPT, "append"), (by_day, "replace")] {
        let bench = shop(&[("models/kept.sql", sql), ("models/kept.yml", &yaml)]);
        bench.events(&[row("a", 10, 1, "Home")]).await;
        bench.build().await;
        bench.events(&[row("b", 10, 2, "Home")]).await;
        assert_eq!(ways(&bench.build().await)["kept"], way);
        let before = bench.rows("silver/kept").await;
        bench.events(&[row("c", 10, 7, "Home")]).await;
        let said = message(&bench.build().await, "kept");
        assert!(
            said.contains(
                "the check `small` (`amount < 3`) does not hold in 1 of the 1 rows that come"
            ),
            "{way}: {said}"
        );
        assert_eq!(bench.rows("silver/kept").await, before, "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_of_an_incremental_model_are_held_against_constraints() {
    let sql = "{{ config(materialized='incremental', unique_key='event_id') }}
select event_id, user_id as amount, event_date from {{ ref('fct') }}
{% if is_incremental() %} where event_id > (select max(event_id) from {{ this }}) {% endif %}
";
    let yaml = contract("{type: check, expression: 'amount < 5'}", "");
    let bench = filled(&[("models/kept.sql", sql), ("models/kept.yml", &yaml)]).await;
    bench.build().await;
    let before = bench.rows("silver/kept").await;
    bench.events(&[row("b", 11, 9, "Home")]).await;
    let said = message(&bench.build().await, "kept");
    assert!(said.contains("1 of the 1 rows that come"), "{said}");
    assert_eq!(bench.rows("silver/kept").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constraint_that_comes_later_is_checked_on_every_row() {
    let bench = filled(&[
        ("models/kept.sql", KEPT),
        ("models/kept.yml", &contract("", "")),
    ])
    .await;
    bench.build().await;
    let yaml = contract("{type: check, expression: 'amount > 1'}", "");
    bench.write("models/kept.yml", &yaml);
    let said = message(&bench.build().await, "kept");
    assert!(said.contains("1 of the 1 rows"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_cannot_be_planned_stops_the_build_before_any_write() {
    for (expression, says) in [
        ("amout > 5", "no column `amout`"),
        ("amount +", "models/kept.yml:9:24"),
    ] {
        let yaml = contract(&format!("{{type: check, expression: '{expression}'}}"), "");
        let bench = filled(&[("models/kept.sql", KEPT), ("models/kept.yml", &yaml)]).await;
        let error = bench.failure().await;
        assert!(
            error.contains(says) && error.contains("models/kept.yml:9:24"),
            "{error}"
        );
        assert_eq!(bench.lake.tables().await.unwrap(), ["bronze/events"]);
    }
}

#[test]
fn constraints_that_nobody_enforces_are_warned_of_once_a_model() {
    let warnings = |of_amount: &str, of_model: &str| {
        let yaml = contract(of_amount, of_model);
        let bench: Bench = shop(&[("models/kept.sql", KEPT), ("models/kept.yml", &yaml)]);
        bench.manifest().warnings
    };
    let told = warnings("{type: unique}", "{type: primary_key, columns: [event_id]}");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with(
            "models/kept.yml: `kept` has constraints that are not enforced: unique, primary_key;"
        ),
        "{told:?}"
    );
    let silent = warnings(
        "{type: unique, warn_unenforced: false}, {type: custom, expression: 'x', warn_unsupported: false}",
        "{type: foreign_key, columns: [event_id], to: \"ref('fct')\", to_columns: [event_id], warn_unenforced: false}",
    );
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn a_table_that_a_foreign_key_refers_to_is_built_before() {
    let foreign =
        "{type: foreign_key, columns: [event_id], to: \"ref('days')\", to_columns: [event_date]}";
    let yaml = contract("", foreign);
    let bench = shop(&[("models/kept.sql", KEPT), ("models/kept.yml", &yaml)]);
    let manifest = bench.manifest();
    let kept = manifest
        .node("model.shop.kept")
        .expect("the model is there");
    assert_eq!(kept.depends_on, ["model.shop.fct", "model.shop.days"]);
}
