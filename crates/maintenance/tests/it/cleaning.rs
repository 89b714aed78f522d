//! What nobody needs goes, and nothing else.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use goldrecord_lake::{Changes, Error, Outcome, Proposal, WriteOptions, builds};
use goldrecord_maintenance::Settings;

use crate::lakes::{
    commit, create, eager, filled, latest, local, numbers, own, round, rows, stored,
};

/// Compaction aside: its commits would only be in the way.
fn cleaning(keep: Duration) -> Settings {
    Settings {
        keep,
        target_file_bytes: 0,
        ..eager()
    }
}

/// Makes a file look as old as this.
fn age(path: &Path, by: Duration) {
    let file = File::options().write(true).open(path).expect("opens");
    file.set_modified(SystemTime::now() - by)
        .expect("sets its time");
}

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_log_that_was_cut_is_noticed_by_whoever_holds_an_old_version() {
    let (lake, _folder) = local();
    let (table, mut newest) = create(&lake, "t").await;
    let old = newest.clone();
    let first = commit(&table, &mut newest, rows(Some(1), 0..10), Vec::new()).await;
    let mut stale = newest.clone();
    for number in 1..20 {
        commit(
            &table,
            &mut newest,
            rows(Some(1), number * 10..(number + 1) * 10),
            Vec::new(),
        )
        .await;
    }
    round(&lake, cleaning(Duration::ZERO)).await;
    let report = round(&lake, cleaning(Duration::ZERO)).await;
    let done = own(&report, "t").cleaning.as_ref().expect("cleaned");
    assert_eq!((done.commits, done.oldest_version), (20, 20), "{report}");

    let error = table.at(first).await.expect_err("it is gone").to_string();
    assert!(error.contains("the log begins at version 20"), "{error}");
    assert!(error.contains("read a newer version"), "{error}");
    assert!(matches!(
        table.changes(0, 20).await,
        Ok(Changes::Unknown { .. })
    ));
    assert_eq!(table.refresh(&old).await.expect("refreshes"), newest);
    assert_eq!(table.refresh(&newest).await.expect("refreshes"), newest);

    // A writer that slept through it all commits after the newest version, not into the hole.
    let adds = table
        .write(
            &stale,
            vec![rows(Some(1), 200..210)],
            &WriteOptions::default(),
        )
        .await
        .expect("writes");
    let proposal = Proposal {
        operation: "WRITE".to_owned(),
        adds,
        data_change: true,
        ..Proposal::default()
    };
    let outcome = table.commit(&mut stale, &proposal).await.expect("commits");
    assert_eq!(outcome, Outcome::Committed { version: 21 });
    let seen = latest(&table).await;
    assert_eq!(seen.version, 21);
    let held = numbers(&table, &seen).await;
    assert!(held.into_values().flatten().eq(0..210));
}

#[tokio::test]
async fn what_the_last_published_build_names_stays() {
    let (lake, _folder) = local();
    let (table, mut snapshot) = create(&lake, "silver/t").await;
    let mut named = snapshot.clone();
    for number in 0..150 {
        // Each version replaces the one before.
        let removes = snapshot.files.keys().cloned().collect();
        commit(&table, &mut snapshot, rows(None, number..=number), removes).await;
        if number == 119 {
            named = snapshot.clone();
        }
    }
    let builds::Opened::Ours { build, .. } = builds::open(&lake, "prod").await.expect("opens")
    else {
        panic!("nobody else builds");
    };
    let tables = [("silver/t".to_owned(), named.version)].into();
    builds::close(&lake, &build, builds::Status::Published, tables, [].into())
        .await
        .expect("closes");
    for _ in 0..3 {
        let report = round(&lake, cleaning(Duration::ZERO)).await;
        let done = own(&report, "silver/t").cleaning.as_ref().expect("cleaned");
        assert_eq!(
            done.oldest_version, 100,
            "the checkpoint before it: {report}"
        );
    }
    assert_eq!(
        table.at(named.version).await.expect("reads").files,
        named.files
    );
    assert_eq!(numbers(&table, &named).await[&None], [119]);
    assert_eq!(stored(&table).await, 51, "those of versions 100 to 150");
    let changes = table.changes(named.version, snapshot.version).await;
    assert!(matches!(changes, Ok(Changes::Known { .. })), "{changes:?}");

    // The next one lets go of it.
    let builds::Opened::Ours { build, .. } = builds::open(&lake, "prod").await.expect("opens")
    else {
        panic!("nobody else builds");
    };
    let tables = [("silver/t".to_owned(), snapshot.version)].into();
    builds::close(&lake, &build, builds::Status::Published, tables, [].into())
        .await
        .expect("closes");
    round(&lake, cleaning(Duration::ZERO)).await;
    assert_eq!(stored(&table).await, 1);
    assert!(matches!(
        table.at(named.version).await,
        Err(Error::NoVersion { .. })
    ));
}

#[tokio::test]
async fn only_files_that_nobody_can_want_are_removed() {
    let (lake, folder) = local();
    let (table, mut snapshot) = filled(&lake, "t", 3).await;
    let root = folder.path().join("t");
    let options = WriteOptions::default();
    let write = async |numbers| {
        let adds = table
            .write(&snapshot, vec![rows(None, numbers)], &options)
            .await;
        adds.expect("writes")
    };
    let (abandoned, young, proposed) = (
        write(50..60).await,
        write(60..70).await,
        write(70..80).await,
    );
    let live: Vec<_> = snapshot.files.values().cloned().collect();
    for file in live.iter().chain(&abandoned).chain(&proposed) {
        age(&root.join(&file.path), 2 * HOUR);
    }
    // A writer that is about to rename its commit, and one that died long ago.
    let log = root.join("_delta_log");
    let content = format!(
        r#"{{"add":{{"path":"{}","partitionValues":{{"day":null}},"size":1,"modificationTime":0,"dataChange":true}}}}"#,
        proposed[0].path
    );
    fs::write(log.join(".tmp-young"), content).expect("writes");
    fs::write(log.join(".tmp-old"), "").expect("writes");
    age(&log.join(".tmp-old"), 2 * HOUR);
    // Nothing of ours.
    fs::write(root.join("README"), "keep me").expect("writes");
    age(&root.join("README"), 2 * HOUR);

    let report = round(&lake, cleaning(HOUR)).await;
    let done = own(&report, "t").cleaning.as_ref().expect("cleaned");
    assert_eq!(
        (done.files, done.temporary, done.commits),
        (1, 1, 0),
        "{report}"
    );
    assert!(!root.join(&abandoned[0].path).exists());
    for kept in live.iter().chain(&young).chain(&proposed) {
        assert!(root.join(&kept.path).exists(), "{}", kept.path);
    }
    assert!(root.join("README").exists() && log.join(".tmp-young").exists());
    assert!(!log.join(".tmp-old").exists());

    let removes = vec![live[0].path.clone()];
    commit(&table, &mut snapshot, rows(None, 90..91), removes).await;
    let report = round(&lake, cleaning(HOUR)).await;
    let done = own(&report, "t").cleaning.as_ref().expect("cleaned");
    assert_eq!(
        done.files, 0,
        "it was removed a moment ago, however old it is"
    );
}

#[tokio::test]
async fn a_checkpoint_that_writers_missed_is_written_and_a_damaged_one_bears_nothing() {
    let (lake, folder) = local();
    let (table, snapshot) = filled(&lake, "t", 205).await;
    let log = folder.path().join("t/_delta_log");
    let checkpoint = |version: i64| log.join(format!("{version:020}.checkpoint.parquet"));
    fs::remove_file(checkpoint(200)).expect("is there");
    let report = round(&lake, cleaning(HOUR)).await;
    let done = own(&report, "t").cleaning.as_ref().expect("cleaned");
    assert_eq!(done.checkpoint, Some(205), "{report}");
    assert!(checkpoint(205).exists());

    fs::write(checkpoint(205), "not Parquet").expect("writes");
    let report = round(&lake, cleaning(Duration::ZERO)).await;
    let done = own(&report, "t").cleaning.as_ref().expect("cleaned");
    assert_eq!((done.commits, done.oldest_version), (0, 0), "{report}");
    assert_eq!(latest(&table).await, snapshot);
}
