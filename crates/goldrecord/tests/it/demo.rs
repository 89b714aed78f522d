//! A demo from end to end, what it leaves behind, and the second run.

use std::fs;

use tempfile::TempDir;

use crate::world::{SMALL, copy_of_done, demo, done, goldrecord, rows, text, versions};

const BY_HOUR: &str =
    "select hour, listens, listeners, seconds from gold.listening_hourly order by hour";

#[test]
fn a_demo_leaves_a_lake_that_verifies_and_a_report_that_needs_no_network() {
    let verdict = goldrecord(&["verify", "--dir", text(done())]).ok();
    assert!(verdict.contains("balance of listen_events/0"), "{verdict}");
    assert!(
        verdict.contains("gold.listening_hourly = ledger listens_by_hour"),
        "{verdict}"
    );
    let report = fs::read_to_string(done().join("report.html")).unwrap();
    assert!(report.contains("</html>"));
    for loaded in ["src=\"http", "src='http", "<link", "@import", "url(http"] {
        assert!(
            !report.contains(loaded),
            "the report loads something: {loaded}"
        );
    }
}

#[test]
fn a_query_gives_the_same_rows_in_every_format() {
    let query = "select date, sum(listens) as listens from gold.listening_hourly group by date order by date";
    let ask = |format| goldrecord(&["sql", "--dir", text(done()), "--output", format, query]).ok();
    let json: Vec<serde_json::Value> = serde_json::from_str(&ask("json")).unwrap();
    let json: Vec<String> = json
        .iter()
        .map(|row| format!("{},{}", row["date"].as_str().unwrap(), row["listens"]))
        .collect();
    let csv = ask("csv");
    let table = ask("table");
    let framed: Vec<String> = table
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            cells.join(",")
        })
        .collect();
    assert_eq!(json.len(), 3);
    assert_eq!(csv.lines().collect::<Vec<_>>(), framed);
    assert_eq!(csv.lines().skip(1).collect::<Vec<_>>(), json);
}

#[test]
fn status_tells_every_table_to_machines_and_to_people() {
    let tables = versions(done());
    for table in [
        "bronze/listen_events",
        "silver/fct_listens",
        "gold/listening_hourly",
    ] {
        assert!(
            tables.iter().any(|(name, _)| name == table),
            "{table} in {tables:?}"
        );
    }
    let text = goldrecord(&["status", "--dir", text(done())]).ok();
    assert!(text.contains("gold/listening_hourly"), "{text}");
    assert!(
        text.contains("the demo's embedded broker ended with it"),
        "{text}"
    );
}

#[test]
fn a_second_run_rebuilds_nothing_and_says_so() {
    let dir = copy_of_done();
    let before = versions(dir.path());
    let ran = demo(dir.path(), &SMALL);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.err.contains("bronze holds these 5,000 events already"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("had not changed and were not rebuilt"),
        "{}",
        ran.err
    );
    let unbuilt = |versions: Vec<(String, i64)>| -> Vec<(String, i64)> {
        versions
            .into_iter()
            .filter(|(table, _)| table != "_builds")
            .collect()
    };
    assert_eq!(unbuilt(versions(dir.path())), unbuilt(before));
}

#[test]
fn other_settings_in_the_same_folder_are_refused() {
    let dir = copy_of_done();
    let before = versions(dir.path());
    demo(dir.path(), &["--events", "7"]).refused(&[text(dir.path()), "5,000 events", "--fresh"]);
    assert_eq!(versions(dir.path()), before);
}

#[test]
fn the_same_seed_gives_the_same_events_and_the_same_gold() {
    let other = TempDir::new().unwrap();
    demo(other.path(), &SMALL).ok();
    let ledger = |dir: &std::path::Path| fs::read_to_string(dir.join("ledger.json")).unwrap();
    assert_eq!(ledger(other.path()), ledger(done()));
    assert_eq!(rows(other.path(), BY_HOUR), rows(done(), BY_HOUR));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    use std::process::Stdio;
    let mut child = crate::world::command(&["status", "--dir", text(done())])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = crate::world::ended(child);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}
