//! How fresh the tables of sources are.

use std::time::Duration;

use chrono::{DateTime, Utc};
use goldrecord_layers::artifacts::{
    Invocation, Loaded, MANIFEST, Previous, SOURCES, SourceResult, manifest_json, sources_json,
    write,
};
use goldrecord_layers::engine::newest;
use goldrecord_layers::manifest::{Age, Freshness};
use goldrecord_layers::select::{Selection, select};

use super::support::{Bench, row};

/// A bench whose source `bronze` has these keys, and its table `events` those.
fn bench(source: &str, events: &str) -> Bench {
    let text = format!(
        "sources:\n  - name: bronze\n{source}    tables:\n      - {{name: visits}}\n      - name: events\n{events}"
    );
    Bench::new(&[
        ("models/sources.yml", &text),
        (
            "models/read.sql",
            "select page from {{ source('bronze', 'events') }}",
        ),
    ])
}

const HOUR: &str =
    "    freshness: {warn_after: {count: 1, period: hour}, error_after: {count: 1, period: day}}\n";

/// When the newest event came, or why that cannot be told.
async fn newest_event(bench: &Bench) -> Result<(DateTime<Utc>, Freshness), String> {
    let manifest = bench.manifest();
    let node = manifest.node("source.shop.bronze.events").expect("there");
    let freshness = node.freshness.clone().expect("something is expected");
    let at = newest(&bench.lake, node, &freshness).await;
    at.map(|at| (at, freshness))
        .map_err(|error| error.to_string())
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_row_is_found_by_its_column_over_all_files() {
    let bench = bench(HOUR, "        loaded_at_field: ts\n");
    // The newest row lies in none of the first and last files, days or commits.
    bench
        .events(&[row("a", 10, 1, "Home"), row("b", 12, 3, "Help")])
        .await;
    bench
        .events(&[row("c", 12, 9, "Home"), row("d", 11, 900, "Help")])
        .await;
    bench
        .events(&[row("e", 9, 999, "Home"), row("f", 99, 99, "(bad)")])
        .await;
    let (newest, freshness) = newest_event(&bench).await.expect("a time");
    assert_eq!(newest, at("1970-01-13T00:00:00.000009Z"));
    assert_eq!(freshness.of(1e9), Age::Error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_an_expression_and_a_query_choose_the_rows() {
    let rows = [row("a", 10, 1, "Home"), row("b", 12, 3, "Help")];
    for (keys, newest) in [
        (
            "        loaded_at_field: ts\n        freshness: {filter: \"page = 'Home'\"}\n",
            "1970-01-11T00:00:00.000001Z",
        ),
        (
            "        loaded_at_field: event_date\n",
            "1970-01-13T00:00:00Z",
        ),
        (
            "        loaded_at_field: cast('2026-01-01 02:00:00' as timestamp)\n",
            "2026-01-01T02:00:00Z",
        ),
        (
            "        loaded_at_query: select min(ts) from {{ this }}\n",
            "1970-01-11T00:00:00.000001Z",
        ),
        (
            "        loaded_at_field: ts\n        freshness: {filter: \"page = 'none'\"}\n",
            "0001-01-01T00:00:00Z",
        ),
    ] {
        let bench = bench(HOUR, keys);
        bench.events(&rows).await;
        let (found, freshness) = newest_event(&bench).await.expect("a time");
        assert_eq!(found, at(newest), "{keys}");
        assert_eq!(freshness.of(3_601.0), Age::Warn, "the source's spans stay");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_column_the_newest_commit_tells() {
    let bench = bench(HOUR, "");
    let before = Utc::now() - chrono::TimeDelta::seconds(1);
    bench.events(&[row("a", 10, 1, "Home")]).await;
    let (newest, _) = newest_event(&bench).await.expect("a time");
    assert!(newest > before && newest <= Utc::now(), "{newest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_time_and_what_is_not_there_is_told() {
    let numbers = bench(HOUR, "        loaded_at_field: '\"userId\"'\n");
    numbers.events(&[row("a", 10, 1, "Home")]).await;
    let message = newest_event(&numbers).await.expect_err("a number");
    for part in [
        "of bronze.events is a bigint",
        "models/sources.yml",
        "to_timestamp_millis",
    ] {
        assert!(message.contains(part), "{part:?} in {message}");
    }
    let nothing = bench(HOUR, "        loaded_at_field: ts\n");
    let message = newest_event(&nothing).await.expect_err("no table");
    assert!(
        message.contains("bronze.events, which does not exist"),
        "{message}"
    );
    let nobody = bench(HOUR, "        freshness: null\n").manifest();
    let expects = |name: &str| {
        nobody
            .node(&format!("source.shop.bronze.{name}"))
            .expect("there")
            .freshness
            .is_some()
    };
    assert!(expects("visits") && !expects("events"));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_of_sources_with_new_rows_are_selected() {
    let bench = bench(HOUR, "        loaded_at_field: ts\n");
    let manifest = bench.manifest();
    let (then, now) = (bench.root().join("then"), manifest.target_folder());
    let invocation = Invocation::begin();
    let leave = |folder: &std::path::Path, second: u32| {
        let max_loaded_at = at(&format!("2026-01-01T00:00:{second:02}Z"));
        let node = manifest.node("source.shop.bronze.events").expect("there");
        let result = SourceResult {
            unique_id: node.unique_id.clone(),
            found: Ok(Loaded {
                max_loaded_at,
                snapshotted_at: max_loaded_at,
                age: Age::Pass,
                criteria: node.freshness.clone().expect("expected"),
            }),
            started: max_loaded_at,
            elapsed: Duration::ZERO,
        };
        write(
            folder,
            SOURCES,
            &sources_json(&[result], Duration::ZERO, &invocation),
        )
        .expect("written");
    };
    write(&then, MANIFEST, &manifest_json(&manifest, &invocation)).expect("written");
    let selected = || {
        let selection = Selection {
            select: vec!["source_status:fresher+".to_owned()],
            previous: Some(
                Previous::read(&then)
                    .expect("read")
                    .beside(&now)
                    .expect("read"),
            ),
            ..Selection::default()
        };
        select(&manifest, &selection).map(|selected| selected.nodes.into_iter().collect::<Vec<_>>())
    };
    leave(&then, 1);
    let message = selected().expect_err("nobody looked since").to_string();
    assert!(
        message.contains("run `source freshness` first"),
        "{message}"
    );
    leave(&now, 1);
    assert_eq!(selected().expect("selected"), Vec::<String>::new());
    leave(&now, 2);
    assert_eq!(
        selected().expect("selected"),
        ["model.shop.read", "source.shop.bronze.events"]
    );
}
