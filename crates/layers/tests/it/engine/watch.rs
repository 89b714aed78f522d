//! Builds as commits arrive.

use std::sync::Arc;
use std::time::Duration;

use goldrecord_layers::engine::BuildOptions;
use goldrecord_layers::watch::{Metrics, Settings, schedule, watch};
use goldrecord_service::Shutdown;
use goldrecord_service::metrics::Registry;
use tokio::sync::mpsc;

use super::support::{Bench, row};

const SETTINGS: Settings = Settings {
    poll: Duration::from_millis(20),
    schedule: schedule::Settings {
        settle: Duration::from_millis(50),
        interval: Duration::from_millis(50),
        retry: Duration::from_millis(50),
    },
};

const MODELS: &[(&str, &str)] = &[
    (
        "models/facts.sql",
        r#"select "eventId" as id, "userId" as user_id from {{ source('bronze', 'events') }}"#,
    ),
    (
        "models/calls.sql",
        r#"select "eventId" as id from {{ source('bronze', 'visits') }}"#,
    ),
    (
        "models/total.sql",
        "select count(*) as events from {{ ref('facts') }}",
    ),
    (
        "models/schema.yml",
        "version: 2\nmodels:\n  - name: facts\n    columns:\n      - name: user_id\n        data_tests: [not_null]\n      \
             - name: id\n        data_tests: [unique]\n",
    ),
];

/// The names of the models of a build that were written, with their ways.
type Built = Vec<(String, String)>;

#[tokio::test]
async fn a_commit_is_built_into_what_reads_it_and_nothing_else_and_a_failed_build_is_tried_again() {
    let bench = Bench::new(MODELS);
    bench.events(&[row("a", 1, 1, "Home")]).await;
    bench
        .bronze("visits", &[row("v", 1, 1, "Home")], false)
        .await;

    let manifest = bench.manifest();
    let options = BuildOptions {
        selected: manifest.nodes.keys().cloned().collect(),
        threads: 2,
        ..BuildOptions::default()
    };
    let registry = Arc::new(Registry::new("layers"));
    let metrics = Metrics::new(&registry);
    let shutdown = Shutdown::new();
    let (send, mut ended) = mpsc::unbounded_channel();
    let watching = watch(
        &manifest,
        &options,
        &bench.lake,
        SETTINGS,
        &metrics,
        &shutdown,
        |report| {
            let built: Built = report
                .results
                .iter()
                .filter_map(|result| {
                    let name = result.unique_id.split('.').nth(2)?;
                    Some((name.to_owned(), result.way.clone()?))
                })
                .collect();
            send.send((report.is_ok(), built)).unwrap();
        },
    );
    let story = async {
        let mut next = async || {
            let (well, mut built) = tokio::time::timeout(Duration::from_mins(1), ended.recv())
                .await
                .expect("a build ends")
                .unwrap();
            built.sort();
            (well, built)
        };
        let names = |built: Built| -> Vec<String> {
            built
                .into_iter()
                .map(|(name, way)| format!("{name}: {way}"))
                .collect()
        };
        let (well, built) = next().await;
        assert!(well);
        assert_eq!(names(built), ["calls: full", "facts: full", "total: full"]);

        bench.events(&[row("b", 1, 2, "Home")]).await;
        let (well, built) = next().await;
        assert!(well);
        assert_eq!(
            names(built),
            ["calls: unchanged", "facts: append", "total: full"]
        );
        assert_eq!(bench.query("select events from silver.total").await, ["2"]);

        // The id comes again: a test blocks it, and readers see the build before.
        bench.events(&[row("b", 1, 3, "Home")]).await;
        let (well, _) = next().await;
        assert!(!well);
        assert_eq!(bench.query("select events from silver.total").await, ["2"]);
        // It is tried again by itself, and goes well once the source is mended.
        bench
            .bronze(
                "events",
                &[row("a", 1, 1, "Home"), row("c", 1, 3, "Home")],
                true,
            )
            .await;
        while !next().await.0 {}
        assert_eq!(
            bench.query("select id from silver.facts order by id").await,
            ["a", "c"]
        );
        shutdown.request();
    };
    let (watched, ()) = tokio::join!(watching, story);
    watched.unwrap();
    let page = registry.render();
    for series in [
        "goldrecord_layers_ended_builds_total{result=\"published\"} 3",
        "goldrecord_layers_waiting_sources 0",
        "goldrecord_layers_build_seconds_count",
    ] {
        assert!(page.contains(series), "{series} in\n{page}");
    }
}
