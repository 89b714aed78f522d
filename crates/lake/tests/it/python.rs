//! Another Delta reader reads what we write. Needs `GOLDRECORD_PYTHON`, an interpreter with `deltalake` and `pyarrow`.

use std::process::Command;

use goldrecord_lake::{Proposal, TableSpec};

use crate::lakes::{append, committed, local, rows, spec, step, write};
use crate::rows::of_every_type;

/// Prints rows, files, version, txns and the least number of a table.
const SCRIPT: &str = r#"
import sys, json
from deltalake import DeltaTable
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
table = DeltaTable(sys.argv[1])
# By deltalake's own file system Arrow's threads call back into Python, and abort where they still do at exit.
rows = table.to_pyarrow_table(filesystem=SubTreeFileSystem(sys.argv[1], LocalFileSystem()))
print(json.dumps({
    "version": table.version(),
    "rows": rows.num_rows,
    "files": len(table.file_uris()),
    "numbers": sum(rows.column("n").to_pylist()) if "n" in rows.column_names else None,
    "days": sorted({str(d) for d in rows.column("day").to_pylist()}),
    "txn": table.transaction_version("topic/0"),
    "history": len(table.history()),
    "min": min(table.get_add_actions(flatten=True).to_pydict().get("min.n", [None]) if hasattr(table.get_add_actions(flatten=True), "to_pydict") else [None], default=None),
}))
"#;

fn python_reads(path: &str) -> Option<serde_json::Value> {
    let Ok(python) = std::env::var("GOLDRECORD_PYTHON") else {
        assert!(
            std::env::var("CI").is_err(),
            "GOLDRECORD_PYTHON must name an interpreter with `deltalake` and `pyarrow`: ./dev test installs one"
        );
        eprintln!("skipped: GOLDRECORD_PYTHON names no interpreter with `deltalake` and `pyarrow`");
        return None;
    };
    let output = Command::new(python)
        .args(["-c", SCRIPT, path])
        .output()
        .expect("runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[tokio::test]
async fn python_reads_commits_checkpoints_and_removals() {
    let test = local();
    let table = test.lake.table("t");
    let mut snapshot = table.create(&spec()).await.expect("creates");
    let first = append(write(&table, &snapshot, rows(None, 0..50)).await);
    committed(&table, &mut snapshot, &first).await;
    let replace = Proposal {
        removes: vec![first.adds[0].path.clone()],
        ..append(write(&table, &snapshot, rows(Some(20_000), 0..10)).await)
    };
    committed(&table, &mut snapshot, &replace).await;
    let more = append(write(&table, &snapshot, rows(None, 10..20)).await);
    committed(&table, &mut snapshot, &more).await;
    let path = table.lake().url().trim_start_matches("file://").to_owned() + "/t";
    let mut proposal = append(Vec::new());
    for number in 3..=101 {
        if [4, 100, 101].contains(&number)
            && let Some(seen) = python_reads(&path)
        {
            assert_eq!(seen["rows"], 20, "{seen}");
            assert_eq!(seen["files"], 2, "{seen}");
            assert_eq!(seen["numbers"], (0..20).sum::<i64>(), "{seen}");
            assert_eq!(seen["version"], snapshot.version, "{seen}");
            assert_eq!(
                seen["days"],
                serde_json::json!(["2024-10-04", "None"]),
                "{seen}"
            );
            assert_eq!(seen["txn"].as_i64(), snapshot.txn("topic/0"), "{seen}");
        }
        proposal.txns = vec![step("topic/0", snapshot.txn("topic/0"), number)];
        committed(&table, &mut snapshot, &proposal).await;
    }
}

#[tokio::test]
async fn python_reads_every_type() {
    let test = local();
    let table = test.lake.table("t");
    let batch = of_every_type();
    let spec = TableSpec {
        schema: batch.schema(),
        partition_columns: vec!["at".to_owned()],
        ..spec()
    };
    let mut snapshot = table.create(&spec).await.expect("creates");
    let proposal = append(write(&table, &snapshot, batch).await);
    committed(&table, &mut snapshot, &proposal).await;
    if let Some(seen) =
        python_reads(&(table.lake().url().trim_start_matches("file://").to_owned() + "/t"))
    {
        assert_eq!(
            (&seen["rows"], &seen["files"]),
            (&3.into(), &3.into()),
            "{seen}"
        );
    }
}
