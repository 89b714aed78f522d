//! Maintenance that dies at any step, and comes back: whatever it left, the table reads the same.

#[path = "it/bronze.rs"]
mod bronze;
#[path = "it/lakes.rs"]
mod lakes;

use std::time::Duration;

use goldrecord_lake::Lake;
use goldrecord_maintenance::{Report, Settings, Upkeep};
use goldrecord_service::Shutdown;

use bronze::{PATH, balance, bronze, of_kind, today};
use lakes::{commit, eager, filled, keeping, latest, local, numbers, own, round, rows, stored};

/// Runs a round that dies at `place` the `nth` time that it gets there.
async fn dies(lake: &Lake, settings: Settings, place: &str, nth: u32) {
    let action = match nth {
        1 => "return".to_owned(),
        _ => format!("{}*off->return", nth - 1),
    };
    fail::cfg(place, &action).expect("a failpoint");
    let mut upkeep = Upkeep::new(lake.clone(), settings, Shutdown::new(), false);
    let report = upkeep.round().await.expect("the tables are listed");
    let failure = report
        .failure()
        .unwrap_or_else(|| panic!("{place} was not reached: {report}"));
    assert!(failure.contains(place), "{place}: {failure}");
    fail::remove(place);
}

/// A lake opened anew, as by the next process.
fn again(lake: &Lake) -> Lake {
    Lake::open(lake.url()).expect("opens")
}

fn commits_of(report: &Report) -> u64 {
    own(report, "t").compaction.commits
}

#[tokio::test]
async fn whoever_dies_anywhere_leaves_a_table_that_reads_the_same() {
    let scenario = fail::FailScenario::setup();
    compaction().await;
    cleaning().await;
    retention().await;
    scenario.teardown();
}

async fn compaction() {
    let places = [
        ("maintenance::compact::before_finish", 0),
        ("maintenance::compact::written", 0),
        ("lake::commit::before_rename", 0),
        ("lake::commit::after_rename", 1),
        ("maintenance::compact::committed", 1),
    ];
    for (place, commits) in places {
        let (lake, _folder) = local();
        let (table, before) = filled(&lake, "t", 12).await;
        let expected = numbers(&table, &before).await;
        dies(&lake, keeping(), place, 1).await;

        let lake = again(&lake);
        let table = lake.table("t");
        let after = latest(&table).await;
        assert_eq!(after.version - before.version, commits, "{place}");
        assert_eq!(numbers(&table, &after).await, expected, "{place}");
        let report = round(&lake, keeping()).await;
        assert_eq!(commits_of(&report) as i64, 1 - commits, "{place}: {report}");
        let after = latest(&table).await;
        assert_eq!(after.files.len(), 3, "{place}");
        assert_eq!(numbers(&table, &after).await, expected, "{place}");

        // What was left behind goes in time.
        round(&lake, eager()).await;
        round(&lake, eager()).await;
        assert_eq!(stored(&table).await, 3, "{place}");
        assert_eq!(
            numbers(&table, &latest(&table).await).await,
            expected,
            "{place}"
        );
    }
}

async fn cleaning() {
    let places = [
        ("maintenance::clean::temporary_deleted", 1),
        ("lake::checkpoint::hint", 1),
        ("maintenance::clean::checkpoint_written", 1),
        ("maintenance::clean::checkpoint_deleted", 1),
        ("maintenance::clean::checkpoint_deleted", 2),
        ("maintenance::clean::commit_deleted", 1),
        ("maintenance::clean::commit_deleted", 150),
        ("maintenance::clean::file_deleted", 1),
        ("maintenance::clean::file_deleted", 3),
    ];
    let only_clean = || Settings {
        target_file_bytes: 0,
        ..eager()
    };
    for (place, nth) in places {
        let (lake, folder) = local();
        let (table, mut newest) = filled(&lake, "t", 202).await;
        let removes: Vec<_> = newest.files.keys().take(5).cloned().collect();
        commit(&table, &mut newest, rows(None, 5000..5001), removes).await;
        let expected = numbers(&table, &newest).await;
        let log = folder.path().join("t/_delta_log");
        std::fs::write(log.join(".tmp-1"), "").expect("writes");
        let written = place == "lake::checkpoint::hint" || place.ends_with("checkpoint_written");
        if !written {
            // Then it is what the log is cut to.
            table.checkpoint(&newest).await.expect("writes");
        }
        dies(&lake, only_clean(), place, nth).await;

        let lake = again(&lake);
        let table = lake.table("t");
        let after = latest(&table).await;
        assert_eq!(after.version, newest.version, "{place}");
        assert_eq!(after.files, newest.files, "{place}");
        assert_eq!(after.txns, newest.txns, "{place}");
        assert_eq!(numbers(&table, &after).await, expected, "{place}");
        assert_eq!(
            table.refresh(&newest).await.expect("refreshes").files,
            newest.files
        );
        round(&lake, only_clean()).await;
        round(&lake, only_clean()).await;
        assert_eq!(stored(&table).await, newest.files.len(), "{place}");
        let left = std::fs::read_dir(&log).expect("lists").count();
        assert_eq!(left, 3, "{place}: the hint, a checkpoint and its commit");
        assert_eq!(
            numbers(&table, &latest(&table).await).await,
            expected,
            "{place}"
        );
    }
}

async fn retention() {
    let places = [
        ("maintenance::retain::written", false),
        ("lake::commit::before_rename", false),
        ("lake::commit::after_rename", true),
        ("maintenance::retain::committed", true),
    ];
    for (place, stands) in places {
        let (lake, _folder) = local();
        let (table, mut snapshot) = bronze(&lake).await;
        for (day, first) in [(40, 0), (30, 10), (1, 20)] {
            let batch = of_kind("good", Some(today() - day), first..first + 10);
            commit(&table, &mut snapshot, batch, Vec::new()).await;
        }
        let settings = || Settings {
            retention: [(PATH.to_owned(), Duration::from_hours(240))].into(),
            target_file_bytes: 0,
            ..keeping()
        };
        let kind = |kind: &str, partition: i32, rows: i64| ((kind.to_owned(), partition), rows);
        let all = [kind("good", 0, 15), kind("good", 1, 15)].into();
        let expired = [
            kind("good", 0, 5),
            kind("good", 1, 5),
            kind("expired", 0, 10),
            kind("expired", 1, 10),
        ]
        .into();
        dies(&lake, settings(), place, 1).await;

        let lake = again(&lake);
        let table = lake.table(PATH);
        let found = balance(&table, &latest(&table).await).await;
        assert_eq!(found, if stands { expired } else { all }, "{place}");
        round(&lake, settings()).await;
        let found = balance(&table, &latest(&table).await).await;
        assert_eq!(found.values().sum::<i64>(), 30, "{place}: counted once");
        assert_eq!(found[&("expired".to_owned(), 0)], 10, "{place}");
    }
}
