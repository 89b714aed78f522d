//! `scripts/outside/exactly_once.py` on a small table that is right, and on ones that are not. Needs
//! `GOLDRECORD_PYTHON`, an interpreter with `deltalake` and `pyarrow`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tables.py");
const CHECKER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../scripts/outside/exactly_once.py"
);

fn python() -> Option<PathBuf> {
    let Some(python) = std::env::var_os("GOLDRECORD_PYTHON") else {
        assert!(
            std::env::var("CI").is_err(),
            "GOLDRECORD_PYTHON must name an interpreter with `deltalake` and `pyarrow`: ./dev test installs one"
        );
        eprintln!("skipped: GOLDRECORD_PYTHON names no interpreter with `deltalake` and `pyarrow`");
        return None;
    };
    Some(python.into())
}

/// What the check says of a table with these defects.
fn check(python: &Path, defects: &[&str]) -> Output {
    let lake = tempfile::tempdir().expect("a folder");
    let made = Command::new(python)
        .arg(TABLES)
        .arg(lake.path())
        .args(defects)
        .output();
    let made = made.expect("runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let mut command = Command::new(python);
    command.arg(CHECKER).arg("--json");
    command.arg("--lake").arg(lake.path());
    command.arg("--ledger").arg(lake.path().join("ledger.tsv"));
    command.output().expect("runs")
}

#[test]
fn a_table_with_everything_once_passes() {
    let Some(python) = python() else { return };
    let output = check(&python, &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said, "");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["holds"], true);
    let topic = &report["topics"][0];
    for (key, count) in [
        ("good", 7),
        ("bad", 1),
        ("gap_offsets", 2),
        ("lost_to_retention", 2),
        ("acked", 9),
    ] {
        assert_eq!(topic[key], count, "{key} in {topic}");
    }
}

#[test]
fn every_defect_is_found_and_named_with_its_first_offender() {
    let Some(python) = python() else { return };
    let expected = [
        ("doubled file", "4 events twice", "1-6 at t/0/6 (epoch 0)"),
        ("doubled file", "4 offsets twice", "t/0/6 (epoch 0): 1-6"),
        (
            "doubled file",
            "1 partitions out of balance",
            "0 to 10, and 16",
        ),
        ("removed row", "1 acknowledged events lost", "1-8 of t/0/-1"),
        (
            "removed row",
            "1 partitions out of balance",
            "0 to 10, and 8",
        ),
        ("never sent", "1 events never sent", "1-9 at t/0/9"),
        (
            "deletion nobody made",
            "1 gaps that no deletion made",
            "t/0/4 (epoch 0) to 6",
        ),
        (
            "gap too long",
            "1 gaps that no deletion made",
            "t/0/4 (epoch 0) to 6",
        ),
        (
            "offset that went back",
            "1 offsets that went back",
            "cluster/t/0/0 in version 3: from 10 to 9",
        ),
        (
            "end not reached",
            "1 partitions not read to their end",
            "t/0: 10 of 11",
        ),
        (
            "good for bad",
            "1 events of another kind",
            "chaos-bad-1-3 at t/0/3 (epoch 0) is bad, not good",
        ),
        (
            "another place",
            "1 events in another place",
            "1-7 at t/0/7 (epoch 0), acknowledged at 0/8",
        ),
    ];
    let mut seen: Option<(&str, Output)> = None;
    for (defect, offence, offender) in expected {
        let output = match seen {
            Some((known, output)) if known == defect => output,
            _ => check(&python, &[defect]),
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{defect}: {said}");
        assert!(said.contains(offence), "{defect}: {offence} in\n{said}");
        assert!(said.contains(offender), "{defect}: {offender} in\n{said}");
        drop(said);
        seen = Some((defect, output));
    }
}
