//! Microbatch models: which batches a build computes, what it filters, and what failures and ends of builds leave.

use std::sync::atomic::{AtomicUsize, Ordering};

use goldrecord_layers::engine::{self, BuildOptions};
use goldrecord_layers::microbatch::{Window, moment};
use goldrecord_layers::reporter::{BuildReport, Event, Reporter, Silent, Status};
use goldrecord_layers::{Error, Result};
use goldrecord_service::Shutdown;

use super::support::{Bench, Hook, of};

const SEEDS: &str = "seeds:\n  - name: changes\n    config: {event_time: at, column_types: {at: timestamp, id: bigint}}\n  \
                     - name: names\n    config: {column_types: {id: bigint}}\n";
const THREE_DAYS: &str = "id,at\n1,2024-01-01 05:00:00\n2,2024-01-02 00:00:00\n3,2024-01-02 23:59:59\n4,2024-01-03 07:00:00\n";

/// A model of the days of the seed `changes`.
fn model(select: &str) -> String {
    format!(
        "{{{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='at', \
         begin='2024-01-01', batch_size='day') }}}}\n{select}"
    )
}

fn plain() -> String {
    model("select id, at from {{ ref('changes') }}")
}

fn bench_of(select: &str) -> Bench {
    Bench::new(&[
        ("models/m.sql", select),
        ("seeds/changes.csv", THREE_DAYS),
        ("seeds/names.csv", "id\n1\n"),
        ("seeds/seeds.yml", SEEDS),
    ])
}

/// A build whose time ends so, or is named.
async fn built(
    bench: &Bench,
    now: &str,
    named: Option<(&str, &str)>,
    reporter: &dyn Reporter,
    shutdown: &Shutdown,
) -> Result<BuildReport> {
    run(bench, options(bench, now, named), reporter, shutdown).await
}

fn options(bench: &Bench, now: &str, named: Option<(&str, &str)>) -> BuildOptions {
    let at = |text: &str| moment(text).expect("a moment");
    BuildOptions {
        selected: bench.manifest().nodes.keys().cloned().collect(),
        threads: 2,
        now: Some(at(now)),
        event_time: named.map(|(start, end)| Window {
            start: at(start),
            end: at(end),
        }),
        ..BuildOptions::default()
    }
}

async fn run(
    bench: &Bench,
    options: BuildOptions,
    reporter: &dyn Reporter,
    shutdown: &Shutdown,
) -> Result<BuildReport> {
    let manifest = bench.manifest();
    engine::build(&manifest, &options, &bench.lake, shutdown, reporter).await
}

async fn until(bench: &Bench, now: &str) -> BuildReport {
    let report = built(bench, now, None, &Silent, &Shutdown::new()).await;
    report.expect("the build runs to its end")
}

/// The days of the batches of `m` that are in the table now, and of those that are not.
fn days(report: &BuildReport) -> [Vec<String>; 2] {
    let batches = of(report, "m").batches.clone().expect("m has batches");
    [batches.successful, batches.failed].map(|windows| {
        let days = windows.iter().map(|window| window.start.format("%d"));
        days.map(|day| day.to_string()).collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_batch_replaces_its_window_by_what_its_inputs_have_of_it() {
    let bench = bench_of(&plain());
    let report = until(&bench, "2024-01-03T12:00:00").await;
    assert!(report.published, "{report:?}");
    assert_eq!(days(&report)[0], ["01", "02", "03"]);
    assert_eq!(bench.rows("silver/m").await.len(), 4);
    // Rows of each day change; the first day lies before what is looked back to.
    let changed = "id,at\n10,2024-01-01 05:00:00\n20,2024-01-02 00:00:00\n40,2024-01-03 07:00:00\n50,2024-01-04 00:00:00\n";
    bench.write("seeds/changes.csv", changed);
    let before = bench.snapshot("silver/m").await.version;
    let report = until(&bench, "2024-01-03T12:00:00").await;
    assert_eq!(days(&report)[0], ["02", "03"]);
    assert_eq!(
        bench.rows("silver/m").await,
        [
            "1|2024-01-01T05:00:00Z",
            "20|2024-01-02T00:00:00Z",
            "40|2024-01-03T07:00:00Z"
        ]
    );
    let after = bench.snapshot("silver/m").await.version;
    assert_eq!(after, before + 2, "a commit for each batch");
    let named = Some(("2024-01-01", "2024-01-01T01:00:00"));
    let report = built(&bench, "2024-01-09", named, &Silent, &Shutdown::new()).await;
    assert_eq!(days(&report.expect("it runs"))[0], ["01"]);
    assert_eq!(bench.rows("silver/m").await[0], "10|2024-01-01T05:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_see_their_batch_and_may_read_all_rows() {
    let bench = bench_of(&model(
        "select (select count(*) from {{ ref('changes').render() }}) as everything, count(*) as own, \
         '{{ model.batch.id }}' as id, '{{ model.batch.event_time_end }}' as until, \
         cast('{{ model.batch.event_time_start }}' as timestamp) as at, \
         {% if is_incremental() %}(select count(*) from {{ this }}){% else %}-1{% endif %} as there \
         from {{ ref('changes') }}",
    ));
    until(&bench, "2024-01-02T12:00:00").await;
    assert_eq!(
        bench.rows("silver/m").await,
        [
            "4|1|20240101|2024-01-02 00:00:00+00:00|2024-01-01T00:00:00Z|-1",
            "4|2|20240102|2024-01-03 00:00:00+00:00|2024-01-02T00:00:00Z|1"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_build_goes_on_with_the_first_batch_that_is_not_done() {
    let bench = bench_of(&plain());
    let shutdown = Shutdown::new();
    let done = AtomicUsize::new(0);
    let stop = Hook(|event: &Event<'_>| {
        if matches!(event, Event::Note { text } if text.starts_with("Batch "))
            && done.fetch_add(1, Ordering::Relaxed) == 1
        {
            shutdown.request();
        }
    });
    let error = built(&bench, "2024-01-05T12:00:00", None, &stop, &shutdown).await;
    assert!(matches!(error, Err(Error::Interrupted)), "{error:?}");
    assert_eq!(bench.rows("silver/m").await.len(), 3, "two days of five");
    // Six days later it would only look back a day, were nothing left to do.
    let report = until(&bench, "2024-01-11T12:00:00").await;
    assert_eq!(days(&report)[0], ["03", "04", "05", "10", "11"]);
    assert_eq!(bench.rows("silver/m").await.len(), 4);
    let report = until(&bench, "2024-01-11T12:00:00").await;
    assert_eq!(days(&report)[0], ["10", "11"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_fails_leaves_the_others() {
    let divides = "select id, at, 6 / (id - 2) as n from {{ ref('changes') }}";
    let bench = bench_of(&model(divides));
    let report = until(&bench, "2024-01-03T12:00:00").await;
    let result = of(&report, "m");
    assert_eq!(result.status, Status::PartialSuccess);
    let message = result.message.clone().expect("a message");
    assert!(
        message.starts_with("PARTIAL SUCCESS (2/3)\nbatch 2024-01-02: "),
        "{message}"
    );
    assert!(!report.published && !report.is_ok());
    assert_eq!(days(&report), [vec!["01", "03"], vec!["02"]]);
    assert_eq!(bench.rows("silver/m").await.len(), 2);
    // As `retry` does: what failed, and nothing else, with what was well before in the results.
    bench.write("seeds/changes.csv", "id,at\n7,2024-01-02 00:00:00\n");
    let before = result.batches.clone().expect("it has batches");
    let options = BuildOptions {
        retried: [("model.shop.m".to_owned(), before)].into(),
        ..options(&bench, "2024-02-01", None)
    };
    let report = run(&bench, options, &Silent, &Shutdown::new()).await;
    let report = report.expect("the build runs to its end");
    assert!(report.published, "{report:?}");
    assert_eq!(days(&report), [vec!["02", "01", "03"], vec![]]);
    assert_eq!(bench.rows("silver/m").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_come_after_the_last_batch_and_keep_the_build_from_readers() {
    let bench = bench_of(&plain());
    bench.write(
        "models/m.yml",
        "models:\n  - name: m\n    columns: [{name: id, data_tests: [unique]}]\n",
    );
    until(&bench, "2024-01-03T12:00:00").await;
    bench.write("seeds/changes.csv", "id,at\n1,2024-01-03 00:00:00\n");
    let report = until(&bench, "2024-01-03T12:00:00").await;
    assert_eq!(of(&report, "m").status, Status::Error, "{report:?}");
    assert!(!report.published);
    let seen = bench.query("select count(*) from silver.m").await;
    assert_eq!(seen, ["4"], "readers see the build before");
}

#[test]
fn a_model_whose_inputs_tell_no_time_is_warned_of() {
    let bench = bench_of(&model("select id, now() as at from {{ ref('names') }}"));
    let warnings = bench.manifest().warnings;
    let told = "The microbatch model 'm' has no 'ref' or 'source' input";
    assert!(
        warnings.iter().any(|text| text.starts_with(told)),
        "{warnings:?}"
    );
}
