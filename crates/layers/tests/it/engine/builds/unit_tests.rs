//! Unit tests: they run before their model, and what fails is not built.

use goldrecord_layers::reporter::Status;

use super::filled;
use crate::engine::support::{Bench, row};

const PASSES: &str = "unit_tests:
  - name: keeps_one_row_an_event
    model: fct
    given:
      - input: source('bronze', 'events')
        rows:
          - {eventId: a, ts: 2024-01-01 00:00:00, userId: 1, page: Home, event_date: 2024-01-01}
          - {eventId: a, ts: 2024-01-01 00:00:01, userId: 1, page: Help, event_date: 2024-01-01}
          - {eventId: b, userId: 2.0}
    expect:
      rows:
        - {event_id: b, user_id: 2, page: null, event_date: null}
        - {event_id: a, user_id: '1', page: Home, event_date: 2024-01-01}
  - name: counts_users
    model: days
    given:
      - input: ref('fct')
        format: csv
        rows: |
          event_date,user_id
          2024-01-01,1
          2024-01-01,1
          2024-01-02,
    expect:
      format: sql
      rows: \"select 0 as users, date '2024-01-02' as event_date union all select 1, date '2024-01-01'\"
";

async fn with(yaml: &str, more: &[(&str, &str)]) -> Bench {
    let mut files = vec![("models/unit.yml", yaml)];
    files.extend(more);
    filled(&files).await
}

/// What a build of these unit tests, which cannot be planned, says.
async fn refused(yaml: &str) -> String {
    with(yaml, &[]).await.failure().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_test_compares_the_columns_it_expects_in_any_order_of_rows() {
    let bench = with(PASSES, &[]).await;
    let report = bench.build().await;
    assert!(report.published, "{report:?}");
    let order: Vec<&str> = report
        .results
        .iter()
        .filter_map(|result| result.unique_id.rsplit('.').next())
        .collect();
    assert_eq!(
        order,
        ["keeps_one_row_an_event", "fct", "counts_users", "days"],
        "each before its model"
    );
    assert!(
        report.results[0].message.is_none() && report.results[0].status == Status::Pass,
        "{report:?}"
    );
    let report = bench.build().await;
    let told = of_unit(&report, "counts_users").message.as_deref();
    assert_eq!(told, Some("unchanged since it passed"));
    let tables = bench.lake.tables().await.expect("the lake is there");
    let built = ["_builds", "bronze/events", "gold/days", "silver/fct"];
    let others: Vec<&String> = tables
        .iter()
        .filter(|path| !built.contains(&path.as_str()))
        .collect();
    assert!(others.is_empty(), "nothing else is written: {others:?}");
}

fn of_unit<'a>(
    report: &'a goldrecord_layers::reporter::BuildReport,
    name: &str,
) -> &'a goldrecord_layers::reporter::NodeResult {
    let of_name = |id: &str| id.starts_with("unit_test.") && id.ends_with(&format!(".{name}"));
    let mut results = report.results.iter();
    results
        .find(|result| of_name(&result.unique_id))
        .unwrap_or_else(|| panic!("no result of {name} in {report:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_its_unit_test_is_not_built_and_nothing_below_it() {
    let failing = PASSES.replace(
        "page: Home, event_date: 2024-01-01}\n  - name",
        "page: Start, event_date: 2024-01-01}\n  - name",
    );
    let bench = with(&failing, &[]).await;
    let report = bench.build().await;
    let unit = of_unit(&report, "keeps_one_row_an_event");
    assert_eq!((unit.status, unit.failures), (Status::Fail, Some(1)));
    let told = unit.message.as_deref().expect("the rows");
    assert!(told.contains("actual differs from expected:"), "{told}");
    assert!(
        told.contains("→  ,a       ,1      ,Start→Home,2024-01-01"),
        "{told}"
    );
    for name in ["counts_users", "days", "fct"] {
        let skipped = report
            .results
            .iter()
            .find(|result| result.unique_id.ends_with(name));
        assert_eq!(skipped.expect("a result").status, Status::Skipped, "{name}");
    }
    assert!(!report.published);
    assert!(
        bench
            .lake
            .table("silver/fct")
            .latest()
            .await
            .expect("the lake is there")
            .is_none()
    );
    bench.write("models/unit.yml", PASSES);
    assert!(bench.build().await.published);
}

#[tokio::test(flavor = "multi_thread")]
async fn macros_variables_and_the_environment_have_the_values_of_the_test() {
    let model = "{{ config(materialized='incremental') }}
select id, '{{ today() }}' as day, '{{ env_var('GOLDRECORD_NOWHERE', 'none') }}' as place, {{ var('factor', 1) }} * n as n
from {{ ref('numbers') }} {% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}";
    let yaml = "unit_tests:
  - name: first
    model: sums
    overrides:
      macros: {is_incremental: false, today: monday}
      vars: {factor: 10}
      env_vars: {GOLDRECORD_NOWHERE: here}
    given: [{input: ref('numbers'), format: csv, fixture: three}]
    expect: {rows: [{id: 1, day: monday, place: here, n: 20}, {id: 2, n: 30, day: monday, place: here}, {id: 3, n: null, day: monday, place: here}]}
  - name: later
    model: sums
    overrides: {macros: {is_incremental: true}}
    given:
      - {input: ref('numbers')}
      - {input: this, rows: [{id: 1}]}
    expect: {rows: [{id: 2, day: sunday, place: none, n: 8}]}
  - name: through_what_is_ephemeral
    model: doubled
    given: [{input: ref('passing'), format: sql, rows: select 3 as n}]
    expect: {rows: [{n: 6}]}
  - name: nothing_of_nothing
    model: doubled
    given: [{input: ref('passing'), rows: []}]
    expect: {rows: []}
";
    let files = [
        ("models/sums.sql", model),
        (
            "models/passing.sql",
            "{{ config(materialized='ephemeral') }} select n from {{ ref('numbers') }}",
        ),
        (
            "models/doubled.sql",
            "{{ config(materialized='view') }} select n * 2 as n from {{ ref('passing') }}",
        ),
        (
            "macros/today.sql",
            "{% macro today() %}sunday{% endmacro %}",
        ),
        ("seeds/numbers.csv", "id,n\n1,7\n2,8\n"),
        ("tests/fixtures/three.csv", "id,n\n1,2\n2,3\n3,\n"),
        ("tests/fixtures/unused.sql", "this is no test"),
    ];
    let report = with(yaml, &files).await.build().await;
    assert!(report.published, "{report:?}");
    for name in [
        "first",
        "later",
        "through_what_is_ephemeral",
        "nothing_of_nothing",
    ] {
        assert_eq!(of_unit(&report, name).status, Status::Pass);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_unit_test_is_said_before_anything_runs() {
    for (from, to, parts) in [
        (
            "model: fct",
            "model: fcts",
            &[
                "is of `fcts`, which is no model",
                "models/unit.yml:3",
                "did you mean `fct`?",
            ][..],
        ),
        (
            "eventId: b",
            "eventid_: b",
            &[
                "fct::keeps_one_row_an_event: source('bronze', 'events') has no column `eventid_`",
                "models/unit.yml:5",
                "did you mean `eventId`?",
            ],
        ),
        (
            "userId: 2.0",
            "userId: two",
            &["`two` in column `userId` is no Int64", "models/unit.yml:5"],
        ),
        (
            "{event_id: b",
            "{event: b",
            &[
                "`expect` has no column `event`",
                "models/unit.yml:10",
                "did you mean `event_id`?",
            ],
        ),
        (
            "ref('fct')",
            "ref('fcts')",
            &["fcts", "models/unit.yml:17", "did you mean `fct`?"],
        ),
        (
            "input: ref('fct')",
            "input: source('bronze', 'events')",
            &[
                "gives rows for source('bronze', 'events'), which `days` does not read",
                "models/unit.yml:17",
            ],
        ),
        (
            "format: csv",
            "format: xml",
            &[
                "there is no format `xml`: they are dict, csv and sql",
                "models/unit.yml:17",
            ],
        ),
        (
            "2024-01-02,\n",
            "2024-01-02\n",
            &["its CSV cannot be read", "models/unit.yml:17"],
        ),
        (
            "    expect:\n      format: sql",
            "    expected:\n      format: sql",
            &["unknown key `expected`", "did you mean `expect`?"],
        ),
    ] {
        let said = match goldrecord_layers::project::load(
            &with(&PASSES.replacen(from, to, 1), &[]).await.root(),
            &goldrecord_layers::project::Options::default(),
        ) {
            Err(error) => error.to_string(),
            Ok(_) => refused(&PASSES.replacen(from, to, 1)).await,
        };
        for part in parts {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_reads_is_all_given() {
    let yaml =
        "unit_tests:\n  - name: bare\n    model: fct\n    given: []\n    expect: {rows: []}\n";
    let bench = with(yaml, &[]).await;
    let error = goldrecord_layers::project::load(
        &bench.root(),
        &goldrecord_layers::project::Options::default(),
    );
    let said = error.expect_err("it is refused").to_string();
    assert!(
        said.contains("gives no rows for source('bronze', 'events'), which `fct` reads"),
        "{said}"
    );
    bench.write("models/fct.sql", "{{ config(materialized='incremental') }} select 1 as event_date {% if is_incremental() %} from {{ this }} {% endif %}");
    let error = goldrecord_layers::project::load(
        &bench.root(),
        &goldrecord_layers::project::Options::default(),
    );
    let said = error.expect_err("it is refused").to_string();
    assert!(
        said.contains("does not say what `is_incremental()` answers"),
        "{said}"
    );
    bench.events(&[row("z", 1, 1, "Home")]).await;
}
