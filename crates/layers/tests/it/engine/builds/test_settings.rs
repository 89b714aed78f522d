//! What the settings of data tests do, and the rows that they keep.

use goldrecord_layers::reporter::Status;

use super::filled;
use crate::engine::support::{Bench, of, row};

/// A build of a project with these singular tests over three facts of two pages.
async fn tested(tests: &[(&str, &str)]) -> (Bench, goldrecord_layers::reporter::BuildReport) {
    let bench = filled(tests).await;
    bench
        .events(&[row("b", 10, 1, "Help"), row("c", 10, 2, "Help")])
        .await;
    let report = bench.build().await;
    (bench, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_of_a_test_decides_how_its_failures_count() {
    let query = "select page, 2 as n from {{ ref('fct') }}";
    let all: Vec<(String, String)> = [
        ("limited", "limit=2, warn_if='= 2', severity='warn'"),
        ("below", "error_if='> 3', warn_if='> 3'"),
        ("warns", "error_if='> 3', warn_if='> 2'"),
        ("never_fails", "severity='warn', error_if='> 1'"),
        (
            "summed",
            "fail_calc='sum(n)', warn_if='= 6', severity='warn'",
        ),
        (
            "summed_after_the_limit",
            "fail_calc='sum(n)', limit=1, warn_if='= 2', severity='warn'",
        ),
    ]
    .into_iter()
    .map(|(name, config)| {
        (
            format!("tests/{name}.sql"),
            format!("{{{{ config({config}) }}}} {query}"),
        )
    })
    .collect();
    let mut files: Vec<(&str, &str)> = all
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    // Counted although there is no row.
    files.push((
        "tests/some_must_be_there.sql",
        "{{ config(fail_calc='case when count(*) > 0 then 0 else 1 end', severity='warn') }} select 1 as x from {{ ref('fct') }} where page = 'No'",
    ));
    files.push((
        "models/schema.yml",
        "version: 2
models:
  - name: fct
    columns:
      - name: page
        tests:
          - accepted_values: {name: only_home, arguments: {values: [Home]}, config: {where: \"page <> 'Help'\"}}
          - accepted_values: {name: none_is_home, arguments: {values: [Help]}, config: {where: \"page = 'Home'\", severity: warn}}
",
    ));
    let (_bench, report) = tested(&files).await;
    for (name, status, failures) in [
        ("limited", Status::Warn, 2),
        ("below", Status::Pass, 3),
        ("warns", Status::Warn, 3),
        ("never_fails", Status::Warn, 3),
        ("summed", Status::Warn, 6),
        ("summed_after_the_limit", Status::Warn, 2),
        ("some_must_be_there", Status::Warn, 1),
        ("only_home", Status::Pass, 0),
        ("none_is_home", Status::Warn, 1),
    ] {
        let result = of(&report, name);
        assert_eq!(
            (result.status, result.failures),
            (status, Some(failures)),
            "{name}"
        );
    }
    assert!(report.published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passed_test_runs_again_once_its_settings_are_others() {
    let lenient = "{{ config(warn_if='> 5', error_if='> 5') }} select * from {{ ref('fct') }}";
    let (bench, report) = tested(&[("tests/few.sql", lenient)]).await;
    assert_eq!(of(&report, "few").status, Status::Pass);
    bench.write("tests/few.sql", &lenient.replace("> 5", "> 2"));
    assert_eq!(of(&bench.build().await, "few").status, Status::Fail);
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_rows_are_kept_though_what_they_are_of_is_not_committed() {
    let test = "{{ config(store_failures=true, limit=10) }} select page, count(*) as n, null as why from {{ ref('fct') }} where page = 'Help' group by page";
    let bench = filled(&[("tests/no_help.sql", test)]).await;
    let report = bench.build().await;
    assert!(report.published, "{report:?}");
    let audit = "dbt_test__audit/no_help";
    assert!(
        bench.rows(audit).await.is_empty(),
        "made when it passes, too"
    );
    bench
        .events(&[row("b", 10, 1, "Help"), row("c", 10, 2, "Help")])
        .await;
    let report = bench.build().await;
    assert_eq!(of(&report, "no_help").status, Status::Fail);
    assert!(!report.published);
    assert_eq!(bench.snapshot("silver/fct").await.rows(), 1);
    let kept = "select page, n, why is null from dbt_test__audit.no_help";
    assert_eq!(bench.rows(audit).await, ["Help|2|"]);
    assert_eq!(bench.query(kept).await, ["Help|2|true"]);
    // Again: the rows take the place of those before, and another number of columns is no hindrance.
    bench.write(
        "tests/no_help.sql",
        &test
            .replace("page, count(*)", "count(*)")
            .replace(" group by page", ""),
    );
    bench.build().await;
    assert_eq!(bench.rows(audit).await, ["2|"]);
    bench.write("tests/no_help.sql", &test.replace("'Help'", "'None'"));
    let report = bench.build().await;
    assert!(report.published, "{report:?}");
    assert!(bench.rows(audit).await.is_empty());
    let published = goldrecord_lake::builds::published(&bench.lake, "prod").await;
    let published = published.expect("the lake is there").expect("a build is");
    assert!(
        published.tables.keys().all(|path| !path.contains("audit")),
        "nobody loads them: {published:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_failing_rows_are_kept_is_said_as_for_models() {
    let yaml = "version: 2
models:
  - name: fct
    columns:
      - name: page
        tests:
          - not_null: {config: {store_failures: true}}
          - accepted_values: {name: only_home, arguments: {values: [Home]}, config: {store_failures_as: view, schema: wrong, alias: pages, severity: warn}}
          - unique: {config: {store_failures_as: ephemeral, severity: warn}}
";
    let (bench, report) = tested(&[("models/schema.yml", yaml)]).await;
    assert!(report.published, "{report:?}");
    assert_eq!(bench.rows("wrong/pages").await, ["Help|2"]);
    assert!(
        bench
            .rows("dbt_test__audit/not_null_fct_page")
            .await
            .is_empty()
    );
    let tables = bench.lake.tables().await.expect("the lake is there");
    assert!(
        !tables.iter().any(|path| path.contains("unique")),
        "{tables:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_was_superseded_writes_no_failures() {
    let test = "{{ config(store_failures=true, severity='warn') }} select * from {{ ref('fct') }}";
    let (bench, _) = tested(&[("tests/any.sql", test)]).await;
    let audit = bench.lake.table("dbt_test__audit/any");
    let mut live = bench.snapshot(audit.path()).await;
    let fence = goldrecord_lake::Fence {
        app_id: "layers/build".into(),
        value: 1_000,
    };
    let newer = goldrecord_lake::Proposal {
        operation: "STORE FAILURES".into(),
        fences: vec![fence],
        ..goldrecord_lake::Proposal::default()
    };
    audit.commit(&mut live, &newer).await.expect("it commits");
    let version = live.version;
    bench.events(&[row("d", 10, 3, "Help")]).await;
    let said = bench.failure().await;
    assert!(said.contains("was superseded by build 1000"), "{said}");
    assert_eq!(bench.snapshot(audit.path()).await.version, version);
}
