//! What an operator gets wrong, or a machine does: one message each, and nothing lost.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::world::{
    SMALL, commit, copy, copy_of_done, demo, demo_of, done, goldrecord, rows, text, versions,
    warehouse,
};

#[test]
fn a_missing_input_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("events.ndjson");
    demo(dir.path(), &["--input", text(&file)]).refused(&[text(&file), "is the path right?"]);
}

#[test]
fn a_truncated_input_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("events.ndjson.xz");
    // The head of an xz file that has no more than its magic number and flags.
    fs::write(
        &file,
        [
            0xfd, b'7', b'z', b'X', b'Z', 0, 0, 4, 0xe6, 0xd6, 0xb4, 0x46, 2, 0,
        ],
    )
    .unwrap();
    demo(&dir.path().join("demo"), &["--input", text(&file)]).refused(&[
        text(&file),
        "cut off or damaged",
        "fetch it again",
    ]);
}

#[test]
fn a_broken_line_is_named_with_its_number() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("events.ndjson");
    let line = r#"{"ts":1790812800000,"userId":"7","sessionId":1,"page":"Home","auth":"Logged In","method":"GET","status":200,"level":"free","itemInSession":0,"location":"Boise, ID","userAgent":"x","lastName":"A","firstName":"B","registration":1790000000000,"gender":"F"}"#;
    fs::write(&file, format!("{line}\n{line}\n{{\"ts\":17,\n{line}\n")).unwrap();
    demo(&dir.path().join("demo"), &["--input", text(&file)]).refused(&[text(&file), "line 3"]);
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_one() {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("my.toml");
    fs::write(&config, "[kafka]\nbootstrap_server = \"127.0.0.1:9092\"\n").unwrap();
    for command in ["status", "verify", "sql"] {
        goldrecord(&[command, "--config", text(&config)]).refused(&[
            "kafka.bootstrap_server",
            text(&config),
            "did you mean `kafka.bootstrap_servers`?",
        ]);
    }
}

#[test]
fn servers_without_a_configuration_are_refused_and_so_is_the_reverse() {
    let dir = TempDir::new().unwrap();
    demo(dir.path(), &["--servers"]).refused(&["--servers needs --config"]);
    let config = dir.path().join("my.toml");
    fs::write(&config, "").unwrap();
    demo(dir.path(), &["--config", text(&config)]).refused(&["--config only with --servers"]);
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("my.toml");
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let lake = dir.path().join("lake");
    fs::write(
        &config,
        format!(
            "[kafka]\nbootstrap_servers = \"{free}\"\n[lake]\nurl = \"file://{}\"\n",
            lake.display()
        ),
    )
    .unwrap();
    let ran = demo(
        &dir.path().join("demo"),
        &["--servers", "--config", text(&config)],
    );
    ran.refused(&[&free.to_string(), "is the broker running"]);
    assert!(!lake.exists(), "nothing is written");
}

#[test]
fn a_lake_of_a_newer_version_is_left_alone() {
    let dir = copy_of_done();
    let newer = json!({ "protocol": { "minReaderVersion": 9, "minWriterVersion": 9 } });
    commit(dir.path(), "bronze/auth_events", &[newer]);
    let named = ["bronze/auth_events", "newer version", "reader version 9"];
    demo(dir.path(), &SMALL).refused(&named);
    goldrecord(&["verify", "--dir", text(dir.path())]).refused(&named);
    goldrecord(&["status", "--dir", text(dir.path())]).refused(&named);
}

fn project_with(file: &str, change: impl Fn(&str) -> String) -> TempDir {
    let project = TempDir::new().unwrap();
    copy(&warehouse(), project.path());
    let file = project.path().join(file);
    let before = fs::read_to_string(&file).unwrap_or_default();
    fs::write(&file, change(&before)).unwrap();
    project
}

#[test]
fn a_model_that_does_not_compile_is_shown_with_a_caret_and_nothing_is_written() {
    let project = project_with("models/gold/listening_hourly.sql", |sql| {
        sql.replace("count(distinct user_id)", "count(distinct user_idd)")
    });
    let dir = copy_of_done();
    let before = versions(dir.path());
    demo_of(dir.path(), project.path(), &SMALL).refused(&[
        "no column `user_idd`",
        "models/gold/listening_hourly.sql:7:20",
        "^",
        "did you mean `user_id`?",
    ]);
    assert_eq!(versions(dir.path()), before);
}

#[test]
fn a_test_that_fails_shows_its_rows_and_publishes_nothing() {
    let project = project_with("tests/assert_no_listens.sql", |_| {
        "select listen_id_is_missing from (select 'row of the test' as listen_id_is_missing \
         from {{ ref('fct_listens') }} limit 1)\n"
            .to_owned()
    });
    let dir = TempDir::new().unwrap();
    let ran = demo_of(dir.path(), project.path(), &SMALL);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in [
        "✗ assert_no_listens",
        "row of the test",
        "nothing of this build is visible",
    ] {
        assert!(ran.err.contains(part), "no `{part}` in {}", ran.err);
    }
    goldrecord(&[
        "sql",
        "--dir",
        text(dir.path()),
        "select * from gold.listening_hourly",
    ])
    .refused(&["gold.listening_hourly", "no build is published yet"]);
    // Mended, the build goes on over the same bronze.
    let ran = demo(dir.path(), &SMALL);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.err.contains("bronze holds these 5,000 events already"),
        "{}",
        ran.err
    );
}

#[test]
fn a_file_where_the_folder_should_be_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    demo(&file.join("demo"), &SMALL).refused(&[text(&file), "in the way"]);
}

#[test]
fn a_folder_that_another_demo_is_in_is_refused() {
    let dir = copy_of_done();
    let lock = File::open(dir.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    demo(dir.path(), &SMALL).refused(&["another goldrecord demo is running", text(dir.path())]);
}

/// A small file system of its own, gone when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size}"),
                "none",
                text(dir.path()),
            ])
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_is_named_and_the_next_run_with_room_works() {
    let Some(disk) = SmallDisk::mount("1500k") else {
        eprintln!("skipped: a small file system cannot be mounted here");
        return;
    };
    let dir = disk.path().join("demo");
    demo(&dir, &SMALL).refused(&["No space left on device"]);
    let larger = format!("remount,size={}", 64 << 20);
    let grown = Command::new("mount")
        .args(["-o", &larger, text(disk.path())])
        .status();
    assert!(grown.unwrap().success());
    demo(&dir, &SMALL).ok();
}

#[test]
fn queries_that_cannot_be_answered_say_why() {
    let ask = |query| goldrecord(&["sql", "--dir", text(done()), query]);
    ask("select * from gold.listening_hourl").refused(&["did you mean `gold.listening_hourly`?"]);
    ask("select listen from gold.listening_hourly").refused(&["listen", "listens"]);
    ask("selec 1").refused(&["syntax", "Line: 1, Column: 1"]);
    ask("drop table gold.listening_hourly").refused(&["`drop` is not a query"]);
    assert_eq!(rows(done(), "select 1 as one").len(), 1);
    goldrecord(&["sql", "--dir", "/nowhere", "select 1"]).refused(&["/nowhere holds no demo"]);
}
