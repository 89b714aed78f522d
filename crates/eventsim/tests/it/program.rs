//! The program: outputs, exit codes and words.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn eventsim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_goldrecord-eventsim"))
        .args(arguments)
        .output()
        .expect("the program runs")
}

#[test]
fn a_simulation_writes_lines_and_a_ledger() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = folder.path().join("ledger.json");
    let ledger = ledger.to_str().expect("UTF-8");
    let arguments = [
        "simulate", "--events", "2000", "--users", "100", "--days", "3", "--out", "-", "--ledger",
        ledger,
    ];
    let output = eventsim(&arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).lines().count(),
        2_000
    );
    assert!(
        std::fs::read_to_string(ledger)
            .expect("a ledger")
            .contains("\"events\": 2000")
    );
}

#[test]
fn topics_can_be_split_into_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("topics");
    let out_text = out.to_str().expect("UTF-8");
    let output = eventsim(&[
        "simulate", "--events", "2000", "--users", "100", "--days", "3", "--split", "--out",
        out_text,
    ]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let count = |topic: &str| {
        let text = std::fs::read_to_string(out.join(format!("{topic}.ndjson"))).expect("a file");
        text.lines().count()
    };
    let counts = [
        "listen_events",
        "page_view_events",
        "auth_events",
        "status_change_events",
    ]
    .map(count);
    assert_eq!(counts.iter().sum::<usize>(), 2_000, "{counts:?}");
}

#[test]
fn a_replay_reads_standard_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_goldrecord-eventsim"))
        .args(["replay", "-", "--out", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(b"{\"ts\":1,\"nonsense\":2}\n")
        .expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("standard input, line 1: unknown field `nonsense`"),
        "{error}"
    );
}

#[test]
fn wrong_usage_and_refusals_have_their_exit_codes() {
    assert_eq!(eventsim(&["simulate"]).status.code(), Some(2));
    assert_eq!(
        eventsim(&["simulate", "--out", "-", "--kafka"])
            .status
            .code(),
        Some(2)
    );
    let refused = eventsim(&["simulate", "--site", "/nowhere/site.json", "--out", "-"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cannot read /nowhere/site.json"));
}

#[test]
fn a_live_simulation_sends_what_happens_now_and_ends_well_when_it_is_told_to() {
    use std::io::{BufRead as _, BufReader};
    let mut child = Command::new(env!("CARGO_BIN_EXE_goldrecord-eventsim"))
        .args(["simulate", "--live", "--users", "20000", "--out", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let started = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_millis() as u64;
    let mut lines = BufReader::new(child.stdout.take().expect("piped"));
    let mut first = String::new();
    lines.read_line(&mut first).expect("a line");
    let event: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    assert!(event["ts"].as_u64().expect("a time") >= started, "{first}");
    let told = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .expect("kill runs");
    assert!(told.success());
    // What it still writes is read, or it would wait for its reader.
    std::io::copy(&mut lines, &mut std::io::sink()).expect("the rest");
    let ended = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{said}");
}
