"""A small bronze table and its ledger, and what can be wrong with them.

python tables.py FOLDER [DEFECT]
"""

import json
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

SCHEMA = pa.schema(
    {
        "_kind": pa.string(),
        "_partition": pa.int32(),
        "_offset": pa.int64(),
        "_offset_end": pa.int64(),
        "_epoch": pa.int32(),
        "_error": pa.string(),
        "_error_text": pa.string(),
        "_raw_value": pa.binary(),
        "eventId": pa.string(),
    }
)
TXN = "cluster/t/0/0"


def row(kind: str, offset: int, **rest: object) -> dict:
    empty = dict.fromkeys(SCHEMA.names)
    return (
        empty | {"_kind": kind, "_partition": 0, "_offset": offset, "_epoch": 0} | rest
    )


def commit(folder: Path, rows: list[dict], following: int) -> None:
    write_deltalake(
        str(folder),
        pa.Table.from_pylist(rows, schema=SCHEMA),
        mode="append",
        commit_properties=CommitProperties(
            app_transactions=[Transaction(TXN, following)]
        ),
    )


def log_of(folder: Path, version: int) -> Path:
    return folder / "_delta_log" / f"{version:020}.json"


def actions(folder: Path, version: int) -> list[dict]:
    return [
        json.loads(line) for line in log_of(folder, version).read_text().splitlines()
    ]


def write_log(folder: Path, version: int, entries: list[dict]) -> None:
    log_of(folder, version).write_text("\n".join(map(json.dumps, entries)) + "\n")


def make(lake: Path) -> Path:
    """Offsets 0 to 9: a bad record at 3, 4 and 5 lost to retention, and 9 which nobody knows to have arrived."""
    folder = lake / "bronze/t"
    commit(folder, [row("start", 0)], 0)
    bad = row(
        "bad",
        3,
        _error="framing",
        _error_text="the first byte is 0x63",
        _raw_value=b"chaos-bad-1-3",
    )
    commit(folder, [*(row("good", n, eventId=f"1-{n}") for n in range(3)), bad], 4)
    gap = row("gap", 4, _offset_end=6, _error="out_of_range")
    commit(folder, [gap, *(row("good", n, eventId=f"1-{n}") for n in range(6, 10))], 10)
    ledger = [f"acked\tt\t0\t{n}\tgood\t1-{n}" for n in (0, 1, 2, 4, 5, 6, 7)]
    # The broker had this one already, and did not say where.
    ledger += [
        "acked\tt\t0\t3\tbad\tchaos-bad-1-3",
        "acked\tt\t0\t-1\tgood\t1-8",
        "maybe\tt\t-\t-\tgood\t1-9",
    ]
    ledger += ["maybe\tt\t-\t-\tgood\t1-10", "deleted\tt\t0\t4\t6", "end\tt\t0\t10"]
    (lake / "ledger.tsv").write_text("\n".join(ledger) + "\n")
    return folder


def edit_ledger(lake: Path, old: str, new: str) -> None:
    ledger = lake / "ledger.tsv"
    text = ledger.read_text()
    assert old in text
    ledger.write_text(text.replace(old, new))


def spoil(lake: Path, folder: Path, defect: str) -> None:
    add = next(action["add"] for action in actions(folder, 2) if "add" in action)
    match defect:
        case "doubled file":
            shutil.copy(folder / add["path"], folder / "twice.parquet")
            write_log(folder, 3, [{"add": add | {"path": "twice.parquet"}}])
        case "removed row":
            table = pq.read_table(folder / add["path"])
            pq.write_table(table.slice(0, table.num_rows - 2), folder / "less.parquet")
            size = (folder / "less.parquet").stat().st_size
            remove = {"path": add["path"], "deletionTimestamp": 0, "dataChange": True}
            less = add | {"path": "less.parquet", "size": size, "stats": None}
            write_log(folder, 3, [{"remove": remove}, {"add": less}])
        case "never sent":
            edit_ledger(lake, "maybe\tt\t-\t-\tgood\t1-9\n", "")
        case "deletion nobody made":
            edit_ledger(lake, "deleted\tt\t0\t4\t6\n", "")
        case "gap too long":
            edit_ledger(lake, "deleted\tt\t0\t4\t6\n", "deleted\tt\t0\t4\t5\n")
        case "offset that went back":
            commit(folder, [row("gap", 10, _offset_end=10, _error="out_of_range")], 9)
        case "end not reached":
            edit_ledger(lake, "end\tt\t0\t10", "end\tt\t0\t11")
        case "good for bad":
            edit_ledger(lake, "3\tbad\tchaos-bad-1-3", "3\tgood\tchaos-bad-1-3")
        case "another place":
            edit_ledger(lake, "acked\tt\t0\t7\t", "acked\tt\t0\t8\t")
        case _:
            sys.exit(f"there is no defect {defect!r}")


def main() -> None:
    lake = Path(sys.argv[1])
    folder = make(lake)
    if len(sys.argv) > 2:
        spoil(lake, folder, sys.argv[2])
    DeltaTable(str(folder))


main()
