//! A verification that can fail: rows lost, rows doubled, and charts that say something else.

use std::fs;

use serde_json::json;

use crate::world::{a_file, commit, copy_of_done, goldrecord, text};

#[test]
fn a_doubled_row_is_named_with_its_partition_and_offset() {
    let dir = copy_of_done();
    let mut add = a_file(dir.path(), "bronze/listen_events");
    let table = dir.path().join("lake/bronze/listen_events");
    let path = add["path"].as_str().unwrap().to_owned();
    let again = path.replace("part-", "part-again-");
    fs::copy(table.join(&path), table.join(&again)).unwrap();
    add["path"] = json!(again);
    commit(dir.path(), "bronze/listen_events", &[json!({ "add": add })]);
    let verdict = goldrecord(&["verify", "--dir", text(dir.path())]);
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    assert!(
        verdict.out.contains("NO   balance of listen_events/"),
        "{}",
        verdict.out
    );
    assert!(verdict.out.contains("is there 2 times"), "{}", verdict.out);
}

#[test]
fn a_lost_row_is_named_with_its_partition_and_offset() {
    let dir = copy_of_done();
    let add = a_file(dir.path(), "bronze/auth_events");
    let remove = json!({ "remove": {
        "path": add["path"],
        "partitionValues": add["partitionValues"],
        "size": add["size"],
        "deletionTimestamp": 1,
        "dataChange": true,
    }});
    commit(dir.path(), "bronze/auth_events", &[remove]);
    let verdict = goldrecord(&["verify", "--dir", text(dir.path())]);
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    assert!(
        verdict.out.contains("NO   balance of auth_events/"),
        "{}",
        verdict.out
    );
    assert!(
        verdict.out.contains("are not accounted for"),
        "{}",
        verdict.out
    );
    assert!(verdict.out.contains("are missing"), "{}", verdict.out);
}

#[test]
fn a_table_that_is_lost_whole_is_named() {
    let dir = copy_of_done();
    fs::remove_dir_all(dir.path().join("lake/bronze/auth_events")).unwrap();
    let verdict = goldrecord(&["verify", "--dir", text(dir.path())]);
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    assert!(
        verdict.out.contains("NO   bronze/auth_events is there"),
        "{}",
        verdict.out
    );
}

#[test]
fn a_chart_that_differs_from_the_ledger_is_named_with_both_numbers() {
    let dir = copy_of_done();
    let file = dir.path().join("ledger.json");
    let mut ledger: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let hours = ledger["metrics"]["listens_by_hour"]
        .as_object_mut()
        .unwrap();
    let (hour, listens) = hours.iter_mut().next().unwrap();
    let (hour, truth) = (hour.clone(), listens.as_u64().unwrap());
    *listens = json!(truth + 1);
    fs::write(&file, ledger.to_string()).unwrap();
    let verdict = goldrecord(&["verify", "--dir", text(dir.path()), "--json"]);
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    let both = format!("{hour}: {} in the ledger, {truth} in the table", truth + 1);
    assert!(
        verdict.out.contains(&both),
        "no `{both}` in {}",
        verdict.out
    );
}

#[test]
fn a_lake_without_bronze_is_not_a_lake_that_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("goldrecord.toml");
    fs::write(
        &config,
        format!("[lake]\nurl = \"file://{}/lake\"\n", dir.path().display()),
    )
    .unwrap();
    goldrecord(&["verify", "--config", text(&config)]).refused(&["holds no bronze table"]);
}
