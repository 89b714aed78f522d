//! The program as an operator runs it.

use std::process::{Command, Output, Stdio};

use crate::lakes::{filled, latest, local};

fn command(config: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldrecord-lake-maintenance"));
    command.arg("--config").arg(config).args(arguments);
    command
}

fn run(config: &std::path::Path, arguments: &[&str]) -> Output {
    command(config, arguments).output().expect("runs")
}

#[tokio::test]
async fn it_tells_what_it_would_do_then_does_it_and_leaves_on_request() {
    let (lake, folder) = local();
    let (table, _) = filled(&lake, "t", 9).await;
    let config = folder.path().join("goldrecord.toml");
    let text = format!(
        "[lake]\nurl = \"{}\"\n[maintenance]\ncompact_after = \"0ms\"\nkeep = \"1h\"\ninterval = \"1h\"\n",
        lake.url()
    );
    std::fs::write(&config, &text).expect("writes");

    let output = run(&config, &["--dry-run", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["dry_run"], true);
    assert_eq!(report["tables"][0]["compaction"]["files_removed"], 9);
    assert_eq!(latest(&table).await.files.len(), 9);

    let output = run(&config, &["--once"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(
        told.contains("t: version 9, 9 files") && told.contains("compacted to 3"),
        "{told}"
    );
    assert_eq!(latest(&table).await.files.len(), 3);

    // The daemon: it says that a round is done, and waits for the next one.
    let mut daemon = command(&config, &["--json-logs"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let log = std::io::BufReader::new(daemon.stderr.take().expect("is piped"));
    let mut lines = std::io::BufRead::lines(log).map(|line| line.expect("UTF-8"));
    assert!(lines.any(|line| line.contains("round done")));
    let id = daemon.id().to_string();
    let asked = Command::new("kill").args(["-TERM", &id]).status();
    assert!(asked.expect("runs").success());
    assert!(daemon.wait().expect("ends").success());

    std::fs::write(
        &config,
        text.replace("\"1h\"\ninterval", "\"1m\"\ninterval"),
    )
    .expect("writes");
    let output = run(&config, &["--once"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told.contains("too short") && told.contains("--allow-short-keep"),
        "{told}"
    );
}
